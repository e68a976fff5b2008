package intercomrbac_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// macros is an operation that has no method.
var macros = intercomrbac.Operation{
	Name: "macros.get", ID: "getMacro", Method: "GET", Path: "/macros/{id}", Scope: "Read conversations",
	Permission: "macros:read", Resource: "macro", ResourceArg: "id", Effect: intercomrbac.Read, Repeatable: true,
}

func TestDoCallsWhatHasNoMethod(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		assert.Equal(t, "https://api.intercom.io/macros/a%2Fb%20c?x=1", r.URL.String())
		return reply(200, `{"id":7,"unknown":{"kept":true}}`), nil
	})
	var out map[string]any
	err := c.Do(t.Context(), macros, intercomrbac.Call{Path: map[string]string{"id": "a/b c"}, Query: url.Values{"x": {"1"}}}, &out)
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"id": 7.0, "unknown": map[string]any{"kept": true}}, out)
}

func TestDoTakesAnOperationOfTheTable(t *testing.T) {
	t.Parallel()
	var body string
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		body = string(b)
		return reply(200, `{"id":"5","state":"closed"}`), err
	})
	var out intercomrbac.Conversation
	err := c.Do(t.Context(), lookup(t, "conversations.close"), intercomrbac.Call{
		Path: map[string]string{"conversation_id": "5"},
		// Intercom would read the last one of two members, another server the first: only what was checked is sent.
		Body: json.RawMessage(`{"message_type":"assignment","admin_id":1,"extra":"x","message_type":"close"}`),
	}, &out)
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.StateClosed, out.State)
	assert.JSONEq(t, `{"message_type":"close","admin_id":1,"extra":"x"}`, body)
	assert.Equal(t, 1, strings.Count(body, "message_type"))
}

func TestDoRefusesBeforeAnyIO(t *testing.T) {
	t.Parallel()
	conversation := map[string]string{"conversation_id": "5"}
	closing := map[string]any{"message_type": "close", "admin_id": "1"}
	with := func(op intercomrbac.Operation, change func(*intercomrbac.Operation)) intercomrbac.Operation {
		change(&op)
		return op
	}
	type op = intercomrbac.Operation
	custom := op{Name: "x.y", Method: "POST", Path: "/x", Effect: intercomrbac.Write}
	tests := map[string]struct {
		op   op
		call intercomrbac.Call
		out  any
		want string
	}{
		"zero operation":                 {op{}, intercomrbac.Call{}, nil, "no Name"},
		"no name":                        {with(custom, func(o *op) { o.Name = "" }), intercomrbac.Call{}, nil, "no Name"},
		"no effect":                      {with(custom, func(o *op) { o.Effect = 0 }), intercomrbac.Call{}, nil, "no Effect"},
		"invalid effect":                 {with(custom, func(o *op) { o.Effect = 9 }), intercomrbac.Call{}, nil, "no Effect"},
		"no method":                      {with(custom, func(o *op) { o.Method = "" }), intercomrbac.Call{}, nil, "no Method"},
		"lower-case method":              {with(custom, func(o *op) { o.Method = "post" }), intercomrbac.Call{}, nil, "no Method"},
		"read by POST, not repeatable":   {with(custom, func(o *op) { o.Effect = intercomrbac.Read }), intercomrbac.Call{}, nil, "is a Read by POST"},
		"write by GET":                   {with(custom, func(o *op) { o.Method = "GET" }), intercomrbac.Call{}, nil, "writes by GET"},
		"relative path":                  {with(custom, func(o *op) { o.Path = "x" }), intercomrbac.Call{}, nil, "must begin with /"},
		"path with a query":              {with(custom, func(o *op) { o.Path = "/x?y=1" }), intercomrbac.Call{}, nil, "neither query nor escapes"},
		"path with an escape":            {with(custom, func(o *op) { o.Path = "/x%2e%2e" }), intercomrbac.Call{}, nil, "neither query nor escapes"},
		"path to another host":           {with(custom, func(o *op) { o.Path = "@evil.test/" }), intercomrbac.Call{}, nil, "must begin with /"},
		"resource that is no argument":   {with(macros, func(o *op) { o.ResourceArg = "macro_id" }), intercomrbac.Call{}, nil, "no placeholder"},
		"resource of a GET in the body":  {with(macros, func(o *op) { o.Path = "/macros" }), intercomrbac.Call{}, nil, "no placeholder"},
		"placeholder without argument":   {macros, intercomrbac.Call{}, nil, "no value for id"},
		"argument without placeholder":   {macros, intercomrbac.Call{Path: map[string]string{"id": "1", "x": "2"}}, nil, "has 2 values"},
		"empty argument":                 {macros, intercomrbac.Call{Path: map[string]string{"id": ""}}, nil, "id is empty"},
		"dots":                           {macros, intercomrbac.Call{Path: map[string]string{"id": ".."}}, nil, "another path"},
		"control character":              {macros, intercomrbac.Call{Path: map[string]string{"id": "1\n2"}}, nil, "control character"},
		"broken UTF-8":                   {macros, intercomrbac.Call{Path: map[string]string{"id": "\xff"}}, nil, "UTF-8"},
		"out is no pointer":              {macros, intercomrbac.Call{Path: map[string]string{"id": "1"}}, map[string]any{}, "a pointer is needed"},
		"out is a nil pointer":           {macros, intercomrbac.Call{Path: map[string]string{"id": "1"}}, (*int)(nil), "a pointer is needed"},
		"GET with a body":                {macros, intercomrbac.Call{Path: map[string]string{"id": "1"}, Body: 1}, nil, "no Body"},
		"body that is no JSON":           {custom, intercomrbac.Call{Body: make(chan int)}, nil, "cannot be written as JSON"},
		"body too large":                 {custom, intercomrbac.Call{Body: strings.Repeat("x", 8<<20)}, nil, "at most 8388608"},
		"changed permission":             {with(lookup(t, "conversations.delete"), func(o *op) { o.Permission = "conversations:read" }), intercomrbac.Call{Path: conversation}, nil, "name is taken"},
		"another name":                   {with(lookup(t, "conversations.delete"), func(o *op) { o.Name = "x.y" }), intercomrbac.Call{Path: conversation}, nil, "is operation conversations.delete"},
		"a name of the table":            {with(custom, func(o *op) { o.Name = "teams.list" }), intercomrbac.Call{}, nil, "name is taken"},
		"table path, fixed":              {op{Name: "x.y", Method: "DELETE", Path: "/contacts/5", Effect: intercomrbac.Destructive}, intercomrbac.Call{}, nil, "is operation contacts.delete"},
		"table path, with dots":          {op{Name: "x.y", Method: "DELETE", Path: "/x/../contacts/5", Effect: intercomrbac.Destructive}, intercomrbac.Call{}, nil, "is operation contacts.delete"},
		"table path, double slash":       {op{Name: "x.y", Method: "DELETE", Path: "//contacts//5/", Effect: intercomrbac.Destructive}, intercomrbac.Call{}, nil, "is operation contacts.delete"},
		"table path, upper case":         {op{Name: "x.y", Method: "DELETE", Path: "/Contacts/5", Effect: intercomrbac.Destructive}, intercomrbac.Call{}, nil, "is operation contacts.delete"},
		"table path, format suffix":      {op{Name: "x.y", Method: "POST", Path: "/conversations.json", Effect: intercomrbac.Write}, intercomrbac.Call{}, nil, "is operation conversations.create"},
		"table path, by an argument":     {op{Name: "x.y", Method: "DELETE", Path: "/x/{id}", Effect: intercomrbac.Destructive}, intercomrbac.Call{Path: map[string]string{"id": "../contacts/5"}}, nil, "is operation contacts.delete"},
		"table path, by a double escape": {op{Name: "x.y", Method: "DELETE", Path: "/x/{id}", Effect: intercomrbac.Destructive}, intercomrbac.Call{Path: map[string]string{"id": "%2e%2e%2fcontacts%2f5"}}, nil, "is operation contacts.delete"},
		"table path, by a backslash":     {op{Name: "x.y", Method: "DELETE", Path: "/x/{id}", Effect: intercomrbac.Destructive}, intercomrbac.Call{Path: map[string]string{"id": `..\contacts\5`}}, nil, "is operation contacts.delete"},
		"body of another operation":      {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "assignment", "admin_id": "1"}}, nil, "the Body must say message_type=close"},
		"body without its kind":          {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: map[string]any{"admin_id": "1"}}, nil, "the Body must say message_type=close"},
		"body of a contact's reply":      {lookup(t, "conversations.reply"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "comment", "type": "user", "admin_id": "1"}}, nil, "the Body must say type=admin"},
		"assign as unassign":             {lookup(t, "conversations.unassign"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "assignment", "admin_id": "1", "assignee_id": "7"}}, nil, "assignee_id=0"},
		"no body":                        {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation}, nil, "must be a JSON object"},
		"body is null":                   {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: json.RawMessage("null")}, nil, "must be a JSON object"},
		"kind in the query":              {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Query: url.Values{"message_type": {"assignment"}}, Body: closing}, nil, "not into the query"},
		"actor in the query":             {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Query: url.Values{"admin_id": {"2"}}, Body: closing}, nil, "not into the query"},
		"one thing too many":             {with(custom, func(o *op) { o.Resource, o.ResourceMembers = "macro", "a b c" }), intercomrbac.Call{}, nil, "one or two members"},
		"no member at all":               {with(custom, func(o *op) { o.Resource, o.ResourceMembers = "macro", " " }), intercomrbac.Call{}, nil, "one or two members"},
		"members of nothing":             {with(custom, func(o *op) { o.Resource, o.ResourceMembers = "", "a" }), intercomrbac.Call{}, nil, "with a Resource"},
		"members beside an argument":     {with(macros, func(o *op) { o.Resource, o.ResourceArg, o.ResourceMembers = "macro", "id", "a" }), intercomrbac.Call{Path: map[string]string{"id": "1"}}, nil, "no ResourceArg"},
		"members of a GET":               {with(macros, func(o *op) { o.Resource, o.ResourceArg, o.ResourceMembers = "macro", "", "a" }), intercomrbac.Call{Path: map[string]string{"id": "1"}}, nil, "members of a body"},
		"actor that is no id":            {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "close", "admin_id": "ana"}}, nil, "admin ids are digits"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(r *http.Request) (*http.Response, error) {
				t.Errorf("%s %s was sent", r.Method, r.URL)
				return reply(200, `{"teams":[]}`), nil
			})
			err := c.Do(t.Context(), tt.op, tt.call, tt.out)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.ErrorContains(t, err, tt.want)
			assert.NotContains(t, err.Error(), "\n")
		})
	}
	for name, body := range map[string]any{
		"none": map[string]any{"message_type": "close"}, "empty": map[string]any{"message_type": "close", "admin_id": ""},
		"zero": map[string]any{"message_type": "close", "admin_id": 0}, "another case": map[string]any{"message_type": "close", "Admin_ID": "1"},
	} {
		t.Run("actor: "+name, func(t *testing.T) {
			t.Parallel()
			c := clientOf(t, func(*http.Request) (*http.Response, error) { t.Error("sent"); return reply(200, `{"teams":[]}`), nil })
			err := c.Do(t.Context(), lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: body}, nil)
			require.ErrorIs(t, err, intercomrbac.ErrNoActingAdmin)
		})
	}
}

// An id that a careless server would take for more of the path must not turn one operation into another.
func TestArgumentsDoNotLeadToAnotherOperation(t *testing.T) {
	t.Parallel()
	sent := 0
	c := clientOf(t, func(r *http.Request) (*http.Response, error) { sent++; return reply(200, `{"id":"1"}`), nil })
	for _, id := range []intercomrbac.ContactID{"../conversations/5", "x/../../conversations/5", `..\conversations\5`, "%2e%2e%2fconversations%2f5"} {
		require.ErrorIs(t, c.Contacts.Delete(t.Context(), id), intercomrbac.ErrInvalidRequest, id)
	}
	_, err := c.Contacts.GetByExternalID(t.Context(), "../../admins")
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	assert.Zero(t, sent)
	for _, id := range []string{"a/b", "50%", `back\slash`, "?x=1#y", "ü"} {
		_, err := c.Contacts.GetByExternalID(t.Context(), id)
		require.NoError(t, err, id)
	}
	assert.Equal(t, 5, sent)
}

// Intercom's own ids hold nothing that a server on the way could read as more of the path, or as another spelling of an id.
func TestIDsAreLettersAndDigits(t *testing.T) {
	t.Parallel()
	sent := 0
	c := clientOf(t, func(r *http.Request) (*http.Response, error) { sent++; return reply(200, `{"id":"1"}`), nil })
	calls := func(id string) map[string]error {
		_, conversation := c.Conversations.Get(t.Context(), intercomrbac.ConversationID(id))
		_, contact := c.Contacts.Get(t.Context(), intercomrbac.ContactID(id))
		return map[string]error{
			"conversation":   conversation,
			"conversations":  c.Conversations.Delete(t.Context(), intercomrbac.ConversationID(id)),
			"contact":        contact,
			"contacts":       c.Contacts.Delete(t.Context(), intercomrbac.ContactID(id)),
			"Do":             c.Do(t.Context(), lookup(t, "conversations.get"), intercomrbac.Call{Path: map[string]string{"conversation_id": id}}, nil),
			"Do, own":        c.Do(t.Context(), intercomrbac.Operation{Name: "x.y", Method: "GET", Path: "/conversations/{conversation_id}/x", Effect: intercomrbac.Read}, intercomrbac.Call{Path: map[string]string{"conversation_id": id}}, nil),
			"Do, of contact": c.Do(t.Context(), intercomrbac.Operation{Name: "x.y", Method: "GET", Path: "/contacts/{contact_id}/x", Effect: intercomrbac.Read}, intercomrbac.Call{Path: map[string]string{"contact_id": id}}, nil),
		}
	}
	for _, id := range []string{"5/notes", "5/", "/5", "5/.", `5\notes`, `5\`, "5%2Fnotes", "5%2f", "5%", "%35", "5 ", " 5", "5 6", "5\t", "5\n", "5\x00", "5\x7f",
		"5?x=1", "5#x", "5;x", "5.json", "5.", "5,6", "5:6", "5@6", "é5", "٥5", "5\u200b", "5\xff", "{5}"} {
		for name, err := range calls(id) {
			assert.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, "%s %q", name, id)
		}
	}
	assert.Zero(t, sent)
	for _, id := range []string{"5", "215470002", "66a0c1d2e3f4a5b6c7d8e9f0", "66A0C1", "mock-id_7"} {
		for name, err := range calls(id) {
			assert.NoError(t, err, "%s %q", name, id)
		}
	}
	assert.Equal(t, 5*7, sent)
}

func TestAnswersThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"HTML": "<html>200</html>", "empty": "", "null": "null", "text": `"text"`, "cut off": `{"id":"1"`, "followed by more": `{"id":"1"}{}`,
		"another type": `{"id":{}}`, "too large": `{"id":"` + strings.Repeat("x", 8<<20) + `"}`, "too deep": strings.Repeat(`{"x":`, 20000) + `1` + strings.Repeat(`}`, 20000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := 0
			c := clientOf(t, func(*http.Request) (*http.Response, error) {
				sent++
				return reply(200, body, "X-Request-Id", "req_9"), nil
			})
			_, err := c.Conversations.Get(t.Context(), "1")
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			require.ErrorContains(t, err, "req_9")
			assert.Less(t, len(err.Error()), 500)
			_, err = c.Conversations.Close(t.Context(), "1", intercomrbac.CloseParams{AdminID: "1"})
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			assert.Equal(t, 2, sent, "neither is sent again")
		})
	}
}

func TestEmptyAnswersWhereTheyAreRight(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		return reply(map[string]int{"POST": 202, "DELETE": 204}[r.Method], ``), nil
	})
	require.NoError(t, c.DataEvents.Create(t.Context(), intercomrbac.CreateEventParams{Name: "x", ContactID: "c"}))
	require.NoError(t, c.Conversations.Delete(t.Context(), "1"))
	require.NoError(t, c.Contacts.Delete(t.Context(), "1"))
}

func TestPrincipalInContext(t *testing.T) {
	t.Parallel()
	_, ok := intercomrbac.PrincipalFrom(t.Context())
	assert.False(t, ok)
	for _, nobody := range []intercomrbac.Principal{{}, {Email: "ana@example.com", Role: "owner"}} {
		_, ok = intercomrbac.PrincipalFrom(intercomrbac.WithPrincipal(t.Context(), nobody))
		assert.False(t, ok, nobody)
	}
	want := intercomrbac.Principal{Service: "billing", AdminID: "7"}
	got, ok := intercomrbac.PrincipalFrom(intercomrbac.WithPrincipal(t.Context(), want))
	assert.True(t, ok)
	assert.Equal(t, want, got)
}

// An operation that does not say which admin acts must not act as one: nobody would check whose name it is.
func TestDoRefusesAnActorThatTheOperationDoesNotName(t *testing.T) {
	t.Parallel()
	op := intercomrbac.Operation{Name: "conversations.convert", Method: "POST", Path: "/conversations/{conversation_id}/convert",
		Permission: intercomrbac.ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id", Effect: intercomrbac.Write}
	path := map[string]string{"conversation_id": "531"}
	for name, in := range map[string]intercomrbac.Call{
		"in the body":        {Path: path, Body: map[string]any{"ticket_type_id": "5", "admin_id": "7"}},
		"as a sender":        {Path: path, Body: map[string]any{"from": map[string]any{"type": "admin", "id": "7"}}},
		"in the query":       {Path: path, Query: url.Values{"admin_id": {"7"}}},
		"in the query, odd":  {Path: path, Query: url.Values{"admin_id[]": {"7"}}},
		"twice in raw JSON":  {Path: path, Body: json.RawMessage(`{"x":1,"admin_id":"7","admin_id":null}`)},
		"of an escaped name": {Path: path, Body: json.RawMessage(`{"admin\u005fid":"7"}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			err := m.Client.Do(t.Context(), op, in, nil)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.ErrorContains(t, err, "Actor")
			assert.Empty(t, m.requests())
		})
	}
	for name, body := range map[string]any{
		"a contact as sender": map[string]any{"from": map[string]any{"type": "user", "id": "7"}}, "an array": []int{1}, "nothing": nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, json200(`{}`))
			require.NoError(t, m.Client.Do(t.Context(), op, intercomrbac.Call{Path: path, Body: body}, nil))
		})
	}
}

// A word in place of an id leads to another endpoint, by Do as by the methods.
func TestDoTakesNoWordForAnID(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]map[string]string{
		"conversations.get":     {"conversation_id": "last"},
		"conversations.delete":  {"conversation_id": "deleted"},
		"contacts.get":          {"contact_id": "search"},
		"admins.get":            {"admin_id": "activity_logs"},
		"teams.get":             {"team_id": "0"},
		"conversations.add_tag": {"conversation_id": "last"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op, ok := intercomrbac.LookupOperation(name)
			require.True(t, ok)
			m := newMock(t)
			in := intercomrbac.Call{Path: args}
			if op.Actor != "" {
				in.Body = map[string]any{"id": "5", "admin_id": "7"}
			}
			require.ErrorIs(t, m.Client.Do(t.Context(), op, in, nil), intercomrbac.ErrInvalidRequest)
			assert.Empty(t, m.requests())
		})
	}
}
