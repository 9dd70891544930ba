package keystone

import (
	"encoding/json"
	"net/http"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/world"
)

// createTrust makes a trust, which Blazar does with the caller's token at every lease creation. It is
// answered, not kept: nothing here uses it.
func (s *Service) createTrust(w http.ResponseWriter, r *http.Request, t *token) {
	if !s.caller(t).MayTrust(s.World.Orders) {
		s.deny(w, "Delegated tokens cannot manage trusts.")
		return
	}
	var req struct {
		Trust *struct {
			Trustor       string `json:"trustor_user_id"`
			Trustee       string `json:"trustee_user_id"`
			Project       string `json:"project_id"`
			Impersonation *bool  `json:"impersonation"`
		} `json:"trust"`
	}
	if json.NewDecoder(r.Body).Decode(&req) != nil || req.Trust == nil || req.Trust.Impersonation == nil {
		s.fail(w, 400, "'trust' is a required property\n\nFailed validating 'required' in schema")
		return
	}
	if req.Trust.Trustor != t.user.ID {
		s.deny(w, "The authenticated user should match the trustor")
		return
	}
	id := world.NewHex(16)
	var rs []any
	for _, role := range roles(t.user) {
		m := role.(map[string]any)
		m["domain_id"], m["description"], m["options"] = nil, nil, map[string]any{"immutable": true}
		m["links"] = map[string]any{"self": s.URL + "/v3/roles/" + m["id"].(string)}
		rs = append(rs, m)
	}
	front.JSON(w, 201, map[string]any{"trust": map[string]any{
		"id": id, "roles": rs, "trustor_user_id": req.Trust.Trustor, "trustee_user_id": req.Trust.Trustee,
		"project_id": req.Trust.Project, "impersonation": *req.Trust.Impersonation, "expires_at": nil,
		"remaining_uses": nil,
		"deleted_at":     nil, "redelegated_trust_id": nil, "redelegation_count": 0,
		"roles_links": map[string]any{"self": s.URL + "/v3/" + id + "/roles", "next": nil, "previous": nil},
		"links":       map[string]any{"self": s.URL + "/v3/OS-TRUST/trusts/" + id},
	}})
}
