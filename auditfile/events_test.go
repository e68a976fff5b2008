package auditfile_test

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{SigningKey: signingKey, CheckpointEvery: 1})
	noon := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	for i, e := range []intercomrbac.AuditEvent{
		{AdminID: "1", AdminEmail: "ana@example.com", Action: "conversations.close", Resource: "conversation", ResourceID: "9", Phase: intercomrbac.PhaseIntent, Reason: intercomrbac.ReasonAllowed},
		{AdminID: "2", Action: "contacts.delete", Resource: "contact", ResourceID: "9", Phase: intercomrbac.PhaseDenial, Reason: intercomrbac.ReasonNotGranted},
		{Service: "importer", Action: "contacts.merge", Resource: "contact", ResourceID: "8", SecondResourceID: "7", Phase: intercomrbac.PhaseDenial, Reason: intercomrbac.ReasonDeniedByRule},
	} {
		e.ID, e.Timestamp = fmt.Sprint(i), noon.Add(time.Duration(i)*time.Hour)
		require.NoError(t, log.Record(t.Context(), e))
	}
	for _, tt := range []struct {
		filter auditfile.Filter
		want   []string
	}{
		{auditfile.Filter{}, []string{"0", "1", "2"}},
		{auditfile.Filter{Since: noon.Add(time.Hour)}, []string{"1", "2"}},
		{auditfile.Filter{Until: noon.Add(time.Hour)}, []string{"0"}},
		{auditfile.Filter{Since: noon.Add(time.Minute), Until: noon.Add(2 * time.Hour)}, []string{"1"}},
		{auditfile.Filter{Actor: "1"}, []string{"0"}},
		{auditfile.Filter{Actor: "ana@example.com"}, []string{"0"}},
		{auditfile.Filter{Actor: "importer"}, []string{"2"}},
		{auditfile.Filter{Action: "contacts.delete"}, []string{"1"}},
		{auditfile.Filter{Resource: "contact"}, []string{"1", "2"}},
		{auditfile.Filter{ResourceID: "9"}, []string{"0", "1"}},
		{auditfile.Filter{Resource: "contact", ResourceID: "9"}, []string{"1"}},
		{auditfile.Filter{ResourceID: "8"}, []string{"2"}},
		{auditfile.Filter{ResourceID: "7"}, []string{"2"}},
		{auditfile.Filter{Phase: intercomrbac.PhaseDenial}, []string{"1", "2"}},
		{auditfile.Filter{Reason: intercomrbac.ReasonDeniedByRule}, []string{"2"}},
		{auditfile.Filter{Actor: "nobody"}, nil},
	} {
		var got []string
		for e, err := range auditfile.Events(dir, tt.filter) {
			require.NoError(t, err)
			got = append(got, e.ID)
		}
		assert.Equal(t, tt.want, got, "%+v", tt.filter)
	}
}

// The sequence can be left, and read again.
func TestEventsCanBeLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 1000})
	for i := range 6 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	all := auditfile.Events(dir, auditfile.Filter{})
	for range 2 {
		for e, err := range all {
			require.NoError(t, err)
			if e.ID == "2" {
				break
			}
		}
	}
	require.NoError(t, log.Record(t.Context(), outcome("6")))
	assert.Len(t, ids(t, dir), 7)
}

// Damage is an error in its place; what is behind it can still be read.
func TestEventsGoOnBehindDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := open(t, dir, auditfile.Config{MaxFileBytes: 2000})
	for i := range 9 {
		require.NoError(t, log.Record(t.Context(), outcome(fmt.Sprint(i))))
	}
	files := logFiles(t, dir)
	b, err := os.ReadFile(files[0])
	require.NoError(t, err)
	b[100] ^= 1
	require.NoError(t, os.WriteFile(files[0], b, 0o600))
	require.NoError(t, os.Remove(files[1]))
	var got []string
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		if err != nil {
			got = append(got, "damage")
			continue
		}
		got = append(got, e.ID)
	}
	assert.Equal(t, "damage", got[0])
	assert.Equal(t, "1", got[1])
	assert.Equal(t, "8", got[len(got)-1])
	i := slices.Index(got[1:], "damage") + 1
	assert.Positive(t, i, got)
	for e, err := range auditfile.Events(dir, auditfile.Filter{}) {
		assert.Empty(t, e)
		require.ErrorContains(t, err, "sequence 1: the line is not as it was written")
		break // leaving at an error is possible, too
	}
}
