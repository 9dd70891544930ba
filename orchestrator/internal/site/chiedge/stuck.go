package chiedge

import (
	"context"
	"net/http"
	"path"

	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// stuckLooks is how many answers in a row must be failures: one alone is a request
// that met another's.
const stuckLooks = 3

// Stuck reports whether Zun's compute service fails at all that goes through the client
// that its streams have spoiled, although this container has a pod: then it is the
// service, and neither the container nor its device. See run.Prober.
//
// Recorded of a stuck service: execute, archives and logs are 500 for every container,
// stats is 200; of a device that is gone: execute is 409, logs and stats are empty.
func (s *containerClient) Stuck(ctx context.Context, c run.Container) bool {
	use, err := containers.Stats(ctx, s.container, c.ID).Extract()
	if err != nil || use == nil {
		return false
	}
	looks := 0
	err = s.Pace.Poll(ctx, func() (bool, error) {
		_, err := containers.Logs(ctx, s.container, c.ID, containers.LogsOpts{Tail: 1}).Extract()
		if e := apierror.From(err); e == nil || e.Status != http.StatusInternalServerError {
			looks = -1
			return true, nil
		}
		looks++
		return looks == stuckLooks, nil
	})
	return err == nil && looks == stuckLooks
}

// toldLines is how much of a container's log is read at a time: an agent that has more
// to tell between two looks is asked.
const toldLines = 200

// Told is what the container's main command has printed of late. See run.Teller.
func (s *containerClient) Told(ctx context.Context, c run.Container) (string, error) {
	text, err := containers.Logs(ctx, s.container, c.ID, containers.LogsOpts{Tail: toldLines}).Extract()
	return text, s.Failed("reading the log of container "+c.Name, err)
}

// follow is a main command that stays alive and prints a file as it grows, which comes
// to be later: what it prints can be read without a command in the container. $0 is the
// file's directory, $1 the file.
const follow = `mkdir -p "$0"; tail -n +1 -s 5 -F "$1" 2>/dev/null; exec sleep infinity`

// mainCommand is what the container runs besides what is executed in it.
func mainCommand(req run.ContainerRequest) []string {
	switch {
	case req.Follow != "" && (req.Transport == "" || req.Transport == transportZun):
		file := path.Join(dirOf(req.Name), req.Follow)
		return []string{"sh", "-c", follow, path.Dir(file), file}
	case len(req.Command) == 0:
		return []string{"sleep", "infinity"}
	}
	return req.Command
}

// dirOf is a directory of its own for every run, below /tmp: the one place that users
// other than root (jovyan in Jupyter's images) can write to.
func dirOf(name string) string { return "/tmp/" + name }
