package intercomtest

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Fault is something that goes wrong with a request. Its members combine; set those that are wanted:
//
//	srv.Inject(intercomtest.Fault{Status: 502})                                  // refused, not done
//	srv.Inject(intercomtest.Fault{Status: 502, Done: true})                      // done, but the answer is lost
//	srv.Inject(intercomtest.Fault{Drop: true, Done: true})                       // done, then the connection breaks
//	srv.Inject(intercomtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"3"}}})
//	srv.Inject(intercomtest.Fault{Operation: "admins.list", Times: -1, Delay: time.Minute})
type Fault struct {
	// Operation is the name of the operation whose requests it hits, such as "conversations.assign" or
	// "oauth.token"; empty hits any request.
	Operation string
	// Times is how many requests it hits; 0 means one, a negative number all until it is taken away.
	Times int

	// Done carries the request out before anything goes wrong. Without it, a request is not carried out at all if
	// Status, HTML, Body or Drop is set, and only after the Delay otherwise.
	Done bool
	// Delay is waited for, no longer than the client does. A client that leaves before a request is carried out
	// has not made it.
	Delay time.Duration
	// Status is answered in place of Intercom's own answer, in an error.list with Code and Message.
	Status int
	// Code is the code of that error; a common one for the status if empty.
	Code string
	// Message is the text of that error; the text of the status if empty.
	Message string
	// HTML answers with a page of HTML, as proxies do, and Status, which is 502 if not set.
	HTML bool
	// Body answers with these bytes and Status, which is 200 if not set.
	Body []byte
	// Header is added to the answer, whichever it is; a header that the answer has is replaced.
	Header http.Header
	// Truncate ends the answer's body after that many bytes, although Content-Length promises all of it.
	Truncate int
	// Drop breaks the connection in place of an answer. In memory the client sees io.EOF. Over a connection that was
	// used before, net/http's own transport may send a GET again by itself.
	Drop bool
	// Refuse fails like a dial that is refused; the request does not reach the fake. It works in memory; over a
	// real connection it is a Drop.
	Refuse bool
	// Duplicate carries the request out twice, as if a proxy had repeated it. The client gets the second answer.
	Duplicate bool
}

// fault is a Fault that waits for requests.
type fault struct {
	Fault
	left int // negative: no end
}

// Inject lets the fault hit requests to come. Of several that fit a request, the one injected first hits it.
// The function that it returns takes the fault away.
func (s *Server) Inject(f Fault) (remove func()) {
	f.check()
	in := &fault{Fault: f, left: cmp.Or(f.Times, 1)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, in)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.faults = slices.DeleteFunc(s.faults, func(x *fault) bool { return x == in })
	}
}

// ClearFaults takes all faults away.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// check panics on a fault that would do nothing, or something else than it says.
func (f *Fault) check() {
	_, known := intercomrbac.LookupOperation(f.Operation)
	known = known || oauthHandlers[f.Operation] != nil
	switch {
	case f.Operation != "" && !known:
		panic(fmt.Sprintf("intercomtest: Inject: there is no operation %q", f.Operation))
	case f.Status != 0 && (f.Status < 200 || f.Status > 599):
		panic(fmt.Sprintf("intercomtest: Inject: %d is no status of an answer", f.Status))
	case f.Delay < 0 || f.Truncate < 0:
		panic("intercomtest: Inject: Delay and Truncate must not be negative")
	case f.HTML && f.Body != nil:
		panic("intercomtest: Inject: HTML and Body exclude each other")
	case !f.replaces() && f.Delay == 0 && len(f.Header) == 0 && f.Truncate == 0 && !f.Refuse && !f.Duplicate:
		panic("intercomtest: Inject: the fault does nothing")
	}
}

// replaces reports whether the client gets something else than Intercom's own answer.
func (f *Fault) replaces() bool { return f.Status != 0 || f.HTML || f.Body != nil || f.Drop }

// takeFault uses up one hit of the first fault that fits; without one it is the zero Fault.
func (s *Server) takeFault(operation string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Operation != "" && f.Operation != operation {
			continue
		}
		if f.left--; f.left == 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return f.Fault
	}
	return Fault{}
}

func (s *Server) faultReply(r *request, f Fault) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := s.requestID()
	switch {
	case f.HTML:
		status := cmp.Or(f.Status, http.StatusBadGateway)
		text := fmt.Sprintf("%d %s", status, http.StatusText(status))
		page := "<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n"
		answer := s.reply(r, http.Header{}, status, []byte(page), id)
		answer.header.Set("Content-Type", "text/html")
		return answer
	case f.Body != nil:
		return s.reply(r, http.Header{}, cmp.Or(f.Status, http.StatusOK), slices.Clone(f.Body), id)
	default:
		code := f.Code
		if code == "" {
			code = commonCode(f.Status)
		}
		return s.reply(r, http.Header{}, f.Status, errorBody(id, code, cmp.Or(f.Message, http.StatusText(f.Status)), ""), id)
	}
}

func commonCode(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limit_exceeded"
	case status == http.StatusNotFound:
		return "not_found"
	case status == http.StatusForbidden:
		return "forbidden"
	case status == http.StatusUnauthorized:
		return "unauthorized"
	case status >= http.StatusInternalServerError:
		return "server_error"
	default:
		return "client_error"
	}
}

// wait makes its timer here and now, in the bubble of the request if there is one.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
