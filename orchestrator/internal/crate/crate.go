// Package crate puts a run's directory into one archive that repositories such as
// Zenodo and Trovi take, and takes it out again: a ZIP file with an RO-Crate 1.1
// description (https://w3id.org/ro/crate/1.1), ro-crate-metadata.json, at its top.
// The same content gives the same bytes, whoever packs it.
//
//	ro-crate-metadata.json README.md        the description, and how to do it again
//	experiment.yaml plan.json …             the run's directory as it was sealed
//	files/<sha256>                          models and what else was pushed, if it is asked for
package crate

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Names at the top of an archive that are no files of the run.
const (
	MetadataFile = "ro-crate-metadata.json"
	ReadmeFile   = "README.md"
	FilesDir     = "files"
)

// Profile is the version of RO-Crate that is written.
const Profile = "https://w3id.org/ro/crate/1.1"

// Crate is what an archive says of its run.
type Crate struct {
	RunID       string
	Experiment  string
	Description string
	Started     time.Time
	Ended       time.Time
	Agent       string // the version of what measured
	License     string // a URL; "": none is given
	Authors     []Author
	Models      []Model
	Readme      string
	Files       []File // the run's, and those below [FilesDir]; sorted by name when written
}

// Author is somebody who ran the experiment.
type Author struct {
	Name string
	ID   string // a URL, such as an ORCID; "": none is given
}

// Model is a model that was measured, by its sum.
type Model struct {
	Name, SHA256, Origin string
	Bytes                int64
}

// File is one file of an archive.
type File struct {
	Name   string // with slashes
	SHA256 string
	Bytes  int64
	Open   func() (io.ReadCloser, error)
}

// Write writes the archive.
func (c Crate) Write(w io.Writer) error {
	c.Files = slices.SortedFunc(slices.Values(c.Files), func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	metadata, err := c.Metadata()
	if err != nil {
		return err
	}
	z := zip.NewWriter(w)
	for _, f := range []struct{ name, text string }{{MetadataFile, string(metadata)}, {ReadmeFile, c.Readme}} {
		if err := c.add(z, f.name, strings.NewReader(f.text)); err != nil {
			return err
		}
	}
	for _, f := range c.Files {
		r, err := f.Open()
		if err != nil {
			return err
		}
		err = c.add(z, f.Name, r)
		r.Close()
		if err != nil {
			return err
		}
	}
	return z.Close()
}

func (c Crate) add(z *zip.Writer, name string, r io.Reader) error {
	h := &zip.FileHeader{Name: name, Method: zip.Deflate, Modified: c.Ended.UTC().Truncate(time.Second)}
	h.SetMode(0o644)
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = io.Copy(w, r)
	}
	if err != nil {
		return fmt.Errorf("pack %s: %w", name, err)
	}
	return nil
}

// entity is one node of the graph.
type entity map[string]any

func ref(id string) entity { return entity{"@id": id} }

// Metadata is the description of the archive.
func (c Crate) Metadata() ([]byte, error) {
	const run, chexp, noLicense = "#run", "#chexp", "#no-licence"
	root := entity{"@id": "./", "@type": "Dataset", "name": "chexp run " + c.RunID,
		"description":   c.about(),
		"datePublished": c.Ended.UTC().Format(time.DateOnly), "identifier": c.RunID, "mentions": ref(run)}
	graph := []entity{
		{"@id": MetadataFile, "@type": "CreativeWork", "conformsTo": ref(Profile), "about": ref("./")},
		root,
	}
	add := func(e entity) entity {
		graph = append(graph, e)
		return ref(e["@id"].(string))
	}
	if c.License != "" {
		root["license"] = add(entity{"@id": c.License, "@type": "CreativeWork", "name": c.License,
			"description": "The licence of this data set."})
	} else {
		root["license"] = add(entity{"@id": noLicense, "@type": "CreativeWork", "name": "No licence is given",
			"description": "Whoever packed this named no licence: ask the author before you use it."})
	}
	var authors, files, measured, models []entity
	for i, a := range c.Authors {
		id := a.ID
		if id == "" {
			id = fmt.Sprintf("#author-%d", i+1)
		}
		authors = append(authors, add(entity{"@id": id, "@type": "Person", "name": a.Name}))
	}
	switch len(authors) {
	case 0:
	case 1:
		root["author"] = authors[0]
	default:
		root["author"] = authors
	}
	for _, f := range append([]File{{Name: ReadmeFile, Bytes: int64(len(c.Readme))}}, c.Files...) {
		e := entity{"@id": (&url.URL{Path: f.Name}).EscapedPath(), "@type": "File", "name": f.Name,
			"description": describe(f.Name), "encodingFormat": format(f.Name), "contentSize": fmt.Sprint(f.Bytes)}
		if f.SHA256 != "" {
			e["sha256"] = f.SHA256
		}
		id := add(e)
		files = append(files, id)
		if isResult(f.Name) {
			measured = append(measured, id)
		}
	}
	root["hasPart"] = files
	models = []entity{ref("experiment.yaml"), ref("plan.json")}
	for _, m := range c.Models {
		models = append(models, add(entity{"@id": "#model-" + m.SHA256, "@type": "CreativeWork", "name": m.Name,
			"description": "A model that was measured: " + m.Origin, "identifier": "sha256:" + m.SHA256,
			"sha256": m.SHA256,
			"size":   fmt.Sprint(m.Bytes), "encodingFormat": "application/onnx"}))
	}
	graph = append(graph, entity{"@id": chexp, "@type": "SoftwareApplication", "name": "chexp",
		"description": "Measures ML inference on edge devices.", "softwareVersion": c.Agent},
		entity{"@id": run, "@type": "CreateAction", "name": "The run " + c.RunID, "instrument": ref(chexp),
			"object": models, "result": measured, "startTime": c.Started.UTC().Format(time.RFC3339),
			"endTime": c.Ended.UTC().Format(time.RFC3339)})
	data, err := json.MarshalIndent(map[string]any{
		"@context": []any{Profile + "/context", map[string]string{"sha256": "https://schema.org/sha256"}},
		"@graph":   graph,
	}, "", "  ")
	return append(data, '\n'), err
}

func (c Crate) about() string {
	text := "Latencies of machine-learning models, measured by the chexp experiment " + c.Experiment +
		": the experiment, the plan, every raw latency, where each comes from, and the report."
	if c.Description != "" {
		text += " " + c.Description
	}
	return text
}

func isResult(name string) bool {
	return path.Base(path.Dir(name)) == "results" && strings.HasSuffix(name, ".json")
}

// kinds are what the files of a run are, by their base names.
var kinds = map[string]string{
	"experiment.yaml": "The experiment, as its author wrote it",
	"plan.json":       "What was to be measured: trials, models by their SHA-256, and the policy",
	"models.json":     "Where the pushed files lay on the machine that ran the experiment",
	"journal.jsonl":   "What was done, entry by entry",
	"events.jsonl":    "What the agent on the device said",
	"origins.jsonl":   "Which attempt each result came from",
	"SHA256SUMS":      "The SHA-256 of each result, as it came from the device",
	"REHEARSAL":       "A mark: the device was emulated",
	"report.html":     "The report, for a browser",
	"report.txt":      "The report, as text",
	"report.md":       "The report, as Markdown",
	"report.csv":      "A line for each trial",
	"report.json":     "The report, for programs",
	"bench.txt":       "The latencies in the Go benchmark format, for benchstat",
	ReadmeFile:        "What this is, and how to do it again",
}

func describe(name string) string {
	base, dir := path.Base(name), path.Base(path.Dir(name))
	switch {
	case kinds[base] != "":
		return kinds[base]
	case isResult(name):
		return "Every latency of one trial, with the conditions"
	case dir == "partial":
		return "A trial that was interrupted"
	case dir == "attempts":
		return "Where an attempt measured: site, device, lease, container"
	case dir == "seals":
		return "The SHA-256 of every file, or its signature"
	case dir == FilesDir:
		return "A file that was pushed to the device, under its SHA-256"
	}
	return "A file of the run"
}

// format is a file's media type.
func format(name string) string {
	switch path.Ext(name) {
	case ".json":
		return "application/json"
	case ".jsonl":
		return "application/jsonl"
	case ".yaml":
		return "application/yaml"
	case ".html":
		return "text/html"
	case ".csv":
		return "text/csv"
	case ".md":
		return "text/markdown"
	}
	if path.Base(path.Dir(name)) == FilesDir {
		return "application/octet-stream"
	}
	return "text/plain"
}
