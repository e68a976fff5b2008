package intercomrbac

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// view says how a guard judges what an operation returns, where a grant hangs on a condition.
type view struct {
	// list is the member that holds the items, or a member of that one, as "data.articles" is; empty where the answer is
	// the thing itself.
	list string
	read func(raw []byte) (id string, value any, err error)
	// numbered: the pages of the list have numbers.
	numbered bool
}

// views are the reads whose answers can be judged. Other reads under a condition are judged by their resource, before
// they are sent, or not at all.
var views = map[string]view{
	"admins.activity_logs":        {list: "activity_logs", read: readView(func(l *ActivityLog) string { return string(l.ID) })},
	"admins.get":                  {read: readView(func(a *Admin) string { return string(a.ID) })},
	"admins.list":                 {list: "admins", read: readView(func(a *Admin) string { return string(a.ID) })},
	"admins.me":                   {read: readView(func(a *Admin) string { return string(a.ID) })},
	"admins.search_activity_logs": {list: "activity_logs", read: readView(func(l *ActivityLog) string { return string(l.ID) })},
	"articles.get":                {read: readView(func(a *Article) string { return string(a.ID) })},
	"articles.list":               {list: "data", read: readView(func(a *Article) string { return string(a.ID) }), numbered: true},
	"articles.search":             {list: "data.articles", read: readView(func(a *Article) string { return string(a.ID) }), numbered: true},
	"collections.get":             {read: readView(func(c *Collection) string { return string(c.ID) })},
	"collections.list":            {list: "data", read: readView(func(c *Collection) string { return string(c.ID) }), numbered: true},
	"contacts.get":                {read: readView(func(c *Contact) string { return string(c.ID) })},
	"contacts.get_by_external_id": {read: readView(func(c *Contact) string { return string(c.ID) })},
	"contacts.list":               {list: "data", read: readView(func(c *Contact) string { return string(c.ID) })},
	"contacts.search":             {list: "data", read: readView(func(c *Contact) string { return string(c.ID) })},
	"conversations.get":           {read: readView(func(c *Conversation) string { return string(c.ID) })},
	"conversations.list":          {list: "conversations", read: readView(func(c *Conversation) string { return string(c.ID) })},
	"conversations.search":        {list: "conversations", read: readView(func(c *Conversation) string { return string(c.ID) })},
	"events.list":                 {list: "events", read: readView(func(e *DataEvent) string { return string(e.ID) })},
	"tags.get":                    {read: readView(func(t *Tag) string { return string(t.ID) })},
	"tags.list":                   {list: "data", read: readView(func(t *Tag) string { return string(t.ID) })},
	"teams.get":                   {read: readView(func(t *Team) string { return string(t.ID) })},
	"teams.list":                  {list: "teams", read: readView(func(t *Team) string { return string(t.ID) })},
}

func readView[T any](id func(*T) string) func([]byte) (string, any, error) {
	return func(raw []byte) (string, any, error) {
		v := new(T)
		if err := json.Unmarshal(raw, v); err != nil {
			return "", nil, err
		}
		return id(v), v, nil
	}
}

// fetch returns a resource as Intercom has it now; nil for kinds that it cannot.
func (c *Client) fetch(ctx context.Context, kind, id string) (any, error) {
	switch kind {
	case "admin":
		return c.Admins.Get(ctx, AdminID(id))
	case "article":
		return c.Articles.Get(ctx, ArticleID(id))
	case "collection":
		return c.Collections.Get(ctx, CollectionID(id))
	case "contact":
		return c.Contacts.Get(ctx, ContactID(id))
	case "conversation":
		return c.Conversations.Get(ctx, ConversationID(id))
	case "tag":
		return c.Tags.Get(ctx, TagID(id))
	case "team":
		return c.Teams.Get(ctx, TeamID(id))
	}
	return nil, nil
}

// idOf returns the id that a fetched thing has by its own word.
func idOf(value any) string {
	switch v := value.(type) {
	case *Admin:
		return string(v.ID)
	case *Article:
		return string(v.ID)
	case *Collection:
		return string(v.ID)
	case *Contact:
		return string(v.ID)
	case *Conversation:
		return string(v.ID)
	case *Tag:
		return string(v.ID)
	case *Team:
		return string(v.ID)
	}
	return ""
}

// judge leaves of an answer what the principal may see, or denies it.
func (g *Guard) judge(ctx context.Context, in *call, body []byte) ([]byte, error) {
	v := in.verdict
	if v == nil || !v.judged || v.reported || g.reportOnly && v.view.list != "" {
		return body, nil
	}
	if v.view.list == "" {
		d, err := g.look(ctx, in, body)
		if d.Allowed {
			v.decision = d
			return body, nil
		}
		return body, g.deny(ctx, in, d, err)
	}
	var envelope map[string]json.RawMessage
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, g.deny(ctx, in, g.because(ctx, &v.principal, v.op.Permission, ReasonConditionUnknown), errUnjudged)
	}
	outer, inner, nested := strings.Cut(v.view.list, ".")
	holder, name := envelope, outer
	if nested {
		holder, name = nil, inner
		_ = json.Unmarshal(envelope[outer], &holder) // what is no object holds no items
	}
	var items []json.RawMessage
	if err := json.Unmarshal(holder[name], &items); err != nil {
		return nil, g.deny(ctx, in, g.because(ctx, &v.principal, v.op.Permission, ReasonConditionUnknown), errUnjudged)
	}
	kept := make([]json.RawMessage, 0, len(items))
	for _, item := range items {
		d, err := g.look(ctx, in, item)
		switch {
		case err != nil:
			return nil, g.deny(ctx, in, d, err)
		case d.Allowed:
			kept = append(kept, item)
		}
	}
	// Totals count what is hidden, too.
	out := map[string]any{outer: kept}
	if nested {
		out[outer] = map[string]any{inner: kept, "highlights": highlightsOf(holder["highlights"], kept)}
	}
	for _, name := range []string{"type", "request_id"} {
		if raw, ok := envelope[name]; ok {
			out[name] = raw
		}
	}
	if next := v.view.nextPage(envelope["pages"]); next != nil {
		out["pages"] = map[string]any{"type": "pages", "next": next}
	}
	return json.Marshal(out)
}

// nextPage is what the pages of a list say about the next one. Where they have numbers and nothing else it is made of
// those, since their total counts what is hidden. What cannot be read is left for the caller to fail at.
func (v view) nextPage(raw json.RawMessage) any {
	var p numbered
	if v.numbered && json.Unmarshal(raw, &p) == nil && p.next != "" {
		return nextJSON(p.next)
	}
	var paging struct {
		Next json.RawMessage `json:"next"`
	}
	if json.Unmarshal(raw, &paging) != nil || paging.Next == nil {
		return nil
	}
	return paging.Next
}

var errUnjudged = class("the answer cannot be judged: it is not what Intercom's API sends", ErrBadResponse)

// look decides about one thing that Intercom returned.
func (g *Guard) look(ctx context.Context, in *call, raw []byte) (Decision, error) {
	v := in.verdict
	id, value, err := v.view.read(raw)
	if err != nil {
		return g.because(ctx, &v.principal, v.op.Permission, ReasonConditionUnknown), errUnjudged
	}
	return g.checker.Check(ctx, v.principal, v.op.Permission,
		Resource{Kind: v.op.Resource, ID: id, Value: value, Workspace: v.resource.Workspace})
}

// narrow adds to a list or search of conversations what the principal's conditions say, so that what is hidden is not
// fetched at all. Where nothing can be met the call needs no answer from Intercom.
func (in *call) narrow(d Decision, p *Principal) error {
	only, possible, known := d.asQuery(p)
	switch {
	case !known:
		return nil // what is fetched is filtered all the same
	case !possible:
		in.nothing = []byte(`{"type":"conversation.list","conversations":[]}`)
		return nil
	case in.op.Name == opConversationsList.Name:
		if err := in.listAsSearch(); err != nil {
			return err
		}
	}
	if len(in.spelt("query")) > 0 { // it could take the place of the one in the body
		return invalid(in.op, "query belongs into the Body, not into the query")
	}
	body, err := in.object()
	if err != nil {
		return err
	}
	query, err := narrowed(body["query"], only)
	if err != nil {
		return invalid(in.op, "%w", err)
	}
	if body["query"], err = json.Marshal(query); err != nil {
		return invalid(in.op, "the query cannot be written as JSON: %w", err)
	}
	in.body, in.rewritten = body, true
	return nil
}

// listAsSearch makes a list of all conversations the search for them: a list takes no condition.
func (in *call) listAsSearch() error {
	type pagination struct {
		PerPage       int    `json:"per_page,omitzero"`
		StartingAfter string `json:"starting_after,omitzero"`
	}
	var page pagination
	for name, values := range in.query {
		var err error
		switch {
		case name == "per_page" && len(values) == 1:
			page.PerPage, err = strconv.Atoi(values[0])
		case name == "starting_after" && len(values) == 1:
			page.StartingAfter = values[0]
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			return invalid(in.op, "the query's %.40q cannot be asked for under a condition: use per_page and starting_after", name)
		}
	}
	in.op, in.query, in.rewritten = opConversationsSearch, nil, true
	in.body = struct {
		Query      any        `json:"query,omitempty"`
		Pagination pagination `json:"pagination,omitzero"`
	}{Pagination: page}
	return nil
}

// asQuery is a decision's conditions as a search. known is false where one of them is none, or something is allowed
// without any; possible is false where none can be met.
func (d Decision) asQuery(p *Principal) (q Query, possible, known bool) {
	r := d.policy.list[d.role-1]
	if r.outcome[d.permission]&allowAlways != 0 {
		return q, true, false
	}
	var alternatives []Query
	for _, rule := range r.conditionals(d.permission) {
		if rule.deny {
			continue
		}
		c := &d.policy.conditions[rule.condition]
		if c.query == nil {
			return q, true, false
		}
		if one, ok := c.query(*p); ok {
			alternatives = append(alternatives, one)
		}
	}
	switch len(alternatives) {
	case 0:
		return q, false, true
	case 1:
		return alternatives[0], true, true
	}
	return Or(alternatives...), true, true
}

// narrowed is a query as it goes over the wire, with another condition that must be met as well.
func narrowed(raw json.RawMessage, only Query) (any, error) {
	condition, err := only.wire(searchable{fields: conversationFields})
	if err != nil {
		return nil, err
	}
	if len(raw) == 0 || string(raw) == "null" {
		return condition, nil
	}
	group := func(operator string, nodes ...any) any { return map[string]any{"operator": operator, "value": nodes} }
	asGroup := condition
	if only.group == nil {
		asGroup = group("AND", condition)
	}
	operator, children, nested := groupOf(raw)
	switch {
	case operator == "" && only.group == nil:
		return group("AND", raw, condition), nil
	case operator == "":
		return group("AND", group("AND", raw), asGroup), nil
	case !nested && operator == "AND" && only.group == nil && len(children) < maxQueryFilters:
		return group("AND", append(children, condition)...), nil
	case !nested:
		return group("AND", raw, asGroup), nil
	case operator == "AND" && len(children) < maxQueryFilters:
		return group("AND", append(children, asGroup)...), nil
	}
	return nil, fmt.Errorf("with the condition of the principal's role the query is beyond what Intercom takes, which is %d levels of And and Or with %d filters each: make it smaller",
		maxQueryDepth, maxQueryFilters)
}

// groupOf tells operator and members of a group; the operator of a single filter is empty.
func groupOf(raw json.RawMessage) (operator string, children []any, nested bool) {
	var node struct {
		Field    *string         `json:"field"`
		Operator string          `json:"operator"`
		Value    json.RawMessage `json:"value"`
	}
	var members []json.RawMessage
	if json.Unmarshal(raw, &node) != nil || node.Field != nil || json.Unmarshal(node.Value, &members) != nil {
		return "", nil, false
	}
	for _, m := range members {
		var member struct {
			Field *string `json:"field"`
		}
		nested = nested || json.Unmarshal(m, &member) != nil || member.Field == nil
		children = append(children, m)
	}
	return node.Operator, children, nested
}
