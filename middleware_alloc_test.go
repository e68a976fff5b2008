//go:build !race

package intercomrbac_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAllocationsOfRequire(t *testing.T) {
	h := stockChecker(t).Require("contacts:delete")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	w := &nopWriter{http.Header{}}
	owner, agent := requestAs(t.Context(), "owner"), requestAs(t.Context(), "agent")
	assert.Zero(t, testing.AllocsPerRun(200, func() { h.ServeHTTP(w, owner) }))
	assert.LessOrEqual(t, testing.AllocsPerRun(200, func() { h.ServeHTTP(w, agent) }), 1.0)
}
