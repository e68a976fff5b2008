package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestNewKeyRingRefusesBadKeys(t *testing.T) {
	t.Parallel()
	good := testKey(1)
	for name, tt := range map[string]struct {
		primary string
		keys    map[string]intercomrbac.Secret
		says    []string
	}{
		"none":           {"k1", nil, []string{`no key with the id "k1"`}},
		"no primary":     {"k2", map[string]intercomrbac.Secret{"k1": good}, []string{`no key with the id "k2"`}},
		"empty":          {"k1", map[string]intercomrbac.Secret{"k1": {}}, []string{`the key "k1" is not 32 bytes in base64`}},
		"a pass phrase":  {"k1", map[string]intercomrbac.Secret{"k1": intercomrbac.NewSecret("s3cr3t-s3cr3t-s3cr3t-s3cr3t-1234")}, []string{"openssl rand -base64 32"}},
		"16 bytes":       {"k1", map[string]intercomrbac.Secret{"k1": intercomrbac.NewSecret("AQEBAQEBAQEBAQEBAQEBAQ==")}, []string{"is not 32 bytes"}},
		"zeros":          {"k1", map[string]intercomrbac.Secret{"k1": testKey(0)}, []string{"all zeros"}},
		"one key twice":  {"k1", map[string]intercomrbac.Secret{"k1": good, "k2": good}, []string{`"k1" and "k2" are the same`}},
		"an odd id":      {"k1", map[string]intercomrbac.Secret{"k1": good, "k 2": testKey(2)}, []string{`"k 2" is no key id`}},
		"all that there": {"k1", map[string]intercomrbac.Secret{"k1": {}, "k2": {}}, []string{`"k1" is not`, `"k2" is not`}},
	} {
		k, err := intercomrbac.NewKeyRing(tt.primary, tt.keys)
		assert.Nil(t, k, name)
		for _, says := range tt.says {
			require.ErrorContains(t, err, says, name)
		}
		assert.NotContains(t, err.Error(), "s3cr3t", name)
		assert.NotContains(t, err.Error(), good.Reveal(), name)
	}
}

func TestNewWorkspacesRefusesBadConfigs(t *testing.T) {
	t.Parallel()
	checker := stockChecker(t)
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	one, err := intercomrbac.NewClient(intercomrbac.WithToken("token"), intercomrbac.WithWorkspace("acme0001"))
	require.NoError(t, err)
	bound, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit(),
		Roles: directory(t, one, intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{Admins: map[intercomrbac.AdminID]intercomrbac.Role{"7": "owner"}}})})
	require.NoError(t, err)
	roles := func(role intercomrbac.Role) intercomrbac.RoleDirectoryConfig {
		return intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{"Owner": role}}}
	}
	with := func(options ...intercomrbac.Option) func(*intercomrbac.WorkspacesConfig) {
		return func(c *intercomrbac.WorkspacesConfig) { c.Client = options }
	}
	own := "are each workspace's own"
	for name, tt := range map[string]struct {
		change func(*intercomrbac.WorkspacesConfig)
		says   string // "" if it is good
	}{
		"nothing more":          {func(*intercomrbac.WorkspacesConfig) {}, ""},
		"no store":              {func(c *intercomrbac.WorkspacesConfig) { c.Store = nil }, "no Store"},
		"no keys":               {func(c *intercomrbac.WorkspacesConfig) { c.Keys = nil }, "no Keys"},
		"keys not made":         {func(c *intercomrbac.WorkspacesConfig) { c.Keys = new(intercomrbac.KeyRing) }, "no Keys"},
		"token":                 {with(intercomrbac.WithToken("s3cr3t-token")), own},
		"bad token":             {with(intercomrbac.WithToken("s3cr3t token")), "WithToken: the token holds"},
		"region":                {with(intercomrbac.WithRegion(intercomrbac.EU)), own},
		"workspace":             {with(intercomrbac.WithWorkspace("acme0001")), own},
		"limiter":               {with(intercomrbac.WithLimiter(new(intercomrbac.WindowLimiter))), own},
		"no limiter":            {with(intercomrbac.WithLimiter(nil)), own},
		"base URL":              {with(intercomrbac.WithBaseURL("http://127.0.0.1:1")), ""},
		"base URL in clear":     {with(intercomrbac.WithBaseURL("http://example.com")), "secrets would go over"},
		"two base URLs":         {with(intercomrbac.WithBaseURL("http://127.0.0.1:1"), intercomrbac.WithBaseURL("http://127.0.0.1:1")), "this was set before"},
		"nil option":            {with(nil), "option 1 is nil"},
		"guard":                 {with(intercomrbac.WithGuard(guard)), ""},
		"guard of a workspace":  {with(intercomrbac.WithGuard(bound)), "the guard's Roles are of one workspace"},
		"roles":                 {func(c *intercomrbac.WorkspacesConfig) { c.Roles = roles("owner") }, ""},
		"roles without a map":   {func(c *intercomrbac.WorkspacesConfig) { c.Roles.TTL = 1 }, "Map: it is empty"},
		"roles in a bad map":    {func(c *intercomrbac.WorkspacesConfig) { c.Roles = roles("") }, "the role for \"Owner\" is empty"},
		"roles without a guard": {func(c *intercomrbac.WorkspacesConfig) { c.Roles = roles("chief") }, ""},
		"roles that the policy does not name": {func(c *intercomrbac.WorkspacesConfig) {
			c.Roles, c.Client = roles("chief"), []intercomrbac.Option{intercomrbac.WithGuard(guard)}
		}, `names "chief", which the policy does not`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := intercomrbac.WorkspacesConfig{Store: intercomrbac.NewMemoryWorkspaceStore(), Keys: keyRing(t, 1)}
			tt.change(&config)
			w, err := intercomrbac.NewWorkspaces(config)
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.Nil(t, w)
			require.ErrorContains(t, err, "intercomrbac: NewWorkspaces: ")
			require.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "s3cr3t")
		})
	}
	_, err = intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{Client: []intercomrbac.Option{nil}, Roles: intercomrbac.RoleDirectoryConfig{TTL: -1}})
	for _, part := range []string{"Store", "Keys", "Client", "Roles"} {
		require.ErrorContains(t, err, part, "all at once")
	}
}

func TestWorkspacesThatWereNotMadeAnswerWithAnError(t *testing.T) {
	t.Parallel()
	for _, w := range []*intercomrbac.Workspaces{nil, new(intercomrbac.Workspaces)} {
		_, err := w.Client(t.Context(), "acme0001")
		require.ErrorContains(t, err, "not made by NewWorkspaces")
		_, err = w.For(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Workspace: "acme0001"}))
		require.ErrorContains(t, err, "not made by NewWorkspaces")
		_, err = w.Roles(t.Context(), "acme0001")
		require.ErrorContains(t, err, "not made by NewWorkspaces")
		_, err = w.Get(t.Context(), "acme0001")
		require.ErrorContains(t, err, "not made by NewWorkspaces")
		_, err = w.Rotate(t.Context())
		require.ErrorContains(t, err, "not made by NewWorkspaces")
		require.ErrorContains(t, w.Check(t.Context(), "acme0001"), "not made by NewWorkspaces")
		require.ErrorContains(t, w.Install(t.Context(), intercomrbac.Workspace{}), "not made by NewWorkspaces")
	}
	w := newWorkspaces(t, newCloud(t).config())
	var none context.Context
	_, err := w.Client(none, "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = w.For(none)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = w.Rotate(none)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	require.ErrorIs(t, w.Install(none, installOf("acme0001", intercomrbac.US, "token")), intercomrbac.ErrInvalidRequest)
	_, err = w.Roles(none, "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = w.Roles(t.Context(), "acme0001")
	require.ErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
	install(t, w, installOf("acme0001", intercomrbac.US, "token"))
	directory, err := w.Roles(t.Context(), "acme0001")
	require.NoError(t, err)
	require.Nil(t, directory, "there is no Map")
}

// Each workspace is asked at its own region's host, with its own token, and answers of itself.
func TestWorkspacesServeEachWithItsOwnClient(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	hosts := map[intercomrbac.Region]string{intercomrbac.US: "api.intercom.io", intercomrbac.EU: "api.eu.intercom.io", intercomrbac.AU: "api.au.intercom.io"}
	w := newWorkspaces(t, c.config())
	installed := map[intercomrbac.WorkspaceID]intercomrbac.Workspace{}
	for region := range hosts {
		_, workspace := c.add("acme-"+intercomrbac.WorkspaceID(region), region)
		installed[workspace.ID] = workspace
		install(t, w, workspace)
	}
	for id, workspace := range installed {
		client := workspaceClient(t, w, id)
		me, err := client.Admins.Me(t.Context())
		require.NoError(t, err)
		assert.Equal(t, id, me.App.ID)
		assert.Equal(t, []string{hosts[workspace.Region]}, c.sentTo(workspace.Token.Reveal()))
		assert.Same(t, client, workspaceClient(t, w, id), "there is one client for each workspace")

		got, err := w.Get(t.Context(), id)
		require.NoError(t, err)
		assert.Equal(t, workspace.Token.Reveal(), got.Token.Reveal())
		got.Token, workspace.Token = intercomrbac.Secret{}, intercomrbac.Secret{}
		assert.Equal(t, workspace, got)

		p := intercomrbac.Principal{AdminID: "991267459", Workspace: id}
		mine, err := w.For(intercomrbac.WithPrincipal(t.Context(), p))
		require.NoError(t, err)
		assert.Same(t, client, mine)
	}
	_, err := w.For(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrNoPrincipal)
	_, err = w.For(ctxAs(t.Context(), "991267459"))
	require.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace)
	_, err = w.Client(t.Context(), "nobody01")
	require.ErrorIs(t, err, intercomrbac.ErrWorkspaceNotFound)
	assert.Equal(t, "have the app installed in the workspace first: Workspaces.Install", intercomrbac.Advice(err))
}

// A base URL, as of a fake on the loopback interface, is that of every region.
func TestWorkspacesAtABaseURL(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, workspace := c.add("acme0001", intercomrbac.EU)
	w := newWorkspaces(t, c.config(intercomrbac.WithBaseURL("https://intercom.test")))
	install(t, w, workspace)
	_, err := workspaceClient(t, w, "acme0001").Teams.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"intercom.test"}, c.sentTo(workspace.Token.Reveal()))
}

func TestInstallRefusesWhatIsNoInstall(t *testing.T) {
	t.Parallel()
	good := installOf("acme0001", intercomrbac.US, "s3cr3t-token")
	for name, change := range map[string]func(*intercomrbac.Workspace){
		"no id":           func(w *intercomrbac.Workspace) { w.ID = "" },
		"id with a slash": func(w *intercomrbac.Workspace) { w.ID = "../acme0001" },
		"id with a NUL":   func(w *intercomrbac.Workspace) { w.ID = "acme\x00" },
		"long id":         func(w *intercomrbac.Workspace) { w.ID = intercomrbac.WorkspaceID(strings.Repeat("a", 65)) },
		"no region":       func(w *intercomrbac.Workspace) { w.Region = "" },
		"unknown region":  func(w *intercomrbac.Workspace) { w.Region = "evil.example.com" },
		"no token":        func(w *intercomrbac.Workspace) { w.Token = intercomrbac.Secret{} },
		"line break":      func(w *intercomrbac.Workspace) { w.Token = intercomrbac.NewSecret("s3cr3t\n") },
		"NUL":             func(w *intercomrbac.Workspace) { w.Token = intercomrbac.NewSecret("s3cr3t\x00x") },
	} {
		config := newCloud(t).config()
		workspace := good
		change(&workspace)
		err := newWorkspaces(t, config).Install(t.Context(), workspace)
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, name)
		assert.NotContains(t, err.Error(), "s3cr3t", name)
		assert.Empty(t, allRecords(t, config.Store), name)
	}
}

// A restart loses nothing, and what is on disk is not the token.
// A workspace stays with the account that it is tied to, also when it is revoked, until its record is deleted.
func TestInstallLeavesWorkspacesOfOtherAccountsAlone(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	config := c.config()
	w := newWorkspaces(t, config)
	srv, workspace := c.add("acme0001", intercomrbac.US)
	install(t, w, workspace) // tied to nobody yet
	workspace.Account = "ana"
	install(t, w, workspace, workspace)
	taken := workspace
	taken.Token = intercomrbac.NewSecret("token-of-eve")
	for _, account := range []string{"eve", "", "Ana"} {
		taken.Account = account
		require.ErrorIs(t, w.Install(t.Context(), taken), intercomrbac.ErrWorkspaceTaken, account)
	}
	got, err := w.Get(t.Context(), "acme0001")
	require.NoError(t, err)
	assert.Equal(t, []string{"ana", workspace.Token.Reveal()}, []string{got.Account, got.Token.Reveal()})

	srv.RevokeToken(workspace.Token.Reveal(), "token_revoked")
	require.ErrorIs(t, w.Check(t.Context(), "acme0001"), intercomrbac.ErrTokenRevoked)
	assert.Equal(t, "ana", allRecords(t, config.Store)["acme0001"].Account)
	taken.Account = "eve"
	require.ErrorIs(t, w.Install(t.Context(), taken), intercomrbac.ErrWorkspaceTaken)
	require.NoError(t, config.Store.Delete(t.Context(), "acme0001"))
	install(t, w, taken)
	got, err = w.Get(t.Context(), "acme0001")
	require.NoError(t, err)
	assert.Equal(t, "eve", got.Account)
}

func TestWorkspacesOutliveARestart(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, workspace := c.add("acme0001", intercomrbac.AU)
	dir := t.TempDir()
	config := c.config()
	config.Store = fileStore(t, dir)
	install(t, newWorkspaces(t, config), workspace)

	config.Store = fileStore(t, dir)
	me, err := workspaceClient(t, newWorkspaces(t, config), "acme0001").Admins.Me(t.Context())
	require.NoError(t, err)
	assert.Equal(t, workspace.ID, me.App.ID)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, files, 2, "the record and the lock")
	for _, f := range files {
		content, err := os.ReadFile(filepath.Join(dir, f.Name()))
		require.NoError(t, err)
		for _, form := range append(formsOf(workspace.Token.Reveal()), "olivia") { // who installed is sealed as well
			assert.NotContains(t, string(content), form)
		}
	}
}

func TestStoreFailuresReachTheCaller(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, workspace := c.add("acme0001", intercomrbac.US)
	config := c.config()
	store := &countingStore{WorkspaceStore: config.Store}
	config.Store = store
	w := newWorkspaces(t, config)
	broken := errors.New("the database is down")
	store.do(func(context.Context, string) error { return broken })
	require.ErrorIs(t, w.Install(t.Context(), workspace), broken)
	_, err := w.Client(t.Context(), "acme0001")
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, `intercomrbac: workspace "acme0001": the store failed: the database is down`)
	store.do(func(_ context.Context, what string) error {
		if what == "save" {
			return fmt.Errorf("no: %w", intercomrbac.ErrVersionConflict)
		}
		return nil
	})
	require.ErrorIs(t, w.Install(t.Context(), workspace), intercomrbac.ErrVersionConflict, "a store that always finds a conflict is no endless loop")
	store.do(func(context.Context, string) error { panic("boo") })
	_, err = w.Client(t.Context(), "acme0001")
	require.ErrorContains(t, err, "panicked")
	store.do(nil)
	install(t, w, workspace) // a failure is not remembered
	workspaceClient(t, w, "acme0001")
}

// A store that mixes up its rows serves nobody another workspace's token.
func TestARecordOfAnotherWorkspaceIsRefused(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	_, a := c.add("acme0001", intercomrbac.US)
	_, b := c.add("acme0002", intercomrbac.US)
	config := c.config()
	good := config.Store
	install(t, newWorkspaces(t, config), a, b)
	for name, mixUp := range map[string]func(*intercomrbac.WorkspaceRecord){
		"its id as well": func(*intercomrbac.WorkspaceRecord) {},
		"sealed alone":   func(r *intercomrbac.WorkspaceRecord) { r.ID = "acme0001" },
	} {
		config.Store = storeFuncs{WorkspaceStore: good, get: func(ctx context.Context, _ intercomrbac.WorkspaceID) (intercomrbac.WorkspaceRecord, error) {
			r, err := good.Get(ctx, "acme0002")
			mixUp(&r)
			return r, err
		}}
		_, err := newWorkspaces(t, config).Client(t.Context(), "acme0001")
		require.ErrorIs(t, err, intercomrbac.ErrSealed, name)
		assert.Contains(t, intercomrbac.Advice(err), "KeyRing")
		require.ErrorIs(t, newWorkspaces(t, config).Check(t.Context(), "acme0001"), intercomrbac.ErrSealed, name)
	}
	assert.Zero(t, c.requests(b.Token.Reveal()))
}

// With Roles, the guard of each workspace goes by the roles that its own admins hold there.
func TestWorkspacesGuardGoesByTheRolesOfTheWorkspace(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	var sink intercomtest.AuditMem
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: &sink})
	require.NoError(t, err)
	config := c.config(intercomrbac.WithGuard(guard))
	config.Roles = intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleIDs: map[intercomrbac.ID]intercomrbac.Role{"5401": "owner", "5403": "agent"}}}
	w := newWorkspaces(t, config)
	_, a := c.add("acme0001", intercomrbac.US)
	_, b := c.add("acme0002", intercomrbac.US)
	install(t, w, a, b)
	for _, id := range []intercomrbac.WorkspaceID{"acme0001", "acme0002"} {
		roles, err := w.Roles(t.Context(), id)
		require.NoError(t, err)
		p, err := roles.Principal(t.Context(), "991267461")
		require.NoError(t, err)
		assert.Equal(t, "agent", string(p.Role))
		assert.Equal(t, id, p.Workspace)

		// The principal says owner; Intercom says agent, who may read and reply.
		p.Role = "owner"
		ctx := intercomrbac.WithPrincipal(t.Context(), p)
		client, err := w.For(ctx)
		require.NoError(t, err)
		_, err = client.Conversations.List(ctx, intercomrbac.ListParams{})
		require.NoError(t, err)
		require.ErrorIs(t, client.Contacts.Delete(ctx, "6762f0f31bb69f9f2193bb8b"), intercomrbac.ErrDenied)
		last := sink.Events()[len(sink.Events())-1]
		assert.Equal(t, []any{id, "agent", intercomrbac.PhaseDenial}, []any{last.Workspace, string(last.Role), last.Phase})
		_, err = client.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrNoPrincipal)
	}
}

// Without Roles one guard serves them all, and takes the role from the principal.
func TestWorkspacesShareAGuardWithoutRoles(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	w := newWorkspaces(t, c.config(intercomrbac.WithGuard(guard)))
	_, a := c.add("acme0001", intercomrbac.US)
	install(t, w, a)
	ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "991267461", Role: "agent", Workspace: "acme0001"})
	client, err := w.For(ctx)
	require.NoError(t, err)
	_, err = client.Conversations.List(ctx, intercomrbac.ListParams{})
	require.NoError(t, err)
	require.ErrorIs(t, client.Contacts.Delete(ctx, "6762f0f31bb69f9f2193bb8b"), intercomrbac.ErrDenied)
	_, err = client.With(intercomrbac.WithGuard(guard))
	require.ErrorContains(t, err, "has a guard already")
	_, err = client.With(intercomrbac.WithToken("another"))
	require.ErrorContains(t, err, "a copy keeps token")
}

// The hooks are the program's, the connections too; what an answer is told of is not.
func TestWorkspacesUseTheOptions(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	var heard []string
	w := newWorkspaces(t, c.config(intercomrbac.WithAPIVersion("2.15"), intercomrbac.WithOnResponse(func(_ context.Context, i intercomrbac.ResponseInfo) {
		heard = append(heard, i.Operation)
	})))
	fake, a := c.add("acme0001", intercomrbac.US)
	_, b := c.add("acme0002", intercomrbac.US)
	install(t, w, a, b)
	_, err := workspaceClient(t, w, "acme0001").Teams.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []string{"teams.list"}, heard)
	assert.Equal(t, "2.15", fake.Calls()[0].Header.Get("Intercom-Version"))
	assert.Len(t, workspaceClient(t, w, "acme0001").UsedScopes(), 1)
	assert.Empty(t, workspaceClient(t, w, "acme0002").UsedScopes())
	assert.Equal(t, http.StatusOK, fake.Calls()[0].Status)
}
