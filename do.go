package intercomrbac

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/apipath"
	"github.com/intercomrbac/intercomrbac/internal/redact"
)

// Bounds of what is sent and read, in bytes.
const (
	maxRequestBody  = 8 << 20
	maxResponseBody = 8 << 20
	maxErrorBody    = 64 << 10
)

var errNoClient = errors.New("intercomrbac: this Client was not made by NewClient")

// call is one use of an operation.
type call struct {
	op     Operation
	args   []string // values of the path's placeholders, in order
	query  url.Values
	body   any
	out    any     // where the answer is decoded; nil if it does not matter
	actor  AdminID // the acting admin that the body names
	toTeam bool    // it assigns to a team
}

// do runs a call and returns what it answered.
func do[T any](ctx context.Context, c *Client, in call) (*T, error) {
	out := new(T)
	in.out = out
	if err := c.do(ctx, &in); err != nil {
		return nil, err
	}
	return out, nil
}

// do is the one way to Intercom.
func (c *Client) do(ctx context.Context, in *call) error {
	if c == nil || c.s.token == nil {
		return errNoClient
	}
	if ctx == nil {
		return invalid(in.op, "the context is nil")
	}
	target, err := c.target(in)
	if err != nil {
		return err
	}
	body, err := encode(in)
	if err != nil {
		return err
	}
	if err := c.checkWorkspace(ctx, in.op); err != nil {
		return err
	}
	if c.s.gate == nil {
		return c.send(ctx, in, target, body)
	}
	if err := c.s.gate.before(ctx, in); err != nil {
		return err
	}
	return c.s.gate.after(ctx, in, c.send(ctx, in, target, body))
}

// checkWorkspace keeps principals of other workspaces out: their ids mean somebody else here.
func (c *Client) checkWorkspace(ctx context.Context, op Operation) error {
	p, ok := PrincipalFrom(ctx)
	switch {
	case !ok || p.Workspace == c.s.workspace:
		return nil
	case c.s.workspace == "":
		return fmt.Errorf("%w: %s: the principal is of %q and the client is bound to none: use WithWorkspace", ErrWrongWorkspace, op.Name, p.Workspace)
	default:
		return fmt.Errorf("%w: %s: the principal is of %q and the client is bound to %q", ErrWrongWorkspace, op.Name, p.Workspace, c.s.workspace)
	}
}

// target returns the URL of a call.
func (c *Client) target(in *call) (string, error) {
	path, err := apipath.Expand(in.op.Path, in.args...)
	if err != nil {
		return "", invalid(in.op, "%w", err)
	}
	// A server that decodes before it looks could take such an argument for more of the path.
	if strings.Contains(path, "%2F") || strings.Contains(path, "%5C") || strings.Contains(path, "%25") {
		if err := lands(in.op, path); err != nil {
			return "", err
		}
	}
	if len(in.query) > 0 {
		path += "?" + in.query.Encode()
	}
	return c.s.base + path, nil
}

// lands checks that a path leads to no operation of the table but op itself.
func lands(op Operation, escaped string) error {
	var best []Operation
	most := -1
	clean := apipath.Clean(escaped)
	for _, o := range operations {
		if o.Method != op.Method {
			continue
		}
		if literal, ok := apipath.Matches(o.Path, clean); ok && literal >= most {
			if literal > most {
				best, most = nil, literal
			}
			best = append(best, o)
		}
	}
	for _, o := range best {
		if o == op {
			return nil
		}
	}
	if best != nil {
		return invalid(op, "%s %s is operation %s: use that one, unchanged", op.Method, best[0].Path, best[0].Name)
	}
	return nil
}

func encode(in *call) ([]byte, error) {
	if in.body == nil {
		return nil, nil
	}
	body, err := json.Marshal(in.body)
	switch {
	case err != nil:
		return nil, invalid(in.op, "the params cannot be written as JSON: %w", err)
	case len(body) > maxRequestBody:
		return nil, invalid(in.op, "the body has %d bytes: at most %d are sent", len(body), maxRequestBody)
	}
	return body, nil
}

// fault says why an attempt has no answer.
type fault uint8

const (
	faultNone   fault = iota
	faultUnsent       // it was not sent: its context ended, there was no token, or the host is not to be trusted
	faultDial         // no connection: it was not sent
	faultLost         // it was sent, and the answer did not come or not whole
)

// answer is how one attempt ended.
type answer struct {
	status     int // 0 if no answer came
	requestID  string
	body       *bytes.Buffer // of buffers; nil if there is none
	oversized  bool
	rate       RateLimit
	retryAfter time.Duration
	fault      fault
	err        error // with fault
	redactor   redact.Redactor
}

// send sends a call until it is answered or another try is pointless.
func (c *Client) send(ctx context.Context, in *call, target string, body []byte) error {
	doubt := false // an earlier attempt may have been processed
	for attempt := 1; ; attempt++ {
		a := c.attempt(ctx, in, target, body, attempt)
		err := conclude(in, &a, attempt)
		if a.body != nil && a.body.Cap() <= 1<<20 {
			buffers.Put(a.body)
		}
		if err == nil {
			return nil
		}
		if doubt && in.op.Effect != Read && !errors.Is(err, ErrOutcomeUnknown) {
			err = &callError{text: fmt.Sprintf("%s: an earlier attempt may have been processed; the last one ended so: %s", in.op.Name, untitled(err)),
				causes: []error{ErrOutcomeUnknown, err}}
		}
		wait, again := c.s.retry.again(in.op, &a, attempt)
		if !again || ctx.Err() != nil {
			return err
		}
		if wait > c.s.retry.MaxWait || outlasts(ctx, wait) {
			if e, ok := errors.AsType[*APIError](err); ok {
				e.RetryAfter = wait
			}
			return err
		}
		doubt = doubt || errors.Is(err, ErrOutcomeUnknown)
		if ended := sleep(ctx, wait); ended != nil {
			return &callError{text: fmt.Sprintf("%s: gave up waiting to try again (%v) after: %s", in.op.Name, ended, untitled(err)), causes: []error{ended, err}}
		}
	}
}

// untitled returns an error's text without the package's own prefix.
func untitled(err error) string { return strings.TrimPrefix(err.Error(), "intercomrbac: ") }

// attempt sends a request once and reads its answer.
func (c *Client) attempt(ctx context.Context, in *call, target string, body []byte, n int) (a answer) {
	cred, err := c.s.token(ctx)
	if err != nil {
		return answer{fault: faultUnsent, err: err}
	}
	a.redactor = cred.redactor
	if l := c.s.limiter; l != nil {
		if err := l.Wait(ctx); err != nil {
			return answer{fault: faultUnsent, err: err, redactor: cred.redactor}
		}
		// Deferred: the limiter wants its word even if a transport panics.
		defer func() { l.Observe(a.rate) }()
	}
	if err := ctx.Err(); err != nil {
		return answer{fault: faultUnsent, err: err, redactor: cred.redactor}
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, in.op.Method, target, reader)
	if err != nil {
		return answer{fault: faultUnsent, err: errors.New("the URL cannot be parsed"), redactor: cred.redactor}
	}
	values := [...]string{cred.header(), "application/json", userAgent, c.s.version, "application/json"}
	req.Header["Authorization"] = values[0:1:1]
	req.Header["Accept"] = values[1:2:2]
	req.Header["User-Agent"] = values[2:3:3]
	req.Header["Intercom-Version"] = values[3:4:4]
	if body != nil {
		req.Header["Content-Type"] = values[4:5:5]
	}
	start := time.Now()
	resp, err := c.s.http.Do(req)
	if err != nil {
		a.err, a.fault = err, classify(err)
	} else {
		now := time.Now()
		a.status = resp.StatusCode
		a.requestID = printable(cred.redactor.String(resp.Header.Get("X-Request-Id")), 128)
		a.rate = parseRateLimit(resp.Header, now)
		a.retryAfter = parseRetryAfter(resp.Header, now)
		if a.status == http.StatusTooManyRequests && a.rate.Limit > 0 {
			a.retryAfter = max(a.rate.Reset.Sub(now), time.Millisecond)
		}
		a.read(resp)
	}
	c.report(ctx, in, &a, n, time.Since(start))
	return a
}

const userAgent = "intercomrbac-go (+https://github.com/intercomrbac/intercomrbac)"

// buffers holds the bodies of answers while they are decoded.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// read takes in the body, to its bound, and closes it.
func (a *answer) read(resp *http.Response) {
	defer resp.Body.Close()
	limit := int64(maxResponseBody)
	if a.status/100 != 2 {
		limit = maxErrorBody
	}
	b := buffers.Get().(*bytes.Buffer)
	b.Reset()
	a.body = b
	n, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1))
	switch {
	case n > limit:
		a.oversized = true
	case err != nil && a.status/100 == 2:
		a.fault, a.err = faultLost, err
	}
}

// classify tells how far a request came that a transport gave an error for.
func classify(err error) fault {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return faultDial
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return faultUnsent
	}
	return faultLost
}

// report tells hook and log of an attempt.
func (c *Client) report(ctx context.Context, in *call, a *answer, n int, took time.Duration) {
	level := slog.LevelDebug
	if a.status/100 != 2 || a.fault != faultNone {
		level = slog.LevelWarn
	}
	if c.s.log.Enabled(ctx, level) {
		c.s.log.LogAttrs(ctx, level, "intercom request", slog.String("operation", in.op.Name), slog.String("method", in.op.Method),
			slog.String("path", in.op.Path), slog.Int("status", a.status), slog.Int("attempt", n), slog.Duration("duration", took),
			slog.String("request_id", a.requestID))
	}
	if c.s.onResponse != nil && a.status != 0 {
		c.s.onResponse(ctx, ResponseInfo{Operation: in.op.Name, Method: in.op.Method, Path: in.op.Path, StatusCode: a.status,
			RequestID: a.requestID, Attempt: n, Duration: took, RateLimit: a.rate})
	}
}

// conclude turns how an attempt ended into the call's result.
func conclude(in *call, a *answer, attempt int) error {
	switch {
	case a.fault == faultUnsent:
		if e, ok := errors.AsType[*slotError](a.err); ok {
			return &callError{text: in.op.Name + ": not sent: " + e.Error(), causes: []error{
				&APIError{Operation: in.op.Name, Scope: in.op.Scope, RetryAfter: e.wait, Attempts: attempt - 1, Message: e.Error()}, context.DeadlineExceeded}}
		}
		return &callError{text: in.op.Name + ": not sent: " + safeText(a), causes: knownCauses(a.err)}
	case a.fault != faultNone:
		return lost(in, a)
	case a.status < 200 || a.status > 599:
		return unexpected(in, a, "that is no status of an answer")
	case a.status/100 != 2:
		return refusal(in, a, attempt)
	case a.oversized:
		return unexpected(in, a, fmt.Sprintf("the body has more than %d bytes", maxResponseBody))
	}
	body := bytes.TrimSpace(a.redactor.Bytes(a.body.Bytes()))
	switch empty := len(body) == 0; {
	case empty && (in.out == nil || a.status == http.StatusAccepted || a.status == http.StatusNoContent):
		return nil
	case empty || body[0] != '{' && body[0] != '[' || in.out == nil && !json.Valid(body):
		return unexpected(in, a, "the body is no JSON object")
	case in.out == nil:
		return nil
	}
	if err := json.Unmarshal(body, in.out); err != nil {
		return unexpected(in, a, printable(err.Error(), 200))
	}
	return nil
}

// lost is the error of a request that has no answer.
func lost(in *call, a *answer) error {
	causes := knownCauses(a.err)
	text := "cannot reach Intercom: "
	if a.fault == faultLost {
		text = "no whole answer came: "
	}
	if !errors.Is(a.err, context.Canceled) {
		causes = append(causes, ErrUnavailable)
	}
	text = in.op.Name + ": " + text + safeText(a)
	if a.fault == faultLost && in.op.Effect != Read {
		causes = append(causes, ErrOutcomeUnknown)
		text += " (it may have been done: look before you send it again)"
	}
	return &callError{text, causes}
}

// safeText is what may be told of a transport's error: not the URL, no secret, one short line.
func safeText(a *answer) string {
	err := a.err
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return printable(a.redactor.String(strings.TrimPrefix(err.Error(), "intercomrbac: ")), 200)
}

// knownCauses returns those of the well-known errors that err is.
func knownCauses(err error) (causes []error) {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, known) {
			causes = append(causes, known)
		}
	}
	return causes
}

// unexpected is the error of an answer that says success and cannot be read.
func unexpected(in *call, a *answer, why string) error {
	e := &callError{text: fmt.Sprintf("%s: %d, but %s", in.op.Name, a.status, why), causes: []error{ErrBadResponse}}
	if in.op.Effect != Read {
		e.text += " (it may have been done: look before you send it again)"
		e.causes = append(e.causes, ErrOutcomeUnknown)
	}
	if a.requestID != "" {
		e.text += " (request_id " + a.requestID + ")"
	}
	return e
}

// refusal is the error of an answer that says no.
func refusal(in *call, a *answer, attempt int) error {
	e := &APIError{StatusCode: a.status, RequestID: a.requestID, Operation: in.op.Name, Scope: in.op.Scope,
		RetryAfter: a.retryAfter, Attempts: attempt, toTeam: in.toTeam}
	if in.op.ResourceArg != "" {
		e.resource = in.op.Resource
	}
	e.OutcomeUnknown = in.op.Effect != Read && errors.Is(e.class(), ErrUnavailable)
	e.parse(a)
	return e
}

// maxErrorDetails bounds how many entries of an error body are kept.
const maxErrorDetails = 32

// parse reads an error body in any of the shapes that Intercom uses; one in none of them changes nothing.
func (e *APIError) parse(a *answer) {
	var body struct {
		RequestID json.RawMessage `json:"request_id"`
		Errors    json.RawMessage `json:"errors"`
		Message   json.RawMessage `json:"message"`
		ErrorKey  json.RawMessage `json:"error_key"`
	}
	if a.body == nil || json.Unmarshal(a.redactor.Bytes(a.body.Bytes()), &body) != nil {
		return
	}
	text := func(raw json.RawMessage, n int) string {
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
		return printable(a.redactor.String(s), n)
	}
	if id := text(body.RequestID, 128); e.RequestID == "" {
		e.RequestID = id
	}
	var list []struct{ Code, Type, Message, Field json.RawMessage }
	var fields map[string]json.RawMessage
	if json.Unmarshal(body.Errors, &list) == nil {
		for _, item := range list[:min(len(list), maxErrorDetails)] {
			// Old versions of the API say type instead of code.
			e.Errors = append(e.Errors, ErrorDetail{Code: firstOf(text(item.Code, 128), text(item.Type, 128)),
				Message: text(item.Message, 500), Field: text(item.Field, 128)})
		}
	} else if json.Unmarshal(body.Errors, &fields) == nil {
		for _, field := range slices.Sorted(maps.Keys(fields))[:min(len(fields), maxErrorDetails)] {
			e.Errors = append(e.Errors, ErrorDetail{Message: text(fields[field], 500), Field: printable(a.redactor.String(field), 128)})
		}
	}
	if len(e.Errors) == 0 && (body.Message != nil || body.ErrorKey != nil) {
		e.Errors = []ErrorDetail{{Code: text(body.ErrorKey, 128), Message: text(body.Message, 500)}}
	}
	if len(e.Errors) > 0 {
		e.Code, e.Message, e.Field = e.Errors[0].Code, e.Errors[0].Message, e.Errors[0].Field
	}
}

// Call holds what an operation is called with in [Client.Do].
type Call struct {
	// Path gives each placeholder of the operation's path its value.
	Path map[string]string
	// Query is the query string; may be nil.
	Query url.Values
	// Body is written as JSON; nil sends none.
	Body any
}

// Do calls an operation that has no method here, through the same steps as the methods: the same checks, limits,
// retries and errors. out is a pointer that the JSON answer is decoded into, or nil. An operation of the table is
// taken from [LookupOperation] and must be unchanged; what leads to one under another name is refused, and so are
// all malformed calls, with ErrInvalidRequest and before anything is sent.
func (c *Client) Do(ctx context.Context, op Operation, in Call, out any) error {
	if err := op.check(); err != nil {
		return err
	}
	if known, ok := LookupOperation(op.Name); ok && known != op {
		return invalid(op, "the name is taken by an operation of the table: take that one, unchanged, or another name")
	}
	if v := reflect.ValueOf(out); out != nil && (v.Kind() != reflect.Pointer || v.IsNil()) {
		return invalid(op, "out is a %T: a pointer is needed, or nil", out)
	}
	prepared := call{op: op, query: in.Query, body: in.Body, out: out}
	names := op.placeholders()
	for _, name := range names {
		value, ok := in.Path[name]
		if !ok {
			return invalid(op, "Path has no value for %s", name)
		}
		prepared.args = append(prepared.args, value)
	}
	if len(in.Path) != len(names) {
		return invalid(op, "Path has %d values, the path %s takes %d", len(in.Path), op.Path, len(names))
	}
	escaped, err := apipath.Expand(op.Path, prepared.args...)
	if err != nil {
		return invalid(op, "%w", err)
	}
	if err := lands(op, escaped); err != nil {
		return err
	}
	if op.Method == http.MethodGet && in.Body != nil {
		return invalid(op, "a GET has no Body")
	}
	if err := prepared.checkBody(); err != nil {
		return err
	}
	return c.do(ctx, &prepared)
}

// checkBody checks that the body is that of the operation, and reads the acting admin from it.
func (in *call) checkBody() error {
	if in.op.Body == "" && in.op.Actor == "" {
		return nil
	}
	raw, err := encode(in)
	if err != nil {
		return err
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return invalid(in.op, "the Body must be a JSON object")
	}
	for want := range strings.FieldsSeq(in.op.Body) {
		name, values, _ := strings.Cut(want, "=")
		if in.query.Has(name) {
			return invalid(in.op, "%s belongs into the Body, not into the query", name)
		}
		have, ok := memberText(members[name])
		fits := false
		for v := range strings.SplitSeq(values, "|") {
			fits = fits || ok && have == v
		}
		if !fits {
			return invalid(in.op, "the Body must say %s", want)
		}
	}
	if in.op.Actor != "" {
		if err := in.readActor(members); err != nil {
			return err
		}
	}
	// What was checked is what is sent: no member comes twice.
	in.body = members
	return nil
}

func (in *call) readActor(members map[string]json.RawMessage) error {
	outer, inner, nested := strings.Cut(in.op.Actor, ".")
	if in.query.Has(outer) {
		return invalid(in.op, "%s belongs into the Body, not into the query", outer)
	}
	raw := members[outer]
	if nested {
		var object map[string]json.RawMessage
		if json.Unmarshal(raw, &object) != nil {
			return invalid(in.op, "the Body's %s must be a JSON object", outer)
		}
		raw = object[inner]
		members[outer], _ = json.Marshal(object)
	}
	id, ok := memberText(raw)
	if !ok || id == "" || id == "0" {
		return noActor(in.op)
	}
	in.actor = AdminID(id)
	return in.actor.check(in.op)
}

// memberText returns the text of a JSON string or number.
func memberText(raw json.RawMessage) (string, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
