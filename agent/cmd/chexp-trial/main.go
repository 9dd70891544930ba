//go:build cgo

package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/agent/internal/placement"
	"chexp/agent/internal/session"
	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

func main() {
	if err := dispatch(); err != nil {
		fmt.Fprintln(os.Stderr, "chexp-trial:", err)
		os.Exit(1)
	}
}

func run() error {
	library := flag.String("ort", "", "path of libonnxruntime")
	resultFD := flag.Int("result-fd", 1, "file descriptor that gets the answers, one JSON document a line")
	evaluate := flag.Bool(strings.TrimPrefix(accuracy.Flag, "-"), false, "measure accuracy instead of time")
	try := flag.Bool("try", false, "run a model once instead of timing it: the trial.Try on standard input")
	describe := flag.Bool("describe", false, "write what the runtime is instead of running a trial")
	profile := flag.String("profile", "",
		"find out which provider runs which nodes instead of timing; the directory for the runtime's profile")
	var plugins []string
	flag.Func("plugin", "provider=path of a library with an execution provider", func(v string) error {
		plugins = append(plugins, v)
		return nil
	})
	flag.Parse()
	out := os.NewFile(uintptr(*resultFD), "result")

	if *describe {
		lib, err := load(*library, plugins)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(lib.Runtime())
	}

	if *try {
		return tryOnce(*library, out)
	}
	if *evaluate {
		return measureAccuracy(*library, out)
	}
	return serve(*library, plugins, *profile, out)
}

// serve carries out the request on standard input. With a directory for the
// profile it does not time the model but finds out which provider runs its nodes.
func serve(library string, plugins []string, profile string, out *os.File) error {
	in := json.NewDecoder(os.Stdin)
	var req session.Request
	if err := in.Decode(&req); err != nil {
		return fmt.Errorf("the request on stdin: %w", err)
	}
	// Loaded before the clock of session creation starts.
	lib, err := load(library, plugins)
	options := ort.Options{Provider: req.Provider, Threads: req.Threads, Batch: req.Batch,
		Inputs: req.Inputs, Packs: req.Packs}
	if profile != "" {
		if err != nil {
			return err
		}
		return writePlacement(out, lib, profile, req, options)
	}
	var settings *trial.Settings
	open := func() (session.Engine, error) {
		if err != nil {
			return nil, err
		}
		s, err := lib.Open(req.ModelPath, options)
		if err == nil {
			set := s.Settings()
			settings = &set
		}
		return s, err
	}
	return session.Serve(req, in, out, open, func(res *trial.Result) {
		if lib != nil {
			res.Runtime = lib.Runtime()
			res.Runtime.Settings = settings
		}
		if res.Outcome == trial.OK {
			res.Harness = lib.Harness()
		}
	})
}

// writePlacement answers with the placement or with the reason why there is none.
func writePlacement(out *os.File, lib *ort.Library, dir string, req session.Request, options ort.Options) error {
	inside := map[string]int{} // what chexp's ACL plugin has compiled into its subgraphs
	p, err := placement.Profile(dir, req.Seed, lib.PlanName, func(prefix string) (session.Engine, error) {
		options.Profile = prefix
		s, err := lib.Open(req.ModelPath, options)
		if err != nil || options.Provider.Name != provider.ACL {
			return s, err
		}
		assigned, err := s.Assignment()
		for _, a := range assigned {
			if lib.PlanName(a.Provider) == provider.ACL {
				inside[a.Operator]++
			}
		}
		return s, err
	})
	if err == nil && options.Provider.Name == provider.ACL {
		err = placement.Expand(p, provider.ACL, inside)
	}
	reading := trial.Unread[trial.Placement]("")
	if err != nil {
		reading.Unavailable = err.Error()
	} else {
		reading = trial.Read(*p)
	}
	return json.NewEncoder(out).Encode(reading)
}

// load loads the runtime and its plugins.
func load(library string, plugins []string) (*ort.Library, error) {
	lib, err := ort.Load(library)
	if err != nil {
		return nil, err
	}
	for _, p := range plugins {
		provider, path, _ := strings.Cut(p, "=")
		if err := lib.Plug(provider, path); err != nil {
			return nil, err
		}
	}
	return lib, nil
}
