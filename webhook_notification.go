package intercomrbac

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// Notification is what Intercom sends when something happened in a workspace. Its order is not that of what happened, and it
// tells what was so when it was made: where it matters, read the present state from Intercom.
//
// Source: https://developers.intercom.com/docs/references/2.16/webhooks/webhook-models
type Notification struct {
	// ID is Intercom's; empty where it sent none, as on a ping.
	ID    string
	Topic EventTopic
	// Workspace is the one in which it happened.
	Workspace WorkspaceID
	// CreatedAt is when Intercom made it.
	CreatedAt Timestamp
	// Attempt counts the runs of the handler for this delivery, from 1.
	Attempt int
	// Item is what happened to what, as it was sent: in the form of the API version that the app has in the Developer Hub. It is
	// the notification's own: do not change it.
	Item json.RawMessage
}

// parseNotification reads the body of a notification. What is not needed may be anything.
func parseNotification(body []byte) (Notification, error) {
	var wire struct {
		ID        ID          `json:"id"`
		Topic     EventTopic  `json:"topic"`
		AppID     WorkspaceID `json:"app_id"`
		CreatedAt Timestamp   `json:"created_at"`
		Data      struct {
			Item json.RawMessage `json:"item"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &wire); err != nil {
		return Notification{}, refused("the body is no notification: it cannot be decoded (%T)", err)
	}
	n := Notification{ID: string(wire.ID), Topic: wire.Topic, Workspace: wire.AppID, CreatedAt: wire.CreatedAt, Item: wire.Data.Item}
	if n.Topic == "" || n.Workspace == "" {
		return Notification{}, refused("the body is no notification: it has no topic or no app_id")
	}
	return n, nil
}

// key is what a delivery is known by: workspace and id, or the body where there is no id.
func (n *Notification) key(body []byte) string {
	text := []byte("id\x00" + string(n.Workspace) + "\x00" + n.ID)
	if n.ID == "" {
		text = append([]byte("body\x00"), body...)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// forgets says whether what happened may change what somebody may do, and whose role is to be looked up anew: all, if the id is
// empty. What cannot be read concerns all.
func (n *Notification) forgets() (AdminID, bool) {
	switch n.Topic {
	case EventAdminAddedToWorkspace, EventAdminRemovedFromWorkspace:
		var item struct {
			ID AdminID `json:"id"`
		}
		if json.Unmarshal(n.Item, &item) != nil || !isNumber(item.ID) {
			return "", true
		}
		return item.ID, true
	case EventAdminActivityLogEventCreated:
		var item struct {
			Type ActivityType `json:"activity_type"`
		}
		return "", json.Unmarshal(n.Item, &item) != nil || item.Type == "" || item.Type.changesRoles()
	}
	return "", false
}

// changesRoles reports whether an activity may change the role of a teammate, or the teams that a [RoleMap] goes by. Whose, an activity
// does not tell in a way that is the same for all. Types are an open list, so that names count, too.
//
// Source: operation listActivityLogs, schema activity_log
func (t ActivityType) changesRoles() bool {
	switch t {
	case "inbox_access_change", "seat_change", "seat_revoke", "app_admin_join", "admin_provisioned", "admin_deprovisioned",
		"admin_deletion", "app_team_creation", "app_team_deletion", "app_team_membership_modification":
		return true
	}
	return strings.Contains(string(t), "role") || strings.Contains(string(t), "permission")
}

// Admin returns the teammate of an admin's topic. As sent in notifications they have no role; away_mode_updated and the others tell
// their state at the time. It is ErrBadResponse if the item is something else, as of admin.activity_log_event.created.
func (n Notification) Admin() (*Admin, error) {
	var a Admin
	if err := n.decode(&a, "admin"); err != nil {
		return nil, err
	}
	if a.ID == "" {
		return nil, n.bad(noID)
	}
	return &a, nil
}

// Conversation returns the conversation of a conversation's topic. Of conversation.deleted it has its ID alone, and of
// conversation.contact.attached and detached hardly more. Its texts are HTML or plain text, by the API version of the app (plain since
// 2.15). It is ErrBadResponse if the item is something else.
func (n Notification) Conversation() (*Conversation, error) {
	var item struct {
		Conversation
		ConversationID ConversationID `json:"conversation_id"` // of a deleted one
		Nested         struct {
			Model struct {
				ID        ConversationID `json:"id"`
				CreatedAt Timestamp      `json:"created_at"`
				UpdatedAt Timestamp      `json:"updated_at"`
			} `json:"model"`
		} `json:"conversation"` // of a contact that was attached or detached
	}
	if err := n.decode(&item, "conversation", ""); err != nil {
		return nil, err
	}
	c := item.Conversation
	switch model := item.Nested.Model; {
	case c.Type == "":
		c = Conversation{ID: model.ID, CreatedAt: model.CreatedAt, UpdatedAt: model.UpdatedAt}
	case c.ID == "":
		c.ID = item.ConversationID
	}
	if c.ID == "" {
		return nil, n.bad(noID)
	}
	return &c, nil
}

// Contact returns the contact of a contact's topic, and of those where one stands beside something else: a tag, a conversation, a
// company or content. Of contact.deleted it has ID and ExternalID alone. It is ErrBadResponse if there is none in the item.
func (n Notification) Contact() (*Contact, error) {
	var item struct {
		Type    string          `json:"type"`
		Contact json.RawMessage `json:"contact"`
	}
	if err := n.decode(&item); err != nil {
		return nil, err
	}
	var c Contact
	if item.Type != "contact" && len(item.Contact) > 0 {
		n.Item = item.Contact
	}
	if err := n.decode(&c, "contact"); err != nil {
		return nil, err
	}
	if c.ID == "" {
		return nil, n.bad(noID)
	}
	return &c, nil
}

// ActivityLog returns the activity of an admin.activity_log_event.created. It is ErrBadResponse if the item is something else.
func (n Notification) ActivityLog() (*ActivityLog, error) {
	var a ActivityLog
	if err := n.decode(&a, "admin_activity_log_event"); err != nil {
		return nil, err
	}
	if a.ID == "" {
		return nil, n.bad(noID)
	}
	return &a, nil
}

// APIRequest is a request to Intercom's API, by any app of the workspace. Intercom tells of those that succeeded.
type APIRequest struct {
	ID          string // Intercom's request id
	CompletedAt Timestamp
	Method      string
	Path        string
	IP          string
	UserAgent   string
	Status      int
	// AdminID and Email are whose token it was.
	AdminID AdminID
	Email   string
	// AuthMethod is how it was authenticated, such as "oauth"; the rest says by which token of which app.
	AuthMethod     string
	TokenID        string
	OAuthClientID  string
	AppPackageCode string
}

// APIRequest returns the request of an api.request.completed. It is ErrBadResponse if the item is something else.
func (n Notification) APIRequest() (*APIRequest, error) {
	var item struct {
		RequestID ID        `json:"request_id"`
		Timestamp Timestamp `json:"timestamp"`
		Request   struct {
			Method    string `json:"method"`
			Path      string `json:"path"`
			IP        string `json:"ip"`
			IPAddress string `json:"ip_address"`
			UserAgent string `json:"user_agent"`
		} `json:"request"`
		Authentication struct {
			Method         string `json:"method"`
			TokenID        ID     `json:"token_id"`
			OAuthClientID  ID     `json:"oauth_client_id"`
			AppPackageCode string `json:"app_package_code"`
		} `json:"authentication"`
		Response struct {
			Status int `json:"status"`
		} `json:"response"`
		Admin struct {
			ID    AdminID `json:"id"`
			Email string  `json:"email"`
		} `json:"admin"`
	}
	if err := n.decode(&item, "api.request.completed"); err != nil {
		return nil, err
	}
	r, auth := item.Request, item.Authentication
	return &APIRequest{ID: string(item.RequestID), CompletedAt: item.Timestamp, Method: r.Method, Path: r.Path, IP: firstOf(r.IPAddress, r.IP),
		UserAgent: r.UserAgent, Status: item.Response.Status, AdminID: item.Admin.ID, Email: item.Admin.Email, AuthMethod: auth.Method,
		TokenID: string(auth.TokenID), OAuthClientID: string(auth.OAuthClientID), AppPackageCode: auth.AppPackageCode}, nil
}

// decode reads the item, which is to be of one of the types; of any, if there are none.
func (n *Notification) decode(out any, types ...string) error {
	var item struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(n.Item, &item); err != nil {
		return n.bad("the item is no JSON object with a type")
	}
	known := len(types) == 0
	for _, t := range types {
		known = known || t == item.Type
	}
	if !known {
		return n.bad(fmt.Sprintf("the item is of type %q, not %q", printable(item.Type, 40), types[0]))
	}
	if err := json.Unmarshal(n.Item, out); err != nil {
		return n.bad(fmt.Sprintf("the item of type %q cannot be decoded: %s", printable(item.Type, 40), printable(err.Error(), 200)))
	}
	return nil
}

const noID = "the item has no id"

func (n *Notification) bad(what string) error {
	return &callError{fmt.Sprintf("notification %s: %s", printable(string(n.Topic), 80), what), []error{ErrBadResponse}}
}
