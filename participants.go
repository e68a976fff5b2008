package intercomrbac

import "context"

var (
	opConversationsAttachContact = Operation{
		Name: "conversations.attach_contact", ID: "attachContactToConversation", Method: "POST", Path: conversationPath + "/customers",
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	opConversationsDetachContact = Operation{
		Name: "conversations.detach_contact", ID: "detachContactFromConversation", Method: "DELETE",
		Path:  conversationPath + "/customers/{contact_id}",
		Scope: ScopeWriteConversations, Permission: ConversationsWrite, Resource: "conversation", ResourceArg: "conversation_id",
		Actor: "admin_id", Effect: Write,
	}
	// The conversation is named in the body.
	opConversationsRedact = Operation{
		Name: "conversations.redact", ID: "redactConversation", Method: "POST", Path: "/conversations/redact",
		Body:  "type=conversation_part|source",
		Scope: ScopeWriteConversations, Permission: ConversationsDelete, Resource: "conversation", ResourceMembers: "conversation_id",
		Effect: Destructive,
	}
)

// AttachContactParams adds a contact to a conversation. Exactly one of ContactID and ExternalID says whom. By an address
// Intercom would make a new lead where nobody has it, so that way is not offered, by [Client.Do] neither: create the contact
// first.
type AttachContactParams struct {
	// ContactID is Intercom's own id of the contact.
	ContactID ContactID
	// ExternalID is the id that your system gave them.
	ExternalID string
	// AdminID is the teammate who does it; empty means the principal of the context.
	AdminID AdminID
}

// AttachContact adds a contact to a conversation, who then reads what is said in it, and returns those who are in it.
// Operation conversations.attach_contact (attachContactToConversation).
func (s *ConversationsService) AttachContact(ctx context.Context, id ConversationID, params AttachContactParams) ([]ContactRef, error) {
	op := opConversationsAttachContact
	if n := countSet(string(params.ContactID), params.ExternalID); n != 1 {
		return nil, invalid(op, "%d of ContactID and ExternalID are set: exactly one says whom to add", n)
	}
	if err := params.ContactID.check(op); err != nil {
		return nil, err
	}
	admin, err := s.c.actingAdmin(ctx, op, params.AdminID)
	if err != nil {
		return nil, err
	}
	type customer struct {
		ContactID  ContactID `json:"intercom_user_id,omitzero"`
		ExternalID string    `json:"user_id,omitzero"`
	}
	body := struct {
		AdminID  AdminID  `json:"admin_id"`
		Customer customer `json:"customer"`
	}{admin, customer{params.ContactID, params.ExternalID}}
	return s.participants(ctx, call{op: op, args: []string{string(id)}, body: body, actor: admin})
}

// DetachContactParams removes a contact from a conversation.
type DetachContactParams struct {
	// ContactID is the contact; needed.
	ContactID ContactID
	// AdminID is the teammate who does it; empty means the principal of the context.
	AdminID AdminID
}

// DetachContact removes a contact from a conversation, and returns those who are in it then. Intercom refuses to remove
// the last one (422 parameter_invalid, which is ErrInvalidRequest). Operation conversations.detach_contact
// (detachContactFromConversation).
func (s *ConversationsService) DetachContact(ctx context.Context, id ConversationID, params DetachContactParams) ([]ContactRef, error) {
	op := opConversationsDetachContact
	admin, err := s.c.actingAdmin(ctx, op, params.AdminID)
	if err != nil {
		return nil, err
	}
	body := struct {
		AdminID AdminID `json:"admin_id"`
	}{admin}
	return s.participants(ctx, call{op: op, args: []string{string(id), string(params.ContactID)}, body: body, actor: admin})
}

// participants are the contacts in an answer: Intercom describes a conversation, and its examples have the list alone
// under another name.
type participants struct {
	Customers []ContactRef `json:"customers"`
	Contacts  ContactRefs  `json:"contacts"`
}

func (p *participants) complete() bool { return p.Customers != nil || p.Contacts != nil }

func (s *ConversationsService) participants(ctx context.Context, in call) ([]ContactRef, error) {
	out, err := do[participants](ctx, s.c, in)
	switch {
	case out == nil:
		return nil, err
	case out.Customers != nil:
		return out.Customers, err
	}
	return out.Contacts, err
}

// RedactParams says what to redact of a conversation. Exactly one of PartID and SourceID is needed.
type RedactParams struct {
	// PartID is a part that has a body.
	PartID ID
	// SourceID is the message that the conversation began with, where a contact wrote it.
	SourceID ID
}

// Redact takes the text and the attachments of a message out of a conversation for good: in their place stands that it was
// deleted. Intercom refuses what is not redactable with the code conversation_part_not_redactable. It is ErrNotFound if
// there is no such message in the conversation: that it is in this one, and not in another, is for Intercom to see to, and
// a guard does not look. Operation conversations.redact (redactConversation).
func (s *ConversationsService) Redact(ctx context.Context, id ConversationID, params RedactParams) (*Conversation, error) {
	op := opConversationsRedact
	if n := countSet(string(params.PartID), string(params.SourceID)); n != 1 {
		return nil, invalid(op, "%d of PartID and SourceID are set: exactly one says what to redact", n)
	}
	kind := "conversation_part"
	if params.SourceID != "" {
		kind = "source"
	}
	body := struct {
		Type           string         `json:"type"`
		ConversationID ConversationID `json:"conversation_id"`
		PartID         ID             `json:"conversation_part_id,omitzero"`
		SourceID       ID             `json:"source_id,omitzero"`
	}{kind, id, params.PartID, params.SourceID}
	return do[Conversation](ctx, s.c, call{op: op, body: body})
}
