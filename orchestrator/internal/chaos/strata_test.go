//go:build linux

package chaos

import "fmt"

// strata are what a case is one of: each kind of wrong answer at each number of
// failures, each request, each signal, each phase, each damage.
func (s scene) strata() []string {
	who := s.way + s.errand
	switch {
	case s.verb != "":
		return []string{s.verb, s.verb + s.signals}
	case s.call != "":
		return []string{fmt.Sprint(s.kind.name, s.times), who + s.call}
	case s.signals != "":
		return []string{s.way + s.signals, s.signals + s.phase}
	case s.damage != "":
		return []string{s.damage, s.phase}
	}
	return []string{s.fault, who}
}

// evenly puts cases into an order in which every beginning has met all strata about
// equally often. Among equals the order stays.
func evenly(all []scene) []scene {
	met := map[string]int{}
	rest, even := append([]scene(nil), all...), []scene(nil)
	for len(rest) > 0 {
		best, least := 0, -1
		for i, s := range rest {
			n := 0
			for _, stratum := range s.strata() {
				n += met[stratum]
			}
			if least < 0 || n < least {
				best, least = i, n
			}
			if n == 0 {
				break
			}
		}
		for _, stratum := range rest[best].strata() {
			met[stratum]++
		}
		even = append(even, rest[best])
		rest = append(rest[:best], rest[best+1:]...)
	}
	return even
}
