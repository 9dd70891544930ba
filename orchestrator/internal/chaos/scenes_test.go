//go:build linux

package chaos

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

var phases = []string{"plan", "lease", "container", "push", "run", "fetch", "release", "report"}

// calls plays a run that nothing hinders, and lists its distinct requests.
func (c *campaign) calls(way, errand string) map[string]int {
	cl := &cloud{t: c.t, bin: c.bin, dir: filepath.Join(c.dir, "emulator-calm")}
	cl.start()
	defer cl.stop()
	dir := filepath.Join(c.dir, "calm-"+way+errand)
	s := &session{cloud: cl, scene: scene{Name: "calm", way: way, errand: errand}, dir: dir, known: map[string]bool{}}
	s.play()
	if len(s.lapse) > 0 || s.codes[0] != 0 {
		c.t.Fatalf("a run that nothing hinders went wrong: %v\n%s", s.lapse, s.text)
	}
	os.RemoveAll(dir)
	n := map[string]int{}
	asked := cl.proxy.calls()
	if errand != "" {
		asked = s.asked
	}
	for _, call := range asked {
		n[call]++
	}
	return n
}

// chance is the random numbers of a case, the same whatever other cases there are.
func (c *campaign) chance(name string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(name))
	return rand.New(rand.NewPCG(c.seed, h.Sum64()))
}

// scenes are all cases there are.
func (c *campaign) scenes() []scene {
	var all []scene
	common := map[string]int{} // what every run asks over zun
	answering, dying := []string{"zun", "ssh", "several", "oidc"}, []string{"zun", "ssh", "several", "local"}
	if root() {
		answering, dying = append(answering, "servers"), append(dying, "servers")
	}
	for _, way := range answering {
		seen := c.calls(way, "")
		all = append(all, c.answers(scene{way: way}, seen, common)...)
		if way == "zun" {
			common = seen
		}
	}
	for _, e := range sorted(errands) {
		all = append(all, c.answers(scene{way: "zun", errand: e}, c.calls("zun", e), nil)...)
	}
	for _, way := range dying {
		for _, signals := range sorted(signalling) {
			for _, phase := range phases {
				all = append(all, c.signalled(way, signals, phase))
			}
		}
	}
	all = append(all, c.verbScenes()...)
	for _, fault := range []string{
		"blazar.node=gone", "blazar.lease=ERROR", "blazar.start=slow-2s", "zun.container=ERROR", "zun.container=deleted",
		"zun.hosts=none", "zun.claim=lost", "zun.address=late", "zun.stream=collide", "zun.compute=wedged", "execute=cut",
		"execute=cut-100ms", "network=cut-after-1MiB", "neutron.pool=dry", "neutron.quota=used", "token=expires-in-3s",
	} {
		for _, way := range []string{"zun", "ssh"} {
			all = append(all, scene{Name: way + " the cloud's " + fault, way: way, fault: fault})
		}
	}
	if root() {
		for _, fault := range []string{"nova.server=ERROR", "blazar.node=gone", "blazar.lease=ERROR", "neutron.pool=dry",
			"network=cut-after-1MiB", "token=expires-in-3s"} {
			all = append(all, scene{Name: "servers the cloud's " + fault, way: "servers", fault: fault})
		}
	}
	for _, phase := range []string{"container", "run", "fetch"} {
		all = append(all, damagedScenes(phase)...)
	}
	return all
}

// answers are the cases of requests whose answers go wrong, but for those that another
// way has already.
func (c *campaign) answers(like scene, seen, common map[string]int) (all []scene) {
	for _, call := range sorted(seen) {
		if common[call] > 0 {
			continue
		}
		for _, k := range kinds() {
			for _, times := range []int{1, 5, -1} {
				if k.late && (times != 1 || !strings.HasPrefix(call, "POST ") || like.errand != "") {
					continue
				}
				s := wrong(like.way, k, times, call)
				if s.errand = like.errand; s.errand != "" {
					s.Name = s.errand + ", " + s.Name
				}
				s.from = 1 + c.chance(s.Name).IntN(seen[call])
				all = append(all, s)
			}
		}
	}
	return all
}

// wrong is the case of a request whose answer goes wrong so often, -1 for ever.
func wrong(way string, k kind, times int, call string) scene {
	often := fmt.Sprint("x", times)
	if times < 0 {
		often = "for ever"
	}
	return scene{Name: fmt.Sprintf("%s %s %s: %s", way, k.name, often, call), way: way, call: call, kind: k, from: 1,
		times: times}
}

// signalled is the case of a run that is ended in a phase.
func (c *campaign) signalled(way, signals, phase string) scene {
	s := scene{Name: fmt.Sprintf("%s %s in %s", way, signals, phase), way: way, signals: signals, phase: phase}
	s.after = time.Duration(c.chance(s.Name).IntN(400)) * time.Millisecond
	return s
}

// damagedScenes are the cases of runs whose directory is damaged after a phase.
func damagedScenes(phase string) []scene {
	var all []scene
	for _, d := range sorted(damages) {
		all = append(all, scene{
			Name: fmt.Sprintf("zun damaged %s after %s", d, phase), way: "zun", damage: d, phase: phase,
		})
	}
	return all
}

func sorted[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
