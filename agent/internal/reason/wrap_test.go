package reason

import (
	"errors"
	"testing"
)

// An inference that ran out of this machine's memory was called a failed one, and a
// model was refused that a device may well have room for.
func TestACodeThatAnErrorHasStands(t *testing.T) {
	full := Errorf(OutOfMemory, "an inference took more memory than there is").Advise("lower the batch")
	got := Of(Wrap(full, InferenceFailed, "an inference failed"), "")
	if got.Code != OutOfMemory || got.Next != "lower the batch" ||
		got.Text != "an inference failed: an inference took more memory than there is" {
		t.Errorf("%+v", got)
	}
	if got := Of(Wrap(errors.New("no kernel"), InferenceFailed, "an inference failed"), ""); got.Code != InferenceFailed ||
		got.Text != "an inference failed: no kernel" {
		t.Errorf("%+v", got)
	}
}
