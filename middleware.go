package intercomrbac

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
)

// Authenticate returns a middleware that finds out who acts and puts them into the request's context. It has to stand
// outside of Require and of whatever calls a guarded client. If find returns an error, or a principal that is nobody, the
// request ends with 401, and with 503 where the error is ErrUnavailable: there is no principal by default. find says what
// it trusts: the address of the client in Principal.IP, too, is its own finding, for no header is read here.
func Authenticate(find func(*http.Request) (Principal, error)) func(http.Handler) http.Handler {
	if find == nil {
		panic("intercomrbac: Authenticate: the function is nil")
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p, err := find(r)
			switch {
			case errors.Is(err, ErrUnavailable):
				writeJSON(w, http.StatusServiceUnavailable, []byte(unavailable))
			case err != nil || p.IsZero():
				writeJSON(w, http.StatusUnauthorized, []byte(unauthorized))
			default:
				next.ServeHTTP(w, r.WithContext(WithPrincipal(r.Context(), p)))
			}
		})
	}
}

// RequireOption changes what Require does.
type RequireOption func(*requirement)

// ResourceFrom gives Require the thing that a request is about, for grants that hang on a condition. find is called for
// these alone. If it fails, or where there is no such option, such a grant is a denial.
func ResourceFrom(find func(*http.Request) (Resource, error)) RequireOption {
	return func(q *requirement) { q.resource = find }
}

// OnDenied answers denied requests in place of [WriteError]. err is a [*DeniedError].
func OnDenied(answer func(w http.ResponseWriter, r *http.Request, err error)) RequireOption {
	return func(q *requirement) { q.answer = answer }
}

// Require returns a middleware that lets requests through whose principal has the permission, and answers others as
// [WriteError] does: 401 without a principal, 403 without the permission. It panics if the policy does not name the
// permission, as ServeMux does on a bad pattern. It fits ServeMux, chi and whatever else takes an http.Handler; what it
// lets through gets the ResponseWriter as it is.
func (c *Checker) Require(permission Permission, options ...RequireOption) func(http.Handler) http.Handler {
	return newRequirement(c, nil, permission, options).middleware
}

// Require is [Checker.Require] that goes by the guard: denials are recorded, role and teams come from the guard's
// directory if it has one, and in report-only mode the request is let through.
func (g *Guard) Require(permission Permission, options ...RequireOption) func(http.Handler) http.Handler {
	if g == nil || g.checker == nil {
		panic("intercomrbac: Require: this Guard was not made by NewGuard")
	}
	return newRequirement(g.checker, g, permission, options).middleware
}

// requirement is what a Require asks for.
type requirement struct {
	checker    *Checker
	guard      *Guard // nil for that of a Checker
	permission Permission
	forbidden  string // the body of a 403, up to the role
	resource   func(*http.Request) (Resource, error)
	answer     func(http.ResponseWriter, *http.Request, error) // nil for the answer of WriteError
}

func newRequirement(c *Checker, g *Guard, permission Permission, options []RequireOption) *requirement {
	s := c.load()
	if s == nil {
		panic("intercomrbac: Require: this Checker was not made by NewChecker")
	}
	if _, known := s.permissions.Find(string(permission)); !known {
		panic(fmt.Sprintf("intercomrbac: Require: the policy names no permission %.80q%s", string(permission), didYouMean(permission, s.names)))
	}
	q := &requirement{checker: c, guard: g, permission: permission, forbidden: forbidden(permission)}
	for _, o := range options {
		o(q)
	}
	return q
}

func (q *requirement) middleware(next http.Handler) http.Handler {
	plain := q.guard == nil && q.resource == nil && q.answer == nil
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := PrincipalFrom(r.Context())
		if plain {
			if d, _ := q.checker.Check(r.Context(), p, q.permission, Resource{}); !d.Allowed {
				writeDenial(w, d.Reason, q.forbidden, p.Role)
				return
			}
		} else if err := q.decide(r, p); err != nil {
			q.refuse(w, r, err)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// decide is the longer way: with a directory, a resource, a record or an answer of the service's own.
func (q *requirement) decide(r *http.Request, p Principal) error {
	var resource Resource
	d, err := q.check(r, &p, &resource)
	switch {
	case d.Allowed:
		return nil
	case q.guard == nil:
		return denial(string(q.permission), q.permission, p.Role, d, err)
	}
	in := &call{op: Operation{Permission: q.permission}}
	in.verdict = &verdict{action: string(q.permission), op: in.op, principal: p, resource: resource}
	return q.guard.refuse(r.Context(), in, d, err, q.guard.reportOnly && d.Reason != ReasonWrongWorkspace)
}

func (q *requirement) check(r *http.Request, p *Principal, resource *Resource) (Decision, error) {
	ctx := r.Context()
	if g := q.guard; g != nil && g.roles != nil && !p.IsZero() && p.Workspace != g.roles.client.s.workspace {
		return Decision{Reason: ReasonWrongWorkspace, policy: q.checker.load()}, nil // their ids mean somebody else there
	}
	if g := q.guard; g != nil && g.asksForRole(p) {
		entry, err := g.roles.lookup(ctx, p.AdminID, destructive[q.permission])
		if err != nil {
			p.Role, p.Teams = "", nil
			return g.because(ctx, p, q.permission, roleReason(err)), err
		}
		p.Role, p.Teams = entry.role, entry.teams
	}
	d, err := q.checker.Check(ctx, *p, q.permission, Resource{})
	if err != nil || d.Reason != ReasonNeedsResource || q.resource == nil {
		return d, err
	}
	if *resource, err = q.resource(r); err != nil {
		return d, err
	}
	return q.checker.Check(ctx, *p, q.permission, *resource)
}

func (q *requirement) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if q.answer != nil {
		q.answer(w, r, err)
		return
	}
	WriteError(w, err)
}

// WriteError answers a request whose call was denied, as Require does: 403 with error, message, required and currentRole
// for a [*DeniedError], 401 where nobody acts, 503 where Intercom cannot be reached to decide. The reason stays inside. Any
// other error is 503 if it is ErrUnavailable and else 500, without a text.
func WriteError(w http.ResponseWriter, err error) {
	e, ok := errors.AsType[*DeniedError](err)
	switch {
	case ok && e.Decision.Reason == ReasonConditionUnknown && errors.Is(err, ErrUnavailable):
		writeJSON(w, http.StatusServiceUnavailable, []byte(unavailable))
	case ok:
		writeDenial(w, e.Decision.Reason, forbidden(e.Permission), e.Role)
	case errors.Is(err, ErrUnavailable):
		writeJSON(w, http.StatusServiceUnavailable, []byte(unavailable))
	default:
		writeJSON(w, http.StatusInternalServerError, []byte(`{"error":"Internal Server Error","message":"Something went wrong"}`))
	}
}

const (
	unauthorized = `{"error":"Unauthorized","message":"Authentication required"}`
	unavailable  = `{"error":"Service Unavailable","message":"Intercom cannot be reached right now"}`
)

// forbidden is the body of a 403, up to the role.
func forbidden(permission Permission) string {
	name := string(appendText(nil, string(permission)))
	return `{"error":"Forbidden","message":"Missing permission: ` + name + `","required":"` + name + `","currentRole":"`
}

// bodies holds buffers for the bodies of denials.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// writeDenial answers a denial. forbidden is the body up to the role.
func writeDenial(w http.ResponseWriter, reason Reason, forbidden string, role Role) {
	switch reason {
	case ReasonNoPrincipal:
		writeJSON(w, http.StatusUnauthorized, []byte(unauthorized))
	case ReasonRoleUnavailable:
		writeJSON(w, http.StatusServiceUnavailable, []byte(unavailable))
	default:
		b := bodies.Get().(*[]byte)
		*b = append(appendText(append((*b)[:0], forbidden...), string(role)), `"}`...)
		writeJSON(w, http.StatusForbidden, *b)
		bodies.Put(b)
	}
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	// Each response has slices of its own: whoever changes a header must not change another's.
	values := [...]string{"application/json", "no-store", "nosniff"}
	h := w.Header()
	h["Content-Type"] = values[0:1:1]
	h["Cache-Control"] = values[1:2:2]
	h["X-Content-Type-Options"] = values[2:3:3]
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is its own affair
}

// appendText adds what stands between the quotes of a JSON string. Permissions and roles of a policy are plain.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(printable(s, 80))
			if err != nil {
				return b // a string always encodes
			}
			return append(b, quoted[1:len(quoted)-1]...)
		}
	}
	return append(b, s[:min(len(s), 200)]...)
}
