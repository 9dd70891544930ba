package emulator

import (
	"cmp"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// recordings is where the exchanges with the real services lie: beside the checkout, or
// beside the folder of a git worktree.
const recordings = "../../../../shared/design/transcripts"

// recording is one exchange as it was recorded.
type recording struct {
	folder, name string
	at           time.Time // of the answer; zero for Keystone's, which have no Date

	Request struct {
		Method  string          `json:"method"`
		Path    string          `json:"path"`
		Headers []string        `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int             `json:"status"`
		Headers []string        `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"response"`
}

func (r *recording) String() string { return r.folder + "/" + r.name }

// has looks for words in the name, which say who asks and what for.
func (r *recording) has(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(r.name, w) })
}

func header(lines []string, name string) string {
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, ": "); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// loadRecordings reads all folders, each in the order of time; it skips the test where
// the recordings are not at hand.
func loadRecordings(t *testing.T) map[string][]*recording {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(recordings, "*", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		files, _ = filepath.Glob(filepath.Join("..", recordings, "*", "*.json"))
	}
	if len(files) == 0 {
		t.Skip("the recorded exchanges are not beside this checkout (" + recordings + ")")
	}
	all := map[string][]*recording{}
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		r := &recording{folder: filepath.Base(filepath.Dir(f)), name: strings.TrimSuffix(filepath.Base(f), ".json")}
		if err := json.Unmarshal(data, r); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		r.at, _ = http.ParseTime(header(r.Response.Headers, "Date"))
		all[r.folder] = append(all[r.folder], r)
	}
	for folder, list := range all {
		slices.SortStableFunc(list, func(a, b *recording) int {
			// gophercloud's has calls to several services, some without a date; its
			// names tell the order.
			if folder == "gophercloud" || a.at.IsZero() || b.at.IsZero() {
				return cmp.Compare(a.rank(), b.rank())
			}
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.rank(), b.rank()))
		})
	}
	return all
}

var repeated = regexp.MustCompile(`^(.*?)(?:\.(\d+))?(\.[a-z]+)?$`)

// rank sorts "x.2" behind "x", and what a client asked of Keystone between two calls of
// another service where it happened.
func (r *recording) rank() string {
	m := repeated.FindStringSubmatch(r.name)
	first := m[2]
	if first == "" {
		first = "1"
	}
	if r.folder == "gophercloud" && m[1] == "09-floatingips" && m[3] == ".keystone" {
		first = "1x" // between the refused call and the one that worked
	}
	return m[1] + " " + first + m[3]
}

// exception is a recording that cannot be replayed as it is, and why.
var exceptions = map[string]string{
	"blazar/90-devices-list-member-blazar-default-policy": "recorded with Blazar's own policy; the emulator has Chameleon's, which lets members read devices (90c)",
	"blazar/90b-allocations-member-blazar-default-policy": "recorded with Blazar's own policy; the emulator has Chameleon's (94, 96b)",
	"blazar/a0-create-with-restricted-appcred":            "recorded with a Keystone option that lets restricted credentials make trusts; the contract (section 8) wants the 500 that users of production see",
	"blazar/e1-not-enough-other-config":                   "another configuration of Blazar, which says \"Not enough hosts available\"; status and keys are compared, not the text",
	"blazar/e2-uid-unknown-other-config":                  "another configuration of Blazar; status and keys are compared, not the text",
	"zun/81-dup-1-Error":                                  "the recorder's sqlite database was locked in that moment",
	"zun/22c-exec-env":                                    "the answer is the machine's own (id's list of groups); only the form is compared",
	"zun/24b-exec-interactive":                            "the answer is the machine's own (uname -a); only the form is compared",
	"zun/94b-logs":                                        "the recorder's stand-in for Kubernetes kept the log over restarts; kubelet gives the current container's",
	"zun/50b-name-missing-generated":                      "the name is random",
	"zun/49c-gnutar-get-dir":                              "the recorder's directory held other files, and the recording is shortened",
	"zun/41-exec-after-put-busybox":                       "the answer is the machine's own (ls with dates); only the form is compared",
}

// formOnly are the exceptions that are replayed, without comparing texts.
var formOnly = []string{"blazar/e1-not-enough-other-config", "blazar/e2-uid-unknown-other-config", "zun/22c-exec-env",
	"zun/24b-exec-interactive", "zun/41-exec-after-put-busybox", "zun/94b-logs", "zun/50b-name-missing-generated", "zun/49c-gnutar-get-dir"}

// TestEveryRecordedExchange sends every recorded request, in order, with the ids and times of
// this run, and compares status, headers, keys, kinds and texts of the answers.
func TestEveryRecordedExchange(t *testing.T) {
	t.Parallel()
	all := loadRecordings(t)
	total, missing, form := 0, []string{}, []string{}
	for _, list := range all {
		total += len(list)
		for _, r := range list {
			switch why, ok := exceptions[r.String()]; {
			case ok && slices.Contains(formOnly, r.String()):
				form = append(form, r.String()+": "+why)
			case ok:
				missing = append(missing, r.String()+": "+why)
			}
		}
	}
	var replayed atomic.Int64
	t.Run("folder", func(t *testing.T) {
		for folder := range all {
			t.Run(folder, func(t *testing.T) {
				t.Parallel()
				newReplay(t, folder, all).run(&replayed)
			})
		}
	})
	slices.Sort(missing)
	slices.Sort(form)
	t.Logf("replayed %d of %d recorded exchanges; %d cannot be:\n%s\n%d without comparing their texts:\n%s",
		replayed.Load(), total, len(missing), strings.Join(missing, "\n"), len(form), strings.Join(form, "\n"))
}
