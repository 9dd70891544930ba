package zun

import (
	"testing"

	"chexp/orchestrator/internal/emulator/front/fronttest"
)

func TestOrdersKnowTheService(t *testing.T) {
	t.Parallel()
	fronttest.Check(t, API, `Error Correlation id is: `, map[string]string{
		"create": "POST /v1/containers", "list": "GET /v1/containers", "show": "GET /v1/containers/7",
		"update": "PATCH /v1/containers/7", "delete": "DELETE /v1/containers/7",
		"execute": "POST /v1/containers/7/execute",
		"logs":    "GET /v1/containers/7/logs", "other": "GET /v1/hosts",
	})
}
