package intercomrbac_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shown returns the events of the contact, as their seconds since the beginning and their metadata.
func shown(tb testing.TB, srv *intercomtest.Server, contact intercomrbac.ContactID, begin time.Time) (seconds []int, metadata []map[string]any) {
	tb.Helper()
	for e, err := range srv.Client().DataEvents.All(tb.Context(), intercomrbac.ListEventsParams{ContactID: contact}) {
		require.NoError(tb, err)
		if e.Name == "admin-action-logged" {
			seconds = append([]int{int(e.CreatedAt.Sub(begin) / time.Second)}, seconds...)
			metadata = append([]map[string]any{e.Metadata}, metadata...)
		}
	}
	return seconds, metadata
}

// One guarded write makes one write, its record, and one event: showing an event is neither guarded nor recorded.
func TestDataEventSinkDoesNotRecordItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		ids := srv.Seed()
		log := srv.AddContact(intercomtest.Contact{Name: "Audit log"})
		begin := time.Now()
		var record intercomtest.AuditMem
		plain := srv.Client()
		// Made from a guarded client, which would record what it sends.
		first, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: &record})
		require.NoError(t, err)
		guarded, err := plain.With(intercomrbac.WithGuard(first))
		require.NoError(t, err)
		sink, err := intercomrbac.NewDataEventSink(guarded, intercomrbac.DataEventSinkConfig{Contact: log})
		require.NoError(t, err)
		g, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: stockChecker(t), Audit: intercomrbac.MultiSink(&record, sink)})
		require.NoError(t, err)
		c, err := plain.With(intercomrbac.WithGuard(g))
		require.NoError(t, err)

		as := func(role intercomrbac.Role) context.Context {
			return intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: ids.Agent, Role: role})
		}
		_, err = c.Conversations.Close(as("admin"), ids.Conversations[1], intercomrbac.CloseParams{})
		require.NoError(t, err)
		require.ErrorIs(t, c.Contacts.Delete(as("agent"), ids.Contacts[0]), intercomrbac.ErrDenied)
		require.NoError(t, sink.Close(t.Context()))

		sent := []string{}
		for _, call := range srv.Calls() {
			sent = append(sent, call.Operation)
		}
		assert.ElementsMatch(t, []string{"conversations.close", "events.create", "events.create"}, sent)
		assert.Len(t, record.Events(), 3, "intent, outcome, denial")
		seconds, metadata := shown(t, srv, log, begin)
		assert.Equal(t, []int{0, 1}, seconds, "no two in one second")
		assert.Equal(t, []map[string]any{
			{"action": "conversations.close", "resource": "conversation", "resource_id": string(ids.Conversations[1]), "success": "true"},
			{"action": "contacts.delete", "resource": "contact", "resource_id": string(ids.Contacts[0]), "success": "false"},
		}, metadata)
		assert.Zero(t, sink.Dropped())
	})
}

// A burst takes a second for each, and loses none to Intercom's de-duplication; none is delivered before its time.
func TestDataEventSinkLosesNoneOfABurst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		log := srv.AddContact(intercomtest.Contact{Name: "Audit log"})
		sink, err := intercomrbac.NewDataEventSink(srv.Client(), intercomrbac.DataEventSinkConfig{Contact: log})
		require.NoError(t, err)
		begin := time.Now()
		for i := range 20 {
			require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{Timestamp: time.Now(), Action: fmt.Sprintf("action-%d", i), Phase: intercomrbac.PhaseOutcome}))
		}
		assert.Equal(t, begin, time.Now(), "nobody waited")
		require.NoError(t, sink.Close(t.Context()))
		assert.Equal(t, 19*time.Second, time.Since(begin))
		seconds, metadata := shown(t, srv, log, begin)
		require.Len(t, seconds, 20)
		for i := range seconds {
			assert.Equal(t, []any{i, fmt.Sprintf("action-%d", i)}, []any{seconds[i], metadata[i]["action"]})
		}
	})
}

// What cannot be delivered is counted, and stops nothing.
func TestDataEventSinkDropsAndCounts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		srv := intercomtest.NewServer(t)
		log := srv.AddContact(intercomtest.Contact{Name: "Audit log"})
		srv.Inject(intercomtest.Fault{Operation: "events.create", Delay: 20 * time.Second})
		sink, err := intercomrbac.NewDataEventSink(srv.Client(), intercomrbac.DataEventSinkConfig{Contact: log, Queue: 2})
		require.NoError(t, err)
		event := intercomrbac.AuditEvent{Timestamp: time.Now(), Phase: intercomrbac.PhaseDenial, Action: "x"}
		require.NoError(t, sink.Record(t.Context(), event))
		synctest.Wait() // it is on its way, and hangs
		for range 5 {
			require.NoError(t, sink.Record(t.Context(), event))
		}
		assert.EqualValues(t, 3, sink.Dropped(), "two wait")
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		require.ErrorIs(t, sink.Close(ctx), context.DeadlineExceeded)
		assert.EqualValues(t, 6, sink.Dropped())
		require.NoError(t, sink.Record(t.Context(), event))
		assert.EqualValues(t, 7, sink.Dropped(), "it is closed")
		require.NoError(t, sink.Close(t.Context()))

		refused, err := intercomrbac.NewDataEventSink(srv.Client(), intercomrbac.DataEventSinkConfig{Contact: "6762f0f31bb69f9f21930000"})
		require.NoError(t, err)
		require.NoError(t, refused.Record(t.Context(), event))
		require.NoError(t, refused.Close(t.Context()))
		assert.EqualValues(t, 1, refused.Dropped(), "there is no such contact")
	})
}

func TestNewDataEventSinkRefuses(t *testing.T) {
	t.Parallel()
	c := intercomtest.NewServer(t).Client()
	for name, build := range map[string]func() (*intercomrbac.DataEventSink, error){
		"no client": func() (*intercomrbac.DataEventSink, error) {
			return intercomrbac.NewDataEventSink(nil, intercomrbac.DataEventSinkConfig{Contact: "6762f0f31bb69f9f2193bb8b"})
		},
		"no contact": func() (*intercomrbac.DataEventSink, error) {
			return intercomrbac.NewDataEventSink(c, intercomrbac.DataEventSinkConfig{})
		},
		"a word": func() (*intercomrbac.DataEventSink, error) {
			return intercomrbac.NewDataEventSink(c, intercomrbac.DataEventSinkConfig{Contact: "admins"})
		},
		"a short queue": func() (*intercomrbac.DataEventSink, error) {
			return intercomrbac.NewDataEventSink(c, intercomrbac.DataEventSinkConfig{Contact: "6762f0f31bb69f9f2193bb8b", Queue: -1})
		},
	} {
		s, err := build()
		require.Error(t, err, name)
		assert.Nil(t, s)
	}
	for _, s := range []*intercomrbac.DataEventSink{nil, {}} {
		require.Error(t, s.Record(t.Context(), intercomrbac.AuditEvent{}))
		require.NoError(t, s.Close(t.Context()))
		assert.Zero(t, s.Dropped())
	}
}

// What a transport or a hook panics with drops an event, and does not end the program.
func TestDataEventSinkOutlivesAPanic(t *testing.T) {
	t.Parallel()
	calls := 0
	c := clientOf(t, func(*http.Request) (*http.Response, error) {
		if calls++; calls == 1 {
			panic("transport")
		}
		return reply(202, ""), nil
	}, intercomrbac.WithLimiter(nil))
	sink, err := intercomrbac.NewDataEventSink(c, intercomrbac.DataEventSinkConfig{Contact: "5f0a"})
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, sink.Record(t.Context(), intercomrbac.AuditEvent{Action: "x", Phase: intercomrbac.PhaseOutcome, Timestamp: time.Unix(1, 0)}))
	}
	require.NoError(t, sink.Close(t.Context()))
	assert.EqualValues(t, 1, sink.Dropped())
	assert.Equal(t, 2, calls)
}
