package infer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"chexp/models/onnx"
)

// doubler is a runner whose models double their input.
type doubler struct{ closed int }

func (d *doubler) Open(_ context.Context, model []byte, o Options) (Session, error) {
	if string(model) == "bad" {
		return nil, errors.New("no such model")
	}
	return &doubling{d, o}, nil
}

type doubling struct {
	d *doubler
	o Options
}

func (s *doubling) Run(_ context.Context, in []*onnx.Tensor) ([]*onnx.Tensor, time.Duration, error) {
	if len(in) == 0 {
		return nil, 0, errors.New("no input")
	}
	v, err := in[0].Float32s()
	if err != nil {
		return nil, 0, err
	}
	for i := range v {
		v[i] *= 2
	}
	return []*onnx.Tensor{onnx.FloatTensor("y", in[0].Dims, v)}, 5 * time.Millisecond, nil
}

func (s *doubling) Close() error { s.d.closed++; return nil }

// TestMain serves when it is started as the other process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		if err := Serve(os.Stdin, os.Stdout, &doubler{}); err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == "die" {
		io.ReadFull(os.Stdin, make([]byte, 4))
		os.Stderr.WriteString("last words")
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func TestModelsRunInAnotherProcess(t *testing.T) {
	p, err := Start(os.Args[0], "serve")
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if _, err := p.Open(ctx, []byte("bad"), Options{}); err == nil || err.Error() != "no such model" {
		t.Errorf("a bad model: %v", err)
	}
	a, err := p.Open(ctx, []byte("good"), Options{Threads: 2, Config: Exact()})
	if err != nil {
		t.Fatal(err)
	}
	b, err := p.Open(ctx, []byte("good"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, s := range []Session{a, b, a} {
		out, took, err := s.Run(ctx, []*onnx.Tensor{onnx.FloatTensor("x", []int64{1, 2}, []float32{1, float32(i)})})
		if err != nil || took != 5*time.Millisecond || len(out) != 1 || out[0].Name != "y" {
			t.Fatalf("%v, %v, %v", out, took, err)
		}
		if v, _ := out[0].Float32s(); v[0] != 2 || v[1] != float32(2*i) {
			t.Errorf("answers %v", v)
		}
	}
	if _, _, err := a.Run(ctx, nil); err == nil || err.Error() != "no input" {
		t.Errorf("without input: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := a.Run(ctx, nil); err == nil || !strings.Contains(err.Error(), "not open") {
		t.Errorf("a closed session ran: %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestADeadProcessIsAnErrorWithItsLastWords(t *testing.T) {
	p, err := Start(os.Args[0], "die")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := p.Open(context.Background(), []byte("good"), Options{}); err == nil {
		t.Fatal("it opened a model")
	}
	p.cmd.Wait() // its stderr is read to the end
	if _, err := p.Open(context.Background(), []byte("good"), Options{}); err == nil ||
		!strings.Contains(err.Error(), "gone") {
		t.Errorf("error is %v", err)
	}
	if p.words.last() != ": last words" {
		t.Errorf("its last words are %q", p.words.last())
	}
}

func TestACanceledInferenceEndsTheProcess(t *testing.T) {
	p, err := Start("sh", "-c", "cat >/dev/null; exec sleep 60")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := p.Open(ctx, []byte("good"), Options{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error is %v", err)
	}
	if err := p.Close(); err == nil {
		t.Error("a killed process ended well")
	}
}

func TestTheServerRefusesNonsense(t *testing.T) {
	message := func(header string) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, uint32(len(header))), header...)
	}
	for name, in := range map[string][]byte{
		"length":    {0xff, 0xff, 0xff, 0xff},
		"cut short": message(`{"op":"open","model_bytes":100}`),
		"no JSON":   message("hello"),
		"request":   message(`{"op":"fly"}`),
		"negative":  message(`{"op":"open","model_bytes":-1}`),
		"huge":      message(`{"op":"open","model_bytes":99999999999}`),
		"tensor size": append(
			message(`{"op":"run","session":1,"tensors":[{"name":"x","type":1,"dims":[2],"bytes":4}]}`),
			0, 0, 0, 0),
		"tensors": message(`{"op":"run","session":1,"tensors":[{"name":"x","type":1,"dims":[-2],"bytes":-8}]}`),
	} {
		if err := Serve(bytes.NewReader(in), io.Discard, &doubler{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestSessionsAreClosedWithTheConnection(t *testing.T) {
	var in, out bytes.Buffer
	if err := writeMessage(&in, header{Op: "open", Model: 4}, []byte("good")); err != nil {
		t.Fatal(err)
	}
	d := &doubler{}
	if err := Serve(&in, &out, d); err != nil || d.closed != 1 {
		t.Errorf("%v, %d closed", err, d.closed)
	}
}
