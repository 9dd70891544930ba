package nova

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"create": "POST /v2.1/servers", "list": "GET /v2.1/servers/detail", "show": "GET /v2.1/servers/7",
		"delete": "DELETE /v2.1/servers/7", "action": "POST /v2.1/servers/7/action",
		"keypairs": "GET /v2.1/os-keypairs/k",
		"flavors":  "GET /v2.1/flavors/detail", "other": "GET /v2.1/limits",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(),
		`{"computeFault":{"code":500,"message":"Unexpected API Error.`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
