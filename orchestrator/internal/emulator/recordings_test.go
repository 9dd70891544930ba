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

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
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

// during are the orders that hold while a recording is replayed that was made with other settings
// than Chameleon's.
var during = map[string]Faults{
	"blazar/90-devices-list-member-blazar-default-policy":                       {blazar.UpstreamPolicy: -1},
	"blazar/90b-allocations-member-blazar-default-policy":                       {blazar.UpstreamPolicy: -1},
	"blazar/e1-not-enough-other-config":                                         {blazar.HiddenQuery: -1},
	"blazar/e2-uid-unknown-other-config":                                        {blazar.HiddenQuery: -1},
	"blazar/a0-create-with-restricted-appcred":                                  {front.AllTrust: -1},
	"blazar/a3-create-with-unrestricted-appcred-keystone-default-refuses-trust": {front.NoneTrust: -1},
}

func (p *replay) order(f Faults) { p.e.SetFaults(f) }

func (p *replay) withdraw(f Faults) {
	none := Faults{}
	for k := range f {
		none[k] = 0
	}
	p.order(none)
}

// adapt takes out of a recorded answer and out of this run's what is the machine's own and not the
// service's. The recorder's containers had another root file system and no users' database.
var adapt = map[string]func(any) any{
	"zun/22c-exec-env":              output(`uid=0\(root\) gid=0.*`, "<id>"),
	"zun/24b-exec-interactive":      output(`^Linux \S+ .* GNU/Linux\n$`, "<uname>"),
	"zun/41-exec-after-put-busybox": output(`(?m)^(-\S+) +1 root +(?:0|root) +(\d+) \w+ +\d+ [\d:]+ `, "$1 $2 "),
	// The recorder's stand-in for Kubernetes kept the log over two restarts; kubelet gives the
	// current container's.
	"zun/94b-logs": func(v any) any {
		text, _ := v.(string)
		if n := len(text) / 3; len(text) == 3*n && strings.Repeat(text[:n], 3) == text {
			return text[:n]
		}
		return v
	},
}

// output replaces in the output of an execute.
func output(pattern, with string) func(any) any {
	re := regexp.MustCompile(pattern)
	return func(v any) any {
		if text, ok := dig(v, "output").(string); ok {
			object(v)["output"] = re.ReplaceAllString(text, with)
		}
		return v
	}
}

// TestEveryRecordedExchange sends every recorded request, in order, with the ids and times of
// this run, and compares status, headers, keys, kinds and texts of the answers.
func TestEveryRecordedExchange(t *testing.T) {
	t.Parallel()
	all := loadRecordings(t)
	total := 0
	for _, list := range all {
		total += len(list)
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
	t.Logf("replayed %d of %d recorded exchanges, %d of them with other settings than Chameleon's", replayed.Load(), total, len(during))
}
