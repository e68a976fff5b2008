package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

var home = template.Must(template.New("home").Parse(`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>A public app</title></head>
<body>
<h1>Installed in</h1>
<ul>
{{- range .}}
<li>{{.ID}}: {{with .Problem}}{{.}}{{else}}{{range .Admins}}{{.}}, {{end}}{{end}}
<form method="post" action="/uninstall"><button name="workspace" value="{{.ID}}">Uninstall</button></form></li>
{{- else}}
<li>no workspace yet</li>
{{- end}}
</ul>
<p><a href="/auth/intercom/install">Install in a workspace</a></p>
</body></html>
`))

// serve is the app for a browser, until ctx ends.
func serve(ctx context.Context, out io.Writer, intercom intercom, store intercomrbac.WorkspaceStore) error {
	listen := func(handler func(url string) (http.Handler, error)) (*http.Server, error) {
		ln, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		// A browser takes the cookies of an install from localhost without TLS, as it does from https elsewhere.
		url := fmt.Sprintf("http://localhost:%d", ln.Addr().(*net.TCPAddr).Port)
		h, err := handler(url)
		if err != nil {
			return nil, errors.Join(err, ln.Close())
		}
		server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
		go func() { _ = server.Serve(ln) }() // ends with Close
		return server, nil
	}
	var fakeURL string
	fake, err := listen(func(url string) (http.Handler, error) {
		fakeURL = url
		return intercom.group.Handler(), nil
	})
	if err != nil {
		return err
	}
	defer fake.Close()
	app, err := listen(func(url string) (http.Handler, error) {
		s, err := newService(intercom.addApp(url+"/auth/intercom/callback"), store, fakeURL, nil, func(w intercomrbac.Workspace) {
			fmt.Fprintf(out, "workspace %s is gone\n", w.ID)
		})
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(out, "open %s/ (Ctrl-C ends it)\n", url)
		return s.web(), nil
	})
	if err != nil {
		return err
	}
	defer app.Close()
	<-ctx.Done()
	return nil
}

// web is the service with its pages, for a browser whose user is always the same.
func (s *service) web() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/auth/intercom/", s.pages)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		who, _ := account(r)
		records, err := s.installed(r.Context())
		if err != nil {
			http.Error(w, "the workspaces cannot be listed", http.StatusInternalServerError)
			return
		}
		type row struct {
			ID      intercomrbac.WorkspaceID
			Admins  []string
			Problem string
		}
		var rows []row
		for _, record := range records {
			if record.Account != who { // each account sees its own
				continue
			}
			names, err := s.admins(r.Context(), record.ID)
			row := row{ID: record.ID, Admins: names}
			if err != nil {
				row.Problem = intercomrbac.Advice(err)
			}
			rows = append(rows, row)
		}
		http.SetCookie(w, &http.Cookie{Name: "account", Value: "you", Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
		_ = home.Execute(w, rows) // a browser that has gone is its own affair
	})
	mux.HandleFunc("POST /uninstall", func(w http.ResponseWriter, r *http.Request) {
		id := intercomrbac.WorkspaceID(r.PostFormValue("workspace"))
		workspace, err := s.workspaces.Get(r.Context(), id)
		if who, _ := account(r); who == "" || err == nil && workspace.Account != who {
			http.Error(w, "the workspace is not yours", http.StatusForbidden)
			return
		}
		if err == nil {
			err = s.oauth.Uninstall(r.Context(), workspace)
		}
		if err == nil {
			err = s.workspaces.Check(r.Context(), id)
		}
		if err != nil && !errors.Is(err, intercomrbac.ErrTokenRevoked) {
			http.Error(w, "it could not be uninstalled: "+intercomrbac.Advice(err), http.StatusBadGateway)
			return
		}
		http.Redirect(w, r, "/", http.StatusSeeOther)
	})
	return http.NewCrossOriginProtection().Handler(mux)
}
