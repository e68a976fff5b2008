package conformance_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryOperationHasACase needs no description.
func TestEveryOperationHasACase(t *testing.T) {
	requireCases(t)
	for name := range cases {
		_, ok := intercomrbac.LookupOperation(name)
		assert.True(t, ok, "the case %s is of no operation", name)
	}
}

func requireCases(t *testing.T) {
	t.Helper()
	for _, op := range intercomrbac.Operations() {
		require.NotNil(t, cases[op.Name].calls["least"],
			"operation %s has no conformance case: give it an entry in cases, with at least the call \"least\"", op.Name)
	}
}

// figures are what a run showed.
type figures struct {
	requests, answers, refusals, successes, errors, broken, specimens int
}

func TestConformance(t *testing.T) {
	d := theDescription(t)
	requireCases(t)
	var n figures
	traffic, unsent := newTraffic(d), newLedger(notOffered)
	losses, broken := newLedger(leftOut), newLedger(brokenExamples)

	t.Run("description", func(t *testing.T) { testDescription(t, d) })
	t.Run("exchanges", func(t *testing.T) { testExchanges(t, traffic, &n, unsent) })
	t.Run("examples", func(t *testing.T) { testExamples(t, d, &n, losses, broken) })
	for _, file := range files()[1:] {
		t.Run("examples of "+filepath.Base(file), func(t *testing.T) { testOtherExamples(t, file) })
	}
	if len(files()) == 1 {
		t.Logf("of other versions of the API no description is at hand: name them in %s behind the first", variable)
	}

	if t.Failed() {
		return // the figures would not count
	}
	soak.Report(t, "conformance", "%d operations (%d of the description's %d), %d requests, %d answers of the fake and %d refusals,"+
		" %d examples of success and %d of errors (%d break their own schema), %d specimens; %d repairs, %d exceptions",
		len(cases), len(coveredIDs()), len(d.operations), n.requests, n.answers, n.refusals, n.successes, n.errors, n.broken, n.specimens, len(repairs),
		len(traffic.requests.used)+len(unsent.used)+len(traffic.answers.used)+len(losses.used)+len(broken.used))
	for _, list := range []struct {
		what string
		*ledger
	}{
		{"sent although the description does not have it", traffic.requests},
		{"in the description and not offered", unsent},
		{"answered by the fake otherwise than described", traffic.answers},
		{"in the description and left out", losses},
		{"examples that break their own schema", broken},
	} {
		for _, e := range list.exceptions {
			t.Logf("%s: %s: %s (%d)", list.what, e.what, e.why, list.used[e.what])
		}
	}
}

func testDescription(t *testing.T, d *description) {
	w, r := newRecordedWorld(t)
	_, err := w.c.Admins.Me(w.ctx)
	require.NoError(t, err)
	require.Equal(t, d.doc.Info.Version, r.exchanges[0].request.Header.Get("Intercom-Version"),
		"the first file of %s must be of the version that the client speaks", variable)
	for _, r := range repairs {
		t.Logf("repaired %d times: %s: %s", d.repaired[r.name], r.name, r.reason)
		if d.repaired[r.name] == 0 {
			t.Errorf("the description has no %s any more: take the repair away", r.name)
		}
	}
	// What is left: texts and examples beside a $ref, which say nothing about values.
	require.NoError(t, d.doc.Validate(t.Context(), openapi3.DisableExamplesValidation()))
	for _, op := range intercomrbac.Operations() {
		described := d.operations[op.ID]
		if described == nil {
			t.Errorf("operation %s: the description has no %s", op.Name, op.ID)
			continue
		}
		if got, want := op.Method+" "+op.Path, described.method+" "+described.path; got != want {
			t.Errorf("operation %s is %s, described as %s", op.Name, got, want)
		}
	}
}

func testExchanges(t *testing.T, seen *traffic, n *figures, unsent *ledger) {
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		for _, kind := range slices.Sorted(maps.Keys(cases[name].calls)) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				err := oneExchange(t, seen, name, cases[name].calls[kind])
				require.NoError(t, err)
				n.requests++
				n.answers++
			})
		}
		for _, kind := range slices.Sorted(maps.Keys(cases[name].refused)) {
			t.Run(name+"/"+kind, func(t *testing.T) {
				err := oneExchange(t, seen, name, cases[name].refused[kind])
				refusal, ok := errors.AsType[*intercomrbac.APIError](err)
				require.True(t, ok, "%v", err)
				want, _, _ := strings.Cut(kind, ":")
				require.Equal(t, want, fmt.Sprintf("%d %s", refusal.StatusCode, refusal.Code))
				n.requests++
				n.refusals++
			})
		}
		t.Run(name+"/refused like any", func(t *testing.T) { n.refusals += refusedLikeAny(t, seen, name) })
	}
	for what := range seen.unsent {
		if !seen.sent[what] {
			unsent.note(what, "no call sends it")
		}
	}
	seen.requests.settle(t)
	unsent.settle(t)
	seen.answers.settle(t)
}

// oneExchange makes a call in a workspace of its own, and returns its error.
func oneExchange(t *testing.T, seen *traffic, name string, do call) error {
	t.Helper()
	w, r := newRecordedWorld(t)
	_, err := do(w)
	require.Len(t, r.exchanges, 1, "a call sends one request, this one ended so: %v", err)
	calls := w.fake.Calls()
	require.Equal(t, name, calls[len(calls)-1].Operation)
	seen.exchange(name, r.exchanges[0])
	return err
}

// refusedLikeAny compares the answers that any operation can get in place of its own, and returns how many those are.
func refusedLikeAny(t *testing.T, seen *traffic, name string) int {
	t.Helper()
	w, r := newRecordedWorld(t)
	_, err := cases[name].calls["least"](w)
	require.NoError(t, err)
	request := r.exchanges[0]
	r.exchanges = nil

	w.fake.AddToken("narrow", "Read tickets")
	w.fake.AddToken("revoked")
	w.fake.RevokeToken("revoked", "token_revoked")
	r.again(t, request, "unknown")
	r.again(t, request, "revoked")
	r.again(t, request, "narrow")
	w.fake.SetMissingScopeStatus(http.StatusForbidden)
	r.again(t, request, "narrow") // the fifth request, whose id is no UUID
	w.fake.SetRateLimit(1)
	r.again(t, request, w.fake.Token())
	w.fake.SetRateLimit(0)
	w.fake.Inject(intercomtest.Fault{Status: http.StatusInternalServerError})
	r.again(t, request, w.fake.Token())

	var statuses []int
	for _, e := range r.exchanges {
		statuses = append(statuses, e.status)
		if op, _ := seen.find(e.request); op != nil {
			seen.answer(op, e)
		}
	}
	require.Equal(t, []int{401, 401, 401, 403, 429, 500}, statuses)
	return len(statuses)
}

// coveredIDs are the ids that the operations have in the description.
func coveredIDs() map[string]bool {
	ids := map[string]bool{}
	for _, op := range intercomrbac.Operations() {
		ids[op.ID] = true
	}
	return ids
}
