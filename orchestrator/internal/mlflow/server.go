package mlflow

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"chexp/experiments/failure"
	"chexp/experiments/secret"
	"chexp/experiments/words"
	"chexp/orchestrator/internal/patient"
)

// Limits of MLflow's log-batch, and of one exchange.
const (
	batchMetrics = 1000
	exchange     = 60 * time.Second
	maxReason    = 300
	maxValue     = 500 // of a parameter; older servers take no more
)

// Server is a tracking server.
type Server struct {
	URI                   string // http or https; a name and password in it are taken out
	User, Password, Token string // from the environment; Token wins
	Say                   func(string)
	http                  http.Client
	base                  *url.URL
	withoutArtifacts      bool
}

// Post hands the experiment over, a trial after the other. Nothing that creates
// something is sent twice: where an answer is lost, the error says which trial it was.
func (s *Server) Post(ctx context.Context, e Experiment) (posted int, err error) {
	s.base, err = url.Parse(s.URI)
	if err != nil || s.base.Host == "" || s.base.Scheme != "http" && s.base.Scheme != "https" {
		return 0, failure.Usage.Errorf("the tracking URI is no address of a server: it takes http:// or https://").
			Advise("set MLFLOW_TRACKING_URI, or write a folder with -o DIR")
	}
	if u := s.base.User; u != nil {
		s.User = u.Username()
		s.Password, _ = u.Password()
		s.base.User = nil
	}
	secret.HideURL(s.URI)
	secret.Hide(s.Token, s.Password) // [patient.Client] takes them out of what the server says
	s.base.RawQuery, s.base.Fragment = "", ""
	s.http = patient.Client(nil, nil)
	id, err := s.experiment(ctx, e.Name)
	if err != nil {
		return 0, err
	}
	for _, t := range e.Trials {
		if err := s.trial(ctx, id, t); err != nil {
			return posted, fmt.Errorf("trial %s: %w", t.Name, err)
		}
		posted++
	}
	return posted, nil
}

// experiment finds the experiment of that name, or makes it.
func (s *Server) experiment(ctx context.Context, name string) (string, error) {
	var got struct {
		Experiment struct {
			ID string `json:"experiment_id"`
		} `json:"experiment"`
		ID string `json:"experiment_id"`
	}
	err := s.call(ctx, http.MethodGet, "experiments/get-by-name?experiment_name="+url.QueryEscape(name), nil, &got)
	if err == nil && got.Experiment.ID != "" {
		return got.Experiment.ID, nil
	}
	var status *statusError
	if err != nil && (!errors.As(err, &status) || status.code != http.StatusNotFound) {
		return "", err
	}
	if err := s.call(ctx, http.MethodPost, "experiments/create", map[string]any{"name": name}, &got); err != nil {
		return "", err
	}
	if got.ID == "" {
		return "", failure.Cloud.Errorf("the tracking server made no experiment %s", name)
	}
	return got.ID, nil
}

func (s *Server) trial(ctx context.Context, experiment string, t Trial) error {
	type pair struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	pairs := func(m map[string]string) (out []pair) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			v := []rune(m[k])
			out = append(out, pair{k, string(v[:min(len(v), maxValue)])})
		}
		return out
	}
	var made struct {
		Run struct {
			Info struct {
				ID  string `json:"run_id"`
				URI string `json:"artifact_uri"`
			} `json:"info"`
		} `json:"run"`
	}
	err := s.call(ctx, http.MethodPost, "runs/create", map[string]any{"experiment_id": experiment, "run_name": t.Name,
		"start_time": t.Start.UnixMilli(), "tags": pairs(t.allTags())}, &made)
	if err != nil {
		return err
	}
	id := made.Run.Info.ID
	if id == "" {
		return failure.Cloud.Errorf("the tracking server made no run")
	}
	params := pairs(t.Params)
	for values := range slices.Chunk(t.metrics(), batchMetrics-len(params)) {
		err = s.call(ctx, http.MethodPost, "runs/log-batch", map[string]any{"run_id": id, "metrics": values,
			"params": params}, nil)
		if err != nil {
			return err
		}
		params = nil
	}
	if err := s.artifacts(ctx, made.Run.Info.URI, t); err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, "runs/update", map[string]any{"run_id": id, "status": "FINISHED",
		"end_time": t.End.UnixMilli()}, nil)
}

// artifacts uploads what belongs to a trial, where the server takes it itself.
func (s *Server) artifacts(ctx context.Context, uri string, t Trial) error {
	at, own := strings.CutPrefix(uri, "mlflow-artifacts:")
	if !own {
		if !s.withoutArtifacts {
			s.Say("artifacts are not uploaded: the server keeps them elsewhere, at " +
				words.Line(strings.SplitN(uri, ":", 2)[0], 20) + ":")
		}
		s.withoutArtifacts = true
		return nil
	}
	if strings.HasPrefix(at, "//") { // an authority, which is the server's own
		_, at, _ = strings.Cut(at[2:], "/")
	}
	for name, data := range t.Artifacts {
		to := "/api/2.0/mlflow-artifacts/artifacts" + path.Join("/", at, name)
		if err := s.send(ctx, http.MethodPut, to, "application/octet-stream", data, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) call(ctx context.Context, method, what string, body, answer any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return s.send(ctx, method, "/api/2.0/mlflow/"+what, "application/json", data, answer)
}

// statusError is an answer that is no success.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("HTTP %d", e.code) }

// send is one exchange. Its errors name neither credentials nor the address with them.
func (s *Server) send(ctx context.Context, method, what, kind string, body []byte, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, exchange)
	defer cancel()
	u := *s.base
	p, query, _ := strings.Cut(what, "?")
	u.Path, u.RawQuery = strings.TrimSuffix(u.Path, "/")+p, query
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", kind)
	switch {
	case s.Token != "":
		req.Header.Set("Authorization", "Bearer "+s.Token)
	case s.User != "":
		req.SetBasicAuth(s.User, s.Password)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return failure.Cloud.Errorf("the tracking server %s does not answer %s", u.Host, path.Base(p)).
			Because(patient.Reason(err))
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return failure.Cloud.Errorf("the tracking server %s breaks off its answer to %s", u.Host, path.Base(p)).Because(err)
	}
	switch {
	case resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden:
		return failure.Auth.Errorf("the tracking server %s refuses %s", u.Host, path.Base(p)).
			Advise("set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN").
			Because(&statusError{resp.StatusCode})
	case resp.StatusCode/100 != 2:
		return failure.Cloud.Errorf("the tracking server %s refuses %s: %s", u.Host, path.Base(p), reason(data)).
			Because(&statusError{resp.StatusCode})
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(data, answer); err != nil {
		return failure.Cloud.Errorf("the tracking server %s answers %s with what is not MLflow's", u.Host, path.Base(p)).
			Because(err)
	}
	return nil
}

// reason is what a server says went wrong.
func reason(data []byte) string {
	var said struct {
		Message string `json:"message"`
	}
	text := string(data)
	if json.Unmarshal(data, &said) == nil && said.Message != "" {
		text = said.Message
	}
	return words.Line(text, maxReason)
}
