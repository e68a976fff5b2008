package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	oauthSecret = "an-app's+secret/of=Intercom"
	oauthCode   = "YS1jb2RlL3RoYXQ+aXMgb25lLXRpbWU="
	oauthToken  = "dG9rOmZyb20tdGhlLWV4Y2hhbmdlOjE6MA=="
	identified  = `{"type":"admin","id":"1295","email":"ana@example.com","email_verified":true,
		"app":{"type":"app","id_code":"abc123","name":"Acme","region":"US"}}`
)

// intercomOAuth is the token endpoint and GET /me of one test.
type intercomOAuth struct {
	exchanges atomic.Int32
	sent      []*http.Request
	forms     []url.Values
	exchange  func(*http.Request) (*http.Response, error)
	me        string
}

func (i *intercomOAuth) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method + " " + r.URL.Path {
	case "POST /auth/eagle/token":
		i.exchanges.Add(1)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(b))
		if err != nil {
			return nil, err
		}
		i.sent, i.forms = append(i.sent, r), append(i.forms, form)
		return i.exchange(r)
	case "GET /me":
		i.sent = append(i.sent, r)
		if r.Header.Get("Authorization") != "Bearer "+oauthToken {
			return reply(401, `{"type":"error.list","errors":[{"code":"unauthorized","message":"Access Token Invalid"}]}`), nil
		}
		return reply(200, i.me), nil
	}
	return nil, fmt.Errorf("nobody asked for %s %s", r.Method, r.URL)
}

// exchanging answers every exchange so.
func exchanging(status int, body string, headers ...string) *intercomOAuth {
	return &intercomOAuth{me: identified, exchange: func(*http.Request) (*http.Response, error) { return reply(status, body, headers...), nil }}
}

func newOAuth(tb testing.TB, tr http.RoundTripper, change ...func(*intercomrbac.OAuthConfig)) *intercomrbac.OAuth {
	tb.Helper()
	config := intercomrbac.OAuthConfig{ClientID: "client-1", ClientSecret: intercomrbac.NewSecret(oauthSecret),
		RedirectURL: "https://app.example.com/auth/intercom/callback?from=intercom", States: intercomrbac.NewMemoryStateStore(),
		HTTPClient: &http.Client{Transport: tr, Timeout: 10 * time.Second}}
	for _, c := range change {
		c(&config)
	}
	o, err := intercomrbac.NewOAuth(config)
	require.NoError(tb, err)
	return o
}

const grantedToken = `{"token_type":"Bearer","token":"` + oauthToken + `","access_token":"` + oauthToken + `"}`

func TestNewOAuthRefusesBadConfigs(t *testing.T) {
	t.Parallel()
	good := intercomrbac.OAuthConfig{ClientID: "c", ClientSecret: intercomrbac.NewSecret("s3cr3t"), RedirectURL: "https://app.example.com/callback",
		States: intercomrbac.NewMemoryStateStore()}
	_, err := intercomrbac.NewOAuth(good)
	require.NoError(t, err)
	for name, tt := range map[string]struct {
		change func(*intercomrbac.OAuthConfig)
		says   string // "" if it is good
	}{
		"no client id":               {func(c *intercomrbac.OAuthConfig) { c.ClientID = "" }, "ClientID: it is empty"},
		"no client secret":           {func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.Secret{} }, "ClientSecret: the client secret is empty"},
		"secret with a line break":   {func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.NewSecret("s3cr3t\n") }, "line break"},
		"no states":                  {func(c *intercomrbac.OAuthConfig) { c.States = nil }, "NewMemoryStateStore"},
		"no redirect URL":            {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "" }, "RedirectURL: the URL needs"},
		"relative redirect URL":      {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "/callback" }, "RedirectURL: the URL needs"},
		"redirect URL in clear":      {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "http://app.example.com/" }, "use https"},
		"redirect URL to a fragment": {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/#x" }, "fragment"},
		"fragment behind a query":    {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?a=1#x" }, "fragment"},
		"redirect URL with a state":  {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?a=1&state=x" }, `RedirectURL: the query must not hold "state"`},
		"redirect URL with a code":   {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?code" }, `must not hold "code"`},
		"redirect URL with an error": {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?%65rror=" }, `must not hold "error"`},
		"line break in its query":    {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?a=1\n" }, "RedirectURL: the URL cannot be parsed"},
		"redirect URL to loopback":   {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "http://localhost:8080/callback" }, ""},
		"redirect URL with a query":  {func(c *intercomrbac.OAuthConfig) { c.RedirectURL = "https://app.example.com/?app=1" }, ""},
		"unknown region":             {func(c *intercomrbac.OAuthConfig) { c.Region = "MOON" }, `unknown region "MOON"`},
		"base URL in clear":          {func(c *intercomrbac.OAuthConfig) { c.BaseURL = "http://fake.example.com" }, "BaseURL: WithBaseURL: secrets would go over"},
		"base URL on loopback":       {func(c *intercomrbac.OAuthConfig) { c.BaseURL = "http://127.0.0.1:1/" }, ""},
		"token URL in clear":         {func(c *intercomrbac.OAuthConfig) { c.TokenURL = "http://api.eu.intercom.io/auth/eagle/token" }, "TokenURL: secrets would go over"},
		"token URL with a query":     {func(c *intercomrbac.OAuthConfig) { c.TokenURL = "https://api.intercom.io/t?client_secret=x" }, "no user, query or fragment"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := good
			tt.change(&c)
			o, err := intercomrbac.NewOAuth(c)
			if tt.says == "" {
				require.NoError(t, err)
				return
			}
			require.Nil(t, o)
			require.ErrorContains(t, err, tt.says)
			assert.NotContains(t, err.Error(), "s3cr3t")
		})
	}
	_, err = intercomrbac.NewOAuth(intercomrbac.OAuthConfig{})
	for _, field := range []string{"ClientID", "ClientSecret", "RedirectURL", "States"} {
		require.ErrorContains(t, err, field, "all at once")
	}
}

func TestAuthCodeURL(t *testing.T) {
	t.Parallel()
	query := "?client_id=client+1%26a%3Db&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcallback%3Fa%3D1%26scope%3Dall&state=s%26t%3D%C3%BC"
	for name, tt := range map[string]struct {
		region intercomrbac.Region
		base   string
		want   string
	}{
		"no region": {"", "", "https://app.intercom.com/oauth"},
		"US":        {intercomrbac.US, "", "https://app.intercom.com/oauth"},
		"EU":        {intercomrbac.EU, "", "https://app.eu.intercom.com/oauth"},
		"AU":        {intercomrbac.AU, "", "https://app.au.intercom.com/oauth"},
		"a fake":    {intercomrbac.EU, "http://127.0.0.1:8787/", "http://127.0.0.1:8787/oauth"},
	} {
		o := newOAuth(t, nil, func(c *intercomrbac.OAuthConfig) {
			c.ClientID, c.RedirectURL, c.Region, c.BaseURL = "client 1&a=b", "https://app.example.com/callback?a=1&scope=all", tt.region, tt.base
		})
		assert.Equal(t, tt.want+query, o.AuthCodeURL("s&t=ü"), name)
	}
}

func TestExchangeSendsOneForm(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*intercomrbac.OAuthConfig)
		url    string
	}{
		"default":   {func(*intercomrbac.OAuthConfig) {}, "https://api.intercom.io/auth/eagle/token"},
		"EU":        {func(c *intercomrbac.OAuthConfig) { c.Region = intercomrbac.EU }, "https://api.intercom.io/auth/eagle/token"},
		"token URL": {func(c *intercomrbac.OAuthConfig) { c.TokenURL = "https://api.eu.intercom.io/auth/eagle/token" }, "https://api.eu.intercom.io/auth/eagle/token"},
		"base URL":  {func(c *intercomrbac.OAuthConfig) { c.BaseURL = "http://localhost:1" }, "http://localhost:1/auth/eagle/token"},
		"base and token URL": {func(c *intercomrbac.OAuthConfig) {
			c.BaseURL, c.TokenURL = "http://localhost:1", "https://t.example.com/auth/eagle/token"
		}, "https://t.example.com/auth/eagle/token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := exchanging(200, grantedToken)
			token, err := newOAuth(t, endpoint, tt.change).Exchange(t.Context(), oauthCode)
			require.NoError(t, err)
			assert.Equal(t, oauthToken, token.Reveal())
			require.Len(t, endpoint.sent, 1)
			r := endpoint.sent[0]
			assert.Equal(t, tt.url, r.URL.String())
			assert.Equal(t, "application/x-www-form-urlencoded", r.Header.Get("Content-Type"))
			assert.Equal(t, "application/json", r.Header.Get("Accept"))
			assert.Empty(t, r.Header.Get("Authorization"), "Intercom documents no Basic authentication")
			assert.Equal(t, url.Values{"grant_type": {"authorization_code"}, "code": {oauthCode}, "client_id": {"client-1"}, "client_secret": {oauthSecret},
				"redirect_uri": {"https://app.example.com/auth/intercom/callback?from=intercom"}}, endpoint.forms[0])
		})
	}
}

func TestExchangeAnswers(t *testing.T) {
	t.Parallel()
	refused := func(status int, code, message string) *intercomOAuth {
		return exchanging(status, fmt.Sprintf(`{"type":"error.list","request_id":"req_9","errors":[{"code":%q,"message":%q}]}`, code, message))
	}
	failing := func(err error) *intercomOAuth {
		return &intercomOAuth{exchange: func(*http.Request) (*http.Response, error) { return nil, err }}
	}
	for name, tt := range map[string]struct {
		endpoint *intercomOAuth
		is       []error // nothing for a token
		text     string
	}{
		"both names":         {exchanging(200, grantedToken), nil, ""},
		"access_token only":  {exchanging(200, `{"access_token":"`+oauthToken+`"}`), nil, ""},
		"token only":         {exchanging(200, `{"token_type":"Bearer","token":"`+oauthToken+`"}`), nil, ""},
		"text/plain":         {exchanging(200, grantedToken, "Content-Type", "text/plain"), nil, ""},
		"a form":             {exchanging(200, "access_token=x", "Content-Type", "application/x-www-form-urlencoded"), []error{intercomrbac.ErrBadResponse}, "no JSON object"},
		"no token":           {exchanging(200, `{"token_type":"Bearer"}`), []error{intercomrbac.ErrBadResponse}, "there is no token"},
		"empty tokens":       {exchanging(200, `{"token":"","access_token":""}`), []error{intercomrbac.ErrBadResponse}, "there is no token"},
		"token of two lines": {exchanging(200, `{"token":"a\nb"}`), []error{intercomrbac.ErrBadResponse}, "is none"},
		"numeric token":      {exchanging(200, `{"token":77}`), []error{intercomrbac.ErrBadResponse}, "no JSON object"},
		"an error in a 200":  {exchanging(200, `{"error":"invalid_grant"}`), []error{intercomrbac.ErrBadResponse}, "there is no token"},
		"empty body":         {exchanging(200, ``), []error{intercomrbac.ErrBadResponse}, "no JSON object"},
		"a long body":        {exchanging(200, `{"token":"`+strings.Repeat("x", 65<<10)+`"}`), []error{intercomrbac.ErrBadResponse}, "more than 65536 bytes"},
		"unauthorized code":  {refused(401, "unauthorized", "Unauthorized Code"), []error{}, "401 unauthorized: Unauthorized Code (request_id req_9)"},
		"token_revoked":      {refused(401, "token_revoked", "x"), []error{}, "401 token_revoked"},
		"missing field":      {refused(400, "parameter_not_found", "code is required"), []error{}, "400 parameter_not_found"},
		"unknown client":     {refused(404, "not_found", "Resource Not Found"), []error{}, "404 not_found"},
		"page of a proxy":    {exchanging(403, "<html>no</html>"), []error{}, "403 forbidden"},
		"redirect":           {exchanging(302, "", "Location", "https://evil.example.com/"), []error{intercomrbac.ErrBadResponse}, "302 found"},
		"rate":               {exchanging(429, "{}", "Retry-After", "7"), []error{intercomrbac.ErrRateLimited}, "retry after 7s"},
		"server error":       {exchanging(500, "oops"), []error{intercomrbac.ErrUnavailable}, "500 internal server error"},
		"bad gateway":        {exchanging(502, "<html>"), []error{intercomrbac.ErrUnavailable}, "502 bad gateway"},
		"lost":               {failing(io.ErrUnexpectedEOF), []error{intercomrbac.ErrUnavailable, io.ErrUnexpectedEOF}, "cannot reach Intercom: unexpected EOF"},
		"nothing at all":     {&intercomOAuth{exchange: func(*http.Request) (*http.Response, error) { return nil, nil }}, []error{intercomrbac.ErrUnavailable}, "cannot reach Intercom"},
		"refusal, no body":   {&intercomOAuth{exchange: func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 401}, nil }}, []error{}, "401 unauthorized"},
		"success, no body":   {&intercomOAuth{exchange: func(*http.Request) (*http.Response, error) { return &http.Response{StatusCode: 200}, nil }}, []error{intercomrbac.ErrBadResponse}, "no JSON object"},
		"cut": {&intercomOAuth{exchange: func(*http.Request) (*http.Response, error) {
			r := reply(200, "")
			r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"token":"`), iotestErr{}))
			return r, nil
		}}, []error{intercomrbac.ErrUnavailable, io.ErrUnexpectedEOF}, "no whole answer came"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			token, err := newOAuth(t, tt.endpoint).Exchange(t.Context(), oauthCode)
			assert.EqualValues(t, 1, tt.endpoint.exchanges.Load(), "a code works once: it is sent once")
			if tt.is == nil {
				require.NoError(t, err)
				assert.Equal(t, oauthToken, token.Reveal())
				return
			}
			assert.Empty(t, token.Reveal())
			require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
			for _, class := range tt.is {
				require.ErrorIs(t, err, class)
			}
			require.NotErrorIs(t, err, intercomrbac.ErrUnauthorized, "no workspace is retired for a bad code")
			require.NotErrorIs(t, err, intercomrbac.ErrNotFound)
			require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			require.ErrorContains(t, err, tt.text)
			require.ErrorContains(t, err, "intercomrbac: oauth.token: ")
			assertOneLine(t, err.Error())
			assert.NotEmpty(t, intercomrbac.Advice(err))
			if e, ok := errors.AsType[*intercomrbac.APIError](err); ok && len(tt.is) == 0 {
				assert.Contains(t, e.Advice(), "match the redirect URL exactly with one in the Developer Hub")
			}
		})
	}
}

// The advice fits what happened: a redirect URL has nothing to do with a network, nor with somebody who does not consent.
func TestAdviceOnExchanges(t *testing.T) {
	t.Parallel()
	const redirect = "match the redirect URL exactly"
	for name, tt := range map[string]struct {
		endpoint *intercomOAuth
		query    url.Values
		says     string
	}{
		"a bad code":     {exchanging(401, "{}"), url.Values{"code": {oauthCode}}, redirect},
		"no consent":     {exchanging(200, grantedToken), url.Values{"error": {"access_denied"}}, "begin the install again"},
		"rate":           {exchanging(429, "{}", "Retry-After", "7"), url.Values{"code": {oauthCode}}, "wait 7s, then begin the install again"},
		"server error":   {exchanging(500, ""), url.Values{"code": {oauthCode}}, "begin the install again"},
		"page of others": {exchanging(200, "<html>"), url.Values{"code": {oauthCode}}, "check the base URL, and proxies"},
		"no network": {&intercomOAuth{exchange: func(*http.Request) (*http.Response, error) { return nil, io.EOF }}, url.Values{"code": {oauthCode}},
			"check network"},
	} {
		o := newOAuth(t, tt.endpoint)
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		tt.query.Set("state", state)
		_, err = o.Callback(t.Context(), "ana", tt.query)
		require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange, name)
		advice := intercomrbac.Advice(err)
		assert.Contains(t, advice, tt.says, name)
		assert.Equal(t, tt.says == redirect, strings.Contains(advice, redirect), name)
		assert.NotContains(t, advice, "send it again", "a code works once")
	}
}

// What an endpoint sends beyond what a token needs is not read.
func TestExchangeReadsNoEndlessAnswer(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 401} {
		var body endless
		endpoint := &intercomOAuth{exchange: func(*http.Request) (*http.Response, error) {
			r := reply(status, "")
			r.Body = io.NopCloser(&body)
			return r, nil
		}}
		_, err := newOAuth(t, endpoint).Exchange(t.Context(), oauthCode)
		require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
		assert.LessOrEqual(t, int(body), 128<<10)
	}
}

// endless is a body without an end, up to where a test has failed; it counts what was read.
type endless int

func (e *endless) Read(p []byte) (int, error) {
	if *e > 1<<20 {
		return 0, io.EOF
	}
	*e += endless(len(p))
	return copy(p, strings.Repeat(" ", len(p))), nil
}

type iotestErr struct{}

func (iotestErr) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestExchangeIsRefusedUnsent(t *testing.T) {
	t.Parallel()
	endpoint := exchanging(200, grantedToken)
	o := newOAuth(t, endpoint)
	for name, code := range map[string]string{"empty": "", "long": strings.Repeat("c", 4097)} {
		_, err := o.Exchange(t.Context(), code)
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest, name)
	}
	_, err := o.Exchange(nil, oauthCode) //nolint:staticcheck // what it does with none is the question
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = o.Identify(nil, intercomrbac.NewSecret(oauthToken)) //nolint:staticcheck // as above
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = o.Identify(t.Context(), intercomrbac.Secret{})
	require.ErrorContains(t, err, "the token is empty")
	assert.Empty(t, endpoint.sent)

	var none intercomrbac.OAuth
	_, err = none.Exchange(t.Context(), oauthCode)
	require.ErrorContains(t, err, "not made by NewOAuth")
	_, err = none.Identify(t.Context(), intercomrbac.NewSecret(oauthToken))
	require.ErrorContains(t, err, "not made by NewOAuth")
	_, err = none.NewState(t.Context(), "s")
	require.ErrorContains(t, err, "not made by NewOAuth")
	_, err = none.Callback(t.Context(), "s", url.Values{"state": {"x"}, "code": {"y"}})
	require.ErrorContains(t, err, "not made by NewOAuth")
}

// Time-outs of the caller and of the given http.Client both hold.
func TestExchangeEndsWithItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		hanging := transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		for _, tt := range []struct{ own, callers, want time.Duration }{
			{10 * time.Second, time.Minute, 10 * time.Second}, {10 * time.Second, 50 * time.Millisecond, 50 * time.Millisecond}, {0, time.Hour, time.Hour},
		} {
			o := newOAuth(t, hanging, func(c *intercomrbac.OAuthConfig) { c.HTTPClient.Timeout = tt.own })
			ctx, cancel := context.WithTimeout(t.Context(), tt.callers)
			start := time.Now()
			_, err := o.Exchange(ctx, oauthCode)
			cancel()
			assert.Equal(t, tt.want, time.Since(start))
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := newOAuth(t, hanging).Exchange(ctx, oauthCode)
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, intercomrbac.ErrUnavailable)
	})
}

func TestExchangeByHTTPMock(t *testing.T) {
	t.Parallel()
	tr := httpmock.NewMockTransport()
	tr.RegisterResponder("POST", "https://api.intercom.io/auth/eagle/token", httpmock.NewStringResponder(200, grantedToken))
	tr.RegisterResponder("GET", "https://api.intercom.io/me", httpmock.NewStringResponder(200, identified))
	o := newOAuth(t, tr)
	state, err := o.NewState(t.Context(), "session of ana")
	require.NoError(t, err)
	before := time.Now()
	w, err := o.Callback(t.Context(), "session of ana", url.Values{"state": {state}, "code": {oauthCode}, "workspace": {"evil"}, "region": {"EU"}})
	require.NoError(t, err)
	assert.Equal(t, oauthToken, w.Token.Reveal())
	assert.False(t, w.InstalledAt.Before(before.Truncate(time.Microsecond)))
	w.Token, w.InstalledAt = intercomrbac.Secret{}, time.Time{}
	assert.Equal(t, intercomrbac.Workspace{ID: "abc123", Name: "Acme", Region: intercomrbac.US,
		InstalledBy: intercomrbac.InstalledBy{AdminID: "1295", Email: "ana@example.com", EmailVerified: true}}, w)
}

func TestIdentify(t *testing.T) {
	t.Parallel()
	me := func(app string) string {
		return `{"type":"admin","id":"7","email":"a@example.com","email_verified":null,"app":` + app + `}`
	}
	for name, tt := range map[string]struct {
		region intercomrbac.Region
		me     string
		host   string
		want   intercomrbac.Workspace
		is     error
	}{
		"US":               {"", me(`{"id_code":"w1","name":"N","region":"US"}`), "api.intercom.io", intercomrbac.Workspace{ID: "w1", Name: "N", Region: "US"}, nil},
		"EU":               {intercomrbac.EU, me(`{"id_code":"w2","region":"eu"}`), "api.eu.intercom.io", intercomrbac.Workspace{ID: "w2", Region: "EU"}, nil},
		"AU":               {intercomrbac.AU, me(`{"id_code":"w3","region":"AU"}`), "api.au.intercom.io", intercomrbac.Workspace{ID: "w3", Region: "AU"}, nil},
		"no region told":   {intercomrbac.EU, me(`{"id_code":"w4"}`), "api.eu.intercom.io", intercomrbac.Workspace{ID: "w4", Region: "EU"}, nil},
		"another region":   {intercomrbac.EU, me(`{"id_code":"w5","region":"US"}`), "api.eu.intercom.io", intercomrbac.Workspace{}, intercomrbac.ErrOAuthExchange},
		"no workspace":     {"", me(`{"id_code":null,"region":"US"}`), "api.intercom.io", intercomrbac.Workspace{}, intercomrbac.ErrBadResponse},
		"no app":           {"", me(`null`), "api.intercom.io", intercomrbac.Workspace{}, intercomrbac.ErrBadResponse},
		"not of this type": {"", `[]`, "api.intercom.io", intercomrbac.Workspace{}, intercomrbac.ErrBadResponse},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endpoint := exchanging(500, "")
			endpoint.me = tt.me
			o := newOAuth(t, endpoint, func(c *intercomrbac.OAuthConfig) { c.Region = tt.region })
			// A principal, of whichever workspace, has nothing to do with it.
			ctx := intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Workspace: "another"})
			w, err := o.Identify(ctx, intercomrbac.NewSecret(oauthToken))
			require.Len(t, endpoint.sent, 1)
			assert.Equal(t, tt.host, endpoint.sent[0].URL.Host, "the configuration alone says where the token goes")
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
				assert.Empty(t, w)
				assert.NotEmpty(t, intercomrbac.Advice(err))
				return
			}
			require.NoError(t, err)
			assert.Equal(t, oauthToken, w.Token.Reveal())
			tt.want.InstalledBy = intercomrbac.InstalledBy{AdminID: "7", Email: "a@example.com"}
			w.Token, w.InstalledAt = intercomrbac.Secret{}, time.Time{}
			assert.Equal(t, tt.want, w)
		})
	}
	_, err := newOAuth(t, exchanging(500, "")).Identify(t.Context(), intercomrbac.NewSecret("another-token"))
	require.ErrorIs(t, err, intercomrbac.ErrUnauthorized)
}

func TestCallbackWithoutConsentOrCode(t *testing.T) {
	t.Parallel()
	endpoint := exchanging(200, grantedToken)
	o := newOAuth(t, endpoint)
	for name, tt := range map[string]struct {
		query url.Values
		is    error
		says  string
	}{
		"consent refused": {url.Values{"error": {"access_denied"}}, intercomrbac.ErrOAuthExchange, "not authorized"},
		"hostile error":   {url.Values{"error": {"\n<script>" + strings.Repeat("x", 9999)}}, intercomrbac.ErrOAuthExchange, "not authorized"},
		"no code":         {url.Values{}, intercomrbac.ErrInvalidRequest, "there is no code"},
		"error and code":  {url.Values{"error": {"access_denied"}, "code": {oauthCode}}, intercomrbac.ErrOAuthExchange, "not authorized"},
		"empty code":      {url.Values{"code": {""}}, intercomrbac.ErrInvalidRequest, "there is no code"},
		"two codes":       {url.Values{"code": {"a", "b"}}, intercomrbac.ErrInvalidRequest, "more than one"},
	} {
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		tt.query.Set("state", state)
		_, err = o.Callback(t.Context(), "ana", tt.query)
		require.ErrorIs(t, err, tt.is, name)
		require.ErrorContains(t, err, tt.says)
		assertOneLine(t, err.Error())
		assert.Less(t, len(err.Error()), 400)
		require.ErrorIs(t, o.ConsumeState(t.Context(), "ana", state), intercomrbac.ErrOAuthState, "it is used up in any case")
	}
	assert.Zero(t, endpoint.exchanges.Load())
}

// An OAuth keeps its connections, with the default transport too.
func TestInstallsShareConnections(t *testing.T) {
	t.Parallel()
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/me" {
			_, _ = io.WriteString(w, identified)
			return
		}
		_, _ = io.WriteString(w, grantedToken)
	}))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	for name, h := range map[string]*http.Client{"none given": nil, "given": {Transport: new(http.Transport)}} {
		o := newOAuth(t, nil, func(c *intercomrbac.OAuthConfig) { c.BaseURL, c.HTTPClient = srv.URL, h })
		before := opened.Load()
		for range 5 {
			state, err := o.NewState(t.Context(), "ana")
			require.NoError(t, err)
			_, err = o.Callback(t.Context(), "ana", url.Values{"state": {state}, "code": {oauthCode}})
			require.NoError(t, err)
		}
		assert.EqualValues(t, 1, opened.Load()-before, name)
	}
}

// The whole way, against the fake: in memory at Intercom's own hosts, and over loopback.
func TestInstallAgainstTheFake(t *testing.T) {
	t.Parallel()
	const redirect = "https://app.example.com/callback?from=intercom"
	install := func(t *testing.T, srv *intercomtest.Server, o *intercomrbac.OAuth) (intercomrbac.Workspace, error) {
		t.Helper()
		state, err := o.NewState(t.Context(), "ana")
		require.NoError(t, err)
		back, err := srv.Authorize(o.AuthCodeURL(state))
		if err != nil {
			return intercomrbac.Workspace{}, err
		}
		u, err := url.Parse(back)
		require.NoError(t, err)
		assert.Equal(t, "intercom", u.Query().Get("from"))
		return o.Callback(t.Context(), "ana", u.Query())
	}
	for _, region := range []intercomrbac.Region{intercomrbac.US, intercomrbac.EU, intercomrbac.AU} {
		for _, inMemory := range []bool{true, false} {
			t.Run(fmt.Sprint(region, inMemory), func(t *testing.T) {
				t.Parallel()
				srv := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{ID: "w1", Name: "Acme", Region: string(region)}))
				ids := srv.Seed()
				app := srv.AddApp(intercomtest.App{RedirectURLs: []string{"https://other.example.com/", redirect}})
				config := func(c *intercomrbac.OAuthConfig) {
					c.ClientID, c.ClientSecret, c.RedirectURL, c.Region = app.ClientID, intercomrbac.NewSecret(app.ClientSecret), redirect, region
					if !inMemory {
						c.BaseURL, c.HTTPClient = srv.URL(), nil
					}
				}
				w, err := install(t, srv, newOAuth(t, srv.Transport(), config))
				require.NoError(t, err)
				assert.Equal(t, []any{intercomrbac.WorkspaceID("w1"), "Acme", region, ids.Owner}, []any{w.ID, w.Name, w.Region, w.InstalledBy.AdminID})
				admins, err := srv.ClientFor(w.Token.Reveal()).Admins.List(t.Context())
				require.NoError(t, err)
				assert.Len(t, admins, 4)

				wrong := newOAuth(t, srv.Transport(), config, func(c *intercomrbac.OAuthConfig) { c.RedirectURL = strings.TrimSuffix(redirect, "m") })
				_, err = install(t, srv, wrong)
				require.ErrorContains(t, err, "redirect_uri", "it has to match exactly")
				wrong = newOAuth(t, srv.Transport(), config, func(c *intercomrbac.OAuthConfig) { c.ClientSecret = intercomrbac.NewSecret("of-another-app") })
				_, err = install(t, srv, wrong)
				require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
				require.ErrorContains(t, err, "Unauthorized Code")
			})
		}
	}
	t.Run("another region than the app's", func(t *testing.T) {
		t.Parallel()
		srv := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{Region: "EU"}))
		srv.Seed()
		app := srv.AddApp(intercomtest.App{RedirectURLs: []string{redirect}})
		o := newOAuth(t, srv.Transport(), func(c *intercomrbac.OAuthConfig) {
			c.ClientID, c.ClientSecret, c.RedirectURL, c.BaseURL = app.ClientID, intercomrbac.NewSecret(app.ClientSecret), redirect, "https://fake.example.com"
		})
		_, err := install(t, srv, o)
		require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
		require.ErrorContains(t, err, `the workspace is in region "EU" and the app in "US"`)
	})
	t.Run("a code that expired", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			srv := intercomtest.NewServer(t)
			srv.Seed()
			app := srv.AddApp(intercomtest.App{RedirectURLs: []string{redirect}})
			o := newOAuth(t, srv.Transport(), func(c *intercomrbac.OAuthConfig) {
				c.ClientID, c.ClientSecret, c.RedirectURL = app.ClientID, intercomrbac.NewSecret(app.ClientSecret), redirect
			})
			state, err := o.NewState(t.Context(), "ana")
			require.NoError(t, err)
			back, err := srv.Authorize(o.AuthCodeURL(state))
			require.NoError(t, err)
			u, err := url.Parse(back)
			require.NoError(t, err)
			time.Sleep(6 * time.Minute) // the state is good for ten, the code is not
			_, err = o.Callback(t.Context(), "ana", u.Query())
			require.ErrorIs(t, err, intercomrbac.ErrOAuthExchange)
			assert.Equal(t, 1, srv.CallCount("oauth.token"))
		})
	})
}
