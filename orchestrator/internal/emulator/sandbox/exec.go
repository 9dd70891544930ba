//go:build linux

package sandbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// Process is a command that was started inside a running container. It goes on
// when nobody waits for it.
type Process struct {
	cmd *exec.Cmd
	// Stdin is the command's standard input, nil unless it was asked for.
	Stdin io.WriteCloser

	out, err *capture
	done     chan struct{} // the command ended and nobody holds its output any more
	code     int
	missing  bool // there was no such program
}

// MaxOutput is what is kept of a command's output; the rest is read and dropped.
const MaxOutput = 64 << 20

// Exec starts a command in the container's namespaces with its environment and
// working directory. merged joins standard output and standard error.
func (c *Container) Exec(argv []string, stdin, merged bool) (*Process, error) {
	return c.exec(argv, stdin, merged, nil)
}

// ExecTo starts a command with an input, and hands its output on as it comes, standard
// output and error joined. A write that fails ends the handing on, not the command.
func (c *Container) ExecTo(argv []string, output io.Writer) (*Process, error) {
	return c.exec(argv, true, true, output)
}

func (c *Container) exec(argv []string, stdin, merged bool, output io.Writer) (*Process, error) {
	if len(argv) == 0 {
		return nil, errors.New("no command")
	}
	select {
	case <-c.done:
		return nil, errors.New("the container has ended")
	default:
	}
	args := []string{"-t", strconv.Itoa(c.pid), "-U", "-m", "-p", "-i", "-u", "-n", "-r", "--wdns=" + c.spec.Dir,
		"--preserve-credentials", "--"}
	cmd := exec.Command("nsenter", append(args, argv...)...)
	cmd.Env = c.env // nsenter hands its environment on, and looks the program up with it
	p := &Process{cmd: cmd, out: newCapture(), done: make(chan struct{})}
	p.err = p.out
	if !merged {
		p.err = newCapture()
	}
	cmd.Stdout, cmd.Stderr = p.out, p.err
	if merged {
		cmd.Stderr = p.out // the same writer: one pipe, the order of writes is kept
	}
	p.out.also = output
	if stdin {
		in, err := cmd.StdinPipe()
		if err != nil {
			return nil, err
		}
		p.Stdin = in
	}
	if err := begin(cmd); err != nil {
		return nil, err
	}
	go func() {
		// Wait returns when the command has ended and its pipes are closed by everybody,
		// background children included: so does the real exec.
		err := cmd.Wait()
		p.code = exitCode(cmd, err)
		p.missing = notFound(p.code, argv[0], p.err.String())
		if !p.missing {
			p.out.mu.Lock()
			p.out.flush()
			p.out.mu.Unlock()
		}
		close(p.done)
	}()
	return p, nil
}

// notFound recognises nsenter's own complaint that it could not execute the program.
func notFound(code int, program, output string) bool {
	if code != 126 && code != 127 {
		return false
	}
	return strings.TrimSpace(output) == fmt.Sprintf("nsenter: failed to execute %s: %s", program,
		"No such file or directory") ||
		strings.TrimSpace(output) == fmt.Sprintf("nsenter: failed to execute %s: %s", program, "Permission denied")
}

// Done is closed when the command has ended and its output is complete.
func (p *Process) Done() <-chan struct{} { return p.done }

// Result waits for the end. found is false if the program does not exist.
func (p *Process) Result() (code int, found bool) {
	<-p.done
	return p.code, !p.missing
}

// Output is what came so far.
func (p *Process) Output() []byte { return p.out.Bytes() }

// capture keeps the beginning of what is written to it.
type capture struct {
	mu   sync.Mutex
	buf  []byte
	held []byte    // not handed on yet
	also io.Writer // gets everything while it takes it; then nothing is kept beyond the first bytes
}

// kept is what is remembered of an output that is handed on: enough to recognise that the
// program was not found.
const kept = 4096

func newCapture() *capture { return &capture{} }

func (c *capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := MaxOutput
	if c.also != nil {
		limit = kept
		c.held = append(c.held, p...)
		if own := []byte("nsenter: failed to execute "); !bytes.HasPrefix(own, c.held) &&
			!bytes.HasPrefix(c.held, own) {
			c.flush()
		}
	}
	if room := limit - len(c.buf); room > 0 {
		c.buf = append(c.buf, p[:min(room, len(p))]...)
	}
	return len(p), nil
}

// flush hands on what was held back because it might have been nsenter's own complaint.
func (c *capture) flush() {
	if c.also == nil || len(c.held) == 0 {
		return
	}
	if _, err := c.also.Write(c.held); err != nil {
		c.also = io.Discard
	}
	c.held = nil
}

func (c *capture) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]byte(nil), c.buf...)
}

func (c *capture) String() string { return string(c.Bytes()) }

// hostKey makes the image's SSH host key, once for each unpacked image: as with the
// real image, all containers have the same.
func (h *Host) hostKey(root string) error {
	h.unpack.Lock()
	defer h.unpack.Unlock()
	key := h.dir + "/ssh_host_ed25519_key"
	if _, err := os.Stat(key); err != nil {
		if _, err := exec.LookPath("ssh-keygen"); err != nil {
			return errors.New("an image with an SSH server needs ssh-keygen on this machine (apt-get install " +
				"openssh-client)")
		}
		if err := h.run(nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "chexp-emulator", "-f",
			key); err != nil {
			return err
		}
	}
	return h.run(nil, "cp", "-p", key, key+".pub", root+"/etc/ssh/")
}
