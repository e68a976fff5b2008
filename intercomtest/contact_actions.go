package intercomtest

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

func (s *Server) listContacts(r *request) (any, error) {
	return listAll(s, r, &contactIndex, s.liveContacts())
}

func (s *Server) searchContacts(r *request) (any, error) {
	return searchIn(s, r, &contactIndex, s.liveContacts())
}

func (s *Server) liveContacts() []*contact {
	return slices.DeleteFunc(slices.Clone(s.contacts.items), func(c *contact) bool { return !c.live() })
}

// pathContact finds what the path names, if it is live.
func (s *Server) pathContact(r *request) (*contact, error) {
	c, ok := s.liveContact(intercomrbac.ContactID(r.args["contact_id"]))
	if !ok {
		return nil, errUserNotFound
	}
	return c, nil
}

func (s *Server) updateContact(r *request) (any, error) {
	var body struct {
		Role         *string        `json:"role"`
		ExternalID   *string        `json:"external_id"`
		Email        *string        `json:"email"`
		Verified     *bool          `json:"email_verified"`
		Phone        *string        `json:"phone"`
		Name         *string        `json:"name"`
		SignedUpAt   *int64         `json:"signed_up_at"`
		LastSeenAt   *int64         `json:"last_seen_at"`
		OwnerID      wireID         `json:"owner_id"`
		Unsubscribed *bool          `json:"unsubscribed_from_emails"`
		Custom       map[string]any `json:"custom_attributes"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	p, err := s.pathContact(r)
	if err != nil {
		return nil, err
	}
	c := p.clone()
	set(&c.Role, body.Role)
	set(&c.ExternalID, body.ExternalID)
	set(&c.Email, body.Email)
	set(&c.UnsubscribedFromEmails, body.Unsubscribed)
	email := c.Email
	if c.Role == "lead" {
		email = ""
	}
	switch {
	case c.Role != "user" && c.Role != "lead":
		return nil, invalid("role", "role must be either user or lead")
	case p.Role == "user" && c.Role == "lead":
		return nil, invalid("role", "user role can't be converted to a lead")
	case body.Verified != nil && body.Email == nil:
		return nil, invalid("email_verified", "email_verified needs an email")
	}
	if err := s.conflict(p.ID, c.ExternalID, email); err != nil {
		return nil, err
	}
	for name, to := range map[string]func(){ // null clears them
		"phone":        func() { c.Phone = orZero(body.Phone) },
		"name":         func() { c.Name = orZero(body.Name) },
		"owner_id":     func() { c.OwnerID = intercomrbac.AdminID(body.OwnerID) },
		"signed_up_at": func() { c.SignedUpAt = fromUnix(body.SignedUpAt) },
		"last_seen_at": func() { c.LastSeenAt = fromUnix(body.LastSeenAt) },
	} {
		if _, given := r.json[name]; given {
			to()
		}
	}
	if c.CustomAttributes == nil {
		c.CustomAttributes = map[string]any{}
	}
	maps.Copy(c.CustomAttributes, body.Custom)
	maps.DeleteFunc(c.CustomAttributes, func(_ string, v any) bool { return v == nil })
	c.UpdatedAt = r.now
	return s.contactJSON(s.putContact(c)), nil
}

func set[T any](at *T, to *T) {
	if to != nil {
		*at = *to
	}
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// contactState answers what was done to a contact.
func contactState(c *contact, what string, is bool) object {
	return object{"type": "contact", "id": string(c.ID), "external_id": orNull(c.ExternalID), what: is}
}

func (s *Server) archiveContact(r *request) (any, error) {
	c, err := s.pathContact(r)
	if err != nil {
		return nil, err
	}
	c.Archived, c.UpdatedAt = true, r.now
	return contactState(c, "archived", true), nil
}

// unarchiveContact takes back what is archived, and leaves what is not as it is.
func (s *Server) unarchiveContact(r *request) (any, error) {
	c, ok := s.contacts.get(intercomrbac.ContactID(r.args["contact_id"]))
	switch {
	case !ok:
		return nil, errUserNotFound
	case c.mergedInto != "":
		return nil, fail(http.StatusBadRequest, "bad_request", "User has been merged and is not restorable.")
	}
	c.Archived, c.UpdatedAt = false, r.now
	return contactState(c, "archived", false), nil
}

// blockContact archives the contact, and closes what they began. The description says that their conversations are
// archived, for which there is no other state.
func (s *Server) blockContact(r *request) (any, error) {
	c, err := s.pathContact(r)
	if err != nil {
		return nil, err
	}
	c.Blocked, c.Archived, c.UpdatedAt = true, true, r.now
	for _, conversation := range s.conversations {
		if len(conversation.ContactIDs) > 0 && conversation.ContactIDs[0] == c.ID && conversation.State != "closed" {
			conversation.State, conversation.UpdatedAt = "closed", r.now
			s.noteSnooze(conversation)
		}
	}
	return contactState(c, "blocked", true), nil
}

func (s *Server) mergeContacts(r *request) (any, error) {
	var body struct {
		From wireID `json:"from"`
		Into wireID `json:"into"`
		Skip bool   `json:"skip_duplicate_validation"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	switch "" {
	case string(body.From):
		return nil, missing("from")
	case string(body.Into):
		return nil, missing("into")
	}
	from, okFrom := s.liveContact(intercomrbac.ContactID(body.From))
	into, okInto := s.liveContact(intercomrbac.ContactID(body.Into))
	switch {
	case !okFrom || !okInto:
		return nil, errUserNotFound
	case from.Role != "lead":
		return nil, invalid("from", "from must be a lead")
	case into.Role != "user":
		return nil, invalid("into", "into must be a user")
	}
	duplicates := from.Email != "" && strings.EqualFold(from.Email, into.Email) || from.Phone != "" && from.Phone == into.Phone
	if !duplicates && !body.Skip {
		return nil, fail(http.StatusBadRequest, "invalid_merge", "Contacts can only be merged when they are duplicates (matching email or phone). "+
			"Pass skip_duplicate_validation=true to override this check.")
	}
	s.merge(from, into)
	into.UpdatedAt = r.now
	return s.contactJSON(into), nil
}

// merge gives what is the one contact's to the other.
func (s *Server) merge(from, into *contact) {
	from.mergedInto = into.ID
	for _, c := range s.conversations {
		if i := slices.Index(c.ContactIDs, from.ID); i >= 0 {
			if slices.Contains(c.ContactIDs, into.ID) {
				c.ContactIDs = slices.Delete(c.ContactIDs, i, i+1)
			} else {
				c.ContactIDs[i] = into.ID
			}
		}
	}
	for _, id := range from.TagIDs {
		tagOn(&into.TagIDs, into.tagged, id, from.tagged[id])
	}
}

func (s *Server) listContactTags(r *request) (any, error) {
	c, err := s.pathContact(r)
	if err != nil {
		return nil, err
	}
	tags := []object{}
	for _, id := range c.TagIDs {
		tags = append(tags, s.tagJSON(c.tagged, id))
	}
	return object{"type": "list", "data": tags}, nil
}

// tagContact puts a tag on in the name of the teammate that GET /me shows: the request names none.
func (s *Server) tagContact(r *request) (any, error) {
	var body struct {
		ID wireID `json:"id"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	c, err := s.pathContact(r)
	switch {
	case err != nil:
		return nil, err
	case body.ID == "":
		return nil, missing("id")
	}
	id := intercomrbac.TagID(body.ID)
	if _, ok := s.tags.get(id); !ok {
		return nil, errNotFound
	}
	if tagOn(&c.TagIDs, c.tagged, id, tagging{r.now, s.installer().ID}) {
		c.UpdatedAt = r.now
	}
	return s.tagJSON(c.tagged, id), nil
}

func (s *Server) untagContact(r *request) (any, error) {
	c, err := s.pathContact(r)
	if err != nil {
		return nil, err
	}
	id := intercomrbac.TagID(r.args["tag_id"])
	removed := s.tagJSON(c.tagged, id)
	if !tagOff(&c.TagIDs, c.tagged, id) {
		return nil, errNotFound
	}
	c.UpdatedAt = r.now
	return removed, nil
}
