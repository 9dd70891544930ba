package outdir

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"chexp/experiments/files"
	"chexp/experiments/trial"
)

// Answers keeps the answers of long evaluations, by their questions, so that an
// agent that is started again need not ask them again. The zero value keeps
// nothing.
type Answers struct {
	dir   string
	asker string
}

const (
	answersDir = trial.OutDir + "/answers"
	// maxAnswer bounds an answer: a quarter of what a process may answer (package
	// matrix). The question of a larger one is asked again.
	maxAnswer = 16 << 20
)

// OpenAnswers returns the answers of this agent (a holds its SHA-256) on this
// machine. Other agents and machines may answer otherwise.
func OpenAnswers(dir string, a trial.Agent, d trial.Device) (Answers, error) {
	cpu, _ := d.CPU.Get()
	features, _ := d.Features.Get()
	asker, err := json.Marshal([]any{a, cpu, features, d.Emulated})
	if err != nil {
		return Answers{}, err
	}
	path := filepath.Join(dir, answersDir)
	return Answers{path, string(asker)}, os.MkdirAll(path, 0o755)
}

func (a Answers) path(question string) string {
	return filepath.Join(a.dir, files.Sum([]byte(a.asker+"\n"+question)))
}

// Answer returns the answer that Keep wrote for a question, if it is undamaged.
func (a Answers) Answer(question string) ([]byte, bool) {
	if a.dir == "" {
		return nil, false
	}
	raw, err := files.Read(a.path(question), sha256.Size+maxAnswer)
	if err != nil || len(raw) < sha256.Size {
		return nil, false
	}
	sum := sha256.Sum256(raw[sha256.Size:])
	return raw[sha256.Size:], bytes.Equal(sum[:], raw[:sha256.Size])
}

// Keep writes an answer, after its SHA-256.
func (a Answers) Keep(question string, answer []byte) error {
	if a.dir == "" {
		return nil
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("it has more than %d bytes", maxAnswer)
	}
	sum := sha256.Sum256(answer)
	return files.Write(a.path(question), append(sum[:], answer...))
}
