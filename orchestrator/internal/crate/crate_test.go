package crate

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/files"
)

var when = time.Date(2026, 11, 30, 19, 22, 49, 5, time.UTC)

func file(name, text string) File {
	return File{name, files.Sum([]byte(text)), int64(len(text)),
		func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}
}

func example() Crate {
	return Crate{RunID: "20261130t192242z-exp-abcd", Experiment: "exp", Started: when, Ended: when.Add(time.Minute),
		Agent: "v1", Readme: "read me\n", License: "https://creativecommons.org/licenses/by/4.0/",
		Authors: []Author{{"Ada", "https://orcid.org/0000-0001"}, {Name: "Bo"}},
		Models:  []Model{{"tiny", files.Sum(nil), "builtin", 9}},
		Files: []File{file("results/b.json", "two\n"), file("results/a.json", "one\n"), file("plan.json", "{}\n"),
			file("experiment.yaml", "name: exp\n"), file("a name & more?.txt", "x"), file("devices/1/results/c.json", "three"),
			file(FilesDir+"/"+files.Sum([]byte("model")), "model")}}
}

func packed(t *testing.T, c Crate) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := c.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestTheSameRunGivesTheSameBytes(t *testing.T) {
	c := example()
	first := packed(t, c)
	c.Files[0], c.Files[3] = c.Files[3], c.Files[0]
	if !bytes.Equal(first, packed(t, c)) {
		t.Error("the order of the files changes the archive")
	}
}

// What RO-Crate 1.1 says that a crate MUST have.
func TestTheDescriptionKeepsTheProfile(t *testing.T) {
	for name, c := range map[string]Crate{"all": example(), "least": {RunID: "r", Ended: when}} {
		data, err := c.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Context any              `json:"@context"`
			Graph   []map[string]any `json:"@graph"`
		}
		if err := json.Unmarshal(data, &doc); err != nil {
			t.Fatal(err)
		}
		by := map[string]map[string]any{}
		for _, e := range doc.Graph {
			id, _ := e["@id"].(string)
			if id == "" || e["@type"] == nil || by[id] != nil {
				t.Errorf("%s: an entity without id or type, or twice: %v", name, e)
			}
			by[id] = e
		}
		descriptor, root := by[MetadataFile], by["./"]
		id := func(v any) any { m, _ := v.(map[string]any); return m["@id"] }
		if descriptor["@type"] != "CreativeWork" || id(descriptor["about"]) != "./" ||
			id(descriptor["conformsTo"]) != Profile {
			t.Errorf("%s: the descriptor is %v", name, descriptor)
		}
		for _, must := range []string{"name", "description", "datePublished", "license"} {
			if root["@type"] != "Dataset" || root[must] == nil || root[must] == "" {
				t.Errorf("%s: the root has no %s", name, must)
			}
		}
		if _, err := time.Parse(time.DateOnly, root["datePublished"].(string)); err != nil {
			t.Error(err)
		}
		parts := map[any]bool{}
		for _, p := range root["hasPart"].([]any) {
			parts[id(p)] = true
		}
		for _, e := range doc.Graph {
			for key, v := range e { // it is flat: a value is text, or refers to an entity that is there
				list, ok := v.([]any)
				if !ok {
					list = []any{v}
				}
				for _, x := range list {
					m, isObject := x.(map[string]any)
					if isObject && (len(m) != 1 || by[m["@id"].(string)] == nil && !strings.HasPrefix(m["@id"].(string), "https:") &&
						name == "all") {
						t.Errorf("%s: %v.%s refers to %v", name, e["@id"], key, m)
					}
				}
			}
			if e["@type"] == "File" != parts[e["@id"]] {
				t.Errorf("%s: %v is a file and no part, or the reverse", name, e["@id"])
			}
			if u, err := url.Parse(e["@id"].(string)); err != nil || u.String() != e["@id"] {
				t.Errorf("%s: %v is no URI: %v", name, e["@id"], err)
			}
		}
		if len(parts) != len(c.Files)+1 { // and the README
			t.Errorf("%s: %d parts of %d files", name, len(parts), len(c.Files))
		}
	}
}

func open(t *testing.T, data []byte) (*Archive, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(name)
	if err == nil {
		t.Cleanup(func() { a.Close() })
	}
	return a, err
}

func TestUnpack(t *testing.T) {
	a, err := open(t, packed(t, example()))
	if err != nil {
		t.Fatal(err)
	}
	run, pushed := t.TempDir(), t.TempDir()
	if err := a.Unpack(run, pushed); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{run + "/results/a.json": "one\n", run + "/a name & more?.txt": "x",
		run + "/devices/1/results/c.json": "three", pushed + "/" + files.Sum([]byte("model")): "model"} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{MetadataFile, ReadmeFile, FilesDir} {
		if _, err := os.Stat(filepath.Join(run, name)); err == nil {
			t.Errorf("%s is among the run's files", name)
		}
	}
}

// entry is one of an archive that somebody else has made.
type entry struct {
	zip.FileHeader
	text string
}

func foreign(t *testing.T, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, e := range entries {
		w, err := z.CreateHeader(&e.FileHeader)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func named(name string) entry { return entry{zip.FileHeader{Name: name, Method: zip.Deflate}, "x"} }

func TestHostileArchivesAreRefusedWhole(t *testing.T) {
	metadata := named(MetadataFile)
	metadata.text = `{"@graph":[]}`
	link, pipe, bomb := named("results/a.json"), named("x"), named("bomb")
	link.SetMode(0o777 | fs.ModeSymlink)
	pipe.SetMode(0o600 | fs.ModeNamedPipe)
	bomb.text = strings.Repeat("\x00", 40<<20)
	encrypted, odd := foreign(t, metadata, named("x")), foreign(t, metadata, named("x"))
	at := bytes.LastIndex(encrypted, []byte("PK\x01\x02"))
	encrypted[at+8] |= 1
	odd[at+10] = 12 // bzip2
	long := foreign(t, metadata, named("x"))
	binary.LittleEndian.PutUint32(long[at+24:], 1<<31)
	for name, c := range map[string]struct {
		data []byte
		says string
	}{
		"up":               {foreign(t, metadata, named("../x")), `"../x"`},
		"absolute":         {foreign(t, metadata, named("/etc/x")), `"/etc/x"`},
		"drive":            {foreign(t, metadata, named("c:x")), `"c:x"`},
		"backslash":        {foreign(t, metadata, named(`..\x`)), "is called"},
		"line end":         {foreign(t, metadata, named("a\nb")), "is called"},
		"dot":              {foreign(t, metadata, named("./x")), `"./x"`},
		"folder":           {foreign(t, metadata, entry{zip.FileHeader{Name: "x/"}, ""}), `"x/"`},
		"link":             {foreign(t, metadata, link), "no regular file"},
		"pipe":             {foreign(t, metadata, pipe), "no regular file"},
		"twice":            {foreign(t, metadata, named("x"), named("x")), "twice"},
		"twice by case":    {foreign(t, metadata, named("x"), named("X")), "twice"},
		"file and folder":  {foreign(t, metadata, named("x/y"), named("X")), "as a file and as a folder"},
		"folder and file":  {foreign(t, metadata, named("x"), named("x/y")), "as a file and as a folder"},
		"bomb":             {foreign(t, metadata, bomb), "more than"},
		"long":             {long, "more than"},
		"encrypted":        {encrypted, "encrypted"},
		"another method":   {odd, "packed in a way"},
		"no description":   {foreign(t, named("x")), "has no " + MetadataFile},
		"bad description":  {foreign(t, named(MetadataFile)), "invalid character"},
		"not an archive":   {[]byte("hello"), "zip"},
		"nothing":          {nil, "zip"},
		"cut in the midst": {packed(t, example())[:700], "zip"},
	} {
		_, err := open(t, c.data)
		if failure.KindOf(err) != failure.Storage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestWhatIsNotDescribedIsNotUnpacked(t *testing.T) {
	good := `{"@graph":[{"@id":"x","@type":"File","sha256":"` + files.Sum([]byte("x")) + `"},{"@id":"files/` +
		files.Sum([]byte("x")) + `","@type":"File","sha256":"` + files.Sum([]byte("x")) + `"}]}`
	metadata := named(MetadataFile)
	metadata.text = good
	other := named("x")
	other.text = "y"
	for name, c := range map[string]struct {
		entry entry
		says  string
	}{
		"good":          {named("x"), ""},
		"changed":       {other, "was changed"},
		"not described": {named("z"), "does not describe"},
		"a wrong name":  {named("files/x"), "not called by its SHA-256"},
		"another sum":   {named("files/" + files.Sum([]byte("y"))), "not called by its SHA-256"},
	} {
		a, err := open(t, foreign(t, metadata, c.entry))
		if err != nil {
			t.Fatal(name, err)
		}
		err = a.Unpack(t.TempDir(), t.TempDir())
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	var b bytes.Buffer
	if err := example().Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := open(t, data)
		if err != nil {
			return
		}
		run := t.TempDir()
		_ = a.Unpack(run, t.TempDir())
		outside, _ := os.ReadDir(filepath.Dir(run))
		if len(outside) > 3 {
			t.Errorf("something lies beside the folder: %v", outside)
		}
	})
}
