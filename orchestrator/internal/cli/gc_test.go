package cli

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The directory of an emulator is litter once nobody listens at its address; one
// that may just be starting is not.
func TestDeadRehearsal(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	look := func() string {
		st, err := os.Lstat(dir)
		if err != nil {
			t.Fatal(err)
		}
		return inUse(dir, st)
	}
	if look() == "" {
		t.Error("one that is just being made counts as dead")
	}
	old := time.Now().Add(-2 * atRest)
	if err := os.Chtimes(dir, old, old); err != nil {
		t.Fatal(err)
	}
	if why := look(); why != "" {
		t.Errorf("one that was killed before it had an address: %s", why)
	}
	clouds := fmt.Sprintf("clouds:\n  x:\n    auth:\n      auth_url: \"http://%s/v3\"\n", l.Addr())
	if err := os.WriteFile(filepath.Join(dir, "clouds.yaml"), []byte(clouds), 0o600); err != nil {
		t.Fatal(err)
	}
	if look() == "" {
		t.Error("one that is up counts as dead")
	}
	l.Close()
	if why := look(); why != "" {
		t.Errorf("a dead one: %s", why)
	}
}

// chexp's mark is a whole run id, with the numbers of attempts and devices behind it.
func TestMark(t *testing.T) {
	for name, want := range map[string]bool{
		"20261130t170322z-quickstart-abcd": true, "20261130t170322z-a-b-abcd-2": true, "20261130t170322z-a-abcd-d3-2": true,
		"quickstart_alice": false, "20261130t170322z": false, "x20261130t170322z-a-abcd": false,
		"20261130t170322z-a-abcde": false, "20261130t170322z-A-abcd": false, "my-20261130t170322z-a-abcd": false,
	} {
		if mark.MatchString(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
