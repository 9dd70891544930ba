package matrix

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// answering is a runner that answers its profiled session so.
func answering(script string) Runner {
	return Runner{Args: []string{"sh", "-c", `read -r request; case "$*" in *"-profile "*) ;; *) exit 8;; esac; ` +
		script, "sh"}, Env: []string{"PATH=/bin:/usr/bin"}}
}

const goodPlacement = `{"value":{"inferences":3,"nodes":2,"time_ns":30,` +
	`"providers":[{"provider":"cpu","nodes":2,"time_ns":30}],` +
	`"operators":[{"operator":"Add","provider":"cpu","nodes":2,"time_ns":30}]}}`

func TestPlacementAnswers(t *testing.T) {
	for name, tc := range map[string]struct{ script, why string }{
		"good":    {"echo '" + goodPlacement + "' >&3", ""},
		"reason":  {`echo '{"unavailable":"no space"}' >&3`, "no space"},
		"crash":   {"kill -SEGV $$", "signal 11"},
		"exit":    {"echo lost >&2; exit 3", "lost"},
		"nothing": {"true", "without an answer"},
		"neither": {"echo '{}' >&3", "neither"},
		"nodes": {"echo '" + strings.Replace(goodPlacement, `"nodes":2,"time_ns":30,"providers"`,
			`"nodes":3,"time_ns":30,"providers"`, 1) + "' >&3", "nonsense"},
		"operators": {"echo '" + strings.Replace(goodPlacement, `"cpu","nodes":2,"time_ns":30}]}`,
			`"cpu","nodes":1,"time_ns":30}]}`, 1) + "' >&3", "add up"},
		"hang":    {"exec sleep 600", "longer than"},
		"endless": {"yes | head -c 100000 >&3", "nonsense"},
		"negative nodes": {"echo '" + strings.ReplaceAll(goodPlacement, `"nodes":2`, `"nodes":-2`) + "' >&3",
			"nonsense"},
		"empty placement": {`echo '{"value":{}}' >&3`, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if name == "hang" {
				timeout = 300 * time.Millisecond
			}
			r, err := profiled(context.Background(), answering(tc.script), t.TempDir(),
				session.Request{Policy: trial.Policy{Timeout: timeout}})
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
	if _, err := profiled(ctx, answering("exec sleep 600"), t.TempDir(), session.Request{}); !errors.Is(err,
		context.Canceled) {
		t.Error(err)
	}
}

// The provider that was asked for has its line, and the result a reason where it
// ran nothing.
func TestIdleProviderIsNamed(t *testing.T) {
	plan := &trial.Plan{Models: []trial.Model{{Name: "m", SHA256: "ab"}}}
	examine := Placement(plan, t.TempDir(), answering("echo '"+goodPlacement+"' >&3"))
	for asked, isIdle := range map[string]bool{"xnnpack": true, "cpu": false} {
		find, err := examine(context.Background(), trial.Trial{Model: "m", Provider: trial.Provider{Name: asked},
			Threads: 1, Batch: 1})
		if err != nil {
			t.Fatal(err)
		}
		res := trial.Result{Outcome: trial.OK}
		find(&res)
		p, _ := res.Placement.Get()
		if !slices.ContainsFunc(p.Providers, func(s trial.ProviderShare) bool { return s.Provider == asked }) {
			t.Errorf("%s has no line: %+v", asked, p.Providers)
		}
		if len(res.Reasons) > 0 != isIdle {
			t.Errorf("%s: reasons %+v", asked, res.Reasons)
		}
		if isIdle && !strings.Contains(res.Reasons[0].Text,
			"xnnpack ran 0 of 2 nodes: this is no xnnpack result, all was done by cpu") {
			t.Errorf("%+v", res.Reasons[0])
		}
	}
}
