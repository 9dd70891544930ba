//go:build cgo

package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"chexp/agent/internal/ort"
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
	checkpoint := flag.String("checkpoint", "train.gob", "file that keeps the training's state; it goes on from there")
	asItIs := flag.Bool("as-it-is", false, "do not train on: take what the checkpoint has")
	out := flag.String("out", "", "directory for weights and ranges; empty: train only")
	pictures := flag.Int("pictures", 1000, "held-out pictures to evaluate them on")
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
	work := t.Run
	if *asItIs {
		work = func(context.Context) error { return t.Load() }
	}
	if err := work(ctx); err != nil || *out == "" {
		return err
	}
	f := finisher{t, lib, *threads, *pictures, *out}
	return f.finish(ctx)
}
