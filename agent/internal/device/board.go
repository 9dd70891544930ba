package device

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"

	"chexp/agent/internal/device/kernelfs"
	"chexp/experiments/trial"
	"chexp/experiments/words"
)

// board is the revision code of a Raspberry Pi, in hex: memory size, maker and
// version of the board are in its bits [Raspberry Pi documentation, "New-style
// revision codes"]. The firmware passes it in the device tree as a big-endian
// word; Raspberry Pi's own kernels show it in /proc/cpuinfo too.
func board(root fs.FS) trial.Reading[string] {
	const path = "proc/device-tree/system/linux,revision"
	data, err := kernelfs.Bytes(root, path)
	if err == nil && len(data) == 4 {
		return trial.Read(strconv.FormatUint(uint64(binary.BigEndian.Uint32(data)), 16))
	}
	if err == nil {
		err = fmt.Errorf("/%s has %d bytes, not 4", path, len(data))
	}
	info, infoErr := kernelfs.Read(root, "proc/cpuinfo")
	if infoErr != nil {
		return trial.Unread[string](err.Error() + "; " + infoErr.Error())
	}
	code := field(info, "Revision")
	if _, bad := strconv.ParseUint(code, 16, 32); bad != nil {
		return trial.Unread[string](err.Error() + "; /proc/cpuinfo has no Revision")
	}
	return trial.Read(code)
}

const withheld = "[withheld]"

// secretName matches names of kernel parameters whose value may be a secret;
// secretValue matches values that look like one: an address that holds a user's
// name or a query, or a long string of letters and digits. A MAC address or a
// serial number is no secret, but it names one machine, and this goes into
// published results.
var (
	secretName = regexp.MustCompile(`(?i)pass|pwd|secret|token|key|auth|cred|psk|pin$|cookie|session|` +
		`mac|serial|uuid|hostname|^user|login`)
	secretValue = regexp.MustCompile(`(?i)//[^/ ]*@|\?|[0-9a-z+/_-]{24,}={0,2}|([0-9a-f]{2}[:-]){5}[0-9a-f]{2}`)
)

// commandLine is the kernel's, for settings that decide about speed and that show
// nowhere else: numa=fake, mitigations, isolcpus, cgroup switches. What looks like
// a secret is withheld, and so is all that is meant for the first process.
func commandLine(root fs.FS) trial.Reading[string] {
	r := text(root, "proc/cmdline")
	line, ok := r.Get()
	if !ok {
		return r
	}
	words := splitQuoted(strings.ToValidUTF8(line, "\uFFFD"))
	for i, word := range words {
		if word == "--" {
			words = append(words[:i+1], withheld)
			break
		}
		name, value, has := strings.Cut(word, "=")
		switch {
		case !has && secretValue.MatchString(name):
			words[i] = withheld
		case has && (secretName.MatchString(name) || secretValue.MatchString(value)):
			words[i] = name + "=" + withheld
		}
	}
	return trial.Read(strings.Join(words, " "))
}

// splitQuoted splits at spaces outside of double quotes, as the kernel does.
func splitQuoted(line string) []string {
	quoted := false
	return strings.FieldsFunc(line, func(r rune) bool {
		if r == '"' {
			quoted = !quoted
		}
		return !quoted && (r == ' ' || r == '\t' || r == '\n')
	})
}

// maxCooling bounds the devices that are listed; an x86 server has one for every
// thread, which count as one kind.
const maxCooling = 16

// cooling says for each kind of cooling device at which of its steps it stands:
// "pwm-fan 2/4, cpufreq-cpu0 0/9". Above 0, a device of the processor holds its
// clock down.
func cooling(root fs.FS) trial.Reading[string] {
	devices, _ := fs.Glob(root, "sys/class/thermal/cooling_device*")
	if len(devices) == 0 {
		return trial.Unread[string]("/sys/class/thermal has no cooling device")
	}
	var kinds []string
	count := map[string]int{}
	var problem error
	for _, d := range devices {
		kind, errKind := kernelfs.Read(root, d+"/type")
		now, errNow := kernelfs.Count(root, d+"/cur_state")
		top, errTop := kernelfs.Count(root, d+"/max_state")
		if err := cmp.Or(errKind, errNow, errTop); err != nil {
			problem = err
			continue
		}
		says := fmt.Sprintf("%s %d/%d", kernelfs.Clip(kind), now, top)
		if count[says]++; count[says] == 1 {
			kinds = append(kinds, says)
		}
	}
	if len(kinds) == 0 {
		return trial.Unread[string](problem.Error())
	}
	for i, says := range kinds {
		if n := count[says]; n > 1 {
			kinds[i] = fmt.Sprintf("%d× %s", n, says)
		}
	}
	return trial.Read(words.List(kinds, ", ", maxCooling))
}
