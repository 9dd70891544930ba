// Command chexp-pack puts the agent's one file together: the static launcher,
// and behind it the compressed runner with its libraries. It runs on the machine
// that builds (agent/build.sh runs it), and refuses what could not run on the device:
// a launcher that is not static, a file for another processor, a library that a
// carried file needs and that is not carried. What the manifest says about ONNX
// Runtime is read from the library itself.
//
// Without -launcher and -runner it makes a runtime bundle instead: another ONNX
// Runtime with everything that it needs, loader and C library included. Where an
// experiment names it, the agent starts its own runner with it
// (agent/runtimes/debian.sh makes one).
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"chexp/agent/internal/payload"
	"chexp/experiments/files"
	"chexp/experiments/trial"
)

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
	if err := files.WriteMode(o.out, agent.Bytes(), mode); err != nil {
		return err
	}
	manifest, err := json.MarshalIndent(trial.Manifest{
		Version: o.version, OS: "linux", Arch: o.arch,
		SHA256: files.Sum(agent.Bytes()), Bytes: int64(agent.Len()), Payload: h.ID, Runtime: h.Runtime,
		Libraries: libraries, Interfaces: interfaces,
	}, "", "  ")
	if err != nil {
		return err
	}
	return files.Write(o.out+".json", append(manifest, '\n'))
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
	return data, files.Write(path, data)
}
