package blazar

import (
	"net/http"
	"slices"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// What can go wrong with leases.
var (
	LeaseError = world.Word("blazar.lease", "ERROR") // a starting lease goes to ERROR
	// a started lease's board is found broken; no pod runs there
	LeaseDegraded = world.Word("blazar.lease", "degraded")
	// the starting lease's board is lost to Kubernetes: ERROR, and its DELETE is a 500
	NodeGone     = world.Word("blazar.node", "gone")
	NoFreeDevice = world.Word("blazar.free", "none") // a creation finds every device taken
	// a creation is more than is left of the project's allocation: 400
	NoAllocation = world.Word("blazar.allocation", "used")
	// two creations in the same second do not see each other's boards, and both book them
	DoubleBooking = world.Word("blazar.race", "double")
	// another project books the boards of the next lease too, for the same time or from its end on
	RivalSame  = world.Word("blazar.rival", "same")
	RivalAfter = world.Word("blazar.rival", "after")
	// the operators free what failed creations leaked, with SQL
	LeaksFreed = world.Word("blazar.leaks", "freed")
	// Extension403 answers an extension outside the window with 403, as production's nightly test
	// has it; the public code says 400.
	Extension403 = world.Word("blazar.extension", "403")
)

// Choices of a site's operators that are not Chameleon's.
var (
	// Blazar's own: only administrators may read boards and allocations
	UpstreamPolicy = world.Word("blazar.policy", "upstream")
	// display_default_resource_properties off: "Not enough hosts available" says no more
	HiddenQuery = world.Word("blazar.query", "hidden")
)

// lateStart is the target whose value is how much later than usual a lease starts.
const lateStart = "blazar.start"

// API is what Blazar tells the front.
var API = front.API{
	Name: "blazar",
	Calls: map[string]string{
		"POST /v1/leases":        "create",
		"GET /v1/leases":         "list",
		"GET /v1/leases/{id}":    "show",
		"PUT /v1/leases/{id}":    "update",
		"DELETE /v1/leases/{id}": "delete",

		"/v1/devices":                  "devices",
		"/v1/devices/":                 "devices",
		"/v1/devices/allocations":      "allocations",
		"/v1/devices/{id}/allocation":  "allocations",
		"/v1/os-hosts":                 "devices",
		"/v1/os-hosts/":                "devices",
		"/v1/os-hosts/allocations":     "allocations",
		"/v1/os-hosts/{id}/allocation": "allocations",
	},
	Fail: func(w http.ResponseWriter, status int) {
		if status == internal.code {
			writeError(w, internal)
			return
		}
		writeError(w, &problem{status, http.StatusText(status)})
	},
	Targets: slices.Concat(
		world.Once(LeaseError, LeaseDegraded, NodeGone, NoFreeDevice, NoAllocation, DoubleBooking, RivalSame, RivalAfter,
			LeaksFreed),
		world.Lasting(Extension403, UpstreamPolicy, HiddenQuery),
		[]world.Target{{Name: lateStart, Value: world.Time("slow"), Lasts: true}}),
}

// writeError answers in Blazar's own error shape.
func writeError(w http.ResponseWriter, p *problem) {
	var name any = p.code
	if p == internal {
		name = "INTERNAL_SERVER_ERROR"
	}
	front.JSON(w, p.code, map[string]any{"error_code": p.code, "error_message": p.text, "error_name": name})
}
