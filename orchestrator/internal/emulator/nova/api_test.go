package nova

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `{"computeFault":{"code":500,"message":"Unexpected API Error.`, map[string]string{
		"create": "POST /v2.1/servers", "list": "GET /v2.1/servers/detail", "show": "GET /v2.1/servers/7",
		"delete": "DELETE /v2.1/servers/7", "action": "POST /v2.1/servers/7/action",
		"keypairs": "GET /v2.1/os-keypairs/k",
		"flavors":  "GET /v2.1/flavors/detail", "other": "GET /v2.1/limits",
	})
}
