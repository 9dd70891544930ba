// Package orttest finds the ONNX Runtime that agent/build.sh downloads, for
// tests that load it or look into it.
package orttest

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Library is the path of the newest libonnxruntime in the cache for an
// architecture. The test is skipped where there is none.
func Library(t testing.TB, arch string) string {
	t.Helper()
	cache := os.Getenv("CHEXP_CACHE")
	if cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			t.Skip("no cache directory: ", err)
		}
		cache = filepath.Join(dir, "chexp")
	}
	found, _ := filepath.Glob(filepath.Join(cache, "downloads", "onnxruntime-*-linux-"+arch, "libonnxruntime.so.1"))
	if len(found) == 0 {
		t.Skip("no ONNX Runtime for " + arch + " in the cache; `make agents` downloads it")
	}
	return slices.Max(found)
}
