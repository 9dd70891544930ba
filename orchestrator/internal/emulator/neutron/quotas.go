package neutron

import (
	"net/http"
	"strings"

	"chexp/orchestrator/internal/emulator/front"
)

// quotas are Neutron's defaults [neutron/conf/quota.py]; the pool of floating IPs is smaller.
var quotas = map[string]int{"network": 100, "subnet": 100, "subnetpool": -1, "port": 500, "router": 10,
	"floatingip":     50,
	"security_group": 10, "security_group_rule": 100, "rbac_policy": 10}

// quotas tells a project's limits, or with details also what is used; those of another project
// only to an administrator.
func (s *Service) quotas(details bool) front.Handler {
	return func(w http.ResponseWriter, r *http.Request, c front.Caller) {
		if what := strings.TrimSuffix(r.PathValue("details"), ".json"); details && what != "details" {
			notFound(w)
			return
		}
		project := strings.TrimSuffix(r.PathValue("id"), ".json")
		if project != c.ProjectID && !c.Admin() {
			fail(w, 403, "AdminRequired", "User does not have admin privileges: Only admin is authorized to access "+
				"quotas for another tenant.")
			return
		}
		used := map[string]int{"security_group": 1, "security_group_rule": 4}
		for _, p := range s.Pods.Ports() {
			if p.ProjectID == project {
				used["port"]++
			}
		}
		s.mu.Lock()
		for _, f := range s.ips {
			if f.projectID == project {
				used["floatingip"]++
			}
		}
		s.mu.Unlock()
		quota := map[string]any{}
		for k, limit := range quotas {
			quota[k] = limit
			if details {
				quota[k] = map[string]int{"limit": limit, "used": used[k], "reserved": 0}
			}
		}
		front.JSON(w, 200, map[string]any{"quota": quota})
	}
}
