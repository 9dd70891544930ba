package spec

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"chexp/experiments/judge"
	"chexp/experiments/trial"
)

func TestWhatAccuracySays(t *testing.T) {
	e, err := Load("testdata/valid-accuracy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := Accuracy{Path: e.Dir, Labels: filepath.Join(e.Dir, "empty.onnx"), Pictures: 50, Reference: "b",
		Timeout: 90 * time.Second,
		Preprocess: Preprocess{Resize: 240, Crop: 224, Mean: [3]float64{0, 0.5, 1}, Std: [3]float64{1, 1, 0.25},
			Layout: "NHWC"}}
	if !reflect.DeepEqual(*e.Accuracy, want) {
		t.Errorf("%+v, want %+v", *e.Accuracy, want)
	}
	if b := e.Budgets[0]; b.Metric != judge.Accuracy || b.Limit != 0.9 || b.Op != ">=" {
		t.Errorf("budget %+v", b)
	}
	models := []trial.Model{{Name: "a", SHA256: sum("a")}, {Name: "b", SHA256: sum("b")}}
	if _, err := Expand(e, models, "r", nil); err == nil || !strings.Contains(err.Error(), "not packed") {
		t.Errorf("expanded without a pack: %v", err)
	}
	e.Accuracy.Pack = &Pack{SHA256: sum("c"), Bytes: 7, Pictures: 44}
	plan, err := Expand(e, models, "r", nil)
	if err != nil {
		t.Fatal(err)
	}
	if a := *plan.Accuracy; a.Data != trial.PackedData || a.SHA256 != sum("c") || a.Pictures != 44 || a.Reference != "b" ||
		a.Timeout != 90*time.Second {
		t.Errorf("the plan's accuracy is %+v", a)
	}
}

func TestPlatesInThePlan(t *testing.T) {
	const text = "apiVersion: chexp/v1\nname: x\nsite: local\nmodels: [{name: a, builtin: tiny-cnn}, {name: b, " +
		"builtin: tiny-cnn}]\nproviders: [cpu, {name: acl, optional: true}]\nthreads: [1, 2]\n"
	models := []trial.Model{{Name: "a", SHA256: sum("a")}, {Name: "b", SHA256: sum("b")}}
	plain, err := Expand(parsed(t, text), models, "r", nil)
	if err != nil || plain.Accuracy != nil {
		t.Fatalf("%+v, %v: accuracy was not asked for", plain.Accuracy, err)
	}
	plan, err := Expand(parsed(t, text+"accuracy: {data: plates}\n"), models, "r", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := trial.Evaluation{Data: trial.PlatesData, Pictures: DefaultPictures, Reference: "a", Timeout: 10 * time.Minute,
		Name: plan.Accuracy.Name}
	if *plan.Accuracy != want || !strings.Contains(want.Name, "not photographs") {
		t.Errorf("%+v, want %+v", *plan.Accuracy, want)
	}
	_, before := EstimateTime(plain)
	_, most := EstimateTime(plan)
	if got := most - before; got != 4*10*time.Minute { // 2 models × 2 providers, not × threads
		t.Errorf("accuracy adds %v to the longest time", got)
	}
}
