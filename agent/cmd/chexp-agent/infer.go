package main

import (
	"context"
	"os"
	"syscall"

	"chexp/agent/internal/payload"
)

// runAs turns this process into the runner with the flag: -infer serves models on
// the standard streams (package models/infer), -try runs one model once
// (trial.Try).
func runAs(flag string) error {
	own, err := payload.UnpackSelf(context.Background())
	if err != nil {
		return err
	}
	args := own.Header.Command(own.Dir, flag)
	return syscall.Exec(args[0], args, payload.Environ(os.Environ()))
}
