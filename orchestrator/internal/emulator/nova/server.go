package nova

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"time"

	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// The states that are reached here [nova/compute/vm_states.py], as the API names them.
const (
	building = "BUILD"
	active   = "ACTIVE"
	failed   = "ERROR"
)

// server is one instance.
type server struct {
	id, name, projectID, userID string
	image                       string
	userData                    []byte
	description                 *string
	metadata, tags              any
	key                         *keypair // nil: nobody can sign in
	reservation                 string
	group                       string // Nova's own reservation_id, of all servers of one request

	status, task     string
	fault            string
	faultAt          time.Time
	created, updated time.Time
	launched         time.Time
	machine          *world.Device
	portID, address  string
	box              *sandbox.Container // what runs on the machine
	leaving          bool
	end              context.CancelFunc
	deleted          chan struct{} // closed when nothing is left of it
}

const isoTime = "2006-01-02T15:04:05Z"

// states are the parts of a status that the API shows apart.
func (v *server) states() (vm string, power int) {
	switch v.status {
	case active:
		return "active", 1
	case failed:
		return "error", 0
	}
	return "building", 0
}

func nullable(text string) any {
	if text == "" {
		return nil
	}
	return text
}

func date(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format("2006-01-02T15:04:05.000000")
}

// zoneOf is the availability zone that Blazar makes of a reservation.
func zoneOf(v *server) string { return "blazar_" + v.reservation }

// hostID hides the machine's name from users: Nova's hash of project and host.
func (v *server) hostID() string {
	if v.machine == nil {
		return ""
	}
	sum := sha256.Sum224([]byte(v.projectID + v.machine.UID))
	return hex.EncodeToString(sum[:])
}

// view is the detailed answer. floating are the addresses that point at the server's port.
// The caller holds s.mu.
func (s *Service) view(c call, v *server, floating string, show bool) map[string]any {
	vm, power := v.states()
	o := map[string]any{
		"id": v.id, "name": v.name, "status": v.status, "tenant_id": v.projectID, "user_id": v.userID,
		"metadata": v.metadata,
		"hostId":   v.hostID(), "created": v.created.Format(isoTime), "updated": v.updated.Format(isoTime),
		"accessIPv4": "", "accessIPv6": "", "addresses": s.addressesOf(v, floating), "links": s.links("servers", v.id),
		"image": map[string]any{"id": v.image,
			"links": []any{map[string]any{"rel": "bookmark", "href": s.URL + "/images/" + v.image}}},
		"flavor":                      map[string]any{"id": flavorID, "links": s.links("flavors", flavorID)[1:]},
		"OS-DCF:diskConfig":           "MANUAL",
		"OS-EXT-AZ:availability_zone": "", "config_drive": "", "key_name": nil,
		"OS-SRV-USG:launched_at": date(v.launched), "OS-SRV-USG:terminated_at": nil,
		"OS-EXT-STS:task_state": nullable(v.task), "OS-EXT-STS:vm_state": vm, "OS-EXT-STS:power_state": power,
		"os-extended-volumes:volumes_attached": []any{},
	}
	if v.key != nil {
		o["key_name"] = v.key.name
	}
	if v.machine != nil {
		o["OS-EXT-AZ:availability_zone"] = zoneOf(v)
	}
	if v.portID != "" {
		o["security_groups"] = []any{map[string]any{"name": "default"}}
	}
	if v.status == active {
		o["config_drive"] = "True"
	}
	switch {
	case v.status == failed && !show && v.machine == nil: // in cell0, of which a list tells no faults
	case v.status == failed:
		o["fault"] = map[string]any{"code": 500, "created": v.faultAt.Format(isoTime), "message": v.fault}
	default:
		o["progress"] = 0
	}
	s.since(c, v, o, show)
	return o
}

// since adds what came with later microversions.
func (s *Service) since(c call, v *server, o map[string]any, show bool) {
	// Chameleon's policy shows these to members as well (recorded: 13-show-active, 12-show-build).
	o["OS-EXT-SRV-ATTR:host"], o["OS-EXT-SRV-ATTR:hypervisor_hostname"] = nil, nil
	o["OS-EXT-SRV-ATTR:instance_name"] = "instance-" + v.id[:8]
	if v.machine != nil {
		o["OS-EXT-SRV-ATTR:host"], o["OS-EXT-SRV-ATTR:hypervisor_hostname"] = v.machine.UID, v.machine.UID
	}
	if c.v >= 3 {
		o["OS-EXT-SRV-ATTR:hostname"], o["OS-EXT-SRV-ATTR:reservation_id"],
			o["OS-EXT-SRV-ATTR:launch_index"] = v.name, v.group, 0
		o["OS-EXT-SRV-ATTR:kernel_id"], o["OS-EXT-SRV-ATTR:ramdisk_id"],
			o["OS-EXT-SRV-ATTR:root_device_name"] = "", "", "/dev/sda"
		o["OS-EXT-SRV-ATTR:user_data"] = nil
		if len(v.userData) > 0 {
			o["OS-EXT-SRV-ATTR:user_data"] = base64.StdEncoding.EncodeToString(v.userData)
		}
	}
	if c.caller.Admin() && c.v >= 16 {
		o["host_status"] = "UP"
	}
	if c.v >= 9 {
		o["locked"] = false
	}
	if c.v >= 19 {
		o["description"] = v.description
	}
	if c.v >= 26 {
		o["tags"] = v.tags
	}
	if c.v >= 47 {
		o["flavor"] = map[string]any{"original_name": "baremetal", "vcpus": 1, "ram": flavorMemory,
			"disk": flavorDisk, "ephemeral": 0, "swap": 0,
			"extra_specs": extraSpecs}
	}
	if c.v >= 63 {
		o["trusted_image_certificates"] = nil
	}
	if c.v >= 71 && show {
		o["server_groups"] = []any{}
	}
	if c.v >= 73 {
		o["locked_reason"] = nil
	}
	if c.v >= 90 {
		o["OS-EXT-SRV-ATTR:hostname"] = v.name
	}
}

// addressesOf are by network's name; floating addresses stand beside the fixed one.
func (s *Service) addressesOf(v *server, floating string) map[string]any {
	if v.portID == "" {
		return map[string]any{}
	}
	mac := neutron.MACAddress(v.portID)
	one := func(addr, kind string) map[string]any {
		return map[string]any{"version": 4, "addr": addr, "OS-EXT-IPS:type": kind, "OS-EXT-IPS-MAC:mac_addr": mac}
	}
	list := []any{one(v.address, "fixed")}
	if floating != "" {
		list = append(list, one(floating, "floating"))
	}
	return map[string]any{"sharednet1": list}
}
