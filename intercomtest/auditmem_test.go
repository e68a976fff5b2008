package intercomtest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAuditMem(t *testing.T) {
	t.Parallel()
	var m intercomtest.AuditMem
	var sink intercomrbac.AuditSink = &m
	assert.Empty(t, m.Events())
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "1"}))
	full := errors.New("disk full")
	m.Fail(full)
	require.ErrorIs(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "2"}), full)
	m.Fail(nil)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, sink.Record(ended, intercomrbac.AuditEvent{ID: "3"}), context.Canceled)
	require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{ID: "4"}))
	got := m.Events()
	assert.Equal(t, []intercomrbac.AuditEvent{{ID: "1"}, {ID: "4"}}, got)
	got[0].ID = "changed"
	assert.Equal(t, "1", m.Events()[0].ID)
	m.Reset()
	assert.Empty(t, m.Events())
}
