package intercomrbac

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
)

const (
	contactPath    = "/contacts/{contact_id}"
	contactTagPath = contactPath + "/tags"
)

var (
	opContactsList = Operation{
		Name: "contacts.list", ID: "ListContacts", Method: "GET", Path: "/contacts",
		Scope: ScopeReadAndListUsers, Permission: ContactsRead, Resource: "contact", Effect: Read, Repeatable: true,
	}
	opContactsSearch = Operation{
		Name: "contacts.search", ID: "SearchContacts", Method: "POST", Path: "/contacts/search",
		Scope: ScopeReadAndListUsers, Permission: ContactsRead, Resource: "contact", Effect: Read, Repeatable: true,
	}
	opContactsGet = Operation{
		Name: "contacts.get", ID: "ShowContact", Method: "GET", Path: contactPath,
		Scope: ScopeReadUsers, Permission: ContactsRead, Resource: "contact", ResourceArg: "contact_id", Effect: Read, Repeatable: true,
	}
	opContactsGetByExternalID = Operation{
		Name: "contacts.get_by_external_id", ID: "ShowContactByExternalId", Method: "GET",
		Path:  "/contacts/find_by_external_id/{external_id}",
		Scope: ScopeReadUsers, Permission: ContactsRead, Resource: "contact", ResourceArg: "external_id", Effect: Read, Repeatable: true,
	}
	opContactsCreate = Operation{
		Name: "contacts.create", ID: "CreateContact", Method: "POST", Path: "/contacts",
		Scope: ScopeReadWriteUsers, Permission: ContactsWrite, Resource: "contact", Effect: Write,
	}
	// It sets attributes to given values: the second time there is nothing left to change.
	opContactsUpdate = Operation{
		Name: "contacts.update", ID: "UpdateContact", Method: "PUT", Path: contactPath,
		Scope: ScopeReadWriteUsers, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write, Repeatable: true,
	}
	opContactsArchive = Operation{
		Name: "contacts.archive", ID: "ArchiveContact", Method: "POST", Path: contactPath + "/archive",
		Scope: ScopeReadWriteUsers, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write,
	}
	opContactsUnarchive = Operation{
		Name: "contacts.unarchive", ID: "UnarchiveContact", Method: "POST", Path: contactPath + "/unarchive",
		Scope: ScopeReadWriteUsers, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write,
	}
	opContactsBlock = Operation{
		Name: "contacts.block", ID: "BlockContact", Method: "POST", Path: contactPath + "/block",
		Scope: ScopeReadWriteUsers, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write,
	}
	opContactsMerge = Operation{
		Name: "contacts.merge", ID: "MergeContact", Method: "POST", Path: "/contacts/merge",
		Scope: ScopeReadWriteUsers, Permission: ContactsDelete, Resource: "contact", ResourceMembers: "from into", Effect: Destructive,
	}
	opContactsDelete = Operation{
		Name: "contacts.delete", ID: "DeleteContact", Method: "DELETE", Path: contactPath,
		Scope: ScopeReadWriteUsers, Permission: ContactsDelete, Resource: "contact", ResourceArg: "contact_id", Effect: Destructive,
	}
	opContactsTags = Operation{
		Name: "contacts.tags", ID: "listTagsForAContact", Method: "GET", Path: contactTagPath,
		Scope: ScopeReadTags, Permission: ContactsRead, Resource: "contact", ResourceArg: "contact_id", Effect: Read, Repeatable: true,
	}
	opContactsAddTag = Operation{
		Name: "contacts.add_tag", ID: "attachTagToContact", Method: "POST", Path: contactTagPath,
		Scope: ScopeWriteTags, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write,
	}
	opContactsRemoveTag = Operation{
		Name: "contacts.remove_tag", ID: "detachTagFromContact", Method: "DELETE", Path: contactTagPath + "/{tag_id}",
		Scope: ScopeWriteTags, Permission: ContactsWrite, Resource: "contact", ResourceArg: "contact_id", Effect: Write,
	}
)

// ContactsService is about the people that a workspace talks to. It is safe for concurrent use.
type ContactsService struct{ c *Client }

// List returns a page of all contacts, 50 of them unless params say otherwise. Those that are archived, or merged into
// another one, are left out. Under a guard that hides some, Next can be set where all that is left is hidden. Operation
// contacts.list (ListContacts).
func (s *ContactsService) List(ctx context.Context, params ListParams) (*Page[Contact], error) {
	op := opContactsList
	if err := params.check(op); err != nil {
		return nil, err
	}
	return fetchPage[Contact, page[Contact]](ctx, s.c, call{op: op, query: params.into(url.Values{})})
}

// All returns all contacts, page by page as they are needed; each range over it starts anew. After an error it ends.
// Pages are no snapshot: while contacts change, one can come twice or not at all. Operation contacts.list (ListContacts).
func (s *ContactsService) All(ctx context.Context, params ListParams) iter.Seq2[Contact, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[Contact], error) {
		return s.List(ctx, ListParams{PerPage: params.PerPage, After: after})
	})
}

// Get returns one contact. It is ErrContactMerged if the contact was merged into another one, which the error's
// MergedInto then names, and ErrNotFound also while the contact is archived (seen, not documented). Operation
// contacts.get (ShowContact).
func (s *ContactsService) Get(ctx context.Context, id ContactID) (*Contact, error) {
	return do[Contact](ctx, s.c, call{op: opContactsGet, args: []string{string(id)}})
}

// GetByExternalID returns the contact that your system knows by that id; errors are those of Get. Operation
// contacts.get_by_external_id (ShowContactByExternalId).
func (s *ContactsService) GetByExternalID(ctx context.Context, externalID string) (*Contact, error) {
	return do[Contact](ctx, s.c, call{op: opContactsGetByExternalID, args: []string{externalID}})
}

// CreateContactParams describes a new contact. One of ExternalID, Email and Role is needed.
type CreateContactParams struct {
	Role                   ContactRole    `json:"role,omitzero"`
	ExternalID             string         `json:"external_id,omitzero"`
	Email                  string         `json:"email,omitzero"`
	EmailVerified          *bool          `json:"email_verified,omitzero"` // only beside Email
	Phone                  string         `json:"phone,omitzero"`
	Name                   string         `json:"name,omitzero"`
	Avatar                 string         `json:"avatar,omitzero"` // URL of a picture
	SignedUpAt             Timestamp      `json:"signed_up_at,omitzero"`
	LastSeenAt             Timestamp      `json:"last_seen_at,omitzero"`
	OwnerID                AdminID        `json:"owner_id,omitzero"`
	UnsubscribedFromEmails *bool          `json:"unsubscribed_from_emails,omitzero"`
	CustomAttributes       map[string]any `json:"custom_attributes,omitzero"`
}

func (p *CreateContactParams) check(op Operation) error {
	switch {
	case p.ExternalID == "" && p.Email == "" && p.Role == "":
		return invalid(op, "one of ExternalID, Email and Role is needed")
	case p.EmailVerified != nil && p.Email == "":
		return invalid(op, "EmailVerified is about an Email, which is empty")
	case p.OwnerID != "":
		return p.OwnerID.check(op)
	}
	return nil
}

// Create makes a contact. It is ErrConflict if there is one with that external id or user e-mail already, also an
// archived one; the message then names it, to whoever may create, whatever they may see (see [ContactsService.Upsert]).
// Intercom's search may find the new contact only minutes later. Operation contacts.create (CreateContact).
func (s *ContactsService) Create(ctx context.Context, params CreateContactParams) (*Contact, error) {
	op := opContactsCreate
	if err := params.check(op); err != nil {
		return nil, err
	}
	return do[Contact](ctx, s.c, call{op: op, body: params})
}

// UpdateContactParams changes what is set; nil and zero members stay as they are.
type UpdateContactParams struct {
	// Role makes a user of a lead: ContactUser. Intercom makes no lead of a user.
	Role ContactRole
	// ExternalID is the id that your system gives them.
	ExternalID string
	// Email is their address.
	Email string
	// EmailVerified tells whether it is theirs; only beside Email.
	EmailVerified *bool
	// Phone, Name and Avatar, the URL of a picture, are cleared by the empty text: new("").
	Phone, Name, Avatar *string
	// SignedUpAt and LastSeenAt are when they did.
	SignedUpAt, LastSeenAt Timestamp
	// OwnerID is the teammate who looks after them; the empty id is nobody.
	OwnerID *AdminID
	// UnsubscribedFromEmails stops or allows e-mails to them.
	UnsubscribedFromEmails *bool
	// CustomAttributes are set by name; nil as a value clears one.
	CustomAttributes map[string]any
}

// orNull is a text that goes over the wire as null where it is empty.
type orNull string

// MarshalJSON writes a string or null.
func (s orNull) MarshalJSON() ([]byte, error) {
	if s == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(s))
}

// updateContact is the body of UpdateContact.
type updateContact struct {
	Role                   ContactRole    `json:"role,omitzero"`
	ExternalID             string         `json:"external_id,omitzero"`
	Email                  string         `json:"email,omitzero"`
	EmailVerified          *bool          `json:"email_verified,omitzero"`
	Phone                  *orNull        `json:"phone,omitzero"`
	Name                   *orNull        `json:"name,omitzero"`
	Avatar                 *orNull        `json:"avatar,omitzero"`
	SignedUpAt             Timestamp      `json:"signed_up_at,omitzero"`
	LastSeenAt             Timestamp      `json:"last_seen_at,omitzero"`
	OwnerID                *orNull        `json:"owner_id,omitzero"`
	UnsubscribedFromEmails *bool          `json:"unsubscribed_from_emails,omitzero"`
	CustomAttributes       map[string]any `json:"custom_attributes,omitempty"`
}

// Update changes a contact. It is ErrConflict if another one has the external id or user e-mail; which one, Intercom's
// text says, but under a guard not to those whose right hangs on a condition. As it sets values, it is sent again where an
// answer was lost, and then wins over a change that somebody else made in between. Operation contacts.update
// (UpdateContact).
func (s *ContactsService) Update(ctx context.Context, id ContactID, params UpdateContactParams) (*Contact, error) {
	op := opContactsUpdate
	body := updateContact{params.Role, params.ExternalID, params.Email, params.EmailVerified, (*orNull)(params.Phone), (*orNull)(params.Name),
		(*orNull)(params.Avatar), params.SignedUpAt, params.LastSeenAt, (*orNull)(params.OwnerID), params.UnsubscribedFromEmails, params.CustomAttributes}
	switch {
	case params.empty():
		return nil, invalid(op, "the params change nothing")
	case params.EmailVerified != nil && params.Email == "":
		return nil, invalid(op, "EmailVerified is about an Email, which is empty")
	case params.OwnerID != nil && *params.OwnerID != "":
		if err := params.OwnerID.check(op); err != nil {
			return nil, err
		}
	}
	return do[Contact](ctx, s.c, call{op: op, args: []string{string(id)}, body: body})
}

// empty reports whether nothing would be changed.
func (p *UpdateContactParams) empty() bool {
	return p.Role == "" && p.ExternalID == "" && p.Email == "" && p.EmailVerified == nil && p.Phone == nil && p.Name == nil && p.Avatar == nil &&
		p.SignedUpAt.IsZero() && p.LastSeenAt.IsZero() && p.OwnerID == nil && p.UnsubscribedFromEmails == nil && len(p.CustomAttributes) == 0
}

// Archive puts a contact away: it is in no list or search, and Get says ErrNotFound until it is unarchived. The external
// id and e-mail of a user stay taken. (All of that is seen, not documented.) Operation contacts.archive (ArchiveContact).
func (s *ContactsService) Archive(ctx context.Context, id ContactID) error {
	return s.c.do(ctx, &call{op: opContactsArchive, args: []string{string(id)}})
}

// Unarchive takes an archived contact back. Intercom has been seen to refuse it for one that was deleted, or merged into
// another. Under a guard a grant that hangs on a condition is denied: what is archived cannot be looked at. Operation
// contacts.unarchive (UnarchiveContact).
func (s *ContactsService) Unarchive(ctx context.Context, id ContactID) error {
	return s.c.do(ctx, &call{op: opContactsUnarchive, args: []string{string(id)}})
}

// Block keeps a contact from writing in, and archives their conversations; the API has no call that lifts it. It came with
// version 2.13 of the API. Operation contacts.block (BlockContact).
func (s *ContactsService) Block(ctx context.Context, id ContactID) error {
	return s.c.do(ctx, &call{op: opContactsBlock, args: []string{string(id)}})
}

// MergeContactsParams says which contact goes, and into which. Both are needed.
type MergeContactsParams struct {
	// From is the contact that is gone afterwards, for good; a lead.
	From ContactID `json:"from"`
	// Into is the one that stays; a user.
	Into ContactID `json:"into"`
	// SkipDuplicateValidation merges contacts, too, that have neither e-mail nor phone in common.
	SkipDuplicateValidation bool `json:"skip_duplicate_validation,omitzero"`
}

// Merge merges a lead into a user, and returns the user. The lead cannot be had back: from then on it is
// ErrContactMerged. Where they have neither e-mail nor phone in common it is ErrInvalidRequest with the code
// invalid_merge. Under a guard a grant that hangs on a condition must hold for both of them. Operation contacts.merge
// (MergeContact).
func (s *ContactsService) Merge(ctx context.Context, params MergeContactsParams) (*Contact, error) {
	op := opContactsMerge
	switch {
	case params.From == "" || params.Into == "":
		return nil, invalid(op, "From and Into are needed")
	case params.From == params.Into:
		return nil, invalid(op, "From and Into are the same contact")
	}
	for _, id := range []ContactID{params.From, params.Into} {
		if err := id.check(op); err != nil {
			return nil, err
		}
	}
	return do[Contact](ctx, s.c, call{op: op, body: params})
}

// Delete removes a contact for good. Operation contacts.delete (DeleteContact).
func (s *ContactsService) Delete(ctx context.Context, id ContactID) error {
	return s.c.do(ctx, &call{op: opContactsDelete, args: []string{string(id)}})
}

// Tags returns all tags of a contact, where Contact.Tags has the first ten; Intercom does not page them. Operation
// contacts.tags (listTagsForAContact).
func (s *ContactsService) Tags(ctx context.Context, id ContactID) ([]Tag, error) {
	out, err := do[unpaged[Tag]](ctx, s.c, call{op: opContactsTags, args: []string{string(id)}})
	if out == nil {
		return nil, err
	}
	return out.Data, err
}

// AddTag puts a tag on a contact, and returns the tag. It is done in the name of the token's own admin. Operation
// contacts.add_tag (attachTagToContact).
func (s *ContactsService) AddTag(ctx context.Context, id ContactID, tag TagID) (*Tag, error) {
	op := opContactsAddTag
	if tag == "" {
		return nil, invalid(op, "the tag's id is empty")
	}
	body := struct {
		ID TagID `json:"id"`
	}{tag}
	return do[Tag](ctx, s.c, call{op: op, args: []string{string(id)}, body: body})
}

// RemoveTag takes a tag off a contact, and returns the tag. Operation contacts.remove_tag (detachTagFromContact).
func (s *ContactsService) RemoveTag(ctx context.Context, id ContactID, tag TagID) (*Tag, error) {
	return do[Tag](ctx, s.c, call{op: opContactsRemoveTag, args: []string{string(id), string(tag)}})
}
