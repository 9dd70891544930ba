package nova

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// noValidHost is the end of it in Chameleon's words
// [TEMP:tests/scenario/test_oshost_basic_ops.py, line 61]. Upstream's, as recorded, have no second half.
const noValidHost = "No valid host was found. There are not enough hosts available. To troubleshoot, please see " +
	"bit.ly/faq-instance-failure"

// begin lets a server be built in the background; the caller holds s.mu.
func (s *compute) begin(v *server) {
	ctx, end := context.WithCancel(context.Background())
	v.end = end
	s.bg.Go(func() {
		s.build(ctx, v)
		<-ctx.Done() // deleted, or the cloud ends
		if v.box != nil {
			v.box.Remove()
		}
	})
}

// step is how long scheduling and deleting take: short beside a deployment.
func (s *compute) step() time.Duration { return min(s.World.Pace.Deploy/20, 2*time.Second) }

// change does f under the lock unless the server's life was ended.
func (s *compute) change(ctx context.Context, v *server, f func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil || v.leaving {
		return false
	}
	f()
	v.updated = s.World.Now().Truncate(time.Second)
	return true
}

// build takes a server from scheduling to its final boot.
func (s *compute) build(ctx context.Context, v *server) {
	if !s.World.Pace.Hold(ctx, s.step()) {
		return
	}
	machines := s.Reservations.Machines(v.reservation, v.projectID)
	placed := s.change(ctx, v, func() { s.place(v, machines) })
	if !placed || v.machine == nil {
		return
	}
	// Ironic writes the image and boots; the clock may be moved on meanwhile.
	if !s.World.Until(ctx, v.created.Add(s.World.Pace.Deploy)) {
		return
	}
	if s.World.Orders.Take(serverError) {
		s.change(ctx, v, func() {
			s.fails(v, "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures "+
				"for instance "+v.id+".")
		})
		return
	}
	box, err := s.boot(v)
	if err != nil {
		s.World.Log.Warn("emulator: nothing runs on a bare-metal server's machine", "server", v.id, "error", err)
	}
	if !s.change(ctx, v, func() {
		v.box, v.status, v.task, v.launched = box, active, "", s.World.Now()
	}) && box != nil {
		box.Remove()
	}
}

// place takes a free machine of the reservation; the caller holds s.mu.
func (s *compute) place(v *server, machines []*world.Device) {
	taken := func(d *world.Device) bool {
		return slices.ContainsFunc(s.servers, func(o *server) bool { return o.machine == d })
	}
	for _, d := range machines {
		if !taken(d) {
			v.machine, v.task, v.portID, v.address = d, "spawning", world.NewUUID(), s.newAddress()
			return
		}
	}
	s.fails(v, noValidHost)
}

// fails ends a server in ERROR; the caller holds s.mu.
func (s *compute) fails(v *server, why string) {
	v.status, v.task, v.fault, v.faultAt = failed, "", why, s.World.Now()
}

// newAddress hands out sharednet1's addresses; the caller holds s.mu.
func (s *compute) newAddress() string {
	s.last++
	n := 10 + s.last%900
	return net.IPv4(10, 140, 80+byte(n>>8), byte(n)).String()
}

// firstBoot is what cloud-init does in Chameleon's images, as far as SSH is concerned: the user cc
// with the key pair's key, and the host key of the user data or one of the server's own.
const firstBoot = `set -e
echo 'cc:x:1000:1000:Chameleon user:/home/cc:/bin/bash' >>/etc/passwd
echo 'cc:x:1000:' >>/etc/group
mkdir -p /home/cc/.ssh
printf '%s\n' "$CHEXP_KEY" >/home/cc/.ssh/authorized_keys
chmod 700 /home/cc/.ssh; chmod 600 /home/cc/.ssh/authorized_keys; chown -R 1000:1000 /home/cc
if [ -n "$CHEXP_HOST_KEY" ]; then
	umask 077; printf '%s\n' "$CHEXP_HOST_KEY" >/etc/ssh/ssh_host_ed25519_key; umask 022
	ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
else
	ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
fi
unset CHEXP_KEY CHEXP_HOST_KEY
exec /usr/sbin/sshd -D`

// boot starts what answers on the machine's port 22.
func (s *compute) boot(v *server) (*sandbox.Container, error) {
	if s.Host == nil {
		return nil, errors.New("the emulator was given no images")
	}
	key := ""
	if v.key != nil {
		key = v.key.public
	}
	return s.Host.Start(sandbox.Spec{Name: hostname(v.name), Arch: runtime.GOARCH,
		Command: []string{"/bin/sh", "-c", firstBoot},
		Env:     map[string]string{"CHEXP_KEY": key, "CHEXP_HOST_KEY": hostKey(v.userData)}, Address: v.address,
		BootID: world.NewUUID()}) // a deployment boots the machine
}

// hostKey is the server's own key as its user data may have it for cloud-init, "" if it has none
// [cloud-init: cc_ssh, ssh_keys].
func hostKey(userData []byte) string {
	if !bytes.HasPrefix(userData, []byte("#cloud-config\n")) {
		return ""
	}
	var config struct {
		Keys map[string]string `yaml:"ssh_keys"`
	}
	if yaml.Unmarshal(userData, &config) != nil {
		return ""
	}
	return strings.TrimSpace(config.Keys["ed25519_private"])
}

// hostname is what Nova makes of a name.
func hostname(name string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		case r == ' ', r == '_':
			return '-'
		}
		return -1
	}, name)
	if clean = strings.Trim(clean, ".-"); clean == "" {
		return "server"
	}
	return clean[:min(len(clean), 60)]
}

// remove takes a server away, in the background; the machine is free again when it is gone. The
// caller holds s.mu.
func (s *compute) remove(v *server) {
	if v.leaving {
		return
	}
	v.leaving, v.task = true, "deleting"
	s.bg.Go(func() {
		s.World.Pace.Hold(context.Background(), s.step())
		v.end()
		s.mu.Lock()
		s.servers = slices.DeleteFunc(s.servers, func(o *server) bool { return o == v })
		port := v.portID
		s.mu.Unlock()
		if port != "" {
			s.Network.PortDeleted(port)
		}
		close(v.deleted)
	})
}

// ReservationEnded deletes the servers on the machines of reservations that ended.
func (s *compute) ReservationEnded(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.servers {
		if slices.Contains(ids, v.reservation) && v.machine != nil {
			s.remove(v)
		}
	}
}

// Ports are those of the servers. Through a floating IP only SSH is forwarded: a loopback address
// cannot stand for all ports of a machine.
func (s *compute) Ports() []world.Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []world.Port
	for _, v := range s.servers {
		if v.portID != "" {
			out = append(out, world.Port{ID: v.portID, ProjectID: v.projectID, DeviceID: v.id,
				DeviceOwner: "compute:" + zoneOf(v), Address: v.address,
				Created: v.created.Format("2006-01-02T15:04:05.000000"), Type: "baremetal", Status: "ACTIVE",
				TCP: []int{22}})
		}
	}
	return out
}

// Dial connects to a TCP port of a server.
func (s *compute) Dial(ctx context.Context, portID string, tcp int) (net.Conn, error) {
	s.mu.Lock()
	var box *sandbox.Container
	for _, v := range s.servers {
		if v.portID == portID {
			box = v.box
		}
	}
	s.mu.Unlock()
	if box == nil {
		return nil, fmt.Errorf("no server that runs is behind port %s", portID)
	}
	return box.Dial(ctx, tcp)
}

// Close ends all servers.
func (s *compute) Close() {
	s.mu.Lock()
	for _, v := range s.servers {
		v.end()
	}
	s.mu.Unlock()
	s.bg.Wait()
}

// Left is a server that still exists.
type Left struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// Leftovers lists them. Those that a deletion is taking away do not count.
func (s *compute) Leftovers() []Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []Left{}
	for _, v := range s.servers {
		if !v.leaving {
			left = append(left, Left{v.id, v.name, v.status})
		}
	}
	return left
}
