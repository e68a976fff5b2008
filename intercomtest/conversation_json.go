package intercomtest

import (
	"html"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

// maxParts is how many parts Intercom shows of a conversation: the newest.
const maxParts = 500

// text writes a body the way that was asked for: HTML unless the client wants plain text.
func (r *request) text(body string) string {
	plain := r.query.Get("display_as") == "plaintext"
	switch {
	case body == "":
		return ""
	case strings.HasPrefix(body, "<") && plain:
		return html.UnescapeString(markup.ReplaceAllString(body, ""))
	case strings.HasPrefix(body, "<") || plain:
		return body
	default:
		return "<p>" + html.EscapeString(body) + "</p>"
	}
}

var markup = regexp.MustCompile(`<[^>]*>`)

// conversationJSON is a conversation as lists have it: without its parts.
func (s *Server) conversationJSON(r *request, c *conversation) object {
	contacts := make([]object, 0, len(c.ContactIDs))
	for _, id := range c.ContactIDs {
		ref := object{"type": "contact", "id": string(id), "external_id": nil}
		if who, ok := s.contacts.get(id); ok {
			ref["external_id"] = orNull(who.ExternalID)
		}
		contacts = append(contacts, ref)
	}
	tags := make([]object, 0, len(c.TagIDs))
	for _, id := range c.TagIDs {
		tags = append(tags, s.tagJSON(c.tagged, id))
	}
	custom := c.CustomAttributes
	if custom == nil {
		custom = map[string]any{}
	}
	o := object{
		"type": "conversation", "id": string(c.ID), "title": orNull(c.Title),
		"created_at": c.CreatedAt.Unix(), "updated_at": c.UpdatedAt.Unix(),
		"waiting_since": unixOrNull(c.WaitingSince), "snoozed_until": unixOrNull(c.SnoozedUntil),
		"open": c.State != "closed", "state": c.State, "read": c.Read, "priority": c.Priority,
		"admin_assignee_id": number(c.AdminAssigneeID), "team_assignee_id": number(c.TeamAssigneeID),
		"tags":     object{"type": "tag.list", "tags": tags},
		"contacts": object{"type": "contact.list", "contacts": contacts},
		"source": object{
			"type": "conversation", "id": c.sourceID, "delivered_as": deliveredAs(c),
			"subject": r.text(c.Subject), "body": r.text(c.Body), "author": s.initiator(c),
			"attachments": []object{}, "url": nil, "redacted": c.Redacted,
		},
		"first_contact_reply": object{"created_at": c.CreatedAt.Unix(), "type": "conversation", "url": nil},
		"teammates":           s.teammates(c),
		"custom_attributes":   custom,
		"linked_objects":      object{"type": "list", "data": []object{}, "total_count": 0, "has_more": false},
		"topics":              object{}, "ticket": nil,
		"conversation_rating": nil, "sla_applied": nil, "statistics": nil,
		"ai_agent": nil, "ai_agent_participated": false,
	}
	if c.CompanyID != "" {
		o["company"] = object{"type": "company", "id": c.CompanyID}
	}
	return o
}

// wholeConversation has the parts as well.
func (s *Server) wholeConversation(r *request, c *conversation) object {
	shown := c.Parts[max(len(c.Parts)-maxParts, 0):]
	parts := make([]object, 0, len(shown))
	for i := range shown {
		parts = append(parts, s.partJSON(r, &shown[i]))
	}
	o := s.conversationJSON(r, c)
	o["conversation_parts"] = object{"type": "conversation_part.list", "conversation_parts": parts, "total_count": len(c.Parts)}
	return o
}

func (s *Server) partJSON(r *request, p *Part) object {
	attachments := make([]object, 0, len(p.AttachmentURLs))
	for _, u := range p.AttachmentURLs {
		name := path.Base(u)
		if plain, err := url.PathUnescape(name); err == nil {
			name = plain
		}
		attachments = append(attachments, object{
			"type": "upload", "name": name, "url": u, "content_type": "application/octet-stream", "filesize": 100,
		})
	}
	metadata := object{}
	if len(p.QuickReplies) > 0 {
		metadata["quick_reply_options"] = p.QuickReplies
	}
	var assigned any
	if p.AssignedToType != "" {
		assigned = object{"type": p.AssignedToType, "id": orNull(p.AssignedToID)}
	}
	return object{
		"type": "conversation_part", "id": p.ID, "part_type": p.Type, "body": orNull(r.text(p.Body)),
		"created_at": p.CreatedAt.Unix(), "updated_at": p.CreatedAt.Unix(), "notified_at": p.CreatedAt.Unix(),
		"assigned_to": assigned, "author": s.authorJSON(p.AuthorType, p.AuthorID),
		"attachments": attachments, "external_id": nil, "redacted": p.Redacted, "metadata": metadata,
		"email_message_metadata": nil, "state": p.State, "tags": []object{}, "event_details": nil, "app_package_code": nil,
	}
}

func deliveredAs(c *conversation) string {
	if c.StartedBy != "" {
		return "admin_initiated"
	}
	return "customer_initiated"
}

// initiator is who began the conversation.
func (s *Server) initiator(c *conversation) object {
	if c.StartedBy != "" {
		return s.authorJSON("admin", string(c.StartedBy))
	}
	id := c.starter
	if id == "" {
		if len(c.ContactIDs) == 0 {
			return s.authorJSON("bot", "")
		}
		id = c.ContactIDs[0]
	}
	return s.authorJSON(s.roleOf(id), string(id))
}

func (s *Server) roleOf(id intercomrbac.ContactID) string {
	if c, ok := s.contacts.get(id); ok {
		return c.Role
	}
	return "user"
}

func (s *Server) authorJSON(kind, id string) object {
	o := object{"type": kind, "id": id, "name": nil}
	email := ""
	switch kind {
	case "admin":
		if a, ok := s.admins.get(intercomrbac.AdminID(id)); ok {
			o["name"], email = a.Name, a.Email
		}
	case "bot":
		o["name"], email = "Fin", "operator+"+string(s.workspace.ID)+"@intercom.io"
	default:
		if c, ok := s.contacts.get(intercomrbac.ContactID(id)); ok {
			o["name"], email = orNull(c.Name), c.Email
		}
	}
	if email != "" { // not nullable by the description, so absent
		o["email"] = email
	}
	return o
}

// teammates are those who wrote a part. Intercom's description calls the list teammates, its answers admins.
func (s *Server) teammates(c *conversation) any {
	seen := map[string]bool{}
	var list []object
	for i := range c.Parts {
		if p := &c.Parts[i]; p.AuthorType == "admin" && !seen[p.AuthorID] {
			seen[p.AuthorID] = true
			list = append(list, object{"type": "admin", "id": p.AuthorID})
		}
	}
	if list == nil {
		return nil
	}
	return object{"type": "admin.list", "teammates": list, "admins": list}
}

// tagOn puts a tag on what has these, and reports whether it was not on it.
func tagOn(ids *[]intercomrbac.TagID, tagged map[intercomrbac.TagID]tagging, id intercomrbac.TagID, how tagging) bool {
	if slices.Contains(*ids, id) {
		return false
	}
	*ids = append(*ids, id)
	tagged[id] = how
	return true
}

// tagOff takes a tag off what has these, and reports whether it was on it.
func tagOff(ids *[]intercomrbac.TagID, tagged map[intercomrbac.TagID]tagging, id intercomrbac.TagID) bool {
	before := len(*ids)
	*ids = slices.DeleteFunc(*ids, func(t intercomrbac.TagID) bool { return t == id })
	delete(tagged, id)
	return len(*ids) < before
}

func (s *Server) tagJSON(tagged map[intercomrbac.TagID]tagging, id intercomrbac.TagID) object {
	t := tagged[id]
	o := object{"type": "tag", "id": string(id), "applied_at": t.at.Unix(), "applied_by": nil}
	if tag, ok := s.tags.get(id); ok {
		o["name"] = tag.Name
	}
	if t.by != "" {
		o["applied_by"] = object{"type": "admin", "id": string(t.by)}
	}
	return o
}
