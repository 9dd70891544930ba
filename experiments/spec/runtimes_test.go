package spec

import (
	"reflect"
	"strings"
	"testing"

	"chexp/experiments/trial"
)

// Every provider has the cpu of its own runtime beside it.
func TestCPUOfTheSameRuntime(t *testing.T) {
	e, err := Load("testdata/valid-runtimes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var labels []string
	for _, p := range e.Providers {
		labels = append(labels, p.Label())
	}
	if got, want := strings.Join(labels, " "),
		"cpu-debian xnnpack-debian dnnl-debian cpu xnnpack-mine cpu-mine cpu-more webgpu-more"; got != want {
		t.Errorf("providers are %s, want %s", got, want)
	}
	if r := e.Runtimes[1]; r.Name != "mine" || !strings.HasSuffix(r.Path, "testdata/model.onnx") ||
		!reflect.DeepEqual(r.Providers, []string{"xnnpack"}) {
		t.Errorf("runtime %+v", r)
	}
	if p := e.Runtimes[2].Plugins[0]; p.Provider != "webgpu" || e.Runtimes[2].Path != "" {
		t.Errorf("plugin %+v", p)
	}
}

const twoRuntimes = `apiVersion: chexp/v1
name: x
site: local
models: [{name: m, builtin: tiny-cnn}]
runtimes: [debian]
providers: [acl, {name: dnnl, runtime: debian}, {name: qnn, runtime: debian, optional: true}]
`

func TestExpandAsksEachRuntime(t *testing.T) {
	models := []trial.Model{{Name: "m", SHA256: sum("a")}}
	stock := Runtime{Version: "1.27.0", Providers: []string{"cpu", "acl"}}
	debian := Runtime{NamedRuntime: trial.NamedRuntime{Name: "debian", SHA256: sum("d"), Bytes: 9}, Version: "1.27.1",
		Providers: []string{"cpu", "dnnl", "xnnpack"}}
	plan, err := Expand(parsed(t, twoRuntimes), models, "r", []Runtime{stock, debian})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, tr := range plan.Trials {
		ids = append(ids, tr.ID)
		if (tr.Skip != "") != (tr.Provider.Name == "qnn") {
			t.Errorf("%s: skip is %q", tr.ID, tr.Skip)
		}
	}
	if got, want := strings.Join(ids, " "),
		"m.cpu.t1.b1.r1 m.acl.t1.b1.r1 m.cpu-debian.t1.b1.r1 m.dnnl-debian.t1.b1.r1 m.qnn-debian.t1.b1.r1"; got != want {
		t.Errorf("trials are %s, want %s", got, want)
	}
	if !reflect.DeepEqual(plan.Runtimes, []trial.NamedRuntime{debian.NamedRuntime}) {
		t.Errorf("the plan's runtimes are %+v", plan.Runtimes)
	}

	stock.Providers = []string{"cpu"}
	_, err = Expand(parsed(t, strings.Replace(twoRuntimes, "acl", "xnnpack", 1)), models, "r", []Runtime{stock, debian})
	want := `x.yaml:6:13: providers[0]: this ONNX Runtime has no provider "xnnpack"; it has: cpu. Remove it, ` +
		`take it from one that has it ({name: xnnpack, runtime: debian}), ` +
		`or write {name: xnnpack, optional: true} to have its trials skipped`
	if err == nil || err.Error() != want {
		t.Errorf("error is\n%v\nwant\n%s", err, want)
	}
	_, err = Expand(parsed(t, strings.Replace(twoRuntimes, ", optional: true", "", 1)), models, "r",
		[]Runtime{{Providers: []string{"cpu", "acl"}}, debian})
	if err == nil || !strings.Contains(err.Error(),
		`providers[2]: runtime debian (ONNX Runtime 1.27.1) has no provider "qnn"; it has: cpu, dnnl, xnnpack`) {
		t.Errorf("error is %v", err)
	}
	_, err = Expand(parsed(t, twoRuntimes), models, "r", []Runtime{{Providers: []string{"cpu", "acl"}}})
	if err == nil || !strings.Contains(err.Error(), "runtimes[0]: runtime debian was not resolved") {
		t.Errorf("error is %v", err)
	}
}
