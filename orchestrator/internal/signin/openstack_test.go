package signin

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
)

//go:embed testdata/openstack.py
var openstackAsks string

// beside is one case that chexp and Debian's openstack are given: the same
// files, directory and environment.
type beside struct {
	name  string
	files map[string]string // by path: project/ is where both are started, home/ is the user's
	env   string            // K=V, one a line
	// differs says why the two do not agree, where that is meant.
	differs string
}

// Signing in is held against the OpenStack command line, case by case: both
// succeed, or both refuse. testdata/openstack.golden is the table, with what
// chexp says. openstack's answers are those that `make conformance` got last: it
// takes half a second of the processor for each.
func TestAsOpenStackDoes(t *testing.T) {
	p := newPlaces(t)
	var all []asked
	var said []error
	for _, c := range asOpenStack {
		a := p.layOut(t, c)
		all = append(all, a)
		t.Run(c.name, func(t *testing.T) {
			clean(t)
			t.Setenv("XDG_CONFIG_HOME", "")
			for k, v := range a.Env {
				t.Setenv(k, v)
			}
			t.Chdir(a.Dir)
			_, err := connect(t.Context(), Options{})
			said = append(said, err)
		})
	}
	theirs := recorded(t, "testdata/openstack.golden")
	if os.Getenv("CHEXP_ASK_OPENSTACK") != "" {
		for i, answer := range askOpenStack(t, all) {
			theirs[asOpenStack[i].name] = yes(answer.Error == "")
			t.Logf("%s: openstack says %q", asOpenStack[i].name, answer.Error)
		}
	}
	var table strings.Builder
	fmt.Fprint(&table, "Who signs in: `openstack token issue` of Debian's python3-openstackclient, and chexp, with the "+
		"same files.\n`make conformance` asks both.\n\n")
	for i, c := range asOpenStack {
		ours := yes(said[i] == nil)
		fmt.Fprintf(&table, "%-60s openstack %-4s chexp %s\n", c.name, theirs[c.name], ours)
		if c.differs != "" {
			fmt.Fprintf(&table, "    on purpose: %s\n", c.differs)
		}
		if said[i] != nil {
			fmt.Fprintf(&table, "    %s\n    what to do: %s\n", p.plain(all[i], said[i].Error()),
				p.plain(all[i], failure.NextOf(said[i])))
		}
		if (theirs[c.name] == ours) == (c.differs != "") {
			t.Errorf("%s: openstack %s, chexp %s: %v", c.name, theirs[c.name], ours, said[i])
		}
	}
	golden(t, "openstack", table.String())
}

// asked is what openstack is started with.
type asked struct {
	Dir string            `json:"dir"`
	Env map[string]string `json:"env"`
}

// places are what stands for $NAME in the cases.
type places map[string]string

func newPlaces(t *testing.T) places {
	t.Helper()
	_, entries := edge(t)
	p := places{}
	for k, v := range entries[emulated].auth {
		p[strings.ToUpper(k)] = v
	}
	root := strings.TrimSuffix(p["AUTH_URL"], "/v3")
	p["ROOT"], p["HTML"], p["EMPTY"] = root, page(t, 200, "<html>hello"), page(t, 200, "")
	p["USER"], p["PASSWORD"] = entries["password"].auth["username"], entries["password"].auth["password"]
	p["TLS"], p["CAPEM"] = overTLS(t, root)
	p["CA"], p["OTHER"] = write(t, "ca.pem", p["CAPEM"]), write(t, "other.pem", otherCertificate(t))
	p["HTTPS"] = strings.Replace(p["AUTH_URL"], "http:", "https:", 1)
	p["PLAIN"] = strings.Replace(p["TLS"], "https:", "http:", 1)
	p["PROFILE"] = wellKnown(t, p["AUTH_URL"])
	return p
}

// layOut writes a case's files.
func (p places) layOut(t *testing.T, c beside) asked {
	t.Helper()
	dir := t.TempDir()
	fill := func(s string) string {
		return os.Expand(s, func(k string) string {
			if k == "DIR" {
				return dir
			}
			return p[k]
		})
	}
	a := asked{filepath.Join(dir, "project"), map[string]string{"HOME": filepath.Join(dir, "home"),
		"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}}
	files := map[string]string{"home/.profile": "", "project/README": ""}
	maps.Copy(files, c.files)
	for name, text := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(fill(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for kv := range strings.SplitSeq(fill(c.env), "\n") {
		if k, v, ok := strings.Cut(kv, "="); ok {
			a.Env[k] = v
		}
	}
	return a
}

// plain takes out what is different each time.
func (p places) plain(a asked, s string) string {
	s = strings.ReplaceAll(s, filepath.Dir(a.Dir), "DIR")
	s = strings.ReplaceAll(s, p["OTHER"], "other.pem")
	return plain(s)
}

func yes(ok bool) string {
	if ok {
		return "yes"
	}
	return "no"
}

// recorded are openstack's answers by the cases' names.
func recorded(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, line := range strings.Split(string(text), "\n") {
		if name, answer, ok := strings.Cut(line, " openstack "); ok && !strings.HasPrefix(line, " ") {
			all[strings.TrimSpace(name)], _, _ = strings.Cut(answer, " ")
		}
	}
	return all
}

type openstackAnswer struct{ Project, Error string }

func askOpenStack(t *testing.T, cases []asked) []openstackAnswer {
	t.Helper()
	in, err := json.Marshal(cases)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), keystonePython, "-c", openstackAsks)
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), &stderr
	out, err := cmd.Output()
	var answers []openstackAnswer
	if err != nil || json.Unmarshal(out, &answers) != nil || len(answers) != len(cases) {
		t.Fatalf("%v, %s %s", err, out, stderr.Bytes())
	}
	return answers
}

// overTLS is the Keystone at root by https, with a certificate of its own.
func overTLS(t *testing.T, root string) (address, certificate string) {
	t.Helper()
	to, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(httputil.NewSingleHostReverseProxy(to))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0) // of the handshakes that fail, as they shall
	srv.StartTLS()
	t.Cleanup(srv.Close)
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	return srv.URL + "/v3", string(cert)
}

// otherCertificate is one that nobody here has.
func otherCertificate(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	of := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, of, of, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// wellKnown serves a vendor's profile where the SDK looks for it.
func wellKnown(t *testing.T, authURL string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/.well-known/openstack/api" {
			http.NotFound(w, r)
			return
		}
		reply(w, 200, map[string]any{"name": "chi", "profile": map[string]any{
			"auth": map[string]any{"auth_url": authURL}, "regions": []string{"CHI@Edge"}}})
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}
