package nova

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// The one flavor: a whole machine. Its numbers say nothing about the machine; which one it is
// comes with the reservation.
const (
	flavorMemory = 1
	flavorDisk   = 20
)

// flavorID is what requests name it by; its name, baremetal, is refused.
var flavorID = world.FixedUUID("flavor baremetal")

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
		f["rxtx_factor"] = 0, false, true, json.Number("1.0")
	if v >= 61 {
		f["extra_specs"] = extraSpecs
	}
	if v >= 75 {
		f["swap"] = 0
	}
	return f
}

// flavorSorts are what flavors can be sorted by.
var flavorSorts = []string{"created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id", "is_public",
	"memory_mb", "name", "root_gb", "rxtx_factor", "swap", "updated_at", "vcpu_weight", "vcpus"}

func (s *Service) listFlavors(c call, full bool) {
	q := c.r.URL.Query()
	limit, marker, sort := q.Get("limit"), q.Get("marker"), q.Get("sort_key")
	_, noNumber := strconv.ParseUint(limit, 10, 32)
	switch {
	case limit != "" && noNumber != nil:
		c.fail(400, "Invalid input for query parameters limit. Value: %s. '%[1]s' does not match '^[0-9]*$'", limit)
		return
	case sort != "" && !slices.Contains(flavorSorts, sort):
		c.fail(400, "Invalid input for query parameters sort_key. Value: %s. '%[1]s' is not one of ['%s']", sort,
			strings.Join(flavorSorts, "', '"))
		return
	case marker != "" && marker != flavorID:
		c.fail(400, "marker [%s] not found", marker)
		return
	}
	body := map[string]any{"flavors": []any{s.flavorView(c.v, full)}}
	if least, _ := strconv.Atoi(q.Get("minRam")); least > flavorMemory || marker != "" || limit == "0" {
		body["flavors"] = []any{}
	} else if limit == "1" { // a full page has a next one, be there more or not
		body["flavors_links"] = []any{map[string]any{"rel": "next",
			"href": fmt.Sprintf("%s%s?limit=1&marker=%s", s.URL, c.r.URL.Path, flavorID)}}
	}
	front.JSON(c.w, 200, body)
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
