package intercomrbac

import (
	"context"
	"encoding/json"
)

var (
	opContactsGet = Operation{
		Name: "contacts.get", ID: "ShowContact", Method: "GET", Path: "/contacts/{contact_id}",
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
	opContactsDelete = Operation{
		Name: "contacts.delete", ID: "DeleteContact", Method: "DELETE", Path: "/contacts/{contact_id}",
		Scope: ScopeReadWriteUsers, Permission: ContactsDelete, Resource: "contact", ResourceArg: "contact_id", Effect: Destructive,
	}
)

// ContactsService is about the people that a workspace talks to. It is safe for concurrent use.
type ContactsService struct{ c *Client }

// ContactRole tells users from leads. It is an open string.
type ContactRole string

// Kinds of contacts.
const (
	ContactUser ContactRole = "user"
	ContactLead ContactRole = "lead"
)

// isContact reports whether r is what the one who starts a conversation can be, and so no admin.
//
// Source: operation createConversation
func (r ContactRole) isContact() bool { return r == ContactUser || r == ContactLead || r == "contact" }

// Contact is a person that a workspace talks to. Name and e-mail may come with HTML entities in them.
type Contact struct {
	Type                   string          `json:"type"`
	ID                     ContactID       `json:"id"`
	ExternalID             string          `json:"external_id"` // the id that your system gave them
	WorkspaceID            WorkspaceID     `json:"workspace_id"`
	Role                   ContactRole     `json:"role"`
	Email                  string          `json:"email"`
	EmailDomain            string          `json:"email_domain"`
	Phone                  string          `json:"phone"`
	Name                   string          `json:"name"`
	OwnerID                AdminID         `json:"owner_id"`
	HasHardBounced         bool            `json:"has_hard_bounced"`
	MarkedEmailAsSpam      bool            `json:"marked_email_as_spam"`
	UnsubscribedFromEmails bool            `json:"unsubscribed_from_emails"`
	EnabledPushMessaging   bool            `json:"enabled_push_messaging"` // false also where Intercom does not know
	CreatedAt              Timestamp       `json:"created_at"`
	UpdatedAt              Timestamp       `json:"updated_at"`
	SignedUpAt             Timestamp       `json:"signed_up_at"`
	LastSeenAt             Timestamp       `json:"last_seen_at"`
	LastRepliedAt          Timestamp       `json:"last_replied_at"`
	LastContactedAt        Timestamp       `json:"last_contacted_at"`
	LastEmailOpenedAt      Timestamp       `json:"last_email_opened_at"`
	LastEmailClickedAt     Timestamp       `json:"last_email_clicked_at"`
	LanguageOverride       string          `json:"language_override"`
	Browser                string          `json:"browser"`
	BrowserVersion         string          `json:"browser_version"`
	BrowserLanguage        string          `json:"browser_language"`
	OS                     string          `json:"os"`
	AndroidAppName         string          `json:"android_app_name"`
	AndroidAppVersion      string          `json:"android_app_version"`
	AndroidDevice          string          `json:"android_device"`
	AndroidOSVersion       string          `json:"android_os_version"`
	AndroidSDKVersion      string          `json:"android_sdk_version"`
	AndroidLastSeenAt      Timestamp       `json:"android_last_seen_at"`
	IOSAppName             string          `json:"ios_app_name"`
	IOSAppVersion          string          `json:"ios_app_version"`
	IOSDevice              string          `json:"ios_device"`
	IOSOSVersion           string          `json:"ios_os_version"`
	IOSSDKVersion          string          `json:"ios_sdk_version"`
	IOSLastSeenAt          Timestamp       `json:"ios_last_seen_at"`
	CustomAttributes       map[string]any  `json:"custom_attributes"`
	Avatar                 Avatar          `json:"avatar"`
	Tags                   ContactTags     `json:"tags"`
	Notes                  json.RawMessage `json:"notes,omitempty"`     // as sent: the first ten, by id
	Companies              json.RawMessage `json:"companies,omitempty"` // as sent: the first ten, by id
	Location               ContactLocation `json:"location"`
	SocialProfiles         json.RawMessage `json:"social_profiles,omitempty"` // as sent
	MergeHistory           json.RawMessage `json:"merge_history,omitempty"`   // as sent, where it was asked for
}

// ContactLocation is where a contact was last seen.
type ContactLocation struct {
	Type    string `json:"type"`
	Country string `json:"country"`
	Region  string `json:"region"`
	City    string `json:"city"`
}

// ContactTags are the first ten tags of a contact, by id.
type ContactTags struct {
	Items   []TagRef `json:"data"`
	URL     string   `json:"url"`
	Total   int      `json:"total_count"`
	HasMore bool     `json:"has_more"`
}

// TagRef names a tag.
type TagRef struct {
	Type string `json:"type"`
	ID   TagID  `json:"id"`
	URL  string `json:"url"`
}

// Get returns one contact. It is ErrContactMerged if the contact was merged into another one. Operation contacts.get
// (ShowContact).
func (s *ContactsService) Get(ctx context.Context, id ContactID) (*Contact, error) {
	return do[Contact](ctx, s.c, call{op: opContactsGet, args: []string{string(id)}})
}

// GetByExternalID returns the contact that your system knows by that id. Operation contacts.get_by_external_id
// (ShowContactByExternalId).
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

// Create makes a contact. It is ErrConflict if there is one with that external id or user e-mail already. Intercom's
// search may find it only minutes later. Operation contacts.create (CreateContact).
func (s *ContactsService) Create(ctx context.Context, params CreateContactParams) (*Contact, error) {
	op := opContactsCreate
	if params.ExternalID == "" && params.Email == "" && params.Role == "" {
		return nil, invalid(op, "one of ExternalID, Email and Role is needed")
	}
	if params.OwnerID != "" {
		if err := params.OwnerID.check(op); err != nil {
			return nil, err
		}
	}
	return do[Contact](ctx, s.c, call{op: op, body: params})
}

// Delete removes a contact for good. Operation contacts.delete (DeleteContact).
func (s *ContactsService) Delete(ctx context.Context, id ContactID) error {
	return s.c.do(ctx, &call{op: opContactsDelete, args: []string{string(id)}})
}
