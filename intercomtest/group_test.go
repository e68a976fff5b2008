package intercomtest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const groupRedirect = "https://app.example.com/callback"

// twoWorkspaces are Acme and Globex, with one app in both.
func twoWorkspaces(t *testing.T) (acme, globex *intercomtest.Server, group *intercomtest.Group, app intercomtest.App) {
	t.Helper()
	acme = intercomtest.NewServer(t, intercomtest.WithToken("token-of-acme"), intercomtest.WithWorkspace(intercomtest.Workspace{ID: "acme1", Name: "Acme"}))
	globex = intercomtest.NewServer(t, intercomtest.WithToken("token-of-globex"), intercomtest.WithWorkspace(intercomtest.Workspace{ID: "globex2", Name: "Globex"}))
	acme.AddAdmin(intercomtest.Admin{Name: "Ana"})
	globex.AddAdmin(intercomtest.Admin{Name: "Gil"})
	app = acme.AddApp(intercomtest.App{RedirectURLs: []string{groupRedirect}})
	globex.AddApp(app)
	return acme, globex, intercomtest.NewGroup(acme, globex), app
}

func oauthOf(t *testing.T, app intercomtest.App, config intercomrbac.OAuthConfig) *intercomrbac.OAuth {
	t.Helper()
	config.ClientID, config.ClientSecret, config.RedirectURL = app.ClientID, intercomrbac.NewSecret(app.ClientSecret), groupRedirect
	config.States = intercomrbac.NewMemoryStateStore()
	o, err := intercomrbac.NewOAuth(config)
	require.NoError(t, err)
	return o
}

// Each code and token leads to its own workspace; uninstalled in one, the app stays in the other.
func TestGroupKeepsWorkspacesApart(t *testing.T) {
	t.Parallel()
	acme, globex, group, app := twoWorkspaces(t)
	o := oauthOf(t, app, intercomrbac.OAuthConfig{HTTPClient: &http.Client{Transport: group.Transport()}})
	install := func(s *intercomtest.Server) intercomrbac.Workspace {
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		back, err := s.Authorize(o.AuthCodeURL(state))
		require.NoError(t, err)
		u, err := url.Parse(back)
		require.NoError(t, err)
		w, err := o.Callback(t.Context(), "ana", u.Query())
		require.NoError(t, err)
		return w
	}
	me := func(token string) (string, error) {
		c, err := intercomrbac.NewClient(intercomrbac.WithToken(token), intercomrbac.WithHTTPClient(&http.Client{Transport: group.Transport()}))
		require.NoError(t, err)
		admin, err := c.Admins.Me(t.Context())
		if err != nil {
			return "", err
		}
		return admin.Name + " of " + admin.App.Name, nil
	}
	a, g := install(acme), install(globex)
	assert.Equal(t, []intercomrbac.WorkspaceID{"acme1", "globex2"}, []intercomrbac.WorkspaceID{a.ID, g.ID})
	for token, want := range map[string]string{
		a.Token.Reveal(): "Ana of Acme", g.Token.Reveal(): "Gil of Globex", "token-of-acme": "Ana of Acme", "token-of-globex": "Gil of Globex",
	} {
		got, err := me(token)
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	_, err := me("nobody's")
	require.ErrorIs(t, err, intercomrbac.ErrUnauthorized)
	_, err = o.Exchange(t.Context(), "nobody's")
	require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)

	again := install(acme)
	require.NoError(t, o.Uninstall(t.Context(), a))
	require.NoError(t, o.Uninstall(t.Context(), a), "twice is once")
	for _, token := range []string{a.Token.Reveal(), again.Token.Reveal()} {
		_, err = me(token)
		require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	}
	for _, token := range []string{g.Token.Reveal(), "token-of-acme"} {
		_, err = me(token)
		require.NoError(t, err, "it did not get that token, or not there")
	}
	globex.Uninstall("another-app")
	_, err = me(g.Token.Reveal())
	require.NoError(t, err)
	globex.Uninstall(app.ClientID)
	_, err = me(g.Token.Reveal())
	require.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
	got, err := me(install(globex).Token.Reveal())
	require.NoError(t, err)
	assert.Equal(t, "Gil of Globex", got, "installed again")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.AuthCodeURL("s"), nil)
	require.NoError(t, err)
	resp, err := group.Transport().RoundTrip(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	assert.Contains(t, string(page), "Which workspace?")
	assert.Panics(t, func() { intercomtest.NewGroup() })
}

// A browser chooses the workspace, and then consents.
func TestGroupLetsTheBrowserChoose(t *testing.T) {
	t.Parallel()
	_, _, group, app := twoWorkspaces(t)
	web := httptest.NewServer(group.Handler())
	t.Cleanup(web.Close)
	o := oauthOf(t, app, intercomrbac.OAuthConfig{BaseURL: web.URL})
	state, err := o.NewState(t.Context(), "ana")
	require.NoError(t, err)
	h := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	page := func(req *http.Request) (string, http.Header) {
		resp, err := h.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return string(b), resp.Header
	}
	get, err := http.NewRequestWithContext(t.Context(), http.MethodGet, o.AuthCodeURL(state)+"&x=%3Cscript%3E", nil)
	require.NoError(t, err)
	choice, header := page(get)
	assert.NotContains(t, choice, "<script>")
	assert.Contains(t, header.Get("Content-Security-Policy"), "default-src 'none'")
	links := regexp.MustCompile(`href="([^"]+)"`).FindAllStringSubmatch(choice, -1)
	require.Len(t, links, 2)
	link := strings.ReplaceAll(links[1][1], "&amp;", "&")
	get, err = http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+link, nil)
	require.NoError(t, err)
	consent, _ := page(get)
	assert.Contains(t, consent, "Authorize access to Globex")
	post, err := http.NewRequestWithContext(t.Context(), http.MethodPost, web.URL+link, strings.NewReader("press=allow"))
	require.NoError(t, err)
	post.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	_, header = page(post)
	u, err := url.Parse(header.Get("Location"))
	require.NoError(t, err)
	w, err := o.Callback(t.Context(), "ana", u.Query())
	require.NoError(t, err)
	assert.Equal(t, intercomrbac.WorkspaceID("globex2"), w.ID)
}
