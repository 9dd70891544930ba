package zun

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"create": "POST /v1/containers", "list": "GET /v1/containers", "show": "GET /v1/containers/7",
		"update": "PATCH /v1/containers/7", "delete": "DELETE /v1/containers/7",
		"execute": "POST /v1/containers/7/execute",
		"logs":    "GET /v1/containers/7/logs", "other": "GET /v1/hosts",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), `Error Correlation id is: `) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
