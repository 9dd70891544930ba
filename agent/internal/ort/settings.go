//go:build cgo

package ort

import (
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"chexp/agent/internal/reason"
	"chexp/agent/internal/symbols"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Session configuration entries that this program sets by itself.
const (
	spinning = "session.intra_op.allow_spinning"
	// quantPrecision makes ONNX Runtime turn signed 8-bit weights into
	// unsigned ones on x86: without VNNI, AVX2's multiplication of unsigned by
	// signed values saturates at 16 bits. It is slower. It changes results
	// where 16 bits do not suffice, and nothing on other processors. Off is
	// ONNX Runtime's default; it is set so that the result says so.
	quantPrecision = "session.x64quantprecision"
)

// freeDimensions is an option that every provider has here, and that ONNX Runtime
// never sees.
const freeDimensions = "chexp.free_dimensions"

// settings translates what a trial asks for. named are the symbols of the
// dimensions of the model's inputs.
func settings(o Options, named symbols.Inputs) (s trial.Settings, err error) {
	s = trial.Settings{
		IntraOpThreads: o.Threads, InterOpThreads: 1,
		Session: map[string]string{}, Provider: map[string]string{}, Environment: map[string]string{},
	}
	p := provider.Named(o.Provider.Name)
	fixed := p.StaticShapes
	for k, v := range o.Provider.Options {
		switch {
		case k == freeDimensions && (v == "fixed" || v == "free"):
			fixed = v == "fixed"
		case strings.HasPrefix(k, "chexp."):
			return s, reason.Errorf(reason.OptionInvalid,
				"option %s=%s: there is only %s, fixed or free", k, v, freeDimensions)
		case strings.HasPrefix(k, "session.") || strings.HasPrefix(k, "mlas."):
			s.Session[k] = v
		default:
			s.Provider[k] = v
		}
	}
	if fixed {
		s.FreeDimensions = sizesOf(named, o)
	}
	for k, v := range p.Defaults {
		setDefault(s.Provider, k, v)
	}
	threads(&s, o.Threads, p.Threads)
	if runtime.GOARCH == "amd64" {
		setDefault(s.Session, quantPrecision, "0")
	}
	return s, nil
}

// sizesOf are the sizes that the symbols have in this session.
func sizesOf(named symbols.Inputs, o Options) map[string]int64 {
	sizes := map[string]int64{}
	if len(o.Inputs) == 0 {
		for _, dims := range named {
			if len(dims) > 0 && dims[0] != "" {
				sizes[dims[0]] = int64(o.Batch)
			}
		}
	}
	for _, in := range o.Inputs {
		for i, n := range in.At(int64(o.Batch)) {
			if dims := named[in.Name]; i < len(dims) && dims[i] != "" {
				sizes[dims[i]] = n
			}
		}
	}
	return sizes
}

// threads gives a provider n threads where it looks for them.
func threads(s *trial.Settings, n int, p provider.Threads) {
	if p.Option != "" {
		setDefault(s.Provider, p.Option, strconv.Itoa(n))
	}
	if p.Variable != "" {
		setDefault(s.Environment, p.Variable, strconv.Itoa(n))
	}
	if p.Alone {
		s.IntraOpThreads = 1
	}
	// More threads than processors that spin take the processor from the ones
	// that work: 3 to 4 times slower when measured.
	if p.Still || s.IntraOpThreads > runtime.NumCPU() {
		setDefault(s.Session, spinning, "0")
	}
}

func setDefault(m map[string]string, key, value string) {
	if _, set := m[key]; !set {
		m[key] = value
	}
}

func keys(m map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
