package emulator

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/recordings"
)

// recording is one exchange as it was recorded.
type recording struct {
	*recordings.Exchange
	folder, name string
	at           time.Time // of the answer; zero for Keystone's, which have no Date

	body, want func() any // the recorded body, decoded: numbers as float64, and as they are written
	exempt     func() []*exemption
	places     sync.Map // the exemption that covers a place, or nil
}

func newRecording(x *recordings.Exchange) *recording {
	r := &recording{Exchange: x, folder: x.Folder, name: x.Name, at: x.Time()}
	r.body = sync.OnceValue(func() (v any) {
		json.Unmarshal(x.Response.Body, &v)
		return v
	})
	r.want = sync.OnceValue(func() any { return decoded(x.Response.Body) })
	r.exempt = sync.OnceValue(r.exemptions)
	return r
}

// has looks for words in the name, which say who asks and what for.
func (r *recording) has(words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(r.name, w) })
}

var header = recordings.Header

// loadRecordings reads all folders, each in the order of time.
func loadRecordings(t *testing.T) map[string][]*recording {
	t.Helper()
	exchanges, err := recordings.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]*recording{}
	for _, x := range exchanges {
		all[x.Folder] = append(all[x.Folder], newRecording(x))
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

// adapted are places that are compared in part: what is the recorder's machine's own is
// taken out of both texts.
var adapted = []*exemption{
	{cases: `zun/22c-exec-env`, place: `\.output`, why: "another root file system and users' database",
		adapt: without(`uid=0\(root\) gid=0.*`)},
	{cases: `zun/24b-exec-interactive`, place: `\.output`,
		why: "another kernel", adapt: without(`^Linux \S+ .* GNU/Linux\n$`)},
	{cases: `zun/41-exec-after-put-busybox`, place: `\.output`, why: "another clock and users' database in the listing",
		adapt: without(`(?m) +1 root +(?:0|root) +| \w+ +\d+ [\d:]+ `)},
	{cases: `zun/94b-logs`, place: ``,
		why:   "the recorder's stand-in for Kubernetes kept the log over two restarts, kubelet gives the last one",
		adapt: once},
	{cases: `zun/(20|84b)-.*`, place: `\.errors\[0\]\.(detail|title)`,
		why:   "a Python traceback with the lines of the recorder's code",
		adapt: without(`(?s)Traceback \(most recent call last\):.*`)},
	{cases: `zun/96-.*`, place: `\.status_reason`,
		why: "headers of another Kubernetes", adapt: without(`HTTPHeaderDict\(\{[^}]*\}\)`)},
	{cases: `zun-unschedulable/.*`, place: `\.status_reason`,
		why: "the recorder had eight boards that day", adapt: without(`\d+`)},
	{cases: `fleet/.*`, place: `.*\.status_reason`,
		why: "the recorder had 52 boards", adapt: without(`\d+`)},
	{cases: `fleet/52[eg]-.*`, place: `.*\.image`, why: "an image that only the recorder had",
		adapt: without(`debian(-amd64)?:\d+`)},
	{cases: `fleet/52f-.*`, place: `\.(cpu|memory)`, why: "the recorder's stand-in measured nothing",
		adapt: without(`\d+`)},
	{cases: `zun/45-.*`, place: `\.data`, why: "raw bytes in a JSON text are garbled, only names and sizes are left",
		adapt: func(text string) string { return strings.Join(members([]byte(text), false), " ") }},
	{cases: `zun/49c-.*`, place: `\.data`, why: "the recorder cut this archive off", adapt: func(text string) string {
		data, _ := base64.StdEncoding.DecodeString(text[:min(400, len(text))])
		return strings.Join(members(data, false), " ")
	}},
	{cases: `zun/50b-name-missing-generated`, place: `\.name`,
		why: "a name made by chance", adapt: without(`^[a-z]+-\d+-`)},
}

func without(pattern string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(text string) string { return re.ReplaceAllString(text, "…") }
}

func once(text string) string {
	if n := len(text) / 3; len(text) == 3*n && strings.Repeat(text[:n], 3) == text {
		return text[:n]
	}
	return text
}

// TestEveryRecordedExchange sends every recorded request, in order, with the ids and times of
// this run, and compares status, headers, keys, kinds and texts of the answers.
func TestEveryRecordedExchange(t *testing.T) {
	t.Parallel()
	all := loadRecordings(t)
	tally, mutants := newTally(), newMutants()
	t.Run("folder", func(t *testing.T) {
		for folder := range all {
			t.Run(strings.ReplaceAll(folder, "/", "-"), func(t *testing.T) {
				t.Parallel()
				newReplay(t, folder, all, tally, mutants).run()
			})
		}
	})
	mutants.report(t)
	tally.report(t, all)
}
