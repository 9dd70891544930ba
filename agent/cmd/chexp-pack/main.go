// Command chexp-pack puts the agent's one file together: the static launcher,
// and behind it the compressed runner with its libraries. It runs on the machine
// that builds, from agent/build.sh, and refuses what could not run on the device:
// a launcher that is not static, a file for another processor, a library that a
// carried file needs and that is not carried. What the manifest says about ONNX
// Runtime is read from the library itself.
//
// Without -launcher and -runner it makes a runtime bundle instead: another ONNX
// Runtime with everything that it needs, loader and C library included, which an
// experiment names and the agent runs its own runner with (agent/runtimes/debian.sh).
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chexp/agent/internal/payload"
	"chexp/experiments/trial"
)

// Manifest is what stands beside the agent in bin/, for programs that choose
// one.
type Manifest struct {
	Version string        `json:"version"`
	OS      string        `json:"os"`
	Arch    string        `json:"arch"`
	SHA256  string        `json:"sha256"`
	Bytes   int64         `json:"bytes"`
	Payload string        `json:"payload"` // identity of what is unpacked on the device
	Runtime trial.Runtime `json:"runtime"`
	// Libraries and Interfaces are what a shared library finds that is run with
	// the carried ones: their names, and the newest version of each of their
	// interfaces, such as GLIBC 2.36.
	Libraries  []string          `json:"libraries,omitempty"`
	Interfaces map[string]string `json:"interfaces,omitempty"`
}

type options struct {
	launcher, arch, version, cache, out string
	search, runtimeVersion, providers   string
	header                              payload.Header
	paths                               map[string]string
}

func main() {
	var o options
	flag.StringVar(&o.launcher, "launcher", "", "the static launcher")
	flag.StringVar(&o.arch, "arch", "", "processor architecture, Go's name")
	flag.StringVar(&o.version, "version", "dev", "version for the manifest")
	flag.StringVar(&o.cache, "cache", "", "directory that keeps the compressed payload for the next time")
	flag.StringVar(&o.out, "out", "", "the agent to write; its manifest goes to the same name with .json")
	flag.StringVar(&o.search, "search", "", "directory in which needed libraries are found that are not given")
	flag.StringVar(&o.runtimeVersion, "runtime-version", "", "version of ONNX Runtime, where its symbols' is shorter")
	flag.StringVar(&o.providers, "providers", "", "execution providers, with commas, that nothing in the library shows")
	flag.StringVar(&o.header.Loader, "loader", "", "which of the files is the dynamic loader")
	flag.StringVar(&o.header.Runner, "runner", "", "which is the runner")
	flag.StringVar(&o.header.Library, "library", "", "which is ONNX Runtime")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: chexp-pack [flags] name=path …")
		flag.PrintDefaults()
	}
	flag.Parse()
	o.paths = map[string]string{}
	for _, arg := range flag.Args() {
		name, path, ok := strings.Cut(arg, "=")
		if !ok || name != filepath.Base(name) || o.paths[name] != "" {
			fmt.Fprintf(os.Stderr, "chexp-pack: %q is not a new name=path\n", arg)
			os.Exit(2)
		}
		o.paths[name] = path
	}
	if err := pack(o); err != nil {
		fmt.Fprintln(os.Stderr, "chexp-pack:", err)
		os.Exit(1)
	}
}

func pack(o options) error {
	if err := o.findNeeded(); err != nil {
		return err
	}
	if err := checkELFs(o.launcher, o.arch, o.paths); err != nil {
		return err
	}
	h := o.header
	h.Arch = o.arch
	var err error
	if h.Runtime, err = describeRuntime(o.paths[h.Library], o.paths); err != nil {
		return err
	}
	o.tell(&h.Runtime)
	if err := payload.Describe(o.paths, &h); err != nil {
		return err
	}
	compressed, err := compressed(o, h)
	if err != nil {
		return err
	}
	var launcher []byte
	mode := os.FileMode(0o644)
	if o.launcher != "" {
		mode = 0o755
		if launcher, err = os.ReadFile(o.launcher); err != nil {
			return err
		}
	}
	var agent bytes.Buffer
	if err := payload.Append(&agent, bytes.NewReader(launcher), compressed, h); err != nil {
		return err
	}
	libraries, interfaces, err := provided(o.paths)
	if err != nil {
		return err
	}
	if err := replace(o.out, agent.Bytes(), mode); err != nil {
		return err
	}
	sum := sha256.Sum256(agent.Bytes())
	manifest, err := json.MarshalIndent(Manifest{
		Version: o.version, OS: "linux", Arch: o.arch,
		SHA256: hex.EncodeToString(sum[:]), Bytes: int64(agent.Len()), Payload: h.ID, Runtime: h.Runtime,
		Libraries: libraries, Interfaces: interfaces,
	}, "", "  ")
	if err != nil {
		return err
	}
	return replace(o.out+".json", append(manifest, '\n'), 0o644)
}

// compressed reuses the last payload if it holds the same files: compressing
// takes most of the time of a build, and only the launcher changes often.
func compressed(o options, h payload.Header) ([]byte, error) {
	path := filepath.Join(o.cache, "payload-"+h.ID+".tar.zst")
	if data, err := os.ReadFile(path); err == nil {
		return data, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	data, err := payload.Compress(o.paths, h)
	if err != nil {
		return nil, err
	}
	old, _ := filepath.Glob(filepath.Join(o.cache, "payload-*.tar.zst"))
	for _, p := range old {
		os.Remove(p)
	}
	return data, replace(path, data, 0o644)
}

// replace writes a file so that a reader sees the old content or the new.
func replace(path string, data []byte, mode os.FileMode) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return err
	}
	if err := os.Chmod(tmp, mode); err != nil { // the umask had its say
		return err
	}
	return os.Rename(tmp, path)
}
