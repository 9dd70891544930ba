package matrix

import (
	"strings"
	"testing"

	"chexp/agent/internal/device/devicetest"
	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// A container that may have no more threads fails with "resource temporarily
// unavailable", in as many ways as there are programs: it is named as what it is.
func TestAPidsLimitIsNamed(t *testing.T) {
	limited := devicetest.Pi5().Set(map[string]string{"sys/fs/cgroup/pids.max": "24\n"}).FS()
	free := devicetest.Pi5().Set(map[string]string{"sys/fs/cgroup/pids.max": "max\n"}).FS()
	for _, text := range []string{
		"the trial's process did not start: fork/exec /opt/chexp/chexp-trial: resource temporarily unavailable",
		"the trial's process ended with exit status 2; its last words: runtime: failed to create new OS thread (have 5 " +
			"already; errno=11)",
		"the trial's process was killed by signal 6 (aborted); its last words: runtime/cgo: pthread_create failed: " +
			"Resource temporarily unavailable",
	} {
		got := whyFailed(trial.Reason{Code: reason.RunnerCrashed, Text: text}, limited)
		if got.Code != reason.ThreadsRefused || !strings.HasPrefix(got.Text, "the container, whose pids limit is 24,") ||
			!strings.HasSuffix(got.Text, text) || got.Next == "" {
			t.Errorf("%+v", got)
		}
		if got = whyFailed(trial.Reason{Text: text}, free); !strings.HasPrefix(got.Text, "the device allows no more") ||
			!strings.Contains(got.Next, "ulimit -u") {
			t.Errorf("without a limit of the container's: %+v", got)
		}
	}
	other := trial.Reason{Code: reason.ModelInvalid, Text: "no ONNX model"}
	if got := whyFailed(other, limited); got != other {
		t.Errorf("%+v", got)
	}
}
