package spec

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxDevices bounds the devices of one run, and thereby the reservations of one
// lease.
const maxDevices = 200

// allFree is the word for as many devices as are free.
const allFree = "all-free"

const devicesForm = "how many devices of machine_name, a list of names or uids, or all-free with at_most"

// devices reads how many devices a run has, or which.
func (r *reader) devices(s *section, l *Lease, kindKey string) {
	s.integer("at_most", &l.Devices, 1, maxDevices)
	n := s.values["devices"]
	switch {
	case n == nil:
		if s.has("at_most") {
			s.addf("at_most", "goes with devices: all-free, which is missing")
		}
		return
	case n.Kind == yaml.SequenceNode:
		r.boards(s, l, kindKey)
	case n.Kind == yaml.ScalarNode && n.Value == allFree:
		l.AllFree = true
		if !s.has("at_most") {
			s.addf("devices", "is all-free, which needs a cap: say at_most, such as at_most: 8")
		}
	case n.Kind == yaml.ScalarNode && n.Tag == "!!int":
		s.integer("devices", &l.Devices, 1, maxDevices)
	default:
		s.addf("devices", "is %s, but must be %s", what(n), devicesForm)
	}
	if s.has("at_most") && !l.AllFree {
		s.addf("at_most", "goes with devices: all-free; here devices says how many")
	}
	if n.Kind != yaml.SequenceNode && l.MachineName == "" {
		s.addf("devices", "needs %s, of which so many are had; or write a list of names or uids here", kindKey)
	}
}

// boards reads a list of names or uids.
func (r *reader) boards(s *section, l *Lease, kindKey string) {
	for i, item := range s.list("devices", maxDevices) {
		path := s.at("devices")
		v, ok := r.text(item, path)
		switch {
		case !ok:
		case !plainName.MatchString(v):
			r.addf(item, path, "item %d is %q, but must be a device's name, such as nyu-rpi5-01, or its uid", i+1, short(v))
		case slices.ContainsFunc(l.Boards, func(b string) bool { return strings.EqualFold(b, v) }):
			r.addf(item, path, "names %s twice: a device measures a run once", short(v))
		default:
			l.Boards = append(l.Boards, v)
		}
	}
	if len(l.Boards) == 1 { // a run with one device, as any
		if uuid.MatchString(l.Boards[0]) {
			l.UID = l.Boards[0]
		} else {
			l.Device = l.Boards[0]
		}
		l.Boards = nil
	}
	for _, key := range []string{kindKey, "device", "uid"} {
		if s.has(key) {
			s.addf(key, "contradicts devices, which names the devices itself: remove one of them")
		}
	}
}
