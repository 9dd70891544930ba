package runtimes

import (
	"archive/tar"
	"compress/gzip"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// releaseLock pins ONNX Runtime's releases; agent/runtimes/npm.sh adds to it.
//
//go:embed onnxruntime.lock
var releaseLock string

// packages is the word of the lock for the whole package of a release; its other
// lines are of the library for one processor.
const packages = "package"

// downloadTime bounds a download of 100 MB on a slow line.
const downloadTime = 30 * time.Minute

// pinned is what a file of a release must be.
type pinned struct {
	sum   string
	bytes int64
}

// Releases gets ONNX Runtime's own releases by their version, from the npm package
// onnxruntime-node, which carries the Linux libraries for both processors. What it
// gets has the sums of the lock file, whoever served it.
type Releases struct {
	Cache string       // downloads/ and runtimes/ below it
	Say   func(string) // what takes time
	// Offline gets nothing: a release that is pinned and not on this machine has no
	// path.
	Offline bool
	lock    string // another lock, for tests
}

// Library is the path of the release's library for a processor, in Go's word for it.
func (r Releases) Library(ctx context.Context, version, arch string) (string, error) {
	lock, err := r.read()
	if err != nil {
		return "", err
	}
	want, ok := lock[version+" "+arch]
	if !ok {
		return "", failure.Usage.Errorf("ONNX Runtime %s for %s is none of the releases that chexp has pinned: %s", version,
			arch, strings.Join(versions(lock, arch), ", ")).
			Advise("take one of them, pin it with `agent/runtimes/npm.sh %s` and build chexp anew, or give the "+
				"library with path", version)
	}
	name := filepath.Join(r.Cache, "runtimes", "onnxruntime-"+version+"-linux-"+arch+".so")
	if sum, _, err := files.Hash(ctx, name, want.bytes); err == nil && sum == want.sum {
		return name, nil
	}
	if r.Offline {
		return "", nil
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return "", cannotKeep(err)
	}
	archive, err := r.archive(ctx, version, lock[version+" "+packages])
	if err != nil {
		return "", err
	}
	return name, unpack(archive, arch, name, want)
}

func cannotKeep(err error) error {
	return failure.Usage.Errorf("the runtime cannot be kept in the cache").Advise("make room or make it writable").
		Because(err)
}

// read is the lock by "version word".
func (r Releases) read() (map[string]pinned, error) {
	text := r.lock
	if text == "" {
		text = releaseLock
	}
	out := map[string]pinned{}
	for n, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		if len(f) != 4 || !files.IsSum(f[2]) {
			return nil, fmt.Errorf("onnxruntime.lock:%d is not well formed", n+1)
		}
		size, err := strconv.ParseInt(f[3], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("onnxruntime.lock:%d: %w", n+1, err)
		}
		out[f[0]+" "+f[1]] = pinned{f[2], size}
	}
	return out, nil
}

// versions are the locked releases for a processor, oldest first.
func versions(lock map[string]pinned, arch string) (list []string) {
	for key := range lock {
		if version, word, _ := strings.Cut(key, " "); word == arch {
			list = append(list, version)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		switch {
		case trial.LaterVersion(a, b):
			return 1
		case trial.LaterVersion(b, a):
			return -1
		}
		return 0
	})
	return list
}

// archive is the release's package, from the cache or by npm.
func (r Releases) archive(ctx context.Context, version string, want pinned) (string, error) {
	dir := filepath.Join(r.Cache, "downloads") // agent/build.sh keeps its own there too
	name := "onnxruntime-node-" + version + ".tgz"
	kept := filepath.Join(dir, name)
	if sum, _, err := files.Hash(ctx, kept, want.bytes); err == nil && sum == want.sum {
		return kept, nil
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		return "", failure.Usage.Errorf("ONNX Runtime %s is not in the cache, and there is no npm to get it", version).
			Advise("`apt-get install -y npm`, or give the library with path")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", cannotKeep(err)
	}
	tmp, err := os.MkdirTemp(dir, files.TempPattern)
	if err != nil {
		return "", cannotKeep(err)
	}
	defer os.RemoveAll(tmp)
	if r.Say != nil {
		r.Say(fmt.Sprintf("downloading ONNX Runtime %s (npm, %d MB)", version, want.bytes/1e6))
	}
	bounded, cancel := context.WithTimeout(ctx, downloadTime)
	defer cancel()
	// No script of the package is run: it is only unpacked. By itself npm tries a network that is not there for minutes.
	cmd := exec.CommandContext(bounded, npm, "pack", "--loglevel=error", "--ignore-scripts",
		"--fetch-retries=1", "--fetch-retry-mintimeout=1000", "onnxruntime-node@"+version)
	cmd.Dir, cmd.Env, cmd.WaitDelay = tmp, secret.Environ(os.Environ()), 5*time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		said := words.Line(string(out), 400)
		return "", failure.Usage.Errorf("npm could not download onnxruntime-node@%s (%s)", version, said).
			Advise("is its registry reachable (`npm ping`)? a machine that has the file can give it: put %s into %s", name,
				dir).Because(err)
	}
	sum, _, err := files.Hash(ctx, filepath.Join(tmp, name), want.bytes)
	if err != nil || sum != want.sum {
		return "", failure.Usage.Errorf("onnxruntime-node@%s from npm is another file than the one that chexp has pinned "+
			"(sha256 %s, not %s); nothing of it was kept", version, sum, want.sum).
			Advise("ask the registry that npm is set up with for the original").Because(err)
	}
	if err := os.Rename(filepath.Join(tmp, name), kept); err != nil {
		return "", cannotKeep(err)
	}
	return kept, nil
}

// unpack takes one library out of a package.
func unpack(archive, arch, to string, want pinned) error {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", archive, err)
	}
	theirs := map[string]string{"arm64": "arm64", "amd64": "x64"} // npm's for a processor
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return failure.Usage.Errorf("%s holds no library for %s", archive, arch)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", archive, err)
		}
		if !strings.HasSuffix(path.Dir(h.Name), "/linux/"+theirs[arch]) ||
			!strings.HasPrefix(path.Base(h.Name), "libonnxruntime.so") || h.Size != want.bytes {
			continue
		}
		_, err = files.StorePinned(filepath.Dir(to), files.Pin{SHA256: want.sum}, h.Size, func(w io.Writer) error {
			_, err := io.Copy(w, io.LimitReader(t, want.bytes))
			return err
		}, func(string) string { return filepath.Base(to) })
		return err
	}
}
