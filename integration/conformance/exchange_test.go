package conformance_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/require"
)

// exchange is one request and its answer.
type exchange struct {
	request *http.Request
	sent    []byte
	status  int
	header  http.Header
	answer  []byte
}

// recorder keeps what goes through it.
type recorder struct {
	next      http.RoundTripper
	exchanges []exchange
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var sent []byte
	if request.Body != nil {
		var err error
		if sent, err = io.ReadAll(request.Body); err != nil {
			return nil, err
		}
		request.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := r.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	r.exchanges = append(r.exchanges, exchange{request, sent, response.StatusCode, response.Header, answer})
	return response, nil
}

// again sends the request of e once more, with another token.
func (r *recorder) again(t *testing.T, e exchange, token string) {
	t.Helper()
	request := e.request.Clone(t.Context())
	request.Body = io.NopCloser(bytes.NewReader(e.sent))
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := r.RoundTrip(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
}

const host = "https://api.intercom.io"

// newWorld returns a seeded workspace and a client of it. The client talks to the fake through the transport that wrap makes.
func newWorld(t *testing.T, wrap func(http.RoundTripper) http.RoundTripper) *world {
	t.Helper()
	fake := intercomtest.NewServer(t)
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(fake.Token()), intercomrbac.WithBaseURL(host),
		intercomrbac.WithHTTPClient(&http.Client{Transport: wrap(fake.Transport())}), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	require.NoError(t, err)
	return &world{ctx: t.Context(), c: c, fake: fake, Seeded: fake.Seed()}
}

func newRecordedWorld(t *testing.T) (*world, *recorder) {
	t.Helper()
	r := &recorder{}
	w := newWorld(t, func(next http.RoundTripper) http.RoundTripper {
		r.next = next
		return r
	})
	return w, r
}
