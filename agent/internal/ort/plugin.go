//go:build cgo

package ort

/*
#include <stdlib.h>
#include "plugin.h"
*/
import "C"

import (
	"errors"
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
	device int    // the first of its devices, in the runtime's order
	native string // its provider, as the runtime names it
	// What its metadata says; empty where there is nothing.
	version, library string
}

// Plug loads a library with execution providers (ONNX Runtime 1.22 and later).
// Sessions can then ask for one of them by name, which the experiment chose: the
// one that the runtime names so, else the library's first.
func (l *Library) Plug(name, path string) error {
	p, err := l.register(name, path)
	if err != nil {
		return reason.Errorf(reason.ProviderAbsent, "the plugin with provider %q cannot be used here", name).
			Advise("is it made for this ONNX Runtime and this processor?").Because(err)
	}
	l.plugins[name] = p
	return nil
}

func (l *Library) register(name, path string) (p plugin, err error) {
	before, err := l.devices(0)
	if err != nil {
		return p, err
	}
	path, err = filepath.Abs(path) // the runtime looks for a relative one beside itself
	if err != nil {
		return p, err
	}
	if err := onnx.RegisterExecutionProviderLibrary("chexp-"+name, path); err != nil {
		return p, err
	}
	added, err := l.devices(len(before))
	if err != nil {
		return p, err
	}
	if len(added) == 0 {
		return p, errors.New("it offers no device on this machine")
	}
	named := func(p plugin) bool { return provider.NameOf(p.native) == name }
	return added[max(0, slices.IndexFunc(added, named))], nil
}

// devices lists the devices from that number on, each as a plugin.
func (l *Library) devices(from int) (list []plugin, err error) {
	var n C.size_t
	if err := take(C.chexp_device_count(l.api, &n)); err != nil {
		return nil, err
	}
	for i := from; i < int(n); i++ {
		var d C.chexp_device
		if err := take(C.chexp_device_info(l.api, C.size_t(i), &d)); err != nil {
			return nil, err
		}
		list = append(list, plugin{i, C.GoString(d.provider), C.GoString(d.version), C.GoString(d.library)})
	}
	return list, nil
}

// appendPlugin makes the session try the plugin first.
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
	return take(C.chexp_append_nth(l.api, handle, C.size_t(p.device), &keys[0], &values[0], C.size_t(len(names))))
}

// PlanName is what the experiment calls a provider that the runtime names so.
func (l *Library) PlanName(native string) string {
	for name, p := range l.plugins {
		if p.native == native {
			return name
		}
	}
	return provider.NameOf(native)
}

// Assigned is a node of the model, after the basic optimizations, with the
// provider that took it.
type Assigned struct {
	Provider string // as the runtime names it
	Domain   string
	Operator string
	Name     string
	Group    int // nodes that a provider compiled into one have the same
}

// recordAssignment makes a session remember which provider took which node.
const recordAssignment = "session.record_ep_graph_assignment_info"

// Assignment lists every node of the model with the provider that took it. A
// profile shows a compiled subgraph as one node; this shows what is inside. It
// needs a session created with the option
// session.record_ep_graph_assignment_info=1, which provider acl sets by itself.
func (s *Session) Assignment() ([]Assigned, error) {
	p, err := hidden(s.session, "s", "ortSession")
	if err != nil {
		return nil, err
	}
	var nodes *C.chexp_assigned
	var n C.size_t
	if err := take(C.chexp_assignment(s.lib.api, p, &nodes, &n)); err != nil {
		return nil, err
	}
	defer C.free(unsafe.Pointer(nodes))
	var list []Assigned
	for _, a := range unsafe.Slice(nodes, int(n)) {
		list = append(list, Assigned{C.GoString(a.provider), C.GoString(a.domain), C.GoString(a.op),
			C.GoString(a.name), int(a.group)})
	}
	return list, nil
}
