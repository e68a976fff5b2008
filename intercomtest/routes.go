package intercomtest

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/intercomrbac/intercomrbac"
)

// handler carries out one operation. The server's lock is held. It returns what the body of a 200 holds, or
// accepted or done, or a reply as it stands, or a *failure.
type handler func(*Server, *request) (any, error)

// handlers has one entry for each operation: a new operation of the library needs one here, and nothing else.
var handlers = map[string]handler{
	"admins.activity_event_types": (*Server).listActivityEventTypes,
	"admins.activity_logs":        (*Server).listActivityLogs,
	"admins.away_reasons":         (*Server).listAwayReasons,
	"admins.get":                  (*Server).getAdmin,
	"admins.list":                 (*Server).listAdmins,
	"admins.me":                   (*Server).identify,
	"admins.search_activity_logs": (*Server).searchActivityLogs,
	"admins.set_away":             (*Server).setAway,

	"articles.create": (*Server).createArticle,
	"articles.delete": (*Server).deleteArticle,
	"articles.get":    (*Server).getArticle,
	"articles.list":   (*Server).listArticles,
	"articles.search": (*Server).searchArticles,
	"articles.update": (*Server).updateArticle,

	"collections.create": (*Server).createCollection,
	"collections.delete": (*Server).deleteCollection,
	"collections.get":    (*Server).getCollection,
	"collections.list":   (*Server).listCollections,
	"collections.update": (*Server).updateCollection,

	"contacts.add_tag":            (*Server).tagContact,
	"contacts.archive":            (*Server).archiveContact,
	"contacts.block":              (*Server).blockContact,
	"contacts.create":             (*Server).createContact,
	"contacts.delete":             (*Server).deleteContact,
	"contacts.get":                (*Server).getContact,
	"contacts.get_by_external_id": (*Server).getContactByExternalID,
	"contacts.list":               (*Server).listContacts,
	"contacts.merge":              (*Server).mergeContacts,
	"contacts.remove_tag":         (*Server).untagContact,
	"contacts.search":             (*Server).searchContacts,
	"contacts.tags":               (*Server).listContactTags,
	"contacts.unarchive":          (*Server).unarchiveContact,
	"contacts.update":             (*Server).updateContact,

	"conversations.add_tag":             (*Server).attachTag,
	"conversations.assign":              (*Server).assign,
	"conversations.attach_contact":      (*Server).attachContact,
	"conversations.close":               (*Server).closeConversation,
	"conversations.create":              (*Server).createConversation,
	"conversations.delete":              (*Server).deleteConversation,
	"conversations.delete_with_metrics": (*Server).deleteConversation,
	"conversations.detach_contact":      (*Server).detachContact,
	"conversations.get":                 (*Server).getConversation,
	"conversations.list":                (*Server).listConversations,
	"conversations.note":                (*Server).replyConversation,
	"conversations.open":                (*Server).openConversation,
	"conversations.redact":              (*Server).redact,
	"conversations.remove_tag":          (*Server).detachTag,
	"conversations.reply":               (*Server).replyConversation,
	"conversations.search":              (*Server).searchConversations,
	"conversations.snooze":              (*Server).snooze,
	"conversations.unassign":            (*Server).assign,
	"conversations.update":              (*Server).updateConversation,

	"events.create":         (*Server).createEvent,
	"events.create_summary": (*Server).createEventSummary,
	"events.list":           (*Server).listEvents,
	"events.summaries":      (*Server).listEvents,

	"messages.create": (*Server).createMessage,

	"tags.apply":  (*Server).applyTag,
	"tags.create": (*Server).createTag,
	"tags.delete": (*Server).deleteTag,
	"tags.get":    (*Server).getTag,
	"tags.list":   (*Server).listTags,
	"tags.rename": (*Server).renameTag,

	"teams.get":  (*Server).getTeam,
	"teams.list": (*Server).listTeams,
}

// route is an operation, ready to be compared with requests.
type route struct {
	op       intercomrbac.Operation
	do       handler
	segments []string
	literals int // the more of them, the more specific the path
	body     []condition
	only     bool // the body has no other members than those of its conditions
	query    []condition
	open     bool // it needs no token
	page     bool // it is for browsers
}

// condition wants a member of the body or query to have one of the values; without any, to be there and not blank.
type condition struct {
	member string
	values []string
}

func conditions(pairs string) (out []condition) {
	for pair := range strings.FieldsSeq(pairs) {
		c := condition{member: pair}
		if member, values, ok := strings.Cut(pair, "="); ok {
			c = condition{member, strings.Split(values, "|")}
		}
		out = append(out, c)
	}
	return out
}

// met reports whether the member of a body is as the condition wants it.
func (c condition) met(raw json.RawMessage) bool {
	var id wireID
	if c.values != nil {
		return raw != nil && json.Unmarshal(raw, &id) == nil && slices.Contains(c.values, string(id))
	}
	var v any
	_ = json.Unmarshal(raw, &v) // what is not there is nil
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return strings.TrimSpace(v) != ""
	case []any:
		return len(v) > 0
	case object:
		return len(v) > 0
	}
	return true
}

// mustRoutes panics if the operations and the handlers are not one for one.
func mustRoutes(ops []intercomrbac.Operation, do map[string]handler) []route {
	list := make([]route, 0, len(ops))
	for _, op := range ops {
		h, ok := do[op.Name]
		if !ok {
			panic(fmt.Sprintf("intercomtest: no handler for operation %s: add one to handlers", op.Name))
		}
		r := route{op: op, do: h, segments: strings.Split(op.Path, "/"), body: conditions(op.Body), query: conditions(op.Query)}
		r.only = slices.ContainsFunc(r.body, func(c condition) bool { return c.values == nil })
		for _, seg := range r.segments {
			if !strings.HasPrefix(seg, "{") {
				r.literals++
			}
		}
		list = append(list, r)
	}
	if len(do) != len(ops) {
		panic("intercomtest: a handler is for no operation")
	}
	return list
}

// route finds the operation that the request lands on: the one with the most specific path, then the one that
// asks most of the body and query.
func (s *Server) route(r *request) {
	segments := strings.Split(r.path, "/")
	host, listed := intercomHosts[r.host]
	best, bestLiterals, bestFit := -1, -1, -1
	for i := range s.routes {
		c := &s.routes[i]
		if c.op.Method != r.method || !pathFits(c.segments, segments) || c.literals < bestLiterals {
			continue
		}
		if listed && c.page != host.pages {
			continue
		}
		if c.literals > bestLiterals {
			best, bestLiterals, bestFit = -1, c.literals, -1
		}
		r.known = true
		if fit, ok := c.fits(r); ok && fit > bestFit {
			best, bestFit = i, fit
		}
	}
	if best < 0 {
		return
	}
	r.op, r.do, r.open = s.routes[best].op, s.routes[best].do, s.routes[best].open
	r.args = map[string]string{}
	for i, seg := range s.routes[best].segments {
		if strings.HasPrefix(seg, "{") {
			r.args[strings.Trim(seg, "{}")], _ = url.PathUnescape(segments[i]) // pathFits saw to it
		}
	}
}

func pathFits(template, path []string) bool {
	return slices.EqualFunc(template, path, func(t, p string) bool {
		v, err := url.PathUnescape(p)
		if err != nil {
			return false
		}
		if strings.HasPrefix(t, "{") {
			return v != ""
		}
		return t == v
	})
}

// fits reports whether body and query are those of the operation, and how much it asks of them.
func (c *route) fits(r *request) (int, bool) {
	for _, want := range c.query {
		if !slices.Contains(want.values, r.query.Get(want.member)) {
			return 0, false
		}
	}
	for _, want := range c.body {
		if !want.met(r.json[want.member]) {
			return 0, false
		}
	}
	if c.only && len(r.json) > len(c.body) {
		return 0, false
	}
	return len(c.body) + len(c.query), true
}
