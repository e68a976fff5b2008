package intercomrbac_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// installDesk is a service with an install handler, and the fake that it installs in.
type installDesk struct {
	srv       *intercomtest.Server
	oauth     *intercomrbac.OAuth
	handler   http.Handler
	mu        sync.Mutex
	installed []intercomrbac.Workspace
	failures  []error
	refuse    error // what OnInstall returns
}

const installCallback = "https://app.example.com/auth/intercom/callback"

func newInstallDesk(tb testing.TB, change ...func(*intercomrbac.OAuthHandlers)) *installDesk {
	tb.Helper()
	d := &installDesk{srv: intercomtest.NewServer(tb)}
	d.srv.Seed()
	app := d.srv.AddApp(intercomtest.App{RedirectURLs: []string{installCallback}})
	d.oauth = newOAuth(tb, d.srv.Transport(), func(c *intercomrbac.OAuthConfig) {
		c.ClientID, c.ClientSecret, c.RedirectURL = app.ClientID, intercomrbac.NewSecret(app.ClientSecret), installCallback
	})
	handlers := intercomrbac.OAuthHandlers{
		Account: func(r *http.Request) (string, error) {
			c, err := r.Cookie("account")
			if err != nil {
				return "", nil //nolint:nilerr // nobody is signed in
			}
			return c.Value, nil
		},
		OnInstall: func(_ context.Context, w intercomrbac.Workspace) error {
			d.mu.Lock()
			defer d.mu.Unlock()
			if d.refuse != nil {
				return d.refuse
			}
			d.installed = append(d.installed, w)
			return nil
		},
		OnFailure: func(_ *http.Request, err error) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.failures = append(d.failures, err)
		},
	}
	for _, c := range change {
		c(&handlers)
	}
	pages, err := d.oauth.Handler(handlers)
	require.NoError(tb, err)
	mux := http.NewServeMux()
	mux.Handle("/auth/intercom/", http.StripPrefix("/auth/intercom", pages))
	d.handler = mux
	return d
}

// browser keeps its cookies, by their names alone.
type browser struct {
	desk    *installDesk
	cookies map[string]string
}

func (d *installDesk) browser(account string) *browser {
	return &browser{d, map[string]string{"account": account}}
}

// opened is a page as the browser sees it.
type opened struct {
	StatusCode int
	Header     http.Header
	Cookies    []*http.Cookie
	Body       string
}

// get opens an address of the service.
func (b *browser) get(address string, headers ...string) opened {
	r := httptest.NewRequest(http.MethodGet, address, nil)
	for name, value := range b.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.desk.handler.ServeHTTP(w, r)
	resp := w.Result()
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		b.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
		}
	}
	return opened{resp.StatusCode, resp.Header, resp.Cookies(), w.Body.String()}
}

// begin opens /install and consents; it returns the address that Intercom sends the browser to.
func (b *browser) begin(tb testing.TB, query string) string {
	tb.Helper()
	resp := b.get("/auth/intercom/install" + query)
	require.Equal(tb, http.StatusFound, resp.StatusCode)
	back, err := b.desk.srv.Authorize(resp.Header.Get("Location"))
	require.NoError(tb, err)
	return strings.TrimPrefix(back, "https://app.example.com")
}

// failed checks that the page is the one of all failures.
func failed(tb testing.TB, resp opened) {
	tb.Helper()
	assert.Equal(tb, http.StatusBadRequest, resp.StatusCode)
	assert.Equal(tb, "text/html; charset=utf-8", resp.Header.Get("Content-Type"))
	assert.Empty(tb, resp.Header.Get("Location"))
	assert.Equal(tb, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Not installed</title></head>\n"+
		"<body><h1>The app was not installed</h1><p>Please sign in and begin again.</p></body></html>\n", resp.Body)
	assertPrivate(tb, resp)
}

// assertPrivate checks the headers of a page whose address holds code and state.
func assertPrivate(tb testing.TB, resp opened) {
	tb.Helper()
	assert.Equal(tb, "no-store", resp.Header.Get("Cache-Control"))
	assert.Equal(tb, "no-referrer", resp.Header.Get("Referrer-Policy"))
}

func TestInstallHandler(t *testing.T) {
	t.Parallel()
	d := newInstallDesk(t)
	b := d.browser("ana")
	// What proxies and the Host header say does not matter.
	resp := b.get("http://evil.example.com/auth/intercom/install", "X-Forwarded-Host", "evil.example.com", "X-Forwarded-Proto", "http")
	assertPrivate(t, resp)
	u, err := url.Parse(resp.Header.Get("Location"))
	require.NoError(t, err)
	assert.Equal(t, "https://app.intercom.com/oauth", u.Scheme+"://"+u.Host+u.Path)
	assert.Equal(t, installCallback, u.Query().Get("redirect_uri"))
	require.Len(t, resp.Cookies, 1)
	c := resp.Cookies[0]
	assert.True(t, c.Secure && c.HttpOnly)
	assert.Equal(t, []any{"__Host-intercom-install", "/", "", 600, http.SameSiteLaxMode}, []any{c.Name, c.Path, c.Domain, c.MaxAge, c.SameSite})
	assert.NotContains(t, u.Query().Get("state"), c.Value[:26], "neither tells the other")

	back, err := d.srv.Authorize(u.String())
	require.NoError(t, err)
	resp = b.get(strings.TrimPrefix(back, "https://app.example.com"))
	assert.Equal(t, []any{http.StatusFound, "https://app.intercom.com/appstore/redirect?install_success=true"}, []any{resp.StatusCode, resp.Header.Get("Location")})
	assertPrivate(t, resp)
	assert.NotContains(t, b.cookies, "__Host-intercom-install")
	require.Len(t, d.installed, 1)
	assert.Equal(t, "ana", d.installed[0].Account)
	admins, err := d.srv.ClientFor(d.installed[0].Token.Reveal()).Admins.List(t.Context())
	require.NoError(t, err)
	assert.Len(t, admins, 4)
	assert.Empty(t, d.failures)

	failed(t, b.get(strings.TrimPrefix(back, "https://app.example.com")))
	assert.Len(t, d.installed, 1, "once")
	assert.Equal(t, 1, d.srv.CallCount("oauth.token"))
}

// Whoever did not begin an install in this browser, as this account, lately, ends none: the token endpoint is not asked.
func TestInstallHandlerRefusesCallbacksOfOthers(t *testing.T) {
	t.Parallel()
	const cookie = "__Host-intercom-install"
	for name, attack := range map[string]func(t *testing.T, d *installDesk, ana *browser, back string) opened{
		"another browser": func(_ *testing.T, d *installDesk, _ *browser, back string) opened {
			return d.browser("ana").get(back)
		},
		"another browser that began its own": func(t *testing.T, d *installDesk, _ *browser, back string) opened {
			eve := d.browser("ana")
			eve.begin(t, "")
			return eve.get(back)
		},
		"another account": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			ana.cookies["account"] = "eve"
			return ana.get(back)
		},
		"signed out meanwhile": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			delete(ana.cookies, "account")
			return ana.get(back)
		},
		"account and cookie moved": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			ana.cookies["account"] = "na"
			ana.cookies[cookie] += "a"
			return ana.get(back)
		},
		"changed cookie": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			ana.cookies[cookie] = "A" + ana.cookies[cookie]
			return ana.get(back)
		},
		"a target of their own in the cookie": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			random, _, _ := strings.Cut(ana.cookies[cookie], ".")
			ana.cookies[cookie] = random + ".aHR0cHM6Ly9ldmlsLmV4YW1wbGUuY29tLw"
			return ana.get(back)
		},
		"two cookies": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			return ana.get(back, "Cookie", fmt.Sprintf("account=ana; %s=%s; %s=x", cookie, ana.cookies[cookie], cookie))
		},
		"no state": func(_ *testing.T, _ *installDesk, ana *browser, back string) opened {
			u, _ := url.Parse(back)
			return ana.get(u.Path + "?" + url.Values{"code": u.Query()["code"]}.Encode())
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newInstallDesk(t)
			ana := d.browser("ana")
			back := ana.begin(t, "")
			resp := attack(t, d, ana, back)
			failed(t, resp)
			assert.Contains(t, resp.Header.Get("Set-Cookie"), cookie+"=; Path=/; Max-Age=0", "the cookie is deleted in every outcome")
			assert.Empty(t, d.installed)
			assert.Zero(t, d.srv.CallCount("oauth.token"))
			assert.Len(t, d.failures, 1)
		})
	}
	t.Run("too late", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			d := newInstallDesk(t)
			ana := d.browser("ana")
			back := ana.begin(t, "")
			time.Sleep(10*time.Minute + time.Second)
			failed(t, ana.get(back))
			assert.Zero(t, d.srv.CallCount("oauth.token"))
		})
	})
	t.Run("nobody begins", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		failed(t, d.browser("").get("/auth/intercom/install"))
		failing := newInstallDesk(t, func(h *intercomrbac.OAuthHandlers) {
			h.Account = func(*http.Request) (string, error) { return "ana", io.ErrUnexpectedEOF }
		})
		failed(t, failing.browser("ana").get("/auth/intercom/install"))
		require.ErrorIs(t, failing.failures[0], io.ErrUnexpectedEOF)
	})
}

// B7: no state that is not whole, fresh and this browser's costs a request to the token endpoint.
func TestForgedStatesAskNothing(t *testing.T) {
	t.Parallel()
	n := soak.N(1_000, 10_000)
	d := newInstallDesk(t)
	r := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // which forgeries are tried is no secret
	ana, eve := d.browser("ana"), d.browser("eve")
	address := func(code, state string) string {
		return "/auth/intercom/callback?" + url.Values{"code": {code}, "state": {state}}.Encode()
	}
	tried := 0
	for tried < n {
		anas, eves := ana.begin(t, ""), eve.begin(t, "")
		parse := func(back string) (code, state string) {
			u, err := url.Parse(back)
			require.NoError(t, err)
			return u.Query().Get("code"), u.Query().Get("state")
		}
		code, state := parse(anas)
		_, other := parse(eves)
		for range 50 {
			forged := []byte(state)
			switch r.IntN(6) {
			case 0: // a character changed
				forged[r.IntN(len(forged))] ^= byte(1 + r.IntN(127))
			case 1: // cut, or with more behind it
				forged = append(forged[:r.IntN(len(forged))], other[r.IntN(len(other)):]...)
			case 2: // somebody else's
				forged = []byte(other)
			case 3: // with another time
				at := slices.Index(forged, '.')
				forged = append(forged[:at+1], fmt.Sprintf("%x", r.Uint64())...)
			case 4: // halves of two
				at := r.IntN(min(len(forged), len(other)))
				forged = append(forged[:at], other[at:]...)
			case 5: // nothing of it
				forged = []byte(fmt.Sprint(r.Uint64()))
			}
			if string(forged) == state {
				continue
			}
			cookies := map[string]string{"account": "ana", "__Host-intercom-install": ana.cookies["__Host-intercom-install"]}
			resp := (&browser{d, cookies}).get(address(code, string(forged)))
			require.Equal(t, http.StatusBadRequest, resp.StatusCode, "%q for %q", forged, state)
			tried++
		}
	}
	assert.Zero(t, d.srv.CallCount("oauth.token"))
	soak.Report(t, "B7", "%d forged states at the callback, %d requests to the token endpoint", tried, d.srv.CallCount("oauth.token"))
}

func TestOneOfRacingCallbacksInstalls(t *testing.T) {
	t.Parallel()
	rounds := soak.N(50, 1_000)
	d := newInstallDesk(t)
	for range rounds {
		ana := d.browser("ana")
		back := ana.begin(t, "")
		var won atomic.Int32
		var racers sync.WaitGroup
		for range 64 {
			racers.Go(func() {
				cookies := map[string]string{"account": "ana", "__Host-intercom-install": ana.cookies["__Host-intercom-install"]}
				if (&browser{d, cookies}).get(back).StatusCode == http.StatusFound {
					won.Add(1)
				}
			})
		}
		racers.Wait()
		require.EqualValues(t, 1, won.Load())
	}
	assert.Equal(t, rounds, d.srv.CallCount("oauth.token"))
	soak.Report(t, "B7", "%d rounds of 64 callbacks with one state: one wins in each, %d requests to the token endpoint", rounds, d.srv.CallCount("oauth.token"))
}

// B10: an attacker's code, in whichever browser it is ended, is tied to nobody but the attacker.
func TestAttackersCodeIsNotLinkedToTheVictim(t *testing.T) {
	t.Parallel()
	n := soak.N(100, 1_000)
	d := newInstallDesk(t)
	for range n {
		attacker, victim := d.browser("attacker"), d.browser("victim")
		bait := attacker.begin(t, "")
		victim.begin(t, "") // an install of the victim's own is under way
		failed(t, victim.get(bait))
	}
	assert.Empty(t, d.installed)
	assert.Zero(t, d.srv.CallCount("oauth.token"))
	soak.Report(t, "B10", "%d callbacks of an attacker in a victim's browser, 0 linked", n)
}

func TestInstallHandlerFailures(t *testing.T) {
	t.Parallel()
	t.Run("consent refused", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		b := d.browser("ana")
		back, err := d.srv.Deny(b.get("/auth/intercom/install").Header.Get("Location"))
		require.NoError(t, err)
		failed(t, b.get(strings.TrimPrefix(back, "https://app.example.com")))
		require.ErrorIs(t, d.failures[0], intercomrbac.ErrOAuthExchange)
	})
	t.Run("Intercom is down", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		b := d.browser("ana")
		back := b.begin(t, "")
		d.srv.Inject(intercomtest.Fault{Operation: "oauth.token", Status: 500, Times: 1})
		failed(t, b.get(back))
		require.ErrorIs(t, d.failures[0], intercomrbac.ErrUnavailable)
	})
	t.Run("it cannot be kept", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		d.refuse = io.ErrClosedPipe
		b := d.browser("ana")
		failed(t, b.get(b.begin(t, "")))
		require.ErrorIs(t, d.failures[0], io.ErrClosedPipe)
	})
	t.Run("the browser leaves before it is kept", func(t *testing.T) {
		t.Parallel()
		ctx, leave := context.WithCancel(t.Context())
		var kept error
		d := newInstallDesk(t, func(h *intercomrbac.OAuthHandlers) {
			h.OnInstall = func(ctx context.Context, _ intercomrbac.Workspace) error {
				leave()
				kept = ctx.Err()
				return kept
			}
		})
		b := d.browser("ana")
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, b.begin(t, ""), nil)
		for name, value := range b.cookies {
			r.AddCookie(&http.Cookie{Name: name, Value: value})
		}
		w := httptest.NewRecorder()
		d.handler.ServeHTTP(w, r)
		require.NoError(t, kept)
		assert.Equal(t, http.StatusFound, w.Code)
	})
	t.Run("taken, and nobody answers", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		d.refuse = fmt.Errorf("kept by eve: %w", intercomrbac.ErrWorkspaceTaken)
		b := d.browser("ana")
		failed(t, b.get(b.begin(t, "")))
		require.ErrorIs(t, d.failures[0], intercomrbac.ErrWorkspaceTaken)
	})
	t.Run("taken", func(t *testing.T) {
		t.Parallel()
		var seen intercomrbac.Workspace
		d := newInstallDesk(t, func(h *intercomrbac.OAuthHandlers) {
			h.OnConflict = func(w http.ResponseWriter, _ *http.Request, workspace intercomrbac.Workspace) {
				seen = workspace
				http.Error(w, "taken", http.StatusConflict)
			}
		})
		d.refuse = intercomrbac.ErrWorkspaceTaken
		b := d.browser("ana")
		resp := b.get(b.begin(t, ""))
		assert.Equal(t, http.StatusConflict, resp.StatusCode)
		assertPrivate(t, resp)
		assert.Equal(t, []any{intercomrbac.WorkspaceID("fake1234"), "ana", ""}, []any{seen.ID, seen.Account, seen.Token.Reveal()})
		assert.Empty(t, d.failures)
		assert.NotContains(t, b.cookies, "__Host-intercom-install")
	})
	t.Run("other pages and methods", func(t *testing.T) {
		t.Parallel()
		d := newInstallDesk(t)
		other := d.browser("ana").get("/auth/intercom/other")
		assert.Equal(t, http.StatusNotFound, other.StatusCode)
		assertPrivate(t, other)
		for _, page := range []string{"install", "callback"} {
			w := httptest.NewRecorder()
			d.handler.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/auth/intercom/"+page, nil))
			assert.Equal(t, []any{http.StatusMethodNotAllowed, "GET"}, []any{w.Code, w.Header().Get("Allow")})
			assertPrivate(t, opened{Header: w.Header()})
		}
		assert.Empty(t, d.srv.Calls())
	})
}

func TestInstallHandlerRefusesBadConfigs(t *testing.T) {
	t.Parallel()
	o := newOAuth(t, nil)
	_, err := o.Handler(intercomrbac.OAuthHandlers{Targets: []string{"//evil.example.com"}})
	for _, text := range []string{"no Account", "no OnInstall", "target 1"} {
		require.ErrorContains(t, err, text)
	}
	_, err = new(intercomrbac.OAuth).Handler(intercomrbac.OAuthHandlers{})
	require.ErrorContains(t, err, "not made by NewOAuth")
	good := intercomrbac.OAuthHandlers{Account: func(*http.Request) (string, error) { return "", nil },
		OnInstall: func(context.Context, intercomrbac.Workspace) error { return nil }}
	for target, ok := range map[string]bool{
		"/settings": true, "/settings?tab=intercom#top": true, "/": true, "https://app.example.com/done?x=1": true, "http://localhost:3000/": true,
		"": false, "//evil.example.com": false, "/\\evil.example.com": false, "\\\\evil.example.com": false, "http://app.example.com/": false, "javascript:alert(1)": false,
		"settings": false, "https://user@app.example.com/": false, "/a b": false, "/a\nb": false, "https:///x": false, "ftp://app.example.com/": false,
		"data:text/html,x": false, "https:app.example.com": false, " /settings": false, "/\t/evil.example.com": false, "%zz": false,
	} {
		good.Targets = []string{target}
		_, err := o.Handler(good)
		assert.Equal(t, ok, err == nil, "%q: %v", target, err)
	}
}

// redirectTricks are targets that open redirectors have fallen for.
func redirectTricks() (tricks []string) {
	for _, host := range []string{"evil.example.com", "evil.example.com/settings", "app.example.com@evil.example.com", "app.example.com.evil.example.com", "①②⑦.example.com"} {
		for _, form := range []string{
			"//%s", "///%s", "////%s", "/\\%s", "\\/%s", "\\\\%s", "/\\/%s", "https://%s", "https:/%s", "https:%s", "https:\\\\%s", "http://%s", "HTTPS://%s",
			"/%%2f%s", "/%%5c%s", "%%2f%%2f%s", "/./%s", "/..//%s", "/settings/..//%s", "/settings//%s", "/settings?to=//%s", "/settings#//%s", "/settings@%s",
			" //%s", "\t//%s", "/\t/%s", "/\n/%s", "/\r\n/%s", "\x00//%s", "javascript://%s", "data://%s", "//%s%%00/settings", "/settings%%0d%%0aLocation:%%20//%s",
			"/settings\r\nLocation: https://%s", "https://app.example.com%%40%s", "https://app.example.com\\@%s", "?//%s", ";//%s", "/;//%s", "//%s#/settings", "%s",
		} {
			tricks = append(tricks, fmt.Sprintf(form, host))
		}
	}
	return append(tricks, "", "/", "/Settings", "/settings/", "/settings ", "settings", "//", "javascript:alert(1)", "https://app.example.com", "https://app.example.com/DONE")
}

func TestRedirectsStayOnTheList(t *testing.T) {
	t.Parallel()
	targets := []string{"/settings", "https://app.example.com/done"}
	d := newInstallDesk(t, func(h *intercomrbac.OAuthHandlers) { h.Targets = targets })
	b := d.browser("ana")
	for _, target := range append(slices.Clone(targets), intercomrbac.AppStoreRedirect) {
		resp := b.get(b.begin(t, "?to="+url.QueryEscape(target)))
		assert.Equal(t, []any{http.StatusFound, target}, []any{resp.StatusCode, resp.Header.Get("Location")})
	}
	resp := b.get(b.begin(t, ""))
	assert.Equal(t, "/settings", resp.Header.Get("Location"), "the first is the default")

	tricks := redirectTricks()
	require.Greater(t, len(tricks), 100)
	for _, trick := range tricks {
		failed(t, b.get("/auth/intercom/install?to="+url.QueryEscape(trick)))
		failed(t, b.get("/auth/intercom/install?to="+url.QueryEscape(trick)+"&to=/settings"))
	}
	n := soak.N(1_000, 10_000)
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // which tricks are tried is no secret
	for range n {
		trick := []byte(tricks[r.IntN(len(tricks))] + targets[r.IntN(len(targets))])
		for range r.IntN(4) {
			trick[r.IntN(len(trick))] = byte(r.IntN(256))
		}
		for _, raw := range []string{url.QueryEscape(string(trick)), strings.NewReplacer(" ", "+", "\x00", "%00").Replace(string(trick))} {
			req := httptest.NewRequest(http.MethodGet, "/auth/intercom/install", nil)
			req.URL.RawQuery = "to=" + raw
			req.AddCookie(&http.Cookie{Name: "account", Value: "ana"})
			w := httptest.NewRecorder()
			d.handler.ServeHTTP(w, req)
			if to := req.URL.Query()["to"]; w.Code == http.StatusFound && len(to) > 0 {
				assert.Contains(t, append(targets, intercomrbac.AppStoreRedirect), to[0])
			}
			if location := w.Header().Get("Location"); location != "" {
				assert.True(t, strings.HasPrefix(location, "https://app.intercom.com/oauth?"), location)
			}
		}
	}
	soak.Report(t, "redirects", "%d tricks and %d fuzzed targets, none leads off the list", len(tricks), n)
}

func TestSignInWantsAVerifiedAddress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		me string
		is error
	}{
		"verified":     {`"email":"ana@example.com","email_verified":true`, nil},
		"not verified": {`"email":"ana@example.com","email_verified":false`, intercomrbac.ErrEmailUnverified},
		"null":         {`"email":"ana@example.com","email_verified":null`, intercomrbac.ErrEmailUnverified},
		"not told":     {`"email":"ana@example.com"`, intercomrbac.ErrEmailUnverified},
		"no address":   {`"email":"","email_verified":true`, intercomrbac.ErrEmailUnverified},
	} {
		endpoint := exchanging(200, grantedToken)
		endpoint.me = `{"type":"admin","id":"7",` + tt.me + `,"app":{"id_code":"w1","region":"US"}}`
		o := newOAuth(t, endpoint)
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		w, err := o.SignIn(t.Context(), "ana", url.Values{"state": {state}, "code": {oauthCode}})
		require.ErrorIs(t, err, tt.is, name)
		if tt.is != nil {
			assert.Empty(t, w)
			assert.NotEmpty(t, intercomrbac.Advice(err))
			continue
		}
		assert.Equal(t, "ana@example.com", w.InstalledBy.Email)
		_, err = o.SignIn(t.Context(), "ana", url.Values{"state": {state}, "code": {oauthCode}})
		require.ErrorIs(t, err, intercomrbac.ErrOAuthState)
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	list := func(code string) string {
		return `{"type":"error.list","errors":[{"code":"` + code + `","message":"m"}]}`
	}
	for name, tt := range map[string]struct {
		status int
		body   string
		is     error
	}{
		"done":                  {200, `{}`, nil},
		"done without a word":   {200, ``, nil},
		"gone already":          {401, list("token_revoked"), nil},
		"unauthorized":          {401, list("unauthorized"), nil},
		"a scope is missing":    {401, list("token_unauthorized"), intercomrbac.ErrScopeMissing},
		"a proxy does not know": {401, `<html>`, intercomrbac.ErrUnauthorized},
		"a proxy says nothing":  {401, ``, intercomrbac.ErrUnauthorized},
		"a proxy speaks JSON":   {401, `{"error":"login required"}`, intercomrbac.ErrUnauthorized},
		"a lost header":         {401, list("missing_authorization_header"), intercomrbac.ErrUnauthorized},
		"forbidden":             {403, list("forbidden"), intercomrbac.ErrForbidden},
		"down":                  {500, `oops`, intercomrbac.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sent []*http.Request
			o := newOAuth(t, transport(func(r *http.Request) (*http.Response, error) {
				sent = append(sent, r)
				return reply(tt.status, tt.body), nil
			}), func(c *intercomrbac.OAuthConfig) { c.Region = intercomrbac.EU })
			ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Workspace: "another"})
			w := intercomrbac.Workspace{ID: "w1", Region: intercomrbac.EU, Token: intercomrbac.NewSecret(oauthToken)}
			err := o.Uninstall(ctx, w)
			if tt.is == nil {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, tt.is)
			}
			require.NotEmpty(t, sent)
			assert.Equal(t, "POST https://api.eu.intercom.io/auth/uninstall", sent[0].Method+" "+sent[0].URL.String())
			assert.Equal(t, "Bearer "+oauthToken, sent[0].Header.Get("Authorization"))

			sent = nil
			w.Region = intercomrbac.US
			require.ErrorIs(t, o.Uninstall(ctx, w), intercomrbac.ErrInvalidRequest)
			w.Region, w.Token = intercomrbac.EU, intercomrbac.Secret{}
			require.Error(t, o.Uninstall(ctx, w))
			require.Error(t, o.Uninstall(nil, w)) //nolint:staticcheck // what it does with none is the question
			assert.Empty(t, sent)
		})
	}
	require.ErrorContains(t, new(intercomrbac.OAuth).Uninstall(t.Context(), intercomrbac.Workspace{}), "not made by NewOAuth")
}
