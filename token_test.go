package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/oauth2"
)

type tokenSource func() (*oauth2.Token, error)

func (f tokenSource) Token() (*oauth2.Token, error) { return f() }

func sourced(tb testing.TB, source tokenSource, t transport) *intercomrbac.Client {
	tb.Helper()
	c, err := intercomrbac.NewClient(intercomrbac.WithTokenSource(source), intercomrbac.WithHTTPClient(&http.Client{Transport: t}),
		intercomrbac.WithLimiter(nil))
	require.NoError(tb, err)
	return c
}

func TestTokenSourceIsAskedBeforeEveryRequest(t *testing.T) {
	t.Parallel()
	n := 0
	var seen []string
	c := sourced(t, func() (*oauth2.Token, error) {
		n++
		return &oauth2.Token{AccessToken: fmt.Sprintf("access-token-%d", (n+1)/2)}, nil
	}, func(r *http.Request) (*http.Response, error) {
		seen = append(seen, r.Header.Get("Authorization"))
		return reply(404, `{"errors":[{"code":"x","message":"you sent access-token-1 and access-token-2"}]}`), nil
	})
	var last error
	for range 4 {
		_, last = c.Teams.List(t.Context())
	}
	assert.Equal(t, []string{"Bearer access-token-1", "Bearer access-token-1", "Bearer access-token-2", "Bearer access-token-2"}, seen)
	assert.ErrorContains(t, last, "you sent access-token-1 and [redacted]", "the token in use is taken out of what comes back")
}

func TestTokenSourceIsAskedInOneFlight(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked, running atomic.Int32
		c := sourced(t, func() (*oauth2.Token, error) {
			asked.Add(1)
			assert.EqualValues(t, 1, running.Add(1), "asked by one goroutine at a time")
			time.Sleep(time.Second)
			running.Add(-1)
			return &oauth2.Token{AccessToken: "access-token"}, nil
		}, func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil })
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() {
				_, err := c.Teams.List(t.Context())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.EqualValues(t, 1, asked.Load())
	})
}

func TestCallersLeaveAHangingTokenSource(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := sourced(t, func() (*oauth2.Token, error) {
			time.Sleep(time.Hour)
			return &oauth2.Token{AccessToken: "access-token"}, nil
		}, func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil })
		start := time.Now()
		patient := make(chan error, 1)
		go func() {
			_, err := c.Teams.List(t.Context())
			patient <- err
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		_, err := c.Teams.List(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.ErrorContains(t, err, "not sent")
		assert.Equal(t, 50*time.Millisecond, time.Since(start))
		require.NoError(t, <-patient, "who has time gets the answer")
		assert.Equal(t, time.Hour, time.Since(start))
	})
}

func TestTokenSourceFailures(t *testing.T) {
	t.Parallel()
	const secret = "client-secret-hunter2"
	tests := map[string]struct {
		source tokenSource
		want   string
		is     error
	}{
		"error": {func() (*oauth2.Token, error) { return nil, errors.New("bad " + secret) }, "the token source failed (*errors.errorString)", nil},
		"refused by the token endpoint": {func() (*oauth2.Token, error) {
			return nil, &oauth2.RetrieveError{Response: &http.Response{StatusCode: 401}, Body: []byte(secret)}
		}, "its token endpoint answered 401", nil},
		"cancelled":    {func() (*oauth2.Token, error) { return nil, fmt.Errorf("%s: %w", secret, context.Canceled) }, "the token source failed", context.Canceled},
		"nil token":    {func() (*oauth2.Token, error) { return nil, nil }, "the token source gave none", nil},
		"empty token":  {func() (*oauth2.Token, error) { return &oauth2.Token{}, nil }, "the token is empty", nil},
		"broken token": {func() (*oauth2.Token, error) { return &oauth2.Token{AccessToken: secret + "\r\nX: y"}, nil }, "line break", nil},
		"goexit":       {func() (*oauth2.Token, error) { runtime.Goexit(); return nil, nil }, "ended its goroutine", nil},
		"panic":        {func() (*oauth2.Token, error) { panic(secret) }, "panicked (string)", nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := sourced(t, tt.source, func(*http.Request) (*http.Response, error) {
				t.Error("a request was sent")
				return reply(200, `{"teams":[]}`), nil
			})
			err := c.Conversations.Delete(t.Context(), "1")
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "not sent")
			assert.ErrorIs(t, err, intercomrbac.ErrNoToken)
			assert.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			assert.NotEmpty(t, intercomrbac.Advice(err))
			if tt.is != nil {
				assert.ErrorIs(t, err, tt.is)
			}
			for e := range tree(err) {
				assert.NotContains(t, fmt.Sprintf("%v %+v %#v", e, e, e), secret)
			}
		})
	}
}

// tree yields err and all that it wraps.
func tree(err error) func(func(error) bool) {
	var walk func(error, func(error) bool) bool
	walk = func(err error, yield func(error) bool) bool {
		if err == nil {
			return true
		}
		if !yield(err) {
			return false
		}
		switch e := err.(type) { //nolint:errorlint // it walks the tree itself
		case interface{ Unwrap() error }:
			return walk(e.Unwrap(), yield)
		case interface{ Unwrap() []error }:
			for _, sub := range e.Unwrap() {
				if !walk(sub, yield) {
					return false
				}
			}
		}
		return true
	}
	return func(yield func(error) bool) { walk(err, yield) }
}
