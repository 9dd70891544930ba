package nova

import "chexp/orchestrator/internal/emulator/front"

// The one flavor: a whole machine. Its numbers say nothing about the machine; which one it is
// comes with the reservation.
const (
	flavorID     = "baremetal"
	flavorMemory = 1024
	flavorDisk   = 20
)

var extraSpecs = map[string]string{"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0",
	"resources:MEMORY_MB": "0", "resources:DISK_GB": "0"}

func (s *Service) flavorView(v version, full bool) map[string]any {
	f := map[string]any{"id": flavorID, "name": "baremetal", "links": s.links("flavors", flavorID)}
	if v >= 55 {
		f["description"] = nil
	}
	if !full {
		return f
	}
	f["ram"], f["disk"], f["vcpus"], f["swap"] = flavorMemory, flavorDisk, 1, any("")
	f["OS-FLV-EXT-DATA:ephemeral"], f["OS-FLV-DISABLED:disabled"], f["os-flavor-access:is_public"],
		f["rxtx_factor"] = 0, false, true, 1.0
	if v >= 61 {
		f["extra_specs"] = extraSpecs
	}
	if v >= 75 {
		f["swap"] = 0
	}
	return f
}

func (s *Service) listFlavors(c call, full bool) {
	front.JSON(c.w, 200, map[string]any{"flavors": []any{s.flavorView(c.v, full)}})
}

func (c call) knowsFlavor() bool {
	if id := c.r.PathValue("id"); id != flavorID {
		c.fail(404, "Flavor %s could not be found.", id)
		return false
	}
	return true
}

func (s *Service) showFlavor(c call) {
	if c.knowsFlavor() {
		front.JSON(c.w, 200, map[string]any{"flavor": s.flavorView(c.v, true)})
	}
}

func (s *Service) extraSpecs(c call) {
	if c.knowsFlavor() {
		front.JSON(c.w, 200, map[string]any{"extra_specs": extraSpecs})
	}
}
