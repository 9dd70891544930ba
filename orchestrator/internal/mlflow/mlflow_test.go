package mlflow

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"chexp/experiments/failure"
)

func example() Experiment {
	when := time.Date(2026, 11, 30, 19, 0, 0, 0, time.UTC)
	t := Trial{ID: strings.Repeat("ab", 16), Name: "tiny on cpu [INVALID]", Start: when, End: when.Add(time.Second),
		Params:  map[string]string{"model": "tiny", "long": strings.Repeat("é", 600)},
		Metrics: map[string]float64{"p50_ns": 57.5e3}, Tags: map[string]string{"chexp.validity": "INVALID"},
		Artifacts: map[string][]byte{"result.json": []byte("{}")}}
	for i := range 1500 {
		t.Latencies = append(t.Latencies, int64(1e6+i))
	}
	return Experiment{Name: "an experiment", Trials: []Trial{t}}
}

func TestFolderIsTheSameEachTime(t *testing.T) {
	dir := t.TempDir()
	read := func() map[string]string {
		if err := example().Folder(dir); err != nil {
			t.Fatal(err)
		}
		all := map[string]string{}
		_ = filepath.Walk(dir, func(path string, info os.FileInfo, _ error) error {
			if info.Mode().IsRegular() {
				data, _ := os.ReadFile(path)
				name, _ := filepath.Rel(dir, path)
				all[name] = string(data)
			}
			return nil
		})
		return all
	}
	first, second := read(), read()
	own := experimentID("an experiment") + "/" + strings.Repeat("ab", 16)
	for name, has := range map[string]string{"metrics/p50_ns": " 57500 0\n", "metrics/latency_ms": " 1.000001 1\n",
		"params/model": "tiny", "tags/mlflow.runName": "tiny on cpu [INVALID]", "artifacts/result.json": "{}"} {
		if !strings.Contains(first[own+"/"+name], has) {
			t.Errorf("%s is %.60q", name, first[own+"/"+name])
		}
	}
	var meta struct {
		Status int    `yaml:"status"`
		URI    string `yaml:"artifact_uri"`
		ID     string `yaml:"run_id"`
	}
	if err := yaml.Unmarshal([]byte(first[own+"/meta.yaml"]), &meta); err != nil || meta.Status != 3 ||
		!strings.HasPrefix(meta.URI, "file:///") || meta.ID != strings.Repeat("ab", 16) {
		t.Errorf("%+v, %v", meta, err)
	}
	for name := range first {
		if first[name] != second[name] {
			t.Errorf("%s is another the second time", name)
		}
	}
}

// server plays a tracking server: it keeps what comes, and fails as it is told.
type server struct {
	mu       sync.Mutex
	creates  int
	metrics  int
	params   map[string]string
	finished bool
	artifact string
	auth     string
	answer   func(path string) (int, string)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.auth = r.Header.Get("Authorization")
	data, _ := io.ReadAll(r.Body)
	what := strings.TrimPrefix(r.URL.Path, "/base/api/2.0/")
	if what == "mlflow/runs/create" {
		s.creates++
	}
	if s.answer != nil {
		if code, text := s.answer(what); code != 0 {
			w.WriteHeader(code)
			_, _ = io.WriteString(w, text)
			return
		}
	}
	answer := "{}"
	switch what {
	case "mlflow/experiments/get-by-name":
		w.WriteHeader(http.StatusNotFound)
	case "mlflow/experiments/create":
		answer = `{"experiment_id":"7"}`
	case "mlflow/runs/create":
		answer = `{"run":{"info":{"run_id":"r1","artifact_uri":"mlflow-artifacts:/7/r1/artifacts"}}}`
	case "mlflow/runs/log-batch":
		var batch struct {
			Metrics []metric
			Params  []struct{ Key, Value string }
		}
		if json.Unmarshal(data, &batch) != nil || len(batch.Metrics)+len(batch.Params) > 1000 {
			w.WriteHeader(http.StatusBadRequest)
		}
		s.metrics += len(batch.Metrics)
		for _, p := range batch.Params {
			s.params[p.Key] = p.Value
		}
	case "mlflow/runs/update":
		s.finished = strings.Contains(string(data), "FINISHED")
	case "mlflow-artifacts/artifacts/7/r1/artifacts/result.json":
		s.artifact = string(data)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
	_, _ = io.WriteString(w, answer)
}

func TestPost(t *testing.T) {
	s := &server{params: map[string]string{}}
	at := httptest.NewServer(s)
	defer at.Close()
	to := Server{URI: strings.Replace(at.URL, "http://", "http://me:s3cret@", 1) + "/base/",
		Say: func(text string) { t.Error(text) }}
	n, err := to.Post(t.Context(), example())
	if err != nil || n != 1 || s.creates != 1 || s.metrics != 1501 || !s.finished || s.artifact != "{}" ||
		s.params["model"] != "tiny" || len([]rune(s.params["long"])) != maxValue || !strings.HasPrefix(s.auth, "Basic ") {
		t.Errorf("%d posted, %v; the server has %+v", n, err, s)
	}
}

func TestWhatTheServerRefusesIsSaidWithoutSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(string) (int, string)
		kind   failure.Kind
		says   string
	}{
		"no password": {func(string) (int, string) { return 401, "who?" }, failure.Auth, "refuses"},
		"a fault that repeats the password": {func(what string) (int, string) {
			if what == "mlflow/runs/create" {
				return 500, `{"message":"cannot, me:s3cret"}`
			}
			return 0, ""
		}, failure.Cloud, "cannot, me:[secret]"},
		"a page": {func(what string) (int, string) {
			if what == "mlflow/runs/create" {
				return 200, "<html>"
			}
			return 0, ""
		}, failure.Cloud, "not MLflow's"},
		"a redirect": {func(string) (int, string) { return 302, "" }, failure.Cloud, "refuses"},
	} {
		s := &server{params: map[string]string{}, answer: c.answer}
		at := httptest.NewServer(s)
		to := Server{URI: at.URL + "/base", User: "me", Password: "s3cret", Say: func(string) {}}
		n, err := to.Post(t.Context(), example())
		at.Close()
		if n != 0 || failure.KindOf(err) != c.kind && !errors.As(err, new(*failure.Error)) ||
			!strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "s3cret") || s.creates > 1 {
			t.Errorf("%s: %d posted, %d creates, %v", name, n, s.creates, err)
		}
	}
	for _, uri := range []string{"", "databricks", "ftp://x", "://s3cret"} {
		if _, err := (&Server{URI: uri}).Post(t.Context(), example()); failure.KindOf(err) != failure.Usage ||
			strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%q: %v", uri, err)
		}
	}
	gone := Server{URI: "http://me:s3cret@127.0.0.1:1"}
	if _, err := gone.Post(t.Context(), example()); failure.KindOf(err) != failure.Cloud ||
		strings.Contains(err.Error(), "s3cret") {
		t.Errorf("nobody there: %v", err)
	}
}
