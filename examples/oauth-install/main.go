// Oauth-install is a public app in small: it installs itself in two workspaces, keeps their tokens sealed in files, serves each with
// its own client, and finds out when one is gone. Intercom is played by a fake.
//
//	go run ./examples/oauth-install -auto    by itself, in memory
//	go run ./examples/oauth-install          in a browser, on the loopback interface
package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"slices"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func main() {
	auto := flag.Bool("auto", false, "play the browser as well, and print what happens")
	dir := flag.String("dir", "", "`directory` for the records of workspaces; empty is one that is removed at the end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout, *auto, *dir)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, auto bool, dir string) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "oauth-install-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	store, err := intercomrbac.NewFileWorkspaceStore(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	intercom := startIntercom()
	defer intercom.close()
	if auto {
		return installBoth(ctx, out, intercom, store)
	}
	return serve(ctx, out, intercom, store)
}

// intercom is the fake with its two workspaces.
type intercom struct {
	acme, globex *intercomtest.Server
	group        *intercomtest.Group
}

func startIntercom() intercom {
	workspace := func(id intercomrbac.WorkspaceID, name string, admins ...string) *intercomtest.Server {
		s := intercomtest.Start(intercomtest.WithToken("full access to "+name), intercomtest.WithWorkspace(intercomtest.Workspace{ID: id, Name: name}))
		for _, admin := range admins {
			s.AddAdmin(intercomtest.Admin{Name: admin})
		}
		return s
	}
	acme := workspace("acme4711", "Acme", "Ana Silva", "Ben Okoro")
	globex := workspace("globex0815", "Globex", "Gil Marsh")
	return intercom{acme, globex, intercomtest.NewGroup(acme, globex)}
}

func (i intercom) close() {
	i.acme.Close()
	i.globex.Close()
}

// addApp makes the app known in both workspaces.
func (i intercom) addApp(redirectURL string) intercomtest.App {
	app := i.acme.AddApp(intercomtest.App{RedirectURLs: []string{redirectURL}})
	return i.globex.AddApp(app)
}

// service is the app.
type service struct {
	oauth      *intercomrbac.OAuth
	workspaces *intercomrbac.Workspaces
	store      intercomrbac.WorkspaceStore
	pages      http.Handler // /install and /callback
}

// newService returns the app. baseURL is empty where transport leads to the fake.
func newService(app intercomtest.App, store intercomrbac.WorkspaceStore, baseURL string, transport http.RoundTripper, revoked func(intercomrbac.Workspace)) (*service, error) {
	var h *http.Client
	var options []intercomrbac.Option
	if transport != nil {
		h = &http.Client{Transport: transport}
		options = append(options, intercomrbac.WithHTTPClient(h))
	}
	if baseURL != "" {
		options = append(options, intercomrbac.WithBaseURL(baseURL))
	}
	key := make([]byte, 32) // in a program: from a secret store, so that a restart can open what was sealed
	_, _ = rand.Read(key)   // never fails
	keys, err := intercomrbac.NewKeyRing("2026", map[string]intercomrbac.Secret{"2026": intercomrbac.NewSecret(base64.StdEncoding.EncodeToString(key))})
	if err != nil {
		return nil, err
	}
	s := &service{store: store}
	s.workspaces, err = intercomrbac.NewWorkspaces(intercomrbac.WorkspacesConfig{
		Store: s.store, Keys: keys, Client: options,
		OnRevoked: func(_ context.Context, w intercomrbac.Workspace, _ error) { revoked(w) },
	})
	if err != nil {
		return nil, err
	}
	s.oauth, err = intercomrbac.NewOAuth(intercomrbac.OAuthConfig{
		ClientID: app.ClientID, ClientSecret: intercomrbac.NewSecret(app.ClientSecret), RedirectURL: app.RedirectURLs[0],
		States: intercomrbac.NewMemoryStateStore(), BaseURL: baseURL, HTTPClient: h,
	})
	if err != nil {
		return nil, err
	}
	pages, err := s.oauth.Handler(intercomrbac.OAuthHandlers{
		Account:   account,
		OnInstall: s.workspaces.Install,
		OnConflict: func(w http.ResponseWriter, _ *http.Request, workspace intercomrbac.Workspace) {
			http.Error(w, workspace.Name+" belongs to another account of this app.", http.StatusConflict)
		},
		Targets: []string{"/"},
	})
	if err != nil {
		return nil, err
	}
	s.pages = http.StripPrefix("/auth/intercom", pages)
	return s, nil
}

// account stands for the sign-in of the service: whoever has the cookie.
func account(r *http.Request) (string, error) {
	c, err := r.Cookie("account")
	if errors.Is(err, http.ErrNoCookie) {
		return "", nil
	}
	return c.Value, err
}

// installed lists the workspaces, by id.
func (s *service) installed(ctx context.Context) (records []intercomrbac.WorkspaceRecord, err error) {
	for r, err := range s.store.All(ctx) {
		if err != nil {
			return nil, err
		}
		if !r.Revoked {
			records = append(records, r)
		}
	}
	slices.SortFunc(records, func(a, b intercomrbac.WorkspaceRecord) int {
		if a.ID < b.ID {
			return -1
		}
		return 1
	})
	return records, nil
}

// admins are the names of a workspace's teammates.
func (s *service) admins(ctx context.Context, id intercomrbac.WorkspaceID) (names []string, err error) {
	// Whoever asks is of that workspace, and of no other.
	ctx = intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{Service: "settings page", Workspace: id})
	client, err := s.workspaces.For(ctx)
	if err != nil {
		return nil, err
	}
	list, err := client.Admins.List(ctx)
	for _, a := range list {
		names = append(names, a.Name)
	}
	return names, err
}
