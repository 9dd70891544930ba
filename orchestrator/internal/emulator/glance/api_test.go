package glance

import (
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	fronttest.Calls(t, API, map[string]string{
		"list": "GET /v2/images", "show": "GET /v2/images/7", "other": "GET /v2/schemas/image",
	})
}

func TestOrderedErrorsHaveTheServicesShape(t *testing.T) {
	t.Parallel()
	a := fronttest.Answer(t, API, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), `<title>500 Internal Server Error</title>`) {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}
