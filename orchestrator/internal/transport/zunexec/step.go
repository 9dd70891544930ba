package zunexec

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/transport"
)

// maxLog bounds what a step may say at its end.
const maxLog = 4000

// stepLaunch starts script $2 once, whatever happens to the answer: mkdir is
// the lock. $0 is the staging directory, $1 the step's name, $3 stepBody. With
// setsid the step has a process group, by which stepKill finds all of it.
const stepLaunch = `cd "$0" || exit 95
mkdir "$1.once" 2>/dev/null || exit 0
s=nohup; command -v setsid >/dev/null 2>&1 && s=setsid
$s sh -c "$3" "$1" "$2" >/dev/null 2>&1 </dev/null &
echo $! >"$1.pid"`

const stepBody = `sh -c "$1" >"$0.log" 2>&1; echo $? >"$0.tmp"; mv "$0.tmp" "$0.done"`

// stepLook prints "done CODE" and what the step printed, "running", or "gone".
// A step is gone when it was killed, or died with a container that was restarted.
const stepLook = `cd "$0" || exit 95
if [ -f "$1.done" ]; then echo "done $(cat "$1.done")"; head -c 4000 "$1.log"; exit 0; fi
p=$(cat "$1.pid" 2>/dev/null) && kill -0 "$p" 2>/dev/null &&
	! grep -q "^State:.*Z" "/proc/$p/status" 2>/dev/null && echo running || echo gone`

// stepKill ends the steps of an earlier call that was given up: they would go
// on writing under the hands of this one.
const stepKill = `for f in "$0"/*.pid; do [ -f "$f" ] || continue
[ -f "${f%.pid}.done" ] || { p=$(cat "$f"); kill -KILL "-$p" || kill -KILL "$p"; } 2>/dev/null
rm -f "$f"; done`

// maxGone is how many times in a row a step must look gone before it is. For a
// moment between its last command and its done file, every step looks so.
const maxGone = 3

// step runs a script that may take long: detached, then polled until it has
// ended or ctx has. It returns the script's exit code and the head of its output.
func (t *Transport) step(ctx context.Context, stage, script string) (code int, log string, err error) {
	code, log, err = t.stepOnce(ctx, stage, script)
	if errors.Is(err, errVanished) && ctx.Err() == nil { // a late request of a process that died may have ended it
		code, log, err = t.stepOnce(ctx, stage, script)
	}
	return code, log, err
}

// errVanished is that a step ended and left no word.
var errVanished = errors.New("it left no word")

func (t *Transport) stepOnce(ctx context.Context, stage, script string) (code int, log string, err error) {
	name := "step-" + strings.ToLower(rand.Text()[:8])
	exit, err := t.short(ctx, stepLaunch, stage, name, script, stepBody)
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("exit %d: %s", exit.Code, transport.Said(exit.Output))
	}
	if err != nil {
		return 0, "", fmt.Errorf("starting a step in %s: %w", stage, err)
	}
	wait := t.polling()
	for gone := 0; gone < maxGone; {
		exit, err := t.short(ctx, stepLook, stage, name)
		if err != nil {
			return 0, "", fmt.Errorf("waiting for a step in %s: %w", stage, err)
		}
		word, rest, _ := strings.Cut(string(exit.Output), "\n")
		if number, ok := strings.CutPrefix(word, "done "); ok {
			code, err := strconv.Atoi(number)
			if err != nil {
				return 0, "", fmt.Errorf("step in %s ended with %q", stage, number)
			}
			return code, rest[:min(len(rest), maxLog)], nil
		}
		if word == "running" {
			gone = 0
		} else {
			gone++
		}
		if err := wait.next(ctx); err != nil {
			return 0, "", err
		}
	}
	return 0, "", failure.Device.Errorf("a step in %s of container %s vanished before its end", stage, t.id).
		Advise("the container was started again, or ran out of memory: look at its state and logs").
		Because(errVanished)
}

// prepare makes the staging directory, and says what is missing where it cannot.
func (t *Transport) prepare(ctx context.Context, stage string) error {
	const script = `for c in tar sha256sum dd; do
command -v $c >/dev/null || { echo "$c is missing"; exit 96; }; done
mkdir -p "$0" 2>&1`
	exit, err := t.short(ctx, script, stage)
	switch {
	case err != nil:
		return err
	case exit.Code == 96:
		return failure.Device.Errorf("container %s cannot take files: %s", t.id, transport.Said(exit.Output)).
			Advise("use an image with sh, tar and sha256sum, such as debian:bookworm-slim")
	case exit.Code != 0:
		return failure.Device.Errorf("container %s: making %s: %s", t.id, stage, transport.Said(exit.Output)).
			Advise("choose a directory that the image's user may write")
	}
	return nil
}

// cleanup bounds the removal of a staging directory.
const cleanup = 5 * time.Second

// remove deletes the staging directory, which may be large. It has a time limit of
// its own, so that it also works when ctx has ended.
func (t *Transport) remove(ctx context.Context, stage string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanup)
	defer cancel()
	exit, err := t.short(ctx, `rm -rf "$0" 2>&1`, stage)
	if errors.Is(err, transport.ErrStillRunning) {
		return nil // rm goes on by itself
	}
	if err == nil && exit.Code != 0 {
		err = fmt.Errorf("%s", transport.Said(exit.Output))
	}
	return err
}
