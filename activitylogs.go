package intercomrbac

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"time"
)

var (
	opAdminsActivityLogs = Operation{
		Name: "admins.activity_logs", ID: "listActivityLogs", Method: "GET", Path: "/admins/activity_logs",
		Scope: ScopeReadAdminActivityLogs, Permission: ActivityLogsRead, Resource: "activity_log", Effect: Read, Repeatable: true,
	}
	opAdminsSearchActivityLogs = Operation{
		Name: "admins.search_activity_logs", ID: "searchActivityLogs", Method: "POST", Path: "/admins/activity_logs/search",
		Scope: ScopeReadAdmins, Permission: ActivityLogsRead, Resource: "activity_log", Effect: Read, Repeatable: true,
	}
	opAdminsActivityEventTypes = Operation{
		Name: "admins.activity_event_types", ID: "listActivityLogEventTypes", Method: "GET", Path: "/admins/activity_log_event_types",
		Scope: ScopeReadAdmins, Permission: ActivityLogsRead, Resource: "activity_log", Effect: Read, Repeatable: true,
	}
)

// ActivityLog is something that a teammate did in Intercom, as Intercom recorded it.
type ActivityLog struct {
	ID          ID                `json:"id"`
	PerformedBy ActivityPerformer `json:"performed_by"`
	CreatedAt   Timestamp         `json:"created_at"`
	Type        ActivityType      `json:"activity_type"`
	// Description is a sentence or two, for people.
	Description string `json:"activity_description"`
	// Metadata differs from type to type, and one member comes in several types: before is text here and an object there.
	// Decode the members that you need.
	Metadata map[string]json.RawMessage `json:"metadata"`
}

// ActivityPerformer is who did it, and from where.
type ActivityPerformer struct {
	Type  string  `json:"type"`
	ID    AdminID `json:"id"`
	Email string  `json:"email"`
	IP    string  `json:"ip"`
}

// ActivityLogsParams selects activities by time. CreatedAfter is needed.
//
// Intercom keeps whole seconds, and does not say whether the seconds at both ends belong to the window: let one window
// overlap the next by a second, and know an activity by its ID.
type ActivityLogsParams struct {
	// CreatedAfter is where the window begins.
	CreatedAfter time.Time
	// CreatedBefore is where it ends; zero is now. Set it to go through many pages: what happens meanwhile shifts them, and
	// an activity may come twice.
	CreatedBefore time.Time
	// After is the Next of the page before; empty for the first page. A page has the size that Intercom gives it.
	After string
}

func (p ActivityLogsParams) check(op Operation) error {
	from, to := p.CreatedAfter.Unix(), p.CreatedBefore.Unix()
	open := p.CreatedBefore.IsZero()
	switch {
	case p.CreatedAfter.IsZero():
		return invalid(op, "CreatedAfter is zero: Intercom wants to know where the window of time begins")
	case from < 0 || from > maxUnix:
		return invalid(op, "CreatedAfter is in the year %d: was it made from milliseconds?", p.CreatedAfter.Year())
	case !open && (to <= 0 || to > maxUnix):
		return invalid(op, "CreatedBefore is in the year %d: was it made from milliseconds?", p.CreatedBefore.Year())
	case !open && to < from:
		return invalid(op, "CreatedBefore is before CreatedAfter")
	}
	return ListParams{After: p.After}.check(op)
}

// ActivityLogs returns a page of what teammates did in a window of time. Activities that are older than the year that
// Intercom's interface shows are there, too. Operation admins.activity_logs (listActivityLogs).
//
// Source: https://www.intercom.com/help/en/articles/4667982
func (s *AdminsService) ActivityLogs(ctx context.Context, params ActivityLogsParams) (*Page[ActivityLog], error) {
	op := opAdminsActivityLogs
	if err := params.check(op); err != nil {
		return nil, err
	}
	q := url.Values{"created_at_after": {strconv.FormatInt(params.CreatedAfter.Unix(), 10)}}
	if !params.CreatedBefore.IsZero() {
		q.Set("created_at_before", strconv.FormatInt(params.CreatedBefore.Unix(), 10))
	}
	q = ListParams{After: params.After}.into(q, "created_at_after", "created_at_before", "event_types")
	return fetchPage[ActivityLog, page[ActivityLog]](ctx, s.c, call{op: op, query: q})
}

// AllActivityLogs returns what teammates did in a window of time, page by page as they are needed; each range over it starts
// anew. After an error it ends. Operation admins.activity_logs (listActivityLogs).
func (s *AdminsService) AllActivityLogs(ctx context.Context, params ActivityLogsParams) iter.Seq2[ActivityLog, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[ActivityLog], error) {
		p := params
		p.After = after
		return s.ActivityLogs(ctx, p)
	})
}

// SearchActivityLogsParams selects activities by time and type.
type SearchActivityLogsParams struct {
	ActivityLogsParams
	// Types are those that are wanted, such as ActivityEventTypes returns; none means all.
	Types []ActivityType
	// PerPage is how many items a page holds, 1 to 250; 0 leaves it to Intercom. Pages have numbers: keep it from one to the
	// next.
	PerPage int
}

// maxActivitiesPerPage is of operation searchActivityLogs.
const maxActivitiesPerPage = 250

func (p SearchActivityLogsParams) check(op Operation) error {
	switch {
	case p.PerPage < 0 || p.PerPage > maxActivitiesPerPage:
		return invalid(op, "PerPage is %d: use 1 to %d, or 0 for Intercom's own size", p.PerPage, maxActivitiesPerPage)
	case slices.Contains(p.Types, ""):
		return invalid(op, "Types has an empty one: leave Types out for activities of every type")
	}
	return p.ActivityLogsParams.check(op)
}

// SearchActivityLogs returns a page of what teammates did in a window of time, of some types alone. Operation
// admins.search_activity_logs (searchActivityLogs). Intercom's texts ask for the scope Read admins here, and for Read admin
// activity logs on the list: tick both.
//
// Source: https://developers.intercom.com/docs/references/2.17/rest-api/api.intercom.io/admins/searchactivitylogs
func (s *AdminsService) SearchActivityLogs(ctx context.Context, params SearchActivityLogsParams) (*Page[ActivityLog], error) {
	op := opAdminsSearchActivityLogs
	if err := params.check(op); err != nil {
		return nil, err
	}
	body := struct {
		CreatedAfter  int64          `json:"created_at_after"`
		CreatedBefore int64          `json:"created_at_before,omitzero"`
		Types         []ActivityType `json:"event_types,omitempty"`
		PerPage       int            `json:"per_page,omitzero"`
		Page          int            `json:"page,omitzero"`
		StartingAfter string         `json:"starting_after,omitzero"`
	}{CreatedAfter: params.CreatedAfter.Unix(), Types: params.Types, PerPage: params.PerPage}
	if !params.CreatedBefore.IsZero() {
		body.CreatedBefore = params.CreatedBefore.Unix()
	}
	// Of a cursor nothing but the place is taken: what is searched is the caller's to say.
	if params.After != "" {
		var ok bool
		if body.Page, body.StartingAfter, ok = placeOf(params.After); !ok {
			return nil, invalid(op, "After is no cursor of a search")
		}
	}
	return fetchPage[ActivityLog, page[ActivityLog]](ctx, s.c, call{op: op, body: body})
}

// placeOf returns what a page starts after, or else its number. ok is false where the cursor says neither.
func placeOf(cursor string) (number int, after string, ok bool) {
	params := cursorParams(cursor)
	if after = params.Get("starting_after"); after != "" {
		return 0, after, true
	}
	number, err := strconv.Atoi(params.Get("page"))
	return number, "", err == nil && number > 0
}

// SearchAllActivityLogs returns what teammates did in a window of time, of some types alone, as
// [AdminsService.AllActivityLogs] returns all. Operation admins.search_activity_logs (searchActivityLogs).
func (s *AdminsService) SearchAllActivityLogs(ctx context.Context, params SearchActivityLogsParams) iter.Seq2[ActivityLog, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[ActivityLog], error) {
		p := params
		p.After = after
		return s.SearchActivityLogs(ctx, p)
	})
}

// ActivityEventTypes returns the types that Intercom lists for a search. Activities come with others, too. Operation
// admins.activity_event_types (listActivityLogEventTypes).
func (s *AdminsService) ActivityEventTypes(ctx context.Context) ([]ActivityType, error) {
	out, err := do[eventTypes](ctx, s.c, call{op: opAdminsActivityEventTypes})
	if out == nil {
		return nil, err
	}
	return out.Types, err
}

type eventTypes struct {
	Types []ActivityType `json:"event_types"`
}

func (e *eventTypes) complete() bool { return e.Types != nil }
