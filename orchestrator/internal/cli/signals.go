package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chexp/experiments/failure"

	"github.com/urfave/cli/v2"
)

// oneSignal is how close together signals count as one: GNU timeout signals its
// child and then the child's group, a closing terminal is told by the kernel and by
// the shell, a notebook's interrupt is INT, HUP and INT again.
const oneSignal = time.Second

// received is why a context ended: somebody interrupted the command.
type received struct {
	os.Signal
	again string
}

func (r received) Error() string { return fmt.Sprintf("received %v%s", r.Signal, r.again) }

// Is makes whatever ends of it an interruption.
func (r received) Is(target error) bool { return target == context.Canceled }

// signals returns the context of the work, ended by the first SIGINT, SIGTERM,
// SIGHUP or SIGQUIT (Ctrl-\), and that of the cleaning up, ended by the next one that
// comes more than [oneSignal] later. Under nohup a SIGHUP stays ignored. A pipe that nobody reads
// any more ends neither: Ctrl-C in `chexp run … | tee log` ends tee as well, and a
// chexp that dies of its next line gives nothing back.
func signals(errw io.Writer) (work, cleanup context.Context, done func()) {
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM)
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(ch, s)
		}
	}
	pipe := make(chan os.Signal, 1) // not [signal.Ignore], which programs that chexp starts would inherit
	signal.Notify(pipe, syscall.SIGPIPE)
	work, endWork := context.WithCancelCause(context.Background())
	cleanup, endCleanup := context.WithCancelCause(context.Background())
	quit := make(chan struct{})
	go func() {
		var first time.Time
		for {
			select {
			case <-quit:
				return
			case s := <-ch:
				switch {
				case first.IsZero():
					first = time.Now()
					endWork(received{s, ""}) // before a terminal that may be dead is written to
					fmt.Fprintf(errw, "\nchexp: %v: stopping in order; once more, a second from now or later, "+
						"to leave at once\n", s)
				case time.Since(first) > oneSignal:
					endCleanup(received{s, " again"})
				}
			}
		}
	}()
	return work, cleanup, func() {
		signal.Stop(ch)
		signal.Stop(pipe)
		close(quit)
		endWork(nil)
		endCleanup(nil)
	}
}

// interruptible is a command of which an interruption leaves all as it was: whatever
// else its error says, that is what happened.
func interruptible(do cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		err := do(c)
		if err == nil || c.Context.Err() == nil || failure.KindOf(err) == failure.Interrupted {
			return err
		}
		return failure.Interrupted.Errorf("interrupted").Because(err)
	}
}
