package zun

import (
	"slices"

	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/world"
)

// registry is where private images lie and the name to pull them with.
type registry struct {
	uuid, name, domain, username, projectID, userID string
}

// others answers for the collections beside the containers: what members may see of them. Only
// registries can be made.
func (s *Service) others(c call, kind string, parts []string) {
	admin := map[string]string{"services": "zun-service:get_all", "hosts": "host:get_all", "images": "image:get_all"}
	switch {
	case kind == "registries":
		registryCalls{s}.registries(c, parts)
	case !slices.Contains([]string{"services", "hosts", "images", "networks", "capsules", "availability_zones",
		"quotas", "quota_classes", "drivers"}, kind):
		if c.r.Method == "GET" {
			c.failHTTP(404, "")
		} else {
			c.notAllowed("GET")
		}
	case c.r.Method != "GET":
		c.notAllowed("GET")
	case admin[kind] != "" && !c.caller.Admin():
		c.fail(&problem{403, "policy-not-authorized", "Policy doesn't allow " + admin[kind] + " to be performed."})
	case kind == "quotas" && len(parts) == 1:
		// The defaults of the fork [ZUN:zun/conf/quota.py].
		c.ok(200, map[string]any{"containers": s.MaxContainers, "cpu": 20, "memory": 51200, "disk": 100})
	case kind == "availability_zones" && len(parts) == 0:
		c.ok(200, map[string]any{"availability_zones": []any{map[string]any{"availability_zone": "nova"}}, "next": nil})
	case len(parts) > 0 || kind == "quotas" || kind == "quota_classes" || kind == "networks" || kind == "drivers":
		c.failHTTP(404, "")
	default:
		c.ok(200, map[string]any{kind: []any{}, "next": nil})
	}
}

// registryKeys are the keys of a registry in a request; textRule stands for their schemas.
var registryKeys = []string{"name", "domain", "username", "password"}

func (s registryCalls) registries(c call, parts []string) {
	switch {
	case c.r.Method == "POST" && len(parts) == 0:
		s.createRegistry(c)
	case c.r.Method == "GET" && len(parts) == 0:
		s.mu.Lock()
		defer s.mu.Unlock()
		views := []any{}
		for _, r := range s.regs {
			if r.projectID == c.caller.ProjectID {
				views = append(views, s.registryView(r, false))
			}
		}
		c.ok(200, map[string]any{"registries": views, "next": nil})
	case len(parts) == 1 && (c.r.Method == "GET" || c.r.Method == "DELETE"):
		s.mu.Lock()
		defer s.mu.Unlock()
		r := s.findRegistry(c, parts[0])
		if r == nil {
			c.fail(&problem{404, "registry-not-found", "Registry " + parts[0] + " could not be found."})
			return
		}
		if c.r.Method == "GET" {
			c.ok(200, map[string]any{"registry": s.registryView(r, true)})
			return
		}
		s.regs = slices.DeleteFunc(s.regs, func(o *registry) bool { return o == r })
		c.w.WriteHeader(204)
	case c.r.Method == "GET":
		c.failHTTP(404, "")
	default:
		c.notAllowed("DELETE, GET, PATCH, POST")
	}
}

func (s registryCalls) createRegistry(c call) {
	body := c.jsonBody()
	for _, k := range body.Keys() {
		if k != "registry" {
			c.fail(unexpected([]string{k}))
			return
		}
	}
	v, ok := body.Get("registry")
	if !ok {
		c.fail(schemaError("'registry' is a required property"))
		return
	}
	d, ok := v.(*pyrepr.Dict)
	if !ok {
		c.fail(schemaError("Invalid input for field 'registry'.Value: '" + pyrepr.Str(v) + "'. " + pyrepr.Repr(v) +
			" is not of type 'object'"))
		return
	}
	get := map[string]string{}
	for _, k := range d.Keys() {
		val, _ := d.Get(k)
		text, isText := val.(string)
		if !slices.Contains(registryKeys, k) {
			c.fail(schemaError("Invalid input for field 'registry'.Value: '" + pyrepr.Str(d) +
				"'. Additional properties are not allowed ('" + k + "' was unexpected)"))
			return
		}
		if !isText && val != nil {
			c.fail(schemaError("Invalid input for field '" + k + "'.Value: '" + pyrepr.Str(val) + "'. " +
				pyrepr.Repr(val) + " is not of type 'string', 'null'"))
			return
		}
		get[k] = text
	}
	if get["domain"] == "" {
		c.fail(schemaError("Invalid input for field 'registry'.Value: '" + pyrepr.Str(d) +
			"'. 'domain' is a required property"))
		return
	}
	r := &registry{uuid: world.NewUUID(), name: get["name"], domain: get["domain"], username: get["username"],
		projectID: c.caller.ProjectID, userID: c.caller.UserID}
	s.mu.Lock()
	s.regs = append(s.regs, r)
	s.mu.Unlock()
	c.w.Header().Set("Location", s.URL+"/v1/registries/"+r.uuid)
	c.ok(201, map[string]any{"registry": s.registryView(r, true)})
}

// findRegistry looks a registry up by uuid or name; the caller holds s.mu.
func (s registryCalls) findRegistry(c call, ident string) *registry {
	for _, r := range s.regs {
		if (r.uuid == ident || r.name == ident && ident != "") &&
			(r.projectID == c.caller.ProjectID || c.caller.Admin()) {
			return r
		}
	}
	return nil
}

// registryView never shows the password.
func (s registryCalls) registryView(r *registry, links bool) any {
	v := map[string]any{"uuid": r.uuid, "name": null(r.name), "domain": r.domain, "username": null(r.username),
		"password": "***", "project_id": r.projectID, "user_id": r.userID}
	if links {
		v["links"] = s.links("registries", r.uuid)
	}
	return v
}

// registryOf is the registry that a creation names.
func (s registryCalls) registryOf(c call, ident any) *registry {
	text, _ := ident.(string)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.findRegistry(c, text)
}
