// Package trial is the wire contract between the orchestrator and the agent:
// the Plan that goes to the device, the Events and Results that come back, and
// the layout of the directory in which both sides meet. It is pure data: no
// I/O, no dependency beyond the standard library, so that both halves can
// import it and neither can reach the other through it.
//
// Every document carries its schema name. A reader refuses a schema that it
// does not know instead of guessing; a field is never renamed or given another
// unit under the same schema name.
package trial

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/files"
	"chexp/experiments/input"
)

// Schema names, written into every document.
const (
	PlanSchema   = "chexp.plan/v1"
	ResultSchema = "chexp.result/v1"
	EventSchema  = "chexp.event/v1"
)

// Layout of the directory on the device ("the bundle directory"). The
// orchestrator writes everything but OutDir; the agent writes only OutDir.
const (
	AgentFile = "chexp-agent" // the one static file
	PlanFile  = "plan.json"
	SumsFile  = "SHA256SUMS" // `sha256sum -c` format, over every file pushed
	ModelsDir = "models"     // models/<sha256>.onnx, of several files models/<sha256>/…
	// RuntimesDir holds ONNX Runtimes and plugins besides what the agent carries,
	// each file named by its SHA-256.
	RuntimesDir = "runtimes"
	// InputsDir holds the values that inputs take from files, each pack of them
	// named by its SHA-256.
	InputsDir  = "inputs"
	OutDir     = "out"
	StateFile  = "out/state.json"   // State, replaced atomically
	EventsFile = "out/events.jsonl" // Event per line, append-only
	LogFile    = "out/agent.log"    // what the agent itself printed
	// ResultsDir holds <trial id>.json, renamed into place. Only a Partial one is
	// ever replaced.
	ResultsDir = "out/results"
	ResultSums = ResultsDir + "/SHA256SUMS" // over the results, written last
	// JournalDir holds <trial id>.jsonl for each trial that has blocks and no
	// whole result yet (package journal).
	JournalDir = "out/journal"
)

// A Plan says what to measure. It is complete: the agent needs nothing else
// but the model files that it names.
type Plan struct {
	Schema     string  `json:"schema"`
	Experiment string  `json:"experiment"`
	RunID      string  `json:"run_id"`
	Seed       uint64  `json:"seed"` // of the input values and of the order of trials
	Policy     Policy  `json:"policy"`
	Models     []Model `json:"models"`
	// Runtimes are the runtimes that providers name, without the agent's own.
	Runtimes []NamedRuntime `json:"runtimes,omitempty"`
	Trials   []Trial        `json:"trials"`
	// Accuracy, when not nil, has the agent measure each model's accuracy on
	// each provider.
	Accuracy *Evaluation `json:"accuracy,omitempty"`
}

// Policy bounds every trial.
type Policy struct {
	// Warmup is how many inferences at least run before the timed ones. They are
	// reported apart. If it is 10 or more, others follow until no slow start is
	// seen.
	Warmup int `json:"warmup"`
	// A trial ends when it has both MinRuns timed inferences and MinTime of
	// timed work (MLPerf's rule: both minima), or when MaxTime is spent.
	MinRuns int           `json:"min_runs"`
	MinTime time.Duration `json:"min_time_ns"`
	MaxTime time.Duration `json:"max_time_ns"` // 0: no limit but Timeout
	// Timeout limits the time for which the trial has the device, with loading and
	// warming up, and without waiting for other trials' blocks. After it the
	// trial's process is killed and the trial has failed.
	Timeout time.Duration `json:"timeout_ns"`
	// Block is the timed work after which the next trial has its turn; 0: every
	// trial is measured in one piece.
	Block time.Duration `json:"block_ns,omitempty"`
	// Precision, when not 0, asks for more blocks until the 95 % interval of
	// every median reaches at most this share of it to either side (0.02: ±2 %),
	// or until MaxTime is spent.
	Precision float64 `json:"precision,omitempty"`
	// CoolDown is how long to wait at most, before a trial's block, for the
	// device to come back to the temperature at which the run began.
	CoolDown time.Duration `json:"cool_down_ns,omitempty"`
}

// Model is one model of the bundle.
type Model struct {
	Name string `json:"name"`
	// SHA256 is that of the file, in lower-case hex; of a model with Parts it is
	// PartsSum of them.
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"` // of all its files
	// Parts are its files where there is more than one.
	Parts []Part `json:"parts,omitempty"`
	// Origin is "builtin mobilenetv2-11 (untrained)", "path x.onnx" or "url https://…",
	// after [StandIn] where a rehearsal took another model than the experiment's.
	Origin string `json:"origin"`
	// Inputs say how the model's inputs are fed. Plans before they were described
	// have none.
	Inputs []input.Input `json:"inputs,omitempty"`
	// Work is what one input takes at least. Plans before it was added have none.
	Work Reading[Work] `json:"work,omitzero"`
}

// StandIn begins the origin of a model that stands in for the experiment's.
const StandIn = "stand-in, "

// Path is where the model's .onnx lies below the bundle directory.
func (m Model) Path() string {
	if len(m.Parts) > 0 {
		return m.partPath(m.Parts[0])
	}
	return ModelsDir + "/" + m.SHA256 + ".onnx"
}

// Provider is an ONNX Runtime execution provider as the experiment asks for it.
type Provider struct {
	Name     string            `json:"name"`              // lower case: cpu, acl, xnnpack, …
	Options  map[string]string `json:"options,omitempty"` // passed to the provider
	Optional bool              `json:"optional,omitempty"`
	// Runtime names the ONNX Runtime build that the provider comes from. Empty is
	// the build that the agent carries.
	Runtime string `json:"runtime,omitempty"`
}

// Label is the provider's part of a trial's id: its name, followed by its runtime
// unless that is the agent's own.
func (p Provider) Label() string {
	if p.Runtime == "" {
		return p.Name
	}
	return p.Name + "-" + p.Runtime
}

// Trial is one model × execution provider × threads × batch × repetition.
type Trial struct {
	ID         string   `json:"id"`
	Model      string   `json:"model"` // Model.Name
	Provider   Provider `json:"provider"`
	Threads    int      `json:"threads"` // intra-op threads of ONNX Runtime
	Batch      int      `json:"batch"`
	Repetition int      `json:"repetition"` // from 1
	// Skip, when not empty, says why the trial is not run (an optional
	// provider that the runtime lacks). The agent writes a skipped Result.
	Skip string `json:"skip,omitempty"`
}

// NewID builds the readable, deterministic id of a trial; it is also the name
// of its result file.
func NewID(model, provider string, threads, batch, repetition int) string {
	return fmt.Sprintf("%s.%s.t%d.b%d.r%d", model, provider, threads, batch, repetition)
}

// namePattern is what model and provider names may hold: they become file
// names on two machines.
var namePattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$`)

// ValidName reports whether s may name a model or a provider.
func ValidName(s string) bool { return namePattern.MatchString(s) }

// labelPattern is that of a runtime's name, and so of a provider's label, where a
// version has dots.
var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)

// ValidLabel reports whether s may name a runtime, or be a [Provider.Label].
func ValidLabel(s string) bool { return labelPattern.MatchString(s) && !strings.Contains(s, "..") }

// ShowName is a name from elsewhere as a table may show it. One that no plan may
// hold is cut to 64 bytes and quoted in ASCII, so that it can neither pass for
// another nor break columns.
func ShowName(s string) string {
	const most = 64
	if ValidLabel(s) || s == "" {
		return s
	}
	if len(s) > most {
		s = s[:most] + "..."
	}
	return strconv.QuoteToASCII(s)
}

var idPattern = regexp.MustCompile(
	`^[a-z0-9][a-z0-9_-]{0,63}\.[a-z0-9][a-z0-9._-]{0,63}\.t[0-9]{1,4}\.b[0-9]{1,5}\.r[0-9]{1,5}$`)

// ValidID reports whether s can be a trial's id. What comes back from a device
// is checked with it before it becomes a file name.
func ValidID(s string) bool { return idPattern.MatchString(s) }

// Check reports the first way in which the plan contradicts itself.
func (p *Plan) Check() error {
	if p.Schema != PlanSchema {
		return fmt.Errorf("plan has schema %q, this program reads %q", p.Schema, PlanSchema)
	}
	models := map[string]bool{}
	for _, m := range p.Models {
		if !ValidName(m.Name) || !files.IsSum(m.SHA256) {
			return fmt.Errorf("plan: model %q with sha256 %q is not well formed", m.Name, m.SHA256)
		}
		if err := m.checkParts(); err != nil {
			return fmt.Errorf("plan: model %s: %w", m.Name, err)
		}
		if err := checkInputs(m); err != nil {
			return err
		}
		models[m.Name] = true
	}
	runtimes, err := p.checkRuntimes()
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, t := range p.Trials {
		switch {
		case !ValidID(t.ID):
			return fmt.Errorf("plan: trial id %q is not well formed", t.ID)
		case seen[t.ID]:
			return fmt.Errorf("plan: trial id %q appears twice", t.ID)
		case !models[t.Model]:
			return fmt.Errorf("plan: trial %s names model %q, which the plan lacks", t.ID, t.Model)
		case t.Provider.Runtime != "" && !runtimes[t.Provider.Runtime]:
			return fmt.Errorf("plan: trial %s names runtime %q, which the plan lacks", t.ID, t.Provider.Runtime)
		case t.Threads < 1 || t.Batch < 1 || t.Repetition < 1:
			return fmt.Errorf("plan: trial %s has threads, batch or repetition below 1", t.ID)
		}
		seen[t.ID] = true
	}
	if len(p.Trials) == 0 {
		return fmt.Errorf("plan has no trials")
	}
	return p.Accuracy.check(models)
}
