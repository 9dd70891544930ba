package cli

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/store"
)

// A run that holds a lease is gone on with when its site is back, and one that holds
// none, or whose credentials are refused, fails at once.
func TestResumeDuringAnOutageWaits(t *testing.T) {
	t.Parallel()
	away := failure.Auth.Errorf("cannot reach Keystone").Because(io.ErrUnexpectedEOF)
	refused := failure.Auth.Errorf("the secret is wrong")
	for name, c := range map[string]struct {
		ends  time.Duration // of the lease, from now; 0: there is none
		err   error
		fails int // times
		tries int
	}{
		"back":        {time.Hour, away, 3, 4},
		"no lease":    {0, away, 3, 1},
		"it is over":  {-time.Hour, away, 3, 1},
		"not allowed": {time.Hour, refused, 3, 1},
	} {
		s, err := store.At(t.TempDir()).Create(store.NewID("x", time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		defer s.Unlock()
		if err := s.Record(store.Entry{Kind: store.Began, Phase: string(run.PhaseLease)}); err != nil {
			t.Fatal(err)
		}
		if c.ends != 0 {
			data, _ := json.Marshal(run.LeaseRequest{Name: "l", End: time.Now().Add(c.ends)})
			if err := s.Record(store.Entry{Kind: store.Intent, What: "lease", Name: "l", Data: data}); err != nil {
				t.Fatal(err)
			}
		}
		tries, said := 0, 0
		_, err = throughOutage(t.Context(), s, time.Nanosecond, func(string) { said++ }, func() (run.Site, error) {
			if tries++; tries <= c.fails {
				return nil, c.err
			}
			return nil, nil
		})
		if tries != c.tries || (err == nil) != (c.tries > 1) || said > 1 {
			t.Errorf("%s: %d tries, %d times said, %v", name, tries, said, err)
		}
	}
	s, err := store.At(t.TempDir()).Create(store.NewID("x", time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Unlock()
	data, _ := json.Marshal(run.LeaseRequest{Name: "l", End: time.Now().Add(time.Hour)})
	if err := s.Record(store.Entry{Kind: store.Intent, What: "lease", Name: "l", Data: data}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	warn := func(text string) {
		if !strings.Contains(text, "Ctrl-C ends that") {
			t.Error(text)
		}
		cancel()
	}
	_, err = throughOutage(ctx, s, time.Hour, warn, func() (run.Site, error) { return nil, away })
	if failure.KindOf(err) != failure.Interrupted {
		t.Errorf("interrupted: %v", err)
	}
}
