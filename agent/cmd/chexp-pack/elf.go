package main

import (
	"debug/elf"
	"fmt"
	"io"
	"os"

	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// checkELFs checks that everything is for the architecture, that the launcher
// needs no loader, and that what the others need is carried.
func checkELFs(launcher, arch string, paths map[string]string) error {
	machine, ok := provider.Machines[arch]
	if !ok {
		return fmt.Errorf("architecture %q is unknown", arch)
	}
	if launcher != "" {
		if err := checkLauncher(launcher, arch, machine); err != nil {
			return err
		}
	}
	for name, path := range paths {
		if err := checkCarried(name, path, machine, paths); err != nil {
			return err
		}
	}
	return nil
}

func checkLauncher(launcher, arch string, machine elf.Machine) error {
	f, err := elf.Open(launcher)
	if err != nil {
		return fmt.Errorf("launcher %s: %w", launcher, err)
	}
	defer f.Close()
	if f.Machine != machine {
		return fmt.Errorf("launcher %s is for %v, not %s", launcher, f.Machine, arch)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return fmt.Errorf("launcher %s is not static; build it with CGO_ENABLED=0", launcher)
		}
	}
	return nil
}

func checkCarried(name, path string, machine elf.Machine, paths map[string]string) error {
	if !isELF(path) {
		return nil // a licence
	}
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer f.Close()
	if f.Machine != machine {
		return fmt.Errorf("%s is for %v, not %v", path, f.Machine, machine)
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for _, lib := range needed {
		if paths[lib] == "" {
			return fmt.Errorf("%s (%s) needs %s, which is not carried", name, path, lib)
		}
	}
	return nil
}

func isELF(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return true // elf.Open will say what is wrong
	}
	defer f.Close()
	head := make([]byte, len(elf.ELFMAG))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == elf.ELFMAG
}

// describeRuntime reads version and providers out of the library. Providers whose
// code is in another library count only if that is carried too.
func describeRuntime(path string, paths map[string]string) (trial.Runtime, error) {
	r := trial.Runtime{Name: "onnxruntime"}
	f, err := elf.Open(path)
	if err != nil {
		return r, fmt.Errorf("ONNX Runtime %s: %w", path, err)
	}
	defer f.Close()
	r.Version, r.Providers, err = provider.Describe(f, func(file string) bool { return paths[file] != "" })
	if err != nil {
		return r, fmt.Errorf("ONNX Runtime %s: %w", path, err)
	}
	if r.Version == "" || len(r.Providers) == 0 {
		return r, fmt.Errorf("%s does not look like ONNX Runtime: version %q, providers %v",
			path, r.Version, r.Providers)
	}
	return r, nil
}
