package provider

import (
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for native, want := range map[string]string{
		"CPUExecutionProvider": "cpu", "ACLExecutionProvider": "acl-ort", "ChexpACLExecutionProvider": "acl",
		"XnnpackExecutionProvider": "xnnpack", "Dnnl": "dnnl", "SomethingNewExecutionProvider": "somethingnew",
	} {
		if got := NameOf(native); got != want {
			t.Errorf("%s is %q, want %q", native, got, want)
		}
	}
	if p := Named("somethingnew"); p.Name != "somethingnew" || p.StaticShapes {
		t.Errorf("a provider that is not in the table: %+v", p)
	}
}

// Each row has names that only it has, a way into a session that is not two
// ways, and says what is known with a title or not at all.
func TestRows(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range All {
		for _, name := range []string{p.Name, "native " + strings.ToLower(p.Native)} {
			if seen[name] {
				t.Errorf("%q is there twice", name)
			}
			seen[name] = true
		}
		switch {
		case p.Name != strings.ToLower(p.Name) || p.Native == "":
			t.Errorf("%q has the native name %q", p.Name, p.Native)
		case p.Function != "" && p.Generic != "" || (p.Function == "") != (p.Argument == ""):
			t.Errorf("%s: function %q(%s), generic %q", p.Name, p.Function, p.Argument, p.Generic)
		case (p.Title == "") != (p.Known == ""):
			t.Errorf("%s: title %q, known %q", p.Name, p.Title, p.Known)
		case NameOf(p.Native) != p.Name:
			t.Errorf("%s is %s again", p.Native, NameOf(p.Native))
		}
	}
}

func TestIn(t *testing.T) {
	exported := []string{"OrtGetApiBase", FunctionPrefix + "CPU", FunctionPrefix + "CUDA", FunctionPrefix + "Dnnl",
		FunctionPrefix + "ACL", FunctionPrefix + "Novel"}
	for _, test := range []struct{ beside, needed, want string }{
		{"", "libc.so.6", "acl-ort cpu"},
		{"libonnxruntime_providers_dnnl.so", "libXNNPACK.so.0 libc.so.6", "acl-ort cpu dnnl xnnpack"},
		{"libonnxruntime_providers_novel.so libchexp_acl.so", "", "acl acl-ort cpu novel"},
	} {
		beside := func(file string) bool { return slices.Contains(strings.Fields(test.beside), file) }
		if got := strings.Join(in(exported, strings.Fields(test.needed), beside), " "); got != test.want {
			t.Errorf("beside %q, with %q: %s, want %s", test.beside, test.needed, got, test.want)
		}
	}
}
