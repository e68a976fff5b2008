package intercomtest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

const callback = "https://app.example/oauth/callback"

// install is a workspace with an app, and how to reach the two parts of its OAuth server.
type install struct {
	t     testing.TB
	s     *intercomtest.Server
	app   intercomtest.App
	http  *http.Client
	pages string // base URL of the consent page
	api   string // base URL of the token endpoint
}

func newInstall(t testing.TB, scopes ...intercomrbac.Scope) install {
	s := intercomtest.NewServer(t)
	app := s.AddApp(intercomtest.App{RedirectURLs: []string{callback, "http://localhost:3000/cb?from=a%20b"}, Scopes: scopes})
	return install{t, s, app, noRedirects(s.Transport()), "https://app.intercom.com", "https://api.intercom.io"}
}

func (i install) overLoopback() install {
	transport := &http.Transport{DisableKeepAlives: true}
	i.t.Cleanup(transport.CloseIdleConnections)
	i.http, i.pages, i.api = noRedirects(transport), i.s.URL(), i.s.URL()
	return i
}

func noRedirects(transport http.RoundTripper) *http.Client {
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func bothWays(t *testing.T, scopes ...intercomrbac.Scope) map[string]install {
	i := newInstall(t, scopes...)
	return map[string]install{"memory": i, "loopback": i.overLoopback()}
}

// authorizeURL is one of the app, with pairs of names and values besides.
func (i install) authorizeURL(pairs ...string) string {
	return i.pages + "/oauth?" + values(append([]string{"client_id", i.app.ClientID}, pairs...)...).Encode()
}

func values(pairs ...string) url.Values {
	v := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		v.Set(pairs[n], pairs[n+1])
	}
	return v
}

func (i install) do(method, address, contentType, body string, header ...string) answer {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, address, strings.NewReader(body))
	require.NoError(i.t, err)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	resp, err := i.http.Do(r)
	require.NoError(i.t, err)
	out, err := read(resp)
	require.NoError(i.t, err)
	return out
}

const formType = "application/x-www-form-urlencoded"

// press sends the form of the consent page at the address.
func (i install) press(address, button string) answer {
	i.t.Helper()
	return i.do(http.MethodPost, address, formType, "press="+button)
}

// code authorizes the app as a browser does.
func (i install) code() string {
	i.t.Helper()
	r := i.press(i.authorizeURL(), "allow")
	require.Equal(i.t, http.StatusFound, r.status, "%s", r.raw)
	u, err := url.Parse(r.header.Get("Location"))
	require.NoError(i.t, err)
	code := u.Query().Get("code")
	require.NotEmpty(i.t, code)
	return code
}

// params are those of the token endpoint.
func (i install) params(code string) url.Values {
	return values("code", code, "client_id", i.app.ClientID, "client_secret", i.app.ClientSecret)
}

func (i install) exchange(code string) answer {
	i.t.Helper()
	return i.do(http.MethodPost, i.api+"/auth/eagle/token", formType, i.params(code).Encode())
}

func (i install) requireUnauthorized(r answer) {
	i.t.Helper()
	assert.Equal(i.t, "Unauthorized Code", r.requireError(i.t, 401, "unauthorized").message(i.t))
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	for name, i := range bothWays(t, intercomrbac.ScopeReadOneAdmin, "Bold <b>scope</b>") {
		t.Run(name, func(t *testing.T) {
			ada := i.s.AddAdmin(intercomtest.Admin{Name: "Ada & Co"})
			i.s.SetMe(ada)
			const state = `"><script>alert('s')</script>&a=b`
			address := i.authorizeURL("state", state, "redirect_uri", callback, "response_type", "code")

			r := i.do(http.MethodGet, address, "", "")
			require.Equal(t, 200, r.status)
			assert.Equal(t, "text/html; charset=utf-8", r.header.Get("Content-Type"))
			assert.Equal(t, "no-store", r.header.Get("Cache-Control"))
			assert.Equal(t, "no-referrer", r.header.Get("Referrer-Policy"))
			page := string(r.raw)
			for _, want := range []string{
				"Ada &amp; Co", i.app.ClientID, "Fake Workspace", "(fake1234, US)", callback, "<li>Read one admin</li>",
				"<li>Bold &lt;b&gt;scope&lt;/b&gt;</li>", `<form method="post">`,
				`<button name="press" value="allow">`, `<button name="press" value="deny">`,
			} {
				assert.Contains(t, page, want)
			}
			assert.NotContains(t, page, "script")
			assert.NotContains(t, page, i.app.ClientSecret)

			r = i.press(address, "allow")
			require.Equal(t, 302, r.status, "%s", r.raw)
			location := r.header.Get("Location")
			back, err := url.Parse(location)
			require.NoError(t, err)
			code := back.Query().Get("code")
			assert.Equal(t, callback+"?"+values("code", code, "state", state).Encode(), location)
			assert.NotContains(t, location, code, "it needs escaping")
			assert.True(t, strings.HasSuffix(code, "="))

			r = i.exchange(code).requireOK(t)
			tok, _ := r.body["access_token"].(string)
			assert.NotEmpty(t, tok)
			assert.Equal(t, map[string]any{"token_type": "Bearer", "token": tok, "access_token": tok}, r.body)
			assert.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))

			a := inMemory(t, i.s).with(tok)
			me := a.get("/me").requireOK(t)
			assert.Equal(t, string(ada), me.at(t, "id"))
			assert.Equal(t, "fake1234", me.at(t, "app", "id_code"))
			a.get("/teams").requireError(t, 401, "token_unauthorized")

			i.requireUnauthorized(i.exchange(code))
			a.get("/me").requireOK(t)
		})
	}
}

func TestAppWithoutScopesHasAll(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	assert.Contains(t, string(i.do(http.MethodGet, i.authorizeURL(), "", "").raw), "<li>All permissions</li>")
	tok := i.exchange(i.code()).requireOK(t).at(t, "token").(string)
	inMemory(t, i.s).with(tok).get("/teams").requireOK(t)
}

func TestTokenRequestEncodings(t *testing.T) {
	t.Parallel()
	for name, i := range bothWays(t) {
		t.Run(name, func(t *testing.T) {
			endpoint := i.api + "/auth/eagle/token"
			asJSON := func(code string) string {
				return text(map[string]string{"code": code, "client_id": i.app.ClientID, "client_secret": i.app.ClientSecret})
			}
			code := i.code()
			i.do(http.MethodPost, endpoint, "application/x-www-form-urlencoded; charset=utf-8",
				i.params(code).Encode()+"&grant_type=authorization_code&redirect_uri=anything").requireOK(t)
			i.do(http.MethodPost, endpoint, "application/json", asJSON(i.code())).requireOK(t)
			i.do(http.MethodPost, endpoint+"?"+i.params(i.code()).Encode(), "", "").requireOK(t)
			i.do(http.MethodPost, endpoint+"?client_secret="+url.QueryEscape(i.app.ClientSecret), "application/json",
				text(map[string]string{"code": i.code(), "client_id": i.app.ClientID})).requireOK(t)

			i.do(http.MethodPost, endpoint, "", i.params(i.code()).Encode()).requireError(t, 400, "parameter_not_found")
			i.do(http.MethodPost, endpoint, "text/plain", asJSON(i.code())).requireError(t, 400, "parameter_not_found")
			i.do(http.MethodPost, endpoint, "application/json", `{"code":1}`).requireError(t, 400, "parameter_not_found")
			i.do(http.MethodPost, endpoint, formType, "a="+strings.Repeat("x", 8<<20)).requireError(t, 413, "client_error")
		})
	}
}

func TestTokenRefusals(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	other := i
	other.app = i.s.AddApp(intercomtest.App{RedirectURLs: []string{callback}})
	endpoint := i.api + "/auth/eagle/token"
	with := func(name, value string) func(url.Values) string {
		return func(v url.Values) string {
			v.Set(name, value)
			return v.Encode()
		}
	}
	for name, body := range map[string]func(url.Values) string{
		"unknown code":           with("code", "nonsense"),
		"code without its end":   func(v url.Values) string { return with("code", strings.TrimSuffix(v.Get("code"), "="))(v) },
		"code that is unescaped": func(v url.Values) string { return strings.ReplaceAll(v.Encode(), "%2B", "+") },
		"code of another app":    func(v url.Values) string { return with("code", other.code())(v) },
		"another app":            with("client_id", other.app.ClientID),
		"another app's secret":   with("client_secret", other.app.ClientSecret),
		"wrong secret":           with("client_secret", i.app.ClientSecret+"x"),
		"unknown client":         with("client_id", "nobody"),
	} {
		r := i.do(http.MethodPost, endpoint, formType, body(i.params(i.code())))
		assert.Equal(t, "Unauthorized Code", r.requireError(t, 401, "unauthorized").message(t), name)
		assert.NotContains(t, string(r.raw), i.app.ClientSecret)
	}
	for _, field := range []string{"code", "client_id", "client_secret"} {
		params := i.params(i.code())
		params.Del(field)
		r := i.do(http.MethodPost, endpoint, formType, params.Encode()).requireError(t, 400, "parameter_not_found")
		assert.Equal(t, field, r.at(t, "errors", 0, "field"))
	}
	basic := "Basic " + "aWQ6c2VjcmV0"
	code := i.code()
	i.do(http.MethodPost, endpoint, formType, i.params(code).Encode(), "Authorization", basic).requireError(t, 401, "unauthorized")
	i.requireUnauthorized(i.exchange(code))
}

// A code that was refused does not get a second try.
func TestRefusedRequestUsesTheCodeUp(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	for _, spoil := range []string{"client_secret", "client_id"} {
		code := i.code()
		params := i.params(code)
		params.Set(spoil, "wrong")
		i.requireUnauthorized(i.do(http.MethodPost, i.api+"/auth/eagle/token", formType, params.Encode()))
		i.requireUnauthorized(i.exchange(code))
	}
}

func TestCodesExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := newInstall(t)
		first, second := i.code(), i.code()
		time.Sleep(5*time.Minute - time.Second)
		i.exchange(first).requireOK(t)
		i.s.Inject(intercomtest.Fault{Operation: "oauth.token", Delay: time.Second})
		i.requireUnauthorized(i.exchange(second))
	})
}

func TestCodeWorksOnce(t *testing.T) {
	t.Parallel()
	for name, i := range bothWays(t) {
		t.Run(name, func(t *testing.T) {
			code := i.code()
			var tokens atomic.Int32
			var wg sync.WaitGroup
			for range 16 {
				wg.Go(func() {
					if r := i.exchange(code); r.status == http.StatusOK {
						tokens.Add(1)
					}
				})
			}
			wg.Wait()
			assert.EqualValues(t, 1, tokens.Load())
		})
	}
}

// In memory, Intercom's hosts are told apart: an app is known in its workspace's region only.
func TestRegions(t *testing.T) {
	t.Parallel()
	pages := map[string]string{"US": "https://app.intercom.com", "EU": "https://app.eu.intercom.com", "AU": "https://app.au.intercom.com"}
	apis := map[string]string{"EU": "https://api.eu.intercom.io", "AU": "https://api.au.intercom.io:443"}
	for region := range pages {
		s := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{Region: region}))
		i := install{t: t, s: s, http: noRedirects(s.Transport()), app: s.AddApp(intercomtest.App{RedirectURLs: []string{callback}})}
		for where, base := range pages {
			i.pages, i.api = base, "https://api.intercom.io"
			if where != region {
				i.requireNoWayBack(i.authorizeURL(), "another region")
				continue
			}
			tok := i.exchange(i.code()).requireOK(t).at(t, "token").(string)
			r := i.do(http.MethodGet, i.api+"/me", "", "", "Authorization", "Bearer "+tok).requireOK(t)
			assert.Equal(t, region, r.at(t, "app", "region"))
		}
		i.pages = pages[region]
		for where, base := range apis {
			i.api = base
			code := i.code()
			if where == region {
				i.exchange(code).requireOK(t)
				continue
			}
			i.requireUnauthorized(i.exchange(code))
			i.api = "https://API.intercom.io"
			i.exchange(code).requireOK(t) // the other region has never seen it
		}
		for _, base := range []string{"https://intercom.test", s.URL()} {
			i.pages, i.api = base, base
			i.exchange(i.code()).requireOK(t)
		}
	}
}

// What is for browsers is not on the API's hosts, nor the other way round.
func TestHostsServeTheirOwn(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	bearer := "Bearer " + i.s.Token()
	for _, call := range []string{
		"GET https://app.intercom.com/me", "POST https://app.intercom.com/auth/eagle/token", "GET https://api.intercom.io/oauth",
		"POST https://api.eu.intercom.io/oauth", "GET https://api.intercom.io/auth/eagle/token",
	} {
		method, address, _ := strings.Cut(call, " ")
		i.do(method, address, formType, "", "Authorization", bearer).requireError(t, 404, "not_found")
	}
}

func TestOAuthFaults(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	code := i.code()
	echo := i.params(code).Encode()
	i.s.Inject(intercomtest.Fault{Operation: "oauth.token", Status: 400, Body: []byte(echo), Header: http.Header{"Content-Type": {formType}}})
	i.s.AddAdmin(intercomtest.Admin{})
	inMemory(t, i.s).get("/me").requireOK(t) // not hit
	r := i.exchange(code)
	assert.Equal(t, 400, r.status)
	assert.Equal(t, echo, string(r.raw))
	assert.Equal(t, formType, r.header.Get("Content-Type"))
	i.exchange(code).requireOK(t)

	code = i.code()
	i.s.Inject(intercomtest.Fault{Operation: "oauth.token", Status: 502, Done: true})
	assert.Equal(t, 502, i.exchange(code).status)
	i.requireUnauthorized(i.exchange(code))

	code = i.code()
	i.s.Inject(intercomtest.Fault{Operation: "oauth.token", Duplicate: true})
	i.requireUnauthorized(i.exchange(code))
	assert.Panics(t, func() { i.s.Inject(intercomtest.Fault{Operation: "oauth.refresh", Status: 500}) })
}

// Requests without a token have no window, and get no headers of one.
func TestOAuthIsNotRateLimited(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	i.s.SetRateLimit(1)
	for range 3 {
		assert.Empty(t, i.exchange(i.code()).requireOK(t).header.Get("X-RateLimit-Limit"))
	}
	assert.Empty(t, i.s.RateStats().Windows)
}

// The record says what was sent and how, and can be printed.
func TestOAuthCalls(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	endpoint := i.api + "/auth/eagle/token"
	var codes []string
	code := func() string {
		codes = append(codes, i.code())
		return codes[len(codes)-1]
	}
	i.do(http.MethodGet, i.authorizeURL("state", "s"), "", "")
	calls := i.s.Calls()
	require.Len(t, calls, 1)
	assert.Equal(t, "oauth.authorize", calls[0].Operation)
	assert.Equal(t, "/oauth", calls[0].Path)
	assert.Equal(t, values("client_id", i.app.ClientID, "state", "s"), calls[0].Query)

	asJSON := text(map[string]any{"code": code(), "client_id": i.app.ClientID, "client_secret": i.app.ClientSecret, "n": 1})
	i.exchange(code()).requireOK(t)
	i.do(http.MethodPost, endpoint+"?client_secret="+url.QueryEscape(i.app.ClientSecret), "application/json", asJSON).requireOK(t)
	i.do(http.MethodPost, endpoint+"?"+i.params(code()).Encode(), "", "").requireOK(t)
	i.do(http.MethodPost, endpoint, "", i.params(code()).Encode())
	i.do(http.MethodPost, "https://app.intercom.com/auth/eagle/token", formType, i.params(code()).Encode(), "Authorization", "Basic "+i.app.ClientSecret)
	assert.Equal(t, 4, i.s.CallCount("oauth.token"))
	assert.Equal(t, 5, i.s.CallCount("oauth.consent"))

	hidden := values("code", "[redacted]", "client_id", i.app.ClientID, "client_secret", "[redacted]")
	calls = calls[:0]
	for _, c := range i.s.Calls() {
		if c.Path == "/auth/eagle/token" {
			calls = append(calls, c)
		}
	}
	require.Len(t, calls, 5)
	assert.Equal(t, hidden.Encode(), string(calls[0].Body))
	assert.Empty(t, calls[0].Query)
	assert.Equal(t, values("client_secret", "[redacted]"), calls[1].Query)
	assert.JSONEq(t, text(map[string]any{"code": "[redacted]", "client_id": i.app.ClientID, "client_secret": "[redacted]", "n": 1}), string(calls[1].Body))
	assert.Equal(t, hidden, calls[2].Query)
	assert.Empty(t, calls[2].Body)
	assert.Empty(t, calls[3].Body)
	assert.Equal(t, hidden.Encode(), string(calls[4].Body))
	var printed strings.Builder
	for _, c := range i.s.Calls() {
		fmt.Fprintf(&printed, "%+v %s\n", c, c.Body)
	}
	for _, secret := range append(codes, i.app.ClientSecret) {
		assert.NotContains(t, printed.String(), secret)
		assert.NotContains(t, printed.String(), url.QueryEscape(secret))
	}
}

func TestAddApp(t *testing.T) {
	t.Parallel()
	i := newInstall(t)
	assert.True(t, strings.HasPrefix(i.app.ClientID, "fake-client-"))
	assert.True(t, strings.HasPrefix(i.app.ClientSecret, "fake-secret-"))
	other := i.s.AddApp(intercomtest.App{RedirectURLs: []string{callback}})
	assert.NotEqual(t, i.app.ClientID, other.ClientID)
	assert.NotEqual(t, i.app.ClientSecret, other.ClientSecret)

	given := intercomtest.App{ClientID: "id", ClientSecret: "secret", RedirectURLs: []string{callback}, Scopes: []intercomrbac.Scope{intercomrbac.ScopeReadOneAdmin}}
	got := i.s.AddApp(given)
	assert.Equal(t, given, got)
	given.RedirectURLs[0], got.RedirectURLs[0], given.Scopes[0], got.Scopes[0] = "https://evil.example", "https://evil.example", "", ""
	i.app = intercomtest.App{ClientID: "id", ClientSecret: "secret"}
	tok := i.exchange(i.code()).requireOK(t).at(t, "token").(string)
	inMemory(t, i.s).with(tok).get("/me").requireOK(t)
	back, err := i.s.Deny(i.authorizeURL())
	require.NoError(t, err)
	assert.Equal(t, callback+"?error=access_denied", back)

	code := i.code()
	i.app = i.s.AddApp(intercomtest.App{ClientID: "id", ClientSecret: "rotated", RedirectURLs: []string{callback}})
	i.exchange(code).requireOK(t)

	for name, urls := range map[string][]string{
		"none": nil, "relative": {"/callback"}, "no host": {"https:///callback"}, "no scheme": {"app.example/callback"}, "script": {"javascript:alert(1)"},
		"fragment": {callback + "#"}, "user": {"https://user@app.example/"}, "not a URL": {"https://%zz"}, "the second": {callback, ""},
	} {
		assert.Panics(t, func() { i.s.AddApp(intercomtest.App{RedirectURLs: urls}) }, name)
	}
}
