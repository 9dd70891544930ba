package chiedge

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/site"
)

func finding(t *testing.T, all []site.Answer, check string) site.Answer {
	t.Helper()
	for _, f := range all {
		if f.Check == check {
			return f
		}
	}
	t.Errorf("nothing was found about %s in %+v", check, all)
	return site.Answer{}
}

func TestExamine(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	all := s.Examine(t.Context())
	for check, want := range map[string]struct {
		state site.State
		words string
	}{
		"credential":          {site.OK, "unrestricted"},
		"catalogue":           {site.OK, "container, identity, network, reservation"},
		"clock":               {site.OK, "agrees"},
		"devices":             {site.OK, "1 of 1 raspberrypi4-64, 7 of 7 raspberrypi5"},
		"container service":   {site.OK, "containers of yours: 0"},
		"leases":              {site.OK, "yours: 0 live"},
		"allocation":          {site.Unknown, "portal"},
		"credential's end":    {site.Unknown, ""}, // this Keystone does not show it
		"floating IP quota":   {site.Unknown, ""},
		"network service":     {site.OK, "floating IPs of the project: 0"},
		"reservation service": {site.OK, c.host()},
	} {
		if f := finding(t, all, check); f.State != want.state || !strings.Contains(f.Detail, want.words) {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	for _, call := range c.calls { // signing in is the only POST
		if method, path, _ := strings.Cut(call, " "); method != "GET" && path != "/v3/auth/tokens" {
			t.Errorf("%s: something was changed", call)
		}
	}
}

func TestExamineTroubles(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	s.Session.Token.ExpiresAt = time.Now().Add(time.Hour)
	c.before = func(w http.ResponseWriter, r *http.Request) bool {
		switch {
		case strings.Contains(r.URL.Path, "/application_credentials/"):
			reply(w, 200, map[string]any{"application_credential": map[string]any{"id": "ac1", "name": "n",
				"unrestricted": true,
				"expires_at":   time.Now().UTC().Add(90 * time.Minute).Format("2006-01-02T15:04:05.000000")}})
		case strings.HasPrefix(r.URL.Path, "/v1/containers"):
			return status(503)(w)
		case strings.HasPrefix(r.URL.Path, "/v2.0/quotas/"):
			reply(w, 200, map[string]any{"quota": map[string]any{"floatingip": 2}})
		case r.URL.Path == "/v2.0/floatingips":
			reply(w, 200, map[string]any{"floatingips": []any{map[string]any{"id": "1"}, map[string]any{"id": "2"}}})
		case r.URL.Path == "/v1/devices/allocations":
			w.Header().Set("Date", time.Now().UTC().Add(-10*time.Minute).Format(http.TimeFormat))
			return false
		default:
			return false
		}
		return true
	}
	for _, d := range c.devices {
		d["reservable"] = false
	}
	all := s.Examine(t.Context())
	for check, want := range map[string]struct {
		state site.State
		words string
	}{
		"credential's end":  {site.Warning, "in 1 h 30 min"},
		"clock":             {site.Warning, "10m0s ahead of"},
		"devices":           {site.Failed, "this project can reserve none"},
		"container service": {site.Failed, "503"},
		"floating IP quota": {site.Warning, "all 2 in use"},
	} {
		f := finding(t, all, check)
		if f.State != want.state || !strings.Contains(f.Detail, want.words) || f.Next == "" {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	if f := finding(t, all, "container service"); f.Kind != failure.Cloud {
		t.Errorf("%+v", f)
	}
}

func TestSpeaks(t *testing.T) {
	for highest, want := range map[string]bool{"container 1.41": true, "container 1.40": false, "container 1.100": true,
		"": true, "container 1.5": false} {
		if speaks(highest, "1.41") != want {
			t.Errorf("%q", highest)
		}
	}
}
