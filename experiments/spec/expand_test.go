package spec

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/experiments/trial"
)

const twoByTwo = `apiVersion: chexp/v1
name: x
site: CHI@Edge
lease: {device: d, start: 2026-12-01T14:00Z}
models:
  - {name: b, builtin: tiny-cnn}
  - {name: a, builtin: tiny-cnn}
providers:
  - cpu
  - {name: acl, optional: true, options: {k: v}}
threads: [4, 1]
batches: [2]
trials: {repetitions: 2, seed: 7, min_time: 1s, max_time: 10s, timeout: 30s}
`

func parsed(t *testing.T, text string) *Experiment {
	t.Helper()
	e, err := Parse("x.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func sum(c string) string { return strings.Repeat(c, 64) }

func TestExpand(t *testing.T) {
	e := parsed(t, twoByTwo)
	models := []trial.Model{{Name: "a", SHA256: sum("a"), Bytes: 1}, {Name: "b", SHA256: sum("b"), Bytes: 2},
		{Name: "unused", SHA256: sum("c")}}
	plan, err := Expand(e, models, "run1", nil)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, tr := range plan.Trials {
		ids = append(ids, tr.ID)
		if tr.Skip != "" {
			t.Errorf("%s is skipped, though nothing is known about the runtime", tr.ID)
		}
		if tr.Provider.Name == "acl" && (tr.Provider.Options["k"] != "v" || !tr.Provider.Optional) {
			t.Errorf("%s lost the provider's options: %+v", tr.ID, tr.Provider)
		}
	}
	want := strings.Fields(`
		b.cpu.t4.b2.r1 b.cpu.t4.b2.r2 b.cpu.t1.b2.r1 b.cpu.t1.b2.r2
		b.acl.t4.b2.r1 b.acl.t4.b2.r2 b.acl.t1.b2.r1 b.acl.t1.b2.r2
		a.cpu.t4.b2.r1 a.cpu.t4.b2.r2 a.cpu.t1.b2.r1 a.cpu.t1.b2.r2
		a.acl.t4.b2.r1 a.acl.t4.b2.r2 a.acl.t1.b2.r1 a.acl.t1.b2.r2`)
	if !slices.Equal(ids, want) {
		t.Errorf("ids are %v, want %v", ids, want)
	}
	if len(plan.Models) != 2 || plan.Models[0].Name != "b" || plan.Models[1].Name != "a" {
		t.Errorf("the plan's models are %+v", plan.Models)
	}
	if plan.Schema != trial.PlanSchema || plan.Experiment != "x" || plan.RunID != "run1" || plan.Seed != 7 ||
		plan.Policy != e.Trials.Policy {
		t.Errorf("the plan's head is %+v", plan)
	}
	again, err := Expand(e, models, "run1", nil)
	if err != nil || !reflect.DeepEqual(plan, again) {
		t.Errorf("a second expansion differs (%v)", err)
	}
	if err := plan.Check(); err != nil {
		t.Error(err)
	}
}

func TestExpandSkipsAnOptionalProviderThatIsAbsent(t *testing.T) {
	e := parsed(t, twoByTwo)
	models := []trial.Model{{Name: "a", SHA256: sum("a")}, {Name: "b", SHA256: sum("b")}}
	plan, err := Expand(e, models, "r", []Runtime{{Providers: []string{"cpu", "xnnpack"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tr := range plan.Trials {
		want := ""
		if tr.Provider.Name == "acl" {
			want = `this ONNX Runtime has no provider "acl"; it has: cpu, xnnpack`
		}
		if tr.Skip != want {
			t.Errorf("%s: skip is %q, want %q", tr.ID, tr.Skip, want)
		}
	}
	least, most := EstimateTime(plan)
	if least != 8*time.Second || most != 8*30*time.Second {
		t.Errorf("8 trials that run take %v to %v, want 8s to 4m", least, most)
	}
	plan.Policy.CoolDown = time.Minute // before each of two blocks
	if _, most = EstimateTime(plan); most != 8*(30*time.Second+2*time.Minute) {
		t.Errorf("with cool-downs they take up to %v, want 20m", most)
	}
	plan.Policy.Precision = 0.01 // before each of 20 blocks in max_time
	if _, most = EstimateTime(plan); most != 8*(30*time.Second+20*time.Minute) {
		t.Errorf("with a precision they take up to %v, want 2h44m", most)
	}
}

func TestExpandRefusesARequiredProviderThatIsAbsent(t *testing.T) {
	e := parsed(t, strings.Replace(twoByTwo, "optional: true, ", "", 1))
	models := []trial.Model{{Name: "a", SHA256: sum("a")}}
	_, err := Expand(e, models, "r", []Runtime{{Providers: []string{"cpu"}}})
	var problems Problems
	if !errors.As(err, &problems) {
		t.Fatalf("error is %v, want Problems", err)
	}
	want := `x.yaml:6:5: models[0]: model b was not resolved to a file
x.yaml:10:5: providers[1]: this ONNX Runtime has no provider "acl"; it has: cpu. Remove it, ` +
		`or write {name: acl, optional: true} to have its trials skipped`
	if err.Error() != want {
		t.Errorf("problems are\n%v\nwant\n%s", err, want)
	}
}

func TestCheckStart(t *testing.T) {
	e := parsed(t, twoByTwo)
	start := e.Lease.Start
	for _, now := range []time.Time{start.Add(-time.Hour), start, start.Add(59 * time.Second)} {
		if err := e.CheckStart(now); err != nil {
			t.Errorf("at %v: %v", now, err)
		}
	}
	err := e.CheckStart(start.Add(61 * time.Second))
	if err == nil || !strings.HasPrefix(err.Error(),
		"x.yaml:4:20: lease.start: is 2026-12-01T14:00:00Z, which is in the past") {
		t.Errorf("a start in the past gives %v", err)
	}
	e.Lease.Start = time.Time{}
	if err := e.CheckStart(time.Now()); err != nil {
		t.Errorf("now gives %v", err)
	}
}

func TestLeaseThatExistsNeedsNoDevice(t *testing.T) {
	e := parsed(t, strings.Replace(twoByTwo, "{device: d, start: 2026-12-01T14:00Z}", "{name: mine, start: next}", 1))
	if want := (Lease{Name: "mine", Next: true, Duration: 2 * time.Hour}); !reflect.DeepEqual(e.Lease, want) {
		t.Errorf("lease is %+v, want %+v", e.Lease, want)
	}
}
