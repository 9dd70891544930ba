package glance

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `500 Internal Server Error`, map[string]string{
		"list": "GET /v2/images", "show": "GET /v2/images/7", "other": "GET /v2/schemas/image",
	})
}
