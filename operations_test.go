package intercomrbac

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// operationOf maps every method that calls Intercom to its operation.
var operationOf = map[string]string{
	"Admins.ActivityEventTypes":       "admins.activity_event_types",
	"Admins.ActivityLogs":             "admins.activity_logs",
	"Admins.AwayReasons":              "admins.away_reasons",
	"Admins.Get":                      "admins.get",
	"Admins.List":                     "admins.list",
	"Admins.Me":                       "admins.me",
	"Admins.SearchActivityLogs":       "admins.search_activity_logs",
	"Admins.SetAway":                  "admins.set_away",
	"Articles.Create":                 "articles.create",
	"Articles.Delete":                 "articles.delete",
	"Articles.Get":                    "articles.get",
	"Articles.List":                   "articles.list",
	"Articles.Search":                 "articles.search",
	"Articles.Update":                 "articles.update",
	"Collections.Create":              "collections.create",
	"Collections.Delete":              "collections.delete",
	"Collections.Get":                 "collections.get",
	"Collections.List":                "collections.list",
	"Collections.Update":              "collections.update",
	"Contacts.AddTag":                 "contacts.add_tag",
	"Contacts.Archive":                "contacts.archive",
	"Contacts.Block":                  "contacts.block",
	"Contacts.Create":                 "contacts.create",
	"Contacts.Delete":                 "contacts.delete",
	"Contacts.Get":                    "contacts.get",
	"Contacts.GetByExternalID":        "contacts.get_by_external_id",
	"Contacts.List":                   "contacts.list",
	"Contacts.Merge":                  "contacts.merge",
	"Contacts.RemoveTag":              "contacts.remove_tag",
	"Contacts.Search":                 "contacts.search",
	"Contacts.Tags":                   "contacts.tags",
	"Contacts.Unarchive":              "contacts.unarchive",
	"Contacts.Update":                 "contacts.update",
	"Conversations.AddTag":            "conversations.add_tag",
	"Conversations.Assign":            "conversations.assign",
	"Conversations.AttachContact":     "conversations.attach_contact",
	"Conversations.Close":             "conversations.close",
	"Conversations.Create":            "conversations.create",
	"Conversations.Delete":            "conversations.delete",
	"Conversations.DeleteWithMetrics": "conversations.delete_with_metrics",
	"Conversations.DetachContact":     "conversations.detach_contact",
	"Conversations.Get":               "conversations.get",
	"Conversations.List":              "conversations.list",
	"Conversations.Note":              "conversations.note",
	"Conversations.Open":              "conversations.open",
	"Conversations.Redact":            "conversations.redact",
	"Conversations.RemoveTag":         "conversations.remove_tag",
	"Conversations.Reply":             "conversations.reply",
	"Conversations.Search":            "conversations.search",
	"Conversations.Snooze":            "conversations.snooze",
	"Conversations.Unassign":          "conversations.unassign",
	"Conversations.Update":            "conversations.update",
	"DataEvents.Create":               "events.create",
	"DataEvents.CreateSummary":        "events.create_summary",
	"DataEvents.List":                 "events.list",
	"DataEvents.Summaries":            "events.summaries",
	"Messages.Create":                 "messages.create",
	"Tags.Apply":                      "tags.apply",
	"Tags.Create":                     "tags.create",
	"Tags.Delete":                     "tags.delete",
	"Tags.Get":                        "tags.get",
	"Tags.List":                       "tags.list",
	"Tags.Rename":                     "tags.rename",
	"Teams.Get":                       "teams.get",
	"Teams.List":                      "teams.list",
}

// madeOfOthers are the methods that have no operation of their own.
var madeOfOthers = []string{
	"Admins.AllActivityLogs", "Admins.SearchAllActivityLogs", "Articles.All", "Articles.SearchAll", "Collections.All",
	"Contacts.All", "Contacts.SearchAll", "Contacts.Upsert", "Conversations.All", "Conversations.SearchAll", "DataEvents.All",
}

// serviceMethods returns the methods of the client's services that take a context first, as "Service.Method".
func serviceMethods() []string {
	var names []string
	contextType := reflect.TypeFor[context.Context]()
	client := reflect.TypeFor[Client]()
	for _, field := range reflect.VisibleFields(client) {
		if !field.IsExported() {
			continue
		}
		for method := range field.Type.Methods() {
			// In 0 is the receiver.
			if method.Type.NumIn() > 1 && method.Type.In(1) == contextType {
				names = append(names, field.Name+"."+method.Name)
			}
		}
	}
	return names
}

func TestEveryMethodHasItsOperation(t *testing.T) {
	t.Parallel()
	methods := serviceMethods()
	require.NotEmpty(t, methods)
	used := map[string]bool{}
	for _, method := range methods {
		name, has := operationOf[method]
		if slices.Contains(madeOfOthers, method) {
			assert.False(t, has, "%s is made of others and has an operation", method)
			continue
		}
		if !assert.True(t, has, "%s has no operation in this table", method) {
			continue
		}
		_, ok := LookupOperation(name)
		assert.True(t, ok, "%s: there is no operation %s", method, name)
		assert.False(t, used[name], "%s has the operation of another method", method)
		used[name] = true
	}
	for method := range operationOf {
		assert.Contains(t, methods, method)
	}
	for _, method := range madeOfOthers {
		assert.Contains(t, methods, method)
	}
	for _, op := range Operations() {
		assert.True(t, used[op.Name], "%s has no method", op.Name)
	}
}

func TestOperationTable(t *testing.T) {
	t.Parallel()
	table := Operations()
	require.True(t, slices.IsSortedFunc(table, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) }))
	names := map[string]bool{}
	for _, op := range table {
		t.Run(op.Name, func(t *testing.T) {
			assert.False(t, names[op.Name], "the name is not unique")
			names[op.Name] = true
			require.NoError(t, op.check())
			assert.Regexp(t, `^[a-z]+\.[a-z_]+$`, op.Name)
			assert.NotEmpty(t, op.ID)
			assert.NotEmpty(t, op.Scope)
			assert.Regexp(t, `^[a-z_]+:[a-z_]+$`, string(op.Permission))
			assert.NotEmpty(t, op.Resource)
			if n := len(op.placeholders()); n > 0 {
				assert.Contains(t, op.placeholders(), op.ResourceArg)
			} else {
				assert.Empty(t, op.ResourceArg)
			}
			resource, _, _ := strings.Cut(op.Name, ".")
			switch {
			case op.Resource == "activity_log": // what admins did has a permission of its own
				resource = "activity_logs"
			case op.Name == "tags.apply": // it changes contacts
				resource = "contacts"
			}
			if op.Resource == "collection" { // it holds articles
				resource = "articles"
			}
			assert.Equal(t, resource, strings.SplitN(string(op.Permission), ":", 2)[0], "the permission is of another resource")
			switch op.Effect {
			case Read:
				assert.True(t, op.Repeatable)
				assert.True(t, strings.HasSuffix(string(op.Permission), ":read"))
				assert.True(t, strings.HasPrefix(string(op.Scope), "Read "))
				assert.Empty(t, op.Actor)
			case Destructive:
				assert.True(t, op.Method == "DELETE" || op.Name == "conversations.redact" || op.Name == "contacts.merge", op.Name) // of a merge one of the two is gone
				assert.True(t, strings.HasSuffix(string(op.Permission), ":delete"))
				assert.False(t, op.Repeatable)
			default:
				assert.Equal(t, Write, op.Effect)
				assert.False(t, strings.HasSuffix(string(op.Permission), ":read") || strings.HasSuffix(string(op.Permission), ":delete"))
				if op.Method == "POST" {
					assert.False(t, op.Repeatable, "a second POST does a second thing")
				}
			}
		})
	}
}

func TestOperationsOfOnePathDifferInTheirBody(t *testing.T) {
	t.Parallel()
	type place struct{ method, path string }
	at := map[place][]Operation{}
	for _, op := range Operations() {
		at[place{op.Method, op.Path}] = append(at[place{op.Method, op.Path}], op)
	}
	for place, ops := range at {
		for i, a := range ops {
			for _, b := range ops[i+1:] {
				assert.Equal(t, a.ID, b.ID, "%v", place)
				if a.Permission == b.Permission && a.Effect == b.Effect && a.Query != b.Query {
					continue // told apart by the query: the stricter one only adds a scope, or gives another answer
				}
				assert.NotEmpty(t, a.Body, "%s and %s cannot be told apart", a.Name, b.Name)
				assert.NotEqual(t, a.Body, b.Body, "%s and %s cannot be told apart", a.Name, b.Name)
			}
		}
	}
}

func TestPermissionsOfTheMethods(t *testing.T) {
	t.Parallel()
	want := map[Permission][]string{
		"conversations:assign": {"conversations.assign", "conversations.unassign"},
		"conversations:close":  {"conversations.close", "conversations.open", "conversations.snooze"},
		"conversations:reply":  {"conversations.note", "conversations.reply"},
		"conversations:write": {"conversations.add_tag", "conversations.attach_contact", "conversations.create", "conversations.detach_contact",
			"conversations.remove_tag", "conversations.update"},
		"conversations:delete": {"conversations.delete", "conversations.delete_with_metrics", "conversations.redact"},
		"conversations:read":   {"conversations.get", "conversations.list", "conversations.search"},
		"contacts:read":        {"contacts.get", "contacts.get_by_external_id", "contacts.list", "contacts.search", "contacts.tags"},
		"contacts:write": {"contacts.add_tag", "contacts.archive", "contacts.block", "contacts.create", "contacts.remove_tag",
			"contacts.unarchive", "contacts.update", "tags.apply"},
		"contacts:delete":    {"contacts.delete", "contacts.merge"},
		"admins:read":        {"admins.away_reasons", "admins.get", "admins.list", "admins.me"},
		"admins:write":       {"admins.set_away"},
		"articles:read":      {"articles.get", "articles.list", "articles.search", "collections.get", "collections.list"},
		"articles:write":     {"articles.create", "articles.update", "collections.create", "collections.update"},
		"articles:delete":    {"articles.delete", "collections.delete"},
		"activity_logs:read": {"admins.activity_event_types", "admins.activity_logs", "admins.search_activity_logs"},
		"teams:read":         {"teams.get", "teams.list"},
		"events:read":        {"events.list", "events.summaries"},
		"events:write":       {"events.create", "events.create_summary"},
		"messages:write":     {"messages.create"},
		"tags:read":          {"tags.get", "tags.list"},
		"tags:write":         {"tags.create", "tags.rename"},
		"tags:delete":        {"tags.delete"},
	}
	got := map[Permission][]string{}
	for _, op := range Operations() {
		got[op.Permission] = append(got[op.Permission], op.Name)
	}
	assert.Equal(t, want, got)

	var destructive []string
	for _, op := range Operations() {
		if op.Effect == Destructive {
			destructive = append(destructive, op.Name)
		}
	}
	assert.Equal(t, []string{"articles.delete", "collections.delete", "contacts.delete", "contacts.merge", "conversations.delete",
		"conversations.delete_with_metrics", "conversations.redact", "tags.delete"}, destructive)
}

func TestActingAdminsOfTheMethods(t *testing.T) {
	t.Parallel()
	want, got := map[string]string{"messages.create": "from.id", "articles.create": "author_id", "articles.update": "author_id"}, map[string]string{}
	for _, action := range []string{"add_tag", "assign", "attach_contact", "close", "detach_contact", "note", "open", "remove_tag", "reply", "snooze", "unassign"} {
		want["conversations."+action] = "admin_id"
	}
	for _, op := range Operations() {
		assert.Equal(t, op.Name == "articles.update", op.ActorOptional, op.Name)
		if op.Actor != "" {
			got[op.Name] = op.Actor
		}
	}
	assert.Equal(t, want, got)
}

func TestOperationsIsACopy(t *testing.T) {
	t.Parallel()
	table := Operations()
	for i := range table {
		table[i] = Operation{Name: "x"}
	}
	op, ok := LookupOperation("admins.get")
	require.True(t, ok)
	assert.Equal(t, opAdminsGet, op)
	assert.NotEqual(t, table, Operations())
}

func TestLookupOperation(t *testing.T) {
	t.Parallel()
	for _, op := range Operations() {
		got, ok := LookupOperation(op.Name)
		assert.True(t, ok)
		assert.Equal(t, op, got)
	}
	for _, name := range []string{"", "conversations", "conversations.assigned", "Conversations.Assign", "zzz", "a"} {
		got, ok := LookupOperation(name)
		assert.False(t, ok, name)
		assert.Equal(t, Operation{}, got)
	}
}

func TestEffectString(t *testing.T) {
	t.Parallel()
	for effect, want := range map[Effect]string{0: "invalid", Read: "read", Write: "write", Destructive: "destructive", 4: "invalid", 255: "invalid"} {
		assert.Equal(t, want, effect.String())
	}
}
