package intercomrbac

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac/internal/apipath"
)

// Call holds what an operation is called with in [Client.Do].
type Call struct {
	// Path gives each placeholder of the operation's path its value.
	Path map[string]string
	// Query is the query string; may be nil.
	Query url.Values
	// Body is written as JSON; nil sends none.
	Body any
}

// Do calls an operation that has no method here, through the same steps as the methods: the same checks, limits,
// retries and errors. out is a pointer that the JSON answer is decoded into, or nil. An operation of the table is taken
// from [LookupOperation], unchanged; an operation of your own whose request is that of one in the table is refused. Where
// the operation has an Actor that is not optional, and the Body does not name one, the principal's AdminID is filled in.
// Such refusals are ErrInvalidRequest, or ErrNoActingAdmin, and come before anything is sent; a guard adds its own.
func (c *Client) Do(ctx context.Context, op Operation, in Call, out any) error {
	if err := op.check(); err != nil {
		return err
	}
	if known, ok := LookupOperation(op.Name); ok && known != op {
		return invalid(op, "the name is taken by an operation of the table: take that one, unchanged, or another name")
	}
	if v := reflect.ValueOf(out); out != nil && (v.Kind() != reflect.Pointer || v.IsNil()) {
		return invalid(op, "out is a %T: a pointer is needed, or nil", out)
	}
	prepared := call{op: op, query: in.Query, body: in.Body, out: out}
	names := op.placeholders()
	for _, name := range names {
		value, ok := in.Path[name]
		if !ok {
			return invalid(op, "Path has no value for %s", name)
		}
		prepared.args = append(prepared.args, value)
	}
	if len(in.Path) != len(names) {
		return invalid(op, "Path has %d values, the path %s takes %d", len(in.Path), op.Path, len(names))
	}
	escaped, err := apipath.Expand(op.Path, prepared.args...)
	if err != nil {
		return invalid(op, "%w", err)
	}
	if err := lands(op, escaped); err != nil {
		return err
	}
	if op.Method == http.MethodGet && in.Body != nil {
		return invalid(op, "a GET has no Body")
	}
	if err := prepared.checkBody(ctx); err != nil {
		return err
	}
	return c.do(ctx, &prepared)
}

// object returns the members of the body.
func (in *call) object() (members map[string]json.RawMessage, err error) {
	raw, err := encode(in)
	if err != nil {
		return nil, err
	}
	if json.Unmarshal(raw, &members) != nil || members == nil { // null leaves it nil
		return nil, invalid(in.op, "the Body must be a JSON object")
	}
	return members, nil
}

// checkBody checks that body and query are those of the operation and of no other one, and reads the acting admin, or
// fills in that of the principal.
func (in *call) checkBody(ctx context.Context) error {
	siblings := slices.DeleteFunc(Operations(), func(o Operation) bool { return o.Method != in.op.Method || o.Path != in.op.Path })
	telling := func(o Operation) bool { return o.Body != "" || o.Query != "" || o.Actor != "" }
	if err := in.checkActors(); err != nil {
		return err
	}
	if !slices.ContainsFunc(append(siblings, in.op), telling) {
		return nil
	}
	var members map[string]json.RawMessage
	if in.body != nil || in.op.Body != "" || in.op.Actor != "" {
		var err error
		if members, err = in.object(); err != nil {
			return err
		}
	}
	if missing := in.op.missing(members, in.query); missing != "" {
		return invalid(in.op, "%s", missing)
	}
	for _, o := range siblings {
		// What another operation is told by belongs where it is looked for.
		for pair := range strings.FieldsSeq(o.Body + " " + o.Actor) {
			if name, _, _ := strings.Cut(pair, "="); len(in.spelt(name)) > 0 {
				return invalid(in.op, "%s belongs into the Body, not into the query", name)
			}
		}
		for pair := range strings.FieldsSeq(o.Query) {
			name, _, _ := strings.Cut(pair, "=")
			if odd := slices.DeleteFunc(in.spelt(name), func(key string) bool { return key == name }); len(odd) > 0 {
				return invalid(in.op, "the query's %.40q would be read as %s: write it so", odd[0], name)
			}
			if _, given := members[name]; given {
				return invalid(in.op, "%s belongs into the query, not into the Body", name)
			}
			// Those are flags, which Rails reads from other words as well.
			if values := in.query[name]; len(values) > 0 && (len(values) > 1 || values[0] != "true" && values[0] != "false") {
				return invalid(in.op, "the query must say %s once, as true or as false", name)
			}
		}
		more := len(strings.Fields(o.Body+" "+o.Query)) > len(strings.Fields(in.op.Body+" "+in.op.Query))
		if more && o.missing(members, in.query) == "" {
			return invalid(in.op, "this call is operation %s: use that one", o.Name)
		}
	}
	if in.op.Actor != "" {
		if err := in.readActor(ctx, members); err != nil {
			return err
		}
		if err := in.checkTranslations(members); err != nil {
			return err
		}
	}
	if err := in.checkContacts(members); err != nil {
		return err
	}
	if kind, ok := memberText(members["type"]); ok {
		in.assignee = assigneeKind(in.op, kind)
	}
	if members != nil {
		in.body = members
	}
	return nil
}

// actorMembers are the members of a body that name an acting admin, beside from.id. The sender is that of news
// (newsItemRequest).
var actorMembers = []string{"admin_id", "author_id", "sender_id"}

// checkActors refuses a call in the name of an admin that the operation's Actor does not say: nobody would check whose.
func (in *call) checkActors() error {
	says := func(name string) error {
		return invalid(in.op, "%s says which admin acts: name it as the operation's Actor", name)
	}
	for _, name := range actorMembers {
		if in.op.Actor != name && len(in.spelt(name)) > 0 {
			return says(name)
		}
	}
	if in.op.Actor != "from.id" && slices.ContainsFunc(in.spelt("from"), func(key string) bool { return key != "from" }) {
		return says("from.id")
	}
	if len(in.spelt("translated_content")) > 0 { // each of them may name an author
		return invalid(in.op, "translated_content belongs into the Body, not into the query")
	}
	raw, err := encode(in)
	if err != nil || raw == nil {
		return err
	}
	in.body = json.RawMessage(raw) // what was checked is what is sent
	var members map[string]json.RawMessage
	var from map[string]json.RawMessage // no struct: its members would match in any case
	_ = json.Unmarshal(raw, &members)   // what is no object has no members
	for _, name := range actorMembers {
		if _, ok := members[name]; ok && in.op.Actor != name {
			return says(name)
		}
	}
	if in.op.Actor != "author_id" { // otherwise once the author is known
		if err := in.checkTranslations(members); err != nil {
			return err
		}
	}
	_ = json.Unmarshal(members["from"], &from)
	if raw, ok := from["type"]; ok && in.op.Actor != "from.id" {
		if kind, _ := memberText(raw); !ContactRole(kind).isContact() {
			return says("from.id")
		}
	}
	if from != nil {
		members["from"], _ = json.Marshal(from)
	}
	if members != nil {
		in.body = members // no member comes twice
	}
	return nil
}

// checkTranslations refuses an article's translation in the name of anybody but the acting admin.
func (in *call) checkTranslations(members map[string]json.RawMessage) error {
	whole, ok := members["translated_content"]
	if !ok {
		return nil
	}
	var locales map[string]json.RawMessage
	if err := json.Unmarshal(whole, &locales); err != nil {
		return invalid(in.op, "the Body's translated_content must be a JSON object")
	}
	for locale, raw := range locales {
		if _, plain := memberText(raw); plain { // such as the type of the whole
			continue
		}
		var content map[string]json.RawMessage
		if err := json.Unmarshal(raw, &content); err != nil {
			return invalid(in.op, "the translation %.40q must be a JSON object", locale)
		}
		if author, ok := content["author_id"]; ok {
			if id, _ := memberText(author); id == "" || in.op.Actor != "author_id" || AdminID(id) != in.actor {
				return invalid(in.op, "the author_id of translation %.40q must be that of the Body, and the operation's Actor", locale)
			}
		}
		locales[locale], _ = json.Marshal(content) // no member comes twice
	}
	members["translated_content"], _ = json.Marshal(locales)
	return nil
}

// spelt returns the keys of the query that Rails reads as the name or as a member of it.
func (in *call) spelt(name string) (keys []string) {
	for key := range in.query {
		if railsName(key) == name {
			keys = append(keys, key)
		}
	}
	return keys
}

// railsName is what Rails takes a key of a query for: that is name where the key is name, name[], [name] or name[id].
func railsName(key string) string {
	base := strings.TrimLeft(key, "[] ")
	if end := strings.IndexAny(base, "[]"); end >= 0 {
		base = base[:end]
	}
	return base
}

// missing tells the first pair of Body or Query that a call does not say; it is empty if the call says all.
func (o Operation) missing(body map[string]json.RawMessage, query url.Values) string {
	says := func(where, pairs string, value func(name string) (string, bool)) string {
		for pair := range strings.FieldsSeq(pairs) {
			name, wanted, _ := strings.Cut(pair, "=")
			have, ok := value(name)
			if !ok || !slices.Contains(strings.Split(wanted, "|"), have) {
				return fmt.Sprintf("the %s must say %s", where, pair)
			}
		}
		return ""
	}
	pairs, alone := o.bodyMembers()
	for _, name := range alone {
		if isBlank(body[name]) {
			return "the Body must have " + name
		}
	}
	if missing := says("Body", pairs, func(name string) (string, bool) { return memberText(body[name]) }); missing != "" {
		return missing
	}
	if only := o.only(); only != nil {
		if more := beyond(only, body); more != "" {
			return more
		}
		for _, key := range sortedKeys(query) {
			if !slices.ContainsFunc(strings.Fields(o.Query), func(pair string) bool { return strings.HasPrefix(pair, key+"=") }) {
				return fmt.Sprintf("%.40q belongs into the Body, not into the query", key)
			}
		}
	}
	return says("Query", o.Query, func(name string) (string, bool) {
		values := query[name]
		if len(values) != 1 {
			return "", false
		}
		return values[0], true
	})
}

// beyond tells of a member that is none of those that a body may have; it is empty if there is none.
func beyond(only []string, body map[string]json.RawMessage) string {
	for _, name := range sortedKeys(body) {
		if !slices.Contains(only, name) {
			return fmt.Sprintf("the Body may have %s and nothing else, and has %.40q", strings.Join(only, " and "), name)
		}
	}
	return ""
}

// bodyMembers tells the pairs of Body from the members that stand alone in it.
func (o Operation) bodyMembers() (pairs string, alone []string) {
	for word := range strings.FieldsSeq(o.Body) {
		if strings.Contains(word, "=") {
			pairs += " " + word
		} else {
			alone = append(alone, word)
		}
	}
	return pairs, alone
}

// only returns the members that a body may have, where Body has one that stands alone: what is not known here could tell
// of something else. It is nil where others are let through.
func (o Operation) only() (names []string) {
	if _, alone := o.bodyMembers(); alone == nil {
		return nil
	}
	for word := range strings.FieldsSeq(o.Body + " " + o.Actor + " " + o.ResourceMembers) {
		name, _, _ := strings.Cut(word, "=")
		name, _, _ = strings.Cut(name, ".")
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// isBlank reports whether Rails takes a member for one that is not there.
func isBlank(raw json.RawMessage) bool {
	text, ok := memberText(raw)
	return ok && strings.TrimSpace(text) == "" || slices.Contains([]string{"", "null", "false", "[]", "{}"}, string(raw))
}

// checkContacts holds a body to naming contacts by their ids, as the methods do: of an address Intercom would make a
// contact, and with "untag" it would take the tag off.
func (in *call) checkContacts(members map[string]json.RawMessage) error {
	switch in.op.Name {
	case opConversationsAttachContact.Name:
		if more := beyond([]string{"admin_id", "customer"}, members); more != "" {
			return invalid(in.op, "%s", more)
		}
		if len(in.query) > 0 {
			return invalid(in.op, "all that it is told belongs into the Body, not into the query")
		}
		customer, err := in.contactOf(members["customer"], "intercom_user_id", "user_id")
		if err != nil {
			return err
		}
		members["customer"], err = json.Marshal(customer)
		return err
	case opTagsApply.Name:
		var users []json.RawMessage
		if json.Unmarshal(members["users"], &users) != nil || len(users) == 0 {
			return invalid(in.op, "the Body's users must be a list of contacts")
		}
		list := make([]map[string]string, 0, len(users))
		for _, raw := range users {
			user, err := in.contactOf(raw, "id")
			if err != nil {
				return err
			}
			list = append(list, user)
		}
		var err error
		members["users"], err = json.Marshal(list)
		return err
	}
	return nil
}

// contactOf reads an object that names a contact by one of these members and has no other.
func (in *call) contactOf(raw json.RawMessage, names ...string) (map[string]string, error) {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil && len(object) == 1 {
		for _, name := range names {
			id, ok := memberText(object[name])
			if ok && id != "" && (name == "user_id" || ContactID(id).check(in.op) == nil) {
				return map[string]string{name: id}, nil
			}
		}
	}
	return nil, invalid(in.op, "each contact in the Body is an object with an id as %s and nothing else", strings.Join(names, " or "))
}

func (in *call) readActor(ctx context.Context, members map[string]json.RawMessage) error {
	outer, inner, nested := strings.Cut(in.op.Actor, ".")
	if len(in.spelt(outer)) > 0 {
		return invalid(in.op, "%s belongs into the Body, not into the query", outer)
	}
	holder, name := members, outer
	if _, given := members[outer]; !given && in.op.ActorOptional {
		return nil
	}
	if nested {
		holder, name = nil, inner
		if json.Unmarshal(members[outer], &holder) != nil || holder == nil {
			return invalid(in.op, "the Body's %s must be a JSON object", outer)
		}
	}
	if raw, given := holder["type"]; nested && given {
		if kind, _ := memberText(raw); kind != "admin" {
			return invalid(in.op, "%s.type must be admin: the id in it is that of the acting admin", outer)
		}
	}
	_, given := holder[name]
	switch {
	case !given && in.op.ActorOptional:
		return nil
	case !given && ctx != nil:
		if p, _ := PrincipalFrom(ctx); p.AdminID != "" {
			holder[name], _ = json.Marshal(p.AdminID)
			if (in.op.Actor == "author_id" || in.op.Actor == "sender_id") && isNumber(p.AdminID) { // by Intercom's description a number
				holder[name] = json.RawMessage(p.AdminID)
			}
		}
	}
	id, ok := memberText(holder[name])
	if !ok || id == "" || id == "0" {
		return fmt.Errorf("%w: %s: the Body must name one as %s, or the Principal of the context have one", ErrNoActingAdmin, in.op.Name, in.op.Actor)
	}
	if nested {
		members[outer], _ = json.Marshal(holder)
	}
	in.actor = AdminID(id)
	return in.actor.check(in.op)
}

// readMembers reads the ids that the operation's ResourceMembers name.
func (in *call) readMembers() error {
	if in.op.ResourceMembers == "" {
		return nil
	}
	members, err := in.object()
	if err != nil {
		return err
	}
	for i, name := range strings.Fields(in.op.ResourceMembers) {
		if len(in.spelt(name)) > 0 {
			return invalid(in.op, "%s belongs into the Body, not into the query", name)
		}
		id, ok := memberText(members[name])
		switch {
		case !ok:
			return invalid(in.op, "the Body must name a %s as %s", in.op.Resource, name)
		case id == "" || id == "0":
			return invalid(in.op, "%s is %q: it must be the id of a %s", name, id, in.op.Resource)
		}
		if err := checkArg(in.op, in.op.Resource+"_id", id); err != nil {
			return err
		}
		in.members[i] = id
		members[name], _ = json.Marshal(id) // a number has many spellings: what was checked is what is sent
	}
	in.body = members
	return nil
}

// memberText returns the text of a JSON string or number.
func memberText(raw json.RawMessage) (string, bool) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return "", false
	}
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}
