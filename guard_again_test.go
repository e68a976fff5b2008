package intercomrbac_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// nothing is a policy in which the tester may do nothing.
func nothing() intercomrbac.Policy {
	p := granting()
	p.Version = "v2"
	return p
}

// inBackground runs a call of the desk, and returns where its error comes.
func inBackground(call func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	return done
}

func tooMany(after string) intercomtest.Fault {
	return intercomtest.Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {after}}}
}

func TestGuardDecidesAgainAfterTheLimiter(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		policy, then intercomrbac.Policy
		reason       intercomrbac.Reason
	}{
		"nothing is granted any more": {everything(), nothing(), intercomrbac.ReasonNotGranted},
		"the role is gone":            {everything(), intercomrbac.StockPolicy(), intercomrbac.ReasonUnknownRole},
		"only under a condition that was not looked at": {everything(),
			granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}), intercomrbac.ReasonNeedsResource},
		"only under another condition": {granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
			granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "never"}), intercomrbac.ReasonConditionNotMet},
		"still granted":                 {everything(), granting(intercomrbac.Rules(intercomrbac.ConversationsClose)...), intercomrbac.ReasonAllowed},
		"granted without its condition": {granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}), everything(), intercomrbac.ReasonAllowed},
		"under another condition that is met": {granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
			granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned_team"}), intercomrbac.ReasonAllowed},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: tt.policy, conditions: []intercomrbac.Condition{never("conversation")}})
				d.srv.SetRateLimit(2)
				ctx := d.as(t, tester)
				_, err := d.plain.Conversations.Get(t.Context(), d.conversation())
				require.NoError(t, err)
				if d.checker.Can(tester, intercomrbac.ConversationsClose) { // else the look takes the second slot
					_, err = d.plain.Conversations.Get(t.Context(), d.conversation())
					require.NoError(t, err)
				}
				start := time.Now()
				done := inBackground(func() error {
					_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
					return err
				})
				synctest.Wait()
				before := d.srv.CallCount("")
				require.NoError(t, d.checker.Swap(tt.then))
				err = <-done
				assert.Greater(t, time.Since(start), 5*time.Second, "it did not wait")
				if tt.reason == intercomrbac.ReasonAllowed {
					require.NoError(t, err)
					assert.Equal(t, []string{"intent", "succeeded"}, d.trail.phases())
					return
				}
				requireDenied(t, err, tt.reason)
				assert.Equal(t, before, d.srv.CallCount(""), "something was sent after the policy had changed")
				events := d.trail.take()
				require.Len(t, events, 2)
				assert.Equal(t, []any{intercomrbac.PhaseOutcome, intercomrbac.OutcomeNotSent, false, tt.reason, tt.reason.String()},
					[]any{events[1].Phase, events[1].Outcome, *events[1].Success, events[1].Reason, events[1].Error})
				assert.Equal(t, events[0].ID, events[1].ID)
			})
		})
	}
}

func TestGuardDecidesAgainBeforeEachAttempt(t *testing.T) {
	t.Parallel()
	setAway := func(ctx context.Context, d *desk) error {
		_, err := d.client.Admins.SetAway(ctx, d.Agent, intercomrbac.SetAwayParams{})
		return err
	}
	reply := func(ctx context.Context, d *desk) error {
		_, err := d.client.Conversations.Reply(ctx, d.conversation(), intercomrbac.ReplyParams{Body: "x"})
		return err
	}
	get := func(ctx context.Context, d *desk) error {
		_, err := d.client.Conversations.Get(ctx, d.conversation())
		return err
	}
	tests := map[string]struct {
		call    func(context.Context, *desk) error
		fault   intercomtest.Fault
		phases  []string
		inDoubt bool
	}{
		"refused for rate":               {reply, tooMany("3"), []string{"intent", "failed"}, false},
		"no connection":                  {reply, intercomtest.Fault{Refuse: true}, []string{"intent", "not_sent"}, false},
		"lost answer of a write":         {setAway, intercomtest.Fault{Drop: true, Done: true}, []string{"intent", "unknown"}, true},
		"write, and its proxy timed out": {setAway, intercomtest.Fault{Status: 504, Header: http.Header{"Retry-After": {"3"}}}, []string{"intent", "unknown"}, true},
		"read":                           {get, intercomtest.Fault{Status: 503, Header: http.Header{"Retry-After": {"3"}}}, []string{"denial"}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: everything()})
				d.srv.Inject(tt.fault)
				done := inBackground(func() error { return tt.call(d.as(t, tester), d) })
				synctest.Wait() // it is between two attempts
				sent := d.srv.CallCount("")
				require.NoError(t, d.checker.Swap(nothing()))
				err := <-done
				requireDenied(t, err, intercomrbac.ReasonNotGranted)
				assert.Equal(t, tt.inDoubt, errors.Is(err, intercomrbac.ErrOutcomeUnknown))
				assert.Equal(t, sent, d.srv.CallCount(""))
				assert.Equal(t, tt.phases, d.trail.phases())
			})
		})
	}
}

// hooked is a limiter that calls a function for each Wait, and counts the slots that are out.
type hooked struct {
	wait  func(ctx context.Context)
	out   int
	waits int
}

func (l *hooked) Wait(ctx context.Context) error {
	l.out++
	l.waits++
	if l.wait != nil {
		l.wait(ctx)
	}
	return nil
}
func (l *hooked) Observe(intercomrbac.RateLimit) { l.out-- }

// What the guard stops at the last moment leaves its slot to others, and so does what asks for a role.
func TestGuardGivesItsSlotBack(t *testing.T) {
	t.Parallel()
	t.Run("to who waits behind", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := newDesk(t, deskConfig{policy: everything()})
			d.srv.SetRateLimit(1)
			_, err := d.plain.Teams.List(t.Context())
			require.NoError(t, err)
			start := time.Now()
			first := inBackground(func() error { return d.client.Conversations.Delete(d.as(t, tester), d.conversation()) })
			synctest.Wait()
			second := inBackground(func() error { _, err := d.client.Teams.List(d.as(t, tester)); return err })
			synctest.Wait()
			require.NoError(t, d.checker.Swap(granting(intercomrbac.Rules(intercomrbac.TeamsRead)...)))
			requireDenied(t, <-first, intercomrbac.ReasonNotGranted)
			require.NoError(t, <-second)
			assert.LessOrEqual(t, time.Since(start), 11*time.Second, "the second one had to wait for another window")
		})
	})
	t.Run("to the look and the role", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) { // three requests one after the other, with one for each window
			d := newDesk(t, deskConfig{
				policy: granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsClose, When: "assigned"}),
				roles:  intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}},
			})
			d.srv.SetRateLimit(1)
			_, err := d.client.Conversations.Close(d.as(t, ""), d.conversation(), intercomrbac.CloseParams{})
			require.NoError(t, err)
			assert.Equal(t, []string{"admins.get", "conversations.get", "conversations.close"}, d.sent())
		})
	})
	t.Run("whatever comes", func(t *testing.T) {
		t.Parallel()
		l := &hooked{}
		d := newDesk(t, deskConfig{policy: everything(), options: []intercomrbac.Option{intercomrbac.WithLimiter(l)}})
		l.wait = func(context.Context) { assert.NoError(t, d.checker.Swap(nothing())) }
		requireDenied(t, d.client.Conversations.Delete(d.as(t, tester), d.conversation()), intercomrbac.ReasonNotGranted)
		assert.Zero(t, l.out)
		assert.Empty(t, d.sent())
		assert.Equal(t, []string{"intent", "not_sent"}, d.trail.phases())
	})
}

func TestGuardAsksAgainForAForgottenRole(t *testing.T) {
	t.Parallel()
	roles := intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": intercomrbac.RoleOwner, "5403": intercomrbac.RoleAgent}}
	tests := map[string]struct {
		change func(*desk)
		reason intercomrbac.Reason // of a denial
		is     error
		sent   []string
		after  string // when the refused call is tried again
	}{
		"it is the same": {func(d *desk) { d.roles.Forget(d.Owner) }, 0, nil, []string{"admins.get", "conversations.close"}, "3"},
		"it is another": {func(d *desk) {
			d.srv.AddAdmin(intercomtest.Admin{ID: d.Owner, RoleID: "5403"})
			d.roles.Forget(d.Owner)
		}, intercomrbac.ReasonNotGranted, nil, []string{"admins.get"}, "3"},
		"removed": {func(d *desk) {
			d.srv.RemoveAdmin(d.Owner)
			d.roles.ForgetAll()
		}, intercomrbac.ReasonUnknownRole, intercomrbac.ErrAdminNotFound, []string{"admins.get"}, "3"},
		"Intercom does not tell": {func(d *desk) {
			d.srv.Inject(intercomtest.Fault{Operation: "admins.get", Status: 403})
			d.roles.Forget(d.Owner)
		}, intercomrbac.ReasonRoleUnavailable, intercomrbac.ErrForbidden, []string{"admins.get"}, "3"},
		"not forgotten": {func(d *desk) { d.srv.RemoveAdmin(d.Agent) }, 0, nil, []string{"conversations.close"}, "3"},
		"grown old, and another": {func(d *desk) {
			d.srv.AddAdmin(intercomtest.Admin{ID: d.Owner, RoleID: "5403"})
		}, intercomrbac.ReasonNotGranted, nil, []string{"admins.get"}, "90"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), roles: roles,
					options: []intercomrbac.Option{intercomrbac.WithRetry(intercomrbac.Retry{MaxWait: 2 * time.Minute})}})
				fault := tooMany(tt.after)
				fault.Operation = "conversations.close"
				d.srv.Inject(fault)
				done := inBackground(func() error {
					_, err := d.client.Conversations.Close(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner}), d.conversation(), intercomrbac.CloseParams{})
					return err
				})
				synctest.Wait() // it has been refused and waits
				assert.Equal(t, []string{"admins.get", "conversations.close"}, d.sent())
				tt.change(d)
				err := <-done
				if tt.reason == 0 {
					require.NoError(t, err)
				} else {
					requireDenied(t, err, tt.reason)
				}
				if tt.is != nil {
					require.ErrorIs(t, err, tt.is)
				}
				assert.Equal(t, tt.sent, d.sent())
			})
		})
	}
}

// A role that is forgotten as often as it is asked for cannot be found out.
func TestGuardGivesUpOnARoleThatIsAlwaysForgotten(t *testing.T) {
	t.Parallel()
	for mode, reportOnly := range map[string]bool{"": false, "report-only": true} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			l := &hooked{}
			d := newDesk(t, deskConfig{policy: everything(), options: []intercomrbac.Option{intercomrbac.WithLimiter(l)},
				roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}},
				guard: intercomrbac.GuardConfig{DangerouslyReportOnly: reportOnly}})
			l.wait = func(ctx context.Context) {
				if _, acts := intercomrbac.PrincipalFrom(ctx); acts { // it is no look-up of the directory's own
					d.roles.ForgetAll()
				}
			}
			err := d.client.Conversations.Delete(d.as(t, ""), d.conversation())
			assert.Zero(t, l.out)
			assert.Less(t, l.waits, 20)
			if reportOnly {
				require.NoError(t, err)
				return
			}
			requireDenied(t, err, intercomrbac.ReasonRoleUnavailable)
			assert.NotContains(t, d.sent(), "conversations.delete")
			assert.Equal(t, []string{"intent", "not_sent"}, d.trail.phases())
		})
	}
}

// Each decision is by one whole policy while another one takes its place all the time.
func TestGuardWhilePoliciesAreSwapped(t *testing.T) {
	t.Parallel()
	allowing := granting(intercomrbac.Rules(intercomrbac.ConversationsRead, intercomrbac.ConversationsClose)...)
	hiding := granting(intercomrbac.Rule{Permission: intercomrbac.ConversationsRead, When: "assigned_team"})
	d := newDesk(t, deskConfig{policy: hiding})
	ctx := d.as(t, tester)
	stop := make(chan struct{})
	swapped := inBackground(func() error {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return nil
			default:
			}
			policies := []intercomrbac.Policy{hiding, nothing()}
			if err := d.checker.Swap(policies[i%2]); err != nil {
				return err
			}
		}
	})
	for range 100 {
		page, err := d.client.Conversations.List(ctx, intercomrbac.ListParams{})
		if err != nil {
			require.ErrorIs(t, err, intercomrbac.ErrDenied)
			continue
		}
		for _, c := range page.Items {
			require.Equal(t, d.Billing, c.TeamAssigneeID)
		}
		_, err = d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
		require.ErrorIs(t, err, intercomrbac.ErrDenied)
	}
	close(stop)
	require.NoError(t, <-swapped)
	assert.Zero(t, d.srv.CallCount("conversations.close"))
	require.NoError(t, d.checker.Swap(allowing))
	_, err := d.client.Conversations.Close(ctx, d.conversation(), intercomrbac.CloseParams{})
	require.NoError(t, err)
}

// A condition that comes into force after the decision began, and needs what nobody looked at, is not asked about nothing.
func TestGuardAsksNoConditionAboutWhatItDidNotLookAt(t *testing.T) {
	t.Parallel()
	type rule = intercomrbac.Rule
	when := func(conversation, impersonate string) []rule {
		return []rule{{Permission: intercomrbac.ConversationsClose, When: conversation}, {Permission: intercomrbac.AdminsImpersonate, When: impersonate}}
	}
	tests := map[string]struct {
		policy, then intercomrbac.Policy
		early        bool // the policy is swapped while the first one is asked, not while the call waits
		permission   intercomrbac.Permission
	}{
		"impersonation": {granting(when("", "open")...), granting(when("", "colleague")...), false, intercomrbac.AdminsImpersonate},
		"impersonation, at last denied": {granting(when("", "open")...), intercomrbac.Policy{Version: "v2", Roles: map[intercomrbac.Role]intercomrbac.RoleRules{
			tester: {Allow: intercomrbac.Rules(intercomrbac.ConversationsClose, intercomrbac.AdminsImpersonate), Deny: when("", "colleague")[1:]}}},
			false, intercomrbac.AdminsImpersonate},
		"the conversation":                  {granting(when("open", "open")...), granting(when("unlocked", "open")...), false, intercomrbac.ConversationsClose},
		"the conversation, between the two": {granting(when("open", "open")...), granting(when("unlocked", "open")...), true, intercomrbac.ConversationsClose},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var d *desk
			asked := 0
			needing := func(name, kind string) intercomrbac.Condition {
				return conditionNamed(name, kind, func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
					asked++
					return true, nil
				})
			}
			swap := func() { assert.NoError(t, d.checker.Swap(tt.then)) }
			open := conditionNamed("open", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
				if tt.early && r.Kind == "admin" {
					swap()
				}
				return true, nil
			})
			l := &hooked{wait: func(context.Context) {
				if !tt.early {
					swap()
				}
			}}
			d = newDesk(t, deskConfig{policy: tt.policy, options: []intercomrbac.Option{intercomrbac.WithLimiter(l)},
				conditions: []intercomrbac.Condition{open, needing("colleague", "admin"), needing("unlocked", "conversation")}})
			_, err := d.client.Conversations.Close(d.as(t, tester), d.conversation(), intercomrbac.CloseParams{AdminID: d.Manager})
			assert.Equal(t, tt.permission, denialOf(t, err, intercomrbac.ReasonNeedsResource).Permission)
			assert.Zero(t, asked)
			assert.Empty(t, d.sent())
		})
	}
}
