package samples

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"chexp/models/onnx"
)

func longs(shape string, values ...int64) []byte {
	head := fmt.Sprintf("{'descr': '<i8', 'fortran_order': False, 'shape': (%s), }\n", shape)
	b := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	b = append(b, head...)
	for _, v := range values {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

func npz(t *testing.T, arrays map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range arrays {
		w, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// twoInputs are token numbers of 32 bits, of any length, and four floats.
func twoInputs() []*onnx.Value {
	open := onnx.Dim{Param: "n", Size: -1}
	return []*onnx.Value{{Name: "ids", Elem: onnx.Int32, Shape: []onnx.Dim{open, {Param: "length", Size: -1}}},
		{Name: "age", Elem: onnx.Float32, Shape: []onnx.Dim{open, {Size: 4}}}}
}

func TestArchivesFillSeveralInputs(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.npz"),
		npz(t, map[string][]byte{"ids": longs("3,", 1, 2, 3), "age": npy("1, 4", 1, 2, 3, 4)}))
	write(t, filepath.Join(dir, "b.npz"),
		npz(t, map[string][]byte{"ids": longs("1, 2", 4, 5), "age": npy("4,", 5, 6, 7, 8)}))
	sets, s, err := From{Dir: dir}.Sets(twoInputs())
	if err != nil {
		t.Fatal(err)
	}
	if len(sets) != 2 || len(s.Names) != 2 || s.Labels != nil {
		t.Fatalf("%d sets of %v, labels %v", len(sets), s.Names, s.Labels)
	}
	for i, want := range []string{"[1 3] int32 [1 4] float32 [1 2 3]", "[1 2] int32 [1 4] float32 [4 5]"} {
		ids, age := sets[i][0], sets[i][1]
		values, err := ids.Integers()
		if got := fmt.Sprint(ids.Dims, " ", ids.Type, " ", age.Dims, " ", age.Type, " ", values); got != want || err != nil ||
			ids.Name != "ids" || age.Name != "age" {
			t.Errorf("sample %d is %s (%v), want %s", i, got, err, want)
		}
	}
}

func TestAnIntegerInputTakesArrays(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "no", "a.npy"), longs("1, 2", 1, 2))
	write(t, filepath.Join(dir, "yes", "b.npz"), npz(t, map[string][]byte{"arr_0": longs("3,", 7, 8, 9)}))
	sets, s, err := From{Dir: dir}.Sets(twoInputs()[:1])
	if err != nil || len(sets) != 2 || fmt.Sprint(sets[1][0].Dims, s.Labels) != "[1 3] [0 1]" {
		t.Errorf("%v, %v, %+v", sets, err, s)
	}
}

func TestArchivesThatDoNotFit(t *testing.T) {
	good := npy("4,", 1, 2, 3, 4)
	both := func(ids, age []byte) []byte { return npz(t, map[string][]byte{"ids": ids, "age": age}) }
	for name, c := range map[string]struct {
		file string
		data []byte
		says string
	}{
		"picture": {"a.png", nil, `archives of arrays (.npz) and nothing else, one for each sample, with an array for ` +
			`each input: numpy.savez("1.npz", ids=…, age=…)`},
		"nothing": {"a.txt", []byte("x"), "archives of arrays"},
		"no input": {"a.npz", npz(t, map[string][]byte{"ids": longs("1,", 1), "other": good}),
			`input "age": it holds no array "age"; it has: ids, other`},
		"shape": {"a.npz", both(longs("1,", 1), npy("5,", 1, 2, 3, 4, 5)),
			"an array of shape [5], but the model takes [n 4]"},
		"too large": {"a.npz", both(longs("1,", 1<<40), good), "no value of int32"},
		"empty":     {"a.npz", both(longs("1, 0"), good), "an array of shape [1 0]"},
		"no zip":    {"a.npz", []byte("hello"), "no archive of arrays"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, c.file), c.data)
		if _, _, err := (From{Dir: dir}).Sets(twoInputs()); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
