// Package bundle is what goes to a device before a run, and what comes back
// after it. A [Bundle] is the agent, the plan, the files that the plan names, and
// a SHA256SUMS over them. [Bundle.Push] sends what the device lacks. [Fetch] brings
// the results back and believes nothing about them: it checks names, sizes, kinds
// and sums before a file becomes part of the run's directory.
package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// File is one file of a bundle.
type File struct {
	Path   string // below the bundle directory, with slashes
	SHA256 string // lower-case hex
	Size   int64
	Mode   fs.FileMode
	Open   func() (io.ReadCloser, error)
}

// Bundle is a complete set of files. The last one is SHA256SUMS.
type Bundle struct {
	Files []File
}

// Assemble reads every file and computes its sum. fileOf says where the model,
// runtime, plugin or pack of pictures with this SHA-256 lies on this machine. The
// files are read again when they are pushed, and Push notices one that changed in
// between.
func Assemble(agentPath string, plan *trial.Plan,
	fileOf func(sha256 string) (path string, err error)) (*Bundle, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	agent, err := onDisk(trial.AgentFile, agentPath, 0o755)
	if err != nil {
		return nil, failure.Usage.Errorf("the agent for the device").Advise("build it with `make agents`").Because(err)
	}
	text, err := json.MarshalIndent(plan, "", "  ")
	if err != nil {
		return nil, err
	}
	b := &Bundle{Files: []File{agent, inMemory(trial.PlanFile, append(text, '\n'))}}
	for _, want := range plan.Files() {
		f, err := known(want, fileOf)
		if err != nil {
			return nil, err
		}
		b.Files = append(b.Files, f)
	}
	b.Files = append(b.Files, inMemory(trial.SumsFile, sums(b.Files)))
	return b, nil
}

// known finds a file that the plan names on this machine, and checks it.
func known(want trial.File, fileOf func(string) (string, error)) (File, error) {
	path, err := fileOf(want.SHA256)
	if err != nil {
		return File{}, fmt.Errorf("%s: %w", want.What, err)
	}
	f, err := onDisk(want.Path, path, 0o644)
	if err != nil {
		return File{}, failure.Usage.Errorf("%s", want.What).
			Advise("check that the file is there and may be read").Because(err)
	}
	if f.SHA256 != want.SHA256 || f.Size != want.Bytes && want.Bytes != 0 {
		return File{}, failure.Usage.
			Errorf("%s: %s has %d bytes and SHA-256 %s, the plan says %d and %s",
				want.What, path, f.Size, f.SHA256, want.Bytes, want.SHA256).
			Advise("the file changed since the plan was made, or its copy is damaged: " +
				"put the right file there, or plan again")
	}
	return f, nil
}

func onDisk(name, path string, mode fs.FileMode) (File, error) {
	sum, size, err := files.Hash(context.Background(), path, files.NoLimit)
	open := func() (io.ReadCloser, error) { return files.Open(path, files.NoLimit) }
	return File{Path: name, SHA256: sum, Size: size, Mode: mode, Open: open}, err
}

func inMemory(name string, data []byte) File {
	return File{Path: name, SHA256: files.Sum(data), Size: int64(len(data)), Mode: 0o644,
		Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }}
}

func sums(list []File) []byte {
	s := files.Sums{}
	for _, f := range list {
		s[f.Path] = f.SHA256
	}
	return s.Bytes()
}

// Bytes is the size of all files together.
func (b *Bundle) Bytes() (n int64) {
	for _, f := range b.Files {
		n += f.Size
	}
	return n
}
