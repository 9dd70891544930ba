package infer

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
)

// maxSessions bounds how many models may be open at once.
const maxSessions = 64

// Serve answers requests until the input ends. An error is of the connection;
// what goes wrong with a model goes back as an answer.
func Serve(in io.Reader, out io.Writer, runner Runner) error {
	s := &server{in: bufio.NewReaderSize(in, 1<<20), runner: runner, sessions: map[int]Session{}}
	w := bufio.NewWriterSize(out, 1<<20)
	defer func() {
		for _, session := range s.sessions {
			session.Close()
		}
	}()
	for {
		h, err := readHeader(s.in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, body, err := s.answer(h)
		if err != nil {
			return err
		}
		if err := writeMessage(w, answer, body...); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
}

type server struct {
	in       *bufio.Reader
	runner   Runner
	sessions map[int]Session
	last     int
}

// answer's error ends the connection: the stream is out of step.
func (s *server) answer(h header) (answer header, body [][]byte, err error) {
	ctx := context.Background()
	switch h.Op {
	case "open":
		model, err := readBody(s.in, h.Model)
		if err != nil {
			return answer, nil, err
		}
		if len(s.sessions) == maxSessions {
			return header{Error: fmt.Sprintf("%d models are open already", maxSessions)}, nil, nil
		}
		var o Options
		if h.Options != nil {
			o = *h.Options
		}
		session, err := s.runner.Open(ctx, model, o)
		if err != nil {
			return header{Error: err.Error()}, nil, nil
		}
		s.last++
		s.sessions[s.last] = session
		return header{Session: s.last}, nil, nil
	case "run":
		inputs, err := unpack(s.in, h.Tensors)
		if err != nil {
			return answer, nil, err
		}
		session := s.sessions[h.Session]
		if session == nil {
			return header{Error: fmt.Sprintf("model %d is not open", h.Session)}, nil, nil
		}
		outputs, took, err := session.Run(ctx, inputs)
		if err != nil {
			return header{Error: err.Error()}, nil, nil
		}
		answer.TookNS = int64(took)
		answer.Tensors, body = pack(outputs)
		return answer, body, nil
	case "close":
		session := s.sessions[h.Session]
		delete(s.sessions, h.Session)
		if session == nil {
			return header{Error: fmt.Sprintf("model %d is not open", h.Session)}, nil, nil
		}
		if err := session.Close(); err != nil {
			answer.Error = err.Error()
		}
		return answer, nil, nil
	}
	return answer, nil, fmt.Errorf("there is no request %q", h.Op)
}
