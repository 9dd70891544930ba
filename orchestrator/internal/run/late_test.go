package run

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"chexp/orchestrator/internal/store"
)

// stocked is a cloud that lists what is there, and carries requests out late.
type stocked struct {
	*cloud
	mu   sync.Mutex
	late func() // is carried out before the list is had for the last time
	left int    // lists until then
}

func (s *stocked) Own(_ context.Context, kind ThingKind) (own []Thing, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left == 0 && s.late != nil {
		s.late()
	}
	for _, l := range s.leases {
		if kind == ALease {
			own = append(own, Thing{Kind: kind, ID: l.ID, Name: l.Name})
		}
	}
	for _, k := range s.containers {
		if kind == AContainer {
			own = append(own, Thing{Kind: kind, ID: k.ID, Name: k.Name})
		}
	}
	return own, nil
}

func (s *stocked) Remove(ctx context.Context, t Thing) error {
	if t.Kind == ALease {
		return s.Release(ctx, t.ID)
	}
	return s.Destroy(ctx, t.ID)
}

// TestLateCreate: chexp was killed while the request for a lease, or for a container,
// travelled, and was resumed at once. The request is carried out later, whenever that
// is: in the end the run's results are there and nothing is left on the cloud.
func TestLateCreate(t *testing.T) {
	for kind, looks := range map[ThingKind]int{ALease: 5, AContainer: 4} {
		for left := 1; left <= looks; left++ { // before which look
			t.Run(fmt.Sprintf("%s/%d", kind, left), func(t *testing.T) {
				l, c := newLab(t), newCloud(t)
				s := &stocked{cloud: c, left: -1}
				killedBefore(t, l, s, kind)
				l.patience = DefaultPatience()
				l.patience.Late = 20 * time.Millisecond
				s.left = left
				s.late = func() {
					name := nameOf(t, l, string(kind))
					if kind == ALease {
						c.leases["late"] = Lease{ID: "late", Name: name}
					} else {
						c.containers["late"] = Container{ID: "late", Name: name, Status: "Running",
							Dir: filepath.Join(c.dir, "late")}
					}
				}
				if err, _ := l.execute(t, t.Context(), s, nil); err != nil {
					t.Fatalf("resume: %v", err)
				}
				if s.left > 0 {
					t.Fatalf("there are fewer looks than %d", left)
				}
				if len(c.leases)+len(c.containers) > 0 {
					t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
				}
			})
		}
	}
}

// killedBefore kills a run when it has asked for a thing and nothing has come of it.
func killedBefore(t *testing.T, l *lab, s *stocked, kind ThingKind) {
	t.Helper()
	for at := 1; at < 20; at++ {
		*s.cloud = *newCloud(t)
		s.killAt = at
		if _, dead := l.execute(t, t.Context(), s, nil); !dead {
			t.Fatal("it was not killed")
		}
		entries := l.entries(t)
		if last := entries[len(entries)-1]; last.Kind == store.Intent && last.What == string(kind) {
			s.killAt = 0
			return
		}
		*l = *newLab(t)
	}
	t.Fatalf("no call makes a %s", kind)
}

func (l *lab) entries(t *testing.T) []store.Entry {
	t.Helper()
	s, err := l.root.Open(l.plan.RunID)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := s.Entries()
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func nameOf(t *testing.T, l *lab, what string) string {
	for _, e := range l.entries(t) {
		if e.Kind == store.Intent && e.What == what {
			return e.Name
		}
	}
	t.Fatalf("no %s was asked for", what)
	return ""
}

// The end of a run waits for what a process that died has asked for, and for nothing
// else.
func TestCutOff(t *testing.T) {
	at := func(s int) time.Time { return time.Date(2026, 12, 1, 12, 0, s, 0, time.UTC) }
	intent := func(s int, what string) store.Entry {
		return store.Entry{Time: at(s), Kind: store.Intent, What: what, Name: "n"}
	}
	began := store.Entry{Time: at(20), Kind: store.Began, Phase: "lease"}
	done := store.Entry{Time: at(21), Kind: store.Done, What: aLease, ID: "i"}
	for name, c := range map[string]struct {
		entries []store.Entry
		want    time.Time
	}{
		"nothing":                 {nil, time.Time{}},
		"answered":                {[]store.Entry{intent(1, aLease), done}, time.Time{}},
		"adopted":                 {[]store.Entry{{Time: at(1), Kind: store.Intent, What: aLease, ID: "i"}}, time.Time{}},
		"failed":                  {[]store.Entry{intent(1, aLease), {Kind: store.Failed}}, time.Time{}},
		"killed":                  {[]store.Entry{intent(1, aLease)}, at(1)},
		"killed, resumed":         {[]store.Entry{intent(1, aLease), began, intent(21, aLease), done}, at(1)},
		"killed at the container": {[]store.Entry{intent(1, aLease), done, intent(22, aContainer), began}, at(22)},
		"killed twice": {[]store.Entry{intent(1, aLease), began, intent(9, aLease), began, intent(21, aLease), done},
			at(9)},
	} {
		if got := cutOff(c.entries); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// The same where the run is not resumed but ended, as by `chexp gc --yes` or by the
// process that gives back in a dead one's place.
func TestLateCreateOfARunThatIsEnded(t *testing.T) {
	for kind, looks := range map[ThingKind]int{ALease: 1, AContainer: 2} {
		for left := 1; left <= looks; left++ { // before which look
			t.Run(fmt.Sprintf("%s/%d", kind, left), func(t *testing.T) {
				l, c := newLab(t), newCloud(t)
				s := &stocked{cloud: c, left: -1}
				killedBefore(t, l, s, kind)
				late := func() {
					name := nameOf(t, l, string(kind))
					if kind == ALease {
						c.leases["late"] = Lease{ID: "late", Name: name}
					} else {
						c.containers["late"] = Container{ID: "late", Name: name, Status: "Running",
							Dir: filepath.Join(c.dir, "late")}
					}
				}
				l.patience = DefaultPatience()
				l.patience.Late = 20 * time.Millisecond
				s.left, s.late = left, late
				if err := l.end(t, s); err != nil {
					t.Fatalf("end: %v", err)
				}
				if cutOff(l.entries(t)).IsZero() { // by which it waits for what comes late
					t.Error("the journal does not say that a process died with a request under way")
				}
				if s.left > 0 {
					t.Fatalf("there are fewer looks than %d", left)
				}
				if len(c.leases)+len(c.containers) > 0 {
					t.Errorf("left on the cloud: %v %v", c.leases, c.containers)
				}
			})
		}
	}
}
