package leases_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/openstack/reservation/v1/leases"
)

// blazar answers one request with a recorded body and checks what was sent.
func blazar(t *testing.T, method, path, wantBody string, status int, file string) *gophercloud.ServiceClient {
	t.Helper()
	answer := []byte(`{}`)
	if file != "" {
		var err error
		if answer, err = os.ReadFile("testdata/" + file); err != nil {
			t.Fatal(err)
		}
	}
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = true
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if r.Method != method || r.URL.RequestURI() != path {
			t.Errorf("%s %s, want %s %s", r.Method, r.URL.RequestURI(), method, path)
		}
		if r.Header.Get("X-Auth-Token") != "t0ken" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("headers %v", r.Header)
		}
		if wantBody != "" {
			sameJSON(t, string(body), wantBody)
			// Blazar answers a body without Content-Length with 500.
			if len(r.TransferEncoding) > 0 || r.ContentLength != int64(len(body)) ||
				r.Header.Get("Content-Type") != "application/json" {
				t.Errorf("body of %d bytes sent as length %d, %v, %s", len(body), r.ContentLength, r.TransferEncoding,
					r.Header.Get("Content-Type"))
			}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write(answer)
	}))
	t.Cleanup(func() {
		srv.Close()
		if !asked {
			t.Error("nothing was asked")
		}
	})
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: "t0ken"},
		Endpoint: srv.URL + "/v1/"}
}

func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var g, w any
	if err := json.Unmarshal([]byte(got), &g); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &w); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(g, w) {
		t.Errorf("sent %s\nwant %s", got, want)
	}
}

func deviceLease() leases.CreateOpts {
	return leases.CreateOpts{
		Name:      "chexp-future",
		StartDate: time.Date(2026, 11, 24, 4, 0, 59, 0, time.UTC),
		EndDate:   time.Date(2026, 11, 24, 1, 0, 0, 0, time.FixedZone("EST", -5*3600)),
		Reservations: []leases.ReservationOpts{{
			ResourceType: "device", Min: 1, Max: 1, ResourceProperties: leases.Properties(
				leases.Equal("machine_name", "raspberrypi5")),
		}},
	}
}

func TestCreate(t *testing.T) {
	client := blazar(t, "POST", "/v1/leases",
		`{"name":"chexp-future","start_date":"2026-11-24 04:00","end_date":"2026-11-24 06:00",
		"reservations":[{"resource_type":"device","min":1,"max":1,
			"resource_properties":"[\"==\",\"$machine_name\",\"raspberrypi5\"]"}],
		"events":[]}`,
		201, "lease.json")
	l, err := leases.Create(t.Context(), client, deviceLease()).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if l.ID != "ebad754f-f7c5-4754-9332-492029a91e20" || l.Status != leases.StatusPending ||
		l.UserID != "2187b09cc2d64fa1bc5cca8bba7bf4b9" {
		t.Errorf("%+v", l)
	}
	if len(l.Reservations) != 1 || l.Reservations[0].ID != "598bdea0-0b64-4a8a-9af4-91fd6c967ea6" ||
		l.Reservations[0].Status != "pending" || l.Reservations[0].Min != 1 {
		t.Errorf("reservations %+v", l.Reservations)
	}
	// Both formats of time, and the null of an event that never happened.
	for name, c := range map[string]struct{ got, want time.Time }{
		"start":   {l.StartDate, time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)},
		"end":     {l.EndDate, time.Date(2026, 11, 24, 6, 0, 0, 0, time.UTC)},
		"created": {l.CreatedAt, time.Date(2026, 11, 23, 4, 44, 1, 945348000, time.UTC)},
		"updated": {l.UpdatedAt, time.Date(2026, 11, 23, 4, 44, 2, 435122000, time.UTC)},
		"event":   {l.Events[2].Time, time.Date(2026, 11, 24, 5, 0, 0, 0, time.UTC)},
	} {
		if !c.got.Equal(c.want) {
			t.Errorf("%s is %s, want %s", name, c.got, c.want)
		}
	}
}

func TestCreateNow(t *testing.T) {
	opts := deviceLease()
	opts.StartDate = time.Time{}
	b, err := opts.ToLeaseCreateMap()
	if err != nil || b["start_date"] != "now" {
		t.Errorf("%v, %v", b, err)
	}
}

// What Blazar would take, and make a useless lease of, is not sent.
func TestCreateRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*leases.CreateOpts){
		"no name":         func(o *leases.CreateOpts) { o.Name = "" },
		"no end":          func(o *leases.CreateOpts) { o.EndDate = time.Time{} },
		"no reservations": func(o *leases.CreateOpts) { o.Reservations = nil },
		"no type":         func(o *leases.CreateOpts) { o.Reservations[0].ResourceType = "" },
		"none":            func(o *leases.CreateOpts) { o.Reservations[0].Min = 0 },
		"min over max":    func(o *leases.CreateOpts) { o.Reservations[0].Min = 2 },
	} {
		opts := deviceLease()
		spoil(&opts)
		if _, err := leases.Create(t.Context(), nil, opts).Extract(); err == nil {
			t.Errorf("%s was sent", name)
		}
	}
}

func TestProperties(t *testing.T) {
	for want, terms := range map[string][]leases.Term{
		``:                      nil,
		`["==","$name","a\"b"]`: {leases.Equal("name", `a"b`)},
		`["and",["==","$machine_name","raspberrypi5"],["!=","$uid","x"]]`: {
			leases.Equal("machine_name", "raspberrypi5"), {"!=", "$uid", "x"}},
	} {
		if got := leases.Properties(terms...); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestGetAndList(t *testing.T) {
	l, err := leases.Get(t.Context(), blazar(t, "GET", "/v1/leases/a%2Fb", "", 200, "lease.json"), "a/b").Extract()
	if err != nil || l.Name != "chexp-future" {
		t.Errorf("%+v, %v", l, err)
	}
	pages, err := leases.List(blazar(t, "GET", "/v1/leases", "", 200, "leases.json"),
		leases.ListOpts{}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := leases.ExtractLeases(pages)
	if err != nil || len(all) != 2 || all[0].Status != leases.StatusActive || !all[1].UpdatedAt.IsZero() ||
		all[1].Status != leases.StatusError {
		t.Errorf("%+v, %v", all, err)
	}
}

func TestGetOfSomethingElse(t *testing.T) {
	if l, err := leases.Get(t.Context(), blazar(t, "GET", "/v1/leases/x", "", 200, ""), "x").Extract(); err == nil {
		t.Errorf("{} became %+v", l)
	}
}

func TestUpdate(t *testing.T) {
	client := blazar(t, "PUT", "/v1/leases/x", `{"end_date":"2026-11-24 08:00"}`, 200, "lease.json")
	if _, err := leases.Update(t.Context(), client, "x", leases.UpdateOpts{
		EndDate: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)}).Extract(); err != nil {
		t.Error(err)
	}
	client = blazar(t, "PUT", "/v1/leases/x", `{"name":"n","end_date":"now"}`, 200, "lease.json")
	opts := leases.UpdateOpts{Name: "n", EndNow: true}
	if _, err := leases.Update(t.Context(), client, "x", opts).Extract(); err != nil {
		t.Error(err)
	}
	for _, opts := range []leases.UpdateOpts{
		{}, {EndNow: true, EndDate: time.Now()}, {Reservations: []leases.ReservationOpts{{Min: 1, Max: 1}}},
	} {
		if _, err := leases.Update(t.Context(), nil, "x", opts).Extract(); err == nil {
			t.Errorf("%+v was sent", opts)
		}
	}
}

func TestDelete(t *testing.T) {
	client := blazar(t, "DELETE", "/v1/leases/x", "", 200, "")
	if err := leases.Delete(t.Context(), client, "x").ExtractErr(); err != nil {
		t.Error(err)
	}
}

func TestListDevices(t *testing.T) {
	client := blazar(t, "GET", "/v1/leases/x/devices", "", 200, "lease-devices.json")
	d, err := leases.ListDevices(t.Context(), client, "x").Extract()
	if err != nil || len(d) != 1 || d[0].Name != "nyu-rpi5-01" || d[0].ID != "f1be91ce-a037-46e7-8171-51cd718727b9" {
		t.Errorf("%+v, %v", d, err)
	}
}
