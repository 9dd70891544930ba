package trial

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestReplyRoundTrip(t *testing.T) {
	want := StatusReply{
		Events: []Event{{Schema: EventSchema, Seq: 1, Type: RunStarted},
			{Schema: EventSchema, Seq: 2, Type: Note, Text: "a\nb"}},
		State: State{Schema: EventSchema, Phase: Running, LastSeq: 2}, More: true,
	}
	var buf bytes.Buffer
	if err := want.Write(&buf); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(buf.String(), "\n"); n != 3 {
		t.Errorf("%d lines, want two events and the state", n)
	}
	got, err := ParseReply(buf.Bytes())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	cut := buf.Bytes()[:bytes.LastIndexByte(buf.Bytes()[:buf.Len()-1], '\n')]
	if _, err := ParseReply(cut); err == nil {
		t.Error("a reply without its state was accepted")
	}
	for _, bad := range []string{"", "x", "{}", "null", `{"state":null}`} {
		if _, err := ParseReply([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func TestPlanCheck(t *testing.T) {
	good := func() *Plan {
		m := Model{Name: "m", SHA256: strings.Repeat("0a", 32), Bytes: 1}
		return &Plan{Schema: PlanSchema, Models: []Model{m},
			Trials: []Trial{{ID: NewID("m", "cpu", 1, 1, 1), Model: "m", Threads: 1, Batch: 1, Repetition: 1}}}
	}
	if err := good().Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Plan){
		"schema":       func(p *Plan) { p.Schema = "chexp.plan/v9" },
		"sum":          func(p *Plan) { p.Models[0].SHA256 = "zz" },
		"model name":   func(p *Plan) { p.Models[0].Name = "../m" },
		"id":           func(p *Plan) { p.Trials[0].ID = "../../etc/passwd" },
		"twice":        func(p *Plan) { p.Trials = append(p.Trials, p.Trials[0]) },
		"lost model":   func(p *Plan) { p.Trials[0].Model = "other" },
		"no trials":    func(p *Plan) { p.Trials = nil },
		"zero threads": func(p *Plan) { p.Trials[0].Threads = 0 },
	} {
		p := good()
		spoil(p)
		if p.Check() == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
}

func TestEvaluationIsChecked(t *testing.T) {
	sum := strings.Repeat("a", 64)
	good := Evaluation{Data: PlatesData, Pictures: 5, Reference: "m", Timeout: 1}
	packed := good
	packed.Data, packed.SHA256 = PackedData, sum
	for name, c := range map[string]struct {
		e  Evaluation
		ok bool
	}{
		"plates": {good, true}, "packed": {packed, true}, "nothing": {Evaluation{}, false},
		"a pack without its sum": {Evaluation{Data: PackedData, Pictures: 5, Reference: "m", Timeout: 1}, false},
		"a path for a sum": {Evaluation{Data: PackedData, SHA256: "../" + sum[3:], Pictures: 5,
			Reference: "m", Timeout: 1}, false},
		"plates with a pack": {Evaluation{Data: PlatesData, SHA256: sum, Pictures: 5, Reference: "m", Timeout: 1},
			false},
		"no picture": {Evaluation{Data: PlatesData, Reference: "m", Timeout: 1}, false},
		"too many": {Evaluation{Data: PlatesData, Pictures: MaxPictures + 1, Reference: "m", Timeout: 1},
			false},
		"no such reference": {Evaluation{Data: PlatesData, Pictures: 5, Reference: "x", Timeout: 1}, false},
		"no limit":          {Evaluation{Data: PlatesData, Pictures: 5, Reference: "m"}, false},
	} {
		p := Plan{Schema: PlanSchema, Models: []Model{{Name: "m", SHA256: sum}}, Accuracy: &c.e,
			Trials: []Trial{{ID: NewID("m", "cpu", 1, 1, 1), Model: "m", Threads: 1, Batch: 1, Repetition: 1}}}
		if err := p.Check(); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Each content is named once, whatever it is called.
func TestPlanFiles(t *testing.T) {
	a, b, c := strings.Repeat("a", 64), strings.Repeat("b", 64), strings.Repeat("c", 64)
	p := &Plan{
		Models: []Model{{Name: "m", SHA256: a, Bytes: 1}, {Name: "same", SHA256: a, Bytes: 1}},
		Runtimes: []NamedRuntime{{Name: "r", SHA256: b, Plugins: []Plugin{{Provider: "npu", SHA256: c, Bytes: 3}}},
			{Name: "stock", Plugins: []Plugin{{Provider: "npu", SHA256: c, Bytes: 3}}}},
		Accuracy: &Evaluation{Name: "mine", SHA256: b, Bytes: 5},
	}
	want := []File{
		{"model m", "models/" + a + ".onnx", a, 1}, {"runtime r", "runtimes/" + b, b, 0},
		{"runtime r, plugin npu", "runtimes/" + c, c, 3}, {"the pictures of mine", "data/" + b + ".pack", b, 5},
	}
	if got := p.Files(); !slices.Equal(got, want) {
		t.Errorf("files are %+v", got)
	}
}
