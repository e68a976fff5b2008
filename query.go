package intercomrbac

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"time"
)

// Field names what a search looks at, such as "state". The usual ones have constants; custom attributes are
// "custom_attributes.name".
type Field string

// Fields of a conversation search (operation searchConversations). Others that Intercom documents work as well.
// FieldID, FieldCreatedAt and FieldUpdatedAt are fields of contacts, too.
const (
	FieldID              Field = "id"
	FieldCreatedAt       Field = "created_at"
	FieldUpdatedAt       Field = "updated_at"
	FieldWaitingSince    Field = "waiting_since"
	FieldSnoozedUntil    Field = "snoozed_until"
	FieldState           Field = "state"
	FieldOpen            Field = "open"
	FieldRead            Field = "read"
	FieldPriority        Field = "priority"
	FieldAdminAssigneeID Field = "admin_assignee_id"
	FieldTeamAssigneeID  Field = "team_assignee_id"
	FieldTagIDs          Field = "tag_ids"
	FieldContactIDs      Field = "contact_ids"
	FieldTeammateIDs     Field = "teammate_ids"
	FieldSourceType      Field = "source.type"
	FieldSourceSubject   Field = "source.subject"
	FieldSourceBody      Field = "source.body"
	FieldAuthorEmail     Field = "source.author.email"
)

// Operator compares a field with a value.
type Operator string

// Operators of a search. Equals to NotIn are for every type; GreaterThan and LessThan for numbers and times, where
// a search for conversations includes the value itself; GreaterOrEqual and LessOrEqual for whole numbers of contacts
// alone; the rest for text. Times of contacts are compared by Equals, GreaterThan and LessThan alone: see
// [ContactsService.Search].
const (
	Equals      Operator = "="
	NotEquals   Operator = "!="
	In          Operator = "IN"
	NotIn       Operator = "NIN"
	GreaterThan Operator = ">"
	LessThan    Operator = "<"
	Contains    Operator = "~"
	NotContains Operator = "!~"
	StartsWith  Operator = "^"
	EndsWith    Operator = "$"

	GreaterOrEqual Operator = ">="
	LessOrEqual    Operator = "<="
)

// Query is a condition of a search, made by [Where], [And] and [Or]. The zero value matches nothing and is refused.
// It is not changed after it was made, and is safe for concurrent use.
type Query struct {
	field    Field
	operator Operator
	value    any
	group    []Query
}

// Where compares a field with a value: a string or a string type such as an id, a bool, a whole number, a time.Time, a
// Timestamp, or nil for what is not set; for In and NotIn a slice of one of these. A conversation that is assigned to
// nobody has the assignee 0; a contact that nobody looks after has no owner, which is nil.
func Where(field Field, operator Operator, value any) Query {
	if v := reflect.ValueOf(value); value != nil && v.Kind() == reflect.Slice {
		kept := reflect.MakeSlice(v.Type(), v.Len(), v.Len()) // later changes by the caller stay outside
		reflect.Copy(kept, v)
		value = kept.Interface()
	}
	return Query{field: field, operator: operator, value: value}
}

// And is met when all of queries are.
func And(queries ...Query) Query { return Query{operator: "AND", group: slices.Clone(queries)} }

// Or is met when one of queries is.
func Or(queries ...Query) Query { return Query{operator: "OR", group: slices.Clone(queries)} }

// Limits of a search (operation searchConversations, "Nesting & Limitations").
const (
	maxQueryDepth   = 2
	maxQueryFilters = 15
)

// fieldKind is the type that Intercom says a field has.
type fieldKind uint8

const (
	kindAny fieldKind = iota // not documented: anything goes
	kindString
	kindInteger
	kindTime
	kindBool
	kindExact // text that is compared as a whole, by Equals and NotEquals alone
)

// searchable is what can be searched by at an endpoint.
type searchable struct {
	fields map[Field]fieldKind
	// byDay says that times are compared by whole days, which leaves three operators for them.
	byDay bool
	// orEqual says that there are GreaterOrEqual and LessOrEqual.
	orEqual bool
}

var conversationFields = map[Field]fieldKind{
	"id": kindString, "created_at": kindTime, "updated_at": kindTime, "waiting_since": kindTime, "snoozed_until": kindTime,
	"state": kindString, "open": kindBool, "read": kindBool, "priority": kindString,
	"admin_assignee_id": kindInteger, "team_assignee_id": kindInteger,
	"tag_ids": kindString, "contact_ids": kindString, "teammate_ids": kindString, "channel_initiated": kindString,
	"source.type": kindString, "source.id": kindString, "source.delivered_as": kindString, "source.subject": kindString,
	"source.body": kindString, "source.url": kindString, "source.author.id": kindString, "source.author.type": kindString,
	"source.author.name": kindString, "source.author.email": kindString,
	"statistics.time_to_assignment": kindInteger, "statistics.time_to_admin_reply": kindInteger,
	"statistics.time_to_first_close": kindInteger, "statistics.time_to_last_close": kindInteger,
	"statistics.median_time_to_reply": kindInteger, "statistics.first_contact_reply_at": kindTime,
	"statistics.first_assignment_at": kindTime, "statistics.first_admin_reply_at": kindTime, "statistics.first_close_at": kindTime,
	"statistics.last_assignment_at": kindTime, "statistics.last_assignment_admin_reply_at": kindTime,
	"statistics.last_contact_reply_at": kindTime, "statistics.last_admin_reply_at": kindTime, "statistics.last_close_at": kindTime,
	"statistics.last_closed_by_id": kindString, "statistics.count_reopens": kindInteger,
	"statistics.count_assignments": kindInteger, "statistics.count_conversation_parts": kindInteger,
	"conversation_rating.requested_at": kindTime, "conversation_rating.replied_at": kindTime, "conversation_rating.score": kindInteger,
	"conversation_rating.remark": kindString, "conversation_rating.contact_id": kindString,
	"ai_agent_participated": kindBool, "ai_agent.resolution_state": kindString, "ai_agent.last_answer_type": kindString,
	"ai_agent.rating": kindInteger, "ai_agent.rating_remark": kindString, "ai_agent.source_type": kindString,
	"ai_agent.source_title": kindString,
}

// wire returns the query as Intercom wants it, or what is wrong with it.
func (q Query) wire(by searchable) (any, error) { return q.node(&by, 1) }

func (q Query) node(by *searchable, depth int) (any, error) {
	if q.operator == "" {
		return nil, errors.New("the query is empty: use Where, And or Or")
	}
	if q.operator != "AND" && q.operator != "OR" {
		return q.filter(by)
	}
	switch {
	case len(q.group) == 0:
		return nil, fmt.Errorf("the query has an %s of nothing", q.operator)
	case len(q.group) > maxQueryFilters:
		return nil, fmt.Errorf("the query has %d filters in one %s: Intercom takes %d", len(q.group), q.operator, maxQueryFilters)
	case depth > maxQueryDepth:
		return nil, fmt.Errorf("the query nests deeper than %d levels of And and Or", maxQueryDepth)
	}
	isGroup := func(q Query) bool { return q.operator == "AND" || q.operator == "OR" }
	mixed := slices.ContainsFunc(q.group, isGroup)
	nodes := make([]any, len(q.group))
	for i, sub := range q.group {
		if mixed && !isGroup(sub) {
			sub = And(sub) // groups and plain filters must not stand side by side
		}
		var err error
		if nodes[i], err = sub.node(by, depth+1); err != nil {
			return nil, err
		}
	}
	return map[string]any{"operator": q.operator, "value": nodes}, nil
}

func (q Query) filter(by *searchable) (any, error) {
	if q.field == "" {
		return nil, errors.New("the query has a filter without a field")
	}
	kind := by.fields[q.field]
	switch {
	case kind == kindExact && q.operator != Equals && q.operator != NotEquals:
		return nil, fmt.Errorf("%s is compared by %s and %s alone, not by %.10q", q.field, Equals, NotEquals, string(q.operator))
	case by.byDay && (kind == kindTime || holdsTime(q.value)) && q.operator != Equals && q.operator != GreaterThan && q.operator != LessThan:
		return nil, fmt.Errorf("%s is a time, which is compared by %s, %s and %s alone here, not by %.10q", q.field, Equals, GreaterThan, LessThan, string(q.operator))
	case kind == kindExact:
		kind = kindString
	}
	switch q.operator {
	case Equals, NotEquals, In, NotIn:
	case GreaterThan, LessThan:
		if kind == kindString || kind == kindBool {
			return nil, fmt.Errorf("%s cannot be compared by %s: that is for numbers and times", q.field, q.operator)
		}
	case Contains, NotContains, StartsWith, EndsWith:
		if kind != kindString && kind != kindAny {
			return nil, fmt.Errorf("%s cannot be compared by %s: that is for text", q.field, q.operator)
		}
	case GreaterOrEqual, LessOrEqual:
		switch {
		case !by.orEqual:
			return nil, fmt.Errorf("there is no operator %.10q in this search: it is for contacts", string(q.operator))
		case kind != kindInteger && kind != kindAny:
			return nil, fmt.Errorf("%s cannot be compared by %s: that is for whole numbers", q.field, q.operator)
		}
		kind = kindInteger
	default:
		return nil, fmt.Errorf("there is no operator %.10q", string(q.operator))
	}
	value := reflect.ValueOf(q.value)
	isList := value.IsValid() && value.Kind() == reflect.Slice
	if isList != (q.operator == In || q.operator == NotIn) {
		return nil, fmt.Errorf("%s %s takes %s", q.field, q.operator, map[bool]string{true: "one value, not a slice", false: "a slice"}[isList])
	}
	var wire any
	if isList {
		if value.Len() == 0 {
			return nil, fmt.Errorf("%s %s has an empty slice", q.field, q.operator)
		}
		list := make([]any, value.Len())
		for i := range list {
			var err error
			if list[i], err = kind.value(q.field, value.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		wire = list
	} else if q.value != nil || q.operator != Equals && q.operator != NotEquals {
		var err error
		if wire, err = kind.value(q.field, q.value); err != nil {
			return nil, err
		}
	}
	return map[string]any{"field": q.field, "operator": q.operator, "value": wire}, nil
}

// holdsTime reports whether a value is a time, or a slice with one in it.
func holdsTime(v any) bool {
	isTime := func(v any) bool {
		switch v.(type) {
		case time.Time, Timestamp, []time.Time, []Timestamp:
			return true
		}
		return false
	}
	list, _ := v.([]any)
	return isTime(v) || slices.ContainsFunc(list, isTime)
}

// String says what values the kind takes.
func (k fieldKind) String() string {
	switch k {
	case kindString:
		return "text or an id"
	case kindInteger:
		return "a whole number or an id of digits"
	case kindTime:
		return "a time"
	case kindBool:
		return "true or false"
	default:
		return "text, a whole number, a time, an id, true or false"
	}
}

// value writes a value in the type that the field has: Intercom's search fails on others.
func (k fieldKind) value(field Field, v any) (any, error) {
	mismatch := fmt.Errorf("%s is compared with %s, not with this %T", field, k, v)
	var at Timestamp
	switch t := v.(type) {
	case nil:
		return nil, fmt.Errorf("%s is compared with null: that is for %s and %s alone", field, Equals, NotEquals)
	case time.Duration: // an integer too, of nanoseconds, in which Intercom counts nothing
		return nil, mismatch
	case time.Time:
		at = Timestamp{t}
	case Timestamp:
		at = t
	default:
		return k.plain(field, v, mismatch)
	}
	switch {
	case k != kindTime && k != kindAny:
		return nil, mismatch
	case at.IsZero():
		return nil, fmt.Errorf("%s is compared with the zero time", field)
	}
	return at.Unix(), nil
}

// plain writes a value that is no time.
func (k fieldKind) plain(field Field, v any, mismatch error) (any, error) {
	switch r := reflect.ValueOf(v); {
	case r.Kind() == reflect.String && k != kindBool:
		s := r.String()
		if _, plain := v.(string); s == "" && !plain {
			unset := "what is not set use nil"
			if k == kindInteger {
				unset = "what is unassigned use 0"
			}
			return nil, fmt.Errorf("%s is compared with an empty id: for %s", field, unset)
		}
		if k == kindString || k == kindAny {
			return s, nil
		}
		if isDigits(s) && (s == "0" || s[0] != '0') {
			return json.Number(s), nil
		}
	case r.Kind() == reflect.Bool && (k == kindBool || k == kindAny):
		return r.Bool(), nil
	case r.CanInt() && k == kindString:
		return strconv.FormatInt(r.Int(), 10), nil
	case r.CanInt() && k != kindBool:
		return r.Int(), nil
	case r.CanUint() && k == kindString:
		return strconv.FormatUint(r.Uint(), 10), nil
	case r.CanUint() && k != kindBool:
		return r.Uint(), nil
	}
	return nil, mismatch
}
