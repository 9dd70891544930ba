package matrix

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// answering is a runner that answers its profiled session so.
func answering(script string) Runner {
	return Runner{Args: []string{"sh", "-c", `cat >/dev/null; case "$*" in *"-profile "*) ;; *) exit 8;; esac; ` + script, "sh"}, Env: []string{"PATH=/bin:/usr/bin"}}
}

const goodPlacement = `{"value":{"inferences":3,"nodes":2,"time_ns":30,"providers":[{"provider":"cpu","nodes":2,"time_ns":30}],"operators":[{"operator":"Add","provider":"cpu","nodes":2,"time_ns":30}]}}`

func TestPlacementAnswers(t *testing.T) {
	for name, tc := range map[string]struct{ script, why string }{
		"good":            {"echo '" + goodPlacement + "' >&3", ""},
		"reason":          {`echo '{"unavailable":"no space"}' >&3`, "no space"},
		"crash":           {"kill -SEGV $$", "signal 11"},
		"exit":            {"echo lost >&2; exit 3", "lost"},
		"nothing":         {"true", "nonsense"},
		"neither":         {"echo '{}' >&3", "neither"},
		"nodes":           {"echo '" + strings.Replace(goodPlacement, `"nodes":2,"time_ns":30,"providers"`, `"nodes":3,"time_ns":30,"providers"`, 1) + "' >&3", "nonsense"},
		"operators":       {"echo '" + strings.Replace(goodPlacement, `"cpu","nodes":2,"time_ns":30}]}`, `"cpu","nodes":1,"time_ns":30}]}`, 1) + "' >&3", "add up"},
		"hang":            {"exec sleep 600", "longer than"},
		"endless":         {"yes >&3", "longer than"},
		"negative nodes":  {"echo '" + strings.ReplaceAll(goodPlacement, `"nodes":2`, `"nodes":-2`) + "' >&3", "nonsense"},
		"empty placement": {`echo '{"value":{}}' >&3`, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if name == "hang" || name == "endless" {
				timeout = 300 * time.Millisecond
			}
			r, err := answering(tc.script).Placement(context.Background(), session.Request{Policy: trial.Policy{Timeout: timeout}})
			if err != nil {
				t.Fatal(err)
			}
			p, ok := r.Get()
			if ok != (tc.why == "") || !strings.Contains(r.Unavailable, tc.why) || ok && p.Nodes != 2 {
				t.Errorf("%+v %q, want %q", p, r.Unavailable, tc.why)
			}
		})
	}
}

func TestPlacementIsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := answering("exec sleep 600").Placement(ctx, session.Request{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// One profiled session for all repetitions; the provider that was asked for has
// its line, and a reason where it ran nothing.
func TestIdleProviderIsNamed(t *testing.T) {
	dir := t.TempDir()
	s := Supervisor{Runner: answering("echo x >> '" + dir + "/calls'; echo '" + goodPlacement + "' >&3")}
	model := trial.Model{Name: "m"}
	asked := trial.Provider{Name: "xnnpack", Runtime: "debian"}
	for range 3 {
		r, err := s.place(context.Background(), session.Request{Provider: asked, Threads: 1, Batch: 1}, model)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := r.Get()
		if len(p.Providers) != 2 || p.Providers[1] != (trial.ProviderShare{Provider: "xnnpack"}) {
			t.Errorf("providers %+v", p.Providers)
		}
		why, is := idle(r, asked)
		if !is || !strings.Contains(why.Text, "xnnpack ran 0 of 2 nodes: this is not an xnnpack result") {
			t.Errorf("%v %q", is, why.Text)
		}
		if _, is := idle(r, trial.Provider{Name: "cpu"}); is {
			t.Error("cpu ran everything and is called idle")
		}
	}
	if n := strings.Count(read(t, dir+"/calls"), "x"); n != 1 {
		t.Errorf("%d profiled sessions, want 1", n)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
