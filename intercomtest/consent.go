package intercomtest

import (
	"bytes"
	"fmt"
	"html"
	"html/template"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// consentTemplate shows nothing that the browser sent: its form goes to the page's own address, parameters included.
var consentTemplate = template.Must(template.New("consent").Parse(`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Fake Intercom</title></head>
<body>
{{- if .Problem}}
<h1>This app cannot be authorized</h1>
<p>{{.Problem}}</p>
{{- else}}
<h1>Authorize access to {{.Workspace.Name}}</h1>
<p>{{.Admin}}, the app <code>{{.App.ClientID}}</code> asks for access to the workspace {{.Workspace.Name}}
({{.Workspace.ID}}, {{.Workspace.Region}}) with these permissions:</p>
<ul>
{{- range .App.Scopes}}
<li>{{.}}</li>
{{- else}}
<li>All permissions</li>
{{- end}}
</ul>
<p>Your answer goes to <code>{{.Redirect}}</code>.</p>
<form method="post">
<button name="press" value="allow">Authorize access</button>
<button name="press" value="deny">Cancel</button>
</form>
{{- end}}
</body>
</html>
`))

// consent is what the page is made of.
type consent struct {
	App       App
	Workspace Workspace
	Admin     string
	Redirect  string
	Problem   string // why there is nothing to consent to
}

// asked reads the parameters of an authorize URL. Others, such as response_type, are ignored.
func (s *Server) asked(r *request) consent {
	app, known := s.apps[r.query.Get("client_id")]
	redirect := r.query.Get("redirect_uri")
	switch {
	case !known:
		return consent{Problem: "There is no app with this client_id."}
	case !s.inRegion(r):
		return consent{Problem: "The workspace is in another region than this page."}
	case redirect == "":
		redirect = app.RedirectURLs[0]
	case !slices.Contains(app.RedirectURLs, redirect):
		return consent{Problem: "The redirect_uri is none of the redirect URLs of the app."}
	}
	return consent{App: app, Workspace: s.workspace, Admin: s.installer().Name, Redirect: redirect}
}

func (s *Server) showConsent(r *request) (any, error) { return s.consentPage(r, s.asked(r)), nil }

func (s *Server) takeConsent(r *request) (any, error) {
	c := s.asked(r)
	if c.Problem != "" {
		return s.consentPage(r, c), nil
	}
	back := url.Values{}
	switch r.form().Get("press") {
	case "allow":
		back.Set("code", s.newCode(c.App.ClientID))
	case "deny":
		back.Set("error", "access_denied")
	default:
		return s.consentPage(r, consent{Problem: "The form has no such button."}), nil
	}
	if state := r.query.Get("state"); state != "" {
		back.Set("state", state)
	}
	separator := "?"
	if strings.Contains(c.Redirect, "?") {
		separator = "&"
	}
	answer := s.browserReply(r, http.StatusFound, nil)
	answer.header.Set("Location", c.Redirect+separator+back.Encode())
	return answer, nil
}

func (s *Server) consentPage(r *request, c consent) reply {
	var b bytes.Buffer
	if err := consentTemplate.Execute(&b, c); err != nil {
		panic(fmt.Sprintf("intercomtest: %v", err)) // strings always print
	}
	status := http.StatusOK
	if c.Problem != "" {
		status = http.StatusBadRequest
	}
	return s.browserReply(r, status, b.Bytes())
}

func (s *Server) browserReply(r *request, status int, body []byte) reply {
	answer := s.reply(r, http.Header{}, status, body, s.requestID())
	answer.header.Set("Content-Type", "text/html; charset=utf-8")
	answer.header.Set("Cache-Control", "no-store")
	answer.header.Set("Referrer-Policy", "no-referrer")
	answer.header.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
	return answer
}

// Authorize does what a browser does whose user opens the authorize URL and agrees, and returns where it is sent: the
// redirect URL with a code, and the state if there was one. Nothing is sent there. The user is the teammate that GET
// /me shows: see [Server.SetMe]. The error says why the page offers nothing to agree to.
func (s *Server) Authorize(authorizeURL string) (redirect string, err error) {
	return s.press("allow", authorizeURL)
}

// Deny is Authorize for a user who does not agree: the redirect URL gets error=access_denied in place of a code.
// Intercom does not document what it sends then; this is what the OAuth standard, RFC 6749, says.
func (s *Server) Deny(authorizeURL string) (redirect string, err error) {
	return s.press("deny", authorizeURL)
}

func (s *Server) press(button, authorizeURL string) (string, error) {
	if _, err := s.browse(http.MethodGet, authorizeURL, "", http.StatusOK); err != nil {
		return "", err
	}
	sent, err := s.browse(http.MethodPost, authorizeURL, "press="+button, http.StatusFound)
	if err != nil {
		return "", err
	}
	return sent.Get("Location"), nil
}

// browse makes one request of a browser and returns the headers of the answer, if it has the status.
func (s *Server) browse(method, address, form string, status int) (http.Header, error) {
	r, err := http.NewRequest(method, address, strings.NewReader(form))
	if err != nil {
		return nil, fmt.Errorf("intercomtest: the authorize URL: %w", err)
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("intercomtest: the consent page: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return nil, fmt.Errorf("intercomtest: the consent page: %w", err)
	case resp.StatusCode != status:
		return nil, fmt.Errorf("intercomtest: %s of the consent page answered %d: %s", method, resp.StatusCode, problem(body))
	}
	return resp.Header, nil
}

// problem finds what the page says.
func problem(page []byte) string {
	_, rest, found := strings.Cut(string(page), "<p>")
	if !found {
		return "use an authorize URL, whose path is /oauth"
	}
	text, _, _ := strings.Cut(rest, "</p>")
	return html.UnescapeString(text)
}
