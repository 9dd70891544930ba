//go:build cgo

package ort

/*
#include <stdlib.h>
#include "acl.h"
*/
import "C"

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/provider"
)

// recordAssignment makes a session remember which provider took which node.
const recordAssignment = "session.record_ep_graph_assignment_info"

// acl is the registered plugin.
type acl struct {
	device  unsafe.Pointer
	version string // "chexp ACL plugin 0.1.0, Arm Compute Library 24.11"
}

// aclPlugin registers the plugin the first time; nil without an error says that
// the runtime carries none.
func (l *Library) aclPlugin() (*acl, error) {
	if l.acl != nil {
		return l.acl, nil
	}
	row := provider.Named(provider.ACL)
	path := filepath.Join(filepath.Dir(l.path), row.Plugin)
	if _, err := os.Stat(path); err != nil {
		return nil, nil
	}
	path, err := filepath.Abs(path) // the runtime looks for a relative one beside itself
	if err != nil {
		return nil, err
	}
	if err := onnx.RegisterExecutionProviderLibrary("chexp-acl", path); err != nil {
		return nil, fmt.Errorf("%s: %w", row.Plugin, err)
	}
	name := C.CString(row.Native + provider.Suffix)
	defer C.free(unsafe.Pointer(name))
	var a acl
	var version, library *C.char
	if err := take(C.chexp_find_device(l.api, name, &a.device, &version, &library)); err != nil {
		return nil, err
	}
	if a.device == nil {
		return nil, fmt.Errorf("%s offers no device", row.Plugin)
	}
	a.version = "chexp ACL plugin " + C.GoString(version) + ", " + C.GoString(library)
	l.acl = &a
	return l.acl, nil
}

// appendACL makes the session try the plugin first. It computes on the session's
// own threads, so it needs to know only how many there are.
func (l *Library) appendACL(opts *onnx.SessionOptions, threads int, options map[string]string) error {
	plugin, err := l.aclPlugin()
	if err == nil && plugin == nil {
		return l.appendProvider(opts, provider.ACL, options) // which says what there is instead
	}
	if err != nil {
		return reason.Errorf(reason.ProviderAbsent, "chexp's ACL plugin cannot be used here").
			Advise("agent/acl/README.md says what it needs; or mark the provider optional").Because(err)
	}
	all := maps.Clone(options)
	if all == nil {
		all = map[string]string{}
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if k != "claim_light" && k != "explain" {
			return reason.Errorf(reason.OptionInvalid, "provider acl has no option %q; it has: claim_light, explain", k)
		}
		if all[k] != "0" && all[k] != "1" {
			return reason.Errorf(reason.OptionInvalid, "provider acl: option %s is 0 or 1, not %q", k, all[k])
		}
	}
	all["threads"] = strconv.Itoa(threads)
	var ks, vs []*C.char
	for _, k := range slices.Sorted(maps.Keys(all)) {
		ks, vs = append(ks, C.CString(k)), append(vs, C.CString(all[k]))
	}
	defer func() {
		for i := range ks {
			C.free(unsafe.Pointer(ks[i]))
			C.free(unsafe.Pointer(vs[i]))
		}
	}()
	if err := opts.AddSessionConfigEntry(recordAssignment, "1"); err != nil {
		return reason.Errorf(reason.RuntimeFailed, "a session option was refused").Because(err)
	}
	p, err := hidden(opts, "o")
	if err == nil {
		err = take(C.chexp_append_device(l.api, p, plugin.device, &ks[0], &vs[0], C.size_t(len(ks))))
	}
	if err != nil {
		return reason.Errorf(reason.OptionInvalid, "chexp's ACL plugin refused its options").Because(err)
	}
	return nil
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

// Assignment lists every node of the model with the provider that took it. A
// profile shows a compiled subgraph as one node; this shows what is inside. It
// needs a session created with the option session.record_ep_graph_assignment_info=1, which
// provider acl sets by itself.
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
		list = append(list, Assigned{C.GoString(a.provider), C.GoString(a.domain), C.GoString(a.op), C.GoString(a.name),
			int(a.group)})
	}
	return list, nil
}
