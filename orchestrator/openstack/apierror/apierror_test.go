package apierror_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/openstack/apierror"
)

// recorded is one file of testdata, played back through gophercloud.
func recorded(t *testing.T, file string) error {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, answer, ok := strings.Cut(string(b), "\n\n")
	method, path, ok2 := strings.Cut(head, " ")
	if !ok || !ok2 {
		t.Fatalf("%s has no request line", file)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(answer)), r)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			return
		}
		for k, v := range resp.Header {
			w.Header()[k] = v
		}
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer srv.Close()
	provider := &gophercloud.ProviderClient{}
	provider.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	_, err = provider.Request(context.Background(), method, srv.URL+path,
		&gophercloud.RequestOpts{OkCodes: []int{200, 201, 202, 204}})
	return err
}

func TestRecordedAnswers(t *testing.T) {
	cases := []struct {
		file    string
		kind    apierror.Kind
		status  int
		service string
		words   string // in the message
	}{
		{"keystone-wrong-secret", apierror.Unauthorized, 401, "identity", "requires authentication"},
		{"keystone-appcred-deleted", apierror.CredentialUnknown, 404, "identity",
			"Could not find Application Credential"},
		{"keystone-appcred-with-scope", apierror.Unauthorized, 401, "identity", "cannot request a scope"},
		{"keystone-no-such-path", apierror.NoRoute, 404, "", "404 Not Found"},
		{"keystone-method", apierror.Invalid, 405, "", "not allowed"},
		{"blazar-token-expired", apierror.Unauthorized, 401, "reservation", "requires authentication"},
		{"blazar-not-enough", apierror.NoDeviceFree, 500, "reservation", "Not enough resources available"},
		{"blazar-not-enough-hosts", apierror.NoDeviceFree, 500, "reservation", "Not enough hosts available"},
		{"blazar-bare-500", apierror.CredentialRestricted, 500, "reservation", "Internal Server Error"},
		{"blazar-bare-500-on-read", apierror.ServerFault, 500, "reservation", "Internal Server Error"},
		{"blazar-lease-unknown", apierror.NotFound, 404, "reservation", "not found"},
		{"blazar-no-such-path", apierror.NoRoute, 404, "reservation", "requested URL was not found"},
		{"blazar-iso-date", apierror.Invalid, 400, "reservation", "invalid date"},
		{"blazar-unknown-property", apierror.Invalid, 500, "reservation", "colour"},
		{"blazar-unknown-type", apierror.Invalid, 500, "reservation", "toaster"},
		{"blazar-policy", apierror.Forbidden, 403, "reservation", "Policy"},
		{"blazar-too-long", apierror.LeaseTooLong, 403, "reservation", "604800"},
		{"blazar-extension-400", apierror.ExtensionRefused, 400, "reservation", "172800"},
		{"blazar-extension-403", apierror.ExtensionRefused, 403, "reservation", "172800"},
		{"blazar-allocation", apierror.QuotaExceeded, 400, "reservation", "SUs"},
		{"blazar-enforcement", apierror.QuotaExceeded, 400, "reservation", "denied"},
		{"blazar-transition", apierror.Busy, 500, "reservation", "Invalid lease status"},
		{"blazar-microversion", apierror.Invalid, 406, "reservation", "9.9"},
		{"blazar-bad-json", apierror.ServerFault, 500, "reservation", "internal error"},
		{"zun-gone", apierror.NotFound, 404, "container", "could not be found"},
		{"zun-wrong-state", apierror.Conflict, 409, "container", "in Running state"},
		{"zun-two-names", apierror.Conflict, 409, "container", "same name"},
		{"zun-hidden-500", apierror.ServerFault, 500, "container", "Error Correlation id"},
		{"zun-empty-500", apierror.ServerFault, 500, "", "Internal Server Error"},
		{"zun-other-service", apierror.Invalid, 406, "container", "Invalid service type"},
		{"zun-schema", apierror.Invalid, 400, "container", "colour"},
		{"zun-privileged", apierror.Forbidden, 403, "container", "Policy"},
		{"zun-quota", apierror.QuotaExceeded, 403, "container", "Quota"},
		{"zun-archive-of-stopped", apierror.Conflict, 404, "container", "could not be found"},
		{"zun-token", apierror.Unauthorized, 401, "container", "requires authentication"},
		{"neutron-pool-empty", apierror.NoAddressFree, 409, "network", "No more IP addresses"},
		{"neutron-quota", apierror.QuotaExceeded, 409, "network", "Quota"},
		{"neutron-no-such-path", apierror.NoRoute, 404, "network", "could not be found"},
		{"neutron-gone", apierror.NotFound, 404, "network", "could not be found"},
		{"neutron-port-taken", apierror.Conflict, 409, "network", "already has a floating IP"},
		{"neutron-token", apierror.Unauthorized, 401, "network", "requires authentication"},
		{"proxy-bad-gateway", apierror.Transient, 502, "", "502 Bad Gateway"},
		{"proxy-unavailable", apierror.Transient, 503, "", "503 Service Unavailable"},
		{"proxy-timeout", apierror.Transient, 504, "", "504 Gateway Time-out"},
		{"proxy-404", apierror.NoRoute, 404, "", "404 Not Found"},
		{"redirect", apierror.Other, 302, "", "Found"},
		{"hostile", apierror.Conflict, 409, "container", "owned red"},
	}
	seen := map[string]bool{}
	for _, c := range cases {
		file := filepath.Join("testdata", c.file+".http")
		seen[file] = true
		t.Run(c.file, func(t *testing.T) {
			e := apierror.From(fmt.Errorf("while testing: %w", recorded(t, file)))
			if e == nil {
				t.Fatal("no error")
			}
			if e.Kind != c.kind || e.Status != c.status || e.Service != c.service {
				t.Errorf("kind %s, status %d, service %q; want %s, %d, %q", e.Kind, e.Status, e.Service, c.kind,
					c.status, c.service)
			}
			if !strings.Contains(e.Message, c.words) {
				t.Errorf("message %q lacks %q", e.Message, c.words)
			}
			if strings.IndexFunc(e.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) >= 0 {
				t.Errorf("%q is not one printable line", e.Error())
			}
			if !apierror.Is(e, c.kind) {
				t.Error("Is says no")
			}
		})
	}
	files, err := filepath.Glob("testdata/*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, f := range files {
		if !seen[f] {
			t.Errorf("%s is in no test", f)
		}
	}
}

// Whether a creation may have happened, and whether to look again, per kind.
func TestAmbiguousAndTemporary(t *testing.T) {
	cases := []struct {
		file                 string
		ambiguous, temporary bool
	}{
		{"blazar-not-enough", false, false},
		{"blazar-bare-500", true, false},
		{"blazar-too-long", false, false},
		{"blazar-transition", false, true},
		{"proxy-bad-gateway", true, true},
		{"zun-hidden-500", true, true},
		{"zun-gone", false, false},
		{"keystone-wrong-secret", false, false},
	}
	for _, c := range cases {
		e := apierror.From(recorded(t, filepath.Join("testdata", c.file+".http")))
		if e.Ambiguous() != c.ambiguous || e.Temporary() != c.temporary {
			t.Errorf("%s: ambiguous %t, temporary %t; want %t, %t", c.file, e.Ambiguous(), e.Temporary(), c.ambiguous,
				c.temporary)
		}
	}
}

func TestRequestID(t *testing.T) {
	e := apierror.From(recorded(t, "testdata/blazar-bare-500.http"))
	if !strings.HasPrefix(e.RequestID, "req-") || !strings.Contains(e.Error(), e.RequestID) {
		t.Errorf("request id %q is not in %q", e.RequestID, e.Error())
	}
}

func TestLongMessageIsCut(t *testing.T) {
	body := []byte(`{"errors":[{"code":"container.x","detail":"` + strings.Repeat("é", 5000) + `"}]}`)
	e := apierror.From(gophercloud.ErrUnexpectedResponseCode{Actual: 409, URL: "http://h/v1/containers", Body: body})
	if n := len([]rune(e.Message)); n > 401 || n < 100 {
		t.Errorf("message of %d runes", n)
	}
	e = apierror.From(gophercloud.ErrUnexpectedResponseCode{Actual: 500, URL: "http://h/v1/containers",
		Body: bytes.Repeat([]byte("<p>x</p>"), 1<<20)})
	if n := len([]rune(e.Message)); n > 401 {
		t.Errorf("message of %d runes from HTML", n)
	}
}

func TestNoAnswer(t *testing.T) {
	get := func(ctx context.Context, url string) error {
		_, err := (&gophercloud.ProviderClient{}).Request(ctx, "GET", url,
			&gophercloud.RequestOpts{JSONResponse: new(any)})
		return err
	}
	hangUp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.Close()
	}))
	defer hangUp.Close()
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, `{"lease": {"id": `)
	}))
	defer half.Close()
	tls := httptest.NewTLSServer(http.NotFoundHandler())
	defer tls.Close()
	tls.Config.ErrorLog = nil
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + free.Addr().String()
	free.Close()
	canceled, cancel := context.WithCancel(context.Background())
	cancel()

	for _, c := range []struct {
		name string
		err  error
		kind apierror.Kind
	}{
		{"hung up", get(t.Context(), hangUp.URL), apierror.Lost},
		{"half an answer", get(t.Context(), half.URL), apierror.Lost},
		{"nobody listens", get(t.Context(), nobody), apierror.Unreachable},
		{"unknown certificate", get(t.Context(), tls.URL), apierror.Unreachable},
		{"canceled", get(canceled, hangUp.URL), apierror.Canceled},
		{"refused by gophercloud", gophercloud.ErrMissingInput{Argument: "Name"}, apierror.Invalid},
	} {
		if e := apierror.From(c.err); e == nil || e.Kind != c.kind {
			t.Errorf("%s: %v, want %s", c.name, e, c.kind)
		}
	}
	if apierror.From(nil) != nil {
		t.Error("nil became an error")
	}
}

// A token that cannot be renewed is told by what Keystone said to the renewal.
func TestReauthentication(t *testing.T) {
	err := &gophercloud.ErrUnableToReauthenticate{
		ErrOriginal: recorded(t, "testdata/blazar-token-expired.http"),
		ErrReauth:   recorded(t, "testdata/keystone-appcred-deleted.http"),
	}
	e := apierror.From(err)
	if e.Kind != apierror.CredentialUnknown || !strings.Contains(e.Message, "Could not find Application Credential") {
		t.Errorf("%s: %v", e.Kind, e)
	}
	if !errors.As(e, new(*gophercloud.ErrUnableToReauthenticate)) {
		t.Error("the cause is lost")
	}
}

// idp is an error with a status that gophercloud did not make.
type idp int

func (i idp) Error() string      { return "identity provider" }
func (i idp) GetStatusCode() int { return int(i) }

// A request whose token could not be renewed was not carried out.
func TestReauthenticationLeavesNothingBehind(t *testing.T) {
	for _, c := range []struct {
		cause error
		kind  apierror.Kind
	}{
		{idp(400), apierror.Unauthorized},
		{idp(401), apierror.Unauthorized},
		{idp(503), apierror.Transient},
		{idp(0), apierror.Unreachable},
		{io.ErrUnexpectedEOF, apierror.Unreachable},
		{context.Canceled, apierror.Canceled},
	} {
		e := apierror.From(fmt.Errorf("x: %w", &gophercloud.ErrUnableToReauthenticate{ErrOriginal: errors.New("401"),
			ErrReauth: c.cause}))
		if e.Kind != c.kind {
			t.Errorf("%v: %s, want %s", c.cause, e.Kind, c.kind)
		}
	}
}
