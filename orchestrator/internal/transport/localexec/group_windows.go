package localexec

import "os/exec"

// ownGroup does nothing here: ending a command does not end what it started.
func ownGroup(*exec.Cmd) {}
