package intercomtest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac/intercomtest"
)

const newLead = `{"role":"lead","name":"New"}`

// The two ways in fail alike. done is how many contacts there are after one POST /contacts.
func TestFaults(t *testing.T) {
	t.Parallel()
	lost := func(t *testing.T, _ answer, err error) {
		assert.True(t, errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET), "%v", err)
	}
	refused := func(status int, code, message string) func(*testing.T, answer, error) {
		return func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			r.requireError(t, status, code)
			assert.Equal(t, message, r.message(t))
		}
	}
	page := func(status int) func(*testing.T, answer, error) {
		return func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, status, r.status)
			assert.Equal(t, "text/html", r.header.Get("Content-Type"))
			assert.True(t, strings.HasPrefix(string(r.raw), "<html>"), "%s", r.raw)
		}
	}
	for _, tt := range []struct {
		name  string
		fault intercomtest.Fault
		done  int
		check func(*testing.T, answer, error)
	}{
		{"status", intercomtest.Fault{Status: 502}, 0, refused(502, "server_error", "Bad Gateway")},
		{"status after", intercomtest.Fault{Status: 502, Done: true}, 1, refused(502, "server_error", "Bad Gateway")},
		{"code and message", intercomtest.Fault{Status: 403, Code: "api_plan_restricted", Message: "Active subscription needed."}, 0,
			refused(403, "api_plan_restricted", "Active subscription needed.")},
		{"429", intercomtest.Fault{Status: 429}, 0, refused(429, "rate_limit_exceeded", "Too Many Requests")},
		{"404", intercomtest.Fault{Status: 404}, 0, refused(404, "not_found", "Not Found")},
		{"403", intercomtest.Fault{Status: 403}, 0, refused(403, "forbidden", "Forbidden")},
		{"401", intercomtest.Fault{Status: 401}, 0, refused(401, "unauthorized", "Unauthorized")},
		{"409", intercomtest.Fault{Status: 409}, 0, refused(409, "client_error", "Conflict")},
		{"drop", intercomtest.Fault{Drop: true}, 0, lost},
		{"drop after", intercomtest.Fault{Drop: true, Done: true}, 1, lost},
		{"html", intercomtest.Fault{HTML: true}, 0, page(502)},
		{"html that says 200", intercomtest.Fault{HTML: true, Status: 200}, 0, page(200)},
		{"html after", intercomtest.Fault{HTML: true, Done: true}, 1, page(502)},
		{"body", intercomtest.Fault{Body: []byte(`{"type":`)}, 0, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, 200, r.status)
			assert.Equal(t, `{"type":`, string(r.raw))
		}},
		{"empty body", intercomtest.Fault{Body: []byte{}, Status: 500}, 0, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, 500, r.status)
			assert.Empty(t, r.raw)
		}},
		{"no content", intercomtest.Fault{Status: 204}, 0, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, 204, r.status)
			assert.Empty(t, r.raw)
		}},
		{"truncate", intercomtest.Fault{Truncate: 10}, 1, func(t *testing.T, r answer, err error) {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			assert.Equal(t, 200, r.status)
			assert.Len(t, r.raw, 10)
			assert.NotEqual(t, "10", r.header.Get("Content-Length"))
		}},
		{"truncate beyond the end", intercomtest.Fault{Truncate: 1 << 20}, 1, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			r.requireOK(t)
		}},
		{"header", intercomtest.Fault{Status: 503, Header: http.Header{"retry-after": {"3"}}}, 0, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, "3", r.header.Get("Retry-After"))
		}},
		{"header alone", intercomtest.Fault{Header: http.Header{"X-Request-Id": {"odd"}}}, 1, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			assert.Equal(t, "odd", r.requireOK(t).header.Get("X-Request-Id"))
		}},
		{"duplicate", intercomtest.Fault{Duplicate: true}, 2, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			r.requireOK(t)
		}},
		{"delay", intercomtest.Fault{Delay: time.Nanosecond}, 1, func(t *testing.T, r answer, err error) {
			require.NoError(t, err)
			r.requireOK(t)
		}},
	} {
		for _, way := range []struct {
			name string
			api  func(testing.TB, *intercomtest.Server) api
		}{{"memory", inMemory}, {"loopback", overLoopback}} {
			t.Run(tt.name+"/"+way.name, func(t *testing.T) {
				t.Parallel()
				s := intercomtest.NewServer(t)
				a := way.api(t, s)
				s.Inject(tt.fault)
				r, err := a.try(http.MethodPost, "/contacts", newLead)
				tt.check(t, r, err)
				added := 0
				for _, id := range []string{"6762f0f31bb69f9f2193bb8b", "6762f0f31bb69f9f2193bb8c", "6762f0f31bb69f9f2193bb8d"} {
					if a.get("/contacts/"+id).status == http.StatusOK {
						added++
					}
				}
				assert.Equal(t, tt.done, added, "how often it was carried out")
				calls := s.Calls()
				if tt.fault.Drop {
					assert.Zero(t, calls[0].Status)
				} else {
					assert.Equal(t, r.status, calls[0].Status)
				}
				assert.Equal(t, max(tt.done, 1), s.CallCount("contacts.create"))
			})
		}
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Inject(intercomtest.Fault{Refuse: true})
	a := inMemory(t, s)
	_, err := a.try(http.MethodPost, "/contacts", newLead)
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, "dial", dial.Op)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	assert.Zero(t, s.CallCount(""), "it did not arrive")
	a.get("/me").requireOK(t)

	s.Inject(intercomtest.Fault{Refuse: true})
	_, err = overLoopback(t, s).try(http.MethodGet, "/me", "")
	require.Error(t, err)
	assert.Equal(t, 1, s.CallCount(""))
}

func TestFaultsAreTakenInOrder(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	s.Inject(intercomtest.Fault{Operation: "teams.list", Status: 500, Times: 2})
	s.Inject(intercomtest.Fault{Status: 501})
	remove := s.Inject(intercomtest.Fault{Status: 503, Times: -1})
	a.get("/teams").requireError(t, 500, "server_error")
	a.get("/admins").requireError(t, 501, "server_error")
	a.get("/teams").requireError(t, 500, "server_error")
	for range 5 {
		a.get("/teams").requireError(t, 503, "server_error")
	}
	remove()
	remove()
	a.get("/teams").requireOK(t)
	s.Inject(intercomtest.Fault{Status: 503, Times: -1})
	s.ClearFaults()
	a.get("/teams").requireOK(t)
}

// A fault stands before the checks of the token: so does a proxy.
func TestFaultOfAnUnknownCaller(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Inject(intercomtest.Fault{Status: 502})
	inMemory(t, s).with("").get("/nowhere").requireError(t, 502, "server_error")
}

func TestInjectRefusesNonsense(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	for _, f := range []intercomtest.Fault{
		{}, {Times: 3}, {Done: true}, {Operation: "conversations.asign", Status: 500}, {Status: 99}, {Status: 600},
		{Delay: -1}, {Truncate: -1}, {HTML: true, Body: []byte("x")},
	} {
		assert.Panics(t, func() { s.Inject(f) }, "%+v", f)
	}
}

func TestDelay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := intercomtest.NewServer(t)
		a := inMemory(t, s)
		s.Inject(intercomtest.Fault{Delay: time.Minute})
		start := time.Now()
		a.get("/me").requireOK(t)
		assert.Equal(t, time.Minute, time.Since(start))

		a.http.Timeout = time.Second
		for _, tt := range []struct {
			fault intercomtest.Fault
			made  bool
		}{
			{intercomtest.Fault{Delay: time.Minute}, false},
			{intercomtest.Fault{Delay: time.Minute, Done: true}, true},
		} {
			s.Inject(tt.fault)
			start = time.Now()
			id := s.AddConversation(intercomtest.Conversation{})
			_, err := a.try(http.MethodPut, "/conversations/"+string(id), `{"title":"done"}`)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			assert.Equal(t, time.Second, time.Since(start))
			c, _ := s.Conversation(id)
			assert.Equal(t, tt.made, c.Title == "done")
		}
	})
}
