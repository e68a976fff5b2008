package intercomrbac

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var (
	opEventsCreate = Operation{
		Name: "events.create", ID: "createDataEvent", Method: "POST", Path: "/events",
		Scope: ScopeWriteEvents, Permission: EventsWrite, Resource: "event", Effect: Write,
	}
	opEventsList = Operation{
		Name: "events.list", ID: "lisDataEvents", Method: "GET", Path: "/events",
		Scope: ScopeReadEvents, Permission: EventsRead, Resource: "event", Effect: Read, Repeatable: true,
	}
	opEventsSummaries = Operation{
		Name: "events.summaries", ID: "lisDataEvents", Method: "GET", Path: "/events", Query: "summary=true",
		Scope: ScopeReadEvents, Permission: EventsRead, Resource: "event", Effect: Read, Repeatable: true,
	}
	opEventsCreateSummary = Operation{
		Name: "events.create_summary", ID: "dataEventSummaries", Method: "POST", Path: "/events/summaries",
		Scope: ScopeWriteEvents, Permission: EventsWrite, Resource: "event", Effect: Write,
	}
)

// DataEventsService is about what contacts did. Events hang on contacts only: neither an admin nor a team has any.
// It is safe for concurrent use.
type DataEventsService struct{ c *Client }

// DataEvent is something that a contact did.
type DataEvent struct {
	Type      string    `json:"type"`
	Name      string    `json:"event_name"`
	CreatedAt Timestamp `json:"created_at"`
	// UserID is the external id of the contact.
	UserID string `json:"user_id"`
	// ID is the id of the event.
	ID ID `json:"id"`
	// ContactID is Intercom's own id of the contact.
	ContactID ContactID      `json:"intercom_user_id"`
	Email     string         `json:"email"`
	Metadata  map[string]any `json:"metadata"`
}

// CreateEventParams describes an event. Exactly one of UserID, Email and ContactID says whose it is.
type CreateEventParams struct {
	// Name is best a verb and a noun, such as "upgraded-plan". Intercom ignores case, puts "-" for "." and "$",
	// and takes 120 different names in a workspace.
	Name string
	// CreatedAt is when it happened; the zero value means now. Intercom keeps seconds, and counts events of one
	// contact, name and second once.
	CreatedAt time.Time
	// UserID is the external id of a contact: never an admin's id.
	UserID string
	// Email is a contact's address.
	Email string
	// ContactID is Intercom's own id of a contact; leads usually have no other.
	ContactID ContactID
	// Metadata holds at most 10 values: strings of at most 255 characters, numbers, booleans, a rich link
	// {"url", "value"} or an amount {"amount", "currency"}. Times are unix seconds under a key that ends in _date.
	Metadata map[string]any
}

// Limits of an event's metadata. The number of keys is that of operation createDataEvent (a help article says 20),
// the rest that of help article 175.
const (
	maxMetadataKeys  = 10
	maxMetadataValue = 255
	badMetadataKey   = ".$~`!@#%^&*()+={}[]|\\:;\"'<>,?/"
)

// Create submits an event. nil means that Intercom accepted it, not that it was stored: it is processed later. It is
// ErrNotFound if there is no such contact. It is not sent again when its answer is lost, since Intercom promises to
// recognise a duplicate only by an external id. Operation events.create (createDataEvent).
func (s *DataEventsService) Create(ctx context.Context, params CreateEventParams) error {
	op := opEventsCreate
	if err := params.check(); err != nil {
		return invalid(op, "%w", err)
	}
	at := params.CreatedAt
	if at.IsZero() {
		at = time.Now()
	}
	body := struct {
		Name      string         `json:"event_name"`
		CreatedAt int64          `json:"created_at"`
		UserID    string         `json:"user_id,omitzero"`
		Email     string         `json:"email,omitzero"`
		ContactID ContactID      `json:"id,omitzero"`
		Metadata  map[string]any `json:"metadata,omitempty"`
	}{params.Name, at.Unix(), params.UserID, params.Email, params.ContactID, params.Metadata}
	return s.c.do(ctx, &call{op: op, body: body})
}

func (p CreateEventParams) check() error {
	if strings.TrimSpace(p.Name) == "" {
		return errors.New("the event has no Name")
	}
	if n := countSet(p.UserID, p.Email, string(p.ContactID)); n != 1 {
		return fmt.Errorf("%d of UserID, Email and ContactID are set: exactly one says whose event it is", n)
	}
	if !p.CreatedAt.IsZero() && (p.CreatedAt.Unix() <= 0 || p.CreatedAt.Unix() > maxUnix) {
		return fmt.Errorf("CreatedAt is in the year %d: was it made from milliseconds?", p.CreatedAt.Year())
	}
	if len(p.Metadata) > maxMetadataKeys {
		return fmt.Errorf("the metadata has %d keys: Intercom keeps %d and drops the rest", len(p.Metadata), maxMetadataKeys)
	}
	for key, value := range p.Metadata {
		if key == "" || strings.ContainsAny(key, badMetadataKey) || strings.ContainsFunc(key, unicode.IsControl) {
			return fmt.Errorf("metadata key %.40q: use letters, digits, - and _", key)
		}
		if err := checkMetadata(value); err != nil {
			return fmt.Errorf("metadata %q: %w", key, err)
		}
	}
	return nil
}

func checkMetadata(value any) error {
	switch v := value.(type) {
	case nil, bool, json.Number, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64, float32, float64:
		return nil
	case string:
		if n := utf8.RuneCountInString(v); n > maxMetadataValue {
			return fmt.Errorf("the text has %d characters: at most %d are kept", n, maxMetadataValue)
		}
		return nil
	case map[string]any:
		_, link := v["url"]
		_, amount := v["amount"]
		_, text := v["value"]
		_, currency := v["currency"]
		if len(v) == 2 && (link && text || amount && currency) {
			for _, member := range v {
				if _, nested := member.(map[string]any); nested {
					return errors.New("an object within an object is not kept")
				}
				if err := checkMetadata(member); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return fmt.Errorf("a %T is not kept: use text, a number, a boolean, {url, value} or {amount, currency}", value)
}

func countSet(values ...string) int {
	return len(values) - len(slices.DeleteFunc(slices.Clone(values), func(s string) bool { return s != "" }))
}

// ListEventsParams selects the events of a contact. Exactly one of UserID, Email and ContactID is needed.
type ListEventsParams struct {
	// UserID is the external id of a contact.
	UserID string
	// Email is a contact's address.
	Email string
	// ContactID is Intercom's own id of a contact.
	ContactID ContactID
	ListParams
}

// List returns a page of a contact's events of the last 90 days. Operation events.list (lisDataEvents).
func (s *DataEventsService) List(ctx context.Context, params ListEventsParams) (*Page[DataEvent], error) {
	op := opEventsList
	q, err := eventsOf(op, params.UserID, params.Email, params.ContactID)
	if err != nil {
		return nil, err
	}
	if err := params.ListParams.check(op); err != nil {
		return nil, err
	}
	return fetchPage[DataEvent, page[DataEvent]](ctx, s.c, call{op: op, query: params.into(q, "user_id", "email", "intercom_user_id", "summary")})
}

// eventsOf is the query that says whose events are meant.
func eventsOf(op Operation, userID, email string, contact ContactID) (url.Values, error) {
	if n := countSet(userID, email, string(contact)); n != 1 {
		return nil, invalid(op, "%d of UserID, Email and ContactID are set: exactly one says whose events", n)
	}
	q := url.Values{"type": {"user"}}
	switch {
	case userID != "":
		q.Set("user_id", userID)
	case email != "":
		q.Set("email", email)
	default:
		q.Set("intercom_user_id", string(contact))
	}
	return q, nil
}

// All returns a contact's events of the last 90 days, page by page as they are needed; each range over it starts
// anew. After an error it ends. Operation events.list (lisDataEvents).
func (s *DataEventsService) All(ctx context.Context, params ListEventsParams) iter.Seq2[DataEvent, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[DataEvent], error) {
		p := params
		p.After = after
		return s.List(ctx, p)
	})
}

// EventSummariesParams says whose events are counted. Exactly one of its members is needed.
type EventSummariesParams struct {
	// UserID is the external id of a contact.
	UserID string
	// Email is a contact's address.
	Email string
	// ContactID is Intercom's own id of a contact.
	ContactID ContactID
}

// EventSummary counts the events of one name.
type EventSummary struct {
	Name        string    `json:"name"`
	First       Timestamp `json:"first"` // Intercom sends this and Last as text, not as seconds
	Last        Timestamp `json:"last"`
	Count       int       `json:"count"`
	Description string    `json:"description"`
}

// eventSummaries is the answer to a question for counts.
type eventSummaries struct {
	Events []EventSummary `json:"events"`
}

func (s *eventSummaries) complete() bool { return s.Events != nil }

// Summaries counts a contact's events by name, those included that are too old for List. Under a guard it needs a grant
// without a condition: a count does not tell which events are in it. Operation events.summaries (lisDataEvents).
func (s *DataEventsService) Summaries(ctx context.Context, params EventSummariesParams) ([]EventSummary, error) {
	op := opEventsSummaries
	q, err := eventsOf(op, params.UserID, params.Email, params.ContactID)
	if err != nil {
		return nil, err
	}
	q.Set("summary", "true")
	out, err := do[eventSummaries](ctx, s.c, call{op: op, query: q})
	if out == nil {
		return nil, err
	}
	return out.Events, err
}

// CreateEventSummaryParams counts events that happened before they were tracked.
type CreateEventSummaryParams struct {
	// UserID is the external id of a contact, never an admin's id; needed.
	UserID string
	// Name is that of the events, as in CreateEventParams; needed.
	Name string
	// Count is how many there were, at least 1.
	Count int
	// First is when the first one happened, and Last when the last one did, to the second; both are needed.
	First, Last time.Time
}

// CreateSummary submits how often a contact did something, and when first and last. nil means that Intercom accepted it.
// What becomes of counts that are there already is not documented, and it is not sent again when its answer is lost.
// Operation events.create_summary (dataEventSummaries).
func (s *DataEventsService) CreateSummary(ctx context.Context, params CreateEventSummaryParams) error {
	op := opEventsCreateSummary
	switch {
	case strings.TrimSpace(params.UserID) == "":
		return invalid(op, "UserID is needed: the external id of a contact")
	case strings.TrimSpace(params.Name) == "":
		return invalid(op, "Name is needed")
	case params.Count < 1:
		return invalid(op, "Count is %d: at least 1 is needed", params.Count)
	case params.Last.Before(params.First):
		return invalid(op, "Last is before First")
	}
	for _, at := range []time.Time{params.First, params.Last} {
		if at.Unix() <= 0 || at.Unix() > maxUnix {
			return invalid(op, "First or Last is in the year %d: both are needed, and neither may be made from milliseconds", at.Year())
		}
	}
	type summary struct {
		Name  string `json:"event_name"`
		Count int    `json:"count"`
		First int64  `json:"first"`
		Last  int64  `json:"last"`
	}
	body := struct {
		UserID  string  `json:"user_id"`
		Summary summary `json:"event_summaries"`
	}{params.UserID, summary{params.Name, params.Count, params.First.Unix(), params.Last.Unix()}}
	return s.c.do(ctx, &call{op: op, body: body})
}
