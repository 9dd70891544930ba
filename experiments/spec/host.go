package spec

import (
	"net"
	"net/netip"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Host is a machine that is reached by SSH.
type Host struct {
	User string // "": the name that the user has on this machine
	Name string // or address
	Port int    // 0: 22
	Key  string // file of a private key, absolute or below ~/; "": those that ssh would take, too
}

// Address is what a connection is made to: "board:22".
func (h Host) Address() string {
	port := h.Port
	if port == 0 {
		port = 22
	}
	return net.JoinHostPort(h.Name, strconv.Itoa(port))
}

// Both go into command lines that people paste, so neither may begin with a hyphen.
var (
	hostUser = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)
	hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?$`)
)

// ParseHost reads "pi@raspberrypi.local"; why is what is wrong with it.
func ParseHost(text string) (h Host, why string) {
	h.Name = text
	if user, name, ok := strings.Cut(text, "@"); ok {
		h.User, h.Name = user, name
		if !hostUser.MatchString(user) {
			return h, "is " + strconv.Quote(short(text)) + ", but the user's name may hold only letters, digits and ._-"
		}
	}
	h.Name = strings.TrimSuffix(strings.TrimPrefix(h.Name, "["), "]")
	if _, err := netip.ParseAddr(h.Name); err == nil {
		return h, ""
	}
	if name, port, err := net.SplitHostPort(h.Name); err == nil && hostName.MatchString(name) {
		return h, "is " + strconv.Quote(short(text)) + ": write port: " + short(port) + " on a line of its own"
	}
	if !hostName.MatchString(h.Name) {
		return h, "is " + strconv.Quote(short(text)) + ", but must be a machine as ssh takes it, such as " +
			"pi@raspberrypi.local or 192.168.1.20"
	}
	return h, ""
}

// host reads what says which machine, and how to sign in to it.
func (s *section) host(e *Experiment, known bool) {
	kind := e.SiteKind()
	for _, key := range []string{"host", "port", "key"} {
		if known && s.has(key) && !kind.Hosts {
			s.addf(key, "makes no sense with site: %s, which %s: remove this line, or write site: %s", kind.Name,
				kind.Without, sitesThatTake(key))
		}
	}
	if known && !kind.Hosts {
		return
	}
	if v, ok := s.text("host"); ok {
		h, why := ParseHost(v)
		if e.Host = h; why != "" {
			s.addf("host", "%s", why)
		}
	} else if kind.Hosts {
		s.require("host", "the machine, such as host: pi@raspberrypi.local")
	}
	s.integer("port", &e.Host.Port, 1, 65535)
	if v, ok := s.text("key"); ok {
		e.Host.Key = v
		below, home := strings.CutPrefix(v, "~/")
		if !path.IsAbs(v) && (!home || below == "") {
			s.addf("key", "is %q, but must be the file of a private key, with / or ~/ in front", short(v))
		}
	}
}
