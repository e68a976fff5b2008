package intercomtest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"
)

// maxBody bounds what a request may send.
const maxBody = 8 << 20

// Transport returns a round tripper that hands each request to the fake in the caller's goroutine. The host of the
// request does not matter, but for OAuth: see [Server.AddApp]. It works in a bubble of testing/synctest, whether the
// server was made in it or not.
func (s *Server) Transport() http.RoundTripper { return memory{s} }

type memory struct{ s *Server }

var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// RoundTrip implements [http.RoundTripper].
func (m memory) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := readBody(r)
	if err != nil {
		return nil, err
	}
	if m.s.isClosed() {
		return nil, errRefused
	}
	base := r.URL.Scheme + "://" + r.URL.Host
	o := m.s.exchange(r.Context(), newRequest(r, base, body))
	switch {
	case o.err != nil:
		return nil, o.err
	case o.refuse:
		return nil, errRefused
	case o.drop:
		return nil, io.EOF
	}
	var content io.Reader = bytes.NewReader(o.reply.body)
	if o.cut > 0 && o.cut < len(o.reply.body) {
		content = io.MultiReader(bytes.NewReader(o.reply.body[:o.cut]), broken{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", o.reply.status, http.StatusText(o.reply.status)),
		StatusCode:    o.reply.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        o.reply.header,
		Body:          io.NopCloser(content),
		ContentLength: int64(len(o.reply.body)),
		Request:       r,
	}, nil
}

// broken is the end of a body that was promised to be longer.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	base := "http://" + r.Host
	if r.TLS != nil {
		base = "https://" + r.Host
	}
	o := s.exchange(r.Context(), newRequest(r, base, body))
	if o.err != nil || o.drop || o.refuse {
		panic(http.ErrAbortHandler) // net/http closes the connection without an answer
	}
	h := w.Header()
	for k, v := range o.reply.header {
		h[k] = v
	}
	h.Set("Content-Length", strconv.Itoa(len(o.reply.body)))
	w.WriteHeader(o.reply.status)
	if o.cut > 0 && o.cut < len(o.reply.body) {
		_, _ = w.Write(o.reply.body[:o.cut])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(o.reply.body) // a client that has gone is its own affair
}

// readBody reads one byte more than is allowed, which tells exchange that there was too much.
func readBody(r *http.Request) ([]byte, error) {
	if r.Body == nil {
		return nil, nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if closeErr := r.Body.Close(); err == nil && closeErr != nil {
		err = closeErr
	}
	if err != nil {
		return nil, fmt.Errorf("intercomtest: reading the request's body: %w", err)
	}
	return b, nil
}

// outcome is what the client gets of a request.
type outcome struct {
	reply  reply
	cut    int   // how much of the body arrives; 0 is all of it
	drop   bool  // the connection breaks in place of an answer
	refuse bool  // there is no connection
	err    error // the client has gone
}

// exchange is all that happens to one request, faults included.
func (s *Server) exchange(ctx context.Context, r *request) outcome {
	if err := ctx.Err(); err != nil {
		return outcome{err: err}
	}
	s.route(r)
	f := s.takeFault(r.op.Name)
	if f.Refuse {
		return outcome{refuse: true}
	}
	call := s.record(r)
	o := s.perform(ctx, r, f)
	if o.err == nil && !o.drop {
		s.mu.Lock()
		call.Status = o.reply.status
		s.mu.Unlock()
	}
	return o
}

func (s *Server) perform(ctx context.Context, r *request, f Fault) outcome {
	var answer reply
	process := f.Done || !f.replaces()
	if process && f.Done {
		answer = s.processTwiceIf(f.Duplicate, r)
	}
	if f.Delay > 0 {
		if err := wait(ctx, f.Delay); err != nil {
			return outcome{err: err}
		}
	}
	if process && !f.Done {
		answer = s.processTwiceIf(f.Duplicate, r)
	}
	if f.Drop {
		return outcome{drop: true}
	}
	if f.replaces() {
		answer = s.faultReply(r, f)
	}
	for k, v := range f.Header {
		answer.header[http.CanonicalHeaderKey(k)] = append([]string(nil), v...)
	}
	return outcome{reply: answer, cut: f.Truncate}
}

// processTwiceIf carries the request out, and again if it is repeated on its way; the last answer counts.
func (s *Server) processTwiceIf(twice bool, r *request) reply {
	if twice {
		again := *r
		first := s.process(&again)
		call := s.record(&again)
		s.mu.Lock()
		call.Status = first.status
		s.mu.Unlock()
	}
	return s.process(r)
}
