package run

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

// The lease is extended while the agent measures, which has left trials out before: it
// ends all the same when it is through, and is started again for them, once for each
// new end.
func TestWhatWasLeftOutIsTakenUpInAnExtendedLease(t *testing.T) {
	for _, then := range []string{"finish", "up"} {
		t.Run(then, func(t *testing.T) {
			l := newTimedLab(t)
			c := &ending{cloud: newCloud(t), left: 30 * time.Second, extend: 2}
			calls := filepath.Join(l.dir, "calls")
			go touchWhen(calls, "start --for 59m", filepath.Join(l.dir, "up"))
			err, _ := l.execute(t, t.Context(), c, func(cfg *Config) {
				cfg.Observe = onSay{text: "goes on with what it had no time for", do: func() {
					write(t, filepath.Join(l.dir, then), "")
				}}
			})
			if then == "up" && failure.KindOf(err) != failure.Trials || then == "finish" && err != nil {
				t.Errorf("%v", err)
			}
			data, _ := os.ReadFile(calls)
			if n := strings.Count(string(data), "start --for"); n != 3 {
				t.Errorf("started %d times, want: begun, told, begun again:\n%s", n, data)
			}
		})
	}
}

// onSay does something when the run says a text.
type onSay struct {
	quiet
	text string
	do   func()
}

func (o onSay) Say(text string) {
	if strings.Contains(text, o.text) {
		o.do()
	}
}
