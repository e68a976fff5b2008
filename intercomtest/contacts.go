package intercomtest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Contact is a customer: a user or a lead.
type Contact struct {
	ID         intercomrbac.ContactID // 24 hexadecimal digits
	ExternalID string                 // the id in your own system
	Role       string                 // "user" or "lead"
	Email      string
	Name       string
	Phone      string
	OwnerID    intercomrbac.AdminID

	UnsubscribedFromEmails bool
	// Archived: it is in no list, and looks like one that is not there until it is unarchived.
	Archived bool
	// Blocked: it is archived, too, and nothing lifts it.
	Blocked          bool
	TagIDs           []intercomrbac.TagID
	CustomAttributes map[string]any
	CreatedAt        time.Time
	UpdatedAt        time.Time
	SignedUpAt       time.Time
	LastSeenAt       time.Time
}

type contact struct {
	Contact
	seq        int64 // order of arrival
	mergedInto intercomrbac.ContactID
	tagged     map[intercomrbac.TagID]tagging
}

func (c *contact) order() int64 { return c.seq }

// AddContact adds a customer, or replaces the one with that ID. An empty ID, Role (user), Name or time of creation is
// made up, and a user's Email; ExternalID is not. It panics if a tag is not in the workspace.
func (s *Server) AddContact(c Contact) intercomrbac.ContactID {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.contacts.items) + 1
	c.Role = cmp.Or(c.Role, "user")
	if c.Role != "user" && c.Role != "lead" {
		panic(fmt.Sprintf("intercomtest: AddContact: role %q: Intercom has user and lead", c.Role))
	}
	c.Name = cmp.Or(c.Name, fmt.Sprintf("Contact %d", n))
	if c.Role == "user" {
		c.Email = cmp.Or(c.Email, fmt.Sprintf("contact%d@example.com", n))
	}
	if other, taken := s.byExternal[c.ExternalID]; taken && other.ID != c.ID {
		panic(fmt.Sprintf("intercomtest: AddContact: external id %q belongs to contact %s", c.ExternalID, other.ID))
	}
	s.mustHaveTags("AddContact", c.TagIDs)
	return s.putContact(c).ID
}

func (s *Server) mustHaveTags(method string, ids []intercomrbac.TagID) {
	for _, id := range ids {
		if _, ok := s.tags.get(id); !ok {
			panic(fmt.Sprintf("intercomtest: %s: there is no tag %q: use AddTag first", method, id))
		}
	}
}

// putContact keeps the index of external ids.
func (s *Server) putContact(c Contact) *contact {
	for c.ID == "" {
		id := intercomrbac.ContactID(fmt.Sprintf("6762f0f3%016x", s.nextNumber("contact", 0x1bb69f9f2193bb8b)))
		if _, taken := s.contacts.get(id); !taken {
			c.ID = id
		}
	}
	if c.CreatedAt.IsZero() {
		c.CreatedAt = time.Now()
	}
	if c.UpdatedAt.IsZero() {
		c.UpdatedAt = c.CreatedAt
	}
	c = c.clone()
	is := contact{Contact: c, tagged: map[intercomrbac.TagID]tagging{}}
	old, replaces := s.contacts.get(c.ID)
	if replaces {
		delete(s.byExternal, old.ExternalID)
		is.seq = old.seq
	} else {
		is.seq = s.nextNumber("contact order", 1)
	}
	for _, id := range c.TagIDs {
		is.tagged[id] = tagging{at: c.UpdatedAt}
		if replaces && !old.tagged[id].at.IsZero() {
			is.tagged[id] = old.tagged[id]
		}
	}
	p := s.contacts.put(c.ID, is)
	if c.ExternalID != "" {
		s.byExternal[c.ExternalID] = p
	}
	return p
}

// clone copies all that could be changed through the copy.
func (c Contact) clone() Contact {
	c.TagIDs, c.CustomAttributes = slices.Clone(c.TagIDs), maps.Clone(c.CustomAttributes)
	return c
}

// Contact returns the customer as they are now, archived or not, and whether there is one. A contact that was merged is
// none.
func (s *Server) Contact(id intercomrbac.ContactID) (Contact, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.contacts.get(id)
	if !ok || c.mergedInto != "" {
		return Contact{}, false
	}
	return c.clone(), true
}

// Contacts returns all customers as they are now, archived or not, in their order of arrival.
func (s *Server) Contacts() []Contact {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Contact
	for _, c := range s.contacts.items {
		if c.mergedInto == "" {
			list = append(list, c.clone())
		}
	}
	return list
}

// UpdateContact changes a customer behind the API's back, as UpdateConversation does a conversation. It panics if there is
// no such contact, or no such tag.
func (s *Server) UpdateContact(id intercomrbac.ContactID, change func(*Contact)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.contacts.get(id)
	if !ok || p.mergedInto != "" {
		panic(fmt.Sprintf("intercomtest: UpdateContact: there is no contact %q", id))
	}
	c := p.clone()
	c.UpdatedAt = time.Now()
	change(&c)
	c.ID = id
	s.mustHaveTags("UpdateContact", c.TagIDs)
	s.putContact(c)
}

// MergeContact merges one contact into another: the first is gone, and answers say where it went.
func (s *Server) MergeContact(from, into intercomrbac.ContactID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, okA := s.liveContact(from)
	b, okB := s.liveContact(into)
	if !okA || !okB || from == into {
		panic(fmt.Sprintf("intercomtest: MergeContact: %q and %q must be two contacts of the workspace", from, into))
	}
	s.merge(a, b)
}

func (s *Server) liveContact(id intercomrbac.ContactID) (*contact, bool) {
	c, ok := s.contacts.get(id)
	if !ok || !c.live() {
		return nil, false
	}
	return c, true
}

// live reports whether the contact is where Intercom finds it.
func (c *contact) live() bool { return c.mergedInto == "" && !c.Archived }

// findPerson finds a contact by the first of the three that is not empty.
func (s *Server) findPerson(id, externalID, email string) (*contact, bool) {
	switch {
	case id != "":
		return s.liveContact(intercomrbac.ContactID(id))
	case externalID != "":
		c, ok := s.byExternal[externalID]
		return c, ok && c.live()
	default:
		return s.contactByEmail(email)
	}
}

// contactByEmail finds the first contact with the address, among users and leads.
func (s *Server) contactByEmail(email string) (*contact, bool) {
	if email == "" {
		return nil, false
	}
	for _, c := range s.contacts.items {
		if c.live() && strings.EqualFold(c.Email, email) {
			return c, true
		}
	}
	return nil, false
}

// conflict is the refusal of a user whose external id or address another one has. Archived users keep theirs, as leads
// do not.
func (s *Server) conflict(self intercomrbac.ContactID, externalID, email string) error {
	for _, c := range s.contacts.items {
		if c.ID == self || c.mergedInto != "" || c.Archived && c.Role != "user" {
			continue
		}
		if externalID != "" && c.ExternalID == externalID || email != "" && c.Role == "user" && strings.EqualFold(c.Email, email) {
			article := "A"
			if c.Archived {
				article = "An archived"
			}
			return fail(http.StatusConflict, "conflict", article+" contact matching those details already exists with id="+string(c.ID))
		}
	}
	return nil
}

func (s *Server) contactJSON(c *contact) object {
	tags := []object{}
	for _, id := range slices.Sorted(slices.Values(c.TagIDs)) {
		tags = append(tags, object{"type": "tag", "id": string(id), "url": "/tags/" + string(id)})
	}
	related := func(what string) object {
		return object{
			"type": "list", "data": []object{}, "url": "/contacts/" + string(c.ID) + "/" + what,
			"total_count": 0, "has_more": false,
		}
	}
	custom := c.CustomAttributes
	if custom == nil {
		custom = map[string]any{}
	}
	o := object{
		"type": "contact", "id": string(c.ID), "workspace_id": string(s.workspace.ID), "external_id": orNull(c.ExternalID),
		"role": c.Role, "phone": orNull(c.Phone), "name": orNull(c.Name), "avatar": nil, "owner_id": orNull(string(c.OwnerID)),
		"social_profiles":  object{"type": "list", "data": []object{}},
		"has_hard_bounced": false, "marked_email_as_spam": false, "unsubscribed_from_emails": c.UnsubscribedFromEmails,
		"created_at": c.CreatedAt.Unix(), "updated_at": c.UpdatedAt.Unix(),
		"signed_up_at": unixOrNull(c.SignedUpAt), "last_seen_at": unixOrNull(c.LastSeenAt),
		"custom_attributes": custom,
		"location": object{
			"type": "location", "country": nil, "region": nil, "city": nil, "country_code": nil, "continent_code": nil,
		},
		"tags": object{
			"type": "list", "data": tags[:min(len(tags), 10)], "url": "/contacts/" + string(c.ID) + "/tags",
			"total_count": len(tags), "has_more": len(tags) > 10,
		},
		"notes": related("notes"), "companies": related("companies"),
		"opted_out_subscription_types": related("subscriptions"), "opted_in_subscription_types": related("subscriptions"),
	}
	for _, name := range []string{
		"last_replied_at", "last_contacted_at", "last_email_opened_at", "last_email_clicked_at", "language_override",
		"browser", "browser_version", "browser_language", "os",
		"android_app_name", "android_app_version", "android_device", "android_os_version", "android_sdk_version",
		"android_last_seen_at", "ios_app_name", "ios_app_version", "ios_device", "ios_os_version", "ios_sdk_version",
		"ios_last_seen_at", "utm_campaign", "utm_content", "utm_medium", "utm_source", "utm_term", "referrer",
		"enabled_push_messaging",
	} {
		o[name] = nil
	}
	if c.Email != "" { // not nullable by the description, so absent
		o["email"] = c.Email
		_, o["email_domain"], _ = strings.Cut(c.Email, "@")
	}
	return o
}

// showContact answers a look at one contact, or says where it was merged into.
func (s *Server) showContact(c *contact, ok bool) (any, error) {
	if !ok || c.Archived {
		return nil, errUserNotFound
	}
	if c.mergedInto == "" {
		return s.contactJSON(c), nil
	}
	last := c
	for last.mergedInto != "" {
		next, ok := s.contacts.get(last.mergedInto)
		if !ok {
			return nil, errUserNotFound
		}
		last = next
	}
	return nil, &failure{
		status: http.StatusGone, code: "contact_merged",
		message: "This contact has been merged. See the 'Link' header for the canonical contact.",
		header:  http.Header{"Link": {"</contacts/" + string(last.ID) + `>; rel="canonical"`}},
	}
}

func (s *Server) getContact(r *request) (any, error) {
	c, ok := s.contacts.get(intercomrbac.ContactID(r.args["contact_id"]))
	return s.showContact(c, ok)
}

func (s *Server) getContactByExternalID(r *request) (any, error) {
	c, ok := s.byExternal[r.args["external_id"]]
	return s.showContact(c, ok && c.Role == "user")
}

func (s *Server) createContact(r *request) (any, error) {
	var body struct {
		Role          *string        `json:"role"`
		ExternalID    string         `json:"external_id"`
		Email         string         `json:"email"`
		EmailVerified *bool          `json:"email_verified"`
		Name          string         `json:"name"`
		Phone         string         `json:"phone"`
		OwnerID       wireID         `json:"owner_id"`
		SignedUpAt    *int64         `json:"signed_up_at"`
		LastSeenAt    *int64         `json:"last_seen_at"`
		Unsubscribed  bool           `json:"unsubscribed_from_emails"`
		Custom        map[string]any `json:"custom_attributes"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	role := "user"
	if body.Role != nil {
		role = *body.Role
	}
	switch {
	case body.Role == nil && body.ExternalID == "" && body.Email == "":
		return nil, missing("email")
	case role != "user" && role != "lead":
		return nil, invalid("role", "role must be either user or lead")
	case body.EmailVerified != nil && body.Email == "":
		return nil, invalid("email_verified", "email_verified needs an email")
	}
	email := body.Email
	if role == "lead" {
		email = "" // leads may share one
	}
	if err := s.conflict("", body.ExternalID, email); err != nil {
		return nil, err
	}
	c := s.putContact(Contact{
		ExternalID: body.ExternalID, Role: role, Email: body.Email, Name: body.Name, Phone: body.Phone,
		OwnerID: intercomrbac.AdminID(body.OwnerID), UnsubscribedFromEmails: body.Unsubscribed, CustomAttributes: body.Custom,
		CreatedAt: r.now, SignedUpAt: fromUnix(body.SignedUpAt), LastSeenAt: fromUnix(body.LastSeenAt),
	})
	return s.contactJSON(c), nil
}

func fromUnix(sec *int64) time.Time {
	if sec == nil {
		return time.Time{}
	}
	return time.Unix(*sec, 0)
}

func (s *Server) deleteContact(r *request) (any, error) {
	c, ok := s.contacts.get(intercomrbac.ContactID(r.args["contact_id"]))
	if !ok || c.mergedInto != "" { // what is archived can be deleted
		return nil, errUserNotFound
	}
	s.contacts.remove(c.ID)
	delete(s.byExternal, c.ExternalID)
	return object{"type": "contact", "id": string(c.ID), "external_id": orNull(c.ExternalID), "deleted": true}, nil
}
