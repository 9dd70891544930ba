package run

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
	"chexp/orchestrator/internal/store"
	"chexp/orchestrator/internal/transport"
)

// teller is a site whose container's log holds what the test puts there.
type teller struct {
	*cloud
	log string
	err error
}

func (s *teller) Told(context.Context, Container) (string, error) { return s.log, s.err }

// slowLine is a way into a container whose commands are dear.
type slowLine struct{ transport.Transport }

func (slowLine) Properties() transport.Properties {
	return transport.Properties{MaxExec: 5 * time.Second}
}

func told(seq int64, kind trial.EventType) string {
	line, _ := json.Marshal(trial.Event{Schema: trial.EventSchema, Seq: seq, Type: kind, Trial: "a", Total: 3})
	return string(line) + "\n"
}

// What the log tells is taken from it, in order and once. Where it leaves something
// out, says that the agent has ended, or says nothing for a while, the agent is asked.
func TestEventsComeFromTheLog(t *testing.T) {
	site := &teller{cloud: newCloud(t)}
	a := newAttempt(Config{Run: &Run{Store: &store.Run{Dir: t.TempDir()}}, Site: site,
		Patience: Patience{Ask: time.Minute},
		Observe:  quiet{}}, AttemptState{N: 1}, todo{})
	a.tr = slowLine{}
	l := &listener{attempt: a}
	if _, enough := l.listen(t.Context()); enough {
		t.Error("a log that has told nothing is believed")
	}
	site.log = "tail: warning\n{\n" + told(1, trial.RunStarted) + told(2, trial.TrialFinished)
	news, enough := l.listen(t.Context())
	if !enough || len(news.Events) != 2 || news.State.Done != 1 || news.State.Phase != trial.Running {
		t.Fatalf("%v %+v", enough, news)
	}
	if err := a.mirror(news); err != nil || a.lastSeq != 2 || a.measured != 1 {
		t.Fatal(err, a.lastSeq, a.measured)
	}
	if news, enough := l.listen(t.Context()); !enough || len(news.Events) > 0 {
		t.Errorf("told twice: %v %+v", enough, news)
	}
	for name, tail := range map[string]string{
		"left out": told(4, trial.Progress), "ended": told(3, trial.RunFinished), "stopped": told(3, trial.RunStopped),
	} {
		site.log += tail
		if _, enough := l.listen(t.Context()); enough {
			t.Errorf("%s: the agent is not asked", name)
		}
		site.log = strings.TrimSuffix(site.log, tail)
	}
	site.err = errors.New("500")
	if _, enough := l.listen(t.Context()); !enough {
		t.Error("one log that cannot be read costs a command")
	}
	l.heard = time.Now().Add(-2 * time.Minute)
	if _, enough := l.listen(t.Context()); enough {
		t.Error("an agent that is silent is not asked")
	}
	a.tr = nil
	l.attempt.tr = cheap{}
	if _, enough := l.listen(t.Context()); enough {
		t.Error("where commands harm nobody, the agent is asked")
	}
}

type cheap struct{ transport.Transport }

func (cheap) Properties() transport.Properties { return transport.Properties{} }
