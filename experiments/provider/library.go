package provider

import (
	"debug/elf"
	"strings"
)

// Machines are the processors that chexp's devices have, by Go's names.
var Machines = map[string]elf.Machine{"arm64": elf.EM_AARCH64, "amd64": elf.EM_X86_64}

// Describe reads the version and the providers of a library of ONNX Runtime out
// of it; beside says whether a file lies in the same folder. The version is
// empty where the library is none of ONNX Runtime: its symbols have the version
// VERS_x.y.z, and OrtGetApiBase is one of them.
func Describe(f *elf.File, beside func(file string) bool) (version string, names []string, err error) {
	symbols, err := f.DynamicSymbols()
	if err != nil {
		return "", nil, err
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return "", nil, err
	}
	var exported []string
	for _, s := range symbols {
		if s.Section == elf.SHN_UNDEF {
			continue
		}
		if s.Name == "OrtGetApiBase" {
			version = strings.TrimPrefix(s.Version, "VERS_")
		}
		exported = append(exported, s.Name)
	}
	return version, in(exported, needed, beside), nil
}
