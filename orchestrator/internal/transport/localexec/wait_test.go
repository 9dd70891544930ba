package localexec_test

import (
	"os"
	"strings"
	"testing"
	"time"
)

func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	end := time.NewTimer(30 * time.Second)
	defer end.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-end.C:
			t.Fatalf("waited 30 s for %s", what)
		case <-tick.C:
		}
	}
}

func waitForFile(t *testing.T, name string) (data []byte) {
	t.Helper()
	poll(t, name, func() bool {
		var err error
		data, err = os.ReadFile(name)
		return err == nil
	})
	return data
}

// waitForDeath takes a zombie for dead: who reaps it depends on this machine.
func waitForDeath(t *testing.T, pid string) {
	t.Helper()
	poll(t, "the end of process "+pid, func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		return err != nil || strings.Contains(string(stat), ") Z ")
	})
}
