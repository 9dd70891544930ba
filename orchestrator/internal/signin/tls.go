package signin

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

// secure makes the TLS settings of a site with a certificate of its own, by
// openstacksdk's rules: insecure wins over verify, and OS_CACERT over cacert over a
// bundle in verify over REQUESTS_CA_BUNDLE. Settings that cannot be used matter only
// where TLS is spoken.
func (c *credentials) secure(e entry) error {
	config, err := e.tlsConfig()
	if err == nil {
		c.tls, c.unchecked = config, config.InsecureSkipVerify
		return nil
	}
	c.tls = new(tls.Config)
	sentence := failure.Auth.Errorf("the TLS settings of %s cannot be used", c.from).
		Advise("check verify, cacert (OS_CACERT, REQUESTS_CA_BUNDLE), cert and key").
		Because(err)
	if strings.HasPrefix(strings.ToLower(e.auth["auth_url"]), "http:") {
		c.stale = append(c.stale, sentence.Error())
		return nil
	}
	return sentence
}

func (e entry) tlsConfig() (*tls.Config, error) {
	config := new(tls.Config)
	bundle, isPath := e.verify.(string)
	off := e.verify == false || e.insecure
	switch cacert := cmp.Or(os.Getenv("OS_CACERT"), e.cacert); {
	case off:
		config.InsecureSkipVerify, bundle = true, ""
	case cacert != "":
		bundle = untilde(cacert)
	case !isPath || bundle == "":
		bundle = cmp.Or(os.Getenv("REQUESTS_CA_BUNDLE"), os.Getenv("CURL_CA_BUNDLE"))
	}
	if bundle != "" {
		pool, err := readBundle(bundle)
		if err != nil && isPath && bundle == e.verify {
			return nil, verifyFailure(bundle, err)
		} else if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	return config, e.addOwn(config)
}

// verifyFailure is about a verify that is text: a path, whatever it says.
func verifyFailure(said string, err error) error {
	switch strings.ToLower(said) {
	case "true", "false", "yes", "no", "y", "n", "on", "off", "0", "1":
		return fmt.Errorf("verify is %q, which is taken for the file of a bundle; write verify: true or verify: false, "+
			"without quotes", said)
	}
	return fmt.Errorf("verify: %w", err)
}

// hashed are the names by which OpenSSL finds certificates in a directory.
var hashed = regexp.MustCompile(`^[0-9a-f]{8}\.[0-9]+$`)

// readBundle reads a file of certificates, or a directory of them.
func readBundle(path string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		entries, err := files.ReadDir(path, 10_000)
		if err != nil {
			return nil, fmt.Errorf("cannot read %s: %w", path, bare(err))
		}
		some := false
		for _, entry := range entries {
			if !hashed.MatchString(entry.Name()) {
				continue
			}
			if pem, err := files.Read(filepath.Join(path, entry.Name()), maxClouds); err == nil {
				some = pool.AppendCertsFromPEM(pem) || some
			}
		}
		if !some {
			return nil, fmt.Errorf("%s holds no certificate by OpenSSL's names (`openssl rehash %s` makes them)",
				path, path)
		}
		return pool, nil
	}
	pem, err := files.Read(path, maxClouds)
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, bare(err))
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", path)
	}
	return pool, nil
}

// addOwn adds the certificate of the user, whose key may be in the same file.
func (e entry) addOwn(config *tls.Config) error {
	cert, key := cmp.Or(os.Getenv("OS_CERT"), e.cert), cmp.Or(os.Getenv("OS_KEY"), e.key)
	switch {
	case cert == "" && key == "":
		return nil
	case cert == "":
		return errors.New("there is a key and no cert")
	}
	pair, err := tls.LoadX509KeyPair(untilde(cert), untilde(cmp.Or(key, cert)))
	if err != nil {
		return fmt.Errorf("cert and key: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return nil
}

func untilde(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}
