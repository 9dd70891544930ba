package neutron

import (
	"net/http"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// What can go wrong with floating IPs.
var (
	FloatingIPDead = world.Word("neutron.floatingip", "dead") // one is associated but carries no traffic
	PoolDry        = world.Word("neutron.pool", "dry")        // every one is in use
	OverQuota      = world.Word("neutron.quota", "used")      // the project has as many as it may
)

// API is what Neutron tells the front. Its calls are those for floating IPs.
var API = front.API{
	Name: "neutron",
	Calls: map[string]string{
		"POST /v2.0/floatingips":        "create",
		"GET /v2.0/floatingips":         "list",
		"GET /v2.0/floatingips/{id}":    "show",
		"PUT /v2.0/floatingips/{id}":    "update",
		"DELETE /v2.0/floatingips/{id}": "delete",
	},
	Fail: func(w http.ResponseWriter, status int) {
		text := http.StatusText(status)
		kind := "HTTP" + strings.ReplaceAll(text, " ", "")
		if status == http.StatusInternalServerError {
			text = "Request Failed: internal server error while processing your request."
		}
		fail(w, status, kind, text)
	},
	Targets: world.Once(FloatingIPDead, PoolDry, OverQuota),
}

// fail answers in Neutron's own error shape.
func fail(w http.ResponseWriter, code int, kind, text string) {
	front.JSON(w, code, map[string]any{
		"NeutronError": map[string]any{"type": kind, "message": text, "detail": ""}})
}
