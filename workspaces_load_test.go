package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// loading is a workspace in a store that can be made to hang.
func loading(t *testing.T) (*intercomrbac.Workspaces, *countingStore, *cloud, intercomrbac.Workspace) {
	t.Helper()
	c := newCloud(t)
	_, workspace := c.add("acme0001", intercomrbac.US)
	config := c.config()
	store := &countingStore{WorkspaceStore: config.Store}
	config.Store = store
	install(t, newWorkspaces(t, config), workspace)
	store.gets, store.saves = 0, 0
	return newWorkspaces(t, config), store, c, workspace
}

// hang makes each use of the store take a while, or until its context ends.
func hang(d time.Duration) func(context.Context, string) error {
	return func(ctx context.Context, _ string) error {
		select {
		case <-time.After(d):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// B9: 1,000 callers share one load; one with a deadline leaves at it, and the leader's end fails nobody.
func TestManyCallersShareOneLoad(t *testing.T) {
	t.Parallel()
	const callers = 1_000
	synctest.Test(t, func(t *testing.T) {
		w, store, _, _ := loading(t)
		store.do(hang(2 * time.Second))
		began := time.Now()
		clients := make([]*intercomrbac.Client, callers)
		leader, leave := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := w.Client(leader, "acme0001")
			assert.ErrorIs(t, err, context.Canceled)
			assert.Zero(t, time.Since(began))
		})
		synctest.Wait()
		for i := range callers {
			wg.Go(func() {
				var err error
				clients[i], err = w.Client(t.Context(), "acme0001")
				assert.NoError(t, err)
			})
		}
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := w.Client(ctx, "acme0001")
			assert.ErrorIs(t, err, context.DeadlineExceeded)
			assert.ErrorContains(t, err, `intercomrbac: waiting for workspace "acme0001"`)
			assert.Equal(t, 50*time.Millisecond, time.Since(began))
		})
		synctest.Wait()
		leave()
		wg.Wait()
		gets, _ := store.counts()
		assert.Equal(t, 1, gets)
		assert.Equal(t, 2*time.Second, time.Since(began))
		for _, c := range clients {
			assert.Same(t, clients[0], c)
		}
	})
	soak.Report(t, "B9", "%d callers of one workspace, 1 load; a 50 ms deadline is honoured to the millisecond while it hangs, and its leader's end fails nobody", callers)
}

// A store that hangs for good costs nobody more than the time of a load.
func TestALoadEndsByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, _, _ := loading(t)
		store.do(hang(time.Hour))
		began := time.Now()
		_, err := w.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 30*time.Second, time.Since(began))
		store.do(nil)
		_, err = w.Client(t.Context(), "acme0001")
		require.NoError(t, err, "a failure is not remembered")
	})
}

// A load that began before an install does not bring the old token back.
func TestALoadThatAnInstallOvertakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, store, c, workspace := loading(t)
		// The record is read at once and given out late.
		slow := storeFuncs{WorkspaceStore: store, get: func(ctx context.Context, id intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
			r, err := store.Get(ctx, id)
			if waited := hang(time.Second)(ctx, "get"); waited != nil {
				return r, waited
			}
			return r, err
		}}
		config := c.config()
		config.Store = slow
		w := newWorkspaces(t, config)
		var wg sync.WaitGroup
		wg.Go(func() {
			client, err := w.Client(t.Context(), "acme0001")
			if assert.NoError(t, err) {
				_, err = client.Teams.List(t.Context())
				assert.NoError(t, err)
			}
		})
		time.Sleep(500 * time.Millisecond)
		again := c.reinstall(workspace, "token-2-of-acme")
		wg.Go(func() { install(t, w, again) }) // it reads at 0.5 s and writes at 1.5 s
		time.Sleep(600 * time.Millisecond)
		wg.Go(func() { // at 1.1 s; the first load is over and its client has the old token
			got, err := w.Get(t.Context(), "acme0001")
			assert.NoError(t, err)
			assert.Equal(t, workspace.Token.Reveal(), got.Token.Reveal())
		})
		wg.Wait()
		got, err := w.Get(t.Context(), "acme0001")
		require.NoError(t, err)
		assert.Equal(t, again.Token.Reveal(), got.Token.Reveal(), "after the install the new token is used at once")

		// And a load that is under way while an install ends gives nobody the old one.
		time.Sleep(time.Minute)
		third := c.reinstall(again, "token-3-of-acme")
		var wg2 sync.WaitGroup
		wg2.Go(func() { install(t, w, third) }) // reads at 0, writes at 1 s
		time.Sleep(900 * time.Millisecond)
		wg2.Go(func() { // reads at 0.9 s what was there before, and hears of it at 1.9 s
			got, err := w.Get(t.Context(), "acme0001")
			assert.NoError(t, err)
			assert.Equal(t, third.Token.Reveal(), got.Token.Reveal())
		})
		wg2.Wait()
	})
}

// A record is read again after a minute, and not before; a workspace that has not changed keeps its client.
func TestARecordIsReadAgainAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, store, c, workspace := loading(t)
		client := workspaceClient(t, w, "acme0001")
		for range 59 {
			time.Sleep(time.Second)
			assert.Same(t, client, workspaceClient(t, w, "acme0001"))
		}
		gets, _ := store.counts()
		assert.Equal(t, 1, gets)
		time.Sleep(time.Second)
		assert.Same(t, client, workspaceClient(t, w, "acme0001"))
		gets, _ = store.counts()
		assert.Equal(t, 2, gets)

		// Another process installs it anew: this one follows within the minute.
		config := c.config()
		config.Store = store.WorkspaceStore
		again := c.reinstall(workspace, "token-2-of-acme")
		install(t, newWorkspaces(t, config), again)
		assert.Same(t, client, workspaceClient(t, w, "acme0001"))
		time.Sleep(time.Minute)
		next := workspaceClient(t, w, "acme0001")
		assert.NotSame(t, client, next)
		_, err := next.Teams.List(t.Context())
		require.NoError(t, err)
		assert.Equal(t, 1, c.requests(again.Token.Reveal()))

		// A store that is down when the record is due is an error, not a token that may be dead.
		time.Sleep(time.Minute)
		down := errors.New("down")
		store.do(func(context.Context, string) error { return down })
		_, err = w.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, down)
		store.do(nil)
		assert.Same(t, next, workspaceClient(t, w, "acme0001"))
	})
}

// The memory is bounded: of more workspaces than that, those used last are known.
func TestWorkspacesForgetTheOnesUsedLongestAgo(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	config := c.config()
	store := &countingStore{WorkspaceStore: config.Store}
	config.Store = store
	w := newWorkspaces(t, config)
	limit := intercomrbac.LimitTenants(w, 100)
	id := func(i int) intercomrbac.WorkspaceID { return intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)) }
	for i := range limit + 1 {
		install(t, w, installOf(id(i), intercomrbac.US, fmt.Sprintf("token-of-%d", i)))
	}
	for i := range limit {
		workspaceClient(t, w, id(i))
	}
	first := workspaceClient(t, w, id(0)) // now the one used last
	workspaceClient(t, w, id(limit))      // takes the place of id(1)
	assert.Equal(t, limit, intercomrbac.KnownTenants(w))
	gets, _ := store.counts()
	assert.Same(t, first, workspaceClient(t, w, id(0)))
	workspaceClient(t, w, id(2))
	after, _ := store.counts()
	assert.Equal(t, gets, after)
	workspaceClient(t, w, id(1))
	after, _ = store.counts()
	assert.Equal(t, gets+1, after)
	assert.Equal(t, limit, intercomrbac.KnownTenants(w))
}
