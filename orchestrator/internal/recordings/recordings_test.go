package recordings

import (
	"archive/tar"
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

var folder = flag.String("pack", "", "make recordings.tar.zst anew from the JSON files of this `FOLDER`")

// scrub takes out what tells of the machine that recorded and not of the service.
var scrub = []struct {
	pattern *regexp.Regexp
	with    string
}{
	// Where the recorder kept the services' code, and Debian its libraries.
	{regexp.MustCompile(`/opt/(zun|blazar)/`), ""},
	{regexp.MustCompile(`/usr/lib/python3/dist-packages/`), ""},
	{regexp.MustCompile(`Linux \S+ \S+ #1 [^"\\]*`), "Linux pod 6.1.0 #1 SMP x86_64 GNU/Linux"}, // its uname -a
}

// forbidden must not be in the archive.
var forbidden = map[string]*regexp.Regexp{
	"a folder of some machine":         regexp.MustCompile(`/(opt|home|usr|work|srv|mnt|var|Users)/[a-z]`),
	"a token":                          regexp.MustCompile(`gAAAAAB[A-Za-z0-9_-]{60}`),
	"a secret that is not blacked out": regexp.MustCompile(`"(secret|adminPass|password|private_key|passcode)": "[^<"]`),
	"a private key":                    regexp.MustCompile(`PRIVATE KEY-----\\n[A-Za-z0-9+/=]{40}`),
	"an address that is not local":     regexp.MustCompile(`"(https?|wss?)://(\d+\.\d+\.\d+\.\d+|[a-z0-9.-]+:\d+)`),
}

// local are addresses on the recorder's own machine.
var local = regexp.MustCompile(`//127\.0\.0\.1`)

func TestMain(m *testing.M) {
	flag.Parse()
	if *folder != "" {
		packed, err := pack(os.DirFS(*folder))
		if err == nil {
			err = os.WriteFile("recordings.tar.zst", packed, 0o644)
		}
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		archive = packed // what the tests look at
	}
	os.Exit(m.Run())
}

// pack makes the archive from all JSON files below root. The same files always
// make the same archive.
func pack(root fs.FS) ([]byte, error) {
	var files bytes.Buffer
	t := tar.NewWriter(&files)
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".json" {
			return err
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		for _, s := range scrub {
			data = s.pattern.ReplaceAll(data, []byte(s.with))
		}
		h := &tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err = t.Write(data)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBestCompression),
		zstd.WithWindowSize(zstd.MaxWindowSize>>6),
		zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.EncodeAll(files.Bytes(), nil), z.Close()
}

func TestNothingPrivateIsRecorded(t *testing.T) {
	names := 0
	err := unpack(archive, func(name string, data []byte) error {
		names++
		for what, pattern := range forbidden {
			for _, hit := range pattern.FindAllString(string(data), -1) {
				if !local.MatchString(hit) {
					t.Errorf("%s holds %s: %s", name, what, hit)
				}
			}
		}
		return nil
	})
	if err != nil || names == 0 {
		t.Fatalf("%d files, %v", names, err)
	}
}

func TestExchangesAreWhole(t *testing.T) {
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	services := []string{"keystone", "blazar", "zun", "neutron", "nova", "glance", "placement", "ironic"}
	for _, x := range all {
		if x.Request.Method == "" || !strings.HasPrefix(x.Request.Path, "/") ||
			x.Response.Status < 200 || len(x.Response.Headers) == 0 {
			t.Errorf("%s is half an exchange", x)
		}
		if !slices.Contains(services, x.Service) {
			t.Errorf("%s is of the service %q", x, x.Service)
		}
	}
}
