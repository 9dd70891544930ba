package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// agentsEnv names the directory of what chexp brings along: agents, the emulator's
// images, runtimes.
const agentsEnv = "CHEXP_AGENTS"

// carriers are the directories in which chexp looks for what it brings along, the
// first first: the variable's, the program's own (an archive that was unpacked, or
// bin/ of a checkout), ../lib/chexp beside it (a package), and the user's
// $XDG_DATA_HOME/chexp (for a program that `go install` put elsewhere).
func carriers() []string {
	var dirs []string
	if dir := os.Getenv(agentsEnv); dir != "" {
		dirs = append(dirs, dir)
	}
	if exe, err := os.Executable(); err == nil {
		if whole, err := filepath.EvalSymlinks(exe); err == nil {
			exe = whole
		}
		dirs = append(dirs, filepath.Dir(exe), filepath.Join(filepath.Dir(exe), "..", "lib", "chexp"))
	}
	if dir := dataHome(); dir != "" {
		dirs = append(dirs, filepath.Join(dir, "chexp"))
	}
	return dirs
}

// dataHome is where a user's programs keep what they need; "" if that is not known.
func dataHome() string {
	if runtime.GOOS == "windows" {
		return cmp.Or(os.Getenv("XDG_DATA_HOME"), os.Getenv("LOCALAPPDATA"))
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) { // a relative one does not count, by the specification
		return dir
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, ".local", "share")
}

// carried is the path of a thing that chexp brings along. Where there is none, it is
// the path at which a checkout has it.
func carried(name string) string {
	dirs := carriers()
	for _, dir := range dirs {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
	}
	return filepath.Join(append(dirs, ".")[0], name)
}

// whereToGet is what to do about an agent or image that is nowhere.
func whereToGet(target string) string {
	return "an unpacked release has it beside chexp, and a checkout makes it: `make " + target + "`. Looked in " +
		strings.Join(carriers(), ", ") + "; " + agentsEnv + "=DIR names another directory"
}

// addTools lets the emulator find the tools that a release brings along, where this
// machine has none of its own.
func addTools() {
	if dir := carried("libexec"); exists(dir) {
		os.Setenv("PATH", os.Getenv("PATH")+string(os.PathListSeparator)+dir)
	}
}
