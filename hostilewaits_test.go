package intercomrbac_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/require"
)

var hostileValues = []string{"", " ", "0", "-0", "-1", "+1", "1.5", "1e3", "NaN", "Inf", "0x10", "١٢", "soon", "1;2", "1, 2", "9223372036", "9223372037",
	"9223372036854775807", "9223372036854775808", "-9223372036854775808", "18446744073709551616", "99999999999999999999999", "7226582400",
	"253402300799", "253402300800", "Tue, 01 Jan 2199 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Mon, 01 Jan 0001 00:00:00 GMT",
	"Thu, 01 Jan 1970 00:00:00 GMT", "Saturday, 01-Jan-00 00:00:05 GMT", "Sat Jan  1 00:00:05 2000", "\x00", "\xff"}

// hostileHeader is what an answer may say at most wrongly, and sometimes rightly, about when to come again.
func hostileHeader(random *rand.Rand) http.Header {
	h := http.Header{}
	for _, name := range []string{"Retry-After", "X-Ratelimit-Limit", "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "Date"} {
		for n := random.IntN(8); n > 0; n /= 4 { // mostly one value
			now := time.Now().Add(time.Duration(random.IntN(41)-20) * time.Second)
			values := []string{hostileValues[random.IntN(len(hostileValues))], strconv.Itoa(random.IntN(200) - 5),
				strconv.FormatUint(random.Uint64(), 10), strconv.FormatInt(now.Unix(), 10), now.UTC().Format(http.TimeFormat)}
			h[name] = append(h[name], values[random.IntN(len(values))])
		}
	}
	if random.IntN(2) == 0 { // make sense, but for one of them at the most
		for name, value := range map[string]string{"X-Ratelimit-Limit": "100", "X-Ratelimit-Remaining": strconv.Itoa(random.IntN(101)),
			"X-Ratelimit-Reset": strconv.FormatInt(time.Now().Unix()+random.Int64N(14), 10)} {
			if random.IntN(6) > 0 {
				h[name] = []string{value}
			}
		}
	}
	return h
}

// Whatever a refusal's headers say, the wait is between nothing and MaxWait, or the error comes at once and names one of
// at most a day; and who is told to leave leaves at that moment.
func TestHostileWaitsAreBounded(t *testing.T) {
	t.Parallel()
	const most = 20 * time.Second
	total := soak.N(10_000, 1_000_000)
	waited, refused, cancelled := 0, 0, 0
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(3, 4))
		var refusal int // status of the next answer; 0 is success
		var h http.Header
		plain := clientOf(t, func(*http.Request) (*http.Response, error) {
			if refusal == 0 {
				return reply(200, `{"teams":[]}`), nil
			}
			r := reply(refusal, `{}`)
			r.Header, refusal = h, 0
			return r, nil
		}, intercomrbac.WithLimiter(nil))
		for i := range total {
			refusal, h = []int{429, 502, 503, 504}[random.IntN(4)], hostileHeader(random)
			c, bound := plain, most
			if i%8 == 0 { // a limiter adds a window, and what it does not believe the server's clock
				var err error
				c, err = plain.With(intercomrbac.WithLimiter(new(intercomrbac.WindowLimiter)))
				require.NoError(t, err)
				bound += 17 * time.Second
			}
			ctx, cancel := context.WithCancel(t.Context())
			leaves := time.Duration(random.Int64N(int64(2 * most)))
			leave := time.AfterFunc(leaves, cancel)
			start := time.Now()
			_, err := c.Teams.List(ctx)
			took := time.Since(start)
			leave.Stop()
			cancel()
			e, isAnswer := errors.AsType[*intercomrbac.APIError](err)
			switch {
			case err == nil:
				waited++
				require.LessOrEqual(t, took, min(bound, leaves), "%v", h)
			case errors.Is(err, context.Canceled):
				cancelled++
				require.Equal(t, leaves, took, "%v", h)
			case isAnswer:
				refused++
				require.Zero(t, took, "%v", h)
				require.Greater(t, e.RetryAfter, most, "%v", h)
				require.LessOrEqual(t, e.RetryAfter, 24*time.Hour, "%v", h)
			default:
				require.NoError(t, err, "%v", h)
			}
			time.Sleep(time.Duration(random.IntN(1000)) * time.Millisecond)
		}
	})
	for name, n := range map[string]int{"waited": waited, "refused": refused, "cancelled": cancelled} {
		require.Greater(t, n, total/100, "hardly any %s", name)
	}
	soak.Report(t, "C6", "%d refusals with hostile headers: %d waits within MaxWait, %d errors at once that name a wait of at most a day, %d left at the moment their context ended",
		total, waited, refused, cancelled)
}
