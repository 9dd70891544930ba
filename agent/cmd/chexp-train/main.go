//go:build cgo

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chexp/agent/internal/accuracy"
	"chexp/agent/internal/ort"
	"chexp/experiments/stats"
	"chexp/experiments/trial"
	"chexp/models/mobilenet"
	"chexp/models/plates"
	"chexp/models/train"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "chexp-train:", err)
		os.Exit(1)
	}
}

func run() error {
	library := flag.String("ort", "", "path of libonnxruntime (`make agents` downloads one into the cache)")
	threads := flag.Int("threads", 2, "threads")
	out := flag.String("out", "", "file for the weights; empty: train only")
	pictures := flag.Int("pictures", 1000, "held-out pictures to evaluate the weights on")
	checkpoint := flag.String("checkpoint", "train.gob", "file that keeps the training's state; it goes on from there")
	flag.Parse()
	lib, err := ort.Load(*library)
	if err != nil {
		return err
	}
	defer lib.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &train.Trainer{Net: mobilenet.V2(plates.Classes), Plan: train.Default(), Open: opener(lib, *threads, 1), Checkpoint: *checkpoint,
		Log: func(format string, args ...any) {
			fmt.Fprintf(os.Stderr, time.Now().UTC().Format("15:04:05 ")+format+"\n", args...)
		}}
	if err := t.Run(ctx); err != nil || *out == "" {
		return err
	}
	return finish(t, lib, *threads, *pictures, *out)
}

// finish folds the batch normalisations, writes the weights, and measures the
// model that they make: the file's, after its rounding to 16 bits.
func finish(t *train.Trainer, lib *ort.Library, threads, pictures int, out string) error {
	weights, err := t.Finish(40, 8)
	if err != nil {
		return err
	}
	data, err := t.Net.Half(weights)
	if err != nil {
		return err
	}
	if err := os.WriteFile(out, data, 0o666); err != nil {
		return err
	}
	rounded, err := t.Net.FromHalf(data)
	if err != nil {
		return err
	}
	model, err := mobilenet.Build(t.Net, rounded, mobilenet.Info{Name: "evaluated"})
	if err != nil {
		return err
	}
	path := out + ".onnx"
	if err := os.WriteFile(path, model.Marshal(), 0o666); err != nil {
		return err
	}
	defer os.Remove(path)
	options := ort.Options{Provider: trial.Provider{Name: "cpu"}, Threads: threads, Batch: 1}
	reply := accuracy.Evaluate(accuracy.Request{Pictures: pictures}, threads, func() (accuracy.Engine, error) { return lib.Open(path, options) })
	if reply.Reason != nil {
		return errors.New(reply.Reason.Text)
	}
	right := reply.Right()
	share := stats.Proportion(right, pictures)
	steps, drawn, seconds := t.Progress()
	fmt.Printf("%s: %d bytes\n%d steps, %d pictures, %.0f s\nheld out: %d of %d right, %.1f %% (95 %%: %.1f to %.1f)\n",
		out, len(data), steps, drawn, seconds, right, pictures, 100*float64(right)/float64(pictures), 100*share.Low, 100*share.High)
	return nil
}
