package chiedge

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// Containers that are being made are looked at with one request for all of them, and
// one alone with a request of its own.
func TestManyStartsAreWatchedTogether(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	s.Pace.First = time.Minute // for as long as a list serves
	var mu sync.Mutex
	lists, single := 0, 0
	c.before = func(_ http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case strings.HasSuffix(r.URL.Path, "/containers") || strings.HasSuffix(r.URL.Path, "/containers/"):
			lists++
		case strings.Contains(r.URL.Path, "/containers/"):
			single++
		}
		return false
	}
	var ids []string
	for i := range 8 {
		k := &fakeContainer{id: fmt.Sprintf("c-%d", i), name: fmt.Sprint(i), user: alice}
		c.containers, ids = append(c.containers, k), append(ids, k.id)
	}
	one := s.watch.await()
	if _, err := s.look(t.Context(), ids[0]); err != nil || lists != 0 || single != 1 {
		t.Errorf("%v: %d lists, %d looks at one", err, lists, single)
	}
	other := s.watch.await()
	var all sync.WaitGroup
	for _, id := range ids {
		all.Go(func() {
			if k, err := s.look(t.Context(), id); err != nil || k.UUID != id {
				t.Errorf("%s: %+v, %v", id, k, err)
			}
		})
	}
	all.Wait()
	if lists != 1 || single != 1 {
		t.Errorf("%d lists, %d looks at one", lists, single)
	}
	one()
	other()
	if s.watch.waiting != 0 {
		t.Error(s.watch.waiting)
	}
}
