package intercomrbac_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// steps answers the first request by the first step, and so on; the last one answers the rest.
func steps(count *int, s ...transport) transport {
	return func(r *http.Request) (*http.Response, error) {
		i := min(*count, len(s)-1)
		*count++
		return s[i](r)
	}
}

func status(code int, headers ...string) transport {
	return func(*http.Request) (*http.Response, error) {
		return reply(code, `{"type":"error.list","errors":[{"code":"x","message":"y"}]}`, headers...), nil
	}
}

func done(*http.Request) (*http.Response, error) {
	return reply(200, `{"id":"1","conversations":[]}`), nil
}

func lost(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

func refused(*http.Request) (*http.Response, error) {
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
}

func halfAnswer(*http.Request) (*http.Response, error) {
	r := reply(200, ``)
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(`{"id":`), failing{}))
	r.ContentLength = 1000
	return r, nil
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// kinds of operations: a read, a search by POST, a write that may be repeated, one that may not, a deletion.
var kinds = map[string]func(context.Context, *intercomrbac.Client) error{
	"read": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Get(ctx, "1")
		return err
	},
	"search": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Search(ctx, intercomrbac.SearchParams{Query: intercomrbac.Where("state", intercomrbac.Equals, "open")})
		return err
	},
	"repeatable write": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Admins.SetAway(ctx, "1", intercomrbac.SetAwayParams{})
		return err
	},
	"write": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Close(ctx, "1", intercomrbac.CloseParams{AdminID: "1"})
		return err
	},
	"event": func(ctx context.Context, c *intercomrbac.Client) error {
		return c.DataEvents.Create(ctx, intercomrbac.CreateEventParams{Name: "x", ContactID: "c"})
	},
	"delete": func(ctx context.Context, c *intercomrbac.Client) error { return c.Conversations.Delete(ctx, "1") },
}

func repeatable(kind string) bool {
	return kind == "read" || kind == "search" || kind == "repeatable write"
}

func TestWhatIsTriedAgain(t *testing.T) {
	t.Parallel()
	type is = []error
	tests := map[string]struct {
		fault  transport
		always bool // tried again whatever the operation
		never  bool
		class  is   // of the error where it is not tried again, or lasts
		doubt  bool // a write is ErrOutcomeUnknown
	}{
		"429":            {fault: status(429), always: true, class: is{intercomrbac.ErrRateLimited}},
		"refused dial":   {fault: refused, always: true, class: is{intercomrbac.ErrUnavailable, syscall.ECONNREFUSED}},
		"502":            {fault: status(502), class: is{intercomrbac.ErrUnavailable}, doubt: true},
		"503":            {fault: status(503), class: is{intercomrbac.ErrUnavailable}, doubt: true},
		"504":            {fault: status(504), class: is{intercomrbac.ErrUnavailable}, doubt: true},
		"500":            {fault: status(500), never: true, class: is{intercomrbac.ErrUnavailable}, doubt: true},
		"lost answer":    {fault: lost, class: is{intercomrbac.ErrUnavailable, io.ErrUnexpectedEOF}, doubt: true},
		"half an answer": {fault: halfAnswer, class: is{intercomrbac.ErrUnavailable, io.ErrUnexpectedEOF}, doubt: true},
		"400":            {fault: status(400), never: true, class: is{intercomrbac.ErrInvalidRequest}},
		"401":            {fault: status(401), never: true, class: is{intercomrbac.ErrUnauthorized}},
		"404":            {fault: status(404), never: true, class: is{intercomrbac.ErrNotFound}},
		"409":            {fault: status(409), never: true, class: is{intercomrbac.ErrConflict}},
	}
	for name, tt := range tests {
		for kind, call := range kinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					again := !tt.never && (tt.always || repeatable(kind))
					// The fault passes.
					n := 0
					err := call(t.Context(), clientOf(t, steps(&n, tt.fault, done)))
					if again {
						require.NoError(t, err)
						assert.Equal(t, 2, n)
					} else {
						require.Error(t, err)
						assert.Equal(t, 1, n)
					}
					// The fault lasts.
					n = 0
					err = call(t.Context(), clientOf(t, steps(&n, tt.fault)))
					for _, class := range tt.class {
						require.ErrorIs(t, err, class)
					}
					assert.Equal(t, map[bool]int{true: 3, false: 1}[again], n)
					isWrite := kind != "read" && kind != "search"
					assert.Equal(t, tt.doubt && isWrite, errors.Is(err, intercomrbac.ErrOutcomeUnknown))
					assert.NotContains(t, err.Error(), "\n")
				})
			})
		}
	}
}

// A write that may have been done by an earlier attempt stays in doubt, however the last attempt ended.
func TestDoubtStays(t *testing.T) {
	t.Parallel()
	for name, last := range map[string]transport{"refused": refused, "404": status(404), "429": status(429)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := clientOf(t, steps(&n, lost, last), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 2}))
				_, err := c.Admins.SetAway(t.Context(), "1", intercomrbac.SetAwayParams{})
				require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
				assert.Equal(t, 2, n)
				// A read is never in doubt.
				n = 0
				_, err = clientOf(t, steps(&n, lost, last), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 2})).Conversations.Get(t.Context(), "1")
				require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
			})
		})
	}
	t.Run("refused before it was sent", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			n := 0
			err := clientOf(t, steps(&n, status(429), refused)).Conversations.Delete(t.Context(), "1")
			require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		})
	})
}

func TestHowLongARefusalIsWaitedFor(t *testing.T) {
	t.Parallel()
	// synctest begins at 2000-01-01T00:00:00Z.
	start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	window := func(reset int64, more ...string) transport {
		return status(429, append([]string{"X-RateLimit-Limit", "167", "X-RateLimit-Remaining", "0",
			"X-RateLimit-Reset", strconv.FormatInt(start.Unix()+reset, 10)}, more...)...)
	}
	tests := map[string]struct {
		fault transport
		retry intercomrbac.Retry
		ctx   time.Duration
		wait  time.Duration // exactly, or at most where it is jittered
		max   bool
		gives time.Duration // RetryAfter of the error returned at once; 0 if it is tried again
	}{
		"reset":                           {fault: window(7), wait: 7 * time.Second},
		"reset before Retry-After":        {fault: window(7, "Retry-After", "3"), wait: 7 * time.Second},
		"reset by the server's own clock": {fault: window(3607, "Date", start.Add(time.Hour).Format(http.TimeFormat)), wait: 7 * time.Second},
		"Retry-After":                     {fault: status(429, "Retry-After", "3"), wait: 3 * time.Second},
		"Retry-After as a date":           {fault: status(429, "Retry-After", start.Add(5*time.Second).Format(http.TimeFormat)), wait: 5 * time.Second},
		"Retry-After of a 503":            {fault: status(503, "Retry-After", "4"), wait: 4 * time.Second},
		"nothing said":                    {fault: status(429), wait: 502 * time.Millisecond, max: true},
		"nonsense said":                   {fault: status(429, "Retry-After", "soon", "X-RateLimit-Reset", "x"), wait: 502 * time.Millisecond, max: true},
		"negative":                        {fault: status(429, "Retry-After", "-5"), wait: 502 * time.Millisecond, max: true},
		"reset in a year":                 {fault: window(31536000), wait: 502 * time.Millisecond, max: true},
		"reset long ago":                  {fault: window(-31536000), wait: 502 * time.Millisecond, max: true},
		"longer than MaxWait":             {fault: status(429, "Retry-After", "21"), gives: 21 * time.Second},
		"longer than a small MaxWait":     {fault: window(7), retry: intercomrbac.Retry{MaxWait: 6 * time.Second}, gives: 7 * time.Second},
		"longer than the context":         {fault: window(7), ctx: 6 * time.Second, gives: 7 * time.Second},
		"hostile":                         {fault: status(429, "Retry-After", "9223372036854775807"), gives: 24 * time.Hour},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				n := 0
				c := clientOf(t, steps(&n, tt.fault, done), intercomrbac.WithRetry(tt.retry))
				ctx := t.Context()
				if tt.ctx > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, tt.ctx)
					defer cancel()
				}
				_, err := c.Conversations.Get(ctx, "1")
				took := time.Since(start)
				if tt.gives > 0 {
					e, ok := errors.AsType[*intercomrbac.APIError](err)
					require.True(t, ok, "%v", err)
					assert.Equal(t, tt.gives, e.RetryAfter)
					assert.ErrorIs(t, err, intercomrbac.ErrRateLimited)
					assert.Equal(t, 1, n)
					assert.Zero(t, took, "it returns at once")
					return
				}
				require.NoError(t, err)
				assert.Equal(t, 2, n)
				if tt.max {
					assert.LessOrEqual(t, took, tt.wait)
					assert.Positive(t, took)
				} else {
					assert.Equal(t, tt.wait, took)
				}
			})
		})
	}
}

func TestCancelDuringEveryWait(t *testing.T) {
	t.Parallel()
	hang := func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	for name, tt := range map[string]struct {
		answers []transport
		sent    bool // the write was sent when it was cancelled
	}{
		"while it waits to try again": {[]transport{status(429, "Retry-After", "15"), done}, false},
		"while the answer is awaited": {[]transport{hang}, true},
	} {
		for kind, call := range kinds {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					n := 0
					c := clientOf(t, steps(&n, tt.answers...))
					ctx, cancel := context.WithCancel(t.Context())
					start := time.Now()
					time.AfterFunc(3*time.Second, cancel)
					err := call(ctx, c)
					require.ErrorIs(t, err, context.Canceled)
					assert.Equal(t, 3*time.Second, time.Since(start))
					assert.Equal(t, 1, n)
					isWrite := kind != "read" && kind != "search"
					assert.Equal(t, tt.sent && isWrite, errors.Is(err, intercomrbac.ErrOutcomeUnknown))
				})
			})
		}
	}
	t.Run("before anything", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		n := 0
		err := clientOf(t, steps(&n, done)).Conversations.Delete(ctx, "1")
		require.ErrorIs(t, err, context.Canceled)
		require.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		assert.Zero(t, n)
	})
}

func TestTimeoutOfTheHTTPClientIsPerAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		hang := transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken),
			intercomrbac.WithHTTPClient(&http.Client{Timeout: 5 * time.Second, Transport: steps(&n, hang, done)}))
		require.NoError(t, err)
		_, err = c.Conversations.Get(t.Context(), "1")
		require.NoError(t, err, "a read is tried again")
		n = 0
		_, err = c.Conversations.Close(t.Context(), "1", intercomrbac.CloseParams{AdminID: "1"})
		require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, n)
	})
}

// What is sent again is the same, byte for byte. There are no streams: a body is a value, written once.
func TestBodiesAreRepeatedWhole(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]transport{"429": status(429), "refused dial": refused, "503": status(503), "lost answer": lost, "half an answer": halfAnswer} {
		for kind, call := range kinds {
			if kind == "read" || kind == "delete" || !repeatable(kind) && name != "429" && name != "refused dial" {
				continue // without a body, or not sent again
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					var bodies []string
					var lengths []int64
					n := 0
					answer := steps(&n, fault, fault, done)
					c := clientOf(t, func(r *http.Request) (*http.Response, error) {
						b, err := io.ReadAll(r.Body)
						bodies, lengths = append(bodies, string(b)), append(lengths, r.ContentLength)
						if err != nil {
							return nil, err
						}
						return answer(r)
					})
					require.NoError(t, call(t.Context(), c))
					require.Len(t, bodies, 3)
					require.NotEmpty(t, bodies[0])
					for i := range bodies {
						assert.Equal(t, bodies[0], bodies[i])
						assert.EqualValues(t, len(bodies[0]), lengths[i])
					}
				})
			})
		}
	}
	t.Run("a long one", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var bodies []string
			c := clientOf(t, func(r *http.Request) (*http.Response, error) {
				b, err := io.ReadAll(r.Body)
				bodies = append(bodies, string(b))
				if len(bodies) < 3 {
					return status(429)(r)
				}
				return reply(200, `{"id":"1"}`), err
			})
			_, err := c.Conversations.Reply(t.Context(), "1", intercomrbac.ReplyParams{AdminID: "1", Body: strings.Repeat("hello ", 1000)})
			require.NoError(t, err)
			require.Len(t, bodies, 3)
			assert.Equal(t, bodies[0], bodies[1])
			assert.Equal(t, bodies[0], bodies[2])
		})
	})
}
