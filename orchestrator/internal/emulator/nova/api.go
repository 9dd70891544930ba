package nova

import (
	"net/http"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// serverError: the machine of a server fails while it is deployed, and the server goes to ERROR.
var serverError = world.Word("nova.server", "ERROR")

// API is what Nova tells the front.
var API = front.API{
	Name: "nova",
	Calls: map[string]string{
		"POST /v2.1/servers":             "create",
		"GET /v2.1/servers":              "list",
		"GET /v2.1/servers/detail":       "list",
		"GET /v2.1/servers/{id}":         "show",
		"DELETE /v2.1/servers/{id}":      "delete",
		"POST /v2.1/servers/{id}/action": "action",
		"/v2.1/os-keypairs":              "keypairs",
		"/v2.1/os-keypairs/":             "keypairs",
		"/v2.1/flavors":                  "flavors",
		"/v2.1/flavors/":                 "flavors",
	},
	Fail: func(w http.ResponseWriter, status int) {
		text := http.StatusText(status)
		if status == http.StatusInternalServerError {
			text = "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ " +
				"and attach the Nova API log if possible."
		}
		fail(w, status, text)
	},
	Targets: world.Once(serverError),
}
