package intercomrbac_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A MultiSink asks all of its sinks, and succeeds only where all do: every set of failures of up to four.
func TestMultiSinkWantsAll(t *testing.T) {
	t.Parallel()
	event := intercomrbac.AuditEvent{ID: "1"}
	for m := 1; m <= 4; m++ {
		for failures := range 1 << m {
			mems := make([]*intercomtest.AuditMem, m)
			sinks := make([]intercomrbac.AuditSink, m)
			for i := range sinks {
				mems[i] = new(intercomtest.AuditMem)
				if failures&(1<<i) != 0 {
					mems[i].Fail(fmt.Errorf("failure %d", i+1))
				}
				sinks[i] = mems[i]
			}
			err := intercomrbac.MultiSink(sinks...).Record(t.Context(), event)
			assert.Equal(t, failures == 0, err == nil, "%d of %d: %v", failures, m, err)
			for i, mem := range mems {
				if failures&(1<<i) != 0 {
					assert.ErrorContains(t, err, fmt.Sprintf("sink %d: failure %d", i+1, i+1))
				} else {
					assert.Equal(t, []intercomrbac.AuditEvent{event}, mem.Events())
				}
			}
		}
	}
	assert.Error(t, intercomrbac.MultiSink().Record(t.Context(), event), "no sink keeps nothing")
	assert.ErrorContains(t, intercomrbac.MultiSink(intercomrbac.NoAudit(), nil).Record(t.Context(), event), "sink 2 is nil")
	given := []intercomrbac.AuditSink{intercomrbac.NoAudit()}
	sink := intercomrbac.MultiSink(given...)
	given[0] = nil
	assert.NoError(t, sink.Record(t.Context(), event), "the sinks are its own")
}

func TestBestEffortStopsNothing(t *testing.T) {
	t.Parallel()
	var mem, beside intercomtest.AuditMem
	sink := intercomrbac.MultiSink(&mem, intercomrbac.BestEffort(&beside))
	beside.Fail(errSink)
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "1"}))
	beside.Fail(nil)
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "2"}))
	assert.Len(t, mem.Events(), 2)
	assert.Equal(t, []intercomrbac.AuditEvent{{ID: "2"}}, beside.Events())
	assert.NoError(t, intercomrbac.BestEffort(nil).Record(t.Context(), intercomrbac.AuditEvent{}))
}

func TestSensitiveOnly(t *testing.T) {
	t.Parallel()
	var mem intercomtest.AuditMem
	sink := intercomrbac.SensitiveOnly(&mem)
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "1"}))
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "2", Sensitive: true}))
	assert.Equal(t, []intercomrbac.AuditEvent{{ID: "2", Sensitive: true}}, mem.Events())
	mem.Fail(errSink)
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{}))
	require.ErrorIs(t, sink.Record(t.Context(), intercomrbac.AuditEvent{Sensitive: true}), errSink)
	assert.NoError(t, intercomrbac.SensitiveOnly(nil).Record(t.Context(), intercomrbac.AuditEvent{}))
	assert.Error(t, intercomrbac.SensitiveOnly(nil).Record(t.Context(), intercomrbac.AuditEvent{Sensitive: true}))
}

// The warning names whoever is known.
func TestSlogSinkWarnsOfWhatIsSensitive(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]intercomrbac.AuditEvent{
		"by ana@example.com": {AdminEmail: "ana@example.com", AdminID: "7"},
		"by 7":               {AdminID: "7"},
		"by cleanup":         {Service: "cleanup"},
		"by nobody":          {},
	} {
		var out bytes.Buffer
		sink := intercomrbac.SlogSink(slog.New(slog.NewTextHandler(&out, nil)))
		e.Action, e.Sensitive = "contacts.delete", true
		require.NoError(t, sink.Record(t.Context(), e))
		assert.Contains(t, out.String(), `level=WARN msg="[AUDIT] Sensitive action: contacts.delete `+want+`"`)
	}
}

// refund is an action of a service's own.
var refund = intercomrbac.Action{Name: "invoices.refund", Permission: "invoices:refund", Effect: intercomrbac.Write}

func refundPolicy(rules ...intercomrbac.Rule) intercomrbac.Policy {
	p := granting(rules...)
	p.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {Resource: "invoice"}}
	return p
}

func TestAudited(t *testing.T) {
	t.Parallel()
	invoice := intercomrbac.Resource{Kind: "invoice", ID: "A-1001", Value: 1200}
	small := conditionNamed("small", "invoice", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		cents, ok := r.Value.(int)
		if !ok {
			return false, errors.New("no amount")
		}
		return cents < 5000, nil
	})
	always, whenSmall := intercomrbac.Rule{Permission: "invoices:refund"}, intercomrbac.Rule{Permission: "invoices:refund", When: "small"}
	for name, tt := range map[string]struct {
		rules    []intercomrbac.Rule
		role     intercomrbac.Role
		resource intercomrbac.Resource
		fn       error
		reason   intercomrbac.Reason // of the denial; none if it ran
		phases   []string
	}{
		"allowed":                    {[]intercomrbac.Rule{always}, tester, invoice, nil, 0, []string{"intent", "succeeded"}},
		"allowed, without a thing":   {[]intercomrbac.Rule{always}, tester, intercomrbac.Resource{}, nil, 0, []string{"intent", "succeeded"}},
		"it fails":                   {[]intercomrbac.Rule{always}, tester, invoice, errSink, 0, []string{"intent", "failed"}},
		"it may have been done":      {[]intercomrbac.Rule{always}, tester, invoice, intercomrbac.ErrOutcomeUnknown, 0, []string{"intent", "unknown"}},
		"not granted":                {nil, tester, invoice, nil, intercomrbac.ReasonNotGranted, []string{"denial"}},
		"unknown role":               {[]intercomrbac.Rule{always}, "stranger", invoice, nil, intercomrbac.ReasonUnknownRole, []string{"denial"}},
		"condition met":              {[]intercomrbac.Rule{whenSmall}, tester, invoice, nil, 0, []string{"intent", "succeeded"}},
		"condition not met":          {[]intercomrbac.Rule{whenSmall}, tester, intercomrbac.Resource{Kind: "invoice", ID: "A-1002", Value: 9000}, nil, intercomrbac.ReasonConditionNotMet, []string{"denial"}},
		"condition undecided":        {[]intercomrbac.Rule{whenSmall}, tester, intercomrbac.Resource{Kind: "invoice", ID: "A-1002"}, nil, intercomrbac.ReasonConditionUnknown, []string{"denial"}},
		"condition without a thing":  {[]intercomrbac.Rule{whenSmall}, tester, intercomrbac.Resource{}, nil, intercomrbac.ReasonNeedsResource, []string{"denial"}},
		"condition of another thing": {[]intercomrbac.Rule{whenSmall}, tester, intercomrbac.Resource{Kind: "order", Value: 1}, nil, intercomrbac.ReasonConditionUnknown, []string{"denial"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: refundPolicy(tt.rules...), conditions: []intercomrbac.Condition{small}})
			ran := 0
			err := d.guard.Audited(d.as(t, tt.role), refund, tt.resource, func(context.Context) error { ran++; return tt.fn })
			if tt.reason != 0 {
				requireDenied(t, err, tt.reason)
				assert.Zero(t, ran)
			} else {
				require.ErrorIs(t, err, tt.fn)
				assert.Equal(t, 1, ran)
			}
			events := d.trail.events
			assert.Equal(t, tt.phases, d.trail.phases())
			for _, e := range events {
				assert.Equal(t, []any{"invoices.refund", tt.resource.Kind, tt.resource.ID, d.Agent, "write", events[0].ID},
					[]any{e.Action, e.Resource, e.ResourceID, e.AdminID, e.Effect, e.ID})
			}
			assert.Empty(t, d.sent())
		})
	}
}

func TestAuditedRefuses(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: refundPolicy(intercomrbac.Rule{Permission: "invoices:refund"})})
	fn := func(context.Context) error { t.Error("it ran"); return nil }
	ctx, none := d.as(t, tester), intercomrbac.Resource{}
	requireDenied(t, d.guard.Audited(t.Context(), refund, none, fn), intercomrbac.ReasonNoPrincipal)
	unknown := refund
	unknown.Permission = "invoices:refnud"
	requireDenied(t, d.guard.Audited(ctx, unknown, none, fn), intercomrbac.ReasonUnknownPermission)
	for name, err := range map[string]error{
		"no name":     d.guard.Audited(ctx, intercomrbac.Action{Permission: "invoices:refund", Effect: intercomrbac.Write}, none, fn),
		"no effect":   d.guard.Audited(ctx, intercomrbac.Action{Name: "x", Permission: "invoices:refund"}, none, fn),
		"no function": d.guard.Audited(ctx, refund, none, nil),
		"no context":  d.guard.Audited(nil, refund, none, fn), //nolint:staticcheck // a nil context is the case
	} {
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, name)
	}
	require.Error(t, new(intercomrbac.Guard).Audited(ctx, refund, none, fn))
	require.Error(t, (*intercomrbac.Guard)(nil).Audited(ctx, refund, none, fn))
	d.trail.refuse = refusing(intercomrbac.PhaseIntent)
	require.ErrorIs(t, d.guard.Audited(ctx, refund, none, fn), intercomrbac.ErrAuditUnavailable)
}

func TestAuditedTellsOfALostOutcome(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: refundPolicy(intercomrbac.Rule{Permission: "invoices:refund"})})
	d.trail.refuse = refusing(intercomrbac.PhaseOutcome)
	for _, fn := range []error{nil, errors.New("no such invoice")} {
		err := d.guard.Audited(d.as(t, tester), refund, intercomrbac.Resource{}, func(context.Context) error { return fn })
		require.ErrorIs(t, err, intercomrbac.ErrAuditIncomplete)
		require.ErrorIs(t, err, errSink)
		if fn != nil {
			require.ErrorIs(t, err, fn)
		}
	}
}

func TestAuditedRecordsAPanicAndLetsItGoOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: refundPolicy(intercomrbac.Rule{Permission: "invoices:refund"})})
	assert.PanicsWithValue(t, "boom", func() {
		_ = d.guard.Audited(d.as(t, tester), refund, intercomrbac.Resource{}, func(context.Context) error { panic("boom") })
	})
	assert.Equal(t, []string{"intent", "unknown"}, d.trail.phases())
}

// By name or by permission, also outside of the table of operations.
func TestAuditedKnowsWhatIsSensitive(t *testing.T) {
	t.Parallel()
	p := granting(intercomrbac.Rules("*")...)
	p.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"invoices:refund": {}}
	d := newDesk(t, deskConfig{policy: p})
	for action, sensitive := range map[intercomrbac.Action]bool{
		refund: false,
		{Name: "invoices.delete", Permission: "invoices:refund", Effect: intercomrbac.Write}:       true,
		{Name: "change_settings", Permission: "invoices:refund", Effect: intercomrbac.Write}:       true,
		{Name: "invoices.void", Permission: "invoices:refund", Effect: intercomrbac.Destructive}:   true,
		{Name: "app.configure", Permission: "settings:manage", Effect: intercomrbac.Write}:         true,
		{Name: "contacts.forget", Permission: "contacts:delete", Effect: intercomrbac.Destructive}: true,
	} {
		require.NoError(t, d.guard.Audited(d.as(t, tester), action, intercomrbac.Resource{}, func(context.Context) error { return nil }))
		for _, e := range d.trail.take() {
			assert.Equal(t, sensitive, e.Sensitive, "%s", action.Name)
		}
	}
}

// The role is that in Intercom, and an action that destroys needs a fresh one.
func TestAuditedGoesByTheDirectory(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: refundPolicy(intercomrbac.Rule{Permission: "invoices:refund"}),
		roles: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5403": tester}}})
	ran := func(context.Context) error { return nil }
	require.NoError(t, d.guard.Audited(d.as(t, ""), refund, intercomrbac.Resource{}, ran))
	owner := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Owner, Role: tester})
	requireDenied(t, d.guard.Audited(owner, refund, intercomrbac.Resource{}, ran), intercomrbac.ReasonUnknownRole)
	foreign := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: d.Agent, Workspace: "another"})
	requireDenied(t, d.guard.Audited(foreign, refund, intercomrbac.Resource{}, ran), intercomrbac.ReasonWrongWorkspace)
}
