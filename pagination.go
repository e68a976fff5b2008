package intercomrbac

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Page is one page of a list.
type Page[T any] struct {
	// Items are in the order that Intercom gives. They may be fewer than asked for, or none, while Next is set.
	Items []T
	// Next is the cursor of the next page, for After; empty at the end. It is opaque.
	Next string
	// Total is how many there are in all, as Intercom counts: it drifts while data changes, and is 0 where
	// Intercom does not count.
	Total int
}

// ListParams selects a page of a list. The zero value is the first page in Intercom's own size.
type ListParams struct {
	// PerPage is how many items a page holds, 1 to 150; 0 leaves it to Intercom.
	PerPage int
	// After is the Next of the page before; empty for the first page.
	After string
}

// maxPerPage is Intercom's own limit:
// https://developers.intercom.com/docs/build-an-integration/learn-more/rest-apis/pagination-cursor
const maxPerPage = 150

func (p ListParams) check(op Operation) error {
	if p.PerPage < 0 || p.PerPage > maxPerPage {
		return invalid(op, "PerPage is %d: use 1 to %d, or 0 for Intercom's own size", p.PerPage, maxPerPage)
	}
	if query, ok := strings.CutPrefix(p.After, "?"); ok {
		if _, err := url.ParseQuery(query); err != nil {
			return invalid(op, "After is no cursor that a Page gave")
		}
	}
	return nil
}

// into adds the params to a query. A cursor adds what the query does not hold, and none of the names in own: what a
// list is about is the caller's to say.
func (p ListParams) into(q url.Values, own ...string) url.Values {
	if p.PerPage > 0 {
		q.Set("per_page", strconv.Itoa(p.PerPage))
	}
	for name, values := range cursorParams(p.After) {
		base := strings.ToLower(strings.TrimSpace(railsName(name)))
		base, _, _ = strings.Cut(base, " ") // no name has one, and what a server makes of it is not known
		if !q.Has(name) && !q.Has(base) && !slices.Contains(own, base) {
			q[name] = values
		}
	}
	return q
}

// A cursor is what Intercom calls starting_after, as it is; or, where Intercom gives a URL, "?" and the URL's query.
// Of a URL nothing else is kept, so that no answer decides where the next request goes.

func cursorParams(cursor string) url.Values {
	if query, ok := strings.CutPrefix(cursor, "?"); ok {
		params, _ := url.ParseQuery(query) // check has parsed it before
		return params
	}
	if cursor == "" {
		return nil
	}
	return url.Values{"starting_after": {cursor}}
}

// pages is the paging part of a list, in each of its shapes.
type pages struct {
	next string
}

// UnmarshalJSON accepts {"next": {"starting_after": …}}, {"next": "https://…"}, and null or absent members.
func (p *pages) UnmarshalJSON(b []byte) error {
	var outer struct {
		Next json.RawMessage `json:"next"`
	}
	if err := json.Unmarshal(b, &outer); err != nil {
		return errPages
	}
	*p = pages{}
	if len(outer.Next) == 0 || string(outer.Next) == "null" {
		return nil
	}
	if len(outer.Next) > maxCursor {
		return errPages
	}
	if outer.Next[0] == '"' {
		var link string
		if err := json.Unmarshal(outer.Next, &link); err != nil {
			return errPages
		}
		return p.fromLink(link)
	}
	var object struct {
		StartingAfter json.RawMessage `json:"starting_after"`
	}
	if err := json.Unmarshal(outer.Next, &object); err != nil {
		return errPages
	}
	var err error
	if len(object.StartingAfter) > 0 {
		if p.next, err = idText(object.StartingAfter); err != nil {
			return errPages
		}
	}
	if strings.HasPrefix(p.next, "?") {
		p.next = "?" + url.Values{"starting_after": {p.next}}.Encode()
	}
	return nil
}

// maxCursor bounds a cursor, in bytes: All keeps each to see whether one comes again.
const maxCursor = 8 << 10

var errPages = errors.New("intercomrbac: the pages of a list are of no known shape")

func (p *pages) fromLink(link string) error {
	if link == "" {
		return nil
	}
	_, query, ok := strings.Cut(link, "?")
	query, _, _ = strings.Cut(query, "#")
	params, err := url.ParseQuery(query)
	if !ok || err != nil || len(params) == 0 {
		return errPages
	}
	if after := params.Get("starting_after"); after != "" && !strings.HasPrefix(after, "?") {
		p.next = after
		return nil
	}
	p.next = "?" + params.Encode()
	return nil
}

// page is the envelope of every list; each kind puts its items under a name of its own.
type page[T any] struct {
	Conversations []T   `json:"conversations"`
	Events        []T   `json:"events"`
	ActivityLogs  []T   `json:"activity_logs"`
	Data          []T   `json:"data"`
	Total         count `json:"total_count"`
	Pages         pages `json:"pages"`
}

// complete reports whether there was a list: its absence would look like an empty one.
func (p *page[T]) complete() bool { return p.items() != nil }

func (p *page[T]) items() []T {
	switch {
	case p.Events != nil:
		return p.Events
	case p.ActivityLogs != nil:
		return p.ActivityLogs
	case p.Conversations != nil:
		return p.Conversations
	}
	return p.Data
}

func (p *page[T]) page() *Page[T] {
	return &Page[T]{Items: p.items(), Next: p.Pages.next, Total: int(p.Total)}
}

// fetchPage does a call that is answered by a page of T in an envelope E.
func fetchPage[T, E any, P interface {
	*E
	page() *Page[T]
}](ctx context.Context, c *Client, in call) (*Page[T], error) {
	out, err := do[E](ctx, c, in)
	if out == nil {
		return nil, err
	}
	return P(out).page(), err
}

// unpaged is the envelope of a list that is not paged, under whichever name its kind has.
type unpaged[T any] struct {
	Admins []T `json:"admins"`
	Teams  []T `json:"teams"`
	Data   []T `json:"data"`
}

func (l *unpaged[T]) complete() bool { return l.Admins != nil || l.Teams != nil || l.Data != nil }

// MarshalJSON writes the page as Intercom sends one, so that it serves as the answer of a mock.
func (p Page[T]) MarshalJSON() ([]byte, error) {
	name, items := "data", p.Items
	if items == nil {
		items = []T{}
	}
	var list any = items
	switch items := list.(type) {
	case []ArticleMatch:
		list = foundJSON(items)
	case []Conversation:
		name = "conversations"
	case []DataEvent:
		name = "events"
	case []ActivityLog:
		name = "activity_logs"
	}
	paging := map[string]any{"type": "pages"}
	if p.Next != "" {
		paging["next"] = nextJSON(p.Next)
	}
	return json.Marshal(map[string]any{name: list, "total_count": p.Total, "pages": paging})
}

// nextJSON is a cursor as Intercom sends one.
func nextJSON(cursor string) any {
	if strings.HasPrefix(cursor, "?") {
		return "https://api.intercom.io/" + cursor
	}
	return map[string]string{"starting_after": cursor}
}

// count is a whole number that may come in quotes or not at all.
type count int

func (c *count) UnmarshalJSON(b []byte) error {
	s, err := idText(b)
	if err != nil {
		return err
	}
	if s == "" {
		*c = 0
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return errors.New("intercomrbac: a count is no whole number")
	}
	*c = count(n)
	return nil
}

// all goes through the pages of a list. Each range over it starts anew at after.
func all[T any](ctx context.Context, after string, list func(ctx context.Context, after string) (*Page[T], error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		seen := map[string]struct{}{}
		for cursor := after; ; {
			seen[cursor] = struct{}{}
			p, err := list(ctx, cursor)
			if p != nil { // even beside an error: then only the record of it is missing
				for _, item := range p.Items {
					if !yield(item, nil) {
						return
					}
				}
			}
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			if p.Next == "" {
				return
			}
			if _, repeated := seen[p.Next]; repeated {
				var zero T
				yield(zero, ErrCursorRepeated)
				return
			}
			cursor = p.Next
		}
	}
}
