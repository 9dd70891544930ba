package blazar

import (
	"fmt"
	"strings"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// kind is one of Blazar's plugins: what it reserves and how it speaks of it. A site has one:
// boards at CHI@Edge, whole machines at a bare-metal site.
type kind struct {
	resource     string // resource_type
	path         string // below /v1/
	one, many    string // keys of answers
	policy       string // "blazar:devices:"
	id           string // the parameter that a 404 names
	capability   string // the table that an unknown property is not found in
	hypervisor   bool   // a reservation has hypervisor_properties and on_start
	random       bool   // which of the free ones is left to chance
	columns      func(*boards, *world.Device) *pyrepr.Dict
	capabilities func(*world.Device) map[string]string
}

// devices is the plugin of CHI@Edge [BLZ:plugins/devices].
var devices = kind{resource: "device", path: "devices", one: "device", many: "devices", policy: "blazar:devices:",
	id:         "device_id",
	capability: "DeviceExtraCapability", random: true, columns: (*boards).deviceColumns, capabilities: extras}

// hosts is the plugin of the bare-metal sites [BLZ:plugins/oshosts/host_plugin.py]. By default it
// takes free machines in the order of their rows.
var hosts = kind{resource: "physical:host", path: "os-hosts", one: "host", many: "hosts", policy: "blazar:oshosts:",
	id:         "host_id",
	capability: "ComputeHostExtraCapability", hypervisor: true, columns: (*boards).hostColumns,
	capabilities: hostExtras}

func (s *boards) deviceColumns(d *world.Device) *pyrepr.Dict {
	v := pyrepr.NewDict()
	v.Set("created_at", s.born)
	v.Set("updated_at", nil)
	v.Set("id", d.ID)
	v.Set("name", d.Name)
	v.Set("device_type", "container") // not the board: that is machine_name
	v.Set("device_driver", "k8s")
	v.Set("reservable", d.Reservable)
	return v
}

// hostColumns are those of the fork's table, which has two that upstream's has not:
// availability_zone and disabled [BLZ:blazar/db/sqlalchemy/models.py ComputeHost].
func (s *boards) hostColumns(d *world.Device) *pyrepr.Dict {
	v := pyrepr.NewDict()
	v.Set("created_at", s.born)
	v.Set("updated_at", nil)
	v.Set("id", d.ID)
	v.Set("vcpus", d.Host.CPUs)
	v.Set("cpu_info", "")
	v.Set("hypervisor_type", "ironic")
	v.Set("hypervisor_version", 1)
	v.Set("hypervisor_hostname", d.UID) // Ironic's, not the machine's name
	v.Set("service_name", "ironic-compute")
	v.Set("memory_mb", d.Host.MemoryMB)
	v.Set("local_gb", d.Host.DiskGB)
	v.Set("status", nil)
	v.Set("availability_zone", "nova")
	v.Set("trust_id", strings.ReplaceAll(world.FixedUUID("trust "+d.UID), "-", ""))
	v.Set("reservable", d.Reservable)
	v.Set("disabled", false)
	return v
}

func hostExtras(d *world.Device) map[string]string {
	m := map[string]string{"uid": d.UID, "node_name": d.Name, "node_type": d.MachineName}
	for k, v := range d.Host.Capabilities {
		m[k] = v
	}
	return m
}

// view is a board or a machine; full adds the extra capabilities, flattened in.
func (s *boards) view(d *world.Device, full bool) *pyrepr.Dict {
	v := s.kind.columns(s, d)
	if full {
		more := s.kind.capabilities(d)
		for _, k := range s.propertyNames() {
			if val, ok := more[k]; ok {
				v.Set(k, val)
			}
		}
	}
	return v
}

// property is a value as requirements see it: a column's or a capability's, as text.
func (s *boards) property(d *world.Device, key string) (text string, number, ok bool) {
	if v, ok := s.kind.columns(s, d).Get(key); ok && v != nil {
		_, number = v.(int)
		if t, isText := v.(string); isText {
			return t, number, true
		}
		return pyrepr.Repr(v), number, true
	}
	text, ok = s.kind.capabilities(d)[key]
	return text, false, ok
}

// notFound is the 404 for a board or a machine.
func (s *boards) notFound(id string) *problem {
	return &problem{404, fmt.Sprintf("Object with {'%s': '%s'} not found", s.kind.id, id)}
}
