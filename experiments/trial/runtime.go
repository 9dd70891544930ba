package trial

import (
	"fmt"

	"chexp/experiments/files"
)

// Stock is what an experiment calls the ONNX Runtime that the agent carries. In
// a plan its name is empty.
const Stock = "stock"

// NamedRuntime is an ONNX Runtime of the plan besides the one that the agent
// carries, or the agent's own with other execution providers (SHA256 empty).
//
// Its file is one of two kinds, told apart by content: a bundle, which is what
// chexp-pack makes of a library with everything that it needs, C library and
// loader included; or the shared library itself, which then runs with the
// libraries that the agent carries.
type NamedRuntime struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	Origin string `json:"origin,omitempty"` // "built debian", "path x.so"
	// Plugins are libraries that each bring execution providers
	// (RegisterExecutionProviderLibrary, ONNX Runtime 1.22 and later).
	Plugins []Plugin `json:"plugins,omitempty"`
}

// Path is where the runtime lies below the bundle directory.
func (r NamedRuntime) Path() string { return RuntimesDir + "/" + r.SHA256 }

// Plugin is one library with an execution provider.
type Plugin struct {
	Provider string `json:"provider"` // as trials name it
	SHA256   string `json:"sha256"`
	Bytes    int64  `json:"bytes"`
	Origin   string `json:"origin,omitempty"`
}

// Path is where the plugin lies below the bundle directory.
func (p Plugin) Path() string { return RuntimesDir + "/" + p.SHA256 }

func (p *Plan) checkRuntimes() (map[string]bool, error) {
	seen := map[string]bool{}
	for _, r := range p.Runtimes {
		if !ValidLabel(r.Name) || seen[r.Name] || r.SHA256 != "" && !files.IsSum(r.SHA256) ||
			r.SHA256 == "" && len(r.Plugins) == 0 {
			return nil, fmt.Errorf("plan: runtime %q with sha256 %q is not well formed, or is there twice",
				r.Name, r.SHA256)
		}
		seen[r.Name] = true
		for _, x := range r.Plugins {
			if !ValidName(x.Provider) || !files.IsSum(x.SHA256) {
				return nil, fmt.Errorf("plan: runtime %s: plugin %q with sha256 %q is not well formed",
					r.Name, x.Provider, x.SHA256)
			}
		}
	}
	return seen, nil
}

// Settings are what was set on the session: what the experiment asked for and
// what chexp adds to it.
type Settings struct {
	IntraOpThreads int `json:"intra_op_threads"` // of ONNX Runtime's own pool, the calling thread included
	InterOpThreads int `json:"inter_op_threads"`
	// Session are ONNX Runtime's session configuration entries.
	Session map[string]string `json:"session,omitempty"`
	// Provider are the options that were passed to the execution provider.
	Provider map[string]string `json:"provider,omitempty"`
	// FreeDimensions are the model's symbolic dimensions that were given a
	// size when the session was created, as providers that want static shapes
	// need it.
	FreeDimensions map[string]int64 `json:"free_dimensions,omitempty"`
	// Environment are variables that a provider's own thread pool reads.
	Environment map[string]string `json:"environment,omitempty"`
}
