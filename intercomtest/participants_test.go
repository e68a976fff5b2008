package intercomtest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestParticipants(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.conversation().ContactIDs[0]
	ines := d.s.AddContact(intercomtest.Contact{ExternalID: "42"})
	path := "/conversations/" + string(d.id) + "/customers"
	attach := func(customer map[string]any) answer {
		return d.api.post(path, text(map[string]any{"admin_id": d.ada, "customer": customer}))
	}
	detach := func(id intercomrbac.ContactID) answer {
		return d.api.do("DELETE", path+"/"+string(id), text(map[string]any{"admin_id": d.ada}))
	}
	detach(first).requireError(t, 422, "parameter_invalid")
	for range 2 {
		r := attach(map[string]any{"user_id": "42"}).requireOK(t)
		assert.Equal(t, map[string]any{"customers": []any{map[string]any{"type": "user", "id": string(first)}, map[string]any{"type": "user", "id": string(ines)}}}, r.body)
	}
	assert.Len(t, d.conversation().Parts, 1, "she was there")
	attach(map[string]any{"intercom_user_id": "1"}).requireError(t, 404, "not_found")
	attach(map[string]any{}).requireError(t, 404, "not_found")
	attach(map[string]any{"email": "new@example.org"}).requireOK(t)
	ids := d.conversation().ContactIDs
	require.Len(t, ids, 3)
	lead, ok := d.s.Contact(ids[2])
	require.True(t, ok)
	assert.Equal(t, []string{"lead", "new@example.org"}, []string{lead.Role, lead.Email}, "Intercom makes one of an address")

	detach("1").requireError(t, 404, "not_found")
	detach(first).requireOK(t)
	r := d.api.get("/conversations/" + string(d.id)).requireOK(t)
	assert.Equal(t, string(first), r.at(t, "source", "author", "id"), "who began it did so still")
	d.api.post(path, text(map[string]any{"admin_id": "9", "customer": map[string]any{"user_id": "42"}})).requireError(t, 404, "admin_not_found")
	d.api.post("/conversations/9/customers", text(map[string]any{"admin_id": d.ada})).requireError(t, 404, "not_found")
}

func TestRedact(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const deleted = "<p><i>This message was deleted</i></p>"
	d.s.AddPart(d.id, intercomtest.Part{ID: "9001", AuthorType: "user", Body: "4111", AttachmentURLs: []string{"https://example.org/card.png"}})
	d.s.AddPart(d.id, intercomtest.Part{ID: "9002", Type: "close"})
	redact := func(kind, member string, id any) answer {
		return d.api.post("/conversations/redact", text(map[string]any{"type": kind, "conversation_id": num(string(d.id)), member: id}))
	}
	r := redact("conversation_part", "conversation_part_id", 9001).requireOK(t)
	part := func(member string) any { return r.at(t, "conversation_parts", "conversation_parts", 0, member) }
	assert.Equal(t, []any{deleted, true, []any{}}, []any{part("body"), part("redacted"), part("attachments")})
	assert.Equal(t, false, r.at(t, "source", "redacted"))

	source := r.at(t, "source", "id")
	r = redact("source", "source_id", source).requireOK(t)
	assert.Equal(t, []any{deleted, true}, []any{r.at(t, "source", "body"), r.at(t, "source", "redacted")})

	redact("conversation_part", "conversation_part_id", "9002").requireError(t, 400, "conversation_part_not_redactable")
	redact("conversation_part", "conversation_part_id", "1").requireError(t, 404, "conversation_part_or_message_not_found")
	redact("source", "source_id", "1").requireError(t, 404, "conversation_part_or_message_not_found")
	d.api.post("/conversations/redact", `{"type":"source","conversation_id":"really_123_doesnt_exist","source_id":"1"}`).requireError(t, 404, "conversation_part_or_message_not_found")
	redact("everything", "source_id", source).requireError(t, 400, "parameter_invalid")
	d.s.UpdateConversation(d.id, func(c *intercomtest.Conversation) { c.StartedBy = d.ada })
	redact("source", "source_id", source).requireError(t, 400, "conversation_part_not_redactable")
}
