package front

import (
	"io"
	"net/http"
)

// line counts what goes over one exchange, both ways, and cuts it when too much has.
type line struct {
	left int64 // bytes
	cut  func()
}

func (l *line) pass(n int) {
	if l.left -= int64(n); l.left < 0 {
		l.cut()
	}
}

type cutWriter struct {
	http.ResponseWriter
	line *line
}

// Write lets through what still may pass, so that the client gets the beginning.
func (c *cutWriter) Write(p []byte) (int, error) {
	if int64(len(p)) > c.line.left {
		c.ResponseWriter.Write(p[:max(0, c.line.left)])
		http.NewResponseController(c.ResponseWriter).Flush()
	}
	c.line.pass(len(p))
	return c.ResponseWriter.Write(p)
}

func (c *cutWriter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

type cutReader struct {
	io.ReadCloser
	line *line
}

func (c cutReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.line.pass(n)
	return n, err
}

// void takes an answer that nobody gets.
type void struct{ header http.Header }

func (v *void) Header() http.Header         { return v.header }
func (v *void) Write(p []byte) (int, error) { return len(p), nil }
func (v *void) WriteHeader(int)             {}
