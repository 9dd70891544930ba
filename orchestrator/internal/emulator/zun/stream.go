package zun

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// session is an interactive execute, or an attach, that nobody has connected to yet.
type session struct {
	containerID, execID string // execID "" for an attach
	words               []string
	expires             time.Time
}

// sessionLife is how long a token waits for its websocket.
const sessionLife = 10 * time.Minute

// open makes a one-shot token.
func (s podCalls) open(row *container, words []string, execID string) (token string) {
	now := s.World.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions == nil {
		s.sessions = map[string]session{}
	}
	for t, old := range s.sessions {
		if now.After(old.expires) {
			delete(s.sessions, t)
		}
	}
	token = world.NewUUID()
	s.sessions[token] = session{containerID: row.uuid, execID: execID, words: words, expires: now.Add(sessionLife)}
	return token
}

// interactive answers with the address of a websocket instead of an output. This is what
// production does since 2026 and its nightly tests assert; the public code of 2024 answers 500,
// which the fault "interactive-off" brings back.
func (s podCalls) interactive(c call, row *container, words []string) {
	if s.World.Orders.Take(InteractiveOff) {
		c.fail(internal)
		return
	}
	execID := world.NewHex(32)
	token := s.open(row, words, execID)
	c.ok(200, executed{ExecID: execID, ProxyURL: s.ProxyURL + "/?token=" + token + "&uuid=" + row.uuid + "&exec_id=" +
		execID})
}

// attachURL answers the address of a shell in the container, as a JSON string.
func (s podCalls) attachURL(c call, ident string) {
	row := s.may(c, ident, "attach")
	if row == nil {
		return
	}
	if !s.client.reads() {
		c.fail(internal)
		return
	}
	token := s.open(row, []string{"/bin/sh", "-i"}, "")
	c.ok(200, s.ProxyURL+"/?token="+token+"&uuid="+row.uuid)
}

// take redeems a token.
func (s podCalls) take(r *http.Request) (*sandbox.Container, session, bool) {
	q := r.URL.Query()
	s.mu.Lock()
	defer s.mu.Unlock()
	se, ok := s.sessions[q.Get("token")]
	if !ok || se.containerID != q.Get("uuid") || se.execID != q.Get("exec_id") || s.World.Now().After(se.expires) {
		return nil, se, false
	}
	delete(s.sessions, q.Get("token"))
	for _, row := range s.rows {
		if row.uuid == se.containerID && row.pod != nil {
			return row.pod, se, true
		}
	}
	return nil, se, false
}

// Proxy is the websocket proxy, a listener of its own. The command starts when the client
// connects. Frames carry the bytes of its input and output and nothing else; the socket
// closes at its end and its exit status is not told.
func (s *Service) Proxy() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Origin") != "" {
			http.Error(w, "Origin header not allowed", http.StatusForbidden)
			return
		}
		pod, se, ok := podCalls{s}.take(r)
		if !ok {
			http.Error(w, "The token is unknown, used or expired", http.StatusForbidden)
			return
		}
		ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"binary", "base64"},
			CompressionMode: websocket.CompressionDisabled})
		if err != nil {
			return // it has answered
		}
		ctx, cancel := context.WithCancel(s.life)
		defer cancel()
		stream(ctx, ws, pod, se.words)
	})
}

// maxFrame bounds what a client may send in one frame.
const maxFrame = 1 << 20

func stream(ctx context.Context, ws *websocket.Conn, pod *sandbox.Container, words []string) {
	defer ws.CloseNow()
	ws.SetReadLimit(maxFrame)
	frames := frameWriter{ctx, ws, ws.Subprotocol() == "base64"}
	proc, err := pod.ExecTo(words, frames)
	if err != nil {
		ws.Close(websocket.StatusInternalError, "the container has ended")
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		defer proc.Stdin.Close()
		defer cancel()
		for {
			_, data, err := ws.Read(ctx)
			if err != nil {
				return
			}
			if frames.base64 {
				if data, err = base64.StdEncoding.DecodeString(string(data)); err != nil {
					return
				}
			}
			if _, err := proc.Stdin.Write(data); err != nil {
				<-ctx.Done() // it reads no more; its output may go on
				return
			}
		}
	}()
	select {
	case <-proc.Done():
		if _, found := proc.Result(); !found {
			_, _ = io.WriteString(frames, "OCI runtime exec failed: exec failed: unable to start container process: exec: "+
				"\""+words[0]+"\": no such file or directory: unknown")
		}
		ws.Close(websocket.StatusNormalClosure, "")
	case <-ctx.Done(): // the client went away; the command goes on
	}
}

// frameWriter sends every write as one frame.
type frameWriter struct {
	ctx    context.Context
	ws     *websocket.Conn
	base64 bool
}

func (f frameWriter) Write(p []byte) (int, error) {
	var err error
	if f.base64 {
		err = f.ws.Write(f.ctx, websocket.MessageText, []byte(base64.StdEncoding.EncodeToString(p)))
	} else {
		err = f.ws.Write(f.ctx, websocket.MessageBinary, p)
	}
	if err != nil {
		return 0, err
	}
	return len(p), nil
}
