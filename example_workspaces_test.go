package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func ExampleNewWorkspaces() {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{ID: "acme0001", Name: "Acme"}))
	defer fake.Close()
	people := fake.Seed()
	dir, err := os.MkdirTemp("", "workspaces")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // of an example
	store, err := intercomrbac.NewFileWorkspaceStore(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
	// A service of yours reads its keys from where it keeps secrets: openssl rand -base64 32 makes one.
	keys, err := intercomrbac.NewKeyRing("2026-09", map[string]intercomrbac.Secret{
		"2026-09": intercomrbac.NewSecret("bm90IGEga2V5IGJ1dCAzMiBieXRlcyBvZiB0ZXh0ISE="),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	if err != nil {
		fmt.Println(err)
		return
	}
	workspaces, err := intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{
		Store: store,
		Keys:  keys,
		Client: []intercomrbac.Option{
			intercomrbac.WithGuard(guard),
			intercomrbac.WithHTTPClient(&http.Client{Transport: fake.Transport()}), // a service of yours leaves it out
		},
		Roles: intercomrbac.RoleDirectoryConfig{Map: intercomrbac.RoleMap{RoleNames: map[string]intercomrbac.Role{
			"Owner": "owner", "Support Agent": "agent",
		}}},
		OnRevoked: func(_ context.Context, w intercomrbac.Workspace, _ error) {
			fmt.Println(w.Name, "has uninstalled the app")
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// OAuth.Callback returns such a workspace.
	ctx := context.Background()
	err = workspaces.Install(ctx, intercomrbac.Workspace{ID: "acme0001", Name: "Acme", Region: intercomrbac.US, Token: intercomrbac.NewSecret(fake.Token())})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Who signed in is found in their own workspace's directory, and works with its client.
	roles, err := workspaces.Roles(ctx, "acme0001")
	if err != nil {
		fmt.Println(err)
		return
	}
	agent, err := roles.Principal(ctx, people.Agent)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx = intercomrbac.WithPrincipal(ctx, agent)
	client, err := workspaces.For(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	page, err := client.Conversations.List(ctx, intercomrbac.ListParams{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(agent.Role, "of", agent.Workspace, "sees", len(page.Items), "conversations")
	fmt.Println(errors.Is(client.Contacts.Delete(ctx, people.Contacts[0]), intercomrbac.ErrDenied))

	_, err = workspaces.Client(ctx, "other001")
	fmt.Println(errors.Is(err, intercomrbac.ErrWrongWorkspace))

	fake.RevokeToken(fake.Token(), "token_revoked")
	_, err = client.Conversations.List(ctx, intercomrbac.ListParams{})
	fmt.Println(errors.Is(err, intercomrbac.ErrTokenRevoked))
	// Output:
	// agent of acme0001 sees 12 conversations
	// true
	// true
	// Acme has uninstalled the app
	// true
}

func ExampleWorkspaces_Rotate() {
	ctx := context.Background()
	store := intercomrbac.NewMemoryWorkspaceStore()
	old := intercomrbac.NewSecret("bm90IGEga2V5IGJ1dCAzMiBieXRlcyBvZiB0ZXh0ISE=")
	next := intercomrbac.NewSecret("YW5vdGhlciBvbmUgb2YgMzIgYnl0ZXMgb2YgdGV4dCE=")
	workspaces := func(primary string, keys map[string]intercomrbac.Secret) *intercomrbac.Workspaces {
		ring, err := intercomrbac.NewKeyRing(primary, keys)
		if err != nil {
			fmt.Println(err)
			return nil
		}
		w, err := intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{Store: store, Keys: ring})
		if err != nil {
			fmt.Println(err)
			return nil
		}
		return w
	}
	before := workspaces("2025", map[string]intercomrbac.Secret{"2025": old})
	if err := before.Install(ctx, intercomrbac.Workspace{ID: "acme0001", Region: intercomrbac.EU, Token: intercomrbac.NewSecret("dG9rOmV4YW1wbGU=")}); err != nil {
		fmt.Println(err)
		return
	}

	// Every process knows both keys by now, and seals under the new one.
	now := workspaces("2026", map[string]intercomrbac.Secret{"2025": old, "2026": next})
	fmt.Println(now.Rotate(ctx))

	// The old key is not needed any more.
	after := workspaces("2026", map[string]intercomrbac.Secret{"2026": next})
	workspace, err := after.Get(ctx, "acme0001")
	fmt.Println(workspace.ID, workspace.Token, err)
	// Output:
	// {1 0 0} <nil>
	// acme0001 [secret] <nil>
}

func ExampleWorkspaceRecord() {
	ctx := context.Background()
	store := intercomrbac.NewMemoryWorkspaceStore()
	r := intercomrbac.WorkspaceRecord{ID: "acme0001", Region: intercomrbac.AU, Version: 1}
	fmt.Println(store.Save(ctx, r, 0))
	fmt.Println(errors.Is(store.Save(ctx, r, 0), intercomrbac.ErrVersionConflict))
	for r, err := range store.All(ctx) {
		fmt.Println(r.ID, r.Region, r.Revoked, err)
	}
	// Output:
	// <nil>
	// true
	// acme0001 AU false <nil>
}

func ExampleOAuth_Handler() {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{ID: "acme0001", Name: "Acme"}))
	defer fake.Close()
	fake.Seed()
	app := fake.AddApp(intercomtest.App{RedirectURLs: []string{"https://app.example.com/auth/intercom/callback"}})
	h := &http.Client{Transport: fake.Transport()}
	oauth, err := intercomrbac.NewOAuth(intercomrbac.OAuthConfig{
		ClientID: app.ClientID, ClientSecret: intercomrbac.NewSecret(app.ClientSecret), RedirectURL: app.RedirectURLs[0],
		States: intercomrbac.NewMemoryStateStore(), HTTPClient: h,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := intercomrbac.NewKeyRing("2026", map[string]intercomrbac.Secret{"2026": intercomrbac.NewSecret("bm90IGEga2V5IGJ1dCAzMiBieXRlcyBvZiB0ZXh0ISE=")})
	if err != nil {
		fmt.Println(err)
		return
	}
	workspaces, err := intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{
		Store: intercomrbac.NewMemoryWorkspaceStore(), Keys: keys, Client: []intercomrbac.Option{intercomrbac.WithHTTPClient(h)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	account := func(r *http.Request) (string, error) { return sessionID(r), nil } // who is signed in to the service

	pages, err := oauth.Handler(intercomrbac.OAuthHandlers{
		Account:   account,
		OnInstall: workspaces.Install, // seals the token, and stores it
		Targets:   []string{"/settings"},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/intercom/", http.StripPrefix("/auth/intercom", pages)) // /auth/intercom/install begins

	// A browser with a session, and a teammate who agrees.
	cookies := []*http.Cookie{{Name: "__Host-session", Value: "ana"}}
	browse := func(address string) string {
		r := httptest.NewRequest(http.MethodGet, address, nil)
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		cookies = append(cookies, w.Result().Cookies()...)
		return w.Header().Get("Location")
	}
	back, err := fake.Authorize(browse("/auth/intercom/install"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(browse(back))

	// Later, for whoever is of that workspace:
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{Service: "desk", Workspace: "acme0001"})
	client, err := workspaces.For(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	admins, err := client.Admins.List(ctx)
	fmt.Println(len(admins), err)
	// Output:
	// /settings
	// 4 <nil>
}

func ExampleWorkspaces_Health() {
	fake := intercomtest.Start(intercomtest.WithWorkspace(intercomtest.Workspace{ID: "acme0001", Name: "Acme", Region: "US"}))
	defer fake.Close()
	keys, err := intercomrbac.NewKeyRing("2026-11", map[string]intercomrbac.Secret{"2026-11": intercomrbac.NewSecret("c2l4dGVlbiBieXRlcyBhbmQgc2l4dGVlbiBtb3JlISE=")})
	if err != nil {
		fmt.Println(err)
		return
	}
	workspaces, err := intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{
		Store:  intercomrbac.NewMemoryWorkspaceStore(),
		Keys:   keys,
		Client: []intercomrbac.Option{intercomrbac.WithHTTPClient(&http.Client{Transport: fake.Transport()})}, // a service of yours leaves it out
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	receiver, err := intercomrbac.NewReceiver(intercomrbac.ReceiverConfig{
		Secrets: []intercomrbac.Secret{intercomrbac.NewSecret("the-client-secret")},
		Roles:   workspaces.Roles,
		Check:   workspaces.Check,
		Health:  workspaces.Health,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	check := func() { fmt.Println(fake.HealthCheck("the-client-secret").To(receiver).Body) }
	check()
	err = workspaces.Install(context.Background(), intercomrbac.Workspace{ID: "acme0001", Region: intercomrbac.US, Token: intercomrbac.NewSecret(fake.Token())})
	if err != nil {
		fmt.Println(err)
		return
	}
	check()
	// Output:
	// {"state":"UNHEALTHY","message":"The app does not know this workspace. Install it again.","cta_type":"REINSTALL_CTA"}
	// {"state":"OK"}
}
