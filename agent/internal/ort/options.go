//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/trial"
)

// Options of one session.
type Options struct {
	Provider trial.Provider
	Threads  int // of the runtime's intra-op pool, the calling thread included
	Batch    int // replaces a symbolic first dimension
}

const spinning = "session.intra_op.allow_spinning"

// bySymbol are the providers that can be appended only by an exported function
// (options, int), and the option that the integer stands for.
var bySymbol = map[string]struct{ suffix, argument string }{
	"acl-ort":  {"ACL", "enable_fast_math"}, // the generic function has never known it
	"dnnl":     {"Dnnl", "use_arena"},
	"cuda":     {"CUDA", "device_id"},
	"tensorrt": {"Tensorrt", "device_id"},
	"rocm":     {"ROCM", "device_id"},
	"migraphx": {"MIGraphX", "device_id"},
}

// byName are the names that the generic function expects.
var byName = map[string]string{
	"xnnpack": "XNNPACK", "qnn": "QNN", "openvino": "OpenVINO", "snpe": "SNPE",
	"webgpu": "WebGPU", "coreml": "CoreML", "vitisai": "VitisAI", "azure": "AZURE",
}

// sessionOptions translates what the trial asks for.
func (l *Library) sessionOptions(o Options) (opts *onnx.SessionOptions, err error) {
	opts, err = onnx.NewSessionOptions()
	if err != nil {
		return nil, reason.New(reason.RuntimeFailed, "no session options", "", err)
	}
	defer func() {
		if err != nil {
			opts.Destroy()
			opts = nil
		}
	}()

	entries := map[string]string{}
	threads := o.Threads
	rest := map[string]string{} // the provider's own options
	for k, v := range o.Provider.Options {
		if strings.HasPrefix(k, "session.") || strings.HasPrefix(k, "mlas.") {
			entries[k] = v
		} else {
			rest[k] = v
		}
	}
	if o.Provider.Name == "xnnpack" {
		// XNNPACK has a pool of its own; the runtime's would only spin
		// against it.
		if _, set := rest["intra_op_num_threads"]; !set {
			rest["intra_op_num_threads"] = strconv.Itoa(threads)
		}
		threads = 1
		setDefault(entries, spinning, "0")
	}
	if threads > runtime.NumCPU() {
		// Waiting threads that spin take the processor from the ones that
		// work: 3 to 4 times slower when measured.
		setDefault(entries, spinning, "0")
	}
	for _, set := range []func() error{
		func() error { return opts.SetIntraOpNumThreads(threads) },
		func() error { return opts.SetInterOpNumThreads(1) },
		func() error { return opts.SetExecutionMode(onnx.ExecutionModeSequential) },
		func() error { return opts.SetGraphOptimizationLevel(onnx.GraphOptimizationLevelEnableAll) },
	} {
		if err := set(); err != nil {
			return nil, reason.New(reason.RuntimeFailed, "a session option was refused", "", err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(entries)) {
		if err := opts.AddSessionConfigEntry(k, entries[k]); err != nil {
			return nil, reason.New(reason.OptionInvalid, fmt.Sprintf("session option %s=%s was refused", k, entries[k]), "", err)
		}
	}
	if o.Provider.Name == ACLProvider {
		return opts, l.appendACL(opts, threads, rest)
	}
	return opts, l.appendProvider(opts, o.Provider.Name, rest)
}

func setDefault(m map[string]string, key, value string) {
	if _, set := m[key]; !set {
		m[key] = value
	}
}

// appendProvider makes the session try the provider first; the runtime's CPU
// code is always there for the nodes that it does not take.
func (l *Library) appendProvider(opts *onnx.SessionOptions, name string, options map[string]string) error {
	if name == "cpu" {
		if len(options) > 0 {
			return reason.New(reason.OptionInvalid, "provider cpu has no options of its own, got "+keys(options),
				"use session.* options, such as "+spinning, nil)
		}
		return nil
	}
	listed, err := l.listed()
	if err != nil {
		return reason.New(reason.RuntimeFailed, "the runtime does not list its providers", "", err)
	}
	usable := strings.Join(l.usable(listed), ", ")
	if !slices.Contains(listed, name) {
		return reason.New(reason.ProviderAbsent,
			fmt.Sprintf("onnxruntime %s has no execution provider %q; it has: %s", onnx.GetVersion(), name, usable),
			"choose one of those, or mark the provider optional", nil)
	}
	if symbol, ok := bySymbol[name]; ok {
		found, err := l.appendBySymbol(opts, symbol.suffix, symbol.argument, options)
		if found {
			return providerError(name, usable, err)
		}
	}
	generic, ok := byName[name]
	if !ok {
		generic = name
	}
	return providerError(name, usable, opts.AppendExecutionProvider(generic, options))
}

func providerError(name, usable string, err error) error {
	if err == nil {
		return nil
	}
	return reason.New(reason.ProviderAbsent,
		fmt.Sprintf("onnxruntime %s knows the execution provider %q but cannot use it here; usable: %s", onnx.GetVersion(), name, usable),
		"choose one of those, or mark the provider optional", err)
}

func (l *Library) appendBySymbol(opts *onnx.SessionOptions, suffix, argument string, options map[string]string) (found bool, err error) {
	value := 0
	for k, v := range options {
		if k != argument {
			return true, fmt.Errorf("option %q is unknown; it has: %s", k, argument)
		}
		if value, err = strconv.Atoi(v); err != nil {
			return true, fmt.Errorf("option %s=%q is not a number", k, v)
		}
	}
	p, err := hidden(opts, "o")
	if err != nil {
		return true, err
	}
	symbol := C.CString("OrtSessionOptionsAppendExecutionProvider_" + suffix)
	defer C.free(unsafe.Pointer(symbol))
	var exported C.int
	err = take(C.chexp_append_by_symbol(l.handle, l.api, symbol, p, C.int(value), &exported))
	return exported != 0, err
}

func keys(m map[string]string) string {
	return strings.Join(slices.Sorted(maps.Keys(m)), ", ")
}
