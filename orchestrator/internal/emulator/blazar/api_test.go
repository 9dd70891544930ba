package blazar

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"create": "POST /v1/leases", "list": "GET /v1/leases", "show": "GET /v1/leases/7", "update": "PUT /v1/leases/7",
		"delete": "DELETE /v1/leases/7", "devices": "GET /v1/devices/properties",
		"allocations": "GET /v1/os-hosts/7/allocation",
		"other":       "GET /v1/plugins",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), `"error_name":"INTERNAL_SERVER_ERROR"`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
