package zun

import (
	"net/http"
	"slices"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// What can go wrong with containers.
var (
	ContainerError = world.Word("zun.container", "ERROR") // it goes to Error while it starts
	// it shows as Deleted when fresh: a race of Zun's sync, seen on the real code
	ContainerVanish = world.Word("zun.container", "deleted")
	NoHosts         = world.Word("zun.hosts", "none")   // no compute service is up: it is made in Error
	ClaimLost       = world.Word("zun.claim", "lost")   // it meets an execute's handshake: Creating, then Deleted
	ImageNeverPulls = world.Word("zun.image", "never")  // its image cannot be fetched: Creating for ever
	AddressLate     = world.Word("zun.address", "late") // it runs for a while before it shows an address
	// an execute is cut at once: exit_code null, the process goes on
	ExecuteCut     = world.Word(execute, "cut")
	InteractiveOff = world.Word("zun.interactive", "off") // no interactive execute, as in the public code of 2024

	// the next execute, archive, logs or attach meets another's handshake: 500
	StreamCollides = world.Word("zun.stream", "collide")
	// two handshakes overlapped in the wrong order: nothing reaches Kubernetes until a restart
	Wedged  = world.Word("zun.compute", "wedged")
	Restart = world.Word("zun.compute", "restart") // an operator restarts the compute service

	// which board of a reservation of several a container gets, instead of any
	Packs   = world.Word("zun.scheduler", "pack")   // always the same
	Spreads = world.Word("zun.scheduler", "spread") // the one with the fewest
)

// Targets with values.
const (
	execute = "execute"     // after how long Zun answers an execute without an exit code
	workers = "zun.workers" // how many calls the compute service works at
	// how long an execute's handshake keeps the one client of the compute service for itself
	handshake = "zun.handshake"
)

// API is what Zun tells the front.
var API = front.API{
	Name: "zun",
	Calls: map[string]string{
		"POST /v1/containers":        "create",
		"GET /v1/containers":         "list",
		"GET /v1/containers/{id}":    "show",
		"PATCH /v1/containers/{id}":  "update",
		"DELETE /v1/containers/{id}": "delete",

		"POST /v1/containers/{id}/execute":     "execute",
		"POST /v1/containers/{id}/put_archive": "put_archive",
		"GET /v1/containers/{id}/get_archive":  "get_archive",
		"GET /v1/containers/{id}/logs":         "logs",
		"POST /v1/containers/{id}/start":       "start",
		"POST /v1/containers/{id}/stop":        "stop",
		"POST /v1/containers/{id}/reboot":      "reboot",
		"GET /v1/containers/{id}/stats":        "stats",
		"GET /v1/containers/{id}/attach":       "attach",
	},
	OnBoard: []string{"attach", "delete", "execute", "get_archive", "logs", "put_archive", "show", "stats", "stop"},
	Fail: func(w http.ResponseWriter, status int) {
		call{w: w}.fail(&problem{status: status, text: http.StatusText(status)})
	},
	Targets: slices.Concat(
		world.OnBoard(ContainerError, ContainerVanish),
		world.Once(NoHosts, ImageNeverPulls, AddressLate, ClaimLost, StreamCollides, Restart, ExecuteCut),
		world.Lasting(InteractiveOff, Wedged, Packs, Spreads),
		[]world.Target{
			{Name: handshake, Value: world.Time("slow"), Lasts: true},
			{Name: workers, Value: world.Number, Lasts: true},
			{Name: execute, Value: world.Time("cut"), Lasts: true},
		}),
}
