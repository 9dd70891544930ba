package openstack_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"

	"chexp/orchestrator/internal/recordings"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
	"chexp/orchestrator/openstack/reservation/v1/devices"
	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// exchange is one recorded request and its answer.
type exchange struct{ *recordings.Exchange }

// body undoes how bodies that are not JSON were written down.
func (x exchange) body(t *testing.T) []byte {
	t.Helper()
	var odd struct {
		Text   *string `json:"_text"`
		Base64 *string `json:"_base64"`
	}
	raw := x.Response.Body
	isJSON := false
	for _, h := range x.Response.Headers {
		isJSON = isJSON || strings.HasPrefix(strings.ToLower(h), "content-type: application/json")
	}
	if json.Unmarshal(raw, &odd) == nil {
		switch {
		case odd.Text != nil:
			return []byte(*odd.Text)
		case odd.Base64 != nil:
			b, err := base64.StdEncoding.DecodeString(*odd.Base64)
			if err != nil {
				t.Fatalf("%s: %v", x, err)
			}
			return b
		}
	}
	if string(raw) == "null" && !isJSON {
		return nil
	}
	// One long archive was cut after 400 digits of base64 when it was written
	// down.
	return bytes.ReplaceAll(raw, []byte(`...(shortened)"`), []byte(`"`))
}

// oldArchive: before microversion 1.25 archives are raw; we speak 1.41.
func (x exchange) oldArchive() bool {
	return strings.Contains(x.Request.Path, "/get_archive") && !slices.Contains(x.Request.Headers,
		"OpenStack-API-Version: container "+containers.Microversion)
}

func (x exchange) ServeHTTP(t *testing.T, w http.ResponseWriter) {
	for _, h := range x.Response.Headers {
		name, value, _ := strings.Cut(h, ": ")
		switch strings.ToLower(name) {
		case "content-length", "transfer-encoding", "connection", "content-encoding", "date":
		default:
			w.Header().Add(name, value)
		}
	}
	w.WriteHeader(x.Response.Status)
	_, _ = w.Write(x.body(t))
}

// notAsked are answers to requests that no client of ours makes, and why they cannot be
// given to one.
var notAsked = map[string]string{
	"baremetal/neutron/00-networks-limit": "its next page is on the recorder's machine",
	"baremetal/neutron/06-fip-list-limit": "its next page is on the recorder's machine",
	"baremetal/neutron/06-fip-tag":        "we set no tags",

	"baremetal/clients/go-16-server-list-01.nova": "its next page is on the recorder's machine",
	"baremetal/nova/15-list-detail-limit-1":       "its next page is on the recorder's machine",
	"baremetal/nova/23-return-reservation-id":     "we ask for the server, not for a reservation's id",
	"baremetal/glance/00-v2":                      "it leads to the recorder's machine",
	"baremetal/glance/07-download":                "it is an image",
}

// TestRecordedAnswers gives every recorded answer to the function of ours (or
// gophercloud's, for Neutron and Keystone) that makes such a request. A success
// must be read as one, a failure must become an error with a kind and words.
func TestRecordedAnswers(t *testing.T) {
	exchanges, err := recordings.Load()
	if err != nil {
		t.Fatal(err)
	}
	unread, read, all := 0, map[string]int{}, map[string]int{}
	for _, x := range exchanges {
		if notAsked[x.String()] != "" {
			unread++
			continue
		}
		all[x.Folder]++
		t.Run(x.String(), func(t *testing.T) {
			if replay(t, exchange{x}) {
				read[x.Folder]++
			}
		})
	}
	sumRead, sumAll := 0, 0
	for dir, n := range all {
		t.Logf("%-18s %3d of %3d read", dir, read[dir], n)
		sumRead, sumAll = sumRead+read[dir], sumAll+n
	}
	t.Logf("recorded answers read by our packages: %d of %d; %d are not ours to read", sumRead, sumAll, unread)
}

func replay(t *testing.T, x exchange) bool {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { x.ServeHTTP(t, w) }))
	defer srv.Close()
	err := ask(t.Context(), client(srv.URL), x)
	if x.Response.Status < 300 {
		if err != nil {
			t.Errorf("%s %s: %d was not read: %v", x.Request.Method, x.Request.Path, x.Response.Status, err)
		}
		return err == nil
	}
	return wellSaid(t, x, err)
}

// wellSaid checks an error for what a person will read of it.
func wellSaid(t *testing.T, x exchange, err error) bool {
	if err == nil {
		t.Errorf("%s %s: %d passed for a success", x.Request.Method, x.Request.Path, x.Response.Status)
		return false
	}
	e := apierror.From(err)
	// words, not the raw document
	ok := e.Status == x.Response.Status && e.Message != "" && !strings.Contains(e.Message, "\n") &&
		!strings.HasPrefix(e.Message, `{"`) && !strings.HasPrefix(e.Message, "<")
	// A list of versions, 300, is no failure that a service has words for.
	if e.Kind == apierror.Other && x.Response.Status >= 400 {
		ok = false
	}
	if strings.Contains(string(x.Response.Body), "error") && e.Service == "" &&
		x.Response.Status != http.StatusNotAcceptable &&
		!strings.HasPrefix(x.Request.Path, "/v3") {
		ok = false
	}
	if !ok {
		t.Errorf("%s %s: %d %.300s\nbecame %+v", x.Request.Method, x.Request.Path, x.Response.Status, x.Response.Body,
			*e)
	}
	return ok
}

func client(url string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: url + "/"}
}

// at is the client for a versioned service.
func at(c *gophercloud.ServiceClient, version string) *gophercloud.ServiceClient {
	return &gophercloud.ServiceClient{ProviderClient: c.ProviderClient, Endpoint: c.Endpoint + version}
}

// request is one, and the function that makes it.
type request struct {
	method, path string
	ask          func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error
}

// requests says which function makes which request. The first that matches
// counts.
var requests = []request{
	{"GET", `^/v1/leases$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := leases.List(at(c, "v1/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := leases.ExtractLeases(pages)
		for _, l := range all {
			err = firstError(err, whole(&l))
		}
		return firstError(err, holds(x, "leases", all))
	}},
	{"POST", `^/v1/leases$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		l, err := leases.Create(ctx, at(c, "v1/"), rawBody{}).Extract()
		if err != nil {
			return err
		}
		return firstError(whole(l), holds(x, "lease", l))
	}},
	{"GET", `^/v1/leases/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		l, err := leases.Get(ctx, at(c, "v1/"), "id").Extract()
		if err != nil {
			return err
		}
		return firstError(whole(l), holds(x, "lease", l))
	}},
	{"PUT", `^/v1/leases/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		l, err := leases.Update(ctx, at(c, "v1/"), "id", rawBody{}).Extract()
		if err != nil {
			return err
		}
		return firstError(whole(l), holds(x, "lease", l))
	}},
	{"DELETE", `^/v1/leases/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return leases.Delete(ctx, at(c, "v1/"), "id").ExtractErr()
	}},
	{"GET", `^/v1/leases/[^/]+/devices$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := leases.ListDevices(ctx, at(c, "v1/"), "id").Extract()
		return firstError(err, holds(x, "devices", all))
	}},
	{"GET", `^/v1/devices$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := devices.List(at(c, "v1/")).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := devices.ExtractDevices(pages)
		return firstError(err, holds(x, "devices", all))
	}},
	{"GET", `^/v1/devices/allocations$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := devices.ListAllocations(ctx, at(c, "v1/")).Extract()
		return firstError(err, holds(x, "allocations", all))
	}},
	{"GET", `^/v1/devices/properties$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		all, err := devices.ListProperties(ctx, at(c, "v1/")).Extract()
		return firstError(err, count(x, "resource_properties", len(all)))
	}},
	{"GET", `^/v1/devices/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := devices.Get(ctx, at(c, "v1/"), "id").Extract()
		return err
	}},
	{"GET", `^/v1/containers/?$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := containers.List(at(c, "v1/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := containers.ExtractContainers(pages)
		return firstError(err, holds(x, "containers", all))
	}},
	{"POST", `^/v1/containers/$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		k, err := containers.Create(ctx, at(c, "v1/"), rawBody{}).Extract()
		if err != nil {
			return err
		}
		return firstError(running(k), holds(x, "", k))
	}},
	{"GET", `^/v1/containers/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		k, err := containers.Get(ctx, at(c, "v1/"), "id").Extract()
		if err != nil {
			return err
		}
		return firstError(running(k), holds(x, "", k))
	}},
	{"DELETE", `^/v1/containers/[^/]+$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return containers.Delete(ctx, at(c, "v1/"), "id", containers.DeleteOpts{Stop: true}).ExtractErr()
	}},
	{"POST", `/execute$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := containers.Execute(ctx, at(c, "v1/"), "id", "true").Extract()
		return err
	}},
	{"POST", `/put_archive$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return containers.PutArchive(ctx, at(c, "v1/"), "id", "/tmp", nil).ExtractErr()
	}},
	{"GET", `/get_archive$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := containers.GetArchive(ctx, at(c, "v1/"), "id", "/tmp").Extract()
		return err
	}},
	{"GET", `/logs$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := containers.Logs(ctx, at(c, "v1/"), "id", containers.LogsOpts{}).Extract()
		return err
	}},
	{"POST", `/start$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return containers.Start(ctx, at(c, "v1/"), "id").ExtractErr()
	}},
	{"POST", `/stop$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return containers.Stop(ctx, at(c, "v1/"), "id", 10).ExtractErr()
	}},
	{"GET", `^/v2.0/floatingips$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := floatingips.List(at(c, "v2.0/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := floatingips.ExtractFloatingIPs(pages)
		return firstError(err, count(x, "floatingips", len(all)))
	}},
	{"POST", `^/v2.0/floatingips$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := floatingips.Create(ctx, at(c, "v2.0/"), floatingips.CreateOpts{FloatingNetworkID: "n"}).Extract()
		return err
	}},
	{"PUT", `^/v2.0/floatingips/`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		_, err := floatingips.Update(ctx, at(c, "v2.0/"), "id", floatingips.UpdateOpts{}).Extract()
		return err
	}},
	{"DELETE", `^/v2.0/floatingips/`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		return floatingips.Delete(ctx, at(c, "v2.0/"), "id").ExtractErr()
	}},
	{"GET", `^/v2.0/networks$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := networks.List(at(c, "v2.0/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := networks.ExtractNetworks(pages)
		return firstError(err, count(x, "networks", len(all)))
	}},
	{"GET", `^/v2.0/ports$`, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		pages, err := ports.List(at(c, "v2.0/"), nil).AllPages(ctx)
		if err != nil {
			return err
		}
		all, err := ports.ExtractPorts(pages)
		return firstError(err, count(x, "ports", len(all)))
	}},
	{"POST", `^/v3/auth/tokens$`, func(ctx context.Context, c *gophercloud.ServiceClient, _ exchange) error {
		opts := &tokens.AuthOptions{IdentityEndpoint: c.Endpoint, UserID: "u", Password: "p"}
		r := tokens.Create(ctx, at(c, "v3/"), opts)
		_, err := r.ExtractToken()
		return err
	}},
	// What nobody here asks for (versions, quotas, attach, top, rename, …):
	// the answer must at least be JSON, and its failures have words.
	{"", ``, func(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
		resp, err := c.ProviderClient.Request(ctx, x.Request.Method, strings.TrimSuffix(c.Endpoint, "/")+x.Request.Path,
			&gophercloud.RequestOpts{KeepResponseBody: true, OkCodes: []int{200, 201, 202, 204}})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err == nil && len(bytes.TrimSpace(b)) > 0 && !json.Valid(b) {
			err = fmt.Errorf("not JSON: %.100s", b)
		}
		return err
	}},
}

func ask(ctx context.Context, c *gophercloud.ServiceClient, x exchange) error {
	path, _, _ := strings.Cut(x.Request.Path, "?")
	for _, r := range slices.Concat(metalRequests, requests) {
		if r.method != "" && x.oldArchive() {
			continue
		}
		if (r.method == "" || r.method == x.Request.Method) && regexp.MustCompile(r.path).MatchString(path) {
			return r.ask(ctx, c, x)
		}
	}
	return fmt.Errorf("no function for %s %s", x.Request.Method, path)
}

// rawBody is a request body; what was asked does not matter to the answer.
type rawBody struct{}

func (rawBody) ToLeaseCreateMap() (map[string]any, error)     { return map[string]any{}, nil }
func (rawBody) ToLeaseUpdateMap() (map[string]any, error)     { return map[string]any{}, nil }
func (rawBody) ToContainerCreateMap() (map[string]any, error) { return map[string]any{}, nil }

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// whole checks that what a run needs of a lease was read.
func whole(l *leases.Lease) error {
	if l == nil {
		return nil
	}
	if l.ID == "" || l.Status == "" || l.UserID == "" || l.CreatedAt.IsZero() || !l.EndDate.After(l.StartDate) &&
		l.Status != "UPDATING" {
		return fmt.Errorf("half a lease: %+v", *l)
	}
	for _, r := range l.Reservations {
		if r.ID == "" || r.ResourceType == "" || r.Status == "" {
			return fmt.Errorf("half a reservation: %+v", r)
		}
	}
	for _, e := range l.Events {
		if e.Time.IsZero() || e.EventType == "" {
			return fmt.Errorf("half an event: %+v", e)
		}
	}
	return nil
}

func running(k *containers.Container) error {
	if k != nil && (k.UUID == "" || k.Name == "" || k.Status == "" || k.UserID == "") {
		return fmt.Errorf("half a container: %+v", *k)
	}
	if k != nil && k.Status == containers.StatusRunning && len(k.Addresses) == 0 {
		return fmt.Errorf("no address was read: %+v", *k)
	}
	return nil
}

// count compares with how many there were in the answer.
func count(x exchange, key string, got int) error {
	var body map[string]json.RawMessage
	var items []json.RawMessage
	if err := json.Unmarshal(x.Response.Body, &body); err != nil {
		return err
	}
	if err := json.Unmarshal(body[key], &items); err != nil {
		return err
	}
	if len(items) != got {
		return fmt.Errorf("%d of %d %s were read", got, len(items), key)
	}
	return nil
}
