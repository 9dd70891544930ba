package keystone

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `"title":"Internal Server Error"`, map[string]string{
		"token": "POST /v3/auth/tokens", "catalog": "GET /v3/auth/catalog", "other": "GET /v3/users",
	})
}
