//go:build !race

package intercomrbac_test

import (
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A guard peeks before each attempt.
func TestPeekingAtARoleAllocatesNothing(t *testing.T) {
	srv := intercomtest.NewServer(t)
	id := srv.Seed().Manager
	d := directory(t, srv.Client(), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
	_, err := d.Principal(t.Context(), id)
	require.NoError(t, err)
	for _, fresh := range []bool{true, false} {
		assert.Zero(t, testing.AllocsPerRun(100, func() {
			if role, ok := intercomrbac.PeekRole(d, id, fresh); !ok || role != "lead" {
				t.Error("there is no role to use")
			}
		}))
	}
}
