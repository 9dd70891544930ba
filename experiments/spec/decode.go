package spec

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/provider"
	"chexp/experiments/trial"
)

// Bounds of what a file may ask for. They exist to catch slips and to keep
// names and plans small, not to tell anyone what to measure.
const (
	maxName      = 40
	maxModels    = 100
	maxProviders = 16
	maxRuntimes  = 8
	maxList      = 64 // threads, batches, budgets
	maxTrials    = 10000
	minLease     = time.Minute
	minBlock     = 10 * time.Millisecond // handing out a block takes some 2 ms
	maxLease     = 7 * 24 * time.Hour    // Chameleon refuses more with 403
)

// defaults is the experiment before its file is read; doc.go has the table.
func defaults() *Experiment {
	return &Experiment{
		Lease:     Lease{Duration: 2 * time.Hour},
		Container: Container{Image: "debian:bookworm-slim", Transport: "zun"},
		Server:    Server{Image: ServerImage, CloudInit: true},
		Providers: []trial.Provider{{Name: provider.CPU}},
		Threads:   []int{1},
		Batches:   []int{1},
		Trials: TrialPolicy{
			Policy: trial.Policy{
				Warmup: 10, MinRuns: 100,
				MinTime: 5 * time.Second, MaxTime: time.Minute, Timeout: 2 * time.Minute,
				Block: 500 * time.Millisecond,
			},
			Repetitions: 1, Seed: 1,
		},
	}
}

var experimentName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (r *reader) experiment(root *node, e *Experiment) {
	s, ok := r.section(root, "", "apiVersion", "name", "description", "site", "cloud", "lease", "container", "server",
		"host", "port", "key", "system", "systems", "price_per_hour", "models", "runtimes", "providers", "threads", "batches",
		"trials", "accuracy", "budgets")
	if !ok {
		return
	}
	if v, ok := s.literal("apiVersion", APIVersion); ok && v != APIVersion {
		s.addf("apiVersion", "is %q; this program reads %s only", short(v), APIVersion)
	}
	s.require("apiVersion", "write apiVersion: "+APIVersion)
	if v, ok := s.text("name"); ok {
		e.Name = v
		if len(v) > maxName || !experimentName.MatchString(v) {
			s.addf("name", "is %q, but may hold only a-z, 0-9 and inner hyphens, at most %d: it becomes part of lease and "+
				"container names", short(v), maxName)
		}
	} else {
		s.require("name", "a short name such as serve-edge")
	}
	if v, ok := s.text("description"); ok {
		e.Description = strings.TrimSpace(v)
	}
	if s.has("systems") { // a file is split before
		s.addf("systems", "stand in a file of their own, not in one of them")
	}
	if v, ok := s.text("system"); ok {
		e.System = v
		if !experimentName.MatchString(v) {
			s.addf("system", "is %q, but may hold only a-z, 0-9 and inner hyphens", short(v))
		}
	}
	if v, ok := s.literal("cloud", "an entry of clouds.yaml"); ok {
		if e.Cloud = v; !plainName.MatchString(v) {
			s.addf("cloud", "is %q, but must be an entry of clouds.yaml: letters, digits, '.', '_' and '-'", short(v))
		}
	}
	readPrice(s, e)
	r.site(s, e)
	r.models(s, e)
	r.runtimes(s, e)
	r.providers(s, e)
	r.ofRuntimes(e)
	e.Threads = r.integers(s, "threads", e.Threads, 256)
	e.Batches = r.integers(s, "batches", e.Batches, 4096)
	r.trials(s, e)
	r.accuracy(s, e)
	r.budgets(s, e)
	r.together(s, e)
}

// Names of leases and devices go into URLs, queries and file names.
var (
	plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$`)
	uuid      = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
)

func (r *reader) lease(n *node, e *Experiment) {
	kind := e.SiteKind()
	kindKey, otherKey := kind.kindKeys()
	s, ok := r.section(n, "lease", "name", kindKey, otherKey, "device", "uid", "devices", "at_most", "start",
		"duration")
	if !ok {
		return
	}
	l := &e.Lease
	l.Duration = cmp.Or(kind.Usual, l.Duration)
	for _, f := range []struct {
		key  string
		into *string
		ok   *regexp.Regexp
		form string
	}{
		{"name", &l.Name, plainName, "a name of letters, digits, '.', '_' and '-', at most 128"},
		{kindKey, &l.MachineName, plainName, "a kind of device, such as raspberrypi5 or compute_liqid"},
		{"device", &l.Device, plainName, "one device's name, such as nyu-rpi5-01"},
		{"uid", &l.UID, uuid, "a device's uid, such as 0b5c2d7e-3f5a-4c1e-9d54-6a1f0c9e8b72"},
	} {
		v, ok := s.literal(f.key, f.form)
		if !ok {
			continue
		}
		*f.into = v
		if !f.ok.MatchString(v) {
			s.addf(f.key, "is %q, but must be %s", short(v), f.form)
		}
	}
	var chosen []string
	for _, key := range []string{kindKey, "device", "uid"} {
		if s.has(key) {
			chosen = append(chosen, key)
		}
	}
	if s.has(otherKey) && kind.Name != "" {
		s.addf(otherKey, "is what other sites call it: with site: %s write %s", kind.Name, kindKey)
	}
	listed := s.values["devices"] != nil && s.values["devices"].Kind == yaml.SequenceNode
	switch {
	case listed:
	case len(chosen) == 0 && !s.has("name") && !s.has(otherKey):
		s.require(kindKey, "say which device: "+kindKey+" (any of a kind), device (one by name) or uid; or "+
			"the name of a lease that you have")
	case len(chosen) > 1:
		s.addf(chosen[1], "contradicts %s: give exactly one of %s, device and uid", chosen[0], kindKey)
	}
	r.devices(s, l, kindKey)
	if v, ok := s.literal("start", "now, next or a date and time"); ok {
		t, err := parseStart(v)
		if l.Next = v == "next"; !l.Next && err != nil {
			s.addf("start", "%v", err)
		}
		l.Start = t
	}
	s.duration("duration", &l.Duration, minLease, maxLease)
}

// imageName is a container image reference: [host[:port]/]path[:tag][@digest].
var imageName = regexp.MustCompile(`^([A-Za-z0-9.-]+(:[0-9]{1,5})?/)?` + // registry
	`[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*` + // repository
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?` + // tag
	`(@sha256:[0-9a-f]{64})?$`)

// ValidImage reports whether ref can be an image's name. It asks no registry.
func ValidImage(ref string) bool { return len(ref) <= 255 && imageName.MatchString(ref) }

func (r *reader) container(n *node, e *Experiment) {
	s, ok := r.section(n, "container", "image", "transport")
	if !ok {
		return
	}
	if v, ok := s.text("image"); ok {
		e.Container.Image = v
		if !ValidImage(v) {
			s.addf("image", "is %q, but must be an image that the device can pull, such as debian:bookworm-slim", short(v))
		}
	}
	if v, ok := s.text("transport"); ok {
		e.Container.Transport = v
		if v != "zun" && v != "ssh" {
			s.addf("transport", "is %q; %s", short(v), didYouMean(v, []string{"zun", "ssh"}))
		}
		if v == "ssh" && !s.has("image") {
			s.addf("transport", "is ssh, which needs an image that runs an SSH server; the default %s has none: set "+
				"container.image", e.Container.Image)
		}
	}
}

// ServerImage is what a server has of whose image a file says nothing.
const ServerImage = "CC-Ubuntu24.04"

// serverImage is what Glance names an image, or its id.
var serverImage = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,127}$`)

func readServer(r *reader, n *node, e *Experiment) {
	s, ok := r.section(n, "server", "image", "cloud_init")
	if !ok {
		return
	}
	s.truth("cloud_init", &e.Server.CloudInit)
	if v, ok := s.text("image"); ok {
		e.Server.Image = v
		if !serverImage.MatchString(v) {
			s.addf("image", "is %q, but must be an image that the site has, by name or id, such as %s", short(v), ServerImage)
		}
	}
}

// integers reads a list of distinct whole numbers from 1.
func (r *reader) integers(s *section, key string, fallback []int, high int) []int {
	items := s.list(key, maxList)
	if items == nil {
		return fallback
	}
	var out []int
	for i, n := range items {
		at := fmt.Sprintf("%s[%d]", key, i)
		v, ok := r.integer(n, at, 1, high)
		if !ok {
			continue
		}
		for _, before := range out {
			if before == v {
				r.addf(n, at, "is %d a second time: each value once", v)
				ok = false
				break
			}
		}
		if ok {
			out = append(out, v)
		}
	}
	return out
}

func (r *reader) trials(s *section, e *Experiment) {
	n := s.values["trials"]
	if n == nil {
		return
	}
	t, ok := r.section(n, "trials", "warmup", "min_runs", "min_time", "max_time", "timeout",
		"block", "precision", "cool_down", "repetitions", "seed")
	if !ok {
		return
	}
	p, before := &e.Trials, len(r.problems)
	t.integer("warmup", &p.Warmup, 0, 100000)
	t.integer("min_runs", &p.MinRuns, 1, 1000000)
	t.duration("min_time", &p.MinTime, 0, time.Hour)
	t.duration("max_time", &p.MaxTime, 0, 24*time.Hour)
	t.duration("timeout", &p.Timeout, time.Second, 24*time.Hour)
	t.duration("block", &p.Block, 0, time.Hour)
	t.percentage("precision", &p.Precision, 0.1, 50)
	t.duration("cool_down", &p.CoolDown, 0, time.Hour)
	t.integer("repetitions", &p.Repetitions, 1, 1000)
	seed := int(p.Seed)
	t.integer("seed", &seed, 0, 1<<53-1) // what every JSON reader can carry
	p.Seed = uint64(seed)
	if len(r.problems) > before {
		return // the rest would only repeat it
	}
	given := func(key string) string {
		if t.has(key) {
			return key
		}
		return key + " (by default)"
	}
	if p.MaxTime > 0 && p.MaxTime < p.MinTime {
		t.addf("max_time", "contradicts: %s is %s and %s is %s; max_time must not be below min_time",
			given("max_time"), FormatDuration(p.MaxTime), given("min_time"), FormatDuration(p.MinTime))
	}
	if p.Block > 0 && p.Block < minBlock {
		t.addf("block", "is %s, but must be 0s, or from %s to 1h", FormatDuration(p.Block), FormatDuration(minBlock))
	}
	if p.Precision > 0 && p.Block == 0 {
		t.addf("precision", "contradicts: block is 0s, and a trial that is measured in one piece cannot have another; "+
			"remove precision or set block, such as 500ms")
	}
	if longest := max(p.MaxTime, p.MinTime); p.Timeout <= longest {
		t.addf("timeout", "is too short: %s is %s, but the timed inferences alone may take %s; it also covers loading and "+
			"warming up",
			given("timeout"), FormatDuration(p.Timeout), FormatDuration(longest))
	}
}

// together checks what no single key is to blame for.
func (r *reader) together(s *section, e *Experiment) {
	if len(r.problems) > 0 {
		return
	}
	product := len(e.Models) * len(e.Providers) * len(e.Threads) * len(e.Batches) * e.Trials.Repetitions
	if product > maxTrials {
		s.addf("models", "with all providers, threads, batches and repetitions make %d trials; at most %d are allowed",
			product, maxTrials)
		return
	}
	required := 0
	for _, p := range e.Providers {
		if !p.Optional {
			required++
		}
	}
	if !e.SiteKind().Leases || required == 0 {
		return
	}
	trials := product / len(e.Providers) * required
	if least := time.Duration(trials) * e.Trials.MinTime; least > e.Lease.Duration {
		s.addf("lease", "lasts %s, but %d trials of at least %s each need %s: lengthen lease.duration or measure less",
			FormatDuration(e.Lease.Duration), trials, FormatDuration(e.Trials.MinTime), FormatDuration(least))
	}
}
