package zun

import (
	"regexp"
	"strings"
)

// image is what is known of an image reference.
type image struct {
	command  []string // the image's own
	dir      string
	hostKeys bool
	foreign  bool // built for another architecture
	slowTar  bool // its tar waits for the end of its input, which never comes: busybox's does
	unknown  bool // it cannot be pulled
}

// shape is a registry reference: lower-case names, a tag or a digest.
var shape = regexp.MustCompile(`^[a-z0-9]+([._:/-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*` +
	`(:[A-Za-z0-9_][A-Za-z0-9_.-]*)?(@sha256:[0-9a-f]{64})?$`)

// foreignPrefix names the repositories on Docker Hub that hold one architecture only.
var foreignPrefix = map[string]string{"amd64/": "amd64", "arm64v8/": "arm64"}

// lookUp resolves a reference. There is one root file system, Debian's; the references
// that stand for it are those that users of CHI@Edge run. Everything else behaves as an
// image that cannot be pulled.
func lookUp(ref, arch string) image {
	if !shape.MatchString(ref) {
		return image{unknown: true}
	}
	name := strings.TrimPrefix(strings.TrimPrefix(ref, "docker.io/"), "library/")
	name, _, _ = strings.Cut(name, "@")
	repo, tag, _ := strings.Cut(name, ":")
	if tag == "" {
		tag = "latest"
	}
	foreign := false
	for prefix, a := range foreignPrefix {
		if rest, ok := strings.CutPrefix(repo, prefix); ok {
			repo, foreign = rest, a != arch
		}
	}
	switch {
	case repo == "debian" && debianTags[tag]:
		// bash without a terminal reads the end of its input and exits at once.
		return image{command: []string{"bash"}, foreign: foreign}
	case repo == "python" && strings.HasPrefix(tag, "3"):
		// A Debian root file system stands in; there is no Python in it. The image's own command,
		// a prompt, ends without a terminal.
		return image{command: []string{"true"}, foreign: foreign}
	case repo == "busybox" || repo == "alpine":
		return image{command: []string{"true"}, foreign: foreign, slowTar: true}
	case repo == "ghcr.io/chameleoncloud/edge_ssh_image" && tag == "latest":
		return image{command: []string{"/usr/sbin/sshd", "-D"}, hostKeys: true}
	case repo == "quay.io/jupyter/minimal-notebook" && tag == "latest":
		// No Jupyter here, and root instead of jovyan; it stays alive like the real one.
		return image{dir: "/home/jovyan", command: []string{"sh", "-c",
			"echo 'chexp emulator: a Debian root file system stands in for this image; there is no Jupyter server in " +
				"it'; exec sleep infinity"}}
	}
	return image{unknown: true}
}

var debianTags = map[string]bool{"12": true, "12-slim": true, "bookworm": true, "bookworm-slim": true, "latest": true,
	"stable": true, "stable-slim": true}
