package world

import (
	"maps"
	"strings"
	"testing"
	"time"
)

// grammar has one of every kind of target.
var grammar = NewGrammar(
	Vocabulary{Targets: []Target{{Name: "network", Value: Size("cut-after")}}},
	Vocabulary{Service: "zun", Calls: []string{"create", "list", "other", "show"}, OnBoard: []string{"show"},
		Targets: []Target{
			{Name: "zun.container", Words: []string{"ERROR", "deleted"}, OnBoard: true},
			{Name: "zun.policy", Words: []string{"strict"}, Lasts: true},
			{Name: "zun.workers", Value: Number, Lasts: true},
			{Name: "execute", Words: []string{"cut"}},
			{Name: "execute", Value: Time("cut"), Lasts: true},
		}})

func TestOrders(t *testing.T) {
	t.Parallel()
	five := Action{Text: "500", Status: 500}
	for text, want := range map[string]Faults{
		"zun.create=500":            {{"zun.create", five}: 1},
		"zun.create=500x2":          {{"zun.create", five}: 2},
		"zun.create: 500 x2":        {{"zun.create", five}: 2},
		"zun=500 x-1":               {{"zun", five}: -1},
		"zun.other=drop":            {{"zun.other", Action{Text: "drop", Drop: true}}: 1},
		"zun=lost":                  {{"zun", Action{Text: "lost", Lose: true}}: 1},
		"zun=hang":                  {{"zun", Action{Text: "hang", Hang: true}}: 1},
		"zun=slow-200ms":            {{"zun", Action{Text: "slow-200ms", Time: 200 * time.Millisecond}}: 1},
		"zun.create=late-4s":        {{"zun.create", Action{Text: "late-4s", Late: 4 * time.Second}}: 1},
		"zun.container=error":       {Word("zun.container", "ERROR"): 1},
		"zun.container=deletedx3":   {Word("zun.container", "deleted"): 3},
		"zun.show@rpi-1=500x-1":     {{"zun.show@rpi-1", five}: -1},
		"zun.container@rpi-1=ERROR": {Word("zun.container@rpi-1", "ERROR"): 1},
		"zun.policy=strict":         {Word("zun.policy", "strict"): -1},
		"zun.policy=strictx2":       {Word("zun.policy", "strict"): 2},
		"zun.workers=1":             {{"zun.workers", Action{Text: "1", Number: 1}}: -1},
		"execute=cut":               {Word("execute", "cut"): 1},
		"execute: cut 5s":           {{"execute", Action{Text: "cut-5s", Time: 5 * time.Second}}: -1},
		"network=cut-after-1.5KiB":  {{"network", Action{Text: "cut-after-1.5KiB", Bytes: 1536}}: 1},
	} {
		if got, err := grammar.Parse([]string{text}); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q is %v, %v; want %v", text, got, err, want)
		}
	}
}

func TestWrongOrders(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		"":                        `there is no ""; there are SERVICE[.CALL]=`,
		"=":                       `there is no ""`,
		"lease-error":             `there is no "lease-error"; there are SERVICE[.CALL]=`,
		"swift=500":               `there is no "swift"`,
		".create=500":             `there is no ".create"`,
		"zun":                     `zun takes STATUS|drop`,
		"zun.crate=500":           `zun has no call "crate"; there are create, list, other, show`,
		"zun.create@rpi-1=500":    `zun.create cannot be ordered for the board "rpi-1"; what can is show`,
		"zun.show@=500":           `zun.show cannot be ordered for the board ""`,
		"zun.policy@rpi-1=strict": `zun.policy cannot be ordered for the board "rpi-1"`,
		"zun@rpi-1=500":           `zun cannot be ordered for the board "rpi-1"`,
		"zun.create=200": `zun.create takes STATUS|drop|lost|hang|drip|slow-TIME|late-TIME|down-TIME|echo-PLACE ` +
			`(a status is 400 to 599), not "200"`,
		"zun.create=slow--1s":          `not "slow--1s"`,
		"zun.create=cut-after-1MiB":    `not "cut-after-1MiB"`,
		"zun=500x0":                    `x takes a number of times`,
		"zun=500x99999999999999999999": `x takes a number of times`,
		"zun.container=500":            `zun.container takes ERROR or deleted, not "500"`,
		"zun.workers=0":                `zun.workers takes NUMBER, not "0"`,
		"execute=never":                `execute takes cut or cut-TIME, not "never"`,
		"network=cut-after-0B":         `network takes cut-after-SIZE, not "cut-after-0B"`,
		"network=cut-after-1.2.3B":     `network takes cut-after-SIZE`,
	} {
		got, err := grammar.Parse([]string{text})
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q is %v, %v; want an error with %q", text, got, err, says)
		}
	}
	// All that is wrong is said at once.
	_, err := grammar.Parse([]string{"zun=1", "zun=500", "nova=500"})
	if err == nil || !strings.Contains(err.Error(), `"zun=1"`) || !strings.Contains(err.Error(), `"nova=500"`) ||
		strings.Contains(err.Error(), `"zun=500"`) {
		t.Errorf("two of three are wrong: %v", err)
	}
}

func TestOrdersAreCounted(t *testing.T) {
	t.Parallel()
	o := New(Pace{}, nil, nil).Orders
	failed := Word("zun.container", "ERROR")
	o.Set(Faults{failed: 2})
	for i, want := range []bool{true, true, false} {
		if o.Take(failed) != want {
			t.Errorf("take %d is %v", i, !want)
		}
	}
	o.Set(Faults{failed: -1})
	for range 3 {
		if !o.Take(failed) || !o.Holds(failed) {
			t.Error("for ever has ended")
		}
	}
	o.Set(Faults{failed: 0})
	if o.Holds(failed) || len(o.Left()) != 0 {
		t.Errorf("withdrawn, but left: %v", o.Left())
	}
}

func TestCallsGoBeforeTheirService(t *testing.T) {
	t.Parallel()
	o := New(Pace{}, nil, nil).Orders
	faults, err := grammar.Parse([]string{"zun=503", "zun.create=500", "zun.show@rpi-1=404"})
	if err != nil {
		t.Fatal(err)
	}
	o.Set(faults)
	for i, want := range []int{500, 503, 0} {
		if a, _ := o.Call("zun", "create", ""); a.Status != want {
			t.Errorf("call %d is answered with %d; want %d", i, a.Status, want)
		}
	}
	for board, want := range map[string]int{"rpi-2": 0, "": 0, "rpi-1": 404} {
		if a, _ := o.Call("zun", "show", board); a.Status != want {
			t.Errorf("of %q: %d; want %d", board, a.Status, want)
		}
	}
}

func TestUntilFollowsTheClock(t *testing.T) {
	t.Parallel()
	w := New(Pace{}, nil, nil)
	reached := make(chan bool)
	then := w.Now().Add(time.Hour)
	go func() { reached <- w.Until(t.Context(), then) }()
	w.Advance(30 * time.Minute)
	select {
	case <-reached:
		t.Error("half an hour was taken for an hour")
	default:
	}
	w.Advance(31 * time.Minute)
	if !<-reached {
		t.Error("the wait ended before its time")
	}
}
