package spec

import (
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
)

// SiteKind says what a site takes from an experiment file. How to reach the
// site is in the orchestrator, under the same name.
type SiteKind struct {
	Name       string // as the file has it after site:
	Leases     bool   // it lends devices for a time: lease: is required
	Containers bool   // it runs containers: container: is taken
	Servers    bool   // it lends whole machines, which get a server each: server: is taken
	Hosts      bool   // it is a machine that the file names: host: is required
	Arch       string // Go's name of its devices' architecture; "" is that of this machine
	About      string // follows the name where a person chooses a site; may be empty
	Without    string // why it does not take what others do, after "which"

	// Manners of a site with leases: how long one lasts by custom, and the minute of the
	// hour at which it ends, before the hour at which the next one begins.
	Usual time.Duration
	Ends  time.Duration
}

// Sites are the sites that a file can name, one line each.
var Sites = []SiteKind{
	{Name: "CHI@Edge", Leases: true, Containers: true, Arch: "arm64", // every device of CHI@Edge is arm64
		Without: "lends devices, by lease", Usual: 2 * time.Hour, Ends: 55 * time.Minute},
	bareMetal("CHI@UC"),
	bareMetal("CHI@TACC"),
	{Name: "local", About: "for this machine", Without: "uses this machine as it is"},
	{Name: "ssh", Hosts: true, About: "for another machine of yours", Without: "uses that machine as it is"},
}

// bareMetal is a site that lends whole machines. A deployment takes 20 minutes of a lease,
// and one that follows needs some for cleaning, so its leases are longer and end earlier
// (the tutorials' reservations, cloud.rst).
func bareMetal(name string) SiteKind {
	return SiteKind{Name: name, Leases: true, Servers: true, Arch: "amd64", About: "for a server",
		Without: "lends whole machines, by lease", Usual: 3 * time.Hour, Ends: 50 * time.Minute}
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

// kindKeys are the key below lease: that says what kind of device is wanted, which is
// Blazar's name for it, and the one that does so at other sites.
func (k SiteKind) kindKeys() (own, others string) {
	if k.Servers {
		return "node_type", "machine_name"
	}
	return "machine_name", "node_type"
}

func (k SiteKind) leaseExample() string {
	if k.Servers {
		return "lease: {node_type: compute_liqid, duration: 3h}"
	}
	return "lease: {machine_name: raspberrypi5, duration: 2h}"
}

// RunsIn is the image of what runs on the device, and the way into it.
func (e *Experiment) RunsIn() (image, transport string) {
	if e.SiteKind().Servers {
		return e.Server.Image, "ssh"
	}
	return e.Container.Image, e.Container.Transport
}

// takes reports whether the site takes a section of the file.
func (k SiteKind) takes(section string) bool {
	switch section {
	case "lease":
		return k.Leases
	case "container":
		return k.Containers
	case "server":
		return k.Servers
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
	read := map[string]func(*node, *Experiment){"lease": r.lease, "container": r.container,
		"server": func(n *node, e *Experiment) { readServer(r, n, e) }}
	for _, key := range []string{"lease", "container", "server"} {
		n := s.values[key]
		switch kind := e.SiteKind(); {
		case s.has(key) && known && !kind.takes(key):
			s.r.addf(s.keys[key], key, "makes no sense with site: %s, which %s: remove this section, or write site: %s",
				kind.Name, kind.Without, sitesThatTake(key))
		case n != nil:
			read[key](n, e)
		case key == "lease" && kind.Leases:
			s.require("lease", "which device, and how long; for example "+kind.leaseExample())
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
	if known && !kind.Servers {
		e.Server = Server{}
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
	case kind.Leases && kind.Servers != e.SiteKind().Servers:
		return failure.Usage.Errorf("%s is made for site %s, which %s; %s %s", e.file, e.Site, e.SiteKind().Without, site,
			kind.Without).
			Advise("write a file for it: site: %s and %s", site, kind.leaseExample())
	case kind.Hosts:
		return failure.Usage.Errorf("%s is made for site %s and names no machine", e.file, e.Site).
			Advise("write site: %s and host: user@machine in it", kind.Name)
	}
	e.Site = site
	e.clearUntaken()
	return nil
}
