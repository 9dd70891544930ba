package emulator

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/blazar"
	"chexp/orchestrator/internal/emulator/keystone"
	"chexp/orchestrator/internal/emulator/neutron"
	"chexp/orchestrator/internal/emulator/world"
	"chexp/orchestrator/internal/emulator/zun"
)

// What had to be true before some of the recordings, because the call that made it so was
// not recorded, is kept back, or depended on chance.

var beforeFolder = map[string]func(*replay){
	"blazar":             (*replay).noLeases,
	"keystone":           (*replay).noCredentials,
	"zun-no-hosts":       func(p *replay) { p.fault(zun.NoHosts, 1) },
	"zun-race-deleted":   func(p *replay) { p.fault(zun.ContainerVanish, 1) },
	"zun-stuck-creating": func(p *replay) { p.fault(zun.ImageNeverPulls, 1) },
	"zun-unschedulable":  func(p *replay) { p.ids["45949a61-c916-47f9-a4c9-36d8d010af4f"] = world.NewUUID() },
	"fleet":              (*replay).fleetBoards,
	"gophercloud": func(p *replay) {
		p.noLeases()
		p.make(nil, "4ef41bd2-a7b3-4c16-8972-9c8b33489922") // the lease "zun-lease"
		for _, r := range p.all["gophercloud"] {
			for _, c := range list(dig(r.body(), "containers")) {
				if id := dig(c, "uuid").(string); p.ids[id] == "" {
					p.make(nil, id)
				}
			}
		}
	},
	"zun": func(p *replay) {
		p.make(nil, "b654f3f6-32c2-429e-97d8-f010ff8f37b6") // the lease "zun-lease"
	},
}

var before = map[string]func(*replay){
	"fleet/21-three-reservations-by-machine-name":         (*replay).sparesTheFirst,
	"fleet/25f-active-other-uid":                          func(p *replay) { p.giveBack("spare") },
	"fleet/26b-container-1-after-lease-ended":             func(p *replay) { p.gone(ownContainer) },
	"fleet/32-mixed-name-first-ok":                        (*replay).usedBefore,
	"fleet/32b-mixed-name-first-fails":                    (*replay).onlyThoseTwo,
	"fleet/33-eight-single-reservations-seven-free":       func(p *replay) { p.giveBack(usedBoards...) },
	"fleet/33c-one-reservation-min1-max8-seven-free":      (*replay).threeByUID,
	"fleet/81-A-now-to-plus-2":                            func(p *replay) { p.giveBack(threeByUID) },
	"fleet/83-extend-A-over-B":                            (*replay).fleetContainers,
	"fleet/51-stuck-create":                               func(p *replay) { p.fault(zun.Wedged, -1) },
	"fleet/71-delete-lease-with-three-running-containers": (*replay).threeRunning,
	"fleet/41-race-same-uid-1":                            func(p *replay) { p.watcher.stop() },
	"fleet/41-race-same-uid-2":                            func(p *replay) { p.fault(blazar.DoubleBooking, 1) },
	"fleet/41y-race-devices-of-winner": func(p *replay) {
		p.ids["d3fec794-b8d1-44be-a073-af3bcf7c2d39"] = p.ids["ab67a798-2ed3-4af1-a537-fb599b4cd4ff"]
	},
	"fleet/42-double-both-active-list":    (*replay).doubleNow,
	"fleet/61-create-during-executes-0":   func(p *replay) { p.fault(zun.ClaimLost, 1) },
	"fleet/61b-deleted-during-executes-0": func(p *replay) { p.await(p.ids[lostContainer], "Deleted") },
	"blazar/11-show":                      (*replay).futureLease,
	"blazar/26-update-reservation-uid": func(p *replay) {
		lease, reservation := p.ids["ebad754f-f7c5-4754-9332-492029a91e20"], p.ids["598bdea0-0b64-4a8a-9af4-91fd6c967ea6"]
		p.want(200, p.blazar("PUT", "/leases/"+lease, map[string]any{"reservations": []any{
			map[string]any{"id": reservation, "min": 2, "max": 2, "resource_properties": anyPi5}}}))
	},
	"blazar/35-create-and-query": func(p *replay) {
		p.book("nyu-rpi5-03", "2026-11-24 04:00", "2026-11-24 05:00")
	},
	"blazar/94-allocations-member-no-leases": (*replay).noLeases,
	"blazar/b6-ending-1-ACTIVE": func(p *replay) {
		p.want(200, p.blazar("PUT", "/leases/"+p.ids["8ccce243-364f-4f46-94a6-8e28c1389b00"],
			map[string]any{"end_date": "now"}))
	},
	"blazar/d0-create-now-node-will-vanish": func(p *replay) { p.fault(blazar.NodeGone, 1) },
	"neutron/11-bind-port-already-has-one": func(p *replay) {
		p.bind("cfd461ba-a842-4832-91dd-d9e8792b3df2", "26d4dc87-97ea-419b-b46b-8d83821296ba")
	},
	"neutron/17b-delete-again": func(p *replay) {
		p.want(204, p.neutron("DELETE", "/floatingips/"+p.ids["cfd461ba-a842-4832-91dd-d9e8792b3df2"], nil))
	},
	"neutron/18-exhaust.3":                func(p *replay) { p.fault(neutron.PoolDry, 2) },
	"neutron/19-over-quota":               func(p *replay) { p.fault(neutron.OverQuota, 1) },
	"zun/22b-exec-shell-not-implied":      func(p *replay) { p.running("b5048394-a726-4b74-9d8e-fc39c2343c7d") },
	"zun/42b-get-archive-file-in-workdir": func(p *replay) { p.furnish("b5048394-a726-4b74-9d8e-fc39c2343c7d") },
	"keystone/52-appcred-delete": func(p *replay) {
		p.ids["orphan"] = p.tokenOf("94f148b1b6f2405ea137f54eb6c5ca12")
	},
	"zun/13-get-by-name":   func(p *replay) { p.running("b5048394-a726-4b74-9d8e-fc39c2343c7d") },
	"zun/83b-stop":         func(p *replay) { p.running("df6ac91e-2a97-4b45-bf5a-2754e7b375ba") },
	"zun/87b-delete-again": func(p *replay) { p.gone("df6ac91e-2a97-4b45-bf5a-2754e7b375ba") },
	"zun/91b-deleting-1-Deleting": func(p *replay) {
		p.want(204, p.zun("DELETE", "/containers/"+p.ids["cffe83ce-1acf-402f-92fb-18c69cb2ccf5"]+"?force=True", nil))
	},
	"zun/84-exec-on-stopped": func(p *replay) { p.await(p.ids["df6ac91e-2a97-4b45-bf5a-2754e7b375ba"], "Stopped") },
}

// special tokens, by recording.
var special = map[string]func(*replay) string{
	"blazar/04-expired-token":                                                   (*replay).expired,
	"neutron/00c-expired-token":                                                 (*replay).expired,
	"keystone/71-expired-token-used":                                            (*replay).expired,
	"keystone/49-revoked-token-used":                                            (*replay).revoked,
	"keystone/53-token-of-deleted-appcred-used":                                 (*replay).orphan,
	"blazar/a0-create-with-restricted-appcred":                                  (*replay).restricted,
	"blazar/a2-create-with-unrestricted-appcred":                                (*replay).unrestricted,
	"blazar/a3-create-with-unrestricted-appcred-keystone-default-refuses-trust": (*replay).unrestricted,
	"keystone/28-appcred-restricted-cannot-make-another":                        (*replay).restricted,
	"keystone/29b-appcred-token-rescope-noscope":                                (*replay).restricted,
	"keystone/80-appcred-token-creates-trust-refused":                           (*replay).restricted,
}

func (p *replay) fault(f world.Fault, times int) { p.e.SetFaults(Faults{f: times}) }

func (p *replay) restricted() string   { return p.appCredToken(false) }
func (p *replay) unrestricted() string { return p.appCredToken(true) }
func (p *replay) revoked() string      { return p.ids["revoked"] }
func (p *replay) orphan() string       { return p.ids["orphan"] }

// appCredToken signs in with a new application credential.
func (p *replay) appCredToken(unrestricted bool) string {
	alice := p.e.world.User(world.Alice)
	id, secret := p.keystone().AddAppCred(alice, "made "+world.NewHex(4), unrestricted, time.Time{})
	return p.login(id, secret)
}

func (p *replay) login(id, secret string) string {
	c := *p.client
	c.token = ""
	identity := map[string]any{"methods": []string{"application_credential"},
		"application_credential": map[string]any{"id": id, "secret": secret}}
	a := c.want(201, c.do("POST", c.e.AuthURL()+"/auth/tokens",
		map[string]any{"auth": map[string]any{"identity": identity}}))
	return a.header.Get("X-Subject-Token")
}

// tokenOf signs in with a credential that the replay made.
func (p *replay) tokenOf(recorded string) string {
	return p.login(p.ids[recorded], p.ids["secret of "+recorded])
}

// expired is a token whose time is over: it dies with its application credential.
func (p *replay) expired() string {
	id, secret := p.keystone().AddAppCred(p.e.world.User(world.Alice), "short "+world.NewHex(4), true,
		p.e.world.Now().Add(time.Second))
	token := p.login(id, secret)
	p.e.Advance(2 * time.Second)
	return token
}

// subject is the token in X-Subject-Token.
func (p *replay) subject(r *recording) string {
	if !r.has("revoke") || p.folder == "gophercloud" {
		return p.token
	}
	p.ids["revoked"] = p.as(world.Alice).token
	return p.ids["revoked"]
}

func (p *replay) noCredentials() {
	path := p.auth + "/users/" + p.e.world.User(world.Alice).ID + "/application_credentials"
	for _, c := range list(p.do("GET", path, nil).at("application_credentials")) {
		p.want(204, p.do("DELETE", path+"/"+dig(c, "id").(string), nil))
	}
}

func (p *replay) noLeases() {
	root := p.people[world.Root]
	for _, l := range list(root.blazar("GET", "/leases", nil).at("leases")) {
		root.want(200, root.blazar("DELETE", "/leases/"+dig(l, "id").(string), nil))
	}
}

// futureLease makes the first recorded lease, which had the first board.
func (p *replay) futureLease() {
	from, to := p.moved("2026-11-24 04:00"), p.moved("2026-11-24 06:00")
	var taken []string
	for n := '2'; n <= '7'; n++ {
		body := p.leaseBody("taken", `["==", "$name", "nyu-rpi5-0`+string(n)+`"]`)
		body["start_date"], body["end_date"] = from, to
		taken = append(taken, p.want(201, p.blazar("POST", "/leases", body)).text("lease", "id"))
	}
	p.make(nil, "ebad754f-f7c5-4754-9332-492029a91e20")
	for _, id := range taken {
		p.want(200, p.blazar("DELETE", "/leases/"+id, nil))
	}
}

// book takes a board so that the next request does not find it free.
func (p *replay) book(device, from, to string) {
	body := p.leaseBody("taken", `["==", "$name", "`+device+`"]`)
	body["start_date"], body["end_date"] = p.moved(from), p.moved(to)
	p.made = append(p.made, p.want(201, p.blazar("POST", "/leases", body)).text("lease", "id"))
}

func (p *replay) bind(fip, port string) {
	p.want(200, p.neutron("PUT", "/floatingips/"+p.ids[fip],
		map[string]any{"floatingip": map[string]any{"port_id": p.ids[port]}}))
}

func (p *replay) gone(recorded string) {
	p.poll("the container to be gone", func() bool {
		return p.zun("GET", "/containers/"+p.ids[recorded], nil).status == 404
	})
}

func (p *replay) running(recorded string) { p.await(p.ids[recorded], "Running") }

// furnish writes the files that the recorder's container had.
func (p *replay) furnish(recorded string) {
	p.output(p.ids[recorded], `sh -c 'cd /root && echo home >home.txt && `+
		`mkdir -p out/sub && printf "{}\n" >out/a.json && printf "[1]\n" >out/sub/b.json'`)
}

// keep are leases that a later refusal needs.
var keep = []string{"30-create-by-uid", "36-create-min3max5", "41-race-same-uid-1"}

// tidy deletes, before a lease that must succeed, those leases that no later recording
// mentions: the recorder did so too, off the record.
func (p *replay) tidy(r *recording, rest []*recording) {
	if r.Request.Method != "POST" || r.Request.Path != "/v1/leases" || r.Response.Status != 201 {
		return
	}
	p.made = slices.DeleteFunc(p.made, func(id string) bool {
		if slices.ContainsFunc(rest, func(o *recording) bool { return strings.Contains(o.Request.Path, id) }) {
			return false
		}
		live := p.ids[id]
		if live == "" {
			live = id
		}
		p.blazar("DELETE", "/leases/"+live, nil)
		return true
	})
}

// remember keeps what the recordings hide.
func (p *replay) remember(r *recording, want any, a answer) {
	if id, ok := dig(want, "application_credential", "id").(string); ok && a.status == 201 {
		secret := a.text("application_credential", "secret")
		p.ids["secret of "+id] = secret
		if r.name == "20-appcred-create" {
			p.ids["secret"] = secret
		}
	}
	if id, ok := dig(want, "lease", "id").(string); ok && a.status == 201 && !slices.Contains(keep, r.name) {
		p.made = append(p.made, id)
	}
	if token := a.header.Get("X-Subject-Token"); a.status == 201 &&
		(p.folder == "gophercloud" && token != "" || r.name == "03-password-scoped") {
		p.token = token
	}
}

// make brings into being what a recorded request speaks of and no recorded request made.
func (p *replay) make(r *recording, id string) string {
	signsIn := r != nil && strings.Contains(string(r.Request.Body), `"application_credential"`)
	if (p.folder == "fleet" || strings.HasPrefix(p.folder, "baremetal/")) && !signsIn {
		if len(id) == 32 {
			return world.NewHex(16)
		}
		return world.NewUUID() // only what the recordings made is there
	}
	for _, list := range p.all {
		for _, o := range list {
			for _, l := range leases(o.body()) {
				if dig(l, "id") == id || dig(l, "reservations", 0, "id") == id {
					return p.makeLease(l, id)
				}
			}
		}
	}
	if c := p.recordedContainer(id); c != nil {
		return p.makeContainer(r, c, id)
	}
	switch {
	case r == nil:
		return p.makeLease(nil, id)
	case strings.Contains(r.Request.Path, "/leases/") && r.Response.Status < 400:
		return p.makeLease(nil, id)
	case strings.Contains(r.Request.Path, "/containers/") && r.has("busybox"):
		return p.makeContainer(r, map[string]any{"name": "busy", "image": "busybox", "uuid": id}, id)
	case strings.Contains(string(r.Request.Body), `"reservation"`):
		return p.makeLease(nil, id)
	case strings.Contains(string(r.Request.Body), `"application_credential"`) && r.Response.Status != 404:
		expires := time.Time{}
		if r.has("expired") {
			expires = p.e.world.Now().Add(-time.Hour)
		}
		name, _ := dig(r.body(), "token", "application_credential", "name").(string)
		if name == "" {
			name = "old " + world.NewHex(4)
		}
		live, secret := p.keystone().AddAppCred(p.e.world.User(world.Alice), name, true, expires)
		p.ids["secret of "+id] = secret
		return live
	}
	if len(id) == 32 {
		return world.NewHex(16)
	}
	return world.NewUUID()
}

func leases(body any) []any {
	if l := dig(body, "lease"); l != nil {
		return []any{l}
	}
	return list(dig(body, "leases"))
}

func (p *replay) makeLease(recorded any, id string) string {
	body := p.leaseBody("made", anyPi5)
	now := recorded == nil || p.folder != "blazar"
	if recorded != nil {
		body["name"] = dig(recorded, "name")
	}
	if !now {
		minute := func(key string) string {
			s, _ := dig(recorded, key).(string)
			return p.moved(strings.Replace(s[:16], "T", " ", 1))
		}
		props := dig(recorded, "reservations", 0, "resource_properties").(string)
		body = p.leaseBody(dig(recorded, "name").(string), props)
		body["start_date"], body["end_date"] = minute("start_date"), minute("end_date")
	}
	a := p.want(201, p.blazar("POST", "/leases", body))
	live := a.text("lease", "id")
	if now {
		p.poll("the lease to be active", func() bool {
			return p.blazar("GET", "/leases/"+live, nil).at("lease", "status") == "ACTIVE"
		})
	}
	if recorded != nil {
		p.names.note(recorded, a.at("lease"))
	}
	if recorded == nil && p.folder != "blazar" || dig(recorded, "reservations", 0, "id") == id {
		live = a.text("lease", "reservations", 0, "id")
	}
	p.ids[id] = live
	return live
}

// recordedContainer finds the earliest answer that shows the container, or the one with
// that port.
func (p *replay) recordedContainer(id string) map[string]any {
	var found map[string]any
	for _, folder := range []string{p.folder, "zun"} {
		for _, o := range p.all[folder] {
			for _, c := range containersIn(o.body()) {
				hit := dig(c, "uuid") == id
				for _, a := range object(dig(c, "addresses")) {
					hit = hit || dig(a, 0, "port") == id
				}
				if hit && (found == nil || len(list(found["command"])) == 0 && len(list(dig(c, "command"))) > 0) {
					found = object(c)
				}
			}
		}
	}
	return found
}

func (p *replay) makeContainer(r *recording, recorded map[string]any, id string) string {
	uuid := recorded["uuid"].(string)
	if live := p.ids[uuid]; live != "" && uuid != id {
		p.await(live, "Running")
		p.names.note(recorded["addresses"], p.zun("GET", "/containers/"+live, nil).at("addresses"))
		return p.portOf(live)
	}
	reservation := p.ids["b654f3f6-32c2-429e-97d8-f010ff8f37b6"]
	if reservation == "" {
		reservation = p.make(nil, "b654f3f6-32c2-429e-97d8-f010ff8f37b6")
	}
	body := map[string]any{"name": recorded["name"], "image": recorded["image"], "command": []string{"sleep", "100000"},
		"environment": map[string]any{"CHEXP_RUN": "r1"}, "workdir": "/root",
		"hints":         map[string]any{"reservation": reservation},
		"exposed_ports": map[string]any{"22/tcp": map[string]any{}, "8888": map[string]any{}}}
	if p.exposesNothing(uuid) {
		delete(body, "exposed_ports")
	}
	if c := list(recorded["command"]); len(c) > 0 {
		body["command"] = c
	}
	switch recorded["name"] {
	case "nocmd":
		body["command"] = []string{"/no/such/command"}
	case "wrongres":
		body["hints"] = map[string]any{"reservation": world.NewUUID()}
	}
	live := p.want(202, p.zun("POST", "/containers/?"+url.Values{"run": {"True"}}.Encode(), body)).text("uuid")
	p.ids[uuid] = live
	if r == nil || !polled.MatchString(r.name) {
		p.await(live, "Running")
	}
	if uuid != id {
		return p.portOf(live)
	}
	return live
}

// exposesNothing tells whether a container was seen running, and never with a port.
func (p *replay) exposesNothing(uuid string) bool {
	ran := false
	for _, list := range p.all {
		for _, o := range list {
			for _, c := range containersIn(o.body()) {
				if dig(c, "uuid") != uuid {
					continue
				}
				if ports, _ := dig(c, "ports").([]any); len(ports) > 0 {
					return false
				}
				ran = ran || dig(c, "status") == "Running"
			}
		}
	}
	return ran
}

// containersIn lists what an answer shows, which may be one container or a list.
func containersIn(body any) []any { return slices.Concat(list(dig(body, "containers")), []any{body}) }

func (p *replay) portOf(container string) string {
	return p.neutron("GET", "/ports?device_id="+container, nil).text("ports", 0, "id")
}

// keystone is that of the site.
func (p *replay) keystone() *keystone.Service {
	if strings.HasPrefix(p.folder, "baremetal/") {
		return p.e.sites[0].keystone
	}
	return p.e.keystone
}
