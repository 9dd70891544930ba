package run

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/wait"
	"chexp/orchestrator/internal/clock"
	"chexp/orchestrator/internal/store"
)

// Stock is a site that lists what its user has there. A site whose things end with
// the process needs none.
type Stock interface {
	// Own lists the user's things of a kind that have not ended, whoever made them.
	Own(ctx context.Context, kind ThingKind) ([]Thing, error)
	// Remove deletes one and sees that it is gone; nil if it was already.
	Remove(ctx context.Context, t Thing) error
}

// ThingKind is a kind of thing that is made on a cloud, in words for people.
type ThingKind string

// The kinds, in the order in which they are given back.
const (
	AnAddress  ThingKind = "floating IP"
	AKeyPair   ThingKind = "key pair" // of a server, until it is deployed
	AContainer ThingKind = aContainer
	ALease     ThingKind = aLease
)

// ThingKinds lists them in that order.
var ThingKinds = []ThingKind{AnAddress, AKeyPair, AContainer, ALease}

// Thing is one of them.
type Thing struct {
	Kind    ThingKind `json:"kind"`
	ID      string    `json:"id"`
	Name    string    `json:"name"` // of a floating IP: that of the container it was made for
	Status  string    `json:"status"`
	Failed  bool      `json:"failed,omitempty"`    // it never served, or serves no more
	Created time.Time `json:"created,omitzero"`    // zero where the site does not tell
	End     time.Time `json:"end,omitzero"`        // of a lease
	For     string    `json:"container,omitempty"` // the id of the container that a floating IP was made for
	Word    string    `json:"word,omitempty"`      // what people call its kind where that is another word
}

// Called is what people call its kind.
func (t Thing) Called() string { return cmp.Or(t.Word, string(t.Kind)) }

func (t Thing) String() string { return fmt.Sprintf("%s %s (%s)", t.Called(), t.Name, t.ID) }

// Asked are the names under which a run asked for things of its own, by kind.
func Asked(entries []store.Entry) map[ThingKind][]string {
	names := map[ThingKind][]string{}
	add := func(kind ThingKind, name string) {
		if !slices.Contains(names[kind], name) {
			names[kind] = append(names[kind], name)
		}
	}
	for _, e := range entries {
		switch {
		case e.Kind != store.Intent || found(e):
		case e.What == aLease:
			add(ALease, e.Name)
		case e.What == aContainer:
			add(AContainer, e.Name)
			var req ContainerRequest
			if json.Unmarshal(e.Data, &req) == nil && req.Transport == "ssh" {
				add(AnAddress, e.Name)
				add(AKeyPair, e.Name)
			}
		}
	}
	return names
}

// cutOff is when a process last died with a request for something under way: what
// it asked for may come later than anybody looks for it. Zero: none did.
func cutOff(entries []store.Entry) (at time.Time) {
	type key struct {
		what string
		slot int
	}
	open := map[key]time.Time{}
	dead := func(k key) {
		if t, ok := open[k]; ok && t.After(at) {
			at = t
		}
		delete(open, k)
	}
	for _, e := range entries {
		for _, slot := range e.Devices() {
			switch k := (key{e.What, slot}); e.Kind {
			case store.Intent:
				dead(k)
				if e.ID == "" { // not one that is there already
					open[k] = e.Time
				}
			case store.Done, store.Gone:
				delete(open, k)
			case store.Failed: // the process itself saw how it ended
				delete(open, key{aLease, slot})
				delete(open, key{aContainer, slot})
			case store.Began: // another process
				dead(key{aLease, slot})
				dead(key{aContainer, slot})
			}
		}
	}
	for k := range open {
		dead(k)
	}
	return at
}

// sweep looks for what the run asked for, by name, once all is given back: a
// request of a process that died may have been carried out after it, and an answer
// may not have said what was made. What nobody knows of is given back.
func (x *execution) sweep(ctx context.Context) error {
	stock, ok := x.Site.(Stock)
	if !ok || x.Keep || ctx.Err() != nil {
		return nil
	}
	entries, lost, err := store.Readable(x.Store)
	if err != nil {
		return err
	}
	st, asked, cut := Replay(entries), Asked(entries), cutOff(entries)
	if lost != nil {
		asked = Named(x.Store.ID, entries)
	}
	ctx, cancel := context.WithTimeout(ctx, x.Patience.Cleanup/2)
	defer cancel()
	if left := time.Until(cut.Add(x.Patience.Late)); left > 0 {
		x.Observe.Say(fmt.Sprintf("looking for what a chexp that was cut off has asked for, for %s", clock.Span(left)))
		if err := wait.For(ctx, left); err != nil {
			return err
		}
	}
	for _, kind := range ThingKinds {
		names := asked[kind]
		if len(names) == 0 {
			continue
		}
		own, err := ownWithin(ctx, x.Patience.Cleanup/6, stock, kind)
		if err != nil && cut.IsZero() { // nothing says that there is any
			x.Observe.Say(fmt.Sprintf("whether a second %s is there could not be looked up: %v", kind, err))
			continue
		}
		if err != nil {
			return failure.Cloud.Errorf("whether a second %s of this run is there could not be looked up", kind).
				Advise("`%s` looks again", x.Commands.End()).Because(err)
		}
		for _, t := range own {
			if !slices.Contains(names, t.Name) || kind == ALease && t.Failed || st.holds(t) {
				continue
			}
			if err := x.discard(ctx, stock, t); err != nil {
				return err
			}
		}
		if kind == AKeyPair && !cut.IsZero() {
			x.forgetKeys(ctx, stock, st, names)
		}
	}
	return nil
}

// forgetKeys removes the private halves of key pairs on this machine, whatever came of
// the servers that they were asked for with.
func (x *execution) forgetKeys(ctx context.Context, stock Stock, st State, names []string) {
	for _, name := range names {
		t := Thing{Kind: AKeyPair, ID: name, Name: name}
		if st.holds(t) {
			continue
		}
		if err := stock.Remove(ctx, t); err != nil {
			x.Observe.Say(fmt.Sprintf("the %s could not be looked up again: %v", t, err))
		}
	}
}

// ownWithin lists things of a kind: a list that hangs takes no other's time.
func ownWithin(ctx context.Context, share time.Duration, stock Stock, kind ThingKind) ([]Thing, error) {
	ctx, cancel := context.WithTimeout(ctx, share)
	defer cancel()
	return stock.Own(ctx, kind)
}

// holds reports whether the journal knows that this is there, or that something of
// its name may be.
func (s State) holds(t Thing) bool {
	return slices.ContainsFunc(s.Slots, func(a AttemptState) bool {
		held := a.Container
		if t.Kind == ALease {
			held = a.Lease
		}
		beside := t.Kind == AnAddress || t.Kind == AKeyPair // of the container, with its name
		return held.Open() && held.Name == t.Name && (held.ID == "" || held.ID == t.ID || beside)
	})
}

// discard gives back something of the run that no attempt holds.
func (c *Config) discard(ctx context.Context, stock Stock, t Thing) error {
	if err := stock.Remove(ctx, t); err != nil {
		return failure.Cloud.Errorf("a second %s, perhaps of a request that came late, could not be given back", t).
			Advise("`%s` tries again", c.Commands.End()).Because(err)
	}
	text := fmt.Sprintf("a second %s was there, perhaps of a request that came late. It is given back", t)
	c.write(store.Entry{Kind: store.Remark, What: string(t.Kind), Name: t.Name, ID: t.ID, Text: text})
	c.Observe.Warn(text)
	return nil
}

// alone sees to it that the run has one thing of this name. keep is the id of the
// one that it uses; "": any that serves. What cannot be looked up now is looked for
// again by [execution.sweep].
func (c *Config) alone(ctx context.Context, kind ThingKind, name, keep string) {
	stock, ok := c.Site.(Stock)
	if !ok {
		return
	}
	own, err := stock.Own(ctx, kind)
	if err != nil {
		return
	}
	own = slices.DeleteFunc(own, func(t Thing) bool { return t.Name != name || t.Failed })
	if len(own) > 0 && !slices.ContainsFunc(own, func(t Thing) bool { return t.ID == keep }) {
		keep = own[0].ID
	}
	for _, t := range own {
		if t.ID != keep {
			if err := c.discard(ctx, stock, t); err != nil {
				c.Observe.Warn(err.Error())
			}
		}
	}
}

// idsOf are the ids of all that the run has under a name: more than one where a
// request came late.
func (c *Config) idsOf(ctx context.Context, kind, name string, find finder) (ids []string, err error) {
	if stock, ok := c.Site.(Stock); ok {
		own, err := stock.Own(ctx, ThingKind(kind))
		for _, t := range own {
			if t.Name == name {
				ids = append(ids, t.ID)
			}
		}
		return ids, err
	}
	id, err := find(ctx, name)
	if id != "" {
		ids = append(ids, id)
	}
	return ids, err
}
