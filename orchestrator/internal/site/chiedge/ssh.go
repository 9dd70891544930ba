package chiedge

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/orchestrator/internal/patient"
	"chexp/orchestrator/internal/run"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
	"chexp/orchestrator/openstack/apierror"
	"chexp/orchestrator/openstack/container/v1/containers"
)

// dialSSH sets up an sshd in the container and connects to it. Both key pairs
// are new: ours lives in this process only, the host's is made in the
// container, and its public half comes back through Zun, over TLS and with our
// token. So the host key is pinned before the first packet, and two containers
// of one image do not share one. A resumed run simply dials again.
func (s *containerClient) dialSSH(ctx context.Context, c run.Container,
	progress func(string)) (transport.Transport, error) {
	got, err := containers.Get(ctx, s.container, c.ID).Extract()
	if err != nil {
		return nil, s.Failed("looking at container "+c.Name, err)
	}
	signer, err := newSigner()
	if err != nil {
		return nil, failure.Unexpected.Errorf("making an SSH key").Because(err)
	}
	progress("setting up an sshd in container " + c.Name)
	hostKey, err := s.startSSHD(ctx, *got, signer.PublicKey())
	if err != nil {
		return nil, err
	}
	ip, err := s.addresses.floatingIP(ctx, *got)
	if err != nil {
		return nil, err
	}
	address := net.JoinHostPort(ip, s.sshPort)
	progress("waiting for " + address)
	if err := s.awaitTCP(ctx, address); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		// A new floating IP that carries nothing is a known fault of the
		// site, for which another one helps.
		clean, cancel := patient.Detached(ctx, s.Pace.Cleanup)
		defer cancel()
		return nil, failure.Device.Errorf("%s does not answer after %s", address, s.tcp).
			Advise("resume the run, which gets another floating IP; or use transport: zun").
			Because(errors.Join(err, s.addresses.release(clean, c.ID)))
	}
	return s.ways.ssh(ctx, sshexec.Config{Address: address, User: s.opts.User, Signers: []ssh.Signer{signer},
		HostKey: hostKey})
}

func newSigner() (ssh.Signer, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return ssh.NewSignerFromKey(private)
}

// sshDir holds what our sshd needs, at the far end.
const sshDir = "/var/lib/chexp-ssh"

// Exit codes of sshScript.
const (
	exitNotRoot  = 41
	exitNoKeygen = 42
	exitNoSSHD   = 43
)

// sshScript starts an sshd that admits one key. It has no single quotes, since
// it goes to sh -c inside them. sshd leaves the foreground by itself and
// writes its pid when it listens. One of an earlier dial is ended first: the
// port is the same. %s is our public key.
const sshScript = `PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
test "$(id -u)" = 0 || exit 41
command -v ssh-keygen >/dev/null || exit 42
sshd=$(command -v sshd) || exit 43
umask 077
mkdir -p /run/sshd ` + sshDir + ` && chmod 755 /run/sshd && cd ` + sshDir + ` || exit 1
old=$(cat pid 2>/dev/null) && kill "$old" 2>/dev/null
for i in 1 2 3 4 5 6 7 8 9 10; do test -n "$old" && kill -0 "$old" 2>/dev/null && sleep 0.1; done
rm -f pid log host host.pub
echo "%s" >keys
for line in "Port 22" "HostKey ` + sshDir + `/host" "PidFile ` + sshDir + `/pid" \
	"AuthorizedKeysFile ` + sshDir + `/keys" "AuthenticationMethods publickey" "PermitRootLogin prohibit-password" \
	"StrictModes no" "UsePAM no" "UseDNS no"; do echo "$line"; done >conf
ssh-keygen -q -t ed25519 -N "" -f host && "$sshd" -f ` + sshDir + `/conf -E ` + sshDir + `/log`

// startSSHD runs the script and returns the host key that it made.
func (s *containerClient) startSSHD(ctx context.Context, c containers.Container,
	admit ssh.PublicKey) (ssh.PublicKey, error) {
	what := "setting up an sshd in container " + c.Name
	script := fmt.Sprintf(sshScript, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(admit))))
	x, err := s.shell(ctx, c.UUID, script)
	if err != nil {
		return nil, s.Failed(what, err)
	}
	// A nil exit code: a slow device is still at it, the pid will tell.
	if x.ExitCode != nil && *x.ExitCode != 0 {
		return nil, sshdFailure(what, c, *x.ExitCode, x.Output)
	}
	var line string
	end, patience := time.Now().Add(s.tcp), s.Pace.Patience()
	err = s.Pace.Poll(ctx, func() (bool, error) {
		x, err := s.shell(ctx, c.UUID, "cd "+sshDir+" && test -s pid && cat host.pub || tail -n 3 log")
		if !patience.Forgive(err) {
			return false, err
		}
		if err == nil && strings.HasPrefix(x.Output, ssh.KeyAlgoED25519+" ") {
			line = x.Output
			return true, nil
		}
		if !time.Now().Before(end) {
			said := ""
			if err == nil {
				said = x.Output
			}
			return false, sshdFailure(what, c, 0, said)
		}
		return false, nil
	})
	if err != nil {
		return nil, s.Failed(what, err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(line))
	if err != nil {
		return nil, failure.Device.Errorf("%s: its host key cannot be read", what).Because(err)
	}
	return key, nil
}

func (s *containerClient) shell(ctx context.Context, id, script string) (*containers.Execution, error) {
	return containers.Execute(ctx, s.container, id, "sh -c '"+script+"'").Extract()
}

func sshdFailure(what string, c containers.Container, code int, output string) error {
	const next = "use an image that has one, such as ghcr.io/chameleoncloud/edge_ssh_image:latest, or transport: zun"
	switch code {
	case -1:
		return failure.Device.Errorf("%s: the image has no sh", what).Advise("%s", next)
	case exitNotRoot:
		return failure.Device.Errorf("%s: the image does not run as root", what).
			Advise("use an image that does, or transport: zun")
	case exitNoKeygen, exitNoSSHD:
		return failure.Device.Errorf("%s: image %s has no OpenSSH server", what, c.Image).
			Advise("%s", next)
	}
	return failure.Device.Errorf("%s: it does not start", what).
		Advise("does the container's own command run an sshd on port 22 already? Use transport: zun otherwise").
		Because(errors.New(cmp.Or(apierror.Line(output), "it printed nothing")))
}

// awaitTCP waits until something accepts connections at address.
func (s *containerClient) awaitTCP(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, s.tcp)
	defer cancel()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	var last error
	err := s.Pace.Poll(ctx, func() (bool, error) {
		conn, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			last = err
			return false, nil
		}
		return true, conn.Close()
	})
	if err != nil && last != nil {
		return last
	}
	return err
}
