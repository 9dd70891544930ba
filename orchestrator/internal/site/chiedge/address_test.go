package chiedge

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"time"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

// A list of addresses that is not to be had keeps neither the address that this process
// has given to a container, nor the container.
func TestAnAddressIsGivenBackWithoutAList(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	d := newSSHD(t)
	c.exec, s.sshPort = d.exec, d.port
	s.ways.ssh = func(context.Context, sshexec.Config) (transport.Transport, error) { return nil, nil }
	req := bench()
	req.Transport = "ssh"
	k, err := s.Launch(t.Context(), req, quiet)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Dial(t.Context(), k, req, quiet); err != nil || len(c.fips) != 1 {
		t.Fatalf("%v, %d floating IPs", err, len(c.fips))
	}
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodGet || r.URL.Path != "/v2.0/floatingips" {
			return false
		}
		w.WriteHeader(http.StatusInternalServerError)
		return true
	}
	if err := s.Destroy(t.Context(), k.ID); err != nil || len(c.fips) != 0 || len(c.containers) != 0 {
		t.Errorf("%v; %d floating IPs and %d containers are left", err, len(c.fips), len(c.containers))
	}
}

// Neutron has one version: nobody waits for a list of them, or fails for it.
func TestNeutronIsNotAskedForItsVersions(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	if _, err := s.Own(t.Context(), run.AnAddress); err != nil {
		t.Fatal(err)
	}
	if slices.Contains(c.calls, "GET /") || c.count("GET /v2.0/floatingips") != 1 {
		t.Errorf("%v", c.calls)
	}
}

// Bookings that did not come are not waited for again in every phase of a run: it can
// do without them.
func TestBookingsThatDoNotComeAreWaitedForOnce(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	asked, next := 0, s.Session.Provider.HTTPClient.Transport
	s.Session.Provider.HTTPClient.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
		if r.URL.Path == "/v1/devices/allocations" {
			asked++
			return nil, &patient.Silent{Method: r.Method, Limit: time.Minute}
		}
		return next.RoundTrip(r)
	})
	for range 3 {
		if _, err := s.Devices(t.Context()); err == nil {
			t.Error("devices without bookings")
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// An answer that is no list, such as {}, says nothing about what there is: nobody makes
// a second thing, or calls one gone, for it.
func TestAnAnswerThatIsNoListIsNoEmptyOne(t *testing.T) {
	for _, body := range []string{"{}", "null", `{"leases": null, "containers": null, "floatingips": null}`} {
		c := newCloud(t)
		s := connect(t, c)
		c.before = func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(body))
			return true
		}
		for _, kind := range run.ThingKinds {
			if kind == run.AKeyPair { // a container has none
				continue
			}
			if own, err := s.Own(t.Context(), kind); err == nil {
				t.Errorf("%s: %s: %v", body, kind, own)
			}
		}
		if _, found, err := s.FindLease(t.Context(), "x"); err == nil {
			t.Errorf("%s: the lease is found: %v", body, found)
		}
		if _, found, err := s.FindContainer(t.Context(), "x"); err == nil {
			t.Errorf("%s: the container is found: %v", body, found)
		}
		if end, err := s.Session.AppCredEnd(t.Context()); err == nil {
			t.Errorf("%s: the credential ends at %s", body, end)
		}
	}
}
