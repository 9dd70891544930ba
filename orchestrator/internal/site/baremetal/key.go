package baremetal

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/pagination"
	"golang.org/x/crypto/ssh"

	"chexp/experiments/failure"
	"chexp/experiments/files"
	"chexp/experiments/secret"
	"chexp/orchestrator/internal/chameleon"
	"chexp/orchestrator/openstack/apierror"
)

// keyring keeps the keys of servers in files that only the user can read, outside of the
// run's directory, which is shown around: a run that is resumed must get in again.
type keyring struct{ dir string }

// oldest is how old the file of a key can be and still be of use: no lease is longer than
// seven days, nor is it booked much longer ahead.
const oldest = 30 * 24 * time.Hour

// newKeyring also removes the files of servers that can only be gone.
func newKeyring(dir string) *keyring {
	all, _ := os.ReadDir(dir)
	for _, f := range all {
		if st, err := f.Info(); err == nil && time.Since(st.ModTime()) > oldest {
			_ = os.Remove(filepath.Join(dir, f.Name()))
		}
	}
	return &keyring{dir}
}

// keys are what a server is entered with.
type keys struct {
	user ssh.Signer    // ours
	host ssh.PublicKey // the server's; nil: not known, and the first one that it shows is believed

	hostPrivate string // PEM; known only when they are made
}

// kept is the file of a server's keys.
type kept struct {
	User   string `json:"user_private_key"`
	Host   string `json:"host_public_key"`
	Server string `json:"server,omitempty"` // its id, once it has one
}

func (k *keyring) file(name string) string { return filepath.Join(k.dir, name+".json") }

// maxKey bounds the file.
const maxKey = 64 << 10

// create makes the keys for a server of this name, and keeps them in place of others.
// One that takes no host key gets none.
func (k *keyring) create(name string, firstUse bool) (made keys, err error) {
	var f kept
	if made.user, f.User, err = newKey(); err != nil {
		return made, err
	}
	if !firstUse {
		host, hostPEM, err := newKey()
		if err != nil {
			return made, err
		}
		made.host, made.hostPrivate = host.PublicKey(), hostPEM
		secret.Hide(body(hostPEM)...) // the site shows user data, and may repeat it in any answer
		f.Host = line(made.host)
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return made, err
	}
	return made, k.write(name, f)
}

// body are the lines of a key in PEM that hold it.
func body(key string) []string {
	all := strings.Split(strings.TrimSpace(key), "\n")
	return all[1 : len(all)-1]
}

// believe keeps the host key that a server has shown: from now on it must show that one.
func (k *keyring) believe(name string, host ssh.PublicKey) error {
	f, err := k.read(name)
	if err != nil {
		return err
	}
	f.Host = line(host)
	return k.write(name, f)
}

func (k *keyring) write(name string, f kept) error {
	data, err := json.Marshal(f)
	if err != nil {
		return err
	}
	return files.WriteMode(k.file(name), data, 0o600)
}

func (k *keyring) read(name string) (f kept, err error) {
	if !chameleon.DNSLabel.MatchString(name) { // a journal may be damaged
		return f, fs.ErrNotExist
	}
	data, err := files.Read(k.file(name), maxKey)
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	return f, err
}

// tie keeps which server has the keys.
func (k *keyring) tie(name, id string) {
	if f, err := k.read(name); err == nil && f.Server != id {
		f.Server = id
		_ = k.write(name, f) // it is for tidying up
	}
}

// nameOf is the name of a server that is gone, if its keys are still here; else "".
func (k *keyring) nameOf(id string) string {
	all, _ := os.ReadDir(k.dir)
	for _, e := range all {
		name := strings.TrimSuffix(e.Name(), ".json")
		if f, err := k.read(name); err == nil && f.Server == id {
			return name
		}
	}
	return ""
}

// find returns the keys of a server; an error that is [fs.ErrNotExist] where there are none.
func (k *keyring) find(name string) (keys, error) {
	f, err := k.read(name)
	if err != nil {
		return keys{}, err
	}
	user, err := ssh.ParsePrivateKey([]byte(f.User))
	if err != nil {
		return keys{}, err
	}
	if f.Host == "" {
		return keys{user: user}, nil
	}
	host, _, _, _, err := ssh.ParseAuthorizedKey([]byte(f.Host))
	return keys{user: user, host: host}, err
}

// forget removes the keys of a server that is gone.
func (k *keyring) forget(name string) {
	if chameleon.DNSLabel.MatchString(name) {
		_ = os.Remove(k.file(name))
	}
}

func newKey() (ssh.Signer, string, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, "", err
	}
	block, err := ssh.MarshalPrivateKey(private, "chexp")
	if err != nil {
		return nil, "", err
	}
	signer, err := ssh.NewSignerFromKey(private)
	return signer, string(pem.EncodeToMemory(block)), err
}

// line is a public key as authorized_keys and known_hosts have it.
func line(key ssh.PublicKey) string { return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))) }

// userData is what cloud-init takes a server's host key from: it deletes those that an
// image has, and makes none of its own where it is given some.
func (k keys) userData() []byte {
	if k.host == nil {
		return nil
	}
	return []byte("#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n    " +
		strings.ReplaceAll(strings.TrimSpace(k.hostPrivate), "\n", "\n    ") +
		"\n  ed25519_public: " + line(k.host) + "\n")
}

// uploadKey gives Nova the public half of our key, under the server's name. One of before
// that has the name is replaced: nobody holds its other half.
func (s *serverClient) uploadKey(ctx context.Context, name string, k keys) error {
	public := line(k.user.PublicKey())
	if err := s.removeKeyPair(ctx, name); err != nil {
		return err
	}
	_, err := chameleon.Create(ctx, s.Client, chameleon.Creation[keypairs.KeyPair]{
		What: "uploading the key pair " + name,
		Post: func(ctx context.Context) (*keypairs.KeyPair, error) {
			post, cancel := s.Posting(ctx)
			defer cancel()
			return keypairs.Create(post, s.compute, keypairs.CreateOpts{Name: name, PublicKey: public}).Extract()
		},
		Is: func(p *keypairs.KeyPair) bool { return p.Name == name },
		Find: func(ctx context.Context) (*keypairs.KeyPair, error) {
			p, err := keypairs.Get(ctx, s.compute, name, keypairs.GetOpts{}).Extract()
			if apierror.Is(err, apierror.NotFound) {
				return nil, nil
			}
			return p, err
		},
		Unknown: fmt.Sprintf("`openstack keypair delete %s` removes it; it costs nothing", name),
	})
	return err
}

// removeKeyPair removes Nova's half of a key; nil if it is gone already. A server that has
// been built keeps the key without it.
func (s *serverClient) removeKeyPair(ctx context.Context, name string) error {
	return chameleon.Remove(ctx, s.Client, chameleon.Removal{
		What: "removing the key pair " + name,
		Delete: func(ctx context.Context) error {
			err := keypairs.Delete(ctx, s.compute, name, keypairs.DeleteOpts{}).ExtractErr()
			if apierror.Is(err, apierror.NotFound) {
				return nil
			}
			return err
		},
		Look: func(ctx context.Context) (gone, going bool, err error) {
			_, err = keypairs.Get(ctx, s.compute, name, keypairs.GetOpts{}).Extract()
			if apierror.Is(err, apierror.NotFound) {
				return true, false, nil
			}
			return false, false, err
		},
	})
}

func (s *serverClient) keyPairs(ctx context.Context) ([]keypairs.KeyPair, error) {
	return chameleon.EverythingUnder(ctx, "keypairs", keypairs.List(s.compute, nil),
		func(r pagination.PageResult) pagination.Page {
			return keypairs.KeyPairPage{SinglePageBase: pagination.SinglePageBase(r)}
		}, keypairs.ExtractKeyPairs)
}

// noKey says that a server cannot be entered from here.
func (s *serverClient) noKey(name string, err error) error {
	if !errors.Is(err, fs.ErrNotExist) {
		return failure.Auth.Errorf("the key of server %s (%s) cannot be read", name, s.keys.file(name)).
			Advise("`%s` gives the server back", s.Commands.End()).Because(err)
	}
	return failure.Auth.Errorf("the key of server %s is not on this machine: %s is not there", name, s.keys.file(name)).
		Advise("resume on the machine, and as the user, that began the run: nobody else can get in. `%s` gives the server "+
			"back without what it has measured", s.Commands.End())
}
