package emulator

import (
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

func (c *client) authenticate(identity map[string]any, scope any) answer {
	c.t.Helper()
	auth := map[string]any{"identity": identity}
	if scope != nil {
		auth["scope"] = scope
	}
	return c.do("POST", c.e.AuthURL()+"/auth/tokens", map[string]any{"auth": auth})
}

func (c *client) byAppCred(id, secret string) answer {
	c.t.Helper()
	return c.authenticate(map[string]any{"methods": []string{"application_credential"},
		"application_credential": map[string]any{"id": id, "secret": secret}}, nil)
}

func (c *client) credsURL() string {
	return c.e.AuthURL() + "/users/" + c.e.world.User(world.Alice).ID + "/application_credentials"
}

func TestPasswordTokens(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	alice := c.e.world.User(world.Alice)
	domain := map[string]any{"name": world.DomainName}
	identity := func(password string) map[string]any {
		return map[string]any{"methods": []string{"password"}, "password": map[string]any{
			"user": map[string]any{"name": alice.Name, "domain": domain, "password": password}}}
	}
	a := c.want(201, c.authenticate(identity(alice.Password), nil))
	if a.at("token", "project") != nil || a.at("token", "catalog") != nil || a.at("token", "roles") != nil {
		t.Errorf("an unscoped token has project, roles or catalog: %v", a)
	}
	unscoped := a.header.Get("X-Subject-Token")
	// Nothing tells a wrong password from a project that does not exist.
	for _, a := range []answer{
		c.authenticate(identity("wrong"), nil),
		c.authenticate(identity(alice.Password), map[string]any{"project": map[string]any{"name": "CHI-999999",
			"domain": domain}}),
	} {
		if a.status != 401 || a.at("error", "message") != "The request you have made requires authentication." ||
			a.header.Get("WWW-Authenticate") != `Keystone uri="`+c.e.AuthURL()+`"` {
			t.Errorf("%v", a)
		}
	}
	a = c.want(201, c.authenticate(map[string]any{"methods": []string{"token"},
		"token": map[string]any{"id": unscoped}},
		map[string]any{"project": map[string]any{"id": alice.Project.ID}}))
	if a.at("token", "methods", 1) != "token" || a.at("token", "project", "name") != alice.Project.Name {
		t.Errorf("rescoped: %v", a)
	}
	c.want(400, c.authenticate(map[string]any{}, nil))
	if a := c.authenticate(map[string]any{"methods": []string{"magic"}}, nil); a.status != 401 ||
		a.at("error", "identity", "methods") == nil {
		t.Errorf("unknown method: %v", a)
	}
	var types []string
	for _, s := range c.want(200, c.do("GET", c.e.AuthURL()+"/auth/catalog", nil)).at("catalog").([]any) {
		types = append(types, dig(s, "type").(string))
		if dig(s, "endpoints", 0, "region") != "CHI@Edge" || len(dig(s, "endpoints").([]any)) != 3 {
			t.Errorf("endpoints of %v", s)
		}
	}
	if got := strings.Join(types, " "); got != "identity reservation container network inventory" {
		t.Errorf("catalog: %s", got)
	}
}

func TestApplicationCredentials(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	create := func(body map[string]any) answer {
		t.Helper()
		return c.do("POST", c.credsURL(), map[string]any{"application_credential": body})
	}
	a := c.want(201, create(map[string]any{"name": "mine", "unrestricted": true}))
	id, secret := a.text("application_credential", "id"), a.text("application_credential", "secret")
	if a := create(map[string]any{"name": "mine"}); a.status != 409 {
		t.Errorf("same name again: %v", a)
	}
	a = c.want(201, c.byAppCred(id, secret))
	if a.at("token", "application_credential", "restricted") != false ||
		a.at("token", "project", "name") != "CHI-000001" {
		t.Errorf("%v", a)
	}
	token := a.header.Get("X-Subject-Token")
	byName := map[string]any{"methods": []string{"application_credential"}, "application_credential": map[string]any{
		"name": "mine", "secret": secret, "user": map[string]any{"name": world.Alice,
			"domain": map[string]any{"name": "chameleon"}}}}
	c.want(201, c.authenticate(byName, nil))
	a = c.want(401, c.authenticate(byName, map[string]any{"project": map[string]any{"name": "CHI-000001"}}))
	if a.at("error", "message") != "Error authenticating with application credential: Application credentials cannot "+
		"request a scope." {
		t.Errorf("with a scope: %v", a)
	}
	c.want(401, c.byAppCred(id, "wrong"))
	if a := c.byAppCred("nosuch", "x"); a.status != 404 ||
		a.at("error", "message") != "Could not find Application Credential: nosuch." {
		t.Errorf("unknown: %v", a)
	}
	a = c.authenticate(map[string]any{"methods": []string{"token"}, "token": map[string]any{"id": token}}, nil)
	if a.status != 403 || !strings.Contains(a.text("error", "message"),
		"Using a delegated token to create another token is not allowed.") {
		t.Errorf("a delegated token exchanged: %v", a)
	}
	c.want(204, c.do("DELETE", c.credsURL()+"/"+id, nil))
	c.want(404, c.byAppCred(id, secret))
	// Keystone itself answers 404 to a token whose credential is gone; services say 401.
	c.token = token
	c.want(404, c.do("GET", c.e.AuthURL()+"/auth/catalog", nil))
	c.want(401, c.blazar("GET", "/leases", nil))
}

// TestRestrictedCredentialIs500: Blazar's trust is refused, and all that shows is a 500.
func TestRestrictedCredentialIs500(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	a := c.want(201, c.do("POST", c.credsURL(), map[string]any{"application_credential": map[string]any{"name": "r"}}))
	a = c.want(201, c.byAppCred(a.text("application_credential", "id"), a.text("application_credential", "secret")))
	if a.at("token", "application_credential", "restricted") != true {
		t.Errorf("%v", a)
	}
	c.token = a.header.Get("X-Subject-Token")
	c.want(200, c.blazar("GET", "/leases", nil))
	a = c.want(500, c.blazar("POST", "/leases", c.leaseBody("x", anyPi5)))
	if a.raw != `{"error_code":500,"error_message":"Internal Server Error","error_name":"INTERNAL_SERVER_ERROR"}` {
		t.Errorf("%v", a)
	}
	a = c.want(403, c.do("POST", c.credsURL(),
		map[string]any{"application_credential": map[string]any{"name": "second"}}))
	if !strings.Contains(a.text("error", "message"), "Using method 'application_credential' is not allowed for "+
		"managing") {
		t.Errorf("%v", a)
	}
}

func TestTokensEnd(t *testing.T) {
	t.Parallel()
	c := start(t, Options{TokenLife: time.Hour})
	c.want(200, c.blazar("GET", "/leases", nil))
	old := c.token
	// A revoked token goes on working where it was seen before, for five minutes.
	c.want(204, c.do("DELETE", c.e.AuthURL()+"/auth/tokens", nil, "X-Subject-Token", old))
	c.want(401, c.do("GET", c.e.AuthURL()+"/auth/catalog", nil))
	c.want(401, c.neutron("GET", "/floatingips", nil))
	c.want(200, c.blazar("GET", "/leases", nil))
	c.e.Advance(6 * time.Minute)
	c.want(401, c.blazar("GET", "/leases", nil))

	c.signIn(world.Alice)
	c.want(200, c.zun("GET", "/containers", nil))
	c.e.Advance(2 * time.Hour)
	c.want(401, c.zun("GET", "/containers", nil))
	a := c.authenticate(map[string]any{"methods": []string{"token"}, "token": map[string]any{"id": c.token}}, nil)
	if a.status != 404 || a.at("error", "message") != "Failed to validate token" {
		t.Errorf("rescoping an expired token: %v", a)
	}
	c.signIn(world.Alice)
	expires := c.e.world.Now().Add(time.Minute).Format("2006-01-02T15:04:05.000000Z")
	a = c.want(201, c.do("POST", c.credsURL(),
		map[string]any{"application_credential": map[string]any{"name": "short", "expires_at": expires}}))
	id, secret := a.text("application_credential", "id"), a.text("application_credential", "secret")
	if a := c.want(201, c.byAppCred(id, secret)); a.at("token", "expires_at") != strings.TrimSuffix(expires, "Z") {
		t.Errorf("its token outlives it, or its end has a zone, which the real one's has not: %v",
			a.at("token", "expires_at"))
	}
	c.e.Advance(2 * time.Minute)
	c.want(401, c.byAppCred(id, secret))
}

func TestKeystoneFrontDoor(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	root := strings.TrimSuffix(c.e.AuthURL(), "/v3")
	a := c.want(403, c.do("GET", c.e.AuthURL()+"/users", nil))
	if a.at("error", "message") != "You are not authorized to perform the requested action: identity:list_users." {
		t.Errorf("%v", a)
	}
	c.token = ""
	c.want(300, c.do("GET", root+"/", nil))
	if a := c.want(200, c.do("GET", root+"/v3", nil)); a.at("version", "links", 0, "href") != root+"/v3/" {
		t.Errorf("%v", a)
	}
	if a := c.want(404, c.do("GET", root+"/v3/nosuch", nil)); !strings.HasPrefix(a.header.Get("Content-Type"),
		"text/html") {
		t.Errorf("%v %v", a, a.header)
	}
	if a := c.want(405, c.do("PUT", root+"/v3/auth/tokens", nil)); a.at("message") == nil || a.at("error") != nil {
		t.Errorf("%v", a)
	}
	c.want(401, c.do("GET", root+"/v3/auth/catalog", nil))
}

func TestNeutron(t *testing.T) {
	t.Parallel()
	c := start(t, Options{})
	nets := c.want(200, c.neutron("GET", "/networks?router:external=True", nil))
	if list := nets.at("networks").([]any); len(list) != 1 || dig(list, 0, "name") != "public" {
		t.Errorf("external networks: %v", nets)
	}
	public := nets.text("networks", 0, "id")
	if a := c.want(200, c.neutron("GET", "/networks?name=caliconet", nil)); a.at("networks", 0,
		"router:external") != false {
		t.Errorf("%v", a)
	}
	c.want(403, c.neutron("POST", "/networks", map[string]any{"network": map[string]any{"name": "mine"}}))
	fip := func(body map[string]any) answer {
		return c.neutron("POST", "/floatingips", map[string]any{"floatingip": body})
	}
	a := c.want(201, fip(map[string]any{"floating_network_id": public, "description": "test"}))
	id, address := a.text("floatingip", "id"), a.text("floatingip", "floating_ip_address")
	if a.at("floatingip", "status") != "DOWN" || a.at("floatingip", "port_id") != nil ||
		!strings.HasPrefix(address, "127.") {
		t.Errorf("%v", a)
	}
	if a := c.want(200, c.neutron("GET", "/floatingips?floating_ip_address="+address, nil)); a.at("floatingips", 0,
		"id") != id {
		t.Errorf("%v", a)
	}
	for _, tt := range []struct {
		a      answer
		status int
		kind   string
	}{
		{fip(map[string]any{}), 400, "HTTPBadRequest"},
		{fip(map[string]any{"floating_network_id": world.NewUUID()}), 404, "NetworkNotFound"},
		{c.neutron("POST", "/floatingips", "{"), 400, "MalformedRequestBody"},
		{c.neutron("PUT", "/floatingips/"+id,
			map[string]any{"floatingip": map[string]any{"port_id": world.NewUUID()}}), 404, "PortNotFound"},
		{c.neutron("GET", "/floatingips/"+world.NewUUID(), nil), 404, "FloatingIPNotFound"},
		{c.neutron("GET", "/nosuch", nil), 404, "HTTPNotFound"},
		{c.as(world.Carol).neutron("GET", "/floatingips/"+id, nil), 404, "FloatingIPNotFound"},
	} {
		if tt.a.status != tt.status || tt.a.at("NeutronError", "type") != tt.kind {
			t.Errorf("%v; want %d %s", tt.a, tt.status, tt.kind)
		}
	}
	for i := 0; ; i++ {
		a := fip(map[string]any{"floating_network_id": public})
		if a.status == 409 {
			if a.at("NeutronError", "type") != "IpAddressGenerationFailure" {
				t.Errorf("%v", a)
			}
			break
		}
		c.want(201, a)
		if i > 200 {
			t.Fatal("the pool has no bottom")
		}
	}
	if l := c.e.Leftovers(); len(l.FloatingIPs) < 2 || l.Empty() {
		t.Errorf("leftovers %v", l)
	}
}
