//go:build !linux

// Package sandbox runs the emulator's containers, which need Linux. Elsewhere
// [Unavailable] says so, no host can be made, and the emulator has no containers.
package sandbox

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"

	"chexp/orchestrator/internal/emulator/world"
)

// Unavailable says why there can be no containers here; "" where there can.
const Unavailable = "containers of the emulated site need Linux, this is " + runtime.GOOS

// MaxOutput is how much output of a command is kept, in bytes.
const MaxOutput = 64 << 20

var errLinux = errors.New(Unavailable)

// Spec is what a container is made from.
type Spec struct {
	Name     string
	Arch     string
	Command  []string
	Env      map[string]string
	Dir      string
	Board    world.Board
	Address  string
	Files    map[string][]byte
	HostKeys bool
	BootID   string
}

// Host cannot be made here.
type Host struct{}

// NewHost says that there can be none here.
func NewHost(string, string, string, *slog.Logger) (*Host, error) { return nil, errLinux }

func (*Host) Arch() string                   { return runtime.GOARCH }
func (*Host) Note() string                   { return Unavailable }
func (*Host) Limits() string                 { return "" }
func (*Host) Close() error                   { return nil }
func (*Host) Start(Spec) (*Container, error) { return nil, errLinux }

// Container cannot be started here.
type Container struct{}

func (*Container) Exec([]string, bool, bool) (*Process, error)  { return nil, errLinux }
func (*Container) ExecTo([]string, io.Writer) (*Process, error) { return nil, errLinux }
func (*Container) Dial(context.Context, int) (net.Conn, error)  { return nil, errLinux }
func (*Container) Done() <-chan struct{}                        { return ended }
func (*Container) ExitCode() int                                { return -1 }
func (*Container) Logs() string                                 { return "" }
func (*Container) Remove() error                                { return nil }
func (*Container) Usage() (processorNS, memory int64)           { return 0, 0 }

// Process cannot be started here.
type Process struct{ Stdin io.WriteCloser }

func (*Process) Done() <-chan struct{}          { return ended }
func (*Process) Output() []byte                 { return nil }
func (*Process) Result() (code int, found bool) { return -1, false }

var ended = func() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}()
