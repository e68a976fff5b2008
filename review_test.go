package intercomrbac_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A first request that hangs must not hold up the others until it ends.
func TestHungFirstRequestHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := clientOf(t, steps(&n, func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}, func(*http.Request) (*http.Response, error) { return reply(200, `{"teams":[]}`), nil }))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { _, _ = c.Teams.List(ctx) }()
		synctest.Wait()
		start := time.Now()
		_, err := c.Teams.List(t.Context())
		require.NoError(t, err)
		assert.Equal(t, time.Second, time.Since(start))
	})
}

// The headers of an answer are enough for the limiter: neither a slow body nor a hook that calls the client holds a slot.
func TestLimiterHearsOfHeadersAtOnce(t *testing.T) {
	t.Parallel()
	slow := transport(func(*http.Request) (*http.Response, error) {
		r := reply(200, ``, "X-RateLimit-Limit", "10", "X-RateLimit-Remaining", "9", "X-RateLimit-Reset", "946684810")
		body, w := io.Pipe()
		r.Body, r.ContentLength = body, -1
		go func() {
			time.Sleep(5 * time.Second)
			_, _ = io.WriteString(w, `{"teams":[]}`)
			_ = w.Close()
		}()
		return r, nil
	})
	t.Run("slow body", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := clientOf(t, slow)
			start := time.Now()
			done := make(chan error, 1)
			go func() { _, err := c.Teams.List(t.Context()); done <- err }()
			synctest.Wait()
			_, err := c.Teams.List(t.Context())
			require.NoError(t, err)
			require.NoError(t, <-done)
			assert.Equal(t, 5*time.Second, time.Since(start))
		})
	})
	t.Run("hook that calls the client", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			var c *intercomrbac.Client
			calls := 0
			c = clientOf(t, slow, intercomrbac.WithOnResponse(func(ctx context.Context, _ intercomrbac.ResponseInfo) {
				if calls++; calls == 1 {
					_, err := c.Teams.List(ctx)
					assert.NoError(t, err)
				}
			}))
			start := time.Now()
			_, err := c.Teams.List(t.Context())
			require.NoError(t, err)
			assert.Equal(t, 10*time.Second, time.Since(start))
		})
	})
}

func TestListsThatAreMissingAreNoEmptyLists(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `{"teams":null}`, `{"status":"ok"}`} {
		c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(200, body), nil })
		_, err := c.Teams.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrBadResponse, body)
		_, err = c.Admins.List(t.Context())
		require.ErrorIs(t, err, intercomrbac.ErrBadResponse, body)
		_, err = c.Conversations.List(t.Context(), intercomrbac.ListParams{})
		require.ErrorIs(t, err, intercomrbac.ErrBadResponse, body)
		_, err = c.Conversations.Create(t.Context(), intercomrbac.CreateConversationParams{From: "c1", Body: "x"})
		require.ErrorIs(t, err, intercomrbac.ErrOutcomeUnknown, body)
	}
}

func TestPageServesAsAnAnswer(t *testing.T) {
	t.Parallel()
	for _, next := range []string{"", "cursor", "?page=2"} {
		want := intercomrbac.Page[intercomrbac.Conversation]{Items: []intercomrbac.Conversation{{ID: "7"}}, Next: next, Total: 9}
		b, err := json.Marshal(want)
		require.NoError(t, err)
		c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(200, string(b)), nil })
		got, err := c.Conversations.List(t.Context(), intercomrbac.ListParams{})
		require.NoError(t, err)
		require.Len(t, got.Items, 1)
		assert.EqualValues(t, "7", got.Items[0].ID)
		assert.Equal(t, next, got.Next)
		assert.Equal(t, 9, got.Total)
	}
	b, err := json.Marshal(intercomrbac.Page[intercomrbac.DataEvent]{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"events":[],"total_count":0,"pages":{"type":"pages"}}`, string(b))
}

// For these no connection came about, so nothing is in doubt.
func TestWritesThatNeverLeftAreNotInDoubt(t *testing.T) {
	t.Parallel()
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := refusing.Addr().String()
	require.NoError(t, refusing.Close())
	noTLS, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = noTLS.Close() })
	go func() {
		for {
			conn, err := noTLS.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	hang := func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	proxyURL := &url.URL{Scheme: "http", Host: address}
	for name, tt := range map[string]struct {
		transport *http.Transport
		base      string
		timeout   time.Duration
	}{
		"proxy refused":             {&http.Transport{Proxy: http.ProxyURL(proxyURL)}, "https://api.intercom.test", time.Minute},
		"TLS handshake cut off":     {&http.Transport{}, "https://" + noTLS.Addr().String(), time.Minute},
		"context ended in dialling": {&http.Transport{DialContext: hang}, "https://api.intercom.test", 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
			defer cancel()
			c, err := intercomrbac.NewClient(intercomrbac.WithToken(testToken), intercomrbac.WithBaseURL(tt.base),
				intercomrbac.WithHTTPClient(&http.Client{Transport: tt.transport}), intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
			require.NoError(t, err)
			err = c.Conversations.Delete(ctx, "1")
			require.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			assert.NotErrorIs(t, err, intercomrbac.ErrOutcomeUnknown)
		})
	}
}

func TestDoReachesWhatTheTableHasNot(t *testing.T) {
	t.Parallel()
	sent := 0
	c := clientOf(t, func(*http.Request) (*http.Response, error) { sent++; return reply(200, `{}`), nil })
	read := func(path string) error {
		return c.Do(t.Context(), intercomrbac.Operation{Name: "x.y", Method: "GET", Path: path, Effect: intercomrbac.Read}, intercomrbac.Call{}, nil)
	}
	for _, path := range []string{"/admins/statistics", "/conversations/deleted", "/conversations/attributes", "/teams/statistics"} {
		require.NoError(t, read(path), path)
	}
	assert.Equal(t, 4, sent)
	for _, path := range []string{"/admins/activity_logs", "/conversations/5", "/contacts/abcdef", "/contacts/find_by_external_id/bob", "/conversations/x/../deleted/../5"} {
		require.ErrorIs(t, read(path), intercomrbac.ErrInvalidRequest, path)
	}
	patch := intercomrbac.Operation{Name: "x.y", Method: "PATCH", Path: "/conversations/{id}", Effect: intercomrbac.Write}
	require.ErrorIs(t, c.Do(t.Context(), patch, intercomrbac.Call{Path: map[string]string{"id": "5"}}, nil), intercomrbac.ErrInvalidRequest)
	assert.Equal(t, 4, sent)
	// An id that is a word would lead there too.
	for _, id := range []intercomrbac.ConversationID{"deleted", "attributes", "last", "search"} {
		_, err := c.Conversations.Get(t.Context(), id)
		require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	}
	_, err := c.Conversations.Reply(t.Context(), "last", intercomrbac.ReplyParams{AdminID: "1", Body: "x"})
	require.ErrorIs(t, err, intercomrbac.ErrInvalidRequest)
	assert.Equal(t, 4, sent)
}

// Operations that share a path are told apart by what the call says.
func TestDoTellsOperationsOfOnePathApart(t *testing.T) {
	t.Parallel()
	c := clientOf(t, func(*http.Request) (*http.Response, error) {
		return reply(404, `{"errors":[{"code":"not_found"}]}`), nil
	})
	conversation := map[string]string{"conversation_id": "5"}
	do := func(op string, query url.Values, body any) error {
		return c.Do(t.Context(), lookup(t, op), intercomrbac.Call{Path: conversation, Query: query, Body: body}, nil)
	}
	unassign := map[string]any{"message_type": "assignment", "type": "admin", "admin_id": "1", "assignee_id": 0}
	require.ErrorContains(t, do("conversations.assign", nil, unassign), "is operation conversations.unassign")
	require.ErrorIs(t, do("conversations.unassign", nil, unassign), intercomrbac.ErrNotFound)
	drop := url.Values{"retain_metrics": {"false"}}
	require.ErrorContains(t, do("conversations.delete", drop, nil), "is operation conversations.delete_with_metrics")
	require.ErrorContains(t, do("conversations.delete_with_metrics", nil, nil), "the Query must say retain_metrics=false")
	require.ErrorIs(t, do("conversations.delete", nil, nil), intercomrbac.ErrNotFound)
	require.ErrorIs(t, do("conversations.delete_with_metrics", drop, nil), intercomrbac.ErrNotFound)

	// A 404 to a team assignment is about the team, also through Do.
	team := map[string]any{"message_type": "assignment", "type": "team", "admin_id": "1", "assignee_id": "7"}
	require.ErrorIs(t, do("conversations.assign", nil, team), intercomrbac.ErrTeamNotFound)
}

func TestAssigneesThatAreNotThere(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		to            intercomrbac.Assignee
		code, message string
		want          error
		not           error
	}{
		{intercomrbac.ToTeam("7"), "assignee_not_found", "Assignee not found", intercomrbac.ErrTeamNotFound, intercomrbac.ErrAdminNotFound},
		{intercomrbac.ToAdmin("7"), "assignee_not_found", "Assignee not found", intercomrbac.ErrAdminNotFound, intercomrbac.ErrTeamNotFound},
		{intercomrbac.ToTeam("7"), "not_found", "Resource Not Found", intercomrbac.ErrTeamNotFound, nil},
		{intercomrbac.ToTeam("7"), "not_found", "Conversation not found", intercomrbac.ErrNotFound, intercomrbac.ErrTeamNotFound},
		{intercomrbac.ToTeam("7"), "conversation_not_found", "x", intercomrbac.ErrNotFound, intercomrbac.ErrTeamNotFound},
		{intercomrbac.ToAdmin("7"), "not_found", "Resource Not Found", intercomrbac.ErrNotFound, intercomrbac.ErrAdminNotFound},
	} {
		c := clientOf(t, func(*http.Request) (*http.Response, error) {
			return reply(404, `{"errors":[{"code":"`+tt.code+`","message":"`+tt.message+`"}]}`), nil
		})
		_, err := c.Conversations.Assign(t.Context(), "5", intercomrbac.AssignParams{AdminID: "1", To: tt.to})
		require.ErrorIs(t, err, tt.want)
		if tt.not != nil {
			assert.NotErrorIs(t, err, tt.not)
		}
	}
	// A page that is not Intercom's says nothing of a teammate.
	c := clientOf(t, func(*http.Request) (*http.Response, error) { return reply(404, `<html>nginx</html>`), nil })
	_, err := c.Admins.Get(t.Context(), "5")
	require.ErrorIs(t, err, intercomrbac.ErrNotFound)
	assert.NotErrorIs(t, err, intercomrbac.ErrAdminNotFound)
}

// What an earlier attempt may have done shows on the error itself.
func TestDoubtShowsOnTheAPIError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := clientOf(t, steps(&n, lost, status(404)))
		_, err := c.Admins.SetAway(t.Context(), "1", intercomrbac.SetAwayParams{})
		e, ok := errors.AsType[*intercomrbac.APIError](err)
		require.True(t, ok)
		assert.True(t, e.OutcomeUnknown)
		assert.Contains(t, e.Advice(), "may have been done")
		assert.Equal(t, e.Advice(), intercomrbac.Advice(err))
	})
}

func TestShortMaxWaitStillRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 50 {
			n := 0
			c := clientOf(t, steps(&n, status(503), done), intercomrbac.WithRetry(intercomrbac.Retry{MaxWait: 50 * time.Millisecond}))
			_, err := c.Conversations.Get(t.Context(), "1")
			require.NoError(t, err)
		}
	})
}

func TestCursorsNameNobodyElse(t *testing.T) {
	t.Parallel()
	var queries []url.Values
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		queries = append(queries, r.URL.Query())
		next := "null"
		if len(queries) == 1 {
			next = `"https://evil.example/events?user_id%5B%5D=other&email=x&INTERCOM_USER_ID=y&summary=true&before=5"`
		}
		return reply(200, `{"events":[{"id":"1"}],"pages":{"next":`+next+`}}`), nil
	})
	for _, err := range c.DataEvents.All(t.Context(), intercomrbac.ListEventsParams{ContactID: "c1"}) {
		require.NoError(t, err)
	}
	require.Len(t, queries, 2)
	assert.Equal(t, url.Values{"type": {"user"}, "intercom_user_id": {"c1"}, "before": {"5"}}, queries[1])
}

func TestWhereKeepsItsOwnValues(t *testing.T) {
	t.Parallel()
	ids := []intercomrbac.TagID{"1", "2"}
	query := intercomrbac.Where(intercomrbac.FieldTagIDs, intercomrbac.In, ids)
	ids[0] = "999"
	var body string
	c := clientOf(t, func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		body = string(b)
		return reply(200, `{"conversations":[]}`), err
	})
	_, err := c.Conversations.Search(t.Context(), intercomrbac.SearchParams{Query: query})
	require.NoError(t, err)
	assert.JSONEq(t, `{"query":{"field":"tag_ids","operator":"IN","value":["1","2"]}}`, body)
}

func TestAdviceForEveryClass(t *testing.T) {
	t.Parallel()
	for _, err := range []error{intercomrbac.ErrOutcomeUnknown, intercomrbac.ErrNoActingAdmin, intercomrbac.ErrWrongWorkspace, intercomrbac.ErrNoToken,
		intercomrbac.ErrCursorRepeated, intercomrbac.ErrBadResponse, intercomrbac.ErrUnavailable, intercomrbac.ErrInvalidRequest} {
		assert.NotEmpty(t, intercomrbac.Advice(err), err)
	}
	assert.Empty(t, intercomrbac.Advice(nil))
	assert.Empty(t, intercomrbac.Advice(io.EOF))
}
