package cli

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestCommandsThatCreateRefuseFirst gives the commands that create, change or delete
// something command lines that contradict themselves, the experiment, the run or
// this machine: exit code 2, no request, and no file or directory that was not there.
func TestCommandsThatCreateRefuseFirst(t *testing.T) {
	asked, dir := nothingToAsk(t)
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("exp.yaml", anExperiment)
	write("local.yaml", strings.NewReplacer("CHI@Edge", "local", "\nlease: {machine_name: raspberrypi5, duration: 30m}",
		"", "\ncontainer: {image: \"debian:bookworm-slim\"}", "").Replace(anExperiment))
	write("bad.yaml", "apiVersion: chexp/v1\nname: x\n")
	write("file", "")
	const lines = `
run
run exp.yaml exp.yaml
run nosuch.yaml
run bad.yaml
run --resume latest exp.yaml
run --resume nosuch
run --resume= 
run exp.yaml --at next --wait 2h
run exp.yaml --at next --lease mine
run exp.yaml --wait 2h --lease mine
run exp.yaml --exact --lease mine
run exp.yaml --keep --release
run exp.yaml --detach --until run
run exp.yaml --detach --release
run exp.yaml --site local --lease mine
run exp.yaml --site local --at next
run exp.yaml --site local --wait 1h
run exp.yaml --site CHI@TACC
run exp.yaml --site ssh
run local.yaml --lease mine
run local.yaml --at 14
run local.yaml --exact
run local.yaml --wait 1h
run local.yaml --release
run exp.yaml --output nosuch/out
run exp.yaml --output .
run exp.yaml -f json --output file/out
run exp.yaml --keep=maybe
run exp.yaml --nosuch
run --resume nosuch --lease mine
run --resume nosuch --at next
run --resume nosuch --wait 1h
run --resume nosuch --exact
run --resume nosuch -f xml
run --resume nosuch --fetch-time -5m
run --resume nosuch --output nosuch/out
rehearse
rehearse nosuch.yaml
rehearse bad.yaml
rehearse local.yaml
rehearse exp.yaml --resume latest
rehearse --resume nosuch
rehearse exp.yaml --output nosuch/out
rehearse exp.yaml --keep --until plan --fault nonsense
replay
replay nosuch
replay nosuch exp.yaml
replay nosuch --output nosuch/out
lease create
lease create raspberrypi5
lease create --machine a --device b
lease create --machine a --uid b
lease create --machine a --wait --no-wait
lease create --machine a --output nosuch/out
lease create --machine a --site local
lease create --experiment nosuch.yaml
lease create --experiment bad.yaml
lease create --experiment local.yaml
lease create --experiment exp.yaml --site CHI@TACC
lease extend
lease extend a b
lease extend a
lease extend a --hours 1 --until 14
lease extend a --hours 1 --output nosuch/out
lease shorten
lease shorten a
lease shorten a --now --until 14
lease shorten a --now --exact
lease shorten a --now --output nosuch/out
lease delete
lease delete a b --site local
gc --yes --output nosuch/out
gc --yes -f xml
gc --here --elsewhere
gc --here --site CHI@TACC
gc --yes nosuch
gc --yes a b
results fetch
results fetch nosuch
results fetch a b
results fetch a --from nosuch
results fetch a --output nosuch/out
results pack nosuch
results pack nosuch --output nosuch/out
results verify nosuch --sign nosuch
emulator argument
emulator --dir file
emulator --region=
init file
init nosuch/new.yaml
`
	for line := range strings.Lines(lines) {
		if line = strings.TrimSuffix(line, "\n"); line == "" {
			continue
		}
		args := append([]string{"chexp"}, strings.Fields(line)...)
		var out, errs bytes.Buffer
		code := Main("test", args, strings.NewReader(""), &out, &errs)
		if code != 2 || out.Len() > 0 || strings.Contains(errs.String(), "no agent") {
			t.Errorf("chexp %s: exit code %d, and it says %s%s", line, code, out.String(), errs.String())
		}
		if n := asked.Swap(0); n > 0 {
			t.Errorf("chexp %s: a service was asked %d times", line, n)
		}
		left, err := fs.Glob(os.DirFS(dir), "*")
		if !slices.Equal(left, []string{"bad.yaml", "exp.yaml", "file", "local.yaml"}) || err != nil {
			t.Fatalf("chexp %s: there are %v, %v", line, left, err)
		}
	}
}
