package intercomtest

import (
	"bytes"
	"net/http"
	"net/url"
	"time"
)

// maxRecorded is how much of a request's body is kept.
const maxRecorded = 64 << 10

// Call is one request that reached the fake, whatever became of it.
type Call struct {
	// Operation is the name of the operation that it landed on, such as "conversations.assign" or "oauth.token";
	// empty if none.
	Operation string
	Method    string
	// Path is the escaped path.
	Path string
	// Query is without the secrets that Body is without.
	Query url.Values
	// Header is without Authorization, so that a test can print it.
	Header http.Header
	// Body is what was sent, up to 64 KiB. At the token endpoint the code and the client secret are "[redacted]", and a
	// body that is neither a form nor a JSON object is left out.
	Body []byte
	// Status is what the client got; 0 if it got no answer.
	Status int
	At     time.Time
}

func (s *Server) record(r *request) *Call {
	c := &Call{Operation: r.op.Name, Method: r.method, Path: r.path, Query: r.query, Header: r.header.Clone(), At: r.now}
	c.Header.Del("Authorization")
	body := r.body
	if r.path == tokenPath {
		c.Query, body = r.withoutSecrets()
	}
	c.Body = bytes.Clone(body[:min(len(body), maxRecorded)])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
	return c
}

// Calls returns the requests that reached the fake, in order of arrival.
func (s *Server) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Call, len(s.calls))
	for i, c := range s.calls {
		list[i] = *c
	}
	return list
}

// CallCount returns how many requests landed on the operation of that name, or how many there were if it is empty.
func (s *Server) CallCount(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.calls {
		if operation == "" || c.Operation == operation {
			n++
		}
	}
	return n
}

// ResetCalls forgets the requests so far.
func (s *Server) ResetCalls() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}
