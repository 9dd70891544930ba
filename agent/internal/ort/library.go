//go:build cgo

package ort

/*
#cgo LDFLAGS: -ldl
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Library is the loaded ONNX Runtime. The module behind it is a process-wide
// singleton, so there is one Library per process.
type Library struct {
	path   string
	handle unsafe.Pointer
	api    *unsafe.Pointer

	plugins map[string]plugin // by the experiment's names
	acl     *plugin           // chexp's own; nil until it is needed
}

// noTelemetry keeps ONNX Runtime from writing an identifier of the device and a queue of
// events into the user's cache, and from sending them to its maker. Releases since 1.28
// do all three unless they find this as they start
// [ONNX Runtime: docs/Privacy.md]: beside a measurement, and on a machine that is not ours.
const noTelemetry = "ORT_DISABLE_TELEMETRY"

// Load loads the library from a path.
func Load(path string) (*Library, error) {
	if err := os.Setenv(noTelemetry, "1"); err != nil {
		return nil, err
	}
	onnx.SetSharedLibraryPath(path)
	// Errors only: warnings about absent sysfs files would drown a crash's
	// last words on stderr.
	if err := onnx.InitializeEnvironment(onnx.WithLogLevelError()); err != nil {
		return nil, reason.Errorf(reason.RuntimeFailed, "ONNX Runtime did not start").Because(err)
	}
	l := &Library{path: path, plugins: map[string]plugin{}}
	cPath := C.CString(path)
	defer C.free(unsafe.Pointer(cPath))
	var api *unsafe.Pointer
	if err := take(C.chexp_open(cPath, &l.handle, (**unsafe.Pointer)(unsafe.Pointer(&api)))); err != nil {
		return nil, reason.Errorf(reason.RuntimeFailed, "ONNX Runtime did not start").Because(err)
	}
	l.api = api
	return l, nil
}

// Close unloads the library; sessions must be closed before.
func (l *Library) Close() error { return onnx.DestroyEnvironment() }

// take turns the shim's message into an error and frees it.
func take(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}

// Runtime describes the library as it describes itself, with the providers that
// can be used.
func (l *Library) Runtime() trial.Runtime {
	r := trial.Runtime{
		Name:      "onnxruntime",
		Version:   onnx.GetVersion(),
		BuildInfo: C.GoString(C.chexp_build_info(l.api)),
	}
	if listed, err := l.listed(); err == nil {
		r.Providers = append(l.usable(listed), slices.Sorted(maps.Keys(l.plugins))...)
	}
	if plugin, err := l.aclPlugin(); err == nil && plugin != nil {
		r.Providers = append(r.Providers, provider.ACL)
		r.BuildInfo += "; chexp ACL plugin " + plugin.version + ", " + plugin.library
	}
	return r
}

// listed returns the providers that the library was compiled to know, by their
// names in experiments and in the library's order of priority.
func (l *Library) listed() ([]string, error) {
	var names **C.char
	var count C.int
	if err := take(C.chexp_providers(l.api, &names, &count)); err != nil {
		return nil, err
	}
	defer C.chexp_release_providers(l.api, names, count)
	var list []string
	for _, name := range unsafe.Slice(names, int(count)) {
		list = append(list, provider.NameOf(C.GoString(name)))
	}
	return list, nil
}

// usable drops the providers whose own library is not beside the runtime's: that
// the runtime lists them says nothing about it.
func (l *Library) usable(listed []string) []string {
	dir := filepath.Dir(l.path)
	return slices.DeleteFunc(slices.Clone(listed), func(name string) bool {
		library := provider.Named(name).Library
		if library == "" {
			return false
		}
		_, err := os.Stat(filepath.Join(dir, library))
		return err != nil
	})
}

// hidden reads an unexported pointer field of one of the module's structs, for
// which the module has no accessor. If a later version of the module renames the
// field, hidden returns an error and TestHiddenFields fails; there is never a wild
// pointer.
func hidden(structPtr any, fields ...string) (unsafe.Pointer, error) {
	v := reflect.ValueOf(structPtr)
	for i, field := range fields {
		if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
			return nil, fmt.Errorf("onnxruntime_go: %T is not what this program was written for", structPtr)
		}
		v = v.Elem().FieldByName(field)
		if !v.IsValid() || v.Kind() != reflect.Pointer {
			return nil, fmt.Errorf("onnxruntime_go: %T has no pointer %s", structPtr, strings.Join(fields[:i+1], "."))
		}
	}
	return v.UnsafePointer(), nil
}
