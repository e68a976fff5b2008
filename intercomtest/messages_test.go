package intercomtest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestMessages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	ines := d.s.AddContact(intercomtest.Contact{ExternalID: "42", Email: "ines@example.org"})
	lead := d.s.AddContact(intercomtest.Contact{Role: "lead"})
	from := `"from":{"type":"admin","id":` + string(d.ada) + `}`
	send := func(members string) answer { return d.api.post("/messages", `{`+from+`,`+members+`}`) }

	r := send(`"to":{"type":"user","user_id":"42"},"message_type":"in_app","body":"Hello","created_at":1700000000`).requireOK(t)
	assert.Equal(t, []any{"admin_message", "inapp", "Hello", num("1700000000")}, []any{r.at(t, "type"), r.at(t, "message_type"), r.at(t, "body"), r.at(t, "created_at")})
	assert.Equal(t, string(d.ada), r.at(t, "owner", "id"))
	assert.NotContains(t, r.body, "conversation_id")
	assert.NotContains(t, r.body, "subject")

	r = send(fmt.Sprintf(`"to":[{"type":"user","id":%q},{"type":"lead","id":%q}],"cc":{"type":"user","id":%[1]q},"bcc":null,"message_type":"email",
		"subject":"Invoice","body":"Hello","template":"personal","create_conversation_without_contact_reply":true`, ines, lead)).requireOK(t)
	id := intercomrbac.ConversationID(r.at(t, "conversation_id").(string))
	c, ok := d.s.Conversation(id)
	require.True(t, ok)
	assert.Equal(t, []intercomrbac.ContactID{ines, lead}, c.ContactIDs)
	assert.Equal(t, []string{string(d.ada), "Invoice", "Hello"}, []string{string(c.StartedBy), c.Subject, c.Body})
	whole := d.api.get("/conversations/" + string(id)).requireOK(t)
	assert.Equal(t, r.at(t, "id"), whole.at(t, "source", "id"), "it is found by the id of the message")

	sent := d.s.Messages()
	require.Len(t, sent, 2)
	assert.Equal(t, intercomtest.Message{ID: "19", Type: "inapp", FromID: d.ada, ToIDs: []intercomrbac.ContactID{ines}, Body: "Hello", CreatedAt: time.Unix(1700000000, 0)}, sent[0])
	assert.Equal(t, []any{"email", "personal", []intercomrbac.ContactID{ines, lead}, []intercomrbac.ContactID{ines}, id},
		[]any{sent[1].Type, sent[1].Template, sent[1].ToIDs, sent[1].CCIDs, sent[1].Conversation})
	sent[1].ToIDs[0] = "x"
	assert.Equal(t, ines, d.s.Messages()[1].ToIDs[0], "the list is a copy")

	const to = `"to":{"type":"user","user_id":"42"},`
	for name, tt := range map[string]struct {
		members, code string
		status        int
	}{
		"no body":          {to + `"message_type":"inapp","body":null,"subject":"x"`, "parameter_invalid", 400},
		"no subject":       {to + `"message_type":"email","body":"x"`, "parameter_not_found", 422},
		"no recipient":     {`"message_type":"inapp","body":"x"`, "parameter_not_found", 400},
		"empty recipients": {`"to":[],"message_type":"inapp","body":"x"`, "parameter_not_found", 400},
		"unknown":          {`"to":{"type":"user","id":"1"},"message_type":"inapp","body":"x"`, "not_found", 404},
		"unknown copy":     {to + `"cc":[{"type":"user","id":"1"}],"message_type":"inapp","body":"x"`, "not_found", 404},
		"a teammate":       {`"to":{"type":"admin","id":"1"},"message_type":"inapp","body":"x"`, "parameter_invalid", 400},
		"text":             {`"to":"ines","message_type":"inapp","body":"x"`, "parameter_invalid", 400},
		"WhatsApp":         {to + `"message_type":"whatsapp","body":"x"`, "parameter_invalid", 400},
		"another template": {to + `"message_type":"email","subject":"x","body":"x","template":"announcement"`, "parameter_invalid", 400},
	} {
		t.Run(name, func(t *testing.T) { send(tt.members).requireError(t, tt.status, tt.code) })
	}
	d.api.post("/messages", `{`+to+`"from":{"type":"user","id":"42"},"message_type":"inapp","body":"x"}`).requireError(t, 400, "parameter_invalid")
	d.api.post("/messages", `{`+to+`"from":{"type":"admin","id":"9"},"message_type":"inapp","body":"x"}`).requireError(t, 404, "admin_not_found")
	assert.Len(t, d.s.Messages(), 2)
}
