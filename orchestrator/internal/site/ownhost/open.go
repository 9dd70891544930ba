package ownhost

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/transport"
	"chexp/orchestrator/internal/transport/sshexec"
)

func algorithms(keyType string) []string { return sshexec.AlgorithmsFor(keyType) }

// login is the machine and the user, as ssh takes them.
func (s *Site) login() string { return s.opts.Host.User + "@" + s.opts.Host.Name }

// shell is the command that runs a line there, from a terminal of the user's.
func (s *Site) shell(line string) string {
	args := []string{"ssh"}
	if p := s.opts.Host.Port; p != 0 {
		args = append(args, "-p", strconv.Itoa(p))
	}
	return transport.Quote(append(args, s.login(), line))
}

// open connects. The commands get the variables of env.
func (s *Site) open(ctx context.Context, env ...string) (transport.Transport, error) {
	hosts, err := s.known()
	if err != nil {
		return nil, err
	}
	keys := &keyring{site: s}
	defer keys.close()
	if err := keys.gather(ctx); err != nil {
		return nil, err
	}
	return s.dial(ctx, sshexec.Config{Address: s.opts.Host.Address(), User: s.opts.Host.User, Signers: keys.signers,
		Hosts: hosts, Env: env, Advice: sshexec.Advice{
			Unreached: "see whether the machine is on and `" + s.shell("true") + "` works; chexp does not read ~/.ssh/config, " +
				"so the experiment's file must hold what stands there: host, port and key",
			Refused: keys.advice(),
		}})
}

// keyring is what the user can sign in with.
type keyring struct {
	site    *Site
	signers []ssh.Signer
	locked  []string // files that need a passphrase
	line    net.Conn // to ssh-agent
}

// usual are the files that ssh takes by itself.
var usual = []string{"id_ed25519", "id_ecdsa", "id_rsa"}

// maxKey bounds the file of a key.
const maxKey = 1 << 20

func (k *keyring) close() {
	if k.line != nil {
		k.line.Close()
	}
}

// gather takes the one key that the experiment names or, where it names none, those
// of ssh-agent and the usual files.
func (k *keyring) gather(ctx context.Context) error {
	held := k.ofAgent(ctx)
	opts := k.site.opts
	if name := opts.Host.Key; name != "" {
		return k.named(name, held)
	}
	k.signers = held
	for _, name := range usual {
		if err := k.add(filepath.Join(opts.Home, ".ssh", name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	if len(k.signers) > 0 {
		return nil
	}
	return failure.Auth.Errorf("there is no key to sign in with at %s: ssh-agent has none, and none of ~/.ssh/%s can be "+
		"used", k.site.login(), strings.Join(usual, ", ~/.ssh/")).Advise("%s", k.advice())
}

// named takes the key of a file, or the same one from ssh-agent if it has a passphrase.
func (k *keyring) named(name string, held []ssh.Signer) error {
	if below, ok := strings.CutPrefix(name, "~/"); ok {
		name = filepath.Join(k.site.opts.Home, below)
	}
	if err := k.add(name); err != nil {
		return err
	}
	if len(k.signers) > 0 {
		return nil
	}
	public, err := files.Read(name+".pub", maxKey)
	if err == nil {
		if key, _, _, _, err := ssh.ParseAuthorizedKey(public); err == nil {
			for _, h := range held {
				if bytes.Equal(h.PublicKey().Marshal(), key.Marshal()) {
					k.signers = []ssh.Signer{h}
					return nil
				}
			}
		}
	}
	return failure.Auth.Errorf("the key %s needs a passphrase, and ssh-agent does not hold it", name).
		Advise("`%s` asks for it once", transport.Quote([]string{"ssh-add", name}))
}

// add takes the key of a file; one that needs a passphrase is only noted.
func (k *keyring) add(name string) error {
	data, err := files.Read(name, maxKey)
	if err != nil {
		return failure.Auth.Errorf("the key %s cannot be read", name).
			Advise("key: in the experiment's file names the file of a private key").Because(err)
	}
	signer, err := ssh.ParsePrivateKey(data)
	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		k.locked = append(k.locked, name)
	case err != nil:
		return failure.Auth.Errorf("%s is no private key that chexp can read", name).
			Advise("key: in the experiment's file names another").Because(err)
	default:
		for _, before := range k.signers {
			if bytes.Equal(before.PublicKey().Marshal(), signer.PublicKey().Marshal()) {
				return nil
			}
		}
		k.signers = append(k.signers, signer)
	}
	return nil
}

// agentTime bounds all that ssh-agent is asked for one connection: one that was forwarded
// over a dead line never answers.
const agentTime = time.Minute

// ofAgent are the keys that ssh-agent holds; none where there is no agent.
func (k *keyring) ofAgent(ctx context.Context) []ssh.Signer {
	if k.site.opts.Agent == "" {
		return nil
	}
	line, err := (&net.Dialer{Timeout: agentTime}).DialContext(ctx, "unix", k.site.opts.Agent)
	if err != nil {
		return nil
	}
	_ = line.SetDeadline(time.Now().Add(agentTime)) // a socket has one
	context.AfterFunc(ctx, func() { line.Close() })
	signers, err := agent.NewClient(line).Signers()
	if err != nil {
		line.Close()
		return nil
	}
	k.line = line
	return signers
}

// advice is what to do when no key is taken.
func (k *keyring) advice() string {
	copies := []string{"ssh-copy-id"}
	if p := k.site.opts.Host.Port; p != 0 {
		copies = append(copies, "-p", strconv.Itoa(p))
	}
	s := "`" + transport.Quote(append(copies, k.site.login())) + "` puts your key there (`ssh-keygen -t ed25519` makes " +
		"one); key: in the experiment's file names a particular one"
	if len(k.locked) > 0 {
		s += "; not tried, as they need a passphrase: " + words.List(k.locked, ", ", 3) + " (`" +
			transport.Quote([]string{"ssh-add", k.locked[0]}) + "` asks for it once)"
	}
	return s
}
