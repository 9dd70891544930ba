package mlflow

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/files"
)

// experimentID is the name of the experiment's folder: digits, always the same for one
// name, as MLflow makes them.
func experimentID(name string) string {
	n, _ := strconv.ParseUint(files.Sum([]byte(name))[:15], 16, 64) // of hex digits
	return strconv.FormatUint(n, 10)
}

// Folder writes MLflow's file store below dir. What another run of the same experiment
// has put there stays; the same run again gives the same files.
func (e Experiment) Folder(dir string) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	id := experimentID(e.Name)
	own := filepath.Join(dir, id)
	var first int64
	for _, t := range e.Trials {
		if ms := t.Start.UnixMilli(); first == 0 || ms < first {
			first = ms
		}
	}
	meta := map[string]any{"artifact_location": fileURI(own), "creation_time": first, "experiment_id": id,
		"last_update_time": first, "lifecycle_stage": "active", "name": e.Name}
	if err := writeMeta(filepath.Join(own, "meta.yaml"), meta); err != nil {
		return err
	}
	for _, t := range e.Trials {
		if err := t.folder(filepath.Join(own, t.ID), id); err != nil {
			return err
		}
	}
	return nil
}

func fileURI(path string) string {
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(path)}).String()
}

func (t Trial) folder(dir, experiment string) error {
	lines := map[string]*strings.Builder{}
	for _, m := range t.metrics() {
		if lines[m.Key] == nil {
			lines[m.Key] = new(strings.Builder)
		}
		fmt.Fprintf(lines[m.Key], "%d %s %d\n", m.Timestamp, strconv.FormatFloat(m.Value, 'g', -1, 64), m.Step)
	}
	err := os.MkdirAll(filepath.Join(dir, "metrics"), 0o755)
	for key, text := range lines {
		err = errors.Join(err, write(filepath.Join(dir, "metrics", key), text.String()))
	}
	for key, v := range t.Params {
		err = errors.Join(err, write(filepath.Join(dir, "params", key), v))
	}
	for key, v := range t.allTags() {
		err = errors.Join(err, write(filepath.Join(dir, "tags", key), v))
	}
	for name, data := range t.Artifacts {
		err = errors.Join(err, write(filepath.Join(dir, "artifacts", name), string(data)))
	}
	const finished, local = 3, 4 // RunStatus.FINISHED, SourceType.LOCAL
	return errors.Join(err, writeMeta(filepath.Join(dir, "meta.yaml"), map[string]any{
		"artifact_uri": fileURI(filepath.Join(dir, "artifacts")), "end_time": t.End.UnixMilli(), "entry_point_name": "",
		"experiment_id": experiment, "lifecycle_stage": "active", "run_id": t.ID, "run_name": t.Name, "run_uuid": t.ID,
		"source_name": "chexp", "source_type": local, "source_version": "", "start_time": t.Start.UnixMilli(),
		"status": finished, "tags": []string{}, "user_id": "chexp",
	}))
}

func write(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return files.Write(path, []byte(text))
}

func writeMeta(path string, meta map[string]any) error {
	data, err := yaml.Marshal(meta)
	if err != nil {
		return err
	}
	return write(path, string(data))
}
