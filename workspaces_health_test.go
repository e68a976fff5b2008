package intercomrbac_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// revoke has the workspace found revoked.
func (r *revocable) revoke(t *testing.T) {
	t.Helper()
	r.fake.RevokeToken(r.token, "token_revoked")
	require.ErrorIs(t, r.all.Check(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked)
}

// The process that found out deletes the token a day later, and not before.
func TestARevokedTokenIsKeptForADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.revoke(t)
		r.assertDead(t)
		sent := r.requests(r.token)
		kept := r.record(t).Sealed
		advance(24*time.Hour - time.Second)
		assert.Equal(t, kept, r.record(t).Sealed)
		advance(2 * time.Second)
		record := r.record(t)
		assert.Empty(t, record.Sealed)
		assert.True(t, record.Revoked)
		assert.Equal(t, r.workspace.Account, record.Account)
		require.ErrorIs(t, r.all.Revive(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked)
		_, err := r.all.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		assert.Equal(t, sent, r.requests(r.token))
	})
}

// Where that process has ended, or the store has failed it, Sweep does.
func TestSweepDeletesWhatIsLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logged bytes.Buffer
		r := newRevocable(t, intercomrbac.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))))
		store := &countingStore{WorkspaceStore: r.config.Store}
		r.config.Store = store
		r.all = newWorkspaces(t, r.config)
		_, beta := r.add("beta0001", intercomrbac.US)
		install(t, r.all, beta)
		r.revoke(t)
		broken := errors.New("the disk is full")
		store.do(func(_ context.Context, what string) error {
			if what == "save" {
				return broken
			}
			return nil
		})
		swept, err := r.all.Sweep(t.Context())
		assert.Zero(t, swept)
		require.NoError(t, err, "nothing is due")
		advance(25 * time.Hour)
		assert.Contains(t, logged.String(), "the next Sweep deletes it")
		assert.NotContains(t, logged.String(), r.token)
		assert.NotEmpty(t, r.record(t).Sealed)
		swept, err = r.all.Sweep(t.Context())
		assert.Zero(t, swept)
		require.ErrorIs(t, err, broken)
		store.do(nil)
		require.ErrorIs(t, r.all.Revive(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked, "it is too late, swept or not")
		next := newWorkspaces(t, r.config) // after a restart
		swept, err = next.Sweep(t.Context())
		assert.Equal(t, 1, swept)
		require.NoError(t, err)
		assert.Empty(t, r.record(t).Sealed)
		swept, err = next.Sweep(t.Context())
		assert.Zero(t, swept)
		require.NoError(t, err)
		w, err := next.Get(t.Context(), "beta0001")
		require.NoError(t, err)
		assert.Equal(t, beta.Token.Reveal(), w.Token.Reveal(), "the others keep theirs")
	})
}

// A process that is started an hour after another found the workspace revoked, and ended, deletes the token when its day is over.
func TestSweepSeesToWhatIsNotDueYet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		inner := r.config.Store
		store := &countingStore{WorkspaceStore: inner}
		r.config.Store = store
		r.all = newWorkspaces(t, r.config)
		r.revoke(t)
		store.do(func(context.Context, string) error { return errors.New("this process has ended") })
		r.config.Store = inner
		advance(time.Hour)
		swept, err := newWorkspaces(t, r.config).Sweep(t.Context())
		require.NoError(t, err)
		assert.Zero(t, swept)
		advance(23*time.Hour - 2*time.Second)
		assert.NotEmpty(t, r.record(t).Sealed)
		advance(3 * time.Second)
		assert.Empty(t, r.record(t).Sealed)
	})
}

func TestSweepFailsAsItsStoreDoes(t *testing.T) {
	t.Parallel()
	broken := errors.New("no connection")
	config := newCloud(t).config()
	config.Store = brokenList{config.Store, broken}
	_, err := newWorkspaces(t, config).Sweep(t.Context())
	require.ErrorIs(t, err, broken)
	var none context.Context
	_, err = newWorkspaces(t, config).Sweep(none)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = (*intercomrbac.Workspaces)(nil).Sweep(t.Context())
	require.Error(t, err)
}

// brokenList is a store that cannot be listed.
type brokenList struct {
	intercomrbac.WorkspaceStore
	err error
}

func (b brokenList) All(context.Context) iter.Seq2[intercomrbac.WorkspaceRecord, error] {
	return func(yield func(intercomrbac.WorkspaceRecord, error) bool) {
		yield(intercomrbac.WorkspaceRecord{}, b.err)
	}
}

// Intercom was wrong: the workspace is as it was, for this process and for others.
func TestReviveAfterAnOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		other := newWorkspaces(t, r.config)
		workspaceClient(t, other, "acme0001")
		r.revoke(t)
		r.assertDead(t)
		require.ErrorIs(t, r.all.Revive(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked, "it is dead")
		r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Times: -1, Status: 503})
		err := r.all.Revive(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
		require.NotErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		assert.True(t, r.record(t).Revoked)
		r.fake.ClearFaults()
		advance(20 * time.Hour)

		r.fake.AddToken(r.token)
		stranger := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Workspace: "beta0001"})
		require.ErrorIs(t, r.all.Revive(stranger, "acme0001"), intercomrbac.ErrWrongWorkspace)
		_, err = r.all.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked, "nothing revives it by itself")
		require.NoError(t, r.all.Revive(t.Context(), "acme0001"))
		record := r.record(t)
		assert.False(t, record.Revoked)
		assert.Zero(t, record.RevokedAt)
		for _, w := range []*intercomrbac.Workspaces{r.all, other, newWorkspaces(t, r.config)} {
			_, err = workspaceClient(t, w, "acme0001").Teams.List(t.Context())
			require.NoError(t, err)
			got, err := w.Get(t.Context(), "acme0001")
			require.NoError(t, err)
			assert.Equal(t, r.workspace.InstalledBy, got.InstalledBy)
		}
		require.NoError(t, r.all.Revive(t.Context(), "acme0001"), "it lives")
		assert.Equal(t, 1, r.buried.count(), "OnRevoked was called for the one time that it was found dead")

		// The day of the first revocation is over soon, and is not that of the second.
		r.revoke(t)
		advance(5 * time.Hour)
		assert.NotEmpty(t, r.record(t).Sealed)
		advance(20 * time.Hour)
		assert.Empty(t, r.record(t).Sealed)
	})
}

// The store did not take the revocation, so that this process alone knows of it. A Revive has it forget that, too.
func TestReviveOfWhatIsNotOnRecord(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		store := &countingStore{WorkspaceStore: r.config.Store}
		r.config.Store = store
		r.all = newWorkspaces(t, r.config)
		store.do(func(_ context.Context, what string) error {
			if what == "save" {
				return errors.New("the disk is full")
			}
			return nil
		})
		r.revoke(t)
		store.do(nil)
		assert.False(t, r.record(t).Revoked)
		r.fake.AddToken(r.token)
		require.NoError(t, r.all.Revive(t.Context(), "acme0001"))
		c, err := r.all.Client(t.Context(), "acme0001")
		require.NoError(t, err)
		_, err = c.Teams.List(t.Context())
		require.NoError(t, err)
		assert.False(t, r.record(t).Revoked)
	})
}

// What was installed meanwhile is not touched.
func TestReviveDoesNotUndoAnInstall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.revoke(t)
		r.fake.AddToken(r.token)
		r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Delay: 5 * time.Second})
		done := make(chan error, 1)
		go func() { done <- r.all.Revive(t.Context(), "acme0001") }()
		advance(time.Second)
		again := r.reinstall(r.workspace, "token-2-of-acme")
		install(t, r.all, again)
		require.NoError(t, <-done)
		w, err := r.all.Get(t.Context(), "acme0001")
		require.NoError(t, err)
		assert.Equal(t, "token-2-of-acme", w.Token.Reveal())
		advance(48 * time.Hour)
		assert.NotEmpty(t, r.record(t).Sealed)

		require.ErrorIs(t, r.all.Revive(t.Context(), "nobody01"), intercomrbac.ErrWorkspaceNotFound)
		require.ErrorIs(t, r.all.Revive(t.Context(), "../acme"), intercomrbac.ErrInvalidRequest)
		var none context.Context
		require.ErrorIs(t, r.all.Revive(none, "acme0001"), intercomrbac.ErrInvalidRequest)
		require.Error(t, (*intercomrbac.Workspaces)(nil).Revive(t.Context(), "acme0001"))
	})
}

// A tombstone that a rotation seals anew can be revived all the same.
func TestARotationTakesTombstonesAlong(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.revoke(t)
	r.config.Keys = keyRing(t, 2)
	r.all = newWorkspaces(t, r.config)
	done, err := r.all.Rotate(t.Context())
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.Rotation{Resealed: 1}, done)
	assert.True(t, r.record(t).Revoked)
	r.fake.AddToken(r.token)
	require.NoError(t, r.all.Revive(t.Context(), "acme0001"))
	_, err = workspaceClient(t, r.all, "acme0001").Teams.List(t.Context())
	require.NoError(t, err)
}

func TestHealthOfAWorkspace(t *testing.T) {
	t.Parallel()
	missing := func(scope string) intercomtest.Fault {
		return intercomtest.Fault{Operation: "teams.list", Status: 403, Code: "forbidden", Message: "You do not have the required scope (" + scope + ") to access this resource"}
	}
	call := func(t *testing.T, r *revocable) {
		_, _ = r.client.Teams.List(t.Context())
	}
	ok := intercomrbac.Health{State: intercomrbac.HealthOK}
	reinstall := func(message string) intercomrbac.Health {
		return intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: message, Reinstall: true}
	}
	for name, tt := range map[string]struct {
		before func(*testing.T, *revocable)
		last   time.Time
		want   intercomrbac.Health
		err    error
	}{
		"well": {want: ok},
		"well, and heard from": {last: time.Date(2026, 9, 3, 16, 15, 16, 0, time.FixedZone("", 7200)),
			want: intercomrbac.Health{State: intercomrbac.HealthOK, Message: "The last notification is from 2026-09-03 14:15 UTC."}},
		"the token is dead": {before: func(_ *testing.T, r *revocable) { r.fake.RevokeToken(r.token, "token_revoked") },
			want: reinstall("The app has no access to this workspace any more. Install it again.")},
		"the workspace was revoked": {before: func(t *testing.T, r *revocable) { r.revoke(t) },
			want: reinstall("The app has no access to this workspace any more. Install it again.")},
		"it is not installed": {before: func(t *testing.T, r *revocable) {
			require.NoError(t, r.config.Store.Delete(t.Context(), "acme0001"))
			r.all = newWorkspaces(t, r.config)
		}, want: reinstall("The app does not know this workspace. Install it again.")},
		"a scope is missing": {before: func(t *testing.T, r *revocable) {
			r.fake.Inject(missing("read_admins"))
			call(t, r)
		}, want: reinstall("The app lacks permissions that it needs: Read admins. Install it again to grant them.")},
		"a scope was missing": {before: func(t *testing.T, r *revocable) {
			r.fake.Inject(missing("read_admins"))
			call(t, r)
			call(t, r)
		}, want: ok},
		"two scopes are missing": {before: func(t *testing.T, r *revocable) {
			r.fake.AddToken(r.token, intercomrbac.ScopeReadOneAdmin)
			call(t, r)
			_, _ = r.client.Contacts.Get(t.Context(), "6762f0f31bb69f9f2193bb8b")
		}, want: reinstall("The app lacks permissions that it needs: Read admins, Read one user and one company. Install it again to grant them.")},
		"the scope for the look itself is missing": {before: func(_ *testing.T, r *revocable) { r.fake.AddToken(r.token, intercomrbac.ScopeReadAdmins) }, want: ok},
		"Intercom does not answer": {before: func(_ *testing.T, r *revocable) {
			r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Times: -1, Status: 503})
		}, last: time.Now(), err: intercomrbac.ErrUnavailable},
		"the store does not answer": {before: func(t *testing.T, r *revocable) {
			r.config.Store = storeFuncs{WorkspaceStore: r.config.Store, get: func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
				return intercomrbac.WorkspaceRecord{}, context.DeadlineExceeded
			}}
			r.all = newWorkspaces(t, r.config)
		}, err: context.DeadlineExceeded},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRevocable(t)
				if tt.before != nil {
					tt.before(t, r)
				}
				got, err := r.all.Health(t.Context(), "acme0001", tt.last)
				assert.Equal(t, tt.want, got)
				require.ErrorIs(t, err, tt.err)
			})
		})
	}
}

// However many scopes an app names for calls of its own, the answer is one that Intercom takes.
func TestHealthIsNeverTooLong(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.fake.AddToken(r.token, intercomrbac.ScopeReadOneAdmin)
	for i := range 100 {
		op := intercomrbac.Operation{Name: fmt.Sprintf("own.%d", i), Method: "GET", Path: "/companies", Effect: intercomrbac.Read, Scope: intercomrbac.Scope(fmt.Sprintf("Read things of kind %d, ünd so on", i))}
		r.fake.Inject(intercomtest.Fault{Status: 401, Code: "token_unauthorized"})
		require.ErrorIs(t, r.client.Do(t.Context(), op, intercomrbac.Call{}, nil), intercomrbac.ErrScopeMissing)
	}
	h, err := r.all.Health(t.Context(), "acme0001", time.Time{})
	require.NoError(t, err)
	assert.Len(t, []rune(h.Message), 2084)
	assert.True(t, strings.HasSuffix(h.Message, "…"))
	hooks := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Workspace, c.Roles, c.Health = "", r.all.Roles, r.all.Health
	})
	answer := r.fake.HealthCheck(hookSecret).To(hooks)
	assert.Equal(t, 200, answer.Status)
	assert.Contains(t, answer.Body, `"state":"UNHEALTHY"`)
	hooks.drain(t)
}

// The receiver answers Intercom's health checks from what Workspaces know and from what it has seen itself.
func TestReceiverAnswersHealthChecksOfWorkspaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.all = newWorkspaces(t, r.config) // without a RoleMap there is nothing to forget
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Workspace, c.Roles, c.Check, c.Health = "", r.all.Roles, r.all.Check, r.all.Health
		})
		var handled []string
		h.On(intercomrbac.EventConversationUserCreated, func(_ context.Context, n intercomrbac.Notification) error {
			handled = append(handled, n.ID)
			return nil
		})
		check := func() string { return r.fake.HealthCheck(hookSecret).To(h).Body }
		assert.JSONEq(t, `{"state":"OK"}`, check())
		at := time.Now()
		d := r.fake.Notification(hookSecret, intercomtest.Notification{ID: "notif_1", Topic: intercomrbac.EventConversationUserCreated, Item: map[string]any{"type": "conversation", "id": "1"}})
		assert.Equal(t, 200, d.To(h).Status)
		synctest.Wait()
		assert.Equal(t, []string{"notif_1"}, handled)
		assert.JSONEq(t, `{"state":"OK","message":"The last notification is from `+at.UTC().Format("2006-01-02 15:04")+` UTC."}`, check())
		assert.Equal(t, 401, r.fake.HealthCheck(otherSecret).To(h).Status)
		r.fake.RevokeToken(r.token, "token_revoked")
		advance(time.Minute)
		assert.JSONEq(t, `{"state":"UNHEALTHY","cta_type":"REINSTALL_CTA","message":"The app has no access to this workspace any more. Install it again."}`, check())
		assert.True(t, slices.ContainsFunc(r.buried.of, func(w intercomrbac.Workspace) bool { return w.ID == "acme0001" }))
		h.drain(t)
	})
}

// A health check carries no time: who has seen one can send it again for ever.
func TestRepeatedHealthChecksAskOnceAMinute(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]intercomtest.Fault{
		"while all is well":              {},
		"while Intercom does not answer": {Operation: "admins.me", Times: -1, Status: 404},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := newRevocable(t)
				h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
					c.Workspace, c.Roles, c.Health = "", r.all.Roles, r.all.Health
				})
				want := `{"state":"OK"}`
				if fault.Status != 0 {
					r.fake.Inject(fault)
					want = `{"state":"UNKNOWN"}`
				}
				d := r.fake.HealthCheck(hookSecret)
				for range 30 * 5 {
					assert.JSONEq(t, want, d.To(h).Body)
					advance(2 * time.Second)
				}
				assert.Equal(t, 5, r.fake.CallCount("admins.me"))
				r.fake.ClearFaults()
				r.fake.RevokeToken(r.token, "token_revoked")
				advance(time.Minute)
				assert.Contains(t, d.To(h).Body, "UNHEALTHY")
				h.drain(t)
			})
		})
	}
}
