//go:build !race

package intercomrbac_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A guarded call costs at most 10 allocations more than the same one without the guard.
func TestAllocationsOfAGuardedCall(t *testing.T) {
	guarded, plain, ctx := guardedAndPlain(t)
	for name, call := range measuredCalls {
		without := testing.AllocsPerRun(200, func() { require.NoError(t, call(ctx, plain)) })
		with := testing.AllocsPerRun(200, func() { require.NoError(t, call(ctx, guarded)) })
		t.Logf("%s: %.0f without the guard, %.0f with it", name, without, with)
		assert.LessOrEqual(t, with, without+10, name)
	}
}
