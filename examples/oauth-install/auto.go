package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// browser keeps the cookies of one person.
type browser struct {
	service *service
	cookies map[string]string
}

// open requests a page of the service, and returns its status and where it redirects.
func (b *browser) open(target string) (status int, location string) {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	b.service.pages.ServeHTTP(w, r)
	resp := w.Result()
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
	}
	return resp.StatusCode, resp.Header.Get("Location")
}

// install presses "install", and then the button of the consent page.
func (b *browser) install(workspace *intercomtest.Server) (status int, err error) {
	_, consent := b.open("/auth/intercom/install")
	back, err := workspace.Authorize(consent)
	if err != nil {
		return 0, err
	}
	status, _ = b.open(strings.TrimPrefix(back, "https://app.example.com"))
	return status, nil
}

// installBoth is the whole story, in memory.
func installBoth(ctx context.Context, out io.Writer, intercom intercom, store intercomrbac.WorkspaceStore) error {
	app := intercom.addApp("https://app.example.com/auth/intercom/callback")
	s, err := newService(app, store, "", intercom.group.Transport(), func(w intercomrbac.Workspace) {
		fmt.Fprintf(out, "  (the service is told: workspace %s is gone)\n", w.ID)
	})
	if err != nil {
		return err
	}
	ana := &browser{s, map[string]string{"account": "ana"}}
	gil := &browser{s, map[string]string{"account": "gil"}}

	fmt.Fprintln(out, "Ana installs the app in Acme, Gil in Globex:")
	for _, step := range []struct {
		who       *browser
		workspace *intercomtest.Server
	}{{ana, intercom.acme}, {gil, intercom.globex}} {
		if _, err := step.who.install(step.workspace); err != nil {
			return err
		}
	}
	show := func() error {
		records, err := s.installed(ctx)
		for _, r := range records {
			names, err := s.admins(ctx, r.ID)
			if err != nil {
				fmt.Fprintf(out, "  %s: %v\n    -> %s\n", r.ID, err, intercomrbac.Advice(err))
				continue
			}
			fmt.Fprintf(out, "  %s: %s\n", r.ID, strings.Join(names, ", "))
		}
		return err
	}
	if err := show(); err != nil {
		return err
	}

	fmt.Fprintln(out, "\nGil's account tries to take Acme over:")
	status, err := gil.install(intercom.acme)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  %d %s\n", status, http.StatusText(status))

	fmt.Fprintln(out, "\nSomebody of Globex asks for the client of Acme:")
	globex := intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: "1", Workspace: "globex0815"})
	_, err = s.workspaces.Client(globex, "acme4711")
	fmt.Fprintf(out, "  %v\n", err)

	fmt.Fprintln(out, "\nThe service uninstalls itself from Globex:")
	workspace, err := s.workspaces.Get(globex, "globex0815")
	if err != nil {
		return err
	}
	if err := s.oauth.Uninstall(ctx, workspace); err != nil {
		return err
	}
	if err := show(); err != nil {
		return err
	}
	fmt.Fprintln(out, "\nFrom then on nothing is sent for it:")
	intercom.globex.ResetCalls()
	_, err = s.admins(ctx, "globex0815")
	fmt.Fprintf(out, "  %v\n  requests: %d\n", err, intercom.globex.CallCount(""))

	fmt.Fprintln(out, "\nGil installs it again:")
	if _, err := gil.install(intercom.globex); err != nil {
		return err
	}
	return show()
}
