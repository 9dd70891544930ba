package signin

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// ask makes a request that needs a good token, and words its failure as a site
// would.
func ask(t *testing.T, s *Session) error {
	t.Helper()
	opts := gophercloud.EndpointOpts{Type: "reservation", Region: s.Endpoints.Region,
		Availability: gophercloud.AvailabilityPublic}
	endpoint, err := s.Provider.EndpointLocator(opts)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Leases []any }
	_, err = s.Provider.Request(t.Context(), http.MethodGet, strings.TrimSuffix(endpoint, "/")+"/leases",
		&gophercloud.RequestOpts{JSONResponse: &answer})
	if refused := s.Refused(t.Context(), "listing the leases", err); refused != nil {
		return refused
	}
	return err
}

// clean takes the machine's own credentials out of the test's environment.
func clean(t *testing.T) {
	t.Helper()
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "OS_") ||
			strings.HasPrefix(name, "JUPYTERHUB_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("REQUESTS_CA_BUNDLE", "")
	t.Setenv("CURL_CA_BUNDLE", "")
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	t.Chdir(t.TempDir())
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// check wants a failure of this kind that says all the words, in its message
// or its advice, and no secret.
func check(t *testing.T, err error, kind failure.Kind, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	said := err.Error() + "\n" + failure.NextOf(err)
	if k := failure.KindOf(err); k != kind {
		t.Errorf("kind %d, want %d: %s", k, kind, said)
	}
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q is not in: %s", w, said)
		}
	}
	for _, secret := range []string{"s3cret", "wr0ng", "passw0rd", "token-"} {
		if strings.Contains(said, secret) {
			t.Errorf("a secret in: %s", said)
		}
	}
}

func reply(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Openstack-Request-Id", "req-c71edc63")
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// connect signs in where leases and containers are offered, as CHI@Edge does.
func connect(ctx context.Context, o Options) (*Session, error) {
	o.Needs = []Service{
		{Name: "reservation", Types: []string{"reservation"}},
		{Name: "container", Types: []string{"container", "application-container"}},
	}
	if o.Retry == nil {
		o.Retry = func() patient.Pace {
			return patient.Pace{Retries: 2, RetryFirst: time.Millisecond, RetryMost: 10 * time.Millisecond}
		}
	}
	return Connect(ctx, o)
}
