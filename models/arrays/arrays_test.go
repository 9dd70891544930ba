package arrays

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chexp/experiments/input"
)

func npy(descr, order, shape string, data []byte) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }\n", descr, order, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), binary.LittleEndian.AppendUint16(nil, uint16(len(head)))...)
	return append(append(b, head...), data...)
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		descr, order, shape, data, want string
	}{
		{"<f4", "False", "2,", "0000803f000000c0", "float32 [2] 0000803f000000c0"},
		{">i2", "False", "2,", "00010002", "int16 [2] 01000200"},
		{"|b1", "False", "", "01", "bool [] 01"},
		{"<i8", "False", "0, 4", "", "int64 [0 4] "},
		{"|u1", "True", "2, 3", "010203040506", "uint8 [2 3] 010305020406"},
		{"<U2", "False", "2,", "61000000620000006300000000000000", `string [2] ["ab" "c"]`},
		{"|S2", "False", "1,", "6100", `string [1] ["a"]`},
		{"|O", "False", "1,", "00", "not read here"},
		{"<c8", "False", "1,", "0000000000000000", "an array of c8"},
		{"<f4", "False", "3,", "0000803f", "holds 4 bytes"},
		{"<f4", "False", "4294967296, 4294967296", "", "too large"},
	} {
		data, _ := hex.DecodeString(c.data)
		a, err := Parse(npy(c.descr, c.order, c.shape, data))
		got := fmt.Sprint(err)
		if err == nil {
			if got = fmt.Sprintf("%s %v %x", a.Type, a.Shape, a.Data); a.Type == input.Text {
				got = fmt.Sprintf("%s %v %q", a.Type, a.Shape, a.Texts)
			}
		}
		if err == nil && got != c.want || err != nil && !strings.Contains(got, c.want) {
			t.Errorf("%s (%s): %s, want %s", c.descr, c.shape, got, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(npy("<U2", "True", "1, 2", make([]byte, 16)))
	f.Add(npy(">f8", "False", "2,", make([]byte, 16)))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := Parse(b); err == nil {
			for _, to := range []input.Type{input.Float32, "int8", input.Bool, input.Float16} {
				if c, err := a.To(to); err == nil && int64(len(c.Data)) != a.Elements()*int64(to.Bytes()) {
					t.Errorf("%s to %s: %d bytes of %v", a.Type, to, len(c.Data), a.Shape)
				}
			}
		}
	})
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i, name := range []string{"x", "h"} {
		w, err := z.Create(name + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		w.Write(npy("|u1", "False", "1,", []byte{byte(i)}))
	}
	z.Close()
	npz := put("a.npz", b.Bytes())
	if names, err := Names(npz); err != nil || fmt.Sprint(names) != "[h x]" {
		t.Error(names, err)
	}
	if a, err := Read(npz, "h"); err != nil || a.Data[0] != 1 {
		t.Error(a, err)
	}
	if _, err := Read(npz, "y"); err == nil || !strings.Contains(err.Error(), `no array "y"; it has: h, x`) {
		t.Error(err)
	}
	if a, err := Read(put("t.txt", []byte("\xef\xbb\xbfone\r\n\nthree\n")), ""); err != nil ||
		fmt.Sprintf("%v %q", a.Shape, a.Texts) != `[3] ["one" "" "three"]` {
		t.Error(a, err)
	}
	if _, err := Read(put("bad.npz", []byte("PK")), "x"); err == nil {
		t.Error("no archive was read")
	}
}

func TestConvert(t *testing.T) {
	a := &Array{Type: input.Float64, Shape: []int64{2}, Data: input.Append(input.Append(nil, input.Float64, 0.1),
		input.Float64, -3)}
	if b, err := a.To(input.Float32); err != nil || fmt.Sprintf("%x", b.Data) != "cdcccc3d000040c0" {
		t.Error(b, err)
	}
	if _, err := a.To("int8"); err == nil || !strings.Contains(err.Error(), "it holds 0.1, which is no value of int8") {
		t.Error(err)
	}
	if v := half(0x3555); v < 0.333 || v > 0.3334 {
		t.Error(v)
	}
}
