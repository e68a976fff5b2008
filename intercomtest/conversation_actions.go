package intercomtest

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// AddPart adds a part behind the API's back, such as a customer's answer: Part{AuthorType: "user", AuthorID: ...}. An
// empty ID, Type (comment), AuthorType (bot), State or time is made up. What a customer writes opens the conversation.
// Other parts change nothing but the list of parts. It panics if there is no such conversation.
func (s *Server) AddPart(id intercomrbac.ConversationID, p Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.byID[id]
	if c == nil {
		panic("intercomtest: AddPart: there is no conversation " + string(id))
	}
	if p.AuthorType == "user" || p.AuthorType == "lead" {
		c.State, c.SnoozedUntil = "open", time.Time{}
		if c.WaitingSince.IsZero() {
			c.WaitingSince = time.Now()
		}
		s.noteSnooze(c)
	}
	s.addPart(c, p)
}

// addPart adds a part with the state that the conversation has by now.
func (s *Server) addPart(c *conversation, p Part) {
	s.fillPart(&p, c.State, time.Now())
	c.Parts = append(c.Parts, p)
	c.UpdatedAt = p.CreatedAt
}

// change finds the conversation and the acting teammate of a request, after its body was read.
func (s *Server) change(r *request, body any, admin *wireID) (*conversation, *Admin, error) {
	if err := r.decode(body); err != nil {
		return nil, nil, err
	}
	c, err := s.findConversation(r)
	if err != nil {
		return nil, nil, err
	}
	a, err := s.acting(*admin)
	if err != nil {
		return nil, nil, err
	}
	return c, a, nil
}

// file is a file that a reply brings along.
type file struct {
	Name        string `json:"name"`
	ContentType string `json:"content_type"`
	Data        []byte `json:"data"`
}

func (s *Server) replyConversation(r *request) (any, error) {
	var body struct {
		Type        string       `json:"message_type"`
		AdminID     wireID       `json:"admin_id"`
		Body        string       `json:"body"`
		CreatedAt   *int64       `json:"created_at"`
		Options     []QuickReply `json:"reply_options"`
		Attachments []string     `json:"attachment_urls"`
		Files       []file       `json:"attachment_files"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	switch {
	case err != nil:
		return nil, err
	case body.Type != "quick_reply" && body.Body == "" && len(body.Attachments)+len(body.Files) == 0:
		return nil, invalid("body", "Body is required")
	case body.Type == "quick_reply" && len(body.Options) == 0:
		return nil, missing("reply_options")
	case slices.ContainsFunc(body.Options, func(o QuickReply) bool { return o.Text == "" || o.UUID == "" }):
		return nil, invalid("reply_options", "reply_options need a text and a uuid each")
	case len(body.Attachments) > 10:
		return nil, invalid("attachment_urls", "attachment_urls may have 10 URLs at the most")
	case len(body.Files) > 10:
		return nil, invalid("attachment_files", "attachment_files may have 10 files at the most")
	case slices.ContainsFunc(body.Files, func(f file) bool { return f.Name == "" || f.ContentType == "" || f.Data == nil }):
		return nil, invalid("attachment_files", "attachment_files need a name, a content_type and data each")
	}
	for _, f := range body.Files {
		body.Attachments = append(body.Attachments, "https://downloads.intercom.test/"+url.PathEscape(f.Name))
	}
	at := r.now
	if body.CreatedAt != nil {
		at = fromUnix(body.CreatedAt)
	}
	if body.Type != "note" {
		c.WaitingSince = time.Time{} // the customer has their answer
	}
	s.addPart(c, Part{
		Type: body.Type, Body: body.Body, AuthorType: "admin", AuthorID: string(a.ID),
		AttachmentURLs: body.Attachments, QuickReplies: body.Options, CreatedAt: at,
	})
	c.UpdatedAt = r.now
	return s.wholeConversation(r, c), nil
}

// assign assigns to a teammate or a team, or takes away that side's assignee. The other side stays as it is.
func (s *Server) assign(r *request) (any, error) {
	var body struct {
		Type       string `json:"type"`
		AdminID    wireID `json:"admin_id"`
		AssigneeID wireID `json:"assignee_id"`
		Body       string `json:"body"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	switch {
	case err != nil:
		return nil, err
	case body.Type != "admin" && body.Type != "team":
		return nil, invalid("type", "type must be admin or team")
	case body.AssigneeID == "":
		return nil, missing("assignee_id")
	}
	p := Part{
		Type: "assignment", Body: body.Body, AuthorType: "admin", AuthorID: string(a.ID), CreatedAt: r.now,
		AssignedToType: body.Type, AssignedToID: string(body.AssigneeID),
	}
	if body.AssigneeID == "0" {
		body.AssigneeID = ""
		p.AssignedToType, p.AssignedToID = "nobody_admin", ""
	}
	switch body.Type {
	case "team":
		id := intercomrbac.TeamID(body.AssigneeID)
		if _, ok := s.teams.get(id); !ok && id != "" {
			return nil, errTeamNotFound
		}
		c.TeamAssigneeID = id
	default:
		id := intercomrbac.AdminID(body.AssigneeID)
		if _, ok := s.admins.get(id); !ok && id != "" {
			return nil, errAdminNotFound
		}
		c.AdminAssigneeID = id
	}
	if c.State == "closed" && body.AssigneeID != "" {
		c.State, p.Type = "open", "assign_and_reopen"
	}
	s.addPart(c, p)
	return s.wholeConversation(r, c), nil
}

func (s *Server) closeConversation(r *request) (any, error) {
	return s.setState(r, "close", "closed")
}

func (s *Server) openConversation(r *request) (any, error) {
	return s.setState(r, "open", "open")
}

func (s *Server) setState(r *request, part, state string) (any, error) {
	var body struct {
		AdminID wireID `json:"admin_id"`
		Body    string `json:"body"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	if err != nil {
		return nil, err
	}
	c.State, c.SnoozedUntil = state, time.Time{}
	s.noteSnooze(c)
	s.addPart(c, Part{Type: part, Body: body.Body, AuthorType: "admin", AuthorID: string(a.ID), CreatedAt: r.now})
	return s.wholeConversation(r, c), nil
}

func (s *Server) snooze(r *request) (any, error) {
	var body struct {
		AdminID wireID `json:"admin_id"`
		Until   *int64 `json:"snoozed_until"`
	}
	c, a, err := s.change(r, &body, &body.AdminID)
	switch {
	case err != nil:
		return nil, err
	case body.Until == nil:
		return nil, missing("snoozed_until")
	case *body.Until <= r.now.Unix():
		return nil, invalid("snoozed_until", "snoozed_until must be in the future")
	}
	c.State, c.SnoozedUntil = "snoozed", fromUnix(body.Until)
	s.noteSnooze(c)
	s.addPart(c, Part{Type: "snoozed", AuthorType: "admin", AuthorID: string(a.ID), CreatedAt: r.now})
	return s.wholeConversation(r, c), nil
}

var (
	errTaggedNotFound = fail(http.StatusNotFound, "not_found", "Conversation not found")
	errTagNotFound    = fail(http.StatusNotFound, "tag_not_found", "Tag not found")
)

// tagChange is change, with the text that the paths about tags have for a conversation that is not there.
func (s *Server) tagChange(r *request, body any, admin *wireID) (*conversation, *Admin, error) {
	c, a, err := s.change(r, body, admin)
	if errors.Is(err, errNotFound) {
		err = errTaggedNotFound
	}
	return c, a, err
}

func (s *Server) attachTag(r *request) (any, error) {
	var body struct {
		ID      wireID `json:"id"`
		AdminID wireID `json:"admin_id"`
	}
	c, a, err := s.tagChange(r, &body, &body.AdminID)
	switch {
	case err != nil:
		return nil, err
	case body.ID == "":
		return nil, missing("id")
	}
	id := intercomrbac.TagID(body.ID)
	if _, ok := s.tags.get(id); !ok {
		return nil, errTagNotFound
	}
	if tagOn(&c.TagIDs, c.tagged, id, tagging{r.now, a.ID}) {
		c.UpdatedAt = r.now
	}
	return s.tagJSON(c.tagged, id), nil
}

func (s *Server) detachTag(r *request) (any, error) {
	var body struct {
		AdminID wireID `json:"admin_id"`
	}
	c, _, err := s.tagChange(r, &body, &body.AdminID)
	if err != nil {
		return nil, err
	}
	id := intercomrbac.TagID(r.args["tag_id"])
	removed := s.tagJSON(c.tagged, id)
	if !tagOff(&c.TagIDs, c.tagged, id) {
		return nil, errTagNotFound
	}
	c.UpdatedAt = r.now
	return removed, nil
}
