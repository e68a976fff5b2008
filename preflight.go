package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// PreflightStatus is what [Preflight] found out about a scope. The zero value says nothing, as PreflightUnknown does.
type PreflightStatus string

// What a preflight finds out.
const (
	// PreflightGranted: Intercom answered the probe. It may be another scope of the token that lets it through.
	PreflightGranted PreflightStatus = "granted"
	// PreflightScopeMissing: Intercom refused the probe for want of the scope (see ErrScopeMissing).
	PreflightScopeMissing PreflightStatus = "scope_missing"
	// PreflightPlanRestricted: the workspace's plan does not have what the probe asked for (see ErrPlanRestricted); whether
	// the token has the scope stays open.
	PreflightPlanRestricted PreflightStatus = "plan_restricted"
	// PreflightTokenDead: the token is good for nothing (see ErrTokenRevoked, and GET /me said so where the first answer was
	// a plain ErrUnauthorized).
	PreflightTokenDead PreflightStatus = "token_dead"
	// PreflightUnknown: no harmless probe shows it, or the probe ended otherwise; Why says which.
	PreflightUnknown PreflightStatus = "unknown"
)

// PreflightResult says of one scope whether the token has it.
type PreflightResult struct {
	// Scope is what was looked for; empty for operations that name none.
	Scope Scope `json:"scope"`
	// Operations are the names of those that need it, ordered.
	Operations []string `json:"operations"`
	// Status is what came out.
	Status PreflightStatus `json:"status"`
	// Probe is the name of the operation that was tried; empty where none was.
	Probe string `json:"probe,omitempty"`
	// Why says on one line what Status goes by and, where it is not PreflightGranted, what to do.
	Why string `json:"why"`
	// Err is what the probe failed with, such as ErrDenied under a guard; nil where it did not. It may come beside
	// PreflightGranted as ErrAuditIncomplete.
	Err error `json:"-"`
}

// String returns the result on one line, for people.
func (r PreflightResult) String() string {
	scope := "no scope"
	if r.Scope != "" {
		scope = fmt.Sprintf("%.80q", string(r.Scope))
	}
	return printable(fmt.Sprintf("%s: %s: %s (needed by %s)", scope, strings.ReplaceAll(string(r.Status), "_", " "), r.Why,
		strings.Join(r.Operations, ", ")), 1000)
}

// probe is a read that is harmless: it needs the id of no resource and asks for as little as there is. What it reads is
// dropped.
type probe struct {
	path  string
	args  []string
	query func() url.Values // nil for none
	// nobody: it asks about a contact that is not there.
	nobody bool
}

// probes are tried in this order: the first whose operation has the scope is its probe. Each is a GET by Intercom's
// description, so that a path that gets its operation later is probed from then on.
var probes = []probe{
	{path: "/me"},
	{path: "/admins"},
	{path: "/admins/activity_logs", query: func() url.Values {
		return url.Values{"created_at_after": {strconv.FormatInt(time.Now().Unix(), 10)}} // those of this second
	}},
	{path: "/conversations", query: onePerPage},
	{path: "/contacts", query: onePerPage},
	{path: "/contacts/find_by_external_id/{external_id}", args: []string{nobodyExternalID}, nobody: true},
	{path: "/events", nobody: true, query: func() url.Values {
		return url.Values{"type": {"user"}, "user_id": {nobodyExternalID}, "per_page": {"1"}}
	}},
	{path: "/tags"},
	{path: "/articles", query: onePerPage},
	{path: "/help_center/collections", query: onePerPage},
}

// probed is what each answer of Intercom to a probe has. What a proxy says, or nothing, is no answer.
type probed struct {
	Type string `json:"type"`
}

func (p *probed) complete() bool { return p.Type != "" }

// nobodyExternalID is an id that no service gives to a customer. If one does, the answer shows as much.
const nobodyExternalID = "intercomrbac-preflight-nobody"

func onePerPage() url.Values { return url.Values{"per_page": {"1"}} }

// probeOf returns the probe that shows whether a token has a scope, and its operation.
func probeOf(scope Scope) (probe, Operation, bool) {
	for _, p := range probes {
		for _, op := range operations {
			if op.Method == http.MethodGet && op.Path == p.path && op.Query == "" && op.Scope == scope {
				return p, op, true
			}
		}
	}
	return probe{}, Operation{}, false
}

// Preflight finds out whether the token of a client has the scopes that operations need, before the first user does: one
// result for each scope, ordered by scope, as [RequiredScopes] is. All that the library can do is [Operations]; none is an
// error, for it would look as if all were well.
//
// It only reads. Each scope is probed at most once, one after the other, by an operation of the table: a list, at one item
// a page, or GET /me. For the scope to look at one contact, and that to read events, it asks about a contact that is not
// there: Intercom's "User Not Found" counts as granted, since a call without its scope is known to end in 401 or 403; any
// other 404 does not count, for it may be about the address. A scope to write is PreflightUnknown: no read shows it.
// Intercom has no call that tells the scopes of a token.
//
// The probes go the way of all calls, as the principal of ctx: a guard may deny one, which is PreflightUnknown and on its
// record, and they wait for slots of the rate limit. They do not count as [Client.UsedOperations], and a scope that they find
// missing not as one that the app lacks ([Workspaces.Health]). Once the token turns out
// to be dead nothing more is sent, and all results say so. An error means that nothing was found out: ops are invalid
// (ErrInvalidRequest), or ctx ended.
func Preflight(ctx context.Context, client *Client, ops ...Operation) ([]PreflightResult, error) {
	var errs []error
	switch {
	case client == nil || client.s.token == nil:
		return nil, errNoClient
	case ctx == nil:
		return nil, fmt.Errorf("%w: Preflight: the context is nil", ErrInvalidRequest)
	case len(ops) == 0:
		return nil, fmt.Errorf("%w: Preflight: there are no operations: Operations() returns all", ErrInvalidRequest)
	}
	for _, op := range ops {
		errs = append(errs, op.check())
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s := client.s
	s.used = new(usedOperations) // it finds out, it does not need
	client = newClient(s)

	results := resultsFor(ops)
	for i := range results {
		r := &results[i]
		p, op, ok := probeOf(r.Scope)
		switch {
		case r.Scope == "":
			r.Why = "the operation names no scope"
		case !ok && writes(ops, r.Scope):
			r.Why = "it is for writing, which no read shows, and Preflight does not write"
		case !ok:
			r.Why = "no read that does without the id of a resource shows it"
		default:
			if err := r.find(ctx, client, p, op); err != nil {
				return nil, err
			}
		}
		if r.Status == PreflightTokenDead {
			for j := range results {
				results[j].Status, results[j].Why, results[j].Err = r.Status, r.Why, r.Err
			}
			break
		}
	}
	return results, nil
}

// resultsFor returns what is to be found out, ordered by scope.
func resultsFor(ops []Operation) (results []PreflightResult) {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(a, b Operation) int {
		if a.Scope != b.Scope {
			return strings.Compare(string(a.Scope), string(b.Scope))
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, op := range ops {
		n := len(results) - 1
		switch {
		case n < 0 || results[n].Scope != op.Scope:
			results = append(results, PreflightResult{Scope: op.Scope, Operations: []string{op.Name}, Status: PreflightUnknown})
		case !slices.Contains(results[n].Operations, op.Name):
			results[n].Operations = append(results[n].Operations, op.Name)
		}
	}
	return results
}

func writes(ops []Operation, scope Scope) bool {
	return slices.ContainsFunc(ops, func(op Operation) bool { return op.Scope == scope && op.Effect != Read })
}

// find sends a probe and takes down what it shows. It returns an error where that is nothing because ctx ends.
func (r *PreflightResult) find(ctx context.Context, c *Client, p probe, op Operation) error {
	var out probed
	in := call{op: op, args: p.args, out: &out, probe: true}
	if p.query != nil {
		in.query = p.query()
	}
	err := c.do(ctx, &in)
	if err == nil && in.sent && !out.complete() { // as where the status is 204
		err = &callError{op.Name + ": the answer is empty", []error{ErrBadResponse}}
	}
	dead := err != nil && !errors.Is(err, ErrDenied) && tokenIsDead(ctx, c, op, err)
	late := err != nil && !in.sent && errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrDenied)
	if ended := ctx.Err(); ended != nil || late {
		if ended == nil {
			ended = context.DeadlineExceeded // before the next slot of the rate limit
		}
		return fmt.Errorf("intercomrbac: Preflight: it ended before all was found out: %w", ended)
	}
	r.Probe, r.Err = op.Name, err
	sent := op.Method + " " + op.Path
	switch {
	case in.sent && (err == nil || in.answered) && out.complete():
		r.Status, r.Why = PreflightGranted, sent+" was answered"
		return nil
	case err == nil:
		r.Why = "the guard answered " + sent + " itself: the principal may see nothing of it"
		return nil
	case p.nobody && saysNobody(err):
		r.Status, r.Why = PreflightGranted, sent+" was answered: there is no such contact"
		if !errors.Is(err, ErrAuditIncomplete) {
			r.Err = nil
		}
		return nil
	case errors.Is(err, ErrDenied):
		r.Why = "denied by the guard: "
	case dead:
		r.Status = PreflightTokenDead
	case errors.Is(err, ErrScopeMissing):
		r.Status = PreflightScopeMissing
	case errors.Is(err, ErrPlanRestricted):
		r.Status = PreflightPlanRestricted
	}
	r.Why += printable(untitled(err), 400)
	if advice := Advice(err); advice != "" {
		r.Why += "; " + advice
	}
	return nil
}

// tokenIsDead reports whether Intercom says so: at once, or at a second look where its first word was a plain 401.
func tokenIsDead(ctx context.Context, c *Client, op Operation, err error) bool {
	if errors.Is(err, ErrTokenRevoked) {
		return true
	}
	if !saysDead(err) || op == opAdminsMe {
		return saysDead(err)
	}
	return saysDead(c.do(ctx, &call{op: opAdminsMe, probe: true}))
}

// saysNobody reports whether Intercom, and no proxy before it, looked for a contact and found none.
//
// Source: https://github.com/intercom/intercom-ruby/issues/323; the official description of 2.16 declares no 404 here.
func saysNobody(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.StatusCode == http.StatusNotFound && e.Code == "not_found" && strings.EqualFold(e.Message, "User Not Found")
}
