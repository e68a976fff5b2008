package conformance_test

import (
	"net/http"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A preflight sends nothing that the description does not have, and nothing but GET.
func TestPreflight(t *testing.T) {
	d := theDescription(t)
	w, r := newRecordedWorld(t)
	results, err := intercomrbac.Preflight(w.ctx, w.c, intercomrbac.Operations()...)
	require.NoError(t, err)
	seen := newTraffic(d)
	probes := 0
	for _, result := range results {
		if result.Probe == "" {
			continue
		}
		require.Less(t, probes, len(r.exchanges))
		e := r.exchanges[probes]
		assert.Equal(t, http.MethodGet, e.request.Method)
		op, args := d.find(e.request)
		require.NotNil(t, op, e.request.URL.Path)
		seen.request(result.Probe, op, args, e)
		probes++
	}
	assert.Len(t, r.exchanges, probes)
	assert.Empty(t, seen.requests.found)
}
