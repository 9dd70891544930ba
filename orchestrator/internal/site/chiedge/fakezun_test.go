package chiedge

import (
	"fmt"
	"net/http"
	"slices"
)

func zunError(w http.ResponseWriter, status int, code, title string) {
	reply(w, status, map[string]any{"errors": []any{map[string]any{"request_id": "", "code": "container." + code,
		"status": status, "title": title, "detail": title, "links": []any{}}}})
}

func (k *fakeContainer) json() map[string]any {
	ports, addresses := []any{}, map[string]any{}
	if k.now.status == "Running" {
		addresses[netID] = []any{map[string]any{"addr": "10.42.0.205", "version": 4, "port": "port-of-" + k.id}}
		if k.body["exposed_ports"] != nil {
			ports = []any{22}
		}
	}
	null := func(s string) any {
		if s == "" {
			return nil
		}
		return s
	}
	return map[string]any{"uuid": k.id, "links": []any{}, "name": k.name, "project_id": projectID, "user_id": k.user,
		"image": k.body["image"], "cpu": 0,
		"memory": "0", "command": []any{}, "status": k.now.status, "status_reason": null(k.now.reason),
		"status_detail": null(k.now.detail), "task_state": task(k.now),
		"environment": map[string]any{}, "workdir": nil, "ports": ports, "addresses": addresses,
		"labels": map[string]any{}}
}

func (c *cloud) zun(w http.ResponseWriter, r *http.Request, path []string) {
	if path[0] == "" {
		if r.Method == "POST" {
			c.createContainer(w, r)
			return
		}
		all := []any{}
		for _, k := range c.containers {
			if n := r.URL.Query().Get("name"); n == "" || n == k.name {
				all = append(all, k.json())
			}
		}
		reply(w, 200, map[string]any{"containers": listed(all), "next": nil})
		return
	}
	i := slices.IndexFunc(c.containers, func(k *fakeContainer) bool { return k.id == path[0] })
	if i < 0 {
		zunError(w, 404, "container-not-found", "Container "+path[0]+" could not be found.")
		return
	}
	k := c.containers[i]
	action := ""
	if len(path) > 1 {
		action = path[1]
	}
	switch r.Method + " " + action {
	case "GET ":
		if k.deleting {
			c.containers = slices.Delete(c.containers, i, i+1)
		} else if len(k.next) > 0 {
			k.now, k.next = k.next[0], k.next[1:]
		}
		reply(w, 200, k.json())
	case "DELETE ":
		c.deleteContainer(w, r, k)
	case "GET logs":
		reply(w, 200, "exec /bin/sleep: exec format error\n")
	case "POST execute":
		if k.now.status != "Running" {
			zunError(w, 409, "invalid-state-exception", "Cannot execute container "+k.id+" in "+k.now.status+" state")
			return
		}
		out, code := c.exec(r.URL.Query().Get("command"))
		reply(w, 200, map[string]any{"output": out, "exit_code": code, "exec_id": nil, "proxy_url": nil})
	case "POST put_archive":
		reply(w, 200, nil)
	case "GET get_archive":
		reply(w, 200, map[string]any{"data": "dGFyIQ==", "stat": map[string]any{"name": "x.tar", "size": 4}})
	default:
		w.WriteHeader(500)
	}
}

func (c *cloud) createContainer(w http.ResponseWriter, r *http.Request) {
	body := readJSON(r)
	k := &fakeContainer{id: fmt.Sprintf("c-%d-%d", len(c.containers)+1, len(c.calls)), name: body["name"].(string),
		user: alice, body: body, now: state{status: "Creating"},
		next: append([]state{{status: "Creating"}}, c.script...)} // the first look is for the claim
	c.containers = append(c.containers, k)
	w.Header().Set("Location", c.srv.URL+"/v1/containers/"+k.id)
	reply(w, 202, k.json())
}

func (c *cloud) deleteContainer(w http.ResponseWriter, r *http.Request, k *fakeContainer) {
	q := r.URL.Query()
	refused := k.now.status == "Running" || k.now.status == "Creating"
	if q.Get("stop") == "True" {
		refused = k.now.status == "Creating"
	}
	if refused && q.Get("force") != "True" {
		zunError(w, 409, "invalid-state-exception", "Cannot delete container "+k.id+" in "+k.now.status+" state")
		return
	}
	k.now, k.next, k.deleting = state{status: "Deleting"}, nil, true
	for _, f := range c.fips { // the port goes, the floating IP stays, bound to nothing
		if f["port_id"] == "port-of-"+k.id {
			f["port_id"] = nil
		}
	}
	w.WriteHeader(204)
}

func (c *cloud) neutron(w http.ResponseWriter, r *http.Request, path []string) {
	switch r.Method + " " + path[0] {
	case "GET networks":
		if r.URL.Query().Get("router:external") != "true" {
			c.t.Errorf("networks asked with %s", r.URL.RawQuery)
		}
		reply(w, 200, map[string]any{"networks": []any{map[string]any{"id": "pub", "name": "public",
			"router:external": true, "status": "ACTIVE", "subnets": []any{}}}})
	case "GET floatingips":
		if len(path) > 1 {
			i := slices.IndexFunc(c.fips, func(f map[string]any) bool { return f["id"] == path[1] })
			if i < 0 {
				noFloatingIP(w)
				return
			}
			reply(w, 200, map[string]any{"floatingip": c.fips[i]})
			return
		}
		reply(w, 200, map[string]any{"floatingips": listed(c.fips)})
	case "POST floatingips":
		f := readJSON(r)["floatingip"].(map[string]any)
		f["id"], f["floating_ip_address"], f["status"] = fmt.Sprintf("fip-%d", len(c.fips)+1), "127.0.0.1", "DOWN"
		c.fips = append(c.fips, f)
		reply(w, 201, map[string]any{"floatingip": f})
	case "DELETE floatingips":
		n := len(c.fips)
		c.fips = slices.DeleteFunc(c.fips, func(f map[string]any) bool { return f["id"] == path[1] })
		if len(c.fips) == n {
			noFloatingIP(w)
			return
		}
		w.WriteHeader(204)
	default:
		w.WriteHeader(404)
	}
}

func noFloatingIP(w http.ResponseWriter) {
	reply(w, 404, map[string]any{"NeutronError": map[string]any{"type": "FloatingIPNotFound",
		"message": "Floating IP could not be found", "detail": ""}})
}

// task is what Zun does with a container in this status.
func task(now state) any {
	if now.status == "Creating" && !now.unclaimed {
		return "container_creating"
	}
	return nil
}

// listed is a list as the services write it: an empty one is [], not null.
func listed[T any](all []T) []T { return append([]T{}, all...) }
