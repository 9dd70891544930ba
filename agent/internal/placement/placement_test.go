package placement

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"chexp/agent/internal/session"
	"chexp/experiments/input"
	"chexp/experiments/trial"
)

// nodeEvent is a line as ONNX Runtime 1.27 writes it.
func nodeEvent(name, index, op, provider string, ts, dur int) string {
	return fmt.Sprintf(
		`{"cat" : "Node","pid" :1,"tid" :1,"dur" :%d,"ts" :%d,"ph" : "X","name" :"%s_kernel_time",`+
			`"args" : {"op_name" : "%s","node_index" : "%s","provider" : "%sExecutionProvider",`+
			`"input_type_shape" : [{"float":[1,3]}]}},`,
		dur, ts, name, op, index, provider)
}

func sessionEvent(name string, ts, dur int) string {
	return fmt.Sprintf(`{"cat" : "Session","pid" :1,"tid" :1,"dur" :%d,"ts" :%d,"ph" : "X","name" :"%s","args" : {}},`,
		dur, ts, name)
}

func planName(s string) string { return strings.ToLower(strings.TrimSuffix(s, "ExecutionProvider")) }

func profile(lines ...string) string { return "[\n" + strings.Join(lines, "\n") + "\n]\n" }

func TestParse(t *testing.T) {
	one := func(at int) []string {
		return []string{
			nodeEvent("conv1", "0", "Conv", "Xnnpack", at, 50), nodeEvent("conv2", "1", "Conv", "Xnnpack", at+50, 30),
			nodeEvent("add", "2", "Add", "CPU", at+80, 7), nodeEvent("conv3", "3", "Conv", "CPU", at+90, 5),
			sessionEvent("SequentialExecutor::Execute", at, 100), sessionEvent("model_run", at, 101),
		}
	}
	lines := append([]string{sessionEvent("model_loading_uri", 0, 9)}, one(10)...)
	lines = append(append(lines, one(200)...), one(400)...)
	// What an inference began and did not end is no inference.
	lines = append(lines, nodeEvent("conv1", "0", "Conv", "Xnnpack", 900, 50))
	got, err := Parse(strings.NewReader(profile(lines...)), planName)
	if err != nil {
		t.Fatal(err)
	}
	want := &trial.Placement{
		Inferences: 2, Nodes: 4, TimeNS: 184_000,
		Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 2, TimeNS: 24_000},
			{Provider: "xnnpack", Nodes: 2, TimeNS: 160_000}},
		Operators: []trial.OperatorsShare{
			{Operator: "Conv", Provider: "xnnpack", Nodes: 2, TimeNS: 160_000},
			{Operator: "Add", Provider: "cpu", Nodes: 1, TimeNS: 14_000},
			{Operator: "Conv", Provider: "cpu", Nodes: 1, TimeNS: 10_000},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// A Loop's time holds that of its body, whose nodes run many times.
func TestLoop(t *testing.T) {
	one := func(at int) []string {
		return []string{
			nodeEvent("body", "0", "Add", "CPU", at+1, 10), nodeEvent("body", "0", "Add", "CPU", at+12, 10),
			nodeEvent("loop", "5", "Loop", "CPU", at, 25), nodeEvent("after", "6", "Mul", "CPU", at+25, 3),
			sessionEvent("model_run", at, 30),
		}
	}
	p, err := Parse(strings.NewReader(profile(append(one(0), one(100)...)...)), planName)
	if err != nil {
		t.Fatal(err)
	}
	if p.Nodes != 3 || p.TimeNS != 28_000 {
		t.Errorf("%d nodes in %d ns, want 3 in 28000: %+v", p.Nodes, p.TimeNS, p.Operators)
	}
	if p.Operators[0].Operator != "Add" || p.Operators[0].TimeNS != 20_000 || p.Operators[0].Nodes != 1 {
		t.Errorf("operators %+v", p.Operators)
	}
}

// dnnl names each subgraph that it compiled after the model's hash.
func TestSubgraphsAreOneLine(t *testing.T) {
	run := sessionEvent("model_run", 0, 100)
	p, err := Parse(strings.NewReader(profile(run, nodeEvent("a", "1", "DNNL_2642903913446795910_14", "Dnnl", 0, 5),
		nodeEvent("b", "2", "DNNL_2642903913446795910_15", "Dnnl", 5, 6),
		nodeEvent("c", "3", "Conv_1", "CPU", 11, 1), run)), planName)
	if err != nil {
		t.Fatal(err)
	}
	want := []trial.OperatorsShare{{Operator: "DNNL subgraph", Provider: "dnnl", Nodes: 2, TimeNS: 11000},
		{Operator: "Conv_1", Provider: "cpu", Nodes: 1, TimeNS: 1000}}
	if !reflect.DeepEqual(p.Operators, want) {
		t.Errorf("%+v", p.Operators)
	}
}

func TestHostile(t *testing.T) {
	run := sessionEvent("model_run", 0, 1)
	ok := nodeEvent("n", "0", "Add", "CPU", 0, 1)
	for name, tc := range map[string]struct{ in, text string }{
		"empty":             {"", "no complete inference"},
		"html":              {"<html>", "line 1"},
		"one inference":     {profile(ok, run), "no complete inference"},
		"no nodes":          {profile(run, run), "no node"},
		"quote in name":     {profile(nodeEvent(`a"b`, "0", "Add", "CPU", 0, 1), run), "line 2"},
		"no provider":       {profile(strings.Replace(ok, "provider", "prov", 1), run, run), "without its provider"},
		"negative time":     {profile(nodeEvent("n", "0", "Add", "CPU", 0, -1), run, run), "-1 µs"},
		"time beyond reach": {profile(nodeEvent("n", "0", "Add", "CPU", 0, 1<<62), run, run), "µs"},
		"endless line":      {"[\n" + strings.Repeat("x", maxLine+1), "too long"},
		"cut":               {profile(ok, run)[:200], "line 2"},
	} {
		if _, err := Parse(strings.NewReader(tc.in), planName); err == nil || !strings.Contains(err.Error(), tc.text) {
			t.Errorf("%s: %v, want %q", name, err, tc.text)
		}
	}
	lines := []string{run}
	for i := range maxKinds + 1 {
		lines = append(lines, nodeEvent("n", fmt.Sprint(i), fmt.Sprint("Op", i), "CPU", i, 1))
	}
	if _, err := Parse(strings.NewReader(profile(append(lines, run)...)), planName); err == nil {
		t.Error("a table without end was accepted")
	}
	p, err := Parse(strings.NewReader(
		profile(run, nodeEvent("n", "0", strings.Repeat("Ä", 200), `\u001b[31m`, 0, 1), run)), planName)
	if err != nil || strings.ContainsRune(p.Operators[0].Provider, '\x1b') ||
		len([]rune(p.Operators[0].Operator)) > maxName {
		t.Errorf("%+v, %v", p, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(profile(sessionEvent("model_run", 0, 1), nodeEvent("n", "0", "Add", "CPU", 0, 1),
		sessionEvent("model_run", 0, 1)))
	f.Fuzz(func(t *testing.T, in string) {
		p, err := Parse(strings.NewReader(in), planName)
		if err != nil {
			return
		}
		nodes, ns := 0, int64(0)
		for _, s := range p.Providers {
			nodes, ns = nodes+s.Nodes, ns+s.TimeNS
		}
		if nodes != p.Nodes || ns != p.TimeNS || ns < 0 {
			t.Errorf("does not add up: %+v", p)
		}
	})
}

// engine writes a profile when it is closed, as ONNX Runtime does.
type engine struct {
	prefix string
	runs   int
	fail   bool
}

func (e *engine) Inputs() []session.Buffer {
	in := input.Input{Name: "x", Type: input.Float32, Shape: []int64{3}, Values: input.Values{Kind: input.Normal}}
	return []session.Buffer{session.NewBuffer(in, in.Shape, make([]byte, 12))}
}
func (e *engine) Prepare() error { return nil }
func (e *engine) Run() error {
	if e.fail {
		return errors.New("broken")
	}
	e.runs++
	return nil
}

func (e *engine) Close() error {
	var lines []string
	for i := range e.runs {
		lines = append(lines, nodeEvent("n", "0", "Add", "CPU", 10*i, 1), sessionEvent("model_run", 10*i, 2))
	}
	return os.WriteFile(e.prefix+"_2026-01-01.json", []byte(profile(lines...)), 0o600)
}

func TestProfile(t *testing.T) {
	dir := t.TempDir()
	p, err := Profile(dir, 1, planName, func(prefix string) (session.Engine, error) {
		return &engine{prefix: prefix}, nil
	})
	if err != nil || p.Inferences != maxInferences || p.Nodes != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	_, err = Profile(dir, 1, planName, func(prefix string) (session.Engine, error) {
		return &engine{prefix: prefix, fail: true}, nil
	})
	if err == nil {
		t.Error("a failed inference went unnoticed")
	}
	_, err = Profile(dir, 1, planName, func(string) (session.Engine, error) {
		return &engine{prefix: filepath.Join(dir, "x")}, nil
	})
	if err == nil || !strings.Contains(err.Error(), "0 profiles") {
		t.Errorf("a profile elsewhere: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".profile*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A compiled subgraph is one node of a profile, and many of the model.
func TestExpand(t *testing.T) {
	fresh := func() *trial.Placement {
		return &trial.Placement{Nodes: 5,
			Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 3, TimeNS: 5},
				{Provider: "acl", Nodes: 2, TimeNS: 9}},
			Operators: []trial.OperatorsShare{{Operator: "ChexpACLExecutionProvider subgraph", Provider: "acl",
				Nodes: 2, TimeNS: 9}, {Operator: "Add", Provider: "cpu", Nodes: 3, TimeNS: 5}},
		}
	}
	p := fresh()
	if err := Expand(p, "acl", map[string]int{"Conv": 52, "Add": 11}); err != nil {
		t.Fatal(err)
	}
	want := &trial.Placement{Nodes: 66,
		Providers: []trial.ProviderShare{{Provider: "acl", Nodes: 63, TimeNS: 9},
			{Provider: "cpu", Nodes: 3, TimeNS: 5}},
		Operators: []trial.OperatorsShare{{Operator: "subgraph: 52 Conv, 11 Add", Provider: "acl", Nodes: 63,
			TimeNS: 9}, {Operator: "Add", Provider: "cpu", Nodes: 3, TimeNS: 5}},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("got  %+v\nwant %+v", p, want)
	}
	none := &trial.Placement{Nodes: 3, Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 3}}}
	if err := Expand(none, "acl", nil); err != nil || none.Nodes != 3 {
		t.Errorf("nothing claimed: %v, %+v", err, none)
	}
	if Expand(none, "acl", map[string]int{"Conv": 1}) == nil ||
		Expand(fresh(), "acl", map[string]int{"Conv": 1}) == nil {
		t.Error("a profile that contradicts what was claimed was believed")
	}
}
