//go:build linux

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// verb is a command other than a plain run, which signals end at one of its requests.
type verb struct {
	way      string
	before   []string // a command that runs to its end before
	dies     bool     // that command is killed while it measures
	args     []string
	requests int                          // about how many it sends
	judge    func(s *session, e ended)    // what must hold when it has ended
	when     func(s *session) func() bool // where requests do not tell how far it is
}

var verbs = map[string]verb{
	"lease create": {way: "zun", args: []string{"lease", "create", "--machine", "raspberrypi5", "--name", "by-hand"},
		requests: 12, judge: leaseCreated},
	"results fetch": {way: "zun", before: []string{"run", "--detach", "exp.yaml"},
		args: []string{"results", "fetch", "latest"}, requests: 14, judge: fetched},
	"gc": {way: "zun", before: []string{"run", "exp.yaml"}, dies: true, args: []string{"gc", "--yes"}, requests: 30,
		judge: collected},
	"rehearse": {way: "zun", args: []string{"rehearse", "--arch", "amd64", "exp.yaml"}, judge: rehearsed,
		when: func(s *session) func() bool {
			return s.inPhase(phases[s.chance.IntN(len(phases))])
		}},
	"booking": {way: "zun", args: []string{"run", "--at", "SOON", "exp.yaml"}, judge: booked,
		when: func(s *session) func() bool {
			lease := s.inPhase("lease")
			return func() bool { return lease() && len(s.left()) > 0 }
		}},
}

func (c *campaign) verbScenes() []scene {
	var all []scene
	for _, v := range sorted(verbs) {
		for _, signals := range sorted(signalling) {
			s := c.signalled(verbs[v].way, signals, v)
			s.Name = fmt.Sprintf("%s in `%s`", signals, v)
			s.verb, s.chance = v, c.chance(s.Name)
			all = append(all, s)
		}
	}
	return all
}

// playVerb plays the case of a command that signals end.
func (s *session) playVerb() {
	v := verbs[s.verb]
	if v.before != nil {
		var b *blow
		if v.dies {
			b = strike("KILL", s.inPhase("run"), s.after+time.Second)
		}
		if e := s.execute(s.limit(), b, v.before...); !v.dies && e.code != 0 {
			s.fail("chexp %s ended with %d", strings.Join(v.before, " "), e.code)
			return
		}
	}
	var when func() bool
	if v.when != nil {
		when = v.when(s)
	} else {
		from := len(s.proxy.calls()) + 1 + s.chance.IntN(v.requests)
		when = func() bool { return len(s.proxy.calls()) >= from }
	}
	args := append([]string(nil), v.args...)
	for i, a := range args {
		if a == "SOON" {
			args[i] = time.Now().UTC().Truncate(time.Minute).Add(time.Minute).Format("2006-01-02T15:04Z")
		}
	}
	e := s.execute(s.limit(), strike(s.signals, when, s.after/20), args...)
	s.struck = e.hit
	s.general(e)
	if e.code == 2 && !e.killed {
		s.fail("exit 2, and the command line was right")
	}
	v.judge(s, e)
}

// told wants what is left on the cloud to be named: by the command that left it, or,
// where that was killed or nobody heard it, by the next one.
func (s *session) told(e ended) {
	if len(s.settled(3*time.Second)) == 0 {
		return
	}
	next := s.execute(20*time.Second, nil, "results", "list")
	for _, v := range s.left() {
		if !strings.Contains(next.out, v.Name) && (e.killed || s.deaf() || !strings.Contains(e.out, v.Name)) {
			s.fail("LEAK unannounced: %s", v)
		}
	}
}

// leaseCreated: the lease is there, and its maker knows of it, or it is not there.
func leaseCreated(s *session, e ended) {
	s.told(e)
	if e.hit && !e.killed && !s.deaf() && e.code != 130 && e.code != 0 && len(s.left()) == 0 {
		s.fail("exit %d of an interrupted command that left nothing", e.code)
	}
}

// fetched: whatever becomes of a fetch, the run goes on.
func fetched(s *session, e ended) {
	if e.hit && !e.killed && !s.deaf() && e.code != 130 && e.code != 0 && e.code != 3 {
		s.fail("exit %d of an interrupted fetch", e.code)
	}
	s.second(s.execute(s.limit(), nil, "run", "--resume", "latest"))
}

// collected: what one gc leaves, the next one finds, and no sample is lost.
func collected(s *session, e ended) {
	r := s.execute(s.limit(), nil, "gc", "--yes")
	for try := 0; r.code == 9 && try < 60; try++ {
		time.Sleep(time.Second)
		r = s.execute(s.limit(), nil, "gc", "--yes")
	}
	s.general(r)
	if left := s.settled(5 * time.Second); r.code != 0 || len(left) > 0 {
		s.fail("LEAK: the second gc ends with %d and leaves %v", r.code, left)
	}
}

// rehearsed: a rehearsal's cloud, containers and files end with it, or gc finds them.
func rehearsed(s *session, e ended) {
	alive := s.processes()
	for end := time.Now().Add(20 * time.Second); len(alive) > 0 && time.Now().Before(end); alive = s.processes() {
		time.Sleep(100 * time.Millisecond)
	}
	if len(alive) > 0 {
		s.fail("HANG: processes outlive the rehearsal: %v", alive)
	}
	r := s.execute(time.Minute, nil, "gc", "--here", "--yes")
	s.general(r)
	files, _ := filepath.Glob(filepath.Join(s.dir, "tmp", "*"))
	if r.code != 0 || len(files) > 0 {
		s.fail("LEAK: gc ends with %d and leaves %v", r.code, files)
	}
}

// processes are those that work for the case: its temporary directory is theirs.
func (s *session) processes() (found []string) {
	all, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range all {
		env, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(env), "TMPDIR="+filepath.Join(s.dir, "tmp")) {
			line, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
			found = append(found, strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
	return found
}

// booked: a booking that its run was ended before stays, and the run comes back to it.
func booked(s *session, e ended) {
	if len(s.runs()) == 0 {
		s.told(e)
		return
	}
	s.second(s.execute(s.limit(), nil, "run", "--resume", "latest"))
}
