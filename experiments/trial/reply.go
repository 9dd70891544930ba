package trial

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// StatusReply is what `chexp-agent status`, `start` and `stop` print as JSON lines:
// one line for each event after --since, and a last line with the state. The
// events are bounded in bytes, and More says whether there are others. A reply
// without its last line was cut off.
type StatusReply struct {
	Events []Event `json:"-"`
	State  State   `json:"state"`
	More   bool    `json:"more,omitempty"`
}

// Write prints the reply.
func (r StatusReply) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	for _, e := range r.Events {
		if err := enc.Encode(e); err != nil {
			return err
		}
	}
	return enc.Encode(r)
}

// ParseReply reads what Write printed.
func ParseReply(data []byte) (r StatusReply, err error) {
	lines := bytes.Split(bytes.TrimSpace(data), []byte{'\n'})
	for i, line := range lines {
		if i == len(lines)-1 {
			var end struct {
				State *State `json:"state"`
				More  bool   `json:"more"`
			}
			if err := json.Unmarshal(line, &end); err != nil {
				return r, fmt.Errorf("last line: %w", err)
			}
			if end.State == nil {
				return r, errors.New("the reply ends before the state")
			}
			r.State, r.More = *end.State, end.More
			return r, nil
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return r, fmt.Errorf("line %d: %w", i+1, err)
		}
		r.Events = append(r.Events, e)
	}
	return r, errors.New("the reply is empty")
}
