package intercomtest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// listed is what lists and searches give.
type listed interface {
	*conversation | *contact
	order() int64 // of arrival
}

func (c *conversation) order() int64 { return c.seq }

// index is what a kind of thing can be searched by.
type index[T listed] struct {
	fields    map[string]field[T]
	custom    func(name string) field[T]
	operators map[kind][]string
	inclusive bool // > and < include the value
	per       int  // how many are on a page
	write     func(*Server, *request, T) object
	envelope  string // the type of the list
	member    string // where its items are
}

func (s *Server) searchConversations(r *request) (any, error) {
	return searchIn(s, r, &conversationIndex, s.conversations)
}

// searchIn answers a search among the items.
func searchIn[T listed](s *Server, r *request, x *index[T], items []T) (any, error) {
	var body struct {
		Query      json.RawMessage `json:"query"`
		Pagination struct {
			PerPage *int    `json:"per_page"`
			After   *string `json:"starting_after"`
		} `json:"pagination"`
		Sort *struct {
			Field string  `json:"field"`
			Order *string `json:"order"`
		} `json:"sort"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	if len(body.Query) == 0 || isNull(body.Query) {
		return nil, missing("query")
	}
	match, _, err := x.compile(body.Query, 1)
	if err != nil {
		return nil, err
	}
	per := x.per
	if body.Pagination.PerPage != nil {
		if per, err = perPage(fmt.Sprint(*body.Pagination.PerPage), x.per); err != nil {
			return nil, err
		}
	}
	after := ""
	if body.Pagination.After != nil {
		after = *body.Pagination.After
	}
	from, err := parseCursor(after)
	if err != nil {
		return nil, err
	}
	var found []T
	for _, item := range items {
		if match(s, item) {
			found = append(found, item)
		}
	}
	if body.Sort == nil {
		start := firstAfter(found, func(item T) bool { return from.after(0, item.order(), false) })
		return pageOf(s, r, x, found, start, per, from, nil), nil
	}
	order := "descending"
	if body.Sort.Order != nil {
		order = *body.Sort.Order
	}
	if order != "ascending" && order != "descending" {
		return nil, fail(http.StatusBadRequest, "invalid_sort_order",
			fmt.Sprintf("Invalid sort order '%s'. Must be one of: ascending, descending", order))
	}
	by, ok := x.fields[body.Sort.Field]
	if !ok || by.kind != numeric && by.kind != day {
		return nil, invalid("sort.field", "Cannot sort by %q", body.Sort.Field)
	}
	key := func(item T) int64 { return by.get(s, item).number }
	slices.SortFunc(found, func(a, b T) int {
		d := cmp.Compare(key(a), key(b))
		if order == "descending" {
			d = -d
		}
		return cmp.Or(d, cmp.Compare(a.order(), b.order()))
	})
	start := firstAfter(found, func(item T) bool { return from.after(key(item), item.order(), order == "descending") })
	return pageOf(s, r, x, found, start, per, from, key), nil
}

func firstAfter[T any](list []T, after func(T) bool) int {
	if i := slices.IndexFunc(list, after); i >= 0 {
		return i
	}
	return len(list)
}

func isNull(b json.RawMessage) bool { return bytes.Equal(bytes.TrimSpace(b), []byte("null")) }

// predicate says whether an item is wanted.
type predicate[T listed] func(*Server, T) bool

// Intercom's limits of a query.
const (
	maxDepth   = 2
	maxFilters = 15
)

// compile reads a query: one filter, or a group of filters or of groups.
func (x *index[T]) compile(raw json.RawMessage, depth int) (match predicate[T], group bool, err error) {
	var node struct {
		Field    *string         `json:"field"`
		Operator string          `json:"operator"`
		Value    json.RawMessage `json:"value"`
	}
	if err := json.Unmarshal(raw, &node); err != nil {
		return nil, false, invalid("query", "query must be made of filters and groups of filters")
	}
	if node.Field != nil {
		match, err = x.compileFilter(*node.Field, node.Operator, node.Value)
		return match, false, err
	}
	var children []json.RawMessage
	if node.Operator != "AND" && node.Operator != "OR" {
		return nil, false, invalid("operator", "%q is not a group operator: use AND or OR, or name a field", node.Operator)
	}
	if err := json.Unmarshal(node.Value, &children); err != nil || len(children) == 0 {
		return nil, false, invalid("value", "the value of %s must be a list of filters", node.Operator)
	}
	if depth > maxDepth {
		return nil, false, invalid("query", "filters can be nested %d deep at the most", maxDepth)
	}
	if len(children) > maxFilters {
		return nil, false, invalid("query", "a group can have %d filters at the most", maxFilters)
	}
	matches := make([]predicate[T], 0, len(children))
	groups := 0
	for _, child := range children {
		m, isGroup, err := x.compile(child, depth+1)
		if err != nil {
			return nil, false, err
		}
		if isGroup {
			groups++
		}
		matches = append(matches, m)
	}
	if groups != 0 && groups != len(children) {
		return nil, false, invalid("query", "groups and filters cannot be mixed at one level")
	}
	all := node.Operator == "AND"
	return func(s *Server, item T) bool {
		for _, m := range matches {
			if m(s, item) != all {
				return !all
			}
		}
		return all
	}, true, nil
}

// kind is the type of a field.
type kind int

const (
	textual kind = iota // any number of texts
	numeric             // integers and dates
	boolean
	custom // whatever the attribute holds
	day    // dates that are compared by the day, in the workspace's time zone
	exact  // texts that are compared as a whole
)

// negated operators, and what they negate.
var negated = map[string]string{"!=": "=", "NIN": "IN", "!~": "~"}

// operand is a value of an item or of a filter.
type operand struct {
	kind   kind
	unset  bool
	texts  []string
	number int64
	flag   bool
}

func (x *index[T]) compileFilter(name, operator string, raw json.RawMessage) (predicate[T], error) {
	f, ok := x.fields[name]
	if attribute, isCustom := strings.CutPrefix(name, "custom_attributes."); isCustom && attribute != "" {
		f, ok = x.custom(attribute), true
	}
	switch {
	case !ok:
		return nil, invalid("field", "%q is not a field that can be searched", name)
	case !slices.Contains(x.operators[f.kind], operator):
		return nil, invalid("operator", "%q is not an operator for %s", operator, name)
	}
	positive, negate := operator, false
	if p, ok := negated[operator]; ok {
		positive, negate = p, true
	}
	wanted, err := parseWanted(name, positive, f.kind, raw)
	if err != nil {
		return nil, err
	}
	if x.inclusive && (positive == ">" || positive == "<") {
		positive += "="
	}
	return func(s *Server, item T) bool {
		has := f.get(s, item)
		if f.kind == day {
			has = has.midnight(s.zone)
		}
		return slices.ContainsFunc(wanted, func(w operand) bool {
			if f.kind == day {
				w = w.midnight(s.zone)
			}
			return has.matches(positive, w)
		}) != negate
	}, nil
}

// parseWanted reads the value of a filter: several for IN, else one.
func parseWanted(name, operator string, k kind, raw json.RawMessage) ([]operand, error) {
	list := []json.RawMessage{raw}
	isList := bytes.HasPrefix(bytes.TrimSpace(raw), []byte("["))
	if isList != (operator == "IN") {
		return nil, invalid("value", "the value for %s must be a list with IN and NIN, and only with them", name)
	}
	if isList {
		if err := json.Unmarshal(raw, &list); err != nil || len(list) == 0 {
			return nil, invalid("value", "the list of values for %s is empty", name)
		}
	}
	wanted := make([]operand, 0, len(list))
	for _, item := range list {
		w, ok := parseOperand(k, item)
		if !ok || (w.unset && operator != "=" && operator != "IN") {
			return nil, invalid("value", "the value for %s does not have the field's type", name)
		}
		wanted = append(wanted, w)
	}
	return wanted, nil
}

func parseOperand(k kind, raw json.RawMessage) (operand, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return operand{}, false
	}
	w := operand{kind: k}
	switch v := v.(type) {
	case nil:
		w.unset = true
		return w, true
	case string:
		if k == numeric || k == day { // dates may be quoted
			n, err := json.Number(v).Int64()
			w.kind, w.number = numeric, n
			return w, err == nil
		}
		w.kind, w.texts = textual, []string{v}
	case json.Number:
		n, err := v.Int64()
		if err != nil {
			return w, false
		}
		w.kind, w.number = numeric, n
	case bool:
		w.kind, w.flag = boolean, v
	default:
		return w, false
	}
	return w, k == custom || k == w.kind || k == day && w.kind == numeric || k == exact && w.kind == textual
}

// midnight is the beginning of the day that a date is in.
func (has operand) midnight(zone *time.Location) operand {
	if !has.unset {
		y, m, d := time.Unix(has.number, 0).In(zone).Date()
		has.number = time.Date(y, m, d, 0, 0, 0, 0, zone).Unix()
	}
	return has
}

func (has operand) matches(operator string, w operand) bool {
	switch {
	case w.unset:
		return has.unset
	case has.unset || has.kind != w.kind:
		return false
	case has.kind == boolean:
		return has.flag == w.flag
	case has.kind == numeric:
		switch operator {
		case ">":
			return has.number > w.number
		case ">=":
			return has.number >= w.number
		case "<":
			return has.number < w.number
		case "<=":
			return has.number <= w.number
		default:
			return has.number == w.number
		}
	}
	want := strings.ToLower(w.texts[0])
	return slices.ContainsFunc(has.texts, func(text string) bool {
		text = strings.ToLower(text)
		switch operator {
		case "~":
			return strings.Contains(text, want)
		case "^":
			return strings.HasPrefix(text, want)
		case "$":
			return strings.HasSuffix(text, want)
		default:
			return text == want
		}
	})
}
