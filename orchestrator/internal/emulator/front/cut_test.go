package front

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// service is a shop with an order, and the world that it is in.
func service(t *testing.T, order string) (*world.World, *httptest.Server, *int) {
	t.Helper()
	w := world.New(world.Pace{}, nil, nil)
	faults, err := world.NewGrammar(shop.Vocabulary(), Network).Parse([]string{order})
	if err != nil {
		t.Fatal(err)
	}
	w.Orders.Set(faults)
	served := new(int)
	s := httptest.NewServer(Service(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*served++
		_, _ = io.WriteString(w, "well")
	}), w, shop))
	t.Cleanup(s.Close)
	return w, s, served
}

// From the ordered call on, nothing gets through, whatever is called; then all does.
func TestTheNetworkIsDownFromACallOn(t *testing.T) {
	t.Parallel()
	w, s, served := service(t, "shop.create=down-1h")
	get := func() error {
		resp, err := http.Get(s.URL + "/things/7")
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	if err := get(); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.Post(s.URL+"/things", "", nil); err == nil {
		resp.Body.Close()
		t.Error("the call itself got through")
	}
	if get() == nil || *served != 1 {
		t.Errorf("another call got through; %d were served", *served)
	}
	w.Advance(time.Hour)
	if err := get(); err != nil || *served != 2 {
		t.Errorf("an hour later: %v, %d served", err, *served)
	}
}

// What drips is carried out, and its answer comes without end.
func TestAnAnswerDrips(t *testing.T) {
	t.Parallel()
	_, s, served := service(t, "shop.show=drip")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+"/things/7", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	two := make([]byte, 2)
	if _, err := io.ReadFull(resp.Body, two); err != nil || strings.TrimSpace(string(two)) != "" || *served != 1 {
		t.Errorf("%q, %v, %d served", two, err, *served)
	}
}
