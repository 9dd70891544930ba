package neutron

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"create": "POST /v2.0/floatingips", "list": "GET /v2.0/floatingips", "show": "GET /v2.0/floatingips/7",
		"update": "PUT /v2.0/floatingips/7", "delete": "DELETE /v2.0/floatingips/7", "other": "GET /v2.0/networks",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), `"type":"HTTPInternalServerError"`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
