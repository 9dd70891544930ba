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
	self, err := payload.Self()
	if err != nil {
		return err
	}
	p, err := payload.Open(self)
	if err != nil {
		return err
	}
	dir, err := p.Unpack(context.Background(), payload.Bases(self))
	if err != nil {
		return err
	}
	args := p.Header.Command(dir, "-infer")
	p.Close()
	return syscall.Exec(args[0], args, payload.Environ(os.Environ()))
}
