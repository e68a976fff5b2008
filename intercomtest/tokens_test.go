package intercomtest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestAuthentication(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t, intercomtest.WithRateLimit(100))
	a := inMemory(t, s)
	for _, tt := range []struct{ header, code string }{
		{"", "missing_authorization"},
		{"Bearer nobody", "unauthorized"},
		{"Basic " + s.Token(), "unauthorized"},
		{s.Token(), "unauthorized"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, a.base+"/me", nil)
		require.NoError(t, err)
		if tt.header != "" {
			r.Header.Set("Authorization", tt.header)
		}
		resp, err := a.http.Do(r)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, 401, resp.StatusCode)
		assert.Empty(t, resp.Header.Get("X-RateLimit-Limit"), "nobody's window is counted")
	}
	a.with("").get("/me").requireError(t, 401, "missing_authorization")
	assert.Equal(t, "Access Token Invalid", a.with("nobody").get("/me").requireError(t, 401, "unauthorized").message(t))
}

func TestRevokeToken(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"token_revoked", "token_expired", "token_suspended", "token_blocked", "token_not_found", "unauthorized"} {
		s := intercomtest.NewServer(t)
		s.AddToken("other-token")
		a := inMemory(t, s)
		s.RevokeToken("other-token", code)
		r := a.with("other-token").get("/teams").requireError(t, 401, code)
		assert.NotContains(t, string(r.raw), "other-token")
		a.get("/teams").requireOK(t)
		s.AddToken("other-token")
		a.with("other-token").get("/teams").requireOK(t)
	}
	s := intercomtest.NewServer(t)
	assert.Panics(t, func() { s.RevokeToken(s.Token(), "token_eaten") })
	assert.Panics(t, func() { s.AddToken("") })
	defer func() { assert.NotContains(t, fmt.Sprint(recover()), "unknown-token") }()
	s.RevokeToken("unknown-token", "token_revoked")
}

// Each operation wants the scope that the table says, and no other will do.
func TestScopes(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	seeded := s.Seed()
	scopes := map[intercomrbac.Scope]bool{}
	for _, op := range intercomrbac.Operations() {
		scopes[op.Scope] = true
	}
	bodies := map[string]string{
		"conversations.assign": `{"message_type":"assignment"}`, "conversations.unassign": `{"message_type":"assignment","assignee_id":"0"}`,
		"conversations.close": `{"message_type":"close"}`, "conversations.open": `{"message_type":"open"}`,
		"conversations.snooze": `{"message_type":"snoozed"}`, "conversations.note": `{"type":"admin","message_type":"note"}`,
		"conversations.reply": `{"type":"admin","message_type":"comment"}`, "conversations.redact": `{"type":"source"}`,
		"tags.apply": `{"name":"x","users":[{"id":"1"}]}`, "tags.create": `{"name":"x"}`, "tags.rename": `{"id":"1","name":"x"}`,
	}
	names := map[intercomrbac.Scope]string{
		intercomrbac.ScopeReadAdmins: "read_admins", intercomrbac.ScopeReadOneAdmin: "read_single_admin",
		intercomrbac.ScopeReadUsers: "read_users", intercomrbac.ScopeReadWriteUsers: "read_write_users",
		intercomrbac.ScopeReadConversations: "read_conversations", intercomrbac.ScopeWriteConversations: "write_conversations",
		intercomrbac.ScopeDeleteConversations: "delete_conversations_and_metrics",
		intercomrbac.ScopeReadArticles:        "read_articles_scope", intercomrbac.ScopeWriteArticles: "read_write_articles_scope",
		intercomrbac.ScopeReadEvents: "read_events", intercomrbac.ScopeWriteEvents: "write_events",
	}
	for _, op := range intercomrbac.Operations() {
		path := op.Path
		for _, arg := range []string{"{conversation_id}", "{admin_id}", "{team_id}", "{contact_id}", "{external_id}", "{tag_id}", "{article_id}", "{collection_id}"} {
			path = strings.ReplaceAll(path, arg, string(seeded.VIP))
		}
		if op.Query != "" {
			path += "?" + op.Query
		}
		body := bodies[op.Name]
		if body == "" && op.Method != http.MethodGet {
			body = "{}"
		}
		for scope := range scopes {
			tok := "token-with-" + string(scope)
			s.AddToken(tok, scope)
			a := inMemory(t, s).with(tok)
			s.SetMissingScopeStatus(http.StatusUnauthorized)
			r := a.do(op.Method, path, body)
			if scope == op.Scope {
				assert.NotContains(t, string(r.raw), "token_unauthorized", "%s with %s", op.Name, scope)
				continue
			}
			r.requireError(t, 401, "token_unauthorized")
			assert.Equal(t, "Not authorized to access resource", r.message(t))
			s.SetMissingScopeStatus(http.StatusForbidden)
			r = a.do(op.Method, path, body).requireError(t, 403, "forbidden")
			if name := names[op.Scope]; name != "" {
				assert.Equal(t, "You do not have the required scope ("+name+") to access this resource", r.message(t))
			}
		}
	}
	assert.Panics(t, func() { s.SetMissingScopeStatus(404) })
}
