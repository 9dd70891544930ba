package facts

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// circumstance is something about the device, or about the software on it, under
// which a trial was measured.
type circumstance struct {
	fact   string // its name in the report of a run; "": it has no line there
	factor string // its name in a comparison; "": it changes no latency
	newer  bool   // agents did not tell it at first: no line where no result does
	of     reader
	// number is what of is for the others; the report gives the range.
	number func(*trial.Result) trial.Reading[float64]
	format func(float64) string
}

func (c circumstance) read(r *trial.Result) (value, why string) {
	if c.number == nil {
		return c.of(r)
	}
	v, ok := c.number(r).Get()
	return words.When(ok, c.format(v)), c.number(r).Unavailable
}

// circumstances lists everything that results tell, by topic.
var circumstances = []circumstance{
	{fact: "Board", factor: "device model", of: text(func(d *trial.Device) trial.Reading[string] { return d.Model })},
	{fact: "Board revision", factor: "board revision", newer: true,
		of: word(func(d *trial.Device) trial.Reading[string] { return d.Board })},
	{fact: "Processor", factor: "processor", of: text(func(d *trial.Device) trial.Reading[string] { return d.CPU })},
	{fact: "Usable cores", factor: "cores", of: plain(func(r *trial.Result) string {
		return words.When(r.Device.Cores > 0, strconv.Itoa(r.Device.Cores))
	})},
	{fact: "Memory", of: number(memory, words.Bytes)},
	// Boards of one kind have a little more or less of it.
	{factor: "memory", of: number(memory, func(v float64) string { return fmt.Sprintf("%.1f GB", v/1e9) })},
	{fact: "Emulated by", of: emulatedBy},
	{fact: "Virtual machine", newer: true, of: func(r *trial.Result) (string, string) { return r.Device.Virtual, "" }},
	{fact: "Kernel", factor: "kernel", of: text(func(d *trial.Device) trial.Reading[string] { return d.Kernel })},
	{fact: "Page size", factor: "page size", newer: true, of: func(r *trial.Result) (string, string) {
		return words.When(r.Device.PageSize > 0, fmt.Sprintf("%d bytes", r.Device.PageSize)), ""
	}},
	{factor: "kernel settings", of: func(r *trial.Result) (string, string) { return settingsOf(r.Device.Cmdline), "" }},
	{fact: "Clock governor", factor: "governor",
		of: text(func(d *trial.Device) trial.Reading[string] { return d.Governor })},
	{fact: "Top clock", factor: "top clock", newer: true,
		of: number(func(d *trial.Device) trial.Reading[int64] { return d.MaxClockHz }, gigahertz)},
	{fact: "Clock at the start of trials", number: clock, format: gigahertz},
	{fact: "Temperature at the start of trials",
		number: func(r *trial.Result) trial.Reading[float64] { return r.Device.Temperature },
		format: func(v float64) string { return words.Digits(v) + " °C" }},
	{fact: "CPU quota", factor: "CPU quota", newer: true, of: func(r *trial.Result) (string, string) {
		v, ok := r.Device.Quota.Get()
		value := words.When(ok && v > 0, words.Digits(v)+" cores") + words.When(ok && v == 0, "none")
		return value, r.Device.Quota.Unavailable
	}},
	{fact: "Memory limit", factor: "memory limit", newer: true,
		of: number(func(d *trial.Device) trial.Reading[int64] { return d.MemoryLimit }, bytesOrNone)},
	{fact: "Swap", newer: true,
		of: number(func(d *trial.Device) trial.Reading[int64] { return d.SwapBytes }, bytesOrNone)},
	{fact: "Cooling", newer: true, of: word(func(d *trial.Device) trial.Reading[string] { return d.CoolingSteps })},
	{fact: "What it can do at best", newer: true, of: func(r *trial.Result) (string, string) {
		v, ok := r.Device.Roof.Get()
		return words.When(ok, roofText(v)), r.Device.Roof.Unavailable
	}},
	{fact: "Processor features", newer: true, of: func(r *trial.Result) (string, string) {
		v, _ := r.Device.Features.Get()
		return words.List(v, " ", 60), r.Device.Features.Unavailable
	}},
	{fact: "Kernel command line", newer: true,
		of: word(func(d *trial.Device) trial.Reading[string] { return d.Cmdline })},
	{factor: "firmware", of: plain(func(r *trial.Result) string { return firmware(r.Blocks) })},
	{fact: "Runtime", factor: "runtime",
		of: plain(func(r *trial.Result) string { return strings.TrimSpace(r.Runtime.Name + " " + r.Runtime.Version) })},
	{fact: "Providers in the runtime",
		of: plain(func(r *trial.Result) string { return words.List(r.Runtime.Providers, ", ", 12) })},
	{fact: "Runtime build", factor: "runtime build",
		of: plain(func(r *trial.Result) string { return r.Runtime.BuildInfo })},
	{factor: "session settings",
		of: plain(func(r *trial.Result) string { return sessionSettings(r.Runtime.Settings) })},
	{factor: "provider options", of: plain(func(r *trial.Result) string { return pairs(r.Provider.Options, "none") })},
	{fact: "Agent", factor: "agent", of: plain(func(r *trial.Result) string {
		return strings.TrimSpace(r.Agent.Version + " " + strings.Trim(r.Agent.OS+"/"+r.Agent.Arch, "/"))
	})},
	{fact: "Agent sha256", of: plain(func(r *trial.Result) string { return r.Agent.SHA256 })},
	{factor: "agent sha256", of: plain(func(r *trial.Result) string { return words.Line(r.Agent.SHA256, 12) })},
}

// reader reads a circumstance from a result: its value, or why there is none.
type reader func(*trial.Result) (value, why string)

func text(get func(*trial.Device) trial.Reading[string]) reader {
	return func(r *trial.Result) (string, string) {
		v, _ := get(&r.Device).Get()
		return v, get(&r.Device).Unavailable
	}
}

// word is like [text], for what may be read and be empty: that is "nothing".
func word(get func(*trial.Device) trial.Reading[string]) reader {
	return func(r *trial.Result) (string, string) {
		v, ok := get(&r.Device).Get()
		return words.When(ok, cmp.Or(v, "nothing")), get(&r.Device).Unavailable
	}
}

// plain makes a reader of what every agent tells.
func plain(get func(*trial.Result) string) reader {
	return func(r *trial.Result) (string, string) { return get(r), "not told by the agent" }
}

// emulatedBy claims a processor only where the agent measured that it is one.
func emulatedBy(r *trial.Result) (value, why string) {
	d := &r.Device
	if by := d.EmulatedBy(); by != "" {
		return by, ""
	}
	return words.When(d.OnProcessor(), "nothing, by the time that its operations take"),
		cmp.Or(d.FloatInAdds.Unavailable, "no sign of it was found, which is no proof")
}

func number(get func(*trial.Device) trial.Reading[int64], format func(float64) string) reader {
	return func(r *trial.Result) (string, string) {
		v, ok := get(&r.Device).Get()
		return words.When(ok, format(float64(v))), get(&r.Device).Unavailable
	}
}

func memory(d *trial.Device) trial.Reading[int64] { return d.MemoryBytes }

func clock(r *trial.Result) trial.Reading[float64] {
	if v, ok := r.Device.ClockHz.Get(); ok {
		return trial.Read(float64(v))
	}
	return trial.Unread[float64](r.Device.ClockHz.Unavailable)
}

func gigahertz(v float64) string { return words.Digits(v/1e9) + " GHz" }

func bytesOrNone(v float64) string {
	if v <= 0 {
		return "none"
	}
	return words.Bytes(v)
}

func roofText(r trial.Roof) string {
	s := fmt.Sprintf("%s float and %s 8-bit multiply-adds a second on %s",
		words.Count(float64(r.Cores)*float64(r.ClockHz)*r.FloatPerCycle),
		words.Count(float64(r.Cores)*float64(r.ClockHz)*r.IntegerPerCycle), words.Plural(r.Cores, "core"))
	if v, ok := r.MemoryBytesPerSecond.Get(); ok {
		s += ", " + words.Bytes(v) + "/s from memory"
	}
	return s + words.When(r.Source != "", " ("+r.Source+")")
}

// firmware returns what the firmware reported while the trial was measured: its first
// complaint, if there was any.
func firmware(blocks []trial.Block) (said string) {
	for _, b := range blocks {
		if b.Conditions == nil {
			continue
		}
		if s, ok := b.Conditions.Firmware.Get(); ok && (said == "" || said == trial.FirmwareFine) {
			said = s
		}
	}
	return said
}

// speedSettings matches the parts of a kernel's command line that change its speed.
// The other parts name a board's own disk or network.
var speedSettings = regexp.MustCompile(`^(numa|numa_policy|isolcpus|nohz_full|maxcpus|nr_cpus|mem|mitigations` +
	`|cpufreq\.\S*|cpuidle\.\S*|transparent_hugepage|hugepages|idle|nosmt|preempt)(=|$)`)

func settingsOf(cmdline trial.Reading[string]) string {
	s, ok := cmdline.Get()
	if !ok {
		return ""
	}
	var out []string
	for _, word := range strings.Fields(s) {
		if speedSettings.MatchString(word) {
			out = append(out, word)
		}
	}
	slices.Sort(out)
	return cmp.Or(words.List(out, " ", 12), "none that change speed")
}

func sessionSettings(s *trial.Settings) string {
	if s == nil {
		return ""
	}
	parts := []string{fmt.Sprintf("%d inter-op", s.InterOpThreads), pairs(s.Session, ""), pairs(s.Provider, ""),
		pairs(s.Environment, "")}
	return strings.Join(words.Present(parts...), ", ")
}

func pairs(m map[string]string, none string) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, k+"="+m[k])
	}
	return cmp.Or(words.List(out, " ", 12), none)
}
