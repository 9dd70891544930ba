package emulator

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// otherOrder is the one kind that exemptions inside a list can hide.
const otherOrder = "a list in another order"

// exemptIn reports whether an exemption was needed for the id or the name of a
// list's elements.
func (m *matcher) exemptIn(list string) bool {
	for e := range m.used {
		if e.covers(list+"[0].id") || e.covers(list+"[0].name") {
			return true
		}
	}
	return false
}

// mutation is one kind of mistake. It changes a decoded answer in one place, chosen by
// which, and says what it did; "" means that the answer has no such place. The comparison
// must notice it, unless the place is exempt.
type mutation struct {
	name   string
	change func(d *mutant) string
}

// mutant is an answer on its way to the comparison.
type mutant struct {
	answer answer
	body   any // decoded
	which  int // chooses a place
	m      *matcher
}

// mutations are the kinds of mistakes that a service, or this emulator, could make.
var mutations = []mutation{
	{"drop a key", func(d *mutant) string {
		return d.inObjects(func(o map[string]any, k string) bool { delete(o, k); return true })
	}},
	{"an extra key", func(d *mutant) string {
		return d.inObjects(func(o map[string]any, k string) bool { o[k+"_too"] = o[k]; return true })
	}},
	{"a key in another spelling", func(d *mutant) string {
		return d.inObjects(func(o map[string]any, k string) bool {
			o[strings.ToUpper(k)+"_"] = o[k]
			delete(o, k)
			return true
		})
	}},
	{"text for a number", replace(func(v any) (any, bool) { n, ok := v.(json.Number); return n.String(), ok })},
	{"a number for text", replace(func(v any) (any, bool) { _, ok := v.(string); return json.Number("1"), ok })},
	{"null for a value", replace(func(v any) (any, bool) { return nil, v != nil })},
	{"empty text for null", replace(func(v any) (any, bool) { return "", v == nil })},
	{"an empty list for null", replace(func(v any) (any, bool) { return []any{}, v == nil })},
	{"null for an empty list", replace(func(v any) (any, bool) { l, ok := v.([]any); return nil, ok && len(l) == 0 })},
	{"null for an empty object", replace(func(v any) (any, bool) {
		o, ok := v.(map[string]any)
		return nil, ok && len(o) == 0
	})},
	{"the other truth", replace(func(v any) (any, bool) { b, ok := v.(bool); return !b, ok })},
	{"text for a truth", replace(func(v any) (any, bool) { b, ok := v.(bool); return fmt.Sprint(b), ok })},
	{"a number more", replace(func(v any) (any, bool) {
		n, ok := v.(json.Number)
		i, err := strconv.Atoi(n.String())
		return json.Number(strconv.Itoa(i + 1)), ok && err == nil
	})},
	{"a whole number with a fraction", replace(func(v any) (any, bool) {
		n, ok := v.(json.Number)
		return n + ".0", ok && !strings.Contains(n.String(), ".")
	})},
	{"a word changed", replace(words(func(s string) string { return s + "s" }))},
	{"a letter in the other case", replace(words(func(s string) string {
		if up := strings.ToUpper(s); up != s {
			return up
		}
		return strings.ToLower(s)
	}))},
	{"text cut off", replace(words(func(s string) string { return s[:len(s)-1] }))},
	{"a list one shorter", lists(1, func(l []any) []any { return l[1:] })},
	{"a list one longer", lists(1, func(l []any) []any { return append(l, l[0]) })},
	{otherOrder, lists(2, func(l []any) []any {
		l = slices.Clone(l)
		slices.Reverse(l)
		return l
	})},
	{"a list in place of its only element", replace(func(v any) (any, bool) {
		l, ok := v.([]any)
		return first(l), ok && len(l) == 1
	})},
	{"a new id for a known thing", replace(aName("id", func(id string) string {
		return strings.Repeat("0", len(id)-1) + "1"
	}))},
	{"a new address for a known thing", replace(aName("address", func(a string) string {
		return "10.9.8.7" + port(a)
	}))},
	{"a time in another format", replace(times(func(s string) string {
		if strings.Contains(s, "T") {
			return strings.Replace(s, "T", " ", 1)
		}
		return strings.Replace(s, " ", "T", 1)
	}))},
	{"a time without its fraction, or with one", replace(times(func(s string) string {
		head, tail, ok := strings.Cut(s, ".")
		if !ok {
			return strings.TrimSuffix(s, "Z") + ".000000" + s[len(strings.TrimSuffix(s, "Z")):]
		}
		return head + strings.TrimLeft(tail, "0123456789")
	}))},
	{"a time with a zone, or without", replace(times(func(s string) string {
		if t, ok := strings.CutSuffix(s, "Z"); ok {
			return t
		}
		return s + "Z"
	}))},
	{"another status", func(d *mutant) string { d.answer.status++; return "status" }},
	{"the status of another success", func(d *mutant) string {
		other := map[int]int{200: 201, 201: 200, 202: 200, 204: 200}[d.answer.status]
		if other == 0 {
			return ""
		}
		d.answer.status = other
		return "status"
	}},
	{"a header missing", func(d *mutant) string {
		return d.inHeaders(func(h http.Header, k string) { h.Del(k) })
	}},
	{"another value of a header", func(d *mutant) string {
		return d.inHeaders(func(h http.Header, k string) { h.Set(k, "x"+h.Get(k)) })
	}},
	{"a header twice", func(d *mutant) string {
		return d.inHeaders(func(h http.Header, k string) { h.Add(k, h.Get(k)) })
	}},
	{"an extra header", func(d *mutant) string { d.answer.header.Set("Retry-After", "1"); return "header Retry-After" }},
	{"no body", func(d *mutant) string {
		if d.body == nil {
			return ""
		}
		d.body = nil
		d.answer.raw = ""
		return "body"
	}},
	{"a page in place of JSON", func(d *mutant) string {
		if d.body == nil {
			return ""
		}
		d.body = nil
		d.answer.raw = "<html>" + d.answer.raw
		return "body"
	}},
}

func first(l []any) any {
	if len(l) == 0 {
		return nil
	}
	return l[0]
}

func port(address string) string {
	if _, p, ok := strings.Cut(address, ":"); ok {
		return ":" + p
	}
	return ""
}

// words changes a text in which nothing is a name or a time, and that is no redacted one.
func words(f func(string) string) func(any) (any, bool) {
	return func(v any) (any, bool) {
		s, ok := v.(string)
		if !ok || len(s) < 2 || len(pieces(s)) != 1 || f(s) == s {
			return nil, false
		}
		return f(s), true
	}
}

// aName gives a text that is one name another.
func aName(kind string, f func(string) string) func(any) (any, bool) {
	return func(v any) (any, bool) {
		s, _ := v.(string)
		p := pieces(s)
		if len(p) != 3 || p[1].kind != kind || p[0].text != "" || p[2].text != "" {
			return nil, false
		}
		return f(s), true
	}
}

func times(f func(string) string) func(any) (any, bool) {
	return func(v any) (any, bool) {
		s, _ := v.(string)
		p := pieces(s)
		if len(p) != 3 || p[1].kind != "time" || p[0].text+p[2].text != "" {
			return nil, false
		}
		return f(s), true
	}
}

func lists(least int, f func([]any) []any) func(*mutant) string {
	return replace(func(v any) (any, bool) {
		l, ok := v.([]any)
		if !ok || len(l) < least {
			return nil, false
		}
		out := f(l)
		return out, brief(out) != brief(l)
	})
}

// place is a value in an answer and how to put another there.
type place struct {
	at  string
	v   any
	set func(any)
}

// places lists the values that are not exempt.
func (d *mutant) places() (all []place) {
	var walk func(at string, v any, set func(any))
	walk = func(at string, v any, set func(any)) {
		if at != "" && d.m.exemption(at) != nil || strings.HasSuffix(at, ".adminPass") { // blacked out in the recordings
			return
		}
		all = append(all, place{at, v, set})
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(at+"."+k, v[k], func(x any) { v[k] = x })
			}
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s[%d]", at, i), v[i], func(x any) { v[i] = x })
			}
		}
	}
	walk("", d.body, func(x any) { d.body = x })
	return all
}

// replace changes one of the values that f takes.
func replace(f func(any) (any, bool)) func(*mutant) string {
	return func(d *mutant) string {
		var can []place
		for _, p := range d.places() {
			if _, ok := f(p.v); ok && d.body != nil {
				can = append(can, p)
			}
		}
		if len(can) == 0 {
			return ""
		}
		p := can[d.which%len(can)]
		v, _ := f(p.v)
		p.set(v)
		return p.at
	}
}

func (d *mutant) inObjects(f func(o map[string]any, k string) bool) string {
	var at []string
	var do []func()
	for _, p := range d.places() {
		o, ok := p.v.(map[string]any)
		for _, k := range slices.Sorted(maps.Keys(o)) {
			if at2 := p.at + "." + k; ok && d.m.exemption(at2) == nil && d.m.exemption(at2+"_too") == nil {
				at, do = append(at, at2), append(do, func() { f(o, k) })
			}
		}
	}
	if len(do) == 0 {
		return ""
	}
	do[d.which%len(do)]()
	return at[d.which%len(at)]
}

func (d *mutant) inHeaders(f func(h http.Header, k string)) string {
	exempt := func(k string) bool { return d.m.exemption("header "+k) != nil }
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(d.answer.header)), exempt)
	if len(keys) == 0 {
		return ""
	}
	k := keys[d.which%len(keys)]
	f(d.answer.header, k)
	return "header " + k
}

// mutants counts what was tried, by service and kind of mistake.
type mutants struct {
	answers        atomic.Int64
	mu             sync.Mutex
	tried, noticed map[string]map[string]int
}

func newMutants() *mutants {
	return &mutants{tried: map[string]map[string]int{}, noticed: map[string]map[string]int{}}
}

// share is in how many answers each kind of mistake is made: in one of so many. All of
// them would take a minute of both cores.
const share = 4

// try makes its share of the kinds of mistakes in an answer that was as recorded.
func (all *mutants) try(t *testing.T, r *recording, a answer, n *names, shift time.Duration, which int) {
	all.answers.Add(1)
	for i, kind := range mutations {
		if (int(all.answers.Load())+i)%share != 0 {
			continue
		}
		m := &matcher{r: r, names: n.tentative(), shift: shift, used: map[*exemption]bool{}}
		d := &mutant{answer: a, body: decoded([]byte(a.raw)), which: which, m: m}
		d.answer.header = a.header.Clone()
		at := kind.change(d)
		if at == "" {
			continue
		}
		if at != "body" && d.body != nil {
			data, err := json.Marshal(d.body)
			if err != nil {
				t.Error(err)
			}
			d.answer.raw = string(data)
		}
		m.answer(d.answer)
		if kind.name == otherOrder && len(m.diff) == 0 && m.exemptIn(at) {
			continue // these elements may differ in what is exempt alone
		}
		all.count(r.Service, kind.name, len(m.diff) > 0)
		if len(m.diff) == 0 {
			t.Errorf("%s: %s at %s was not noticed in %.600s", r, kind.name, at, d.answer.raw)
		}
	}
}

func (all *mutants) count(service, kind string, noticed bool) {
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, m := range []map[string]map[string]int{all.tried, all.noticed} {
		if m[kind] == nil {
			m[kind] = map[string]int{}
		}
	}
	all.tried[kind][service]++
	if noticed {
		all.noticed[kind][service]++
	}
}

// report logs a line for each kind: how many mistakes were noticed of those made.
func (all *mutants) report(t *testing.T) {
	total, seen := 0, 0
	for _, kind := range mutations {
		var parts []string
		for _, s := range slices.Sorted(maps.Keys(all.tried[kind.name])) {
			parts = append(parts, fmt.Sprintf("%s %d/%d", s, all.noticed[kind.name][s], all.tried[kind.name][s]))
			total, seen = total+all.tried[kind.name][s], seen+all.noticed[kind.name][s]
		}
		if parts == nil {
			t.Errorf("no answer has a place for the mistake %q", kind.name)
		}
		t.Logf("mistake noticed: %-42s %s", kind.name, strings.Join(parts, ", "))
	}
	t.Logf("%d kinds of mistakes put into replayed answers: noticed %d of %d", len(mutations), seen, total)
}
