package run

import (
	"archive/tar"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
	"chexp/orchestrator/internal/transport"
)

// fleet is a Site in memory with many boards, which reserves each on its own. Its
// calls may come from several goroutines. It can be photographed at its n-th call,
// with the run's directory, as a kill -9 would leave both.
type fleet struct {
	t       testing.TB
	names   []string          // of the boards
	fails   map[string]Phase  // by board: where everything on it fails
	lies    map[string]string // by board: on which its containers really are
	rivals  map[string]int    // by board: how often somebody else has it as well
	looks   int               // how often an agent is asked before it is done
	results map[string][]byte

	mu         sync.Mutex
	leases     map[string]Lease
	containers map[string]Container
	on         map[string]string // container → board
	boards     map[string]*board // by container
	made       map[string]int    // "lease", "container": ever created
	asked      map[string]int    // calls by kind
	measured   map[string]int    // trials begun, by board

	calls, photoAt int
	photo          func()
	saving, most   int // devices whose agent was told to stop, and whose results were not asked for; at most so many
}

func newFleet(t testing.TB, l *lab, n int) *fleet {
	f := &fleet{
		t: t, fails: map[string]Phase{}, lies: map[string]string{}, rivals: map[string]int{},
		looks: 2, results: map[string][]byte{},
		leases: map[string]Lease{}, containers: map[string]Container{}, on: map[string]string{},
		boards: map[string]*board{}, made: map[string]int{}, asked: map[string]int{}, measured: map[string]int{},
	}
	for i := range n {
		f.names = append(f.names, fmt.Sprintf("nyu-rpi5-%02d", i+1))
	}
	for _, tr := range l.plan.Trials {
		data, err := os.ReadFile(path.Join(l.dir, "results", tr.ID+".json"))
		if err != nil {
			t.Fatal(err)
		}
		f.results[tr.ID] = data
	}
	return f
}

// clone is the fleet as a process finds it that comes later: with all that was there
// when the photo was taken.
func (f *fleet) clone() *fleet {
	c := &fleet{
		t: f.t, names: f.names, fails: f.fails, lies: f.lies, rivals: maps.Clone(f.rivals),
		looks: f.looks, results: f.results,
		leases: maps.Clone(f.leases), containers: maps.Clone(f.containers), on: maps.Clone(f.on),
		made: maps.Clone(f.made), asked: maps.Clone(f.asked), measured: maps.Clone(f.measured),
		boards: map[string]*board{},
	}
	for id, b := range f.boards {
		copied := *b
		copied.fleet, copied.plan = c, slices.Clone(b.plan)
		c.boards[id] = &copied
	}
	return c
}

func (f *fleet) call(kind string, effect func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	f.asked[kind]++
	if f.calls == f.photoAt {
		f.photo()
	}
	effect()
}

func (f *fleet) Describe() map[string]string { return map[string]string{"site": "test"} }

func (f *fleet) Now() time.Time { return time.Now().UTC() }

func (f *fleet) WarningsUntil(time.Time) []string { return nil }

var errBroken = failure.Device.Errorf("it is broken")

func (f *fleet) Reserve(_ context.Context, req LeaseRequest) (l Lease, err error) {
	f.call("reserve", func() {
		for _, have := range f.leases {
			if have.Name == req.Name {
				l = have
				return
			}
		}
		free := slices.DeleteFunc(slices.Clone(f.names), func(name string) bool {
			for _, l := range f.leases {
				if slices.ContainsFunc(l.Boards, func(b Board) bool { return b.Device.Name == name }) {
					return true
				}
			}
			return slices.Contains(req.Not, name) || len(req.Boards) > 0 && !slices.Contains(req.Boards, name)
		})
		if len(free) < req.Devices && !req.AllFree {
			err = fmt.Errorf("%d boards are free, not %d", len(free), req.Devices)
			return
		}
		f.made["lease"]++
		id := fmt.Sprintf("lease-%d", f.made["lease"])
		l = Lease{ID: id, Name: req.Name, Status: "ACTIVE", State: LeaseActive, End: req.End}
		for i, name := range free[:min(len(free), req.Devices)] {
			l.Boards = append(l.Boards, Board{ReservationID: fmt.Sprintf("%s-r%d", id, i), Device: Device{Name: name}})
		}
		slices.Reverse(l.Boards) // reply order is not request order
		f.leases[id] = l
	})
	return l, err
}

func (f *fleet) FindLease(_ context.Context, name string) (l Lease, found bool, err error) {
	f.call("find lease", func() {
		for _, have := range f.leases {
			if have.Name == name || have.ID == name {
				l, found = have, true
			}
		}
	})
	return l, found, nil
}

// Neighbours are the boards' rivals. A lease that is given back gets rid of one of
// each of its boards.
func (f *fleet) Neighbours(_ context.Context, id string) (others map[string]string, err error) {
	f.call("neighbours", func() {
		others = map[string]string{}
		for _, b := range f.leases[id].Boards {
			if f.rivals[b.Device.Name] > 0 {
				others[b.Device.Name] = "a lease of carol has it"
			}
		}
	})
	return others, nil
}

func (f *fleet) Await(_ context.Context, id string, _ func(string)) (l Lease, err error) {
	f.call("await lease", func() { l = f.leases[id] })
	return l, nil
}

func (f *fleet) Release(_ context.Context, id string) error {
	f.call("release", func() {
		for _, b := range f.leases[id].Boards {
			f.rivals[b.Device.Name]--
			for id, name := range f.on {
				if name == b.Device.Name {
					delete(f.containers, id)
				}
			}
		}
		delete(f.leases, id)
	})
	return nil
}

func (f *fleet) Launch(_ context.Context, req ContainerRequest, _ func(string)) (k Container, err error) {
	f.call("launch", func() {
		for _, have := range f.containers {
			if have.Name == req.Name {
				k = have
				return
			}
		}
		name := ""
		for _, l := range f.leases {
			for _, b := range l.Boards {
				if b.ReservationID == req.ReservationID {
					name = b.Device.Name
				}
			}
		}
		if err = f.broken(name, PhaseContainer); err != nil {
			return
		}
		f.made["container"]++
		k = Container{ID: fmt.Sprintf("container-%d", f.made["container"]), Name: req.Name, Status: "Running",
			Dir: "/tmp/" + req.Name}
		f.containers[k.ID], f.on[k.ID] = k, name
		f.boards[k.ID] = &board{fleet: f, name: name}
	})
	return k, err
}

func (f *fleet) broken(name string, p Phase) error {
	switch {
	case name == "":
		return errors.New("no such reservation")
	case f.fails[name] == p:
		return errBroken
	}
	return nil
}

// bootID is a board's, unless the test puts its containers on another.
func (f *fleet) bootID(name string) string {
	if other, ok := f.lies[name]; ok {
		name = other
	}
	return fmt.Sprintf("00000000-0000-4000-8000-%012x", slices.Index(f.names, name))
}

func (f *fleet) FindContainer(_ context.Context, name string) (k Container, found bool, err error) {
	f.call("find container", func() {
		for _, have := range f.containers {
			if have.Name == name {
				k, found = have, true
			}
		}
		if found && f.broken(f.on[k.ID], PhaseRun) != nil {
			k.Status = "Error"
		}
	})
	return k, found, nil
}

func (f *fleet) Destroy(_ context.Context, id string) (err error) {
	f.call("destroy", func() {
		if err = f.broken(cmp.Or(f.on[id], "?"), PhaseRelease); err == nil {
			delete(f.containers, id)
		}
	})
	return err
}

func (f *fleet) Dial(
	_ context.Context, c Container, _ ContainerRequest, _ func(string),
) (tr transport.Transport, err error) {
	f.call("dial", func() { tr = f.boards[c.ID] })
	return tr, nil
}

// board is the transport to a container on one board, and plays its agent.
type board struct {
	fleet   *fleet
	name    string
	plan    []trial.Trial
	started bool
	stopped bool
	asked   int
	saving  bool
}

func (b *board) Properties() transport.Properties { return transport.Properties{Name: "memory"} }

func (b *board) Close() error { return nil }

func (b *board) Put(_ context.Context, _ string, in io.Reader) (err error) {
	var plan trial.Plan
	for r := tar.NewReader(in); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if path.Base(h.Name) == "plan.json" {
			if err := json.NewDecoder(r).Decode(&plan); err != nil {
				return err
			}
		}
	}
	b.fleet.call("put", func() {
		err = b.fleet.broken(b.name, PhasePush)
		b.plan = plan.Trials
	})
	return err
}

func (b *board) done() bool { return b.started && b.asked >= b.fleet.looks }

func (b *board) Get(_ context.Context, dir string) (rc io.ReadCloser, err error) {
	b.fleet.call("get", func() {
		if b.saving {
			b.saving = false
			b.fleet.saving--
		}
		if err = b.fleet.broken(b.name, PhaseFetch); err != nil {
			return
		}
		if !strings.HasSuffix(dir, trial.ResultsDir) || !b.done() {
			err = fs.ErrNotExist
			return
		}
		var buf bytes.Buffer
		w, sums := tar.NewWriter(&buf), files.Sums{}
		add := func(name string, data []byte) {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: int64(len(data)),
				Mode: 0o600}); err != nil {
				b.fleet.t.Error(err)
			}
			if _, err := w.Write(data); err != nil {
				b.fleet.t.Error(err)
			}
		}
		for _, t := range b.plan {
			data := b.fleet.results[t.ID]
			sums[t.ID+".json"] = files.Sum(data)
			add(t.ID+".json", data)
		}
		add(files.SumsName, sums.Bytes())
		if err := w.Close(); err != nil {
			b.fleet.t.Error(err)
		}
		rc = io.NopCloser(&buf)
	})
	return rc, err
}

func (b *board) Exec(_ context.Context, c transport.Command) (exit transport.Exit, err error) {
	b.fleet.call("exec "+path.Base(c.Args[0]), func() {
		switch verb := c.Args[min(1, len(c.Args)-1)]; {
		case strings.Contains(c.Args[len(c.Args)-1], "boot_id"):
			exit.Output = []byte("aarch64\n" + b.fleet.bootID(b.name) + "\n")
		case c.Args[0] == "sh":
			exit.Code = 94 // nothing is there yet
		case b.fleet.broken(b.name, PhaseRun) != nil:
			exit.Code, exit.Output = 4, []byte("damaged")
		default:
			exit.Output = b.agent(verb)
		}
	})
	if len(c.Args) > 1 && c.Args[1] == "stop" {
		runtime.Gosched() // whoever else may stop its agent now does
	}
	return exit, err
}

// agent answers as chexp-agent does.
func (b *board) agent(verb string) []byte {
	b.fleet.asked[verb]++
	switch verb {
	case "start":
		if !b.started {
			b.fleet.measured[b.name] += len(b.plan)
		}
		b.started, b.stopped = true, false
	case "stop":
		if !b.saving {
			b.saving = true
			b.fleet.saving++
			b.fleet.most = max(b.fleet.most, b.fleet.saving)
		}
		b.stopped = !b.done()
	case "status":
		b.asked++
	}
	st := trial.State{Schema: trial.EventSchema, Phase: trial.NotStarted, Total: len(b.plan)}
	switch {
	case b.done():
		st.Phase, st.Done = trial.Finished, len(b.plan)
	case b.stopped:
		st.Phase = trial.Stopped
	case b.started:
		st.Phase = trial.Running
	}
	var out bytes.Buffer
	if err := (trial.StatusReply{State: st}).Write(&out); err != nil {
		b.fleet.t.Error(err)
	}
	return out.Bytes()
}
