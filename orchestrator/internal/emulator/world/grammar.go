package world

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Vocabulary is what orders can name of one service.
type Vocabulary struct {
	Service string
	Calls   []string // by the service's own names, such as "create"
	Targets []Target
	OnBoard []string // of Calls, those about what is on one board: "zun.execute@nyu-rpi5-02"
}

// Target is something that can go wrong besides a call: a container, the pool of addresses, a
// setting of the site's operators.
type Target struct {
	Name  string   // "blazar.lease"
	Words []string // what can happen to it
	Value Value    // or, instead of words, a value
	// OnBoard is true if it can be ordered for one board.
	OnBoard bool
	// Lasts is true if an order without a number holds until it is withdrawn; else it holds once.
	Lasts bool
}

// Once makes the targets of faults of which an order without a number holds once.
func Once(faults ...Fault) []Target { return targets(faults, false) }

// OnBoard makes those of Once, which can be ordered for one board as well.
func OnBoard(faults ...Fault) []Target {
	all := Once(faults...)
	for i := range all {
		all[i].OnBoard = true
	}
	return all
}

// Lasting makes the targets of faults of which an order holds until it is withdrawn.
func Lasting(faults ...Fault) []Target { return targets(faults, true) }

func targets(faults []Fault, lasts bool) (all []Target) {
	for _, f := range faults {
		i := slices.IndexFunc(all, func(t Target) bool { return t.Name == f.Target })
		if i < 0 {
			i = len(all)
			all = append(all, Target{Name: f.Target, Lasts: lasts})
		}
		all[i].Words = append(all[i].Words, f.Action.Text)
	}
	return all
}

// Value is a kind of value that a target takes.
type Value struct {
	Shows string // in help texts: "cut-TIME"
	read  func(text string) (Action, bool)
}

// takes says in words what can happen to the target.
func (t Target) takes(or string) string {
	if t.Value.read != nil {
		return t.Value.Shows
	}
	return strings.Join(t.Words, or)
}

// read returns the action that the text names, if it is one of this target's.
func (t Target) read(text string) (Action, bool) {
	for _, word := range t.Words {
		if strings.EqualFold(word, text) {
			return Action{Text: word}, true
		}
	}
	if t.Value.read == nil {
		return Action{}, false
	}
	a, ok := t.Value.read(text)
	a.Text = text
	return a, ok
}

// Time is a duration behind a word: Time("cut") reads "cut-5s".
func Time(word string) Value {
	return Value{Shows: word + "-TIME", read: func(text string) (Action, bool) {
		rest, ok := strings.CutPrefix(text, word+"-")
		d, err := time.ParseDuration(rest)
		return Action{Time: d}, ok && err == nil && d > 0
	}}
}

// Number is a whole number from 1 to 99.
var Number = Value{Shows: "NUMBER", read: func(text string) (Action, bool) {
	n, err := strconv.Atoi(text)
	return Action{Number: n}, err == nil && n > 0 && n < 100
}}

var (
	size  = regexp.MustCompile(`^([0-9.]+)-?(B|KiB|MiB|GiB|KB|MB|GB)$`)
	units = map[string]float64{
		"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9}
)

// Size is a number of bytes behind a word: Size("cut-after") reads "cut-after-1MiB".
func Size(word string) Value {
	return Value{Shows: word + "-SIZE", read: func(text string) (Action, bool) {
		rest, ok := strings.CutPrefix(text, word+"-")
		m := size.FindStringSubmatch(rest)
		if !ok || m == nil {
			return Action{}, false
		}
		n, err := strconv.ParseFloat(m[1], 64)
		bytes := n * units[m[2]]
		return Action{Bytes: int64(bytes)}, err == nil && bytes >= 1 && bytes < 1<<60
	}}
}

// callTakes is what can happen to a call or to all calls of a service.
const callTakes = "STATUS|drop|lost|hang|drip|slow-TIME|late-TIME|down-TIME|echo-PLACE"

// Where, or in which spelling, a refusal repeats a request that was to be echoed.
const (
	EchoBody     = "body"
	EchoHeader   = "header"
	EchoLocation = "location"
	EchoHTML     = "html"
	EchoBase64   = "base64"
	EchoURL      = "url"
	EchoJSON     = "json"
	EchoLines    = "lines"
)

// Echoes are all of them.
var Echoes = []string{EchoBody, EchoHeader, EchoLocation, EchoHTML, EchoBase64, EchoURL, EchoJSON, EchoLines}

// readCall returns what an order says of a call.
func readCall(text string) (Action, bool) {
	switch text {
	case "drop":
		return Action{Text: text, Drop: true}, true
	case "lost":
		return Action{Text: text, Lose: true}, true
	case "hang":
		return Action{Text: text, Hang: true}, true
	}
	if n, err := strconv.Atoi(text); err == nil {
		return Action{Text: text, Status: n}, n >= 400 && n <= 599
	}
	if text == "drip" {
		return Action{Text: text, Drip: true}, true
	}
	if place, ok := strings.CutPrefix(text, "echo-"); ok {
		return Action{Text: text, Echo: place}, slices.Contains(Echoes, place)
	}
	if a, ok := (Target{Value: Time("down")}).read(text); ok {
		return Action{Text: text, Down: a.Time}, true
	}
	if a, ok := (Target{Value: Time("late")}).read(text); ok {
		return Action{Text: text, Late: a.Time}, true
	}
	return Target{Value: Time("slow")}.read(text)
}

// Grammar reads orders: it knows every service's calls and targets.
type Grammar struct {
	services []Vocabulary
}

// NewGrammar makes the grammar of some services; one without a name has targets only.
func NewGrammar(services ...Vocabulary) *Grammar { return &Grammar{services} }

// String describes all orders in one line.
func (g *Grammar) String() string {
	says := []string{"SERVICE[.CALL]=" + callTakes + " (as in zun.create=500x2)",
		"SERVICE.CALL@BOARD (as in zun.execute@nyu-rpi5-02=500)",
		"PLACE of an echoed request " + strings.Join(Echoes, "|")}
	for _, s := range g.services {
		for _, t := range s.Targets {
			says = append(says, t.Name+"="+t.takes("|"))
		}
	}
	return strings.Join(says, ", ") + "; xTIMES behind any, x-1 for ever"
}

// Parse reads a list of orders. The error names every one that is wrong.
func (g *Grammar) Parse(texts []string) (Faults, error) {
	faults := Faults{}
	var problems []error
	for _, text := range texts {
		f, times, err := g.ParseOne(text)
		if err != nil {
			problems = append(problems, err)
			continue
		}
		faults[f] = times
	}
	if problems != nil {
		return nil, errors.Join(problems...)
	}
	return faults, nil
}

var repeat = regexp.MustCompile(`-?x(-?\d+)$`)

// ParseOne reads TARGET=ACTION or TARGET=ACTIONxTIMES. A colon does for the sign and blanks for
// the dashes: "zun.create: 500 x2" is "zun.create=500x2". times is -1 for ever.
func (g *Grammar) ParseOne(text string) (f Fault, times int, err error) {
	s := strings.Join(strings.Fields(text), "-")
	i := strings.IndexAny(s, ":=")
	if i < 0 {
		i = len(s)
	}
	target, what := s[:i], strings.Trim(s[min(i+1, len(s)):], "-")
	if m := repeat.FindStringSubmatch(what); m != nil {
		what = strings.TrimSuffix(what, m[0])
		if times, err = strconv.Atoi(m[1]); err != nil || times == 0 {
			return Fault{}, 0, fmt.Errorf("emulator: fault %q: x takes a number of times, such as x2; x-1 is for "+
				"ever", text)
		}
	}
	action, lasts, err := g.action(target, what)
	if err != nil {
		return Fault{}, 0, fmt.Errorf("emulator: fault %q: %w", text, err)
	}
	if times == 0 {
		times = 1
		if lasts {
			times = -1
		}
	}
	return Fault{target, action}, times, nil
}

// action finds what the target is and reads what is to happen to it.
func (g *Grammar) action(target, what string) (a Action, lasts bool, err error) {
	var takes []string
	target, board, one := strings.Cut(target, "@")
	for _, s := range g.services {
		for _, t := range s.Targets {
			if t.Name != target {
				continue
			}
			if one && (board == "" || !t.OnBoard) {
				return a, false, fmt.Errorf("%s cannot be ordered for the board %q", target, board)
			}
			if a, ok := t.read(what); ok {
				return a, t.Lasts, nil
			}
			takes = append(takes, t.takes(" or "))
		}
	}
	if takes != nil {
		return a, false, fmt.Errorf("%s takes %s, not %q", target, strings.Join(takes, " or "), what)
	}
	service, call, named := strings.Cut(target, ".")
	i := slices.IndexFunc(g.services, func(v Vocabulary) bool { return v.Service == service })
	if i < 0 || service == "" {
		return a, false, fmt.Errorf("there is no %q; there are %s", target, g)
	}
	if calls := g.services[i].Calls; named && !slices.Contains(calls, call) {
		return a, false, fmt.Errorf("%s has no call %q; there are %s", service, call, strings.Join(calls, ", "))
	}
	if one && (board == "" || !slices.Contains(g.services[i].OnBoard, call)) {
		return a, false, fmt.Errorf("%s cannot be ordered for the board %q; what can is %s", target, board,
			strings.Join(g.services[i].OnBoard, ", "))
	}
	a, ok := readCall(what)
	if !ok {
		return a, false, fmt.Errorf("%s takes %s (a status is 400 to 599), not %q", target, callTakes, what)
	}
	return a, false, nil
}
