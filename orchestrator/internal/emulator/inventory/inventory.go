// Package inventory is doni, the register of boards, and the public hardware list made
// from it. Both answer without a token, and both show boards that Blazar does not know:
// those whose registration failed.
package inventory

import (
	"net/http"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Handler serves the export and the list [DONI:doni/api/hardware.py,
// EHD:hwdiscovery/v1/api.py].
func Handler(w *world.World, gate *front.Gate) http.Handler {
	owner := w.User(world.Root).Project.ID
	var exported, listed []map[string]any
	for _, d := range w.Devices {
		props := map[string]any{"machine_name": d.MachineName, "device_profiles": texts(d.Profiles)}
		authorized := []string{"all"}
		if len(d.Authorized) > 0 {
			authorized = d.Authorized
			props["authorized_projects"] = d.Authorized
		}
		exported = append(exported, map[string]any{"uuid": d.UID, "name": d.Name, "project_id": owner,
			"hardware_type": "device.balena", "properties": props})
		listed = append(listed, map[string]any{"device_name": d.Name, "uuid": d.UID, "device_type": d.MachineName,
			"owning_project": owner, "supported_device_profiles": texts(d.Profiles), "authorized_projects": authorized})
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/hardware/export", func(rw http.ResponseWriter, _ *http.Request) {
		front.JSON(rw, 200, map[string]any{"hardware": exported})
	})
	mux.HandleFunc("GET /edge-hw-discovery/devices", func(rw http.ResponseWriter, _ *http.Request) {
		front.JSON(rw, 200, listed)
	})
	// A member owns no boards.
	mux.HandleFunc("GET /v1/hardware", gate.Wrap(func(rw http.ResponseWriter, _ *http.Request, c front.Caller) {
		own := []map[string]any{}
		if c.Admin() {
			own = exported
		}
		front.JSON(rw, 200, map[string]any{"hardware": own})
	}))
	return mux
}

func texts(v []string) []string {
	if v == nil {
		return []string{}
	}
	return v
}
