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
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
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
	op      Operation
	args    []string // values of the path's placeholders, in order
	query   url.Values
	body    any
	out     any       // where the answer is decoded; nil if it does not matter
	actor   AdminID   // the acting admin that the body names
	members [2]string // what the operation's ResourceMembers hold
	// assignee is "team" or "admin" for an assignment.
	assignee string

	verdict   *verdict // the gate's own
	probe     bool     // it is to find out about a scope, not for what needs it
	rewritten bool     // the gate has changed op, query or body
	nothing   []byte   // the answer, where the gate knows it without asking
	sent      bool     // a request has left the process
	answered  bool     // and was answered with success
	requestID string   // of the last answer
}

// do runs a call and returns what it answered; beside an error only if that is about the record of it.
func do[T any](ctx context.Context, c *Client, in call) (*T, error) {
	out := new(T)
	in.out = out
	err := c.do(ctx, &in)
	if err != nil && !in.answered {
		return nil, err
	}
	return out, err
}

// do is the one way to Intercom.
func (c *Client) do(ctx context.Context, in *call) error {
	if c == nil || c.s.token == nil {
		return errNoClient
	}
	if ctx == nil {
		return invalid(in.op, "the context is nil")
	}
	if err := in.readMembers(); err != nil {
		return err
	}
	target, body, err := c.prepare(in)
	if err != nil {
		return err
	}
	gate := c.s.gate
	if gate == nil {
		if err := c.checkWorkspace(ctx, in.op); err != nil {
			return err
		}
		return c.send(ctx, in, target, body)
	}
	if err := gate.before(ctx, c, in); err != nil {
		return err
	}
	ended := false
	defer func() {
		if !ended { // a panic goes on, and is on record
			_ = gate.after(ctx, in, &callError{in.op.Name + ": the call panicked", []error{ErrOutcomeUnknown}})
		}
	}()
	if in.rewritten {
		target, body, err = c.prepare(in)
	}
	switch {
	case err != nil:
	case in.nothing == nil:
		err = c.send(ctx, in, target, body)
	case in.out != nil:
		err = json.Unmarshal(in.nothing, in.out)
	}
	in.answered, ended = err == nil, true
	return gate.after(ctx, in, err)
}

// prepare returns URL and body of a call.
func (c *Client) prepare(in *call) (target string, body []byte, err error) {
	if target, err = c.target(in); err != nil {
		return "", nil, err
	}
	body, err = encode(in)
	return target, body, err
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
	n := 0
	for segment := range strings.SplitSeq(in.op.Path, "/") {
		if name, ok := placeholder(segment); ok && n < len(in.args) {
			if err := checkArg(in.op, name, in.args[n]); err != nil {
				return "", err
			}
			n++
		}
	}
	path, err := apipath.Expand(in.op.Path, in.args...)
	if err != nil {
		return "", invalid(in.op, "%w", err)
	}
	// A server that decodes before it looks could take such an argument for more of the path.
	if strings.Contains(path, "%2F") || strings.Contains(path, "%5C") || strings.Contains(path, "%25") {
		if err := lands(in.op, path); err != nil {
			return "", err
		}
		if apipath.Climbs(path) {
			return "", invalid(in.op, "an argument of the path would lead to another one")
		}
	}
	if len(in.query) > 0 {
		path += "?" + in.query.Encode()
	}
	return c.s.base + path, nil
}

// checkArg refuses what cannot be the id that a placeholder stands for.
func checkArg(op Operation, placeholder, value string) error {
	switch placeholder {
	case "admin_id":
		return AdminID(value).check(op)
	case "team_id":
		return TeamID(value).check(op)
	case "conversation_id":
		return ConversationID(value).check(op)
	case "contact_id":
		return ContactID(value).check(op)
	case "article_id":
		return ArticleID(value).check(op)
	case "collection_id":
		return CollectionID(value).check(op)
	case "tag_id":
		return TagID(value).check(op)
	}
	return nil
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
	faultDenied          // it was not sent: the gate does not let it through any more
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
	link       []string  // of an answer that says where the thing has gone
	sent       time.Time // zero if it was not
	received   time.Time // when its headers were
	fault      fault
	err        error // with fault
	redactor   redact.Redactor
}

// send sends a call until it is answered or another try is pointless.
func (c *Client) send(ctx context.Context, in *call, target string, body []byte) error {
	doubt := false // an earlier attempt may have been processed
	for attempt := 1; ; attempt++ {
		a := c.attempt(ctx, in, target, body, attempt)
		in.requestID = a.requestID
		if a.fault == faultNone || a.fault == faultLost {
			in.sent = true
			c.s.used.add(in.op)
		}
		if a.atWork() {
			c.s.budget.put()
		}
		err := c.conclude(ctx, in, &a, attempt)
		if a.body != nil && a.body.Cap() <= 1<<20 {
			buffers.Put(a.body)
		}
		err = c.s.tenant.heard(ctx, in, err)
		if err == nil {
			return nil
		}
		if doubt {
			err = inDoubt(in.op, err)
		}
		wait, again := c.s.retry.again(ctx, in.op, &a, attempt)
		if !again {
			return err
		}
		if a.costs() && !c.s.budget.take() {
			c.s.log.LogAttrs(ctx, slog.LevelWarn, "intercom retry budget of this client is used up", slog.String("operation", in.op.Name))
			return &callError{text: fmt.Sprintf("%s: not tried again, for the retry budget of this client (its own, not Intercom's) is used up, after: %s",
				in.op.Name, untitled(err)), causes: []error{err}}
		}
		doubt = doubt || errors.Is(err, ErrOutcomeUnknown)
		if ended := sleep(ctx, wait); ended != nil {
			if a.costs() {
				c.s.budget.put()
			}
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
	observe, err := c.admit(ctx, in, &a)
	if err != nil {
		return a
	}
	defer observe()
	err = ctx.Err()
	if err == nil {
		err = c.s.tenant.alive() // once more: the token may have died while the call waited
	}
	if err != nil {
		a.fault, a.err = faultUnsent, err
		return a
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
	a.sent = start
	resp, err := c.s.http.Do(req)
	if err != nil {
		a.err, a.fault = err, classify(err, progress)
		if a.fault != faultLost {
			a.sent = time.Time{}
		}
	} else {
		a.received = time.Now()
		a.status = resp.StatusCode
		a.requestID = printable(cred.redactor.String(resp.Header.Get("X-Request-Id")), 128)
		a.readWaits(resp.Header)
		if a.status == http.StatusGone {
			a.link = resp.Header["Link"]
		}
		observe()
		a.read(resp)
	}
	c.report(ctx, in, &a, n, time.Since(start))
	return a
}

// admit waits for a slot, and asks the gate when there is one. The function that it returns tells the limiter how it
// went, at once and once only. If a request must not be sent, a says why.
func (c *Client) admit(ctx context.Context, in *call, a *answer) (observe func(), err error) {
	for try := 1; ; try++ {
		observe = func() {}
		if l := c.s.limiter; l != nil {
			if err := l.Wait(ctx); err != nil {
				a.fault, a.err = faultUnsent, err
				return nil, err
			}
			// It wants its word as soon as there is one, and even if the transport panics.
			observed := false
			observe = func() {
				if !observed {
					observed = true
					r := a.rate
					r.answered, r.refused = a.status != 0, a.status == http.StatusTooManyRequests
					r.sent, r.received = a.sent, a.received
					l.Observe(r)
				}
			}
		}
		if c.s.gate == nil {
			return observe, nil
		}
		err := c.again(ctx, in, try < maxRenewals, observe)
		if err == nil {
			return observe, nil
		}
		if errors.Is(err, errStaleRole) && try < maxRenewals {
			err = c.s.gate.renew(ctx, in)
		}
		if err != nil {
			a.fault, a.err = faultDenied, err
			return nil, err
		}
	}
}

// again asks the gate. What it does not let through leaves its slot to others, even if a condition panics.
func (c *Client) again(ctx context.Context, in *call, mayRenew bool, leave func()) error {
	passed := false
	defer func() {
		if !passed {
			leave()
		}
	}()
	err := c.s.gate.again(ctx, in, mayRenew)
	passed = err == nil
	return err
}

// maxRenewals bounds how often one attempt asks for a role that is forgotten again each time.
const maxRenewals = 3

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
