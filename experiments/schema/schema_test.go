package schema

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chexp/experiments/compare"
	"chexp/experiments/compare/simulated"
	"chexp/experiments/trial"
)

// documents are the published files and the structs that they describe.
var documents = map[string]reflect.Type{
	"plan.schema.json":       reflect.TypeFor[trial.Plan](),
	"result.schema.json":     reflect.TypeFor[trial.Result](),
	"event.schema.json":      reflect.TypeFor[trial.Event](),
	"status.schema.json":     reflect.TypeFor[trial.StatusReply](),
	"comparison.schema.json": reflect.TypeFor[compare.Comparison](),
}

func raw(t *testing.T, name string) map[string]any {
	t.Helper()
	data, err := FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := json.Unmarshal(data, &doc); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return doc
}

func compiled(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	data, err := FS.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryPublishedFileIsTested(t *testing.T) {
	entries, err := FS.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		// Beside the structs that they describe, which this package may not import.
		return slices.Contains([]string{"report.schema.json", "answers.schema.json",
			"experiment.schema.json"}, e.Name())
	})
	for _, e := range entries {
		if documents[e.Name()] == nil {
			t.Errorf("%s describes no struct that this test knows", e.Name())
		}
	}
	if len(entries) != len(documents) {
		t.Errorf("%d files, %d documents", len(entries), len(documents))
	}
}

// walk compares a struct and a schema, field by field.
type walk struct {
	t    *testing.T
	root map[string]any
}

func TestStructsAndSchemasAgree(t *testing.T) {
	for name, typ := range documents {
		root := raw(t, name)
		walk{t, root}.value(name, typ, root)
	}
}

func (w walk) deref(s map[string]any) map[string]any {
	ref, ok := s["$ref"].(string)
	if !ok {
		return s
	}
	defs, _ := w.root["$defs"].(map[string]any)
	target, ok := defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
	if !ok {
		w.t.Fatalf("%s leads nowhere", ref)
	}
	return target
}

func (w walk) value(at string, typ reflect.Type, s map[string]any) {
	s = w.deref(s)
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	if typ == reflect.TypeFor[time.Time]() {
		if s["type"] != "string" || s["format"] != "date-time" {
			w.t.Errorf("%s: a time is described as %v", at, s)
		}
		return
	}
	switch typ.Kind() {
	case reflect.Struct:
		w.object(at, typ, s)
	case reflect.Slice:
		items, _ := s["items"].(map[string]any)
		if s["type"] != "array" || items == nil {
			w.t.Errorf("%s: a list is described as %v", at, s)
			return
		}
		w.value(at+"[]", typ.Elem(), items)
	case reflect.Map:
		if s["type"] != "object" {
			w.t.Errorf("%s: a map is described as %v", at, s)
		}
	default:
		want := map[reflect.Kind]string{
			reflect.String: "string", reflect.Bool: "boolean", reflect.Float64: "number",
			reflect.Int: "integer", reflect.Int64: "integer", reflect.Uint64: "integer",
		}[typ.Kind()]
		_, fixed := s["const"].(string)
		enum, _ := s["enum"].([]any)
		if s["type"] != want && !(want == "string" && (fixed || len(enum) > 0)) {
			w.t.Errorf("%s: %v is described as %v", at, typ, s)
		}
	}
}

func (w walk) object(at string, typ reflect.Type, s map[string]any) {
	if s["type"] != "object" || s["additionalProperties"] != false {
		w.t.Errorf("%s: is not a closed object", at)
	}
	properties, _ := s["properties"].(map[string]any)
	var fields, required []string
	for i := range typ.NumField() {
		if !typ.Field(i).IsExported() {
			continue
		}
		name, options, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		if name == "" {
			w.t.Errorf("%s: field %s has no JSON name", at, typ.Field(i).Name)
		}
		fields = append(fields, name)
		if options == "" {
			required = append(required, name)
		}
		p, ok := properties[name].(map[string]any)
		if !ok {
			w.t.Errorf("%s.%s: is not in the schema", at, name)
			continue
		}
		w.value(at+"."+name, typ.Field(i).Type, p)
	}
	for name := range properties {
		if !slices.Contains(fields, name) {
			w.t.Errorf("%s.%s: is not in the struct", at, name)
		}
	}
	var says []string
	list, _ := s["required"].([]any)
	for _, r := range list {
		says = append(says, fmt.Sprint(r))
	}
	slices.Sort(says)
	slices.Sort(required)
	if !slices.Equal(says, required) {
		w.t.Errorf("%s: the schema requires %v, the struct always writes %v", at, says, required)
	}
}

var (
	sum   = strings.Repeat("ab", 32)
	when  = time.Date(2026, 12, 1, 19, 0, 0, 123456789, time.UTC)
	model = trial.Model{Name: "a", SHA256: sum, Bytes: 5, Origin: "builtin tiny-cnn (untrained)",
		Work: trial.Read(trial.Work{Float: 3})}
)

func fullResult() trial.Result {
	return trial.Result{
		Schema: trial.ResultSchema, RunID: "r", TrialID: trial.NewID("a", "acl", 4, 1, 2), Model: model,
		Provider: trial.Provider{Name: "acl", Options: map[string]string{"k": "v"}, Optional: true},
		Threads:  4, Batch: 1, Repetition: 2, Policy: trial.Policy{MinRuns: 1, Timeout: time.Minute}, Seed: 1,
		Outcome: trial.Failed, Reasons: []trial.Reason{{Code: "timeout", Text: "t", Next: "n"}},
		LatenciesNS: []int64{1, 2}, WarmupNS: []int64{},
		SessionCreateNS: trial.Read(int64(0)), FirstInferenceNS: trial.Unread[int64]("why"),
		PeakMemoryBytes: trial.Read(int64(9)),
		Summary: &trial.Summary{N: 2, MinNS: 1, MaxNS: 2, MeanNS: 1.5, MedianNS: 1.5,
			MedianInterval: trial.Read(trial.Interval{Low: 1, High: 2}), P90NS: trial.Unread[float64]("two values"),
			P95NS: trial.Unread[float64]("two values"), P99NS: trial.Read(2.0), Throughput: 6e8},
		Runtime: trial.Runtime{Name: "onnxruntime", Version: "1", BuildInfo: "b", Providers: []string{"cpu"}},
		Agent:   trial.Agent{Version: "v", OS: "linux", Arch: "arm64", SHA256: sum},
		Device: trial.Device{Model: trial.Read("Raspberry Pi 5"), CPU: trial.Read("Cortex-A76"), Cores: 4,
			MemoryBytes: trial.Read(int64(8 << 30)),
			Kernel:      trial.Read("6.6"), Governor: trial.Unread[string]("no cpufreq"), ClockHz: trial.Read(int64(24e8)),
			Temperature: trial.Read(51.5), Emulated: "qemu", MaxClockHz: trial.Read(int64(24e8)), PageSize: 16384,
			Board:   trial.Read("d04170"),
			Cmdline: trial.Read("numa=fake=4"), Features: trial.Read([]string{"asimddp"}), Quota: trial.Read(0.0),
			MemoryLimit: trial.Unread[int64]("no cgroup"),
			SwapBytes:   trial.Read(int64(0)), CoolingSteps: trial.Read("pwm-fan 1 of 4"),
			Roof: trial.Read(trial.Roof{Cores: 4, ClockHz: 24e8, FloatPerCycle: 8, IntegerPerCycle: 32,
				MemoryBytesPerSecond: trial.Unread[float64]("why"), Source: "s"})},
		Blocks: []trial.Block{{Round: 1, Turn: 1, N: 2, Conditions: &trial.Conditions{
			ClockHz: trial.Read(trial.Range{Low: 1, High: 2}), ProbeHz: trial.Unread[trial.Range]("w"),
			BelowTop: trial.Read(0.5), Temperature: trial.Unread[trial.Range]("w"),
			Outside: trial.Read(0.1), Steal: trial.Read(0.0), Throttled: trial.Read(int64(0)),
			Pressure: trial.Unread[int64]("w"), Swapped: trial.Read(int64(0)),
			Firmware: trial.Unread[string]("w")}}},
		Scenario: trial.Offline,
		Harness:  trial.Read(trial.Harness{NullNS: 2000, NullCNS: trial.Read(int64(1900)), Calls: 9}),
		Placement: trial.Read(trial.Placement{Inferences: 1, Nodes: 1,
			Providers: []trial.ProviderShare{{Provider: "cpu", Nodes: 1}},
			Operators: []trial.OperatorsShare{{Operator: "Conv", Provider: "cpu", Nodes: 1}}}),
		Accuracy: trial.Read(trial.Accuracy{Data: "d", Pictures: 10, Right: 9, Top1: 0.9,
			Interval: trial.Interval{Low: 0.5, High: 1}, Threads: 2,
			Agreement: trial.Read(trial.Agreement{Reference: "a.cpu", Pictures: 10, Same: 10, Cosine: 1})}),
		Start: when, End: when,
	}
}

// fullResultBeforeIntervals is what the first agents wrote.
func fullResultBeforeIntervals() trial.Result {
	r := fullResult()
	r.Summary.MedianInterval = trial.Reading[trial.Interval]{}
	r.Blocks, r.Scenario, r.Harness, r.Placement = nil, "", trial.Reading[trial.Harness]{},
		trial.Reading[trial.Placement]{}
	r.Accuracy = trial.Reading[trial.Accuracy]{}
	d := r.Device
	r.Device = trial.Device{Model: d.Model, CPU: d.CPU, Cores: d.Cores, MemoryBytes: d.MemoryBytes, Kernel: d.Kernel,
		Governor: d.Governor,
		ClockHz:  d.ClockHz, Temperature: d.Temperature, Emulated: d.Emulated}
	r.Model.Work = trial.Reading[trial.Work]{}
	return r
}

func TestSamplesValidate(t *testing.T) {
	skipped := fullResult()
	skipped.Outcome, skipped.Summary, skipped.LatenciesNS = trial.Skipped, nil, []int64{}
	event := trial.Event{
		Schema: trial.EventSchema, Seq: 1, Time: when, Type: trial.TrialFinished, Trial: skipped.TrialID, Index: 1, Total: 2,
		Outcome: trial.OK, Reasons: skipped.Reasons, SHA256: sum, MedianNS: 1.5, Text: "x",
		Standings: []trial.Standing{{Trial: skipped.TrialID, N: 7, MedianNS: 1.5,
			Interval: &trial.Interval{Low: 1, High: 2}}},
		Celsius: 54.5,
	}
	state := trial.State{Schema: trial.EventSchema, RunID: "r", Phase: trial.Running, PID: 7, Started: when, Ended: when,
		LastSeq: 1, Done: 1, Total: 2, Text: "x"}
	for _, c := range []struct {
		schema string
		value  any
	}{
		{"plan.schema.json", trial.Plan{
			Schema: trial.PlanSchema, Experiment: "x", RunID: "r", Seed: 1, Policy: skipped.Policy, Models: []trial.Model{model},
			Trials: []trial.Trial{{ID: skipped.TrialID, Model: "a", Provider: skipped.Provider, Threads: 4, Batch: 1,
				Repetition: 2, Skip: "absent"}},
			Accuracy: &trial.Evaluation{Data: trial.PackedData, Pictures: 5, SHA256: sum, Bytes: 7, Name: "x", Reference: "a",
				Timeout: time.Minute},
		}},
		{"result.schema.json", fullResult()},
		{"result.schema.json", fullResultBeforeIntervals()},
		{"result.schema.json", skipped},
		{"event.schema.json", event},
		{"event.schema.json", trial.Event{Schema: trial.EventSchema, Seq: 2, Time: when, Type: trial.Note}},
		{"comparison.schema.json", compare.Runs([]compare.Group{simulated.Quiet(1, 3, 6).Group("")}, 1)},
		{"comparison.schema.json", compare.Runs([]compare.Group{simulated.Quiet(1, 3, 6).Group("a"),
			simulated.Quiet(2, 1, 1).Group("b")}, 1)},
		{"comparison.schema.json", compare.Runs([]compare.Group{{}}, 1)},
		{"status.schema.json", trial.StatusReply{State: state, More: true}},
		{"status.schema.json", trial.StatusReply{State: trial.State{Schema: trial.EventSchema, Phase: trial.NotStarted}}},
	} {
		if err := compiled(t, c.schema).Validate(marshalled(t, c.value)); err != nil {
			t.Errorf("%s: %v", c.schema, err)
		}
	}
}

// Each change makes a good result a bad one; the schema must notice.
func TestBadResultsDoNotValidate(t *testing.T) {
	s := compiled(t, "result.schema.json")
	for name, change := range map[string]func(map[string]any){
		"another schema":   func(m map[string]any) { m["schema"] = "chexp.result/v2" },
		"an unknown field": func(m map[string]any) { m["extra"] = 1 },
		"a missing field":  func(m map[string]any) { delete(m, "latencies_ns") },
		"a null list":      func(m map[string]any) { m["latencies_ns"] = nil },
		"a bad sum":        func(m map[string]any) { m["model"].(map[string]any)["sha256"] = "abc" },
		"an empty reading": func(m map[string]any) { m["peak_memory_bytes"] = map[string]any{} },
		"a double reading": func(m map[string]any) {
			m["peak_memory_bytes"] = map[string]any{"value": json.Number("1"), "unavailable": "x"}
		},
		"half an interval": func(m map[string]any) {
			delete(m["summary"].(map[string]any)["median_interval_ns"].(map[string]any)["value"].(map[string]any), "high")
		},
		"a bad outcome":     func(m map[string]any) { m["outcome"] = "fine" },
		"a trial id with /": func(m map[string]any) { m["trial_id"] = "../x" },
		"a bad time":        func(m map[string]any) { m["start"] = "yesterday" },
	} {
		doc := marshalled(t, fullResult()).(map[string]any)
		change(doc)
		if err := s.Validate(doc); err == nil {
			t.Errorf("%s: validates", name)
		}
	}
}

func marshalled(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
