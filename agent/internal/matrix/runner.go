package matrix

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/session"
	"chexp/experiments/trial"
)

// Ask starts a runner for something else than a trial: it gets one document on
// its standard input and the flags, and answers with one document. The error is a
// [failure.Error] that says, with a Code of package reason, what happened to a
// process that does not; any other is ctx's.
func (r Runner) Ask(ctx context.Context, request any, timeout time.Duration, flags ...string) ([]byte, error) {
	p, err := r.startFor(request, flags...)
	if err != nil {
		return nil, reason.Errorf(reason.RunnerMissing, "the process did not start").Because(err)
	}
	defer p.end()
	answer, err := p.ask(ctx, request, timeout)
	if err != nil {
		return nil, err
	}
	p.stdin.Close()
	for more := range p.answers { // an indented document has many lines
		if answer = append(append(answer, '\n'), more...); len(answer) > maxResult {
			return nil, reason.Errorf(reason.RunnerCrashed, "the process answered with more than %d bytes", maxResult)
		}
	}
	return answer, nil
}

// ask says one document and waits for the next answer. After an error, which is as
// with [Runner.Ask], there is no process any more.
func (p *process) ask(ctx context.Context, document any, timeout time.Duration) ([]byte, error) {
	said := make(chan error, 1) // beside the wait: a document may be larger than a pipe
	go func() { said <- p.say(document, timeout) }()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case answer, ok := <-p.answers:
		if ok {
			return answer, nil
		}
	case <-timer.C:
		p.kill()
		return nil, reason.Errorf(reason.Timeout, "its process took longer than its limit of %v and was killed%s",
			timeout, p.words())
	case <-ctx.Done():
		p.kill()
		return nil, ctx.Err()
	}
	if !p.end() {
		return nil, reason.Errorf(reason.RunnerCrashed, "the trial's process answers no more (%v)%s",
			errors.Join(<-said, errors.New("its result pipe has ended")), p.words())
	}
	return nil, p.why()
}

// nonsense kills a process whose answer makes no sense.
func (p *process) nonsense(err error) error {
	p.kill()
	return reason.Errorf(reason.RunnerCrashed, "the trial's process answered nonsense: %v%s", err, p.words())
}

// decodeReady checks what a runner says first: it is a program that may have
// been corrupted by the code that it called.
func decodeReady(line []byte) (*trial.Result, error) {
	var a session.Answer
	if err := decode(line, &a); err != nil {
		return nil, err
	}
	res := a.Ready
	switch {
	case res == nil:
		return nil, errors.New("it does not say that it is ready")
	case res.Outcome != trial.OK && (res.Outcome != trial.Failed || len(res.Reasons) == 0):
		return nil, fmt.Errorf("outcome %q with %d reasons", res.Outcome, len(res.Reasons))
	case len(res.LatenciesNS) > 0 || len(res.Blocks) > 0:
		return nil, errors.New("latencies before its first turn")
	}
	res.LatenciesNS = []int64{} // an array in the result file too
	if res.WarmupNS == nil {
		res.WarmupNS = []int64{}
	}
	return res, notNegative(res.WarmupNS)
}

func decodeBlock(line []byte, most int) (*session.Stretch, error) {
	var a session.Answer
	if err := decode(line, &a); err != nil {
		return nil, err
	}
	s := a.Block
	switch {
	case s == nil:
		return nil, errors.New("no block")
	case len(s.LatenciesNS) == 0 && s.Failed == nil:
		return nil, errors.New("a block without a single inference")
	case len(s.LatenciesNS) > most:
		return nil, fmt.Errorf("a block of %d inferences, at most %d were asked for", len(s.LatenciesNS), most)
	}
	return s, cmp.Or(notNegative(s.LatenciesNS), notNegative(s.SettledNS))
}

func decode(line []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(line))
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one document in a line")
	}
	return nil
}

func notNegative(list []int64) error {
	for i, ns := range list {
		if ns < 0 {
			return fmt.Errorf("inference %d took %d ns", i+1, ns)
		}
	}
	return nil
}

// silent is the result of a trial whose process told nothing.
func silent(why trial.Reason) *trial.Result {
	unknown := trial.Unread[int64]("the trial's process did not say: " + why.Code)
	return &trial.Result{
		Outcome:          trial.Failed,
		Reasons:          []trial.Reason{why},
		LatenciesNS:      []int64{},
		WarmupNS:         []int64{},
		SessionCreateNS:  unknown,
		FirstInferenceNS: unknown,
		PeakMemoryBytes:  unknown,
	}
}
