package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/orchestrator/internal/store"
)

var when = time.Date(2026, 11, 30, 19, 22, 49, 0, time.UTC)

const id = "20261130t192242z-exp-abcd"

// content is a run's directory as it is after a run.
func content() map[string]string {
	return map[string]string{
		"experiment.yaml": "name: exp\n", "plan.json": "{}\n", "models.json": "{}\n", "journal.jsonl": "{\"a\":1}\n",
		"events.jsonl": "{\"e\":1}\n", "origins.jsonl": "\n{\"o\":1}\n", "attempts/1.json": "{}\n",
		"results/a.json": "one\n", "results/b.json": "two\n", "results/SHA256SUMS": "sums\n", "report.html": "<p>\n",
		"report.json": "{}\n", "devices/1/results/c.json": "three\n",
	}
}

func write(t *testing.T, r *store.Run, name, data string) {
	t.Helper()
	file := filepath.Join(r.Dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(data), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func sealed(t *testing.T) *store.Run {
	t.Helper()
	r := &store.Run{ID: id, Dir: filepath.Join(t.TempDir(), id)}
	if err := os.Mkdir(r.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	b := Begin(r)
	for name, data := range content() {
		write(t, r, name, data)
	}
	for _, name := range []string{".lock", ".ballast", "releaser.log", ".DS_Store", "results/._a.json"} {
		write(t, r, name, "x")
	}
	seal(t, b)
	if v := verify(t, r); v.Seals != 1 || len(v.Faults) > 0 || v.Open || v.Unavailable != "" {
		t.Fatalf("a run that was just sealed: %+v", v)
	}
	return r
}

func seal(t *testing.T, b Before) {
	t.Helper()
	if err := b.Seal(when); err != nil {
		t.Fatal(err)
	}
}

func verify(t *testing.T, r *store.Run) Verdict {
	t.Helper()
	v, err := Verify(r)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// wantFault wants exactly one fault.
func wantFault(t *testing.T, r *store.Run, how How, file string) {
	t.Helper()
	v := verify(t, r)
	if len(v.Faults) != 1 || v.Faults[0].How != how || v.Faults[0].File != file {
		t.Errorf("want %s %s; got %+v", how, file, v.Faults)
	}
	if err := v.Err(r, "do"); err == nil || !strings.Contains(err.Error(), string(how)+": "+file) {
		t.Errorf("the error is %v", err)
	}
}

func TestEachChangedMissingAndAddedFileIsNamed(t *testing.T) {
	for name, data := range content() {
		for _, bad := range []string{data + "x", data[:len(data)-1], "", strings.ToUpper(data) + "!"} {
			r := sealed(t)
			write(t, r, name, bad)
			if name == journal && strings.HasPrefix(bad, data) { // as when a chexp has begun to work in it
				if v := verify(t, r); !v.Open || len(v.Faults) > 0 {
					t.Errorf("a journal that has grown: %+v", v)
				}
				continue
			}
			wantFault(t, r, Changed, name)
		}
		r := sealed(t)
		if err := os.Remove(filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
		wantFault(t, r, Missing, name)
	}
	for _, name := range []string{"results/d.json", "notes.txt", ".hidden", "seals/notes", "devices/2/results/c.json"} {
		r := sealed(t)
		write(t, r, name, "x")
		wantFault(t, r, Added, name)
	}
	r := sealed(t)
	path := filepath.Join(r.Dir, "report.html")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", path); err != nil {
		t.Fatal(err)
	}
	wantFault(t, r, Changed, "report.html")
}

func TestSealsFollowEachOther(t *testing.T) {
	r := sealed(t)
	b := Begin(r)
	seal(t, b) // nothing is new
	if v := verify(t, r); v.Seals != 1 {
		t.Fatalf("%d seals of one state", v.Seals)
	}
	b = Begin(r) // a run that goes on: more of everything
	write(t, r, journal, content()[journal]+"{\"a\":2}\n")
	write(t, r, "results/e.json", "five\n")
	write(t, r, "results/SHA256SUMS", "more sums\n")
	write(t, r, "report.html", "<p>more\n")
	if v := verify(t, r); !v.Open || len(v.Faults) > 0 { // and is killed there
		t.Errorf("within a run that goes on: %+v", v)
	}
	write(t, r, "results/a.json", "edited\n")
	wantFault(t, r, Changed, "results/a.json") // what was measured before is judged all the same
	write(t, r, "results/a.json", content()["results/a.json"])
	seal(t, b)
	v := verify(t, r)
	if v.Seals != 2 || v.Open || len(v.Faults) > 0 || v.Last.Before == "" {
		t.Fatalf("after the second: %+v", v)
	}
	first := filepath.Join(r.Dir, "seals/1")
	data, err := os.ReadFile(first)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), "19:22:49", "19:22:48", 1)
	write(t, r, "seals/1", changed)
	wantFault(t, r, Changed, "seals/2") // one of the two
	write(t, r, "seals/1", string(data)+"\n")
	if v := verify(t, r); len(v.Faults) == 0 {
		t.Error("a seal with another line counts as one")
	}
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	wantFault(t, r, Missing, "seals/1")
}

// Work that adds nothing to the journal, as when reports are written again, leaves a sound run if it is killed.
func TestWorkThatIsKilledBeforeItSeals(t *testing.T) {
	r := sealed(t)
	Begin(r)
	write(t, r, "report.html", "<p>by a later version\n")
	write(t, r, "results/SHA256SUMS", "more sums\n")
	if v := verify(t, r); !v.Open || len(v.Faults) > 0 {
		t.Errorf("killed: %+v", v)
	}
	write(t, r, "results/a.json", "edited\n")
	wantFault(t, r, Changed, "results/a.json") // what was measured is judged all the same
	write(t, r, "results/a.json", content()["results/a.json"])
	for range 2 { // the second time nothing is new
		seal(t, Begin(r))
		if v := verify(t, r); v.Seals != 2 || v.Open || len(v.Faults) > 0 {
			t.Errorf("sealed: %+v", v)
		}
	}
	write(t, r, "seals/2", "no seal\n") // none can follow it, so none is promised
	seal(t, Begin(r))
	if v := verify(t, r); v.Open || len(v.Faults) == 0 {
		t.Errorf("with a broken seal: %+v", v)
	}
}

// Who writes the reports again, or goes on with the run, does not seal what somebody
// has changed before.
func TestWhatWasChangedIsNotSealedAnew(t *testing.T) {
	r := sealed(t)
	write(t, r, "results/a.json", "edited\n")
	write(t, r, "results/d.json", "invented\n")
	if err := os.Remove(filepath.Join(r.Dir, "results/b.json")); err != nil {
		t.Fatal(err)
	}
	b := Begin(r)
	write(t, r, journal, content()[journal]+"{\"a\":2}\n")
	write(t, r, "report.html", "<p>again\n")
	seal(t, b)
	v := verify(t, r)
	var got []string
	for _, f := range v.Faults {
		got = append(got, string(f.How)+" "+f.File)
	}
	want := []string{"changed results/a.json", "missing results/b.json", "added results/d.json"}
	if v.Seals != 2 || !slices.Equal(got, want) {
		t.Errorf("%d seals, %v", v.Seals, got)
	}
	b = Begin(r) // put right
	write(t, r, "results/a.json", content()["results/a.json"])
	write(t, r, "results/c.json", "by the program itself\n")
	if v, err := b.Still(); err != nil || v.Named() != "missing: results/b.json; added: results/d.json" {
		t.Errorf("still wrong: %s, %v", v.Named(), err)
	}
	write(t, r, "results/b.json", content()["results/b.json"])
	if err := os.Remove(filepath.Join(r.Dir, "results/d.json")); err != nil {
		t.Fatal(err)
	}
	seal(t, b)
	if v := verify(t, r); len(v.Faults) > 0 {
		t.Errorf("put right: %+v", v.Faults)
	}
}

func TestARunFromBeforeSealsIsUnavailable(t *testing.T) {
	r := &store.Run{ID: id, Dir: t.TempDir()}
	for name, data := range content() {
		write(t, r, name, data)
	}
	b := Begin(r)
	write(t, r, "report.html", "<p>again\n")
	seal(t, b) // nobody knows what happened to it before
	if v := verify(t, r); v.Unavailable == "" || v.Seals > 0 {
		t.Errorf("%+v", v)
	}
	b = Begin(r)
	write(t, r, journal, content()[journal]+"{\"a\":2}\n") // more was done
	seal(t, b)
	if v := verify(t, r); v.Unavailable != "" || v.Seals != 1 {
		t.Errorf("%+v", v)
	}
}

// Other people's tools read both: sha256sum the list, ssh-keygen the signature.
func TestSha256sumAndSshKeygenAgree(t *testing.T) {
	for _, tool := range []string{"sha256sum", "ssh-keygen"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not here: apt-get install coreutils openssh-client", tool)
		}
	}
	r := sealed(t)
	run := func(stdin, name string, args ...string) error {
		cmd := exec.Command(name, args...)
		cmd.Dir = r.Dir
		if stdin != "" {
			f, err := os.Open(filepath.Join(r.Dir, stdin))
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			cmd.Stdin = f
		}
		out, err := cmd.CombinedOutput()
		t.Logf("%s: %s", cmd, out)
		return err
	}
	if err := run("", "sha256sum", "--strict", "-c", "seals/1"); err != nil {
		t.Fatal(err)
	}
	keys := t.TempDir()
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		file := filepath.Join(keys, kind)
		if err := run("", "ssh-keygen", "-q", "-t", kind, "-N", "", "-f", file, "-C", "me"); err != nil {
			t.Fatal(err)
		}
		private, _ := os.ReadFile(file)
		key, err := ssh.ParsePrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		name, err := Sign(r, verify(t, r), key)
		if err != nil || name != "seals/1.sig" {
			t.Fatal(name, err)
		}
		public, _ := os.ReadFile(file + ".pub")
		allowed := filepath.Join(keys, kind+".allowed")
		if err := os.WriteFile(allowed, append([]byte("me@example.org "), public...), 0o600); err != nil {
			t.Fatal(err)
		}
		check := []string{"-Y", "verify", "-f", allowed, "-I", "me@example.org", "-n", "file", "-s", name}
		if err := run("seals/1", "ssh-keygen", check...); err != nil {
			t.Errorf("%s: ssh-keygen does not take our signature: %v", kind, err)
		}
		if err := run("plan.json", "ssh-keygen", check...); err == nil {
			t.Error("ssh-keygen takes it for another file's")
		}
		if v := verify(t, r); len(v.Signed) != 1 || ssh.FingerprintSHA256(v.Signed[0].Key) !=
			ssh.FingerprintSHA256(key.PublicKey()) {
			t.Errorf("%s: %+v", kind, v)
		}
		if err := run("", "ssh-keygen", "-q", "-Y", "sign", "-n", "file", "-f", file, "seals/1"); err != nil {
			t.Fatal(err)
		}
		if v := verify(t, r); len(v.Signed) != 1 || len(v.Faults) > 0 { // theirs
			t.Errorf("%s: %+v", kind, v)
		}
		if err := os.Remove(filepath.Join(r.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignaturesThatAreNone(t *testing.T) {
	r := sealed(t)
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	good, err := sign(key, verify(t, r).Last.bytes())
	if err != nil {
		t.Fatal(err)
	}
	other, err := sign(key, []byte("another text"))
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "x", string(other), string(good) + "x", strings.ToLower(string(good)),
		string(good[:len(good)/2])} {
		write(t, r, "seals/1.sig", bad)
		wantFault(t, r, Changed, "seals/1.sig")
	}
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	if key, err = ssh.NewSignerFromKey(weak); err != nil {
		t.Fatal(err)
	}
	if good, err = sign(key, verify(t, r).Last.bytes()); err != nil {
		t.Fatal(err)
	}
	write(t, r, "seals/1.sig", string(good))
	if v := verify(t, r); len(v.Signed) != 1 || len(v.Faults) > 0 {
		t.Errorf("%+v", v)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(Seal{N: 1, Run: "r", Time: when, Files: map[string]string{"a": strings.Repeat("ab", 32)},
		Grows: map[string]int64{"a": 3}}.bytes()))
	f.Add([]byte("# chexp seal 1 of run \n# time \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parse(data); err == nil && string(s.bytes()) != string(data) {
			t.Errorf("%q is read as %q", data, s.bytes())
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"))
	f.Fuzz(func(t *testing.T, armored []byte) {
		if key, err := check(armored, []byte("data")); err == nil {
			t.Errorf("%q is a signature by %v", armored, key)
		}
	})
}
