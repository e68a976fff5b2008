package intercomrbac

import (
	"context"
	"slices"
	"strings"
)

// The scope is not documented.
var opMessagesCreate = Operation{
	Name: "messages.create", ID: "createMessage", Method: "POST", Path: "/messages",
	Scope: ScopeWriteConversations, Permission: MessagesWrite, Resource: "message", Actor: "from.id", Effect: Write,
}

// MessagesService is about messages that teammates send to contacts of their own accord. It is safe for concurrent use.
type MessagesService struct{ c *Client }

// MessageType is how a message reaches its recipients. It is an open string.
type MessageType string

// Types of messages that [MessagesService.Create] sends.
const (
	// MessageInApp shows the message in the Messenger. Intercom's description of createMessage lists "in_app"; its example of
	// one, the answers and Intercom's own client for Node (7.0.3) have "inapp", which is what is sent.
	MessageInApp MessageType = "inapp"
	// MessageEmail sends an e-mail.
	MessageEmail MessageType = "email"
)

// MessageTemplate is the style of an e-mail.
type MessageTemplate string

// Styles of e-mails.
const (
	TemplatePlain    MessageTemplate = "plain"
	TemplatePersonal MessageTemplate = "personal"
)

// Recipient is a contact whom a message goes to.
type Recipient struct {
	// Role is what the contact is; the zero value means ContactUser.
	Role ContactRole
	// ID is the contact; needed.
	ID ContactID
}

// CreateMessageParams is a message from a teammate to contacts.
type CreateMessageParams struct {
	// AdminID is the teammate who sends it; empty means the principal of the context.
	AdminID AdminID
	// Type is MessageInApp or MessageEmail; needed.
	Type MessageType
	// To are the recipients, at least one. Intercom takes several, and CC and BCC, from API version 2.14 on.
	To []Recipient
	// CC get a copy that the others see.
	CC []Recipient
	// BCC get a copy that the others do not see.
	BCC []Recipient
	// Subject is needed for an e-mail.
	Subject string
	// Body is the text, plain or as HTML; needed.
	Body string
	// Template is needed for an e-mail, and for nothing else.
	Template MessageTemplate
	// StartConversation opens a conversation in the inbox at once; otherwise there is none before a contact replies.
	StartConversation bool
	// CreatedAt is when it was written; the zero value means now.
	CreatedAt Timestamp
}

// Message is what Intercom tells of a message that was sent.
type Message struct {
	Type string `json:"type"`
	// ID is the id of the message, which no other call takes for a conversation.
	ID          ID        `json:"id"`
	CreatedAt   Timestamp `json:"created_at"`
	Subject     string    `json:"subject"`
	Body        string    `json:"body"`
	MessageType string    `json:"message_type"`
	// ConversationID is empty where no conversation has begun yet.
	ConversationID ConversationID `json:"conversation_id"`
	// Owner is the teammate who sent it; nil where Intercom does not say.
	Owner *Admin `json:"owner,omitempty"`
}

func (m *Message) complete() bool { return m.ID != "" }

// Create sends a message to contacts, in a teammate's name. It is ErrNotFound if there is no such contact; one who was just
// created may not be found for a moment. It is not sent again when its answer is lost. WhatsApp messages are not offered.
// Operation messages.create (createMessage).
func (s *MessagesService) Create(ctx context.Context, params CreateMessageParams) (*Message, error) {
	op := opMessagesCreate
	if err := params.check(op); err != nil {
		return nil, err
	}
	admin, err := s.c.actingAdmin(ctx, op, params.AdminID)
	if err != nil {
		return nil, err
	}
	type from struct {
		Type string  `json:"type"`
		ID   AdminID `json:"id"`
	}
	body := struct {
		MessageType MessageType     `json:"message_type"`
		From        from            `json:"from"`
		To          any             `json:"to"`
		CC          any             `json:"cc,omitzero"`
		BCC         any             `json:"bcc,omitzero"`
		Subject     string          `json:"subject,omitzero"`
		Body        string          `json:"body"`
		Template    MessageTemplate `json:"template,omitzero"`
		Start       bool            `json:"create_conversation_without_contact_reply,omitzero"`
		CreatedAt   Timestamp       `json:"created_at,omitzero"`
	}{params.Type, from{"admin", admin}, recipients(params.To), recipients(params.CC), recipients(params.BCC), params.Subject,
		params.Body, params.Template, params.StartConversation, params.CreatedAt}
	return do[Message](ctx, s.c, call{op: op, body: body, actor: admin})
}

func (p CreateMessageParams) check(op Operation) error {
	email := p.Type == MessageEmail
	switch {
	case p.Type != MessageInApp && !email:
		return invalid(op, "Type is %.40q: use MessageInApp or MessageEmail", string(p.Type))
	case len(p.To) == 0:
		return invalid(op, "To is needed: at least one contact")
	case strings.TrimSpace(p.Body) == "":
		return invalid(op, "Body is needed")
	case email && strings.TrimSpace(p.Subject) == "":
		return invalid(op, "Subject is needed for an e-mail")
	case email && p.Template != TemplatePlain && p.Template != TemplatePersonal:
		return invalid(op, "Template is %.40q: an e-mail needs TemplatePlain or TemplatePersonal", string(p.Template))
	case !email && p.Template != "":
		return invalid(op, "Template is for e-mails: set Type to MessageEmail, or leave it out")
	}
	for _, r := range slices.Concat(p.To, p.CC, p.BCC) {
		switch {
		case r.ID == "":
			return invalid(op, "a recipient has no ID")
		case r.Role != "" && r.Role != ContactUser && r.Role != ContactLead:
			return invalid(op, "the Role of a recipient is %.40q: use ContactUser or ContactLead", string(r.Role))
		}
		if err := r.ID.check(op); err != nil {
			return err
		}
	}
	return nil
}

// recipients writes one as an object, which every version of the API takes, and more as a list; none are nil.
func recipients(list []Recipient) any {
	type recipient struct {
		Type string    `json:"type"`
		ID   ContactID `json:"id"`
	}
	var out []recipient
	for _, r := range list {
		out = append(out, recipient{firstOf(string(r.Role), string(ContactUser)), r.ID})
	}
	switch len(out) {
	case 0:
		return nil
	case 1:
		return out[0]
	}
	return out
}
