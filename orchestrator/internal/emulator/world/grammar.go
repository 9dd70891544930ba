package world

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Grammar is the orders that have no name of their own, in one line for help texts.
const Grammar = "SERVICE[.CALL]=STATUS|drop|lost|hang|slow-TIME (as in zun.create=500x2), blazar.lease=ERROR|degraded, " +
	"blazar.start=slow-60s, blazar.policy=upstream, blazar.query=hidden, keystone.trusts=all|none, execute=cut, execute=cut-5s, zun.workers=1, network=cut-after-1MiB, token=expires-in-30s; xTIMES behind any"

// calls are the calls of each service that an order may name.
var calls = map[string][]string{
	"keystone": {"token", "catalog", "other"},
	"blazar":   {"create", "list", "show", "update", "delete", "devices", "allocations"},
	"zun": {"create", "list", "show", "delete", "update", "execute", "put_archive", "get_archive", "logs", "start", "stop", "reboot",
		"stats", "attach", "other"},
	"neutron": {"create", "list", "show", "update", "delete", "other"},
	"nova":    {"create", "list", "show", "delete", "action", "keypairs", "flavors", "other"},
	"glance":  {"list", "show", "other"},
}

// settings are choices of a site's operators, and the values that are not Chameleon's.
var settings = map[string][]string{
	"blazar.policy":   {"upstream"},    // Blazar's own: only administrators may read boards and allocations
	"blazar.query":    {"hidden"},      // display_default_resource_properties off: "Not enough hosts available" says no more
	"keystone.trusts": {"all", "none"}, // which application credentials may make leases; else the unrestricted ones
}

// forEver are orders that hold until they are withdrawn, unless a number of times is given.
var forEver = regexp.MustCompile(`^(blazar\.policy=|blazar\.query=|keystone\.trusts=|token=|zun\.workers=|blazar\.start=|execute=|interactive-off|extension-403)`)

// ParseFault reads one order: NAME, NAME=TIMES, TARGET=ACTION or TARGET=ACTIONxTIMES. A colon does for
// the sign and blanks for the dashes, so that "zun.create: 500 x2" is the same as "zun.create=500x2".
// An order without a number holds once; one that changes how the cloud is, for ever. -1 is for ever.
func ParseFault(text string) (Fault, int, error) {
	s := strings.Join(strings.Fields(text), "-")
	if i := strings.IndexAny(s, ":="); i >= 0 {
		s = s[:i] + "=" + strings.Trim(s[i+1:], "-:= ")
		// A leading dash is part of "NAME=-1".
		if after := strings.TrimLeft(text[strings.IndexAny(text, ":=")+1:], " "); strings.HasPrefix(after, "-") {
			s = s[:i] + "=-" + strings.Trim(s[i+1:], "-:= ")
		}
	}
	name, value, given := strings.Cut(s, "=")
	if n, err := strconv.Atoi(value); slices.Contains(knownFaults, Fault(name)) {
		switch {
		case !given:
			return Fault(name), times(Fault(name), 0), nil
		case err != nil || n == 0:
			return "", 0, fmt.Errorf("emulator: %q: %s takes a number of times, such as %s=2; -1 is for ever", text, name, name)
		}
		return Fault(name), n, nil
	}
	key, n, err := parseName(s)
	if err != nil {
		return "", 0, err
	}
	return key, times(key, n), nil
}

func times(key Fault, n int) int {
	switch {
	case n != 0:
		return n
	case forEver.MatchString(string(key)):
		return -1
	}
	return 1
}

// ParseFaults reads a list of orders.
func ParseFaults(texts []string) (map[Fault]int, error) {
	order := map[Fault]int{}
	for _, t := range texts {
		key, n, err := ParseFault(t)
		if err != nil {
			return nil, err
		}
		order[key] = n
	}
	return order, nil
}

var repeat = regexp.MustCompile(`-?x(-?\d+)$`)

// parseName checks an order and writes it in one way; n is the number behind x, 0 without one.
func parseName(s string) (key Fault, n int, err error) {
	if slices.Contains(knownFaults, Fault(s)) {
		return Fault(s), 0, nil
	}
	target, value, ok := strings.Cut(s, "=")
	if !ok {
		return "", 0, unknownFault(s)
	}
	if m := repeat.FindStringSubmatch(value); m != nil {
		n, _ = strconv.Atoi(m[1])
		value = strings.TrimSuffix(value, m[0])
	}
	if target == "exec" {
		target = "execute"
	}
	switch {
	case target == "blazar.lease" && strings.EqualFold(value, "error"):
		return LeaseError, n, nil
	case target == "blazar.lease" && strings.EqualFold(value, "degraded"):
		return LeaseDegraded, n, nil
	case target == "execute" && value == "cut":
		return ExecuteCut, n, nil
	}
	if values, is := settings[target]; is {
		if !slices.Contains(values, value) {
			return "", 0, fmt.Errorf("emulator: %q: %s can be set to %s", s, target, strings.Join(values, " or "))
		}
		return Fault(target + "=" + value), n, nil
	}
	a, err := parseAction(value)
	if err != nil {
		return "", 0, fmt.Errorf("emulator: fault %q: %w", s, err)
	}
	fits, err := a.fits(s, target)
	if err != nil {
		return "", 0, err
	}
	if m := cutTime.FindStringSubmatch(value); m != nil && (target == "execute" || target == "blazar.start") {
		value = m[1] + m[2]
	}
	if !fits {
		return "", 0, fmt.Errorf("emulator: fault %q: %q is nothing that can happen to %s; %s", s, value, target, Grammar)
	}
	return Fault(target + "=" + value), n, nil
}

// fits says whether the action can happen to the target; the error is for a
// target that there is not. s is the fault as it was written.
func (a Action) fits(s, target string) (bool, error) {
	switch target {
	case "token":
		return a.Life > 0, nil
	case "network":
		return a.After > 0, nil
	case "zun.workers":
		return a.Number > 0, nil
	case "execute", "blazar.start":
		return a.Slow > 0, nil
	}
	service, call, named := strings.Cut(target, ".")
	list, known := calls[service]
	switch {
	case !known:
		return false, unknownFault(s)
	case named && !slices.Contains(list, call):
		return false, fmt.Errorf("emulator: fault %q: %s has no call %q; there are %s", s, service, call, strings.Join(list, ", "))
	}
	return a.Status > 0 || a.Drop || a.Lose || a.Hang || a.Slow > 0, nil
}

var (
	cutTime  = regexp.MustCompile(`^(?:cut-(?:after-)?|)([0-9.]+(?:ms|s|m))(?:-cut)?$|^([0-9.]+(?:ms|s|m))$`)
	cutBytes = regexp.MustCompile(`^cut-after-([0-9.]+)-?(B|KiB|MiB|GiB|KB|MB|GB)$`)
	units    = map[string]float64{"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "KB": 1e3, "MB": 1e6, "GB": 1e9}
)

// parseAction reads what is to happen.
func parseAction(s string) (Action, error) {
	switch s {
	case "drop", "dropped":
		return Action{Drop: true}, nil
	case "lost", "lose":
		return Action{Lose: true}, nil
	case "hang":
		return Action{Hang: true}, nil
	}
	if n, err := strconv.Atoi(s); err == nil {
		if n >= 400 && n <= 599 {
			return Action{Status: n}, nil
		}
		if n > 0 && n < 100 {
			return Action{Number: n}, nil
		}
	}
	if m := cutBytes.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseFloat(m[1], 64)
		if err == nil && n*units[m[2]] >= 1 {
			return Action{After: int64(n * units[m[2]])}, nil
		}
	}
	if rest, ok := strings.CutPrefix(s, "expires-in-"); ok {
		if d, err := time.ParseDuration(rest); err == nil && d > 0 {
			return Action{Life: d}, nil
		}
	}
	rest, _ := strings.CutPrefix(s, "slow-")
	if m := cutTime.FindStringSubmatch(rest); m != nil {
		if d, err := time.ParseDuration(m[1] + m[2]); err == nil && d > 0 {
			return Action{Slow: d}, nil
		}
	}
	return Action{}, errors.New("what is " + strconv.Quote(s) + "? " + Grammar)
}
