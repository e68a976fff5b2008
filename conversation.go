package intercomrbac

import "encoding/json"

// ConversationState is where a conversation stands. It is an open string.
type ConversationState string

// States of a conversation.
const (
	StateOpen    ConversationState = "open"
	StateClosed  ConversationState = "closed"
	StateSnoozed ConversationState = "snoozed"
)

// Conversation is a conversation with a contact. Lists and searches leave its Parts out.
type Conversation struct {
	Type         string            `json:"type"`
	ID           ConversationID    `json:"id"`
	Title        string            `json:"title"`
	CreatedAt    Timestamp         `json:"created_at"`
	UpdatedAt    Timestamp         `json:"updated_at"`
	WaitingSince Timestamp         `json:"waiting_since"`
	SnoozedUntil Timestamp         `json:"snoozed_until"`
	Open         bool              `json:"open"` // also true while it is snoozed
	State        ConversationState `json:"state"`
	Read         bool              `json:"read"`
	// Priority is "none", "low", "medium", "high" or "urgent"; before API version 2.16 "priority" or
	// "not_priority".
	Priority string `json:"priority"`
	// AdminAssigneeID is empty where no teammate is assigned.
	AdminAssigneeID AdminID `json:"admin_assignee_id"`
	// TeamAssigneeID is empty where no team is assigned. There can be a teammate and a team at once.
	TeamAssigneeID         TeamID                  `json:"team_assignee_id"`
	Company                json.RawMessage         `json:"company,omitempty"` // as sent
	Tags                   Tags                    `json:"tags"`
	Rating                 *ConversationRating     `json:"conversation_rating"`
	Source                 ConversationSource      `json:"source"`
	Contacts               ContactRefs             `json:"contacts"`
	Teammates              Teammates               `json:"teammates"`
	CustomAttributes       map[string]any          `json:"custom_attributes"`
	FirstContactReply      *FirstContactReply      `json:"first_contact_reply"`
	SLA                    *SLA                    `json:"sla_applied"`
	Statistics             *ConversationStatistics `json:"statistics"`
	Parts                  ConversationParts       `json:"conversation_parts"`
	LinkedObjects          json.RawMessage         `json:"linked_objects,omitempty"` // as sent
	AIAgentParticipated    bool                    `json:"ai_agent_participated"`
	AIAgent                json.RawMessage         `json:"ai_agent,omitempty"` // as sent
	SalesAgentParticipated bool                    `json:"sales_agent_participated"`
	SalesAgent             json.RawMessage         `json:"sales_agent,omitempty"`         // as sent
	Channel                json.RawMessage         `json:"channel,omitempty"`             // as sent
	ExternalReferences     json.RawMessage         `json:"external_references,omitempty"` // as sent
	MonitorEvaluations     json.RawMessage         `json:"monitor_evaluations,omitempty"` // as sent, where it was asked for
	Scorecards             json.RawMessage         `json:"scorecards,omitempty"`          // as sent, where it was asked for
}

// ConversationSource is the message that a conversation began with.
type ConversationSource struct {
	Type                 string          `json:"type"`
	ID                   ID              `json:"id"`
	DeliveredAs          string          `json:"delivered_as"`
	Subject              string          `json:"subject"`
	Body                 string          `json:"body"` // HTML
	Author               Author          `json:"author"`
	Attachments          []Attachment    `json:"attachments"`
	URL                  string          `json:"url"`
	Redacted             bool            `json:"redacted"`
	Recipients           json.RawMessage `json:"recipients,omitempty"`             // as sent
	ReplyTo              json.RawMessage `json:"reply_to,omitempty"`               // as sent
	EmailMessageMetadata json.RawMessage `json:"email_message_metadata,omitempty"` // as sent
}

// Author wrote a message or part. Type tells what ID identifies: "admin", "bot", "user", "lead" and others.
type Author struct {
	Type        string `json:"type"`
	ID          ID     `json:"id"`
	Name        string `json:"name"`
	Email       string `json:"email"`
	FromAIAgent bool   `json:"from_ai_agent,omitempty"`
	IsAIAnswer  bool   `json:"is_ai_answer,omitempty"`
}

// Attachment is a file of a message or part.
type Attachment struct {
	Type        string `json:"type"`
	Name        string `json:"name"`
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Size        int64  `json:"filesize"` // bytes
	Width       int    `json:"width"`
	Height      int    `json:"height"`
}

// ConversationParts are the parts of a conversation in their order, the newest 500 at the most.
type ConversationParts struct {
	Type  string             `json:"type"`
	Items []ConversationPart `json:"conversation_parts"`
	// Total counts all parts, also those that are not among Items.
	Total int `json:"total_count"`
}

// ConversationPart is a reply, a note or a change. PartType is an open string: "comment", "note", "close",
// "assignment", "assign_and_reopen" and many others.
type ConversationPart struct {
	Type       string    `json:"type"`
	ID         ID        `json:"id"`
	PartType   string    `json:"part_type"`
	Body       string    `json:"body"` // HTML
	CreatedAt  Timestamp `json:"created_at"`
	UpdatedAt  Timestamp `json:"updated_at"`
	NotifiedAt Timestamp `json:"notified_at"`
	// AssignedTo is nil where the part changed no assignment; after an unassignment its Type is "nobody_admin"
	// and its ID empty.
	AssignedTo           *Reference        `json:"assigned_to"`
	Author               Author            `json:"author"`
	Attachments          []Attachment      `json:"attachments"`
	ExternalID           string            `json:"external_id"`
	Redacted             bool              `json:"redacted"`
	State                ConversationState `json:"state"`
	Tags                 []Tag             `json:"tags"`
	AppPackageCode       string            `json:"app_package_code"`
	EmailMessageMetadata json.RawMessage   `json:"email_message_metadata,omitempty"` // as sent
	Metadata             json.RawMessage   `json:"metadata,omitempty"`               // as sent
	EventDetails         json.RawMessage   `json:"event_details,omitempty"`          // as sent
}

// Reference names something by type and id.
type Reference struct {
	Type string `json:"type"`
	ID   ID     `json:"id"`
}

// ID identifies something whose kind another field tells.
type ID string

// UnmarshalJSON accepts a string, a whole number or null.
func (id *ID) UnmarshalJSON(b []byte) error { return decodeID(id, b) }

// ContactRef names a contact.
type ContactRef struct {
	Type       string    `json:"type"`
	ID         ContactID `json:"id"`
	ExternalID string    `json:"external_id"`
}

// Tag is a tag, and when and by whom it was put on.
type Tag struct {
	Type      string     `json:"type"`
	ID        TagID      `json:"id"`
	Name      string     `json:"name"`
	AppliedAt Timestamp  `json:"applied_at"`
	AppliedBy *Reference `json:"applied_by"`
}

// Tags are the tags of a conversation. They are read from and written as Intercom's envelope.
type Tags []Tag

// UnmarshalJSON accepts a tag.list, a list, an array and null.
func (t *Tags) UnmarshalJSON(b []byte) error { return decodeList((*[]Tag)(t), b) }

// MarshalJSON writes a tag.list.
func (t Tags) MarshalJSON() ([]byte, error) { return encodeList("tag.list", "tags", t) }

// ContactRefs are the contacts of a conversation. They are read from and written as Intercom's envelope.
type ContactRefs []ContactRef

// UnmarshalJSON accepts a contact.list, a list, an array and null.
func (r *ContactRefs) UnmarshalJSON(b []byte) error { return decodeList((*[]ContactRef)(r), b) }

// MarshalJSON writes a contact.list.
func (r ContactRefs) MarshalJSON() ([]byte, error) { return encodeList("contact.list", "contacts", r) }

// Teammates are the admins of a conversation. They are read from and written as Intercom's envelope.
type Teammates []Reference

// UnmarshalJSON accepts an admin.list under either of the names that Intercom uses, a list, an array and null.
func (r *Teammates) UnmarshalJSON(b []byte) error { return decodeList((*[]Reference)(r), b) }

// MarshalJSON writes an admin.list.
func (r Teammates) MarshalJSON() ([]byte, error) { return encodeList("admin.list", "teammates", r) }

// decodeList reads a list from any envelope that Intercom puts around one.
func decodeList[T any](out *[]T, b []byte) error {
	if string(b) == "null" {
		*out = nil
		return nil
	}
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, out)
	}
	var envelope struct {
		Tags      []T `json:"tags"`
		Contacts  []T `json:"contacts"`
		Teammates []T `json:"teammates"`
		Admins    []T `json:"admins"` // what Intercom sends where its description says teammates
		Data      []T `json:"data"`
	}
	if err := json.Unmarshal(b, &envelope); err != nil {
		return err
	}
	*out = nil
	for _, list := range [][]T{envelope.Tags, envelope.Contacts, envelope.Teammates, envelope.Admins, envelope.Data} {
		if list != nil {
			*out = list
			return nil
		}
	}
	return nil
}

func encodeList[T any](kind, name string, items []T) ([]byte, error) {
	if items == nil {
		items = []T{}
	}
	return json.Marshal(map[string]any{"type": kind, name: items})
}

// ConversationRating is what the customer thought of it.
type ConversationRating struct {
	Rating    int         `json:"rating"` // 1 to 5
	Remark    string      `json:"remark"`
	CreatedAt Timestamp   `json:"created_at"`
	UpdatedAt Timestamp   `json:"updated_at"`
	Contact   *ContactRef `json:"contact"`
	Teammate  *Reference  `json:"teammate"`
}

// FirstContactReply tells of the customer's first reply.
type FirstContactReply struct {
	Type      string    `json:"type"`
	CreatedAt Timestamp `json:"created_at"`
	URL       string    `json:"url"`
}

// SLA is the service level that was applied. Status is "hit", "missed", "cancelled" or "active".
type SLA struct {
	Type   string `json:"type"`
	Name   string `json:"sla_name"`
	Status string `json:"sla_status"`
}

// ConversationStatistics measures a conversation. Durations are in seconds; 0 stands for what has not happened.
type ConversationStatistics struct {
	Type                                       string          `json:"type"`
	TimeToAssignment                           int64           `json:"time_to_assignment"`
	TimeToAdminReply                           int64           `json:"time_to_admin_reply"`
	TimeToFirstClose                           int64           `json:"time_to_first_close"`
	TimeToLastClose                            int64           `json:"time_to_last_close"`
	MedianTimeToReply                          int64           `json:"median_time_to_reply"`
	FirstContactReplyAt                        Timestamp       `json:"first_contact_reply_at"`
	FirstAssignmentAt                          Timestamp       `json:"first_assignment_at"`
	FirstAdminReplyAt                          Timestamp       `json:"first_admin_reply_at"`
	FirstCloseAt                               Timestamp       `json:"first_close_at"`
	LastAssignmentAt                           Timestamp       `json:"last_assignment_at"`
	LastAssignmentAdminReplyAt                 Timestamp       `json:"last_assignment_admin_reply_at"`
	LastContactReplyAt                         Timestamp       `json:"last_contact_reply_at"`
	LastAdminReplyAt                           Timestamp       `json:"last_admin_reply_at"`
	LastCloseAt                                Timestamp       `json:"last_close_at"`
	LastClosedByID                             AdminID         `json:"last_closed_by_id"`
	CountReopens                               int             `json:"count_reopens"`
	CountAssignments                           int             `json:"count_assignments"`
	CountConversationParts                     int             `json:"count_conversation_parts"`
	AssignedTeamFirstResponseTime              json.RawMessage `json:"assigned_team_first_response_time,omitempty"`                 // as sent
	AssignedTeamFirstResponseTimeInOfficeHours json.RawMessage `json:"assigned_team_first_response_time_in_office_hours,omitempty"` // as sent
	HandlingTime                               int64           `json:"handling_time"`
	AdjustedHandlingTime                       int64           `json:"adjusted_handling_time"`
}
