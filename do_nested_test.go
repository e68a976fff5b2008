package intercomrbac_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Rails reads a flag from several words, and from the body as well: none of them makes a call another operation than the
// one that was decided on and is on record.
func TestDoTakesNoFlagInOtherWords(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	ctx := d.as(t, tester)
	events := func(summary ...string) intercomrbac.Call {
		return intercomrbac.Call{Query: url.Values{"type": {"user"}, "user_id": {"customer-1"}, "summary": summary}}
	}
	remove := func(body any, retain ...string) intercomrbac.Call {
		in := intercomrbac.Call{Path: d.pathOfConversation(), Body: body}
		if retain != nil {
			in.Query = url.Values{"retain_metrics": retain}
		}
		return in
	}
	for name, tt := range map[string]struct {
		op string
		in intercomrbac.Call
	}{
		"summary=1":                 {"events.list", events("1")},
		"summary=True":              {"events.list", events("True")},
		"summary twice":             {"events.list", events("false", "true")},
		"retain_metrics=0":          {"conversations.delete", remove(nil, "0")},
		"retain_metrics=off":        {"conversations.delete", remove(nil, "off")},
		"retain_metrics, blank":     {"conversations.delete", remove(nil, "")},
		"retain_metrics, a body":    {"conversations.delete", remove(map[string]any{"retain_metrics": false})},
		"retain_metrics, both":      {"conversations.delete", remove(map[string]any{"retain_metrics": false}, "true")},
		"retain_metrics, both same": {"conversations.delete_with_metrics", remove(map[string]any{"retain_metrics": true}, "false")},
	} {
		require.ErrorIs(t, d.client.Do(ctx, lookup(t, tt.op), tt.in, nil), intercomrbac.ErrInvalidRequest, name)
	}
	assert.Empty(t, d.sent())
	require.NoError(t, d.client.Do(ctx, lookup(t, "events.list"), events("false"), nil))
	require.NoError(t, d.client.Do(ctx, lookup(t, "events.summaries"), events("true"), nil))
	require.NoError(t, d.client.Do(ctx, lookup(t, "conversations.delete"), remove(nil, "true"), nil))
	assert.Equal(t, []string{"events.list", "events.summaries", "conversations.delete"}, d.sent())
}

// To add somebody to a conversation takes no right to make contacts, and makes none.
func TestDoAttachesOnlyContactsThatAreThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("conversations:write")...)})
	do := func(in intercomrbac.Call) error {
		in.Path = d.pathOfConversation()
		return d.client.Do(d.as(t, tester), lookup(t, "conversations.attach_contact"), in, nil)
	}
	contact := string(d.Contacts[3])
	for name, body := range map[string]string{
		"an address":            `{"customer":{"email":"new@example.org"}}`,
		"an address beside":     `{"customer":{"email":"new@example.org","intercom_user_id":"` + contact + `"}}`,
		"an address within":     `{"customer":{"intercom_user_id":"` + contact + `","customer":{"email":"new@example.org"}}}`,
		"two ids":               `{"customer":{"intercom_user_id":"` + contact + `","user_id":"customer-4"}}`,
		"no id":                 `{"customer":{}}`,
		"an id that is null":    `{"customer":{"intercom_user_id":null}}`,
		"an id that is empty":   `{"customer":{"user_id":""}}`,
		"an id that is none":    `{"customer":{"intercom_user_id":"new@example.org"}}`,
		"a list":                `{"customer":[{"email":"new@example.org"}]}`,
		"text":                  `{"customer":"new@example.org"}`,
		"nobody":                `{}`,
		"an address not within": `{"customer":{"user_id":"customer-4"},"email":"new@example.org"}`,
	} {
		require.ErrorIs(t, do(intercomrbac.Call{Body: json.RawMessage(body)}), intercomrbac.ErrInvalidRequest, name)
	}
	for _, key := range []string{"customer[email]", "[customer]email", "email"} {
		in := intercomrbac.Call{Body: json.RawMessage(`{"customer":{"user_id":"customer-4"}}`), Query: url.Values{key: {"new@example.org"}}}
		require.ErrorIs(t, do(in), intercomrbac.ErrInvalidRequest, key)
	}
	assert.Empty(t, d.sent())
	require.NoError(t, do(intercomrbac.Call{Body: json.RawMessage(`{"customer":{"email":"new@example.org"},"customer":{"email":"new@example.org","user_id":"customer-4"},"customer":{"user_id":"customer-4"}}`)}))
	assert.JSONEq(t, `{"customer":{"user_id":"customer-4"},"admin_id":"`+string(d.Agent)+`"}`, string(d.srv.Calls()[0].Body))
}

// Each contact that a tag is put on is named by its id. What else may stand beside it could take the tag off.
func TestDoAppliesATagAndNothingElse(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	do := func(users string) error {
		return d.client.Do(d.as(t, tester), lookup(t, "tags.apply"), intercomrbac.Call{Body: json.RawMessage(`{"name":"VIP","users":` + users + `}`)}, nil)
	}
	contact := string(d.Contacts[0])
	for _, users := range []string{
		`[{"id":"` + contact + `","untag":true}]`, `[{"id":"` + contact + `"},{"id":"` + contact + `","untag":true}]`, `[{"email":"new@example.org"}]`, `[{}]`, `[null]`,
		`[{"id":null}]`, `[{"id":""}]`, `[{"id":"new@example.org"}]`, `["` + contact + `"]`, `{"id":"` + contact + `"}`, `{"0":{"id":"` + contact + `","untag":true}}`, `"` + contact + `"`, `true`,
	} {
		require.ErrorIs(t, do(users), intercomrbac.ErrInvalidRequest, users)
	}
	assert.Empty(t, d.sent())
	require.NoError(t, do(`[{"id":"x","id":"`+contact+`"}]`))
	assert.JSONEq(t, `{"name":"VIP","users":[{"id":"`+contact+`"}]}`, string(d.srv.Calls()[0].Body))
}

// Intercom shows news in the name of a sender (newsItemRequest): whoever that is, acts.
func TestDoTakesNoSenderWhoIsNotTheActor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	ctx := d.as(t, tester)
	news := intercomrbac.Operation{Name: "news.create", Method: "POST", Path: "/news/news_items", Permission: intercomrbac.MessagesWrite, Resource: "message", Effect: intercomrbac.Write}
	other := map[string]any{"title": "x", "sender_id": json.Number(d.Owner)}
	require.ErrorIs(t, d.client.Do(ctx, news, intercomrbac.Call{Body: other}, nil), intercomrbac.ErrInvalidRequest)
	require.ErrorIs(t, d.client.Do(ctx, news, intercomrbac.Call{Body: map[string]any{}, Query: url.Values{"sender_id[]": {string(d.Owner)}}}, nil), intercomrbac.ErrInvalidRequest)
	news.Actor = "sender_id"
	requireDenied(t, d.client.Do(ctx, news, intercomrbac.Call{Body: other}, nil), intercomrbac.ReasonNotGranted)
	assert.Empty(t, d.sent())
	_ = d.client.Do(ctx, news, intercomrbac.Call{Body: map[string]any{"title": "x"}}, nil) // the fake has no such route
	assert.JSONEq(t, `{"title":"x","sender_id":`+string(d.Agent)+`}`, string(d.srv.Calls()[0].Body))
}
