//go:build linux

package chaos

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// panics are texts that only a fault of a Go program prints.
var panics = regexp.MustCompile(`(?m)^panic: |^goroutine \d+ \[|runtime error:|^fatal error: |nil pointer`)

// losses are the words in which chexp says that something measured did not come home.
var losses = regexp.MustCompile(`(?i)could not be (brought|copied)|not brought home|have no (whole )?result|` +
	`were interrupted|are lost|is lost|lost with|not whole|not everything came|did not come|no partial result`)

// fail notes what must not be.
func (s *session) fail(format string, args ...any) {
	s.lapse = append(s.lapse, fmt.Sprintf(format, args...))
}

// watch notes, before a container or lease is deleted, what the agents there have
// measured.
func (s *session) watch(r *http.Request) {
	if r.Method != http.MethodDelete {
		return
	}
	for run, trials := range s.measured() {
		for _, trial := range trials {
			s.known[run+"/"+trial] = true
		}
	}
}

// home lists the trials of a run that are at home, and those of them that are whole.
func home(run string) (some, whole []string) {
	for _, pattern := range []string{"results/*.json", "devices/*/results/*.json", "partial/*.json",
		"devices/*/partial/*.json", "unread/*.json",
		"unread/journal/*", "damaged/*.json"} {
		files, _ := filepath.Glob(filepath.Join(run, pattern))
		for _, f := range files {
			id := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".json"), ".jsonl")
			some = append(some, id)
			var r struct {
				Outcome string
				Partial any
			}
			if data, err := os.ReadFile(f); err == nil && json.Unmarshal(data, &r) == nil && r.Partial == nil &&
				r.Outcome == "ok" {
				whole = append(whole, id)
			}
		}
	}
	return some, whole
}

// complete reports whether every trial of the case's run is home and whole.
func (s *session) complete() bool {
	runs := s.runs()
	if len(runs) != 1 {
		return false
	}
	_, whole := home(runs[0])
	return len(whole) >= s.trials()
}

// general judges what holds for every process.
func (s *session) general(e ended) {
	if e.hung {
		s.fail("HANG: it did not end within %s", s.limit())
	} else if panics.MatchString(e.out) && !strings.HasPrefix(e.out, "SIGQUIT") {
		s.fail("PANIC: %s", panics.FindString(e.out))
	}
	if e.code == 1 && !e.killed {
		s.fail("exit 1: an error without a better word")
	}
	s.secretsIn("the output", e.out)
	for _, run := range s.runs() {
		filepath.WalkDir(run, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				if data, err := os.ReadFile(path); err == nil {
					s.secretsIn(filepath.Base(path), string(data))
				}
			}
			return nil
		})
	}
	s.samples(e)
}

func (s *session) secretsIn(where, text string) {
	s.proxy.mu.Lock()
	defer s.proxy.mu.Unlock()
	for _, secret := range s.secrets {
		if strings.Contains(text, secret) {
			s.fail("SECRET in %s", where)
		}
	}
	for token := range s.proxy.tokens {
		if strings.Contains(text, token) {
			s.fail("TOKEN in %s", where)
		}
	}
}

// samples wants what was on a device when it was given back to be home, or announced
// as lost.
func (s *session) samples(e ended) {
	var at []string
	for _, run := range s.runs() {
		some, _ := home(run)
		at = append(at, some...)
	}
	for key := range s.known {
		if slices.Contains(at, key[strings.IndexByte(key, '/')+1:]) {
			continue
		}
		if !losses.MatchString(e.out) {
			s.lost = append(s.lost, key)
		}
	}
	clear(s.known)
}

// first judges the run itself.
func (s *session) first(e ended) {
	s.general(e)
	patience := 2 * time.Second
	if e.hit { // a process of its own may be giving back
		patience = 20 * time.Second
	}
	if e.killed { // the resume is to find what is left
		return
	}
	left := s.settled(patience)
	for _, v := range left {
		if s.deaf() || !announced(v, e.out) {
			s.fail("LEAK unannounced: %s", v)
		} else {
			s.said = append(s.said, "LEAK announced, for the resume to give back: "+v.String()+": "+reason(v, e.out))
		}
	}
	all := s.complete()
	switch {
	case e.hung:
	case e.code == 0 && (!all || len(left) > 0) && !s.deaf():
		s.fail("exit 0, with %d left and all results home: %v", len(left), all)
	case e.code == 2 && !s.refusedCreation(left):
		s.fail("exit 2 means that nothing was created, and the command line was right")
	case e.code == 130 && !e.hit:
		s.fail("exit 130, and nobody interrupted it")
	case s.phase == "plan" && len(s.runs()) == 0 && (e.code == -1 || strings.HasPrefix(e.out, "SIGQUIT")):
		// before chexp listened to signals
	case e.hit && !s.deaf() && e.code != 0 && e.code != 130 && !(e.code == 6 && len(left) > 0):
		s.fail("exit %d of an interrupted run with %d left", e.code, len(left))
	case !e.hit && e.code != 0 && all && len(left) == 0 && s.times >= 0: // else it may be unable to see that
		s.fail("exit %d, though all results are home and nothing is left", e.code)
	case !e.hit && s.way == "several" && e.code == 3:
	case e.code == 2: // a creation that was refused: see above
	case !e.hit && e.code != 0 && e.code < 4:
		s.fail("exit %d of a run that failed with %d left, all home: %v", e.code, len(left), all)
	}
}

// refusedCreation reports whether the first creation was refused as bad, which is what
// exit 2 says: nothing was created.
func (s *session) refusedCreation(left []thing) bool {
	return len(left) == 0 && (s.call == "POST /v1/leases" || s.errand == "delete")
}

// announced reports whether a thing that is left was named, as a failure.
func announced(v thing, out string) bool {
	_, said, _ := strings.Cut(out, "chexp: ")
	return strings.Contains(said, v.ID) || v.Name != "" && strings.Contains(said, v.Name) ||
		v.Address != "" && strings.Contains(said, "floating IP")
}

// reason is the line that names a thing which is left.
func reason(v thing, out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, v.ID) && (strings.Contains(line, "give back") || strings.Contains(line, "given back")) {
			return strings.TrimSpace(line[:min(len(line), 300)])
		}
	}
	return "?"
}

// second judges the resume, which nothing hinders any more.
func (s *session) second(e ended) {
	s.general(e)
	left := s.settled(5 * time.Second)
	for _, v := range left {
		if !announced(v, s.text) {
			s.fail("LEAK unannounced after the resume: %s", v)
		} else {
			s.said = append(s.said, "LEAK announced: "+v.String()+": "+reason(v, s.text))
		}
	}
	fits := e.code == 0 && s.complete()
	if s.damage != "" {
		fits = e.code == 0 && s.complete() || e.code == 8
	}
	if !fits && !e.hung {
		s.fail("the resume ends with %d, all home: %v", e.code, s.complete())
	}
}
