package signin

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/failure"
)

// OS_CLOUD=envvars is openstacksdk's name for the variables.
func TestEnvvarsIsTheVariables(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	openrc(t, entries[emulated])
	t.Setenv("OS_CLOUD", "envvars")
	s, err := connect(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if from := s.Describe()["credentials_from"]; from != "the OS_* environment variables" {
		t.Errorf("signed in from %s", from)
	}
	t.Setenv("OS_AUTH_URL", "")
	_, err = connect(t.Context(), Options{})
	check(t, err, failure.Auth, "environment variables", "OS_AUTH_URL")
}

// All settings may stand beside each other, without an auth: section.
func TestFlatClouds(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	nested, err := os.ReadFile(file(t, entries[emulated]))
	if err != nil {
		t.Fatal(err)
	}
	flat := strings.ReplaceAll(strings.Replace(string(nested), "    auth:\n", "", 1), "      ", "    ")
	if _, err := connect(t.Context(), Options{CloudsFile: write(t, "clouds.yaml", flat)}); err != nil {
		t.Errorf("%v in\n%s", err, flat)
	}
}

// secure.yaml is found wherever a clouds.yaml may lie, and where the variable
// says.
func TestSecureElsewhere(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	clouds := file(t, entries[emulated], "application_credential_secret", "")
	secret := "clouds:\n  edge:\n    auth:\n      application_credential_secret: " +
		entries[emulated].auth["application_credential_secret"] + "\n"
	home := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "openstack")
	if err := os.MkdirAll(home, 0o700); err != nil {
		t.Fatal(err)
	}
	usual, given := filepath.Join(home, "secure.yaml"), write(t, "other.yaml", secret)
	for _, place := range []string{usual, "secure.yaml"} {
		if err := os.WriteFile(place, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := connect(t.Context(), Options{CloudsFile: clouds})
		if err != nil {
			t.Fatalf("with %s: %v", place, err)
		}
		if from := s.Describe()["credentials_from"]; !strings.HasSuffix(from, " and "+place) {
			t.Errorf("with %s it says %s", place, from)
		}
		if err := os.Remove(place); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("OS_CLIENT_SECURE_FILE", given)
	if _, err := connect(t.Context(), Options{CloudsFile: clouds}); err != nil {
		t.Error(err)
	}
	t.Setenv("OS_CLIENT_SECURE_FILE", given+".none")
	_, err := connect(t.Context(), Options{CloudsFile: clouds})
	check(t, err, failure.Auth, given+".none")
}

// An auth_type in another spelling gets the right one, and no advice to make an
// application credential of which there is one.
func TestMisspeltAuthType(t *testing.T) {
	for typ, want := range map[string]string{
		"v3ApplicationCredential": byAppCred, "v3-application-credential": byAppCred,
		"v3applicationcredential ": byAppCred, "application_credential": byAppCred,
		"v3oidcacesstoken": byOIDCAccessToken, "pasword": "password", "v3samlpassword": "", "elephant": "",
	} {
		if got := meant(typ); got != want {
			t.Errorf("%q is taken for %q, want %q", typ, got, want)
		}
	}
	clean(t)
	_, entries := edge(t)
	_, err := connect(t.Context(), changed(emulated, "auth_type", "v3-application-credential")(t, nil, entries))
	check(t, err, failure.Auth, `"v3-application-credential"`, "auth_type: v3applicationcredential")
	if next := failure.NextOf(err); strings.Contains(next, "make an application credential") {
		t.Errorf("advice: %s", next)
	}
}

// A proxy that refuses is named, with what to do.
func TestProxyIsNamed(t *testing.T) {
	if os.Getenv("CHEXP_TEST_PROXY") != "" { // net/http reads the variables once in a process
		_, err := connect(t.Context(), Options{})
		t.Fatalf("%v\n%s", err, failure.NextOf(err))
	}
	proxy := page(t, 407, "")
	for scheme, at := range map[string]string{"http": proxy, "https": proxy, "https ": nobody(t)} {
		scheme = strings.TrimSpace(scheme)
		cmd := exec.Command(os.Args[0], "-test.run", "^TestProxyIsNamed$")
		cmd.Env = []string{"CHEXP_TEST_PROXY=1", scheme + "_proxy=" + at, "HOME=" + t.TempDir(),
			"OS_AUTH_URL=" + scheme + "://keystone.example:5000/v3", "OS_APPLICATION_CREDENTIAL_ID=1",
			"OS_APPLICATION_CREDENTIAL_SECRET=s3cret"}
		out, _ := cmd.CombinedOutput()
		said := "the proxy " + HostOf(at) + " does not lead to Keystone at keystone.example:5000"
		if !strings.Contains(string(out), said) || !strings.Contains(string(out), "NO_PROXY") {
			t.Errorf("%s through %s: %s", scheme, at, out)
		}
	}
}

// Certificates that nobody checks are warned of, with the setting's place.
func TestUncheckedCertificatesAreWarnedOf(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	for _, s := range []string{"verify: false", "insecure: 'True'"} {
		text, err := os.ReadFile(file(t, entries[emulated]))
		if err != nil {
			t.Fatal(err)
		}
		clouds := write(t, "clouds.yaml", strings.Replace(string(text), "    auth:", "    "+s+"\n    auth:", 1))
		session, err := connect(t.Context(), Options{CloudsFile: clouds})
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(session.Warnings(), "\n"); !strings.Contains(said,
			"certificates of the servers are not checked") {
			t.Errorf("%s: %s", s, said)
		}
	}
}
