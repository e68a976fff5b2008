package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// everything allows all that no rule must name.
func everything() intercomrbac.Policy { return granting(intercomrbac.Rules("*")...) }

// actingOperations are those that Intercom wants an acting admin for.
func actingOperations() []intercomrbac.Operation {
	return slices.DeleteFunc(intercomrbac.Operations(), func(o intercomrbac.Operation) bool { return o.Actor == "" })
}

// methodsAs are the methods that take an acting admin, by operation.
var methodsAs = map[string]func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error){
	"articles.create": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Articles.Create(ctx, intercomrbac.CreateArticleParams{Title: "Invoices", AuthorID: as})
	},
	"articles.update": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Articles.Update(ctx, d.Articles[1], intercomrbac.UpdateArticleParams{AuthorID: as})
	},
	"conversations.add_tag": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.AddTag(ctx, d.conversation(), intercomrbac.TagParams{TagID: d.VIP, AdminID: as})
	},
	"conversations.assign": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Assign(ctx, d.conversation(), intercomrbac.AssignParams{To: intercomrbac.ToTeam(d.Sales), AdminID: as})
	},
	"conversations.attach_contact": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.AttachContact(ctx, d.conversation(), intercomrbac.AttachContactParams{ExternalID: "customer-3", AdminID: as})
	},
	"conversations.close": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{AdminID: as})
	},
	"conversations.detach_contact": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		d.addParticipant()
		return d.client.Conversations.DetachContact(ctx, d.conversation(), intercomrbac.DetachContactParams{ContactID: d.Contacts[2], AdminID: as})
	},
	"conversations.note": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Note(ctx, d.conversation(), intercomrbac.NoteParams{Body: "Hello", AdminID: as})
	},
	"conversations.open": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Open(ctx, d.conversation(), intercomrbac.OpenParams{AdminID: as})
	},
	"conversations.remove_tag": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.RemoveTag(ctx, d.conversation(), intercomrbac.TagParams{TagID: d.VIP, AdminID: as})
	},
	"conversations.reply": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: "Hello", AdminID: as})
	},
	"conversations.snooze": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Snooze(ctx, d.conversation(), intercomrbac.SnoozeParams{Until: soon(), AdminID: as})
	},
	"conversations.unassign": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Conversations.Unassign(ctx, d.conversation(), intercomrbac.UnassignParams{AdminID: as})
	},
	"messages.create": func(ctx context.Context, d *desk, as intercomrbac.AdminID) (any, error) {
		return d.client.Messages.Create(ctx, intercomrbac.CreateMessageParams{Type: intercomrbac.MessageInApp, To: []intercomrbac.Recipient{{ID: d.Contacts[0]}}, Body: "Hello", AdminID: as})
	},
}

func TestGuardRefusesImpersonation(t *testing.T) {
	t.Parallel()
	for _, op := range actingOperations() {
		method, ok := methodsAs[op.Name]
		require.True(t, ok, "%s has no entry in methodsAs", op.Name)
		byDo := func(ctx context.Context, d *desk, as any) error {
			call := callers[op.Name].call(d)
			body := call.Body.(map[string]any)
			if outer, inner, nested := strings.Cut(op.Actor, "."); nested {
				body[outer] = map[string]any{"type": "admin", inner: as}
			} else {
				body[op.Actor] = as
			}
			return d.client.Do(ctx, op, call, nil)
		}
		t.Run(op.Name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: everything()})
			ctx := d.as(t, tester)
			_, byMethod := method(ctx, d, d.Manager)
			for form, err := range map[string]error{
				"by the method":   byMethod,
				"by Do":           byDo(ctx, d, string(d.Manager)),
				"by Do, a number": byDo(ctx, d, json.Number(d.Manager)),
			} {
				e := denialOf(t, err, intercomrbac.ReasonNotGranted)
				assert.Equal(t, []any{op.Name, intercomrbac.AdminsImpersonate}, []any{e.Action, e.Permission}, form)
			}
			assert.Empty(t, d.sent())
			for _, e := range d.trail.take() {
				assert.Equal(t, intercomrbac.PhaseDenial, e.Phase)
				assert.Equal(t, []any{d.Agent, d.Manager, intercomrbac.AdminsImpersonate, true}, []any{e.AdminID, e.ActingAdminID, e.Permission, e.Sensitive})
			}
		})
		t.Run("granted by name/"+op.Name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...)})
			_, err := method(d.as(t, tester), d, d.Manager)
			if op.Name != "conversations.remove_tag" { // there is no such tag on it
				require.NoError(t, err)
			}
			assert.Equal(t, []string{op.Name}, d.sent())
			events := d.trail.take()
			require.Len(t, events, 2)
			assert.Equal(t, []any{d.Agent, d.Manager, op.Permission, true}, []any{events[0].AdminID, events[0].ActingAdminID, events[0].Permission, events[0].Sensitive})
		})
	}
}

func TestGuardDecidesImpersonation(t *testing.T) {
	t.Parallel()
	closing := func(as intercomrbac.AdminID) func(context.Context, *desk) error {
		return func(ctx context.Context, d *desk) error {
			_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{AdminID: as})
			return err
		}
	}
	raw := func(body string) func(context.Context, *desk) error {
		return func(ctx context.Context, d *desk) error {
			return d.client.Do(ctx, lookup(t, "conversations.close"), intercomrbac.Call{Path: d.pathOfConversation(), Body: json.RawMessage(body)}, nil)
		}
	}
	const agent, manager = "991267461", "991267460"
	person := intercomrbac.Principal{AdminID: agent, Role: tester}
	service := intercomrbac.Principal{Service: "billing-bot", Role: tester}
	acting := intercomrbac.Principal{Service: "billing-bot", AdminID: agent, Role: tester}
	exact := granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...)
	denied := granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...)
	denied.Roles[tester] = intercomrbac.RoleRules{Allow: denied.Roles[tester].Allow, Deny: intercomrbac.Rules("admins:*")}
	tests := map[string]struct {
		principal intercomrbac.Principal
		policy    intercomrbac.Policy
		call      func(context.Context, *desk) error
		reason    intercomrbac.Reason // of a denial
		is        error               // of another refusal
	}{
		"oneself":                           {person, everything(), closing(agent), 0, nil},
		"oneself, by default":               {person, everything(), closing(""), 0, nil},
		"oneself, as a number":              {person, everything(), raw(`{"message_type":"close","admin_id":991267461}`), 0, nil},
		"another":                           {person, everything(), closing(manager), intercomrbac.ReasonNotGranted, nil},
		"another, granted by name":          {person, exact, closing(manager), 0, nil},
		"another, denied by a wildcard":     {person, denied, closing(manager), intercomrbac.ReasonDeniedByRule, nil},
		"service without an admin":          {service, everything(), closing(manager), intercomrbac.ReasonNotGranted, nil},
		"service without an admin, granted": {service, exact, closing(manager), 0, nil},
		"service without an admin at all":   {service, exact, closing(""), 0, intercomrbac.ErrNoActingAdmin},
		"service through its admin":         {acting, everything(), closing(""), 0, nil},
		"service, another than its admin":   {acting, everything(), closing(manager), intercomrbac.ReasonNotGranted, nil},
		"member that comes twice":           {person, everything(), raw(`{"message_type":"close","admin_id":991267461,"admin_id":991267460}`), intercomrbac.ReasonNotGranted, nil},
		"escaped member":                    {person, everything(), raw(`{"message_type":"close","\u0061dmin_id":"991267460"}`), intercomrbac.ReasonNotGranted, nil},
		"leading zero":                      {person, exact, raw(`{"message_type":"close","admin_id":"0991267461"}`), 0, intercomrbac.ErrInvalidRequest},
		"space":                             {person, exact, raw(`{"message_type":"close","admin_id":"991267461 "}`), 0, intercomrbac.ErrInvalidRequest},
		"fraction":                          {person, exact, raw(`{"message_type":"close","admin_id":991267461.0}`), 0, intercomrbac.ErrInvalidRequest},
		"exponent":                          {person, exact, raw(`{"message_type":"close","admin_id":991267461e0}`), 0, intercomrbac.ErrInvalidRequest},
		"list":                              {person, exact, raw(`{"message_type":"close","admin_id":["991267461"]}`), 0, intercomrbac.ErrNoActingAdmin},
		"zero":                              {person, exact, raw(`{"message_type":"close","admin_id":0}`), 0, intercomrbac.ErrNoActingAdmin},
		"null":                              {person, exact, raw(`{"message_type":"close","admin_id":null}`), 0, intercomrbac.ErrNoActingAdmin},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: tt.policy})
			err := tt.call(intercomrbac.WithPrincipal(t.Context(), tt.principal), d)
			switch {
			case tt.reason != 0:
				e := denialOf(t, err, tt.reason)
				assert.Equal(t, intercomrbac.AdminsImpersonate, e.Permission)
			case tt.is != nil:
				require.ErrorIs(t, err, tt.is)
				assert.Empty(t, d.trail.take())
			default:
				require.NoError(t, err)
				assert.Equal(t, []string{"conversations.close"}, d.sent())
				return
			}
			assert.Empty(t, d.sent())
		})
	}
}

// A condition on admins:impersonate is given the teammate in whose name it is done.
func TestGuardDecidesImpersonationUnderACondition(t *testing.T) {
	t.Parallel()
	colleague := conditionNamed("colleague", "admin", func(p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		a := r.Value.(*intercomrbac.Admin)
		return string(a.ID) == r.ID && slices.ContainsFunc(a.TeamIDs, func(id intercomrbac.TeamID) bool { return slices.Contains(p.Teams, id) }), nil
	})
	policy := granting(intercomrbac.Rules("*")...)
	rules := policy.Roles[tester]
	rules.Allow = append(rules.Allow, intercomrbac.Rule{Permission: intercomrbac.AdminsImpersonate, When: "colleague"})
	policy.Roles[tester] = rules
	type adminID = intercomrbac.AdminID
	tests := map[string]struct {
		as     func(*desk) adminID
		fault  intercomtest.Fault
		reason intercomrbac.Reason // of a denial
	}{
		"a colleague":    {func(d *desk) adminID { return d.Manager }, intercomtest.Fault{Delay: 1}, 0},
		"another team's": {func(d *desk) adminID { return d.Away }, intercomtest.Fault{Delay: 1}, intercomrbac.ReasonConditionNotMet},
		"nobody there":   {func(*desk) adminID { return "404" }, intercomtest.Fault{Delay: 1}, intercomrbac.ReasonConditionNotMet},
		"not to be had":  {func(d *desk) adminID { return d.Manager }, intercomtest.Fault{Status: 500}, intercomrbac.ReasonConditionUnknown},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: policy, conditions: []intercomrbac.Condition{colleague}})
			d.srv.Inject(tt.fault)
			_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{AdminID: tt.as(d)})
			if tt.reason == 0 {
				require.NoError(t, err)
				assert.Equal(t, []string{"admins.get", "conversations.close"}, d.sent())
				return
			}
			assert.Equal(t, intercomrbac.AdminsImpersonate, denialOf(t, err, tt.reason).Permission)
			assert.Equal(t, []string{"admins.get"}, d.sent())
			assert.Equal(t, []string{"denial"}, d.trail.phases())
		})
	}
	for _, when := range []string{"colleague", "self", "listed"} {
		t.Run("only since it was decided/"+when, func(t *testing.T) {
			t.Parallel()
			l := &hooked{}
			listed := conditionNamed("listed", "", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return true, nil })
			d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...),
				conditions: []intercomrbac.Condition{colleague, listed}, options: []intercomrbac.Option{intercomrbac.WithLimiter(l)}})
			then := granting(append(intercomrbac.Rules("*"), intercomrbac.Rule{Permission: intercomrbac.AdminsImpersonate, When: when})...)
			l.wait = func(context.Context) { assert.NoError(t, d.checker.Swap(then)) }
			_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{AdminID: d.Manager})
			assert.Equal(t, intercomrbac.AdminsImpersonate, denialOf(t, err, intercomrbac.ReasonNeedsResource).Permission)
			assert.Empty(t, d.sent())
		})
	}
}

// An operation's own permission is decided first, then in whose name it is done, and then what needs a look.
func TestGuardDecidesInOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"})})
	ctx := d.as(t, tester)
	_, err := d.client.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: "x", AdminID: d.Manager})
	assert.Equal(t, intercomrbac.ConversationsReply, denialOf(t, err, intercomrbac.ReasonNotGranted).Permission)
	_, err = d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{AdminID: d.Manager})
	assert.Equal(t, intercomrbac.AdminsImpersonate, denialOf(t, err, intercomrbac.ReasonNotGranted).Permission)
	assert.Empty(t, d.sent(), "a refused impersonation needs no look")
	_, err = d.client.Conversations.Close(ctx, "", intercomrbac.CloseParams{})
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, "what is malformed is no matter for the policy")
	require.NotErrorIs(t, err, intercomrbac.ErrDenied)
	_, err = d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
	assert.Equal(t, []string{"conversations.get", "conversations.close"}, d.sent())
	assert.Equal(t, []string{"denial", "denial", "intent", "succeeded"}, d.trail.phases())
}

func TestGuardRefusesNobody(t *testing.T) {
	t.Parallel()
	search := intercomrbac.SearchParams{Query: intercomrbac.Where(intercomrbac.FieldState, intercomrbac.Equals, "open")}
	calls := map[string]func(context.Context, *desk) error{
		"close, no admin given": func(ctx context.Context, d *desk) error {
			_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
			return err
		},
		"close as somebody": func(ctx context.Context, d *desk) error {
			_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{AdminID: d.Manager})
			return err
		},
		"delete": func(ctx context.Context, d *desk) error { return d.client.Conversations.Delete(ctx, d.conversation()) },
		"list": func(ctx context.Context, d *desk) error {
			_, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
			return err
		},
		"all": func(ctx context.Context, d *desk) error {
			return lastError(d.client.Conversations.All(ctx, intercomrbac.ListParams{}))
		},
		"search all": func(ctx context.Context, d *desk) error {
			return lastError(d.client.Conversations.SearchAll(ctx, search))
		},
		"all events": func(ctx context.Context, d *desk) error {
			return lastError(d.client.DataEvents.All(ctx, intercomrbac.ListEventsParams{UserID: "customer-1"}))
		},
		"Do": func(ctx context.Context, d *desk) error {
			return d.client.Do(ctx, lookup(t, "conversations.close"), callers["conversations.close"].call(d), nil)
		},
		"Do, an operation of one's own": func(ctx context.Context, d *desk) error {
			return d.client.Do(ctx, macros, intercomrbac.Call{Path: map[string]string{"id": "1"}}, nil)
		},
	}
	nobodies := map[string]intercomrbac.Principal{
		"none": {}, "role alone": {Role: tester}, "e-mail and teams": {Email: "ana@example.com", Role: tester, Teams: []intercomrbac.TeamID{"814865"}},
		"admin 0": {AdminID: "0", Role: tester},
	}
	for name, call := range calls {
		for who, p := range nobodies {
			t.Run(name+"/"+who, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, deskConfig{policy: everything()})
				err := call(intercomrbac.WithPrincipal(t.Context(), p), d)
				requireDenied(t, err, intercomrbac.ReasonNoPrincipal)
				require.ErrorIs(t, err, intercomrbac.ErrNoPrincipal)
				assert.Empty(t, d.sent())
				assert.Equal(t, []string{"denial"}, d.trail.phases())
			})
		}
	}
}

// lastError ranges over a sequence to its end and returns its error.
func lastError[T any](seq func(func(T, error) bool)) (err error) {
	for _, err = range seq {
		if err != nil {
			return err
		}
	}
	return err
}

func TestGuardRefusesPrincipalsOfOtherWorkspaces(t *testing.T) {
	t.Parallel()
	bound := []intercomrbac.Option{intercomrbac.WithWorkspace("ws-a")}
	tests := map[string]struct {
		options   []intercomrbac.Option
		workspace intercomrbac.WorkspaceID
		refused   bool
	}{
		"bound, its own":    {bound, "ws-a", false},
		"bound, another":    {bound, "ws-b", true},
		"bound, none":       {bound, "", true},
		"bound, other case": {bound, "WS-A", true},
		"unbound, none":     {nil, "", false},
		"unbound, one":      {nil, "ws-a", true},
	}
	for name, tt := range tests {
		for mode, reportOnly := range map[string]bool{"": false, ", report-only": true} {
			t.Run(name+mode, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t, deskConfig{policy: everything(), options: tt.options, guard: intercomrbac.GuardConfig{DangerouslyReportOnly: reportOnly}})
				p := d.principal(tester)
				p.Workspace = tt.workspace
				ctx := intercomrbac.WithPrincipal(t.Context(), p)
				_, closed := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
				_, listed := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
				done := d.client.Do(ctx, lookup(t, "conversations.delete"), intercomrbac.Call{Path: d.pathOfConversation()}, nil)
				if !tt.refused {
					require.NoError(t, errors.Join(closed, listed, done))
					return
				}
				for _, err := range []error{closed, listed, done} {
					requireDenied(t, err, intercomrbac.ReasonWrongWorkspace)
					require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace)
				}
				assert.Empty(t, d.sent())
				events := d.trail.take()
				require.Len(t, events, 3)
				for _, e := range events {
					assert.Equal(t, []any{intercomrbac.PhaseDenial, tt.workspace, false, false}, []any{e.Phase, e.Workspace, *e.Success, e.ReportOnly})
				}
			})
		}
	}
}

// A condition whose data cannot be had is not met, and what it stands before is not sent.
func TestGuardDeniesWhatItCannotLookAt(t *testing.T) {
	t.Parallel()
	read := func(f intercomtest.Fault) intercomtest.Fault {
		f.Operation, f.Times = "conversations.get", -1
		return f
	}
	tests := map[string]struct {
		fault intercomtest.Fault
		is    error
	}{
		"500":                {read(intercomtest.Fault{Status: 500}), intercomrbac.ErrUnavailable},
		"503":                {read(intercomtest.Fault{Status: 503}), intercomrbac.ErrUnavailable},
		"429":                {read(intercomtest.Fault{Status: 429}), intercomrbac.ErrRateLimited},
		"401":                {read(intercomtest.Fault{Status: 401}), intercomrbac.ErrUnauthorized},
		"403":                {read(intercomtest.Fault{Status: 403}), intercomrbac.ErrForbidden},
		"400":                {read(intercomtest.Fault{Status: 400}), intercomrbac.ErrInvalidRequest},
		"502 HTML":           {read(intercomtest.Fault{HTML: true}), intercomrbac.ErrUnavailable},
		"200 HTML":           {read(intercomtest.Fault{HTML: true, Status: 200}), intercomrbac.ErrBadResponse},
		"empty":              {read(intercomtest.Fault{Body: []byte{' '}}), intercomrbac.ErrBadResponse},
		"cut off":            {read(intercomtest.Fault{Truncate: 20}), intercomrbac.ErrUnavailable},
		"connection breaks":  {read(intercomtest.Fault{Drop: true}), intercomrbac.ErrUnavailable},
		"connection refused": {read(intercomtest.Fault{Refuse: true}), intercomrbac.ErrUnavailable},
		"time-out":           {read(intercomtest.Fault{Delay: time.Minute}), context.DeadlineExceeded},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"})})
				d.srv.Inject(tt.fault)
				ctx, cancel := context.WithTimeout(d.as(t, tester), 50*time.Second)
				defer cancel()
				_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
				requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
				require.ErrorIs(t, err, tt.is)
				require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
				assert.NotContains(t, d.sent(), "conversations.close")
				events := d.trail.take()
				require.Len(t, events, 1)
				assert.Equal(t, []any{intercomrbac.PhaseDenial, intercomrbac.ReasonConditionUnknown}, []any{events[0].Phase, events[0].Reason})
				assert.NotEmpty(t, events[0].Error)
			})
		})
	}
}

// The same for an answer that is judged itself.
func TestGuardDeniesAnswersThatItCannotJudge(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"HTML": "<html>", "empty": " ", "null": "null", "text": `"text"`, "a list": "[]", "another type": `{"id":{}}`, "no items": `{"conversations":{}}`,
		"items that are none": `{"conversations":[7]}`, "nothing in it": `{}`, "more behind it": `{"conversations":[]}{"conversations":[]}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned"})})
			d.srv.Inject(intercomtest.Fault{Body: []byte(body), Times: -1})
			ctx := d.as(t, tester)
			page, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
			requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			assert.Nil(t, page)
			one, err := d.client.Conversations.Get(ctx, d.conversation())
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
			assert.Nil(t, one)
			var out map[string]any
			err = d.client.Do(ctx, lookup(t, "conversations.get"), intercomrbac.Call{Path: d.pathOfConversation()}, &out)
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
			assert.Nil(t, out)
		})
	}
}

func TestGuardDeniesWhereADenyIsUndecided(t *testing.T) {
	t.Parallel()
	errLost := errors.New("the list of important customers is lost")
	policy := granting(intercomrbac.Rules("*")...)
	policy.Roles[tester] = intercomrbac.RoleRules{Allow: intercomrbac.Rules("*"),
		Deny: []intercomrbac.Rule{{Permission: intercomrbac.ConversationsClose, When: "important"}, {Permission: intercomrbac.ConversationsRead, When: "important"}}}
	d := newDesk(t, deskConfig{policy: policy, conditions: []intercomrbac.Condition{
		conditionNamed("important", "conversation", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return false, errLost })}})
	ctx := d.as(t, tester)
	_, closed := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
	_, got := d.client.Conversations.Get(ctx, d.conversation())
	_, listed := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
	for _, err := range []error{closed, got, listed} {
		requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
		require.ErrorIs(t, err, errLost)
	}
	assert.Equal(t, []string{"conversations.get", "conversations.get", "conversations.list"}, d.sent())
}

func TestGuardRefusesRelabelledOperations(t *testing.T) {
	t.Parallel()
	type op = intercomrbac.Operation
	with := func(name string, change func(*op)) op {
		o := lookup(t, name)
		change(&o)
		return o
	}
	conversation := map[string]string{"conversation_id": "215470002"}
	closing := map[string]any{"message_type": "close", "admin_id": "991267461"}
	own := func(method, path string) op {
		return op{Name: "own.call", Method: method, Path: path, Permission: intercomrbac.TeamsRead, Resource: "conversation", Effect: intercomrbac.Write}
	}
	tests := map[string]struct {
		op   op
		call intercomrbac.Call
	}{
		"another permission":     {with("conversations.delete", func(o *op) { o.Permission = intercomrbac.TeamsRead }), intercomrbac.Call{Path: conversation}},
		"another effect":         {with("conversations.delete", func(o *op) { o.Effect = intercomrbac.Write }), intercomrbac.Call{Path: conversation}},
		"another scope":          {with("conversations.delete", func(o *op) { o.Scope = "" }), intercomrbac.Call{Path: conversation}},
		"another resource":       {with("conversations.delete", func(o *op) { o.Resource = "macro" }), intercomrbac.Call{Path: conversation}},
		"without its argument":   {with("conversations.delete", func(o *op) { o.ResourceArg = "" }), intercomrbac.Call{Path: conversation}},
		"without its actor":      {with("conversations.close", func(o *op) { o.Actor = "" }), intercomrbac.Call{Path: conversation, Body: closing}},
		"own name":               {with("conversations.delete", func(o *op) { o.Name, o.Permission = "own.delete", intercomrbac.TeamsRead }), intercomrbac.Call{Path: conversation}},
		"own name, own template": {own("DELETE", "/conversations/{id}"), intercomrbac.Call{Path: map[string]string{"id": "215470002"}}},
		"fixed id":               {own("DELETE", "/conversations/215470002"), intercomrbac.Call{}},
		"slash at the end":       {own("DELETE", "/conversations/215470002/"), intercomrbac.Call{}},
		"doubled slashes":        {own("DELETE", "//conversations//215470002"), intercomrbac.Call{}},
		"dots":                   {own("DELETE", "/x/./../conversations/215470002/."), intercomrbac.Call{}},
		"upper case":             {own("DELETE", "/Conversations/215470002"), intercomrbac.Call{}},
		"format":                 {own("DELETE", "/conversations/215470002.json"), intercomrbac.Call{}},
		"literal in an argument": {own("DELETE", "/{kind}/215470002"), intercomrbac.Call{Path: map[string]string{"kind": "conversations"}}},
		"path in an argument":    {own("DELETE", "/{kind}"), intercomrbac.Call{Path: map[string]string{"kind": "conversations/215470002"}}},
		"escaped twice":          {own("DELETE", "/{kind}"), intercomrbac.Call{Path: map[string]string{"kind": "conversations%2F215470002"}}},
		"PATCH for PUT":          {own("PATCH", "/conversations/215470002"), intercomrbac.Call{Body: map[string]any{"read": true}}},
		"parts":                  {own("POST", "/conversations/215470002/parts"), intercomrbac.Call{Body: closing}},
		"reply":                  {own("POST", "/conversations/last/reply"), intercomrbac.Call{Body: closing}},
		"list":                   {own("POST", "/conversations/search/"), intercomrbac.Call{Body: map[string]any{}}},
		"body of another":        {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "assignment", "admin_id": "991267461", "assignee_id": "1"}}},
		"unassign as assign":     {lookup(t, "conversations.assign"), intercomrbac.Call{Path: conversation, Body: map[string]any{"message_type": "assignment", "admin_id": "991267461", "assignee_id": 0}}},
		"reply in a note":        {lookup(t, "conversations.note"), intercomrbac.Call{Path: conversation, Body: map[string]any{"type": "admin", "message_type": "comment", "admin_id": "991267461"}}},
		"kind in the query":      {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: closing, Query: url.Values{"message_type": {"assignment"}}}},
		"actor in the query":     {lookup(t, "conversations.close"), intercomrbac.Call{Path: conversation, Body: closing, Query: url.Values{"admin_id": {"991267460"}}}},
		"stricter scope":         {lookup(t, "conversations.delete"), intercomrbac.Call{Path: conversation, Query: url.Values{"retain_metrics": {"false"}}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: everything()})
			err := d.client.Do(d.as(t, tester), tt.op, tt.call, nil)
			require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
			assert.Empty(t, d.sent())
			assert.Empty(t, d.trail.take())
		})
	}
}

// ownOperation is one that has no method, about a kind of resource of the service's own.
var ownOperation = intercomrbac.Operation{
	Name: "macros.run", Method: "POST", Path: "/macros/{id}/run", Permission: "macros:run", Resource: "macro", ResourceArg: "id", Effect: intercomrbac.Write,
}

func TestGuardDecidesAboutOperationsOfOnesOwn(t *testing.T) {
	t.Parallel()
	declared := func(rules ...intercomrbac.Rule) intercomrbac.Policy {
		p := granting(rules...)
		p.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"macros:run": {Resource: "macro"}}
		return p
	}
	without := ownOperation
	without.Permission = ""
	fixed := ownOperation
	fixed.Path, fixed.ResourceArg = "/macros/7/run", ""
	mine := conditionNamed("mine", "macro", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return r.ID == "7", nil })
	seven := intercomrbac.Call{Path: map[string]string{"id": "7"}}
	tests := map[string]struct {
		op     intercomrbac.Operation
		call   intercomrbac.Call
		policy intercomrbac.Policy
		reason intercomrbac.Reason // of a denial
	}{
		"without a permission":               {without, seven, declared(intercomrbac.Rules("*")...), intercomrbac.ReasonUnknownPermission},
		"permission that no policy names":    {ownOperation, seven, everything(), intercomrbac.ReasonUnknownPermission},
		"not granted":                        {ownOperation, seven, declared(intercomrbac.Rules("teams:read")...), intercomrbac.ReasonNotGranted},
		"granted":                            {ownOperation, seven, declared(intercomrbac.Rules("macros:run")...), 0},
		"condition of its kind, met":         {ownOperation, seven, declared(intercomrbac.Rule{Permission: "macros:run", When: "mine"}), 0},
		"condition of its kind, not met":     {ownOperation, intercomrbac.Call{Path: map[string]string{"id": "8"}}, declared(intercomrbac.Rule{Permission: "macros:run", When: "mine"}), intercomrbac.ReasonConditionNotMet},
		"condition, and nothing to judge by": {fixed, intercomrbac.Call{}, declared(intercomrbac.Rule{Permission: "macros:run", When: "mine"}), intercomrbac.ReasonNeedsResource},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: tt.policy, conditions: []intercomrbac.Condition{mine}})
			d.srv.Inject(intercomtest.Fault{Body: []byte(`{"id":"7"}`), Times: -1})
			err := d.client.Do(d.as(t, tester), tt.op, tt.call, nil)
			if tt.reason != 0 {
				requireDenied(t, err, tt.reason)
				assert.Zero(t, d.srv.CallCount(""))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, 1, d.srv.CallCount(""))
		})
	}
}

// What is assigned to nobody is not assigned to a principal without an id.
func TestGuardTakesZeroIDsForNobody(t *testing.T) {
	t.Parallel()
	principals := map[string]intercomrbac.Principal{
		"service":            {Service: "bot"},
		"service, admin 0":   {Service: "bot", AdminID: "0"},
		"no teams":           {AdminID: "7"},
		"empty team":         {AdminID: "7", Teams: []intercomrbac.TeamID{""}},
		"team 0":             {AdminID: "7", Teams: []intercomrbac.TeamID{"0", ""}},
		"admin of no digits": {AdminID: "x", Teams: []intercomrbac.TeamID{"null"}},
	}
	for _, assignee := range []string{`0`, `"0"`, `null`, `""`, `"null"`} {
		body := `{"id":"5","admin_assignee_id":` + assignee + `,"team_assignee_id":` + assignee + `}`
		for who, p := range principals {
			t.Run(assignee+"/"+who, func(t *testing.T) {
				t.Parallel()
				if assignee == `"null"` && who == "admin of no digits" {
					p.Teams = []intercomrbac.TeamID{"null"} // not even then: ids are digits
				}
				p.Role = tester
				checker, err := intercomrbac.NewChecker(granting(intercomrbac.Rule{Permission: "conversations:*", When: "assigned"},
					intercomrbac.Rule{Permission: "conversations:*", When: "assigned_team"}))
				require.NoError(t, err)
				guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
				require.NoError(t, err)
				c := clientOf(t, func(r *http.Request) (*http.Response, error) {
					if r.Method != http.MethodGet && r.URL.Path != "/conversations/search" {
						t.Errorf("%s %s was sent", r.Method, r.URL)
					}
					if strings.HasSuffix(r.URL.Path, "/5") {
						return reply(200, body), nil
					}
					return reply(200, `{"conversations":[`+body+`],"total_count":1}`), nil
				}, intercomrbac.WithGuard(guard))
				ctx := intercomrbac.WithPrincipal(t.Context(), p)
				_, err = c.Conversations.Get(ctx, "5")
				requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
				requireDenied(t, c.Conversations.Delete(ctx, "5"), intercomrbac.ReasonConditionNotMet)
				page, err := c.Conversations.List(ctx, intercomrbac.ListParams{})
				require.NoError(t, err)
				assert.Equal(t, &intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{}}, page)
			})
		}
	}
}

// An operation that names no actor acts for nobody, whatever way a body or query says one.
func TestGuardRefusesActorsThatAnOperationDoesNotName(t *testing.T) {
	t.Parallel()
	own := intercomrbac.Operation{Name: "own.send", Method: "POST", Path: "/own/send", Permission: intercomrbac.MessagesWrite, Resource: "message", Effect: intercomrbac.Write}
	d := newDesk(t, deskConfig{policy: everything()})
	for name, call := range map[string]intercomrbac.Call{
		"admin_id":                {Body: json.RawMessage(`{"admin_id":"991267460"}`)},
		"admin_id in the query":   {Query: url.Values{"admin_id": {"991267460"}}},
		"admin_id[] in the query": {Query: url.Values{"admin_id[]": {"991267460"}}},
		"[admin_id] in the query": {Query: url.Values{"[admin_id]": {"991267460"}}},
		"space before it":         {Query: url.Values{" admin_id": {"991267460"}}},
		"from":                    {Body: json.RawMessage(`{"from":{"type":"admin","id":"991267460"}}`)},
		"from in the query":       {Query: url.Values{"from[type]": {"admin"}, "from[id]": {"991267460"}}},
		"author_id":               {Body: json.RawMessage(`{"author_id":991267460}`)},
		"author_id in the query":  {Query: url.Values{"[author_id]": {"991267460"}}},
		"author of a translation": {Body: json.RawMessage(`{"translated_content":{"fr":{"author_id":991267460}}}`)},
		"the same in the query":   {Query: url.Values{"translated_content[fr][author_id]": {"991267460"}}},
	} {
		require.ErrorIs(t, d.client.Do(d.as(t, tester), own, call, nil), intercomrbac.ErrInvalidRequest, name)
	}
	assert.Empty(t, d.sent())
}

// A word in an id's place leads to another endpoint, of which the guard knows nothing.
func TestGuardRefusesWordsAsIDs(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: everything()})
	ctx := d.as(t, tester)
	for _, word := range []string{"last", "deleted", "search", "LAST", "find_by_external_id", "last.json", "last/", "last/.", "./last", "deleted.JSON", `deleted\`, "last;x", "last%2F"} {
		for name, method := range map[string]func() error{
			"get":      func() error { _, err := d.client.Conversations.Get(ctx, intercomrbac.ConversationID(word)); return err },
			"delete":   func() error { return d.client.Conversations.Delete(ctx, intercomrbac.ConversationID(word)) },
			"contact":  func() error { _, err := d.client.Contacts.Get(ctx, intercomrbac.ContactID(word)); return err },
			"contacts": func() error { return d.client.Contacts.Delete(ctx, intercomrbac.ContactID(word)) },
			"admin":    func() error { _, err := d.client.Admins.Get(ctx, intercomrbac.AdminID(word)); return err },
			"team":     func() error { _, err := d.client.Teams.Get(ctx, intercomrbac.TeamID(word)); return err },
			"Do": func() error {
				return d.client.Do(ctx, lookup(t, "conversations.get"), intercomrbac.Call{Path: map[string]string{"conversation_id": word}}, nil)
			},
			"Do, reply": func() error {
				return d.client.Do(ctx, lookup(t, "conversations.reply"), intercomrbac.Call{Path: map[string]string{"conversation_id": word},
					Body: d.acting(map[string]any{"type": "admin", "message_type": "comment", "body": "x"})}, nil)
			},
		} {
			assert.ErrorIs(t, method(), intercomrbac.ErrInvalidRequest, "%s %q", name, word)
		}
	}
	assert.Empty(t, d.sent())
	assert.Empty(t, d.trail.take())
}

// Whose contact an external id is shows in the answer alone: it may be spelt as another contact's own id.
func TestGuardJudgesContactsByTheirOwnID(t *testing.T) {
	t.Parallel()
	const mine = "6762f0f31bb69f9f2193bb8b"
	d := newDesk(t, deskConfig{
		policy: granting(intercomrbac.Rule{Permission: intercomrbac.ContactsRead, When: "listed"}),
		conditions: []intercomrbac.Condition{conditionNamed("listed", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
			return r.ID == mine, nil
		})},
	})
	d.srv.AddContact(intercomtest.Contact{ID: "6762f0f31bb69f9f2193bbff", ExternalID: mine, Name: "Somebody Else"})
	ctx := d.as(t, tester)
	_, err := d.client.Contacts.Get(ctx, mine)
	require.NoError(t, err)
	_, err = d.client.Contacts.GetByExternalID(ctx, "customer-1")
	require.NoError(t, err, "customer-1 is the one listed")
	got, err := d.client.Contacts.GetByExternalID(ctx, mine)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	assert.Nil(t, got)
}

func TestWithGuardRefuses(t *testing.T) {
	t.Parallel()
	checker, err := intercomrbac.NewChecker(everything())
	require.NoError(t, err)
	config := intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()}
	guard, err := intercomrbac.NewGuard(config)
	require.NoError(t, err)
	another, err := intercomrbac.NewGuard(config)
	require.NoError(t, err)
	bound, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithWorkspace("ws-a"))
	require.NoError(t, err)
	config.Roles, err = intercomrbac.NewRoleDirectory(bound, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Admins: map[intercomrbac.AdminID]intercomrbac.Role{"7": tester}}})
	require.NoError(t, err)
	foreign, err := intercomrbac.NewGuard(config)
	require.NoError(t, err)
	tests := map[string]struct {
		options []intercomrbac.Option
		want    string
	}{
		"nil":                                 {[]intercomrbac.Option{intercomrbac.WithGuard(nil)}, "not made by NewGuard"},
		"zero":                                {[]intercomrbac.Option{intercomrbac.WithGuard(new(intercomrbac.Guard))}, "not made by NewGuard"},
		"twice":                               {[]intercomrbac.Option{intercomrbac.WithGuard(guard), intercomrbac.WithGuard(guard)}, "set before"},
		"two":                                 {[]intercomrbac.Option{intercomrbac.WithGuard(guard), intercomrbac.WithGuard(another)}, "set before"},
		"roles of another workspace":          {[]intercomrbac.Option{intercomrbac.WithGuard(foreign), intercomrbac.WithWorkspace("ws-b")}, `of workspace "ws-a", the client is bound to "ws-b"`},
		"roles of a workspace, bound to none": {[]intercomrbac.Option{intercomrbac.WithGuard(foreign)}, `bound to ""`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := intercomrbac.NewClient(append(tt.options, intercomrbac.WithToken(testToken))...)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, c)
		})
	}
	t.Run("With", func(t *testing.T) {
		t.Parallel()
		guarded, err := bound.With(intercomrbac.WithGuard(guard))
		require.NoError(t, err)
		for name, option := range map[string]intercomrbac.Option{"the same": intercomrbac.WithGuard(guard), "another": intercomrbac.WithGuard(another), "none": intercomrbac.WithGuard(nil)} {
			_, err := guarded.With(option)
			require.Error(t, err, name)
		}
		_, err = bound.With(intercomrbac.WithGuard(nil))
		require.ErrorContains(t, err, "not made by NewGuard")
		_, err = bound.With(intercomrbac.WithGuard(foreign))
		require.NoError(t, err, "its roles are those of this workspace")
	})
}

// No copy of a guarded client is unguarded, however often it is copied.
func TestWithKeepsTheGuard(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rules(intercomrbac.TeamsRead)...)})
	c := d.client
	for _, option := range []intercomrbac.Option{
		intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}), intercomrbac.WithLimiter(nil), intercomrbac.WithAPIVersion("2.15"),
		intercomrbac.WithHTTPClient(&http.Client{Transport: d.srv.Transport()}),
	} {
		var err error
		c, err = c.With(option)
		require.NoError(t, err)
		assignment := *c // a copy of the struct, too
		for _, copied := range []*intercomrbac.Client{c, &assignment} {
			requireDenied(t, copied.Conversations.Delete(d.as(t, tester), d.conversation()), intercomrbac.ReasonNotGranted)
			requireDenied(t, copied.Do(d.as(t, tester), macros, intercomrbac.Call{Path: map[string]string{"id": "1"}}, nil), intercomrbac.ReasonUnknownPermission)
		}
	}
	roles, err := intercomrbac.NewRoleDirectory(c, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Admins: map[intercomrbac.AdminID]intercomrbac.Role{d.Agent: tester}}})
	require.NoError(t, err)
	_, err = roles.Principal(t.Context(), d.Agent)
	require.NoError(t, err, "a directory asks below the guard")
	requireDenied(t, c.Conversations.Delete(d.as(t, tester), d.conversation()), intercomrbac.ReasonNotGranted)
	assert.Equal(t, []string{"admins.get"}, d.sent())
}

func TestNewGuardTellsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken))
	require.NoError(t, err)
	roles, err := intercomrbac.NewRoleDirectory(c, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{
		RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "onwer", "5402": "admin"}, RoleNames: map[string]intercomrbac.Role{"Support": "zebra"},
	}})
	require.NoError(t, err)
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	require.NoError(t, err)
	tests := map[string]struct {
		config intercomrbac.GuardConfig
		want   []string
	}{
		"zero":         {intercomrbac.GuardConfig{}, []string{"there is no Checker", "use NoAudit()"}},
		"zero checker": {intercomrbac.GuardConfig{Checker: new(intercomrbac.Checker), Audit: intercomrbac.NoAudit()}, []string{"there is no Checker"}},
		"no audit":     {intercomrbac.GuardConfig{Checker: checker}, []string{"use NoAudit()"}},
		"zero roles":   {intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit(), Roles: new(intercomrbac.RoleDirectory)}, []string{"NewRoleDirectory"}},
		"all":          {intercomrbac.GuardConfig{Checker: checker, Roles: roles}, []string{`names "onwer", which the policy does not`, `owner`, `names "zebra"`, "use NoAudit()"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := intercomrbac.NewGuard(tt.config)
			assert.Nil(t, g)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			assert.True(t, strings.HasPrefix(err.Error(), "intercomrbac: NewGuard: "))
		})
	}
}

// A guard without roles of a directory goes by the principal, and one with a directory by that alone.
func TestGuardTakesRolesFromTheDirectory(t *testing.T) {
	t.Parallel()
	byID := map[intercomrbac.ID]intercomrbac.Role{"5401": intercomrbac.RoleOwner, "5403": intercomrbac.RoleAgent}
	tests := map[string]struct {
		principal intercomrbac.Principal
		reason    intercomrbac.Reason // of a denial
		is        error
	}{
		"owner in Intercom, agent in the context": {intercomrbac.Principal{AdminID: "991267459", Role: intercomrbac.RoleAgent}, 0, nil},
		"agent in Intercom, owner in the context": {intercomrbac.Principal{AdminID: "991267461", Role: intercomrbac.RoleOwner}, intercomrbac.ReasonNotGranted, nil},
		"role that maps to nothing":               {intercomrbac.Principal{AdminID: "991267460", Role: intercomrbac.RoleOwner}, intercomrbac.ReasonUnknownRole, nil},
		"left the workspace":                      {intercomrbac.Principal{AdminID: "404", Role: intercomrbac.RoleOwner}, intercomrbac.ReasonUnknownRole, intercomrbac.ErrAdminNotFound},
		"no id":                                   {intercomrbac.Principal{AdminID: "../me", Role: intercomrbac.RoleOwner}, intercomrbac.ReasonRoleUnavailable, intercomrbac.ErrInvalidRequest},
		"service":                                 {intercomrbac.Principal{Service: "bot", Role: intercomrbac.RoleOwner}, 0, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), roles: intercomrbac.RoleMap{RoleIDs: byID}})
			err := d.client.Conversations.Delete(intercomrbac.WithPrincipal(t.Context(), tt.principal), d.conversation())
			if tt.reason == 0 {
				require.NoError(t, err)
				return
			}
			requireDenied(t, err, tt.reason)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			assert.NotContains(t, d.sent(), "conversations.delete")
		})
	}
	t.Run("teams, too", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned_team"}),
			roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}}})
		p := d.principal(tester)
		p.Teams = []intercomrbac.TeamID{d.Sales, d.Technical}
		ctx := intercomrbac.WithPrincipal(t.Context(), p)
		_, err := d.client.Conversations.Get(ctx, d.Conversations[6]) // of Sales
		requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
		_, err = d.client.Conversations.Get(ctx, d.Conversations[1]) // of Billing, which they are in
		require.NoError(t, err)
	})
	t.Run("Intercom cannot be reached", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), roles: intercomrbac.RoleMap{RoleIDs: byID}})
			d.srv.Inject(intercomtest.Fault{Operation: "admins.get", Times: -1, Status: 503})
			err := d.client.Conversations.Delete(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner}), d.conversation())
			requireDenied(t, err, intercomrbac.ReasonRoleUnavailable)
			require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			assert.NotContains(t, d.sent(), "conversations.delete")
		})
	})
}

// Who calls with a broken context or body sends nothing, and what is sent is what was decided about.
func TestGuardSendsWhatItDecidedAbout(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "changing"}), conditions: []intercomrbac.Condition{
		conditionNamed("changing", "conversation", func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return true, nil })}})
	query, body := url.Values{"x": {"1"}}, map[string]any{"message_type": "close", "admin_id": string(d.Agent)}
	c, err := d.client.With(intercomrbac.WithOnResponse(func(context.Context, intercomrbac.ResponseInfo) { // between look and write
		query.Set("x", "2")
		maps.Copy(body, map[string]any{"message_type": "assignment", "admin_id": string(d.Manager)})
	}))
	require.NoError(t, err)
	err = c.Do(d.as(t, tester), lookup(t, "conversations.close"), intercomrbac.Call{Path: d.pathOfConversation(), Query: query, Body: body}, nil)
	require.NoError(t, err)
	calls := d.srv.Calls()
	require.Len(t, calls, 2)
	assert.Equal(t, []any{"conversations.close", "x=1"}, []any{calls[1].Operation, calls[1].Query.Encode()})
	assert.JSONEq(t, `{"message_type":"close","admin_id":"991267461"}`, string(calls[1].Body))

	d.srv.ResetCalls()
	_, err = d.client.Conversations.Close(nil, d.conversation(), intercomrbac.CloseParams{}) //nolint:staticcheck // SA1012: the nil is the point
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = new(intercomrbac.ConversationsService).Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{})
	require.Error(t, err)
	require.Error(t, new(intercomrbac.Client).Do(d.as(t, tester), macros, intercomrbac.Call{}, io.Discard))
	assert.Empty(t, d.sent())
}
