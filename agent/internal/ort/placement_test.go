//go:build cgo

package ort

import (
	"testing"

	"chexp/agent/internal/placement"
	"chexp/agent/internal/session"
	"chexp/agent/internal/testmodel"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
	"chexp/models/builtin"
	"chexp/models/modeltest"
)

func place(t *testing.T, path string, o Options) *trial.Placement {
	t.Helper()
	l := library(t)
	p, err := placement.Profile(t.TempDir(), 1, provider.NameOf, func(prefix string) (session.Engine, error) {
		o.Profile = prefix
		return l.Open(path, o)
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The real library's profile of a model whose only node is known.
func TestPlacementOfOneNode(t *testing.T) {
	p := place(t, model(t, testmodel.Add(testmodel.Float, testmodel.Dim{Symbol: "n"}, testmodel.Dim{Size: 3})), cpu)
	if p.Nodes != 1 || p.Inferences < 1 || len(p.Operators) != 1 || p.Operators[0].Operator != "Add" ||
		p.Providers[0].Provider != "cpu" {
		t.Errorf("placement %+v", p)
	}
}

// A static INT8 model: 52 quantized convolutions, which is what its file says, and
// whatever else the optimizer leaves.
func TestPlacementOfStaticMobileNet(t *testing.T) {
	modeltest.Each(t, modeltest.Static, builtin.Generate, func(t *testing.T, content []byte) {
		p := place(t, model(t, content), cpu)
		for _, o := range p.Operators {
			if o.Operator == "QLinearConv" && o.Nodes == 52 && o.Provider == "cpu" {
				t.Logf("%d nodes, QLinearConv %.0f %% of their time", p.Nodes, 100*float64(o.TimeNS)/float64(p.TimeNS))
				return
			}
		}
		t.Errorf("no 52 QLinearConv on cpu: %+v", p.Operators)
	})
}
