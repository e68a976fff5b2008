package intercomtest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// The address is one of the app's, letter by letter, or there is no way back.
func TestRedirectURLs(t *testing.T) {
	t.Parallel()
	const second = "http://localhost:3000/cb?from=a%20b"
	for name, i := range bothWays(t) {
		t.Run(name, func(t *testing.T) {
			for _, tt := range []struct{ redirect, want string }{
				{"", callback + "?"},
				{callback, callback + "?"},
				{second, second + "&"},
			} {
				address := i.authorizeURL("redirect_uri", tt.redirect)
				assert.Equal(t, 200, i.do(http.MethodGet, address, "", "").status)
				location := i.press(address, "allow").header.Get("Location")
				assert.Regexp(t, "^code=[^&]+$", strings.TrimPrefix(location, tt.want), "no state was given")
				assert.Equal(t, tt.want+"error=access_denied", i.press(address, "deny").header.Get("Location"))
				assert.Equal(t, tt.want+"error=access_denied&state=s+1", i.press(address+"&state=s%201", "deny").header.Get("Location"))
			}
			for _, redirect := range []string{
				callback + "/", callback + "?", callback + "#x", callback + "?a=b", "https://app.example/oauth", "HTTPS://app.example/oauth/callback",
				"http://app.example/oauth/callback", "https://app.example:443/oauth/callback", "https://APP.example/oauth/callback",
				"https://app.example/oauth/callback/../evil", "https://app.example@evil.example/oauth/callback", "//app.example/oauth/callback",
				"/oauth/callback", "https://evil.example", "javascript:alert(1)", " " + callback, callback + "\r\nX: y", "http://localhost:3000/cb?from=a b",
			} {
				i.requireNoWayBack(i.authorizeURL("redirect_uri", redirect, "state", "s"), "none of the redirect URLs")
			}
			i.requireNoWayBack(i.pages+"/oauth", "no app with this client_id")
			i.requireNoWayBack(i.pages+"/oauth?client_id=nobody&redirect_uri="+url.QueryEscape(callback), "no app with this client_id")
		})
	}
}

// requireNoWayBack wants an error page whatever is pressed.
func (i install) requireNoWayBack(address, why string) {
	i.t.Helper()
	for _, r := range []answer{i.do(http.MethodGet, address, "", ""), i.press(address, "allow"), i.press(address, "deny")} {
		assert.Equal(i.t, 400, r.status, address)
		assert.Empty(i.t, r.header.Get("Location"), address)
		assert.Contains(i.t, string(r.raw), why)
		assert.NotContains(i.t, string(r.raw), "<form")
	}
}

func TestConsentWantsAButton(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	for _, tt := range []struct{ contentType, body string }{
		{formType, ""}, {formType, "press=perhaps"}, {formType, "press"}, {"application/json", `{"press":"allow"}`}, {"", "press=allow"},
	} {
		r := i.do(http.MethodPost, i.authorizeURL(), tt.contentType, tt.body)
		assert.Equal(t, 400, r.status)
		assert.Empty(t, r.header.Get("Location"))
	}
}

func TestAuthorizeAndDeny(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	back, err := i.s.Authorize(i.authorizeURL("state", "a b", "redirect_uri", callback))
	require.NoError(t, err)
	u, err := url.Parse(back)
	require.NoError(t, err)
	assert.Equal(t, "app.example", u.Host)
	assert.Equal(t, "a b", u.Query().Get("state"))
	i.exchange(u.Query().Get("code")).requireOK(t)

	back, err = i.s.Deny(i.authorizeURL("state", "a b"))
	require.NoError(t, err)
	assert.Equal(t, callback+"?error=access_denied&state=a+b", back)
	assert.Equal(t, 2, i.s.CallCount("oauth.authorize"))
	assert.Equal(t, 2, i.s.CallCount("oauth.consent"))

	for _, tt := range []struct{ address, want string }{
		{"https://app.intercom.com/oauth?client_id=nobody", "answered 400: There is no app with this client_id."},
		{i.authorizeURL("redirect_uri", "https://evil.example"), "answered 400: The redirect_uri is none of the redirect URLs of the app."},
		{"https://app.eu.intercom.com/oauth?client_id=" + i.app.ClientID, "answered 400: The workspace is in another region than this page."},
		{"https://app.intercom.com/login", "use an authorize URL"},
		{"", "use an authorize URL"},
		{"https://%zz", "the authorize URL"},
	} {
		for _, press := range []func(string) (string, error){i.s.Authorize, i.s.Deny} {
			back, err := press(tt.address)
			assert.ErrorContains(t, err, tt.want)
			assert.Empty(t, back)
		}
	}
	i.s.Inject(intercomtest.Fault{Operation: "oauth.consent", Drop: true})
	_, err = i.s.Authorize(i.authorizeURL())
	require.Error(t, err)
	i.s.Inject(intercomtest.Fault{Operation: "oauth.authorize", Truncate: 10})
	_, err = i.s.Authorize(i.authorizeURL())
	require.Error(t, err)
	i.s.Close()
	_, err = i.s.Authorize(i.authorizeURL())
	require.Error(t, err)
}

// Whatever the query holds, the page shows none of it, and the browser goes to the app's own URLs or nowhere.
func FuzzAuthorizePage(f *testing.F) {
	for _, query := range []string{
		"", "client_id=id", "client_id=id&state=s&redirect_uri=https%3A%2F%2Fapp.example%2Foauth%2Fcallback",
		"client_id=id&state=%22%3E%3Cscript%3Ealert(1)%3C/script%3E", "client_id=%3Cb%3E", "client_id=id&redirect_uri=https://evil.example",
		"client_id=id&redirect_uri=https://app.example/oauth/callback&redirect_uri=https://evil.example", "client_id=id;state=1",
		"client_id=id&state=a%0D%0ALocation:%20https://evil.example", "client_id=id&state=%ff%00", "%zz&&=&client_id=id",
	} {
		f.Add(query)
	}
	s := intercomtest.Start()
	f.Cleanup(s.Close)
	s.AddApp(intercomtest.App{ClientID: "id", ClientSecret: "secret", RedirectURLs: []string{callback}})
	browse := func(t *testing.T, method, query, body string) answer {
		r, err := http.NewRequestWithContext(t.Context(), method, "https://app.intercom.com/oauth", strings.NewReader(body))
		require.NoError(t, err)
		r.URL.RawQuery = query
		r.Header.Set("Content-Type", formType)
		resp, err := s.Transport().RoundTrip(r)
		require.NoError(t, err)
		out, err := read(resp)
		require.NoError(t, err)
		return out
	}
	pages := map[string]string{} // of queries that are harmless
	f.Fuzz(func(t *testing.T, query string) {
		s.ResetCalls()
		parsed, _ := url.ParseQuery(query)
		harmless, status := "client_id=id", http.StatusOK
		switch redirect := parsed.Get("redirect_uri"); {
		case parsed.Get("client_id") != "id":
			harmless, status = "", http.StatusBadRequest
		case redirect != "" && redirect != callback:
			harmless, status = "client_id=id&redirect_uri=x", http.StatusBadRequest
		}
		if pages[harmless] == "" {
			pages[harmless] = string(browse(t, http.MethodGet, harmless, "").raw)
		}
		page := browse(t, http.MethodGet, query, "")
		assert.Equal(t, status, page.status)
		assert.Equal(t, pages[harmless], string(page.raw))
		assert.Empty(t, page.header.Get("Location"))
		for _, button := range []string{"allow", "deny"} {
			r := browse(t, http.MethodPost, query, "press="+button)
			location := r.header.Get("Location")
			if status != http.StatusOK {
				assert.Equal(t, status, r.status)
				assert.Empty(t, location)
				continue
			}
			assert.Equal(t, http.StatusFound, r.status)
			back, ok := strings.CutPrefix(location, callback+"?")
			require.True(t, ok, location)
			assert.NotContains(t, back, "\n")
			got, err := url.ParseQuery(back)
			require.NoError(t, err)
			assert.Equal(t, parsed.Get("state"), got.Get("state"))
			assert.Equal(t, button == "allow", got.Get("code") != "")
			assert.Equal(t, button == "deny", got.Get("error") == "access_denied")
		}
	})
}
