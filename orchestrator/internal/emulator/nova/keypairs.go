package nova

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"chexp/orchestrator/internal/emulator/front"
	"chexp/orchestrator/internal/emulator/pyrepr"
)

// maxKeys is Nova's default quota for one user.
const maxKeys = 100

// keypair is a public key with a name; it is the user's, not the project's.
type keypair struct {
	name, public, fingerprint string
	id                        int
	created                   time.Time
}

// view has the keys that a list, an answer to a creation, or a show has.
func (k *keypair) view(user string, v version, full bool) map[string]any {
	m := map[string]any{"name": k.name, "public_key": k.public, "fingerprint": k.fingerprint}
	if v >= 2 {
		m["type"] = "ssh"
	}
	if user != "" {
		m["user_id"] = user
	}
	if full {
		m["id"], m["deleted"], m["deleted_at"], m["updated_at"] = k.id, false, nil, nil
		m["created_at"] = k.created.Format("2006-01-02T15:04:05.000000")
	}
	return m
}

func (s keypairCalls) listKeypairs(c call) {
	if user := c.r.URL.Query().Get("user_id"); c.v >= 10 && user != "" && user != c.caller.UserID && !c.caller.Admin() {
		forbidden("os-keypairs:index")(c)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []any{}
	for _, k := range s.keys[c.caller.UserID] {
		list = append(list, map[string]any{"keypair": k.view("", c.v, false)})
	}
	front.JSON(c.w, 200, map[string]any{"keypairs": list})
}

// keyName are the characters that Nova takes from 2.92 on; before, any printable ones.
var keyName = regexp.MustCompile(`^[\w\-. @]+$`)

// readKeypair checks what the schema asks of a request.
func readKeypair(c call) (*pyrepr.Dict, *problem) {
	data, err := io.ReadAll(c.r.Body)
	if err != nil {
		front.Drop()
	}
	if len(data) == 0 {
		return nil, bad("None is not of type 'object'")
	}
	v, err := pyrepr.Decode(data)
	body, ok := v.(*pyrepr.Dict)
	if err != nil || !ok {
		return nil, bad("Malformed request body")
	}
	raw, ok := body.Get("keypair")
	if !ok {
		return nil, bad("'keypair' is a required property")
	}
	pair, ok := raw.(*pyrepr.Dict)
	if !ok {
		return nil, invalid("keypair", raw, pyrepr.Repr(raw)+" is not of type 'object'")
	}
	required := []string{"name"}
	if c.v >= 92 {
		required = append(required, "public_key")
	}
	for _, key := range required {
		if _, ok := pair.Get(key); !ok {
			return nil, invalid("keypair", pair, "'"+key+"' is a required property")
		}
	}
	since := map[string]version{"name": oldest, "public_key": oldest, "type": 2, "user_id": 10}
	for _, key := range pair.Keys() {
		if v, ok := since[key]; !ok || c.v < v {
			return nil, invalid("keypair", pair, "Additional properties are not allowed ('"+key+"' was unexpected)")
		}
		if value, _ := pair.Get(key); !isText(value) {
			return nil, invalid(key, value, pyrepr.Repr(value)+" is not of type 'string'")
		}
	}
	return pair, nil
}

func isText(v any) bool { _, ok := v.(string); return ok }

// newKeypair makes the pair that a call asks for, with the private key where
// Nova makes it; nil where the call was refused.
func (s keypairCalls) newKeypair(c call) (k *keypair, private string) {
	pair, p := readKeypair(c)
	if p != nil {
		c.fail(p.code, "%s", p.text)
		return nil, ""
	}
	value, _ := pair.Get("name")
	name := value.(string)
	if name == "" || len(name) > 255 || c.v >= 92 && !keyName.MatchString(name) {
		c.fail(400, "Invalid input for field/attribute name. Value: %s. '%[1]s' is too short", name)
		return nil, ""
	}
	public, given := pair.Get("public_key")
	var err error
	k = &keypair{name: strings.TrimSpace(name), created: s.World.Now()}
	if !given {
		if k.public, private, err = generate(); err != nil {
			c.fail(500, "Unexpected API Error.")
			return nil, ""
		}
	} else {
		k.public = public.(string)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.public))
	if err != nil {
		c.fail(400, "Keypair data is invalid: failed to generate fingerprint")
		return nil, ""
	}
	k.fingerprint = ssh.FingerprintLegacyMD5(key)
	return k, private
}

func (s keypairCalls) createKeypair(c call) {
	k, private := s.newKeypair(c)
	if k == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	own := s.keys[c.caller.UserID]
	if slices.ContainsFunc(own, func(o *keypair) bool { return o.name == k.name }) {
		c.fail(409, "Key pair '%s' already exists.", k.name)
		return
	}
	if len(own) >= maxKeys {
		c.fail(403, "Quota exceeded, too many key pairs.")
		return
	}
	s.madeKeys++
	k.id = s.madeKeys
	s.keys[c.caller.UserID] = append(own, k)
	view := k.view(c.caller.UserID, c.v, false)
	if private != "" {
		view["private_key"] = private
	}
	status := 200
	if c.v >= 2 {
		status = 201
	}
	front.JSON(c.w, status, map[string]any{"keypair": view})
}

// generate makes a key as Nova does: RSA, 2048 bits.
func generate() (public, private string, err error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", "", err
	}
	pub, err := ssh.NewPublicKey(&key.PublicKey)
	if err != nil {
		return "", "", err
	}
	block := &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(pub))) + " Generated-by-Nova",
		string(pem.EncodeToMemory(block)), nil
}

// key finds a user's key pair; the caller holds s.mu.
func (s *Service) key(user, name string) *keypair {
	for _, k := range s.keys[user] {
		if k.name == name {
			return k
		}
	}
	return nil
}

// findKey finds the key pair that the path names; nil where there is none, which
// it has answered. The caller holds s.mu.
func (s keypairCalls) findKey(c call) *keypair {
	k := s.key(c.caller.UserID, c.r.PathValue("id"))
	if k == nil {
		c.fail(404, "Keypair %s not found for user %s", c.r.PathValue("id"), c.caller.UserID)
	}
	return k
}

func (s keypairCalls) showKeypair(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.findKey(c)
	if k == nil {
		return
	}
	front.JSON(c.w, 200, map[string]any{"keypair": k.view(c.caller.UserID, c.v, true)})
}

func (s keypairCalls) deleteKeypair(c call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.findKey(c)
	if k == nil {
		return
	}
	s.keys[c.caller.UserID] = slices.DeleteFunc(s.keys[c.caller.UserID], func(o *keypair) bool { return o == k })
	c.w.Header().Set("Content-Type", "application/json")
	if c.v >= 2 {
		c.w.WriteHeader(204)
		return
	}
	c.w.WriteHeader(202)
}

// KeyPairs are the names of those that there are, of all users.
func (s *compute) KeyPairs() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	names := []string{}
	for _, own := range s.keys {
		for _, k := range own {
			names = append(names, k.name)
		}
	}
	slices.Sort(names)
	return names
}
