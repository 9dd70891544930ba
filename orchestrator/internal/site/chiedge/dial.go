package chiedge

import (
	"context"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/internal/transport/zunexec"
	"chexp/orchestrator/openstack/container/v1/containers"
)

const (
	transportZun = "zun"
	transportSSH = "ssh"
)

// ways make the two transports into a container; tests put others in their
// place.
type ways struct {
	zun func(z zunexec.Zun, containerID string) transport.Transport
	ssh func(ctx context.Context, to sshexec.Config) (transport.Transport, error)
}

var usualWays = ways{
	zun: func(z zunexec.Zun, containerID string) transport.Transport {
		return zunexec.New(z, containerID, zunexec.Options{})
	},
	ssh: func(ctx context.Context, to sshexec.Config) (transport.Transport, error) {
		return sshexec.Dial(ctx, to)
	},
}

// zun is Zun's execute and archives for one signed-in user, as zunexec wants
// them, one at a time: see package gate.
type zun struct{ client *containerClient }

// Execute runs a command line, split like a shell's, without a shell.
func (z zun) Execute(ctx context.Context, id, command string) (zunexec.Result, error) {
	var x *containers.Execution
	err := z.client.gate.Pass(ctx, func() (err error) {
		x, err = containers.Execute(ctx, z.client.container, id, command).Extract()
		return err
	})
	if err != nil {
		return zunexec.Result{}, z.client.Failed("running a command in container "+id, err)
	}
	return zunexec.Result{Output: x.Output, ExitCode: x.ExitCode}, nil
}

// PutArchive unpacks a tar below path, or does not: nothing tells.
func (z zun) PutArchive(ctx context.Context, id, path string, tar []byte) error {
	err := z.client.gate.Pass(ctx, func() error {
		return containers.PutArchive(ctx, z.client.container, id, path, tar).ExtractErr()
	})
	return z.client.Failed("uploading to container "+id, err)
}

// GetArchive returns a directory as a tar, an empty one when it is not there.
func (z zun) GetArchive(ctx context.Context, id, path string) ([]byte, error) {
	var a *containers.Archive
	err := z.client.gate.Pass(ctx, func() (err error) {
		a, err = containers.GetArchive(ctx, z.client.container, id, path).Extract()
		return err
	})
	if err != nil {
		return nil, z.client.Failed("downloading from container "+id, err)
	}
	return a.Data, nil
}

// Dial opens the transport that the request asked for; "" is zun.
func (s *containerClient) Dial(ctx context.Context, c run.Container, req run.ContainerRequest,
	progress func(string)) (transport.Transport, error) {
	switch req.Transport {
	case "", transportZun:
		return s.ways.zun(zun{s}, c.ID), nil
	case transportSSH:
		return s.dialSSH(ctx, c, progress)
	}
	return nil, failure.Usage.Errorf("there is no transport %q to this site", req.Transport).
		Advise("use zun or ssh")
}
