package cli_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestScripts runs the real binaries of bin/ as a person would: each file of
// testdata/script is a session, with the emulator in the background. Beyond
// testscript's own commands there are
//
//	emulator [FLAG...]       start `chexp emulator`, point the environment at it
//	nothing-left             the emulator holds no lease, container or floating IP of ours
//	code N CMD...            run a command and want this exit code
//	killed-in PHASE CMD...   run a command and kill -9 it when that phase begins
//	results N                the runs here hold N results with latencies
func TestScripts(t *testing.T) {
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"chexp", "chexp-agent-linux-amd64", "chexp-agent-linux-arm64", "images/debian-arm64.tar", "images/debian-amd64.tar"} {
		if _, err := os.Stat(filepath.Join(bin, name)); err != nil {
			t.Skipf("bin/%s is not built: `make build agents images` (or `make test`)", name)
		}
	}
	food11, err := filepath.Abs("../../../../shared/models/food11")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+":"+os.Getenv("PATH"))
			env.Setenv("CHEXP_CACHE", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("FOOD11", food11)
			env.Setenv("TMPDIR", os.TempDir())
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "food11":
				_, err := os.Stat(food11)
				return err == nil, nil
			case "root":
				return os.Getuid() == 0, nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"emulator":     startEmulator,
			"nothing-left": nothingLeft,
			"code":         wantCode,
			"killed-in":    killedIn,
			"results":      wantResults,
		},
		RequireExplicitExec: true,
	})
}

func command(ts *testscript.TestScript, args []string) *exec.Cmd {
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if st, err := os.Stat(filepath.Join(dir, args[0])); err == nil && st.Mode()&0o111 != 0 {
			path = filepath.Join(dir, args[0])
			break
		}
	}
	if path == "" {
		ts.Fatalf("%s is not in PATH", args[0])
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "CHEXP_CACHE", "CHEXP_RUNS", "CHEXP_MODEL_PATH", "OS_CLIENT_CONFIG_FILE", "OS_CLOUD"} {
		if v := ts.Getenv(name); v != "" {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	return cmd
}

func startEmulator(ts *testscript.TestScript, neg bool, args []string) {
	args = append([]string{"chexp", "emulator", "--tick", "300ms", "--pull", "300ms", "--dir", ts.MkAbs("emulator")}, args...)
	cmd := command(ts, args)
	log, err := os.Create(ts.MkAbs("emulator.log"))
	ts.Check(err)
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	ts.Defer(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			cmd.Process.Kill()
			ts.Fatalf("the emulator did not end within 20 s of SIGTERM")
		}
	})
	line := make(chan string, 1)
	go func() {
		s := bufio.NewScanner(out)
		s.Scan()
		line <- s.Text()
		io.Copy(io.Discard, out)
	}()
	select {
	case l := <-line:
		for _, kv := range strings.Fields(strings.TrimPrefix(l, "export ")) {
			k, v, _ := strings.Cut(kv, "=")
			ts.Setenv(k, v)
		}
		if ts.Getenv("OS_CLOUD") == "" {
			ts.Fatalf("the emulator did not start:\n%s", ts.ReadFile("emulator.log"))
		}
	case <-time.After(60 * time.Second):
		ts.Fatalf("the emulator was not up within 60 s")
	}
}

// nothingLeft asks the emulator itself, not chexp.
func nothingLeft(ts *testscript.TestScript, neg bool, args []string) {
	var base string
	for _, line := range strings.Split(ts.ReadFile(ts.Getenv("OS_CLIENT_CONFIG_FILE")), "\n") {
		if _, url, ok := strings.Cut(line, "auth_url:"); ok {
			base = strings.Trim(strings.TrimSpace(url), `"`)
		}
	}
	base = base[:strings.Index(base[len("http://"):], "/")+len("http://")]
	resp, err := http.Get(base + "/_emulator/state")
	ts.Check(err)
	defer resp.Body.Close()
	var state struct{ Leases, Containers, FloatingIPs []json.RawMessage }
	ts.Check(json.NewDecoder(resp.Body).Decode(&state))
	left := len(state.Leases) + len(state.Containers) + len(state.FloatingIPs)
	if left > 0 && !neg {
		ts.Fatalf("left on the cloud: %s %s %s", state.Leases, state.Containers, state.FloatingIPs)
	}
	if left == 0 && neg {
		ts.Fatalf("nothing is left on the cloud")
	}
}

func run(ts *testscript.TestScript, args []string) (code int) {
	cmd := command(ts, args)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	ts.Check(os.WriteFile(ts.MkAbs("stdout"), []byte(stdout.String()), 0o644))
	ts.Check(os.WriteFile(ts.MkAbs("stderr"), []byte(stderr.String()), 0o644))
	ts.Logf("[stdout]\n%s[stderr]\n%s", stdout.String(), stderr.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		ts.Fatalf("%v", err)
	}
	return cmd.ProcessState.ExitCode()
}

// wantCode leaves what the command printed in the files stdout and stderr.
func wantCode(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	if got := run(ts, args[1:]); got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// killedIn kills when the journal says that the phase has begun.
func killedIn(ts *testscript.TestScript, neg bool, args []string) {
	phase := args[0]
	cmd := command(ts, args[1:])
	var stderr strings.Builder
	cmd.Stderr = &stderr
	ts.Check(cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	began := `"kind":"began","phase":"` + phase + `"`
	deadline := time.After(60 * time.Second)
	for {
		journals, _ := filepath.Glob(ts.MkAbs("runs/*/journal.jsonl"))
		for _, j := range journals {
			if data, _ := os.ReadFile(j); strings.Contains(string(data), began) {
				cmd.Process.Kill()
				<-ended
				return
			}
		}
		select {
		case err := <-ended:
			ts.Fatalf("it ended (%v) before phase %s:\n%s", err, phase, stderr.String())
		case <-deadline:
			cmd.Process.Kill()
			ts.Fatalf("phase %s did not begin within 60 s:\n%s", phase, stderr.String())
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// wantResults counts the results with latencies in every run of the script.
func wantResults(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	files, _ := filepath.Glob(ts.MkAbs("runs/*/results/*.json"))
	ok := 0
	for _, f := range files {
		var r struct {
			Outcome     string
			LatenciesNS []int64 `json:"latencies_ns"`
		}
		data, err := os.ReadFile(f)
		ts.Check(err)
		ts.Check(json.Unmarshal(data, &r))
		if r.Outcome == "ok" && len(r.LatenciesNS) > 0 {
			ok++
		}
	}
	if ok != want {
		ts.Fatalf("%d results with latencies, want %d", ok, want)
	}
}
