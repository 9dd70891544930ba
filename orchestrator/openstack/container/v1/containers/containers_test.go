package containers_test

import (
	"archive/tar"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"

	"chexp/orchestrator/openstack/container/v1/containers"
)

// zun answers one request and hands back the body that was sent.
func zun(t *testing.T, method, path string, status int,
	answer string) (client *gophercloud.ServiceClient, sent *[]byte) {
	t.Helper()
	sent = new([]byte)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if *sent, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		if r.Method != method || r.URL.RequestURI() != path {
			t.Errorf("%s %s, want %s %s", r.Method, r.URL.RequestURI(), method, path)
		}
		if v := r.Header.Get("OpenStack-API-Version"); v != "container 1.41" {
			t.Errorf("version %q", v)
		}
		if len(r.TransferEncoding) > 0 || len(*sent) > 0 && r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("encoding %v, type %s", r.TransferEncoding, r.Header.Get("Content-Type"))
		}
		if status != 204 {
			w.Header().Set("Content-Type", "application/json")
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(srv.Close)
	provider := &gophercloud.ProviderClient{TokenID: "t0ken", EndpointLocator: func(eo gophercloud.EndpointOpts) (
		string, error) {
		return srv.URL + "/v1/", nil
	}}
	client, err := containers.NewContainerV1(provider, gophercloud.EndpointOpts{Region: "CHI@Edge"})
	if err != nil {
		t.Fatal(err)
	}
	return client, sent
}

func recorded(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const id = "b5048394-a726-4b74-9d8e-fc39c2343c7d"

func TestCreate(t *testing.T) {
	client, sent := zun(t, "POST", "/v1/containers/?run=True", 202, recorded(t, "created.json"))
	c, err := containers.Create(t.Context(), client, containers.CreateOpts{
		Name: "chexp-bench", Image: "docker.io/library/python:3.11-slim", Command: []string{"sleep", "100000"},
		Environment: map[string]string{"CHEXP_RUN": "r1"}, ExposedPorts: []string{"22/tcp"}, WorkDir: "/root",
		Reservation: "b654f3f6-32c2-429e-97d8-f010ff8f37b6",
	}).Extract()
	if err != nil {
		t.Fatal(err)
	}
	if c.UUID != id || c.Status != containers.StatusCreating || c.StatusReason != "" || c.Addresses != nil ||
		c.Ports != nil {
		t.Errorf("%+v", c)
	}
	var got, want any
	if err := json.Unmarshal(*sent, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(
		[]byte(`{"name":"chexp-bench","image":"docker.io/library/python:3.11-slim","command":["sleep","100000"],
		"environment":{"CHEXP_RUN":"r1"},"exposed_ports":{"22/tcp":{}},"workdir":"/root",
		"hints":{"reservation":"b654f3f6-32c2-429e-97d8-f010ff8f37b6"}}`), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sent %s", *sent)
	}
}

// Zun refuses keys that it does not expect, and exposed_ports in any form
// beside others: what was not asked for must not be in the body.
func TestCreateSendsOnlyWhatWasAsked(t *testing.T) {
	b, err := containers.CreateOpts{Image: "x"}.ToContainerCreateMap()
	if err != nil || !reflect.DeepEqual(b, map[string]any{"image": "x"}) {
		t.Errorf("%v, %v", b, err)
	}
	if _, err := (containers.CreateOpts{Name: "x"}).ToContainerCreateMap(); err == nil {
		t.Error("a container without image was sent")
	}
}

func TestGetRunning(t *testing.T) {
	client, _ := zun(t, "GET", "/v1/containers/"+id, 200, recorded(t, "running.json"))
	c, err := containers.Get(t.Context(), client, id).Extract()
	if err != nil {
		t.Fatal(err)
	}
	a := c.Addresses["fc1afc6b-55b2-4ed8-988d-83932a7ba636"]
	if c.Status != containers.StatusRunning || len(a) != 1 || a[0].Port != "26d4dc87-97ea-419b-b46b-8d83821296ba" ||
		a[0].Addr != "10.42.0.205" || len(c.Ports) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestGetFailed(t *testing.T) {
	client, _ := zun(t, "GET", "/v1/containers/"+id, 200, recorded(t, "unschedulable.json"))
	c, err := containers.Get(t.Context(), client, id).Extract()
	if err != nil || c.Status != containers.StatusError || c.StatusDetail != "Unschedulable" ||
		!strings.HasPrefix(c.StatusReason, "0/8 nodes are available") {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestListPages(t *testing.T) {
	var asked []string
	var srv *httptest.Server
	srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("marker") == "" {
			_, _ = io.WriteString(w, `{"containers":[{"uuid":"a","name":"n"}],"next":"`+srv.URL+
				`/v1/containers/?name=n&marker=a"}`)
			return
		}
		_, _ = io.WriteString(w, `{"containers":[{"uuid":"b","name":"n"}],"next":null}`)
	}))
	defer srv.Close()
	client := &gophercloud.ServiceClient{ProviderClient: &gophercloud.ProviderClient{}, Endpoint: srv.URL + "/v1/"}
	pages, err := containers.List(client, containers.ListOpts{Name: "n"}).AllPages(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := containers.ExtractContainers(pages)
	if err != nil || len(all) != 2 || all[1].UUID != "b" || asked[0] != "/v1/containers/?name=n" {
		t.Errorf("%+v, %v, asked %v", all, err, asked)
	}
}

func TestDelete(t *testing.T) {
	for query, opts := range map[string]containers.DeleteOpts{"": {}, "?stop=True": {Stop: true},
		"?force=True": {Force: true}} {
		client, _ := zun(t, "DELETE", "/v1/containers/"+id+query, 204, "")
		if err := containers.Delete(t.Context(), client, id, opts).ExtractErr(); err != nil {
			t.Error(err)
		}
	}
}

func TestStartStop(t *testing.T) {
	client, _ := zun(t, "POST", "/v1/containers/x/start", 202, "")
	if err := containers.Start(t.Context(), client, "x").ExtractErr(); err != nil {
		t.Error(err)
	}
	client, _ = zun(t, "POST", "/v1/containers/x/stop?timeout=10", 202, "")
	if err := containers.Stop(t.Context(), client, "x", 10).ExtractErr(); err != nil {
		t.Error(err)
	}
}

func TestExecute(t *testing.T) {
	const path = "/v1/containers/x/execute?command=sh+-c+%27echo+one+%26%26+echo+two%27&interactive=false&run=true"
	const command = "sh -c 'echo one && echo two'"
	client, sent := zun(t, "POST", path, 200, `{"output":"one\ntwo\n","exit_code":0,"exec_id":null,"proxy_url":null}`)
	x, err := containers.Execute(t.Context(), client, "x", command).Extract()
	if err != nil || x.Output != "one\ntwo\n" || x.ExitCode == nil || *x.ExitCode != 0 {
		t.Errorf("%+v, %v", x, err)
	}
	if len(*sent) != 0 {
		t.Errorf("body %q", *sent)
	}
	// The 5 s limit: a success without exit code.
	client, _ = zun(t, "POST", path, 200, `{"output":"one\n","exit_code":null,"exec_id":null,"proxy_url":null}`)
	x, err = containers.Execute(t.Context(), client, "x", command).Extract()
	if err != nil || x.Output != "one\n" || x.ExitCode != nil {
		t.Errorf("%+v, %v", x, err)
	}
	client, _ = zun(t, "POST", path, 200, `{"output":null,"exit_code":-1,"exec_id":null,"proxy_url":null}`)
	x, err = containers.Execute(t.Context(), client, "x", command).Extract()
	if err != nil || x.Output != "" || *x.ExitCode != -1 {
		t.Errorf("%+v, %v", x, err)
	}
	if _, err := containers.Execute(t.Context(), nil, "x", strings.Repeat("&", 3000)).Extract(); err == nil {
		t.Error("a command of 9000 bytes was sent")
	}
}

// An archive of Go's ends after 1024 zero bytes; the tar over there waits for
// records of 10240.
func TestPutArchivePads(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.WriteHeader(&tar.Header{Name: "a", Size: 3, Mode: 0o644}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for _, in := range [][]byte{b.Bytes(), make([]byte, 10240), make([]byte, 10241)} {
		client, sent := zun(t, "POST", "/v1/containers/x/put_archive?path=%2Fopt", 200, "null")
		if err := containers.PutArchive(t.Context(), client, "x", "/opt", in).ExtractErr(); err != nil {
			t.Fatal(err)
		}
		var body map[string]string
		if err := json.Unmarshal(*sent, &body); err != nil {
			t.Fatal(err)
		}
		data, err := base64.StdEncoding.DecodeString(body["data"])
		if err != nil || len(body) != 1 {
			t.Fatalf("%v, %v", err, body)
		}
		if len(data)%10240 != 0 || len(data)-len(in) >= 10240 || !bytes.HasPrefix(data, in) ||
			bytes.Trim(data[len(in):], "\x00") != nil && len(bytes.Trim(data[len(in):], "\x00")) > 0 {
			t.Errorf("%d bytes became %d", len(in), len(data))
		}
	}
}

func TestGetArchive(t *testing.T) {
	client, _ := zun(t, "GET", "/v1/containers/x/get_archive?path=%2Froot%2Fout", 200,
		`{"data":"dGFyIQ==","stat":{"name":"/root/out.tar","size":307200}}`)
	a, err := containers.GetArchive(t.Context(), client, "x", "/root/out").Extract()
	if err != nil || string(a.Data) != "tar!" || a.Name != "/root/out.tar" {
		t.Errorf("%+v, %v", a, err)
	}
	client, _ = zun(t, "GET", "/v1/containers/x/get_archive?path=%2F", 200, `{"data":"***","stat":{"name":"x"}}`)
	if _, err := containers.GetArchive(t.Context(), client, "x", "/").Extract(); err == nil {
		t.Error("no error for what is not base64")
	}
}

func TestLogs(t *testing.T) {
	for answer, want := range map[string]string{`"one\ntwo"`: "one\ntwo", `""`: "", `null`: ""} {
		client, _ := zun(t, "GET", "/v1/containers/x/logs?stderr=True&stdout=True&tail=5&timestamps=False", 200, answer)
		got, err := containers.Logs(t.Context(), client, "x", containers.LogsOpts{Tail: 5}).Extract()
		if err != nil || got != want {
			t.Errorf("%s: %q, %v", answer, got, err)
		}
	}
	client, _ := zun(t, "GET", "/v1/containers/x/logs?stderr=True&stdout=True&tail=all&timestamps=True", 200, `{}`)
	opts := containers.LogsOpts{Timestamps: true}
	if _, err := containers.Logs(t.Context(), client, "x", opts).Extract(); err == nil {
		t.Error("no error for an object")
	}
}
