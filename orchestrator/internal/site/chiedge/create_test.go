package chiedge

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	"chexp/orchestrator/openstack/container/v1/containers"
)

// An empty or odd success in answer to a creation means: look it up by its name.
// Whatever is made, it is there once, and it is what the caller gets.
func TestOddSuccessOfACreate(t *testing.T) {
	says := func(code int, body string) func(http.ResponseWriter) bool {
		return func(w http.ResponseWriter) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	answers := map[string]func(http.ResponseWriter) bool{
		"no body":      says(201, ""),
		"no body, 202": says(202, ""),
		"no content":   says(204, ""),
		"{}":           says(201, "{}"),
		"null":         says(201, "null"),
		"a list":       says(201, "[]"),
		"wrong types": says(201, `{"lease": {"id": 7, "name": []}, "uuid": 7, "name": [], `+
			`"floatingip": {"id": 7}}`),
		"another": says(201, `{"lease": {"id": "x", "name": "another"}, "uuid": "x", "name": "another", `+
			`"floatingip": {"id": "x", "port_id": "another"}}`),
		"a page":           says(200, "<html>Welcome</html>"),
		"accepted, a page": says(202, "<html>Welcome</html>"),
		"half an answer":   halfAnAnswer(201),
	}
	pod := containers.Container{UUID: "c-1", Name: "chexp-bench", Addresses: map[string][]containers.Address{
		netID: {{Port: "port-of-c-1"}}}}
	for kind, f := range map[string]struct {
		path string
		make func(context.Context, *Site) (string, error)
		ids  func(*cloud) []string
	}{
		"lease": {
			path: "/v1/leases",
			make: func(ctx context.Context, s *Site) (string, error) {
				l, err := s.Reserve(ctx, pi5("chexp-a"))
				return l.ID, err
			},
			ids: func(c *cloud) (ids []string) {
				for _, l := range c.leases {
					ids = append(ids, l.id)
				}
				return ids
			},
		},
		"container": {
			path: "/v1/containers/",
			make: func(ctx context.Context, s *Site) (string, error) {
				k, err := s.Launch(ctx, bench(), quiet)
				return k.ID, err
			},
			ids: func(c *cloud) (ids []string) {
				for _, k := range c.containers {
					ids = append(ids, k.id)
				}
				return ids
			},
		},
		"floating IP": {
			path: "/v2.0/floatingips",
			make: func(ctx context.Context, s *Site) (string, error) { return s.addresses.floatingIP(ctx, pod) },
			ids: func(c *cloud) (ids []string) {
				for _, ip := range c.fips {
					ids = append(ids, fmt.Sprint(ip["floating_ip_address"]))
				}
				return ids
			},
		},
	} {
		for name, answer := range answers {
			t.Run(kind+"/"+name, func(t *testing.T) {
				c := newCloud(t)
				s := connect(t, c)
				answered := false
				c.after = answering(1, "POST", f.path, func(w http.ResponseWriter) bool {
					answered = true
					return answer(w)
				})
				id, err := f.make(t.Context(), s)
				if err != nil || !answered {
					t.Fatalf("answered oddly: %t; %v", answered, err)
				}
				if ids := f.ids(c); len(ids) != 1 || ids[0] != id || c.count("POST "+f.path) != 1 {
					t.Errorf("got %q of %q after %d posts", id, ids, c.count("POST "+f.path))
				}
			})
		}
	}
}
