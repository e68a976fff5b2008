package intercomtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Conversation is a conversation that a contact began.
type Conversation struct {
	ID         intercomrbac.ConversationID
	ContactIDs []intercomrbac.ContactID // the first one began it
	StartedBy  intercomrbac.AdminID     // the teammate who began it with a message; empty: the first contact
	Title      string
	Subject    string
	Body       string // of the first message; text or HTML
	Redacted   bool   // the first message was
	State      string // "open", "closed" or "snoozed"
	Priority   string // "none", "low", "medium", "high" or "urgent"
	Read       bool

	AdminAssigneeID intercomrbac.AdminID // empty: no teammate
	TeamAssigneeID  intercomrbac.TeamID  // empty: no team

	TagIDs           []intercomrbac.TagID
	CompanyID        string
	CustomAttributes map[string]any
	// Parts are what was said and done after the first message.
	Parts []Part

	WaitingSince time.Time
	SnoozedUntil time.Time // when a snoozed one opens by itself; never if zero
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// Part is one message or action in a conversation.
type Part struct {
	ID   string
	Type string // "comment", "note", "quick_reply", "assignment", "assign_and_reopen", "close", "open", "snoozed", ...
	Body string
	// AuthorType is "admin", "user", "lead" or "bot".
	AuthorType string
	AuthorID   string
	// AssignedToType is "admin", "team" or, for an unassignment, "nobody_admin"; empty if nothing was assigned.
	AssignedToType string
	AssignedToID   string
	// State is the conversation's when the part was added.
	State string
	// AttachmentURLs are the attachments. A file that came within a reply has a URL that is made up and ends in its name.
	AttachmentURLs []string
	QuickReplies   []QuickReply
	Redacted       bool
	CreatedAt      time.Time
}

// QuickReply is one of the answers that a quick_reply part offers.
type QuickReply struct {
	Text string `json:"text"`
	UUID string `json:"uuid"`
}

// Tag is a label.
type Tag struct {
	ID   intercomrbac.TagID
	Name string
	// Segment is the name of a segment of contacts that is made of the tag, which then cannot be deleted; none if empty.
	Segment string
}

// conversation is a Conversation with what no test needs to say.
type conversation struct {
	Conversation
	seq      int64 // order of arrival
	sourceID string
	starter  intercomrbac.ContactID // who began it, once they have left it
	tagged   map[intercomrbac.TagID]tagging
}

// tagging is when, and by whom, a tag was put on. It is by nobody when a test did it.
type tagging struct {
	at time.Time
	by intercomrbac.AdminID
}

// AddTag adds a tag, or renames the one with that ID. An empty ID or Name is made up.
func (s *Server) AddTag(t Tag) intercomrbac.TagID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.putTag(t)
}

func (s *Server) putTag(t Tag) intercomrbac.TagID {
	t.ID = freeID(s, &s.tags, t.ID, "tag", 7522907)
	t.Name = cmp.Or(t.Name, fmt.Sprintf("Tag %d", len(s.tags.items)+1))
	s.tags.put(t.ID, t)
	return t.ID
}

// AddConversation adds a conversation, or replaces the one with that ID. An empty ID, State (open), Priority (none) or
// time of creation is made up; without ContactIDs the workspace's first contact began it, who is added if need be.
// It panics if a tag or contact is not in the workspace; assignees need not be.
func (s *Server) AddConversation(c Conversation) intercomrbac.ConversationID {
	if len(c.ContactIDs) == 0 {
		c.ContactIDs = []intercomrbac.ContactID{s.firstContact()}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range c.ContactIDs {
		if _, ok := s.contacts.get(id); !ok {
			panic(fmt.Sprintf("intercomtest: AddConversation: there is no contact %q: use AddContact first", id))
		}
	}
	s.mustHaveTags("AddConversation", c.TagIDs)
	return s.putConversation(c).ID
}

func (s *Server) firstContact() intercomrbac.ContactID {
	s.mu.Lock()
	for _, c := range s.contacts.items {
		if c.live() {
			s.mu.Unlock()
			return c.ID
		}
	}
	s.mu.Unlock()
	return s.AddContact(Contact{})
}

func (s *Server) putConversation(c Conversation) *conversation {
	for c.ID == "" {
		id := intercomrbac.ConversationID(strconv.FormatInt(s.nextNumber("conversation", 215470001), 10))
		if s.byID[id] == nil {
			c.ID = id
		}
	}
	mustDigits("conversation id", string(c.ID))
	mustDigitsOrEmpty("admin id", string(c.AdminAssigneeID))
	mustDigitsOrEmpty("team id", string(c.TeamAssigneeID))
	c.State, c.Priority = cmp.Or(c.State, "open"), cmp.Or(c.Priority, "none")
	if !slices.Contains([]string{"open", "closed", "snoozed"}, c.State) {
		panic(fmt.Sprintf("intercomtest: state %q of a conversation: Intercom has open, closed and snoozed", c.State))
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Now()
	}
	c = c.clone()
	latest := c.CreatedAt
	for i := range c.Parts {
		s.fillPart(&c.Parts[i], c.State, c.CreatedAt)
		if at := c.Parts[i].CreatedAt; at.After(latest) {
			latest = at
		}
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = latest
	}
	p := s.byID[c.ID]
	if p == nil {
		n := s.nextNumber("conversation order", 1)
		p = &conversation{seq: n, sourceID: strconv.FormatInt(403918320+n, 10)}
		s.byID[c.ID] = p
		s.conversations = append(s.conversations, p)
	}
	old := p.tagged
	p.Conversation, p.tagged = c, map[intercomrbac.TagID]tagging{}
	for _, id := range c.TagIDs {
		p.tagged[id] = tagging{at: c.UpdatedAt}
		if was, ok := old[id]; ok {
			p.tagged[id] = was
		}
	}
	s.noteSnooze(p)
	return p
}

func (s *Server) fillPart(p *Part, state string, created time.Time) {
	if p.ID == "" {
		p.ID = strconv.FormatInt(s.nextNumber("part", 1201), 10)
	}
	p.Type, p.State = cmp.Or(p.Type, "comment"), cmp.Or(p.State, state)
	p.AuthorType = cmp.Or(p.AuthorType, "bot")
	if p.CreatedAt.IsZero() {
		p.CreatedAt = created
	}
}

// clone copies all that could be changed through the copy.
func (c Conversation) clone() Conversation {
	c.ContactIDs, c.TagIDs = slices.Clone(c.ContactIDs), slices.Clone(c.TagIDs)
	c.CustomAttributes = maps.Clone(c.CustomAttributes)
	c.Parts = slices.Clone(c.Parts)
	return c
}

// Conversation returns the conversation as it is now, and whether there is one.
func (s *Server) Conversation(id intercomrbac.ConversationID) (Conversation, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wake(time.Now())
	c := s.byID[id]
	if c == nil {
		return Conversation{}, false
	}
	return c.clone(), true
}

// UpdateConversation changes a conversation behind the API's back, as somebody else in the inbox would: change is given
// a copy to change, which then takes its place. Its ID stays. change must not call methods of the server. It panics if
// there is no such conversation.
func (s *Server) UpdateConversation(id intercomrbac.ConversationID, change func(*Conversation)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byID[id]
	if p == nil {
		panic(fmt.Sprintf("intercomtest: UpdateConversation: there is no conversation %q", id))
	}
	c := p.clone()
	c.UpdatedAt = time.Now()
	change(&c)
	c.ID = id
	s.putConversation(c)
}

// noteSnooze keeps the list of those that time will open.
func (s *Server) noteSnooze(c *conversation) {
	if c.State == "snoozed" {
		s.snoozed[c] = true
	} else {
		delete(s.snoozed, c)
	}
}

// wake opens the snoozed conversations whose time has come.
func (s *Server) wake(now time.Time) {
	for c := range s.snoozed {
		if !c.SnoozedUntil.IsZero() && !now.Before(c.SnoozedUntil) {
			c.State, c.UpdatedAt, c.SnoozedUntil = "open", c.SnoozedUntil, time.Time{}
			delete(s.snoozed, c)
		}
	}
}

// findConversation finds what the path names.
func (s *Server) findConversation(r *request) (*conversation, error) {
	c := s.byID[intercomrbac.ConversationID(r.args["conversation_id"])]
	if c == nil {
		return nil, errNotFound
	}
	return c, nil
}

func (s *Server) getConversation(r *request) (any, error) {
	c, err := s.findConversation(r)
	if err != nil {
		return nil, err
	}
	return s.wholeConversation(r, c), nil
}

func (s *Server) createConversation(r *request) (any, error) {
	var body struct {
		From struct {
			Type string `json:"type"`
			ID   wireID `json:"id"`
		} `json:"from"`
		Body        string   `json:"body"`
		Subject     string   `json:"subject"`
		Attachments []string `json:"attachment_urls"`
		CreatedAt   *int64   `json:"created_at"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	switch {
	case body.From.Type == "" || body.From.ID == "":
		return nil, missing("from")
	case !slices.Contains([]string{"lead", "user", "contact"}, body.From.Type):
		return nil, invalid("from.type", "from.type must be lead, user or contact")
	case body.Body == "":
		return nil, missing("body")
	case len(body.Attachments) > 10:
		return nil, invalid("attachment_urls", "attachment_urls may have 10 URLs at the most")
	}
	who, ok := s.liveContact(intercomrbac.ContactID(body.From.ID))
	if !ok {
		return nil, errUserNotFound
	}
	at := r.now
	if body.CreatedAt != nil {
		at = fromUnix(body.CreatedAt)
	}
	c := s.putConversation(Conversation{
		ContactIDs: []intercomrbac.ContactID{who.ID}, Subject: body.Subject, Body: body.Body, WaitingSince: at, CreatedAt: at,
	})
	return object{
		"type": "user_message", "id": c.sourceID, "created_at": at.Unix(), "body": body.Body, "message_type": "inapp",
		"conversation_id": string(c.ID),
	}, nil
}

func (s *Server) updateConversation(r *request) (any, error) {
	var body struct {
		Read    *bool          `json:"read"`
		Title   *string        `json:"title"`
		Custom  map[string]any `json:"custom_attributes"`
		Company *wireID        `json:"company_id"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	c, err := s.findConversation(r)
	if err != nil {
		return nil, err
	}
	if body.Read != nil {
		c.Read = *body.Read
	}
	if body.Title != nil {
		c.Title = *body.Title
	}
	if _, given := r.json["company_id"]; given {
		c.CompanyID = ""
		if body.Company != nil {
			c.CompanyID = string(*body.Company)
		}
	}
	s.setAttributes(c, body.Custom, r.now)
	c.UpdatedAt = r.now
	return s.wholeConversation(r, c), nil
}

// setAttributes adds a part for each attribute that changes, as Intercom does.
func (s *Server) setAttributes(c *conversation, custom map[string]any, now time.Time) {
	if c.CustomAttributes == nil {
		c.CustomAttributes = map[string]any{}
	}
	for _, name := range slices.Sorted(maps.Keys(custom)) {
		was, set := c.CustomAttributes[name]
		is := custom[name]
		if is == nil {
			delete(c.CustomAttributes, name)
		} else {
			c.CustomAttributes[name] = is
		}
		if set != (is != nil) || fmt.Sprint(was) != fmt.Sprint(is) {
			s.addPart(c, Part{Type: "conversation_attribute_updated_by_admin", AuthorType: "bot", AuthorID: "991267001", CreatedAt: now})
		}
	}
}

// deleteConversation answers with "object" where others have "type".
func (s *Server) deleteConversation(r *request) (any, error) {
	c, err := s.findConversation(r)
	if err != nil {
		return nil, err
	}
	i, _ := slices.BinarySearchFunc(s.conversations, c.seq, func(x *conversation, seq int64) int { return cmp.Compare(x.seq, seq) })
	s.conversations = slices.Delete(s.conversations, i, i+1)
	delete(s.byID, c.ID)
	delete(s.snoozed, c)
	return object{"id": string(c.ID), "object": "conversation", "deleted": true}, nil
}
