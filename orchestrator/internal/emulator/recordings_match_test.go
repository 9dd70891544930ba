package emulator

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// matcher holds one answer against the recorded one. Everything must be equal: the
// status, each header's name and value, each key, kind, length, order and text. Only
// what cannot be the same in two runs is compared in another way, by what it is:
//
//   - An id, an address or a project stands for one thing: the recorded one and this
//     run's are paired at the first sight and must come together from then on.
//   - A time has the same format to the last digit, and lies where the recorded one
//     lies, counted from the recorder's clock, within [timeSlack].
//   - A request id and a Date have their form.
//
// Anything else that is let through is an [exemption] with a name and a reason.
type matcher struct {
	r     *recording
	names *names
	shift time.Duration // from the recorder's clock to this run's; 0: unknown
	diff  []string
	used  map[*exemption]bool

	strict bool // without exemptions
}

// timeSlack is how far a time may lie from where the recorded one lies: this run takes
// other times between two requests than the recorder took.
const timeSlack = 3 * time.Minute

// names pairs what the recorder's cloud called something with what this one calls it.
type names struct {
	live, recorded map[string]string
	below          *names // more pairs, or nil
}

func newNames() *names { return &names{live: map[string]string{}, recorded: map[string]string{}} }

// tentative takes pairs that those below do not see until they are kept.
func (n *names) tentative() *names {
	above := newNames()
	above.below = n
	return above
}

func (n *names) keep() {
	maps.Copy(n.below.live, n.live)
	maps.Copy(n.below.recorded, n.recorded)
}

func (n *names) liveOf(recorded string) (live string, ok bool) {
	for ; n != nil && !ok; n = n.below {
		live, ok = n.live[recorded]
	}
	return live, ok
}

func (n *names) stands(live string) (ok bool) {
	for ; n != nil && !ok; n = n.below {
		_, ok = n.recorded[live]
	}
	return ok
}

// know pairs two names that need not be the only ones for that thing: recordings of
// other days have other ids for the same user.
func (n *names) know(recorded, live string) { n.live[recorded] = live }

// pair is false if one of the two names already stands for something else.
func (n *names) pair(recorded, live string) bool {
	if have, ok := n.liveOf(recorded); ok {
		return have == live
	}
	if n.stands(live) {
		return false
	}
	n.live[recorded], n.recorded[live] = live, recorded
	return true
}

// named is what a text is cut into: names and times, and the words between them.
var named = regexp.MustCompile(`(?P<python>datetime\.datetime\([0-9, ]*\))` +
	`|(?P<time>\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00:00)?)` +
	`|(?P<request>\breq-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b)` +
	`|(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b)` +
	`|(?P<address>\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d+)?\b)` +
	`|(?P<mac>\b[0-9a-f]{2}(?::[0-9a-f]{2}){5}\b)` +
	`|(?P<project>\bCHI-\d+\b)`)

// anID is a UUID or one of Keystone's ids.
var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}` +
	`|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b`)

var address = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)

// piece is one token, or the words up to the next.
type piece struct{ kind, text string }

// cut are the texts that pieces has cut before: each recorded one is compared with
// a dozen mistakes.
var cut sync.Map

func pieces(text string) (all []piece) {
	if done, ok := cut.Load(text); ok {
		return done.([]piece)
	}
	defer func() { cut.Store(text, all) }()
	if !strings.ContainsAny(text, "0123456789") {
		return []piece{{"", text}} // no name and no time is without a digit
	}
	at := 0
	for _, m := range named.FindAllStringSubmatchIndex(text, -1) {
		all = append(all, piece{"", text[at:m[0]]})
		for i, name := range named.SubexpNames() {
			if name != "" && m[2*i] >= 0 {
				all = append(all, piece{name, text[m[0]:m[1]]})
			}
		}
		at = m[1]
	}
	return append(all, piece{"", text[at:]})
}

// text tells whether two texts say the same of the same things.
func (m *matcher) text(want, got string) bool {
	if want == "<redacted>" || want == "<private key>" {
		return got != ""
	}
	ws, gs := pieces(want), pieces(got)
	if len(ws) != len(gs) {
		return false
	}
	for i, w := range ws {
		if w.kind != gs[i].kind || !m.piece(w, gs[i].text) {
			return false
		}
	}
	return true
}

func (m *matcher) piece(w piece, got string) bool {
	if w.text == got && w.kind != "id" {
		return true
	}
	switch w.kind {
	case "":
		return false
	case "request":
		return true
	case "time":
		return digits.ReplaceAllString(w.text, "0") == digits.ReplaceAllString(got, "0") &&
			whole(w.text) == whole(got) && m.moment(readTime(w.text), readTime(got))
	case "python":
		return strings.Count(w.text, ",") == strings.Count(got, ",") && m.moment(readPython(w.text), readPython(got))
	}
	return m.names.pair(w.text, got)
}

var digits = regexp.MustCompile(`\d`)

// whole tells whether a time is to the second, although its format has fractions.
func whole(text string) bool {
	_, fraction, ok := strings.Cut(text, ".")
	return ok && strings.Trim(fraction, "0Z") == ""
}

// moment is true if the two times lie together, or if one knows nothing about it.
func (m *matcher) moment(want, got time.Time) bool {
	if m.shift == 0 || want.IsZero() || got.IsZero() || want.Before(m.r.at.AddDate(-1, 0, 0)) {
		return want.IsZero() == got.IsZero()
	}
	return want.Add(m.shift).Sub(got).Abs() <= timeSlack
}

func readTime(text string) time.Time {
	text = strings.TrimSuffix(strings.Replace(text, "T", " ", 1), "Z")
	for _, format := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
		if t, err := time.Parse(format, text); err == nil {
			return t
		}
	}
	return time.Time{}
}

func readPython(text string) time.Time {
	n := [6]int{}
	for i, word := range strings.Split(strings.TrimSuffix(strings.TrimPrefix(text, "datetime.datetime("), ")"), ", ") {
		if i < len(n) {
			n[i], _ = strconv.Atoi(word)
		}
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC)
}

// differ notes a difference, unless an exemption covers that place.
func (m *matcher) differ(at, format string, args ...any) {
	if e := m.exemption(at); e != nil {
		m.used[e] = true
		return
	}
	m.diff = append(m.diff, at+" "+fmt.Sprintf(format, args...))
}

// exemption is what lets a place of this answer be another, or nil.
func (m *matcher) exemption(at string) *exemption {
	if m.strict {
		return nil
	}
	return m.r.exemption(at)
}

// answer compares all of an answer.
func (m *matcher) answer(a answer) {
	m.headers(a)
	if a.status != m.r.Response.Status {
		m.differ("status", "is %d, recorded %d", a.status, m.r.Response.Status)
	}
	want := m.r.want()
	if o, ok := want.(map[string]any); ok && (o["_text"] != nil || o["_base64"] != nil) {
		if text := rawBody(o); !m.text(text, a.raw) {
			m.differ("body", "is %q, recorded %q", a.raw, text)
		}
		return
	}
	if want == nil && (header(m.r.Response.Headers, "Content-Length") != "4" || a.status == 204) {
		if a.raw != "" {
			m.differ("body", "is %q, recorded none", a.raw)
		}
		return
	}
	if !json.Valid([]byte(a.raw)) {
		m.differ("body", "is no JSON: %q", a.raw)
		return
	}
	got := decoded([]byte(a.raw))
	m.value(want, got, "")
}

func rawBody(o map[string]any) string {
	if text, ok := o["_text"].(string); ok {
		return text
	}
	encoded, _ := o["_base64"].(string)
	data, _ := base64.StdEncoding.DecodeString(encoded)
	return string(data)
}

// decoded keeps numbers as they are written: 0 is not 0.0.
func decoded(data []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil && err != io.EOF {
		return nil
	}
	return v
}

// value compares two JSON values; at is the way to them. What is exempt must have the
// recorded form nevertheless.
func (m *matcher) value(want, got any, at string) {
	e := m.exemption(at)
	if e == nil {
		m.same(want, got, at)
		return
	}
	strict := &matcher{r: m.r, names: m.names.tentative(), shift: m.shift, strict: true}
	strict.same(want, got, at)
	w, text := want.(string)
	g, _ := got.(string)
	switch {
	case len(strict.diff) == 0:
		strict.names.keep() // the exemption was not needed
	case e.adapt != nil && text && m.text(e.adapt(w), e.adapt(g)):
		m.used[e] = true
	case e.adapt != nil:
		m.diff = append(m.diff, strict.diff...)
	case sameForm(want, got) && (!e.sized || len(list(want)) == len(list(got))) && (!e.aged || oldestFirst(got)):
		m.used[e] = true
	default:
		m.diff = append(m.diff, at+" has another form: "+brief(got)+", recorded "+brief(want))
	}
}

// same compares the values of a place that is not exempt.
func (m *matcher) same(want, got any, at string) {
	if kind(want) != kind(got) {
		m.differ(at, "is %s, recorded %s", brief(got), brief(want))
		return
	}
	switch w := want.(type) {
	case map[string]any:
		m.object(w, got.(map[string]any), at)
	case []any:
		m.list(w, got.([]any), at)
	case string:
		if g := got.(string); !m.text(w, g) && !m.special(w, g, at) {
			m.differ(at, "is %s, recorded %s", brief(got), brief(want))
		}
	default:
		if want != got {
			m.differ(at, "is %s, recorded %s", brief(got), brief(want))
		}
	}
}

// special compares what only its key tells apart from words.
func (m *matcher) special(want, got, at string) bool {
	switch {
	case strings.HasSuffix(at, ".data"):
		return sameArchive(want, got)
	case strings.Contains(at, ".audit_ids["):
		return auditID.MatchString(want) && auditID.MatchString(got) && m.names.pair(want, got)
	}
	return false
}

var auditID = regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`)

// oldestFirst tells whether a list's elements come in the order in which they were made.
func oldestFirst(v any) bool {
	return slices.IsSortedFunc(list(v), func(a, b any) int {
		first, _ := dig(a, "created_at").(string)
		second, _ := dig(b, "created_at").(string)
		return strings.Compare(first, second)
	})
}

// sameForm compares keys and kinds only. Null goes for a text, and every element of a list
// must have the form of a recorded one.
func sameForm(want, got any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) && len(w) > 0 {
			return false // an object recorded empty tells no form
		}
		for k := range w {
			if _, ok := g[k]; !ok || !sameForm(w[k], g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && !slices.ContainsFunc(g, func(e any) bool {
			return len(w) > 0 && !slices.ContainsFunc(w, func(o any) bool { return sameForm(o, e) })
		})
	}
	nullText := func(a, b any) bool { _, text := b.(string); return a == nil && text }
	return kind(want) == kind(got) || nullText(want, got) || nullText(got, want)
}

func kind(v any) string {
	if n, ok := v.(json.Number); ok && strings.ContainsAny(n.String(), ".eE") {
		return "a number with a fraction"
	}
	return fmt.Sprintf("%T", v)
}

func (m *matcher) object(want, got map[string]any, at string) {
	// Keys that are ids, such as a network's, are paired first.
	renamed := map[string]any{}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		renamed[k] = got[k]
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		live := k
		if _, ok := renamed[k]; !ok && anID.FindString(k) == k && len(want) == len(got) {
			if live, _ = m.names.liveOf(k); live == "" && len(got) == 1 {
				live = slices.Collect(maps.Keys(got))[0]
				m.names.pair(k, live)
			}
		}
		g, ok := renamed[live]
		if !ok {
			m.differ(at+"."+k, "is missing, recorded %s", brief(want[k]))
			continue
		}
		delete(renamed, live)
		m.value(want[k], g, at+"."+k)
	}
	for _, k := range slices.Sorted(maps.Keys(renamed)) {
		m.differ(at+"."+k, "was not recorded: %s", brief(renamed[k]))
	}
}

func (m *matcher) list(want, got []any, at string) {
	if len(want) != len(got) {
		m.differ(at, "has %d elements, recorded %d: %s", len(got), len(want), brief(got))
		return
	}
	for i := range want {
		m.value(want[i], got[i], fmt.Sprintf("%s[%d]", at, i))
	}
}

func brief(v any) string {
	data, _ := json.Marshal(v)
	if len(data) > 400 {
		return string(data[:400]) + "…"
	}
	return string(data)
}

// note pairs the names in a recorded answer with those of this run's, without comparing.
func (n *names) note(want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(w)) {
			if _, ok := g[k]; !ok && anID.FindString(k) == k && len(g) == 1 && len(w) == 1 {
				n.note(w[k], slices.Collect(maps.Values(g))[0])
				continue
			}
			n.note(w[k], g[k])
		}
	case []any:
		g, _ := got.([]any)
		for i := range w {
			if len(w) == len(g) {
				n.note(w[i], g[i])
			}
		}
	case string:
		if g, ok := got.(string); ok {
			(&matcher{names: n, r: &recording{}}).text(w, g)
		}
	}
}

var minuteTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`)

// moved shifts the times of a request into this run.
func (p *replay) moved(text string) string {
	return minuteTime.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			return s
		}
		return t.Add(p.shift).Format("2006-01-02 15:04")
	})
}
