package emulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/world"
)

// cloudOIDCName is the clouds.yaml entry for the single sign-on's password.
const cloudOIDCName = "chexp-emulator-oidc"

// oidcEntry is the clouds.yaml entry as the dashboard makes it: the project stands
// outside of auth [CIAB:kolla/node_custom_config/horizon/clouds.yaml.template]. Only the
// password is not in the dashboard's.
func (e *Emulator) oidcEntry() string {
	alice := e.world.User(world.Alice)
	var y strings.Builder
	fmt.Fprintf(&y, "  %s:\n    auth_type: v3oidcpassword\n    auth:\n", cloudOIDCName)
	for _, kv := range [][2]string{{"auth_url", e.AuthURL()}, {"username", alice.Name}, {"password", alice.Password},
		{"protocol", "openid"}, {"identity_provider", "chameleon"}, {"discovery_endpoint", e.keystone.DiscoveryURL()},
		{"client_id", keystone.ClientID}, {"access_token_type", "access_token"}, {"client_secret", "none"}} {
		fmt.Fprintf(&y, "      %s: %q\n", kv[0], kv[1])
	}
	fmt.Fprintf(&y, "    project_name: %q\n    project_domain_name: %q\n    region_name: %q\n    interface: public\n  "+
		"  identity_api_version: 3\n",
		alice.Project.Name, world.DomainName, e.world.Region)
	return y.String()
}

// DiscoveryURL is where the identity provider describes itself.
func (e *Emulator) DiscoveryURL() string { return e.keystone.DiscoveryURL() }

// AccessToken makes an access token for the user of the clouds.yaml, as Chameleon's
// JupyterHub has one.
func (e *Emulator) AccessToken() (token string, expires time.Time) {
	return e.keystone.GiveAccessToken(e.world.User(world.Alice))
}

// SetTokenLife orders how long Keystone's tokens (and, with access, the identity
// provider's) are good for from now on, those given out already among them; 0 leaves
// one as it is.
func (e *Emulator) SetTokenLife(tokens, access time.Duration) { e.keystone.SetLives(tokens, access) }

// setTokenLife is SetTokenLife from outside: POST /_emulator/tokens {"life": "30s",
// "access_life": "10s"}.
func (e *Emulator) setTokenLife(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Life   string `json:"life"`
		Access string `json:"access_life"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&body)
	parse := func(text string) (d time.Duration) {
		if text != "" && err == nil {
			if d, err = time.ParseDuration(text); err == nil && d <= 0 {
				err = fmt.Errorf("%q is not longer than nothing", text)
			}
		}
		return d
	}
	tokens, access := parse(body.Life), parse(body.Access)
	if err != nil {
		front.JSON(w, 400, map[string]any{"error": err.Error()})
		return
	}
	e.SetTokenLife(tokens, access)
	front.JSON(w, 200, body)
}
