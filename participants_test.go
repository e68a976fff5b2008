package intercomrbac_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParticipants(t *testing.T) {
	t.Parallel()
	const list = `{"customers":[{"type":"user","id":"66a0c1"},{"type":"lead","id":"66a0c2"}]}`
	want := []intercomrbac.ContactRef{{Type: "user", ID: "66a0c1"}, {Type: "lead", ID: "66a0c2"}}
	runMethodTests(t, []methodTest{
		{
			name: "AttachContact",
			call: onConversation((*convos).AttachContact, "70551", intercomrbac.AttachContactParams{ContactID: "66a0c2", AdminID: "4410"}),
			op:   "conversations.attach_contact", method: "POST", path: "/conversations/70551/customers",
			body: `{"admin_id":"4410","customer":{"intercom_user_id":"66a0c2"}}`, response: list, want: want,
		},
		{
			name: "AttachContact by external id, answered as described",
			call: onConversation((*convos).AttachContact, "70551", intercomrbac.AttachContactParams{ExternalID: "cust/7", AdminID: "4410"}),
			op:   "conversations.attach_contact", method: "POST", path: "/conversations/70551/customers",
			body: `{"admin_id":"4410","customer":{"user_id":"cust/7"}}`, response: fullConversation,
			want: []intercomrbac.ContactRef{{Type: "contact", ID: "66a0c1", ExternalID: "cust-7"}},
		},
		{
			name: "DetachContact",
			call: onConversation((*convos).DetachContact, "70551", intercomrbac.DetachContactParams{ContactID: "66a0c3", AdminID: "4410"}),
			op:   "conversations.detach_contact", method: "DELETE", path: "/conversations/70551/customers/66a0c3",
			body: `{"admin_id":"4410"}`, response: list, want: want,
		},
		{
			name: "Redact a part",
			call: onConversation((*convos).Redact, "70551", intercomrbac.RedactParams{PartID: "9001"}),
			op:   "conversations.redact", method: "POST", path: "/conversations/redact",
			body: `{"type":"conversation_part","conversation_id":"70551","conversation_part_id":"9001"}`, response: fullConversation, want: wantConversation(),
		},
		{
			name: "Redact the source",
			call: onConversation((*convos).Redact, "70551", intercomrbac.RedactParams{SourceID: "403918391"}),
			op:   "conversations.redact", method: "POST", path: "/conversations/redact",
			body: `{"type":"source","conversation_id":"70551","source_id":"403918391"}`, response: fullConversation, want: wantConversation(),
		},
	})
}

func TestParticipantsRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, is error, call clientCall) {
		tests = append(tests, refusalTest{name, call, is, hint})
	}
	attach := func(p intercomrbac.AttachContactParams) clientCall {
		return onConversation((*convos).AttachContact, "70551", p)
	}
	redact := func(p intercomrbac.RedactParams) clientCall { return onConversation((*convos).Redact, "70551", p) }
	add("Attach/nobody", "0 of ContactID and ExternalID", nil, attach(intercomrbac.AttachContactParams{AdminID: "4410"}))
	add("Attach/two", "2 of ContactID and ExternalID", nil, attach(intercomrbac.AttachContactParams{AdminID: "4410", ContactID: "66a0c1", ExternalID: "cust-7"}))
	add("Attach/address", "which is no id", nil, attach(intercomrbac.AttachContactParams{AdminID: "4410", ContactID: "ines@example.org"}))
	add("Attach/nobody acts", "AdminID", intercomrbac.ErrNoActingAdmin, attach(intercomrbac.AttachContactParams{ContactID: "66a0c1"}))
	add("Detach/nobody acts", "AdminID", intercomrbac.ErrNoActingAdmin, onConversation((*convos).DetachContact, "70551", intercomrbac.DetachContactParams{ContactID: "66a0c1"}))
	add("Redact/nothing", "0 of PartID and SourceID", nil, redact(intercomrbac.RedactParams{}))
	add("Redact/two", "2 of PartID and SourceID", nil, redact(intercomrbac.RedactParams{PartID: "1", SourceID: "2"}))
	for name, segment := range badSegments {
		add("Attach/"+name, "conversation_id", nil, onConversation((*convos).AttachContact, convoID(segment), intercomrbac.AttachContactParams{AdminID: "4410", ContactID: "66a0c1"}))
		add("Detach/"+name, "conversation_id", nil, onConversation((*convos).DetachContact, convoID(segment), intercomrbac.DetachContactParams{AdminID: "4410", ContactID: "66a0c1"}))
		add("Detach/contact/"+name, "contact_id", nil, onConversation((*convos).DetachContact, "70551", intercomrbac.DetachContactParams{AdminID: "4410", ContactID: intercomrbac.ContactID(segment)}))
		add("Redact/"+name, "conversation_id", nil, onConversation((*convos).Redact, convoID(segment), intercomrbac.RedactParams{PartID: "1"}))
	}
	add("Redact/word", "no id but a word", nil, onConversation((*convos).Redact, "last", intercomrbac.RedactParams{PartID: "1"}))
	runRefusalTests(t, tests)
}

func TestDetachContactLeavesTheLast(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	ctx := d.as(t, tester)
	_, err := d.client.Conversations.AttachContact(ctx, d.conversation(), intercomrbac.AttachContactParams{ExternalID: "customer-4"})
	require.NoError(t, err)
	left, err := d.client.Conversations.DetachContact(ctx, d.conversation(), intercomrbac.DetachContactParams{ContactID: d.Contacts[1]})
	require.NoError(t, err)
	assert.Equal(t, []intercomrbac.ContactRef{{Type: "user", ID: d.Contacts[3]}}, left)
	_, err = d.client.Conversations.DetachContact(ctx, d.conversation(), intercomrbac.DetachContactParams{ContactID: d.Contacts[3]})
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	require.ErrorContains(t, err, "422 parameter_invalid")
}

// The conversation that is redacted is named in the body: the guard decides on that one, whatever way it is said.
func TestGuardDecidesOnTheConversationInTheBody(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsDelete, When: "assigned"})})
	ctx := d.as(t, tester)
	mine, other := d.conversation(), d.Conversations[5] // the agent is assigned to the first
	for _, id := range []convoID{mine, other} {
		d.srv.AddPart(id, intercomtest.Part{ID: cardNumber, AuthorType: "user", Body: "4111 1111 1111 1111"})
	}
	redact := lookup(t, "conversations.redact")
	body := func(id any) map[string]any {
		return map[string]any{"type": "conversation_part", "conversation_id": id, "conversation_part_id": cardNumber}
	}
	byDo := func(in intercomrbac.Call) error { return d.client.Do(ctx, redact, in, nil) }
	_, byMethod := d.client.Conversations.Redact(ctx, other, intercomrbac.RedactParams{PartID: cardNumber})
	for name, err := range map[string]error{
		"by the method":   byMethod,
		"by Do":           byDo(intercomrbac.Call{Body: body(other)}),
		"by Do, a number": byDo(intercomrbac.Call{Body: body(json.Number(other))}),
		"by Do, twice":    byDo(intercomrbac.Call{Body: json.RawMessage(`{"type":"source","conversation_id":"` + mine + `","conversation_id":"` + other + `","source_id":"1"}`)}),
		"not there":       byDo(intercomrbac.Call{Body: body("999")}),
	} {
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		assert.NotContains(t, err.Error(), string(other), name)
	}
	for _, op := range d.sent() {
		assert.Equal(t, "conversations.get", op)
	}
	for _, e := range d.trail.take() {
		assert.Contains(t, []string{string(other), "999"}, e.ResourceID)
	}
	for name, in := range map[string]intercomrbac.Call{
		"in the query as well":  {Body: body(mine), Query: url.Values{"conversation_id": {string(other)}}},
		"in the query, in odd":  {Body: body(mine), Query: url.Values{"[conversation_id]": {string(other)}}},
		"in the query alone":    {Body: map[string]any{"type": "source", "source_id": "1"}, Query: url.Values{"conversation_id": {string(mine)}}},
		"nowhere":               {Body: map[string]any{"type": "source", "source_id": "1"}},
		"null":                  {Body: body(nil)},
		"empty":                 {Body: body("")},
		"a list":                {Body: body([]any{mine, other})},
		"a word":                {Body: body("last")},
		"another spelling":      {Body: body(string(mine) + ".json")},
		"with a space":          {Body: body(" " + string(mine))},
		"a fraction":            {Body: body(json.Number(mine + ".0"))},
		"a path":                {Body: body("../" + string(other))},
		"of an escaped name":    {Body: json.RawMessage(`{"type":"source","source_id":"1","Conversation_id":"5"}`)},
		"of no kind":            {Body: map[string]any{"conversation_id": mine, "source_id": "1"}},
		"of an unknown kind":    {Body: map[string]any{"type": "conversation", "conversation_id": mine}},
		"no body":               {},
		"a body that is a list": {Body: []any{}},
	} {
		require.ErrorIs(t, byDo(in), intercomrbac.ErrInvalidRequest, name)
	}
	own := redact
	own.Name, own.ResourceMembers = "own.redact", ""
	require.ErrorIs(t, d.client.Do(ctx, own, intercomrbac.Call{Body: body(other)}, nil), intercomrbac.ErrInvalidRequest)
	assert.Empty(t, d.sent())
	assert.Empty(t, d.trail.take())

	require.NoError(t, byDo(intercomrbac.Call{Body: body(json.Number(mine))}))
	calls := d.srv.Calls()
	assert.Equal(t, []string{"conversations.get", "conversations.redact"}, d.sent())
	assert.JSONEq(t, `{"type":"conversation_part","conversation_id":"`+string(mine)+`","conversation_part_id":"9001"}`, string(calls[1].Body))
	events := d.trail.take()
	require.Len(t, events, 2)
	assert.Equal(t, []any{"conversation", string(mine), "destructive", true}, []any{events[0].Resource, events[0].ResourceID, events[0].Effect, events[0].Sensitive})
	c, _ := d.srv.Conversation(mine)
	assert.True(t, c.Parts[0].Redacted)
	c, _ = d.srv.Conversation(other)
	assert.Equal(t, "4111 1111 1111 1111", c.Parts[0].Body)
}

// An operation of a service's own may name its resource in the body as well.
func TestGuardOnAResourceInTheBodyOfAnOwnOperation(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsWrite, When: "assigned"})})
	own := intercomrbac.Operation{Name: "own.link", Method: "POST", Path: "/own/link", Permission: intercomrbac.ConversationsWrite,
		Resource: "conversation", ResourceMembers: "conversation", Effect: intercomrbac.Write}
	err := d.client.Do(d.as(t, tester), own, intercomrbac.Call{Body: map[string]any{"conversation": d.Conversations[5]}}, nil)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	require.ErrorIs(t, d.client.Do(d.as(t, tester), own, intercomrbac.Call{Body: map[string]any{"other": 1}}, nil), intercomrbac.ErrInvalidRequest)
	assert.Equal(t, []string{"conversations.get"}, d.sent())
	err = d.client.Do(d.as(t, tester), own, intercomrbac.Call{Body: map[string]any{"conversation": d.conversation()}}, nil)
	require.ErrorIs(t, err, intercomrbac.ErrNotFound, "the fake has no such path, and so was asked")
}
