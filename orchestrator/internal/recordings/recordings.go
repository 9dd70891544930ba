// Package recordings holds what the real OpenStack services answered: some 1,400
// HTTP exchanges with Keystone, Blazar, Zun, Neutron, Nova and Glance, as
// Chameleon runs them. Only tests import it. They hold the emulator and the
// clients against it.
//
// The exchanges are JSON files in one archive, recordings.tar.zst, so that a
// clone has them at hand. To read one, or to make the archive anew from a folder
// of such files:
//
//	zstd -dc recordings.tar.zst | tar xf - -O zun/10-create.json
//	go test ./orchestrator/internal/recordings -pack FOLDER
package recordings

import (
	"archive/tar"
	"bytes"
	_ "embed" // for the archive
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

//go:embed recordings.tar.zst
var archive []byte

// Exchange is one request and the answer to it. Tokens and secrets are redacted.
// A body that is no JSON is an object with the one key "_text", or with "_base64"
// and "_len".
type Exchange struct {
	Folder string `json:"-"` // such as "zun" or "baremetal/nova"
	Name   string `json:"-"` // says what was asked: "22e-exec-empty". "x.2" is the second exchange under the label x.

	Service string `json:"service"`
	Request struct {
		Method  string          `json:"method"`
		Path    string          `json:"path"`
		Headers []string        `json:"headers"` // lines, "Accept: application/json"
		Body    json.RawMessage `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int             `json:"status"`
		Headers []string        `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"response"`
}

func (x *Exchange) String() string { return x.Folder + "/" + x.Name }

// Time is when the service answered, to the second. It is zero for Keystone, which
// sends no Date.
func (x *Exchange) Time() time.Time {
	t, err := http.ParseTime(Header(x.Response.Headers, "Date"))
	if err != nil {
		return time.Time{}
	}
	return t
}

// Header returns the value of a header among lines, or "".
func Header(lines []string, name string) string {
	for _, l := range lines {
		if k, v, ok := strings.Cut(l, ": "); ok && strings.EqualFold(k, name) {
			return v
		}
	}
	return ""
}

// Load returns all exchanges in the order of their files' names.
func Load() ([]*Exchange, error) {
	var all []*Exchange
	err := unpack(archive, func(name string, data []byte) error {
		dir, file := path.Split(name)
		x := &Exchange{Folder: strings.TrimSuffix(dir, "/"), Name: strings.TrimSuffix(file, ".json")}
		if err := json.Unmarshal(data, x); err != nil {
			return fmt.Errorf("recordings.tar.zst: %s: %w", name, err)
		}
		all = append(all, x)
		return nil
	})
	return all, err
}

// unpack calls f for each file of an archive.
func unpack(packed []byte, f func(name string, data []byte) error) error {
	z, err := zstd.NewReader(bytes.NewReader(packed))
	if err != nil {
		return err
	}
	defer z.Close()
	t := tar.NewReader(z)
	for {
		h, err := t.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("recordings.tar.zst: %w", err)
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return fmt.Errorf("recordings.tar.zst: %s: %w", h.Name, err)
		}
		if err := f(h.Name, data); err != nil {
			return err
		}
	}
}
