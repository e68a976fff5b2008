//go:build !race

package intercomrbac_test

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A plain call costs at most 15 allocations more than one by hand.
func TestAllocationsOfACall(t *testing.T) {
	body := []byte(conversationJSON(1))
	header := http.Header{"X-Request-Id": {"000q4r1hqhqkqr2n2tpg"}, "Date": {"Sat, 01 Jan 2000 00:00:00 GMT"},
		"X-Ratelimit-Limit": {"1000000"}, "X-Ratelimit-Remaining": {"999999"}, "X-Ratelimit-Reset": {"946684805"}}
	h := &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(bytes.NewReader(body)), ContentLength: int64(len(body))}, nil
	})}
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithHTTPClient(h))
	require.NoError(t, err)
	ctx := t.Context()
	for name, tt := range map[string]struct{ hand, ours func() error }{
		"get": {
			func() error { _, err := handGet(ctx, h, "https://api.intercom.io", testToken, "531"); return err },
			func() error { _, err := c.Conversations.Get(ctx, "531"); return err },
		},
		"close": {
			func() error {
				_, err := handClose(ctx, h, "https://api.intercom.io", testToken, "531", "991267708")
				return err
			},
			func() error {
				_, err := c.Conversations.Close(ctx, "531", intercomrbac.CloseParams{AdminID: "991267708"})
				return err
			},
		},
	} {
		measure := func(f func() error) float64 {
			return testing.AllocsPerRun(200, func() { require.NoError(t, f()) })
		}
		hand, ours := measure(tt.hand), measure(tt.ours)
		t.Logf("%s: %.0f by hand, %.0f here", name, hand, ours)
		assert.LessOrEqual(t, ours, hand+15, name)
	}
}
