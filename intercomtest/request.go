package intercomtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// request is one call as the handlers see it.
type request struct {
	method string
	path   string // escaped
	query  url.Values
	header http.Header
	body   []byte
	base   string // scheme and host that the client used
	host   string // without port, in lower case
	now    time.Time

	op    intercomrbac.Operation // zero if the call lands on none
	do    handler
	known bool                       // method and path are those of an operation
	open  bool                       // it needs no token
	args  map[string]string          // what the placeholders of the path stand for
	json  map[string]json.RawMessage // the members of the body, if it is an object
}

func newRequest(r *http.Request, base string, body []byte) *request {
	q := &request{
		method: r.Method, path: r.URL.EscapedPath(), query: r.URL.Query(), header: r.Header, body: body, base: base, now: time.Now(),
	}
	if u, err := url.Parse(base); err == nil {
		q.host = strings.ToLower(u.Hostname())
	}
	if len(body) > 0 && len(body) <= maxBody {
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) == nil {
			q.json = members
		}
	}
	return q
}

// decode reads the body into a struct. Unknown members are ignored, as Intercom does.
func (r *request) decode(into any) error {
	if r.json == nil {
		return errNotJSON
	}
	err := json.Unmarshal(r.body, into)
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return invalid(wrong.Field, "%s must not be a %s", wrong.Field, strings.SplitN(wrong.Value, " ", 2)[0])
	}
	if err != nil {
		return invalid("", "%v", err)
	}
	return nil
}

// wireID is an id in a request: Intercom's own examples send strings and integers for the same member.
type wireID string

// UnmarshalJSON accepts a string, a whole number or null.
func (id *wireID) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	if b[0] == '"' {
		return json.Unmarshal(b, (*string)(id))
	}
	if !digits(string(b)) {
		return errors.New("an id must be a string or a whole number")
	}
	*id = wireID(b)
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// number writes a numeric id as a JSON number, the empty one as 0.
func number[T ~string](id T) json.Number {
	if id == "" {
		return "0"
	}
	return json.Number(id)
}

func numbers[T ~string](ids []T) []json.Number {
	list := make([]json.Number, 0, len(ids))
	for _, id := range ids {
		list = append(list, number(id))
	}
	return list
}

// object is a JSON object of an answer.
type object = map[string]any

// orNull is v, or null if it is zero.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func unixOrNull(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Unix()
}

// failure is an answer in Intercom's error envelope.
type failure struct {
	status  int
	code    string
	message string
	field   string
	header  http.Header
}

// Error implements error.
func (f *failure) Error() string { return fmt.Sprintf("%d %s: %s", f.status, f.code, f.message) }

func fail(status int, code, message string) error {
	return &failure{status: status, code: code, message: message}
}

func invalid(field, format string, args ...any) error {
	return &failure{http.StatusBadRequest, "parameter_invalid", fmt.Sprintf(format, args...), field, nil}
}

func missing(field string) error {
	return &failure{http.StatusBadRequest, "parameter_not_found", field + " is a required parameter.", field, nil}
}

// unprocessable makes a 400 of the above a 422, which is what POST /events answers.
func unprocessable(err error) error {
	if f, ok := errors.AsType[*failure](err); ok && f.status == http.StatusBadRequest {
		f.status = http.StatusUnprocessableEntity
	}
	return err
}

var (
	errNotJSON      = fail(http.StatusBadRequest, "bad_request", "The request body is not a JSON object")
	errTooLarge     = fail(http.StatusRequestEntityTooLarge, "client_error", "The request body is too large")
	errNotFound     = fail(http.StatusNotFound, "not_found", "Resource Not Found")
	errUserNotFound = fail(http.StatusNotFound, "not_found", "User Not Found")
)

// reply is an answer as it goes over the wire.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// accepted is what a handler returns for 202 without a body.
type accepted struct{}

// done is what a handler returns for 200 without a body.
type done struct{}

// process authenticates, counts and carries out a request.
func (s *Server) process(r *request) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	header := http.Header{}
	result, err := s.handle(r, header)
	if err != nil {
		return s.errorReply(r, header, err)
	}
	switch result := result.(type) {
	case accepted:
		return s.reply(r, header, http.StatusAccepted, nil, s.requestID())
	case done:
		return s.reply(r, header, http.StatusOK, nil, s.requestID())
	case reply:
		return result
	}
	body, err := json.Marshal(result)
	if err != nil {
		panic(fmt.Sprintf("intercomtest: the answer to %s is not JSON: %v", r.op.Name, err))
	}
	return s.reply(r, header, http.StatusOK, body, s.requestID())
}

func (s *Server) handle(r *request, header http.Header) (any, error) {
	if r.open {
		if len(r.body) > maxBody {
			return nil, errTooLarge
		}
		return r.do(s, r)
	}
	tok, err := s.authenticate(r.header.Get("Authorization"))
	if err != nil {
		return nil, err
	}
	if err := s.count(tok, header); err != nil {
		return nil, err
	}
	switch {
	case len(r.body) > maxBody:
		return nil, errTooLarge
	case !r.known:
		return nil, fail(http.StatusNotFound, "not_found", fmt.Sprintf("The fake does not serve %s %s", r.method, r.path))
	case r.do == nil && r.json == nil:
		return nil, errNotJSON
	case r.do == nil:
		return nil, invalid("", "The body is not that of a known action")
	}
	if err := s.authorize(tok, r.op); err != nil {
		return nil, err
	}
	s.wake(r.now)
	return r.do(s, r)
}

func (s *Server) errorReply(r *request, header http.Header, err error) reply {
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = &failure{status: http.StatusInternalServerError, code: "server_error", message: err.Error()}
	}
	for k, v := range f.header {
		header[k] = v
	}
	id := s.requestID()
	return s.reply(r, header, f.status, errorBody(id, f.code, f.message, f.field), id)
}

func errorBody(requestID, code, message, field string) []byte {
	item := object{"code": code, "message": message}
	if field != "" {
		item["field"] = field
	}
	b, err := json.Marshal(object{"type": "error.list", "request_id": requestID, "errors": []object{item}})
	if err != nil {
		panic(fmt.Sprintf("intercomtest: %v", err)) // strings always encode
	}
	return b
}

// reply adds the headers that every answer has.
func (s *Server) reply(r *request, header http.Header, status int, body []byte, requestID string) reply {
	header.Set("Content-Type", "application/json; charset=utf-8")
	header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	header.Set("X-Request-Id", requestID)
	version := "2.16"
	if r != nil && r.header.Get("Intercom-Version") != "" {
		version = r.header.Get("Intercom-Version")
	}
	header.Set("Intercom-Version", version)
	if status == http.StatusNoContent || status == http.StatusNotModified {
		body = nil
	}
	return reply{status, header, body}
}

// requestID returns a UUID, but not every time: neither does Intercom.
func (s *Server) requestID() string {
	n := s.nextNumber("request", 1)
	if n%5 == 0 {
		return fmt.Sprintf("req_%020d", n)
	}
	return fmt.Sprintf("%08x-fa4e-4000-8000-%012x", n*0x9e3779b1&0xffffffff, n)
}

// perPage reads a page size, as most lists take it.
func perPage(text string, fallback int) (int, error) { return pageSize(text, fallback, 150) }

func pageSize(text string, fallback, most int) (int, error) {
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	switch {
	case err != nil || n < 1:
		return 0, invalid("per_page", "per_page must be a positive number")
	case n > most:
		return 0, invalid("per_page", "Per Page is too big")
	}
	return n, nil
}
