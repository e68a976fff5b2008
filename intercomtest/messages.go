package intercomtest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Message is a message that a teammate sent to contacts.
type Message struct {
	ID           string
	Type         string // "inapp" or "email"
	FromID       intercomrbac.AdminID
	ToIDs        []intercomrbac.ContactID
	CCIDs        []intercomrbac.ContactID
	BCCIDs       []intercomrbac.ContactID
	Subject      string
	Body         string
	Template     string                      // of an e-mail: "plain" or "personal"
	Conversation intercomrbac.ConversationID // empty where none was opened
	CreatedAt    time.Time
}

// Messages returns what was sent so far, in order.
func (s *Server) Messages() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := slices.Clone(s.messages)
	for i, m := range list {
		list[i].ToIDs, list[i].CCIDs, list[i].BCCIDs = slices.Clone(m.ToIDs), slices.Clone(m.CCIDs), slices.Clone(m.BCCIDs)
	}
	return list
}

// recipient is a contact as a message names one.
type recipient struct {
	Type   string `json:"type"`
	ID     wireID `json:"id"`
	UserID string `json:"user_id"`
	Email  string `json:"email"`
}

// recipients are one or a list of them.
type recipients []recipient

// UnmarshalJSON accepts an object, a list of them, or null.
func (r *recipients) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte("{")) {
		*r = make(recipients, 1)
		return json.Unmarshal(b, &(*r)[0])
	}
	return json.Unmarshal(b, (*[]recipient)(r))
}

func (s *Server) createMessage(r *request) (any, error) {
	var body struct {
		Type string `json:"message_type"`
		From struct {
			Type string `json:"type"`
			ID   wireID `json:"id"`
		} `json:"from"`
		To, CC, BCC recipients
		Subject     string `json:"subject"`
		Body        string `json:"body"`
		Template    string `json:"template"`
		CreatedAt   *int64 `json:"created_at"`
		Start       bool   `json:"create_conversation_without_contact_reply"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	email := body.Type == "email"
	switch {
	case body.From.Type != "admin":
		return nil, invalid("from.type", "from.type must be admin: the fake sends no messages of contacts")
	case !slices.Contains([]string{"email", "inapp", "in_app"}, body.Type):
		return nil, invalid("message_type", "message_type must be in_app or email: the fake sends no others")
	case len(body.To) == 0:
		return nil, missing("to")
	case strings.TrimSpace(body.Body) == "":
		return nil, invalid("", "Body is required")
	case email && strings.TrimSpace(body.Subject) == "":
		return nil, fail(http.StatusUnprocessableEntity, "parameter_not_found", "No subject supplied for email message")
	case email && !slices.Contains([]string{"", "plain", "personal"}, body.Template):
		return nil, invalid("template", "template must be plain or personal")
	}
	from, err := s.acting(body.From.ID)
	if err != nil {
		return nil, err
	}
	m := Message{Type: "inapp", FromID: from.ID, Subject: body.Subject, Body: body.Body, CreatedAt: r.now}
	if email {
		m.Type, m.Template = "email", body.Template
	}
	if body.CreatedAt != nil {
		m.CreatedAt = fromUnix(body.CreatedAt)
	}
	for list, ids := range map[*recipients]*[]intercomrbac.ContactID{&body.To: &m.ToIDs, &body.CC: &m.CCIDs, &body.BCC: &m.BCCIDs} {
		if *ids, err = s.recipients(*list); err != nil {
			return nil, err
		}
	}
	if body.Start {
		c := s.putConversation(Conversation{ContactIDs: m.ToIDs, StartedBy: from.ID, Subject: m.Subject, Body: m.Body, CreatedAt: m.CreatedAt})
		m.ID, m.Conversation = c.sourceID, c.ID // a conversation that begins later is found by the message's id as well
	} else {
		m.ID = strconv.FormatInt(s.nextNumber("message", 19), 10)
	}
	s.messages = append(s.messages, m)
	answer := object{
		"type": "admin_message", "id": m.ID, "created_at": m.CreatedAt.Unix(), "body": m.Body, "message_type": m.Type,
		"owner": object{
			"type": "admin", "id": string(from.ID), "name": from.Name, "email": from.Email,
			"away_mode_enabled": from.Away, "away_mode_reassign": from.AwayReassign,
		},
	}
	if m.Subject != "" {
		answer["subject"] = m.Subject
	}
	if m.Conversation != "" {
		answer["conversation_id"] = string(m.Conversation)
	}
	return answer, nil
}

// recipients are the contacts that a message names.
func (s *Server) recipients(list recipients) (ids []intercomrbac.ContactID, err error) {
	for _, to := range list {
		if to.Type != "user" && to.Type != "lead" {
			return nil, invalid("to.type", "the type of a recipient must be user or lead")
		}
		c, ok := s.findPerson(string(to.ID), to.UserID, to.Email)
		if !ok {
			return nil, errUserNotFound
		}
		ids = append(ids, c.ID)
	}
	return ids, nil
}
