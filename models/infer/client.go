package infer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"chexp/experiments/secret"
	"chexp/models/onnx"
)

// ErrGone is the end of the process: a crash, or memory that was too small.
// Models that ONNX Runtime refuses give other errors.
var ErrGone = errors.New("the program that runs models is gone")

// Process is a Runner in a process of its own. Its sessions take turns: one
// request at a time.
type Process struct {
	mu     sync.Mutex
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	words  tail
	broken error
}

// Start runs a command that speaks the protocol on its standard streams, such
// as `chexp-agent infer`.
func Start(args ...string) (*Process, error) {
	p := &Process{cmd: exec.Command(args[0], args[1:]...)}
	p.cmd.Stderr = &p.words
	p.cmd.Env = secret.Environ(os.Environ())
	p.cmd.WaitDelay = 2 * time.Second
	var err error
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewReaderSize(out, 1<<20)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("the program that runs models did not start: %w", err)
	}
	return p, nil
}

// Close ends the process.
func (p *Process) Close() error {
	p.in.Close()
	ended := make(chan error, 1)
	go func() { ended <- p.cmd.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(10 * time.Second):
		p.cmd.Process.Kill()
		<-ended //nolint:errcheck // that it was killed is said below
		return errors.New("the program that runs models did not end, and was killed")
	}
}

// Open implements Runner.
func (p *Process) Open(ctx context.Context, model []byte, o Options) (Session, error) {
	h, _, err := p.ask(ctx, header{Op: "open", Options: &o, Model: int64(len(model))}, model)
	if err != nil {
		return nil, err
	}
	return &remote{p, h.Session}, nil
}

type remote struct {
	p  *Process
	id int
}

// Run implements Session.
func (r *remote) Run(ctx context.Context, inputs []*onnx.Tensor) ([]*onnx.Tensor, time.Duration, error) {
	heads, body := pack(inputs)
	h, outputs, err := r.p.ask(ctx, header{Op: "run", Session: r.id, Tensors: heads}, body...)
	return outputs, time.Duration(h.TookNS), err
}

// Close implements Session.
func (r *remote) Close() error {
	_, _, err := r.p.ask(context.Background(), header{Op: "close", Session: r.id})
	return err
}

// ask sends a request and waits for its answer. When the context ends, the
// process is killed: an inference cannot be called back.
func (p *Process) ask(ctx context.Context, h header, body ...[]byte) (answer header, outputs []*onnx.Tensor,
	err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return answer, nil, p.broken
	}
	if err := ctx.Err(); err != nil {
		return answer, nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.cmd.Process.Kill() })
	defer stop()
	err = writeMessage(p.in, h, body...)
	if err == nil {
		answer, err = readHeader(p.out)
	}
	if err == nil {
		outputs, err = unpack(p.out, answer.Tensors)
	}
	if err != nil {
		p.broken = fmt.Errorf("%w: %w%s", ErrGone, err, p.words.last())
		if ctx.Err() != nil {
			return answer, nil, ctx.Err()
		}
		return answer, nil, p.broken
	}
	if answer.Error != "" {
		return answer, nil, errors.New(answer.Error)
	}
	return answer, outputs, nil
}

// tail keeps the last words of a process.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.b = append(t.b, p...); len(t.b) > 4096 {
		t.b = bytes.Clone(t.b[len(t.b)-4096:])
	}
	return len(p), nil
}

func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := strings.TrimSpace(string(t.b)); s != "" {
		return ": " + s
	}
	return ""
}
