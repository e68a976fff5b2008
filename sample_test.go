package intercomrbac_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each thing that the widely copied TypeScript sample has, working: its code, its scope table, its error table.
// docs/from-the-sample.md sets the two side by side.
func TestFromTheSample(t *testing.T) { // not parallel: it sets an environment variable
	cases := []struct {
		name string
		test func(*testing.T)
	}{
		{"code: client", func(t *testing.T) {
			t.Setenv("INTERCOM_ACCESS_TOKEN", "from-the-environment")
			_, err := intercomrbac.NewClient(intercomrbac.FromEnv())
			require.NoError(t, err)
		}},
		{"code: list all admins", sampleListsAdmins},
		{"code: find an admin by id", func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			id := srv.AddAdmin(intercomtest.Admin{ID: "12345", Name: "Ana", Email: "ana@example.com"})
			admin, err := srv.Client().Admins.Get(t.Context(), id)
			require.NoError(t, err)
			assert.Equal(t, []string{"Ana", "ana@example.com"}, []string{admin.Name, admin.Email})
		}},
		{"code: OAUTH_CONFIG", func(t *testing.T) {
			config := intercomrbac.OAuthConfig{ClientID: "client-1", ClientSecret: intercomrbac.NewSecret(oauthSecret),
				RedirectURL: "https://your-app.com/auth/intercom/callback", States: intercomrbac.NewMemoryStateStore()}
			_, err := intercomrbac.NewOAuth(config)
			require.NoError(t, err)
			assert.NotContains(t, fmt.Sprintf("%+v %#v", config, config), oauthSecret)
		}},
		{"code: getAuthUrl", func(t *testing.T) {
			o := newOAuth(t, nil, func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://your-app.com/auth/intercom/callback" })
			assert.Equal(t, "https://app.intercom.com/oauth?client_id=client-1&redirect_uri=https%3A%2F%2Fyour-app.com%2Fauth%2Fintercom%2Fcallback&state=s",
				o.AuthCodeURL("s"))
		}},
		{"code: exchangeCode", func(t *testing.T) {
			token, err := newOAuth(t, exchanging(200, grantedToken)).Exchange(t.Context(), oauthCode)
			require.NoError(t, err)
			assert.Equal(t, oauthToken, token.Reveal())
		}},
		{"code: exchangeCode fails with Intercom's message", func(t *testing.T) {
			endpoint := exchanging(401, `{"type":"error.list","errors":[{"code":"unauthorized","message":"Unauthorized Code"}]}`)
			_, err := newOAuth(t, endpoint).Exchange(t.Context(), oauthCode)
			require.ErrorContains(t, err, "Unauthorized Code")
		}},
		{"code: state", func(t *testing.T) {
			endpoint := exchanging(200, grantedToken)
			_, err := newOAuth(t, endpoint).Callback(t.Context(), "ana", url.Values{"state": {"forged"}, "code": {oauthCode}})
			require.ErrorIs(t, err, intercomrbac.ErrOAuthState)
			assert.Zero(t, endpoint.exchanges.Load())
		}},
		{"code: WorkspaceAuth", func(t *testing.T) {
			w, err := newOAuth(t, exchanging(200, grantedToken)).Identify(t.Context(), intercomrbac.NewSecret(oauthToken))
			require.NoError(t, err)
			assert.Equal(t, intercomrbac.WorkspaceID("abc123"), w.ID)
			assert.Equal(t, oauthToken, w.Token.Reveal())
			assert.False(t, w.InstalledAt.IsZero())
			assert.Equal(t, "ana@example.com", w.InstalledBy.Email)
		}},
		{"code: ROLE_PERMISSIONS and checkPermission", sampleRoles},
		{"code: requirePermission", sampleMiddleware},
		{"code: list teams", func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			ids := srv.Seed()
			teams, err := srv.Client().Teams.List(t.Context())
			require.NoError(t, err)
			assert.Equal(t, []any{"Billing", ids.Billing}, []any{teams[0].Name, teams[0].ID})
			assert.Len(t, teams, 3)
		}},
		{"code: routeConversation billing", sampleRoute("billing", "Billing")},
		{"code: routeConversation technical", sampleRoute("technical", "Technical Support")},
		{"code: routeConversation sales", sampleRoute("sales", "Sales")},
		{"code: routeConversation of an unknown topic", sampleRoute("complaints", "")},
		{"code: AdminAuditEntry", sampleAuditEntry},
		{"code: auditAdminAction in a database", func(t *testing.T) {
			d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
			require.NoError(t, d.client.Contacts.Delete(d.as(t, intercomrbac.RoleOwner), d.Contacts[0]))
			assert.Len(t, d.trail.take(), 2)
		}},
		{"code: auditAdminAction as a data event", sampleDataEvent},
		{"code: auditAdminAction warns", func(t *testing.T) {
			var log bytes.Buffer
			sink := intercomrbac.SlogSink(slog.New(slog.NewTextHandler(&log, nil)))
			d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), guard: intercomrbac.GuardConfig{Audit: sink}})
			ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner, Email: "ana@example.com", Role: intercomrbac.RoleOwner})
			require.NoError(t, d.client.Contacts.Delete(ctx, d.Contacts[0]))
			assert.Contains(t, log.String(), `level=WARN msg="[AUDIT] Sensitive action: contacts.delete by ana@example.com"`)
		}},
		{"error: OAuth callback fails", func(t *testing.T) {
			_, err := newOAuth(t, exchanging(401, `{"type":"error.list","errors":[{"code":"unauthorized","message":"Unauthorized Code"}]}`)).Exchange(t.Context(), "c")
			require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
			assert.Contains(t, intercomrbac.Advice(err), "match the redirect URL exactly with one in the Developer Hub")
		}},
		{"error: forbidden (403)", func(t *testing.T) {
			op := lookup(t, "conversations.list")
			for _, refused := range scopeRefusals(op.Scope) {
				_, err := newMock(t, refused).Client.Conversations.List(t.Context(), intercomrbac.ListParams{})
				assertScopeMissing(t, err, op, refused.status)
				assert.Contains(t, intercomrbac.Advice(err), "authorize the app again")
			}
		}},
		{"error: token revoked", func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			srv.RevokeToken(srv.Token(), "token_revoked")
			_, err := srv.Client().Admins.List(t.Context())
			require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			assert.Contains(t, intercomrbac.Advice(err), "ask the workspace to install the app again")
		}},
		{"error: admin not found", func(t *testing.T) {
			_, err := intercomtest.NewServer(t).Client().Admins.Get(t.Context(), "12345")
			require.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
			assert.Contains(t, intercomrbac.Advice(err), "drop them here too")
		}},
		{"error: team assignment fails", func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			ids := srv.Seed()
			ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: ids.Agent})
			_, err := srv.Client().Conversations.Assign(ctx, ids.Conversations[0], intercomrbac.AssignParams{To: intercomrbac.ToTeam("999")})
			require.ErrorIs(t, err, intercomrbac.ErrTeamNotFound)
			assert.Contains(t, intercomrbac.Advice(err), "list the teams and take the id from there")
		}},
	}
	for _, row := range sampleScopes {
		cases = append(cases, struct {
			name string
			test func(*testing.T)
		}{"scope: " + row.name, func(t *testing.T) {
			info, ok := intercomrbac.LookupScope(row.name)
			require.True(t, ok)
			assert.Equal(t, row.scope, info.Scope)
			assert.Subset(t, plainCalls(info.Calls), row.calls)
			assert.Contains(t, info.Note, row.note)
		}})
	}
	for _, tt := range cases {
		t.Run(tt.name, tt.test)
	}
}

// The sample prints admin.type, to tell admins from teams; it is always "admin".
func sampleListsAdmins(t *testing.T) {
	srv := intercomtest.NewServer(t)
	srv.Seed()
	admins, err := srv.Client().Admins.List(t.Context())
	require.NoError(t, err)
	type line struct {
		name, email, id string
		away            bool
	}
	var lines []line
	for _, a := range admins {
		assert.Equal(t, "admin", a.Type)
		lines = append(lines, line{a.Name, a.Email, string(a.ID), a.AwayModeEnabled})
	}
	assert.Equal(t, []line{
		{"Olivia Okafor", "olivia@example.com", "991267459", false}, {"Marcus Lindqvist", "marcus@example.com", "991267460", false},
		{"Aiko Tanaka", "aiko@example.com", "991267461", false}, {"Ravi Menon", "ravi@example.com", "991267462", true},
	}, lines)
}

func sampleRoles(t *testing.T) {
	all := []intercomrbac.Permission{"contacts:read", "contacts:write", "contacts:delete", "conversations:read", "conversations:reply",
		"conversations:assign", "conversations:close", "articles:read", "articles:write", "settings:manage"}
	c := stockChecker(t)
	for role, granted := range map[intercomrbac.Role][]intercomrbac.Permission{
		"owner": all,
		"admin": {"contacts:read", "contacts:write", "conversations:read", "conversations:reply", "conversations:assign", "conversations:close",
			"articles:read", "articles:write"},
		"agent":    {"contacts:read", "conversations:read", "conversations:reply"},
		"stranger": nil,
		"":         nil,
	} {
		for _, p := range all {
			assert.Equal(t, slices.Contains(granted, p), c.Can(role, p), "%s %s", role, p)
		}
	}
}

// The sample's middleware takes a request without a user for an agent's.
func sampleMiddleware(t *testing.T) {
	mux := http.NewServeMux()
	done := 0
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { done++ })
	c := stockChecker(t)
	mux.Handle("DELETE /api/contacts/{id}", c.Require(intercomrbac.ContactsDelete)(handler))
	mux.Handle("POST /api/conversations/{id}/assign", c.Require(intercomrbac.ConversationsAssign)(handler))
	mux.Handle("GET /api/contacts", c.Require(intercomrbac.ContactsRead)(handler))
	app := intercomrbac.Authenticate(func(r *http.Request) (intercomrbac.Principal, error) {
		return intercomrbac.Principal{AdminID: intercomrbac.AdminID(r.Header.Get("User")), Role: intercomrbac.Role(r.Header.Get("Role"))}, nil
	})(mux)
	for _, tt := range []struct {
		request, user, role string
		status              int
		body                string
	}{
		{"DELETE /api/contacts/5", "7", "owner", 200, ""},
		{"DELETE /api/contacts/5", "7", "agent", 403,
			`{"error":"Forbidden","message":"Missing permission: contacts:delete","required":"contacts:delete","currentRole":"agent"}`},
		{"POST /api/conversations/9/assign", "7", "admin", 200, ""},
		{"POST /api/conversations/9/assign", "7", "agent", 403,
			`{"error":"Forbidden","message":"Missing permission: conversations:assign","required":"conversations:assign","currentRole":"agent"}`},
		{"GET /api/contacts", "7", "agent", 200, ""},
		{"GET /api/contacts", "7", "", 403, `{"error":"Forbidden","message":"Missing permission: contacts:read","required":"contacts:read","currentRole":""}`},
		{"GET /api/contacts", "", "", 401, `{"error":"Unauthorized","message":"Authentication required"}`},
	} {
		method, path, _ := bytes.Cut([]byte(tt.request), []byte(" "))
		r := httptest.NewRequest(string(method), string(path), nil)
		r.Header.Set("User", tt.user)
		r.Header.Set("Role", tt.role)
		w := httptest.NewRecorder()
		before := done
		app.ServeHTTP(w, r)
		assert.Equal(t, tt.status, w.Code, tt)
		if tt.body != "" {
			assert.JSONEq(t, tt.body, w.Body.String())
		}
		assert.Equal(t, tt.status == 200, done > before)
	}
}

// sampleRoute routes a conversation by the sample's topics; no team is one that is wrong about the topic.
func sampleRoute(topic intercomrbac.Topic, team string) func(*testing.T) {
	return func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		ids := srv.Seed()
		ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: ids.Manager})
		router, err := intercomrbac.NewRouter(srv.Client(), intercomrbac.RouterConfig{Routes: map[intercomrbac.Topic]intercomrbac.TeamRef{
			"billing": "Billing", "technical": "Technical Support", "sales": "Sales"}})
		require.NoError(t, err)
		id := srv.AddConversation(intercomtest.Conversation{Body: "Hello"})
		result, err := router.Route(ctx, id, topic)
		if team == "" {
			require.ErrorIs(t, err, intercomrbac.ErrNoRoute, "not silence")
			return
		}
		require.NoError(t, err)
		assert.Equal(t, []any{team, true}, []any{result.TeamName, result.Assigned})
		c, err := srv.Client().Conversations.Get(ctx, id)
		require.NoError(t, err)
		assert.Equal(t, result.Team, c.TeamAssigneeID)
		last := c.Parts.Items[len(c.Parts.Items)-1]
		assert.Contains(t, last.Body, "Routed to "+string(topic)+" team")
	}
}

// Whoever reads the sample's table reads ours: its keys are the first of an event.
func sampleAuditEntry(t *testing.T) {
	d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
	require.NoError(t, d.client.Contacts.Delete(d.as(t, intercomrbac.RoleOwner), d.Contacts[0]))
	trail := d.trail.take()
	b, err := json.Marshal(trail[len(trail)-1])
	require.NoError(t, err)
	var entry struct {
		Timestamp                                                    time.Time
		AdminID, AdminEmail, Action, Resource, ResourceID, IPAddress string
		Success                                                      bool
	}
	require.NoError(t, json.Unmarshal(b, &entry))
	assert.WithinDuration(t, time.Now(), entry.Timestamp, time.Minute)
	assert.Equal(t, []any{string(d.Agent), "aiko@example.com", "contacts.delete", "contact", string(d.Contacts[0]), true, "203.0.113.7"},
		[]any{entry.AdminID, entry.AdminEmail, entry.Action, entry.Resource, entry.ResourceID, entry.Success, entry.IPAddress})
	for _, key := range []string{"timestamp", "adminId", "adminEmail", "action", "resource", "resourceId", "success", "ipAddress"} {
		assert.Contains(t, string(b), `"`+key+`":`)
	}
}

// The sample writes to the contact whose external id is the admin's id: nobody's, or a stranger's.
func sampleDataEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		srv.Seed()
		log := srv.AddContact(intercomtest.Contact{Name: "Audit log"})
		begin := time.Now()
		sink, err := intercomrbac.NewDataEventSink(srv.Client(), intercomrbac.DataEventSinkConfig{Contact: log})
		require.NoError(t, err)
		require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{Timestamp: begin, AdminID: "12345", Action: "contacts.delete",
			Resource: "contact", ResourceID: "c1", Phase: intercomrbac.PhaseOutcome, Outcome: intercomrbac.OutcomeSucceeded, Success: new(true)}))
		require.NoError(t, sink.Close(t.Context()))
		_, metadata := shown(t, srv, log, begin)
		assert.Equal(t, []map[string]any{{"action": "contacts.delete", "resource": "contact", "resource_id": "c1", "success": "true"}}, metadata)
		_, err = srv.Client().DataEvents.List(t.Context(), intercomrbac.ListEventsParams{UserID: "12345"})
		require.ErrorIs(t, err, intercomrbac.ErrNotFound, "an admin's id is no contact's")
	})
}
