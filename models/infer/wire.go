package infer

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"chexp/experiments/input"
	"chexp/models/onnx"
)

// A message is its header's length in 4 bytes, little endian, the header as
// JSON, and then as many bytes as the header announces: the model, or the
// tensors' values one after the other.
type header struct {
	Op      string   `json:"op,omitempty"` // open, run, close; empty in answers
	Session int      `json:"session,omitempty"`
	Options *Options `json:"options,omitempty"`
	Model   int64    `json:"model_bytes,omitempty"`
	Tensors []tensor `json:"tensors,omitempty"`
	TookNS  int64    `json:"took_ns,omitempty"`
	Error   string   `json:"error,omitempty"`
}

type tensor struct {
	Name  string        `json:"name"`
	Type  onnx.DataType `json:"type"`
	Dims  []int64       `json:"dims"`
	Bytes int64         `json:"bytes"`
}

// Bounds of a message.
const (
	maxHeader = 1 << 20
	maxBody   = onnx.MaxBytes
)

func writeMessage(w io.Writer, h header, body ...[]byte) error {
	b, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(b) > maxHeader {
		return errors.New("the message's header is too long")
	}
	if _, err := w.Write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)); err != nil {
		return err
	}
	for _, part := range body {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func readHeader(r io.Reader) (h header, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return h, err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxHeader {
		return h, fmt.Errorf("a header of %d bytes", n)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(r, b); err != nil {
		return h, unexpected(err)
	}
	return h, json.Unmarshal(b, &h)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func readBody(r io.Reader, n int64) ([]byte, error) {
	if n < 0 || n > maxBody {
		return nil, fmt.Errorf("a body of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, unexpected(err)
}

// pack splits tensors into what the header says of them and their values.
func pack(list []*onnx.Tensor) (heads []tensor, body [][]byte) {
	for _, t := range list {
		values := t.Raw
		if t.Type == onnx.Text {
			texts := make([]string, len(t.Strings))
			for i, s := range t.Strings {
				texts[i] = string(s)
			}
			values = input.PackTexts(texts)
		}
		heads = append(heads, tensor{t.Name, t.Type, t.Dims, int64(len(values))})
		body = append(body, values)
	}
	return heads, body
}

// unpack reads the values of the tensors that the header announced.
func unpack(r io.Reader, heads []tensor) (list []*onnx.Tensor, err error) {
	total := int64(0)
	for _, h := range heads {
		if total += h.Bytes; h.Bytes < 0 || total > maxBody {
			return nil, fmt.Errorf("tensors of more than %d bytes", int64(maxBody))
		}
	}
	for _, h := range heads {
		t := &onnx.Tensor{Name: h.Name, Type: h.Type, Dims: h.Dims}
		if t.Raw, err = readBody(r, h.Bytes); err != nil {
			return nil, err
		}
		if t.Type == onnx.Text {
			if err := textsOf(t); err != nil {
				return nil, err
			}
		} else if t.Bytes() != h.Bytes {
			err = fmt.Errorf("tensor %q: %d bytes for %v of %v", h.Name, h.Bytes, h.Dims, h.Type)
		}
		list = append(list, t)
	}
	return list, err
}

// textsOf unpacks the values of a tensor of strings.
func textsOf(t *onnx.Tensor) error {
	texts, err := input.Texts(t.Raw)
	if err != nil || int64(len(texts)) != t.Elements() {
		return fmt.Errorf("tensor %q: %d texts for %v (%v)", t.Name, len(texts), t.Dims, err)
	}
	t.Raw = nil
	for _, s := range texts {
		t.Strings = append(t.Strings, []byte(s))
	}
	return nil
}
