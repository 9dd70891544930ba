// Package fronttest asks a service's front for an answer that was ordered, in tests.
package fronttest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// Answer orders something for one call of a service, "create=500", and sends a request. An answer
// with status 299 comes from the service: the order was for another call.
func Answer(t *testing.T, api front.API, order, method, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := world.New(world.Pace{}, nil, nil)
	faults, err := world.NewGrammar(api.Vocabulary()).Parse([]string{api.Name + "." + order})
	if err != nil {
		t.Fatal(err)
	}
	w.Orders.Set(faults)
	service := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) })
	answer := httptest.NewRecorder()
	front.Service(service, w, api).ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer
}

// Check wants the service's answer to an ordered 500 to contain its error shape, and its calls to
// have their names.
func Check(t *testing.T, api front.API, shape string, routes map[string]string) {
	t.Helper()
	a := Answer(t, api, "other=500", "GET", "/nowhere")
	if a.Code != 500 || !strings.Contains(a.Body.String(), shape) {
		t.Errorf("an ordered 500 is %d %s; want %s in it", a.Code, a.Body, shape)
	}
	checkCalls(t, api, routes)
}

// checkCalls sends one request for every call, a route "GET /path" by the call's name, and wants
// each to be known by that name only.
func checkCalls(t *testing.T, api front.API, routes map[string]string) {
	t.Helper()
	for call, route := range routes {
		method, path, _ := strings.Cut(route, " ")
		for other := range routes {
			got, want := Answer(t, api, other+"=418", method, path).Code, 299
			if call == other {
				want = 418
			}
			if got != want {
				t.Errorf("%s with %s ordered is answered with %d; want %d", route, other, got, want)
			}
		}
	}
}
