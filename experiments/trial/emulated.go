package trial

import "math"

// What FloatInAdds tells. A processor's is the latency of the operation, 3 to 8
// cycles on every core that we know of; QEMU 7.2 was measured at 37 on amd64 and
// 54 to 93 on arm64. Between the two nothing is claimed.
const (
	ProcessorUpTo = 12
	EmulatorFrom  = 20
)

// EmulatedBy says by what the processor is emulated, as far as something showed it or
// the agent measured it; "": nothing did, which is no proof of a processor.
func (d *Device) EmulatedBy() string {
	if v, ok := d.FloatInAdds.Get(); d.Emulated == "" && ok && v >= EmulatorFrom && !math.IsInf(v, 0) {
		return "by the time that its float operations take"
	}
	return d.Emulated
}

// OnProcessor reports that the agent measured that a processor runs its instructions,
// and found no sign of an emulator.
func (d *Device) OnProcessor() bool {
	v, ok := d.FloatInAdds.Get()
	return d.Emulated == "" && ok && v > 0 && v <= ProcessorUpTo
}
