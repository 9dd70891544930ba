package glance

import (
	"net/http"

	"chexp/orchestrator/internal/emulator/front"
)

// API is what Glance tells the front.
var API = front.API{
	Name: "glance",
	Calls: map[string]string{
		"GET /v2/images":      "list",
		"GET /v2/images/{id}": "show",
	},
	Fail: func(w http.ResponseWriter, status int) { problem(w, status, http.StatusText(status)) },
}
