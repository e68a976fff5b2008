package intercomrbac_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tester is the role that most tests of the guard give their principal.
const tester intercomrbac.Role = "tester"

// desk is a seeded workspace behind a guard, with the record of what went by.
type desk struct {
	intercomtest.Seeded
	srv     *intercomtest.Server
	plain   *intercomrbac.Client // the same workspace without the guard
	checker *intercomrbac.Checker
	roles   *intercomrbac.RoleDirectory
	guard   *intercomrbac.Guard
	client  *intercomrbac.Client
	trail   *trail
}

// deskConfig says how a desk is guarded; a role map gives it a directory.
type deskConfig struct {
	policy     intercomrbac.Policy
	conditions []intercomrbac.Condition
	guard      intercomrbac.GuardConfig
	roles      intercomrbac.RoleMap
	options    []intercomrbac.Option
}

func newDesk(tb testing.TB, config deskConfig) *desk {
	tb.Helper()
	d := &desk{srv: intercomtest.NewServer(tb), trail: &trail{}}
	d.Seeded = d.srv.Seed()
	d.plain = d.srv.Client(config.options...)
	var err error
	d.checker, err = intercomrbac.NewChecker(config.policy, config.conditions...)
	require.NoError(tb, err)
	g := config.guard
	g.Checker = d.checker
	if g.Audit == nil {
		g.Audit = d.trail
	}
	if m := config.roles; m.Admins != nil || m.RoleIDs != nil {
		d.roles, err = intercomrbac.NewRoleDirectory(d.plain, intercomrbac.RoleDirectoryConfig{Map: m})
		require.NoError(tb, err)
		g.Roles = d.roles
	}
	d.guard, err = intercomrbac.NewGuard(g)
	require.NoError(tb, err)
	d.client, err = d.plain.With(intercomrbac.WithGuard(d.guard)) // shares the limiter, as a directory's client does
	require.NoError(tb, err)
	return d
}

// granting is a policy whose tester has these rules.
func granting(rules ...intercomrbac.Rule) intercomrbac.Policy {
	return intercomrbac.Policy{Version: "v1", Roles: map[intercomrbac.Role]intercomrbac.RoleRules{tester: {Allow: rules}}}
}

// principal is the agent of the desk with a role.
func (d *desk) principal(role intercomrbac.Role) intercomrbac.Principal {
	return intercomrbac.Principal{AdminID: d.Agent, Email: "aiko@example.com", Role: role, Teams: []intercomrbac.TeamID{d.Billing}, IP: "203.0.113.7"}
}

// as returns the test's context with the agent acting in a role.
func (d *desk) as(tb testing.TB, role intercomrbac.Role) context.Context {
	return intercomrbac.WithPrincipal(tb.Context(), d.principal(role))
}

// sent returns the operations that reached Intercom since the last look.
func (d *desk) sent() []string {
	out := []string{}
	for _, c := range d.srv.Calls() {
		out = append(out, c.Operation)
	}
	d.srv.ResetCalls()
	return out
}

// trail is an audit sink in memory. refuse may fail an event, which is then not kept.
type trail struct {
	mu     sync.Mutex
	events []intercomrbac.AuditEvent
	asked  int
	refuse func(intercomrbac.AuditEvent) error
}

func (s *trail) Record(ctx context.Context, e intercomrbac.AuditEvent) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.refuse != nil {
		if err := s.refuse(e); err != nil {
			return err
		}
	}
	s.events = append(s.events, e)
	return nil
}

// take returns the events so far and forgets them.
func (s *trail) take() []intercomrbac.AuditEvent {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.events
	s.events = nil
	return out
}

// phases returns the phases of events, an outcome by its name, and forgets them.
func (s *trail) phases() []string {
	out := []string{}
	for _, e := range s.take() {
		if e.Phase == intercomrbac.PhaseOutcome {
			out = append(out, string(e.Outcome))
		} else {
			out = append(out, string(e.Phase))
		}
	}
	return out
}

// errSink is what a broken sink answers.
var errSink = errors.New("disk full")

// refusing fails the events of these phases.
func refusing(phases ...intercomrbac.AuditPhase) func(intercomrbac.AuditEvent) error {
	return func(e intercomrbac.AuditEvent) error {
		if slices.Contains(phases, e.Phase) {
			return errSink
		}
		return nil
	}
}

// requireDenied checks that err is a denial for the reason.
func requireDenied(tb testing.TB, err error, reason intercomrbac.Reason) {
	tb.Helper()
	_ = denialOf(tb, err, reason)
}

// denialOf checks that err is a denial for the reason, and returns it.
func denialOf(tb testing.TB, err error, reason intercomrbac.Reason) *intercomrbac.DeniedError {
	tb.Helper()
	require.ErrorIs(tb, err, intercomrbac.ErrDenied)
	e, ok := errors.AsType[*intercomrbac.DeniedError](err)
	require.True(tb, ok, "%v", err)
	require.Equal(tb, reason.String(), e.Decision.Reason.String(), "%v", err)
	assert.False(tb, e.Decision.Allowed, "%v", err)
	if reason != intercomrbac.ReasonNoPrincipal && reason != intercomrbac.ReasonUnknownPermission && reason != intercomrbac.ReasonWrongWorkspace {
		assert.Equal(tb, e.Permission, e.Decision.Permission(), "%v", err)
	}
	return e
}

// conditionNamed is a condition about a kind of resource that meets what met says.
func conditionNamed(name, kind string, met func(intercomrbac.Principal, intercomrbac.Resource) (bool, error)) intercomrbac.Condition {
	return intercomrbac.Condition{Name: name, Resource: kind, Met: func(_ context.Context, p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		return met(p, r)
	}}
}

// never is a condition that nothing meets.
func never(kind string) intercomrbac.Condition {
	return conditionNamed("never", kind, func(intercomrbac.Principal, intercomrbac.Resource) (bool, error) { return false, nil })
}

// soon is a time that a conversation can be snoozed until.
func soon() time.Time { return time.Now().Add(time.Hour) }

func lastWeek() time.Time { return time.Now().Add(-7 * 24 * time.Hour) }
