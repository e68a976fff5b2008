package intercomrbac_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// twoWorkspaces are A and B, in which the same ids mean other people.
type twoWorkspaces struct {
	*cloud
	all          *intercomrbac.Workspaces
	store        *countingStore
	audit        *intercomtest.AuditMem
	fakeA, fakeB *intercomtest.Server
	a, b         intercomrbac.Workspace
}

// sharedAdmin is the id of an admin who is an owner in A and an agent in B.
const sharedAdmin intercomrbac.AdminID = "991267459"

func newTwoWorkspaces(t *testing.T) *twoWorkspaces {
	t.Helper()
	two := &twoWorkspaces{cloud: newCloud(t), audit: new(intercomtest.AuditMem)}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: two.audit})
	require.NoError(t, err)
	config := two.config(intercomrbac.WithGuard(guard))
	two.store = &countingStore{WorkspaceStore: config.Store}
	config.Store = two.store
	config.Roles = intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{"Owner": "owner", "Support Agent": "agent"}}}
	two.all = newWorkspaces(t, config)
	two.fakeA, two.a = two.add("aaaa0001", intercomrbac.US)
	two.fakeB, two.b = two.add("bbbb0001", intercomrbac.EU)
	two.fakeB.AddAdmin(intercomtest.Admin{ID: sharedAdmin, Name: "Bo", Email: "bo@b.example", RoleID: "5403", RoleName: "Support Agent"})
	install(t, two.all, two.a, two.b)
	two.store.gets, two.store.saves = 0, 0
	return two
}

func actsIn(ctx context.Context, w intercomrbac.WorkspaceID, role intercomrbac.Role) context.Context {
	return intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: sharedAdmin, Role: role, Workspace: w})
}

// A principal of A gets nothing of B: neither the store nor a key is asked, and nothing is sent.
func TestIsolationOfPrincipals(t *testing.T) {
	t.Parallel()
	two := newTwoWorkspaces(t)
	for name, ctx := range map[string]context.Context{
		"of the other": actsIn(t.Context(), "aaaa0001", "owner"),
		"of none":      actsIn(t.Context(), "", "owner"),
		"a service":    intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{Service: "export", Role: "owner", Workspace: "aaaa0001"}),
	} {
		_, err := two.all.Client(ctx, "bbbb0001")
		require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace, name)
		_, err = two.all.Roles(ctx, "bbbb0001")
		require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace, name)
		_, err = two.all.Get(ctx, "bbbb0001")
		require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace, name)
		require.ErrorIs(t, two.all.Check(ctx, "bbbb0001"), intercomrbac.ErrWrongWorkspace, name)
		_, err = two.all.Client(ctx, "nobody01")
		require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace, "nor is it told what is installed")
	}
	gets, saves := two.store.counts()
	assert.Equal(t, []int{0, 0}, []int{gets, saves}, "the store was asked")

	// One who has the client of B from elsewhere does not get further.
	b := workspaceClient(t, two.all, "bbbb0001")
	_, err := b.Conversations.List(actsIn(t.Context(), "aaaa0001", "owner"), intercomrbac.ListParams{})
	require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace)
	require.ErrorIs(t, err, intercomrbac.ErrDenied)
	assert.Zero(t, two.requests(two.b.Token.Reveal()))
}

// The role that an admin has in A decides nothing in B, whatever the cache of either knows.
func TestIsolationOfRoleEntries(t *testing.T) {
	t.Parallel()
	two := newTwoWorkspaces(t)
	for range 2 { // from Intercom, then from the cache
		for id, want := range map[intercomrbac.WorkspaceID]string{"aaaa0001": "owner olivia@example.com", "bbbb0001": "agent bo@b.example"} {
			roles, err := two.all.Roles(t.Context(), id)
			require.NoError(t, err)
			p, err := roles.Principal(t.Context(), sharedAdmin)
			require.NoError(t, err)
			assert.Equal(t, want, string(p.Role)+" "+p.Email)
			assert.Equal(t, id, p.Workspace)
		}
	}
	ctxA, ctxB := actsIn(t.Context(), "aaaa0001", "owner"), actsIn(t.Context(), "bbbb0001", "owner")
	a, err := two.all.For(ctxA)
	require.NoError(t, err)
	b, err := two.all.For(ctxB)
	require.NoError(t, err)
	require.NoError(t, a.Contacts.Delete(ctxA, "6762f0f31bb69f9f2193bb8b"))
	require.ErrorIs(t, b.Contacts.Delete(ctxB, "6762f0f31bb69f9f2193bb8b"), intercomrbac.ErrDenied)
	assert.Zero(t, two.fakeB.CallCount("contacts.delete"))

	rolesA, err := two.all.Roles(t.Context(), "aaaa0001")
	require.NoError(t, err)
	asked := two.fakeB.CallCount("admins.get")
	rolesA.ForgetAll()
	rolesB, err := two.all.Roles(t.Context(), "bbbb0001")
	require.NoError(t, err)
	_, err = rolesB.Principal(t.Context(), sharedAdmin)
	require.NoError(t, err)
	assert.Equal(t, asked, two.fakeB.CallCount("admins.get"), "what A forgets B knows")
}

// What is done in A is on record as done in A, by whom A knows.
func TestIsolationOfAuditEvents(t *testing.T) {
	t.Parallel()
	two := newTwoWorkspaces(t)
	for _, id := range []intercomrbac.WorkspaceID{"aaaa0001", "bbbb0001"} {
		ctx := actsIn(t.Context(), id, "owner")
		c, err := two.all.For(ctx)
		require.NoError(t, err)
		_, _ = c.Conversations.Reply(ctx, "215470001", intercomrbac.ReplyParams{Body: "Hello"})
		_ = c.Contacts.Delete(ctx, "6762f0f31bb69f9f2193bb8b")
		events := two.audit.Events()
		require.NotEmpty(t, events)
		role := map[intercomrbac.WorkspaceID]intercomrbac.Role{"aaaa0001": "owner", "bbbb0001": "agent"}[id]
		for _, e := range events {
			assert.Equal(t, []any{id, role}, []any{e.Workspace, e.Role}, e)
		}
		two.audit.Reset()
	}
}

// A workspace that has used up its window does not slow down another.
func TestIsolationOfLimiters(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		two := newTwoWorkspaces(t)
		two.fakeA.SetRateLimit(3)
		a, b := workspaceClient(t, two.all, "aaaa0001"), workspaceClient(t, two.all, "bbbb0001")
		ctxA, ctxB := actsIn(t.Context(), "aaaa0001", "owner"), actsIn(t.Context(), "bbbb0001", "owner")
		began := time.Now()
		for range 2 { // with one for the role that is the window
			_, err := a.Teams.List(ctxA)
			require.NoError(t, err)
		}
		ctx, cancel := context.WithTimeout(ctxA, time.Second)
		defer cancel()
		_, err := a.Teams.List(ctx)
		require.ErrorIs(t, err, intercomrbac.ErrRateLimited)
		for range 50 {
			_, err := b.Conversations.List(ctxB, intercomrbac.ListParams{})
			require.NoError(t, err)
		}
		assert.Zero(t, time.Since(began))
		assert.Equal(t, 51, two.requests(two.b.Token.Reveal()), "with one for the role")
	})
}

// Neither client nor token of A is ever given out for B, also while both are loaded, forgotten and loaded again at once.
func TestIsolationOfTheCache(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	w := newWorkspaces(t, c.config())
	intercomrbac.LimitTenants(w, 3)
	const workspaces = 12
	for i := range workspaces {
		_, workspace := c.add(intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", i)), intercomrbac.US)
		install(t, w, workspace)
	}
	done := make(chan struct{})
	for worker := range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for i := range 150 {
				id := intercomrbac.WorkspaceID(fmt.Sprintf("acme%04d", (i*(worker+1))%workspaces))
				ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: sharedAdmin, Workspace: id})
				client, err := w.For(ctx)
				if !assert.NoError(t, err) {
					return
				}
				me, err := client.Admins.Me(ctx)
				if assert.NoError(t, err) {
					assert.Equal(t, id, me.App.ID)
				}
				got, err := w.Get(ctx, id)
				assert.NoError(t, err)
				assert.Equal(t, "token-1-of-"+string(id), got.Token.Reveal())
			}
		}()
	}
	for range 8 {
		<-done
	}
	assert.LessOrEqual(t, intercomrbac.KnownTenants(w), 3)
}

// B4: no way of printing or encoding shows a token or a key, in whatever holds one.
func TestNoWorkspaceTypeShowsASecret(t *testing.T) {
	t.Parallel()
	key := testKey(0x5a)
	keys, err := intercomrbac.NewKeyRing("k1", map[string]intercomrbac.Secret{"k1": key, "k2": testKey(7)})
	require.NoError(t, err)
	dir := t.TempDir()
	files := fileStore(t, dir)
	config := intercomrbac.WorkspacesConfig{Store: files, Keys: keys, Client: []intercomrbac.Option{
		intercomrbac.WithHTTPClient(&http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return reply(401, `{"type":"error.list","errors":[{"code":"token_revoked","message":"`+canary+` was revoked"}]}`), nil
		})})},
		Roles: intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{"Owner": "owner"}}}}
	var out bytes.Buffer
	config.OnRevoked = func(_ context.Context, w intercomrbac.Workspace, cause error) {
		fmt.Fprintf(&out, "%v %+v %#v %v %+v", w, w, w, cause, cause)
	}
	w := newWorkspaces(t, config)
	install(t, w, installOf("acme0001", intercomrbac.US, canary))
	client := workspaceClient(t, w, "acme0001")
	roles, err := w.Roles(t.Context(), "acme0001")
	require.NoError(t, err)
	got, err := w.Get(t.Context(), "acme0001")
	require.NoError(t, err)
	record, err := files.Get(t.Context(), "acme0001")
	require.NoError(t, err)

	secrets := []string{key.Reveal(), strings.Trim(key.Reveal(), "="), strings.Repeat("Z", 32), strings.Repeat("5a", 32), strings.Repeat("5A", 32),
		strings.TrimSpace(strings.Repeat("90 ", 32)), strings.Repeat("0x5a, ", 8)}
	clean := func(what string) {
		t.Helper()
		assert.Empty(t, leaks(what))
		for _, s := range secrets {
			assert.NotContains(t, what, s)
		}
	}
	type hidden struct {
		keys *intercomrbac.KeyRing
		all  *intercomrbac.Workspaces
		one  intercomrbac.Workspace
	}
	paths := 0
	for _, v := range []any{keys, *keys, config, &config, w, client, *client, roles, got, &got, record, files, *files, hidden{keys, w, got}, &hidden{keys, w, got},
		[]any{keys, w, got}, map[string]any{"w": w, "k": keys}} {
		paths += everyPrint(v, clean)
	}
	assert.Greater(t, paths, 65)

	_, err = client.Teams.List(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	_, after := w.Client(t.Context(), "acme0001")
	require.ErrorIs(t, after, intercomrbac.ErrTokenRevoked)
	for _, err := range []error{err, after} {
		for e := range tree(err) {
			fmt.Fprintf(&out, " %v %+v %#v %s", e, e, e, intercomrbac.Advice(e))
		}
	}
	require.Contains(t, out.String(), "acme0001")
	clean(out.String())
	soak.Report(t, "B4", "%d ways of printing or encoding key rings, workspaces and what they hold, 0 show a token or a key", paths)
}
