package intercomrbac

import (
	"context"
	"encoding/json"
)

// SearchParams selects a page of a search.
type SearchParams struct {
	// Query is the condition; needed.
	Query Query
	// Sort is the order; the zero value leaves it to Intercom.
	Sort Sort
	ListParams
}

// Sort orders a search.
type Sort struct {
	// Field is what to sort by, such as FieldUpdatedAt.
	Field Field
	// Ascending puts the smallest first; otherwise the greatest comes first.
	Ascending bool
}

// MarshalJSON writes the order as Intercom wants it.
func (s Sort) MarshalJSON() ([]byte, error) {
	order := "descending"
	if s.Ascending {
		order = "ascending"
	}
	return json.Marshal(map[string]string{"field": string(s.Field), "order": order})
}

// searchPage returns a page of what meets a condition.
func searchPage[T any](ctx context.Context, c *Client, op Operation, by searchable, params SearchParams) (*Page[T], error) {
	if err := params.check(op); err != nil {
		return nil, err
	}
	query, err := params.Query.wire(by)
	if err != nil {
		return nil, invalid(op, "%w", err)
	}
	if params.Sort.Field == "" && params.Sort.Ascending {
		return nil, invalid(op, "Sort has no Field")
	}
	type pagination struct {
		PerPage       int    `json:"per_page,omitzero"`
		StartingAfter string `json:"starting_after,omitzero"`
	}
	body := struct {
		Query      any        `json:"query"`
		Pagination pagination `json:"pagination,omitzero"`
		Sort       Sort       `json:"sort,omitzero"`
	}{query, pagination{params.PerPage, cursorParams(params.After).Get("starting_after")}, params.Sort}
	if params.After != "" && body.Pagination.StartingAfter == "" {
		return nil, invalid(op, "After is no cursor of a search")
	}
	return fetchPage[T, page[T]](ctx, c, call{op: op, body: body})
}
