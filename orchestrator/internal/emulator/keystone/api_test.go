package keystone

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"token": "POST /v3/auth/tokens", "catalog": "GET /v3/auth/catalog", "other": "GET /v3/users",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), `"title":"Internal Server Error"`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
