package cli_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/cli"
	"chexp/orchestrator/internal/emulator"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/transporttest"
)

// The transports of the product, against containers of the emulated cloud:
// real sh, tar and sshd behind Zun's quirks.
func TestTransportsAgainstTheEmulator(t *testing.T) {
	t.Parallel()
	images, err := filepath.Abs("../../../bin/images")
	if err != nil {
		t.Fatal(err)
	}
	em, err := emulator.Start(t.Context(), emulator.Options{Dir: t.TempDir(), Images: images, Arch: "amd64",
		Tick: 200 * time.Millisecond, PullDelay: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := em.Close(); err != nil {
			t.Error(err)
		}
	})
	if note := em.ArchNote(); strings.Contains(note, "no containers") {
		t.Skip(note + ": `make images`")
	}
	t.Cleanup(func() {
		if left := em.Leftovers(); !left.Empty() {
			t.Errorf("left on the cloud: %v", left)
		}
	})
	for _, tc := range []struct{ transport, image string }{
		{"zun", "debian:bookworm-slim"},
		{"ssh", "ghcr.io/chameleoncloud/edge_ssh_image:latest"},
	} {
		t.Run(tc.transport, func(t *testing.T) {
			t.Parallel()
			site, err := cli.Connect(t.Context(), em.CloudsFile(), em.Cloud())
			if err != nil {
				t.Fatal(err)
			}
			lease, err := site.Reserve(t.Context(), run.LeaseRequest{
				Name: "conformance-" + tc.transport, MachineName: "raspberrypi5", End: time.Now().Add(time.Hour),
			})
			if err != nil {
				t.Fatal(err)
			}
			if lease, err = site.Await(t.Context(), lease.ID, func(string) {}); err != nil {
				t.Fatal(err)
			}
			req := run.ContainerRequest{Name: "conformance-" + tc.transport, Image: tc.image,
				Command:       []string{"sleep", "infinity"},
				ReservationID: lease.ReservationID, Transport: tc.transport}
			c, err := site.Launch(t.Context(), req, func(string) {})
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			transporttest.Run(t, func(t *testing.T) (transport.Transport, string) {
				tr, err := site.Dial(t.Context(), c, req, func(string) {})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { tr.Close() })
				n++
				return tr, fmt.Sprintf("/opt/x%d/far/end", n)
			})
			if err := site.Destroy(t.Context(), c.ID); err != nil {
				t.Error(err)
			}
			if err := site.Release(t.Context(), lease.ID); err != nil {
				t.Error(err)
			}
		})
	}
}
