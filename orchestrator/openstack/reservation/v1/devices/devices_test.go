package devices_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/openstack/reservation/v1/devices"
)

// blazar answers a GET of one path with a recorded body.
func blazar(t *testing.T, path, file string) *gophercloud.ServiceClient {
	t.Helper()
	answer, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "GET" || r.URL.RequestURI() != path {
			t.Errorf("%s %s, want GET %s", r.Method, r.URL.RequestURI(), path)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(srv.Close)
	return &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{TokenID: "t0ken"},
		Endpoint: srv.URL + "/v1/"}
}

func TestList(t *testing.T) {
	pages, err := devices.List(blazar(t, "/v1/devices", "devices.json")).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := devices.ExtractDevices(pages)
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	d := all[0]
	if d.ID != "f1be91ce-a037-46e7-8171-51cd718727b9" || d.Name != "nyu-rpi5-01" || !d.Reservable ||
		d.DeviceType != "container" {
		t.Errorf("%+v", d)
	}
	if d.Capability("machine_name") != "raspberrypi5" || d.Capability(
		"uid") != "c516acb2-4c88-42be-857f-2f9eb4139f99" || d.Capability("nothing") != "" {
		t.Errorf("capabilities %v", d.ExtraCapabilities)
	}
	for _, own := range []string{"id", "name", "created_at", "updated_at", "device_type", "reservable"} {
		if _, ok := d.ExtraCapabilities[own]; ok {
			t.Errorf("%s is among the capabilities", own)
		}
	}
	if !d.UpdatedAt.IsZero() || !d.CreatedAt.Equal(time.Date(2026, 11, 23, 4, 42, 38, 890640000, time.UTC)) {
		t.Errorf("created %s, updated %s", d.CreatedAt, d.UpdatedAt)
	}
	// Numbers and booleans are text, like those that Blazar compares.
	if all[1].Capability("cores") != "4" || all[1].Capability("pi_gpio") != "true" {
		t.Errorf("capabilities %v", all[1].ExtraCapabilities)
	}
}

func TestGet(t *testing.T) {
	d, err := devices.Get(t.Context(), blazar(t, "/v1/devices/x", "device.json"), "x").Extract()
	if err != nil || d.Capability("machine_name") != "raspberrypi5" {
		t.Errorf("%+v, %v", d, err)
	}
}

func TestListAllocations(t *testing.T) {
	all, err := devices.ListAllocations(t.Context(), blazar(t, "/v1/devices/allocations", "allocations.json")).Extract()
	if err != nil || len(all) != 2 {
		t.Fatalf("%+v, %v", all, err)
	}
	r := all[0].Reservations[0]
	if all[0].ResourceID != "f1be91ce-a037-46e7-8171-51cd718727b9" ||
		r.LeaseID != "60067cda-5aa6-4407-b01c-9193461dd921" ||
		!r.StartDate.Equal(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)) ||
		!r.EndDate.Equal(time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", all[0])
	}
	if len(all[1].Reservations) != 0 {
		t.Errorf("%+v", all[1])
	}
}

func TestListProperties(t *testing.T) {
	names, err := devices.ListProperties(t.Context(), blazar(t, "/v1/devices/properties", "properties.json")).Extract()
	if err != nil || !slices.Equal(names, []string{"uid", "supported_device_profiles", "model", "machine_name",
		"vendor"}) {
		t.Errorf("%v, %v", names, err)
	}
}
