package intercomtest

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // Intercom signs notifications with HMAC-SHA1
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// SignNotification returns what stands in X-Hub-Signature of a notification with that body.
//
// Source: https://developers.intercom.com/docs/references/2.16/webhooks/webhook-models
func SignNotification(clientSecret string, body []byte) string {
	return "sha1=" + sign(sha1.New, clientSecret, body)
}

// SignBody returns what stands in X-Body-Signature of a health check with that body.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/installation-health-check
func SignBody(clientSecret string, body []byte) string { return sign(sha256.New, clientSecret, body) }

func sign(h func() hash.Hash, secret string, body []byte) string {
	mac := hmac.New(h, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// Delivery is a request that Intercom sends to an app, ready to be sent: once, or again, or later than another, or after it was
// changed, as a test wants it.
type Delivery struct {
	// Path is "/", "/uninstall" or "/health", as [intercomrbac.Receiver] has them.
	Path   string
	Header http.Header
	Body   []byte
}

// Answer is what a [Delivery] was answered.
type Answer struct {
	Status int
	Body   string
}

// To hands the delivery to a handler, in memory and in the caller's goroutine.
func (d Delivery) To(h http.Handler) Answer {
	r := httptest.NewRequest(http.MethodPost, "https://app.example.com"+d.Path, bytes.NewReader(d.Body))
	r.Header = d.Header.Clone()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return Answer{w.Code, w.Body.String()}
}

// Post sends the delivery to a server: base is where a receiver is mounted, such as srv.URL + "/webhooks". A nil client is
// http.DefaultClient.
func (d Delivery) Post(ctx context.Context, client *http.Client, base string) (Answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(base, "/")+d.Path, bytes.NewReader(d.Body))
	if err != nil {
		return Answer{}, err
	}
	r.Header = d.Header.Clone()
	resp, err := cmp.Or(client, http.DefaultClient).Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	return Answer{resp.StatusCode, string(body)}, err
}

// Notification describes a notification. Topic is needed, and Item unless it is a ping.
type Notification struct {
	Topic intercomrbac.EventTopic
	// Item is what happened to what: one of the server's items, or whatever encodes as JSON.
	Item any
	// ID is made up if empty, but for a ping, which has none.
	ID string
	// NoID makes the id null.
	NoID bool
	// CreatedAt is now if zero.
	CreatedAt time.Time
}

// Notification returns a notification of the workspace, signed.
func (s *Server) Notification(clientSecret string, n Notification) Delivery {
	if n.Topic == "" || n.Item == nil && n.Topic != intercomrbac.EventPing {
		panic("intercomtest: Notification: there is no Topic or no Item")
	}
	if n.CreatedAt.IsZero() {
		n.CreatedAt = time.Now()
	}
	id, status := any(cmp.Or(n.ID, "notif_"+uuid())), any("pending")
	if n.NoID || n.Topic == intercomrbac.EventPing && n.ID == "" {
		id = nil
	}
	if n.Topic == intercomrbac.EventPing {
		status = nil
		if n.Item == nil {
			n.Item = object{"type": "ping", "message": "is anybody there?"}
		}
	}
	body := mustJSON(object{
		"type": "notification_event", "app_id": string(s.workspace.ID),
		"data":  object{"type": "notification_event_data", "item": n.Item},
		"links": object{}, "id": id, "topic": string(n.Topic), "delivery_status": status, "delivery_attempts": 1, "delivered_at": 0,
		"first_sent_at": n.CreatedAt.Unix(), "created_at": n.CreatedAt.Unix(), "self": nil,
	})
	return delivery("/", body, "X-Hub-Signature", SignNotification(clientSecret, body))
}

// UninstallNotice returns the notice that the app was uninstalled from the workspace. Whether Intercom signs it is not documented: with
// an empty secret it is not signed, else as a notification is.
func (s *Server) UninstallNotice(clientSecret string) Delivery {
	body := mustJSON(object{"app_id": string(s.workspace.ID)})
	if clientSecret == "" {
		return delivery("/uninstall", body)
	}
	return delivery("/uninstall", body, "X-Hub-Signature", SignNotification(clientSecret, body))
}

// HealthCheck returns the daily installation health check of the workspace, signed.
func (s *Server) HealthCheck(clientSecret string) Delivery {
	body := mustJSON(object{"workspace_id": string(s.workspace.ID)})
	return delivery("/health", body, "X-Body-Signature", SignBody(clientSecret, body))
}

func delivery(path string, body []byte, signature ...string) Delivery {
	h := http.Header{"Content-Type": {"application/json"}, "Accept": {"application/json"}, "User-Agent": {"intercom-parrot-service-client/1.0"}}
	if len(signature) == 2 {
		h.Set(signature[0], signature[1])
	}
	return Delivery{Path: path, Header: h, Body: body}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("intercomtest: the item cannot be encoded: %v", err))
	}
	return b
}

func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// AdminItem returns a teammate as notifications have them: the id is a number, the avatar an object, and there is no role. Of one who
// is not there, or any more, it has little but the id.
func (s *Server) AdminItem(id intercomrbac.AdminID) any {
	mustDigits("admin id", string(id))
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.admins.get(id)
	if !ok {
		a = &Admin{ID: id, Name: "Gone Teammate", Email: "gone@example.com"}
	}
	return object{
		"type": "admin", "id": number(id), "name": a.Name, "email": a.Email, "job_title": orNull(a.JobTitle), "away_mode_enabled": a.Away,
		"away_mode_reassign": a.AwayReassign, "away_status_reason": "", "has_inbox_seat": !a.NoInboxSeat, "team_ids": numbers(s.teamsOf(id)),
		"avatar": object{"type": "avatar", "image_url": orNull(a.AvatarURL)},
	}
}

// ActivityLogItem returns what a teammate did, from [Server.AddActivityLog]. It panics if there is none.
func (s *Server) ActivityLogItem(id string) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.activities.get(id)
	if !ok {
		panic(fmt.Sprintf("intercomtest: no activity log %q", id))
	}
	o := a.object()
	o["type"] = "admin_activity_log_event"
	return o
}

// ConversationItem returns a conversation as notifications have it since API version 2.15: texts are plain. It panics if there is none.
func (s *Server) ConversationItem(id intercomrbac.ConversationID) any {
	return s.conversationItem(id, "plaintext", func(t time.Time) any { return t.Unix() })
}

// ConversationItem214 is [Server.ConversationItem] of before API version 2.15: texts are HTML, and the times among the statistics are
// text.
func (s *Server) ConversationItem214(id intercomrbac.ConversationID) any {
	return s.conversationItem(id, "", func(t time.Time) any { return t.UTC().Format("2006-01-02T15:04:05.000Z") })
}

func (s *Server) conversationItem(id intercomrbac.ConversationID, display string, at func(time.Time) any) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.byID[id]
	if !ok {
		panic(fmt.Sprintf("intercomtest: no conversation %q", string(id)))
	}
	o := s.wholeConversation(&request{query: url.Values{"display_as": {display}}}, c)
	o["statistics"] = object{
		"type": "conversation_statistics", "time_to_assignment": nil, "first_contact_reply_at": at(c.CreatedAt), "last_contact_reply_at": at(c.UpdatedAt),
		"first_admin_reply_at": nil, "last_closed_by_id": nil, "count_reopens": 0, "count_conversation_parts": len(c.Parts) + 1,
		"assigned_team_first_response_time": []object{},
	}
	return o
}

// DeletedConversationItem returns what conversation.deleted tells.
func DeletedConversationItem(id intercomrbac.ConversationID) any {
	return object{"type": "conversation", "conversation_id": string(id)}
}

// ContactItem returns a contact as notifications have them: times are text. It panics if there is none.
func (s *Server) ContactItem(id intercomrbac.ContactID) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.contacts.get(id)
	if !ok {
		panic(fmt.Sprintf("intercomtest: no contact %q", string(id)))
	}
	o := s.contactJSON(c)
	for name, t := range map[string]time.Time{"created_at": c.CreatedAt, "updated_at": c.UpdatedAt, "signed_up_at": c.SignedUpAt, "last_seen_at": c.LastSeenAt} {
		o[name] = nil
		if !t.IsZero() {
			o[name] = t.UTC().Format("2006-01-02T15:04:05.000+00:00")
		}
	}
	return o
}

// DeletedContactItem returns what contact.deleted tells.
func DeletedContactItem(id intercomrbac.ContactID, externalID string) any {
	return object{"id": string(id), "external_id": orNull(externalID), "type": "contact", "deleted": true}
}

// APIRequestItem returns what api.request.completed tells of a call, in the name of the teammate that GET /me shows.
func (s *Server) APIRequestItem(c Call) any {
	s.mu.Lock()
	defer s.mu.Unlock()
	me := s.installer()
	return object{
		"type": "api.request.completed", "request_id": strings.ToLower(rand.Text()[:20]), "timestamp": c.At.Unix(),
		"request":        object{"method": c.Method, "path": c.Path, "ip_address": "192.0.2.7", "user_agent": c.Header.Get("User-Agent")},
		"authentication": object{"method": "oauth", "token_id": uuid(), "oauth_client_id": uuid(), "app_package_code": "fake-app"},
		"response":       object{"status": c.Status},
		"admin":          object{"id": string(me.ID), "email": me.Email},
	}
}
