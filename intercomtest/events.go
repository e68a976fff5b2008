package intercomtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Intercom's limits of events.
const (
	maxEventNames   = 120
	maxMetadataKeys = 10
	eventHistory    = 90 * 24 * time.Hour // that far back they are listed
	latestSecond    = 99_999_999_999      // above it are milliseconds
)

// Event is a data event: something that a contact did.
type Event struct {
	Name      string
	ContactID intercomrbac.ContactID
	CreatedAt time.Time
	Metadata  map[string]any
}

type event struct {
	Event
	seq int64
}

// AddEvent adds an event to a contact's history. It panics if the contact is not in the workspace. An empty Name or
// time is made up.
func (s *Server) AddEvent(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.liveContact(e.ContactID)
	if !ok {
		panic(fmt.Sprintf("intercomtest: AddEvent: there is no contact %q: use AddContact first", e.ContactID))
	}
	e.Name = cmp.Or(e.Name, "did-something")
	if e.CreatedAt.IsZero() {
		e.CreatedAt = time.Now()
	}
	s.putEvent(c, e)
}

// Events returns the events that Intercom keeps, in order of arrival: those that it drops as duplicates are not there.
func (s *Server) Events() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Event, len(s.events))
	for i, e := range s.events {
		list[i] = e.Event
	}
	return list
}

// putEvent drops an event that Intercom takes for one that it has: same person, name and second.
func (s *Server) putEvent(c *contact, e Event) {
	person := cmp.Or(c.ExternalID, string(c.ID))
	key := fmt.Sprintf("%q %q %d", person, strings.ToLower(e.Name), e.CreatedAt.Unix())
	if s.eventKeys[key] {
		return
	}
	s.eventKeys[key] = true
	s.eventNames[strings.ToLower(e.Name)] = true
	s.events = append(s.events, &event{e, s.nextNumber("event", 1)})
}

func (s *Server) createEvent(r *request) (any, error) {
	var body struct {
		Name      string          `json:"event_name"`
		CreatedAt json.RawMessage `json:"created_at"`
		UserID    wireID          `json:"user_id"`
		ID        wireID          `json:"id"`
		Email     string          `json:"email"`
		Metadata  json.RawMessage `json:"metadata"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	var at int64
	switch {
	case body.Name == "":
		return nil, unprocessable(missing("event_name"))
	case len(body.CreatedAt) == 0 || isNull(body.CreatedAt):
		return nil, unprocessable(missing("created_at"))
	case json.Unmarshal(body.CreatedAt, &at) != nil:
		return nil, unprocessable(invalid("created_at", "created_at must be a whole number of seconds"))
	case at > latestSecond || at < 0:
		return nil, unprocessable(invalid("created_at", "created_at must be in seconds"))
	case body.UserID == "" && body.ID == "" && body.Email == "":
		return nil, unprocessable(missing("user_id"))
	}
	metadata, ok := firstMembers(body.Metadata, maxMetadataKeys)
	if !ok {
		return nil, unprocessable(invalid("metadata", "metadata must be an object"))
	}
	c, ok := s.findPerson(string(body.ID), string(body.UserID), body.Email)
	if !ok {
		return nil, errUserNotFound
	}
	name := strings.NewReplacer(".", "-", "$", "-").Replace(body.Name)
	if known := s.eventNames[strings.ToLower(name)]; !known && len(s.eventNames) >= maxEventNames {
		return nil, unprocessable(invalid("event_name", "The limit of %d event names is reached", maxEventNames))
	}
	s.putEvent(c, Event{Name: name, ContactID: c.ID, CreatedAt: time.Unix(at, 0), Metadata: metadata})
	return accepted{}, nil
}

// firstMembers reads an object and keeps the first so many members, in the order in which they were sent.
func firstMembers(raw json.RawMessage, n int) (map[string]any, bool) {
	if len(raw) == 0 || isNull(raw) {
		return nil, true
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	members := map[string]any{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, false
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, false
		}
		if name, _ := t.(string); len(members) < n {
			members[name] = v
		}
	}
	return members, true
}

func (s *Server) listEvents(r *request) (any, error) {
	if r.query.Get("type") != "user" {
		return nil, invalid("type", "type must be user")
	}
	given := slices.DeleteFunc([]string{"user_id", "email", "intercom_user_id"}, func(name string) bool { return r.query.Get(name) == "" })
	if len(given) != 1 {
		return nil, invalid("user_id", "exactly one of user_id, email and intercom_user_id is needed")
	}
	per, err := perPage(r.query.Get("per_page"), 50)
	if err != nil {
		return nil, err
	}
	from, err := parseCursor(r.query.Get("starting_after"))
	if err != nil {
		return nil, err
	}
	c, ok := s.findPerson(r.query.Get("intercom_user_id"), r.query.Get("user_id"), r.query.Get("email"))
	if !ok {
		return nil, errUserNotFound
	}
	var all []*event
	for _, e := range s.events {
		if e.ContactID == c.ID {
			all = append(all, e)
		}
	}
	answer := object{"type": "event.summary", "intercom_user_id": string(c.ID), "pages": object{}}
	if c.Email != "" {
		answer["email"] = c.Email
	}
	if c.ExternalID != "" {
		answer["user_id"] = c.ExternalID
	}
	if r.query.Get("summary") == "true" {
		answer["events"] = summarize(all)
		return answer, nil
	}
	all = slices.DeleteFunc(all, func(e *event) bool { return r.now.Sub(e.CreatedAt) > eventHistory })
	slices.SortFunc(all, func(a, b *event) int { // newest first
		return cmp.Or(cmp.Compare(b.CreatedAt.Unix(), a.CreatedAt.Unix()), cmp.Compare(b.seq, a.seq))
	})
	start := slices.IndexFunc(all, func(e *event) bool { return from.after(e.CreatedAt.Unix(), -e.seq, true) })
	if start < 0 {
		start = len(all)
	}
	end := min(start+per, len(all))
	list := make([]object, 0, end-start)
	for _, e := range all[start:end] {
		list = append(list, eventJSON(c, e))
	}
	answer["events"] = list
	if end < len(all) {
		last := all[end-1]
		next := cursor{Key: last.CreatedAt.Unix(), Seq: -last.seq, Page: from.Page + 1}
		q := url.Values{"type": {"user"}, given[0]: {r.query.Get(given[0])}, "per_page": {strconv.Itoa(per)}, "starting_after": {next.String()}}
		answer["pages"] = object{"next": r.base + r.path + "?" + q.Encode()}
	}
	return answer, nil
}

func eventJSON(c *contact, e *event) object {
	o := object{
		"type": "event", "id": fmt.Sprintf("fa4e0000-0000-4000-8000-%012x", e.seq), "event_name": e.Name,
		"created_at": e.CreatedAt.Unix(), "intercom_user_id": string(c.ID), "metadata": object{},
	}
	if e.Metadata != nil {
		o["metadata"] = e.Metadata
	}
	if c.ExternalID != "" {
		o["user_id"] = c.ExternalID
	}
	if c.Email != "" {
		o["email"] = c.Email
	}
	return o
}

// summarize counts events by name, those included that are too old for the list.
func summarize(all []*event) []object {
	const iso = "2006-01-02T15:04:05.000-07:00"
	type count struct {
		first, last time.Time
		n           int
	}
	byName := map[string]*count{}
	var names []string
	for _, e := range all {
		n := byName[e.Name]
		if n == nil {
			n = &count{first: e.CreatedAt, last: e.CreatedAt}
			byName[e.Name] = n
			names = append(names, e.Name)
		}
		n.n++
		if e.CreatedAt.Before(n.first) {
			n.first = e.CreatedAt
		}
		if e.CreatedAt.After(n.last) {
			n.last = e.CreatedAt
		}
	}
	list := make([]object, 0, len(names))
	for _, name := range names {
		n := byName[name]
		list = append(list, object{
			"name": name, "first": n.first.UTC().Format(iso), "last": n.last.UTC().Format(iso), "count": n.n, "description": "",
		})
	}
	return list
}

// createEventSummary takes the counts of a contact, and keeps none: they are not among the events.
func (s *Server) createEventSummary(r *request) (any, error) {
	var body struct {
		UserID  wireID `json:"user_id"`
		Summary struct {
			Name  string `json:"event_name"`
			Count *int64 `json:"count"`
			First *int64 `json:"first"`
			Last  *int64 `json:"last"`
		} `json:"event_summaries"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	switch sum := body.Summary; {
	case body.UserID == "":
		return nil, missing("user_id")
	case sum.Name == "":
		return nil, missing("event_name")
	case sum.Count == nil || sum.First == nil || sum.Last == nil:
		return nil, invalid("event_summaries", "count, first and last are needed")
	}
	if _, ok := s.findPerson("", string(body.UserID), ""); !ok {
		return nil, errUserNotFound
	}
	return done{}, nil
}
