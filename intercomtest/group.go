package intercomtest

import (
	"bytes"
	"html/template"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
)

// Group is several workspaces behind one Intercom: each request reaches the workspace that its access token, or its OAuth
// code, belongs to. All methods are safe for concurrent use.
type Group struct{ servers []*Server }

// NewGroup joins workspaces; one at least. An app that is installed in several of them is added to each, and tokens are told
// apart only if they differ: give each server one of its own with [WithToken]. The servers stay the caller's to close.
func NewGroup(servers ...*Server) *Group {
	if len(servers) == 0 {
		panic("intercomtest: NewGroup: there is no server")
	}
	return &Group{servers: append([]*Server(nil), servers...)}
}

// Transport is [Server.Transport] for all of the workspaces.
func (g *Group) Transport() http.RoundTripper { return groupTransport{g} }

// Handler is [Server.Handler] for all of the workspaces. Its consent page lets the browser choose one first.
func (g *Group) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, page, err := g.route(r)
		switch {
		case err != nil:
			panic(http.ErrAbortHandler)
		case page != nil:
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
			_, _ = w.Write(page) // a browser that has gone is its own affair
		default:
			s.serveHTTP(w, r)
		}
	})
}

type groupTransport struct{ g *Group }

// RoundTrip implements [http.RoundTripper].
func (t groupTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // its body is read
	s, page, err := t.g.route(r)
	if err != nil {
		return nil, err
	}
	if page != nil {
		w := httptest.NewRecorder()
		_, _ = w.Write(page) // to memory
		return w.Result(), nil
	}
	return s.Transport().RoundTrip(r)
}

// route finds the workspace that a request is for, or the page where the browser chooses one. What belongs to none goes to the
// first, which refuses it.
func (g *Group) route(r *http.Request) (*Server, []byte, error) {
	if r.URL.Path == "/oauth" {
		for _, s := range g.servers {
			if r.URL.Query().Get("workspace") == string(s.workspace.ID) {
				return s, nil, nil
			}
		}
		page, err := g.choice(r.URL)
		return nil, page, err
	}
	if r.URL.Path == tokenPath {
		body, err := readBody(r)
		if err != nil {
			return nil, nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		code := newRequest(r, "", body).tokenParams().Get("code")
		for _, s := range g.servers {
			if s.knowsCode(code) {
				return s, nil, nil
			}
		}
		return g.servers[0], nil, nil
	}
	_, tok, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for _, s := range g.servers {
		if s.knowsToken(tok) {
			return s, nil, nil
		}
	}
	return g.servers[0], nil, nil
}

func (s *Server) knowsCode(code string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.codes[code]
	return ok
}

func (s *Server) knowsToken(tok string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.tokens[tok]
	return ok
}

var choiceTemplate = template.Must(template.New("choice").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Fake Intercom</title></head>
<body>
<h1>Which workspace?</h1>
<ul>
{{- range .}}
<li><a href="{{.Link}}">{{.Name}} ({{.Region}})</a></li>
{{- end}}
</ul>
</body>
</html>
`))

// choice is the page with a link to the consent page of each workspace.
func (g *Group) choice(u *url.URL) ([]byte, error) {
	type choice struct{ Link, Name, Region string }
	var choices []choice
	for _, s := range g.servers {
		q := u.Query()
		q.Set("workspace", string(s.workspace.ID))
		choices = append(choices, choice{"/oauth?" + q.Encode(), s.workspace.Name, s.workspace.Region})
	}
	var b bytes.Buffer
	if err := choiceTemplate.Execute(&b, choices); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
