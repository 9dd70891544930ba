package chiedge

import (
	"testing"

	"chexp/orchestrator/internal/run"
)

// What is the user's own is listed and removed; what is another's of the same name,
// or cannot be proven, is neither.
func TestStock(t *testing.T) {
	c := newCloud(t)
	s := connect(t, c)
	l, err := s.Reserve(t.Context(), pi5("chexp-a"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.Launch(t.Context(), bench(), quiet)
	if err != nil {
		t.Fatal(err)
	}
	c.leases = append(c.leases, &fakeLease{id: "bobs", name: "chexp-a", user: bob, status: "ACTIVE"},
		&fakeLease{id: "over", name: "chexp-a", user: alice, status: "TERMINATED"})
	c.containers = append(c.containers, &fakeContainer{id: "bobs", name: k.Name, user: bob,
		now: state{status: "Running"}})
	for id, note := range map[string]string{"mine": s.addresses.Note(k.ID, k.Name, alice),
		"bobs":     s.addresses.Note("x", k.Name, bob),
		"unproven": "chexp container " + k.ID, "foreign": "a web server"} {
		c.fips = append(c.fips, map[string]any{"id": id, "description": note, "floating_ip_address": "192.0.2.1"})
	}
	for kind, id := range map[run.ThingKind]string{run.ALease: l.ID, run.AContainer: k.ID, run.AnAddress: "mine"} {
		own, err := s.Own(t.Context(), kind)
		if err != nil || len(own) != 1 || own[0].ID != id || own[0].Kind != kind {
			t.Fatalf("%s: %v, %v", kind, own, err)
		}
		if kind == run.AnAddress && (own[0].For != k.ID || own[0].Name != k.Name) {
			t.Errorf("%+v", own[0])
		}
		if err := s.Remove(t.Context(), own[0]); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if own, err := s.Own(t.Context(), kind); err != nil || len(own) != 0 {
			t.Errorf("%s is still there: %v, %v", kind, own, err)
		}
	}
	for _, ip := range c.fips {
		if ip["id"] == "mine" {
			t.Error("the floating IP is still there")
		}
	}
	if len(c.leases) != 2 || len(c.containers) != 1 || len(c.fips) < 2 {
		t.Errorf("%d leases, %d containers, %v", len(c.leases), len(c.containers), c.fips)
	}
}
