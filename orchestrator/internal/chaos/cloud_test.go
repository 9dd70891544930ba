//go:build linux

package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cloud is an emulator in a process of its own, behind a proxy.
type cloud struct {
	t       *testing.T
	bin     string // the folder with chexp
	dir     string // its own
	cmd     *exec.Cmd
	control string
	proxy   *proxy
	secrets []string
}

// root reports whether the emulated servers' floating IPs carry traffic here.
func root() bool { return os.Getuid() == 0 }

// start begins the emulator anew.
func (c *cloud) start() {
	c.stop()
	os.RemoveAll(c.dir)
	c.cmd = exec.Command(filepath.Join(c.bin, "chexp"), "emulator", "--arch", "amd64", "--tick", "100ms", "--pull",
		"100ms", "--dir", c.dir)
	if root() {
		c.cmd.Args = append(c.cmd.Args, "--site", "CHI@TACC", "--deploy", "300ms")
	}
	c.cmd.Env = append(os.Environ(), "CHEXP_CACHE="+c.dir+".cache")
	c.cmd.Stderr = io.Discard
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		c.t.Fatalf("the emulator did not start: %v %s", err, line)
	}
	c.proxy = newProxy(c.t)
	c.readCredentials()
}

func (c *cloud) stop() {
	if c.cmd != nil {
		c.cmd.Process.Signal(syscall.SIGTERM)
		c.cmd.Wait()
		c.cmd = nil
	}
}

var (
	authURL = regexp.MustCompile(`auth_url: "(http://[^"]+)"`)
	hidden  = regexp.MustCompile(`(?:secret|password): "([^"]{8,})"`)
)

// readCredentials takes the file that the emulator wrote, and makes one that leads
// through the proxy.
func (c *cloud) readCredentials() {
	file := filepath.Join(c.dir, "clouds.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := url.Parse(authURL.FindStringSubmatch(string(text))[1])
	if err != nil {
		c.t.Fatal(err)
	}
	c.control, c.secrets = "http://"+u.Host+"/_emulator", nil
	for _, m := range hidden.FindAllStringSubmatch(string(text), -1) {
		c.secrets = append(c.secrets, m[1])
	}
	if err := os.WriteFile(c.clouds(), c.proxy.outward(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cloud) clouds() string { return filepath.Join(c.dir, "clouds-chaos.yaml") }

// thing is something that a client made and did not give back.
type thing struct{ ID, Name, Status, Address string }

func (v thing) String() string {
	return strings.TrimSpace(v.ID + " " + v.Name + v.Address + " " + v.Status)
}

// left is what stands on the cloud: all of it is ours.
func (c *cloud) left() []thing {
	resp, err := http.Get(c.control + "/state")
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var s struct {
		Leases, Containers, Servers []thing
		FloatingIPs                 []thing  `json:"floating_ips"`
		KeyPairs                    []string `json:"key_pairs"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		c.t.Fatal(err)
	}
	var all []thing
	for _, list := range [][]thing{s.Leases, s.Containers, s.Servers, s.FloatingIPs} {
		for _, v := range list {
			if v.Status != "Deleting" && v.Status != "Deleted" && v.Status != "Stopped" { // on their way out
				all = append(all, v)
			}
		}
	}
	for _, name := range s.KeyPairs {
		all = append(all, thing{ID: name, Name: name})
	}
	return all
}

// settled is what is left once nothing changes any more that goes by itself.
func (c *cloud) settled(patience time.Duration) []thing {
	for end := time.Now().Add(patience); ; {
		left := c.left()
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// faults orders something of the cloud itself so often; 0 withdraws it.
func (c *cloud) faults(what string, times int) {
	order := strings.NewReader(fmt.Sprintf("{%q: %d}", what, times))
	resp, err := http.Post(c.control+"/faults", "application/json", order)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("ordering %s: %s", what, resp.Status)
	}
}

// measured is what agents on the boards have on their disks: trials with a result,
// and trials with blocks on record, by the name of the container.
func (c *cloud) measured() map[string][]string {
	on := map[string][]string{}
	for _, pattern := range []string{"results/*.json", "journal/*"} {
		files, _ := filepath.Glob(filepath.Join(c.dir, "sandbox/containers/*/tmp/*/out", pattern))
		servers, _ := filepath.Glob(filepath.Join(c.dir, "sandbox/containers/*/home/cc/*/out", pattern))
		for _, f := range append(files, servers...) {
			run := filepath.Base(filepath.Dir(filepath.Dir(filepath.Dir(f))))
			trial := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".json"), ".jsonl")
			if strings.HasPrefix(pattern, "journal") && !enough(f) {
				continue
			}
			on[run] = append(on[run], trial)
		}
	}
	return on
}

// enough reports whether an agent's record of a trial holds what makes a partial
// result: three blocks and six inferences.
func enough(file string) bool {
	data, err := os.ReadFile(file)
	return err == nil && strings.Count(string(data), `"block":`) >= 4
}
