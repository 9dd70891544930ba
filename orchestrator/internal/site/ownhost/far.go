package ownhost

import (
	"context"
	"errors"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
)

// label keeps a name inside the directory of all runs.
var label = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// home is the folder in the user's home there that holds the runs' directories.
const home = ".chexp"

// isWorkDir reports whether a path that came from elsewhere is the run's directory.
func isWorkDir(dir, name string) bool {
	return transport.CheckPath(dir) == nil && strings.HasSuffix(dir, "/"+path.Join(home, name))
}

// Exit codes of the scripts, above what their tools use.
const (
	exitNotThere = 60
	exitForeign  = 61
	exitBusy     = 62
	exitFull     = 63
	exitNoExec   = 64
)

// inside lists, in $all, the processes that work in $dir or below it: one look at all,
// as a program for each takes seconds.
const inside = `all=$(ls -ld /proc/[0-9]*/cwd 2>/dev/null |
awk -v d="$dir" "\$NF == d || index(\$NF, d \"/\") == 1 { split(\$(NF - 2), p, \"/\"); print p[3] }")`

// makeScript makes the directory $0 of a run. Its marker says that chexp made it, so
// that chexp may remove it. Another run of this user that measures is not disturbed:
// its name is printed. $1 is how many kB must be free.
const makeScript = `umask 077; root=$(cd "$HOME" && pwd -P)/` + home + `; own=$root/$0
mkdir -p "$root" || exit 1
if [ ! -e "$own/.chexp-work" ]; then
for dir in "$root"/*; do [ -e "$dir/.chexp-work" ] || continue
` + inside + `
[ -z "$all" ] || { echo "${dir##*/}"; exit 62; }
done
free=$(df -Pk "$root" | awk "NR == 2 {print \$4}"); [ "${free:-0}" -ge "$1" ] || { echo "$free"; exit 63; }
mkdir "$own" || exit 61
echo "made by chexp run, which removes this directory" >"$own/.chexp-work" || exit 1
fi
printf "#!/bin/sh\n" >"$own/probe" && chmod 700 "$own/probe" || exit 1
"$own/probe" || { rm -rf "$own"; exit 64; }
rm "$own/probe"; cd "$own" && pwd -P`

const findScript = `cd "$HOME/` + home + `/$0" 2>/dev/null && [ -e .chexp-work ] || exit 60; pwd -P`

// removeScript ends what works in the directory, also what starts meanwhile, before it
// removes it. The marker goes last: without it, what is left would be nobody's.
const removeScript = `root=$HOME/` + home + `; dir=$root/$0
[ -e "$dir" ] || [ -L "$dir" ] || exit 0
[ -d "$dir" ] && [ ! -L "$dir" ] && [ -e "$dir/.chexp-work" ] || exit 61
dir=$(cd "$dir" && pwd -P) || exit 1
for i in 1 2 3 4 5; do
` + inside + `
[ -n "$all" ] || break
kill -9 $all 2>/dev/null; sleep 0.2
done
for f in "$dir"/* "$dir"/.[!.]* "$dir"/..?*; do
[ "$f" = "$dir/.chexp-work" ] || rm -rf "$f" || exit 1
done
rm -rf "$dir" || exit 1
rmdir "$root" 2>/dev/null; [ ! -e "$dir" ]`

// lookScript prints what is to be known of the machine, a line for each.
const lookScript = `echo "system $(uname -s)"; echo "machine $(uname -m)"; echo "cores $(nproc 2>/dev/null)"
echo "load $(cut -d " " -f 1 /proc/loadavg 2>/dev/null)"; echo "home $(cd "$HOME" && pwd -P)"
echo "free $(df -Pk "$HOME" 2>/dev/null | awk "NR == 2 {print \$4}")"
for tool in tar sha256sum awk df; do command -v "$tool" >/dev/null || echo "lacks $tool"; done
for p in /proc/[0-9]*; do read -r name 2>/dev/null <"$p/comm" || continue
[ "$name" = chexp-agent ] && echo "agent ${p#/proc/}"; done; exit 0`

// leastRoom is how many kB a run needs at least: the agent takes 15 MB as it is sent
// and 47 MB unpacked, the tutorial's models 9 MB each.
const leastRoom = 100 << 10

// limit bounds one look: a link that died says nothing for three probes of 15 s.
const limit = 2 * time.Minute

// script runs a script there, with arguments.
func (s *Site) script(ctx context.Context, text string, args ...string) (transport.Exit, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tr, err := s.open(ctx)
	if err != nil {
		return transport.Exit{}, err
	}
	defer tr.Close()
	return tr.Exec(ctx, transport.Command{Args: append([]string{"sh", "-c", text}, args...)})
}

// machine is what was found out about it.
type machine struct {
	system, name string // as uname has them
	arch         string // in Go's words; "": none that there is an agent for
	home         string
	cores, free  int // kB; 0: not known
	load         float64
	lacks        []string // programs
	agents       int      // of any user
}

func (s *Site) look(ctx context.Context) (m machine, err error) {
	out, err := s.script(ctx, lookScript)
	if err == nil && out.Code != 0 {
		err = s.said("looking at it", out)
	}
	if err != nil {
		return m, err
	}
	for line := range strings.Lines(string(out.Output)) {
		what, value, _ := strings.Cut(strings.TrimSpace(words.Line(line, 600)), " ")
		switch what {
		case "system":
			m.system = value
		case "machine":
			m.name = value
		case "home":
			m.home = value
		case "cores":
			m.cores, _ = strconv.Atoi(value)
		case "free":
			m.free, _ = strconv.Atoi(value)
		case "load":
			m.load, _ = strconv.ParseFloat(value, 64)
		case "lacks":
			m.lacks = append(m.lacks, value)
		case "agent":
			m.agents++
		}
	}
	m.arch = map[string]string{"aarch64": "arm64", "arm64": "arm64", "x86_64": "amd64"}[m.name]
	return m, nil
}

// runs refuses a machine that chexp has no agent for.
func (m machine) runs(s *Site) error {
	if m.system == "Linux" && m.arch != "" {
		return nil
	}
	return failure.Device.Errorf("%s is %s on %s, for which there is no agent", s.login(), words.Line(m.system, 40),
		words.Line(m.name, 40)).Advise("chexp has agents for Linux on aarch64 (64 bits) and x86_64")
}

// fit refuses a machine that cannot carry a run.
func (m machine) fit(s *Site) error {
	if err := m.runs(s); err != nil {
		return err
	}
	if len(m.lacks) > 0 {
		return failure.Device.Errorf("%s lacks %s", s.login(), words.List(m.lacks, ", ", 8)).
			Advise("install them there; on Debian, Ubuntu and Raspberry Pi OS they are in tar, coreutils and mawk")
	}
	if transport.CheckPath(m.home) != nil {
		return s.oddHome(m.home)
	}
	return m.room(s)
}

func (m machine) room(s *Site) error {
	if m.free >= leastRoom {
		return nil
	}
	return failure.Device.Errorf("%s has no room: %s are free in %s, a run takes %s at least", s.login(),
		words.Bytes(float64(m.free)*1024), words.Line(m.home, 200), words.Bytes(leastRoom*1024)).
		Advise("look with `%s`, and remove what is not needed", s.shell("df -h ."))
}

// busyLoad is the load, per core, from which on a machine counts as busy: an idle one
// has a few hundredths.
const busyLoad = 0.25

// busyWith says what else is at work there; "": nothing that is seen.
func (m machine) busyWith(s *Site) string {
	switch {
	case m.agents > 0:
		return s.login() + " is busy: another chexp measures on it. Two disturb each other: their results will be SUSPECT"
	case m.load >= busyLoad*float64(max(1, m.cores)):
		return s.login() + " is busy: its load is " + strconv.FormatFloat(m.load, 'f', 2, 64) + " on " +
			words.Plural(max(1, m.cores), "core") + ". What is measured beside that may be SUSPECT; `" +
			s.shell("top -bn1 | head -20") + "` shows what it is"
	}
	return ""
}

func (s *Site) cannotMake(name string, out transport.Exit) error {
	text := firstLine(out.Output)
	switch out.Code {
	case exitBusy:
		return failure.Capacity.Errorf("%s is busy: the run %s measures on it, and two would disturb each other",
			s.login(), words.Line(text, 64)).
			Advise("wait for it; one that nobody goes on with any more is ended by `chexp gc --yes %s`, where it was begun",
				words.Line(text, 64))
	case exitFull:
		free, _ := strconv.Atoi(text)
		return machine{free: free, home: "~/" + home}.room(s)
	case exitForeign:
		return failure.Device.Errorf("~/%s/%s is there on %s already, and chexp did not make it", home, name, s.login()).
			Advise("move it away")
	case exitNoExec:
		return failure.Device.Errorf("nothing can be run from ~/%s on %s: it is mounted noexec", home, s.login()).
			Advise("give that user a home directory from which programs can be run")
	}
	return s.said("making a directory for the run", out)
}

func (s *Site) oddHome(dir string) error {
	return failure.Device.Errorf("the home directory on %s is %s, whose name chexp cannot use", s.login(),
		words.Line(dir, 200)).Advise("sign in as a user whose home has a plain name: letters, digits and ._-/+@,:")
}

// said is the error of a script that failed in a way that nobody expects.
func (s *Site) said(what string, out transport.Exit) error {
	return failure.Device.Errorf("%s on %s failed with code %d", what, s.login(), out.Code).
		Advise("look at the machine: `%s`", s.shell("df -h . && ls -la "+home)).
		Because(errors.New(transport.Said(out.Output)))
}

func firstLine(b []byte) string {
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(line)
}
