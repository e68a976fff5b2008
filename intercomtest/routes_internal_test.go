package intercomtest

import (
	"maps"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
)

func TestEveryOperationHasARoute(t *testing.T) {
	t.Parallel()
	ops := intercomrbac.Operations()
	require.Len(t, mustRoutes(ops, handlers), len(ops))
}

func TestRoutesPanicOnAGap(t *testing.T) {
	t.Parallel()
	ops := intercomrbac.Operations()
	withNew := append(ops, intercomrbac.Operation{Name: "reports.list", Method: http.MethodGet, Path: "/reports"})
	assert.PanicsWithValue(t, "intercomtest: no handler for operation reports.list: add one to handlers",
		func() { mustRoutes(withNew, handlers) })

	tooMany := maps.Clone(handlers)
	tooMany["reports.list"] = (*Server).listTeams
	assert.Panics(t, func() { mustRoutes(intercomrbac.Operations(), tooMany) })
}

func TestRoute(t *testing.T) {
	t.Parallel()
	s := Start()
	for _, tt := range []struct{ method, path, body, want string }{
		{"GET", "/me", "", "admins.me"},
		{"GET", "/admins/1", "", "admins.get"},
		{"GET", "/admins/activity_logs?created_at_after=1", "", "admins.activity_logs"},
		{"POST", "/admins/activity_logs/search?page=2", "{}", "admins.search_activity_logs"},
		{"PUT", "/admins/1/away", "{}", "admins.set_away"},
		{"POST", "/conversations/search", "{}", "conversations.search"},
		{"GET", "/conversations/7", "", "conversations.get"},
		{"POST", "/conversations/7/parts", `{"message_type":"assignment","assignee_id":"9"}`, "conversations.assign"},
		{"POST", "/conversations/7/parts", `{"message_type":"assignment","assignee_id":"0"}`, "conversations.unassign"},
		{"POST", "/conversations/7/parts", `{"message_type":"assignment","assignee_id":0}`, "conversations.unassign"},
		{"POST", "/conversations/7/parts", `{"message_type":"assignment"}`, "conversations.assign"},
		{"POST", "/conversations/7/parts", `{"message_type":"close"}`, "conversations.close"},
		{"POST", "/conversations/7/parts", `{"message_type":"open"}`, "conversations.open"},
		{"POST", "/conversations/7/parts", `{"message_type":"snoozed"}`, "conversations.snooze"},
		{"POST", "/conversations/7/parts", `{"message_type":"merge"}`, ""},
		{"POST", "/conversations/7/parts", `{"message_type":["close"]}`, ""},
		{"POST", "/conversations/7/parts", `nonsense`, ""},
		{"POST", "/conversations/7/reply", `{"message_type":"comment","type":"admin"}`, "conversations.reply"},
		{"POST", "/conversations/7/reply", `{"message_type":"quick_reply","type":"admin"}`, "conversations.reply"},
		{"POST", "/conversations/7/reply", `{"message_type":"note","type":"admin"}`, "conversations.note"},
		{"POST", "/conversations/7/reply", `{"message_type":"comment","type":"user"}`, ""},
		{"POST", "/conversations/redact", `{"type":"source"}`, "conversations.redact"},
		{"POST", "/conversations/redact", `{"type":"conversation_part"}`, "conversations.redact"},
		{"POST", "/conversations/redact", `{}`, ""},
		{"DELETE", "/conversations/7/customers/8", "{}", "conversations.detach_contact"},
		{"DELETE", "/conversations/7", "", "conversations.delete"},
		{"DELETE", "/conversations/7?retain_metrics=true", "", "conversations.delete"},
		{"DELETE", "/conversations/7?retain_metrics=false", "", "conversations.delete_with_metrics"},
		{"DELETE", "/conversations/7/tags/8", "{}", "conversations.remove_tag"},
		{"GET", "/contacts/find_by_external_id/a%2Fb", "", "contacts.get_by_external_id"},
		{"GET", "/contacts/a%2Fb", "", "contacts.get"},
		{"GET", "/events?type=user&user_id=1", "", "events.list"},
		{"GET", "/events?type=user&user_id=1&summary=false", "", "events.list"},
		{"GET", "/events?type=user&user_id=1&summary=true", "", "events.summaries"},
		{"POST", "/events/summaries", "{}", "events.create_summary"},
		{"POST", "/tags", `{"name":"x"}`, "tags.create"},
		{"POST", "/tags", `{"name":5}`, "tags.create"},
		{"POST", "/tags", `{"id":"7","name":"x"}`, "tags.rename"},
		{"POST", "/tags", `{"name":"x","users":[{"id":"7"}]}`, "tags.apply"},
		{"POST", "/tags", `{"name":"x","companies":[{"id":"7"}]}`, ""},
		{"POST", "/tags", `{"id":"7","name":"x","users":[{"id":"7"}]}`, ""},
		{"POST", "/tags", `{"name":"x","id":null}`, ""},
		{"POST", "/tags", `{"name":"x","id":""}`, ""},
		{"POST", "/tags", `{"name":"x","id":false}`, ""},
		{"POST", "/tags", `{"name":"x","users":[]}`, ""},
		{"POST", "/tags", `{"name":"x","users":{}}`, ""},
		{"POST", "/tags", `{"name":" "}`, ""},
		{"POST", "/tags", `{"test":"invalid"}`, ""},
		{"POST", "/tags", "{}", ""},
		{"GET", "/contacts/", "", ""},
		{"GET", "/me/", "", ""},
		{"POST", "/me", "{}", ""},
		{"GET", "/nowhere", "", ""},
		{"GET", "", "", ""},
	} {
		u, err := url.Parse("https://api.intercom.test" + tt.path)
		require.NoError(t, err)
		r := newRequest(&http.Request{Method: tt.method, URL: u}, "", []byte(tt.body))
		s.route(r)
		assert.Equal(t, tt.want, r.op.Name, "%s %s %s", tt.method, tt.path, tt.body)
		assert.Equal(t, tt.want != "", r.do != nil)
	}
}

func TestRouteUnescapesArguments(t *testing.T) {
	t.Parallel()
	s := Start()
	u, err := url.Parse("https://api.intercom.test/contacts/find_by_external_id/a%2Fb%20c")
	require.NoError(t, err)
	r := newRequest(&http.Request{Method: http.MethodGet, URL: u}, "", nil)
	s.route(r)
	assert.Equal(t, "a/b c", r.args["external_id"])
}

// A bad escape cannot come through net/url, but through a request built by hand.
func TestRouteOfABadEscape(t *testing.T) {
	t.Parallel()
	assert.False(t, pathFits([]string{"", "me"}, []string{"", "%zz"}))
}
