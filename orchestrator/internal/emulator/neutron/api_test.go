package neutron

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `"type":"HTTPInternalServerError"`, map[string]string{
		"create": "POST /v2.0/floatingips", "list": "GET /v2.0/floatingips", "show": "GET /v2.0/floatingips/7",
		"update": "PUT /v2.0/floatingips/7", "delete": "DELETE /v2.0/floatingips/7", "other": "GET /v2.0/networks",
	})
}
