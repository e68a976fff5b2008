package intercomrbac_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/require"
)

// guardedAndPlain returns two clients of one transport in memory, with a guard that allows without a condition and keeps
// no record, and without; and a context in which somebody may do what is measured.
func guardedAndPlain(tb testing.TB) (guarded, plain *intercomrbac.Client, ctx context.Context) {
	tb.Helper()
	body, header := []byte(conversationJSON(1)), http.Header{"X-Request-Id": {"000q4r1hqhqkqr2n2tpg"}}
	plain = clientOf(tb, func(r *http.Request) (*http.Response, error) {
		body := body
		if r.URL.Path == "/teams" {
			body = []byte(`{"teams":[]}`)
		}
		return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
	})
	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	require.NoError(tb, err)
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	require.NoError(tb, err)
	guarded, err = plain.With(intercomrbac.WithGuard(guard))
	require.NoError(tb, err)
	return guarded, plain, intercomrbac.WithPrincipal(tb.Context(), intercomrbac.Principal{AdminID: "991267708", Role: intercomrbac.RoleOwner})
}

// measuredCalls are a read and a write, and a read of next to nothing, beside which the guard shows most.
var measuredCalls = map[string]func(context.Context, *intercomrbac.Client) error{
	"teams": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Teams.List(ctx)
		return err
	},
	"get": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Get(ctx, "531")
		return err
	},
	"close": func(ctx context.Context, c *intercomrbac.Client) error {
		_, err := c.Conversations.Close(ctx, "531", intercomrbac.CloseParams{})
		return err
	},
}

func benchmarkCalls(b *testing.B, ctx context.Context, c *intercomrbac.Client) { //nolint:revive // b comes first in a benchmark
	for name, call := range measuredCalls {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := call(ctx, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkGuardedCall is to be set beside BenchmarkUnguardedCall: what a guard costs where nothing has to be looked at.
func BenchmarkGuardedCall(b *testing.B) {
	guarded, _, ctx := guardedAndPlain(b)
	benchmarkCalls(b, ctx, guarded)
}

// BenchmarkUnguardedCall is the same without the guard.
func BenchmarkUnguardedCall(b *testing.B) {
	_, plain, ctx := guardedAndPlain(b)
	benchmarkCalls(b, ctx, plain)
}
