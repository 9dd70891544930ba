package zun

import (
	"bytes"
	"encoding/base64"
	"io"
	"path"
	"strings"
	"time"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
	"chexp/orchestrator/internal/emulator/sandbox"
	"chexp/orchestrator/internal/emulator/world"
)

// executed is the answer to an execute.
type executed struct {
	Output   any `json:"output"`
	ExitCode any `json:"exit_code"`
	ExecID   any `json:"exec_id"`
	ProxyURL any `json:"proxy_url"`
}

// execute runs a command without a shell and waits for at most ExecuteTimeout. What
// takes longer is answered with 200, the output so far and no exit code, and goes on.
func (s podCalls) execute(c call, ident string) {
	args, ok := c.arguments()
	if !ok {
		c.fail(internal)
		return
	}
	if p := c.checkParameters(map[string]rule{"run": boolean, "interactive": boolean,
		"command": execCommand}); p != nil {
		c.fail(p)
		return
	}
	row, pod, p := s.enter(c, ident, "execute")
	if p != nil {
		c.fail(p)
		return
	}
	text, given := args["command"].(string)
	run := args["run"] == nil || truth(args["run"])
	words, err := splitShell(text)
	switch {
	case !given || err != nil || len(words) == 0 || !run && !truth(args["interactive"]):
		c.fail(internal)
		return
	case !run:
		s.interactive(c, row, words)
		return
	}
	defer s.worker(c)()
	if !s.client.stream() {
		c.fail(internal)
		return
	}
	proc, err := pod.Exec(words, false, true)
	if err != nil {
		c.fail(internal)
		return
	}
	limit := s.World.Pace.ExecuteTimeout
	if s.World.Orders.Take(ExecuteCut) {
		limit = 0
	} else if f, ok := s.World.Orders.Of(execute); ok {
		limit = f.Action.Time
	}
	if !await(proc, limit) {
		// Bytes that are no UTF-8 become U+FFFD, one each, when the answer is encoded.
		c.ok(200, executed{Output: string(proc.Output())})
		return
	}
	if code, found := proc.Result(); found {
		c.ok(200, executed{Output: string(proc.Output()), ExitCode: code})
	} else {
		c.ok(200, executed{Output: "Malformed command, or binary not found in container", ExitCode: -1})
	}
}

// worker takes one of the compute service's threads, when their number is limited, and returns
// what gives it back. A call that gets none in the gateway's time is dropped by the client's end.
func (s podCalls) worker(c call) func() {
	f, ok := s.World.Orders.Of(workers)
	if !ok {
		return func() {}
	}
	for {
		s.mu.Lock()
		if s.busy < f.Action.Number {
			s.busy++
			s.mu.Unlock()
			return func() { s.mu.Lock(); s.busy--; s.mu.Unlock() }
		}
		s.mu.Unlock()
		if !world.Pause(c.r.Context(), 10*time.Millisecond) {
			front.Drop()
		}
	}
}

func await(p *sandbox.Process, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.Done():
		return true
	case <-t.C:
		return false
	}
}

// enter returns the running pod. A container without one, as after a stop, is a 404
// with the server's traceback in it.
func (s podCalls) enter(c call, ident, action string) (*container, *sandbox.Container, *problem) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row, p := s.begin(c, ident, action)
	if p != nil {
		return nil, nil, p
	}
	if row.pod == nil {
		return nil, nil, &problem{404, "container-not-found-remote", "Container %(container)s could not be found.\n" +
			"Traceback (most recent call last):\n\n  File " +
			"\"/usr/lib/python3/dist-packages/oslo_messaging/rpc/server.py\", line 165, in _process_incoming\n" +
			"    res = self.dispatcher.dispatch(message)\n\nzun.common.exception.ContainerNotFound: Container " +
			"%(container)s could not be found.\n"}
	}
	return row, row.pod, nil
}

// base64Since is the version from which archives travel as base64.
const base64Since version = 25

// putArchive runs "tar xmf - -C PATH" and writes the archive to it in one piece without
// ever closing its input. So a tar that GNU tar does not recognise as complete (padded
// to 10 240 bytes) hangs until the gateway gives up; what tar itself says about a missing
// directory or a full disk is not looked at.
func (s podCalls) putArchive(c call, ident string) {
	args, ok := c.arguments()
	if !ok {
		c.fail(internal)
		return
	}
	if s.may(c, ident, "put_archive") == nil {
		return
	}
	dir, data, ok := c.archive(args)
	if !ok {
		c.fail(internal)
		return
	}
	row, pod, p := s.enter(c, ident, "put_archive")
	command := "tar xmf - -C " + dir
	if p == nil && lookUp(row.req.Image, s.Host.Arch()).slowTar {
		command = "sh -c 'tar xmf - -C " + dir + "; cat >/dev/null'"
	}
	words, err := splitShell(command)
	if p == nil && (err != nil || len(data) > s.MaxArchive) {
		p = internal
	}
	if p != nil {
		c.fail(p)
		return
	}
	defer s.worker(c)()
	if !s.client.stream() {
		c.fail(internal)
		return
	}
	proc, err := pod.Exec(words, true, true)
	if err != nil || !s.feed(proc, data) {
		c.fail(internal)
		return
	}
	c.ok(200, nil)
}

// archive reads where an archive goes, and its bytes.
func (c call) archive(args map[string]any) (dir string, data []byte, ok bool) {
	dir, hasPath := args["path"].(string)
	text, hasData := args["data"].(string)
	if c.v < base64Since {
		return dir, []byte(text), hasPath && hasData
	}
	data, err := base64.StdEncoding.DecodeString(text)
	return dir, data, hasPath && hasData && err == nil
}

// feed gives data to a process, and says whether it ended in time and was found.
func (s podCalls) feed(proc *sandbox.Process, data []byte) bool {
	go func() {
		_, _ = io.Copy(proc.Stdin, bytes.NewReader(data)) // fails when tar ends early; tar's business
	}()
	if !await(proc, s.World.Pace.GatewayTimeout) {
		// The archive's own limit is twice that; then the input closes, and what tar
		// still held is written after the client saw a failure.
		go func() {
			await(proc, s.World.Pace.GatewayTimeout)
			proc.Stdin.Close()
		}()
		return false
	}
	proc.Stdin.Close()
	_, found := proc.Result()
	return found
}

// getArchive asks whether the path is a directory; then it packs the directory, or else
// the base name as seen from the working directory, which is wrong for most files. A
// path that does not exist is an empty archive.
func (s podCalls) getArchive(c call, ident string) {
	_, pod, p := s.enter(c, ident, "get_archive")
	if p != nil {
		c.fail(p)
		return
	}
	if !c.query.Has("path") {
		c.fail(internal)
		return
	}
	name := c.query.Get("path")
	ask, err := splitShell("sh -c 'test -d " + name + " && echo directory || echo file'")
	if err != nil {
		c.fail(internal)
		return
	}
	if !s.client.stream() {
		c.fail(internal)
		return
	}
	proc, err := pod.Exec(ask, false, true)
	if err != nil || !await(proc, s.World.Pace.ExecuteTimeout) {
		c.fail(internal)
		return
	}
	line := "tar cf - " + path.Base(name)
	if strings.HasSuffix(name, "/") {
		line = "tar cf - " // Python's basename of a path with a slash at its end
	}
	if strings.TrimSpace(string(proc.Output())) == "directory" {
		line = "tar cf - -C " + name + " ."
	}
	words, err := splitShell(line)
	if err != nil || !s.client.stream() {
		c.fail(internal)
		return
	}
	if proc, err = pod.Exec(words, false, false); err != nil || !await(proc, s.World.Pace.GatewayTimeout) {
		c.fail(internal)
		return
	}
	if _, found := proc.Result(); !found {
		c.fail(internal)
		return
	}
	tar := proc.Output()
	if len(tar) >= sandbox.MaxOutput {
		c.fail(internal) // more than one message can carry
		return
	}
	out := pyrepr.NewDict()
	if c.v >= base64Since {
		out.Set("data", base64.StdEncoding.EncodeToString(tar))
	} else {
		out.Set("data", string(tar))
	}
	out.Set("stat", map[string]any{"name": name + ".tar", "size": len(tar)})
	c.ok(200, out)
}
