package intercomrbac_test

import (
	"context"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sendingMessage(params intercomrbac.CreateMessageParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Messages.Create(ctx, params) }
}

func TestMessages(t *testing.T) {
	t.Parallel()
	ines, bo := intercomrbac.Recipient{ID: "66a0c1"}, intercomrbac.Recipient{Role: intercomrbac.ContactLead, ID: "66a0c2"}
	runMethodTests(t, []methodTest{
		{
			name: "Create with the least",
			call: sendingMessage(intercomrbac.CreateMessageParams{AdminID: "4410", Type: intercomrbac.MessageInApp, To: []intercomrbac.Recipient{bo}, Body: "Hello"}),
			op:   "messages.create", method: "POST", path: "/messages",
			body:     `{"message_type":"inapp","from":{"type":"admin","id":"4410"},"to":{"type":"lead","id":"66a0c2"},"body":"Hello"}`,
			response: `{"type":"admin_message","id":19,"created_at":1701000000,"body":"Hello","message_type":"inapp"}`,
			want:     &intercomrbac.Message{Type: "admin_message", ID: "19", CreatedAt: seconds(1701000000), Body: "Hello", MessageType: "inapp"},
		},
		{
			name: "Create with all params",
			call: sendingMessage(intercomrbac.CreateMessageParams{AdminID: "4410", Type: intercomrbac.MessageEmail, To: []intercomrbac.Recipient{ines, bo},
				CC: []intercomrbac.Recipient{ines}, BCC: []intercomrbac.Recipient{bo, ines}, Subject: "Invoice", Body: "<p>Hello</p>",
				Template: intercomrbac.TemplatePlain, StartConversation: true, CreatedAt: seconds(1701000000)}),
			op: "messages.create", method: "POST", path: "/messages",
			body: `{"message_type":"email","from":{"type":"admin","id":"4410"},"to":[{"type":"user","id":"66a0c1"},{"type":"lead","id":"66a0c2"}],
				"cc":{"type":"user","id":"66a0c1"},"bcc":[{"type":"lead","id":"66a0c2"},{"type":"user","id":"66a0c1"}],"subject":"Invoice","body":"<p>Hello</p>",
				"template":"plain","create_conversation_without_contact_reply":true,"created_at":1701000000}`,
			response: `{"type":"admin_message","id":"403918396","created_at":1701000000,"subject":"Invoice","body":"<p>Hello</p>","message_type":"email",
				"conversation_id":"613","owner":{"type":"admin","id":"4410","name":"Mara","email":"mara@example.org","away_mode_enabled":true}}`,
			want: &intercomrbac.Message{Type: "admin_message", ID: "403918396", CreatedAt: seconds(1701000000), Subject: "Invoice", Body: "<p>Hello</p>",
				MessageType: "email", ConversationID: "613",
				Owner: &intercomrbac.Admin{Type: "admin", ID: "4410", Name: "Mara", Email: "mara@example.org", AwayModeEnabled: true}},
		},
	})
}

func TestMessagesRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	type params = intercomrbac.CreateMessageParams
	add := func(name, hint string, is error, change func(*params)) {
		p := params{AdminID: "4410", Type: intercomrbac.MessageEmail, To: []intercomrbac.Recipient{{ID: "66a0c1"}}, Subject: "Invoice", Body: "Hello", Template: "plain"}
		change(&p)
		tests = append(tests, refusalTest{name: name, hint: hint, is: is, call: sendingMessage(p)})
	}
	add("no type", "use MessageInApp or MessageEmail", nil, func(p *params) { p.Type = "" })
	add("WhatsApp", `"whatsapp": use MessageInApp or MessageEmail`, nil, func(p *params) { p.Type = "whatsapp" })
	add("nobody", "To is needed", nil, func(p *params) { p.To = nil })
	add("nobody but a copy", "To is needed", nil, func(p *params) { p.CC, p.To = p.To, nil })
	add("no body", "Body is needed", nil, func(p *params) { p.Body = " \n" })
	add("no subject", "Subject is needed", nil, func(p *params) { p.Subject = " " })
	add("no template", "needs TemplatePlain or TemplatePersonal", nil, func(p *params) { p.Template = "" })
	add("another template", `"announcement": an e-mail needs`, nil, func(p *params) { p.Template = "announcement" })
	add("template of no e-mail", "Template is for e-mails", nil, func(p *params) { p.Type = intercomrbac.MessageInApp })
	add("a teammate", `the Role of a recipient is "admin"`, nil, func(p *params) { p.To[0].Role = "admin" })
	add("no id", "a recipient has no ID", nil, func(p *params) { p.BCC = []intercomrbac.Recipient{{}} })
	add("no such id", "which is no id", nil, func(p *params) { p.CC = []intercomrbac.Recipient{{ID: "ines@example.org"}} })
	add("no such admin", "admin ids are digits", nil, func(p *params) { p.AdminID = "mara" })
	add("nobody acts", "AdminID", intercomrbac.ErrNoActingAdmin, func(p *params) { p.AdminID = "" })
	runRefusalTests(t, tests)
}

// The fake takes what the library sends, and a conversation that a message opens is the teammate's.
func TestMessageOpensAConversation(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("messages:write", "conversations:read")...)})
	ctx := d.as(t, tester)
	m, err := d.client.Messages.Create(ctx, intercomrbac.CreateMessageParams{Type: intercomrbac.MessageEmail, To: []intercomrbac.Recipient{{ID: d.Contacts[0]}},
		Subject: "Your refund", Body: "It is on its way.", Template: intercomrbac.TemplatePersonal, StartConversation: true})
	require.NoError(t, err)
	assert.Equal(t, d.Agent, m.Owner.ID)
	c, err := d.client.Conversations.Get(ctx, m.ConversationID)
	require.NoError(t, err)
	assert.Equal(t, m.ID, c.Source.ID)
	assert.Equal(t, []string{"admin_initiated", "admin", string(d.Agent)}, []string{c.Source.DeliveredAs, c.Source.Author.Type, string(c.Source.Author.ID)})
}
