package zun

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
)

var versionHeaders = []string{"OpenStack-API-Minimum-Version", "OpenStack-API-Maximum-Version",
	"OpenStack-API-Version", "Vary"}

// Handler serves the API. The root documents need no token. A path without a version
// means v1 [ZUN:zun/api/controllers/root.py _route].
func (s *Service) Handler(gate *front.Gate) http.Handler {
	checked := gate.Wrap(func(w http.ResponseWriter, r *http.Request, who front.Caller) {
		s.versioned(w, r, func(v version) {
			s.route(call{w: w, r: r, caller: who, v: v, query: r.URL.Query()})
		})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case path == "/" || path == "":
			if r.Method != "GET" {
				w.Header().Set("Allow", "GET")
				call{w: w, r: r}.failHTTP(http.StatusMethodNotAllowed, "")
				return
			}
			front.JSON(w, 200, s.root())
		case (path == "/v1" || path == "/v1/") && r.Method == "GET":
			s.versioned(w, r, func(version) { front.JSON(w, 200, s.v1()) })
		default:
			checked(w, r)
		}
	})
}

// versioned reads the microversion header: none means 1.1, another service's name or
// nonsense is 406, and a version that is too high breaks the real server: an empty 500
// [ZUN:zun/api/controllers/versions.py].
func (s *Service) versioned(w http.ResponseWriter, r *http.Request, next func(version)) {
	v := minVersion
	c := call{w: w, r: r}
	if header, sent := r.Header["Openstack-Api-Version"]; sent {
		words := strings.Fields(header[0])
		if len(words) == 2 && strings.EqualFold(words[1], "latest") {
			words = []string{"container", maxVersion.String()}
		}
		if len(words) != 2 || words[0] != "container" {
			c.failHTTP(406, "Invalid service type for OpenStack-API-Version header")
			return
		}
		major, minor, dotted := strings.Cut(words[1], ".")
		m, err1 := strconv.Atoi(major)
		n, err2 := strconv.Atoi(minor)
		switch {
		case !dotted || err1 != nil || err2 != nil:
			c.failHTTP(406, "Invalid value for OpenStack-API-Version header")
			return
		case m != 1 || version(n) < minVersion || version(n) > maxVersion:
			w.Header().Del("X-Openstack-Request-Id")
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			return
		}
		v = version(n)
	}
	for i, value := range []string{"container " + minVersion.String(), "container " + maxVersion.String(),
		"container " + v.String(), "OpenStack-API-Version"} {
		w.Header().Set(versionHeaders[i], value)
	}
	next(v)
}

// route finds the handler as pecan's RestController does: what is no known action of an
// object is a 404, a verb that a collection has no method for is a 405 with Allow
// (pecan/rest.py).
func (s *Service) route(c call) {
	path := strings.TrimPrefix(c.r.URL.Path, "/v1")
	parts := slices.DeleteFunc(strings.Split(path, "/"), func(p string) bool { return p == "" })
	if len(parts) == 0 {
		c.notAllowed("GET")
		return
	}
	if parts[0] != "containers" {
		s.others(c, parts[0], parts[1:])
		return
	}
	parts = parts[1:]
	switch c.r.Method {
	case "GET":
		s.routeGet(c, parts)
	case "POST":
		s.routePost(c, parts)
	case "DELETE":
		switch len(parts) {
		case 0:
			c.fail(internal) // the method misses its argument
		case 1:
			containerCalls{s}.delete(c, parts[0])
		default:
			c.failHTTP(404, "")
		}
	case "PATCH":
		switch len(parts) {
		case 0:
			c.fail(internal)
		case 1:
			containerCalls{s}.update(c, parts[0])
		default:
			c.failHTTP(404, "")
		}
	default:
		c.notAllowed("DELETE, GET, PATCH, POST")
	}
}

func (c call) notAllowed(allow string) {
	c.w.Header().Set("Allow", allow)
	c.failHTTP(http.StatusMethodNotAllowed, "")
}

func (s *Service) routeGet(c call, parts []string) {
	switch len(parts) {
	case 0:
		containerCalls{s}.list(c, "")
		return
	case 1:
		containerCalls{s}.show(c, parts[0])
		return
	case 3:
		if parts[1] == "container_actions" {
			containerCalls{s}.containerAction(c, parts[0], parts[2])
			return
		}
	case 2:
		if s.act(c, "GET", parts[0], parts[1]) {
			return
		}
	}
	c.failHTTP(404, "")
}

func (s *Service) routePost(c call, parts []string) {
	switch len(parts) {
	case 0:
		containerCalls{s}.create(c, "")
	case 1:
		// The one positional argument of the create method is "run".
		c.query.Del("run")
		containerCalls{s}.create(c, parts[0])
	case 2:
		if !s.act(c, "POST", parts[0], parts[1]) {
			c.failHTTP(404, "")
		}
	default:
		c.failHTTP(404, "")
	}
}

// action is something that can be done to a container, in the versions that know it.
type action struct {
	h            func(c call, ident string)
	since, until version // 0: no bound
}

func (s *Service) actions() map[string]action {
	container, pod := containerCalls{s}, podCalls{s}
	return map[string]action{
		"POST execute":          {h: pod.execute},
		"POST put_archive":      {h: pod.putArchive},
		"GET get_archive":       {h: pod.getArchive},
		"GET logs":              {h: container.logs},
		"POST stop":             {h: container.stop},
		"POST start":            {h: container.start},
		"POST reboot":           {h: container.reboot},
		"POST rebuild":          {h: container.rebuild},
		"GET network_list":      {h: container.networkList, since: 13},
		"GET container_actions": {h: container.containerActions},
		"GET stats":             {h: container.stats},
		"GET attach":            {h: pod.attachURL},
		"POST rename":           {h: container.rename, until: 13},
		// The k8s driver implements none of these; the two that the caller does not wait for
		// answer 202 and leave a mark in task_state for ever.
		"POST commit": {h: s.notInDriver("commit",
			map[string]rule{"repository": psArgs, "tag": psArgs})},
		"GET top":     {h: s.notInDriver("top", map[string]rule{"ps_args": psArgs})},
		"POST resize": {h: s.notInDriver("resize", map[string]rule{"h": positive, "w": positive})},
		"POST execute_resize": {h: s.notInDriver("execute_resize",
			map[string]rule{"exec_id": execID, "h": positive, "w": positive})},
		"POST resize_container":      {h: s.notInDriver("resize_container", nil), since: 19},
		"POST pause":                 {h: s.swallowed("pause", "container_pausing")},
		"POST unpause":               {h: s.swallowed("unpause", "container_unpausing")},
		"POST kill":                  {h: s.swallowed("kill", "container_killing")},
		"POST network_detach":        {h: s.notInDriver("network_detach", nil), since: 6},
		"POST network_attach":        {h: s.notInDriver("network_attach", nil), since: 8},
		"POST add_security_group":    {h: s.notInDriver("add_security_group", nil), until: 14},
		"POST remove_security_group": {h: s.notInDriver("remove_security_group", nil), until: 14},
	}
}

// act runs an action; false if there is none of that name for the method.
func (s *Service) act(c call, method, ident, name string) bool {
	a, ok := s.actions()[method+" "+name]
	if !ok {
		return false
	}
	if c.v < a.since || a.until > 0 && c.v > a.until {
		c.failHTTP(406, "Version "+c.v.String()+" was requested but the requested API is not supported for this "+
			"version.")
		return true
	}
	a.h(c, ident)
	return true
}

// checkParameters validates the query, and a form, but never a JSON body: that is how the real
// decorator works [ZUN:zun/api/validation]. A key that is given twice is a list.
func (c call) checkParameters(rules map[string]rule) *problem {
	if rules == nil {
		return nil
	}
	args := map[string]any{}
	for k, v := range c.query {
		args[k] = single(v)
	}
	return checkArguments(args, rules)
}

func single(v []string) any {
	if len(v) == 1 {
		return v[0]
	}
	list := make([]any, len(v))
	for i := range v {
		list[i] = v[i]
	}
	return list
}

// arguments joins the query with the keys of a JSON body: the framework hands both to
// an action alike.
func (c call) arguments() (map[string]any, bool) {
	args := map[string]any{}
	for k, v := range c.query {
		args[k] = single(v)
	}
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		return nil, false
	}
	if len(data) > 0 && strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		body := map[string]any{}
		if json.Unmarshal(data, &body) == nil {
			for k, v := range body {
				args[k] = v
			}
		}
	}
	return args, true
}

// jsonBody reads an object; a body that cannot be read is ignored.
func (c call) jsonBody() *pyrepr.Dict {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		front.Drop()
	}
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "application/json") {
		v, _ := pyrepr.Decode(data)
		if d, ok := v.(*pyrepr.Dict); ok {
			return d
		}
	}
	return pyrepr.NewDict()
}

func (s *Service) root() any {
	v1 := map[string]any{"id": "v1", "links": []any{map[string]any{"href": s.URL + "/v1/", "rel": "self"}},
		"status": "CURRENT", "max_version": maxVersion.String(), "min_version": minVersion.String()}
	return map[string]any{"name": "OpenStack Zun API",
		"description": "Zun is an OpenStack project which aims to provide containers service.",
		"versions":    []any{v1}, "default_version": v1}
}

func (s *Service) v1() any {
	d := pyrepr.NewDict()
	d.Set("id", "v1")
	d.Set("media_types", []any{map[string]any{"base": "application/json",
		"type": "application/vnd.openstack.zun.v1+json"}})
	d.Set("links", []any{map[string]any{"href": s.URL + "/v1/", "rel": "self"},
		map[string]any{"href": "https://docs.openstack.org/developer/zun/dev/api-spec-v1.html", "rel": "describedby",
			"type": "text/html"}})
	for _, kind := range []string{"services", "containers", "images", "networks", "hosts", "capsules",
		"availability_zones", "quotas", "quota_classes", "registries"} {
		d.Set(kind, s.links(kind, ""))
	}
	return d
}

func (s *Service) links(kind, id string) []any {
	return []any{
		map[string]any{"href": s.URL + "/v1/" + kind + "/" + id, "rel": "self"},
		map[string]any{"href": s.URL + "/" + kind + "/" + id, "rel": "bookmark"},
	}
}
