package main

import (
	"context"
	"os"
	"syscall"

	"chexp/agent/internal/payload"
)

// runInfer turns this process into the runner that serves models on the
// standard streams (package models/infer).
func runInfer() error {
	own, err := payload.UnpackSelf(context.Background())
	if err != nil {
		return err
	}
	args := own.Header.Command(own.Dir, "-infer")
	return syscall.Exec(args[0], args, payload.Environ(os.Environ()))
}
