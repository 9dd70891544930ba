package main

import (
	"os"
	"runtime"
	"sync"

	"chexp/agent/internal/device"
	"chexp/agent/internal/device/conditions"
	"chexp/agent/internal/matrix"
	"chexp/experiments/trial"
)

// watch has the supervisor look at the machine around every block. It also adds
// the facts of the device that must be measured: once, before the first trial's
// process starts, because measuring takes all cores for some 0.1 s.
func watch(s *matrix.Supervisor) {
	root := os.DirFS("/")
	roof := sync.OnceValue(func() trial.Reading[trial.Roof] { return device.Roof(root, runtime.GOARCH) })
	facts := s.Device
	s.Device = func() trial.Device {
		d := facts()
		d.Roof, d.FloatInAdds = roof(), device.FloatInAdds()
		return d
	}
	sampler := conditions.New(root, runtime.GOARCH)
	s.Observe = func(pid int) func() *trial.Conditions {
		sampler.Before(pid)
		return sampler.After
	}
	s.Temperature = sampler.Temperature
}
