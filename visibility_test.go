package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Roles of the tests of visibility: the all see under a condition; beside them the owner sees all.
const (
	seesTeam   intercomrbac.Role = "sees-team"   // what is assigned to a team of theirs
	seesOwn    intercomrbac.Role = "sees-own"    // what is assigned to them
	seesBoth   intercomrbac.Role = "sees-both"   // either
	seesTitle  intercomrbac.Role = "sees-title"  // by a condition of the service's own
	mixed      intercomrbac.Role = "mixed"       // a stock condition or one of the service's own
	unless     intercomrbac.Role = "unless"      // all but what is denied under a condition
	teamUnless intercomrbac.Role = "team-unless" // of that, what is assigned to a team of theirs
)

func visibilityPolicy() intercomrbac.Policy {
	when := func(conditions ...string) (rules []intercomrbac.Rule) {
		for _, c := range conditions {
			rules = append(rules, intercomrbac.Rule{Permission: "conversations:*", When: c})
		}
		return rules
	}
	return intercomrbac.Policy{Version: "v1", Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
		intercomrbac.RoleOwner: {Allow: intercomrbac.Rules("*")},
		seesTeam:               {Allow: when("assigned_team")},
		seesOwn:                {Allow: when("assigned")},
		seesBoth:               {Allow: when("assigned", "assigned_team")},
		seesTitle:              {Allow: when("even")},
		mixed:                  {Allow: when("assigned", "even")},
		unless:                 {Allow: intercomrbac.Rules("conversations:*"), Deny: when("even")},
		teamUnless:             {Allow: when("assigned_team"), Deny: when("even")},
	}}
}

// even is a condition that no search can tell: the title ends in an even digit.
func even() intercomrbac.Condition {
	return conditionNamed("even", "conversation", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		c, ok := r.Value.(*intercomrbac.Conversation)
		return ok && strings.ContainsAny(c.Title[max(len(c.Title)-1, 0):], "02468"), nil
	})
}

const (
	teamA, teamB intercomrbac.TeamID = "501", "502"
	inA, inB                         = "in-a", "in-b" // words of the first messages
)

// crowd is a workspace of many conversations, guarded by the policy of this file.
func crowd(tb testing.TB, shape string, fill func(srv *intercomtest.Server)) *desk {
	tb.Helper()
	d := newDesk(tb, deskConfig{policy: visibilityPolicy(), conditions: []intercomrbac.Condition{even()}})
	for _, id := range d.Conversations {
		require.NoError(tb, d.plain.Conversations.Delete(tb.Context(), id))
	}
	d.srv.AddTeam(intercomtest.Team{ID: teamA})
	d.srv.AddTeam(intercomtest.Team{ID: teamB})
	d.srv.UseURLCursors(shape == "URL cursors")
	fill(d.srv)
	d.srv.ResetCalls()
	return d
}

// addConversations adds n conversations of a team, with ids from first on.
func addConversations(srv *intercomtest.Server, team intercomrbac.TeamID, word string, first, n int) {
	for i := range n {
		srv.AddConversation(intercomtest.Conversation{ID: intercomrbac.ConversationID(fmt.Sprint(first + i)), TeamAssigneeID: team,
			Title: fmt.Sprintf("%s %d", word, i), Body: "Hello from " + word})
	}
}

func idsOf(items []intercomrbac.Conversation) []intercomrbac.ConversationID {
	ids := []intercomrbac.ConversationID{}
	for _, c := range items {
		ids = append(ids, c.ID)
	}
	return ids
}

// everyOne ranges over a sequence to its end.
func everyOne(t *testing.T, seq func(func(intercomrbac.Conversation, error) bool)) []intercomrbac.Conversation {
	t.Helper()
	var out []intercomrbac.Conversation
	for c, err := range seq {
		require.NoError(t, err)
		out = append(out, c)
	}
	return out
}

// whoSees are the principals that a thousand conversations are shown to, and what each sees of them.
var whoSees = map[string]struct {
	principal intercomrbac.Principal
	sees      func(c *intercomrbac.Conversation) bool
	narrowed  bool // by a search: what is hidden is not even fetched
	pages     int  // of three tenths of a team that All fetches
}{
	"owner": {intercomrbac.Principal{AdminID: "1", Role: intercomrbac.RoleOwner}, func(*intercomrbac.Conversation) bool { return true }, false, 7},
	"member of A": {intercomrbac.Principal{AdminID: "2", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}},
		func(c *intercomrbac.Conversation) bool { return c.TeamAssigneeID == teamA }, true, 4},
	"member of both": {intercomrbac.Principal{AdminID: "2", Role: seesTeam, Teams: []intercomrbac.TeamID{"0", teamB, "", teamA}},
		func(c *intercomrbac.Conversation) bool { return c.TeamAssigneeID != "" }, true, 7},
	"member of another": {intercomrbac.Principal{AdminID: "3", Role: seesTeam, Teams: []intercomrbac.TeamID{"999"}},
		func(*intercomrbac.Conversation) bool { return false }, true, 1},
	"member of none": {intercomrbac.Principal{AdminID: "3", Role: seesTeam}, func(*intercomrbac.Conversation) bool { return false }, true, 0},
	"assignee": {intercomrbac.Principal{AdminID: "7", Role: seesOwn},
		func(c *intercomrbac.Conversation) bool { return c.AdminAssigneeID == "7" }, true, 1},
	"assignee or member": {intercomrbac.Principal{AdminID: "7", Role: seesBoth, Teams: []intercomrbac.TeamID{teamB}},
		func(c *intercomrbac.Conversation) bool { return c.AdminAssigneeID == "7" || c.TeamAssigneeID == teamB }, true, 4},
	"by a condition of one's own": {intercomrbac.Principal{AdminID: "7", Role: seesTitle}, isEven, false, 7},
	"by either kind of condition": {intercomrbac.Principal{AdminID: "7", Role: mixed},
		func(c *intercomrbac.Conversation) bool { return isEven(c) || c.AdminAssigneeID == "7" }, false, 7},
	"unless denied": {intercomrbac.Principal{AdminID: "7", Role: unless}, func(c *intercomrbac.Conversation) bool { return !isEven(c) }, false, 7},
	"member, unless denied": {intercomrbac.Principal{AdminID: "7", Role: teamUnless, Teams: []intercomrbac.TeamID{teamA}},
		func(c *intercomrbac.Conversation) bool { return c.TeamAssigneeID == teamA && !isEven(c) }, true, 4},
}

func isEven(c *intercomrbac.Conversation) bool {
	return strings.ContainsAny(c.Title[len(c.Title)-1:], "02468")
}

func TestListsShowWhatThePrincipalMaySee(t *testing.T) {
	t.Parallel()
	few := []string{"owner", "member of A", "member of another", "by a condition of one's own"}
	for _, world := range []struct {
		name, shape string
		size        int // of each team
		who         []string
	}{
		{"a thousand", "object cursors", 500, few},
		{"a thousand, URL cursors", "URL cursors", 500, few},
		{"a hundred", "object cursors", 50, slices.Collect(maps.Keys(whoSees))},
	} {
		t.Run(world.name, func(t *testing.T) {
			t.Parallel()
			perPage, all := world.size*3/10, world.size*2+world.size/25
			d := crowd(t, world.shape, func(srv *intercomtest.Server) {
				addConversations(srv, teamA, inA, 1000, world.size)
				addConversations(srv, teamB, inB, 2000, world.size)
				addConversations(srv, "", "unassigned", 3000, world.size/25)
				for _, id := range []intercomrbac.ConversationID{"1003", "2004", "3001"} {
					srv.UpdateConversation(id, func(c *intercomtest.Conversation) { c.AdminAssigneeID = "7" })
				}
			})
			every := everyOne(t, d.plain.Conversations.All(t.Context(), intercomrbac.ListParams{PerPage: perPage}))
			require.Len(t, every, all)
			d.srv.ResetCalls()
			for _, who := range world.who {
				tt := whoSees[who]
				t.Run(who, func(t *testing.T) { // one after the other, for their requests are counted
					ctx := intercomrbac.WithPrincipal(t.Context(), tt.principal)
					want := slices.DeleteFunc(slices.Clone(every), func(c intercomrbac.Conversation) bool { return !tt.sees(&c) })
					wantInB := slices.DeleteFunc(slices.Clone(want), func(c intercomrbac.Conversation) bool { return c.TeamAssigneeID != teamB })
					search := intercomrbac.SearchParams{Query: intercomrbac.Where(intercomrbac.FieldSourceBody, intercomrbac.Contains, "b"),
						ListParams: intercomrbac.ListParams{PerPage: perPage}}
					assert.Equal(t, idsOf(want), idsOf(everyOne(t, d.client.Conversations.All(ctx, intercomrbac.ListParams{PerPage: perPage}))))
					assert.Len(t, d.sent(), tt.pages)
					assert.Equal(t, idsOf(wantInB), idsOf(everyOne(t, d.client.Conversations.SearchAll(ctx, search))))

					page, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{PerPage: 10})
					require.NoError(t, err)
					found, err := d.client.Conversations.Search(ctx, search)
					require.NoError(t, err)
					total := 0
					if who == "owner" {
						total = all
					}
					assert.Equal(t, total, page.Total, "a total counts what is hidden, too")
					assert.NotNil(t, page.Items)
					for _, c := range append(page.Items, found.Items...) {
						assert.True(t, tt.sees(&c), "%s is hidden", c.ID)
					}
					var list, searched map[string]any
					require.NoError(t, d.client.Do(ctx, lookup(t, "conversations.list"), intercomrbac.Call{Query: url.Values{"per_page": {"10"}}}, &list))
					require.NoError(t, d.client.Do(ctx, lookup(t, "conversations.search"), intercomrbac.Call{Body: map[string]any{
						"query": map[string]any{"field": "source.body", "operator": "~", "value": "b"}, "pagination": map[string]int{"per_page": perPage}}}, &searched))
					for of, raw := range map[*intercomrbac.Page[intercomrbac.Conversation]]map[string]any{page: list, found: searched} {
						ids := []intercomrbac.ConversationID{}
						for _, item := range raw["conversations"].([]any) {
							ids = append(ids, intercomrbac.ConversationID(item.(map[string]any)["id"].(string)))
						}
						assert.Equal(t, idsOf(of.Items), ids)
						if who != "owner" {
							assert.NotContains(t, raw, "total_count")
							assert.Subset(t, []string{"type", "conversations", "pages"}, slices.Collect(maps.Keys(raw)))
						}
					}
					d.srv.ResetCalls()
				})
			}
		})
	}
}

// conversationWrites are the operations that change one conversation.
func conversationWrites() []intercomrbac.Operation {
	return slices.DeleteFunc(writes(), func(o intercomrbac.Operation) bool {
		return o.ResourceArg != "conversation_id" && o.ResourceMembers != "conversation_id"
	})
}

func TestWritesReachWhatThePrincipalMaySee(t *testing.T) {
	t.Parallel()
	require.Len(t, conversationWrites(), 15)
	for who, tt := range map[string]struct {
		principal intercomrbac.Principal
		allowed   bool
	}{
		"member":         {intercomrbac.Principal{Role: seesTeam, Teams: []intercomrbac.TeamID{"814865"}}, true},
		"non-member":     {intercomrbac.Principal{Role: seesTeam, Teams: []intercomrbac.TeamID{"814866"}}, false},
		"member of none": {intercomrbac.Principal{Role: seesTeam}, false},
		"owner":          {intercomrbac.Principal{Role: intercomrbac.RoleOwner}, true},
	} {
		for _, op := range conversationWrites() {
			for way, do := range map[string]func(context.Context, *desk) error{
				"by its method": func(ctx context.Context, d *desk) error {
					_, err := callers[op.Name].method(ctx, d.client, d)
					return err
				},
				"by Do": func(ctx context.Context, d *desk) error {
					return d.client.Do(ctx, op, callers[op.Name].call(d), nil)
				},
			} {
				t.Run(who+"/"+op.Name+"/"+way, func(t *testing.T) {
					t.Parallel()
					d := newDesk(t, deskConfig{policy: visibilityPolicy(), conditions: []intercomrbac.Condition{even()}})
					d.srv.UpdateConversation(d.conversation(), func(c *intercomtest.Conversation) { c.TagIDs = append(c.TagIDs, d.VIP) })
					d.tagVIPs()
					_ = callers[op.Name].call(d) // puts there what the call needs
					before, _ := d.srv.Conversation(d.conversation())
					p := tt.principal
					p.AdminID = d.Agent
					err := do(intercomrbac.WithPrincipal(t.Context(), p), d)
					sent := d.sent()
					if !tt.allowed {
						requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
						assert.Equal(t, []string{"conversations.get"}, sent)
						after, _ := d.srv.Conversation(d.conversation())
						assert.Equal(t, before, after)
						return
					}
					require.NoError(t, err)
					assert.Equal(t, op.Name, sent[len(sent)-1])
				})
			}
		}
	}
}

// observed is all that a caller learns of a call, and what went over the wire for it.
type observed struct {
	Call     string
	Result   string
	Error    []string // the text and type of each error in the chain
	Classes  []string // what errors.Is says
	Requests []string
}

// chain lists the errors that err is made of.
func chain(err error) []string {
	if err == nil {
		return nil
	}
	out := []string{fmt.Sprintf("%T %s", err, err)}
	if e, ok := err.(*intercomrbac.DeniedError); ok { //nolint:errorlint // the chain is walked here
		out = append(out, fmt.Sprintf("%s %s %s %+v", e.Action, e.Permission, e.Role, e.Decision.String()))
	}
	switch e := err.(type) { //nolint:errorlint // the chain is walked here
	case interface{ Unwrap() error }:
		out = append(out, chain(e.Unwrap())...)
	case interface{ Unwrap() []error }:
		for _, cause := range e.Unwrap() {
			out = append(out, chain(cause)...)
		}
	}
	return out
}

var allClasses = map[string]error{
	"ErrNotFound": intercomrbac.ErrNotFound, "ErrDenied": intercomrbac.ErrDenied, "ErrContactMerged": intercomrbac.ErrContactMerged,
	"ErrInvalidRequest": intercomrbac.ErrInvalidRequest, "ErrForbidden": intercomrbac.ErrForbidden, "ErrBadResponse": intercomrbac.ErrBadResponse,
	"ErrNoPrincipal": intercomrbac.ErrNoPrincipal, "ErrOutcomeUnknown": intercomrbac.ErrOutcomeUnknown, "ErrUnavailable": intercomrbac.ErrUnavailable,
}

// observe runs a call and tells what there is to see of it.
func observe(tb testing.TB, d *desk, name string, call func() (any, error)) observed {
	tb.Helper()
	d.srv.ResetCalls()
	got, err := call()
	result, failed := json.Marshal(got)
	require.NoError(tb, failed)
	o := observed{Call: name, Result: string(result), Error: chain(err)}
	for class, is := range allClasses {
		if errors.Is(err, is) {
			o.Classes = append(o.Classes, class)
		}
	}
	slices.Sort(o.Classes)
	for _, c := range d.srv.Calls() {
		o.Requests = append(o.Requests, fmt.Sprintf("%s %s?%s %s", c.Method, c.Path, c.Query.Encode(), c.Body))
	}
	return o
}

// observeAll runs every way to conversations, with the id of one that is hidden or missing.
func observeAll(tb testing.TB, d *desk, p intercomrbac.Principal, id intercomrbac.ConversationID) []observed {
	tb.Helper()
	ctx := intercomrbac.WithPrincipal(tb.Context(), p)
	c := d.client.Conversations
	search := func(q intercomrbac.Query) intercomrbac.SearchParams {
		return intercomrbac.SearchParams{Query: q, ListParams: intercomrbac.ListParams{PerPage: 2}, Sort: intercomrbac.Sort{Field: intercomrbac.FieldUpdatedAt}}
	}
	hidden := intercomrbac.Where(intercomrbac.FieldTeamAssigneeID, intercomrbac.Equals, teamB)
	all := func(seq func(func(intercomrbac.Conversation, error) bool)) func() (any, error) {
		return func() (any, error) {
			out := []intercomrbac.Conversation{}
			for item, err := range seq {
				if err != nil {
					return out, err
				}
				out = append(out, item)
			}
			return out, nil
		}
	}
	calls := []struct {
		name string
		call func() (any, error)
	}{
		{"list", func() (any, error) { return c.List(ctx, intercomrbac.ListParams{PerPage: 2}) }},
		{"list, own size", func() (any, error) { return c.List(ctx, intercomrbac.ListParams{}) }},
		{"list by Do", func() (any, error) {
			var out map[string]any
			err := d.client.Do(ctx, lookup(tb, "conversations.list"), intercomrbac.Call{}, &out)
			return out, err
		}},
		{"all", all(c.All(ctx, intercomrbac.ListParams{PerPage: 2}))},
		{"search", func() (any, error) { return c.Search(ctx, search(hidden)) }},
		{"search its words", func() (any, error) {
			return c.Search(ctx, search(intercomrbac.Where(intercomrbac.FieldSourceBody, intercomrbac.Contains, "secret")))
		}},
		{"search by id", func() (any, error) {
			return c.Search(ctx, search(intercomrbac.Where(intercomrbac.FieldID, intercomrbac.Equals, string(id))))
		}},
		{"search what is not", func() (any, error) {
			return c.Search(ctx, search(intercomrbac.Or(hidden, intercomrbac.Where(intercomrbac.FieldState, intercomrbac.NotEquals, "x"))))
		}},
		{"search all", all(c.SearchAll(ctx, search(intercomrbac.Or(hidden, intercomrbac.Where(intercomrbac.FieldOpen, intercomrbac.Equals, true)))))},
		{"too large a search", func() (any, error) {
			return c.Search(ctx, search(intercomrbac.Or(intercomrbac.And(hidden), intercomrbac.And(hidden))))
		}},
		{"get", func() (any, error) { return c.Get(ctx, id) }},
		{"get by Do", func() (any, error) {
			var out map[string]any
			err := d.client.Do(ctx, lookup(tb, "conversations.get"), intercomrbac.Call{Path: map[string]string{"conversation_id": string(id)}}, &out)
			return out, err
		}},
		{"get by Do, no out", func() (any, error) {
			return nil, d.client.Do(ctx, lookup(tb, "conversations.get"), intercomrbac.Call{Path: map[string]string{"conversation_id": string(id)}}, nil)
		}},
		{"assign", func() (any, error) {
			return c.Assign(ctx, id, intercomrbac.AssignParams{To: intercomrbac.ToTeam(teamA)})
		}},
		{"unassign", func() (any, error) { return c.Unassign(ctx, id, intercomrbac.UnassignParams{Team: true}) }},
		{"close", func() (any, error) { return c.Close(ctx, id, intercomrbac.CloseParams{}) }},
		{"open", func() (any, error) { return c.Open(ctx, id, intercomrbac.OpenParams{}) }},
		{"snooze", func() (any, error) { return c.Snooze(ctx, id, intercomrbac.SnoozeParams{Until: soon()}) }},
		{"reply", func() (any, error) { return c.Reply(ctx, id, intercomrbac.ReplyParams{Body: "x"}) }},
		{"note", func() (any, error) { return c.Note(ctx, id, intercomrbac.NoteParams{Body: "x"}) }},
		{"add tag", func() (any, error) { return c.AddTag(ctx, id, intercomrbac.TagParams{TagID: d.VIP}) }},
		{"remove tag", func() (any, error) { return c.RemoveTag(ctx, id, intercomrbac.TagParams{TagID: d.VIP}) }},
		{"update", func() (any, error) {
			return c.Update(ctx, id, intercomrbac.UpdateConversationParams{Read: new(true)})
		}},
		{"delete", func() (any, error) { return nil, c.Delete(ctx, id) }},
		{"delete with metrics", func() (any, error) { return nil, c.DeleteWithMetrics(ctx, id) }},
	}
	out := make([]observed, len(calls))
	for i, tt := range calls {
		out[i] = observe(tb, d, tt.name, tt.call)
	}
	return out
}

// A workspace with a thousand hidden conversations and one with none are the same to who may not see them.
func TestHiddenConversationsLeaveNoTrace(t *testing.T) {
	t.Parallel()
	const hidden = 1000
	at := soon()
	build := func(t *testing.T, shape string, n int) *desk {
		return crowd(t, shape, func(srv *intercomtest.Server) {
			// What is seen comes first: a cursor of the fake tells the place of the last thing on its page.
			for i := range 5 {
				srv.AddConversation(intercomtest.Conversation{ID: intercomrbac.ConversationID(fmt.Sprint(10 + i)), TeamAssigneeID: teamA, CreatedAt: at, Body: "secret"})
			}
			for i := range n {
				srv.AddConversation(intercomtest.Conversation{ID: intercomrbac.ConversationID(fmt.Sprint(5000 + i)), TeamAssigneeID: teamB,
					AdminAssigneeID: "99", CreatedAt: at, Body: "secret", TagIDs: []intercomrbac.TagID{"7522907"}})
			}
		})
	}
	principals := map[string]intercomrbac.Principal{
		"member of another team": {AdminID: "7", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}},
		"member of none":         {AdminID: "7", Role: seesTeam},
		"assignee of nothing":    {AdminID: "7", Role: seesOwn},
		"both conditions":        {AdminID: "7", Role: seesBoth, Teams: []intercomrbac.TeamID{teamA}},
	}
	for _, shape := range []string{"object cursors", "URL cursors"} {
		t.Run(shape, func(t *testing.T) {
			t.Parallel()
			none, many := build(t, shape, 0), build(t, shape, hidden)
			for who, p := range principals {
				t.Run(who, func(t *testing.T) {
					want, got := observeAll(t, none, p, "5500"), observeAll(t, many, p, "5500")
					assert.Equal(t, want, got)
					for _, o := range got {
						if o.Call == "too large a search" && who != "member of none" {
							assert.Contains(t, o.Classes, "ErrInvalidRequest")
							assert.Empty(t, o.Requests)
						}
						assert.NotContains(t, o.Result, `"team_assignee_id":"502"`)
					}
				})
			}
		})
	}
	soak.Report(t, "visibility", "%d hidden conversations, no difference to none in any of %d calls", hidden, 25)
}

// The same by which the two could be told apart in one workspace.
func TestHiddenAndMissingLookTheSame(t *testing.T) {
	t.Parallel()
	d := crowd(t, "", func(srv *intercomtest.Server) { addConversations(srv, teamB, inB, 5001, 1) })
	for who, p := range map[string]intercomrbac.Principal{
		"stock condition":           {AdminID: "7", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}},
		"condition of one's own":    {AdminID: "7", Role: seesTitle},
		"denied under a condition":  {AdminID: "7", Role: unless},
		"a stock condition or else": {AdminID: "7", Role: mixed},
	} {
		hidden := intercomrbac.ConversationID("5001")
		d.srv.UpdateConversation(hidden, func(c *intercomtest.Conversation) {
			c.Title = map[bool]string{false: "odd 1", true: "even 2"}[p.Role == unless]
		})
		one, another := observeAll(t, d, p, hidden), observeAll(t, d, p, "5009")
		for i, o := range one {
			same := strings.NewReplacer("/5001", "/ID", `"5001"`, `"ID"`, "/5009", "/ID", `"5009"`, `"ID"`)
			for _, requests := range [][]string{o.Requests, another[i].Requests} {
				for j := range requests {
					requests[j] = same.Replace(requests[j])
				}
			}
			assert.Equal(t, another[i], o, who)
		}
		_, exists := d.srv.Conversation(hidden)
		assert.True(t, exists)
	}
}

// Contacts hidden, missing and merged.
func TestHiddenMissingAndMergedContactsLookTheSame(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "contacts:*", When: "never"}), conditions: []intercomrbac.Condition{never("contact")}})
	merged := d.srv.AddContact(intercomtest.Contact{ExternalID: "merged"})
	d.srv.MergeContact(merged, d.Contacts[0])
	ctx := d.as(t, tester)
	_, err := d.plain.Contacts.Get(t.Context(), merged)
	require.ErrorIs(t, err, intercomrbac.ErrContactMerged)
	seen := func(id intercomrbac.ContactID, external string) []observed {
		out := []observed{
			observe(t, d, "get", func() (any, error) { return d.client.Contacts.Get(ctx, id) }),
			observe(t, d, "get by external id", func() (any, error) { return d.client.Contacts.GetByExternalID(ctx, external) }),
			observe(t, d, "delete", func() (any, error) { return nil, d.client.Contacts.Delete(ctx, id) }),
			observe(t, d, "get by Do", func() (any, error) {
				return nil, d.client.Do(ctx, lookup(t, "contacts.get"), intercomrbac.Call{Path: map[string]string{"contact_id": string(id)}}, nil)
			}),
		}
		for _, o := range out {
			for i := range o.Requests {
				o.Requests[i] = strings.NewReplacer(string(id), "ID", external, "EXTERNAL").Replace(o.Requests[i])
			}
		}
		return out
	}
	hidden := seen(d.Contacts[1], "customer-2")
	assert.Equal(t, hidden, seen("6762f0f31bb69f9f2193bb00", "nobody"))
	assert.Equal(t, hidden, seen(merged, "merged"))
	assert.Equal(t, []string{"ErrDenied"}, hidden[0].Classes)
}

// A search may find by what was true a moment ago: what comes back is judged by what it says itself.
func TestWhatAStaleSearchFindsIsHidden(t *testing.T) {
	t.Parallel()
	checker, err := intercomrbac.NewChecker(visibilityPolicy(), even())
	require.NoError(t, err)
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	c := clientOf(t, func(*http.Request) (*http.Response, error) {
		return reply(200, `{"conversations":[{"id":"1","team_assignee_id":501},{"id":"2","team_assignee_id":"502"},{"id":"3"},null,{"id":"4","team_assignee_id":"501"}],
			"total_count":5,"data":[{"id":"2"}],"pages":{"type":"pages","next":null,"total_pages":1,"page":1}}`), nil
	}, intercomrbac.WithGuard(guard))
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}})
	page, err := c.Conversations.List(ctx, intercomrbac.ListParams{})
	require.NoError(t, err)
	assert.Equal(t, []intercomrbac.ConversationID{"1", "4"}, idsOf(page.Items))
	var out map[string]any
	require.NoError(t, c.Do(ctx, lookup(t, "conversations.list"), intercomrbac.Call{}, &out))
	assert.Len(t, out["conversations"], 2)
	assert.NotContains(t, out, "total_count")
	assert.NotContains(t, out, "data")
	assert.Equal(t, map[string]any{"type": "pages", "next": nil}, out["pages"])
}

// A list that is not found is no hidden thing.
func TestListsThatFailAreNoDenials(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: visibilityPolicy(), conditions: []intercomrbac.Condition{even()}})
	for status, is := range map[int]error{404: intercomrbac.ErrNotFound, 401: intercomrbac.ErrUnauthorized, 500: intercomrbac.ErrUnavailable} {
		d.srv.Inject(intercomtest.Fault{Status: status})
		_, err := d.client.Conversations.List(d.as(t, seesTeam), intercomrbac.ListParams{})
		require.ErrorIs(t, err, is)
		require.NotErrorIs(t, err, intercomrbac.ErrDenied)
	}
}

// All goes on over pages that are empty once what is hidden was taken off them.
func TestAllGoesOnOverEmptyPages(t *testing.T) {
	t.Parallel()
	d := crowd(t, "", func(srv *intercomtest.Server) {
		addConversations(srv, teamA, "odd", 1001, 1)
		for i := range 30 {
			srv.AddConversation(intercomtest.Conversation{Title: fmt.Sprintf("%d1", i)})
		}
		addConversations(srv, teamA, "last 10", 9000, 1)
	})
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: seesTitle})
	page, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{PerPage: 10})
	require.NoError(t, err)
	assert.Len(t, page.Items, 1)
	require.NotEmpty(t, page.Next)
	page, err = d.client.Conversations.List(ctx, intercomrbac.ListParams{PerPage: 10, After: page.Next})
	require.NoError(t, err)
	assert.Empty(t, page.Items)
	assert.NotEmpty(t, page.Next)
	assert.Equal(t, []intercomrbac.ConversationID{"1001", "9000"}, idsOf(everyOne(t, d.client.Conversations.All(ctx, intercomrbac.ListParams{PerPage: 10}))))
}

// A cursor says where to go on, not what may be seen there.
func TestCursorsOfOthersShowNothingMore(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{"object cursors", "URL cursors"} {
		d := crowd(t, shape, func(srv *intercomtest.Server) {
			addConversations(srv, teamA, inA, 1000, 20)
			addConversations(srv, teamB, inB, 2000, 20)
		})
		owner := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Role: intercomrbac.RoleOwner})
		member := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "2", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}})
		page, err := d.client.Conversations.List(owner, intercomrbac.ListParams{PerPage: 15})
		require.NoError(t, err)
		rest, err := d.client.Conversations.List(member, intercomrbac.ListParams{After: page.Next})
		require.NoError(t, err)
		assert.Equal(t, []intercomrbac.ConversationID{"1015", "1016", "1017", "1018", "1019"}, idsOf(rest.Items))
		for _, after := range []string{"?team_assignee_id=502", "?starting_after=x&query=all", "?starting_after=a&starting_after=b"} {
			d.srv.ResetCalls()
			_, err = d.client.Conversations.List(member, intercomrbac.ListParams{After: after})
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, after)
			assert.Empty(t, d.sent())
		}
	}
}

// Whatever a body of Do says beside or within its query, the condition is met by all that comes back.
func TestSearchesByDoCannotEscapeTheCondition(t *testing.T) {
	t.Parallel()
	d := crowd(t, "", func(srv *intercomtest.Server) {
		addConversations(srv, teamA, inA, 1000, 3)
		addConversations(srv, teamB, inB, 2000, 3)
	})
	const all = `{"field":"id","operator":"!=","value":"x"}`
	for _, p := range []intercomrbac.Principal{
		{AdminID: "2", Role: seesTeam, Teams: []intercomrbac.TeamID{teamA}},
		{AdminID: "2", Role: seesBoth, Teams: []intercomrbac.TeamID{teamA}},
	} {
		ctx := intercomrbac.WithPrincipal(t.Context(), p)
		for _, body := range []string{
			`{"query":` + all + `}`,
			`{"query":` + all + `,"query":` + all + `}`,
			`{"Query":` + all + `,"query":` + all + `}`,
			`{"query":` + all + `,"QUERY":` + all + `}`,
			`{"query":null}`, `{}`,
			`{"query":{"operator":"OR","value":[` + all + `]}}`,
			`{"query":{"operator":"OR","Operator":"AND","value":[` + all + `,` + all + `]}}`,
			`{"query":{"operator":"AND","operator":"OR","value":[` + all + `,` + all + `]}}`,
			`{"query":{"operator":"AND","value":[{"operator":"OR","value":[` + all + `]}]}}`,
			`{"query":{"field":"id","operator":"!=","value":"x","Value":"y"}}`,
			`{"query":{"operator":"AND","value":[]}}`,
			`{"query":[` + all + `]}`, `{"query":"*"}`, `{"query":{"operator":"and","value":[` + all + `]}}`, `{"query":{}}`,
			`{"query":{"operator":"OR","value":[{"operator":"OR","value":[` + all + `]}]}}`,
			`[]`, `"x"`, `null`, `7`,
		} {
			var out struct {
				Conversations []intercomrbac.Conversation `json:"conversations"`
				Total         int                         `json:"total_count"`
			}
			err := d.client.Do(ctx, lookup(t, "conversations.search"), intercomrbac.Call{Body: json.RawMessage(body)}, &out)
			if err != nil {
				require.True(t, errors.Is(err, intercomrbac.ErrInvalidRequest) || errors.Is(err, intercomrbac.ErrDenied), "%s: %v", body, err)
			}
			assert.Zero(t, out.Total)
			for _, c := range out.Conversations {
				assert.Equal(t, teamA, c.TeamAssigneeID, body)
			}
		}
		err := d.client.Do(ctx, lookup(t, "conversations.search"), intercomrbac.Call{}, nil)
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
		for _, query := range []url.Values{{"order": {"asc"}}, {"per_page": {"x"}}, {"per_page": {"1", "2"}}, {"display_as": {"plaintext"}}} {
			err := d.client.Do(ctx, lookup(t, "conversations.list"), intercomrbac.Call{Query: query}, nil)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, query.Encode())
		}
	}
}

// queries makes random queries up to Intercom's limits.
type queries struct{ *rand.Rand }

func (r queries) filter() intercomrbac.Query {
	where := intercomrbac.Where
	switch r.IntN(8) {
	case 0:
		return where(intercomrbac.FieldState, intercomrbac.Equals, []string{"open", "closed"}[r.IntN(2)])
	case 1:
		return where(intercomrbac.FieldTeamAssigneeID, []intercomrbac.Operator{intercomrbac.Equals, intercomrbac.NotEquals}[r.IntN(2)], []intercomrbac.TeamID{teamA, teamB}[r.IntN(2)])
	case 2:
		return where(intercomrbac.FieldTeamAssigneeID, []intercomrbac.Operator{intercomrbac.In, intercomrbac.NotIn}[r.IntN(2)], []string{"501", "0"}[:1+r.IntN(2)])
	case 3:
		return where(intercomrbac.FieldAdminAssigneeID, intercomrbac.Equals, []int{0, 7, 8}[r.IntN(3)])
	case 4:
		return where(intercomrbac.FieldRead, intercomrbac.Equals, r.IntN(2) == 0)
	case 5:
		return where(intercomrbac.FieldID, intercomrbac.NotEquals, fmt.Sprint(1000+r.IntN(24)))
	case 6:
		return where(intercomrbac.FieldSourceBody, intercomrbac.Contains, []string{"a", "b", "hello"}[r.IntN(3)])
	}
	return where(intercomrbac.FieldPriority, intercomrbac.In, []string{"high", "low", "none"}[r.IntN(3):])
}

// size is of one to fifteen, and of the ends more often.
func (r queries) size() int { return []int{1, 2, 3, 14, 15, 1 + r.IntN(15)}[r.IntN(6)] }

func (r queries) group(member func() intercomrbac.Query) (q intercomrbac.Query, and bool, n int) {
	members := make([]intercomrbac.Query, r.size())
	for i := range members {
		members[i] = member()
	}
	if r.IntN(2) == 0 {
		return intercomrbac.And(members...), true, len(members)
	}
	return intercomrbac.Or(members...), false, len(members)
}

func (r queries) flat() intercomrbac.Query {
	q, _, _ := r.group(r.filter)
	return q
}

// query returns a query, and whether there is room in it for a condition.
func (r queries) query() (q intercomrbac.Query, fits bool) {
	switch r.IntN(3) {
	case 0:
		return r.filter(), true
	case 1:
		return r.flat(), true
	}
	q, and, n := r.group(r.flat)
	return q, and && n < 15
}

// A search under a condition finds what the search without finds, less what is hidden; or it is refused, before
// anything is sent, because Intercom would not take the condition on top.
func TestConditionsKeepTheMeaningOfSearches(t *testing.T) {
	t.Parallel()
	const seed = 20260504
	r := queries{rand.New(rand.NewPCG(seed, 1))}
	d := crowd(t, "", func(srv *intercomtest.Server) {
		for i := range 24 {
			srv.AddConversation(intercomtest.Conversation{
				ID: intercomrbac.ConversationID(fmt.Sprint(1000 + i)), Title: fmt.Sprint("t", i), Body: "hello " + []string{"a", "b"}[i%2],
				State: []string{"open", "closed"}[r.IntN(2)], TeamAssigneeID: []intercomrbac.TeamID{teamA, teamB, ""}[r.IntN(3)],
				AdminAssigneeID: []intercomrbac.AdminID{"7", "8", ""}[r.IntN(3)], Read: r.IntN(2) == 0, Priority: []string{"high", "low", "none"}[r.IntN(3)],
			})
		}
	})
	n, searches, refusals, found := soak.N(60, 20_000), 0, 0, 0
	names := slices.Sorted(maps.Keys(whoSees))
	for i := range n {
		q, fits := r.query()
		params := intercomrbac.SearchParams{Query: q, ListParams: intercomrbac.ListParams{PerPage: 60}}
		every, err := d.plain.Conversations.Search(t.Context(), params)
		require.NoError(t, err, "query %d of seed %d", i, seed)
		for _, place := range r.Perm(len(names))[:3] {
			who := names[place]
			tt := whoSees[who]
			d.srv.ResetCalls()
			searches++
			got, err := d.client.Conversations.Search(intercomrbac.WithPrincipal(t.Context(), tt.principal), params)
			if tt.narrowed && !fits && tt.pages > 0 {
				require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, "query %d of seed %d", i, seed)
				require.ErrorContains(t, err, "beyond what Intercom takes")
				require.Empty(t, d.sent())
				refusals++
				continue
			}
			require.NoError(t, err, "query %d of seed %d", i, seed)
			want := slices.DeleteFunc(slices.Clone(every.Items), func(c intercomrbac.Conversation) bool { return !tt.sees(&c) })
			require.Equal(t, idsOf(want), idsOf(got.Items), "query %d of seed %d, %s", i, seed, who)
			require.LessOrEqual(t, len(d.sent()), 1)
			found += len(want)
		}
	}
	assert.NotZero(t, refusals)
	assert.NotZero(t, found)
	soak.Report(t, "visibility", "%d searches under conditions mean what they did without, %d were refused unsent", searches-refusals, refusals)
}

// Reads of other kinds are judged alike.
func TestConditionsHideAdminsTeamsAndEvents(t *testing.T) {
	t.Parallel()
	mine := func(kind string, value func(any) bool) intercomrbac.Condition {
		return conditionNamed("mine_"+kind, kind, func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return value(r.Value), nil })
	}
	d := newDesk(t, deskConfig{
		policy: granting(intercomrbac.Rule{Permission: intercomrbac.AdminsRead, When: "self"}, intercomrbac.Rule{Permission: intercomrbac.TeamsRead, When: "mine_team"},
			intercomrbac.Rule{Permission: intercomrbac.EventsRead, When: "mine_event"}),
		conditions: []intercomrbac.Condition{
			mine("team", func(v any) bool { team, ok := v.(*intercomrbac.Team); return ok && team.Name == "Billing" }),
			mine("event", func(v any) bool { event, ok := v.(*intercomrbac.DataEvent); return ok && event.Name == "placed-order" }),
		},
	})
	ctx := d.as(t, tester)
	admins, err := d.client.Admins.List(ctx)
	require.NoError(t, err)
	require.Len(t, admins, 1)
	assert.Equal(t, d.Agent, admins[0].ID)
	d.sent()
	_, err = d.client.Admins.Get(ctx, d.Manager)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	assert.Empty(t, d.sent(), "whose id it is needs no look")
	_, err = d.client.Admins.Get(ctx, d.Agent)
	require.NoError(t, err)
	d.srv.SetMe(d.Owner)
	me, err := d.client.Admins.Me(ctx)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	assert.Nil(t, me)
	teams, err := d.client.Teams.List(ctx)
	require.NoError(t, err)
	require.Len(t, teams, 1)
	_, err = d.client.Teams.Get(ctx, d.Sales)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	events, err := d.client.DataEvents.List(ctx, intercomrbac.ListEventsParams{ContactID: d.Contacts[0]})
	require.NoError(t, err)
	require.Len(t, events.Items, 1)
	assert.Equal(t, "placed-order", events.Items[0].Name)
}
