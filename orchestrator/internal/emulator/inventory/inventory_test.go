package inventory

import (
	"net/http/httptest"
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// TestBoardsAreShownToEverybody: also the one that Blazar does not know, and without a token.
func TestBoardsAreShownToEverybody(t *testing.T) {
	t.Parallel()
	w := world.New(world.Pace{}, nil, nil)
	h := Handler(w, &front.Gate{Now: w.Now})
	for path, want := range map[string]int{"/v1/hardware/export": 200, "/edge-hw-discovery/devices": 200,
		"/v1/hardware": 401} {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
		shown := strings.Contains(answer.Body.String(), "iot-rpi5-unregistered")
		if answer.Code != want || shown != (want == 200) {
			t.Errorf("%s: %d %s", path, answer.Code, answer.Body)
		}
	}
}
