package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reached answers 200 and tells who acted.
var reached = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	p, _ := intercomrbac.PrincipalFrom(r.Context())
	fmt.Fprintf(w, "reached by %s%s", p.AdminID, p.Service)
})

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func requestAs(ctx context.Context, role intercomrbac.Role) *http.Request {
	p := intercomrbac.Principal{AdminID: "991267459", Role: role}
	return httptest.NewRequestWithContext(intercomrbac.WithPrincipal(ctx, p), "DELETE", "/api/contacts/7", nil)
}

func stockChecker(tb testing.TB) *intercomrbac.Checker {
	tb.Helper()
	c, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	require.NoError(tb, err)
	return c
}

const (
	bodyUnauthorized = `{"error":"Unauthorized","message":"Authentication required"}`
	bodyUnavailable  = `{"error":"Service Unavailable","message":"Intercom cannot be reached right now"}`
)

func bodyForbidden(permission, role string) string {
	return `{"error":"Forbidden","message":"Missing permission: ` + permission + `","required":"` + permission + `","currentRole":"` + role + `"}`
}

// assertRefused checks status, the whole body and the headers of a refusal.
func assertRefused(t *testing.T, w *httptest.ResponseRecorder, status int, body string) {
	t.Helper()
	assert.Equal(t, status, w.Code)
	assert.Equal(t, body, w.Body.String())
	assert.Equal(t, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}, "X-Content-Type-Options": {"nosniff"}}, w.Header())
	assert.True(t, json.Valid(w.Body.Bytes()))
}

func TestAuthenticate(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		principal intercomrbac.Principal
		err       error
		status    int
		body      string
	}{
		"a teammate":                 {intercomrbac.Principal{AdminID: "7"}, nil, 200, "reached by 7"},
		"a service":                  {intercomrbac.Principal{Service: "billing"}, nil, 200, "reached by billing"},
		"nobody":                     {intercomrbac.Principal{}, nil, 401, bodyUnauthorized},
		"a role alone is nobody":     {intercomrbac.Principal{Role: "owner"}, nil, 401, bodyUnauthorized},
		"the admin 0 is nobody":      {intercomrbac.Principal{AdminID: "0", Role: "owner"}, nil, 401, bodyUnauthorized},
		"an error beside a teammate": {intercomrbac.Principal{AdminID: "7"}, errors.New("bad cookie"), 401, bodyUnauthorized},
		"a teammate who left":        {intercomrbac.Principal{}, intercomrbac.ErrAdminNotFound, 401, bodyUnauthorized},
		"Intercom is down":           {intercomrbac.Principal{}, fmt.Errorf("role: %w", intercomrbac.ErrUnavailable), 503, bodyUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			find := func(*http.Request) (intercomrbac.Principal, error) { return tt.principal, tt.err }
			w := serve(intercomrbac.Authenticate(find)(reached), httptest.NewRequest("GET", "/", nil))
			if tt.status == 200 {
				assert.Equal(t, []any{200, tt.body}, []any{w.Code, w.Body.String()})
				return
			}
			assertRefused(t, w, tt.status, tt.body)
		})
	}
	assert.Panics(t, func() { intercomrbac.Authenticate(nil) })
}

func TestRequire(t *testing.T) {
	t.Parallel()
	h := stockChecker(t).Require("contacts:delete")(reached)
	for name, tt := range map[string]struct {
		role   intercomrbac.Role
		status int
		body   string
	}{
		"owner":                           {"owner", 200, "reached by 991267459"},
		"admin":                           {"admin", 403, bodyForbidden("contacts:delete", "admin")},
		"agent":                           {"agent", 403, bodyForbidden("contacts:delete", "agent")},
		"no role":                         {"", 403, bodyForbidden("contacts:delete", "")},
		"unknown role":                    {"superuser", 403, bodyForbidden("contacts:delete", "superuser")},
		"another case":                    {"Owner", 403, bodyForbidden("contacts:delete", "Owner")},
		"a role that breaks out":          {`","admin":true,"x":"`, 403, bodyForbidden("contacts:delete", `\",\"admin\":true,\"x\":\"`)},
		"a role with a line break":        {"a\r\nb", 403, bodyForbidden("contacts:delete", "a  b")},
		"a role of HTML":                  {"<script>", 403, bodyForbidden("contacts:delete", `\u003cscript\u003e`)},
		"a role that is no UTF-8":         {"\xff", 403, bodyForbidden("contacts:delete", "�")},
		"a role as long as a book, plain": {intercomrbac.Role(strings.Repeat("a", 5000)), 403, bodyForbidden("contacts:delete", strings.Repeat("a", 200))},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := serve(h, requestAs(t.Context(), tt.role))
			if tt.status == 200 {
				assert.Equal(t, []any{200, tt.body}, []any{w.Code, w.Body.String()})
				return
			}
			assertRefused(t, w, tt.status, tt.body)
		})
	}
	t.Run("nobody is 401 and never an agent", func(t *testing.T) {
		t.Parallel()
		h := stockChecker(t).Require("contacts:read")(reached)
		assertRefused(t, serve(h, httptest.NewRequest("GET", "/", nil)), 401, bodyUnauthorized)
	})
}

func TestRequirePanicsOnAPermissionThatThePolicyDoesNotName(t *testing.T) {
	t.Parallel()
	c := stockChecker(t)
	for _, p := range []intercomrbac.Permission{"contacts:delte", "", "contacts:*", "*", "contacts:delete "} {
		assert.Panics(t, func() { c.Require(p) }, p)
	}
	assert.PanicsWithValue(t, `intercomrbac: Require: the policy names no permission "contacts:delte": did you mean "contacts:delete"?`,
		func() { c.Require("contacts:delte") })
	assert.Panics(t, func() { new(intercomrbac.Checker).Require("contacts:read") })
	assert.Panics(t, func() { (*intercomrbac.Checker)(nil).Require("contacts:read") })
	assert.Panics(t, func() { new(intercomrbac.Guard).Require("contacts:read") })
	assert.Panics(t, func() { (*intercomrbac.Guard)(nil).Require("contacts:read") })
}

// A policy that comes later and does not name the permission denies.
func TestRequireAfterASwap(t *testing.T) {
	t.Parallel()
	policy := intercomrbac.StockPolicy()
	policy.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {}}
	policy.Roles["owner"] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}
	c, err := intercomrbac.NewChecker(policy)
	require.NoError(t, err)
	h := c.Require("invoices:refund")(reached)
	assert.Equal(t, 200, serve(h, requestAs(t.Context(), "owner")).Code)
	require.NoError(t, c.Swap(intercomrbac.StockPolicy()))
	assertRefused(t, serve(h, requestAs(t.Context(), "owner")), 403, bodyForbidden("invoices:refund", "owner"))
}

func TestRequireUnderACondition(t *testing.T) {
	t.Parallel()
	c, err := intercomrbac.NewChecker(intercomrbac.Policy{Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
		"agent": {Allow: []intercomrbac.Rule{{Permission: "conversations:reply", When: "assigned"}}},
		"owner": {Allow: intercomrbac.Rules("*")},
	}})
	require.NoError(t, err)
	mine := intercomrbac.Resource{Kind: "conversation", ID: "1", Value: &intercomrbac.Conversation{ID: "1", AdminAssigneeID: "991267459"}}
	other := intercomrbac.Resource{Kind: "conversation", ID: "2", Value: &intercomrbac.Conversation{ID: "2", AdminAssigneeID: "5"}}
	for name, tt := range map[string]struct {
		role   intercomrbac.Role
		find   func(*http.Request) (intercomrbac.Resource, error)
		status int
	}{
		"theirs":          {"agent", func(*http.Request) (intercomrbac.Resource, error) { return mine, nil }, 200},
		"another's":       {"agent", func(*http.Request) (intercomrbac.Resource, error) { return other, nil }, 403},
		"no ResourceFrom": {"agent", nil, 403},
		"it fails":        {"agent", func(*http.Request) (intercomrbac.Resource, error) { return mine, errors.New("down") }, 403},
		"no resource":     {"agent", func(*http.Request) (intercomrbac.Resource, error) { return intercomrbac.Resource{}, nil }, 403},
		"without a value": {"agent", func(*http.Request) (intercomrbac.Resource, error) {
			return intercomrbac.Resource{Kind: "conversation", ID: "1"}, nil
		}, 403},
		"another kind": {"agent", func(*http.Request) (intercomrbac.Resource, error) {
			return intercomrbac.Resource{Kind: "contact", ID: "1"}, nil
		}, 403},
		"not asked for owners":  {"owner", func(*http.Request) (intercomrbac.Resource, error) { panic("asked") }, 200},
		"not asked for nobody":  {"stranger", func(*http.Request) (intercomrbac.Resource, error) { panic("asked") }, 403},
		"owner, no ResourceFor": {"owner", nil, 200},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var options []intercomrbac.RequireOption
			if tt.find != nil {
				options = append(options, intercomrbac.ResourceFrom(tt.find))
			}
			w := serve(c.Require("conversations:reply", options...)(reached), requestAs(t.Context(), tt.role))
			assert.Equal(t, tt.status, w.Code)
			if tt.status == 403 {
				assert.Equal(t, bodyForbidden("conversations:reply", string(tt.role)), w.Body.String())
			}
		})
	}
}

func TestOnDenied(t *testing.T) {
	t.Parallel()
	var got error
	h := stockChecker(t).Require("contacts:delete", intercomrbac.OnDenied(func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		http.Error(w, "no", http.StatusTeapot)
	}))(reached)
	assert.Equal(t, 418, serve(h, requestAs(t.Context(), "agent")).Code)
	e, ok := errors.AsType[*intercomrbac.DeniedError](got)
	require.True(t, ok)
	assert.Equal(t, []any{"contacts:delete", intercomrbac.ContactsDelete, intercomrbac.RoleAgent, intercomrbac.ReasonNotGranted},
		[]any{e.Action, e.Permission, e.Role, e.Decision.Reason})
	require.ErrorIs(t, got, intercomrbac.ErrDenied)
	assert.Equal(t, 200, serve(h, requestAs(t.Context(), "owner")).Code)
	assert.Equal(t, 418, serve(h, httptest.NewRequest("GET", "/", nil)).Code)
	assert.ErrorIs(t, got, intercomrbac.ErrNoPrincipal)
}

func TestGuardRequirePutsDenialsOnRecord(t *testing.T) {
	t.Parallel()
	sink := &trail{}
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: sink})
	require.NoError(t, err)
	h := g.Require("contacts:delete")(reached)
	assert.Equal(t, 200, serve(h, requestAs(t.Context(), "owner")).Code)
	assert.Empty(t, sink.events)
	assertRefused(t, serve(h, requestAs(t.Context(), "agent")), 403, bodyForbidden("contacts:delete", "agent"))
	assertRefused(t, serve(h, httptest.NewRequest("GET", "/", nil)), 401, bodyUnauthorized)
	require.Len(t, sink.events, 2)
	e := sink.events[0]
	assert.False(t, e.Timestamp.IsZero())
	assert.NotEqual(t, e.ID, sink.events[1].ID)
	assert.Equal(t, intercomrbac.AuditEvent{Timestamp: e.Timestamp, AdminID: "991267459", Action: "contacts:delete", Success: new(false), ID: e.ID,
		Phase: intercomrbac.PhaseDenial, Role: "agent", Permission: "contacts:delete", Reason: intercomrbac.ReasonNotGranted,
		PolicyVersion: e.PolicyVersion, Sensitive: true}, e)
	assert.Equal(t, intercomrbac.ReasonNoPrincipal, sink.events[1].Reason)
}

// A sink that fails does not let anybody in.
func TestGuardRequireDeniesWhenTheSinkFails(t *testing.T) {
	t.Parallel()
	var got error
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t),
		Audit: intercomrbac.SinkFunc(func(context.Context, intercomrbac.AuditEvent) error { return errors.New("disk full") })})
	require.NoError(t, err)
	h := g.Require("contacts:delete", intercomrbac.OnDenied(func(w http.ResponseWriter, _ *http.Request, err error) {
		got = err
		intercomrbac.WriteError(w, err)
	}))(reached)
	assertRefused(t, serve(h, requestAs(t.Context(), "agent")), 403, bodyForbidden("contacts:delete", "agent"))
	require.ErrorIs(t, got, intercomrbac.ErrAuditUnavailable)
	assert.ErrorContains(t, got, "disk full")
}

func TestGuardRequireReportOnly(t *testing.T) {
	t.Parallel()
	sink := &trail{}
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: sink, DangerouslyReportOnly: true})
	require.NoError(t, err)
	assert.Equal(t, 200, serve(g.Require("contacts:delete")(reached), requestAs(t.Context(), "agent")).Code)
	require.Len(t, sink.events, 1)
	assert.True(t, sink.events[0].ReportOnly)
	assert.Equal(t, intercomrbac.PhaseDenial, sink.events[0].Phase)
}

// With a directory the role in Intercom decides, whatever the principal says.
func TestGuardRequireByTheRoleInIntercom(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	d, err := intercomrbac.NewRoleDirectory(srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})), intercomrbac.RoleDirectoryConfig{
		Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{"Owner": "owner", "Support Agent": "agent"}}})
	require.NoError(t, err)
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.NoAudit(), Roles: d})
	require.NoError(t, err)
	h := g.Require("contacts:delete")(reached)
	as := func(p intercomrbac.Principal) *httptest.ResponseRecorder {
		return serve(h, httptest.NewRequestWithContext(intercomrbac.WithPrincipal(t.Context(), p), "DELETE", "/", nil))
	}
	assert.Equal(t, 200, as(intercomrbac.Principal{AdminID: ids.Owner, Role: "agent"}).Code)
	assertRefused(t, as(intercomrbac.Principal{AdminID: ids.Agent, Role: "owner"}), 403, bodyForbidden("contacts:delete", "agent"))
	assertRefused(t, as(intercomrbac.Principal{AdminID: "404", Role: "owner"}), 403, bodyForbidden("contacts:delete", ""))
	assert.Equal(t, 200, as(intercomrbac.Principal{Service: "cleanup", Role: "owner"}).Code, "a service keeps the role that it has")
	d.ForgetAll()
	srv.Inject(intercomtest.Fault{Status: 503, Times: -1})
	assertRefused(t, as(intercomrbac.Principal{AdminID: ids.Owner, Role: "owner"}), 503, bodyUnavailable)
}

func TestWriteError(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	c := srv.Client(intercomrbac.WithGuard(g))
	_, denied := c.Conversations.List(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: "guest"}), intercomrbac.ListParams{})
	_, nobody := c.Conversations.List(t.Context(), intercomrbac.ListParams{})
	as := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: "admin"})
	_, impersonation := c.Conversations.Close(as, "1", intercomrbac.CloseParams{AdminID: "8"})
	for name, tt := range map[string]struct {
		err    error
		status int
		body   string
	}{
		"denied":         {denied, 403, bodyForbidden("conversations:read", "guest")},
		"wrapped":        {fmt.Errorf("close: %w", denied), 403, bodyForbidden("conversations:read", "guest")},
		"nobody":         {nobody, 401, bodyUnauthorized},
		"impersonation":  {impersonation, 403, bodyForbidden("admins:impersonate", "admin")},
		"unavailable":    {intercomrbac.ErrUnavailable, 503, bodyUnavailable},
		"something else": {errors.New("secret detail"), 500, `{"error":"Internal Server Error","message":"Something went wrong"}`},
		"nil":            {nil, 500, `{"error":"Internal Server Error","message":"Something went wrong"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := httptest.NewRecorder()
			intercomrbac.WriteError(w, tt.err)
			assertRefused(t, w, tt.status, tt.body)
		})
	}
	assert.Zero(t, srv.CallCount(""))
}

// What is let through gets the writer as it is, so that flushing and hijacking work.
func TestMiddlewaresPassTheWriterOn(t *testing.T) {
	t.Parallel()
	w := httptest.NewRecorder()
	next := http.HandlerFunc(func(got http.ResponseWriter, _ *http.Request) {
		assert.Same(t, w, got)
		assert.NoError(t, http.NewResponseController(got).Flush())
	})
	find := func(*http.Request) (intercomrbac.Principal, error) {
		return intercomrbac.Principal{AdminID: "7", Role: "owner"}, nil
	}
	intercomrbac.Authenticate(find)(stockChecker(t).Require("contacts:delete")(next)).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	assert.True(t, w.Flushed)
}

// Headers that a service sets on one refusal do not show on another.
func TestRefusalsShareNoHeaders(t *testing.T) {
	t.Parallel()
	h := stockChecker(t).Require("contacts:delete")(reached)
	first := serve(h, requestAs(t.Context(), "agent"))
	first.Header()["Content-Type"][0] = "text/plain"
	first.Header().Add("Cache-Control", "private")
	assertRefused(t, serve(h, requestAs(t.Context(), "agent")), 403, bodyForbidden("contacts:delete", "agent"))
}

type nopWriter struct{ h http.Header }

func (w *nopWriter) Header() http.Header         { return w.h }
func (w *nopWriter) Write(b []byte) (int, error) { return len(b), nil }
func (w *nopWriter) WriteHeader(int)             {}

func BenchmarkRequire(b *testing.B) {
	h := stockChecker(b).Require("contacts:delete")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, role := range []intercomrbac.Role{"owner", "agent"} {
		b.Run(map[intercomrbac.Role]string{"owner": "allow", "agent": "deny"}[role], func(b *testing.B) {
			r, w := requestAs(b.Context(), role), &nopWriter{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}

// BenchmarkFloorDeny is a denial without a decision, in two ways: the body at hand, and encoding/json.
func BenchmarkFloorDeny(b *testing.B) {
	body := []byte(bodyForbidden("contacts:delete", "agent"))
	w := &nopWriter{http.Header{}}
	b.Run("prerendered", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(403)
			_, _ = w.Write(body)
		}
	})
	b.Run("encoding json", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Cache-Control", "no-store")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.WriteHeader(403)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": "Forbidden", "message": "Missing permission: contacts:delete",
				"required": "contacts:delete", "currentRole": "agent"})
		}
	})
}
