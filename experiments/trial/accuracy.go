package trial

import (
	"fmt"
	"time"

	"chexp/experiments/files"
)

// Sources of evaluation pictures.
const (
	// PlatesData are chexp's own drawn pictures, which the agent draws itself.
	PlatesData = "plates"
	// PackedData are the user's, decoded and packed by the orchestrator.
	PackedData = "packed"
)

// Evaluation says how accuracy is measured: on which pictures, and against
// which model's answers.
type Evaluation struct {
	Data     string `json:"data"`     // PlatesData or PackedData
	Pictures int    `json:"pictures"` // how many of them, from the first on
	// SHA256 of the pack, which is a file of the bundle; empty for PlatesData.
	SHA256 string `json:"sha256,omitempty"`
	Bytes  int64  `json:"bytes,omitempty"`
	// Name of the data for people.
	Name string `json:"name"`
	// Reference is the model that all others are compared with; a trial with a named
	// runtime is compared with its own model on the agent's. Its answers are
	// those on the plan's first provider that is not skipped.
	Reference string `json:"reference"`
	// Timeout bounds the evaluation of one model on one provider.
	Timeout time.Duration `json:"timeout_ns"`
}

// DataDir is where packs of evaluation data lie in the bundle.
const DataDir = "data"

// Path is where the pack lies below the bundle directory.
func (e Evaluation) Path() string { return DataDir + "/" + e.SHA256 + ".pack" }

// MaxPictures bounds an evaluation. With so many the 95 % interval is ±0.2 points
// around 99 %.
const MaxPictures = 100000

func (e *Evaluation) check(models map[string]bool) error {
	switch {
	case e == nil:
		return nil
	case e.Data == PackedData && !files.IsSum(e.SHA256),
		e.Data == PlatesData && e.SHA256 != "",
		e.Data != PlatesData && e.Data != PackedData:
		return fmt.Errorf("plan: accuracy on data %q with sha256 %q is not well formed", e.Data, e.SHA256)
	case e.Pictures < 1 || e.Pictures > MaxPictures:
		return fmt.Errorf("plan: accuracy on %d pictures; 1 to %d are allowed", e.Pictures, MaxPictures)
	case e.Timeout <= 0:
		return fmt.Errorf("plan: accuracy has no limit in time")
	case !models[e.Reference]:
		return fmt.Errorf("plan: accuracy is compared with model %q, which the plan lacks", e.Reference)
	}
	return nil
}

// Accuracy is how often a model's highest output was the right one, on one
// provider. It was measured on the device, apart from the timed inferences, and
// once for all trials of the model and provider.
type Accuracy struct {
	Data     string  `json:"data"` // Evaluation.Name
	Pictures int     `json:"pictures"`
	Right    int     `json:"right"`
	Top1     float64 `json:"top1"` // Right / Pictures
	// Interval holds the true share with 95 % confidence (Clopper and Pearson:
	// exact, never too narrow), if the pictures are a fair sample.
	Interval Interval `json:"interval"`
	// Agreement with the reference, or why there is none. The reference itself has
	// one too: its answers on this provider against those on the first one.
	Agreement Reading[Agreement] `json:"agreement"`
	Threads   int                `json:"threads"` // of the evaluation
}

// Agreement compares a model's outputs with the reference's on the same
// pictures, which needs no labels.
type Agreement struct {
	Reference string `json:"reference"` // model and provider
	Pictures  int    `json:"pictures"`
	Same      int    `json:"same"` // pictures whose highest output is the same one
	// Cosine of the angle between the two outputs, the mean over the pictures.
	Cosine float64 `json:"cosine"`
	// MaxError is the largest difference between two values of the outputs.
	MaxError float64 `json:"max_error"`
}
