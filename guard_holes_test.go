package intercomrbac_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Ways past the guard that were open once.

// A number is an owner in one workspace and somebody else in another.
func TestRequireTakesNoPrincipalOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for name, reportOnly := range map[string]bool{"enforced": false, "report only": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := intercomtest.NewServer(t)
			ids := srv.Seed()
			directory, err := intercomrbac.NewRoleDirectory(srv.Client(intercomrbac.WithWorkspace("ws-a")), intercomrbac.RoleDirectoryConfig{
				Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner"}}})
			require.NoError(t, err)
			sink := &trail{}
			g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: sink, Roles: directory, DangerouslyReportOnly: reportOnly})
			require.NoError(t, err)
			h := g.Require("contacts:delete")(reached)
			for workspace, status := range map[intercomrbac.WorkspaceID]int{"ws-a": 200, "ws-b": 403, "": 403} {
				ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: ids.Owner, Workspace: workspace})
				assert.Equal(t, status, serve(h, httptest.NewRequestWithContext(ctx, "DELETE", "/", nil)).Code, "%q", workspace)
			}
			require.Len(t, sink.events, 2)
			assert.Equal(t, intercomrbac.ReasonWrongWorkspace, sink.events[0].Reason)
		})
	}
}

// What destroys is never decided on a role that may be out of date, whatever the operation calls its effect.
func TestDestructivePermissionsNeedAFreshRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner"}},
			options: []intercomrbac.Option{intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})}})
		ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner})
		_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
		require.NoError(t, err)
		time.Sleep(2 * time.Minute) // older than the time to live, younger than what may serve
		d.srv.Inject(intercomtest.Fault{Operation: "admins.get", Times: -1, Status: 503})
		_, err = d.client.Conversations.Open(ctx, d.conversation(), intercomrbac.OpenParams{})
		require.NoError(t, err)
		d.srv.ResetCalls()
		requireDenied(t, d.client.Contacts.Delete(ctx, d.Contacts[3]), intercomrbac.ReasonRoleUnavailable)
		purge := intercomrbac.Operation{Name: "contacts.purge", Method: "POST", Path: "/contacts/purge", Permission: intercomrbac.ContactsDelete,
			Resource: "contact", Effect: intercomrbac.Write}
		requireDenied(t, d.client.Do(ctx, purge, intercomrbac.Call{}, nil), intercomrbac.ReasonRoleUnavailable)
		_, err = d.client.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: d.Contacts[5], Into: d.Contacts[0]})
		requireDenied(t, err, intercomrbac.ReasonRoleUnavailable)
		for _, operation := range d.sent() {
			assert.Equal(t, "admins.get", operation)
		}
		g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: d.checker, Audit: intercomrbac.NoAudit(), Roles: d.roles})
		require.NoError(t, err)
		for permission, status := range map[intercomrbac.Permission]int{"contacts:delete": 503, "conversations:delete": 503, "articles:delete": 503, "contacts:read": 200} {
			assert.Equal(t, status, serve(g.Require(permission)(reached), httptest.NewRequestWithContext(ctx, "DELETE", "/", nil)).Code, permission)
		}
		time.Sleep(time.Minute) // for the look-ups under way
	})
}

// A list that went out under no condition is not given back when one has come into force meanwhile.
func TestListUnderwayWhenAConditionComes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "conversation"} {
		t.Run("of kind "+kind, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				yes := conditionNamed("yes", kind, func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return true, nil })
				d := newDesk(t, deskConfig{policy: everything(), conditions: []intercomrbac.Condition{yes}})
				d.srv.Inject(intercomtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"2"}}})
				done := inBackground(func() error {
					_, err := d.client.Conversations.List(d.as(t, tester), intercomrbac.ListParams{})
					return err
				})
				time.Sleep(time.Second)
				require.NoError(t, d.checker.Swap(granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "yes"})))
				requireDenied(t, <-done, intercomrbac.ReasonNeedsResource)
			})
		})
	}
}

// A principal in a context is the caller's no more.
func TestTeamsInAContextAreCopied(t *testing.T) {
	t.Parallel()
	teams := []intercomrbac.TeamID{"1"}
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Teams: teams})
	teams[0] = "2"
	p, _ := intercomrbac.PrincipalFrom(ctx)
	assert.Equal(t, []intercomrbac.TeamID{"1"}, p.Teams)
}

func TestDoTakesNoActorBesideTheOneThatWasChecked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("conversations:*", "messages:write")...)})
	ctx := d.as(t, tester)
	send := intercomrbac.Operation{Name: "own.send", Method: "POST", Path: "/own/send", Permission: intercomrbac.MessagesWrite, Resource: "message", Effect: intercomrbac.Write}
	asActor := lookup(t, "messages.create")
	own := map[string]any{"from": map[string]string{"type": "admin", "id": string(d.Agent)}, "to": map[string]any{"type": "user", "id": d.Contacts[0]},
		"message_type": "inapp", "body": "x"}
	other := func(key string) url.Values { return url.Values{key: {string(d.Owner)}} }
	for name, tt := range map[string]struct {
		op intercomrbac.Operation
		in intercomrbac.Call
	}{
		"from[id] beside from":             {asActor, intercomrbac.Call{Body: own, Query: other("from[id]")}},
		"[from][id] beside from":           {asActor, intercomrbac.Call{Body: own, Query: other("[from][id]")}},
		"from that is a contact":           {asActor, intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "user", "id": string(d.Agent)}}}},
		"from without an actor, a message": {asActor, intercomrbac.Call{Body: map[string]any{"body": "x"}}},
		"from[id] without an actor":        {send, intercomrbac.Call{Body: map[string]any{"body": "x"}, Query: other("from[id]")}},
		"from[id] without a body":          {send, intercomrbac.Call{Query: other("from[id]")}},
		"a type in another case":           {send, intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "admin", "id": "5", "Type": "user"}}}},
		"admin_id[] beside admin_id":       {lookup(t, "conversations.close"), intercomrbac.Call{Path: d.pathOfConversation(), Body: map[string]any{"message_type": "close", "admin_id": d.Agent}, Query: other("admin_id[]")}},
		"a message_type in another way":    {lookup(t, "conversations.close"), intercomrbac.Call{Path: d.pathOfConversation(), Body: map[string]any{"message_type": "close", "admin_id": d.Agent}, Query: url.Values{"[message_type]": {"assignment"}}}},
		"metrics deleted in another way":   {lookup(t, "conversations.delete"), intercomrbac.Call{Path: d.pathOfConversation(), Query: url.Values{"[retain_metrics]": {"false"}}}},
		"metrics deleted, a list of them":  {lookup(t, "conversations.delete"), intercomrbac.Call{Path: d.pathOfConversation(), Query: url.Values{"retain_metrics": {"true"}, "retain_metrics[]": {"false"}}}},
	} {
		require.ErrorIs(t, d.client.Do(ctx, tt.op, tt.in, nil), intercomrbac.ErrInvalidRequest, name)
	}
	assert.Empty(t, d.sent())
}

// Do fills in who acts, as the methods do.
func TestDoFillsInThePrincipal(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	in := intercomrbac.Call{Path: d.pathOfConversation(), Body: map[string]string{"message_type": "close"}}
	require.NoError(t, d.client.Do(d.as(t, tester), lookup(t, "conversations.close"), in, nil))
	assert.JSONEq(t, fmt.Sprintf(`{"message_type":"close","admin_id":%q}`, d.Agent), string(d.srv.Calls()[0].Body))
	for _, nobody := range []any{nil, 0, "0", ""} {
		in.Body = map[string]any{"message_type": "close", "admin_id": nobody}
		require.ErrorIs(t, d.client.Do(d.as(t, tester), lookup(t, "conversations.close"), in, nil), intercomrbac.ErrNoActingAdmin, "%v", nobody)
	}
}

// Under a condition a search has one query: Rails would read one in the query string as well.
func TestNarrowedSearchHasNoOtherQuery(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned_team"})})
	in := intercomrbac.Call{Query: url.Values{"query[field]": {"id"}}, Body: map[string]any{"query": map[string]string{"field": "state", "operator": "=", "value": "open"}}}
	require.ErrorIs(t, d.client.Do(d.as(t, tester), lookup(t, "conversations.search"), in, nil), intercomrbac.ErrInvalidRequest)
	assert.Empty(t, d.sent())
}

// One call, one denial; what a condition cannot find is not the thing that the call is about.
func TestOneDenialForEachCall(t *testing.T) {
	t.Parallel()
	crm := conditionNamed("crm", "conversation", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) {
		return false, fmt.Errorf("crm: no such customer: %w", intercomrbac.ErrNotFound)
	})
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "crm"}), conditions: []intercomrbac.Condition{crm}})
	_, err := d.client.Conversations.Get(d.as(t, tester), d.conversation())
	requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
	assert.Equal(t, []string{"denial"}, d.trail.phases())
}

// What a sink fails with is of none of the classes that tell about the call.
func TestErrorsOfASinkAreNotTheCalls(t *testing.T) {
	t.Parallel()
	for _, phase := range []intercomrbac.AuditPhase{intercomrbac.PhaseIntent, intercomrbac.PhaseOutcome} {
		d := newDesk(t, deskConfig{policy: everything()})
		d.trail.refuse = func(e intercomrbac.AuditEvent) error {
			if e.Phase != phase {
				return nil
			}
			return errors.Join(errSink, &intercomrbac.APIError{StatusCode: 503, Operation: "events.create", OutcomeUnknown: true})
		}
		_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
		require.Error(t, err)
		require.ErrorIs(t, err, errSink)
		require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		require.NotErrorIs(t, err, intercomrbac.ErrUnavailable)
		_, isAnswer := errors.AsType[*intercomrbac.APIError](err)
		assert.False(t, isAnswer)
		assert.Contains(t, intercomrbac.Advice(err), "audit sink")
	}
	_, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.SinkFunc(nil)})
	assert.ErrorContains(t, err, "Audit sink")
}

// An answer that is too large to judge is denied like others that cannot be judged, and not told to be there.
func TestAnswerTooLargeToJudgeIsDenied(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned_team"})})
	large := []byte(`{"type":"conversation","id":"5","team_assignee_id":1,"title":"` + strings.Repeat("x", 9<<20) + `"}`)
	d.srv.Inject(intercomtest.Fault{Operation: "conversations.get", Status: 200, Body: large})
	_, err := d.client.Conversations.Get(d.as(t, tester), "5")
	requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
}

func TestWriteErrorWhereIntercomCannotBeAsked(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
		options: []intercomrbac.Option{intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})}})
	d.srv.Inject(intercomtest.Fault{Operation: "conversations.get", Status: 503})
	_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	w := httptest.NewRecorder()
	intercomrbac.WriteError(w, err)
	assertRefused(t, w, 503, bodyUnavailable)
}

// A policy that is read back and changed does not keep the name of what it was.
func TestPolicyReadBackHasNoHashForItsVersion(t *testing.T) {
	t.Parallel()
	c := stockChecker(t)
	before := c.Version()
	p := c.Policy()
	assert.Empty(t, p.Version)
	p.Roles["agent"] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("*")}
	require.NoError(t, c.Swap(p))
	assert.NotEqual(t, before, c.Version())
	p.Version = "v2"
	require.NoError(t, c.Swap(p))
	assert.Equal(t, "v2", c.Policy().Version)
}

// The work on a policy that is wrong throughout, or made to be large, is bounded.
func TestHostilePoliciesAreRefusedQuickly(t *testing.T) {
	t.Parallel()
	requireLinear(t, "a policy of unknown parents", 4000, func(n int) {
		var b bytes.Buffer
		b.WriteString(`{"roles":{"a":{}`)
		for i := range n {
			fmt.Fprintf(&b, `,"role-%040d":{"inherits":["rolf-%040d"],"allow":[{"permission":"contacts:read","when":"con_%040d"}]}`, i, i, i)
		}
		b.WriteString(`}}`)
		p, err := intercomrbac.ParsePolicy(b.Bytes())
		assert.NoError(t, err)
		_, err = intercomrbac.NewChecker(p)
		assert.ErrorContains(t, err, "did you mean")
	})
	wide := func(roles, permissions int, rule intercomrbac.Rule) intercomrbac.Policy {
		p := intercomrbac.Policy{Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{}, Roles: map[intercomrbac.Role]intercomrbac.RoleRules{}}
		for i := range permissions {
			p.Permissions[intercomrbac.Permission(fmt.Sprintf("own:p%d", i))] = intercomrbac.Declaration{}
		}
		p.Roles["base"] = intercomrbac.RoleRules{Allow: []intercomrbac.Rule{rule}}
		for i := range roles {
			p.Roles[intercomrbac.Role(fmt.Sprintf("r%d", i))] = intercomrbac.RoleRules{Inherits: []intercomrbac.Role{"base"}}
		}
		return p
	}
	anything := conditionNamed("anything", "", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return true, nil })
	_, err := intercomrbac.NewChecker(wide(20_000, 20_000, intercomrbac.Rule{Permission: "*"}), anything)
	require.ErrorContains(t, err, "pairs")
	_, err = intercomrbac.NewChecker(wide(2_000, 8_000, intercomrbac.Rule{Permission: "own:*", When: "anything"}), anything)
	require.ErrorContains(t, err, "rules under conditions")
}

// An action of the service's own is decided again once its intent is on record: the sink may take its time.
func TestAuditedDecidesAgainAfterTheSink(t *testing.T) {
	t.Parallel()
	refund := intercomrbac.Action{Name: "invoices.refund", Permission: intercomrbac.ContactsDelete, Effect: intercomrbac.Destructive}
	t.Run("a policy that was swapped", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: everything()})
		d.trail.refuse = func(e intercomrbac.AuditEvent) error {
			if e.Phase == intercomrbac.PhaseIntent {
				return d.checker.Swap(granting(intercomrbac.Rules("teams:read")...))
			}
			return nil
		}
		ran := false
		err := d.guard.Audited(d.as(t, tester), refund, intercomrbac.Resource{}, func(context.Context) error { ran = true; return nil })
		requireDenied(t, err, intercomrbac.ReasonNotGranted)
		assert.False(t, ran)
		assert.Equal(t, []string{"intent", "not_sent"}, d.trail.phases())
	})
	t.Run("a role that was forgotten", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner"}}})
		d.trail.refuse = func(e intercomrbac.AuditEvent) error {
			if e.Phase == intercomrbac.PhaseIntent {
				d.srv.Inject(intercomtest.Fault{Operation: "admins.get", Times: -1, Status: 404,
					Body: []byte(`{"type":"error.list","errors":[{"code":"admin_not_found","message":"Admin not found"}]}`)})
				d.roles.ForgetAll()
			}
			return nil
		}
		ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner})
		ran := false
		err := d.guard.Audited(ctx, refund, intercomrbac.Resource{}, func(context.Context) error { ran = true; return nil })
		requireDenied(t, err, intercomrbac.ReasonUnknownRole)
		assert.False(t, ran)
		assert.Equal(t, []string{"intent", "not_sent"}, d.trail.phases())
	})
}

// An actor that an operation names does not hide one that it does not.
func TestDoTakesNoSecondActor(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	acting := func(actor string) intercomrbac.Operation {
		return intercomrbac.Operation{Name: "own.send", Method: "POST", Path: "/own/send", Actor: actor,
			Permission: intercomrbac.MessagesWrite, Resource: "message", Effect: intercomrbac.Write}
	}
	other, own := string(d.Owner), string(d.Agent)
	for name, tt := range map[string]struct {
		actor string
		in    intercomrbac.Call
	}{
		"from beside admin_id":          {"admin_id", intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "admin", "id": other}}}},
		"from in the query, and admin":  {"admin_id", intercomrbac.Call{Body: map[string]any{}, Query: url.Values{"from[type]": {"admin"}, "from[id]": {other}}}},
		"admin_id beside from":          {"from.id", intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "admin", "id": own}, "admin_id": other}}},
		"admin_id in the query, and id": {"from.id", intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "admin", "id": own}}, Query: url.Values{"admin_id": {other}}}},
		"a type of another case":        {"", intercomrbac.Call{Body: map[string]any{"from": map[string]string{"type": "Admin", "id": other}}}},
		"a type in a list":              {"", intercomrbac.Call{Body: map[string]any{"from": map[string]any{"type": []string{"admin"}, "id": other}}}},
		"author_id beside admin_id":     {"admin_id", intercomrbac.Call{Body: map[string]any{"author_id": other}}},
		"admin_id beside author_id":     {"author_id", intercomrbac.Call{Body: map[string]any{"admin_id": other}}},
		"author_id in the query, too":   {"author_id", intercomrbac.Call{Body: map[string]any{}, Query: url.Values{"author_id[]": {other}}}},
		"an actor too deep to look at":  {"from.by.id", intercomrbac.Call{Body: map[string]any{"from": map[string]any{"by": map[string]string{"id": other}}}}},
	} {
		require.ErrorIs(t, d.client.Do(d.as(t, tester), acting(tt.actor), tt.in, nil), intercomrbac.ErrInvalidRequest, name)
	}
	assert.Empty(t, d.sent())
	// Which of two a server takes is its own affair: one is sent.
	for _, from := range []string{`{"type":"admin","id":"` + other + `"},"from":{"type":"user","id":"5"}`, `{"type":"admin","type":"user","id":"5"}`} {
		_ = d.client.Do(d.as(t, tester), acting(""), intercomrbac.Call{Body: json.RawMessage(`{"from":` + from + `}`)}, nil) // the fake has no such route
		assert.NotContains(t, string(d.srv.Calls()[0].Body), "admin")
		d.srv.ResetCalls()
	}
}

// A conversation is started by a contact: a role that says a teammate would be them whom nobody checked.
func TestCreateStartsNoConversationAsATeammate(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("conversations:write")...)})
	for _, role := range []intercomrbac.ContactRole{"admin", "Admin", "bot", "visitor "} {
		_, err := d.client.Conversations.Create(d.as(t, tester), intercomrbac.CreateConversationParams{From: intercomrbac.ContactID(d.Owner), FromRole: role, Body: "x"})
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, role)
	}
	assert.Empty(t, d.sent())
}

// An argument that a server on the way decodes does not climb out of its place in the path.
func TestArgumentsDoNotClimb(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	ctx := d.as(t, tester)
	own := intercomrbac.Operation{Name: "macros.run", Method: "POST", Path: "/macros/{id}/run", Permission: intercomrbac.TagsWrite, Resource: "tag", ResourceArg: "id", Effect: intercomrbac.Write}
	for _, id := range []string{"../../companies/7", "5/../../../companies/7", `..\..\companies`, "%2e%2e%2f%2e%2e/companies", "7/.."} {
		for name, call := range map[string]func() error{
			"contact":      func() error { _, err := d.client.Contacts.Get(ctx, intercomrbac.ContactID(id)); return err },
			"conversation": func() error { return d.client.Conversations.Delete(ctx, intercomrbac.ConversationID(id)) },
			"external id":  func() error { _, err := d.client.Contacts.GetByExternalID(ctx, id); return err },
			"tag": func() error {
				_, err := d.client.Conversations.RemoveTag(ctx, d.conversation(), intercomrbac.TagParams{TagID: intercomrbac.TagID(id)})
				return err
			},
			"own": func() error { return d.client.Do(ctx, own, intercomrbac.Call{Path: map[string]string{"id": id}}, nil) },
		} {
			require.ErrorIs(t, call(), intercomrbac.ErrInvalidRequest, "%s %q", name, id)
		}
	}
	assert.Empty(t, d.sent())
}

// An external id is nobody's own id, whenever a condition comes into force.
func TestExternalIDIsNotJudgedAsAnID(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		public := conditionNamed("public", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return r.ID == "public", nil })
		d := newDesk(t, deskConfig{policy: everything(), conditions: []intercomrbac.Condition{public}})
		d.srv.Inject(intercomtest.Fault{Status: 429, Header: http.Header{"Retry-After": {"2"}}})
		d.srv.Inject(intercomtest.Fault{Operation: "contacts.get_by_external_id", Status: 200, Body: []byte(`{"type":"contact","id":"5f","external_id":"public"}`)})
		done := inBackground(func() error {
			_, err := d.client.Contacts.GetByExternalID(d.as(t, tester), "public")
			return err
		})
		time.Sleep(time.Second)
		require.NoError(t, d.checker.Swap(granting(intercomrbac.Rule{Permission: intercomrbac.ContactsRead, When: "public"})))
		require.ErrorIs(t, <-done, intercomrbac.ErrDenied)
	})
}

// A sink that shows events keeps no intents, and so is no record by itself.
func TestNewGuardTakesNoDataEventSinkForTheRecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	sink, err := intercomrbac.NewDataEventSink(d.plain, intercomrbac.DataEventSinkConfig{Contact: d.Contacts[0]})
	require.NoError(t, err)
	defer func() { require.NoError(t, sink.Close(t.Context())) }()
	_, err = intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: d.checker, Audit: sink})
	require.ErrorContains(t, err, "MultiSink")
}

// A read goes by GET or, as a search does, by POST: what calls itself one by another method would leave no record.
func TestDoTakesNoReadThatChangesByItsMethod(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	for _, method := range []string{"DELETE", "PUT", "PATCH"} {
		op := intercomrbac.Operation{Name: "own.call", Method: method, Path: "/own/call", Permission: intercomrbac.TeamsRead, Effect: intercomrbac.Read, Repeatable: true}
		require.ErrorIs(t, d.client.Do(d.as(t, tester), op, intercomrbac.Call{}, nil), intercomrbac.ErrInvalidRequest)
	}
	assert.Empty(t, d.sent())
}

// A condition that goes by the id is not got around by another spelling of it, under which Intercom finds the same thing.
func TestAnIDInAnotherSpellingIsNotAnotherThing(t *testing.T) {
	t.Parallel()
	for kind, spellings := range map[string][]intercomrbac.ConversationID{"": {"5.json", "5."}, "conversation": {"5.json", "5x", "5 ", "05"}} {
		sealed := conditionNamed("sealed", kind, func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return r.ID == "5", nil })
		p := granting(intercomrbac.Rules("conversations:*")...)
		rules := p.Roles[tester]
		rules.Deny = []intercomrbac.Rule{{Permission: "conversations:*", When: "sealed"}}
		p.Roles[tester] = rules
		d := newDesk(t, deskConfig{policy: p, conditions: []intercomrbac.Condition{sealed}})
		d.srv.Inject(intercomtest.Fault{Operation: "conversations.get", Times: -1, Status: 200, Body: []byte(`{"type":"conversation","id":"5"}`)})
		for _, id := range spellings {
			_, err := d.client.Conversations.Get(d.as(t, tester), id)
			assert.Error(t, err, "%q %q", kind, id)
			require.Error(t, d.client.Conversations.Delete(d.as(t, tester), id), "%q %q", kind, id)
		}
		for _, op := range d.sent() {
			assert.Equal(t, "conversations.get", op)
		}
	}
}

// What a look found missing is no error of a call that was let through and succeeded.
func TestReportOnlyRecordsNoErrorOfASuccess(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
		guard: intercomrbac.GuardConfig{DangerouslyReportOnly: true}})
	d.srv.Inject(intercomtest.Fault{Operation: "conversations.get", Status: 404})
	_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
	events := d.trail.take()
	last := events[len(events)-1]
	assert.Equal(t, intercomrbac.OutcomeSucceeded, last.Outcome)
	assert.Empty(t, last.Error)
}
