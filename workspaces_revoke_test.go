package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// funerals keeps what OnRevoked was called with.
type funerals struct {
	mu     sync.Mutex
	of     []intercomrbac.Workspace
	causes []error
}

func (f *funerals) add(_ context.Context, w intercomrbac.Workspace, cause error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.of, f.causes = append(f.of, w), append(f.causes, cause)
}

func (f *funerals) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.of)
}

// revocable is a workspace that is installed and was used.
type revocable struct {
	*cloud
	fake      *intercomtest.Server
	workspace intercomrbac.Workspace
	token     string
	config    intercomrbac.WorkspacesConfig
	all       *intercomrbac.Workspaces
	client    *intercomrbac.Client
	buried    *funerals
}

func newRevocable(t *testing.T, options ...intercomrbac.Option) *revocable {
	t.Helper()
	c := newCloud(t)
	r := &revocable{cloud: c, buried: new(funerals), config: c.config(options...)}
	r.fake, r.workspace = c.add("acme0001", intercomrbac.EU)
	r.token = r.workspace.Token.Reveal()
	r.config.OnRevoked = r.buried.add
	r.all = newWorkspaces(t, r.config)
	install(t, r.all, r.workspace)
	r.client = workspaceClient(t, r.all, "acme0001")
	_, err := r.client.Teams.List(t.Context())
	require.NoError(t, err)
	return r
}

func (r *revocable) record(t *testing.T) intercomrbac.WorkspaceRecord {
	t.Helper()
	record, err := r.config.Store.Get(t.Context(), "acme0001")
	require.NoError(t, err)
	return record
}

// assertDead checks that nothing is sent any more, by whoever tries, and that the record is a tombstone.
func (r *revocable) assertDead(t *testing.T) {
	t.Helper()
	sent := r.requests(r.token)
	_, err := r.client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
	assert.Contains(t, err.Error(), `teams.list: not sent: workspace "acme0001": its token is dead`)
	assert.Contains(t, intercomrbac.Advice(err), "install the app again")
	copied, err := r.client.With(intercomrbac.WithRetry(intercomrbac.Retry{}))
	require.NoError(t, err)
	require.ErrorIs(t, copied.Contacts.Delete(t.Context(), "6762f0f31bb69f9f2193bb8b"), intercomrbac.ErrTokenRevoked)
	_, err = r.all.Client(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	_, err = r.all.Get(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	require.ErrorIs(t, r.all.Check(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked)
	_, err = newWorkspaces(t, r.config).Client(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked, "after a restart")
	assert.Equal(t, sent, r.requests(r.token), "a request was sent with a dead token")

	record := r.record(t)
	assert.True(t, record.Revoked)
	assert.WithinDuration(t, time.Now(), record.RevokedAt, 2*time.Minute)
	assert.NotEmpty(t, record.Sealed, "kept for a day: TestARevokedTokenIsKeptForADay")
	assert.Equal(t, intercomrbac.EU, record.Region)

	require.Len(t, r.buried.of, 1)
	want := r.workspace
	want.Token = intercomrbac.Secret{}
	assert.Equal(t, want, r.buried.of[0])
	require.ErrorIs(t, r.buried.causes[0], intercomrbac.ErrUnauthorized)
}

func (r *revocable) assertAlive(t *testing.T) {
	t.Helper()
	_, err := r.client.Teams.List(t.Context())
	require.NoError(t, err)
	assert.Same(t, r.client, workspaceClient(t, r.all, "acme0001"))
	assert.False(t, r.record(t).Revoked)
	assert.Zero(t, r.buried.count())
	require.NoError(t, r.all.Check(t.Context(), "acme0001"))
}

// The codes of a dead token, confirmed by GET /me, revoke; the write that found out was not done.
func TestADeadTokenRevokesTheWorkspace(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"token_revoked", "token_expired", "token_suspended", "token_blocked", "token_not_found", "unauthorized"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			r := newRevocable(t)
			r.fake.RevokeToken(r.token, code)
			r.fake.ResetCalls()
			err := r.client.Contacts.Delete(t.Context(), "6762f0f31bb69f9f2193bb8b")
			require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			e, ok := errors.AsType[*intercomrbac.APIError](err)
			require.True(t, ok)
			assert.Equal(t, []any{401, code, "contacts.delete"}, []any{e.StatusCode, e.Code, e.Operation})
			assert.Contains(t, intercomrbac.Advice(err), "install the app again")
			assert.Equal(t, []int{1, 1, 2}, []int{r.fake.CallCount("contacts.delete"), r.fake.CallCount("admins.me"), r.fake.CallCount("")})
			r.assertDead(t)
		})
	}
}

// What looks like a dead token and is none: the workspace lives.
func TestWhatDoesNotRevokeAWorkspace(t *testing.T) {
	t.Parallel()
	dead := intercomtest.Fault{Operation: "contacts.get", Status: 401, Code: "token_revoked", Message: "The access token has been revoked"}
	unknown := intercomtest.Fault{Operation: "contacts.get", Status: 401, Code: "unauthorized", Message: "Access Token Invalid"}
	page := func(operation string) intercomtest.Fault {
		return intercomtest.Fault{Operation: operation, Times: -1, Status: 401, HTML: true}
	}
	body := func(operation, text string) intercomtest.Fault {
		return intercomtest.Fault{Operation: operation, Times: -1, Status: 401, Body: []byte(text)}
	}
	for name, tt := range map[string]struct {
		faults []intercomtest.Fault
		looks  int
	}{
		"one stray 401 with a dead code":        {[]intercomtest.Fault{dead}, 1},
		"one stray 401":                         {[]intercomtest.Fault{unknown}, 1},
		"a proxy's page":                        {[]intercomtest.Fault{page("contacts.get")}, 0},
		"a proxy's page for everything":         {[]intercomtest.Fault{page("")}, 0},
		"a dead code, then a proxy's page":      {[]intercomtest.Fault{dead, page("admins.me")}, 1},
		"a dead code, then a proxy's JSON":      {[]intercomtest.Fault{dead, body("admins.me", `{"error":"unauthorized"}`)}, 1},
		"a dead code, then nothing":             {[]intercomtest.Fault{dead, body("admins.me", " ")}, 1},
		"a dead code, then a list of no errors": {[]intercomtest.Fault{dead, body("admins.me", `{"type":"error.list","errors":[]}`)}, 1},
		"a proxy's JSON":                        {[]intercomtest.Fault{body("contacts.get", `{"error":"unauthorized"}`)}, 0},
		"a missing scope":                       {[]intercomtest.Fault{{Operation: "contacts.get", Times: -1, Status: 401, Code: "token_unauthorized"}}, 0},
		"a lost header":                         {[]intercomtest.Fault{{Times: -1, Status: 401, Code: "missing_authorization"}}, 0},
		"a dead code, then a lost header":       {[]intercomtest.Fault{dead, {Operation: "admins.me", Status: 401, Code: "missing_authorization"}}, 1},
		"a dead code, then a missing scope":     {[]intercomtest.Fault{dead, {Operation: "admins.me", Status: 401, Code: "token_unauthorized"}}, 1},
		"a dead code, then a forbidden one":     {[]intercomtest.Fault{dead, {Operation: "admins.me", Status: 403, Code: "forbidden"}}, 1},
		"a dead code, then an outage":           {[]intercomtest.Fault{dead, {Operation: "admins.me", Times: -1, Status: 503}}, 3},
		"a dead code, then no connection":       {[]intercomtest.Fault{dead, {Operation: "admins.me", Times: -1, Drop: true}}, 3},
		"a dead code with another status":       {[]intercomtest.Fault{{Operation: "contacts.get", Times: -1, Status: 403, Code: "token_revoked"}}, 0},
		"a dead code, then the same with a 403": {[]intercomtest.Fault{dead, {Operation: "admins.me", Status: 403, Code: "token_revoked"}}, 1},
		"a code that nobody knows":              {[]intercomtest.Fault{{Operation: "contacts.get", Times: -1, Status: 401, Code: "token_sleepy"}}, 0},
		"the plan":                              {[]intercomtest.Fault{{Times: -1, Status: 403, Code: "api_plan_restricted"}}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // an outage is tried again after a while
				r := newRevocable(t)
				r.fake.ResetCalls()
				for _, f := range tt.faults {
					r.fake.Inject(f)
				}
				_, err := r.client.Contacts.Get(t.Context(), "6762f0f31bb69f9f2193bb8b")
				require.Error(t, err)
				assert.Equal(t, tt.looks, r.fake.CallCount("admins.me"), "looks at GET /me")
				r.fake.ClearFaults()
				r.assertAlive(t)
			})
		})
	}
}

// Many calls that fail at once take one look, and the workspace is revoked once.
func TestManyCallsTakeOneLook(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.fake.RevokeToken(r.token, "token_revoked")
		r.fake.ResetCalls()
		r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Delay: 2 * time.Second})
		r.fake.Inject(intercomtest.Fault{Operation: "teams.list", Times: -1, Delay: time.Second})
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				_, err := r.client.Teams.List(t.Context())
				assert.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, r.fake.CallCount("admins.me"))
		r.assertDead(t)
	})
	soak.Report(t, "B6", "100 calls with a dead token at once: 1 look at GET /me, 1 call of OnRevoked, 0 further requests")
}

// What waits for its turn when the token is found dead is not sent.
func TestCallsThatWaitAreNotSentAfterARevocation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.fake.SetRateLimit(5)
		time.Sleep(61 * time.Second) // the record is due, and a window has begun
		for range 5 {
			_, err := r.client.Teams.List(t.Context())
			require.NoError(t, err)
		}
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				_, err := r.client.Teams.List(t.Context())
				assert.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			})
		}
		synctest.Wait()
		r.fake.RevokeToken(r.token, "token_revoked")
		sent := r.requests(r.token)
		other := newWorkspaces(t, r.config) // another process finds out
		_, err := workspaceClient(t, other, "acme0001").Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		_, err = r.all.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		assert.Equal(t, sent+2, r.requests(r.token), "the other's two")
		began := time.Now()
		_, err = r.client.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		assert.Zero(t, time.Since(began), "what cannot be sent does not queue")
		wg.Wait()
		assert.Equal(t, sent+2, r.requests(r.token))
		r.assertDead(t)
	})
}

// A caller whose time is up does not wait for the look, which goes on.
func TestACallerLeavesTheLookAtItsDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.fake.RevokeToken(r.token, "token_revoked")
		r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Delay: 10 * time.Second})
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := r.client.Teams.List(ctx)
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked, "it is what Intercom said")
		assert.Equal(t, 50*time.Millisecond, time.Since(began))
		assert.Zero(t, r.buried.count())
		time.Sleep(10 * time.Second)
		synctest.Wait()
		r.assertDead(t)
	})
}

func TestCheckFindsOutAboutAnUninstall(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	require.NoError(t, r.all.Check(t.Context(), "acme0001"))
	r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Status: 400, Code: "client_error"})
	require.ErrorIs(t, r.all.Check(t.Context(), "acme0001"), intercomrbac.ErrInvalidRequest)
	r.fake.AddToken(r.token, intercomrbac.ScopeReadConversations) // without Read one admin
	require.NoError(t, r.all.Check(t.Context(), "acme0001"))
	assert.Zero(t, r.buried.count())
	r.fake.RevokeToken(r.token, "token_revoked")
	require.ErrorIs(t, r.all.Check(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked)
	r.assertDead(t)
	require.ErrorIs(t, r.all.Check(t.Context(), "nobody01"), intercomrbac.ErrWorkspaceNotFound)
}

// A role look-up that fails for the token revokes as any other call does.
func TestARoleLookUpFindsADeadToken(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.config.Roles = intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner"}}}
	r.all = newWorkspaces(t, r.config)
	roles, err := r.all.Roles(t.Context(), "acme0001")
	require.NoError(t, err)
	r.client = workspaceClient(t, r.all, "acme0001")
	r.fake.RevokeToken(r.token, "token_revoked")
	_, err = roles.Principal(t.Context(), "991267459")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	r.assertDead(t)
	_, err = r.all.Roles(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
}

func TestAReinstallRevives(t *testing.T) {
	t.Parallel()
	for name, token := range map[string]string{"with another token": "token-2-of-acme", "with the same token": "token-1-of-acme0001"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRevocable(t)
			r.fake.RevokeToken(r.token, "token_revoked")
			_, err := r.client.Teams.List(t.Context())
			require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			r.assertDead(t)

			again := r.reinstall(r.workspace, token)
			install(t, r.all, again)
			revived := workspaceClient(t, r.all, "acme0001")
			_, err = revived.Teams.List(t.Context())
			require.NoError(t, err)
			record := r.record(t)
			assert.False(t, record.Revoked)
			assert.True(t, record.InstalledAt.Equal(again.InstalledAt.Truncate(time.Second)))
			_, err = r.client.Teams.List(t.Context())
			require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked, "what was kept from before stays dead")

			r.fake.RevokeToken(token, "token_revoked") // and it can die again
			_, err = revived.Teams.List(t.Context())
			require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
			assert.Equal(t, 2, r.buried.count())
		})
	}
}

// A token that was replaced meanwhile takes nothing with it when it dies.
func TestAnOldTokenDoesNotRevokeTheNewInstall(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	other := newWorkspaces(t, r.config) // another process, which keeps the old client
	kept := workspaceClient(t, other, "acme0001")
	again := r.reinstall(r.workspace, "token-2-of-acme")
	install(t, r.all, again)
	r.fake.RevokeToken(r.token, "token_revoked")
	for _, client := range []*intercomrbac.Client{kept, r.client} {
		_, err := client.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	}
	assert.False(t, r.record(t).Revoked)
	assert.Zero(t, r.buried.count())
	for _, w := range []*intercomrbac.Workspaces{other, r.all} {
		_, err := workspaceClient(t, w, "acme0001").Teams.List(t.Context())
		require.NoError(t, err)
	}
}

// Nor does an answer about the token that comes after it was installed once more: it is of before.
func TestALateAnswerDoesNotRevokeTheNewInstall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		r.fake.RevokeToken(r.token, "token_revoked")
		r.fake.Inject(intercomtest.Fault{Operation: "admins.me", Done: true, Delay: 10 * time.Second})
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := r.client.Teams.List(t.Context())
			assert.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		})
		synctest.Wait()
		install(t, newWorkspaces(t, r.config), r.reinstall(r.workspace, r.token)) // elsewhere, with the same token
		wg.Wait()
		assert.False(t, r.record(t).Revoked)
		assert.Zero(t, r.buried.count())
		_, err := workspaceClient(t, r.all, "acme0001").Teams.List(t.Context())
		require.NoError(t, err)
	})
}

// Of several processes that find out, one tells.
func TestARevocationIsToldOnce(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	var clients []*intercomrbac.Client
	for range 8 {
		clients = append(clients, workspaceClient(t, newWorkspaces(t, r.config), "acme0001"))
	}
	r.fake.RevokeToken(r.token, "token_revoked")
	var wg sync.WaitGroup
	for _, c := range clients {
		wg.Go(func() {
			_, err := c.Teams.List(t.Context())
			assert.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		})
	}
	wg.Wait()
	assert.Equal(t, 1, r.buried.count())
	assert.True(t, r.record(t).Revoked)
}

// While the store is down a dead token is not used all the same, and the record follows.
func TestARevocationThatTheStoreDoesNotTake(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	store := &countingStore{WorkspaceStore: r.config.Store}
	r.config.Store = store
	r.all = newWorkspaces(t, r.config)
	r.client = workspaceClient(t, r.all, "acme0001")
	broken := errors.New("the database is down")
	store.do(func(_ context.Context, what string) error {
		if what == "save" {
			return broken
		}
		return nil
	})
	r.fake.RevokeToken(r.token, "token_revoked")
	_, err := r.client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	sent := r.requests(r.token)
	for range 3 {
		_, err = r.client.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		_, err = r.all.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	}
	assert.Equal(t, sent, r.requests(r.token))
	assert.Zero(t, r.buried.count())
	assert.False(t, r.record(t).Revoked)

	store.do(nil)
	_, err = r.all.Client(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	r.assertDead(t)
}

// An install while the store did not take the revocation revives as well.
func TestAReinstallBeforeTheStoreTookTheRevocation(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	store := &countingStore{WorkspaceStore: r.config.Store}
	r.config.Store = store
	r.all = newWorkspaces(t, r.config)
	client := workspaceClient(t, r.all, "acme0001")
	store.do(func(context.Context, string) error { return errors.New("down") })
	r.fake.RevokeToken(r.token, "token_revoked")
	_, err := client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	store.do(nil)
	r.fake.AddToken(r.token)
	install(t, r.all, r.workspace) // the very same
	_, err = workspaceClient(t, r.all, "acme0001").Teams.List(t.Context())
	require.NoError(t, err)
	assert.Zero(t, r.buried.count())
}

// A record that was deleted ends the use of the clients that were kept.
func TestADeletedRecordEndsTheUse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRevocable(t)
		require.NoError(t, r.config.Store.Delete(t.Context(), "acme0001"))
		time.Sleep(time.Minute)
		_, err := r.all.Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
		sent := r.requests(r.token)
		_, err = r.client.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		assert.Equal(t, sent, r.requests(r.token))
		assert.Zero(t, r.buried.count())
	})
}

// A hook that panics, and a transport that does, end no program.
func TestAPanicInARevocationEndsNoProgram(t *testing.T) {
	t.Parallel()
	r := newRevocable(t)
	r.config.OnRevoked = func(context.Context, intercomrbac.Workspace, error) { panic("boo") }
	w := newWorkspaces(t, r.config)
	client := workspaceClient(t, w, "acme0001")
	r.fake.RevokeToken(r.token, "token_revoked")
	_, err := client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	assert.True(t, r.record(t).Revoked)

	r = newRevocable(t)
	r.config.Client = []intercomrbac.Option{intercomrbac.WithHTTPClient(&http.Client{Transport: transport(func(q *http.Request) (*http.Response, error) {
		if q.URL.Path == "/me" {
			panic("broken transport")
		}
		return r.RoundTrip(q)
	})})}
	client = workspaceClient(t, newWorkspaces(t, r.config), "acme0001")
	r.fake.Inject(intercomtest.Fault{Status: 401, Code: "token_revoked"})
	_, err = client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked, "it is what Intercom said")
	_, err = client.Teams.List(t.Context())
	require.NoError(t, err)
}

// A guarded write that a dead token stopped is on record as not sent.
func TestTheRecordOfACallThatARevocationStopped(t *testing.T) {
	t.Parallel()
	var sink intercomtest.AuditMem
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: &sink})
	require.NoError(t, err)
	c := newCloud(t)
	fake, workspace := c.add("acme0001", intercomrbac.US)
	w := newWorkspaces(t, c.config(intercomrbac.WithGuard(guard)))
	install(t, w, workspace)
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "991267459", Role: "owner", Workspace: "acme0001"})
	client, err := w.For(ctx)
	require.NoError(t, err)
	fake.RevokeToken(fake.Token(), "token_revoked")
	for _, outcome := range []intercomrbac.AuditOutcome{intercomrbac.OutcomeFailed, intercomrbac.OutcomeNotSent} {
		require.ErrorIs(t, client.Contacts.Delete(ctx, "6762f0f31bb69f9f2193bb8b"), intercomrbac.ErrTokenRevoked)
		events := sink.Events()
		require.Len(t, events, 2, fmt.Sprint(events))
		assert.Equal(t, outcome, events[1].Outcome)
		sink.Reset()
	}
	assert.Equal(t, 1, fake.CallCount("contacts.delete"))
	assert.Equal(t, 1, fake.CallCount("admins.me"), "the look is not guarded, nor on record")
}
