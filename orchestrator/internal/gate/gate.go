// Package gate lets one thing at a time through: of this process, and of all
// processes of this user on this machine.
//
// CHI@Edge needs it. Its zun-compute puts the method that opens a websocket on an
// API client that execute, put_archive and get_archive share with every create: two
// that overlap in their handshake fail, and in the wrong order they leave the
// service stuck for everybody until somebody restarts it; a create that meets one
// is lost without a word.
package gate

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"chexp/experiments/files"
)

// Gate is the way to one service.
type Gate struct {
	file string
	turn chan struct{} // holds one: whose turn it is in this process

	mu    sync.Mutex
	held  *os.File // by [Gate.Hold]
	alone error    // why other processes are not kept out; nil: they are
}

var (
	mu   sync.Mutex
	open = map[string]*Gate{} // by file: two sites of one process share the gate
)

// To returns the gate to the service of this name, whose lock is a file in dir.
func To(dir, service string) *Gate {
	sum := sha256.Sum256([]byte(service))
	file := filepath.Join(dir, fmt.Sprintf("%x.lock", sum[:8]))
	mu.Lock()
	defer mu.Unlock()
	g := open[file]
	if g == nil {
		g = &Gate{file: file, turn: make(chan struct{}, 1)}
		open[file] = g
	}
	return g
}

// Pass does something while nobody else is let through.
func (g *Gate) Pass(ctx context.Context, do func() error) error {
	select {
	case g.turn <- struct{}{}:
		defer func() { <-g.turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	unlock, err := g.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return do()
}

// Hold takes the gate for as long as this process lives; false: another has it.
func (g *Gate) Hold() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.held != nil {
		return true
	}
	f, err := g.open()
	if err != nil {
		g.alone = err
		return true
	}
	if files.Lock(f, false) != nil {
		f.Close()
		return false
	}
	g.held = f
	return true
}

// Alone is why processes beside this one are not kept out; nil while they are.
func (g *Gate) Alone() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.alone
}

// patience is how long another process may hold the lock: longer than any call
// takes, so that one that was stopped does not stop all others.
const patience = 5 * time.Minute

// lock takes the file's lock. Where there can be none, this process goes on alone.
func (g *Gate) lock(ctx context.Context) (unlock func(), err error) {
	f, err := g.open()
	if err != nil {
		g.goAlone(err)
		return func() {}, nil
	}
	got := make(chan error, 1)
	go func() { got <- files.Lock(f, true) }() // the kernel keeps the queue, so that nobody starves
	select {
	case err := <-got:
		if err != nil {
			g.goAlone(err)
		}
		return func() { f.Close() }, nil
	case <-time.After(patience):
		go func() { _, _ = <-got, f.Close() }()
		g.goAlone(fmt.Errorf("another process has held %s for %s", g.file, patience))
		return func() {}, nil
	case <-ctx.Done():
		go func() { _, _ = <-got, f.Close() }()
		return nil, ctx.Err()
	}
}

func (g *Gate) goAlone(why error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.alone = why
}

func (g *Gate) open() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(g.file), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(g.file, os.O_CREATE|os.O_RDWR|files.NoFollow|files.NonBlock, 0o600)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, fmt.Errorf("%s is no regular file", g.file)
	}
	return f, nil
}
