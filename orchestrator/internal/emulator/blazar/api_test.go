package blazar

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `"error_name":"INTERNAL_SERVER_ERROR"`, map[string]string{
		"create": "POST /v1/leases", "list": "GET /v1/leases", "show": "GET /v1/leases/7", "update": "PUT /v1/leases/7",
		"delete": "DELETE /v1/leases/7", "devices": "GET /v1/devices/properties",
		"allocations": "GET /v1/os-hosts/7/allocation",
		"other":       "GET /v1/plugins",
	})
}
