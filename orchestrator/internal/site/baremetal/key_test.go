package baremetal

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/experiments/secret"
	"chexp/orchestrator/internal/run"
)

// The user data gives cloud-init the private half of the host key that is expected, and no
// other secret; what is kept lets its user in, and nobody else reads it.
func TestKeys(t *testing.T) {
	k := newKeyring(filepath.Join(t.TempDir(), "keys"))
	made, err := k.create("a-server", false)
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Keys map[string]string `yaml:"ssh_keys"`
	}
	data := made.userData()
	if err := yaml.Unmarshal(data, &config); err != nil || !bytes.HasPrefix(data, []byte("#cloud-config\n")) {
		t.Fatalf("%v\n%s", err, data)
	}
	host, err := ssh.ParsePrivateKey([]byte(config.Keys["ed25519_private"]))
	if err != nil || line(host.PublicKey()) != line(made.host) || config.Keys["ed25519_public"] != line(made.host) {
		t.Errorf("%v, %v", err, config.Keys)
	}
	if n := strings.Count(string(data), "PRIVATE KEY"); n != 2 {
		t.Errorf("%d lines about private keys in the user data", n)
	}
	for form, text := range map[string]string{
		"as it is": string(data), "in base64": base64.StdEncoding.EncodeToString(data),
	} {
		clean := secret.Redact(text)
		if plain, err := base64.StdEncoding.DecodeString(clean); err == nil {
			clean = string(plain)
		}
		for _, l := range body(made.hostPrivate) {
			if !strings.Contains(clean, "[secret]") || strings.Contains(clean, l) {
				t.Errorf("the host's key is to be read in the user data %s:\n%s", form, clean)
			}
		}
	}
	for name, mode := range map[string]os.FileMode{k.dir: 0o700, k.file("a-server"): 0o600} {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
	kept, err := os.ReadFile(k.file("a-server"))
	if err != nil || strings.Count(string(kept), "BEGIN OPENSSH PRIVATE KEY") != 1 {
		t.Errorf("%v: the host's private key is kept", err)
	}
	found, err := newKeyring(k.dir).find("a-server")
	if err != nil || line(found.host) != line(made.host) || line(found.user.PublicKey()) != line(made.user.PublicKey()) {
		t.Errorf("%v, %v", found, err)
	}
	old := time.Now().Add(-2 * oldest)
	if err := os.Chtimes(k.file("a-server"), old, old); err != nil {
		t.Fatal(err)
	}
	newKeyring(k.dir)
	if _, err := os.Stat(k.file("a-server")); !os.IsNotExist(err) {
		t.Errorf("the key of a server that can only be gone is still there: %v", err)
	}
}

// Who has not the key of a server is told so, before anything is asked for.
func TestAServerWithoutItsKey(t *testing.T) {
	k := newKeyring(t.TempDir())
	s := &serverClient{catalogue: &catalogue{}, keys: k}
	s.catalogue.client = newTestClient()
	_, err := s.Dial(t.Context(), run.Container{Name: "gone", ID: "x"}, run.ContainerRequest{}, func(string) {})
	if failure.KindOf(err) != failure.Auth || !strings.Contains(err.Error(), "key of server gone is not on this machine") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile(k.file("odd"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.Dial(t.Context(), run.Container{Name: "odd", ID: "x"}, run.ContainerRequest{}, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Errorf("%v", err)
	}
}
