package emulator

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// anID is a UUID or one of Keystone's ids.
var anID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{64}\b|\b[0-9a-f]{32}\b`)

// volatile is what differs between two runs of the same cloud.
var volatile = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{anID, "<id>"},
	{regexp.MustCompile(`datetime\.datetime\([^)]*\)`), "<date>"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?(\.\d+)?Z?`), "<time>"},
	{regexp.MustCompile(`https?://[0-9.]+:\d+`), "<url>"},
	{regexp.MustCompile(`wss?://[0-9.]+:\d+`), "<ws>"},
	{regexp.MustCompile(`\b\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\b`), "<address>"},
	{regexp.MustCompile(`\b(CHI-\d+)\b`), "<project>"},
	{regexp.MustCompile(`\b\d+/\d+ nodes`), "N/N nodes"},
	{regexp.MustCompile(`\b\d+ (node\(s\)|Preemption)`), "N $1"},
	{regexp.MustCompile(`\(('<time>'), 1, 1, 1, \d+\)`), "($1, 1, 1, 1, <row>)"},
	{regexp.MustCompile(`^[a-z]+-\d+-container$`), "<letter>-N-container"},
	{regexp.MustCompile(`HTTPHeaderDict\(\{[^}]*\}\)`), "<headers>"},
	{regexp.MustCompile(`(?s)Traceback \(most recent call last\).*`), "<traceback>"},
}

func steady(s string) string {
	for _, v := range volatile {
		s = v.pattern.ReplaceAllString(s, v.with)
	}
	return s
}

// any values: chosen at random, or data of this emulator's boards and people.
var anyValue = []string{"id", "audit_ids", "request_id", "mac_address", "trust_id", "updated_at", "secret", "description", "revision_number",
	"region", "url", "standard_attr_id", "nonce", "model", "vendor", "start_time", "finish_time", "mtu", "subnets", "shared"}

// mayBeNull: whether a value is there depends on the moment.
var mayBeNull = []string{"updated_at", "finish_time"}

// compareJSON lists what is different. at is the path for messages.
func compareJSON(want, got any, at string) []string {
	key, _, _ := strings.Cut(at[strings.LastIndexByte(at, '.')+1:], "[")
	if want == nil || got == nil {
		if (want == nil) != (got == nil) && !slices.Contains(mayBeNull, key) {
			return []string{fmt.Sprintf("%s is %v, recorded %v", at, brief(got), brief(want))}
		}
		return nil
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, recorded an object", at, got)}
		}
		return compareObjects(w, g, at)
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, recorded a list", at, got)}
		}
		return compareLists(w, g, at)
	case string:
		g, ok := got.(string)
		if !ok {
			return []string{fmt.Sprintf("%s is %T, recorded text", at, got)}
		}
		if slices.Contains(anyValue, key) || steady(w) == steady(g) {
			return nil
		}
		const schema = "\n\nFailed validating"
		if cut, _, found := strings.Cut(w, schema); found && key == "message" {
			if short, _, _ := strings.Cut(g, schema); short == cut {
				return nil // Keystone prints a whole schema behind it
			}
		}
		if key == "data" {
			return compareArchives(w, g)
		}
	default:
		if fmt.Sprintf("%T", got) != fmt.Sprintf("%T", want) {
			return []string{fmt.Sprintf("%s is %T, recorded %T", at, got, want)}
		}
		if want == got || slices.Contains(anyValue, key) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s is %v, recorded %v", at, brief(got), brief(want))}
}

func brief(v any) string {
	data, _ := json.Marshal(v)
	if len(data) > 400 {
		return string(data[:400]) + "…"
	}
	return string(data)
}

// capabilities are data: the boards of this emulator have what doni writes, those of the
// recording what the recorder typed.
func capabilities(v map[string]any) bool {
	return v["device_driver"] != nil && v["machine_name"] != nil
}

func compareObjects(want, got map[string]any, at string) (diff []string) {
	if c, ok := want["endpoints"]; ok && c != nil && sameForm(want, got) {
		return nil // the recorder had a placement service, this cloud has the inventory
	}
	if shortened(want["data"]) {
		// The recorder cut the archive off, and its directory held other files.
		want = map[string]any{"data": want["data"], "stat": map[string]any{"name": dig(want, "stat", "name"), "size": dig(got, "stat", "size")}}
	}
	if strings.HasSuffix(at, ".extras") || strings.HasSuffix(at, ".addresses") && len(want) == len(got) {
		return nil
	}
	for k, w := range want {
		g, ok := got[k]
		switch {
		case !ok && capabilities(want):
		case !ok:
			diff = append(diff, at+"."+k+" is missing")
		case k == "status" && want["event_type"] == "before_end_lease": // the recorder's reminder came 60 minutes before the end, not 48 hours
		case k == "name" && want["device_driver"] != nil && want["machine_name"] == nil: // a lease's board, chosen at random
		case capabilities(want) && (k == "name" || k == "machine_name" || k == "device_driver" || k == "reservable"):
		default:
			diff = append(diff, compareJSON(w, g, at+"."+k)...)
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok && !capabilities(want) {
			diff = append(diff, at+"."+k+" was not recorded")
		}
	}
	return diff
}

// compareLists pairs elements; a list of another length is of other objects, whose form must
// be that of one of the recorded ones.
func compareLists(want, got []any, at string) (diff []string) {
	if len(want) == len(got) {
		for i := range want {
			diff = append(diff, compareJSON(want[i], got[i], fmt.Sprintf("%s[%d]", at, i))...)
		}
		return diff
	}
	if (len(want) == 0) != (len(got) == 0) {
		return []string{fmt.Sprintf("%s has %d elements, recorded %d", at, len(got), len(want))}
	}
	for i, g := range got {
		if !slices.ContainsFunc(want, func(w any) bool { return sameForm(w, g) }) {
			diff = append(diff, fmt.Sprintf("%s[%d] has no recorded form: %s", at, i, brief(g)))
		}
	}
	return diff
}

// sameForm compares keys and kinds only.
func sameForm(want, got any) bool {
	switch w := want.(type) {
	case nil:
		return true
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) && !capabilities(w) {
			return got == nil
		}
		for k := range w {
			if _, ok := g[k]; !ok && !capabilities(w) || ok && k != "extras" && k != "addresses" && !sameForm(w[k], g[k]) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && (len(w) == 0 || len(g) == 0 || sameForm(w[0], g[0]))
	}
	return got == nil || fmt.Sprintf("%T", want) == fmt.Sprintf("%T", got)
}

// compareArchives compares what two tar archives contain: names and sizes, or nothing.
func compareArchives(want, got string) []string {
	if cut, _, found := strings.Cut(want, "...("); found {
		want, got = cut[:len(cut)/4*4], got[:min(len(got), len(cut)/4*4)]
	}
	list := func(text string) string {
		data, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			data = []byte(text)
		}
		return strings.Join(members(data), " ")
	}
	if w, g := list(want), list(got); w != g {
		return []string{fmt.Sprintf("the archive has %q, recorded %q", g, w)}
	}
	return nil
}

func shortened(data any) bool {
	text, _ := data.(string)
	return strings.HasSuffix(text, "(shortened)")
}

// members reads the headers of a tar by hand: an archive that went through a text channel has
// no valid checksums left.
func members(data []byte) (names []string) {
	for len(data) >= 136 && data[0] != 0 {
		name, _, _ := strings.Cut(string(data[:100]), "\x00")
		var size int
		fmt.Sscanf(strings.Trim(string(data[124:135]), "\x00 "), "%o", &size)
		names = append(names, fmt.Sprintf("%s(%d)", name, size))
		next := 512 + (size+511)/512*512
		if next > len(data) {
			break
		}
		data = data[next:]
	}
	return names
}

// comparedHeaders are those that a client acts upon.
var comparedHeaders = []string{"Content-Type", "OpenStack-API-Version", "OpenStack-API-Minimum-Version", "OpenStack-API-Maximum-Version", "Allow", "Vary"}

// presentHeaders need only be there.
var presentHeaders = []string{"Location", "WWW-Authenticate", "X-Subject-Token", "X-Openstack-Request-Id"}

func compareHeaders(want []string, a answer) (diff []string) {
	for _, h := range comparedHeaders {
		if w, g := header(want, h), a.header.Get(h); w != g {
			diff = append(diff, fmt.Sprintf("header %s is %q, recorded %q", h, g, w))
		}
	}
	for _, h := range presentHeaders {
		if (header(want, h) == "") != (a.header.Get(h) == "") {
			diff = append(diff, fmt.Sprintf("header %s is %q, recorded %q", h, a.header.Get(h), header(want, h)))
		}
	}
	return diff
}

// learn pairs the ids of a recorded answer with those of this run's.
func (p *replay) learn(want, got any) {
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k := range w {
			if k != "catalog" && k != "roles" {
				p.learn(w[k], g[k])
			}
		}
	case []any:
		g, _ := got.([]any)
		for i := range min(len(w), len(g)) {
			if len(w) == len(g) {
				p.learn(w[i], g[i])
			}
		}
	case string:
		g, _ := got.(string)
		if p.ids[w] == "" && (anID.FindString(w) == w && anID.FindString(g) == g || address.MatchString(w) && address.MatchString(g)) {
			p.ids[w] = g
		}
	}
}

var address = regexp.MustCompile(`^\d+\.\d+\.\d+\.\d+$`)

var minuteTime = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d`)

// moved shifts the times of a request into this run.
func (p *replay) moved(text string) string {
	return minuteTime.ReplaceAllStringFunc(text, func(s string) string {
		t, err := time.Parse("2006-01-02 15:04", s)
		if err != nil {
			return s
		}
		return t.Add(p.shift).Format("2006-01-02 15:04")
	})
}
