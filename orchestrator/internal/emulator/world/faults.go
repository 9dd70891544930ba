package world

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"
)

// Fault is one thing that can be made to go wrong: where, and what happens there. Its text is
// TARGET=ACTION, as in "zun.create=500" or "blazar.lease=ERROR"; a [Grammar] reads it.
type Fault struct {
	Target string // a service ("zun"), one of its calls ("zun.create") or a [Target]; "…@BOARD" for one board only
	Action Action
}

func (f Fault) String() string { return f.Target + "=" + f.Action.Text }

// MarshalText writes the fault as a key of a JSON object.
func (f Fault) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// Word is the fault of a target that one of its words names.
func Word(target, word string) Fault { return Fault{target, Action{Text: word}} }

// Action is what happens to a target. Text is how people write it; beside it at most one field is
// set, and none for a target's own word.
type Action struct {
	Text   string
	Status int           // answer with this HTTP status
	Drop   bool          // end the connection before anything is done
	Lose   bool          // do what was asked, then end the connection without an answer
	Drip   bool          // do what was asked, then answer a byte at a time, without end
	Down   time.Duration // from this call on, no connection gets through for so long
	Hang   bool          // do nothing until the gateway gives up: 504
	Time   time.Duration // of a call: how much later it is carried out; of a target: its value
	Late   time.Duration // the same, also for a client that has gone meanwhile: the request was on its way
	Bytes  int64         // so many go over a connection before it is cut
	Number int           // of workers
	Echo   string        // refuse it, and repeat the whole request: one of Echoes
}

// Faults says how often each fault is to happen; a negative number means for ever.
type Faults = map[Fault]int

// Orders counts what is still to go wrong.
type Orders struct {
	mu   sync.Mutex
	left Faults
	down time.Time // until when no connection gets through
}

// Cut lets no connection through until a time of the cloud's clock.
func (o *Orders) Cut(until time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.down = until
}

// Down tells whether no connection gets through now.
func (o *Orders) Down(now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return now.Before(o.down)
}

// Set replaces the numbers of the given faults; 0 withdraws one.
func (o *Orders) Set(f Faults) {
	o.mu.Lock()
	defer o.mu.Unlock()
	maps.Copy(o.left, f)
}

// Left returns what is still to go wrong.
func (o *Orders) Left() Faults {
	o.mu.Lock()
	defer o.mu.Unlock()
	left := maps.Clone(o.left)
	maps.DeleteFunc(left, func(_ Fault, n int) bool { return n == 0 })
	return left
}

// Take tells whether the fault is to happen now, and counts it.
func (o *Orders) Take(f Fault) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.take(f)
}

func (o *Orders) take(f Fault) bool {
	n := o.left[f]
	if n > 0 {
		o.left[f] = n - 1
	}
	return n != 0
}

// TakeAt is Take of the same fault where it is ordered for one board.
func (o *Orders) TakeAt(f Fault, board string) bool {
	f.Target += "@" + board
	return o.Take(f)
}

// Holds tells whether the fault is ordered, and does not count it.
func (o *Orders) Holds(f Fault) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.left[f] != 0
}

// Of returns what is ordered for a target, and does not count it. Of several the first by text is
// taken.
func (o *Orders) Of(target string) (Fault, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of(target)
}

func (o *Orders) of(target string) (Fault, bool) {
	var found []Fault
	for f, n := range o.left {
		if f.Target == target && n != 0 {
			found = append(found, f)
		}
	}
	if found == nil {
		return Fault{}, false
	}
	return slices.MinFunc(found, func(a, b Fault) int { return cmp.Compare(a.Action.Text, b.Action.Text) }), true
}

// Call returns what is to happen to a call of a service, and counts it. An order for the call
// on its board goes before one for the call, and that before one for the whole service. board is
// "" where the call is about none.
func (o *Orders) Call(service, call, board string) (Action, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, target := range []string{service + "." + call + "@" + board, service + "." + call, service} {
		if f, ok := o.of(target); ok {
			o.take(f)
			return f.Action, true
		}
	}
	return Action{}, false
}
