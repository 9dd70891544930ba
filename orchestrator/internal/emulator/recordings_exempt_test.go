package emulator

import (
	_ "embed" // for the list
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// exemption is a place in recorded answers that is not compared, and why. It has to be
// needed by at least one recording.
type exemption struct {
	cases string // regular expression of "folder/name", whole
	place string // regular expression of ".lease.events[0].time", "header Date" or "status", whole
	why   string
	adapt func(string) string // if set, what is left of the two texts must be the same
	sized bool                // a list has as many elements as recorded
	aged  bool                // a list's elements come in the order in which they were made

	once sync.Once
	c, p *regexp.Regexp
	mu   sync.Mutex
	by   []string // the recordings that needed it
}

// concerns reports whether an exemption is about some place in a recording's answer.
func (e *exemption) concerns(r *recording) bool {
	e.once.Do(func() { e.c, e.p = regexp.MustCompile("^(?:"+e.cases+")$"), regexp.MustCompile("^(?:"+e.place+")$") })
	return e.c.MatchString(r.String())
}

// covers reports whether it is about this place; it has to concern the recording.
func (e *exemption) covers(at string) bool { return e.p.MatchString(at) }

// exemptions are those that concern the recording.
func (r *recording) exemptions() (all []*exemption) {
	for _, e := range exemptions {
		if e.concerns(r) {
			all = append(all, e)
		}
	}
	return all
}

// exemption is what lets a place of the answer be another, or nil.
func (r *recording) exemption(at string) *exemption {
	if e, ok := r.places.Load(at); ok {
		return e.(*exemption)
	}
	var found *exemption
	if i := slices.IndexFunc(r.exempt(), func(e *exemption) bool { return e.covers(at) }); i >= 0 {
		found = r.exempt()[i]
	}
	r.places.Store(at, found)
	return found
}

func (e *exemption) usedBy(r *recording) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !slices.Contains(e.by, r.String()) {
		e.by = append(e.by, r.String())
	}
}

// everywhere are exemptions that say nothing about a service.
var everywhere = []*exemption{
	{cases: `.*`, place: `header Connection`, why: "the recorder's web server closes, Go's keeps"},
	{cases: `.*`, place: `header (Date|Content-Length|Transfer-Encoding)`,
		why: "Go's web server dates every answer, and sends a long one in chunks"},
}

const chance = "which of the free boards a lease gets is left to chance"

// exemptions are all places that are not compared.
var exemptions = append(slices.Concat(everywhere, adapted),
	&exemption{cases: `(keystone|gophercloud)/.*`, place: `.*\.catalog\[4\]\.(name|type)`,
		why: "the recorder's catalog has Placement where Chameleon's has the inventory"},
	&exemption{cases: `blazar/.*`, place: `.*\.events\[2\]\.(time|status)`,
		why: "the recorder's Blazar reminded an hour before the end, the site's does 48 hours before"},
	&exemption{cases: `blazar/(76-accept-xml|81-microversion-.*)`, place: `\.leases`, aged: true,
		why: "which leases the recorder had deleted by then was not recorded"},
	&exemption{cases: `blazar/9.*`, place: `\.devices?(\[\d+\])?\.(device_name|pi_gpio|platform_version)`,
		why: "the recorder wrote the boards' capabilities by hand, doni writes these as well"},
	&exemption{cases: `blazar/9[67].*`, place: `\.allocations`, why: chance},
	&exemption{cases: `blazar/(13-lease-devices|b4-active-devices|b8b-.*|d2-.*)`,
		place: `\.devices\[\d+\]\.(id|name)`, why: chance},
	&exemption{cases: `fleet/.*`, place: `.*\.(events|reservations)`, sized: true,
		why: "MariaDB gives the rows of a lease in any order"},
	&exemption{cases: `fleet/42-.*`, place: `\.leases`,
		why: "the recorder had a lease of ten boards besides, and the rows in any order"},
	&exemption{cases: `fleet/.*`, place: `\.allocations`,
		why: "the recorder had fifty boards, and which a lease gets is left to chance"},
	&exemption{cases: `fleet/.*`, place: `\.devices\[\d+\]\.(id|name|created_at)`,
		why: "which of the free boards a lease gets is left to chance, and a board is as old as its emulator"},
	&exemption{cases: `baremetal/clients/.*`, place: `\.token\.catalog`,
		why: "the recorder's catalog has Placement and Ironic, Chameleon's users see neither"},
	&exemption{cases: `baremetal/clients/.*`, place: `\.token\.roles`,
		why: "the recorder's alice had one role, here she has the reader's besides"},
	&exemption{cases: `baremetal/clients/.*`, place: `\.token\.expires_at`,
		why: "the recorder's tokens lived eight hours, the site's four"},
	&exemption{cases: `baremetal/(nova|clients)/.*`,
		place: `.*\.message|\.versions?(\[\d+\])?\.version|header .*Api-Version`,
		why:   "the recorder's Nova was a release older: its newest microversion is 2.93, the site's 2.95",
		adapt: without(`2\.9[35]`)},
	&exemption{cases: `baremetal/(glance|clients)/.*`,
		place: `(\.images\[\d+\])?\.(created_at|updated_at|size|checksum|os_hash_value|build-repo)`,
		why:   "the recorder's images were 4 kB of nothing, made that day and by nobody"},
	&exemption{cases: `baremetal/glance/00-versions.*`, place: `\.versions`,
		why: "the recorder's Glance was a release older, and lists other versions"},
	&exemption{cases: `blazar/98b-device-properties`, place: `\.resource_properties`,
		why: "the recorder wrote the boards' capabilities by hand, doni writes more of them"},
	&exemption{cases: `gophercloud/(02|08)-.*`,
		place: `\.leases\[0\]\.(start_date|end_date|events\[\d\]\.(time|status))`,
		why:   "the recorder made this lease earlier, off the record; this replay makes one of two hours"},
	&exemption{cases: `zun/70-list-after`, place: `\.containers`,
		why: "which containers the recorder had deleted by then was not recorded"},
	&exemption{cases: `zun/49c-gnutar-get-dir`, place: `\.stat\.size`,
		why: "the recorder cut this archive off, and its folder held other files"},
	&exemption{cases: `neutron/(06|20)-.*|neutron/06b-.*`, place: `.*\.(created_at|updated_at)`,
		why: "this replay makes the port when it is asked for; the group is as old as the emulator's story"},
	&exemption{cases: `neutron/18-exhaust.*`, place: `\.floatingip\.floating_ip_address`,
		why: "the recorder's pool had few addresses and gave one again"},
	&exemption{cases: `neutron/01b?-networks-.*|baremetal/(neutron|clients)/.*`,
		place: `\.(networks?|subnets?)(\[\d+\])?\.(created_at|updated_at)`,
		why:   "the emulator's networks were made in a story of their own"},
	&exemption{cases: `blazar/.*|gophercloud/.*|baremetal/blazar-hosts/.*|baremetal/clients/.*\.blazar`,
		place: `.*\.(created_at|updated_at)`,
		why:   "the recorder's Blazar was on SQLite, which keeps microseconds; the site's database does not"},
)

// notReplayed are recordings that the emulator does not answer as recorded, with the
// reason above them.
//
//go:embed testdata/not-replayed.txt
var notReplayed string

// reasons maps each of them to its reason.
var reasons = sync.OnceValue(func() map[string]string {
	all, why := map[string]string{}, ""
	for line := range strings.Lines(notReplayed) {
		line = strings.TrimSpace(line)
		if reason, ok := strings.CutPrefix(line, "# why: "); ok {
			why = reason
		} else if line != "" && !strings.HasPrefix(line, "#") {
			all[line] = why
		}
	}
	return all
})

func whyNotReplayed(r *recording) string { return reasons()[r.String()] }

// tally counts what became of the recordings of each service.
type tally struct {
	mu       sync.Mutex
	recorded map[string]int
	strictly map[string]int
	exempted map[string]int
	left     map[string]map[string]int // service → reason → how many
}

func newTally() *tally {
	return &tally{recorded: map[string]int{}, strictly: map[string]int{}, exempted: map[string]int{},
		left: map[string]map[string]int{}}
}

func (t *tally) record(r *recording) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.recorded[r.Service]++
}

func (t *tally) leave(r *recording, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.left[r.Service] == nil {
		t.left[r.Service] = map[string]int{}
	}
	t.left[r.Service][why]++
}

// replayed counts an answer that was as recorded but for the exemptions used.
func (t *tally) replayed(r *recording, used map[*exemption]bool) {
	special := false
	for e := range used {
		e.usedBy(r)
		special = special || !slices.Contains(everywhere, e)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if special {
		t.exempted[r.Service]++
	} else {
		t.strictly[r.Service]++
	}
}

// report logs a line for each service and for each exemption.
func (t *tally) report(test *testing.T, all map[string][]*recording) {
	sum := func(m map[string]int) (n int) {
		for _, v := range m {
			n += v
		}
		return n
	}
	services := []string{"keystone", "blazar", "zun", "neutron", "nova", "glance", "placement", "ironic"}
	for _, s := range services {
		if t.recorded[s] == 0 {
			continue
		}
		test.Logf("%-9s %3d recorded, %3d replayed strictly, %3d with exempted fields, %3d not replayed",
			s, t.recorded[s], t.strictly[s], t.exempted[s], sum(t.left[s]))
	}
	left := map[string]int{}
	for _, reasons := range t.left {
		for why, n := range reasons {
			left[why] += n
		}
	}
	for _, why := range slices.Sorted(maps.Keys(left)) {
		test.Logf("not replayed: %3d, %s", left[why], why)
	}
	names := map[string]bool{}
	for _, list := range all {
		for _, r := range list {
			names[r.String()] = true
		}
	}
	for name := range reasons() {
		if !names[name] {
			test.Errorf("testdata/not-replayed.txt names %s, which is no recording", name)
		}
	}
	for _, e := range exemptions {
		if len(e.by) == 0 && e.why != chance {
			test.Errorf("the exemption of %s in %s (%s) is needed by no recording", e.place, e.cases, e.why)
		} else {
			test.Logf("exempted in %3d: %s in %s: %s", len(e.by), e.place, shorter(e.cases), e.why)
		}
	}
	test.Logf("replayed %d of %d recorded exchanges: %d strictly, %d with exempted fields; %d not replayed",
		sum(t.strictly)+sum(t.exempted), sum(t.recorded), sum(t.strictly), sum(t.exempted), sum(left))
}

func shorter(s string) string {
	if len(s) > 60 {
		return s[:57] + "..."
	}
	return s
}
