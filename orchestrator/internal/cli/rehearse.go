package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/site"
	"chexp/orchestrator/internal/store"

	"github.com/urfave/cli/v2"
)

// emulatorVerb starts emulators: for chexp emulator, and for each rehearsal.
type emulatorVerb struct{ *app }

func archFlag() cli.Flag {
	return &cli.StringFlag{Name: "arch",
		Usage:  "architecture of the emulated devices, `arm64` or amd64; by default arm64 where qemu allows it",
		Action: oneOf("arm64", "amd64")}
}

func faultFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "fault",
		Usage:  "make something `GO-WRONG`; may be repeated: " + emulator.FaultGrammar(),
		Action: func(_ *cli.Context, faults []string) error { _, err := emulator.ParseFaults(faults); return err }}
}

func (a runVerbs) rehearseCommand() *cli.Command {
	return &cli.Command{
		Name:      "rehearse",
		Usage:     "carry out an experiment against an emulated site that starts and stops with it",
		ArgsUsage: "FILE",
		Description: "" +
			"The same as `chexp run`, with another cloud: Keystone, Blazar, Zun or Nova and Glance, and Neutron on\n" +
			"loopback, and containers and servers that are real processes on this machine. Latencies say nothing\n" +
			"about a real device; where its processor is emulated, every trial runs once and with few\n" +
			"inferences. The cloud ends with the command: --resume RUN measures what is missing on a new one, with\n" +
			"devices of the same kind. A model whose file cannot be had is replaced by its stand_in, where the file\n" +
			"names one.",
		Flags: append(a.runFlags(), archFlag(), faultFlag(), formatFlag(),
			&cli.BoolFlag{Name: "full",
				Usage: "as many inferences and repetitions as the file says, also on an emulated processor, or of several systems"},
			systemFlag(), &cli.StringFlag{Name: "resume", Usage: "go on with this `RUN`"}),
		Action: a.rehearse,
	}
}

func (a runVerbs) rehearse(c *cli.Context) error {
	if name := c.String("resume"); name != "" {
		return a.resumeRehearsal(c, name)
	}
	all, err := experimentArguments(c, "")
	if err != nil {
		return err
	}
	if all, err = a.rehearsable(c, all); err != nil {
		return err
	}
	var at []string
	for _, e := range all {
		at = append(at, e.Site)
	}
	return emulatorVerb(a).withEmulator(c, c.String("arch"), at, func(of emulated) error {
		return a.execute(c, all, func(a runVerbs, e *spec.Experiment) (*planned, error) {
			a.deviceArch = of.arch(e.Site)
			why := "the processor is emulated"
			if a.deviceArch == runtime.GOARCH {
				why = "all systems share this machine"
			}
			if (a.deviceArch != runtime.GOARCH || len(all) > 1) && !c.Bool("full") && shorten(e) {
				fmt.Fprintf(a.err, "! shortened, because %s: "+
					"each trial once, with %d inferences; --full runs the file as it is\n", why, e.Trials.MinRuns)
			}
			return a.ready(c, e, of.options(e.Site), &rehearsed{Arch: a.deviceArch})
		})
	})
}

// rehearsable are the systems that can be rehearsed. They begin now. One whose site
// needs no rehearsal is left out beside others, and alone refused.
func (a runVerbs) rehearsable(c *cli.Context, all []*spec.Experiment) (out []*spec.Experiment, err error) {
	for _, e := range all {
		if kind, _ := sites.Named(e.Site); !kind.Rehearsals {
			if len(all) > 1 {
				a.warn(fmt.Sprintf("system %s is at site %s, which needs no rehearsal: left out", e.System, e.Site))
			}
			continue
		}
		if e.Lease.Next || e.Lease.Start.After(time.Now()) {
			fmt.Fprintln(a.err, "! a rehearsal begins now, whatever lease.start says")
			e.Lease.Next, e.Lease.Start = false, time.Time{}
		}
		out = append(out, e)
	}
	if len(out) == 0 {
		file := c.Args().First()
		return nil, failure.Usage.Errorf("%s is made for site %s, which needs no rehearsal", file, all[0].Site).
			Advise("`%s`", a.commands(c).Line("run", file))
	}
	return out, nil
}

// resumeRehearsal goes on with a rehearsal; [runVerbs.resume] does the same for
// `chexp run --resume`.
func (a runVerbs) resumeRehearsal(c *cli.Context, name string) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.Bool("full") {
		return failure.Usage.Errorf("--full cannot be given with --resume: the run's plan stands").
			Advise("begin another with `%s`", a.commands(c).Line("rehearse", "--full", "FILE"))
	}
	s, err := a.open(c, name)
	if err != nil {
		return err
	}
	if !isRehearsal(s) {
		return failure.Usage.Errorf("run %s is no rehearsal", s.ID).
			Advise("`%s`", a.commandsFor(c, s).Resume())
	}
	return a.resume(c, name)
}

// rehearsed is what the journal of a rehearsal keeps of its cloud.
type rehearsed struct {
	Arch string `json:"arch"` // of the emulated devices
}

// archAgain is the architecture of the devices that a rehearsal is to go on with:
// the one that it began with. Results of two kinds of device are no one run's.
func archAgain(c *cli.Context, s *store.Run) (string, error) {
	entries, err := s.Entries()
	if err != nil || len(entries) == 0 {
		return "", errors.Join(err, errors.New("the journal is empty"))
	}
	var was rehearsed
	if data := entries[0].Data; data != nil {
		if err := json.Unmarshal(data, &was); err != nil {
			return "", failure.Storage.Errorf("the journal of run %s does not say how it was rehearsed", s.ID).
				Because(err)
		}
	}
	if was.Arch == "" { // a run of before: its container said it
		all, err := run.ReadFacts(s, run.Replay(entries).Slot(max(1, s.Slot())).N)
		if err != nil {
			return "", err
		}
		for _, f := range all {
			was.Arch = cmp.Or(was.Arch, f.Arch)
		}
	}
	if asked := c.String("arch"); asked != "" && was.Arch != "" && asked != was.Arch {
		return "", failure.Usage.Errorf("run %s was begun on %s devices; it cannot go on on %s ones", s.ID, was.Arch,
			asked).Advise("leave --arch out, or begin another rehearsal")
	}
	return cmp.Or(was.Arch, c.String("arch")), nil
}

// shorten reduces an experiment to what shows that it works: every trial runs
// once and briefly. Under emulation one inference of MobileNetV2 takes seconds,
// and how long it takes means nothing. It reports whether it changed anything.
func shorten(e *spec.Experiment) bool {
	t := &e.Trials
	if t.Repetitions == 1 && t.MinRuns <= 10 && t.MinTime <= time.Second {
		return false
	}
	t.Repetitions, t.Precision, t.Block, t.CoolDown = 1, 0, 0, 0
	t.Warmup, t.MinRuns, t.MinTime = min(t.Warmup, 1), min(t.MinRuns, 6), min(t.MinTime, 10*time.Millisecond)
	if e.Accuracy != nil && e.Accuracy.Path == "" {
		e.Accuracy.Pictures = min(e.Accuracy.Pictures, 10)
	}
	return true
}

// emulated is an emulator that serves some sites, and how each is reached.
type emulated struct {
	*emulator.Emulator
	base site.Options
}

// options is how to reach one of its sites.
func (e emulated) options(at string) site.Options {
	o := e.base
	o.CloudsFile, o.Cloud = e.CloudsFile(), e.Cloud()
	if slices.Contains(emulator.BareMetalSites(), at) {
		o.Cloud = emulator.SiteCloud(at)
	}
	return o
}

// arch is what one of its sites' devices are. A server is this machine's kind, as nothing
// deploys another one.
func (e emulated) arch(at string) string {
	if slices.Contains(emulator.BareMetalSites(), at) {
		return runtime.GOARCH
	}
	return e.Arch()
}

// withEmulator starts an emulator of sites, hands a rehearsal how to reach them, and
// stops it. What the rehearsal left on it is an error.
func (a emulatorVerb) withEmulator(c *cli.Context, arch string, at []string, rehearsal func(emulated) error) error {
	if why := emulator.NoContainers; why != "" {
		return failure.Usage.Errorf("no rehearsal on this machine: %s", why).
			Advise("rehearse on a Linux machine, in a virtual one or in a container; everything else works here")
	}
	start := emulator.Options{
		Arch: arch,
		// The real Blazar acts every ten seconds; a rehearsal need not wait.
		Tick: 500 * time.Millisecond, PullDelay: time.Second, Deploy: 2 * time.Second,
	}
	for _, site := range emulator.BareMetalSites() {
		if slices.Contains(at, site) {
			start.Sites = append(start.Sites, site)
		}
	}
	devices := slices.ContainsFunc(at, func(s string) bool { return !slices.Contains(start.Sites, s) })
	if !devices {
		if start.Arch = runtime.GOARCH; arch != "" && arch != runtime.GOARCH {
			return failure.Usage.Errorf("--arch %s: the emulated servers of %s are %s, as this machine is", arch, at[0],
				runtime.GOARCH).Advise("leave --arch out")
		}
	}
	em, err := a.startEmulator(c, start)
	if err != nil {
		return err
	}
	if limits := em.Limits(); limits != "" && len(start.Sites) > 0 {
		return errors.Join(failure.Usage.Errorf("no rehearsal of site %s here: %s", start.Sites[0], limits).
			Advise("rehearse as root, or in a container whose root you are"), em.Close())
	}
	err = rehearsal(emulated{em, a.siteOptions(c)})
	if left := em.Leftovers(); !left.Empty() {
		err = errors.Join(err, leftBehind(c, left.String()))
	}
	return errors.Join(err, em.Close())
}

// leftBehind judges what a rehearsal left on its cloud: on the real one it
// would be there still.
func leftBehind(c *cli.Context, what string) error {
	if c.Bool("keep") || c.String("until") != "" {
		return nil
	}
	return failure.Cloud.Errorf("the rehearsal left on the cloud: %s", what).
		Advise("on the real one, this would be for you to delete")
}

// startEmulator starts an emulator with the command's --fault. It goes on when the
// command is interrupted: the run still has to give everything back.
func (a emulatorVerb) startEmulator(c *cli.Context, o emulator.Options) (*emulator.Emulator, error) {
	addTools()
	var err error
	o.Images = carried("images")
	if o.Faults, err = emulator.ParseFaults(c.StringSlice("fault")); err != nil {
		return nil, failure.Usage.Wrap(err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	em, err := emulator.Start(context.WithoutCancel(c.Context), o)
	if err != nil {
		return nil, failure.Unexpected.Errorf("the emulator does not start").
			Advise("it needs images and tools (`chexp doctor` says which are here), and namespaces of its own: on a " +
				"machine, or in a container whose " +
				"/proc is not masked").
			Because(err)
	}
	a.deviceArch = em.Arch()
	if note := em.ArchNote(); note != "" && len(o.Sites) == 0 {
		fmt.Fprintf(a.err, "! emulator: devices are %s: %s\n", em.Arch(), note)
	}
	if limits := em.Limits(); limits != "" {
		fmt.Fprintf(a.err, "! emulator: %s\n", limits)
	}
	return em, nil
}

func (a emulatorVerb) emulatorCommand() *cli.Command {
	return &cli.Command{
		Name:  "emulator",
		Usage: "serve an emulated CHI@Edge on loopback until interrupted",
		Description: "Writes DIR/clouds.yaml, which points at it. In another terminal:\n" +
			"   export OS_CLIENT_CONFIG_FILE=DIR/clouds.yaml OS_CLOUD=chexp-emulator\n" +
			"With --site CHI@UC the bare-metal site is served as well, with a Keystone of its own " +
			"(OS_CLOUD=chexp-emulator-uc).",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "dir", Usage: "where its state lies while it runs; by default a temporary directory"},
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:0", Usage: "loopback address and port", Action: text(loopback)},
			&cli.DurationFlag{Name: "tick", Value: 10 * time.Second,
				Usage: "how often Blazar's manager acts; 10 s as on the real one", Action: atLeast(time.Millisecond)},
			&cli.DurationFlag{Name: "pull", Value: 2 * time.Second, Usage: "how long an image takes to pull",
				Action: atLeast(0)},
			&cli.StringFlag{Name: "region", Value: "CHI@Edge", Usage: "`NAME` of the region that the devices are in",
				Action: aName(longName)},
			&cli.StringSliceFlag{Name: "site", Usage: "emulate the bare-metal `SITE` as well: " +
				strings.Join(emulator.BareMetalSites(), ", ") + "; may be repeated", Action: bareMetal},
			&cli.DurationFlag{Name: "deploy", Value: 10 * time.Minute,
				Usage: "how long a bare-metal server takes to deploy", Action: atLeast(0)},
			&cli.DurationFlag{Name: "clock", Usage: "how far its clock is ahead of this machine's, such as 3m or -3h"},
			&cli.BoolFlag{Name: "verbose", Usage: "log every request on stderr"},
			archFlag(), faultFlag(),
		},
		Action: a.emulator,
	}
}

// bareMetal is the rule of the emulator's --site.
func bareMetal(_ *cli.Context, sites []string) error {
	for i, site := range sites {
		if !slices.Contains(emulator.BareMetalSites(), site) || slices.Contains(sites[:i], site) {
			return fmt.Errorf("is %q; the bare-metal sites are %s, each once (CHI@Edge is always served)", site,
				strings.Join(emulator.BareMetalSites(), ", "))
		}
	}
	return nil
}

func (a emulatorVerb) emulator(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	o := emulator.Options{Listen: c.String("listen"), Tick: c.Duration("tick"), PullDelay: c.Duration("pull"),
		Region: c.String("region"), Sites: c.StringSlice("site"), Deploy: c.Duration("deploy"), Arch: c.String("arch"),
		Clock: c.Duration("clock")}
	if c.Bool("verbose") {
		o.Log = slog.New(slog.NewTextHandler(a.err, nil))
	}
	if dir := c.String("dir"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(abs, 0o755); err != nil {
			return failure.Usage.Errorf("--dir cannot be made").
				Advise("name a directory, or one that is to be made").Because(err)
		}
		o.Dir = abs
	}
	em, err := a.startEmulator(c, o)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "export OS_CLIENT_CONFIG_FILE=%s OS_CLOUD=%s\n", em.CloudsFile(), em.Cloud())
	fmt.Fprintf(a.err, "  emulated %s is up (%s devices); Ctrl-C ends it\n", o.Region, em.Arch())
	for _, site := range o.Sites {
		fmt.Fprintf(a.err, "  emulated %s is up, too (bare metal): OS_CLOUD=%s\n", site, emulator.SiteCloud(site))
	}
	<-c.Context.Done()
	return em.Close()
}

// versionRow is one program of `chexp version -f json`.
type versionRow struct {
	Program, Version, Runtime string
}

func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print versions of chexp and of the agents beside it",
		Flags: []cli.Flag{formatFlag()},
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			rows := []versionRow{{"chexp", a.version, ""}}
			for _, arch := range []string{"arm64", "amd64"} {
				if m, err := agentManifest(arch); err == nil {
					rows = append(rows, versionRow{"chexp-agent-linux-" + arch, m.Version, "onnxruntime " + m.Runtime.Version})
				}
			}
			l := list{columns: []string{"program", "version", "runtime"}, json: rows}
			for _, r := range rows {
				l.rows = append(l.rows, []string{r.Program, r.Version, r.Runtime})
			}
			return a.print(c, l)
		},
	}
}
