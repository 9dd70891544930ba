package zun

import (
	"context"
	"fmt"
	"maps"
	"net"
	"regexp"
	"slices"
	"time"

	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// dnsLabel is what Kubernetes wants of a container's name; Zun's own check lets more
// through.
var dnsLabel = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// knownProfiles are the device profiles that map to something
// [CIAB:kolla/node_custom_config/zun.conf].
var knownProfiles = []string{"pi_gpio", "pi_camera", "pi_serial", "pi_meter", "jetson_camera"}

// maxRestarts: one more and the container shows as Error
// [ZUN:zun/container/k8s/driver.py _sync_container].
const maxRestarts = 2

// begins starts a life of the container; the caller holds s.mu. again is a start after
// a stop, which skips what only a creation does.
func (s *compute) begins(c *container, again bool) {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel, c.over = cancel, make(chan struct{})
	over := c.over
	go func() {
		defer close(over)
		if again || s.scheduled(ctx, c) {
			s.runs(ctx, c)
		}
	}()
}

// ends stops the life that is under way and waits for it. Not under s.mu.
func (s *compute) ends(c *container) {
	s.mu.Lock()
	cancel, over := c.cancel, c.over
	s.mu.Unlock()
	if cancel != nil {
		cancel()
		<-over
	}
}

// change alters the row unless its life was ended meanwhile. What Kubernetes does is seen when the
// compute service can ask it.
func (s *compute) change(ctx context.Context, f func()) bool {
	s.client.heals(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() != nil {
		return false
	}
	f()
	return true
}

func (s *compute) errs(ctx context.Context, c *container, reason, detail, task string) bool {
	s.World.Log.Debug("container failed", "uuid", c.uuid, "reason", reason)
	s.change(ctx, func() { c.status, c.reason, c.detail, c.taskState = failed, reason, detail, task })
	return false
}

// scheduled is what happens between the 202 and the pod. Whatever is wrong with a
// reservation shows here, as a status, never as an HTTP error.
func (s *compute) scheduled(ctx context.Context, c *container) bool {
	claim := s.client.claims()
	if !s.World.Pace.Hold(ctx, s.schedule()) {
		return false
	}
	const task = "container_creating"
	s.mu.Lock()
	c.history[0].finish = s.World.Now()
	s.mu.Unlock()
	for _, p := range c.req.Profiles {
		if !slices.Contains(knownProfiles, p) {
			return s.errs(ctx, c, "Missing mapping for device_profile '"+p+"', please contact your system "+
				"administrator", "", task)
		}
	}
	switch {
	case !claim() || s.World.Orders.Take(ClaimLost):
		return s.loses(ctx, c)
	case c.req.Disk > 0:
		return s.errs(ctx, c, "Your host does not support disk quota.", "", task)
	case c.req.Reservation == "":
		return s.errs(ctx, c, "container "+c.uuid+" has no reservaton ID set.", "", task)
	case !dnsLabel.MatchString(c.name):
		return s.errs(ctx, c, s.unprocessable(c), "", task)
	case s.World.Orders.Take(ContainerError):
		return s.errs(ctx, c, "containers with unready status: ["+c.name+"]", "ContainersNotReady", "")
	case s.World.Orders.Take(ContainerVanish):
		s.change(ctx, func() { c.status, c.taskState = deleted, "" })
		return false
	}
	boards := s.Reservations.Labelled(c.req.Reservation, c.projectID)
	if len(boards) == 0 {
		n := s.Reservations.Nodes()
		s.change(ctx, func() { c.synced = true })
		return s.errs(ctx, c, fmt.Sprintf("0/%d nodes are available: %d node(s) didn't match Pod's node "+
			"affinity/selector. "+
			"preemption: 0/%d nodes are available: %d Preemption is not helpful for scheduling.", n, n, n, n),
			"Unschedulable", "")
	}
	if !s.change(ctx, func() { c.device, c.taskState, c.synced = s.client.place(s.rows, boards), task, true }) {
		return false
	}
	switch board := s.boardOf(c); {
	case s.World.Orders.TakeAt(ContainerError, board):
		return s.errs(ctx, c, "containers with unready status: ["+c.name+"]", "ContainersNotReady", "")
	case s.World.Orders.TakeAt(ContainerVanish, board):
		s.change(ctx, func() { c.status, c.taskState = deleted, "" })
		return false
	}
	return true
}

// boardOf is the name of the board that a container is on; "" while it is on none.
func (s *compute) boardOf(c *container) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.device == nil {
		return ""
	}
	return c.device.Name
}

// loses is a creation whose claim failed: the exception goes nowhere, there is no Deployment, and
// the next sync takes the container for a deleted one.
func (s *compute) loses(ctx context.Context, c *container) bool {
	s.World.Log.Debug("container lost", "uuid", c.uuid)
	if s.World.Pace.Hold(ctx, s.World.Pace.Tick) {
		s.change(ctx, func() { c.status, c.taskState = deleted, "" })
	}
	return false
}

// unprocessable is the Kubernetes client's exception text.
func (s *compute) unprocessable(c *container) string {
	body := `{"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", ` +
		`"message": "Deployment.apps \"zun-` + c.uuid +
		`\" is invalid: spec.template.spec.containers[0].name: Invalid value: \"` + c.name +
		`\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', ` +
		`and must start and end with an alphanumeric character", "reason": "Invalid", "code": 422, ` +
		`"details": {"name": "zun-` + c.uuid + `", "kind": "deployments"}}`
	return "(422)\nReason: Unprocessable Entity\nHTTP response headers: HTTPHeaderDict({'Content-Type': " +
		"'application/json', 'Content-Length': '" +
		fmt.Sprint(len(body)) + "'})\nHTTP response body: " + body + "\n"
}

// runs pulls the image and keeps the pod alive as a Deployment does: a main process
// that ends, even with 0, is started again in a fresh root file system.
func (s *compute) runs(ctx context.Context, c *container) {
	arch := ""
	if s.Host != nil {
		arch = s.Host.Arch()
	}
	img := lookUp(c.req.Image, arch)
	never := s.World.Orders.Take(ImageNeverPulls)
	if !s.World.Pace.Hold(ctx, s.World.Pace.PullDelay) {
		return
	}
	if never || img.unknown || s.Host == nil {
		// Creating for as long as the container exists, and no reason in sight, whatever
		// kubelet says of the image (recorded, case zun/92).
		s.World.Log.Debug("image never pulls", "uuid", c.uuid, "image", c.req.Image)
		<-ctx.Done()
		return
	}
	address := s.newAddress() // the pod's, in which Kubernetes starts a program again
	for restarts := 0; ; restarts++ {
		pod, err := s.startPod(ctx, c, img, address)
		if err != nil {
			s.World.Log.Warn("container did not start", "uuid", c.uuid, "error", err)
			s.errs(ctx, c, "Error: failed to create containerd task: "+err.Error(), "RunContainerError", "")
			return
		}
		if !s.watch(ctx, c, pod) {
			return
		}
		if restarts >= maxRestarts {
			s.errs(ctx, c, "containers with unready status: ["+c.name+"]", "ContainersNotReady", "")
			return
		}
		s.change(ctx, func() { c.status, c.taskState = created, "container_starting" })
		if !s.World.Pace.Hold(ctx, s.backoff(restarts)) {
			return
		}
	}
}

// backoff is kubelet's: soon, then 10 s, doubling; scaled with Blazar's tick, which is
// 10 s in the real thing.
func (s *compute) backoff(restarts int) time.Duration {
	if restarts == 0 {
		return s.World.Pace.Tick / 10
	}
	return s.World.Pace.Tick << (restarts - 1)
}

// startPod makes the pod and shows it as Running. A foreign image's program cannot be
// executed; the returned pod is then nil, with the kernel's words in the log.
func (s *compute) startPod(ctx context.Context, c *container, img image, address string) (*sandbox.Container, error) {
	command := img.command
	if c.req.HasCommand && len(c.req.Command) > 0 {
		command = c.req.Command
	}
	// Kubernetes' command is Zun's entrypoint, its args are Zun's command.
	command = append(slices.Clone(c.req.Entrypoint), command...)
	if img.foreign {
		s.change(ctx, func() {
			s.attach(c, nil, address)
			c.logs = "exec " + command[0] + ": exec format error\n"
		})
		return nil, nil
	}
	spec := sandbox.Spec{Name: podName(c), Command: command, Env: maps.Clone(c.req.Env), Dir: c.req.Workdir,
		Address: address, Files: c.req.Mounts, HostKeys: img.hostKeys, BootID: c.device.BootID}
	if spec.Dir == "" {
		spec.Dir = img.dir
	}
	if s.Host.Arch() == "arm64" {
		spec.Board, _ = c.device.Board()
	}
	pod, err := s.Host.Start(spec)
	if err != nil {
		return nil, err
	}
	if !s.change(ctx, func() { s.attach(c, pod, address) }) {
		pod.Remove() // stopped or deleted meanwhile
	}
	return pod, nil
}

func (s *compute) attach(c *container, pod *sandbox.Container, address string) {
	c.pod, c.hasPod, c.address, c.hasAddress = pod, true, address, true
	if s.World.Orders.Take(AddressLate) {
		c.hasAddress = false
		time.AfterFunc(s.World.Pace.Tick, func() {
			s.mu.Lock()
			c.hasAddress = c.pod == pod && pod != nil
			s.mu.Unlock()
		})
	}
	if c.portID == "" {
		c.portID, c.portMade, c.networked = world.NewUUID(), s.World.Now(), true
	}
	c.status, c.taskState, c.reason, c.detail = running, "", "", ""
}

func podName(c *container) string {
	if c.req.Hostname != "" {
		return c.req.Hostname
	}
	return "zun-" + c.uuid + "-" + world.NewHex(5) + "-" + world.NewHex(3)[:5]
}

// watch waits for the pod's end and keeps its log. It is false when the life was ended
// instead, and the pod is gone then.
func (s *compute) watch(ctx context.Context, c *container, pod *sandbox.Container) bool {
	if pod == nil {
		return ctx.Err() == nil
	}
	ended := false
	select {
	case <-pod.Done():
		ended = true
	case <-ctx.Done():
	}
	logs := pod.Logs()
	s.mu.Lock()
	c.logs, c.pod = logs, nil
	s.mu.Unlock()
	if err := pod.Remove(); err != nil {
		s.World.Log.Warn("container's files were not removed", "uuid", c.uuid, "error", err)
	}
	return ended && ctx.Err() == nil
}

// newAddress hands out caliconet's addresses, 192.168.64.0/18, one for each pod.
func (s *compute) newAddress() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next++
	n := 192<<24 + 168<<16 + 64<<8 + 10 + s.next%(1<<13)
	return net.IPv4(byte(n>>24), byte(n>>16), byte(n>>8), byte(n)).String()
}

// gone removes the row and its port.
func (s *compute) gone(c *container) {
	s.mu.Lock()
	s.rows = slices.DeleteFunc(s.rows, func(r *container) bool { return r == c })
	port := c.portID
	s.mu.Unlock()
	if s.Network != nil && port != "" {
		s.Network.PortDeleted(port)
	}
}

// ReservationEnded kills the scheduled containers of the reservations. Blazar deletes their
// Deployments with a client of its own, so that this works also when the compute service is
// wedged. The watch of the pods calls them Stopped at once, the next sync Deleted, and then the
// rows go (recorded, cases fleet/71 to 71c, 26b).
func (s *compute) ReservationEnded(ids []string) {
	s.mu.Lock()
	var hit []*container
	for _, c := range s.rows {
		if slices.Contains(ids, c.req.Reservation) && c.device != nil && c.status != deleting && c.status != deleted {
			hit = append(hit, c)
		}
	}
	s.mu.Unlock()
	for _, c := range hit {
		s.ends(c)
		seen := s.client.reaches()
		if seen {
			s.lapses(c, stopped)
		}
		go func() {
			if !seen && s.client.heals(s.life) {
				s.lapses(c, stopped)
			}
			if s.World.Pace.Hold(s.life, s.World.Pace.Tick) && s.client.heals(s.life) {
				s.lapses(c, deleted)
				if s.World.Pace.Hold(s.life, 2*s.World.Pace.Tick) {
					s.gone(c)
				}
			}
		}()
	}
}

// lapses shows a container whose Deployment is gone.
func (s *compute) lapses(c *container, status string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.status != deleting {
		c.status, c.taskState, c.hasPod = status, "", false
		c.hasAddress = c.hasAddress && status != deleted
	}
}

// Close ends every life.
func (s *compute) Close() {
	s.end()
	s.mu.Lock()
	rows := slices.Clone(s.rows)
	s.mu.Unlock()
	for _, c := range rows {
		s.ends(c)
	}
}

// schedule is the time between a creation and the scheduler's verdict.
func (s *compute) schedule() time.Duration {
	return min(s.World.Pace.PullDelay/4, time.Second)
}
