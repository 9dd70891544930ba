package signin

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"chexp/experiments/failure"
	"chexp/orchestrator/openstack/apierror"
)

// echo answers with what it was sent, where fails says so.
type echo struct{ fails func(*http.Request) bool }

func (e echo) RoundTrip(req *http.Request) (*http.Response, error) {
	if !e.fails(req) {
		return http.DefaultTransport.RoundTrip(req)
	}
	var sent []byte
	if req.Body != nil {
		sent, _ = io.ReadAll(req.Body)
	}
	text := fmt.Sprintf("you sent %s with %s", req.Header, sent)
	return &http.Response{StatusCode: 400, Header: http.Header{"X-Openstack-Request-Id": {"req-" + text}},
		Body: io.NopCloser(strings.NewReader(text)), Request: req}, nil
}

// A service that repeats the request in its refusal gives no secret away: not
// the credential's at the sign-in, nor the token afterwards.
func TestServiceThatEchoesTheRequest(t *testing.T) {
	clean(t)
	_, entries := edge(t)
	for _, name := range []string{emulated, "password"} {
		e := entries[name]
		given := e.auth["application_credential_secret"] + e.auth["password"]
		all := echo{func(r *http.Request) bool { return r.Method == http.MethodPost }}
		_, err := connect(t.Context(), Options{CloudsFile: file(t, e), HTTP: all})
		said := fmt.Sprintf("%v %s %#v", err, failure.NextOf(err), apierror.From(err))
		if err == nil || strings.Contains(said, given) || !strings.Contains(said, "[secret]") {
			t.Errorf("%s: the sign-in says %s", name, said)
		}

		leases := echo{func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/leases") }}
		s, err := connect(t.Context(), Options{CloudsFile: file(t, e), HTTP: leases})
		if err != nil {
			t.Fatal(err)
		}
		err = ask(t, s)
		said = fmt.Sprintf("%v %+v", err, apierror.From(err))
		if token := s.Provider.Token(); err == nil || strings.Contains(said, token) || !strings.Contains(said, "[secret]") {
			t.Errorf("%s: a service says %s", name, said)
		}
	}
}
