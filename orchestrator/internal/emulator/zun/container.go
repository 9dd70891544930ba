package zun

import (
	"context"
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// Container states, as far as they occur here.
const (
	creating   = "Creating"
	created    = "Created"
	running    = "Running"
	stopped    = "Stopped"
	failed     = "Error"
	deleting   = "Deleting"
	deleted    = "Deleted"
	restarting = "Restarting"
	rebuilding = "Rebuilding"
)

// container is one row. Fields below "state" change under Service.mu.
type container struct {
	uuid, name, projectID, userID string
	req                           request

	// state
	status, reason, detail, taskState string // "" is null
	synced                            bool   // the driver has read the pod back at least once
	marked                            bool   // the driver has begun: it takes every container for an interactive one
	portID, address                   string
	portMade                          time.Time
	networked                         bool // it had a port once
	hasAddress                        bool
	logs                              string // of the last pod that ended
	hasPod                            bool   // a pod exists, running or not
	pod                               *sandbox.Container
	device                            *world.Device
	placed                            bool // a compute host took it
	history                           []done

	cancel context.CancelFunc // ends the life that is under way
	over   chan struct{}      // closed when it has ended
}

// request is what the client asked for, checked.
type request struct {
	Image         string
	Command       []string
	HasCommand    bool
	Entrypoint    []string
	HasEntrypoint bool
	Env           map[string]string
	Workdir       string
	Hostname      string
	Labels        any
	RestartPolicy any
	Healthcheck   any
	Groups        []string
	HasGroups     bool
	Ports         []string // "22/tcp"
	Reservation   string
	Profiles      []string
	Mounts        map[string][]byte
	Interactive   bool
	TTY           bool
	AutoRemove    bool
	AutoHeal      bool
	Runtime       string
	Disk          int
	CPU           float64
	Memory        string
}

// view is a struct so that keys come in Zun's order. host, privileged, runtime and
// image_pull_policy are hidden from ordinary users, and there are no times.
type view struct {
	UUID           string          `json:"uuid"`
	Links          []any           `json:"links,omitempty"` // absent in lists
	Name           string          `json:"name"`
	ProjectID      string          `json:"project_id"`
	UserID         string          `json:"user_id"`
	Image          string          `json:"image"`
	CPU            json.RawMessage `json:"cpu"`
	CPUPolicy      string          `json:"cpu_policy"`
	Memory         string          `json:"memory"`
	Command        any             `json:"command"`
	Status         string          `json:"status"`
	StatusReason   any             `json:"status_reason"`
	TaskState      any             `json:"task_state"`
	Environment    any             `json:"environment"`
	Workdir        any             `json:"workdir"`
	AutoRemove     bool            `json:"auto_remove"`
	Ports          any             `json:"ports"`
	Hostname       any             `json:"hostname"`
	Labels         any             `json:"labels"`
	Addresses      any             `json:"addresses"`
	RestartPolicy  any             `json:"restart_policy"`
	StatusDetail   any             `json:"status_detail"`
	Interactive    bool            `json:"interactive"`
	TTY            bool            `json:"tty"`
	ImageDriver    string          `json:"image_driver"`
	SecurityGroups any             `json:"security_groups"`
	Disk           int             `json:"disk"`
	AutoHeal       bool            `json:"auto_heal"`
	Healthcheck    any             `json:"healthcheck"`
	RegistryID     any             `json:"registry_id"`
	Entrypoint     any             `json:"entrypoint"`
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// list turns nil into the empty list that a row read from the database has, or, in the
// answer to the creation, into null.
func list[T any](v []T, fresh bool) any {
	if len(v) > 0 {
		return v
	}
	if fresh {
		return nil
	}
	return []T{}
}

func dict(v any, fresh bool) any {
	if v == nil && !fresh {
		return map[string]any{}
	}
	return v
}

// render makes the answer. fresh is the object just created, which was not read back
// from the database and so shows null where later reads show [] or {}.
func (s *Service) render(c *container, fresh, links bool) view {
	r := c.req
	cpu := strconv.FormatFloat(r.CPU, 'f', -1, 64)
	if !strings.Contains(cpu, ".") {
		cpu += ".0"
	}
	v := view{
		UUID: c.uuid, Name: c.name, ProjectID: c.projectID, UserID: c.userID, Image: r.Image,
		CPU: json.RawMessage(cpu), CPUPolicy: "shared", Memory: r.Memory,
		Command: list(r.Command, fresh && !r.HasCommand), Status: c.status, StatusReason: null(c.reason),
		TaskState: null(c.taskState),
		Workdir:   null(r.Workdir), AutoRemove: r.AutoRemove, Ports: []int{}, Hostname: null(r.Hostname),
		Labels:    dict(r.Labels, fresh),
		Addresses: map[string]any{}, RestartPolicy: dict(r.RestartPolicy, fresh), StatusDetail: null(c.detail),
		Interactive: r.Interactive, TTY: r.TTY, ImageDriver: "docker",
		SecurityGroups: list(r.Groups, fresh && !r.HasGroups),
		Disk:           r.Disk, AutoHeal: r.AutoHeal, Healthcheck: dict(r.Healthcheck, fresh),
		Entrypoint: list(r.Entrypoint, fresh && !r.HasEntrypoint),
	}
	if r.Env != nil {
		v.Environment = r.Env
	} else if !fresh {
		v.Environment = map[string]any{}
	}
	if links {
		v.Links = s.links("containers", c.uuid)
	}
	if fresh {
		v.Ports, v.Addresses = nil, nil
	}
	if c.synced || c.marked {
		// The driver marks every container as what the dashboard's console wants.
		v.AutoRemove, v.Interactive, v.TTY = true, true, true
	}
	if c.synced {
		// It copies the pod's command, which is Zun's entrypoint.
		v.Command = list(r.Entrypoint, false)
		v.Ports = c.ports()
	}
	if c.networked {
		addrs := []any{}
		if c.hasAddress {
			addrs = append(addrs, map[string]any{"addr": c.address, "version": 4, "port": c.portID})
		}
		v.Addresses = map[string]any{world.CaliconetID: addrs}
	}
	return v
}

// theHost is the one compute service, which stands for the whole Kubernetes cluster.
const theHost = "edge-compute"

func (c *container) host() string {
	if c.placed {
		return theHost
	}
	return ""
}

// viewFor is what the caller may see: an administrator sees four keys more.
func (s *Service) viewFor(c call, row *container, links bool) any {
	v := s.render(row, false, links)
	if !c.caller.Admin() {
		return v
	}
	return adminView{v, nil, null(row.host()), null(row.req.Runtime), false}
}

type adminView struct {
	view
	PullPolicy any  `json:"image_pull_policy"`
	Host       any  `json:"host"`
	Runtime    any  `json:"runtime"`
	Privileged bool `json:"privileged"`
}

// ports are the numbers of the exposed ports.
func (c *container) ports() []int {
	out := []int{}
	for _, p := range c.req.Ports {
		n, _ := strconv.Atoi(strings.SplitN(p, "/", 2)[0])
		out = append(out, n)
	}
	sort.Ints(out)
	return out
}

// exposes tells whether a TCP port may be reached from outside.
func (c *container) exposes(port int) bool {
	for _, p := range c.req.Ports {
		if p == strconv.Itoa(port)+"/tcp" {
			return true
		}
	}
	return false
}
