package emulator

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// replay sends the recordings of one folder to one emulator.
type replay struct {
	*client
	folder  string
	all     map[string][]*recording
	tally   *tally
	mutants *mutants
	names   *names
	ids     map[string]string  // names.live: recorded → of this run
	people  map[string]*client // by name
	shift   time.Duration      // from the recording's clock to this run's
	made    []string           // recorded ids of leases made by the replay and used no more
	watcher *watcher
}

func newReplay(t *testing.T, folder string, all map[string][]*recording, tally *tally, mutants *mutants) *replay {
	n, w := newNames(), newWatcher()
	p := &replay{folder: folder, all: all, tally: tally, mutants: mutants, names: n, ids: n.live,
		people: map[string]*client{}, watcher: w}
	o := Options{Tick: 100 * time.Millisecond, PullDelay: 100 * time.Millisecond, ExecuteTimeout: 3 * time.Second,
		GatewayTimeout: 2 * time.Second, seen: w.seen, Devices: recordedDevices(all["blazar"])}
	switch {
	case strings.HasPrefix(folder, "baremetal/"):
		o.Sites, o.Deploy = []string{"CHI@UC"}, 200*time.Millisecond
		p.client = start(t, o).site("CHI@UC")
	case strings.HasPrefix(folder, "zun"), folder == "neutron", folder == "gophercloud", folder == "fleet":
		p.client = withContainers(t, "amd64", o)
	default:
		p.client = start(t, o)
	}
	t.Cleanup(w.stop)
	for _, who := range []string{world.Alice, world.Bob, world.Carol, world.Root, world.Dana} {
		p.people[who] = p.as(who)
	}
	for _, none := range []string{"00000000-0000-0000-0000-000000000000", "00000000-0000-4000-8000-000000000000",
		"00000000000000000000000000000000", "0.0.0.0"} {
		p.ids[none] = none
	}
	p.names.pair("CHI-231138", p.e.world.User(world.Alice).Project.Name)
	for _, list := range all {
		for _, r := range list {
			p.introduce(r)
		}
	}
	dated := slices.IndexFunc(all[folder], func(r *recording) bool { return !r.at.IsZero() })
	if dated >= 0 {
		first := all[folder][dated]
		p.shift = p.e.world.Now().Truncate(time.Minute).Sub(first.at.Truncate(time.Minute)) + time.Minute
	}
	return p
}

// recordedDevices are the recorder's boards.
func recordedDevices(list []*recording) (devices []world.Device) {
	for _, r := range list {
		if r.name != "91-devices-list-admin" {
			continue
		}
		var body struct {
			Devices []struct {
				ID, Name, UID, Model, Vendor string
				MachineName                  string `json:"machine_name"`
				Profiles                     string `json:"supported_device_profiles"`
			}
		}
		json.Unmarshal(r.Response.Body, &body) // into a form of its own
		for _, d := range body.Devices {
			one := world.Device{ID: d.ID, Name: d.Name, UID: d.UID, Model: d.Model, Vendor: d.Vendor, MachineName: d.MachineName,
				Reservable: true, InBlazar: true}
			if d.Profiles != "" {
				one.Profiles = strings.Split(d.Profiles, ",")
			}
			devices = append(devices, one)
		}
	}
	return devices
}

// The setup's own polls count as well: the emulator waits for them.
func (p *replay) poll(what string, f func() bool) {
	p.t.Helper()
	p.client.poll(what, func() (ok bool) {
		p.watcher.poll(func() answer {
			ok = f()
			return answer{}
		})
		return ok
	})
}

func (p *replay) await(uuid, status string) {
	p.t.Helper()
	p.poll("container "+uuid+" to be "+status, func() bool {
		return p.zun("GET", "/containers/"+uuid, nil).at("status") == status
	})
}

// introduce learns from an answer which ids are people, projects, networks and boards.
func (p *replay) introduce(r *recording) {
	body := r.body()
	pair := func(recorded any, live string) {
		if s, ok := recorded.(string); ok && s != "" {
			p.ids[s] = live
		}
	}
	if name, _ := dig(body, "token", "user", "name").(string); name == world.Alice {
		u := p.e.world.User(world.Alice)
		pair(dig(body, "token", "user", "id"), u.ID)
		pair(dig(body, "token", "project", "id"), u.Project.ID)
	}
	if r.name == "80-reader-creates" {
		pair(dig(body, "lease", "user_id"), p.e.world.User(world.Dana).ID)
	}
	for _, n := range list(dig(body, "networks")) {
		switch dig(n, "name") {
		case "public":
			pair(dig(n, "id"), world.PublicNetID)
		case "sharednet1":
			if strings.HasPrefix(r.folder, "baremetal/") {
				pair(dig(n, "id"), world.Sharednet1ID)
			}
		}
	}
	for _, kind := range []string{"image", "flavor"} { // they are told apart by name
		for _, one := range slices.Concat(list(dig(body, kind+"s")), []any{dig(body, kind)}) { // bodies are shared
			if name, ok := dig(one, "name").(string); ok {
				pair(dig(one, "id"), world.FixedUUID(kind+" "+name))
			}
		}
	}
	for net := range object(dig(body, "addresses")) {
		pair(net, world.CaliconetID)
	}
	for _, d := range list(dig(body, "devices")) {
		for _, live := range p.e.world.Devices {
			if live.Name == dig(d, "name") {
				pair(dig(d, "id"), live.ID)
			}
		}
	}
}

func list(v any) []any            { l, _ := v.([]any); return l }
func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

// run replays the folder.
func (p *replay) run() {
	if f := beforeFolder[p.folder]; f != nil {
		f(p)
	}
	list := slices.Clone(p.all[p.folder])
	for _, r := range list {
		p.tally.record(r)
		if why := whyNotReplayed(r); why != "" {
			p.tally.leave(r, why)
		}
	}
	list = slices.DeleteFunc(list, func(r *recording) bool { return whyNotReplayed(r) != "" })
	for len(list) > 0 {
		polls := 0
		for polls < len(list) && polled.MatchString(list[polls].name) {
			polls++
		}
		if polls > 0 {
			p.follow(list[:polls], list)
			list = list[polls:]
			continue
		}
		if len(list) > 1 && polled.MatchString(list[1].name) {
			p.watcher.start()
		}
		p.prepare(list[0], list)
		p.order(during[list[0].String()])
		p.exchange(list[0])
		p.withdraw(during[list[0].String()])
		list = list[1:]
	}
}

// prepare brings about what a recording takes for granted.
func (p *replay) prepare(r *recording, rest []*recording) {
	p.keepTime(r)
	if f := before[r.String()]; f != nil {
		f(p)
	}
	p.tidy(r, rest)
	if p.folder == "fleet" && (strings.HasSuffix(r.Request.Path, "/containers/?run=true") ||
		strings.Contains(string(r.Response.Body), `"ACTIVE"`)) {
		p.settled()
	}
}

// settled waits until no lease of anybody is about to start, as the recorder did.
func (p *replay) settled() {
	p.poll("the leases to start", func() bool {
		return !slices.ContainsFunc(list(p.people[world.Root].blazar("GET", "/leases", nil).at("leases")), func(l any) bool {
			start, _ := dig(l, "start_date").(string)
			due := start <= p.e.world.Now().Format("2006-01-02T15:04:05")
			return dig(l, "status") == "STARTING" || dig(l, "status") == "PENDING" && due
		})
	})
}

// failed says how an answer differs from the recorded one.
func (p *replay) failed(r *recording, a answer, diff []string) {
	p.t.Errorf("%s: %s %s\n  %s\n  answer %.1500s", r, r.Request.Method, r.Request.Path, strings.Join(diff, "\n  "), a)
}

// lag is how far this run may fall behind the recorder. On a machine that is busy with
// something else a lease would end before the request that was recorded in it.
const lag = time.Second

// keepTime moves the cloud's clock to where the recorder's stood; back as well, where
// this run takes longer than the recorder did.
func (p *replay) keepTime(r *recording) {
	if r.at.IsZero() {
		return
	}
	if d := r.at.Add(p.shift).Sub(p.e.world.Now()); d > 0 || d < -lag {
		p.e.Advance(d)
	}
}

// exchange sends one request and compares.
func (p *replay) exchange(r *recording) {
	began := time.Now()
	a := p.request(r)()
	if d := time.Since(began); d > 300*time.Millisecond {
		p.t.Logf("%s took %v", r, d.Round(100*time.Millisecond))
	}
	if diff := p.compare(r, a); len(diff) > 0 {
		p.failed(r, a, diff)
	}
}

// polled are recordings of something on its way: the number counts the polls, and the word
// is the state that the recorder saw just before.
var polled = regexp.MustCompile(`-(\d+-[A-Z][A-Za-z]+|gone|running|active|then)(\.\d+)?$`)

// follow polls until every recorded answer was seen, one after the other. The emulator
// keeps each state until a poll has seen it, so none is missed.
func (p *replay) follow(group, rest []*recording) {
	p.watcher.start()
	defer p.watcher.stop()
	var last answer // may be what the next poll saw as well
	for asked := ""; len(group) > 0; {
		r := group[0]
		p.prepare(r, rest)
		p.order(during[r.String()])
		request := p.request(r)
		var best []string
		var closest answer
		for deadline := time.Now().Add(patience); ; {
			a := last
			if asked != r.Request.Path {
				a = p.watcher.poll(request)
			}
			asked = ""
			diff := p.compare(r, a)
			if len(diff) == 0 {
				last, asked = a, r.Request.Path
				break
			}
			if best == nil || len(diff) < len(best) {
				best, closest = diff, a
			}
			if time.Now().After(deadline) {
				p.failed(r, closest, append(best, "in no answer of the polls"))
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		p.withdraw(during[r.String()])
		group, rest = group[1:], rest[1:]
	}
}

// compare returns the differences. Names are paired, and the answer counted, if there are
// none.
func (p *replay) compare(r *recording, a answer) []string {
	m := &matcher{r: r, names: p.names.tentative(), shift: p.shift, used: map[*exemption]bool{}}
	m.answer(a)
	if len(m.diff) > 0 {
		return m.diff
	}
	p.mutants.try(p.t, r, a, m.names, p.shift, len(p.names.live))
	m.names.keep()
	want := r.want()
	p.names.note(want, decoded([]byte(a.raw)))
	p.remember(r, want, a)
	p.tally.replayed(r, m.used)
	return nil
}

// who sends a request, told by the recording's name.
func (p *replay) who(r *recording) *client {
	var c client
	switch {
	case r.has("other-project") && !r.has("wrong"):
		c = *p.people[world.Carol]
	case r.has("admin", "97c-", "00-device-create-duplicate", "00-device-create-not-in-k8s"):
		c = *p.people[world.Root]
	case r.has("reader-"):
		c = *p.people[world.Dana]
	default:
		c = *p.client
	}
	switch {
	case header(r.Request.Headers, "X-Auth-Token") == "":
		c.token = ""
	case r.has("garbage") ||
		strings.HasPrefix(r.folder, "baremetal/") && r.has("bad-token", "expired-token"):
		c.token = "garbage"
	case special[r.String()] != nil:
		c.token = special[r.String()](p)
	}
	return &c
}

// request prepares the request as this run must send it.
func (p *replay) request(r *recording) func() answer {
	root := map[string]string{
		"keystone": strings.TrimSuffix(p.auth, "/v3"),
		"blazar":   strings.TrimSuffix(p.endpoints["reservation"], "/v1"),
		"zun":      strings.TrimSuffix(p.endpoints["container"], "/v1"),
		"neutron":  p.endpoints["network"],
		"nova":     strings.TrimSuffix(p.endpoints["compute"], "/v2.1"),
		"glance":   p.endpoints["image"],
	}[r.Service]
	p.names.know(header(r.Request.Headers, "Host"), strings.TrimPrefix(root, "http://"))
	c := p.who(r)
	path := p.translate(r, r.Request.Path)
	var headers []string
	for _, h := range []string{"Accept", "OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Content-Type"} {
		if v := header(r.Request.Headers, h); v != "" {
			headers = append(headers, h, v)
		}
	}
	if header(r.Request.Headers, "X-Subject-Token") != "" {
		headers = append(headers, "X-Subject-Token", p.subject(r))
	}
	var body any
	if len(r.Request.Body) > 0 && string(r.Request.Body) != "null" {
		var raw struct {
			Text *string `json:"_text"`
		}
		json.Unmarshal(r.Request.Body, &raw)
		if raw.Text != nil {
			body = *raw.Text
		} else {
			body = p.secrets(r, p.moved(p.translate(r, string(r.Request.Body))), c)
		}
	}
	return func() answer { return c.do(r.Request.Method, root+path, body, headers...) }
}

// translate puts this run's ids in place of the recorded ones, making what is not there yet.
func (p *replay) translate(r *recording, text string) string {
	text = anID.ReplaceAllStringFunc(text, func(id string) string {
		if p.ids[id] == "" && !known(id) {
			live := p.make(r, id)
			if p.ids[id] == "" {
				p.names.pair(id, live)
				p.ids[id] = live
			}
		}
		if live := p.ids[id]; live != "" {
			return live
		}
		return id
	})
	for recorded, live := range p.ids {
		if address.MatchString(recorded) {
			text = strings.ReplaceAll(text, recorded, live)
		}
	}
	return strings.ReplaceAll(text, "CHI-231138", p.e.world.User(world.Alice).Project.Name)
}

// known are ids of the boards, which are the same in the recording and here.
func known(id string) bool {
	return slices.ContainsFunc(world.StandardDevices(), func(d world.Device) bool { return d.UID == id })
}

// secrets fills in what was blacked out.
func (p *replay) secrets(r *recording, body string, c *client) string {
	fill := func(key, value string) {
		old, _ := json.Marshal(map[string]string{key: "<redacted>"})
		body = regexp.MustCompile(regexp.QuoteMeta(strings.Trim(string(old), "{}")[:len(key)+3])+`\s*"<redacted>"`).
			ReplaceAllString(body, `"`+key+`": "`+value+`"`)
	}
	password, secret := p.e.world.User(world.Alice).Password, p.ids["secret"]
	for _, id := range anID.FindAllString(string(r.Request.Body), -1) {
		if s := p.ids["secret of "+id]; s != "" {
			secret = s
		}
	}
	if r.has("password-wrong") {
		password = "wrong"
	}
	if r.has("wrong-secret") {
		secret = "wrong"
	}
	fill("password", password)
	fill("secret", secret)
	token := c.token
	if token == "" {
		token = p.token
	}
	if f := special[r.String()]; f != nil {
		token = f(p)
	}
	return strings.ReplaceAll(body, "<token>", token)
}
