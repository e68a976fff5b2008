package intercomrbac_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twin is one of two policies that answer the same questions differently, and what it says to each. Roles and permissions
// have other places in each, so that an answer made of both would show.
type twin struct {
	policy intercomrbac.Policy
	says   map[intercomrbac.Role]twinAnswer
	matrix string
}

type twinAnswer struct {
	allowed bool
	reason  intercomrbac.Reason
	role    intercomrbac.Role
	rule    intercomrbac.Rule
}

// twins all answer questions about contacts:write.
func twins(tb testing.TB) map[string]*twin {
	const (
		allowed    = intercomrbac.ReasonAllowed
		denied     = intercomrbac.ReasonDeniedByRule
		notGranted = intercomrbac.ReasonNotGranted
	)
	rule := func(p intercomrbac.Permission) intercomrbac.Rule { return intercomrbac.Rule{Permission: p} }
	all := map[string]*twin{
		"red": {
			policy: intercomrbac.Policy{Version: "red", Permissions: map[intercomrbac.Permission]intercomrbac.Declaration{"aaa:first": {}, "aaa:second": {}}, Roles: roles{
				"aaa":   {Allow: intercomrbac.Rules("*")},
				"agent": {Allow: intercomrbac.Rules("contacts:*")},
				"lead":  {Inherits: []intercomrbac.Role{"agent"}, Deny: intercomrbac.Rules("contacts:write")},
				"owner": {Inherits: []intercomrbac.Role{"agent"}},
			}},
			says: map[intercomrbac.Role]twinAnswer{
				"agent": {true, allowed, "agent", rule("contacts:*")},
				"lead":  {false, denied, "lead", rule("contacts:write")},
				"owner": {true, allowed, "agent", rule("contacts:*")},
				"zzz":   {false, intercomrbac.ReasonUnknownRole, "", intercomrbac.Rule{}},
			},
		},
		"blue": {
			policy: intercomrbac.Policy{Version: "blue", Roles: roles{
				"agent": {Allow: intercomrbac.Rules("contacts:read")},
				"lead":  {Allow: intercomrbac.Rules("*:write")},
				"owner": {Inherits: []intercomrbac.Role{"lead"}, Allow: intercomrbac.Rules("contacts:write", "contacts:read")},
				"zzz":   {Inherits: []intercomrbac.Role{"lead"}, Deny: intercomrbac.Rules("contacts:*")},
			}},
			says: map[intercomrbac.Role]twinAnswer{
				"agent": {false, notGranted, "", intercomrbac.Rule{}},
				"lead":  {true, allowed, "lead", rule("*:write")},
				"owner": {true, allowed, "owner", rule("contacts:write")},
				"zzz":   {false, denied, "zzz", rule("contacts:*")},
			},
		},
	}
	for _, tw := range all {
		tw.matrix = checkerOf(tb, tw.policy).Matrix()
	}
	return all
}

// readTwins asks once all there is to ask, and checks each answer against the policy that it names.
func readTwins(t *testing.T, c *intercomrbac.Checker, all map[string]*twin) bool {
	for role := range all["red"].says {
		d, err := c.Check(t.Context(), intercomrbac.Principal{AdminID: "1", Role: role}, "contacts:write", intercomrbac.Resource{})
		if !assert.NoError(t, err) || !assert.Contains(t, all, d.Version()) {
			return false
		}
		want, got := all[d.Version()].says[role], twinAnswer{d.Allowed, d.Reason, d.Role(), d.Rule()}
		if !assert.Equal(t, want, got, "%s by policy %s", role, d.Version()) {
			return false
		}
	}
	// Where both say the same, there is no moment at which anything else is said.
	matrix := c.Matrix()
	return assert.True(t, c.Can("owner", "contacts:write")) &&
		assert.True(t, c.Can("agent", "contacts:read")) &&
		assert.False(t, c.Can("zzz", "contacts:write")) &&
		assert.False(t, c.Can("agent", "tags:write")) &&
		assert.True(t, matrix == all["red"].matrix || matrix == all["blue"].matrix, "a table of two policies:\n%s", matrix) &&
		assert.Contains(t, []int{4, 2}, len(c.WhoCan("contacts:read"))) &&
		assert.Contains(t, all, c.Policy().Version)
}

// Each decision is made by one whole policy, whatever comes in force meanwhile.
func TestSwapUnderLoad(t *testing.T) {
	t.Parallel()
	all := twins(t)
	c := checkerOf(t, all["red"].policy)
	var done atomic.Bool
	var reads atomic.Int64
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for !done.Load() && readTwins(t, c, all) {
				reads.Add(1)
			}
		})
	}
	swaps := soak.N(300, 20_000)
	for i := 0; i < swaps || reads.Load() < 100 && !t.Failed(); i++ {
		name := []string{"blue", "red"}[i%2]
		require.NoError(t, c.Swap(all[name].policy))
		assert.Equal(t, name, as(t, c, "lead", "contacts:write").Version(), "it is in force when Swap returns")
		assert.Error(t, c.Swap(intercomrbac.Policy{Version: "bad", Roles: roles{"a": {Allow: intercomrbac.Rules("*:*")}}}))
	}
	done.Store(true)
	readers.Wait()
	t.Logf("%d reads during %d swaps", reads.Load(), swaps)
}

// held starts a Swap that does not get any further than its compiling. What it returns lets it go on and returns its error.
func held(c *intercomrbac.Checker, policy intercomrbac.Policy) (release func() error) {
	inside, goOn, result := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		result <- c.SwapHeld(policy, func() { close(inside); <-goOn })
	}()
	<-inside
	return func() error { close(goOn); return <-result }
}

// promptly fails the test if f waits for something.
func promptly(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Errorf("%s waits", what)
	}
}

func TestChecksGoOnWhileASwapIsHeld(t *testing.T) {
	t.Parallel()
	all := twins(t)
	c := checkerOf(t, all["red"].policy)
	release := held(c, all["blue"].policy)
	promptly(t, "a check", func() {
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 50 {
					readTwins(t, c, all)
				}
			})
		}
		readers.Wait()
		assert.Equal(t, "red", c.Version(), "a policy that is not ready decides nothing")
	})
	require.NoError(t, release())
	assert.Equal(t, "blue", c.Version())
	readTwins(t, c, all)

	release = held(c, intercomrbac.Policy{Roles: roles{"a": {Allow: intercomrbac.Rules("no:such")}}})
	promptly(t, "a check", func() { readTwins(t, c, all) })
	require.Error(t, release())
	assert.Equal(t, "blue", c.Version(), "a bad policy changes nothing")
}

// Swaps come into force one after the other, each before the next is compiled: the last wins, and none is lost.
func TestConcurrentSwaps(t *testing.T) {
	t.Parallel()
	c := checkerOf(t, intercomrbac.Policy{Version: "v-0"})
	begun := []string{"v-0"} // by the order of compiling
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := range 20 {
				version := fmt.Sprintf("v-%d-%d", w, i)
				assert.NoError(t, c.SwapHeld(intercomrbac.Policy{Version: version}, func() {
					assert.Equal(t, begun[len(begun)-1], c.Version(), "the one before is in force")
					begun = append(begun, version)
				}))
			}
		})
	}
	writers.Wait()
	assert.Len(t, begun, 1+8*20)
	assert.Equal(t, begun[len(begun)-1], c.Version())
}
