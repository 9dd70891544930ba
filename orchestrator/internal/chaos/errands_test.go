//go:build linux

package chaos

import (
	"path/filepath"
	"strings"
	"time"
)

// errand is a command other than a whole run: what goes before it, itself, and what is
// typed once the services answer again.
type errand struct{ before, itself, after []string }

// errands are the commands whose answers go wrong, too. A lease made by hand has the name
// by-hand.
var errands = map[string]errand{
	"create": {nil, words("lease create --machine raspberrypi5 --hours 1 --exact --name by-hand"),
		words("lease delete by-hand")},
	"extend": {words("lease create --machine raspberrypi5 --hours 1 --exact --name by-hand"),
		words("lease extend --hours 1 by-hand"), words("lease delete by-hand")},
	"delete": {words("lease create --machine raspberrypi5 --hours 1 --exact --name by-hand"),
		words("lease delete by-hand"), words("lease delete by-hand")},
	"fetch":  {words("run --until run exp.yaml"), words("results fetch latest"), words("run --resume latest")},
	"gc":     {words("run --until run exp.yaml"), words("gc --yes RUN"), words("gc --yes RUN")},
	"resume": {words("run --until push exp.yaml"), words("run --resume latest"), words("run --resume latest")},
}

func words(line string) []string { return strings.Fields(line) }

// named puts the run's name into a command.
func (s *session) named(args []string) []string {
	args = append([]string(nil), args...)
	for i, a := range args {
		if runs := s.runs(); a == "RUN" && len(runs) == 1 {
			args[i] = filepath.Base(runs[0])
		}
	}
	return args
}

// playErrand carries out a case of another command, and judges it.
func (s *session) playErrand(o *order) {
	v := errands[s.errand]
	if v.before != nil {
		if e := s.execute(s.limit(), nil, v.before...); e.code != 0 {
			s.fail("%v ends with %d, and nothing hindered it", v.before, e.code)
			return
		}
	}
	s.proxy.reset(o)
	e := s.execute(s.limit(), nil, s.named(v.itself)...)
	s.general(e)
	left := s.settled(time.Second)
	switch ours := s.errand == "create" || s.errand == "extend" || s.errand == "delete"; {
	case e.code == 2 && !s.refusedCreation(left) && !strings.HasPrefix(s.call, "PUT "):
		s.fail("exit 2 means that nothing was created, and the command line was right")
	case s.errand == "create" && e.code == 0 && len(left) != 1:
		s.fail("exit 0, with %v there", left)
	case s.errand == "gc" && e.code == 0 && len(left) > 0, s.errand == "delete" && e.code == 0 && len(left) > 0:
		s.fail("LEAK unannounced: exit 0, with %v there", left)
	case s.errand == "create" && e.code != 0, s.errand == "gc":
		for _, t := range left {
			if !strings.Contains(e.out, t.ID) && (t.Name == "" || !strings.Contains(e.out, t.Name)) {
				s.fail("LEAK unannounced: %s", t)
			}
		}
	case !ours && s.errand != "fetch" && e.code == 0 && (len(left) > 0 || !s.complete()):
		s.fail("exit 0, with %d left and all results home: %v", len(left), s.complete())
	}
	s.asked = s.proxy.calls()
	s.answers = s.proxy.heal()
	if len(left) == 0 && e.code == 0 {
		return
	}
	r := s.execute(s.limit(), nil, s.named(v.after)...)
	s.general(r)
	if left := s.settled(5 * time.Second); len(left) > 0 {
		s.fail("LEAK unannounced: %v after %v, which nothing hindered (exit %d)", left, v.after, r.code)
	}
	if len(s.runs()) > 0 && !s.complete() {
		s.fail("not all is home after %v (exit %d)", v.after, r.code)
	}
}
