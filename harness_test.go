package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/jarcoal/httpmock"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	mockHost  = "api.intercom.test"
	mockToken = "dG9rOm1vY2tlZC10b2tlbjoxOjA9"
)

// mock is Intercom as one test sees it: it keeps what was sent and answers from a list.
type mock struct {
	Client *intercomrbac.Client

	mu      sync.Mutex
	answers []mockAnswer
	sent    []sentRequest
	heard   []intercomrbac.ResponseInfo
}

type mockAnswer struct {
	status int
	body   string
	header http.Header
}

type sentRequest struct {
	Method string
	Host   string
	Path   string // escaped, without the base path
	Query  url.Values
	Header http.Header
	Body   string
}

// requireLinear fails if the time that do takes grows faster than n: eight times as much would take 64 times as long if each were held
// against each. Something else on the machine may make the longer one longer, but not each time.
func requireLinear(t *testing.T, what string, n int, do func(n int)) {
	t.Helper()
	timed := func(n int) time.Duration {
		began := time.Now()
		do(n)
		return time.Since(began)
	}
	var short, long time.Duration
	for range 5 {
		if short, long = timed(n/8), timed(n); long < 24*short {
			return
		}
	}
	require.Failf(t, what, "an eighth took %v, and the whole %v", short, long)
}

// json200 is the answer 200 with a body.
func json200(body string) mockAnswer { return mockAnswer{status: 200, body: body} }

// newMock returns a client whose requests are answered one after the other; the last answer repeats.
func newMock(tb testing.TB, answers ...mockAnswer) *mock {
	tb.Helper()
	m := &mock{answers: answers}
	transport := httpmock.NewMockTransport()
	transport.RegisterNoResponder(m.respond)
	var err error
	m.Client, err = intercomrbac.NewClient(
		intercomrbac.WithToken(mockToken),
		intercomrbac.WithBaseURL("https://"+mockHost+"/base"),
		intercomrbac.WithHTTPClient(&http.Client{Transport: transport}),
		intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}),
		intercomrbac.WithOnResponse(func(_ context.Context, info intercomrbac.ResponseInfo) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.heard = append(m.heard, info)
		}),
	)
	require.NoError(tb, err)
	return m
}

func (m *mock) respond(r *http.Request) (*http.Response, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := sentRequest{Method: r.Method, Host: r.URL.Host, Path: strings.TrimPrefix(r.URL.EscapedPath(), "/base"),
		Query: r.URL.Query(), Header: r.Header.Clone()}
	if r.Body != nil {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.Body = string(b)
	}
	m.sent = append(m.sent, s)
	if len(m.answers) == 0 {
		return nil, errors.New("nothing was to be sent")
	}
	a := m.answers[min(len(m.sent), len(m.answers))-1]
	resp := httpmock.NewStringResponse(a.status, a.body)
	if a.header != nil {
		resp.Header = a.header.Clone()
	}
	return resp, nil
}

func (m *mock) requests() []sentRequest {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.sent)
}

// onlyRequest returns the one request that was sent.
func (m *mock) onlyRequest(tb testing.TB) sentRequest {
	tb.Helper()
	sent := m.requests()
	require.Len(tb, sent, 1)
	return sent[0]
}

// methodTest is one call of a method, and what it sends and returns.
type methodTest struct {
	name string
	call func(ctx context.Context, c *intercomrbac.Client) (any, error)
	// op is the name of the operation.
	op     string
	method string
	path   string // escaped
	query  string // "" for none
	body   string // "" for none
	// answer is 200 with response, unless status says otherwise.
	status   int
	response string
	// want is what the method returns; nil where it returns only an error.
	want any
}

// runMethodTests checks of each row the whole request and the result; then that the same call returns Intercom's
// refusal, and that it sends nothing under a context that has ended.
func runMethodTests(t *testing.T, tests []methodTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			status := tt.status
			if status == 0 {
				status = 200
			}
			m := newMock(t, mockAnswer{status: status, body: tt.response})
			got, err := tt.call(t.Context(), m.Client)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
			assertRequest(t, m.onlyRequest(t), tt)

			require.Len(t, m.heard, 1)
			op, ok := intercomrbac.LookupOperation(m.heard[0].Operation)
			require.True(t, ok)
			assert.Equal(t, tt.op, op.Name)
			assert.Equal(t, tt.method, op.Method)

			t.Run("refused by Intercom", func(t *testing.T) {
				t.Parallel()
				m := newMock(t, mockAnswer{status: 422, body: `{"type":"error.list","request_id":"r-1","errors":[{"code":"parameter_invalid","message":"No.","field":"body"}]}`})
				got, err := tt.call(t.Context(), m.Client)
				e, ok := errors.AsType[*intercomrbac.APIError](err)
				require.True(t, ok, "%v", err)
				assert.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
				assert.Equal(t, []any{422, "parameter_invalid", "No.", "body", "r-1", tt.op, op.Scope, 1},
					[]any{e.StatusCode, e.Code, e.Message, e.Field, e.RequestID, e.Operation, e.Scope, e.Attempts})
				if tt.want != nil {
					assert.Empty(t, got)
				}
			})
			t.Run("context ended", func(t *testing.T) {
				t.Parallel()
				m := newMock(t)
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				_, err := tt.call(ctx, m.Client)
				assert.ErrorIs(t, err, context.Canceled)
				assert.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
				assert.Empty(t, m.requests())
			})
		})
	}
}

func assertRequest(t *testing.T, got sentRequest, want methodTest) {
	t.Helper()
	assert.Equal(t, mockHost, got.Host)
	assert.Equal(t, want.method+" "+want.path, got.Method+" "+got.Path)
	assert.Equal(t, want.query, got.Query.Encode())
	header := http.Header{
		"Authorization":    {"Bearer " + mockToken},
		"Accept":           {"application/json"},
		"User-Agent":       {"intercomrbac-go (+https://github.com/intercomrbac/intercomrbac)"},
		"Intercom-Version": {"2.16"},
	}
	if want.body == "" {
		assert.Empty(t, got.Body)
	} else {
		assert.JSONEq(t, want.body, got.Body)
		header.Set("Content-Type", "application/json")
	}
	assert.Equal(t, header, got.Header)
}

// refusalTest is a call that is refused before anything is sent.
type refusalTest struct {
	name string
	call func(ctx context.Context, c *intercomrbac.Client) (any, error)
	is   error  // nil means ErrInvalidRequest
	hint string // part of the text
}

func runRefusalTests(t *testing.T, tests []refusalTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t)
			got, err := tt.call(t.Context(), m.Client)
			is := tt.is
			if is == nil {
				is = intercomrbac.ErrInvalidRequest
			}
			require.ErrorIs(t, err, is)
			require.ErrorContains(t, err, tt.hint)
			assert.Empty(t, got)
			assert.Empty(t, m.requests(), "something was sent")
			assert.False(t, strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }), "%q is not one line", err)
		})
	}
}

// badSegments are values that must never become a part of a path.
var badSegments = map[string]string{
	"empty": "", "dot": ".", "dots": "..", "line break": "1\n2", "NUL": "1\x00", "delete character": "1\x7f", "broken UTF-8": "1\xff",
}

// badDigits are values that are no id of an admin or a team.
var badDigits = map[string]string{
	"empty": "", "zero": "0", "leading zero": "012", "word": "billing", "dots": "..", "slash": "1/2", "minus": "-1", "fraction": "1.5",
	"control character": "1\n", "other digits": "١٢", "space": "1 2",
}

// reread decodes what v encodes to into a new value of the same type.
func reread[T any](tb testing.TB, v T) (out T) {
	tb.Helper()
	b, err := json.Marshal(v)
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(b, &out))
	return out
}

// ctxAs returns the test's context with an admin as principal.
func ctxAs(ctx context.Context, id intercomrbac.AdminID) context.Context {
	return intercomrbac.WithPrincipal(ctx, intercomrbac.Principal{AdminID: id})
}
