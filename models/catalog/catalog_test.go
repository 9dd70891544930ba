package catalog

import (
	"net/url"
	"strings"
	"testing"
)

func TestEveryEntryIsComplete(t *testing.T) {
	names, sums := map[string]bool{}, map[string]bool{}
	for _, e := range Entries() {
		if names[e.Name] || sums[e.SHA256] {
			t.Errorf("%s appears twice", e.Name)
		}
		names[e.Name], sums[e.SHA256] = true, true
		if len(e.SHA256) != 64 || strings.Trim(e.SHA256, "0123456789abcdef") != "" || e.Bytes <= 0 ||
			e.Description == "" || e.Licence == "" || e.Origin == "" || e.Input == "" {
			t.Errorf("%s is not complete: %+v", e.Name, e)
		}
		if u, err := url.Parse(e.URL); err != nil || e.URL != "" && u.Scheme != "https" {
			t.Errorf("%s: %s is not https", e.Name, e.URL)
		}
		if found, ok := FindEntry(e.Name); !ok || found != e {
			t.Errorf("%s is not found", e.Name)
		}
	}
	if _, ok := FindEntry("no-such"); ok {
		t.Error("an entry that is not there is found")
	}
}
