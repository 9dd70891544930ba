package zun

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// usualContainers is the default quota of a project [ZUN:zun/conf/quota.py].
const usualContainers = 40

// create takes run as a word of the path too, which is how the framework reads
// POST /containers/WORD.
func (s containerCalls) create(c call, run string) {
	if mime, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";"); mime != "application/json" {
		// Meant to be 415; the check itself breaks (recorded).
		for _, h := range append(versionHeaders, "X-Openstack-Request-Id") {
			c.w.Header().Del(h)
		}
		c.w.Header().Set("Content-Type", "text/plain")
		c.w.WriteHeader(http.StatusInternalServerError)
		return
	}
	body := c.jsonBody()
	p := c.checkParameters(map[string]rule{"run": booleanExtended})
	if p == nil {
		p = checkBody(body, c.v)
	}
	if _, bad := allProjects(run); p == nil && bad != nil {
		p = &problem{400, "invalid-value", "Valid run or interactive values are: 1, t, true, on, y, yes, 0, f, false, " +
			"off, n, no"}
	}
	if p != nil {
		c.fail(p)
		return
	}
	req, p := s.readRequest(c, body)
	if p != nil {
		c.fail(p)
		return
	}
	name, _ := body.Get("name")
	text, _ := name.(string)
	row, answer, p := s.add(c, text, req)
	if p != nil {
		c.fail(p)
		return
	}
	s.World.Log.Debug("container created", "uuid", row.uuid, "name", row.name)
	c.w.Header().Set("Location", s.URL+"/v1/containers/"+row.uuid)
	c.ok(http.StatusAccepted, answer)
}

func (s containerCalls) add(c call, name string, req request) (*container, view, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	count := 0
	for _, row := range s.rows {
		if row.projectID == c.caller.ProjectID {
			count++
		}
	}
	if count >= s.MaxContainers {
		return nil, view{}, &problem{403, "over-quota", "Quota exceeded for resources: ['containers']."}
	}
	if name == "" {
		name = generatedName()
	}
	row := &container{uuid: world.NewUUID(), name: name, projectID: c.caller.ProjectID, userID: c.caller.UserID,
		req: req, status: creating}
	s.record(c, row, "create")
	s.rows = append(s.rows, row)
	if req.Runtime != "" || s.World.Orders.Take(NoHosts) {
		// No compute host is up, or offers this runtime; that is known before the answer.
		row.status, row.reason = failed, "There are not enough hosts available."
	} else {
		row.placed = true
		s.begins(row, false)
	}
	return row, s.render(row, true, true), nil
}

func generatedName() string {
	letters := strings.Fields("alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi " +
		"rho sigma tau upsilon phi chi psi omega")
	return letters[rand.IntN(len(letters))] + "-" + strconv.Itoa(1+rand.IntN(24)) + "-container"
}

// allowed refuses what the request's microversion does not know yet, and what
// only an operator may ask for.
func (c call) allowed(get func(key string) any) *problem {
	for _, gate := range []struct {
		key   string
		since version
	}{{"auto_remove", 3}, {"runtime", 5}, {"hostname", 9}, {"healthcheck", 22}, {"mounts", 11}, {"privileged", 21},
		{"exposed_ports", 24}, {"registry", 31}} {
		if get(gate.key) != nil && c.v < gate.since {
			return &problem{400, "invalid-param-in-version", fmt.Sprintf(
				"Invalid param %s because current request version is %s. %s is only supported from version %s",
				gate.key, c.v, gate.key, gate.since)}
		}
		if gate.key == "privileged" && get(gate.key) != nil {
			return &problem{403, "policy-not-authorized", "Policy doesn't allow container:create:privileged to be " +
				"performed."}
		}
	}
	if policy := get("image_pull_policy"); policy != nil && !c.caller.Admin() {
		return &problem{403, "policy-not-authorized", "Policy doesn't allow container:create:image_pull_policy to be " +
			"performed."}
	}
	return nil
}

// readRequest does the checks that come after the schema, in the controller's order
// [ZUN:zun/api/controllers/v1/containers.py _do_post].
func (s containerCalls) readRequest(c call, body *pyrepr.Dict) (request, *problem) {
	r := request{Memory: "0"}
	get := func(key string) any {
		v, _ := body.Get(key)
		return v
	}
	r.Image, _ = get("image").(string)
	if p := r.readCommand(get("command")); p != nil {
		return r, p
	}
	if groups, ok := get("security_groups").([]any); ok {
		r.HasGroups = true
		for _, g := range groups {
			if g != "default" {
				return r, &problem{404, "security-group-not-found",
					"Security group " + pyrepr.Str(g) + " could not be found."}
			}
			r.Groups = append(r.Groups, world.NewUUID())
		}
	}
	if p := c.allowed(get); p != nil {
		return r, p
	}
	if host, _ := get("host").(string); host != "" && host != theHost {
		return r, &problem{404, "requested-host-not-found", "Requested host " + host + " could not be found."}
	}
	if p := checkNets(get("nets")); p != nil {
		return r, p
	}
	if reg := get("registry"); reg != nil && registryCalls(s).registryOf(c, reg) == nil {
		return r, &problem{404, "registry-not-found", "Registry " + pyrepr.Str(get("registry")) +
			" could not be found."}
	}
	if ports, ok := get("exposed_ports").(*pyrepr.Dict); ok {
		if p := r.readPorts(ports); p != nil {
			return r, p
		}
	}
	hints, present := body.Get("hints")
	h, isDict := hints.(*pyrepr.Dict)
	if present && !isDict {
		return r, internal // null is asked for its key
	}
	if isDict {
		v, _ := h.Get("reservation")
		r.Reservation, _ = v.(string)
	}
	if p := r.readMounts(get("mounts")); p != nil {
		return r, p
	}
	r.readPlain(get)
	return r, nil
}

// checkNets looks the networks up; that the pods are all on caliconet whatever they are is
// another matter.
func checkNets(v any) *problem {
	nets, _ := v.([]any)
	for _, n := range nets {
		d, ok := n.(*pyrepr.Dict)
		if !ok {
			return schemaError("Invalid input for field '0'.Value: '" + pyrepr.Str(n) + "'. " + pyrepr.Repr(n) +
				" is not of type 'object'")
		}
		if name, ok := d.Get("network"); ok && !slices.Contains([]any{"public", "caliconet", world.PublicNetID,
			world.CaliconetID}, name) {
			return &problem{404, "network-not-found", "Neutron network " + pyrepr.Str(name) + " could not be found."}
		}
		if port, ok := d.Get("port"); ok {
			return &problem{404, "port-not-found", "Neutron port " + pyrepr.Str(port) + " could not be found."}
		}
	}
	return nil
}

// readCommand takes a list, or at old versions a string in shell quoting.
func (r *request) readCommand(v any) *problem {
	switch v := v.(type) {
	case string:
		words, err := splitShell(v)
		if err != nil {
			return internal
		}
		r.Command, r.HasCommand = words, true
	case []any:
		r.Command, r.HasCommand = texts(v), true
	}
	return nil
}

func texts(list []any) []string {
	out := []string{}
	for _, e := range list {
		out = append(out, pyrepr.Str(e))
	}
	return out
}

func (r *request) readPorts(ports *pyrepr.Dict) *problem {
	for _, key := range ports.Keys() {
		port, protocol, ok := strings.Cut(key, "/")
		if !ok || strings.Contains(protocol, "/") {
			port, protocol = key, "tcp"
		}
		if protocol != "tcp" && protocol != "udp" {
			return &problem{400, "invalid-value", "value " + protocol + " is an invalid protocol"}
		}
		if _, err := strconv.Atoi(port); err != nil {
			return &problem{400, "invalid-value", "value " + port + " is invalid as publish port."}
		}
		r.Ports = append(r.Ports, port+"/"+protocol)
	}
	sort.Strings(r.Ports)
	return nil
}

// readMounts takes files given in the request, which Kubernetes mounts from a
// ConfigMap [ZUN:zun/container/k8s/mapping.py config_map].
func (r *request) readMounts(v any) *problem {
	mounts, _ := v.([]any)
	for _, m := range mounts {
		d, ok := m.(*pyrepr.Dict)
		if !ok {
			return internal
		}
		source, _ := d.Get("source")
		dest, _ := d.Get("destination")
		path, _ := dest.(string)
		text, _ := source.(string)
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil || path == "" {
			return internal
		}
		if r.Mounts == nil {
			r.Mounts = map[string][]byte{}
		}
		r.Mounts[path] = data
	}
	return nil
}

// readPlain copies what needs no check beyond the schema's.
func (r *request) readPlain(get func(string) any) {
	if env, ok := get("environment").(*pyrepr.Dict); ok {
		r.Env = map[string]string{}
		for _, k := range env.Keys() {
			v, _ := env.Get(k)
			r.Env[k], _ = v.(string)
		}
	}
	if e, ok := get("entrypoint").([]any); ok {
		r.Entrypoint, r.HasEntrypoint = texts(e), true
	}
	if p, ok := get("device_profiles").([]any); ok {
		r.Profiles = texts(p)
	}
	r.Workdir, _ = get("workdir").(string)
	r.Hostname, _ = get("hostname").(string)
	r.Runtime, _ = get("runtime").(string)
	r.Labels, r.RestartPolicy, r.Healthcheck = get("labels"), get("restart_policy"), get("healthcheck")
	r.Interactive, r.TTY, r.AutoHeal = truth(get("interactive")), truth(get("tty")), truth(get("auto_heal"))
	r.AutoRemove = truth(get("auto_remove"))
	if n := number(get("disk")); n > 0 {
		r.Disk = int(n)
	}
	r.CPU = number(get("cpu"))
	if m := get("memory"); m != nil {
		r.Memory = pyrepr.Str(m)
	}
}

func truth(v any) bool {
	if b, ok := v.(bool); ok {
		return b
	}
	text, _ := v.(string)
	return isTrue(text)
}

func isTrue(text string) bool {
	switch strings.ToLower(text) {
	case "true", "1", "on", "yes", "t", "y":
		return true
	}
	return false
}

func number(v any) float64 {
	text := ""
	switch v := v.(type) {
	case json.Number:
		text = v.String()
	case string:
		text = v
	}
	f, _ := strconv.ParseFloat(text, 64)
	return f
}
