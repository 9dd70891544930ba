package emulator

import (
	"context"
	"sync"
)

// watcher makes the emulator keep a passing state until a poll has seen it.
type watcher struct {
	mu         sync.Mutex
	changed    *sync.Cond
	watching   bool
	begun, end int // polls
}

func newWatcher() *watcher {
	w := &watcher{}
	w.changed = sync.NewCond(&w.mu)
	return w
}

func (w *watcher) set(f func()) {
	w.mu.Lock()
	f()
	w.mu.Unlock()
	w.changed.Broadcast()
}

func (w *watcher) start() { w.set(func() { w.watching = true }) }
func (w *watcher) stop()  { w.set(func() { w.watching = false }) }

// poll does one poll.
func (w *watcher) poll(f func() answer) answer {
	w.set(func() { w.begun++ })
	a := f()
	w.set(func() { w.end++ })
	return a
}

// seen waits until a poll that begins now is over.
func (w *watcher) seen(ctx context.Context) {
	defer context.AfterFunc(ctx, w.changed.Broadcast)()
	w.mu.Lock()
	defer w.mu.Unlock()
	for want := w.begun + 1; w.watching && w.end < want && ctx.Err() == nil; {
		w.changed.Wait()
	}
}
