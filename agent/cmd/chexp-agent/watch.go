package main

import (
	"os"
	"runtime"

	"chexp/agent/internal/device"
	"chexp/agent/internal/device/sample"
	"chexp/agent/internal/matrix"
	"chexp/experiments/trial"
)

// watch has the supervisor look at the machine around every block, and adds to the
// device's facts the one that is measured: once, before any trial, because it takes
// all cores for some 0.1 s.
func watch(s *matrix.Supervisor) {
	root := os.DirFS("/")
	roof := device.Roof(root, runtime.GOARCH)
	facts := s.Device
	s.Device = func() trial.Device {
		d := facts()
		d.Roof = roof
		return d
	}
	sampler := sample.New(root, runtime.GOARCH)
	s.Observe = func(pid int) func() *trial.Conditions {
		sampler.Before(pid)
		return sampler.After
	}
	s.Temperature = sampler.Temperature
}
