package emulator

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"chexp/orchestrator/internal/emulator/world"
)

// interactive asks for an interactive execute and returns the answer.
func (c *client) interactive(box, command string) answer {
	c.t.Helper()
	return c.zun("POST", "/containers/"+box+"/execute?"+url.Values{"command": {command}, "run": {"false"},
		"interactive": {"true"}}.Encode(), nil)
}

// dial connects to a proxy's URL; status is that of a refusal.
func dial(t *testing.T, to string, o *websocket.DialOptions) (ws *websocket.Conn, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	ws, resp, err := websocket.Dial(ctx, to, o)
	if err != nil {
		if resp == nil {
			t.Fatal(err)
		}
		return nil, resp.StatusCode
	}
	t.Cleanup(func() { ws.CloseNow() })
	return ws, http.StatusSwitchingProtocols
}

// drain reads until the socket closes.
func drain(t *testing.T, ws *websocket.Conn) (all string, kinds map[websocket.MessageType]bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	kinds = map[websocket.MessageType]bool{}
	for {
		kind, data, err := ws.Read(ctx)
		if err != nil {
			if websocket.CloseStatus(err) != websocket.StatusNormalClosure {
				t.Errorf("the socket ended with %v", err)
			}
			return all, kinds
		}
		kinds[kind] = true
		all += string(data)
	}
}

var offered = []string{"binary", "base64"}

func TestInteractiveExecute(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()

	a := c.want(200, c.interactive(box, "sh -c 'echo started >/root/mark; echo out; echo err >&2; exit 3'"))
	shape := regexp.MustCompile(`^ws://127\.0\.0\.1:\d+/\?token=[0-9a-f-]{36}&uuid=` + box + `&exec_id=([0-9a-f]{64})$`)
	m := shape.FindStringSubmatch(a.text("proxy_url"))
	if m == nil || m[1] != a.at("exec_id") || a.at("output") != nil || a.at("exit_code") != nil || len(a.body) != 4 {
		t.Fatalf("handshake: %v", a)
	}
	// The command starts when somebody connects, not before.
	if got := c.execute(box, "test -e /root/mark"); got.at("exit_code") != 1.0 {
		t.Errorf("it runs already: %v", got)
	}
	ws, _ := dial(t, a.text("proxy_url"), &websocket.DialOptions{Subprotocols: offered})
	if ws.Subprotocol() != "binary" {
		t.Errorf("subprotocol %q", ws.Subprotocol())
	}
	// Clean bytes: no channel byte, no exit status.
	if all, kinds := drain(t, ws); all != "out\nerr\n" || kinds[websocket.MessageText] {
		t.Errorf("frames %q, %v", all, kinds)
	}
	if _, status := dial(t, a.text("proxy_url"), &websocket.DialOptions{Subprotocols: offered}); status != 403 {
		t.Errorf("a token served twice: %d", status)
	}

	// Input, and base64 for clients that cannot do binary.
	a = c.want(200, c.interactive(box, "sh -c 'read x; echo got $x; echo EXIT:$?'"))
	ws, _ = dial(t, a.text("proxy_url"), &websocket.DialOptions{Subprotocols: []string{"base64"}})
	if err := ws.Write(context.Background(), websocket.MessageText,
		[]byte(base64.StdEncoding.EncodeToString([]byte("this\n")))); err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, frame := range regexp.MustCompile(`[A-Za-z0-9+/]+=*`).FindAllString(func() string {
		s,
			_ := drain(t, ws)
		return s
	}(), -1) {
		data, err := base64.StdEncoding.DecodeString(frame)
		if err != nil {
			t.Errorf("frame %q: %v", frame, err)
		}
		all += string(data)
	}
	if all != "got this\nEXIT:0\n" {
		t.Errorf("over base64: %q", all)
	}

	// 330 kB pass, no limit of 5 s applies, and a missing program says so.
	a = c.want(200, c.interactive(box, "head -c 330000 /dev/zero"))
	ws, _ = dial(t, a.text("proxy_url"), nil)
	ws.SetReadLimit(1 << 20)
	if all, _ := drain(t, ws); len(all) != 330000 {
		t.Errorf("%d bytes of 330000 came", len(all))
	}
	a = c.want(200, c.interactive(box, "/no/such/program"))
	ws, _ = dial(t, a.text("proxy_url"), nil)
	if all, _ := drain(t, ws); !strings.Contains(all, "no such file or directory") || strings.Contains(all, "nsenter") {
		t.Errorf("missing program: %q", all)
	}

	// An Origin is refused, and so is a token with another container's uuid.
	a = c.want(200, c.interactive(box, "true"))
	if _, status := dial(t, a.text("proxy_url"),
		&websocket.DialOptions{HTTPHeader: http.Header{"Origin": {"http://x"}}}); status != 403 {
		t.Errorf("with an Origin: %d", status)
	}
	if _, status := dial(t, strings.Replace(a.text("proxy_url"), box, world.NewUUID(), 1), nil); status != 403 {
		t.Errorf("for another container: %d", status)
	}
	c.order("zun.interactive=off")
	c.want(500, c.interactive(box, "true"))
	c.want(500, c.zun("POST", "/containers/"+box+"/execute?command=true&run=false&interactive=false", nil))
	c.order("zun.interactive=offx1")
	c.want(500, c.interactive(box, "true"))
	c.want(200, c.interactive(box, "true"))
}

func TestAttachAndStats(t *testing.T) {
	t.Parallel()
	c := withContainers(t, "amd64", Options{})
	box := c.runningContainer()
	a := c.want(200, c.zun("GET", "/containers/"+box+"/attach", nil))
	to := strings.Trim(strings.ReplaceAll(a.raw, `\u0026`, "&"), "\"\n")
	ws, _ := dial(t, to, &websocket.DialOptions{Subprotocols: offered})
	if err := ws.Write(context.Background(), websocket.MessageBinary,
		[]byte("cd /root && echo here: $(pwd); exit\n")); err != nil {
		t.Fatal(err)
	}
	if all, _ := drain(t, ws); !strings.Contains(all, "here: /root\n") {
		t.Errorf("the shell said %q", all)
	}
	a = c.want(200, c.zun("GET", "/containers/"+box+"/stats", nil))
	if !regexp.MustCompile(`^\d+n$`).MatchString(a.text("cpu")) ||
		!regexp.MustCompile(`^[1-9]\d*Ki$`).MatchString(a.text("memory")) {
		t.Errorf("stats: %v", a)
	}
	c.want(202, c.zun("POST", "/containers/"+box+"/stop", nil))
	c.await(box, "Stopped")
	c.want(409, c.zun("GET", "/containers/"+box+"/attach", nil))
	c.want(409, c.zun("GET", "/containers/"+box+"/stats", nil))
}
