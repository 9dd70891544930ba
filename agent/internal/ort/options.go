//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"unsafe"

	onnx "github.com/yalue/onnxruntime_go"

	"chexp/agent/internal/reason"
	"chexp/experiments/input"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Options of one session.
type Options struct {
	Provider trial.Provider
	Threads  int // of the runtime's intra-op pool, the calling thread included
	Batch    int // inputs of one inference
	// Inputs say how the model's inputs are fed; empty: by the rules of package
	// input alone. Packs is the folder of the files that they name.
	Inputs []input.Input
	Packs  string
	// Profile, when not empty, turns ONNX Runtime's profiler on: the path up to
	// the time and ".json" that the runtime appends when the session is closed.
	Profile string
}

// sessionOptions makes ONNX Runtime's options of a session.
func (l *Library) sessionOptions(o Options, set trial.Settings) (opts *onnx.SessionOptions, err error) {
	opts, err = onnx.NewSessionOptions()
	if err != nil {
		return nil, reason.Errorf(reason.RuntimeFailed, "no session options").Because(err)
	}
	defer func() {
		if err != nil {
			opts.Destroy()
			opts = nil
		}
	}()
	steps := []func() error{
		func() error { return opts.SetIntraOpNumThreads(set.IntraOpThreads) },
		func() error { return opts.SetInterOpNumThreads(set.InterOpThreads) },
		func() error { return opts.SetExecutionMode(onnx.ExecutionModeSequential) },
		func() error { return opts.SetGraphOptimizationLevel(onnx.GraphOptimizationLevelEnableAll) },
	}
	if o.Profile != "" {
		steps = append(steps, func() error { return opts.EnableProfiling(o.Profile) })
	}
	for name, size := range set.FreeDimensions {
		steps = append(steps, func() error { return l.fixDimension(opts, name, size) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, reason.Errorf(reason.RuntimeFailed, "a session option was refused").Because(err)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(set.Session)) {
		if err := opts.AddSessionConfigEntry(k, set.Session[k]); err != nil {
			return nil, reason.Errorf(reason.OptionInvalid, "session option %s=%s was refused", k, set.Session[k]).
				Because(err)
		}
	}
	for k, v := range set.Environment {
		// With cgo this sets the C library's environment too. The provider that reads
		// it is loaded later, when it is appended.
		if err := os.Setenv(k, v); err != nil {
			return nil, reason.Errorf(reason.RuntimeFailed, "the provider's environment cannot be set").Because(err)
		}
	}
	if o.Provider.Name == provider.ACL {
		return opts, l.appendACL(opts, o.Threads, set.Provider)
	}
	return opts, l.appendProvider(opts, o.Provider.Name, set.Provider)
}

func (l *Library) fixDimension(opts *onnx.SessionOptions, name string, size int64) error {
	p, err := hidden(opts, "o")
	if err != nil {
		return err
	}
	cName := C.CString(name)
	defer C.free(unsafe.Pointer(cName))
	return take(C.chexp_fix_dimension(l.api, p, cName, C.int64_t(size)))
}

// appendProvider makes the session try the provider first; the runtime's CPU
// code is always there for the nodes that it does not take.
func (l *Library) appendProvider(opts *onnx.SessionOptions, name string, options map[string]string) error {
	if name == provider.CPU {
		if len(options) > 0 {
			return reason.Errorf(reason.OptionInvalid, "provider cpu has no options of its own, got %s", keys(options)).
				Advise("use session.* options, such as %s", spinning)
		}
		return nil
	}
	if p, ok := l.plugins[name]; ok {
		if err := l.appendPlugin(opts, p, options); err != nil {
			return reason.Errorf(reason.OptionInvalid, "the plugin's provider %q refused the session", name).
				Because(err)
		}
		return nil
	}
	listed, err := l.listed()
	if err != nil {
		return reason.Errorf(reason.RuntimeFailed, "the runtime does not list its providers").Because(err)
	}
	usable := strings.Join(l.usable(listed), ", ")
	if !slices.Contains(listed, name) {
		return reason.Errorf(reason.ProviderAbsent, "onnxruntime %s has no execution provider %q; it has: %s",
			onnx.GetVersion(), name, usable).
			Advise("choose one of those, or mark the provider optional")
	}
	if own, ok := withOptionsOfItsOwn[name]; ok {
		return providerError(name, usable, own(opts, options))
	}
	p := provider.Named(name)
	if p.Function != "" {
		found, err := l.appendBySymbol(opts, p.Function, p.Argument, options)
		if found {
			return providerError(name, usable, err)
		}
	}
	return providerError(name, usable, opts.AppendExecutionProvider(cmp.Or(p.Generic, name), options))
}

// withOptionsOfItsOwn holds the providers that ONNX Runtime has an own type of
// options and an own function for.
var withOptionsOfItsOwn = map[string]func(*onnx.SessionOptions, map[string]string) error{
	"cuda": appendCUDA, "tensorrt": appendTensorRT,
}

// appendCUDA and appendTensorRT take their options as names and texts.
func appendCUDA(opts *onnx.SessionOptions, options map[string]string) error {
	p, err := onnx.NewCUDAProviderOptions()
	if err != nil {
		return err
	}
	defer p.Destroy()
	if err := p.Update(options); err != nil {
		return err
	}
	return opts.AppendExecutionProviderCUDA(p)
}

func appendTensorRT(opts *onnx.SessionOptions, options map[string]string) error {
	p, err := onnx.NewTensorRTProviderOptions()
	if err != nil {
		return err
	}
	defer p.Destroy()
	if err := p.Update(options); err != nil {
		return err
	}
	return opts.AppendExecutionProviderTensorRT(p)
}

func providerError(name, usable string, err error) error {
	if err == nil {
		return nil
	}
	return reason.Errorf(reason.ProviderAbsent,
		"onnxruntime %s knows the execution provider %q but cannot use it here; usable: %s",
		onnx.GetVersion(), name, usable).
		Advise("choose one of those, or mark the provider optional").Because(err)
}

func (l *Library) appendBySymbol(opts *onnx.SessionOptions, suffix, argument string,
	options map[string]string) (found bool, err error) {
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
	symbol := C.CString(provider.FunctionPrefix + suffix)
	defer C.free(unsafe.Pointer(symbol))
	var exported C.int
	err = take(C.chexp_append_by_symbol(l.handle, l.api, symbol, p, C.int(value), &exported))
	return exported != 0, err
}
