package front

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/world"
)

var shop = API{Name: "shop", Calls: map[string]string{"POST /things": "create", "GET /things/{id}": "show"},
	Fail: func(w http.ResponseWriter, status int) { http.Error(w, "the shop's own", status) }}

// ask sends a request to a shop that answers 200, with some orders.
func ask(t *testing.T, method, path string, orders ...string) *httptest.ResponseRecorder {
	t.Helper()
	w := world.New(world.Pace{}, nil, nil)
	faults, err := world.NewGrammar(shop.Vocabulary(), Network).Parse(orders)
	if err != nil {
		t.Fatal(err)
	}
	w.Orders.Set(faults)
	h := Service(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(strings.Repeat("x", 2048)))
	}), w, shop)
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequest(method, path, nil))
	return answer
}

func TestCallsAreNamedByRoute(t *testing.T) {
	t.Parallel()
	for route, call := range map[string]string{"POST /things": "create", "GET /things/7": "show",
		"GET /things": "other", "POST /things/": "create",
		"DELETE /things/7": "other", "GET /": "other", "GET //things/7": "other"} {
		method, path, _ := strings.Cut(route, " ")
		if a := ask(t, method, path, "shop."+call+"=500"); a.Code != 500 || !strings.Contains(a.Body.String(), "own") {
			t.Errorf("%s is not the call %s: %d %s", route, call, a.Code, a.Body)
		}
	}
}

func TestBalancerSpeaksForItself(t *testing.T) {
	t.Parallel()
	for order, text := range map[string]string{"shop=503": "No server is available", "shop=429": "Too Many Requests",
		"shop=502": "Bad Gateway"} {
		a := ask(t, "GET", "/things/7", order)
		if !strings.HasPrefix(a.Body.String(), "<html>") || !strings.Contains(a.Body.String(), text) {
			t.Errorf("%s: %d %s", order, a.Code, a.Body)
		}
		if retry := a.Header().Get("Retry-After"); (retry == "1") != (a.Code == 429) {
			t.Errorf("%s: Retry-After %q", order, retry)
		}
	}
	if a := ask(t, "GET", "/things/"+strings.Repeat("x", maxRequestLine)); a.Code != http.StatusRequestURITooLong {
		t.Errorf("a long request line: %d", a.Code)
	}
}

// TestConnectionsEnd: what is dropped has no answer, what is cut has its beginning.
func TestConnectionsEnd(t *testing.T) {
	t.Parallel()
	for order, begins := range map[string]int{"shop=drop": 0, "shop=lost": 0, "network=cut-after-1KiB": 1024} {
		func() {
			answer := httptest.NewRecorder()
			defer func() {
				if recover() != http.ErrAbortHandler || answer.Body.Len() != begins {
					t.Errorf("%s: %d bytes came, and no end; want %d", order, answer.Body.Len(), begins)
				}
			}()
			w := world.New(world.Pace{}, nil, nil)
			faults, err := world.NewGrammar(shop.Vocabulary(), Network).Parse([]string{order})
			if err != nil {
				t.Fatal(err)
			}
			w.Orders.Set(faults)
			Service(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Write([]byte(strings.Repeat("x", 2048)))
			}), w, shop).ServeHTTP(answer, httptest.NewRequest("POST", "/things", nil))
		}()
	}
}

// TestLateRequest: what was on its way is carried out after its client has gone, with
// the body that it came with.
func TestLateRequest(t *testing.T) {
	t.Parallel()
	w := world.New(world.Pace{}, nil, nil)
	faults, err := world.NewGrammar(shop.Vocabulary()).Parse([]string{"shop=late-50ms"})
	if err != nil {
		t.Fatal(err)
	}
	w.Orders.Set(faults)
	came := make(chan string, 1)
	srv := httptest.NewServer(Service(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		came <- fmt.Sprintf("%s %v %v", body, err, r.Context().Err())
	}), w, shop))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(conn, "POST /things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
	conn.Close()
	if got := <-came; got != "hello <nil> <nil>" {
		t.Errorf("it came as %q", got)
	}
}
