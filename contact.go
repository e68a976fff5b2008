package intercomrbac

import "encoding/json"

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
