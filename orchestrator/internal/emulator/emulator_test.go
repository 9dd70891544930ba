package emulator

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"chexp/orchestrator/internal/emulator/world"
)

// makeTar packs one file, padded as asked.
func makeTar(t *testing.T, name, content string, padded bool) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
	io.WriteString(w, content)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	for padded && b.Len()%10240 != 0 {
		b.WriteByte(0)
	}
	return b.Bytes()
}

// untar reads a get_archive answer.
func untar(t *testing.T, a answer) map[string]string {
	t.Helper()
	data, err := base64.StdEncoding.DecodeString(a.text("data"))
	if err != nil {
		t.Fatalf("%v: %v", err, a)
	}
	if n := a.at("stat", "size"); n != float64(len(data)) {
		t.Errorf("stat.size %v for %d bytes", n, len(data))
	}
	files := map[string]string{}
	r := tar.NewReader(bytes.NewReader(data))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, _ := io.ReadAll(r)
		files[h.Name] = string(content)
	}
}

// TestWholeWay goes once from a token to nothing left, on both architectures.
func TestWholeWay(t *testing.T) {
	t.Parallel()
	for _, arch := range []string{"arm64", "amd64"} {
		t.Run(arch, func(t *testing.T) {
			c := withContainers(t, arch, Options{})
			lease, reservation := c.activeLease()
			devices := c.want(200, c.blazar("GET", "/leases/"+lease+"/devices", nil))
			if name := devices.text("devices", 0, "name"); !strings.HasPrefix(name, "nyu-rpi5-0") {
				t.Errorf("device %s", name)
			}
			box := c.create(containerBody(reservation))
			machine := map[string]string{"arm64": "aarch64\n", "amd64": "x86_64\n"}[arch]
			if got := c.output(box, "uname -m"); got != machine {
				t.Errorf("uname -m says %q", got)
			}
			c.output(box, "mkdir -p /run/chexp/in")
			up := base64.StdEncoding.EncodeToString(makeTar(t, "hello", "hello\n", true))
			c.want(200, c.zun("POST", "/containers/"+box+"/put_archive?path=/run/chexp/in", map[string]any{"data": up}))
			if got := c.output(box, "sh -c 'cat /run/chexp/in/hello; stat -c %a "+
				"/run/chexp/in/hello'"); got != "hello\n755\n" {
				t.Errorf("uploaded: %q", got)
			}
			files := untar(t, c.want(200, c.zun("GET", "/containers/"+box+"/get_archive?path=/run/chexp", nil)))
			if files["./in/hello"] != "hello\n" {
				t.Errorf("downloaded: %v", files)
			}
			if l := c.e.Leftovers(); len(l.Leases) != 1 || len(l.Containers) != 1 || l.Empty() {
				t.Errorf("leftovers: %v", l)
			}
			c.want(204, c.zun("DELETE", "/containers/"+box+"?stop=true", nil))
			c.poll("the container to be gone", func() bool {
				return c.zun("GET", "/containers/"+box, nil).status == 404
			})
			c.want(200, c.blazar("DELETE", "/leases/"+lease, nil))
			if l := c.e.Leftovers(); !l.Empty() {
				t.Errorf("leftovers: %v", l)
			}
		})
	}
}

func TestCloseRemovesEverything(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	c.runningContainer()
	if info, err := os.Stat(c.e.CloudsFile()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("clouds.yaml: %v, %v", info, err)
	}
	if err := c.e.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(c.e.dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the directory: %v, %v", left, err)
	}
}

func TestRefusesToListenBeyondLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:0", "nonsense"} {
		if e, err := Start(context.Background(), Options{Listen: addr}); err == nil {
			e.Close()
			t.Errorf("started on %s", addr)
		}
	}
}

func TestControlPage(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.want(200, c.do("PUT", c.e.ControlURL()+"/faults", map[string]any{"blazar.free=none": 1}))
	wrong := c.want(400, c.do("PUT", c.e.ControlURL()+"/faults", map[string]any{"nonsense": 1, "zun=200": 1}))
	if e := wrong.text("error"); !strings.Contains(e, `"nonsense"`) || !strings.Contains(e, `"zun=200"`) {
		t.Errorf("the error does not name both: %s", e)
	}
	a := c.want(500, c.blazar("POST", "/leases", c.leaseBody("x", anyPi5)))
	if !strings.HasPrefix(a.text("error_message"), "Not enough resources available with query {'resource_type': "+
		"'device'") &&
		!strings.HasPrefix(a.text("error_message"), "Not enough resources available with query {") {
		t.Errorf("%v", a)
	}
	c.want(201, c.blazar("POST", "/leases", c.leaseBody("x", anyPi5)))
	a = c.want(200, c.do("GET", c.e.ControlURL()+"/state", nil))
	if a.at("leases", 0, "name") != "x" || len(a.at("containers").([]any)) != 0 ||
		len(a.at("faults").(map[string]any)) != 0 {
		t.Errorf("state %v", a)
	}
	before := c.e.world.Now()
	c.want(200, c.do("POST", c.e.ControlURL()+"/clock", map[string]any{"advance": "48h"}))
	if d := c.e.world.Now().Sub(before); d.Hours() < 48 {
		t.Errorf("the clock moved %v", d)
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	c.token = ""
	a := c.want(200, c.do("GET", c.endpoints["inventory"]+"/v1/hardware/export", nil))
	names := map[string]bool{}
	for _, h := range a.at("hardware").([]any) {
		names[dig(h, "name").(string)] = true
	}
	for _, n := range []string{"nyu-rpi5-01", "nyu-rpi5-07", "iot-rpi4-01", "iot-jetson-01", "iot-rpi5-unregistered"} {
		if !names[n] {
			t.Errorf("%s is not in the inventory", n)
		}
	}
	c.want(200, c.do("GET", c.endpoints["inventory"]+"/edge-hw-discovery/devices", nil))
	c.signIn(world.Alice)
	if list := c.want(200, c.blazar("GET", "/devices", nil)).raw; strings.Contains(list, "iot-rpi5-unregistered") {
		t.Error("Blazar knows the unregistered board")
	}
}
