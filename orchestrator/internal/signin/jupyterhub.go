package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/openstack/identity/oidc"
)

// jupyterHub gets access tokens from Chameleon's JupyterHub, which keeps the
// user's fresh: GET $JUPYTERHUB_API_URL/users/$JUPYTERHUB_USER, in auth_state
// [PCHI:chi/jupyterhub.py; JL:scripts/bashrc.d/auth.sh]. The token in
// OS_ACCESS_TOKEN is from the start of the notebook's server; it is good for
// minutes, and used once if the hub has none.
type jupyterHub struct {
	url   string
	token string // the hub's, for the notebook's server
	given string // OS_ACCESS_TOKEN
}

// newJupyterHub reads the variables that a hub gives to its servers; false
// outside of one.
func newJupyterHub(env func(string) string, given string) (*jupyterHub, bool) {
	api, user, token := env("JUPYTERHUB_API_URL"), env("JUPYTERHUB_USER"), env("JUPYTERHUB_API_TOKEN")
	if api == "" || user == "" || token == "" {
		return nil, false
	}
	return &jupyterHub{url: strings.TrimSuffix(api, "/") + "/users/" + url.PathEscape(user), token: token,
		given: given}, true
}

// errHub is a hub that gives no access token.
var errHub = errors.New("JupyterHub gave no access token")

// maxHubAnswer bounds a hub's answer: a user's model and a token or two.
const maxHubAnswer = 1 << 20

// AccessToken implements oidc.TokenSource. The hub's address may be plain
// http: it is the hub itself that says so, on a network of its own.
func (h *jupyterHub) AccessToken(ctx context.Context, client *http.Client) (oidc.AccessToken, error) {
	token, err := h.ask(ctx, client)
	if err != nil && h.given != "" && ctx.Err() == nil {
		token, err, h.given = oidc.AccessToken{Value: h.given}, nil, ""
	}
	return token, err
}

func (h *jupyterHub) ask(ctx context.Context, client *http.Client) (oidc.AccessToken, error) {
	var none oidc.AccessToken
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.url, nil)
	if err != nil {
		return none, fmt.Errorf("%w: JUPYTERHUB_API_URL is not an address", errHub)
	}
	req.Header.Set("Authorization", "token "+h.token)
	req.Header.Set("Accept", "application/json")
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return none, fmt.Errorf("%w: %w", errHub, patient.Reason(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxHubAnswer))
	if err != nil {
		return none, fmt.Errorf("%w: %w", errHub, err)
	}
	if resp.StatusCode != http.StatusOK {
		return none, fmt.Errorf("%w: it answered %d %s", errHub, resp.StatusCode, http.StatusText(resp.StatusCode))
	}
	var user struct {
		AuthState *struct {
			AccessToken string          `json:"access_token"`
			ExpiresAt   json.RawMessage `json:"expires_at"`
		} `json:"auth_state"`
	}
	if json.Unmarshal(body, &user) != nil || user.AuthState == nil || user.AuthState.AccessToken == "" {
		return none, fmt.Errorf("%w: its answer has no auth_state.access_token", errHub)
	}
	return oidc.AccessToken{Value: user.AuthState.AccessToken, Expires: hubTime(user.AuthState.ExpiresAt)}, nil
}

// hubTime reads seconds since 1970, as a number or a text, or RFC 3339; zero
// for anything else: the token is then asked for each time.
func hubTime(raw json.RawMessage) time.Time {
	text := strings.Trim(string(raw), `"`)
	if seconds, err := strconv.ParseFloat(text, 64); err == nil && seconds > 0 && seconds < 1e11 {
		return time.Unix(int64(seconds), 0)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	return time.Time{}
}
