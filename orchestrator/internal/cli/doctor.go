package cli

import (
	"cmp"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/spec"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/site"

	"github.com/urfave/cli/v2"
)

// doctorVerb looks whether all is ready.
type doctorVerb struct{ *app }

func (a doctorVerb) doctorCommand() *cli.Command {
	return &cli.Command{
		Name:  "doctor",
		Usage: "check credentials, services, clock, devices and this machine; create nothing",
		Description: "Each line is ok, ! (it will work, but) or ✗ (it will not), or says what cannot be read, " +
			"with what to do.\n" +
			"The exit code is that of the first ✗: 4 for signing in, 6 for the cloud, 0 when there is none.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "image", Value: "debian:bookworm-slim", Usage: "look at this image `REFERENCE`"},
			&cli.StringFlag{Name: "experiment", Usage: "look at what this experiment `FILE` needs"}, systemFlag(),
			siteFlag(), formatFlag(),
		},
		Action: a.doctor,
	}
}

func (a doctorVerb) doctor(c *cli.Context) error {
	if err := noArguments(c); err != nil {
		return err
	}
	if c.IsSet("system") && c.String("experiment") == "" {
		return usage([]string{systemOfNothing}, "give --experiment FILE; nothing was created")
	}
	image := c.String("image")
	var found []site.Answer
	var host *spec.Experiment // on a machine of the user's own
	at, entry := siteNamedBy(c), ""
	if file := c.String("experiment"); file != "" {
		e, err := loadExperiment(c, file, "")
		if err != nil {
			return err
		}
		found = append(found, site.Answer{Check: "experiment", State: site.OK,
			Detail: fmt.Sprintf("%s: %d models at site %s", e.Name, len(e.Models), e.Site)})
		if e.Container.Image != "" {
			image = e.Container.Image
		}
		if entry = e.Cloud; e.SiteKind().Hosts {
			host = e
		}
		if kind := e.SiteKind(); kind.Leases && c.String("site") == "" {
			at = kind
		}
	}
	if host == nil {
		found = append(found, a.examineCloud(c, at.Name, entry)...)
	} else {
		found = append(found, a.examineHost(c, host)...)
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if host == nil && at.Containers {
		found = append(found, imageAnswer(image))
	}
	found = append(found, a.machineAnswers(cmp.Or(at.Arch, "arm64"))...)
	return a.tell(c, found)
}

func (a doctorVerb) examineCloud(c *cli.Context, at, entry string) []site.Answer {
	cloud, err := connectCloudAt(a.app, c, at, entry)
	if err != nil {
		return []site.Answer{site.AnswerOf("sign-in", err)}
	}
	d := cloud.Describe()
	signedIn := site.Answer{Check: "sign-in", State: site.OK,
		Detail: fmt.Sprintf("%s as %s, project %s (%s)", d["auth_host"], d["user"], d["project"],
			d["credentials_from"])}
	return append([]site.Answer{signedIn}, cloud.Examine(c.Context)...)
}

func (a doctorVerb) examineHost(c *cli.Context, e *spec.Experiment) []site.Answer {
	o := a.siteOptions(c)
	o.Host = e.Host
	s, err := a.connect(c.Context, e.Site, o)
	if err != nil {
		return []site.Answer{site.AnswerOf("sign-in", err)}
	}
	if x, ok := s.(site.Examiner); ok {
		return x.Examine(c.Context)
	}
	return nil
}

// imageAnswer can look at the name only.
func imageAnswer(image string) site.Answer {
	f := site.Answer{Check: "image", State: site.OK,
		Detail: image + "; whether it exists and has a linux/arm64 variant cannot be known from here: no " +
			"registry is asked"}
	if !spec.ValidImage(image) {
		return site.Answer{Check: "image", State: site.Failed, Detail: fmt.Sprintf("%q is no image reference", image),
			Next: "it looks like debian:bookworm-slim or ghcr.io/owner/name:tag", Kind: failure.Usage}
	}
	name := image[strings.LastIndexByte(image, '/')+1:]
	if !strings.ContainsAny(name, ":@") || strings.HasSuffix(name, ":latest") {
		f.State, f.Next = site.Warning, "name a tag other than latest, or a digest: results are compared for "+
			"longer than a tag stays the same"
	}
	return f
}

// rehearsalTools are what the emulator's containers need on this machine.
var rehearsalTools = []string{"bwrap", "nsenter", "tar", "cp"}

func (a doctorVerb) machineAnswers(arch string) []site.Answer {
	addTools()
	found := []site.Answer{a.agentAnswer(arch, site.Failed), a.agentAnswer(runtime.GOARCH, site.Warning)}
	if runtime.GOARCH == arch {
		found = found[:1]
	}
	var missing []string
	for _, tool := range rehearsalTools {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if !exists(carried("images/debian-arm64.tar")) && !exists(carried("images/debian-"+runtime.GOARCH+".tar")) {
		missing = append(missing, "images/debian-"+runtime.GOARCH+".tar")
	}
	f := site.Answer{Check: "rehearsal", State: site.OK, Detail: strings.Join(rehearsalTools, ", ") +
		" and the images are here"}
	if len(missing) > 0 {
		f.State, f.Detail, f.Next = site.Warning, "missing: "+strings.Join(missing, ", "), "only "+
			"`chexp rehearse` and `chexp emulator` need them; "+whereToGet("images")
	}
	return append(found, f)
}

// agentAnswer: runs on the site need the one for its devices; this machine's own is for
// site local.
func (a doctorVerb) agentAnswer(arch string, absent site.State) site.Answer {
	f := site.Answer{Check: "agent " + arch, State: site.OK}
	m, err := agentManifest(arch)
	if err != nil {
		f = site.AnswerOf(f.Check, err)
		f.State = absent
		return f
	}
	f.Detail = fmt.Sprintf("%s, onnxruntime %s (%s)", m.Version, m.Runtime.Version,
		strings.Join(m.Runtime.Providers, ", "))
	return f
}

var stateMarks = map[site.State]string{site.OK: "ok", site.Warning: "!", site.Failed: "✗", site.Unknown: "-"}

// tell prints the answers; the error carries the exit code of the first that
// failed.
func (a doctorVerb) tell(c *cli.Context, found []site.Answer) error {
	if c.String("format") != "table" {
		l := list{columns: []string{"check", "state", "detail", "next"}, json: found}
		for _, f := range found {
			l.rows = append(l.rows, []string{f.Check, string(f.State), f.Detail, f.Next})
		}
		if err := a.print(c, l); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			detail := f.Detail
			if f.State == site.Unknown {
				detail = "unavailable: " + detail
			}
			fmt.Fprintf(a.out, "%-2s  %-20s  %s\n", stateMarks[f.State], f.Check, words.Printable(detail))
			if f.Next != "" {
				fmt.Fprintf(a.out, "    %-20s  → %s\n", "", words.Printable(a.typed(f.Next)))
			}
		}
	}
	i := slices.IndexFunc(found, func(f site.Answer) bool { return f.State == site.Failed })
	if i < 0 {
		return nil
	}
	n := 0
	for _, f := range found {
		if f.State == site.Failed {
			n++
		}
	}
	return found[i].Kind.Errorf("%d of %d checks failed, first %s", n, len(found), found[i].Check).
		Advise("%s", found[i].Next)
}
