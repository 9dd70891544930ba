//go:build linux

package chaos

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// scene is a case: what goes wrong, and when.
type scene struct {
	Name    string
	way     string // zun, ssh, local, several, oidc, servers
	errand  string // the command whose answers go wrong; "": a whole run
	call    string // whose answer goes wrong; "" if none does
	kind    kind
	from    int
	times   int
	signals string // how the process is ended
	phase   string // and in which phase
	after   time.Duration
	damage  string // what is done to the run's directory
	fault   string // that is ordered of the cloud itself
	verb    string // what is ended is not a plain run
	chance  *rand.Rand
}

// slow reports whether chexp may wait until the lease ends, which is a short one then.
func (s scene) slow() bool {
	return s.kind.slow || s.times < 0 || s.fault == "zun.compute=wedged"
}

// deaf reports whether nobody hears what chexp says.
func (s scene) deaf() bool {
	return s.signals == "TEE" || s.signals == "TERMINAL" || s.signals == "QUIETPIPE"
}

func (s scene) trials() int {
	if s.way == "several" {
		return 4
	}
	return 2
}

// limit is how long one process of the case may take: a lease's time, where it waits
// for a service that does not answer, and the three minutes of giving back.
func (s scene) limit() time.Duration {
	most := 4 * time.Minute
	if s.slow() {
		most = 8*time.Minute + 30*time.Second
	}
	if s.way == "servers" { // giving one back takes a machine's time
		most += 7 * time.Minute
	}
	return most
}

// play carries a case out, and judges it.
func (s *session) play() {
	if err := os.MkdirAll(filepath.Join(s.dir, "tmp"), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, "exp.yaml"), []byte(s.experiment()), 0o644); err != nil {
		s.t.Fatal(err)
	}
	var o *order
	if s.call != "" {
		o = &order{call: s.call, kind: s.kind, from: s.from, times: s.times, hit: make(chan struct{}, 1)}
	}
	s.proxy.reset(nil)
	s.proxy.mu.Lock()
	s.proxy.before = s.watch
	s.proxy.mu.Unlock()
	if s.verb != "" {
		s.playVerb()
		return
	}
	if s.errand != "" {
		s.playErrand(o)
		return
	}
	s.proxy.reset(o)
	var b *blow
	switch {
	case s.signals != "":
		b = strike(s.signals, s.inPhase(s.phase), s.after)
	case s.kind.late:
		b = strike("KILL", func() bool { return len(o.hit) > 0 }, 0)
	}
	args := []string{"run", "exp.yaml"}
	if s.damage != "" {
		args = []string{"run", "--until", s.phase, "exp.yaml"}
	}
	if s.fault != "" {
		s.faults(s.fault, 1)
	}
	e := s.execute(s.limit(), b, args...)
	if s.fault != "" {
		s.faults(s.fault, 0)
	}
	if s.fault == "zun.compute=wedged" {
		s.faults("zun.compute=restart", 1)
	}
	if s.damage != "" {
		s.harm(e)
	} else {
		s.first(e)
	}
	s.struck = e.hit
	if !s.kind.late {
		s.answers = s.proxy.heal()
	}
	if len(s.runs()) == 0 {
		if left := s.settled(time.Second); len(left) > 0 {
			s.fail("LEAK unannounced, and no run to resume: %v", left)
		}
		return
	}
	if e.code == 0 && s.damage == "" && !e.hit {
		return
	}
	r := s.execute(s.limit(), nil, "run", "--resume", "latest")
	for try := 0; r.code == 9 && try < 60; try++ { // a process of its own gives back what the dead one held
		time.Sleep(time.Second)
		r = s.execute(s.limit(), nil, "run", "--resume", "latest")
	}
	s.second(r)
}

// outcome is a line of the state file: a case that was played.
type outcome struct {
	Seed   uint64
	Case   string
	Codes  []int
	Struck int // answers that went wrong
	Hit    bool
	Took   float64 // s
	Left   []string
	Lost   []string
	Lapses []string
	Said   []string // what is left and was announced
}

func (o outcome) String() string {
	verdict := "ok"
	if len(o.Lapses)+len(o.Lost) > 0 {
		verdict = "WRONG"
	}
	return fmt.Sprintf("%-5s %-75s exit %v, %d struck, %.1f s%s", verdict, o.Case, o.Codes, o.Struck, o.Took,
		strings.Join(slices.Concat([]string{""}, o.Lapses, o.Lost, o.Said), "\n        "))
}

// campaign plays cases, a few at a time, and remembers those that it has played.
type campaign struct {
	t     *testing.T
	bin   string
	dir   string
	seed  uint64
	mu    sync.Mutex
	state *os.File
	done  map[string]outcome
	all   []outcome
}

func newCampaign(t *testing.T, stateFile string) *campaign {
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"chexp", "chexp-agent-linux-amd64", "images/debian-amd64.tar"} {
		if _, err := os.Stat(filepath.Join(bin, file)); err != nil {
			t.Skipf("bin/%s is not built: `make build agents images` (or `make test`)", file)
		}
	}
	c := &campaign{t: t, bin: bin, dir: t.TempDir(), seed: 1, done: map[string]outcome{}}
	if n, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64); err == nil {
		c.seed = n
	}
	if stateFile == "" {
		return c
	}
	if c.state, err = os.OpenFile(stateFile, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.state.Close() })
	for lines := bufio.NewScanner(c.state); lines.Scan(); {
		var o outcome
		if json.Unmarshal(lines.Bytes(), &o) == nil && o.Seed == c.seed {
			c.done[o.Case] = o
		}
	}
	return c
}

// play plays the scenes with so many at a time.
func (c *campaign) play(scenes []scene, parallel int) {
	next := make(chan scene)
	var group sync.WaitGroup
	for w := range parallel {
		group.Add(1)
		go func() {
			defer group.Done()
			cl := &cloud{t: c.t, bin: c.bin, dir: filepath.Join(c.dir, fmt.Sprintf("emulator-%d-%d", parallel, w))}
			defer cl.stop()
			for s := range next {
				c.one(cl, s)
			}
		}()
	}
	for _, s := range scenes {
		if o, ok := c.done[s.Name]; ok {
			c.note(o, false)
			continue
		}
		next <- s
	}
	close(next)
	group.Wait()
}

func (c *campaign) one(cl *cloud, sc scene) {
	if cl.cmd == nil {
		cl.start()
	}
	dir, err := os.MkdirTemp(c.dir, "case-")
	if err != nil {
		c.t.Fatal(err)
	}
	s := &session{cloud: cl, scene: sc, dir: dir, known: map[string]bool{}}
	begun := time.Now()
	s.play()
	s.answers += cl.proxy.heal()
	o := outcome{
		Seed: c.seed, Case: sc.Name, Codes: s.codes, Struck: s.answers, Hit: s.struck,
		Took: time.Since(begun).Seconds(), Lapses: s.lapse, Lost: s.lost, Said: s.said,
	}
	for _, v := range cl.left() {
		o.Left = append(o.Left, v.String())
	}
	if len(o.Left) > 0 { // the next case wants an empty cloud
		cl.stop()
	}
	if len(o.Lapses)+len(o.Lost) > 0 {
		if keep := os.Getenv("CHAOS_KEEP"); keep != "" {
			to := filepath.Join(keep, strings.Map(plain, sc.Name))
			os.MkdirAll(to, 0o755)
			os.WriteFile(filepath.Join(to, "output"), []byte(s.experiment()+s.text+o.String()), 0o644)
			os.CopyFS(filepath.Join(to, "runs"), os.DirFS(filepath.Join(dir, "runs")))
		}
	}
	os.RemoveAll(dir)
	c.note(o, true)
}

func plain(r rune) rune {
	if strings.ContainsRune(" /{}?", r) {
		return '_'
	}
	return r
}

func (c *campaign) note(o outcome, fresh bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, o)
	if fresh {
		fmt.Println(o)
		if line, err := json.Marshal(o); err == nil && c.state != nil {
			c.state.Write(append(line, '\n'))
		}
	}
}

// sum prints the counts, and fails the test for what must not be.
func (c *campaign) sum() {
	count := map[string]int{}
	wrong := 0
	for _, o := range c.all {
		count["lost"] += len(o.Lost)
		count["announced"] += len(o.Said)
		if len(o.Lapses)+len(o.Lost) > 0 {
			wrong++
		}
		for _, l := range o.Lapses {
			word, _, _ := strings.Cut(l, " ")
			count[strings.TrimSuffix(word, ":")]++
		}
	}
	fmt.Printf("seed %d: %d cases, %d wrong. Leaks announced %d, unannounced %d; samples lost %d; hangs %d; panics %d; "+
		"secrets shown %d\n", c.seed, len(c.all), wrong, count["announced"], count["LEAK"], count["lost"], count["HANG"],
		count["PANIC"], count["SECRET"]+count["TOKEN"])
	if wrong > 0 {
		c.t.Errorf("%d of %d cases went wrong", wrong, len(c.all))
	}
}

// TestSlice plays a few cases of each sort, chosen by CHAOS_SEED.
func TestSlice(t *testing.T) {
	c := newCampaign(t, "")
	var scenes []scene
	for _, call := range []string{
		"POST /v1/leases", "POST /v1/containers", "GET /v1/containers/{id}",
		"POST /v1/containers/{id}/execute chexp-agent start", "DELETE /v1/containers/{id}", "DELETE /v1/leases/{id}",
	} {
		for _, k := range kinds() {
			if !k.slow && k.name != "huge" {
				scenes = append(scenes, wrong("zun", k, 1, call))
			}
		}
	}
	for _, phase := range []string{"lease", "container", "push", "run", "fetch", "release"} {
		scenes = append(scenes, c.signalled("zun", "INT", phase), c.signalled("zun", "KILL", phase))
	}
	scenes = c.shuffled(scenes)[:3]
	scenes = append(scenes, c.shuffled(damagedScenes("container"))[:1]...)
	c.play(scenes, 2)
	c.sum()
}

// shuffled is a list in the order that the seed gives it.
func (c *campaign) shuffled(all []scene) []scene {
	c.chance("order").Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// TestChaos is the whole campaign; `make chaos` runs it.
func TestChaos(t *testing.T) {
	want := os.Getenv("CHAOS_CASES")
	if want == "" {
		t.Skip("takes long: `make chaos`")
	}
	c := newCampaign(t, cmp.Or(os.Getenv("CHAOS_STATE"), "../../../bin/chaos.jsonl"))
	scenes := c.shuffled(c.scenes())
	total := len(scenes)
	if only := os.Getenv("CHAOS_ONLY"); only != "" {
		scenes = slices.DeleteFunc(scenes, func(s scene) bool {
			has := func(text string) bool { return strings.Contains(s.Name, text) }
			return !slices.ContainsFunc(strings.Split(only, "|"), has)
		})
	}
	scenes = evenly(scenes)
	if n, err := strconv.Atoi(want); err == nil {
		scenes = scenes[:min(n, len(scenes))]
	}
	fmt.Printf("seed %d: %d of %d cases; what %s holds of them is not played again\n", c.seed, len(scenes), total,
		c.state.Name())
	var quick, slow []scene
	for _, s := range scenes {
		if s.slow() {
			slow = append(slow, s)
		} else {
			quick = append(quick, s)
		}
	}
	var both sync.WaitGroup
	both.Add(2)
	go func() { defer both.Done(); c.play(quick, 2) }()
	go func() { defer both.Done(); c.play(slow, 10) }() // they wait, and take no time of the processor
	both.Wait()
	c.sum()
}
