package intercomrbac_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	hookSecret    = "3c1f8d0e-client-secret-of-the-app"
	otherSecret   = "another-secret-of-the-same-app"
	hookWorkspace = "fake1234" // the fake's own
)

// hooks is a receiver of the fake's workspace, and what it reported.
type hooks struct {
	*intercomrbac.Receiver
	srv *intercomtest.Server
	ids intercomtest.Seeded

	mu   sync.Mutex
	errs []error
	of   []intercomrbac.Notification // that the errors are about
}

func newHooks(tb testing.TB, change ...func(*intercomrbac.ReceiverConfig)) *hooks {
	tb.Helper()
	h := &hooks{srv: intercomtest.NewServer(tb)}
	h.ids = h.srv.Seed()
	config := intercomrbac.ReceiverConfig{
		Secrets:   []intercomrbac.Secret{intercomrbac.NewSecret(hookSecret)},
		Workspace: hookWorkspace,
		OnError: func(_ context.Context, n intercomrbac.Notification, err error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.errs, h.of = append(h.errs, err), append(h.of, n)
		},
	}
	for _, c := range change {
		c(&config)
	}
	var err error
	h.Receiver, err = intercomrbac.NewReceiver(config)
	require.NoError(tb, err)
	return h
}

// reported returns what OnError heard, and forgets it.
func (h *hooks) reported() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	errs := h.errs
	h.errs, h.of = nil, nil
	return errs
}

// heard is how many errors OnError has heard.
func (h *hooks) heard() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.errs)
}

// drain has all that is queued handled.
func (h *hooks) drain(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, h.Close(context.Background())) //nolint:usetesting // the context of a test that ends has ended
}

// created is a notification of a new conversation.
func (h *hooks) created(id string) intercomtest.Delivery {
	return h.srv.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, ID: id,
		Item: map[string]any{"type": "conversation", "id": "41"}})
}

// sent is a request with any body and headers.
func sent(path string, body string, headers ...string) intercomtest.Delivery {
	d := intercomtest.Delivery{Path: path, Header: http.Header{}, Body: []byte(body)}
	for i := 0; i < len(headers); i += 2 {
		d.Header.Add(headers[i], headers[i+1])
	}
	return d
}

func TestNewReceiverNamesAllThatIsWrong(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		config intercomrbac.ReceiverConfig
		want   []string
	}{
		"zero":         {intercomrbac.ReceiverConfig{}, []string{"no Secrets", "no Workspace and no Roles"}},
		"empty secret": {intercomrbac.ReceiverConfig{Workspace: "w", Secrets: []intercomrbac.Secret{intercomrbac.NewSecret("a"), {}}}, []string{"secret 2: the client secret is empty"}},
		"line break":   {intercomrbac.ReceiverConfig{Workspace: "w", Secrets: []intercomrbac.Secret{intercomrbac.NewSecret("abc\n")}}, []string{"secret 1: the client secret holds white space"}},
		"negative": {intercomrbac.ReceiverConfig{Workspace: "w", Secrets: []intercomrbac.Secret{intercomrbac.NewSecret("a")}, Queue: -1},
			[]string{"may be negative"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := intercomrbac.NewReceiver(tt.config)
			assert.Nil(t, r)
			for _, want := range tt.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, fmt.Sprint(err), "abc")
		})
	}
}

func TestReceiverOnPanicsOnMistakes(t *testing.T) {
	t.Parallel()
	h := newHooks(t)
	nothing := func(context.Context, intercomrbac.Notification) error { return nil }
	h.On(intercomrbac.EventPing, nothing)
	assert.PanicsWithValue(t, `intercomrbac: Receiver.On: there is a handler of "ping" already`, func() { h.On(intercomrbac.EventPing, nothing) })
	assert.PanicsWithValue(t, "intercomrbac: Receiver.On: the topic is empty", func() { h.On("", nothing) })
	assert.PanicsWithValue(t, `intercomrbac: Receiver.On: the handler of "x" is nil`, func() { h.On("x", nil) })
	assert.PanicsWithValue(t, "intercomrbac: this Receiver was not made by NewReceiver", func() {
		new(intercomrbac.Receiver).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
	})
}

func TestReceiverRoutes(t *testing.T) {
	t.Parallel()
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Health = func(context.Context, intercomrbac.WorkspaceID, time.Time) (intercomrbac.Health, error) {
			return intercomrbac.Health{}, nil
		}
	})
	mux := http.NewServeMux()
	mux.Handle("/hooks/", http.StripPrefix("/hooks", h))
	for _, tt := range []struct {
		method, path string
		status       int
	}{
		{http.MethodHead, "/hooks/", 200},
		{http.MethodHead, "/hooks/health", 200},
		{http.MethodPost, "/hooks/", 401},
		{http.MethodPost, "/hooks/health", 401},
		{http.MethodGet, "/hooks/", 405},
		{http.MethodPut, "/hooks/health", 405},
		{http.MethodPost, "/hooks/uninstall", 404}, // there is no Check
		{http.MethodPost, "/hooks/other", 404},
		{http.MethodPost, "/hooks//", 404},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(tt.method, "/", nil)
		r.URL.Path = tt.path
		if strings.Contains(tt.path, "//") {
			r.URL.Path = "//"
			h.ServeHTTP(w, r)
		} else {
			mux.ServeHTTP(w, r)
		}
		assert.Equal(t, tt.status, w.Code, "%s %s", tt.method, tt.path)
		if tt.status == 405 {
			assert.Equal(t, "HEAD, POST", w.Header().Get("Allow"))
		}
		if tt.status == 200 {
			assert.Empty(t, w.Body.String())
		}
	}
	w := httptest.NewRecorder() // mounted at a path without a slash
	http.StripPrefix("/hooks", h).ServeHTTP(w, httptest.NewRequest(http.MethodHead, "/hooks", nil))
	assert.Equal(t, 200, w.Code)
}

func TestReceiverAnswersPings(t *testing.T) {
	t.Parallel()
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workspace = "not-installed-yet" })
	assert.Equal(t, intercomtest.Answer{Status: 200}, h.srv.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventPing}).To(h))
	assert.Equal(t, intercomtest.Answer{Status: 401}, h.srv.Notification(otherSecret, intercomtest.Notification{Topic: intercomrbac.EventPing}).To(h))
	require.Len(t, h.reported(), 1)
}

// C10: what is not signed as its route asks is refused by name, and told nothing.
func TestReceiverRefusesByName(t *testing.T) {
	t.Parallel()
	body := string(newHooks(t).created("notif_1").Body)
	signed := intercomtest.SignNotification(hookSecret, []byte(body))
	bodySigned := intercomtest.SignBody(hookSecret, []byte(body))
	const header = "X-Hub-Signature"
	health := `{"workspace_id":"fake1234"}`
	for name, tt := range map[string]struct {
		delivery intercomtest.Delivery
		status   int
		class    error
		text     string
	}{
		"no header":                 {sent("/", body), 401, intercomrbac.ErrWebhookSignature, "there is no X-Hub-Signature"},
		"an empty header":           {sent("/", body, header, ""), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"two headers":               {sent("/", body, header, signed, header, signed), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"two in one":                {sent("/", body, header, signed+", "+signed), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"no algorithm":              {sent("/", body, header, signed[5:]), 401, intercomrbac.ErrWebhookSignature, `of "sha1=" and 40 hexadecimal digits`},
		"the algorithm in capitals": {sent("/", body, header, "SHA1="+signed[5:]), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"another algorithm":         {sent("/", body, header, "sha256="+bodySigned), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"sha256 as sha1":            {sent("/", body, header, "sha1="+bodySigned), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"the other route's header":  {sent("/", body, "X-Body-Signature", bodySigned), 401, intercomrbac.ErrWebhookSignature, "there is no X-Hub-Signature"},
		"39 digits":                 {sent("/", body, header, signed[:44]), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"a digit that is none":      {sent("/", body, header, signed[:44]+"g"), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"white space":               {sent("/", body, header, signed+" "), 401, intercomrbac.ErrWebhookSignature, "is not one header of"},
		"another secret":            {sent("/", body, header, intercomtest.SignNotification(otherSecret, []byte(body))), 401, intercomrbac.ErrWebhookSignature, "by none of the secrets"},
		"the empty secret":          {sent("/", body, header, intercomtest.SignNotification("", []byte(body))), 401, intercomrbac.ErrWebhookSignature, "by none of the secrets"},
		"another body":              {sent("/", body+" ", header, signed), 401, intercomrbac.ErrWebhookSignature, "by none of the secrets"},
		"an empty body":             {sent("/", "", header, signed), 401, intercomrbac.ErrWebhookSignature, "by none of the secrets"},

		"health without a header":    {sent("/health", health), 401, intercomrbac.ErrWebhookSignature, "there is no X-Body-Signature"},
		"health signed as the other": {sent("/health", health, header, intercomtest.SignNotification(hookSecret, []byte(health))), 401, intercomrbac.ErrWebhookSignature, "there is no X-Body-Signature"},
		"health with sha1": {sent("/health", health, "X-Body-Signature", intercomtest.SignNotification(hookSecret, []byte(health))[5:]),
			401, intercomrbac.ErrWebhookSignature, `of "" and 64 hexadecimal digits`},
		"health by another secret": {sent("/health", health, "X-Body-Signature", intercomtest.SignBody(otherSecret, []byte(health))), 401, intercomrbac.ErrWebhookSignature, "by none"},

		"too large":         {sent("/", strings.Repeat(" ", 1<<20+1), header, signed), 413, intercomrbac.ErrWebhookRefused, "more than 1048576 bytes"},
		"too large, health": {sent("/health", strings.Repeat(" ", 1<<20+1), "X-Body-Signature", bodySigned), 413, intercomrbac.ErrWebhookRefused, "more than 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
				c.Health = func(context.Context, intercomrbac.WorkspaceID, time.Time) (intercomrbac.Health, error) {
					panic("a request that was refused came through")
				}
			})
			h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error {
				panic("a request that was refused came through")
			})
			assert.Equal(t, intercomtest.Answer{Status: tt.status}, tt.delivery.To(h))
			h.drain(t)
			errs := h.reported()
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], tt.class)
			assert.ErrorIs(t, errs[0], intercomrbac.ErrWebhookRefused)
			assert.ErrorContains(t, errs[0], tt.text)
			assertOneLine(t, errs[0].Error())
			for _, secret := range []string{hookSecret, signed[5:], bodySigned} {
				assert.NotContains(t, errs[0].Error(), secret)
			}
			assert.NotEmpty(t, intercomrbac.Advice(errs[0]))
		})
	}
}

func TestReceiverReadsNoBodyThatItRefuses(t *testing.T) {
	t.Parallel()
	h := newHooks(t)
	signed := intercomtest.SignNotification(hookSecret, nil)
	for name, tt := range map[string]struct {
		signature string
		length    int64 // as the request tells; -1: it does not
		status    int
		read      int64 // at the most
	}{
		"without a signature":   {"", -1, 401, 0},
		"that says it is large": {signed, 1<<20 + 1, 413, 0},
		"that is large":         {signed, -1, 413, 1<<20 + 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			endless := &countingReader{}
			r := httptest.NewRequest(http.MethodPost, "/", endless)
			r.ContentLength = tt.length
			r.Header.Set("X-Hub-Signature", tt.signature)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			assert.Equal(t, tt.status, w.Code)
			assert.LessOrEqual(t, endless.n, tt.read)
		})
	}
}

// countingReader never ends.
type countingReader struct{ n int64 }

func (r *countingReader) Read(b []byte) (int, error) {
	r.n += int64(len(b))
	return len(b), nil
}

func TestReceiverRefusesWhatCannotBeRead(t *testing.T) {
	t.Parallel()
	h := newHooks(t)
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("{"), brokenReader{}))
	r.Header.Set("X-Hub-Signature", intercomtest.SignNotification(hookSecret, []byte("{")))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	assert.Equal(t, 400, w.Code)
	errs := h.reported()
	require.Len(t, errs, 1)
	assert.ErrorIs(t, errs[0], io.ErrUnexpectedEOF)
	assert.ErrorIs(t, errs[0], intercomrbac.ErrWebhookRefused)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// C10: bodies that are signed and are no notification.
func TestReceiverRefusesWhatIsNoNotification(t *testing.T) {
	t.Parallel()
	now := time.Now().Unix()
	for name, body := range map[string]string{
		"nothing":          ``,
		"no JSON":          `{`,
		"no object":        `[]`,
		"null":             `null`,
		"an uninstall":     `{"app_id":"fake1234"}`,
		"no workspace":     fmt.Sprintf(`{"topic":"ping","created_at":%d}`, now),
		"a null workspace": fmt.Sprintf(`{"topic":"ping","app_id":null,"created_at":%d}`, now),
		"no topic":         fmt.Sprintf(`{"app_id":"fake1234","created_at":%d}`, now),
		"a topic of 7":     fmt.Sprintf(`{"topic":7,"app_id":"fake1234","created_at":%d}`, now),
		"a fraction as id": fmt.Sprintf(`{"topic":"ping","id":1.5,"app_id":"fake1234","created_at":%d}`, now),
		"deep":             strings.Repeat(`{"data":`, 20_000) + strings.Repeat(`}`, 20_000),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHooks(t)
			assert.Equal(t, intercomtest.Answer{Status: 400}, sent("/", body, "X-Hub-Signature", intercomtest.SignNotification(hookSecret, []byte(body))).To(h))
			errs := h.reported()
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], intercomrbac.ErrWebhookRefused)
			assert.ErrorContains(t, errs[0], "no notification")
		})
	}
}

func TestReceiverRefusesNotificationsOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t)
		var got atomic.Int64
		h.On("test", func(context.Context, intercomrbac.Notification) error { got.Add(1); return nil })
		for _, tt := range []struct {
			age    time.Duration
			status int
			text   string
		}{
			{24 * time.Hour, 200, ""},
			{24*time.Hour + time.Second, 400, "more than 24h0m0s old"},
			{365 * 24 * time.Hour, 400, "more than 24h0m0s old"},
			{-5 * time.Minute, 200, ""},
			{-5*time.Minute - time.Second, 400, "more than 5m0s ahead"},
			{-365 * 24 * time.Hour, 400, "more than 5m0s ahead"},
		} {
			d := h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, CreatedAt: time.Now().Add(-tt.age)})
			assert.Equal(t, intercomtest.Answer{Status: tt.status}, d.To(h), "%s", tt.age)
			errs := h.reported()
			if tt.status == 200 {
				assert.Empty(t, errs)
				continue
			}
			require.Len(t, errs, 1)
			assert.ErrorIs(t, errs[0], intercomrbac.ErrWebhookTime)
			assert.ErrorContains(t, errs[0], tt.text)
		}
		for _, created := range []string{`0`, `null`, `""`} {
			body := `{"topic":"test","app_id":"fake1234","created_at":` + created + `}`
			assert.Equal(t, 400, sent("/", body, "X-Hub-Signature", intercomtest.SignNotification(hookSecret, []byte(body))).To(h).Status)
			assert.ErrorContains(t, errors.Join(h.reported()...), "no created_at")
		}
		h.drain(t)
		assert.EqualValues(t, 2, got.Load())
	})
}

// A captured notification can be replayed as long as it is not too old; as long its id is known.
func TestReceiverKnowsAnIDForAsLongAsItCouldBeReplayed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t)
		var got atomic.Int64
		h.On("test", func(context.Context, intercomrbac.Notification) error { got.Add(1); return nil })
		d := h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, CreatedAt: time.Now().Add(5 * time.Minute)})
		refused := 0
		for range 3 * 24 * 4 {
			if d.To(h).Status == 400 {
				refused++
			}
			advance(15 * time.Minute)
		}
		assert.EqualValues(t, 1, got.Load())
		assert.Equal(t, 3*24*4-24*4-1, refused, "after a day and five minutes")
		h.drain(t)
	})
}

func TestReceiverActsForItsOwnWorkspacesAlone(t *testing.T) {
	t.Parallel()
	bound := func(c *intercomtest.Server, id intercomrbac.WorkspaceID) *intercomrbac.RoleDirectory {
		return directory(t, c.Client(intercomrbac.WithWorkspace(id)), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
	}
	type roles = func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error)
	giving := func(d *intercomrbac.RoleDirectory, err error) roles {
		return func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) { return d, err }
	}
	srv := intercomtest.NewServer(t)
	unbound := directory(t, srv.Client(), intercomrbac.RoleDirectoryConfig{Map: byRoleID})
	down := errors.New("the database is down")
	for name, tt := range map[string]struct {
		workspace intercomrbac.WorkspaceID
		roles     roles
		status    int
		class     error // nil: the handler is called
	}{
		"the one":                              {hookWorkspace, nil, 200, nil},
		"another than the one":                 {"other", nil, 200, intercomrbac.ErrWorkspaceNotFound},
		"another than the one, with its roles": {"other", giving(unbound, nil), 200, intercomrbac.ErrWorkspaceNotFound},
		"the one, with its roles":              {hookWorkspace, giving(unbound, nil), 200, nil},
		"one of several":                       {"", giving(bound(srv, hookWorkspace), nil), 200, nil},
		"one of several, without roles":        {"", giving(nil, nil), 200, nil},
		"none of several":                      {"", giving(nil, fmt.Errorf("intercomrbac: %w", intercomrbac.ErrWorkspaceNotFound)), 200, intercomrbac.ErrWorkspaceNotFound},
		"one that was uninstalled":             {"", giving(nil, fmt.Errorf("intercomrbac: %w", intercomrbac.ErrTokenRevoked)), 200, intercomrbac.ErrTokenRevoked},
		"the directory of another":             {"", giving(bound(srv, "other"), nil), 200, intercomrbac.ErrWorkspaceNotFound},
		"the directory of nobody knows which":  {"", giving(unbound, nil), 200, intercomrbac.ErrWorkspaceNotFound},
		"a store that is down":                 {"", giving(nil, down), 503, down},
		"no directory at all":                  {hookWorkspace, giving(new(intercomrbac.RoleDirectory), nil), 503, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workspace, c.Roles = tt.workspace, tt.roles })
			var got atomic.Int64
			h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error { got.Add(1); return nil })
			assert.Equal(t, intercomtest.Answer{Status: tt.status}, h.created("notif_1").To(h))
			h.drain(t)
			errs := h.reported()
			if tt.class == nil && tt.status == 200 {
				assert.Empty(t, errs)
				assert.EqualValues(t, 1, got.Load())
				return
			}
			assert.Zero(t, got.Load())
			require.Len(t, errs, 1)
			if tt.class != nil {
				assert.ErrorIs(t, errs[0], tt.class)
			}
			assertOneLine(t, errs[0].Error())
		})
	}
}

// C10: nothing without the key is accepted, and nothing panics.
func TestReceiverAcceptsNothingWithoutTheKey(t *testing.T) {
	t.Parallel()
	var h *hooks
	var through atomic.Int64
	h = newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.OnError = nil
		c.Health = func(context.Context, intercomrbac.WorkspaceID, time.Time) (intercomrbac.Health, error) {
			through.Add(1)
			return intercomrbac.Health{}, nil
		}
	})
	h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error { through.Add(1); return nil })
	good := h.created("notif_1")
	health := h.srv.HealthCheck(hookSecret)
	n := soak.N(20_000, 1_000_000)
	refused := 0
	for i := range n {
		rng := rand.New(rand.NewPCG(7, uint64(i)))
		d := good
		if rng.IntN(4) == 0 {
			d = health
		}
		d = forged(rng, d)
		if status := d.To(h).Status; status != 401 && status != 413 {
			t.Fatalf("%d: %+v with body %q", status, d.Header, d.Body)
		}
		refused++
	}
	assert.Equal(t, 200, health.To(h).Status)
	assert.Equal(t, 200, good.To(h).Status)
	h.drain(t)
	assert.EqualValues(t, 2, through.Load(), "the two that were signed")
	soak.Report(t, "C10", "%d forged requests refused, 0 accepted without the key, 0 panics", refused)
}

// forged makes of a delivery one that nobody signed.
func forged(rng *rand.Rand, d intercomtest.Delivery) intercomtest.Delivery {
	header, digits := "X-Hub-Signature", 40
	if d.Path == "/health" {
		header, digits = "X-Body-Signature", 64
	}
	signature := d.Header.Get(header)
	d.Header, d.Body = d.Header.Clone(), bytes.Clone(d.Body)
	random := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return string(b)
	}
	switch rng.IntN(8) {
	case 0: // one bit of the body
		d.Body[rng.IntN(len(d.Body))] ^= 1 << rng.IntN(8)
	case 1: // one bit of the signature
		b, _ := hex.DecodeString(signature[len(signature)-digits:])
		b[rng.IntN(len(b))] ^= 1 << rng.IntN(8)
		d.Header.Set(header, signature[:len(signature)-digits]+hex.EncodeToString(b))
	case 2: // another key
		key := random(rng.IntN(40))
		if d.Path == "/health" {
			d.Header.Set(header, intercomtest.SignBody(key, d.Body))
		} else {
			d.Header.Set(header, intercomtest.SignNotification(key, d.Body))
		}
	case 3: // cut
		d.Header.Set(header, signature[:rng.IntN(len(signature))])
	case 4: // any header
		d.Header.Set(header, random(rng.IntN(100)))
	case 5: // none, or more than one
		d.Header[header] = slices.Repeat([]string{signature}, 2*rng.IntN(3))
	case 6: // any body
		d.Body = []byte(random(rng.IntN(2000)))
	case 7: // the right one for the other route
		d.Header.Del(header)
		d.Header.Set("X-Hub-Signature", intercomtest.SignBody(hookSecret, d.Body))
		d.Header.Set("X-Body-Signature", intercomtest.SignNotification(hookSecret, d.Body))
	}
	return d
}

func FuzzReceiverHeader(f *testing.F) {
	body := []byte(`{"topic":"ping"}`)
	good := intercomtest.SignNotification(hookSecret, body)
	for _, seed := range []string{"", "sha1=", good[5:], good[:44], "sha1=" + strings.Repeat("0", 40), "sha256=" + intercomtest.SignBody(hookSecret, body), "SHA1=" + good[5:]} {
		f.Add(seed, "")
	}
	f.Add(good, good)
	h := newHooks(f, func(c *intercomrbac.ReceiverConfig) { c.OnError = nil })
	f.Fuzz(func(t *testing.T, first, second string) {
		d := sent("/", string(body), "X-Hub-Signature", first)
		if second != "" {
			d.Header.Add("X-Hub-Signature", second)
		}
		status := d.To(h).Status
		digits, _ := strings.CutPrefix(first, "sha1=")
		if second == "" && strings.HasPrefix(first, "sha1=") && strings.EqualFold(digits, good[5:]) {
			assert.Equal(t, 400, status) // it is signed, and no notification
			return
		}
		assert.Equal(t, 401, status)
	})
}

// Whatever body is signed, nothing panics, and what is taken is a notification of the workspace and of today.
func FuzzReceiverBody(f *testing.F) {
	h := newHooks(f)
	item := map[string]any{"type": "admin", "id": 7}
	for _, topic := range []intercomrbac.EventTopic{intercomrbac.EventPing, "test", intercomrbac.EventAdminRemovedFromWorkspace, intercomrbac.EventAdminActivityLogEventCreated} {
		f.Add(h.srv.Notification(hookSecret, intercomtest.Notification{Topic: topic, Item: item}).Body)
	}
	f.Add([]byte(`{"topic":"test","app_id":"fake1234","created_at":1700000000,"id":null,"data":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.OnError = nil })
		var got []intercomrbac.Notification
		var mu sync.Mutex
		h.On("test", func(_ context.Context, n intercomrbac.Notification) error {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, n)
			return nil
		})
		d := sent("/", string(body), "X-Hub-Signature", intercomtest.SignNotification(hookSecret, body))
		assert.Contains(t, []int{200, 400, 413}, d.To(h).Status)
		assert.Contains(t, []int{200, 400, 413}, d.To(h).Status)
		h.drain(t)
		assert.LessOrEqual(t, len(got), 1)
		for _, n := range got {
			assert.EqualValues(t, hookWorkspace, n.Workspace)
			assert.WithinDuration(t, time.Now(), n.CreatedAt.Time, 24*time.Hour+time.Minute)
			_, _ = n.Admin()
			_, _ = n.Conversation()
			_, _ = n.Contact()
			_, _ = n.APIRequest()
			_, _ = n.ActivityLog()
		}
	})
}

func BenchmarkReceiver(b *testing.B) {
	h := newHooks(b, func(c *intercomrbac.ReceiverConfig) { c.OnError = nil })
	d := h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: h.srv.ConversationItem(h.ids.Conversations[0])})
	forged := d
	forged.Header = http.Header{"X-Hub-Signature": {intercomtest.SignNotification(otherSecret, d.Body)}}
	h.On("test", func(context.Context, intercomrbac.Notification) error { return nil })
	for name, d := range map[string]intercomtest.Delivery{"repeated": d, "forged": forged} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(d.Body)))
			for b.Loop() {
				h.ServeHTTP(nowhere{}, requestOf(b.Context(), d))
			}
		})
	}
	h.drain(b)
}
