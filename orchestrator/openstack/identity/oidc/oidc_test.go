package oidc_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"chexp/orchestrator/openstack/identity/oidc"
)

func (f *fake) client() *gophercloud.ProviderClient {
	f.t.Helper()
	c, err := openstack.NewClient(f.srv.URL + "/v3")
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

func (f *fake) source() oidc.Password {
	return oidc.Password{DiscoveryEndpoint: f.discovery(), ClientID: "keystone-edge", Username: "alice",
		Password: password}
}

func options(source oidc.TokenSource) oidc.AuthOptions {
	return oidc.AuthOptions{IdentityProvider: "chameleon", Protocol: "openid", Source: source,
		Scope: &gophercloud.AuthScope{ProjectID: "p1"}, AllowReauth: true}
}

// things asks the service in the catalog.
func things(ctx context.Context, c *gophercloud.ProviderClient) error {
	base, err := c.EndpointLocator(gophercloud.EndpointOpts{Type: "reservation", Region: "CHI@Edge",
		Availability: gophercloud.AvailabilityPublic})
	if err != nil {
		return err
	}
	_, err = c.Request(ctx, "GET", base+"things", &gophercloud.RequestOpts{})
	return err
}

func TestAuthenticate(t *testing.T) {
	for name, change := range map[string]func(*fake, *oidc.Password, *oidc.AuthOptions){
		"client_id in the form": func(*fake, *oidc.Password, *oidc.AuthOptions) {},
		"Basic": func(f *fake, p *oidc.Password, _ *oidc.AuthOptions) {
			f.basic, p.ClientSecret = true,
				"n@ne"
		},
		"no list of grants": func(f *fake, _ *oidc.Password, _ *oidc.AuthOptions) { f.grants = nil },
		"id_token": func(f *fake, p *oidc.Password, _ *oidc.AuthOptions) {
			f.field, p.AccessTokenType = "id_token", "id_token"
		},
		"another scope": func(f *fake, p *oidc.Password, _ *oidc.AuthOptions) { f.scope, p.Scope = "openid", "openid" },
		"no discovery": func(f *fake, p *oidc.Password, _ *oidc.AuthOptions) {
			p.DiscoveryEndpoint, p.TokenEndpoint = "", f.srv.URL+"/realms/r/token"
		},
		"project by name": func(_ *fake, _ *oidc.Password, o *oidc.AuthOptions) {
			o.Scope = &gophercloud.AuthScope{ProjectName: "CHI-1", DomainName: "chameleon"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			source := f.source()
			opts := options(nil)
			change(f, &source, &opts)
			opts.Source = source
			c := f.client()
			if err := oidc.AuthenticateV3(t.Context(), c, opts); err != nil {
				t.Fatal(err)
			}
			if err := things(t.Context(), c); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestWithoutProject(t *testing.T) {
	f := newFake(t)
	opts := options(f.source())
	opts.Scope = nil
	c := f.client()
	if err := oidc.AuthenticateV3(t.Context(), c, opts); err != nil {
		t.Fatal(err)
	}
	if c.Token() != unscoped || c.GetAuthResult() == nil {
		t.Errorf("token %q", c.Token())
	}
	if _, err := c.EndpointLocator(gophercloud.EndpointOpts{Type: "reservation",
		Availability: gophercloud.AvailabilityPublic}); err == nil {
		t.Error("an endpoint without a catalog")
	}
}

// The Keystone token ends: the next requests, several at once, must just work,
// after one more sign-in.
func TestReauthenticates(t *testing.T) {
	f := newFake(t)
	c := f.client()
	if err := oidc.AuthenticateV3(t.Context(), c, options(f.source())); err != nil {
		t.Fatal(err)
	}
	for round := 2; round <= 3; round++ {
		f.mu.Lock()
		f.tokens = map[string]bool{}
		f.mu.Unlock()
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := things(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		f.mu.Lock()
		if f.count != round {
			t.Errorf("%d grants, want %d", f.count, round)
		}
		f.mu.Unlock()
	}
}

func TestNoReauthUnlessAllowed(t *testing.T) {
	f := newFake(t)
	c := f.client()
	opts := options(f.source())
	opts.AllowReauth = false
	if err := oidc.AuthenticateV3(t.Context(), c, opts); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.tokens = map[string]bool{}
	f.mu.Unlock()
	if err := things(t.Context(), c); !gophercloud.ResponseCodeIs(err, 401) {
		t.Errorf("%v, want the 401", err)
	}
}

func TestReauthenticationFails(t *testing.T) {
	f := newFake(t)
	c := f.client()
	f.live = "given"
	if err := oidc.AuthenticateV3(t.Context(), c, options(oidc.Static("given"))); err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.tokens, f.live = map[string]bool{}, "another"
	f.mu.Unlock()
	err := things(t.Context(), c)
	var reauth *gophercloud.ErrUnableToReauthenticate
	if !errors.As(err, &reauth) {
		t.Fatalf("%v", err)
	}
	failed := check(t, reauth.ErrReauth, oidc.StepFederation, "")
	if failed.Status != 401 || !strings.Contains(failed.Error(), "requires authentication") {
		t.Errorf("%v", failed)
	}
}

// check wants an Error of this step, without secrets.
func check(t *testing.T, err error, step oidc.Step, contains string) *oidc.Error {
	t.Helper()
	var failed *oidc.Error
	if !errors.As(err, &failed) || failed.Step != step || !strings.Contains(err.Error(), contains) {
		t.Fatalf("%v, want %q with %q", err, step, contains)
	}
	for _, secret := range []string{"passw0rd", "t0ken", "n@ne"} {
		if strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, failed.Description), secret) {
			t.Errorf("a secret in %v", err)
		}
	}
	return failed
}

func TestFailures(t *testing.T) {
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + closed.Addr().String()
	closed.Close()
	at := func(path string, answer http.HandlerFunc) func(*fake) {
		return func(f *fake) {
			f.before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, path) {
					return false
				}
				answer(w, r)
				return true
			}
		}
	}
	say := func(status int, text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	for name, c := range map[string]struct {
		fake   func(*fake)
		source func(*oidc.Password)
		opts   func(*oidc.AuthOptions)
		step   oidc.Step
		is     error
		status int
		code   string
		words  string
	}{
		"discovery unreachable": {source: func(p *oidc.Password) { p.DiscoveryEndpoint = nobody + "/x?token=t0ken" },
			step: oidc.StepDiscovery, words: "refused"},
		"discovery insecure": {source: func(p *oidc.Password) { p.DiscoveryEndpoint = "http://192.0.2.1/x" },
			step: oidc.StepDiscovery, is: oidc.ErrInsecure},
		"discovery no address": {source: func(p *oidc.Password) { p.DiscoveryEndpoint = "idp\x00" },
			step: oidc.StepDiscovery, words: "not an address"},
		"discovery is a page": {fake: at("configuration", say(200, "<html>welcome</html>")),
			step: oidc.StepDiscovery, is: oidc.ErrNotJSON},
		"discovery not found": {fake: at("configuration", say(404, `{"error":"Realm does not exist"}`)),
			step: oidc.StepDiscovery, status: 404, words: "Realm does not exist"},
		"discovery endless": {fake: at("configuration", say(200, "{"+strings.Repeat(" ", 1<<20)+"}")),
			step: oidc.StepDiscovery, is: oidc.ErrTooLong},
		"discovery empty": {fake: at("configuration", say(200, "{}")), step: oidc.StepDiscovery,
			is: oidc.ErrNoTokenEndpoint},
		"grant not offered": {fake: func(f *fake) { f.grants = []string{"authorization_code"} },
			step: oidc.StepDiscovery, is: oidc.ErrGrantNotOffered},
		"token address insecure": {fake: at("configuration", say(200, `{"token_endpoint":"http://192.0.2.1/token"}`)),
			step: oidc.StepGrant, is: oidc.ErrInsecure},
		"wrong password": {source: func(p *oidc.Password) { p.Password = "wrong-passw0rd" }, step: oidc.StepGrant,
			status: 401, code: "invalid_grant", words: "Invalid user credentials"},
		"wrong client": {source: func(p *oidc.Password) { p.ClientID = "another" }, step: oidc.StepGrant, status: 401,
			code: "invalid_client"},
		"grant forbidden": {fake: at("/token",
			say(400,
				`{"error":"unauthorized_client","error_description":"Client not allowed for direct access grants"}`)),
			step: oidc.StepGrant, status: 400, code: "unauthorized_client", words: "direct access"},
		"echoed": {fake: at("/token", func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.WriteHeader(400)
			_, _ = fmt.Fprintf(w, `{"error":"bad\u001b[31m","error_description":%q}`, string(b)+" "+password)
		}), step: oidc.StepGrant, status: 400, words: "***"},
		"token page": {fake: at("/token", say(200, "<html>")), step: oidc.StepGrant, is: oidc.ErrNotJSON},
		"no token": {fake: at("/token", say(200, `{"id_token":"x"}`)), step: oidc.StepGrant,
			is: oidc.ErrNoAccessToken},
		"token with lines": {fake: at("/token", say(200, `{"access_token":"x\r\nX-Evil: 1"}`)), step: oidc.StepGrant,
			is: oidc.ErrNoAccessToken},
		"redirected": {fake: at("/token", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.example.org/token?x=t0ken", http.StatusTemporaryRedirect)
		}), step: oidc.StepGrant, status: 307, words: "to https://elsewhere.example.org/token"},
		"keystone says no": {fake: at("/auth", say(401, `{"error":{"message":"no"}}`)), step: oidc.StepFederation,
			status: 401, words: "no"},
		"keystone sends away": {fake: at("/auth", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://idp.example.org/login", http.StatusFound)
		}), step: oidc.StepFederation, status: 302, words: "to https://idp.example.org/login"},
		"keystone echoes": {fake: at("/auth", func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(400)
			_, _ = io.WriteString(w, r.Header.Get("Authorization"))
		}), step: oidc.StepFederation, status: 400, words: "Bearer ***"},
		"keystone without a token": {fake: at("/auth", say(201, `{"token":{}}`)), step: oidc.StepFederation,
			words: "no token"},
		"wrong project": {opts: func(o *oidc.AuthOptions) { o.Scope = &gophercloud.AuthScope{ProjectID: "p2"} },
			step: oidc.StepScope, status: 401},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			if c.fake != nil {
				c.fake(f)
			}
			source := f.source()
			if c.source != nil {
				c.source(&source)
			}
			opts := options(source)
			if c.opts != nil {
				c.opts(&opts)
			}
			client := f.client()
			err := oidc.AuthenticateV3(t.Context(), client, opts)
			failed := check(t, err, c.step, c.words)
			if failed.GetStatusCode() != c.status || failed.Code != c.code && c.code != "" {
				t.Errorf("status %d, code %q: %v", failed.Status, failed.Code, err)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%v, want %v", err, c.is)
			}
			if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) {
				t.Errorf("control characters in %q", err)
			}
			if client.Token() != "" {
				t.Error("a token is set")
			}
		})
	}
}

func TestMissingInput(t *testing.T) {
	f := newFake(t)
	for _, opts := range []oidc.AuthOptions{{Protocol: "p", Source: oidc.Static("x")},
		{IdentityProvider: "i", Source: oidc.Static("x")}, {IdentityProvider: "i", Protocol: "p"}} {
		var missing gophercloud.ErrMissingInput
		if err := oidc.AuthenticateV3(t.Context(), f.client(), opts); !errors.As(err, &missing) {
			t.Errorf("%v", err)
		}
	}
}

func TestInterrupted(t *testing.T) {
	f := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := oidc.AuthenticateV3(ctx, f.client(), options(f.source())); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// What holds a secret prints without it.
func TestPrintsNoSecret(t *testing.T) {
	source := oidc.Password{Username: "alice", Password: "passw0rd", ClientSecret: "secret"}
	static := oidc.Static("t0ken")
	token := oidc.AccessToken{Value: "t0ken"}
	for _, v := range []any{source, static, token, options(source), options(static)} {
		for _, verb := range []string{"%v", "%+v", "%s", "%#v"} {
			if s := fmt.Sprintf(verb, v); strings.Contains(s, "passw0rd") || strings.Contains(s, "t0ken") ||
				strings.Contains(s, "secret\"") {
				t.Errorf("%s of %T: %s", verb, v, s)
			}
		}
	}
}

// given gives access tokens that Keystone may or may not take.
type given struct {
	asked int
	next  func(n int) string
}

func (g *given) AccessToken(context.Context, *http.Client) (oidc.AccessToken, error) {
	g.asked++
	return oidc.AccessToken{Value: g.next(g.asked), Expires: time.Now().Add(time.Hour)}, nil
}

// A kept token that Keystone refuses before its time, as when a clock is
// wrong, is not given twice; a fresh one that it refuses is not repeated.
func TestKeptTokenIsRefused(t *testing.T) {
	f := newFake(t)
	f.live = "t1"
	source := &given{next: func(n int) string { return fmt.Sprintf("t%d", n) }}
	c := f.client()
	if err := oidc.AuthenticateV3(t.Context(), c, options(oidc.Cached(source))); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		live  string
		asked int
		fails bool
	}{{"t1", 1, false}, {"t2", 2, false}, {"t9", 3, true}, {"t9", 4, true}} {
		f.mu.Lock()
		f.live, f.tokens = step.live, map[string]bool{}
		f.mu.Unlock()
		if err := things(t.Context(), c); err != nil != step.fails || source.asked != step.asked {
			t.Errorf("%s: asked %d times, want %d: %v", step.live, source.asked, step.asked, err)
		}
	}
}
