package trial

import (
	"fmt"

	"chexp/experiments/files"
	"chexp/experiments/input"
)

// InputPath is where the values of an input from a file lie below the bundle
// directory.
func InputPath(v input.Values) string { return InputsDir + "/" + v.SHA256 }

// checkInputs reports the first way in which a model's inputs are no description.
func checkInputs(m Model) error {
	for _, in := range m.Inputs {
		switch {
		case !in.Type.Known():
			return fmt.Errorf("plan: input %q of model %s is of %q", in.Name, m.Name, in.Type)
		case in.Batch != nil && (*in.Batch < 0 || *in.Batch >= len(in.Shape)):
			return fmt.Errorf("plan: input %q of model %s has no axis %d", in.Name, m.Name, *in.Batch)
		case in.Values.SHA256 != "" && !files.IsSum(in.Values.SHA256):
			return fmt.Errorf("plan: input %q of model %s has values with sha256 %q, which is not well formed", in.Name,
				m.Name, in.Values.SHA256)
		}
	}
	return nil
}
