package chiedge

import (
	"context"
	"fmt"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/openstack/container/v1/containers"
)

const (
	transportZun = "zun"
	transportSSH = "ssh"
)

// Transports makes the two ways into a container. Whoever connects the site
// says how, so that this package need not know the transports.
type Transports struct {
	Zun func(z Zun, containerID string) transport.Transport
	SSH func(ctx context.Context, to SSHTarget) (transport.Transport, error)
}

// Zun is Zun's execute and archives for one signed-in user.
type Zun struct{ client *containerClient }

// ExecResult is what Zun says about a command.
type ExecResult struct {
	Output   string
	ExitCode *int // nil: it was still running when Zun stopped waiting
}

// Execute runs a command line, split like a shell's, without a shell.
func (z Zun) Execute(ctx context.Context, id, command string) (ExecResult, error) {
	x, err := containers.Execute(ctx, z.client.container, id, command).Extract()
	if err != nil {
		return ExecResult{}, z.client.failed("running a command in container "+id, err)
	}
	return ExecResult{Output: x.Output, ExitCode: x.ExitCode}, nil
}

// PutArchive unpacks a tar below path, or does not: nothing tells.
func (z Zun) PutArchive(ctx context.Context, id, path string, tar []byte) error {
	err := containers.PutArchive(ctx, z.client.container, id, path, tar).ExtractErr()
	return z.client.failed("uploading to container "+id, err)
}

// GetArchive returns a directory as a tar, an empty one when it is not there.
func (z Zun) GetArchive(ctx context.Context, id, path string) ([]byte, error) {
	a, err := containers.GetArchive(ctx, z.client.container, id, path).Extract()
	if err != nil {
		return nil, z.client.failed("downloading from container "+id, err)
	}
	return a.Data, nil
}

// SSHTarget is an sshd that was just set up, with the keys of both sides.
type SSHTarget struct {
	Address string // host:port
	User    string
	Signer  ssh.Signer
	HostKey ssh.PublicKey
}

// Dial opens the transport that the request asked for; "" is zun.
func (s *containerClient) Dial(ctx context.Context, c run.Container, req run.ContainerRequest, progress func(string)) (transport.Transport, error) {
	ways := s.opts.Transports
	switch {
	case (req.Transport == "" || req.Transport == transportZun) && ways.Zun != nil:
		return ways.Zun(Zun{s}, c.ID), nil
	case req.Transport == transportSSH && ways.SSH != nil:
		return s.dialSSH(ctx, c, progress)
	}
	return nil, failure.New(failure.Usage, fmt.Sprintf("there is no transport %q to this site", req.Transport), "use zun or ssh", nil)
}
