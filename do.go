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
	"net/http/httptrace"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
	op    Operation
	args  []string // values of the path's placeholders, in order
	query url.Values
	body  any
	out   any     // where the answer is decoded; nil if it does not matter
	actor AdminID // the acting admin that the body names
	// assignee is "team" or "admin" for an assignment.
	assignee string
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
		if o.Method != op.Method && !(o.Method == http.MethodPut && op.Method == http.MethodPatch) {
			continue
		}
		if literal, ok := apipath.Matches(o.Path, clean); ok && literal >= most && !namesAnother(op.Path, o.Path, clean) {
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

// namesAnother reports whether a template has a word where the one of the table has an id, as /conversations/deleted has:
// no id is a word, but for external ids.
func namesAnother(template, table, clean string) bool {
	own, theirs, path := strings.Split(template, "/"), strings.Split(table, "/"), strings.Split(clean, "/")
	if len(own) != len(theirs) || len(own) != len(path) {
		return false
	}
	for i, segment := range theirs {
		name, isID := placeholder(segment)
		if isID && name != "external_id" && own[i] == path[i] && isWord(own[i]) {
			return true
		}
	}
	return false
}

// isWord reports whether a segment can be no id: letters and underscores, not hexadecimal digits alone, and not "last",
// which stands for a conversation.
func isWord(s string) bool {
	hexadecimal := true
	for _, c := range s {
		if c != '_' && (c < 'a' || c > 'z') {
			return false
		}
		hexadecimal = hexadecimal && c >= 'a' && c <= 'f'
	}
	return s != "" && !hexadecimal && s != "last"
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
	faultNone      fault = iota
	faultUnsent          // it was not sent: its context ended, or there was no token
	faultDial            // no connection: it was not sent
	faultUntrusted       // no connection, for the host did not prove who it is
	faultLost            // it was sent, and the answer did not come or not whole
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
		if doubt {
			err = inDoubt(in.op, err)
		}
		wait, again := c.s.retry.again(in.op, &a, attempt)
		if !again || ctx.Err() != nil {
			return err
		}
		if wait > c.s.retry.MaxWait || outlasts(ctx, wait) {
			return err
		}
		doubt = doubt || errors.Is(err, ErrOutcomeUnknown)
		if ended := sleep(ctx, wait); ended != nil {
			return &callError{text: fmt.Sprintf("%s: gave up waiting to try again (%v) after: %s", in.op.Name, ended, untitled(err)), causes: []error{ended, err}}
		}
	}
}

// inDoubt marks an error of a write of which an earlier attempt may have been processed.
func inDoubt(op Operation, err error) error {
	if e, ok := errors.AsType[*APIError](err); ok {
		e.OutcomeUnknown = true
	}
	if errors.Is(err, ErrOutcomeUnknown) {
		return err
	}
	return &callError{text: fmt.Sprintf("%s: an earlier attempt may have been processed; the last one ended so: %s", op.Name, untitled(err)),
		causes: []error{ErrOutcomeUnknown, err}}
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
	observe := func() {}
	if l := c.s.limiter; l != nil {
		if err := l.Wait(ctx); err != nil {
			return answer{fault: faultUnsent, err: err, redactor: cred.redactor}
		}
		// It wants its word as soon as there is one, and even if the transport panics.
		observed := false
		observe = func() {
			if !observed {
				observed = true
				r := a.rate
				r.answered = a.status != 0
				l.Observe(r)
			}
		}
		defer observe()
	}
	if err := ctx.Err(); err != nil {
		return answer{fault: faultUnsent, err: err, redactor: cred.redactor}
	}
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	var progress *connecting
	sendCtx := ctx
	if in.op.Effect != Read { // reads may be repeated however far they came
		sendCtx, progress = traceConnecting(ctx)
	}
	req, err := http.NewRequestWithContext(sendCtx, in.op.Method, target, reader)
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
		a.err, a.fault = err, classify(err, progress)
	} else {
		now := time.Now()
		a.status = resp.StatusCode
		a.requestID = printable(cred.redactor.String(resp.Header.Get("X-Request-Id")), 128)
		a.rate = parseRateLimit(resp.Header, now)
		a.retryAfter = parseRetryAfter(resp.Header, now)
		if a.status == http.StatusTooManyRequests && a.rate.Limit > 0 {
			// At least a second: the end of a window is told in whole ones.
			a.retryAfter = max(a.rate.Reset.Sub(now), time.Second)
		}
		observe()
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

// connecting tells whether a request has come as far as a connection.
type connecting struct{ asked, got atomic.Bool }

func traceConnecting(ctx context.Context) (context.Context, *connecting) {
	c := new(connecting)
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { c.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { c.got.Store(true) },
	}), c
}

// classify tells how far a request came that a transport gave an error for. A transport that does not tell of
// connections may have sent it.
func classify(err error, c *connecting) fault {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return faultUntrusted
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" || c != nil && c.asked.Load() && !c.got.Load() {
		return faultDial
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
		return &callError{text: in.op.Name + ": not sent: " + safeText(a), causes: []error{a.err}}
	case a.fault != faultNone:
		return lost(in, a)
	case a.status < 200 || a.status > 599:
		return unexpected(in, a, "that is no status of an answer")
	case a.status/100 != 2:
		return refusal(in, a, attempt)
	case a.oversized:
		return unexpected(in, a, fmt.Sprintf("the body has more than %d bytes", maxResponseBody))
	}
	body := bytes.TrimSpace(a.redactor.Bytes(redact.PlainJSON(a.body.Bytes())))
	switch empty := len(body) == 0; {
	case empty && (in.out == nil || a.status == http.StatusAccepted || a.status == http.StatusNoContent):
		return nil
	case empty || body[0] != '{' && body[0] != '[' || in.out == nil && !json.Valid(body):
		return unexpected(in, a, "the body is no JSON object")
	case in.out == nil:
		return nil
	}
	if err := json.Unmarshal(body, in.out); err != nil {
		return unexpected(in, a, printable(a.redactor.String(err.Error()), 200))
	}
	if v, ok := in.out.(interface{ complete() bool }); ok && !v.complete() {
		return unexpected(in, a, "what it should hold is not in it")
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
		RetryAfter: a.retryAfter, Attempts: attempt, assignee: in.assignee}
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
	raw := bytes.TrimSpace(a.redactor.Bytes(redact.PlainJSON(a.body.Bytes())))
	if json.Unmarshal(raw, &body) != nil {
		e.foreign = len(raw) > 0
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
// retries and errors. out is a pointer that the JSON answer is decoded into, or nil. An operation of the table is taken
// from [LookupOperation], unchanged; an operation of your own whose request is that of one in the table is refused. All
// refusals are ErrInvalidRequest, or ErrNoActingAdmin, and come before anything is sent.
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

// checkBody checks that body and query are those of the operation and of no other one, and reads the acting admin.
func (in *call) checkBody() error {
	siblings := slices.DeleteFunc(Operations(), func(o Operation) bool { return o.Method != in.op.Method || o.Path != in.op.Path })
	telling := func(o Operation) bool { return o.Body != "" || o.Query != "" || o.Actor != "" }
	if !slices.ContainsFunc(append(siblings, in.op), telling) {
		return nil
	}
	var members map[string]json.RawMessage
	if in.body != nil || in.op.Body != "" || in.op.Actor != "" {
		raw, err := encode(in)
		if err != nil {
			return err
		}
		if json.Unmarshal(raw, &members) != nil || members == nil {
			return invalid(in.op, "the Body must be a JSON object")
		}
	}
	if missing := in.op.missing(members, in.query); missing != "" {
		return invalid(in.op, "%s", missing)
	}
	for _, o := range siblings {
		// What another operation is told by belongs where it is looked for.
		for pair := range strings.FieldsSeq(o.Body + " " + o.Actor) {
			if name, _, _ := strings.Cut(pair, "="); in.query.Has(name) {
				return invalid(in.op, "%s belongs into the Body, not into the query", name)
			}
		}
		more := len(strings.Fields(o.Body+" "+o.Query)) > len(strings.Fields(in.op.Body+" "+in.op.Query))
		if more && o.missing(members, in.query) == "" {
			return invalid(in.op, "this call is operation %s: use that one", o.Name)
		}
	}
	if in.op.Actor != "" {
		if err := in.readActor(members); err != nil {
			return err
		}
	}
	if kind, ok := memberText(members["type"]); ok {
		in.assignee = assigneeKind(in.op, kind)
	}
	if members != nil {
		in.body = members // what was checked is what is sent: no member comes twice
	}
	return nil
}

// missing tells the first pair of Body or Query that a call does not say; it is empty if the call says all.
func (o Operation) missing(body map[string]json.RawMessage, query url.Values) string {
	says := func(where, pairs string, value func(name string) (string, bool)) string {
		for pair := range strings.FieldsSeq(pairs) {
			name, wanted, _ := strings.Cut(pair, "=")
			have, ok := value(name)
			if !ok || !slices.Contains(strings.Split(wanted, "|"), have) {
				return fmt.Sprintf("the %s must say %s", where, pair)
			}
		}
		return ""
	}
	if missing := says("Body", o.Body, func(name string) (string, bool) { return memberText(body[name]) }); missing != "" {
		return missing
	}
	return says("Query", o.Query, func(name string) (string, bool) {
		values := query[name]
		if len(values) != 1 {
			return "", false
		}
		return values[0], true
	})
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
