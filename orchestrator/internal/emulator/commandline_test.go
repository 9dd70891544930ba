package emulator

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestOpenStackCommandLine lets other people's clients loose on the emulator: Debian's
// OpenStack command line with its Blazar and Zun plugins, as far as it is quick; conformance/run.sh
// goes further.
func TestOpenStackCommandLine(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openstack"); err != nil {
		t.Skip("the openstack command is not installed (apt-get install python3-openstackclient python3-blazarclient " +
			"python3-zunclient)")
	}
	c := withContainers(t, "amd64", Options{})
	lease, reservation := c.activeLease()
	box := c.create(containerBody(reservation))

	run := func(cloud string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openstack", args...)
		for _, kv := range os.Environ() {
			if !strings.HasPrefix(kv, "OS_") {
				cmd.Env = append(cmd.Env, kv)
			}
		}
		cmd.Env = append(cmd.Env, "OS_CLIENT_CONFIG_FILE="+c.e.CloudsFile(), "OS_CLOUD="+cloud)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			if strings.Contains(stderr.String(), "is not an openstack command") {
				t.Skipf("a plugin is not installed: %s", stderr.String())
			}
			t.Fatalf("openstack %q: %v\n%s", args, err, stderr.String())
		}
		return string(out)
	}
	parse := func(text string) any {
		t.Helper()
		var v any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		return v
	}
	list := parse(run(c.e.Cloud(), "reservation", "lease", "list", "-f", "json"))
	if dig(list, 0, "name") != "bobs-camera" && dig(list, 1, "name") != "bobs-camera" {
		t.Errorf("leases %v", list)
	}
	if v := parse(run(c.e.Cloud(), "appcontainer", "list", "-f", "json")); dig(v, 0, "uuid") != box {
		t.Errorf("containers %v", v)
	}
	if out := run(c.e.Cloud(), "appcontainer", "exec", box, "uname", "-m"); strings.TrimSpace(out) != "x86_64" {
		t.Errorf("exec says %q", out)
	}
	if v := parse(run(cloudPasswordName, "floating", "ip", "create", "public", "-f", "json")); dig(v,
		"status") != "DOWN" {
		t.Errorf("floating IP %v", v)
	}
	run(c.e.Cloud(), "appcontainer", "delete", "--stop", box)
	run(c.e.Cloud(), "reservation", "lease", "delete", lease)
	c.poll("the container to be gone", func() bool { return len(c.e.Leftovers().Containers) == 0 })
	if l := c.e.Leftovers(); len(l.Leases) != 0 || len(l.FloatingIPs) != 1 {
		t.Errorf("leftovers %v", l)
	}
}
