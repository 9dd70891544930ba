package signin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"chexp/experiments/failure"
)

func connectTo(t *testing.T, e entry, changes ...string) *Session {
	t.Helper()
	s, err := connect(t.Context(), Options{CloudsFile: file(t, e, changes...)})
	if err != nil {
		t.Fatalf("%v (%s)", err, failure.NextOf(err))
	}
	return s
}

// TestRealKeystone signs in to a Keystone that nobody here wrote.
func TestRealKeystone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a Keystone; -short")
	}
	chexp, err := filepath.Abs("../../../bin/chexp")
	if err != nil {
		t.Fatal(err)
	}
	clean(t)
	k := startKeystone(t)
	alice := connectTo(t, k.password())
	unrestricted := k.appCred(alice, "unrestricted", true, time.Time{})
	restricted := k.appCred(alice, "restricted", false, time.Time{})
	// What has to end by itself does so while the rest is tested.
	renewed := k.shortLived(t, unrestricted)
	short, expiring := k.expiring(t, alice)

	t.Run("each auth_type", func(t *testing.T) { k.eachAuthType(t, unrestricted, restricted) })
	t.Run("refusals", func(t *testing.T) { k.refusals(t, alice, unrestricted) })
	t.Run("the program", func(t *testing.T) { k.program(t, chexp, unrestricted, restricted) })
	t.Run("application credential ends", func(t *testing.T) { k.appCredEnds(t, alice, short, expiring) })
	t.Run("re-authentication", func(t *testing.T) { k.reauthentication(t, renewed) })
}

func (k *keystone) eachAuthType(t *testing.T, unrestricted, restricted entry) {
	access, _ := k.em.AccessToken()
	for name, c := range map[string]struct {
		entry  entry
		method string
	}{
		"password":     {k.password(), "password"},
		"unrestricted": {unrestricted, "application credential unrestricted, unrestricted"},
		"restricted":   {restricted, "application credential restricted, restricted"},
		"by name": {k.entry("v3applicationcredential", "application_credential_name", "unrestricted", "username",
			"alice", "user_domain_name", "chameleon",
			"application_credential_secret", unrestricted.auth["application_credential_secret"]), "application " +
			"credential unrestricted, unrestricted"},
		"token": {k.entry("v3token", "token", takenToken(t, k.password()), "project_name", "CHI-000001",
			"project_domain_name", "chameleon"), "token"},
		"token of an application credential": {k.entry("token", "token", takenToken(t, unrestricted)), "application " +
			"credential unrestricted, unrestricted"},
		"single sign-on": {k.singleSignOn(), "single sign-on, password"},
		"access token": {k.entry("v3oidcaccesstoken", "access_token", access, "identity_provider", "chameleon",
			"protocol", "openid",
			"project_name", "CHI-000001", "project_domain_name", "chameleon"), "single sign-on, access token"},
	} {
		t.Run(name, func(t *testing.T) {
			s := connectTo(t, c.entry)
			if d := s.Describe(); d["auth_method"] != c.method || d["project"] != "CHI-000001" ||
				!strings.HasPrefix(d["user"], "alice") {
				t.Errorf("%v", d)
			}
			if err := ask(t, s); err != nil {
				t.Error(err)
			}
			if w := strings.Join(s.Warnings(), "\n"); strings.Contains(w, "is restricted") != (name == "restricted") {
				t.Errorf("warnings %s", w)
			}
		})
	}
	t.Run("auth_url without /v3", func(t *testing.T) {
		connectTo(t, unrestricted, "auth_url",
			strings.TrimSuffix(k.url, "/v3"))
	})
}

// refusals: the sentences of testdata/signin.golden hold for the real answers.
func (k *keystone) refusals(t *testing.T, alice *Session, unrestricted entry) {
	deleted := k.appCred(alice, "deleted", true, time.Time{})
	k.deleteAppCred(alice, deleted)
	foreign := provider(t, 200, `{"access_token":"token-of-another"}`)
	for name, c := range map[string]struct {
		entry   entry
		changes []string
		words   []string
	}{
		"wrong secret": {unrestricted, []string{"application_credential_secret", "wr0ng"},
			[]string{"did not accept the application credential", "secret is wrong, or it has expired"}},
		"deleted": {deleted, nil, []string{"does not know the application credential", "it was deleted"}},
		"wrong password": {k.password(), []string{"password", "wr0ng"},
			[]string{"did not accept the user alice", "user domain"}},
		"unknown user": {k.password(), []string{"username", "nobody"}, []string{"did not accept the user nobody"}},
		"another's project": {k.password(), []string{"project_name", "CHI-000002"}, []string{"accepts the " +
			"user alice, but not for project CHI-000002", "yours are: CHI-000001"}},
		"unknown project": {k.password(), []string{"project_name", "CHI-999999"}, []string{"accepts the " +
			"user alice, but not for project CHI-999999"}},
		"no project": {k.password(), []string{"project_name", ""},
			[]string{"signed in at", "but for no project", "yours are: CHI-000001"}},
		"no token": {k.password(), []string{"auth_type", "token", "token", "gAAAAAnonsense"},
			[]string{"does not accept the token"}},
		"delegated token": {k.password(), []string{"auth_type", "token", "token", takenToken(t, unrestricted)},
			[]string{"does not exchange this token", "came from an application credential"}},
		"single sign-on, another's project": {k.singleSignOn(), []string{"project_name", "CHI-000002"},
			[]string{"accepts the " +
				"user alice@example.org, but not for project CHI-000002", "yours are: CHI-000001"}},
		"single sign-on, no project": {k.singleSignOn(), []string{"project_name", ""},
			[]string{"but for no project", "yours are: CHI-000001"}},
		"single sign-on, unknown to Keystone": {k.singleSignOn(), []string{"identity_provider", "google"},
			[]string{"knows no identity provider google"}},
		"single sign-on, token of another realm": {k.singleSignOn(), []string{"discovery_endpoint", foreign},
			[]string{"did not accept " +
				"the identity provider's access token"}},
		"single sign-on, unknown protocol": {k.singleSignOn(), []string{"protocol", "saml2"}, []string{"knows no " +
			"identity provider chameleon with protocol saml2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := connect(t.Context(), Options{CloudsFile: file(t, c.entry, c.changes...)})
			check(t, err, failure.Auth, c.words...)
		})
	}
}

// renewal is a session whose token lives for seconds.
type renewal struct {
	session *Session
	old     string // the token
}

// shortLived signs in by each method that can be renewed.
func (k *keystone) shortLived(t *testing.T, unrestricted entry) map[string]renewal {
	t.Helper()
	k.setTokenLife(shortLife)
	defer k.setTokenLife(longLife)
	all := map[string]renewal{}
	for name, e := range map[string]entry{
		"password": k.password(), "application credential": unrestricted, "single sign-on": k.singleSignOn(),
	} {
		s := connectTo(t, e)
		all[name] = renewal{s, s.Provider.Token()}
	}
	return all
}

// reauthentication: tokens end, and the work goes on; but a token itself cannot
// be renewed.
func (k *keystone) reauthentication(t *testing.T, sessions map[string]renewal) {
	given := takenToken(t, k.password())
	byToken := connectTo(t, k.password(), "auth_type", "token", "token", given)
	for _, id := range []string{given, byToken.Provider.Token()} {
		if err := tokens.Revoke(t.Context(), k.admin, id).Err; err != nil {
			t.Fatal(err)
		}
	}
	err := ask(t, byToken)
	check(t, err, failure.Auth, "cannot be renewed")
	_, err = connect(t.Context(), Options{CloudsFile: file(t, k.password(), "auth_type", "token", "token", given)})
	check(t, err, failure.Auth, "does not accept the token", "it has ended, was revoked")

	for name, r := range sessions {
		k.awaitEnd(t, name, r.old)
		if err := ask(t, r.session); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if r.session.Provider.Token() == r.old {
			t.Errorf("%s: the same token as before its end", name)
		}
	}
}

// expiring signs in with an application credential that is about to end; on a
// busy machine that takes longer.
func (k *keystone) expiring(t *testing.T, alice *Session) (entry, *Session) {
	t.Helper()
	for life := 4 * time.Second; ; life *= 3 {
		end := time.Now().Add(life).Truncate(time.Second)
		name := "for " + life.String()
		e := k.appCred(alice, name, true, end)
		s, err := connect(t.Context(), Options{CloudsFile: file(t, e)})
		if time.Now().After(end) && life < time.Minute {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if at, what := s.Ends(); !at.Equal(end) || what != "the application credential "+name {
			t.Errorf("%s ends at %v, want %v", what, at, end)
		}
		return e, s
	}
}

func (k *keystone) awaitEnd(t *testing.T, name, token string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for k.valid(ctx, token) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: the token does not end", name)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// appCredEnds: one expires and one is deleted in the middle of a run.
func (k *keystone) appCredEnds(t *testing.T, alice *Session, short entry, expiring *Session) {
	doomed := k.appCred(alice, "doomed", true, time.Time{})
	deleted := connectTo(t, doomed)
	if at, _ := deleted.Ends(); !at.IsZero() {
		t.Errorf("ends at %v", at)
	}
	k.deleteAppCred(alice, doomed)
	err := ask(t, deleted)
	check(t, err, failure.Auth, "the token has ended, and there is no other",
		"does not know the application credential", "it was deleted")
	k.awaitEnd(t, "short", expiring.Provider.Token())
	err = ask(t, expiring)
	check(t, err, failure.Auth, "the token has ended, and there is no other", "expired at", "lasts longer")
	_, err = connect(t.Context(), Options{CloudsFile: file(t, short)})
	check(t, err, failure.Auth, "did not accept the application credential", "has expired")
}

// program: the binary signs in by each method, too.
func (k *keystone) program(t *testing.T, chexp string, unrestricted, restricted entry) {
	if _, err := os.Stat(chexp); err != nil {
		t.Skip("no bin/chexp: run make build")
	}
	access, _ := k.em.AccessToken()
	for name, e := range map[string]entry{
		"password": k.password(), "unrestricted": unrestricted, "restricted": restricted,
		"single sign-on": k.singleSignOn(),
		"token": k.entry("v3token", "token", takenToken(t, k.password()), "project_name", "CHI-000001",
			"project_domain_name", "chameleon"),
		"access token": k.entry("v3oidcaccesstoken", "access_token", access, "identity_provider", "chameleon",
			"protocol", "openid",
			"project_name", "CHI-000001", "project_domain_name", "chameleon"),
	} {
		clouds := file(t, e)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), chexp, "device", "list", "-f", "json")
			cmd.Env = []string{"HOME=" + t.TempDir(), "OS_CLIENT_CONFIG_FILE=" + clouds, "OS_CLOUD=edge"}
			cmd.Dir = t.TempDir()
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil || strings.TrimSpace(string(out)) != "[]" {
				t.Errorf("%v: %s%s", err, out, stderr.String())
			}
			if said := fmt.Sprint(stderr.String(), string(out)); strings.Contains(said, "passw0rd") ||
				strings.Contains(said, "gAAAA") {
				t.Errorf("a secret in %s", said)
			}
		})
	}
}
