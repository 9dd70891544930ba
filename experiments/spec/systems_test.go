package spec

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const threeSystems = `apiVersion: chexp/v1
name: serve
models: [{name: tiny, builtin: tiny-cnn}]
budgets: [size < 5 MB]
threads: [1, 2] # of all that say nothing else
systems:
  - name: phone
    site: CHI@Edge
    lease: {machine_name: raspberrypi5}
    budgets: [p50 < 15 ms]
  - name: cpu
    site: CHI@TACC
    lease: {node_type: compute_liqid}
    batches: [1, 32]
    price_per_hour: 0.77
  - name: here
    site: local
    threads: [4]
`

func loadText(t *testing.T, text string) ([]*Experiment, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "serve.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return LoadSystems(file)
}

// Each system is an experiment of its own, whose file says the same when it is read
// alone, as a resumed run does.
func TestSystems(t *testing.T) {
	all, err := loadText(t, threeSystems)
	if err != nil || len(all) != 3 {
		t.Fatalf("%d, %v", len(all), err)
	}
	phone, cpu, here := all[0], all[1], all[2]
	if phone.Name != "serve-phone" || phone.System != "phone" || phone.Budgets[0].Text != "p50 < 15 ms" ||
		len(phone.Threads) != 2 || phone.PricePerHour != 0 {
		t.Errorf("%+v", phone)
	}
	if cpu.Site != "CHI@TACC" || cpu.PricePerHour != 0.77 || len(cpu.Batches) != 2 ||
		cpu.Budgets[0].Text != "size < 5 MB" {
		t.Errorf("%+v", cpu)
	}
	if here.Site != "local" || here.Threads[0] != 4 || len(here.Threads) != 1 {
		t.Errorf("%+v", here)
	}
	for _, e := range all {
		again, err := ParseStored("experiment.yaml", e.Dir, e.Raw)
		if err != nil {
			t.Fatalf("%v in\n%s", err, e.Raw)
		}
		if again.Name != e.Name || again.System != e.System || again.Site != e.Site || again.PricePerHour != e.PricePerHour ||
			len(again.Threads) != len(e.Threads) {
			t.Errorf("%+v, not %+v", again, e)
		}
	}
	if names := SystemNames(all); strings.Join(names, " ") != "phone cpu here" {
		t.Error(names)
	}
}

func TestSystemsRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, replace, want string }{
		"list": {threeSystems[strings.Index(threeSystems, "systems:"):], "systems: {name: phone}\n",
			"systems: is a group of keys"},
		"twice":          {"name: cpu", "name: phone", `11:11: systems[1].name: is "phone" a second time`},
		"no name":        {"- name: cpu\n    site", "- site", "systems[1].name: is missing"},
		"bad name":       {"name: cpu", "name: A b", `systems[1].name: is "A b"`},
		"unknown key":    {"price_per_hour", "price", `15:5: systems[1].price: is not a key of systems[1]`},
		"models":         {"price_per_hour: 0.77", "models: []", `systems[1].models: is not a key of systems[1]`},
		"price":          {"0.77", "-1", `15:21: price_per_hour: is "-1"`},
		"in one of them": {"node_type", "machine_name", "13:27: lease.machine_name: is what other sites call it"},
		"in all of them": {"threads: [1, 2]", "threads: [0]", "5:11: threads[0]: is 0"},
		"no site":        {"    site: local\n", "", "site: is missing"},
		"too long":       {"name: serve", "name: " + strings.Repeat("s", 38), "at most 40"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := loadText(t, strings.Replace(threeSystems, c.text, c.replace, 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %s", err, c.want)
			}
			if name == "in all of them" && strings.Count(err.Error(), "threads[0]") != 1 {
				t.Errorf("said more than once: %v", err)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "serve.yaml")
	if err := os.WriteFile(file, []byte(threeSystems), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(file); err == nil || !strings.Contains(err.Error(), "has the systems phone, cpu, here") {
		t.Error(err)
	}
}
