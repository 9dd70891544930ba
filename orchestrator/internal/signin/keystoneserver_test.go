package signin

import (
	"bytes"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"chexp/orchestrator/internal/emulator"
)

// keystone is Debian's Keystone on loopback, set up as Chameleon's is in what
// users meet, and a reservation service that asks it about tokens.
type keystone struct {
	t     *testing.T
	dir   string
	port  int
	url   string // with /v3
	admin *gophercloud.ServiceClient
	em    *emulator.Emulator // only its identity provider
	idp   entry              // how to sign in with that
}

//go:embed testdata/keystone.py
var keystoneServer string

const (
	keystoneManage = "/usr/bin/keystone-manage" // only to see whether Keystone is here
	keystonePython = "/usr/bin/python3"         // the one that Debian's modules are for
	alicesPassword = "alices-passw0rd-at-the-real-one"
	adminPassword  = "admins-passw0rd"
	longLife       = time.Hour
	shortLife      = 5 * time.Second
)

// startKeystone takes about five seconds of the processor.
func startKeystone(t *testing.T) *keystone {
	t.Helper()
	if _, err := os.Stat(keystoneManage); err != nil {
		t.Skip("no Keystone on this machine: install Debian's python3-keystone")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	em, entries := edge(t)
	k := &keystone{t: t, em: em, idp: entries["oidc"], dir: t.TempDir(), port: freePort(t)}
	k.url = fmt.Sprintf("http://127.0.0.1:%d/v3", k.port)
	k.configure()
	k.serve(ctx)
	k.signInAdmin(ctx)
	k.populate()
	return k
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// configure writes keystone.conf and the keys. Chameleon's methods and its
// mapping of the issuer are those of [CIAB:kolla/node_custom_config/keystone.conf];
// passwords are hashed quickly. Keystone's cache is on, as on every real site:
// without it each look at a token takes a second of the processor.
func (k *keystone) configure() {
	k.t.Helper()
	conf := fmt.Sprintf(`[DEFAULT]
use_stderr = true
[database]
connection = sqlite:///%[1]s/keystone.db
[fernet_tokens]
key_repository = %[1]s/fernet
[fernet_receipts]
key_repository = %[1]s/fernet
[credential]
key_repository = %[1]s/credential
[auth]
methods = password,token,openid,external,application_credential
[federation]
remote_id_attribute = HTTP_OIDC_ISS
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
[token]
provider = fernet
expiration = 3600
`, k.dir)
	files := map[string]string{"keystone.conf": conf}
	for _, name := range []string{"fernet/0", "fernet/1", "credential/0", "credential/1"} {
		key := make([]byte, 32)
		if _, err := rand.Read(key); err != nil {
			k.t.Fatal(err)
		}
		files[name] = base64.URLEncoding.EncodeToString(key)
	}
	for name, text := range files {
		k.write(name, text)
	}
}

func (k *keystone) write(name, text string) (path string) {
	k.t.Helper()
	path = filepath.Join(k.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		k.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
	return path
}

// setTokenLife sets how long new tokens live; without it, an hour.
func (k *keystone) setTokenLife(d time.Duration) {
	k.t.Helper()
	resp, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/test/token-life/%d", k.port, int(d.Seconds())))
	if err != nil {
		k.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		k.t.Fatalf("the life of tokens: %s", resp.Status)
	}
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

// serve starts the server and waits until it answers.
func (k *keystone) serve(ctx context.Context) {
	k.t.Helper()
	script := k.write("serve.py", keystoneServer)
	userinfo := strings.Replace(k.em.DiscoveryURL(), "/.well-known/openid-configuration",
		"/protocol/openid-connect/userinfo", 1)
	cmd := exec.Command(keystonePython, script, fmt.Sprint(k.port), userinfo, adminPassword)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + k.dir, "LANG=C.UTF-8", "OS_KEYSTONE_CONFIG_DIR=" + k.dir}
	cmd.Dir = k.dir
	var log lockedBuffer
	cmd.Stdout, cmd.Stderr = &log, &log
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		k.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	k.t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Process.Kill()
		<-ended
		if k.t.Failed() {
			k.t.Logf("keystone said:\n%s", tail(log.bytes()))
		}
	})
	for {
		if resp, err := http.Get(k.url); err == nil {
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return
			}
		}
		select {
		case <-ended:
			k.t.Fatalf("keystone ended:\n%s", tail(log.bytes()))
		case <-ctx.Done():
			k.t.Fatalf("keystone does not answer:\n%s", tail(log.bytes()))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.b.Bytes())
}

func (k *keystone) signInAdmin(ctx context.Context) {
	k.t.Helper()
	provider, err := openstack.AuthenticatedClient(ctx, gophercloud.AuthOptions{IdentityEndpoint: k.url,
		Username: "admin", Password: adminPassword,
		DomainID: "default", TenantName: "admin", AllowReauth: true})
	if err == nil {
		k.admin, err = openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	}
	if err != nil {
		k.t.Fatal(err)
	}
}

// call is one administrative request; it returns the id of what it made.
func (k *keystone) call(method, path, kind string, body map[string]any) string {
	k.t.Helper()
	opts := &gophercloud.RequestOpts{OkCodes: []int{200, 201, 204}}
	var answer map[string]map[string]any
	if body != nil {
		opts.JSONBody, opts.JSONResponse = map[string]any{kind: body}, &answer
	}
	if _, err := k.admin.Request(k.t.Context(), method, k.admin.ServiceURL(path), opts); err != nil {
		k.t.Fatalf("%s %s: %v", method, path, err)
	}
	id, _ := answer[kind]["id"].(string)
	return id
}

// populate makes Chameleon's domain, two projects, of which alice is in the
// first, the services, and the federation with its mapping
// [CIAB:kolla/node_custom_config/keystone/idp_mapping.json].
func (k *keystone) populate() {
	k.t.Helper()
	domain := k.call("POST", "domains", "domain", map[string]any{"name": "chameleon"})
	ours := k.call("POST", "projects", "project", map[string]any{"name": "CHI-000001", "domain_id": domain})
	k.call("POST", "projects", "project", map[string]any{"name": "CHI-000002", "domain_id": domain})
	alice := k.call("POST", "users", "user", map[string]any{"name": "alice", "domain_id": domain,
		"password": alicesPassword})
	var roles struct{ Roles []struct{ ID string } }
	if _, err := k.admin.Request(k.t.Context(), "GET", k.admin.ServiceURL("roles")+"?name=member",
		&gophercloud.RequestOpts{JSONResponse: &roles}); err != nil || len(roles.Roles) != 1 {
		k.t.Fatalf("roles %v, %v", roles, err)
	}
	k.call("PUT", "projects/"+ours+"/users/"+alice+"/roles/"+roles.Roles[0].ID, "", nil)
	service := k.service()
	for typ, path := range map[string]string{"reservation": "/v1", "container": "/v1/"} {
		id := k.call("POST", "services", "service", map[string]any{"type": typ, "name": typ})
		k.call("POST", "endpoints", "endpoint", map[string]any{"service_id": id, "interface": "public",
			"region_id": "CHI@Edge", "url": service + path})
	}
	k.call("PUT", "OS-FEDERATION/identity_providers/chameleon", "identity_provider",
		map[string]any{"enabled": true, "remote_ids": []string{"emulator"}, "domain_id": domain})
	k.call("PUT", "OS-FEDERATION/mappings/chameleon", "mapping", map[string]any{"rules": []any{map[string]any{
		"remote": []any{map[string]any{"type": "OIDC-preferred_username"}},
		"local": []any{map[string]any{"user": map[string]any{"name": "{0}"}},
			map[string]any{"projects": []any{map[string]any{"name": "CHI-000001",
				"roles": []any{map[string]any{"name": "member"}}}}}},
	}}})
	k.call("PUT", "OS-FEDERATION/identity_providers/chameleon/protocols/openid", "protocol",
		map[string]any{"mapping_id": "chameleon"})
}

// service is a reservation service with nothing in it, which asks Keystone
// about each token, as keystonemiddleware does without a cache.
func (k *keystone) service() string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !k.valid(r.Context(), r.Header.Get("X-Auth-Token")) {
			reply(w, 401, map[string]any{"error": map[string]any{"code": 401, "title": "Unauthorized",
				"message": "The request you " +
					"have made requires authentication."}})
			return
		}
		list := map[string]string{"/v1/leases": "leases", "/v1/devices": "devices",
			"/v1/devices/allocations": "allocations"}[r.URL.Path]
		reply(w, 200, map[string]any{list: []any{}})
	}))
	k.t.Cleanup(srv.Close)
	return srv.URL
}

func (k *keystone) valid(ctx context.Context, token string) bool {
	ok, err := tokens.Validate(ctx, k.admin, token)
	return err == nil && ok && token != ""
}

// entry is how to sign in there; kv are settings.
func (k *keystone) entry(authType string, kv ...string) entry {
	e := entry{authType: authType, region: "CHI@Edge", auth: settings{"auth_url": k.url}}
	for i := 0; i < len(kv); i += 2 {
		e.auth[kv[i]] = kv[i+1]
	}
	return e
}

func (k *keystone) password() entry {
	return k.entry("password", "username", "alice", "password", alicesPassword, "user_domain_name", "chameleon",
		"project_name", "CHI-000001", "project_domain_name", "chameleon")
}

func (k *keystone) singleSignOn() entry {
	e := k.entry("v3oidcpassword")
	for name, value := range k.idp.auth {
		if name != "auth_url" {
			e.auth[name] = value
		}
	}
	return e
}

// appCred makes an application credential as alice and gives its entry.
func (k *keystone) appCred(s *Session, name string, unrestricted bool, expires time.Time) entry {
	k.t.Helper()
	body := map[string]any{"name": name, "unrestricted": unrestricted}
	if !expires.IsZero() {
		body["expires_at"] = expires.UTC().Format("2006-01-02T15:04:05Z")
	}
	var answer struct {
		AppCred struct{ ID, Secret string } `json:"application_credential"`
	}
	_, err := s.Provider.Request(k.t.Context(), "POST", k.url+"/users/"+s.Token.User.ID+"/application_credentials",
		&gophercloud.RequestOpts{JSONBody: map[string]any{"application_credential": body}, JSONResponse: &answer,
			OkCodes: []int{201}})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.entry("v3applicationcredential", "application_credential_id", answer.AppCred.ID,
		"application_credential_secret", answer.AppCred.Secret)
}

func (k *keystone) deleteAppCred(s *Session, e entry) {
	k.t.Helper()
	_, err := s.Provider.Request(k.t.Context(), "DELETE", k.url+"/users/"+s.Token.User.ID+"/application_credentials/"+
		e.auth["application_credential_id"],
		&gophercloud.RequestOpts{OkCodes: []int{204}})
	if err != nil {
		k.t.Fatal(err)
	}
}
