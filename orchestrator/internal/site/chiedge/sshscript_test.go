package chiedge

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// The script that sets up sshd, run twice by a real shell with a real OpenSSH
// in a sandbox with a network of its own: the second dial must take the port
// over from the first, admit only its own key, and show a new host key.
func TestSSHScriptForReal(t *testing.T) {
	for _, tool := range []string{"bwrap", "/usr/sbin/sshd", "ssh", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s on this machine: %v", tool, err)
		}
	}
	if os.Getuid() != 0 {
		t.Skip("sshd admits root only when it runs as root")
	}
	dir := t.TempDir()
	sandbox := []string{"--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/var/lib", "--tmpfs",
		"/run", "--tmpfs", "/root",
		"--bind", dir, "/mnt", "--unshare-net", "--unshare-pid", "--die-with-parent"}
	if out, err := exec.Command("bwrap", append(sandbox, "true")...).CombinedOutput(); err != nil {
		t.Skipf("bwrap cannot make a sandbox here: %v: %s", err, out)
	}
	// What the container does, then what its user does, in one script.
	var all strings.Builder
	for i := 1; i <= 2; i++ {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("key%d", i)), pem.EncodeToMemory(block),
			0o600); err != nil {
			t.Fatal(err)
		}
		key, err := ssh.NewPublicKey(public)
		if err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf(sshScript, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
		if strings.Contains(script, "'") {
			t.Fatal("the script has a single quote, and goes into two of them")
		}
		fmt.Fprintf(&all, "sh -c '%s' || exit 1\n", script)
		all.WriteString("for i in $(seq 100); do test -s " + sshDir + "/pid && break; sleep 0.1; done\n")
		fmt.Fprintf(&all, "echo \"127.0.0.1 $(cat %s/host.pub)\" >/mnt/known%d\n", sshDir, i)
	}
	all.WriteString(
		`try() {
	ssh -F none -i /mnt/key$1 -o IdentitiesOnly=yes -o BatchMode=yes -o StrictHostKeyChecking=yes \
		-o UserKnownHostsFile=/mnt/known$2 root@127.0.0.1 echo in with key $1, host $2
}
try 2 2 && ! try 1 2 && ! try 2 1`)
	out, err := exec.Command("bwrap", append(sandbox, "sh", "-c", all.String())...).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "in with key 2, host 2") {
		t.Errorf("%v\n%s", err, out)
	}
}
