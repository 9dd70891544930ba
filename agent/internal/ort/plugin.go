//go:build cgo

package ort

/*
#include <stdlib.h>
#include "plugin.h"
*/
import "C"

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/provider"
)

// plugin is an execution provider out of a library of its own.
type plugin struct {
	device   C.size_t // the first of its devices
	provider string   // as the runtime names it
}

// Plug loads a library with execution providers (ONNX Runtime 1.22 and later).
// Sessions can then ask for one of them by name, which the experiment chose: the
// one that the runtime names so, else the library's first.
func (l *Library) Plug(name, path string) error {
	refused := func(err error) error {
		return reason.Errorf(reason.ProviderAbsent, "the plugin with provider %q cannot be used here", name).
			Advise("is it made for this ONNX Runtime and this processor?").Because(err)
	}
	before, err := l.devices()
	if err != nil {
		return refused(err)
	}
	path, err = filepath.Abs(path) // the runtime looks for a relative one beside itself
	if err != nil {
		return refused(err)
	}
	if err := onnx.RegisterExecutionProviderLibrary("chexp-"+name, path); err != nil {
		return refused(err)
	}
	after, err := l.devices()
	if err != nil {
		return refused(err)
	}
	if len(after) <= len(before) {
		return refused(fmt.Errorf("it offers no device on this machine"))
	}
	chosen := len(before)
	for i := len(after) - 1; i >= len(before); i-- {
		if provider.NameOf(after[i]) == name {
			chosen = i
		}
	}
	if l.plugins == nil {
		l.plugins = map[string]plugin{}
	}
	l.plugins[name] = plugin{C.size_t(chosen), after[chosen]}
	return nil
}

// devices are the providers' names, one for each device that they offer.
func (l *Library) devices() ([]string, error) {
	var n C.size_t
	if err := take(C.chexp_device_count(l.api, &n)); err != nil {
		return nil, err
	}
	var list []string
	for i := range n {
		var name *C.char
		if err := take(C.chexp_device_provider(l.api, i, &name)); err != nil {
			return nil, err
		}
		list = append(list, C.GoString(name))
	}
	return list, nil
}

func (l *Library) appendPlugin(opts *onnx.SessionOptions, p plugin, options map[string]string) error {
	handle, err := hidden(opts, "o")
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(options))
	keys, values := make([]*C.char, len(names)+1), make([]*C.char, len(names)+1)
	for i, name := range names {
		keys[i], values[i] = C.CString(name), C.CString(options[name])
		defer C.free(unsafe.Pointer(keys[i]))
		defer C.free(unsafe.Pointer(values[i]))
	}
	return take(C.chexp_append_nth(l.api, handle, p.device, &keys[0], &values[0], C.size_t(len(names))))
}

// PlanName is what the experiment calls a provider that the runtime names so.
func (l *Library) PlanName(native string) string {
	for name, p := range l.plugins {
		if p.provider == native {
			return name
		}
	}
	return provider.NameOf(native)
}
