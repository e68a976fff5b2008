package intercomrbac_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// writes are the operations that change something.
func writes() []intercomrbac.Operation {
	var out []intercomrbac.Operation
	for _, op := range intercomrbac.Operations() {
		if op.Effect != intercomrbac.Read {
			out = append(out, op)
		}
	}
	return out
}

func TestGuardSendsNoWriteWithoutARecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	d.trail.refuse = refusing(intercomrbac.PhaseIntent)
	ctx := d.as(t, tester)
	const n = 1000
	for i := range n {
		op := writes()[i%len(writes())]
		got, err := callers[op.Name].method(ctx, d.client, d)
		require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		require.ErrorIs(t, err, errSink)
		require.NotErrorIs(t, err, intercomrbac.ErrDenied)
		require.NotErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
		require.Contains(t, err.Error(), op.Name)
		require.Contains(t, intercomrbac.Advice(err), "nothing was sent")
		require.Empty(t, got)
		require.ErrorIs(t, d.client.Do(ctx, op, callers[op.Name].call(d), nil), intercomrbac.ErrAuditUnavailable)
	}
	assert.Equal(t, 2*n, d.trail.asked)
	assert.Empty(t, d.trail.take())
	assert.Zero(t, d.srv.CallCount(""))
	soak.Report(t, "A5", "%d writes whose intent the sink refused, %d sent", 2*n, d.srv.CallCount(""))
}

// Only the record is missing: the result is there, and nothing is sent again.
func TestGuardGivesTheResultBesideAMissingOutcome(t *testing.T) {
	t.Parallel()
	forEveryOperation(t, func(t *testing.T, op intercomrbac.Operation, do func(context.Context, *desk) (any, error)) {
		d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{AuditReads: true}})
		d.tagVIPs()
		d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
		got, err := do(d.as(t, tester), d)
		require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
		require.ErrorIs(t, err, errSink)
		require.NotErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		assert.Contains(t, intercomrbac.Advice(err), "do not send it again")
		if returnsSomething(op.Name) || strings.Contains(t.Name(), "/Do/") && op.Name != "events.create" && !answersNothing[op.Name] {
			assert.NotEmpty(t, got)
		}
		assert.Equal(t, []string{op.Name}, d.sent())
		assert.Equal(t, []string{"intent"}, d.trail.phases())
	})
}

// returnsSomething tells of the methods which return more than an error.
func returnsSomething(operation string) bool {
	nothing := []string{"contacts.archive", "contacts.block", "contacts.unarchive", "events.create", "events.create_summary"}
	return !strings.Contains(operation, ".delete") && !slices.Contains(nothing, operation)
}

func TestGuardTellsOfBothWhereACallFailsAndItsOutcomeIsLost(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	d.srv.Inject(intercomtest.Fault{Status: 422, Code: "parameter_invalid", Message: "No."})
	d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
	got, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	e, ok := errors.AsType[*intercomrbac.APIError](err)
	require.True(t, ok)
	assert.Equal(t, 422, e.StatusCode)
	assert.Nil(t, got)
}

func TestAllGivesThePageWhoseOutcomeIsLost(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{AuditReads: true}})
	d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
	items, failures := 0, 0
	for c, err := range d.client.Conversations.All(d.as(t, tester), intercomrbac.ListParams{PerPage: 5}) {
		if err != nil {
			failures++
			require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
			continue
		}
		assert.NotEmpty(t, c.ID)
		items++
	}
	assert.Equal(t, []int{5, 1}, []int{items, failures})
	assert.Equal(t, []string{"conversations.list"}, d.sent())
}

func TestGuardDeniesAlsoWhatItCannotRecord(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "conversations:*", When: "never"}), conditions: []intercomrbac.Condition{never("conversation")}})
	d.trail.refuse = refusing(intercomrbac.PhaseDenial)
	ctx := d.as(t, tester)
	_, got := d.client.Conversations.Get(ctx, d.conversation())
	_, teams := d.client.Teams.List(ctx)
	for err, reason := range map[error]intercomrbac.Reason{
		d.client.Conversations.Delete(ctx, d.conversation()): intercomrbac.ReasonConditionNotMet,
		got: intercomrbac.ReasonConditionNotMet, teams: intercomrbac.ReasonNotGranted,
	} {
		requireDenied(t, err, reason)
		require.ErrorIs(t, err, intercomrbac.ErrAuditUnavailable)
		require.ErrorIs(t, err, errSink)
	}
	assert.Equal(t, []string{"conversations.get", "conversations.get"}, d.sent())
}

// The request that a record belongs to may be over: the record is not.
func TestGuardRecordsAfterTheCallersContext(t *testing.T) {
	t.Parallel()
	for name, deadline := range map[string]bool{"cancelled": false, "deadline": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: everything()})
				d.srv.Inject(intercomtest.Fault{Delay: 10 * time.Second, Done: true})
				ctx, cancel := context.WithCancel(d.as(t, tester))
				if deadline {
					ctx, cancel = context.WithTimeout(d.as(t, tester), 5*time.Second)
				}
				defer cancel()
				done := inBackground(func() error {
					_, err := d.client.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: "x"})
					return err
				})
				synctest.Wait()
				if !deadline {
					cancel()
				}
				err := <-done
				require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
				require.NotErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
				events := d.trail.take()
				require.Len(t, events, 2)
				assert.Equal(t, []any{intercomrbac.OutcomeUnknown, false}, []any{events[1].Outcome, *events[1].Success})
			})
		})
	}
	t.Run("before it began", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: granting()})
		ctx, cancel := context.WithCancel(d.as(t, tester))
		cancel()
		requireDenied(t, d.client.Conversations.Delete(ctx, d.conversation()), intercomrbac.ReasonNotGranted)
		assert.Equal(t, []string{"denial"}, d.trail.phases())
	})
	t.Run("a sink that hangs", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			hangs := intercomrbac.SinkFunc(func(ctx context.Context, e intercomrbac.AuditEvent) error {
				if e.Phase == intercomrbac.PhaseIntent {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			})
			d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{Audit: hangs}})
			start := time.Now()
			got, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
			require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
			assert.NotNil(t, got)
			assert.Equal(t, 5*time.Second, time.Since(start))
		})
	})
}

func TestGuardRecordsACallAndNotItsAttempts(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault   intercomtest.Fault
		outcome intercomrbac.AuditOutcome
		text    string // of the event's error
		sent    int
	}{
		"at once":           {intercomtest.Fault{Delay: 1}, intercomrbac.OutcomeSucceeded, "", 1},
		"refused twice":     {intercomtest.Fault{Status: 429, Times: 2}, intercomrbac.OutcomeSucceeded, "", 3},
		"always refused":    {intercomtest.Fault{Status: 429, Times: -1}, intercomrbac.OutcomeFailed, "429 rate_limit_exceeded", 3},
		"malformed":         {intercomtest.Fault{Status: 400, Code: "parameter_invalid"}, intercomrbac.OutcomeFailed, "400 parameter_invalid", 1},
		"server fails":      {intercomtest.Fault{Status: 500}, intercomrbac.OutcomeUnknown, "500 server_error", 1},
		"connection breaks": {intercomtest.Fault{Drop: true, Done: true}, intercomrbac.OutcomeUnknown, "Intercom is unavailable", 1},
		"no connection":     {intercomtest.Fault{Refuse: true, Times: -1}, intercomrbac.OutcomeNotSent, "Intercom is unavailable", 0},
		"HTML for success":  {intercomtest.Fault{HTML: true, Status: 200}, intercomrbac.OutcomeUnknown, "unexpected response", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: everything()})
				d.srv.Inject(tt.fault)
				_, err := d.client.Conversations.Reply(d.as(t, tester), d.conversation(), intercomrbac.ReplyParams{Body: "x"})
				assert.Equal(t, tt.outcome == intercomrbac.OutcomeSucceeded, err == nil, "%v", err)
				assert.Len(t, d.sent(), tt.sent)
				events := d.trail.take()
				require.Len(t, events, 2)
				intent, outcome := events[0], events[1]
				assert.Equal(t, []any{intercomrbac.PhaseIntent, intercomrbac.AuditOutcome(""), (*bool)(nil), ""},
					[]any{intent.Phase, intent.Outcome, intent.Success, intent.RequestID})
				assert.Equal(t, []any{intercomrbac.PhaseOutcome, tt.outcome, err == nil, tt.text}, []any{outcome.Phase, outcome.Outcome, *outcome.Success, outcome.Error})
				assert.NotEmpty(t, intent.ID)
				assert.Equal(t, intent.ID, outcome.ID)
				if e, ok := errors.AsType[*intercomrbac.APIError](err); ok {
					assert.Equal(t, e.RequestID, outcome.RequestID)
				}
			})
		})
	}
}

func TestGuardRecordsReadsWhereItIsAskedTo(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string][]string{"": {}, "AuditReads": {"intent", "succeeded", "intent", "failed"}} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{AuditReads: mode != ""}})
			_, err := d.client.Teams.List(d.as(t, tester))
			require.NoError(t, err)
			_, err = d.client.Conversations.Get(d.as(t, tester), "404")
			require.ErrorIs(t, err, intercomrbac.ErrNotFound)
			assert.Equal(t, want, d.trail.phases())
		})
	}
	t.Run("under a condition", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned_team"}), guard: intercomrbac.GuardConfig{AuditReads: true}})
		ctx := d.as(t, tester)
		_, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
		require.NoError(t, err)
		_, err = d.client.Conversations.Get(ctx, d.conversation())
		require.NoError(t, err)
		_, err = d.client.Conversations.Get(ctx, d.Conversations[3])
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		_, err = d.client.Conversations.Get(ctx, "404")
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		events := d.trail.take()
		require.Len(t, events, 8)
		for i, want := range []struct {
			action  string
			outcome intercomrbac.AuditOutcome
			reason  intercomrbac.Reason
			text    string
		}{
			{"conversations.list", intercomrbac.OutcomeSucceeded, intercomrbac.ReasonAllowed, ""},
			{"conversations.get", intercomrbac.OutcomeSucceeded, intercomrbac.ReasonAllowed, ""},
			{"conversations.get", intercomrbac.OutcomeFailed, intercomrbac.ReasonConditionNotMet, "condition_not_met"},
			{"conversations.get", intercomrbac.OutcomeFailed, intercomrbac.ReasonConditionNotMet, "not found"}, // the record tells them apart
		} {
			e := events[2*i+1]
			assert.Equal(t, []any{want.action, want.outcome, want.reason.String(), want.text}, []any{e.Action, e.Outcome, e.Reason.String(), e.Error})
		}
	})
}

func TestGuardRecordsWhoDidIt(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		principal intercomrbac.Principal
		params    intercomrbac.CloseParams
		want      []any // adminId, service, actingAdminId, sensitive
	}{
		"teammate": {intercomrbac.Principal{AdminID: "991267461", Role: tester}, intercomrbac.CloseParams{},
			[]any{intercomrbac.AdminID("991267461"), "", intercomrbac.AdminID("991267461"), false}},
		"teammate as another": {intercomrbac.Principal{AdminID: "991267461", Role: tester}, intercomrbac.CloseParams{AdminID: "991267460"},
			[]any{intercomrbac.AdminID("991267461"), "", intercomrbac.AdminID("991267460"), true}},
		"service through an admin": {intercomrbac.Principal{Service: "billing-bot", AdminID: "991267461", Role: tester}, intercomrbac.CloseParams{},
			[]any{intercomrbac.AdminID(""), "billing-bot", intercomrbac.AdminID("991267461"), false}},
		"service as an admin": {intercomrbac.Principal{Service: "billing-bot", Role: tester}, intercomrbac.CloseParams{AdminID: "991267460"},
			[]any{intercomrbac.AdminID(""), "billing-bot", intercomrbac.AdminID("991267460"), true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...)})
			_, err := d.client.Conversations.Close(intercomrbac.WithPrincipal(t.Context(), tt.principal), d.conversation(), tt.params)
			require.NoError(t, err)
			for _, e := range d.trail.take() {
				assert.Equal(t, tt.want, []any{e.AdminID, e.Service, e.ActingAdminID, e.Sensitive})
			}
		})
	}
	t.Run("sensitive", func(t *testing.T) {
		t.Parallel()
		for _, op := range writes() {
			d := newDesk(t, deskConfig{policy: granting()})
			_, err := callers[op.Name].method(d.as(t, tester), d.client, d)
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
			assert.Equal(t, op.Effect == intercomrbac.Destructive || op.Permission == intercomrbac.AdminsWrite, d.trail.take()[0].Sensitive, op.Name)
		}
	})
}

// jsonOf returns an event as it is written, with a fixed id.
func jsonOf(t *testing.T, e intercomrbac.AuditEvent) string {
	t.Helper()
	assert.Len(t, e.ID, 26)
	e.ID = "ID"
	b, err := json.Marshal(e)
	require.NoError(t, err)
	return string(b)
}

func TestAuditEventsAsJSON(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { // where it is midnight of the first of January 2000
		d := newDesk(t, deskConfig{
			policy:  granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}, intercomrbac.Rule{Permission: "contacts:*"}),
			options: []intercomrbac.Option{intercomrbac.WithWorkspace("ws-1")},
		})
		p := d.principal(tester)
		p.Workspace = "ws-1"
		ctx := intercomrbac.WithPrincipal(t.Context(), p)
		_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{Body: "Goodbye"})
		require.NoError(t, err)
		bot := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{Service: "cleaner", Role: tester, Workspace: "ws-1"})
		require.Error(t, d.client.Conversations.Delete(bot, "404"))
		require.ErrorIs(t, d.client.Contacts.Delete(bot, "6762f0f31bb69f9f2193bb00"), intercomrbac.ErrNotFound)
		events := d.trail.take()
		require.Len(t, events, 5)
		who := `{"timestamp":"2000-01-01T00:00:00Z","adminId":"991267461","adminEmail":"aiko@example.com","action":"conversations.close","resource":"conversation","resourceId":"215470002",`
		why := `"actingAdminId":"991267461","workspace":"ws-1","role":"tester","permission":"conversations:close","effect":"write","reason":"allowed","ruleRole":"tester","rule":"conversations:close when assigned","policyVersion":"v1"`
		service := `{"timestamp":"2000-01-01T00:00:00Z","adminId":"","adminEmail":"",`
		for i, want := range []string{
			who + `"ipAddress":"203.0.113.7","id":"ID","phase":"intent",` + why + `}`,
			who + `"success":true,"ipAddress":"203.0.113.7","id":"ID","phase":"outcome","outcome":"succeeded",` + why + `,"requestId":"3c6ef362-fa4e-4000-8000-000000000002"}`,
			service + `"action":"conversations.delete","resource":"conversation","resourceId":"404","success":false,"id":"ID","phase":"denial","service":"cleaner","workspace":"ws-1","role":"tester","permission":"conversations:delete","effect":"destructive","reason":"not_granted","policyVersion":"v1","sensitive":true}`,
			service + `"action":"contacts.delete","resource":"contact","resourceId":"6762f0f31bb69f9f2193bb00","id":"ID","phase":"intent","service":"cleaner","workspace":"ws-1","role":"tester","permission":"contacts:delete","effect":"destructive","reason":"allowed","ruleRole":"tester","rule":"contacts:*","policyVersion":"v1","sensitive":true}`,
			service + `"action":"contacts.delete","resource":"contact","resourceId":"6762f0f31bb69f9f2193bb00","success":false,"id":"ID","phase":"outcome","outcome":"failed","service":"cleaner","workspace":"ws-1","role":"tester","permission":"contacts:delete","effect":"destructive","reason":"allowed","ruleRole":"tester","rule":"contacts:*","policyVersion":"v1","sensitive":true,"requestId":"daa66d13-fa4e-4000-8000-000000000003","error":"404 not_found"}`,
		} {
			assert.Equal(t, want, jsonOf(t, events[i]))
			var back intercomrbac.AuditEvent
			b, err := json.Marshal(events[i])
			require.NoError(t, err)
			require.NoError(t, json.Unmarshal(b, &back))
			assert.Equal(t, events[i], back)
		}
	})
}

// No token and no text of a message comes into a record, also where Intercom repeats them.
func TestAuditEventsHoldNoSecret(t *testing.T) {
	t.Parallel()
	const canary = "canary-of-a-message"
	var lines bytes.Buffer
	logged := intercomrbac.SlogSink(slog.New(slog.NewJSONHandler(&lines, nil)))
	all := &trail{}
	both := intercomrbac.SinkFunc(func(ctx context.Context, e intercomrbac.AuditEvent) error {
		return errors.Join(all.Record(ctx, e), logged.Record(ctx, e))
	})
	d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{Audit: both, AuditReads: true},
		options: []intercomrbac.Option{intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})}})
	text := canary + " " + d.srv.Token()
	calls := func(ctx context.Context) {
		_, _ = d.client.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: text})
		_, _ = d.client.Conversations.Note(ctx, d.conversation(), intercomrbac.NoteParams{Body: text})
		_, _ = d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{Body: text})
		_, _ = d.client.Conversations.Assign(ctx, d.conversation(), intercomrbac.AssignParams{To: intercomrbac.ToTeam(d.Sales), Body: text})
		_, _ = d.client.Conversations.Create(ctx, intercomrbac.CreateConversationParams{From: d.Contacts[0], Body: text, Subject: text})
		_, _ = d.client.Conversations.Update(ctx, d.conversation(), intercomrbac.UpdateConversationParams{Title: new(text)})
		_, _ = d.client.Conversations.Get(ctx, d.conversation())
		_ = d.client.DataEvents.Create(ctx, intercomrbac.CreateEventParams{Name: "x", ContactID: d.Contacts[0], Metadata: map[string]any{"note": text}})
	}
	calls(d.as(t, tester))
	calls(d.as(t, "nobody"))
	for _, f := range []intercomtest.Fault{
		{Status: 422, Message: text}, {Status: 500, Code: "server_error", Message: text},
		{Body: []byte(text)}, {Body: []byte(text), Status: 502}, {Header: http.Header{"X-Request-Id": {d.srv.Token()}}, Status: 400},
	} {
		f.Times = -1
		remove := d.srv.Inject(f)
		calls(d.as(t, tester))
		remove()
	}
	events := all.take()
	assert.Len(t, events, 8*(2+1+5*2))
	b, err := json.Marshal(events)
	require.NoError(t, err)
	for _, written := range []string{string(b), lines.String()} {
		assert.NotContains(t, written, canary)
		assert.NotContains(t, written, d.srv.Token())
	}
}

func TestGuardReportsOnly(t *testing.T) {
	t.Parallel()
	when := func(permission intercomrbac.Permission) intercomrbac.Policy {
		return granting(intercomrbac.Rule{Permission: permission, When: "never"})
	}
	get := func(ctx context.Context, d *desk) (any, error) {
		return d.client.Conversations.Get(ctx, d.conversation())
	}
	list := func(ctx context.Context, d *desk) (any, error) {
		return d.client.Conversations.List(ctx, intercomrbac.ListParams{PerPage: 3})
	}
	closing := func(ctx context.Context, d *desk) (any, error) {
		return d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
	}
	tests := map[string]struct {
		policy intercomrbac.Policy
		call   func(context.Context, *desk) (any, error)
		reason intercomrbac.Reason // of the one denial; 0 for none
		sent   []string
	}{
		"get, not granted":         {granting(), get, intercomrbac.ReasonNotGranted, []string{"conversations.get"}},
		"get, condition not met":   {when(intercomrbac.ConversationsRead), get, intercomrbac.ReasonConditionNotMet, []string{"conversations.get"}},
		"list, not granted":        {granting(), list, intercomrbac.ReasonNotGranted, []string{"conversations.list"}},
		"list under a condition":   {when(intercomrbac.ConversationsRead), list, 0, []string{"conversations.list"}},
		"write, not granted":       {granting(), closing, intercomrbac.ReasonNotGranted, []string{"conversations.close"}},
		"write, condition not met": {when(intercomrbac.ConversationsClose), closing, intercomrbac.ReasonConditionNotMet, []string{"conversations.get", "conversations.close"}},
		"write, granted":           {everything(), closing, 0, []string{"conversations.close"}},
		"impersonation": {everything(), func(ctx context.Context, d *desk) (any, error) {
			return d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{AdminID: d.Manager})
		}, intercomrbac.ReasonNotGranted, []string{"conversations.close"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: tt.policy, conditions: []intercomrbac.Condition{never("conversation")}, guard: intercomrbac.GuardConfig{DangerouslyReportOnly: true}})
			got, err := tt.call(d.as(t, tester), d)
			require.NoError(t, err)
			assert.NotEmpty(t, got)
			if page, ok := got.(*intercomrbac.Page[intercomrbac.Conversation]); ok {
				assert.Equal(t, []int{3, 12}, []int{len(page.Items), page.Total}, "a list is not filtered")
			}
			assert.Equal(t, tt.sent, d.sent())
			events := d.trail.take()
			if tt.reason != 0 {
				require.NotEmpty(t, events)
				assert.Equal(t, []any{intercomrbac.PhaseDenial, tt.reason.String(), true, false}, []any{events[0].Phase, events[0].Reason.String(), events[0].ReportOnly, *events[0].Success})
				events = events[1:]
			}
			for _, e := range events { // of a write
				assert.NotEqual(t, intercomrbac.PhaseDenial, e.Phase)
				assert.Equal(t, tt.reason != 0, e.ReportOnly)
			}
			assert.Len(t, events, map[bool]int{false: 0, true: 2}[strings.Contains(tt.sent[len(tt.sent)-1], "close")])
		})
	}
	t.Run("nobody", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: everything(), guard: intercomrbac.GuardConfig{DangerouslyReportOnly: true}})
		_, err := d.client.Teams.List(t.Context())
		require.NoError(t, err)
		_, err = d.client.Conversations.Close(t.Context(), d.conversation(), intercomrbac.CloseParams{})
		require.ErrorIs(t, err, intercomrbac.ErrNoActingAdmin)
		assert.Equal(t, []string{"teams.list"}, d.sent())
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: when(intercomrbac.ConversationsRead), conditions: []intercomrbac.Condition{never("conversation")}, guard: intercomrbac.GuardConfig{DangerouslyReportOnly: true}})
		_, err := d.client.Conversations.Get(d.as(t, tester), "404")
		require.ErrorIs(t, err, intercomrbac.ErrNotFound)
		assert.Equal(t, []string{"denial"}, d.trail.phases())
	})
}

func TestGuardFailsOpenWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules(intercomrbac.ConversationsClose)...), guard: intercomrbac.GuardConfig{DangerouslyFailOpen: true},
		options: []intercomrbac.Option{intercomrbac.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))}})
	d.trail.refuse = refusing(intercomrbac.PhaseIntent, intercomrbac.PhaseOutcome, intercomrbac.PhaseDenial)
	got, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.StateClosed, got.State)
	assert.Equal(t, 2, strings.Count(log.String(), "audit failed open"))
	requireDenied(t, d.client.Conversations.Delete(d.as(t, tester), d.conversation()), intercomrbac.ReasonNotGranted)
	assert.Equal(t, []string{"conversations.close"}, d.sent())
}

func TestNoAudit(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules(intercomrbac.ConversationsClose)...), guard: intercomrbac.GuardConfig{Audit: intercomrbac.NoAudit(), AuditReads: true}})
	_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
	requireDenied(t, d.client.Conversations.Delete(d.as(t, tester), d.conversation()), intercomrbac.ReasonNotGranted)
	require.NoError(t, intercomrbac.NoAudit().Record(t.Context(), intercomrbac.AuditEvent{}))
}

// A call that panics has an outcome too: a transport, a hook or a condition may be at fault.
func TestGuardRecordsTheOutcomeOfAPanic(t *testing.T) {
	t.Parallel()
	broken := transport(func(*http.Request) (*http.Response, error) { panic("broken transport") })
	checker, err := intercomrbac.NewChecker(everything())
	require.NoError(t, err)
	events := &trail{}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: events})
	require.NoError(t, err)
	c := clientOf(t, broken, intercomrbac.WithGuard(guard))
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: tester})
	assert.PanicsWithValue(t, "broken transport", func() { _ = c.Conversations.Delete(ctx, "5") })
	assert.Equal(t, []string{"intent", "unknown"}, events.phases())
}

func TestSlogSink(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	handler := func(level slog.Level) slog.Handler {
		return slog.NewJSONHandler(&lines, &slog.HandlerOptions{Level: level})
	}
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	denial := intercomrbac.AuditEvent{
		Timestamp: at, AdminID: "7", AdminEmail: "ana@example.com", Action: "contacts.delete", Resource: "contact", ResourceID: "c1", SecondResourceID: "c2", Success: new(false),
		IPAddress: "203.0.113.7", ID: "ID", Phase: intercomrbac.PhaseDenial, Service: "bot", ActingAdminID: "8", Workspace: "ws", Role: "agent",
		Permission: intercomrbac.ContactsDelete, Effect: "destructive", Reason: intercomrbac.ReasonDeniedByRule, RuleRole: "agent", Rule: "*", PolicyVersion: "v1",
		Sensitive: true, ReportOnly: true, RequestID: "r-1", Error: "404 not_found",
	}
	require.NoError(t, intercomrbac.SlogSink(slog.New(handler(slog.LevelWarn))).Record(t.Context(), denial))
	var line, event map[string]any
	require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
	b, err := json.Marshal(denial)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &event))
	event["time"], event["level"], event["msg"] = event["timestamp"], "WARN", "[AUDIT] Sensitive action: contacts.delete by ana@example.com"
	delete(event, "timestamp")
	assert.Equal(t, event, line, "every member is there, under its own name")

	lines.Reset()
	intent := intercomrbac.AuditEvent{Timestamp: at, Action: "contacts.delete", Phase: intercomrbac.PhaseIntent}
	succeeded := intercomrbac.AuditEvent{Timestamp: at, Action: "contacts.delete", Phase: intercomrbac.PhaseOutcome, Outcome: intercomrbac.OutcomeSucceeded, Success: new(true)}
	failed := intercomrbac.AuditEvent{Timestamp: at, Action: "contacts.delete", Phase: intercomrbac.PhaseOutcome, Outcome: intercomrbac.OutcomeFailed, Success: new(false)}
	quiet, loud := intercomrbac.SlogSink(slog.New(handler(slog.LevelWarn))), intercomrbac.SlogSink(slog.New(handler(slog.LevelInfo)))
	require.ErrorContains(t, quiet.Record(t.Context(), intent), "drops level INFO")
	require.ErrorContains(t, quiet.Record(t.Context(), succeeded), "drops level INFO")
	require.NoError(t, quiet.Record(t.Context(), failed))
	require.NoError(t, loud.Record(t.Context(), intent))
	assert.Equal(t, 1, strings.Count(lines.String(), `"level":"INFO"`))
	require.Error(t, intercomrbac.SlogSink(nil).Record(t.Context(), intent))
	require.Error(t, intercomrbac.SlogSink(slog.New(slog.DiscardHandler)).Record(t.Context(), failed))
	require.ErrorIs(t, intercomrbac.SlogSink(slog.New(failingHandler{slog.DiscardHandler})).Record(t.Context(), failed), errSink)

	lines.Reset()
	forged := intercomrbac.AuditEvent{Sensitive: true, Action: "x.delete\n", AdminEmail: "eve@example.com\n2026-05-04 INFO all is well"}
	require.NoError(t, loud.Record(t.Context(), forged))
	require.NoError(t, json.Unmarshal(lines.Bytes(), &line))
	assert.Equal(t, "[AUDIT] Sensitive action: x.delete by eve@example.com 2026-05-04 INFO all is well", line["msg"], "one line, for a handler that writes it as it is")
}

// failingHandler is a handler whose disk is full.
type failingHandler struct{ slog.Handler }

func (failingHandler) Enabled(context.Context, slog.Level) bool  { return true }
func (failingHandler) Handle(context.Context, slog.Record) error { return errSink }
