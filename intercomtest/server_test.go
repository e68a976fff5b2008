package intercomtest_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestHeadersOfEveryAnswer(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	for name, a := range map[string]api{"memory": inMemory(t, s), "loopback": overLoopback(t, s)} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/me", "/nowhere", "/teams/1"} {
				before := time.Now().Truncate(time.Second)
				r := a.get(path)
				assert.Equal(t, "application/json; charset=utf-8", r.header.Get("Content-Type"))
				assert.Equal(t, "2.16", r.header.Get("Intercom-Version"))
				assert.NotEmpty(t, r.header.Get("X-Request-Id"))
				assert.Empty(t, r.header.Get("X-RateLimit-Limit"), "off by default")
				date, err := http.ParseTime(r.header.Get("Date"))
				require.NoError(t, err)
				assert.WithinRange(t, date, before, before.Add(10*time.Second))
			}
		})
	}
}

func TestVersionIsEchoed(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://x.test/me", nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+s.Token())
	r.Header.Set("Intercom-Version", "2.11")
	resp, err := s.Transport().RoundTrip(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	assert.Equal(t, "2.11", resp.Header.Get("Intercom-Version"))
}

func TestRequestIDsAreNotAlwaysUUIDs(t *testing.T) {
	t.Parallel()
	uuid := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	ids := func() (list []string, others int) {
		a := inMemory(t, intercomtest.NewServer(t))
		for range 20 {
			id := a.get("/me").header.Get("X-Request-Id")
			list = append(list, id)
			if !uuid.MatchString(id) {
				others++
			}
		}
		return list, others
	}
	first, others := ids()
	second, _ := ids()
	assert.Equal(t, first, second, "deterministic")
	assert.Equal(t, 4, others)
	seen := map[string]bool{}
	for _, id := range first {
		assert.False(t, seen[id], "unique")
		seen[id] = true
	}
}

func TestUnknownRoutes(t *testing.T) {
	t.Parallel()
	a := inMemory(t, intercomtest.NewServer(t))
	a.get("/nowhere").requireError(t, 404, "not_found")
	a.post("/teams", "{}").requireError(t, 404, "not_found")
	a.with("").get("/nowhere").requireError(t, 401, "missing_authorization")
}

func TestBodiesThatAreNotJSONObjects(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	id := s.AddConversation(intercomtest.Conversation{})
	for _, body := range []string{"", "{", "[]", "null", `"text"`, `{} {}`} {
		for _, path := range []string{"/contacts", "/conversations", "/conversations/search", "/events", "/conversations/" + string(id) + "/parts"} {
			a.post(path, body).requireError(t, 400, "bad_request")
		}
	}
	r := a.post("/contacts", `{"email":["a@b.example"]}`).requireError(t, 400, "parameter_invalid")
	assert.Equal(t, "email", r.at(t, "errors", 0, "field"))
	a.post("/conversations/"+string(id)+"/parts", `{"message_type":"dance","admin_id":"1"}`).requireError(t, 400, "parameter_invalid")
	a.post("/conversations/"+string(id)+"/parts", `{"message_type":"close","admin_id":1.5}`).requireError(t, 400, "parameter_invalid")
}

func TestBodiesAreBounded(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	big := `{"email":"` + strings.Repeat("x", 8<<20) + `"}`
	for _, a := range []api{inMemory(t, s), overLoopback(t, s)} {
		a.post("/contacts", big).requireError(t, 413, "client_error")
	}
}

func TestURLStartsOnce(t *testing.T) {
	t.Parallel()
	s := intercomtest.Start()
	url := s.URL()
	assert.Regexp(t, `^http://127\.0\.0\.1:\d+$`, url)
	assert.Equal(t, url, s.URL())
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	s.Close()
	s.Close()
	_, err = conn.Read(make([]byte, 1))
	require.Error(t, err, "the connection is closed")
	_, err = new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	require.Error(t, err, "nobody listens")
	assert.Equal(t, url, s.URL(), "it can still be read")
}

func TestClosedServer(t *testing.T) {
	t.Parallel()
	s := intercomtest.Start()
	s.Close()
	assert.Panics(t, func() { s.URL() })
	_, err := inMemory(t, s).try(http.MethodGet, "/me", "")
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	assert.Equal(t, "dial", dial.Op)
}

func TestCloseEndsDelays(t *testing.T) {
	t.Parallel()
	s := intercomtest.Start()
	s.Inject(intercomtest.Fault{Delay: time.Hour})
	a := overLoopback(t, s)
	failed := make(chan error, 1)
	go func() {
		_, err := a.try(http.MethodGet, "/me", "")
		failed <- err
	}()
	require.Eventually(t, func() bool { return s.CallCount("") == 1 }, time.Minute, time.Millisecond, "the call is on its way")
	s.Close()
	require.Error(t, <-failed)
}

func TestHandler(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.AddAdmin(intercomtest.Admin{Name: "Ada"})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	a := api{t, server.Client(), server.URL, s.Token()}
	assert.Equal(t, "Ada", a.get("/me").requireOK(t).at(t, "name"))
}

func TestOptions(t *testing.T) {
	t.Parallel()
	created := time.Unix(1700000000, 0)
	s := intercomtest.NewServer(t, intercomtest.WithToken("dev"), intercomtest.WithRateLimit(3),
		intercomtest.WithWorkspace(intercomtest.Workspace{ID: "eu12", Name: "Acme", Region: "EU", Timezone: "Europe/Dublin", CreatedAt: created}))
	assert.Equal(t, "dev", s.Token())
	r := inMemory(t, s).get("/me").requireOK(t)
	assert.Equal(t, "3", r.header.Get("X-RateLimit-Limit"))
	assert.Equal(t, map[string]any{
		"type": "app", "id_code": "eu12", "name": "Acme", "region": "EU", "timezone": "Europe/Dublin",
		"created_at": num("1700000000"), "identity_verification": false,
	}, r.at(t, "app"))
	assert.Panics(t, func() { intercomtest.Start(intercomtest.WithToken("")) })
	assert.GreaterOrEqual(t, len(intercomtest.NewServer(t).Token()), 20)
}

func TestTransportHonoursTheContext(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://x.test/me", nil)
	require.NoError(t, err)
	_, err = s.Transport().RoundTrip(r) //nolint:bodyclose // there is no response
	require.ErrorIs(t, err, context.Canceled)
	assert.Zero(t, s.CallCount(""), "it was not made")
}

// The server may be made outside of the bubble that uses it, and the other way round.
func TestTransportInABubble(t *testing.T) {
	outer := intercomtest.NewServer(t, intercomtest.WithRateLimit(1))
	synctest.Test(t, func(t *testing.T) {
		inner := intercomtest.NewServer(t, intercomtest.WithRateLimit(1))
		for _, s := range []*intercomtest.Server{outer, inner} {
			a := inMemory(t, s)
			date := a.get("/me").requireOK(t).header.Get("Date")
			assert.Equal(t, time.Now().UTC().Format(http.TimeFormat), date)
			a.get("/me").requireError(t, 429, "rate_limit_exceeded")
			time.Sleep(10 * time.Second)
			a.get("/me").requireOK(t)
		}
	})
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	seeded := s.Seed()
	var wg sync.WaitGroup
	for i := range 8 {
		a := inMemory(t, s)
		wg.Go(func() {
			for j := range 20 {
				id := s.AddConversation(intercomtest.Conversation{Title: fmt.Sprint(i, j)})
				a.post("/conversations/"+string(id)+"/parts",
					fmt.Sprintf(`{"message_type":"assignment","type":"team","admin_id":%q,"assignee_id":%q}`, seeded.Agent, seeded.Billing))
				a.get("/conversations?per_page=5")
				s.UpdateConversation(id, func(c *intercomtest.Conversation) { c.Read = true })
				s.AddActivityLog(intercomtest.ActivityLog{})
				a.get("/admins/activity_logs?created_at_after=0")
				s.AddPart(id, intercomtest.Part{Body: "hello"})
				s.Inject(intercomtest.Fault{Operation: "teams.list", Status: 500})()
				_, _, _, _ = s.Calls(), s.RateStats(), s.Events(), s.CallCount("")
				s.SetRateLimit(0)
				s.UseURLCursors(j%2 == 0)
				c, ok := s.Conversation(id)
				if !ok || c.TeamAssigneeID != seeded.Billing || !c.Read {
					t.Errorf("conversation %s: %+v", id, c)
				}
			}
		})
	}
	wg.Wait()
	assert.Equal(t, 8*20, s.CallCount("conversations.assign"))
}

func TestCalls(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	a := inMemory(t, s)
	a.get("/me")
	a.get("/conversations?per_page=3")
	a.post("/contacts", `{"role":"lead","name":"`+strings.Repeat("n", 100<<10)+`"}`)
	a.with("").get("/nowhere")

	calls := s.Calls()
	require.Len(t, calls, 4)
	assert.Equal(t, "admins.me", calls[0].Operation)
	assert.Equal(t, "conversations.list", calls[1].Operation)
	assert.Equal(t, "/conversations", calls[1].Path)
	assert.Equal(t, "3", calls[1].Query.Get("per_page"))
	assert.Equal(t, 200, calls[1].Status)
	assert.Equal(t, http.MethodPost, calls[2].Method)
	assert.Len(t, calls[2].Body, 64<<10)
	assert.Empty(t, calls[3].Operation)
	assert.Equal(t, 401, calls[3].Status)
	assert.NotZero(t, calls[3].At)
	assert.NotContains(t, fmt.Sprintf("%+v", calls), s.Token(), "no token is on record")

	assert.Equal(t, 4, s.CallCount(""))
	assert.Equal(t, 1, s.CallCount("contacts.create"))
	s.ResetCalls()
	assert.Zero(t, s.CallCount(""))
}

// failing is a test that notes its end.
type failing struct {
	testing.TB
	message string
}

func (f *failing) Fatalf(format string, args ...any) {
	f.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestClientFailsTheTest(t *testing.T) {
	t.Parallel()
	f := &failing{TB: t}
	s := intercomtest.NewServer(f)
	var wg sync.WaitGroup
	wg.Go(func() { s.Client(nil) })
	wg.Wait()
	assert.Contains(t, f.message, "intercomtest: ")
}

func TestClient(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.AddAdmin(intercomtest.Admin{Name: "Ada"})
	s.AddToken("token-for-teams-only", intercomrbac.ScopeReadAdmins)
	_, err := s.Client().Admins.List(t.Context())
	require.NoError(t, err)
	_, err = s.ClientFor("token-for-teams-only").Admins.Me(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrScopeMissing)
	_, err = s.ClientFor("token-of-nobody").Admins.Me(t.Context())
	require.ErrorIs(t, err, intercomrbac.ErrUnauthorized)

	outside := intercomtest.Start()
	defer outside.Close()
	assert.NotNil(t, outside.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1})))
	defer func() {
		message := fmt.Sprint(recover())
		assert.Contains(t, message, "intercomtest: ")
		assert.NotContains(t, message, outside.Token())
	}()
	outside.Client(intercomrbac.WithToken("another-one"))
}
