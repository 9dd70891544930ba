package spec

import (
	"slices"
	"strings"

	"chexp/experiments/failure"
)

// SiteKind says what a site takes from an experiment file. How to reach the
// site is in the orchestrator, under the same name.
type SiteKind struct {
	Name       string // as the file has it after site:
	Leases     bool   // it lends devices for a time: lease: is required
	Containers bool   // it runs containers: container: is taken
	Hosts      bool   // it is a machine that the file names: host: is required
	Arch       string // Go's name of its devices' architecture; "" is that of this machine
	About      string // follows the name where a person chooses a site; may be empty
	Without    string // why it does not take what others do, after "which"
}

// Sites are the sites that a file can name, one line each.
var Sites = []SiteKind{
	{Name: "CHI@Edge", Leases: true, Containers: true, Arch: "arm64", // every device of CHI@Edge is arm64
		Without: "lends devices, by lease"},
	{Name: "local", About: "for this machine", Without: "uses this machine as it is"},
	{Name: "ssh", Hosts: true, About: "for another machine of yours", Without: "uses that machine as it is"},
}

// SiteNamed returns what the site of this name takes.
func SiteNamed(name string) (SiteKind, bool) {
	i := slices.IndexFunc(Sites, func(k SiteKind) bool { return k.Name == name })
	if i < 0 {
		return SiteKind{}, false
	}
	return Sites[i], true
}

// SiteNames lists the names of all sites.
func SiteNames() []string {
	var names []string
	for _, k := range Sites {
		names = append(names, k.Name)
	}
	return names
}

// SiteKind is what the experiment's site takes.
func (e *Experiment) SiteKind() SiteKind {
	k, _ := SiteNamed(e.Site)
	return k
}

// takes reports whether the site takes a section of the file.
func (k SiteKind) takes(section string) bool {
	switch section {
	case "lease":
		return k.Leases
	case "container":
		return k.Containers
	case "host", "port", "key":
		return k.Hosts
	}
	return true
}

// choiceOfSites is what to write after site:.
func choiceOfSites() string {
	var all []string
	for _, k := range Sites {
		all = append(all, strings.TrimSpace(k.Name+" "+k.About))
	}
	return strings.Join(all, ", or ")
}

// site reads site and the two sections that depend on it.
func (r *reader) site(s *section, e *Experiment) {
	v, ok := s.text("site")
	_, known := SiteNamed(v)
	switch {
	case !ok:
		s.require("site", choiceOfSites())
	case !known:
		s.addf("site", "is %q; %s", short(v), didYouMean(v, SiteNames()))
	default:
		e.Site = v
	}
	s.host(e, known)
	read := map[string]func(*node, *Experiment){"lease": r.lease, "container": r.container}
	for _, key := range []string{"lease", "container"} {
		n := s.values[key]
		switch kind := e.SiteKind(); {
		case s.has(key) && known && !kind.takes(key):
			s.r.addf(s.keys[key], key, "makes no sense with site: %s, which %s: remove this section, or write site: %s",
				kind.Name, kind.Without, sitesThatTake(key))
		case n != nil:
			read[key](n, e)
		case key == "lease" && kind.Leases:
			s.require("lease",
				"which device, and how long; for example lease: {machine_name: raspberrypi5, duration: 2h}")
		}
	}
	e.clearUntaken()
}

func sitesThatTake(section string) string {
	var names []string
	for _, k := range Sites {
		if k.takes(section) {
			names = append(names, k.Name)
		}
	}
	return strings.Join(names, " or ")
}

// clearUntaken removes the defaults of sections that the site does not take.
func (e *Experiment) clearUntaken() {
	kind, known := SiteNamed(e.Site)
	if known && !kind.Leases {
		e.Lease = Lease{}
	}
	if known && !kind.Containers {
		e.Container = Container{}
	}
	if known && !kind.Hosts {
		e.Host = Host{}
	}
}

// At moves the experiment to the site that a person asked for. It must not need
// a section that the file lacks. "" leaves it where it is.
func (e *Experiment) At(site string) error {
	kind, known := SiteNamed(site)
	switch {
	case site == "" || site == e.Site:
		return nil
	case !known:
		return failure.Usage.Errorf("there is no site %q", site).
			Advise("--site takes %s", strings.Join(SiteNames(), " or "))
	case kind.Leases && !e.SiteKind().Leases:
		return failure.Usage.Errorf("%s is made for site %s and says nothing of a lease", e.file, e.Site).
			Advise("add lease: and container: to it")
	case kind.Hosts:
		return failure.Usage.Errorf("%s is made for site %s and names no machine", e.file, e.Site).
			Advise("write site: %s and host: user@machine in it", kind.Name)
	}
	e.Site = site
	e.clearUntaken()
	return nil
}
