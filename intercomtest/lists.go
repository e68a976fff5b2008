package intercomtest

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// cursor says after which item the next page begins. Clients must take it as it is.
type cursor struct {
	Key  int64 `json:"k"` // the item's value of the sort field
	Seq  int64 `json:"s"`
	Page int   `json:"p"` // the number of the page that it leads to
}

func (c cursor) String() string {
	b, err := json.Marshal(c)
	if err != nil {
		panic("intercomtest: " + err.Error()) // numbers always encode
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

func parseCursor(text string) (cursor, error) {
	c := cursor{Page: 1}
	if text == "" {
		return c, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || json.Unmarshal(b, &c) != nil || c.Page < 2 {
		return c, fail(http.StatusBadRequest, "client_error",
			"Invalid starting_after param. Please try again using a starting_after value from a paginated response")
	}
	return c, nil
}

// after compares an item with the end of the page before.
func (c cursor) after(key, seq int64, descending bool) bool {
	d := cmp.Compare(key, c.Key)
	if descending {
		d = -d
	}
	return c.Page == 1 || cmp.Or(d, cmp.Compare(seq, c.Seq)) > 0
}

func (s *Server) listConversations(r *request) (any, error) {
	return listAll(s, r, &conversationIndex, s.conversations)
}

// listAll answers with a page of the items, in their order of arrival.
func listAll[T listed](s *Server, r *request, x *index[T], items []T) (any, error) {
	per, err := perPage(r.query.Get("per_page"), x.per)
	if err != nil {
		return nil, err
	}
	from, err := parseCursor(r.query.Get("starting_after"))
	if err != nil {
		return nil, err
	}
	start, found := slices.BinarySearchFunc(items, from.Seq, func(item T, seq int64) int { return cmp.Compare(item.order(), seq) })
	if found {
		start++
	}
	return pageOf(s, r, x, items, start, per, from, nil), nil
}

// pageOf answers with the items from start on. key is the value of the sort field, nil without one.
func pageOf[T listed](s *Server, r *request, x *index[T], all []T, start, per int, from cursor, key func(T) int64) any {
	end := min(start+per, len(all))
	items := make([]object, 0, end-start)
	for _, item := range all[start:end] {
		items = append(items, x.write(s, r, item))
	}
	pages := object{"type": "pages", "page": from.Page, "per_page": per, "total_pages": (len(all) + per - 1) / per}
	if end < len(all) {
		last := all[end-1]
		next := cursor{Seq: last.order(), Page: from.Page + 1}
		if key != nil {
			next.Key = key(last)
		}
		if s.urlCursors {
			q := url.Values{"per_page": {strconv.Itoa(per)}, "starting_after": {next.String()}}
			pages["next"] = r.base + r.path + "?" + q.Encode()
		} else {
			pages["next"] = object{"per_page": per, "starting_after": next.String()}
		}
	}
	return object{"type": x.envelope, "pages": pages, "total_count": len(all), x.member: items}
}
