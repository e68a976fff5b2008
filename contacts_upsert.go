package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"html"
	"strings"
)

// upsertRounds bounds how often Upsert begins again: what is there can be gone with the next call.
const upsertRounds = 3

// Upsert makes a user, or changes the one that is there already, so that there is one contact of an external id however
// many call it at once. The user is known by ExternalID, or where that is empty by Email; what else is not zero is set. An
// archived user is unarchived. It is made of other methods, each of which acts as the caller and is guarded, recorded and
// paced: Create, and where there is such a user Get (or GetByExternalID or Search), Unarchive and Update. So it needs
// contacts:write and contacts:read. A grant of contacts:write under a condition on contacts is denied before anything is
// sent, as for Create: of a contact that is yet to be made nothing can be looked at.
//
// That there is such a user Intercom tells in words, a 409 with an id in its text, which is no contract. Whom it names is
// changed only if they prove to be the user that params name. It is ErrConflict where that cannot be told, and where the
// Email is that of a user with another external id: whoever may give any address must not get that user's record. An
// archived one of that kind is unarchived, for only then their external id can be seen, and archived again.
//
// Not promised: that all is done or nothing (each step is on record, and Upsert may be called again, also after
// ErrOutcomeUnknown); an order among those who call at once, so that an archived user whom one call takes back may be archived
// again by another that gives their Email with another external id; the external id or e-mail of a user who was deleted or merged,
// which Intercom has been seen to keep taken for some days (the error is that of contacts.unarchive). Leads have no
// identity to find them by: Role is ContactUser or empty.
func (s *ContactsService) Upsert(ctx context.Context, params CreateContactParams) (*Contact, error) {
	op := Operation{Name: "contacts.upsert"} // for the text of errors
	switch {
	case params.ExternalID == "" && params.Email == "":
		return nil, invalid(op, "ExternalID or Email is needed")
	case params.Role != "" && params.Role != ContactUser:
		return nil, invalid(op, "Role is %.40q: only users have an identity to find them by", string(params.Role))
	}
	if err := params.check(op); err != nil {
		return nil, err
	}
	for round := 1; ; round++ {
		c, err := s.Create(ctx, params)
		conflict, refused := errors.AsType[*APIError](err)
		if !refused || !errors.Is(conflict, ErrConflict) || errors.Is(err, ErrAuditIncomplete) {
			return c, err
		}
		c, again, err := s.updateInstead(ctx, params, conflict)
		switch {
		case !again:
			return c, err
		case round == upsertRounds:
			return nil, fmt.Errorf("%w: the user that is in the way is not there each time: look whether they are archived or deleted", conflict)
		}
	}
}

// updateInstead changes the user because of whom params could not be created. again says that they were gone meanwhile.
func (s *ContactsService) updateInstead(ctx context.Context, params CreateContactParams, conflict *APIError) (c *Contact, again bool, err error) {
	id, archived := conflicting(conflict.Message)
	c, err = s.conflictingUser(ctx, id, params)
	// What can be had is not archived, whatever the text says: it must not be archived in the end.
	if archived = archived && isMissing(err); archived {
		err = s.Unarchive(ctx, id)
		if errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrAuditIncomplete) {
			err = fmt.Errorf("%w; contact %s may be unarchived now", err, id)
		}
		if err != nil {
			return nil, isMissing(err), err
		}
		c, err = s.Get(ctx, id)
	}
	if err == nil && !params.mean(c) {
		err = fmt.Errorf("%w: they have another external id, or who they are cannot be told: look at them, then use Update", conflict)
	}
	if err != nil {
		again = isMissing(err)
		if archived {
			if undone := s.Archive(ctx, id); undone != nil {
				again = false // the next round would not know that it has something to undo
				err = fmt.Errorf("%w; contact %s was unarchived for it, and not archived again: %w", err, id, undone)
			}
		}
		return nil, again, err
	}
	update := params.update()
	if update.empty() {
		return c, false, nil
	}
	c, err = s.Update(ctx, c.ID, update)
	return c, isMissing(err), err
}

// isMissing reports whether Intercom says that there is no such contact: a guard's denial tells nothing of the kind, an
// owner who left is another one, and what the record misses is not gone over.
func isMissing(err error) bool {
	other := errors.Is(err, ErrDenied) || errors.Is(err, ErrAdminNotFound) || errors.Is(err, ErrAuditIncomplete)
	return errors.Is(err, ErrNotFound) && !other
}

// conflictingUser returns the user of an id, or if it is empty the one that params name; nil if none can be told.
func (s *ContactsService) conflictingUser(ctx context.Context, id ContactID, params CreateContactParams) (*Contact, error) {
	switch {
	case id != "":
		return s.Get(ctx, id)
	case params.ExternalID != "":
		c, err := s.GetByExternalID(ctx, params.ExternalID)
		if isMissing(err) {
			return nil, nil // then it was the e-mail
		}
		return c, err
	}
	query := And(Where(FieldEmail, Equals, params.Email), Where(FieldRole, Equals, ContactUser))
	found, err := s.Search(ctx, SearchParams{Query: query})
	if err != nil || len(found.Items) != 1 || found.Next != "" {
		return nil, err
	}
	return &found.Items[0], nil
}

// conflicting reads the id of a contact from the text of a 409, as "An archived contact matching those details already
// exists with id=6762f0f31bb69f9f2193bb8b". It is empty where there is not exactly one.
func conflicting(message string) (id ContactID, archived bool) {
	for word := range strings.FieldsSeq(message) {
		text, named := strings.CutPrefix(word, "id=")
		if !named {
			continue
		}
		if text = strings.TrimRight(text, ".,;"); id != "" || !isObjectID(text) {
			return "", false
		}
		id = ContactID(text)
	}
	return id, id != "" && strings.Contains(strings.ToLower(message), "archived contact")
}

// mean reports whether the params name that contact.
func (p *CreateContactParams) mean(c *Contact) bool {
	switch {
	case c == nil || c.Role != ContactUser:
		return false
	case p.ExternalID != "":
		// Intercom's texts may come with HTML entities in them.
		return c.ExternalID == p.ExternalID || html.UnescapeString(c.ExternalID) == p.ExternalID
	}
	return foldAddress(c.Email) == foldAddress(p.Email) || foldAddress(html.UnescapeString(c.Email)) == foldAddress(p.Email)
}

// foldAddress is for addresses: other letters than those of ASCII are not taken for each other.
func foldAddress(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// update are the params for a contact that is there, without what it is known by.
func (p *CreateContactParams) update() UpdateContactParams {
	u := UpdateContactParams{Role: p.Role, EmailVerified: p.EmailVerified, Phone: given(p.Phone), Name: given(p.Name), Avatar: given(p.Avatar),
		SignedUpAt: p.SignedUpAt, LastSeenAt: p.LastSeenAt, OwnerID: given(p.OwnerID), UnsubscribedFromEmails: p.UnsubscribedFromEmails,
		CustomAttributes: p.CustomAttributes}
	if p.ExternalID != "" || p.EmailVerified != nil { // which goes beside an e-mail only
		u.Email = p.Email
	}
	return u
}

func given[T ~string](s T) *T {
	if s == "" {
		return nil
	}
	return &s
}
