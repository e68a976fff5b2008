package intercomtest_test

import (
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestSeed(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	seeded := s.Seed()
	a := inMemory(t, s)
	assert.Len(t, a.get("/admins").ids(t, "admins"), 4)
	assert.Len(t, a.get("/teams").ids(t, "teams"), 3)
	assert.Len(t, seeded.Contacts, 6)
	assert.Len(t, seeded.Conversations, 12)
	states := map[string]int{}
	for _, c := range a.get("/conversations").at(t, "conversations").([]any) {
		states[c.(map[string]any)["state"].(string)]++
	}
	assert.Equal(t, map[string]int{"open": 9, "closed": 2, "snoozed": 1}, states)
	assert.Equal(t, string(seeded.Owner), a.get("/me").at(t, "id"))
	away, ok := s.Admin(seeded.Away)
	require.True(t, ok)
	assert.True(t, away.Away)
	assert.Equal(t, seeded.Lunch, away.AwayReasonID)
	a.get("/contacts/find_by_external_id/customer-5").requireOK(t)
	assert.Len(t, s.Events(), 2)
	assert.Len(t, a.get("/admins/activity_logs?created_at_after=0").ids(t, "activity_logs"), 5)
}

// A bubble's clock starts at the same time: two workspaces are the same to the byte, but for nothing.
func TestSeedIsDeterministic(t *testing.T) {
	t.Parallel()
	var first string
	for range 2 {
		synctest.Test(t, func(t *testing.T) {
			s := intercomtest.NewServer(t)
			s.Seed()
			a := inMemory(t, s)
			all := string(a.get("/conversations").raw) + string(a.get("/admins").raw) + string(a.get("/teams").raw) +
				string(a.get("/away_status_reasons").raw) + string(a.get("/contacts/find_by_external_id/customer-1").raw) +
				string(a.get("/admins/activity_logs?created_at_after=0").raw)
			if first == "" {
				first = all
			}
			assert.Equal(t, first, all)
		})
	}
}
