package keystone

import (
	"net/http"
	"slices"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// What can go wrong with signing in.
var (
	credentialExpired = world.Word("keystone.credential", "expired") // of an application credential
	noProject         = world.Word("keystone.project", "inactive")   // its allocation has ended: no role, 401
)

// tokenLife is the target whose value is the life of new tokens.
const tokenLife = "token"

// API is what Keystone tells the front.
var API = front.API{
	Name: "keystone",
	Calls: map[string]string{
		"/v3/auth/tokens":  "token",
		"/v3/auth/catalog": "catalog",
	},
	Fail: func(w http.ResponseWriter, status int) {
		text := http.StatusText(status)
		if status == http.StatusInternalServerError {
			text = "An unexpected error prevented the server from fulfilling your request."
		}
		writeError(w, status, text)
	},
	Targets: slices.Concat(
		world.Once(credentialExpired, noProject),
		world.Lasting(front.AllTrust, front.NoneTrust),
		[]world.Target{{Name: tokenLife, Value: world.Time("expires-in"), Lasts: true}}),
}

// writeError answers in Keystone's own error shape.
func writeError(w http.ResponseWriter, code int, message string) {
	front.JSON(w, code, map[string]any{"error": map[string]any{
		"code": code, "message": message, "title": http.StatusText(code),
	}})
}
