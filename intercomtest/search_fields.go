package intercomtest

import (
	"encoding/json"
	"html"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// field is one that can be searched by.
type field[T listed] struct {
	kind kind
	get  func(*Server, T) operand
}

var conversationIndex = index[*conversation]{
	fields: conversationFields,
	custom: func(name string) field[*conversation] {
		return field[*conversation]{custom, func(_ *Server, c *conversation) operand { return attribute(c.CustomAttributes[name]) }}
	},
	operators: map[kind][]string{
		textual: {"=", "!=", "IN", "NIN", "~", "!~", "^", "$"},
		numeric: {"=", "!=", "IN", "NIN", ">", "<"},
		boolean: {"=", "!=", "IN", "NIN"},
		custom:  {"=", "!=", "IN", "NIN", ">", "<", "~", "!~", "^", "$"},
	},
	inclusive: true, per: 20, write: (*Server).conversationJSON, envelope: "conversation.list", member: "conversations",
}

var contactIndex = index[*contact]{
	fields: contactFields,
	custom: func(name string) field[*contact] {
		return field[*contact]{custom, func(_ *Server, c *contact) operand { return attribute(c.CustomAttributes[name]) }}
	},
	operators: map[kind][]string{
		textual: {"=", "!=", "IN", "NIN", "~", "!~", "^", "$"},
		exact:   {"=", "!="},
		day:     {"=", ">", "<"},
		boolean: {"=", "!=", "IN", "NIN"},
		custom:  {"=", "!=", "IN", "NIN", ">", "<", ">=", "<=", "~", "!~", "^", "$"},
	},
	per: 50, write: func(s *Server, _ *request, c *contact) object { return s.contactJSON(c) }, envelope: "list", member: "data",
}

// contactFields are those of Intercom's list for which the fake has values.
var contactFields = map[string]field[*contact]{
	"id":           {textual, func(_ *Server, c *contact) operand { return texts(c.ID) }},
	"role":         {textual, func(_ *Server, c *contact) operand { return texts(c.Role) }},
	"name":         {textual, func(_ *Server, c *contact) operand { return texts(c.Name) }},
	"email":        {textual, func(_ *Server, c *contact) operand { return texts(c.Email) }},
	"email_domain": {textual, func(_ *Server, c *contact) operand { return texts(domain(c.Email)) }},
	"phone":        {textual, func(_ *Server, c *contact) operand { return texts(c.Phone) }},
	"external_id":  {textual, func(_ *Server, c *contact) operand { return texts(c.ExternalID) }},
	"owner_id":     {textual, func(_ *Server, c *contact) operand { return texts(c.OwnerID) }},
	"tag_id":       {exact, func(_ *Server, c *contact) operand { return texts(c.TagIDs...) }},

	"created_at":   {day, func(_ *Server, c *contact) operand { return date(c.CreatedAt) }},
	"updated_at":   {day, func(_ *Server, c *contact) operand { return date(c.UpdatedAt) }},
	"signed_up_at": {day, func(_ *Server, c *contact) operand { return date(c.SignedUpAt) }},
	"last_seen_at": {day, func(_ *Server, c *contact) operand { return date(c.LastSeenAt) }},

	"unsubscribed_from_emails": {boolean, func(_ *Server, c *contact) operand { return flag(c.UnsubscribedFromEmails) }},
	"marked_email_as_spam":     {boolean, func(*Server, *contact) operand { return flag(false) }},
	"has_hard_bounced":         {boolean, func(*Server, *contact) operand { return flag(false) }},
}

func domain(address string) string {
	_, after, _ := strings.Cut(address, "@")
	return after
}

// conversationFields are those of Intercom's list for which the fake has values.
var conversationFields = map[string]field[*conversation]{
	"id":                {textual, func(_ *Server, c *conversation) operand { return texts(string(c.ID)) }},
	"created_at":        {numeric, func(_ *Server, c *conversation) operand { return date(c.CreatedAt) }},
	"updated_at":        {numeric, func(_ *Server, c *conversation) operand { return date(c.UpdatedAt) }},
	"waiting_since":     {numeric, func(_ *Server, c *conversation) operand { return date(c.WaitingSince) }},
	"snoozed_until":     {numeric, func(_ *Server, c *conversation) operand { return date(c.SnoozedUntil) }},
	"admin_assignee_id": {numeric, func(_ *Server, c *conversation) operand { return integer(string(c.AdminAssigneeID)) }},
	"team_assignee_id":  {numeric, func(_ *Server, c *conversation) operand { return integer(string(c.TeamAssigneeID)) }},

	"open":                  {boolean, func(_ *Server, c *conversation) operand { return flag(c.State != "closed") }},
	"read":                  {boolean, func(_ *Server, c *conversation) operand { return flag(c.Read) }},
	"ai_agent_participated": {boolean, func(*Server, *conversation) operand { return flag(false) }},

	"state":        {textual, func(_ *Server, c *conversation) operand { return texts(c.State) }},
	"priority":     {textual, func(_ *Server, c *conversation) operand { return texts(c.Priority) }},
	"contact_ids":  {textual, func(_ *Server, c *conversation) operand { return texts(c.ContactIDs...) }},
	"tag_ids":      {textual, func(_ *Server, c *conversation) operand { return texts(c.TagIDs...) }},
	"teammate_ids": {textual, func(_ *Server, c *conversation) operand { return texts(authors(c)...) }},

	"source.type":         {textual, func(*Server, *conversation) operand { return texts("conversation") }},
	"source.id":           {textual, func(_ *Server, c *conversation) operand { return texts(c.sourceID) }},
	"source.delivered_as": {textual, func(_ *Server, c *conversation) operand { return texts(deliveredAs(c)) }},
	"source.subject":      {textual, func(_ *Server, c *conversation) operand { return texts(c.Subject) }},
	"source.url":          {textual, func(*Server, *conversation) operand { return texts("") }},
	"source.body":         {textual, func(_ *Server, c *conversation) operand { return texts(words(c.Body)...) }},
	"source.author.id":    {textual, author("id")},
	"source.author.type":  {textual, author("type")},
	"source.author.name":  {textual, author("name")},
	"source.author.email": {textual, author("email")},
}

// texts leaves out the empty ones: a field without any is unset.
func texts[T ~string](values ...T) operand {
	o := operand{kind: textual}
	for _, v := range values {
		if v != "" {
			o.texts = append(o.texts, string(v))
		}
	}
	o.unset = len(o.texts) == 0
	return o
}

func date(t time.Time) operand {
	if t.IsZero() {
		return operand{kind: numeric, unset: true}
	}
	return operand{kind: numeric, number: t.Unix()}
}

// integer reads an id of digits; the empty one is 0, as in the answers.
func integer(id string) operand {
	n, _ := strconv.ParseInt(id, 10, 64)
	return operand{kind: numeric, number: n}
}

func flag(b bool) operand { return operand{kind: boolean, flag: b} }

func author(member string) func(*Server, *conversation) operand {
	return func(s *Server, c *conversation) operand {
		v, _ := s.initiator(c)[member].(string)
		return texts(v)
	}
}

// words splits a body, for Intercom compares each word of it and not the whole.
func words(body string) []string {
	plain := html.UnescapeString(markup.ReplaceAllString(body, " "))
	return strings.FieldsFunc(plain, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '\'' })
}

// authors are the teammates who wrote a part.
func authors(c *conversation) []string {
	var ids []string
	for i := range c.Parts {
		if c.Parts[i].AuthorType == "admin" {
			ids = append(ids, c.Parts[i].AuthorID)
		}
	}
	return ids
}

// attribute is the value of a custom attribute.
func attribute(value any) operand {
	switch v := value.(type) {
	case string:
		return texts(v)
	case bool:
		return flag(v)
	case int:
		return operand{kind: numeric, number: int64(v)}
	case int64:
		return operand{kind: numeric, number: v}
	case float64:
		return operand{kind: numeric, number: int64(v)}
	case json.Number:
		n, _ := v.Int64()
		return operand{kind: numeric, number: n}
	case []string:
		return texts(v...)
	default:
		return operand{unset: true}
	}
}
