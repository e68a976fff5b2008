package intercomtest_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func readingMem(m *intercomtest.AuditMem) func() ([]intercomrbac.AuditEvent, error) {
	return func() ([]intercomrbac.AuditEvent, error) { return m.Events(), nil }
}

func TestAuditMemIsASink(t *testing.T) {
	t.Parallel()
	var m intercomtest.AuditMem
	require.NoError(t, intercomtest.TestSink(&m, readingMem(&m)))
	require.NoError(t, intercomtest.TestSink(&m, readingMem(&m)), "what was there before does not count")
	var all, sensitive intercomtest.AuditMem
	require.NoError(t, intercomtest.TestSink(intercomrbac.MultiSink(&all, intercomrbac.SensitiveOnly(&sensitive)), readingMem(&all)))
	assert.NotEmpty(t, sensitive.Events())
}

// Each way in which a sink can be wrong is found.
func TestTestSinkFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	require.Error(t, intercomtest.TestSink(nil, nil))
	var mu sync.Mutex
	kept := map[string]bool{}
	for name, tt := range map[string]struct {
		record func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error
		want   string
	}{
		"forgets": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			if strings.HasSuffix(e.ID, "7") {
				return nil
			}
			return m.Record(ctx, e)
		}, "was acknowledged and is not there"},
		"records twice": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			return errors.Join(m.Record(ctx, e), m.Record(ctx, e))
		}, "is there twice"},
		"refuses": {func(*intercomtest.AuditMem, context.Context, intercomrbac.AuditEvent) error {
			return errors.New("full")
		}, "Record failed"},
		"loses a member": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			e.RuleRole = ""
			return m.Record(ctx, e)
		}, "RuleRole came back"},
		"keeps the outcome of a call alone": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			mu.Lock()
			defer mu.Unlock()
			if e.Phase == intercomrbac.PhaseOutcome && kept[e.ID] {
				return nil
			}
			kept[e.ID] = true
			return m.Record(ctx, e)
		}, "order: 13 events are there after 25"},
		"records and fails": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			_ = m.Record(context.WithoutCancel(ctx), e)
			if err := ctx.Err(); err != nil {
				return m.Record(context.WithoutCancel(ctx), e)
			}
			return nil
		}, "contexts that ended: event"},
		"forgets denials": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			if e.Phase == intercomrbac.PhaseDenial {
				return nil
			}
			return m.Record(ctx, e)
		}, "members: an event is there 0 times"},
		"changes the event": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			if e.Success != nil {
				*e.Success = false
			}
			return m.Record(ctx, e)
		}, "changed what Success points to"},
		"cuts texts at a quote": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			e.Error, _, _ = strings.Cut(e.Error, `"`)
			return m.Record(ctx, e)
		}, "hostile texts: event"},
		"cuts in the middle of a character": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			if e.Error == "\xff\xfe" {
				e.Error = "\xff"
			}
			return m.Record(ctx, e)
		}, "neither as it was nor valid UTF-8"},
		"cuts and does not say so": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			e.Error = e.Error[:min(len(e.Error), 1000)]
			return m.Record(ctx, e)
		}, "TruncatedFrom does not say so"},
		"replaces what is large": {func(m *intercomtest.AuditMem, ctx context.Context, e intercomrbac.AuditEvent) error {
			if len(e.Error) > 1000 {
				e.Error, e.TruncatedFrom = "too large", len(e.Error)
			}
			return m.Record(ctx, e)
		}, "is another one afterwards"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var m intercomtest.AuditMem
			sink := intercomrbac.SinkFunc(func(ctx context.Context, e intercomrbac.AuditEvent) error { return tt.record(&m, ctx, e) })
			err := intercomtest.TestSink(sink, readingMem(&m))
			require.ErrorContains(t, err, tt.want)
		})
	}
	var m intercomtest.AuditMem
	require.ErrorContains(t, intercomtest.TestSink(&m, func() ([]intercomrbac.AuditEvent, error) { return nil, errors.New("broken") }), "reading back failed: broken")
	require.ErrorContains(t, intercomtest.TestSink(&m, func() ([]intercomrbac.AuditEvent, error) {
		e := m.Events()
		slices.Reverse(e)
		return e, nil
	}), "order: event")
}
