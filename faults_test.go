package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// faultKind is one way in which a call can go wrong, and the error that is documented for it.
type faultKind struct {
	fault intercomtest.Fault
	// tried is how often the fault is met at three attempts: by any operation, or by a repeatable one alone.
	always, repeatable bool
	class              []error // of the error when the fault lasts
	doubt              bool    // a write is ErrOutcomeUnknown too
}

var faultKinds = map[string]faultKind{
	"429":             {fault: intercomtest.Fault{Status: 429}, always: true, class: []error{intercomrbac.ErrRateLimited}},
	"refused dial":    {fault: intercomtest.Fault{Refuse: true}, always: true, class: []error{intercomrbac.ErrUnavailable, syscall.ECONNREFUSED}},
	"500":             {fault: intercomtest.Fault{Status: 500}, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"502":             {fault: intercomtest.Fault{Status: 502}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"503":             {fault: intercomtest.Fault{Status: 503}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"504":             {fault: intercomtest.Fault{Status: 504}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"done, then 502":  {fault: intercomtest.Fault{Status: 502, Done: true}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"HTML 502":        {fault: intercomtest.Fault{HTML: true}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"dropped":         {fault: intercomtest.Fault{Drop: true}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"done, then drop": {fault: intercomtest.Fault{Drop: true, Done: true}, repeatable: true, class: []error{intercomrbac.ErrUnavailable}, doubt: true},
	"HTML 200":        {fault: intercomtest.Fault{HTML: true, Status: 200}, class: []error{intercomrbac.ErrBadResponse}, doubt: true},
	"done, then HTML": {fault: intercomtest.Fault{HTML: true, Status: 200, Done: true}, class: []error{intercomrbac.ErrBadResponse}, doubt: true},
	"cut-off JSON":    {fault: intercomtest.Fault{Body: []byte(`{"id":"1`), Done: true}, class: []error{intercomrbac.ErrBadResponse}, doubt: true},
	"not JSON":        {fault: intercomtest.Fault{Body: []byte(`OK`), Done: true}, class: []error{intercomrbac.ErrBadResponse}, doubt: true},
	"400":             {fault: intercomtest.Fault{Status: 400}, class: []error{intercomrbac.ErrInvalidRequest}},
	"401":             {fault: intercomtest.Fault{Status: 401}, class: []error{intercomrbac.ErrUnauthorized}},
	"403":             {fault: intercomtest.Fault{Status: 403}, class: []error{intercomrbac.ErrForbidden}},
	"404":             {fault: intercomtest.Fault{Status: 404}, class: []error{intercomrbac.ErrNotFound}},
	"409":             {fault: intercomtest.Fault{Status: 409}, class: []error{intercomrbac.ErrConflict}},
	"422":             {fault: intercomtest.Fault{Status: 422}, class: []error{intercomrbac.ErrInvalidRequest}},
	"302":             {fault: intercomtest.Fault{Status: 302, Header: http.Header{"Location": {"https://elsewhere.test/"}}}, class: []error{intercomrbac.ErrBadResponse}},
	"times out":       {fault: intercomtest.Fault{Delay: time.Hour, Done: true}, repeatable: true, class: []error{context.DeadlineExceeded, intercomrbac.ErrUnavailable}, doubt: true},
}

// workspace is a fake with what the kinds of calls need.
func workspace(tb testing.TB) (*intercomtest.Server, []operationCall) {
	srv := intercomtest.NewServer(tb)
	admin := srv.AddAdmin(intercomtest.Admin{Name: "Ana"})
	team := srv.AddTeam(intercomtest.Team{Name: "Billing"})
	contact := srv.AddContact(intercomtest.Contact{ExternalID: "customer-1"})
	lead := srv.AddContact(intercomtest.Contact{Role: "lead"})
	tag := srv.AddTag(intercomtest.Tag{Name: "VIP"})
	id := srv.AddConversation(intercomtest.Conversation{ContactIDs: []intercomrbac.ContactID{contact}})
	type ctx = context.Context
	type client = *intercomrbac.Client
	return srv, []operationCall{
		{"admins.list", func(ctx ctx, c client) error { _, err := c.Admins.List(ctx); return err }},
		{"conversations.get", func(ctx ctx, c client) error { _, err := c.Conversations.Get(ctx, id); return err }},
		{"conversations.search", func(ctx ctx, c client) error {
			_, err := c.Conversations.Search(ctx, intercomrbac.SearchParams{Query: intercomrbac.Where("state", intercomrbac.Equals, "open")})
			return err
		}},
		{"admins.set_away", func(ctx ctx, c client) error {
			_, err := c.Admins.SetAway(ctx, admin, intercomrbac.SetAwayParams{Away: true})
			return err
		}},
		{"conversations.update", func(ctx ctx, c client) error {
			_, err := c.Conversations.Update(ctx, id, intercomrbac.UpdateConversationParams{Title: new("t")})
			return err
		}},
		{"conversations.assign", func(ctx ctx, c client) error {
			_, err := c.Conversations.Assign(ctx, id, intercomrbac.AssignParams{AdminID: admin, To: intercomrbac.ToTeam(team)})
			return err
		}},
		{"conversations.note", func(ctx ctx, c client) error {
			_, err := c.Conversations.Note(ctx, id, intercomrbac.NoteParams{AdminID: admin, Body: "note"})
			return err
		}},
		{"conversations.add_tag", func(ctx ctx, c client) error {
			_, err := c.Conversations.AddTag(ctx, id, intercomrbac.TagParams{AdminID: admin, TagID: tag})
			return err
		}},
		{"contacts.create", func(ctx ctx, c client) error {
			_, err := c.Contacts.Create(ctx, intercomrbac.CreateContactParams{Role: intercomrbac.ContactLead})
			return err
		}},
		{"events.create", func(ctx ctx, c client) error {
			return c.DataEvents.Create(ctx, intercomrbac.CreateEventParams{Name: "x", ContactID: contact})
		}},
		{"contacts.update", func(ctx ctx, c client) error {
			_, err := c.Contacts.Update(ctx, contact, intercomrbac.UpdateContactParams{Name: new("x")})
			return err
		}},
		{"contacts.merge", func(ctx ctx, c client) error {
			_, err := c.Contacts.Merge(ctx, intercomrbac.MergeContactsParams{From: lead, Into: contact, SkipDuplicateValidation: true})
			return err
		}},
		{"contacts.archive", func(ctx ctx, c client) error { return c.Contacts.Archive(ctx, contact) }},
		{"contacts.delete", func(ctx ctx, c client) error { return c.Contacts.Delete(ctx, contact) }},
		{"conversations.delete", func(ctx ctx, c client) error { return c.Conversations.Delete(ctx, id) }},
	}
}

type operationCall struct {
	op string
	do func(context.Context, *intercomrbac.Client) error
}

// Each fault x each kind of operation: the documented error, no write sent twice that could be done twice.
func TestFaultTable(t *testing.T) {
	t.Parallel()
	_, calls := workspace(t)
	for name, kind := range faultKinds {
		for i, call := range calls {
			t.Run(name+"/"+call.op, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					kind := kind // its own: Times is written
					op := lookup(t, call.op)
					tries := 1
					if kind.always || kind.repeatable && op.Repeatable {
						tries = 3
					}
					ctx := t.Context() // each attempt has its own time-out

					srv, calls := workspace(t)
					kind.fault.Times = -1
					srv.Inject(kind.fault)
					err := calls[i].do(ctx, srv.Client())
					require.Error(t, err)
					for _, class := range kind.class {
						assert.ErrorIs(t, err, class)
					}
					assert.Equal(t, kind.doubt && op.Effect != intercomrbac.Read, errors.Is(err, intercomrbac.ErrOutcomeUnknown), "%v", err)
					if kind.fault.Refuse {
						assert.Zero(t, srv.CallCount(""))
					} else {
						assert.Equal(t, tries, srv.CallCount(""))
					}

					// A fault that passes is not seen where another try is safe.
					srv, calls = workspace(t)
					kind.fault.Times = 1
					srv.Inject(kind.fault)
					err = calls[i].do(ctx, srv.Client())
					if tries > 1 {
						assert.NoError(t, err)
					} else {
						assert.Error(t, err)
					}
				})
			})
		}
	}
}

// The same over real connections: nothing is left over. The fake keeps a goroutine for each connection, in this process,
// so that counting goroutines counts connections too.
func TestFaultsOverLoopbackLeaveNothingBehind(t *testing.T) {
	srv, calls := workspace(t)
	url := srv.URL()
	runtime.GC()
	before := runtime.NumGoroutine()
	c, err := intercomrbac.NewClient(intercomrbac.WithToken(srv.Token()), intercomrbac.WithBaseURL(url),
		intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	require.NoError(t, err)
	rounds := soak.N(2, 50)
	n := 0
	for range rounds {
		var wg sync.WaitGroup
		for name, kind := range faultKinds {
			if kind.fault.Refuse {
				continue // over a connection it is a drop
			}
			timeout := time.Minute
			if kind.fault.Delay > 0 {
				timeout = 20 * time.Millisecond
			}
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			kind.fault.Times = -1
			srv.ClearFaults()
			srv.Inject(kind.fault)
			for _, call := range calls {
				n++
				wg.Go(func() {
					if err := call.do(ctx, c); err == nil {
						t.Errorf("%s %s: no error", name, call.op)
					}
				})
			}
			wg.Wait()
			cancel()
		}
	}
	srv.ClearFaults()
	_, err = c.Admins.List(t.Context())
	require.NoError(t, err, "the client works on")
	c.CloseIdleConnections()
	// Eventually runs a goroutine of its own.
	if !assert.Eventually(t, func() bool { return runtime.NumGoroutine() <= before+1 }, 10*time.Second, 10*time.Millisecond,
		"goroutines: %d before", before) {
		b := make([]byte, 1<<20)
		t.Fatalf("%s", b[:runtime.Stack(b, true)])
	}
	soak.Report(t, "C8", "%d faulted calls over loopback, goroutines and connections back to where they were", n)
}

// Of writes with random faults, each is done at most once, and what is certain to have failed was not done at all.
func TestNoWriteIsDoneTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		admin := srv.AddAdmin(intercomtest.Admin{Name: "Ana"})
		c := srv.Client()
		faults := []intercomtest.Fault{
			{Status: 429}, {Status: 502}, {Status: 502, Done: true}, {Status: 503}, {Drop: true}, {Drop: true, Done: true},
			{HTML: true}, {HTML: true, Status: 200, Done: true}, {Truncate: 3}, {Refuse: true}, {Delay: time.Hour, Done: true},
		}
		total := soak.N(1000, 10000)
		unknown, failed := 0, 0
		random := rand.New(rand.NewPCG(1, 2))
		for i := range total {
			id := srv.AddConversation(intercomtest.Conversation{})
			for range random.IntN(5) {
				srv.Inject(faults[random.IntN(len(faults))])
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := c.Conversations.Note(ctx, id, intercomrbac.NoteParams{AdminID: admin, Body: fmt.Sprint(i)})
			cancel()
			srv.ClearFaults()
			got, ok := srv.Conversation(id)
			require.True(t, ok)
			switch {
			case err == nil:
				require.Len(t, got.Parts, 1)
			case errors.Is(err, intercomrbac.ErrOutcomeUnknown):
				unknown++
				require.LessOrEqual(t, len(got.Parts), 1)
			default:
				failed++
				require.Empty(t, got.Parts, "%v", err)
			}
		}
		require.NotZero(t, unknown)
		require.NotZero(t, failed)
		soak.Report(t, "C4", "%d notes under faults: %d in doubt and said so, %d failed for certain and were not done, none done twice", total, unknown, failed)
	})
}

func TestAllOverTenThousandConversations(t *testing.T) {
	t.Parallel()
	for _, urls := range []bool{false, true} {
		srv := intercomtest.NewServer(t)
		srv.UseURLCursors(urls)
		for range 10000 {
			srv.AddConversation(intercomtest.Conversation{})
		}
		c := srv.Client()
		seq := c.Conversations.All(t.Context(), intercomrbac.ListParams{PerPage: 150})
		seen := map[intercomrbac.ConversationID]bool{}
		for conversation, err := range seq {
			require.NoError(t, err)
			seen[conversation.ID] = true
			require.Equal(t, (len(seen)+149)/150, srv.CallCount("conversations.list"), "no page more than was consumed")
		}
		assert.Len(t, seen, 10000)
		assert.Equal(t, 67, srv.CallCount("conversations.list"))

		// A second range starts at the beginning, and stops where it is left.
		srv.ResetCalls()
		var first intercomrbac.ConversationID
		n := 0
		for conversation, err := range seq {
			require.NoError(t, err)
			if n == 0 {
				first = conversation.ID
			}
			if n++; n == 151 {
				break
			}
		}
		assert.Equal(t, 2, srv.CallCount("conversations.list"))
		page, err := c.Conversations.List(t.Context(), intercomrbac.ListParams{PerPage: 1})
		require.NoError(t, err)
		assert.Equal(t, page.Items[0].ID, first)
		assert.Equal(t, 10000, page.Total)
	}
	srv := intercomtest.NewServer(t)
	srv.Inject(intercomtest.Fault{Operation: "conversations.list", Times: -1,
		Body: []byte(`{"conversations":[{"id":"1"}],"pages":{"next":{"starting_after":"again"}}}`)})
	var last error
	for _, err := range srv.Client().Conversations.All(t.Context(), intercomrbac.ListParams{}) {
		last = err
	}
	require.ErrorIs(t, last, intercomrbac.ErrCursorRepeated)
	assert.Equal(t, 2, srv.CallCount(""))
}

// 32 goroutines over ten windows draw no 429 and use at least 95 % of the budget; the first window does not count.
func TestClientKeepsWithinRateWindows(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{167, 1667} {
		synctest.Test(t, func(t *testing.T) {
			srv := intercomtest.NewServer(t, intercomtest.WithRateLimit(limit))
			c := srv.Client()
			ctx, cancel := context.WithTimeout(t.Context(), 110*time.Second)
			defer cancel()
			var wg sync.WaitGroup
			for range 32 {
				wg.Go(func() {
					for {
						if _, err := c.Teams.List(ctx); err != nil {
							assert.ErrorIs(t, err, context.DeadlineExceeded)
							return
						}
					}
				})
			}
			wg.Wait()
			stats := srv.RateStats()
			used := 0
			for _, w := range stats.Windows[1:11] {
				used += w.Accepted
			}
			assert.Zero(t, stats.Refused)
			share := float64(used) / float64(10*limit)
			assert.GreaterOrEqual(t, share, 0.95)
			soak.Report(t, "C1", "limit %d, 32 goroutines, ten windows: %d refused, %.1f %% of the budget used", limit, stats.Refused, 100*share)
		})
	}
}
