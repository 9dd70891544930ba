package zun

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/world"
)

const actionTime = "2006-01-02T15:04:05.000000"

// maxPage is the server's own limit of one page [ZUN:zun/conf/api.py max_limit].
const maxPage = 1000

func (s *Service) list(c call, _ string) {
	q := c.query
	if isTrue(q.Get("all_projects")) && !c.caller.Admin() {
		c.fail(&problem{403, "policy-not-authorized", "Policy doesn't allow container:get_all_all_projects to be performed."})
		return
	}
	filters := map[string]string{}
	limit, marker := maxPage, q.Get("marker")
	for k := range q {
		switch k {
		case "name", "image", "project_id", "user_id", "memory", "task_state", "status", "auto_remove", "host":
			filters[k] = q.Get(k)
		case "limit":
			n, err := strconv.Atoi(q.Get(k))
			if err != nil || n <= 0 {
				c.fail(&problem{400, "invalid-value", "Limit must be positive integer"})
				return
			}
			limit = min(n, maxPage)
		case "all_projects", "marker", "sort_key", "sort_dir", "resource_url", "expand":
		default:
			c.fail(&problem{400, "invalid-value", "Unknown parameters: " + k})
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if marker != "" {
		if _, p := s.find(c, marker); p != nil {
			c.fail(p)
			return
		}
	}
	views := []view{}
	var next any
	passed := marker == ""
	for _, row := range s.rows {
		if row.projectID != c.caller.ProjectID && !(c.caller.Admin() && isTrue(q.Get("all_projects"))) || !row.matches(filters) {
			continue
		}
		if !passed {
			passed = row.uuid == marker
			continue
		}
		if len(views) == limit {
			next = s.URL + "/v1/containers?limit=" + strconv.Itoa(limit) + "&marker=" + views[limit-1].UUID
			break
		}
		views = append(views, s.render(row, false, false))
	}
	c.ok(200, map[string]any{"containers": views, "next": next})
}

func (c *container) matches(filters map[string]string) bool {
	have := map[string]string{"name": c.name, "image": c.req.Image, "project_id": c.projectID, "user_id": c.userID,
		"memory": c.req.Memory, "task_state": c.taskState, "status": c.status}
	for k, want := range filters {
		if v, ok := have[k]; ok && v != want {
			return false
		}
	}
	return true
}

func (s *Service) show(c call, ident string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p != nil {
		c.fail(p)
		return
	}
	c.ok(200, s.render(row, false, true))
}

// delete answers at once and works afterwards.
func (s *Service) delete(c call, ident string) {
	if p := checkQuery(c.query, map[string]rule{"force": booleanExtended, "stop": booleanExtended, "all_projects": booleanExtended}); p != nil {
		c.fail(p)
		return
	}
	force, stop := isTrue(c.query.Get("force")), isTrue(c.query.Get("stop"))
	action, needs := "delete", version(1)
	switch {
	case stop:
		action, needs = "delete_after_stop", 12
	case force:
		action, needs = "delete_force", 7
	}
	s.mu.Lock()
	row, p := s.find(c, ident)
	if p == nil && c.v < needs {
		key := strings.TrimPrefix(strings.TrimPrefix(action, "delete_after_"), "delete_")
		p = &problem{400, "invalid-param-in-version", "Invalid param " + key + " because current request version is " + c.v.String() +
			". " + key + " is only supported from version " + needs.String()}
	}
	if p == nil {
		_, p = s.begin(c, row.uuid, action)
	}
	if p != nil {
		s.mu.Unlock()
		c.fail(p)
		return
	}
	row.status, row.taskState = deleting, "container_deleting"
	s.mu.Unlock()
	go func() {
		s.ends(row)
		// About a second from Running to 404 was recorded.
		world.Pause(context.Background(), s.schedule())
		s.gone(row)
	}()
	c.w.WriteHeader(204)
}

// power does stop, start and reboot: 202 now, the work later. A stop scales the
// Deployment to nothing and a start makes a new pod: its file system is new, its address
// is new, its port is the same.
func (s *Service) power(c call, ident, action string, f func(row *container)) {
	s.mu.Lock()
	row, p := s.begin(c, ident, action)
	if p != nil {
		s.mu.Unlock()
		c.fail(p)
		return
	}
	f(row)
	s.mu.Unlock()
	c.ok(202, nil)
}

func (s *Service) stop(c call, ident string) {
	if p := checkQuery(c.query, map[string]rule{"timeout": stopTimeout}); p != nil {
		c.fail(p)
		return
	}
	s.power(c, ident, "stop", func(row *container) {
		row.taskState = "container_stopping"
		go s.halt(row)
	})
}

// halt ends the pod and shows the container as Stopped.
func (s *Service) halt(row *container) {
	s.ends(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.status != deleting && row.status != deleted {
		row.status, row.taskState, row.hasPod = stopped, "", false
	}
}

func (s *Service) start(c call, ident string) {
	s.power(c, ident, "start", func(row *container) {
		row.taskState = "container_starting"
		go s.restart(row)
	})
}

func (s *Service) restart(row *container) {
	s.ends(row)
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.status == deleting || row.status == deleted {
		return
	}
	row.status, row.taskState, row.reason, row.detail, row.hasAddress = creating, "", "", "", false
	// A container that never got past the scheduler tries that again.
	s.begins(row, row.device != nil)
}

func (s *Service) reboot(c call, ident string) {
	if p := checkQuery(c.query, map[string]rule{"timeout": stopTimeout}); p != nil {
		c.fail(p)
		return
	}
	s.power(c, ident, "reboot", func(row *container) {
		row.status, row.taskState = restarting, "container_rebooting"
		go func() {
			s.halt(row)
			s.restart(row)
		}()
	})
}

// logs answers a JSON string, or null when there is no pod. Standard output and error
// are one stream whatever the flags say.
func (s *Service) logs(c call, ident string) {
	flags := map[string]rule{"stdout": booleanExtended, "stderr": booleanExtended, "timestamps": booleanExtended, "tail": logsTail, "since": logsTail}
	if p := checkQuery(c.query, flags); p != nil {
		c.fail(p)
		return
	}
	s.mu.Lock()
	row, p := s.begin(c, ident, "logs")
	var text any
	if p == nil && row.hasPod {
		logs := row.logs
		if row.pod != nil {
			logs = row.pod.Logs()
		}
		text = lastLines(logs, c.query.Get("tail"))
	}
	s.mu.Unlock()
	if p != nil {
		c.fail(p)
		return
	}
	c.ok(200, text)
}

func lastLines(text, tail string) string {
	n, err := strconv.Atoi(tail)
	if err != nil || n < 0 {
		return text
	}
	lines := strings.SplitAfter(text, "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	return strings.Join(lines[max(0, len(lines)-n):], "")
}

func (s *Service) networkList(c call, ident string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p != nil {
		c.fail(p)
		return
	}
	nets := []any{}
	if row.portID != "" {
		ips := []any{}
		if row.hasAddress {
			ips = append(ips, map[string]any{"subnet_id": nil, "version": 4, "ip_address": row.address})
		}
		nets = append(nets, map[string]any{"net_id": world.CaliconetID, "port_id": row.portID, "fixed_ips": ips})
	}
	c.ok(200, map[string]any{"networks": nets})
}

func (s *Service) containerActions(c call, ident string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p != nil {
		c.fail(p)
		return
	}
	c.ok(200, map[string]any{"containerActions": []any{map[string]any{
		"action": "create", "container_uuid": row.uuid, "request_id": row.requestID, "user_id": row.userID,
		"project_id": row.projectID, "start_time": row.started, "finish_time": null(row.finished), "message": nil,
	}}})
}

// Port is the Neutron port that the driver made for a container.
type Port struct {
	ID, ContainerID, ProjectID, Address string
	Created                             string
	TCP                                 []int // exposed
}

// Ports lists them.
func (s *Service) Ports() []Port {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Port
	for _, c := range s.rows {
		if c.portID == "" {
			continue
		}
		p := Port{ID: c.portID, ContainerID: c.uuid, ProjectID: c.projectID, Created: c.finished}
		if c.hasAddress {
			p.Address = c.address
		}
		for _, n := range c.ports() {
			if c.exposes(n) {
				p.TCP = append(p.TCP, n)
			}
		}
		out = append(out, p)
	}
	return out
}

// Dial connects to an exposed TCP port of whatever pod the container has now.
func (s *Service) Dial(ctx context.Context, portID string, tcp int) (net.Conn, error) {
	s.mu.Lock()
	for _, c := range s.rows {
		if c.portID == portID && c.pod != nil && c.exposes(tcp) {
			pod := c.pod
			s.mu.Unlock()
			return pod.Dial(ctx, tcp)
		}
	}
	s.mu.Unlock()
	return nil, errors.New("no pod behind this port")
}

// Left is a container that still exists.
type Left struct {
	ID     string `json:"uuid"`
	Name   string `json:"name"`
	Status string `json:"status"`
}

// Leftovers lists them. Those that the end of their lease is taking away do not
// count; one that vanished by the sync's race (it has no board) does.
func (s *Service) Leftovers() []Left {
	s.mu.Lock()
	defer s.mu.Unlock()
	left := []Left{}
	for _, c := range s.rows {
		if c.status != deleted || c.device == nil {
			left = append(left, Left{c.uuid, c.name, c.status})
		}
	}
	return left
}
