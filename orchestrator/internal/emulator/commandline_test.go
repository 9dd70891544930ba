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

	// One process runs several commands, a line each: its start takes longer than what it does.
	run := func(cloud string, commands ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "openstack")
		for _, kv := range os.Environ() {
			if !strings.HasPrefix(kv, "OS_") {
				cmd.Env = append(cmd.Env, kv)
			}
		}
		cmd.Env = append(cmd.Env, "OS_CLIENT_CONFIG_FILE="+c.e.CloudsFile(), "OS_CLOUD="+cloud)
		cmd.Stdin = strings.NewReader(strings.Join(commands, "\n"))
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if strings.Contains(stderr.String(), "is not an openstack command") {
			t.Skipf("a plugin is not installed: %s", stderr.String())
		}
		if err != nil || stderr.Len() > 0 {
			t.Errorf("openstack %q: %v\n%s", commands, err, stderr.String())
		}
		return string(out)
	}
	seen := run(c.e.Cloud(), "reservation lease list -f json", "appcontainer list -f json",
		"appcontainer exec "+box+" uname -m", "appcontainer delete --stop "+box, "reservation lease delete "+lease)
	out := json.NewDecoder(strings.NewReader(seen))
	next := func() (v any) {
		t.Helper()
		if err := out.Decode(&v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	if v := next(); dig(v, 0, "name") != "bobs-camera" && dig(v, 1, "name") != "bobs-camera" {
		t.Errorf("leases %v", v)
	}
	if v := next(); dig(v, 0, "uuid") != box {
		t.Errorf("containers %v", v)
	}
	if !strings.Contains(seen, "\nx86_64\n") {
		t.Errorf("exec says nothing of x86_64: %s", seen)
	}
	out = json.NewDecoder(strings.NewReader(run(cloudPasswordName, "floating ip create public -f json")))
	if v := next(); dig(v, "status") != "DOWN" {
		t.Errorf("floating IP %v", v)
	}
	c.poll("the container to be gone", func() bool { return len(c.e.Leftovers().Containers) == 0 })
	if l := c.e.Leftovers(); len(l.Leases) != 0 || len(l.FloatingIPs) != 1 {
		t.Errorf("leftovers %v", l)
	}
}
