package intercomrbac_test

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a browser brings that did not begin the install asks nothing of the token endpoint.
func TestCallbackRefusesStatesThatAreNotItsOwn(t *testing.T) {
	t.Parallel()
	store := intercomrbac.NewMemoryStateStore()
	endpoint := exchanging(200, grantedToken)
	shared := func(c *intercomrbac.OAuthConfig) { c.States = store }
	o := newOAuth(t, endpoint, shared)
	state, err := o.NewState(t.Context(), "ana")
	require.NoError(t, err)
	flip := "A"
	if state[3] == 'A' {
		flip = "B"
	}
	for name, tt := range map[string]struct {
		o       *intercomrbac.OAuth
		session string
		query   url.Values
	}{
		"no state":           {o, "ana", url.Values{"code": {oauthCode}}},
		"empty state":        {o, "ana", url.Values{"code": {oauthCode}, "state": {""}}},
		"two states":         {o, "ana", url.Values{"code": {oauthCode}, "state": {state, state}}},
		"state and another":  {o, "ana", url.Values{"code": {oauthCode}, "state": {state, "x"}}},
		"invented":           {o, "ana", url.Values{"code": {oauthCode}, "state": {"ABCDEFGHIJKLMNOPQRSTUVWXYZ"}}},
		"changed":            {o, "ana", url.Values{"code": {oauthCode}, "state": {state[:3] + flip + state[4:]}}},
		"younger":            {o, "ana", url.Values{"code": {oauthCode}, "state": {state[:len(state)-9] + "zzzzzzzzz"}}},
		"longer":             {o, "ana", url.Values{"code": {oauthCode}, "state": {state + ".x"}}},
		"in lower case":      {o, "ana", url.Values{"code": {oauthCode}, "state": {strings.ToLower(state)}}},
		"very long":          {o, "ana", url.Values{"code": {oauthCode}, "state": {strings.Repeat("A", 1<<20)}}},
		"a path":             {o, "ana", url.Values{"code": {oauthCode}, "state": {"../../victim"}}},
		"another session":    {o, "eve", url.Values{"code": {oauthCode}, "state": {state}}},
		"no session":         {o, "", url.Values{"code": {oauthCode}, "state": {state}}},
		"another app":        {newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.ClientID = "client-2" }), "ana", url.Values{"code": {oauthCode}, "state": {state}}},
		"another region":     {newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.Region = intercomrbac.EU }), "ana", url.Values{"code": {oauthCode}, "state": {state}}},
		"another secret":     {newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.NewSecret("rotated") }), "ana", url.Values{"code": {oauthCode}, "state": {state}}},
		"borders moved":      {newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.ClientID = "aclient-1" }), "an", url.Values{"code": {oauthCode}, "state": {state}}},
		"another process":    {newOAuth(t, endpoint), "ana", url.Values{"code": {oauthCode}, "state": {state}}},
		"consent not given":  {o, "ana", url.Values{"error": {"access_denied"}, "state": {"invented"}}},
		"nothing but a code": {o, "ana", url.Values{"code": {oauthCode}}},
	} {
		w, err := tt.o.Callback(t.Context(), tt.session, tt.query)
		require.ErrorIs(t, err, intercomrbac.ErrOAuthState, name)
		assert.Empty(t, w, name)
		assert.Equal(t, intercomrbac.ErrOAuthState.Error(), err.Error(), "all of them look alike")
	}
	assert.Zero(t, endpoint.exchanges.Load())

	_, err = o.Callback(t.Context(), "ana", url.Values{"code": {oauthCode}, "state": {state}})
	require.NoError(t, err, "none of these used it up")
	_, err = o.Callback(t.Context(), "ana", url.Values{"code": {oauthCode}, "state": {state}})
	require.ErrorIs(t, err, intercomrbac.ErrOAuthState, "replayed")
	assert.EqualValues(t, 1, endpoint.exchanges.Load())

	_, err = o.NewState(t.Context(), "")
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
}

func TestStatesLastTenMinutes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		keepsForever := &forgetfulStates{}
		for _, states := range []intercomrbac.StateStore{intercomrbac.NewMemoryStateStore(), keepsForever} {
			o := newOAuth(t, exchanging(200, grantedToken), func(c *intercomrbac.OAuthConfig) { c.States = states })
			for after, want := range map[time.Duration]error{
				0: nil, 10 * time.Minute: nil, 10*time.Minute + time.Millisecond: intercomrbac.ErrOAuthState, 24 * time.Hour: intercomrbac.ErrOAuthState,
			} {
				state, err := o.NewState(t.Context(), "ana")
				require.NoError(t, err)
				time.Sleep(after)
				require.ErrorIs(t, o.ConsumeState(t.Context(), "ana", state), want)
			}
		}
	})
}

// forgetfulStates never forgets a key by itself.
type forgetfulStates struct {
	keys sync.Map
	fail error
}

func (f *forgetfulStates) Save(_ context.Context, key string, _ time.Time) error {
	f.keys.Store(key, true)
	return f.fail
}

func (f *forgetfulStates) Consume(_ context.Context, key string) (bool, error) {
	_, ok := f.keys.LoadAndDelete(key)
	return ok, f.fail
}

func TestStateStoreFails(t *testing.T) {
	t.Parallel()
	states := &forgetfulStates{}
	endpoint := exchanging(200, grantedToken)
	o := newOAuth(t, endpoint, func(c *intercomrbac.OAuthConfig) { c.States = states })
	state, err := o.NewState(t.Context(), "ana")
	require.NoError(t, err)
	states.keys.Range(func(key, _ any) bool {
		assert.Regexp(t, "^[0-9a-f]{64}$", key)
		assert.NotContains(t, key, state)
		assert.NotContains(t, state, key, "who reads states in URLs learns no key")
		return true
	})
	states.fail = io.ErrClosedPipe
	_, err = o.NewState(t.Context(), "ana")
	require.ErrorIs(t, err, io.ErrClosedPipe)
	_, err = o.Callback(t.Context(), "ana", url.Values{"code": {oauthCode}, "state": {state}})
	require.ErrorIs(t, err, io.ErrClosedPipe, "true beside an error is no consent")
	assert.Zero(t, endpoint.exchanges.Load())
}

// gullibleStates has every key that it is asked for, as a store does that takes "nothing deleted" for a success.
type gullibleStates struct{ asked atomic.Int32 }

func (*gullibleStates) Save(context.Context, string, time.Time) error { return nil }

func (g *gullibleStates) Consume(context.Context, string) (bool, error) {
	g.asked.Add(1)
	return true, nil
}

// A state is one of ours whatever a store says: the worst that a bad store does is to let one be used twice.
func TestNoStoreMakesAForgedStateGood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		states := &gullibleStates{}
		endpoint := exchanging(200, grantedToken)
		shared := func(c *intercomrbac.OAuthConfig) { c.States = states }
		o := newOAuth(t, endpoint, shared)
		eves, err := o.NewState(t.Context(), "eve")
		require.NoError(t, err)
		of := func(o *intercomrbac.OAuth) string {
			state, err := o.NewState(t.Context(), "ana")
			require.NoError(t, err)
			return state
		}
		anas := of(o)
		_, rest, _ := strings.Cut(anas, ".")
		for name, state := range map[string]string{
			"invented":       "AAAAAAAAAAAAAAAAAAAAAAAAAA." + strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 36),
			"invented, long": "AAAAAAAAAAAAAAAAAAAAAAAAAA." + strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 36) + "." + strings.Repeat("A", 43),
			"changed":        "AAAAAAAAAAAAAAAAAAAAAAAAAA." + rest,
			"cut":            anas[:len(anas)-1],
			"of another":     eves,
			"another app":    of(newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.ClientID = "client-2" })),
			"another region": of(newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.Region = intercomrbac.EU })),
			"another secret": of(newOAuth(t, endpoint, shared, func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.NewSecret("rotated") })),
			"dots":           "..",
			"a stamp":        ".zzzzzzzz",
		} {
			_, err = o.Callback(t.Context(), "ana", url.Values{"state": {state}, "code": {oauthCode}})
			require.ErrorIs(t, err, intercomrbac.ErrOAuthState, name)
		}
		assert.Zero(t, states.asked.Load(), "what nobody here made up costs the store nothing")
		assert.Zero(t, endpoint.exchanges.Load())
		require.NoError(t, o.ConsumeState(t.Context(), "ana", anas))
		time.Sleep(10*time.Minute + time.Millisecond)
		require.ErrorIs(t, o.ConsumeState(t.Context(), "ana", anas), intercomrbac.ErrOAuthState)
	})
}

func TestOneOfManyCallbacksWins(t *testing.T) {
	t.Parallel()
	o := newOAuth(t, exchanging(200, grantedToken))
	for range 50 {
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		var wins atomic.Int32
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if o.ConsumeState(t.Context(), "ana", state) == nil {
					wins.Add(1)
				}
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, wins.Load())
	}
}

func TestMemoryStateStoreIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		states := intercomrbac.NewMemoryStateStore()
		save := func(i int) error {
			return states.Save(t.Context(), fmt.Sprint(i), time.Now().Add(10*time.Minute))
		}
		const most = 100_000
		for i := range most {
			require.NoError(t, save(i))
		}
		require.ErrorContains(t, save(most), "100000 installs began within ten minutes")
		ok, err := states.Consume(t.Context(), "7")
		require.NoError(t, err)
		assert.True(t, ok, "what was saved before is good")
		time.Sleep(10*time.Minute + time.Second)
		ok, err = states.Consume(t.Context(), "8")
		require.NoError(t, err)
		assert.False(t, ok, "it is too old, though it is there")
		for i := range most {
			require.NoError(t, save(i), "the old ones are gone")
		}
	})
}
