package kernelfs

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func files(m map[string]string) fstest.MapFS {
	root := fstest.MapFS{}
	for name, text := range m {
		root[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return root
}

func TestList(t *testing.T) {
	for s, want := range map[string][]int{
		"0-3,8": {0, 1, 2, 3, 8}, "0 1 2\n": {0, 1, 2}, "5": {5}, "0-1,3-4": {0, 1, 3, 4},
		"": nil, "x": nil, "3-1": nil, "-1": nil, "0-8192": nil, "99999999999": nil, "1-": nil,
		strings.Repeat("0-8191,", 3): nil,
	} {
		got, err := List(s)
		if !slices.Equal(got, want) || (err == nil) != (want != nil) {
			t.Errorf("%.20q: %d processors, %v", s, len(got), err)
		}
	}
}

func TestCounts(t *testing.T) {
	for s, want := range map[string]int64{"0": 0, "5": 5, "4611686018427387903": MaxCount} {
		if n, err := ParseCount(s); err != nil || n != want {
			t.Errorf("%q: %d %v", s, n, err)
		}
	}
	for _, s := range []string{"", "-1", "+1", "4611686018427387904", "18446744073709551616", "1e3", "0x5", " 1",
		strings.Repeat("9", 5000)} {
		n, err := ParseCount(s)
		if err == nil {
			t.Errorf("%.20q: %d", s, n)
		} else if len(err.Error()) > 200 {
			t.Errorf("%.20q: a message of %d bytes", s, len(err.Error()))
		}
	}
}

func TestReading(t *testing.T) {
	root := files(map[string]string{
		"proc/m": "A: 5 kB\nB 6\nC: x\nD\n", "proc/n": " 7\n", "proc/dt": "board\x00",
		"proc/big":         strings.Repeat("x", maxRead+5),
		"proc/self/status": "Name: x\nCpus_allowed_list:\t1-2\n",
	})
	for key, want := range map[string]int64{"A": 5, "B": 6} {
		if n, err := Keyed(root, "proc/m", key); err != nil || n != want {
			t.Errorf("%s: %d %v", key, n, err)
		}
	}
	for key, sign := range map[string]string{"C": "no count", "D": "has no D", "E": "has no E"} {
		if _, err := Keyed(root, "proc/m", key); err == nil || !strings.Contains(err.Error(), "/proc/m") ||
			!strings.Contains(err.Error(), sign) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if n, err := Count(root, "proc/n"); err != nil || n != 7 {
		t.Errorf("%d %v", n, err)
	}
	if _, err := Count(root, "proc/none"); err == nil || err.Error() != "/proc/none: file does not exist" {
		t.Errorf("%v", err)
	}
	if s, err := Read(root, "proc/dt"); err != nil || s != "board" {
		t.Errorf("%q %v", s, err)
	}
	if s, err := Read(root, "proc/big"); err != nil || len(s) != maxRead {
		t.Errorf("%d bytes, %v", len(s), err)
	}
	if cpus, err := Usable(root); err != nil || !slices.Equal(cpus, []int{1, 2}) {
		t.Errorf("%v %v", cpus, err)
	}
	for _, status := range []string{"Name: x\n", "Cpus_allowed_list: all\n"} {
		if cpus, err := Usable(files(map[string]string{"proc/self/status": status})); err == nil {
			t.Errorf("%q: %v", status, cpus)
		}
	}
}
