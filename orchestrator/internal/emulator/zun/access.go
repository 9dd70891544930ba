package zun

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

const actionTime = "2006-01-02T15:04:05.000000"

func (s containerCalls) show(c call, ident string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p == nil {
		var all bool
		if all, p = allProjects(c.query.Get("all_projects")); p == nil && all && !c.caller.Admin() {
			p = &problem{403, "policy-not-authorized", "Policy doesn't allow container:get_one_all_projects to be " +
				"performed."}
		}
	}
	if p != nil {
		c.fail(p)
		return
	}
	c.ok(200, s.viewFor(c, row, true))
}

// update changes the name or auto_heal in place; another amount of cpu or memory needs the
// driver, which cannot do it.
func (s containerCalls) update(c call, ident string) {
	body := c.jsonBody()
	if p := checkPatch(body); p != nil {
		c.fail(p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.begin(c, ident, "update")
	for _, k := range []string{"memory", "cpu"} {
		if _, given := body.Get(k); given && p == nil {
			p = internal
		}
	}
	if p != nil {
		c.fail(p)
		return
	}
	if v, ok := body.Get("name"); ok {
		row.name = pyrepr.Str(v)
	}
	if v, ok := body.Get("auto_heal"); ok {
		row.req.AutoHeal = truth(v)
	}
	c.ok(200, s.viewFor(c, row, true))
}

// rename is how old versions did it.
func (s containerCalls) rename(c call, ident string) {
	if p := c.checkParameters(map[string]rule{"name": bodyRules["name"].rule}); p != nil {
		c.fail(p)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	switch {
	case p != nil:
	case !c.query.Has("name"):
		p = internal
	case row.name == c.query.Get("name"):
		p = &problem{409, "conflict", "The new name for the container is the same as the old name."}
	}
	if p != nil {
		c.fail(p)
		return
	}
	row.name = c.query.Get("name")
	c.ok(200, s.viewFor(c, row, true))
}

// stats is what the cluster's metrics say of the pod: here the processes' own accounts.
func (s containerCalls) stats(c call, ident string) {
	row := s.may(c, ident, "stats")
	if row == nil {
		return
	}
	if row.pod == nil {
		c.ok(200, nil)
		return
	}
	cpu, memory := row.pod.Usage()
	c.ok(200, map[string]any{"cpu": strconv.FormatInt(cpu, 10) + "n",
		"memory": strconv.FormatInt(memory>>10, 10) + "Ki"})
}

// delete answers at once and works afterwards.
func (s containerCalls) delete(c call, ident string) {
	if p := c.checkParameters(map[string]rule{"force": booleanExtended, "stop": booleanExtended,
		"all_projects": booleanExtended}); p != nil {
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
		p = &problem{400, "invalid-param-in-version", "Invalid param " + key +
			" because current request version is " + c.v.String() +
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
	if !row.placed {
		// Never on a host: the row goes at once.
		s.rows = slices.DeleteFunc(s.rows, func(r *container) bool { return r == row })
		s.mu.Unlock()
		c.w.WriteHeader(204)
		return
	}
	stopsFirst := stop && row.status == running
	if stopsFirst {
		row.taskState = "container_stopping"
	} else {
		row.status, row.taskState = deleting, "container_deleting"
	}
	s.record(c, row, "delete")
	s.mu.Unlock()
	go s.deletes(row, stopsFirst)
	c.w.WriteHeader(204)
}

// power does stop, start and reboot: 202 now, the work later. A stop scales the
// Deployment to nothing and a start makes a new pod: its file system, its address and its
// Neutron port are new (recorded, cases 83c, 85 and 86).
func (s containerCalls) power(c call, ident, action string, f func(row *container)) {
	s.mu.Lock()
	row, p := s.begin(c, ident, action)
	if p != nil {
		s.mu.Unlock()
		c.fail(p)
		return
	}
	s.record(c, row, action)
	f(row)
	s.mu.Unlock()
	c.ok(202, nil)
}

func (s containerCalls) stop(c call, ident string) {
	if p := c.checkParameters(map[string]rule{"timeout": stopTimeout}); p != nil {
		c.fail(p)
		return
	}
	s.power(c, ident, "stop", func(row *container) {
		row.taskState = "container_stopping"
		go s.halt(row)
	})
}

func (s containerCalls) start(c call, ident string) {
	s.power(c, ident, "start", func(row *container) {
		row.taskState = "container_starting"
		go s.restart(row)
	})
}

// rebuild makes the pod anew.
func (s containerCalls) rebuild(c call, ident string) {
	s.power(c, ident, "rebuild", func(row *container) {
		row.status, row.taskState = rebuilding, "container_rebuilding"
		go s.renew(row)
	})
}

func (s containerCalls) reboot(c call, ident string) {
	if p := c.checkParameters(map[string]rule{"timeout": stopTimeout}); p != nil {
		c.fail(p)
		return
	}
	s.power(c, ident, "reboot", func(row *container) {
		row.status, row.taskState = restarting, "container_rebooting"
		go s.renew(row)
	})
}

// logs answers a JSON string, or null when there is no pod. Standard output and error
// are one stream whatever the flags say.
func (s containerCalls) logs(c call, ident string) {
	flags := map[string]rule{"stdout": booleanExtended, "stderr": booleanExtended, "timestamps": booleanExtended,
		"tail": logsTail, "since": logsSince}
	if p := c.checkParameters(flags); p != nil {
		c.fail(p)
		return
	}
	reads := s.client.reads()
	s.mu.Lock()
	row, p := s.begin(c, ident, "logs")
	if p == nil && !reads {
		p = internal
	}
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

func (s containerCalls) networkList(c call, ident string) {
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

// done is one entry of a container's history.
type done struct {
	action, requestID, userID, projectID string
	start, finish                        time.Time
}

// record adds to the history; the caller holds s.mu.
func (s *Service) record(c call, row *container, action string) {
	now := s.World.Now()
	row.history = append(row.history, done{action: action, requestID: c.w.Header().Get("X-Openstack-Request-Id"),
		userID: c.caller.UserID, projectID: c.caller.ProjectID, start: now})
}

func (d done) view(uuid string) map[string]any {
	var finish any
	if !d.finish.IsZero() {
		finish = d.finish.Format(actionTime)
	}
	return map[string]any{"action": d.action, "container_uuid": uuid, "request_id": d.requestID, "user_id": d.userID,
		"project_id": d.projectID, "start_time": d.start.Format(actionTime), "finish_time": finish, "message": nil}
}

// containerActions is the history, newest first.
func (s containerCalls) containerActions(c call, ident string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p != nil {
		c.fail(p)
		return
	}
	views := []any{}
	for _, d := range slices.Backward(row.history) {
		views = append(views, d.view(row.uuid))
	}
	c.ok(200, map[string]any{"containerActions": views})
}

func (s containerCalls) containerAction(c call, ident, request string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.find(c, ident)
	if p != nil {
		c.fail(p)
		return
	}
	for _, d := range row.history {
		if d.requestID == request {
			v := d.view(row.uuid)
			v["events"] = []any{}
			c.ok(200, map[string]any{"containerAction": v})
			return
		}
	}
	c.fail(&problem{404, "resource-not-found", "The Action resource " + request + " could not be found."})
}
