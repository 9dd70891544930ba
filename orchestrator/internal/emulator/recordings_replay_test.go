package emulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chexp/orchestrator/internal/emulator/world"
)

// replay sends the recordings of one folder to one emulator.
type replay struct {
	*client
	folder string
	all    map[string][]*recording
	ids    map[string]string  // recorded → of this run
	people map[string]*client // by name
	shift  time.Duration      // from the recording's clock to this run's
	made   []string           // recorded ids of leases made by the replay and used no more
}

func newReplay(t *testing.T, folder string, all map[string][]*recording) *replay {
	o := Options{Tick: 100 * time.Millisecond, PullDelay: 100 * time.Millisecond, ExecuteTimeout: 3 * time.Second, GatewayTimeout: 2 * time.Second}
	p := &replay{folder: folder, all: all, ids: map[string]string{}, people: map[string]*client{}}
	if strings.HasPrefix(folder, "zun") || folder == "neutron" || folder == "gophercloud" {
		p.client = withContainers(t, "amd64", o)
	} else {
		p.client = start(t, o)
	}
	for _, who := range []string{world.Alice, world.Bob, world.Carol, world.Root, world.Dana} {
		p.people[who] = p.as(who)
	}
	p.ids["00000000-0000-0000-0000-000000000000"] = "00000000-0000-0000-0000-000000000000"
	p.ids["00000000000000000000000000000000"] = "00000000000000000000000000000000"
	p.ids["http://127.0.0.1:5000"] = strings.TrimSuffix(p.e.AuthURL(), "/v3")
	for _, list := range all {
		for _, r := range list {
			p.introduce(r)
		}
	}
	first := all[folder][0]
	if !first.at.IsZero() {
		p.shift = p.e.world.Now().Truncate(time.Minute).Sub(first.at.Truncate(time.Minute)) + time.Minute
	}
	return p
}

// introduce learns from an answer which ids are people, projects, networks and boards.
func (p *replay) introduce(r *recording) {
	var body any
	json.Unmarshal(r.Response.Body, &body)
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
		if dig(n, "name") == "public" {
			pair(dig(n, "id"), world.PublicNetID)
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

// run replays the folder and counts.
func (p *replay) run(replayed *atomic.Int64) {
	if f := beforeFolder[p.folder]; f != nil {
		f(p)
	}
	for i, r := range p.all[p.folder] {
		p.keepTime(r)
		if f := before[r.String()]; f != nil {
			f(p)
		}
		p.order(during[r.String()])
		p.tidy(r, p.all[p.folder][i:])
		a, diff := p.exchange(r)
		p.withdraw(during[r.String()])
		if len(diff) > 0 {
			p.t.Errorf("%s: %s %s\n  %s\n  answer %.1500s", r, r.Request.Method, r.Request.Path, strings.Join(diff, "\n  "), a)
			continue
		}
		replayed.Add(1)
	}
}

// keepTime moves the cloud's clock to where the recorder's stood.
func (p *replay) keepTime(r *recording) {
	if r.at.IsZero() {
		return
	}
	if d := r.at.Add(p.shift).Sub(p.e.world.Now()); d > 0 {
		p.e.Advance(d)
	}
}

// passing are states that a poll may miss.
var passing = []string{"PENDING", "STARTING", "TERMINATING", "UPDATING", "Creating", "Created", "Restarting", "Deleting", "Stopped", "Running"}

// exchange sends one request and compares. What was recorded while the server worked on
// something is asked again until it fits, or until the moment has passed.
func (p *replay) exchange(r *recording) (a answer, diff []string) {
	began := time.Now()
	deadline := began.Add(20 * time.Second)
	request := p.request(r)
	for {
		a = request()
		var passed bool
		diff, passed = p.compare(r, a)
		if len(diff) == 0 || !polled.MatchString(r.name) || passed || time.Now().After(deadline) {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	if d := time.Since(began); d > 300*time.Millisecond {
		p.t.Logf("%s took %v", r, d.Round(100*time.Millisecond))
	}
	if len(diff) == 0 {
		var want any
		json.Unmarshal(r.Response.Body, &want)
		var got any
		json.Unmarshal([]byte(a.raw), &got)
		p.learn(want, got)
		p.remember(r, want, a)
	}
	return a, diff
}

var polled = regexp.MustCompile(`-(\d+-[A-Z][A-Za-z]+|gone)(\.\d+)?$`)

// compare returns the differences; passed tells that this exact state cannot be seen any
// more, and then only the form counts.
func (p *replay) compare(r *recording, a answer) (diff []string, passed bool) {
	var want, got any
	json.Unmarshal(r.Response.Body, &want)
	json.Unmarshal([]byte(a.raw), &got)
	if text, ok := object(want)["_text"].(string); ok {
		want = nil
		if steady(text) != steady(a.raw) {
			diff = append(diff, fmt.Sprintf("body %q, recorded %q", a.raw, text))
		}
		got = nil
	}
	if a.status == 404 && r.Response.Status == 200 && polled.MatchString(r.name) && r.has("eleting") {
		return nil, true // gone before this poll
	}
	if a.status == 200 && r.Response.Status == 200 && polled.MatchString(r.name) {
		ws, gs := status(want), status(got)
		between := ws == "ACTIVE" && (strings.Contains(string(r.Response.Body), "IN_PROGRESS") || r.has("-ending-"))
		// A creation's first moment is before the driver took it up; that of a locked database is
		// over when the container runs.
		begun := ws == "Creating" && gs == "Creating" && dig(want, "task_state") == nil && dig(got, "task_state") != nil
		recovered := r.has("dup-1-Error") && gs == "Running"
		if ws != gs && (between || slices.Contains(passing, ws)) && !r.has("stopping") && later(ws, gs) || begun || recovered {
			if !sameForm(want, got) {
				diff = append(diff, "another form: "+brief(got))
			}
			return append(diff, compareHeaders(r.Response.Headers, a)...), true
		}
	}
	if a.status != r.Response.Status {
		diff = append(diff, fmt.Sprintf("status %d, recorded %d %s", a.status, r.Response.Status, brief(want)))
		return diff, false
	}
	if f := adapt[r.String()]; f != nil {
		want, got = f(want), f(got)
	}
	diff = append(diff, compareJSON(want, got, "")...)
	return append(diff, compareHeaders(r.Response.Headers, a)...), false
}

func status(v any) string {
	for _, path := range [][]any{{"lease", "status"}, {"status"}} {
		if s, ok := dig(v, path...).(string); ok {
			return s
		}
	}
	return ""
}

// later tells whether a state comes after another on the usual way.
func later(passed, now string) bool {
	ways := []string{"PENDING STARTING ACTIVE TERMINATING TERMINATED", "PENDING STARTING ERROR", "Creating Created Running Error", "Creating Deleted",
		"Restarting Stopped Creating Running", "Running Stopped Deleting Deleted", "Stopped Creating Running"}
	for _, w := range ways {
		way := strings.Fields(w)
		if i, j := slices.Index(way, passed), slices.Index(way, now); i >= 0 && j > i {
			return true
		}
	}
	return false
}

// who sends a request, told by the recording's name.
func (p *replay) who(r *recording) *client {
	var c client
	switch {
	case r.has("other-project") && !r.has("wrong"):
		c = *p.people[world.Carol]
	case r.has("admin", "00-device-create-duplicate", "00-device-create-not-in-k8s"):
		c = *p.people[world.Root]
	case r.has("reader-"):
		c = *p.people[world.Dana]
	default:
		c = *p.client
	}
	switch {
	case header(r.Request.Headers, "X-Auth-Token") == "":
		c.token = ""
	case r.has("garbage"):
		c.token = "garbage"
	case special[r.String()] != nil:
		c.token = special[r.String()](p)
	}
	return &c
}

// request prepares the request as this run must send it.
func (p *replay) request(r *recording) func() answer {
	root := strings.TrimSuffix(p.e.AuthURL(), "/v3")
	switch r.service() {
	case "blazar":
		root = strings.TrimSuffix(p.endpoints["reservation"], "/v1")
	case "zun":
		root = strings.TrimSuffix(p.endpoints["container"], "/v1")
	case "neutron":
		root = p.endpoints["network"]
	}
	c := p.who(r)
	path := p.translate(r, r.Request.Path)
	var headers []string
	for _, h := range []string{"Accept", "OpenStack-API-Version", "Content-Type"} {
		if v := header(r.Request.Headers, h); v != "" {
			headers = append(headers, h, v)
		}
	}
	if header(r.Request.Headers, "X-Subject-Token") != "" {
		headers = append(headers, "X-Subject-Token", p.subject())
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

func (r *recording) service() string {
	for _, s := range []string{"blazar", "zun", "neutron", "keystone"} {
		if strings.HasPrefix(r.folder, s) || strings.HasSuffix(r.name, "."+s) {
			return s
		}
	}
	return ""
}

// translate puts this run's ids in place of the recorded ones, making what is not there yet.
func (p *replay) translate(r *recording, text string) string {
	text = anID.ReplaceAllStringFunc(text, func(id string) string {
		if p.ids[id] == "" && !known(id) {
			p.ids[id] = p.make(r, id)
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
