package emulator

import (
	"encoding/base64"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// These tests run real containers of this machine's architecture, one for each test:
// the quirks do not depend on it. Each is named after what a client must survive.

func TestExecuteHasNoShell(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	for command, want := range map[string]string{
		"echo one && echo two":                 "one && echo two\n",
		`sh -c 'echo "a  b"; echo $HOME >&2'`:  "a  b\n/root\n",
		`printf %s\n "two words" 'and three'`:  "two wordsnand threen",
		`printf '%s\n' "say \"hi\""`:           "say \"hi\"\n",
		`sh -c 'printf "\303\251\n"'`:          "é\n",
		`sh -c 'printf "\377\376\000x"'`:       "\ufffd\ufffd\x00x",
		`sh -c 'echo out; echo err >&2; true'`: "out\nerr\n",
	} {
		if a := c.execute(box, command); a.status != 200 || a.at("output") != want || a.at("exit_code") != 0.0 {
			t.Errorf("%s: %v; want %q", command, a, want)
		}
	}
	a := c.want(200, c.zun("POST", "/containers/"+box+"/execute", map[string]any{"command": "uname", "run": true}))
	if a.at("output") != "Linux\n" {
		t.Errorf("command in the body: %v", a)
	}
	for key, want := range map[string]any{"exec_id": nil, "proxy_url": nil} {
		if got, ok := a.body[key]; !ok || got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
}

func TestExecuteReportsExitCodes(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	if a := c.execute(box, "sh -c 'exit 7'"); a.status != 200 || a.at("exit_code") != 7.0 {
		t.Errorf("exit 7: %v", a)
	}
	if a := c.execute(box, "/no/such/binary -x"); a.status != 200 || a.at("exit_code") != -1.0 ||
		a.at("output") != "Malformed command, or binary not found in container" {
		t.Errorf("missing binary: %v", a)
	}
	// A shell that does not find its own command is another matter.
	if a := c.execute(box, "sh -c nosuch"); a.status != 200 || a.at("exit_code") != 127.0 {
		t.Errorf("shell's 127: %v", a)
	}
	for query, status := range map[string]int{
		"command=&run=true":                    400,
		"command=true&run=perhaps":             400,
		"command=true&colour=red":              400,
		"run=true":                             500,
		"command=true&run=false":               500,
		"command=sh+-c+%27unbalanced":          500,
		"command=true&run=True":                200,
		"command=true&interactive=true":        200,
		"command=" + strings.Repeat("x", 9000): 414,
	} {
		if a := c.zun("POST", "/containers/"+box+"/execute?"+query, nil); a.status != status {
			t.Errorf("%.40s: %v; want %d", query, a, status)
		}
	}
}

// TestExecuteIsCutAndGoesOn: 200, the output so far, no exit code; the process lives.
func TestExecuteIsCutAndGoesOn(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{ExecuteTimeout: 2 * time.Second})
	box := c.runningContainer()
	a := c.want(200, c.execute(box, "sh -c 'echo before; while ! test -e /go; do sleep 0.05; done; echo after >/done; "+
		"sleep 100'"))
	if a.at("output") != "before\n" || a.at("exit_code") != nil {
		t.Errorf("%v; want the output so far and null", a)
	}
	c.poll("the cut process to go on", func() bool {
		c.execute(box, "touch /go")
		return c.execute(box, "cat /done").at("output") == "after\n"
	})
	// A child that keeps the output open holds the call as well.
	if a := c.want(200, c.execute(box, "sh -c 'sleep 100 & echo started'")); a.at("exit_code") != nil ||
		a.at("output") != "started\n" {
		t.Errorf("output held: %v", a)
	}
	if a := c.want(200, c.execute(box, "sh -c 'setsid nohup sleep 100 >/dev/null 2>&1 </dev/null & echo "+
		"started'")); a.at("exit_code") != 0.0 {
		t.Errorf("detached: %v", a)
	}
}

func put(c *client, box, dir string, data []byte) answer {
	c.t.Helper()
	return c.zun("POST", "/containers/"+box+"/put_archive?path="+url.QueryEscape(dir),
		map[string]any{"data": base64.StdEncoding.EncodeToString(data)})
}

func TestPutArchive(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	a := c.want(200, put(c, box, "/root", makeTar(t, "a", "content", true)))
	if a.raw != "null" || c.output(box, "cat /root/a") != "content" {
		t.Errorf("answer %q", a.raw)
	}
	// What tar says is not looked at.
	c.want(200, put(c, box, "/root/not/there", makeTar(t, "a", "x", true)))
	if a := c.execute(box, "test -e /root/not"); a.at("exit_code") == 0.0 {
		t.Error("something was written into a directory that did not exist")
	}
	c.want(500, c.zun("POST", "/containers/"+box+"/put_archive?path=/root", map[string]any{}))
	c.want(500, c.zun("POST", "/containers/"+box+"/put_archive?path=/root", map[string]any{"data": "@@@@"}))
	c.want(500, c.zun("POST", "/containers/"+box+"/put_archive", map[string]any{"data": ""}))
	c.e.zun.MaxArchive = 20480
	c.want(500, put(c, box, "/root", makeTar(t, "big", strings.Repeat("x", 30000), true)))
	if a := c.execute(box, "test -e /root/big"); a.at("exit_code") == 0.0 {
		t.Error("an archive over the limit was unpacked")
	}
}

// TestPutArchiveHangsOnAnUnpaddedTar: tar waits for a whole record of 10 240 bytes on
// an input that stays open; the client sees 500, the file appears later.
func TestPutArchiveHangsOnAnUnpaddedTar(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{GatewayTimeout: 500 * time.Millisecond})
	box := c.runningContainer()
	short := makeTar(t, "late", "late", false)
	if len(short) >= 10240 {
		t.Fatal("the archive is padded")
	}
	c.want(500, put(c, box, "/root", short))
	c.poll("the file of the failed upload", func() bool {
		return c.execute(box, "cat /root/late").at("output") == "late"
	})
}

func TestGetArchive(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	body := containerBody(reservation)
	body["workdir"] = "/srv"
	box := c.create(body)
	c.output(box, "sh -c 'mkdir -p /out/sub; echo 1 >/out/a.json; echo 2 >/out/sub/b; echo here >/srv/near'")
	get := func(path string) map[string]string {
		return untar(t, c.want(200, c.zun("GET", "/containers/"+box+"/get_archive?path="+url.QueryEscape(path), nil)))
	}
	if f := get("/out"); f["./a.json"] != "1\n" || f["./sub/b"] != "2\n" {
		t.Errorf("a directory: %v", f)
	}
	if f := get("/out/a.json"); len(f) != 0 {
		t.Errorf("a file outside the working directory: %v; want an empty archive", f)
	}
	if f := get("/elsewhere/near"); f["near"] != "here\n" {
		t.Errorf("the base name is looked up in the working directory: %v", f)
	}
	if f := get("/nope"); len(f) != 0 {
		t.Errorf("a missing path: %v; want an empty archive", f)
	}
	c.want(500, c.zun("GET", "/containers/"+box+"/get_archive", nil))
}

func TestMainCommandThatExitsEndsInError(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{Tick: 20 * time.Millisecond})
	_, reservation := c.activeLease()
	for name, change := range map[string]func(map[string]any){
		"exits-zero": func(b map[string]any) { b["command"] = []string{"sh", "-c", "echo hello; echo bad >&2"} },
		"no-command": func(b map[string]any) { delete(b, "command") }, // Debian's bash without a terminal
		"no-program": func(b map[string]any) { b["command"] = []string{"/no/such"} },
		"foreign":    func(b map[string]any) { b["image"] = "arm64v8/debian:12" },
	} {
		body := containerBody(reservation)
		body["name"] = name
		change(body)
		a := c.want(202, c.zun("POST", "/containers", body))
		uuid := a.text("uuid")
		a = c.await(uuid, "Error")
		if a.at("status_detail") != "ContainersNotReady" ||
			a.at("status_reason") != "containers with unready status: ["+name+"]" {
			t.Errorf("%s: %v", name, a)
		}
		logs := c.want(200, c.zun("GET", "/containers/"+uuid+"/logs", nil)).raw
		switch name {
		case "exits-zero":
			if logs != `"hello\nbad\n"` {
				t.Errorf("logs %s", logs)
			}
			if tail := c.zun("GET", "/containers/"+uuid+"/logs?tail=1", nil).raw; tail != `"bad\n"` {
				t.Errorf("tail %s", tail)
			}
		case "foreign":
			if !strings.Contains(logs, "exec format error") {
				t.Errorf("logs %s", logs)
			}
		}
	}
}

func TestStopLosesFilesAndThePort(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	c.output(box, "touch /root/mark")
	before := c.zun("GET", "/containers/"+box, nil)
	port := before.text("addresses", world.CaliconetID, 0, "port")
	if a := c.want(202, c.zun("POST", "/containers/"+box+"/stop?timeout=10", nil)); a.raw != "null" {
		t.Errorf("stop answers %q", a.raw)
	}
	c.await(box, "Stopped")
	c.want(409, c.execute(box, "true"))
	c.want(409, c.zun("POST", "/containers/"+box+"/stop", nil))
	gone := c.want(404, put(c, box, "/root", makeTar(t, "x", "y", true)))
	if !strings.HasPrefix(gone.text("errors", 0, "title"), "Container %(container)s could not be found.\nTraceback") {
		t.Errorf("upload to a stopped container: %v", gone)
	}
	if a := c.want(200, c.zun("GET", "/containers/"+box+"/logs", nil)); a.raw != "null" {
		t.Errorf("logs of a stopped container: %v", a)
	}
	c.want(202, c.zun("POST", "/containers/"+box+"/start", nil))
	after := c.await(box, "Running")
	if a := c.execute(box, "test -e /root/mark"); a.at("exit_code") == 0.0 {
		t.Error("a file survived stop and start")
	}
	// The port is a new one (recorded, cases 83c and 85); the old one stays, without an address.
	if got := after.text("addresses", world.CaliconetID, 0, "port"); got == port {
		t.Errorf("the new pod has the old port %s", port)
	}
	old := c.want(200, c.neutron("GET", "/ports/"+port, nil))
	if ips, ok := old.at("port", "fixed_ips").([]any); !ok || len(ips) > 0 || old.at("port", "device_id") != box {
		t.Errorf("the old port: %v", old)
	}
	if a, b := before.text("addresses", world.CaliconetID, 0, "addr"),
		after.text("addresses", world.CaliconetID, 0, "addr"); a == b {
		t.Errorf("the new pod has the old address %s", a)
	}
	c.want(202, c.zun("POST", "/containers/"+box+"/reboot", nil))
	c.await(box, "Running")
}

func TestDeleteDependsOnTheState(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	box := c.create(containerBody(reservation))
	a := c.want(409, c.zun("DELETE", "/containers/"+box, nil))
	if a.text("errors", 0, "code") != "container.invalid-state-exception" ||
		a.text("errors", 0, "title") != "Cannot delete container "+box+" in Running state" {
		t.Errorf("%v", a)
	}
	c.want(400, c.zun("DELETE", "/containers/"+box+"?now=True", nil))
	stuck := containerBody(reservation)
	stuck["name"], stuck["image"] = "stuck", "registry.example.org/no/such:1"
	uuid := c.want(202, c.zun("POST", "/containers", stuck)).text("uuid")
	c.want(409, c.zun("DELETE", "/containers/"+uuid+"?stop=true", nil))
	c.want(204, c.zun("DELETE", "/containers/"+uuid+"?force=true", nil))
	c.want(204, c.zun("DELETE", "/containers/"+box+"?stop=True", nil))
	a = c.zun("GET", "/containers/"+box, nil)
	if a.status == 200 && a.at("status") != "Deleting" && a.at("task_state") != "container_stopping" {
		t.Errorf("right after the delete: %v", a)
	}
	c.poll("both to be gone", func() bool { return len(c.e.Leftovers().Containers) == 0 })
	c.want(404, c.zun("DELETE", "/containers/"+box+"?stop=True", nil))
}

func TestLeaseEndTakesItsContainers(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"deleted", "over"} {
		t.Run(how, func(t *testing.T) {
			c := withContainers(t, "amd64", Options{})
			lease, reservation := c.activeLease()
			box := c.create(containerBody(reservation))
			if how == "deleted" {
				c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
			} else {
				c.e.Advance(3 * time.Hour)
				c.signIn(world.Alice)
				c.poll("the lease to end", func() bool {
					return c.blazar("GET", "/leases/"+lease, nil).at("lease", "status") == "TERMINATED"
				})
			}
			c.poll("the container to be Stopped, Deleted, then gone", func() bool {
				a := c.zun("GET", "/containers/"+box, nil)
				if a.status == 200 && a.at("status") != "Deleted" && a.at("status") != "Running" && a.at("status") != "Stopped" {
					t.Fatalf("%v", a)
				}
				return a.status == 404
			})
		})
	}
}

// sshKey makes a key pair: the file of the private one, and the public one. The
// test is skipped where nothing could come of it.
func sshKey(t *testing.T) (file, public string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("floating IPs need root")
	}
	for _, tool := range []string{"ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	file = filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
		file).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return file, string(b)
}

// ssh runs a command by OpenSSH's own client, and says whether it worked.
func ssh(key, to, command string) (output string, worked bool) {
	out, err := exec.Command("ssh", "-F", "none", "-i", key, "-o", "StrictHostKeyChecking=no", "-o",
		"UserKnownHostsFile=/dev/null",
		"-o", "BatchMode=yes", "-o", "ConnectTimeout=10", to, command).Output()
	return string(out), err == nil
}

// TestFloatingIPReachesSSH goes through a floating IP with OpenSSH's own client.
func TestFloatingIPReachesSSH(t *testing.T) {
	t.Parallel()
	key, pub := sshKey(t)
	c := withContainers(t, "amd64", Options{})
	_, reservation := c.activeLease()
	body := containerBody(reservation)
	body["image"], body["exposed_ports"] = "ghcr.io/chameleoncloud/edge_ssh_image:latest",
		map[string]any{"22/tcp": map[string]any{}}
	delete(body, "command")
	box := c.create(body)
	c.want(200, put(c, box, "/root/.ssh", makeTar(t, "mine.pub", pub, true)))
	c.output(box, "/bin/bash -c 'cat /root/.ssh/mine.pub >>/root/.ssh/authorized_keys'")

	port := c.zun("GET", "/containers/"+box, nil).text("addresses", world.CaliconetID, 0, "port")
	ports := c.want(200, c.neutron("GET", "/ports?device_id="+box, nil))
	if ports.at("ports", 0, "id") != port || ports.at("ports", 0, "device_owner") != "k8s:cni" {
		t.Errorf("ports %v", ports)
	}
	fip := c.want(201, c.neutron("POST", "/floatingips", map[string]any{"floatingip": map[string]any{
		"floating_network_id": world.PublicNetID, "port_id": port}}))
	id, address := fip.text("floatingip", "id"), fip.text("floatingip", "floating_ip_address")
	c.poll("the floating IP to be ACTIVE", func() bool {
		return c.neutron("GET", "/floatingips/"+id, nil).at("floatingip", "status") == "ACTIVE"
	})
	c.poll("ssh to work", func() bool {
		said, worked := ssh(key, "root@"+address, "cat /proc/sys/kernel/hostname")
		return worked && strings.HasPrefix(said, "zun-"+box)
	})
	// The address outlives the container.
	c.want(204, c.zun("DELETE", "/containers/"+box+"?force=true", nil))
	c.poll("the port to go", func() bool {
		return c.neutron("GET", "/floatingips/"+id, nil).at("floatingip", "port_id") == nil
	})
	if l := c.e.Leftovers(); len(l.FloatingIPs) != 1 {
		t.Errorf("leftovers %v", l)
	}
	c.want(204, c.neutron("DELETE", "/floatingips/"+id, nil))
	c.want(404, c.neutron("DELETE", "/floatingips/"+id, nil))
}
