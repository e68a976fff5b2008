package intercomrbac_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

const testToken = "dG9rOmNhbmFyeS1mb3ItdGVzdHM6MTowPQ=="

// transport answers requests with a function.
type transport func(*http.Request) (*http.Response, error)

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return t(r)
}

// reply makes a response with pairs of header names and values.
func reply(status int, body string, headers ...string) *http.Response {
	h := http.Header{"Content-Type": {"application/json"}}
	for i := 0; i < len(headers); i += 2 {
		h.Set(headers[i], headers[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
}

// clientOf makes a client whose requests t answers.
func clientOf(tb testing.TB, t transport, opts ...intercomrbac.Option) *intercomrbac.Client {
	tb.Helper()
	c, err := intercomrbac.NewClient(append([]intercomrbac.Option{intercomrbac.WithToken(testToken),
		intercomrbac.WithHTTPClient(&http.Client{Transport: t})}, opts...)...)
	require.NoError(tb, err)
	return c
}

func TestNewClientRefusesBadOptions(t *testing.T) {
	t.Parallel()
	token := intercomrbac.WithToken(testToken)
	tests := map[string]struct {
		opts []intercomrbac.Option
		want string
	}{
		"no credential":            {nil, "no credential: use WithToken, WithTokenSource or FromEnv"},
		"empty token":              {[]intercomrbac.Option{intercomrbac.WithToken("")}, "the token is empty"},
		"token with a line break":  {[]intercomrbac.Option{intercomrbac.WithToken("abc\n")}, "line break"},
		"token outside of ASCII":   {[]intercomrbac.Option{intercomrbac.WithToken("tökenwithumlaut")}, "no token has"},
		"two credentials":          {[]intercomrbac.Option{token, token}, "was set before"},
		"token and source":         {[]intercomrbac.Option{token, intercomrbac.WithTokenSource(oauth2.StaticTokenSource(&oauth2.Token{}))}, "was set before"},
		"nil source":               {[]intercomrbac.Option{intercomrbac.WithTokenSource(nil)}, "the source is nil"},
		"nil option":               {[]intercomrbac.Option{token, nil}, "option 2 is nil"},
		"unknown region":           {[]intercomrbac.Option{token, intercomrbac.WithRegion("UK")}, `unknown region "UK": use US, EU or AU`},
		"region and base URL":      {[]intercomrbac.Option{token, intercomrbac.WithRegion(intercomrbac.EU), intercomrbac.WithBaseURL("https://x.test")}, "was set before"},
		"plain http":               {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("http://api.intercom.io")}, "use https"},
		"http on a near loopback":  {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("http://localhost.example.com")}, "use https"},
		"another scheme":           {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("ftp://localhost")}, "use https"},
		"base URL without a host":  {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("api.intercom.io")}, "scheme and a host"},
		"base URL with a password": {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("https://user:hunter2@x.test")}, "no user, query or fragment"},
		"base URL with a query":    {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("https://x.test?token=hunter2")}, "no user, query or fragment"},
		"base URL unparsable":      {[]intercomrbac.Option{token, intercomrbac.WithBaseURL("https://hunter2:x y@")}, "cannot be parsed"},
		"nil HTTP client":          {[]intercomrbac.Option{token, intercomrbac.WithHTTPClient(nil)}, "the client is nil"},
		"bad version":              {[]intercomrbac.Option{token, intercomrbac.WithAPIVersion("2.16\r\nX: y")}, "no version"},
		"empty workspace":          {[]intercomrbac.Option{token, intercomrbac.WithWorkspace("")}, "the id is empty"},
		"negative retry":           {[]intercomrbac.Option{token, intercomrbac.WithRetry(intercomrbac.Retry{Attempts: -1})}, "may be negative"},
		"nil logger":               {[]intercomrbac.Option{token, intercomrbac.WithLogger(nil)}, "the logger is nil"},
		"nil hook":                 {[]intercomrbac.Option{token, intercomrbac.WithOnResponse(nil)}, "the function is nil"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := intercomrbac.NewClient(tt.opts...)
			require.ErrorContains(t, err, tt.want)
			assert.Nil(t, c)
			assert.Contains(t, err.Error(), "intercomrbac: NewClient: ")
			assert.NotContains(t, err.Error(), "hunter2")
			assert.NotContains(t, err.Error(), testToken)
		})
	}
	t.Run("all at once", func(t *testing.T) {
		t.Parallel()
		_, err := intercomrbac.NewClient(intercomrbac.WithRegion("UK"), intercomrbac.WithLogger(nil))
		for _, want := range []string{"no credential", "unknown region", "the logger is nil"} {
			assert.ErrorContains(t, err, want)
		}
	})
}

func TestRequestsCarryTheirHeaders(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		opts    []intercomrbac.Option
		url     string
		version string
	}{
		"default":  {nil, "https://api.intercom.io/me", "2.16"},
		"US":       {[]intercomrbac.Option{intercomrbac.WithRegion(intercomrbac.US)}, "https://api.intercom.io/me", "2.16"},
		"EU":       {[]intercomrbac.Option{intercomrbac.WithRegion(intercomrbac.EU)}, "https://api.eu.intercom.io/me", "2.16"},
		"AU":       {[]intercomrbac.Option{intercomrbac.WithRegion(intercomrbac.AU)}, "https://api.au.intercom.io/me", "2.16"},
		"base URL": {[]intercomrbac.Option{intercomrbac.WithBaseURL("https://proxy.test/intercom/")}, "https://proxy.test/intercom/me", "2.16"},
		"loopback": {[]intercomrbac.Option{intercomrbac.WithBaseURL("http://127.0.0.1:1")}, "http://127.0.0.1:1/me", "2.16"},
		"IPv6":     {[]intercomrbac.Option{intercomrbac.WithBaseURL("http://[::1]:1")}, "http://[::1]:1/me", "2.16"},
		"version":  {[]intercomrbac.Option{intercomrbac.WithAPIVersion("Preview")}, "https://api.intercom.io/me", "Preview"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *http.Request
			c := clientOf(t, func(r *http.Request) (*http.Response, error) {
				got = r
				return reply(200, `{"id":"1","app":{"id_code":"ws"}}`), nil
			}, tt.opts...)
			_, err := c.Admins.Me(t.Context())
			require.NoError(t, err)
			assert.Equal(t, tt.url, got.URL.String())
			assert.Equal(t, http.Header{
				"Authorization":    {"Bearer " + testToken},
				"Accept":           {"application/json"},
				"User-Agent":       {"intercomrbac-go (+https://github.com/intercomrbac/intercomrbac)"},
				"Intercom-Version": {tt.version},
			}, got.Header)
		})
	}
}

func TestFromEnv(t *testing.T) {
	t.Setenv("INTERCOM_ACCESS_TOKEN", "")
	_, err := intercomrbac.NewClient(intercomrbac.FromEnv())
	require.ErrorContains(t, err, "INTERCOM_ACCESS_TOKEN is not set")

	t.Setenv("INTERCOM_ACCESS_TOKEN", testToken)
	var auth string
	c, err := intercomrbac.NewClient(intercomrbac.FromEnv(), intercomrbac.WithHTTPClient(&http.Client{
		Transport: transport(func(r *http.Request) (*http.Response, error) {
			auth = r.Header.Get("Authorization")
			return reply(200, `{"teams":[]}`), nil
		}),
	}))
	require.NoError(t, err)
	_, err = c.Teams.List(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "Bearer "+testToken, auth)

	// Without the option the environment is not read.
	_, err = intercomrbac.NewClient()
	require.ErrorContains(t, err, "no credential")
}

func TestDefaultTransportThatTestsReplaced(t *testing.T) {
	old := http.DefaultTransport
	t.Cleanup(func() { http.DefaultTransport = old })
	http.DefaultTransport = transport(func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil })
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken))
	require.NoError(t, err)
	_, err = c.Teams.List(t.Context())
	require.NoError(t, err)
}

func TestWith(t *testing.T) {
	t.Parallel()
	var hooks, requests atomic.Int32
	c := clientOf(t, func(*http.Request) (*http.Response, error) {
		requests.Add(1)
		return reply(200, `{"teams":[]}`), nil
	})
	copied, err := c.With(intercomrbac.WithOnResponse(func(context.Context, intercomrbac.ResponseInfo) { hooks.Add(1) }))
	require.NoError(t, err)
	_, err = c.Teams.List(t.Context())
	require.NoError(t, err)
	assert.Zero(t, hooks.Load(), "the original stays as it was")
	_, err = copied.Teams.List(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, hooks.Load())
	assert.EqualValues(t, 2, requests.Load(), "the copy shares the transport")

	for name, o := range map[string]intercomrbac.Option{
		"token":     intercomrbac.WithToken("another-token"),
		"region":    intercomrbac.WithRegion(intercomrbac.EU),
		"base URL":  intercomrbac.WithBaseURL("https://elsewhere.test"),
		"workspace": intercomrbac.WithWorkspace("ws"),
		"nil":       nil,
	} {
		_, err := c.With(o)
		assert.Error(t, err, name)
	}
}

func TestWithSharesTheLimiter(t *testing.T) {
	t.Parallel()
	l := &countingLimiter{}
	c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil }, intercomrbac.WithLimiter(l))
	copied, err := c.With(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	require.NoError(t, err)
	for _, c := range []*intercomrbac.Client{c, copied} {
		_, err := c.Teams.List(t.Context())
		require.NoError(t, err)
	}
	assert.EqualValues(t, 2, l.waits.Load())
	assert.EqualValues(t, 2, l.observed.Load())
}

type countingLimiter struct{ waits, observed atomic.Int32 }

func (l *countingLimiter) Wait(context.Context) error     { l.waits.Add(1); return nil }
func (l *countingLimiter) Observe(intercomrbac.RateLimit) { l.observed.Add(1) }

func TestLimiterHearsOfEveryAttempt(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]transport{
		"answer":    func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil },
		"error":     func(*http.Request) (*http.Response, error) { return nil, errors.New("lost") },
		"refusal":   func(*http.Request) (*http.Response, error) { return reply(500, ``), nil },
		"panicking": func(*http.Request) (*http.Response, error) { panic("transport") },
	} {
		l := &countingLimiter{}
		c := clientOf(t, answer, intercomrbac.WithLimiter(l), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
		func() {
			defer func() { _ = recover() }()
			_, _ = c.Teams.List(t.Context())
		}()
		assert.EqualValues(t, 1, l.waits.Load(), name)
		assert.EqualValues(t, 1, l.observed.Load(), name)
	}
}

func TestZeroClientAnswersWithAnError(t *testing.T) {
	t.Parallel()
	var none *intercomrbac.Client
	for _, c := range []*intercomrbac.Client{none, {}} {
		err := c.Do(t.Context(), lookup(t, "teams.list"), intercomrbac.Call{}, nil)
		require.ErrorContains(t, err, "not made by NewClient")
		_, err = c.With()
		require.ErrorContains(t, err, "not made by NewClient")
		c.CloseIdleConnections()
	}
	_, err := new(intercomrbac.TeamsService).List(t.Context())
	require.ErrorContains(t, err, "not made by NewClient")
}

func TestNilContext(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil })
	var none context.Context
	_, err := c.Teams.List(none)
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	_, err = c.Conversations.Close(none, "1", intercomrbac.CloseParams{})
	require.ErrorIs(t, err, intercomrbac.ErrNoActingAdmin)
}

func TestRedirectsAreNeverFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 303, 307, 308} {
		for name, location := range map[string]string{"another host": other.URL + "/me", "same host": "/elsewhere", "token in it": other.URL + "/?t=" + testToken} {
			var here atomic.Int32
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				here.Add(1)
				w.Header().Set("Location", location)
				w.WriteHeader(status)
			}))
			// A redirect policy of the given client's own does not come through either.
			given := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return nil }}
			c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithBaseURL(srv.URL), intercomrbac.WithHTTPClient(given))
			require.NoError(t, err)
			_, err = c.Admins.Me(t.Context())
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse, name)
			apiErr, ok := errors.AsType[*intercomrbac.APIError](err)
			require.True(t, ok)
			assert.Equal(t, status, apiErr.StatusCode)
			assert.NotContains(t, err.Error(), testToken)
			err = c.Conversations.Delete(t.Context(), "1")
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse, name)
			assert.EqualValues(t, 2, here.Load(), name)
			given.CloseIdleConnections()
			srv.Close()
		}
	}
	assert.Zero(t, elsewhere.Load())
}

func TestUntrustedHostIsNotSentTheToken(t *testing.T) {
	t.Parallel()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request came through") }))
	srv.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithBaseURL(srv.URL))
	require.NoError(t, err)
	err = c.Conversations.Delete(t.Context(), "1")
	require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
	assert.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
}

func TestOnResponseAndLogTellOfEachAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var infos []intercomrbac.ResponseInfo
		var log bytes.Buffer
		n := 0
		c := clientOf(t, func(*http.Request) (*http.Response, error) {
			n++
			time.Sleep(time.Second)
			if n == 1 {
				return reply(503, ``, "X-Request-Id", "req_1"), nil
			}
			return reply(200, `{"id":"77"}`, "X-Request-Id", "req_2", "X-RateLimit-Limit", "167", "X-RateLimit-Remaining", "160",
				"X-RateLimit-Reset", "946684810"), nil
		}, intercomrbac.WithLogger(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug,
			ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
				if a.Key == slog.TimeKey {
					return slog.Attr{}
				}
				return a
			}}))),
			intercomrbac.WithOnResponse(func(_ context.Context, i intercomrbac.ResponseInfo) { infos = append(infos, i) }))
		_, err := c.Conversations.Get(t.Context(), "77")
		require.NoError(t, err)
		require.Len(t, infos, 2)
		assert.Equal(t, intercomrbac.ResponseInfo{Operation: "conversations.get", Method: "GET", Path: "/conversations/{conversation_id}",
			StatusCode: 503, RequestID: "req_1", Attempt: 1, Duration: time.Second}, infos[0])
		assert.Equal(t, 2, infos[1].Attempt)
		assert.Equal(t, 167, infos[1].RateLimit.Limit)
		assert.Equal(t, 160, infos[1].RateLimit.Remaining)
		assert.Equal(t, `level=WARN msg="intercom request" operation=conversations.get method=GET path=/conversations/{conversation_id} status=503 attempt=1 duration=1s request_id=req_1
level=DEBUG msg="intercom request" operation=conversations.get method=GET path=/conversations/{conversation_id} status=200 attempt=2 duration=1s request_id=req_2
`, log.String())
	})
}

func TestWorkspaceBinding(t *testing.T) {
	t.Parallel()
	answer := func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil }
	bound := clientOf(t, answer, intercomrbac.WithWorkspace("ws_a"))
	unbound := clientOf(t, answer)
	as := func(ws intercomrbac.WorkspaceID) context.Context {
		return intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Workspace: ws})
	}
	tests := map[string]struct {
		client *intercomrbac.Client
		ctx    context.Context
		ok     bool
	}{
		"bound, its own":              {bound, as("ws_a"), true},
		"bound, another":              {bound, as("ws_b"), false},
		"bound, none":                 {bound, as(""), false},
		"bound, nobody acts":          {bound, t.Context(), true},
		"unbound, none":               {unbound, as(""), true},
		"unbound, names a workspace":  {unbound, as("ws_a"), false},
		"bound, nobody with a tenant": {bound, intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{Workspace: "ws_b"}), true},
	}
	for name, tt := range tests {
		_, err := tt.client.Teams.List(tt.ctx)
		if tt.ok {
			assert.NoError(t, err, name)
		} else {
			assert.ErrorIs(t, err, intercomrbac.ErrWrongWorkspace, name)
		}
	}
}

func lookup(t testing.TB, name string) intercomrbac.Operation {
	t.Helper()
	op, ok := intercomrbac.LookupOperation(name)
	require.True(t, ok, name)
	return op
}
