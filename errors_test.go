package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// errorClasses are all classes by their names.
var errorClasses = map[string]error{
	"ErrInvalidRequest": intercomrbac.ErrInvalidRequest, "ErrUnauthorized": intercomrbac.ErrUnauthorized,
	"ErrTokenRevoked": intercomrbac.ErrTokenRevoked, "ErrScopeMissing": intercomrbac.ErrScopeMissing,
	"ErrForbidden": intercomrbac.ErrForbidden, "ErrActionForbidden": intercomrbac.ErrActionForbidden,
	"ErrPlanRestricted": intercomrbac.ErrPlanRestricted, "ErrNotFound": intercomrbac.ErrNotFound,
	"ErrAdminNotFound": intercomrbac.ErrAdminNotFound, "ErrTeamNotFound": intercomrbac.ErrTeamNotFound,
	"ErrContactMerged": intercomrbac.ErrContactMerged, "ErrConflict": intercomrbac.ErrConflict,
	"ErrRateLimited": intercomrbac.ErrRateLimited, "ErrUnavailable": intercomrbac.ErrUnavailable,
	"ErrBadResponse": intercomrbac.ErrBadResponse, "ErrOutcomeUnknown": intercomrbac.ErrOutcomeUnknown,
	"ErrNoActingAdmin": intercomrbac.ErrNoActingAdmin, "ErrWrongWorkspace": intercomrbac.ErrWrongWorkspace,
	"ErrCursorRepeated": intercomrbac.ErrCursorRepeated, "ErrOAuthState": intercomrbac.ErrOAuthState, "ErrOAuthExchange": intercomrbac.ErrOAuthExchange,
}

// classesOf returns the names of all classes that err is.
func classesOf(err error) []string {
	var names []string
	for name, class := range errorClasses {
		if errors.Is(err, class) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// assertOneLine checks that text can go into a log as it is.
func assertOneLine(t *testing.T, text string) {
	t.Helper()
	i := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	assert.Equal(t, -1, i, "%q is not one line of printable characters", text)
	assert.True(t, utf8.ValidString(text))
}

type useOfClient func(ctx context.Context, c *intercomrbac.Client) error

var (
	getConversation useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Get(ctx, "5")
		return err
	}
	closeConversation useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Close(ctx, "5", intercomrbac.CloseParams{AdminID: "7"})
		return err
	}
	assignToTeam useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Assign(ctx, "5", intercomrbac.AssignParams{To: intercomrbac.ToTeam("9"), AdminID: "7"})
		return err
	}
	assignToAdmin useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Assign(ctx, "5", intercomrbac.AssignParams{To: intercomrbac.ToAdmin("8"), AdminID: "7"})
		return err
	}
	unassignTeam useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Unassign(ctx, "5", intercomrbac.UnassignParams{Team: true, AdminID: "7"})
		return err
	}
	getAdmin useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Admins.Get(ctx, "7")
		return err
	}
	listAdmins useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Admins.List(ctx)
		return err
	}
	setAway useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Admins.SetAway(ctx, "7", intercomrbac.SetAwayParams{Away: true})
		return err
	}
	getTeam useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Teams.Get(ctx, "9")
		return err
	}
	getContact useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Contacts.Get(ctx, "667d61c88a68186f43bafe93")
		return err
	}
	createContact useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Contacts.Create(ctx, intercomrbac.CreateContactParams{Email: "ada@example.com"})
		return err
	}
	createEvent useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		return c.DataEvents.Create(ctx, intercomrbac.CreateEventParams{Name: "signed-in", UserID: "u-1"})
	}
	searchConversations useOfClient = func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Search(ctx, intercomrbac.SearchParams{Query: intercomrbac.Where("state", "=", "open")})
		return err
	}
)

func TestErrorClassesAndAdvice(t *testing.T) {
	t.Parallel()
	list := func(format string, args ...any) []string { return strings.Fields(fmt.Sprintf(format, args...)) }
	scope := []string{`"Read conversations"`, "Developer Hub", "authorize"}
	gone := []string{"uninstalled", "token replaced", "install the app again"}
	tests := []struct {
		name    string
		use     useOfClient
		op      string
		status  int
		code    string
		message string
		is      []string
		advice  []string
	}{
		{"401 token_unauthorized", getConversation, "conversations.get", 401, "token_unauthorized", "Not authorized", list("ErrScopeMissing"), scope},
		{"401 token_unauthorized on a write", closeConversation, "conversations.close", 401, "token_unauthorized", "", list("ErrScopeMissing"), []string{`"Write conversations"`, "Developer Hub", "authorize"}},
		{"403 forbidden naming a scope", getConversation, "conversations.get", 403, "forbidden", "You lack the required scope (read_conversations)", list("ErrScopeMissing"), scope},
		{"403 forbidden naming a Scope", getConversation, "conversations.get", 403, "forbidden", "Scope needed", list("ErrScopeMissing"), scope},
		{"403 forbidden naming none", getConversation, "conversations.get", 403, "forbidden", "Forbidden request", list("ErrForbidden"), scope},
		{"403 without a code", getConversation, "conversations.get", 403, "", "", list("ErrForbidden"), scope},
		{"403 of an unknown code", getConversation, "conversations.get", 403, "brand_new", "scope", list("ErrForbidden"), scope},

		{"401 token_revoked", getConversation, "conversations.get", 401, "token_revoked", "", list("ErrTokenRevoked ErrUnauthorized"), gone},
		{"401 token_not_found", getConversation, "conversations.get", 401, "token_not_found", "", list("ErrTokenRevoked ErrUnauthorized"), gone},
		{"401 token_expired", getConversation, "conversations.get", 401, "token_expired", "", list("ErrTokenRevoked ErrUnauthorized"), gone},
		{"401 token_suspended", getConversation, "conversations.get", 401, "token_suspended", "", list("ErrTokenRevoked ErrUnauthorized"), gone},
		{"401 token_blocked", closeConversation, "conversations.close", 401, "token_blocked", "", list("ErrTokenRevoked ErrUnauthorized"), gone},
		{"401 unauthorized", getConversation, "conversations.get", 401, "unauthorized", "Access Token Invalid", list("ErrUnauthorized"), []string{"check the token", "region", "GET /me"}},
		{"401 missing_authorization", getConversation, "conversations.get", 401, "missing_authorization", "", list("ErrUnauthorized"), []string{"check the token"}},
		{"401 of an unknown code", getConversation, "conversations.get", 401, "token_tired", "", list("ErrUnauthorized"), []string{"check the token"}},
		{"401 without a code", getConversation, "conversations.get", 401, "", "", list("ErrUnauthorized"), []string{"check the token"}},

		{"404 admin_not_found", getAdmin, "admins.get", 404, "admin_not_found", "Admin not found", list("ErrAdminNotFound ErrNotFound"), []string{"left the workspace", "drop them here"}},
		{"404 not_found on an admin", getAdmin, "admins.get", 404, "not_found", "Resource Not Found", list("ErrAdminNotFound ErrNotFound"), []string{"left the workspace"}},
		{"404 without a code on an admin", setAway, "admins.set_away", 404, "", "", list("ErrAdminNotFound ErrNotFound"), []string{"left the workspace"}},
		{"404 admin_not_found on an assignment", assignToAdmin, "conversations.assign", 404, "admin_not_found", "", list("ErrAdminNotFound ErrNotFound"), []string{"left the workspace"}},
		{"422 admin_not_found on an assignment to a team", assignToTeam, "conversations.assign", 422, "admin_not_found", "", list("ErrAdminNotFound ErrNotFound"), []string{"left the workspace"}},
		{"404 on the list of admins", listAdmins, "admins.list", 404, "not_found", "", list("ErrNotFound"), []string{"check the id"}},

		{"404 team_not_found", getTeam, "teams.get", 404, "team_not_found", "Team not found", list("ErrNotFound ErrTeamNotFound"), []string{"list the teams", "not the id of an admin"}},
		{"404 not_found on a team", getTeam, "teams.get", 404, "not_found", "Resource Not Found", list("ErrNotFound ErrTeamNotFound"), []string{"list the teams"}},
		{"400 team_unavailable", assignToTeam, "conversations.assign", 400, "team_unavailable", "", list("ErrNotFound ErrTeamNotFound"), []string{"list the teams", "not the id of an admin"}},
		{"404 not_found on a team assignment", assignToTeam, "conversations.assign", 404, "not_found", "Resource Not Found", list("ErrNotFound ErrTeamNotFound"), []string{"list the teams", "not the id of an admin"}},
		{"404 without a code on a team assignment", assignToTeam, "conversations.assign", 404, "", "", list("ErrNotFound ErrTeamNotFound"), []string{"list the teams"}},
		{"404 about the conversation on a team assignment", assignToTeam, "conversations.assign", 404, "not_found", "Conversation not found", list("ErrNotFound"), []string{"check the id"}},
		{"404 conversation_not_found on a team assignment", assignToTeam, "conversations.assign", 404, "conversation_not_found", "", list("ErrNotFound"), []string{"check the id"}},
		{"404 not_found on an assignment to an admin", assignToAdmin, "conversations.assign", 404, "not_found", "", list("ErrNotFound"), []string{"check the id"}},
		{"404 not_found when a team is unassigned", unassignTeam, "conversations.unassign", 404, "not_found", "", list("ErrNotFound"), []string{"check the id"}},

		{"403 api_plan_restricted", getConversation, "conversations.get", 403, "api_plan_restricted", "Active subscription needed.", list("ErrForbidden ErrPlanRestricted"), []string{"the plan, not the scope"}},
		{"402", getConversation, "conversations.get", 402, "", "", list("ErrForbidden ErrPlanRestricted"), []string{"the plan, not the scope"}},
		{"403 action_forbidden", closeConversation, "conversations.close", 403, "action_forbidden", "No Inbox access", list("ErrActionForbidden ErrForbidden"), []string{"acting admin", "inbox seat"}},

		{"409 conflict", createContact, "contacts.create", 409, "conflict", "A contact exists", list("ErrConflict"), []string{"present state", "update"}},
		{"409 resource_conflict", createContact, "contacts.create", 409, "resource_conflict", "", list("ErrConflict"), []string{"present state"}},
		{"410 contact_merged", getContact, "contacts.get", 410, "contact_merged", "", list("ErrContactMerged ErrNotFound"), []string{"merged", "surviving contact"}},
		{"410 of another code", getContact, "contacts.get", 410, "gone", "", list("ErrNotFound"), []string{"check the id"}},
		{"404", getConversation, "conversations.get", 404, "not_found", "Resource Not Found", list("ErrNotFound"), []string{"check the id", "one workspace only"}},
		{"404 on an event", createEvent, "events.create", 404, "not_found", "User Not Found", list("ErrNotFound"), []string{"check the id"}},
		{"404 of an unknown code", getConversation, "conversations.get", 404, "parameter_invalid", "", list("ErrNotFound"), []string{"check the id"}},
		{"400", createContact, "contacts.create", 400, "parameter_invalid", "bad", list("ErrInvalidRequest"), []string{"correct the request", "changes nothing"}},
		{"422", createContact, "contacts.create", 422, "data_invalid", "bad", list("ErrInvalidRequest"), []string{"correct the request", "changes nothing"}},
		{"406", getConversation, "conversations.get", 406, "", "", list("ErrInvalidRequest"), []string{"correct the request"}},
		{"429", getConversation, "conversations.get", 429, "rate_limit_exceeded", "Exceeded", list("ErrRateLimited"), []string{"10-second window", "send it again", "share one limit"}},
		{"429 on a write", closeConversation, "conversations.close", 429, "rate_limit_exceeded", "Exceeded", list("ErrRateLimited"), []string{"send it again"}},
		{"429 of another code", closeConversation, "conversations.close", 429, "team_not_found", "", list("ErrRateLimited"), []string{"send it again"}},

		{"500 on a read", getConversation, "conversations.get", 500, "server_error", "Oops", list("ErrUnavailable"), []string{"try again later", "support"}},
		{"500 on a search", searchConversations, "conversations.search", 500, "server_error", "Oops", list("ErrUnavailable"), []string{"try again later"}},
		{"500 on a write", closeConversation, "conversations.close", 500, "server_error", "Oops", list("ErrOutcomeUnknown ErrUnavailable"), []string{"read the present state before"}},
		{"502 on a write", assignToTeam, "conversations.assign", 502, "", "", list("ErrOutcomeUnknown ErrUnavailable"), []string{"read the present state before"}},
		{"503 on a read", getConversation, "conversations.get", 503, "service_unavailable", "", list("ErrUnavailable"), []string{"try again later"}},
		{"503 on an event", createEvent, "events.create", 503, "", "", list("ErrOutcomeUnknown ErrUnavailable"), []string{"read the present state before"}},
		{"504 on a read", getConversation, "conversations.get", 504, "", "", list("ErrUnavailable"), []string{"try again later"}},
		{"500 of an admin's code", getAdmin, "admins.get", 500, "admin_not_found", "", list("ErrUnavailable"), []string{"try again later"}},
		{"599", getConversation, "conversations.get", 599, "", "", list("ErrUnavailable"), []string{"try again later"}},
		{"408 on a write", closeConversation, "conversations.close", 408, "", "", list("ErrOutcomeUnknown ErrUnavailable"), []string{"read the present state before"}},
		{"302", getConversation, "conversations.get", 302, "", "", list("ErrBadResponse"), []string{"base URL", "proxies"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			body := fmt.Sprintf(`{"type":"error.list","request_id":"c0ffee00-0000-4000-8000-000000000001","errors":[{"code":%q,"message":%q,"field":null}]}`, tt.code, tt.message)
			m := newMock(t, mockAnswer{status: tt.status, body: body})
			err := tt.use(t.Context(), m.Client)
			assert.Equal(t, tt.is, classesOf(err))

			e, ok := errors.AsType[*intercomrbac.APIError](err)
			require.True(t, ok)
			op, ok := intercomrbac.LookupOperation(tt.op)
			require.True(t, ok)
			assert.Equal(t, tt.status, e.StatusCode)
			assert.Equal(t, tt.code, e.Code)
			assert.Equal(t, tt.message, e.Message)
			assert.Empty(t, e.Field)
			assert.Equal(t, "c0ffee00-0000-4000-8000-000000000001", e.RequestID)
			assert.Equal(t, tt.op, e.Operation)
			assert.Equal(t, op.Scope, e.Scope)
			assert.Equal(t, 1, e.Attempts)
			assert.Equal(t, slices.Contains(tt.is, "ErrOutcomeUnknown"), e.OutcomeUnknown)

			for _, part := range tt.advice {
				assert.Contains(t, e.Advice(), part)
			}
			assertOneLine(t, e.Advice())
			for _, part := range []string{"intercomrbac: ", tt.op, fmt.Sprint(tt.status), tt.code, tt.message, e.RequestID} {
				assert.Contains(t, err.Error(), part)
			}
			assert.Equal(t, slices.Contains(tt.is, "ErrScopeMissing"), strings.Contains(err.Error(), fmt.Sprintf("(needs the scope %q)", string(op.Scope))))
			assertOneLine(t, err.Error())
			assert.Len(t, m.requests(), 1)
		})
	}
}

func TestAdviceOnWaiting(t *testing.T) {
	t.Parallel()
	m := newMock(t, mockAnswer{status: 429, body: `{}`, header: http.Header{"Retry-After": {"7"}}})
	err := getConversation(t.Context(), m.Client)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, 7*time.Second, e.RetryAfter)
	assert.Contains(t, e.Advice(), "wait 7s")
	assert.Contains(t, e.Error(), "retry after 7s")
}

func TestAdviceNamesTheField(t *testing.T) {
	t.Parallel()
	m := newMock(t, mockAnswer{status: 400, body: `{"type":"error.list","errors":[{"code":"parameter_invalid","message":"bad","field":"email"}]}`})
	err := createContact(t.Context(), m.Client)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, "email", e.Field)
	assert.Contains(t, e.Advice(), `"email"`)
	assert.Contains(t, e.Error(), "(field email)")
}

func TestErrorBodiesOfAllShapes(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200)
	type parsed struct {
		code, message, field, requestID string
		entries                         int
	}
	tests := []struct {
		name   string
		status int
		body   string
		id     string // X-Request-Id
		want   parsed
		is     error
	}{
		{"HTML 502", 502, "<html><body>Bad Gateway</body></html>", "", parsed{}, intercomrbac.ErrUnavailable},
		{"empty 500", 500, "", "", parsed{}, intercomrbac.ErrUnavailable},
		{"truncated JSON 404", 404, `{"type":"error.list","errors":[{"code":"not_f`, "", parsed{}, intercomrbac.ErrNotFound},
		{"JSON array", 404, `[]`, "", parsed{}, intercomrbac.ErrNotFound},
		{"JSON string", 401, `"unauthorized"`, "", parsed{}, intercomrbac.ErrUnauthorized},
		{"JSON null", 403, `null`, "", parsed{}, intercomrbac.ErrForbidden},
		{"empty object", 409, `{}`, "", parsed{}, intercomrbac.ErrConflict},
		{"broken UTF-8", 404, "\xff\xfe", "", parsed{}, intercomrbac.ErrNotFound},
		{"huge HTML", 503, "<html>" + strings.Repeat("x", 1<<20), "", parsed{}, intercomrbac.ErrUnavailable},
		{"huge HTML of a 404", 404, strings.Repeat(" ", 1<<20), "", parsed{}, intercomrbac.ErrNotFound},

		{"several errors", 422, `{"errors":[{"code":"a","message":"one","field":"x"},{"code":"b","message":"two"}]}`, "", parsed{"a", "one", "x", "", 2}, intercomrbac.ErrInvalidRequest},
		{"no errors", 404, `{"type":"error.list","request_id":"q","errors":[]}`, "", parsed{requestID: "q"}, intercomrbac.ErrNotFound},
		{"errors is null", 404, `{"type":"error.list","errors":null}`, "", parsed{}, intercomrbac.ErrNotFound},
		{"errors is an object", 422, `{"errors":{"conversation_id":"is unknown"}}`, "", parsed{"", "is unknown", "conversation_id", "", 1}, intercomrbac.ErrInvalidRequest},
		{"errors is an object of lists", 422, `{"errors":{"rating":["is too high"]}}`, "", parsed{"", "", "rating", "", 1}, intercomrbac.ErrInvalidRequest},
		{"errors is text", 404, `{"errors":"nothing here","message":"gone"}`, "", parsed{"", "gone", "", "", 1}, intercomrbac.ErrNotFound},
		{"a type for a code", 401, `{"type":"error.list","errors":[{"type":"token_revoked","message":"m"}]}`, "", parsed{"token_revoked", "m", "", "", 1}, intercomrbac.ErrTokenRevoked},
		{"a code beside a type", 404, `{"errors":[{"type":"client_error","code":"admin_not_found"}]}`, "", parsed{"admin_not_found", "", "", "", 1}, intercomrbac.ErrAdminNotFound},
		{"members that are null", 404, `{"request_id":null,"errors":[{"code":"not_found","message":null,"field":null}]}`, "", parsed{"not_found", "", "", "", 1}, intercomrbac.ErrNotFound},
		{"members of other types", 404, `{"request_id":7,"errors":[{"code":7,"message":{},"field":[]}]}`, "", parsed{entries: 1}, intercomrbac.ErrNotFound},
		{"type error", 404, `{"type":"error","request_id":"q","message":"no such message"}`, "", parsed{"", "no such message", "", "q", 1}, intercomrbac.ErrNotFound},
		{"error_key", 422, `{"error_key":"parameter_invalid","message":"no such number"}`, "", parsed{"parameter_invalid", "no such number", "", "", 1}, intercomrbac.ErrInvalidRequest},
		{"unknown members", 404, `{"errors":[{"code":"not_found","message":"m","hint":{"a":1}}],"docs":"https://example.com"}`, "", parsed{"not_found", "m", "", "", 1}, intercomrbac.ErrNotFound},

		{"request id absent", 404, `{"errors":[{"code":"not_found"}]}`, "", parsed{"not_found", "", "", "", 1}, intercomrbac.ErrNotFound},
		{"request id that is no UUID", 404, `{"request_id":"req_0001abc","errors":[{"code":"not_found"}]}`, "", parsed{"not_found", "", "", "req_0001abc", 1}, intercomrbac.ErrNotFound},
		{"request id of the header", 404, `{"request_id":null,"errors":[{"code":"not_found"}]}`, "h-1", parsed{"not_found", "", "", "h-1", 1}, intercomrbac.ErrNotFound},
		{"request id of the header, HTML", 502, `<html>`, "h-1", parsed{requestID: "h-1"}, intercomrbac.ErrUnavailable},
		{"request id of both", 404, `{"request_id":"q","errors":[]}`, "h-1", parsed{requestID: "h-1"}, intercomrbac.ErrNotFound},
		{"request id too long", 404, `{"request_id":"` + long + `"}`, "", parsed{requestID: long[:128]}, intercomrbac.ErrNotFound},
		{"request id too long in the header", 404, ``, long, parsed{requestID: long[:128]}, intercomrbac.ErrNotFound},
		{"request id of other letters", 404, `{"request_id":"` + strings.Repeat("é", 200) + `"}`, "", parsed{requestID: strings.Repeat("é", 128)}, intercomrbac.ErrNotFound},
		{"request id with control characters", 404, `{"request_id":"a\u0000\r\nb\u001b[31m"}`, "", parsed{requestID: "a   b [31m"}, intercomrbac.ErrNotFound},
		{"code too long", 422, `{"errors":[{"code":"` + long + `"}]}`, "", parsed{long[:128], "", "", "", 1}, intercomrbac.ErrInvalidRequest},
		{"code with control characters", 422, `{"errors":[{"code":"a\nb\u2028c\u202ed"}]}`, "", parsed{"a b c d", "", "", "", 1}, intercomrbac.ErrInvalidRequest},
		{"message with line breaks", 422, `{"errors":[{"code":"c","message":"one\r\nlevel=ERROR two\u0085three\u001b[2J","field":"a\tb"}]}`, "",
			parsed{"c", "one  level=ERROR two three [2J", "a b", "", 1}, intercomrbac.ErrInvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			if tt.id != "" {
				header.Set("X-Request-Id", tt.id)
			}
			m := newMock(t, mockAnswer{status: tt.status, body: tt.body, header: header})
			err := getConversation(t.Context(), m.Client)
			require.ErrorIs(t, err, tt.is)
			e, ok := errors.AsType[*intercomrbac.APIError](err)
			require.True(t, ok)
			assert.Equal(t, tt.status, e.StatusCode)
			assert.Equal(t, tt.want, parsed{e.Code, e.Message, e.Field, e.RequestID, len(e.Errors)})
			assertOneLine(t, err.Error())
			assert.NotContains(t, err.Error(), "<html>")
		})
	}
}

func TestErrorsOfAnObjectAreAllKept(t *testing.T) {
	t.Parallel()
	m := newMock(t, mockAnswer{status: 422, body: `{"errors":{"rating":"is too high","admin_id":"is unknown","remark":"is too long"}}`})
	for range 8 { // the order must not be that of a map
		e, ok := errors.AsType[*intercomrbac.APIError](getConversation(t.Context(), m.Client))
		require.True(t, ok)
		require.Equal(t, []intercomrbac.ErrorDetail{{Message: "is unknown", Field: "admin_id"}, {Message: "is too high", Field: "rating"},
			{Message: "is too long", Field: "remark"}}, e.Errors)
		require.Equal(t, "admin_id", e.Field)
	}
}

func TestStatusesThatAreNone(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 99, 101} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			err := getConversation(t.Context(), newMock(t, mockAnswer{status: status, body: `{}`}).Client)
			assert.Equal(t, []string{"ErrBadResponse"}, classesOf(err))
			assert.NotContains(t, err.Error(), "not sent")
			err = closeConversation(t.Context(), newMock(t, mockAnswer{status: status, body: `{}`}).Client)
			assert.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			assert.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			assert.NotErrorIs(t, err, intercomrbac.ErrRateLimited)
		})
	}
}

func TestErrorsMadeByHandAreClassified(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		err    intercomrbac.APIError
		is     []string
		advice string
	}{
		"admin":           {intercomrbac.APIError{StatusCode: 404, Operation: "admins.get"}, []string{"ErrAdminNotFound", "ErrNotFound"}, "left the workspace"},
		"admin, away":     {intercomrbac.APIError{StatusCode: 404, Operation: "admins.set_away", Code: "not_found"}, []string{"ErrAdminNotFound", "ErrNotFound"}, "left the workspace"},
		"me":              {intercomrbac.APIError{StatusCode: 404, Operation: "admins.me"}, []string{"ErrNotFound"}, "check the id"},
		"team":            {intercomrbac.APIError{StatusCode: 404, Operation: "teams.get"}, []string{"ErrNotFound", "ErrTeamNotFound"}, "list the teams"},
		"conversation":    {intercomrbac.APIError{StatusCode: 404, Operation: "conversations.get"}, []string{"ErrNotFound"}, "check the id"},
		"no operation":    {intercomrbac.APIError{StatusCode: 404}, []string{"ErrNotFound"}, "check the id"},
		"other operation": {intercomrbac.APIError{StatusCode: 404, Operation: "mine.get"}, []string{"ErrNotFound"}, "check the id"},
		"no scope known":  {intercomrbac.APIError{StatusCode: 401, Code: "token_unauthorized"}, []string{"ErrScopeMissing"}, "the scope of this operation"},
		"a scope":         {intercomrbac.APIError{StatusCode: 401, Code: "token_unauthorized", Scope: "Read tags"}, []string{"ErrScopeMissing"}, `"Read tags"`},
		"in doubt":        {intercomrbac.APIError{StatusCode: 500, OutcomeUnknown: true}, []string{"ErrOutcomeUnknown", "ErrUnavailable"}, "read the present state"},
		"rate":            {intercomrbac.APIError{StatusCode: 429, RetryAfter: 1500 * time.Millisecond}, []string{"ErrRateLimited"}, "wait 1.5s"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrapped := fmt.Errorf("handler: %w", &tt.err)
			assert.Equal(t, tt.is, classesOf(wrapped))
			assert.Contains(t, tt.err.Advice(), tt.advice)
			assertOneLine(t, tt.err.Error())
		})
	}
}

func TestErrorTextIsShort(t *testing.T) {
	t.Parallel()
	e := &intercomrbac.APIError{StatusCode: 404, Code: "not_found", Message: "Nothing here", Field: "id", RequestID: "r-1", Operation: "conversations.get"}
	assert.Equal(t, "intercomrbac: conversations.get: 404 not_found: Nothing here (field id) (request_id r-1)", e.Error())
	e = &intercomrbac.APIError{StatusCode: 401, Code: "token_unauthorized", Message: "No", RequestID: "r-1", Operation: "tags.list", Scope: "Read tags"}
	assert.Equal(t, `intercomrbac: tags.list: 401 token_unauthorized: No (needs the scope "Read tags") (request_id r-1)`, e.Error())
	assert.Equal(t, "intercomrbac: 502 bad gateway", (&intercomrbac.APIError{StatusCode: 502}).Error())
	assert.Equal(t, "intercomrbac: 599 unexpected status", (&intercomrbac.APIError{StatusCode: 599}).Error())

	m := newMock(t, mockAnswer{status: 422, body: `{"errors":[{"code":"c","message":"` + strings.Repeat("long ", 10000) + `"}]}`})
	assert.Less(t, len(closeConversation(t.Context(), m.Client).Error()), 1500)
}

func TestErrorClassesTellThemselvesApart(t *testing.T) {
	t.Parallel()
	parents := map[string]string{"ErrTokenRevoked": "ErrUnauthorized", "ErrActionForbidden": "ErrForbidden", "ErrPlanRestricted": "ErrForbidden",
		"ErrAdminNotFound": "ErrNotFound", "ErrTeamNotFound": "ErrNotFound", "ErrContactMerged": "ErrNotFound"}
	for name, class := range errorClasses {
		want := []string{name}
		if parent := parents[name]; parent != "" {
			want = append(want, parent)
		}
		slices.Sort(want)
		assert.Equal(t, want, classesOf(class), name)
		assert.True(t, strings.HasPrefix(class.Error(), "intercomrbac: "), name)
		assertOneLine(t, class.Error())
	}
}

func FuzzErrorBody(f *testing.F) {
	f.Add(404, []byte(`{"type":"error.list","request_id":"r","errors":[{"code":"not_found","message":"m","field":"f"}]}`), "id")
	f.Add(422, []byte(`{"errors":{"field":"message"}}`), "")
	f.Add(400, []byte(`{"error_key":"a","message":"b\nc"}`), "a\nb")
	f.Add(502, []byte(`<html>`), "")
	f.Add(302, []byte(`{"errors":[null,1]}`), "\x00")
	f.Fuzz(func(t *testing.T, status int, body []byte, id string) {
		status = 300 + (status%300+300)%300
		m := newMock(t, mockAnswer{status: status, body: string(body), header: http.Header{"X-Request-Id": {id}}})
		err := closeConversation(t.Context(), m.Client)
		e, ok := errors.AsType[*intercomrbac.APIError](err)
		require.True(t, ok, "%v", err)
		assert.Equal(t, status, e.StatusCode)
		for _, text := range []string{err.Error(), e.Advice(), e.Code, e.Message, e.Field, e.RequestID} {
			assertOneLine(t, text)
		}
		assert.LessOrEqual(t, utf8.RuneCountInString(e.Code), 128)
		assert.LessOrEqual(t, utf8.RuneCountInString(e.RequestID), 128)
		assert.NotEmpty(t, classesOf(err))
		assert.NotEmpty(t, e.Advice())
	})
}
