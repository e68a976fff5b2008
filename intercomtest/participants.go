package intercomtest

import (
	"net/http"
	"slices"

	"github.com/intercomrbac/intercomrbac"
)

var (
	errLastCustomer  = fail(http.StatusUnprocessableEntity, "parameter_invalid", "Removing the last customer is not allowed")
	errPartNotFound  = fail(http.StatusNotFound, "conversation_part_or_message_not_found", "Conversation part or message not found")
	errNotRedactable = fail(http.StatusBadRequest, "conversation_part_not_redactable", "Conversation part is not redactable")
)

// redactedBody stands in place of what was redacted.
const redactedBody = "<p><i>This message was deleted</i></p>"

func (s *Server) attachContact(r *request) (any, error) {
	var body struct {
		AdminID  wireID `json:"admin_id"`
		Customer struct {
			ID     wireID `json:"intercom_user_id"`
			UserID string `json:"user_id"`
			Email  string `json:"email"`
		} `json:"customer"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	if err != nil {
		return nil, err
	}
	who, ok := s.findPerson(string(body.Customer.ID), body.Customer.UserID, body.Customer.Email)
	switch {
	case !ok && body.Customer.Email == "":
		return nil, errNotFound
	case !ok: // Intercom makes a lead of an address that nobody has
		who = s.putContact(Contact{Role: "lead", Email: body.Customer.Email, CreatedAt: r.now})
	}
	if !slices.Contains(c.ContactIDs, who.ID) {
		c.ContactIDs = append(c.ContactIDs, who.ID)
		s.addPart(c, Part{Type: "participant_added", AuthorType: "admin", AuthorID: string(a.ID), CreatedAt: r.now})
	}
	return s.customers(c), nil
}

func (s *Server) detachContact(r *request) (any, error) {
	var body struct {
		AdminID wireID `json:"admin_id"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	if err != nil {
		return nil, err
	}
	id := intercomrbac.ContactID(r.args["contact_id"])
	switch {
	case !slices.Contains(c.ContactIDs, id):
		return nil, errUserNotFound
	case len(c.ContactIDs) == 1:
		return nil, errLastCustomer
	}
	if c.ContactIDs[0] == id && c.starter == "" {
		c.starter = id
	}
	c.ContactIDs = slices.DeleteFunc(c.ContactIDs, func(other intercomrbac.ContactID) bool { return other == id })
	s.addPart(c, Part{Type: "participant_removed", AuthorType: "admin", AuthorID: string(a.ID), CreatedAt: r.now})
	return s.customers(c), nil
}

// customers are the contacts of a conversation as Intercom's examples have them in these answers, and nothing else is.
func (s *Server) customers(c *conversation) object {
	list := make([]object, 0, len(c.ContactIDs))
	for _, id := range c.ContactIDs {
		list = append(list, object{"type": s.roleOf(id), "id": string(id)})
	}
	return object{"customers": list}
}

func (s *Server) redact(r *request) (any, error) {
	var body struct {
		Type           string `json:"type"`
		ConversationID wireID `json:"conversation_id"`
		PartID         wireID `json:"conversation_part_id"`
		SourceID       wireID `json:"source_id"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	c := s.byID[intercomrbac.ConversationID(body.ConversationID)]
	if c == nil {
		return nil, errPartNotFound
	}
	if body.Type == "source" {
		switch {
		case string(body.SourceID) != c.sourceID:
			return nil, errPartNotFound
		case c.StartedBy != "":
			return nil, errNotRedactable
		}
		c.Body, c.Redacted, c.UpdatedAt = redactedBody, true, r.now
		return s.wholeConversation(r, c), nil
	}
	i := slices.IndexFunc(c.Parts, func(p Part) bool { return p.ID == string(body.PartID) })
	switch {
	case i < 0:
		return nil, errPartNotFound
	case c.Parts[i].Body == "":
		return nil, errNotRedactable
	}
	p := &c.Parts[i]
	p.Body, p.Redacted, p.AttachmentURLs = redactedBody, true, nil
	c.UpdatedAt = r.now
	return s.wholeConversation(r, c), nil
}
