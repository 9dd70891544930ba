package cli_test

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// diesOf has a command die as it does when others end it: its process group gets
// the signals, and nobody reads what it prints.
func diesOf(ts *testscript.TestScript, neg bool, args []string) {
	cmd := command(ts, args[1:])
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	ts.Check(err)
	cmd.Stdout, cmd.Stderr = w, w
	ts.Check(cmd.Start())
	w.Close()
	go func() { // its terminal
		for s := bufio.NewScanner(r); s.Scan(); {
			ts.Logf("%s", s.Text())
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	awaitBlocks(ts, false, []string{"3"})
	r.Close()
	known := map[string]syscall.Signal{"INT": syscall.SIGINT, "HUP": syscall.SIGHUP, "TERM": syscall.SIGTERM,
		"KILL": syscall.SIGKILL}
	for i, name := range strings.Fields(args[0]) {
		if i > 0 {
			time.Sleep(150 * time.Millisecond) // this is what happens, and no wait for anything
		}
		if err := syscall.Kill(-cmd.Process.Pid, known[name]); err != nil && err != syscall.ESRCH {
			ts.Fatalf("kill -%s: %v", name, err)
		}
	}
	select {
	case <-ended:
	case <-time.After(2 * time.Minute):
		cmd.Process.Kill()
		<-ended
		ts.Fatalf("it did not end within two minutes of %s", args[0])
	}
}

// soonNothingLeft waits for what ends by itself, in another process.
func soonNothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	for end := time.Now().Add(time.Minute); ; {
		if leftovers(ts) == "" {
			return
		}
		if time.Now().After(end) {
			nothingLeft(ts, false, nil)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
