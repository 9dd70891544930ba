package seal

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/crypto/ssh"

	"chexp/orchestrator/internal/store"
)

// signature ends the name of a seal's signature.
const signature = ".sig"

// Namespace is the signatures' namespace: the usual one for files.
const Namespace = "file"

// Signature is a good one of a seal. Whose key it is, nobody here can tell.
type Signature struct {
	Seal int
	File string
	Key  ssh.PublicKey
}

// What a signature consists of: OpenSSH's PROTOCOL.sshsig.
const (
	magic   = "SSHSIG"
	pemType = "SSH SIGNATURE"
)

type envelope struct {
	Magic     [6]byte
	Version   uint32
	PublicKey string
	Namespace string
	Reserved  string
	Hash      string
	Signature string
}

type message struct {
	Magic     [6]byte
	Namespace string
	Reserved  string
	Hash      string
	Sum       []byte
}

// toSign is what an SSH key signs of data.
func toSign(data []byte, hash string) ([]byte, error) {
	m := message{Magic: [6]byte([]byte(magic)), Namespace: Namespace, Hash: hash}
	switch hash {
	case "sha256":
		sum := sha256.Sum256(data)
		m.Sum = sum[:]
	case "sha512":
		sum := sha512.Sum512(data)
		m.Sum = sum[:]
	default:
		return nil, fmt.Errorf("its hash %.20q is neither sha256 nor sha512", hash)
	}
	return ssh.Marshal(m), nil
}

// sign makes the signature of data, as `ssh-keygen -Y sign -n file` does.
func sign(key ssh.Signer, data []byte) ([]byte, error) {
	const hash = "sha512"
	text, err := toSign(data, hash)
	if err != nil {
		return nil, err
	}
	algorithm := key.PublicKey().Type()
	if algorithm == ssh.KeyAlgoRSA { // with SHA-1, if it is not told otherwise
		algorithm = ssh.KeyAlgoRSASHA512
	}
	as, ok := key.(ssh.AlgorithmSigner)
	if !ok {
		return nil, fmt.Errorf("a key of type %s cannot sign here", key.PublicKey().Type())
	}
	sig, err := as.SignWithAlgorithm(rand.Reader, text, algorithm)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: ssh.Marshal(envelope{
		Magic: [6]byte([]byte(magic)), Version: 1, PublicKey: string(key.PublicKey().Marshal()), Namespace: Namespace,
		Hash: hash, Signature: string(ssh.Marshal(sig)),
	})}), nil
}

// check returns the key that made a signature of data.
func check(armored, data []byte) (ssh.PublicKey, error) {
	block, rest := pem.Decode(armored)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("it is no SSH signature")
	}
	var e envelope
	if err := ssh.Unmarshal(block.Bytes, &e); err != nil || string(e.Magic[:]) != magic || e.Version != 1 {
		return nil, errors.New("it is no SSH signature of version 1")
	}
	if e.Namespace != Namespace {
		return nil, fmt.Errorf("its namespace is %.40q, not %q", e.Namespace, Namespace)
	}
	key, err := ssh.ParsePublicKey([]byte(e.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("its key cannot be read: %w", err)
	}
	var sig ssh.Signature
	if err := ssh.Unmarshal([]byte(e.Signature), &sig); err != nil {
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	if sig.Format == ssh.KeyAlgoRSA {
		return nil, errors.New("it is one with SHA-1, which OpenSSH takes no more")
	}
	text, err := toSign(data, e.Hash)
	if err != nil {
		return nil, err
	}
	if err := key.Verify(text, &sig); err != nil {
		return nil, errors.New("it is none of this seal: one of the two was changed, or the signature is of another")
	}
	return key, nil
}

// signed returns the key that signed a seal, nil where nobody has.
func signed(r *store.Run, s Seal) (ssh.PublicKey, error) {
	armored, err := r.Read(s.Name() + signature)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return check(armored, s.bytes())
}

// Sign signs the last seal of a run, which must have been verified, and returns the
// signature's file. One that is there is replaced.
func Sign(r *store.Run, v Verdict, key ssh.Signer) (string, error) {
	armored, err := sign(key, v.Last.bytes())
	if err != nil {
		return "", err
	}
	name := v.Last.Name() + signature
	return name, r.Whole().Replace(name, armored)
}
