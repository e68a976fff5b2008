package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/intercomrbac/intercomrbac/internal/soak"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// installs is what a service knows of one workspace, and gives up once GET /me says that the token is dead.
type installs struct {
	client *intercomrbac.Client
	delay  time.Duration

	mu      sync.Mutex
	retired bool
	atOnce  int
	most    int
}

func (i *installs) check(ctx context.Context, id intercomrbac.WorkspaceID) error {
	i.mu.Lock()
	if id != hookWorkspace || i.retired {
		i.mu.Unlock()
		return fmt.Errorf("%w: %q", intercomrbac.ErrWorkspaceNotFound, string(id))
	}
	i.atOnce++
	i.most = max(i.most, i.atOnce)
	i.mu.Unlock()
	if err := sleepFor(ctx, i.delay); err != nil {
		return err
	}
	_, err := i.client.Admins.Me(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.atOnce--
	if errors.Is(err, intercomrbac.ErrTokenRevoked) {
		i.retired = true
	}
	return err
}

func (i *installs) isRetired() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.retired
}

func newUninstallHooks(t *testing.T) (*hooks, *installs) {
	t.Helper()
	i := &installs{}
	h := newHooks(t, ofSeveral, func(c *intercomrbac.ReceiverConfig) { c.Check = i.check })
	i.client = h.srv.Client(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
	return h, i
}

// ofSeveral has the receiver serve every workspace.
func ofSeveral(c *intercomrbac.ReceiverConfig) {
	c.Workspace = ""
	c.Roles = func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) { return nil, nil }
}

func TestAnUninstallNoticeIsConfirmed(t *testing.T) {
	t.Parallel()
	for name, notice := range map[string]func(*intercomtest.Server) intercomtest.Delivery{
		"unsigned": func(s *intercomtest.Server) intercomtest.Delivery { return s.UninstallNotice("") },
		"signed":   func(s *intercomtest.Server) intercomtest.Delivery { return s.UninstallNotice(hookSecret) },
		"signed as a health check": func(s *intercomtest.Server) intercomtest.Delivery {
			d := s.UninstallNotice("")
			d.Header.Set("X-Body-Signature", intercomtest.SignBody(hookSecret, d.Body))
			return d
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h, i := newUninstallHooks(t)
				assert.Equal(t, intercomtest.Answer{Status: 200}, notice(h.srv).To(h))
				synctest.Wait()
				assert.False(t, i.isRetired(), "the token lives: somebody else has sent that")
				assert.Equal(t, 1, h.srv.CallCount("admins.me"))
				advance(2 * time.Minute)
				h.srv.RevokeToken(h.srv.Token(), "token_revoked")
				assert.Equal(t, intercomtest.Answer{Status: 200}, notice(h.srv).To(h))
				synctest.Wait()
				assert.True(t, i.isRetired())
				assert.Equal(t, 2, h.srv.CallCount(""))
				advance(2 * time.Minute)
				assert.Equal(t, intercomtest.Answer{Status: 200}, notice(h.srv).To(h))
				h.drain(t)
				assert.Equal(t, 2, h.srv.CallCount(""), "it is not installed any more")
				assert.Empty(t, h.reported())
			})
		})
	}
}

// The true notice may come within the minute of a forged one.
func TestANoticeWithinTheMinuteOfAnotherIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, i := newUninstallHooks(t)
		i.delay = time.Second
		start := time.Now()
		h.srv.UninstallNotice("").To(h)
		advance(500 * time.Millisecond) // it is being confirmed
		h.srv.UninstallNotice("").To(h)
		advance(10 * time.Second)
		h.srv.RevokeToken(h.srv.Token(), "token_revoked")
		h.srv.UninstallNotice("").To(h)
		for !i.isRetired() && time.Since(start) < 5*time.Minute {
			advance(time.Second / 2)
		}
		assert.InDelta(t, 62, time.Since(start).Seconds(), 0.6)
		assert.Equal(t, 2, h.srv.CallCount(""))
		h.drain(t)
	})
}

// However many are forged, no workspace goes down, an unknown one costs no request, and a known one a request a minute.
func TestForgedUninstallNotices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h, i := newUninstallHooks(t)
		i.delay = 100 * time.Millisecond
		minutes := soak.N(5, 60)
		sentOff, refused := 0, 0
		var answers []intercomtest.Answer
		for second := range 60 * minutes {
			known := h.srv.UninstallNotice("")
			unknown := sent("/uninstall", fmt.Sprintf(`{"app_id":"w%d"}`, second))
			for range 10 {
				for _, d := range []intercomtest.Delivery{known, unknown} {
					sentOff++
					a := d.To(h)
					answers = append(answers, a)
					if a.Status == 503 {
						refused++
					}
				}
				synctest.Wait()
			}
			advance(time.Second)
		}
		for _, a := range answers {
			assert.Equal(t, intercomtest.Answer{Status: 200}, a)
		}
		assert.LessOrEqual(t, h.srv.CallCount(""), minutes)
		assert.GreaterOrEqual(t, h.srv.CallCount(""), minutes-1)
		assert.Equal(t, 1, i.most)
		assert.False(t, i.isRetired())
		h.drain(t)
		assert.Empty(t, h.reported())
		soak.Report(t, "uninstall", "%d forged notices in %d minutes: 0 workspaces down, %d requests to Intercom, all answered alike", sentOff, minutes, h.srv.CallCount(""))
	})
}

func TestUninstallNoticesThatAreRefused(t *testing.T) {
	t.Parallel()
	h, i := newUninstallHooks(t)
	wrong := h.srv.UninstallNotice(otherSecret)
	both := h.srv.UninstallNotice(hookSecret)
	both.Header.Set("X-Body-Signature", intercomtest.SignBody(hookSecret, both.Body))
	for name, tt := range map[string]struct {
		d      intercomtest.Delivery
		status int
	}{
		"signed by another secret": {wrong, 401},
		"signed in both ways":      {both, 401},
		"no JSON":                  {sent("/uninstall", "app_id=fake1234"), 400},
		"null":                     {sent("/uninstall", "null"), 400},
		"no id":                    {sent("/uninstall", `{"workspace_id":"fake1234"}`), 400},
		"a null id":                {sent("/uninstall", `{"app_id":null}`), 400},
		"a long id":                {sent("/uninstall", `{"app_id":"`+strings.Repeat("a", 65)+`"}`), 400},
		"an id that is none":       {sent("/uninstall", `{"app_id":"../../etc"}`), 400},
		"too large":                {sent("/uninstall", strings.Repeat(" ", 1<<20+1)), 413},
	} {
		assert.Equal(t, intercomtest.Answer{Status: tt.status}, tt.d.To(h), name)
		errs := h.reported()
		require.Len(t, errs, 1, name)
		assert.ErrorIs(t, errs[0], intercomrbac.ErrWebhookRefused, name)
	}
	h.drain(t)
	assert.Zero(t, h.srv.CallCount(""))
	assert.False(t, i.isRetired())
	assert.Equal(t, 503, h.srv.UninstallNotice("").To(h).Status, "closed")
}

// Strangers who name any number of workspaces keep no more than a few look-ups going.
func TestUninstallNoticesAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, ofSeveral, func(c *intercomrbac.ReceiverConfig) {
			c.Check = func(ctx context.Context, id intercomrbac.WorkspaceID) error {
				<-ctx.Done() // a database that hangs
				return ctx.Err()
			}
		})
		taken := 0
		for n := range 1000 {
			if sent("/uninstall", fmt.Sprintf(`{"app_id":"w%d"}`, n)).To(h).Status == 200 {
				taken++
			}
		}
		assert.Equal(t, 16, taken)
		for _, id := range []string{"w0", "w999", "never"} {
			assert.Equal(t, 503, sent("/uninstall", `{"app_id":"`+id+`"}`).To(h).Status, "nobody learns which are being confirmed")
		}
		assert.Equal(t, 200, h.created("notif_1").To(h).Status, "notifications do not wait for them")
		advance(31 * time.Second)
		errs := h.reported()
		require.Len(t, errs, 16)
		assert.ErrorIs(t, errs[0], context.DeadlineExceeded)
		assert.ErrorContains(t, errs[0], `is not confirmed: context deadline exceeded`)
		assert.Equal(t, 200, sent("/uninstall", `{"app_id":"another"}`).To(h).Status)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		assert.ErrorIs(t, h.Close(ctx), context.DeadlineExceeded)
		synctest.Wait()
	})
}

// An app of one workspace has nobody ask for another, whatever its Check makes of the id.
func TestAnUninstallNoticeOfAnotherWorkspace(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*intercomrbac.ReceiverConfig)
		want   []intercomrbac.WorkspaceID
	}{
		"than the one": {func(*intercomrbac.ReceiverConfig) {}, nil},
		"of several":   {ofSeveral, []intercomrbac.WorkspaceID{"another"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked []intercomrbac.WorkspaceID
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
				c.Check = func(_ context.Context, id intercomrbac.WorkspaceID) error { asked = append(asked, id); return nil }
				tt.change(c)
			})
			assert.Equal(t, intercomtest.Answer{Status: 200}, sent("/uninstall", `{"app_id":"another"}`).To(h))
			h.drain(t)
			assert.Equal(t, tt.want, asked)
		})
	}
}

// A store that fails at once does not let strangers fill the memory.
func TestWorkspacesThatWereNoticedAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, ofSeveral, func(c *intercomrbac.ReceiverConfig) {
			c.Check = func(context.Context, intercomrbac.WorkspaceID) error { return errors.New("no database") }
			c.OnError = nil
		})
		taken := 0
		for n := range 10_100 {
			if sent("/uninstall", fmt.Sprintf(`{"app_id":"w%d"}`, n)).To(h).Status == 200 {
				taken++
			}
			synctest.Wait()
		}
		assert.Equal(t, 10_000, taken)
		advance(time.Minute)
		assert.Equal(t, 200, sent("/uninstall", `{"app_id":"later"}`).To(h).Status)
		h.drain(t)
	})
}

func TestACheckThatPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Check = func(context.Context, intercomrbac.WorkspaceID) error { panic("no database") }
		})
		assert.Equal(t, 200, h.srv.UninstallNotice("").To(h).Status)
		synctest.Wait()
		assert.ErrorContains(t, errors.Join(h.reported()...), `the uninstall of "fake1234" is not confirmed: it panicked: no database`)
		h.drain(t)
	})
}

func TestHealthChecks(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ü", 2084)
	for name, tt := range map[string]struct {
		health intercomrbac.Health
		err    error
		want   string
		report string
	}{
		"ok":      {intercomrbac.Health{State: intercomrbac.HealthOK}, nil, `{"state":"OK"}`, ""},
		"zero":    {intercomrbac.Health{}, nil, `{"state":"UNKNOWN"}`, ""},
		"unknown": {intercomrbac.Health{State: intercomrbac.HealthUnknown}, nil, `{"state":"UNKNOWN"}`, ""},
		"unhealthy": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "Sign in to the desk again."}, nil,
			`{"state":"UNHEALTHY","message":"Sign in to the desk again."}`, ""},
		"to be installed again": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "The access was revoked.", Reinstall: true}, nil,
			`{"state":"UNHEALTHY","message":"The access was revoked.","cta_type":"REINSTALL_CTA"}`, ""},
		"with a button": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "Choose a queue.", URL: "https://app.example.com/settings", Label: "Settings"}, nil,
			`{"state":"UNHEALTHY","message":"Choose a queue.","cta_type":"URL_CTA","cta_url":"https://app.example.com/settings","cta_label":"Settings"}`, ""},
		"as long as may be": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: long}, nil, `{"state":"UNHEALTHY","message":"` + long + `"}`, ""},

		"an error":          {intercomrbac.Health{State: intercomrbac.HealthOK}, errors.New("no database"), `{"state":"UNKNOWN"}`, "no database"},
		"no state":          {intercomrbac.Health{Message: "x"}, nil, `{"state":"UNKNOWN"}`, `the state "" is none`},
		"a state of others": {intercomrbac.Health{State: "ok"}, nil, `{"state":"UNKNOWN"}`, `the state "ok" is none`},
		"no reason":         {intercomrbac.Health{State: intercomrbac.HealthUnhealthy}, nil, `{"state":"UNKNOWN"}`, "without a Message"},
		"two buttons": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "x", Reinstall: true, URL: "https://x", Label: "x"}, nil,
			`{"state":"UNKNOWN"}`, "there is one button"},
		"no label": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: "x", URL: "https://x"}, nil, `{"state":"UNKNOWN"}`, "there is one button"},
		"too long": {intercomrbac.Health{State: intercomrbac.HealthUnhealthy, Message: long + "x"}, nil, `{"state":"UNKNOWN"}`, "more than 2084 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
				c.Health = func(_ context.Context, id intercomrbac.WorkspaceID, last time.Time) (intercomrbac.Health, error) {
					assert.EqualValues(t, hookWorkspace, id)
					assert.Zero(t, last)
					return tt.health, tt.err
				}
			})
			assert.Equal(t, intercomtest.Answer{Status: 200, Body: tt.want}, h.srv.HealthCheck(hookSecret).To(h))
			errs := h.reported()
			if tt.report == "" {
				assert.Empty(t, errs)
				return
			}
			require.Len(t, errs, 1)
			assert.ErrorContains(t, errs[0], `intercomrbac: the health of "fake1234" is not known: `)
			assert.ErrorContains(t, errs[0], tt.report)
		})
	}
}

func TestHealthChecksTellTheLastNotification(t *testing.T) {
	t.Parallel()
	var last time.Time
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Health = func(_ context.Context, _ intercomrbac.WorkspaceID, at time.Time) (intercomrbac.Health, error) {
			last = at
			panic("no matter")
		}
	})
	now := time.Now().Truncate(time.Second)
	for i, age := range []time.Duration{time.Hour, time.Minute, 2 * time.Hour} {
		created := now.Add(-age)
		assert.Equal(t, 200, h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "any", Item: i, CreatedAt: created}).To(h).Status)
	}
	forged := h.srv.Notification(otherSecret, intercomtest.Notification{Topic: "any", Item: 1})
	assert.Equal(t, 401, forged.To(h).Status)
	h.reported()
	assert.Equal(t, intercomtest.Answer{Status: 200, Body: `{"state":"UNKNOWN"}`}, h.srv.HealthCheck(hookSecret).To(h))
	assert.True(t, now.Add(-time.Minute).Equal(last), "the newest, not the last that came")
	assert.ErrorContains(t, errors.Join(h.reported()...), "it panicked: no matter")
}

func TestHealthChecksThatAreRefused(t *testing.T) {
	t.Parallel()
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Health = func(context.Context, intercomrbac.WorkspaceID, time.Time) (intercomrbac.Health, error) {
			panic("a request that was refused came through")
		}
	})
	for _, body := range []string{"", "null", "[]", `{"app_id":"fake1234"}`, `{"workspace_id":""}`, `{"workspace_id":{}}`} {
		d := sent("/health", body, "X-Body-Signature", intercomtest.SignBody(hookSecret, []byte(body)))
		assert.Equal(t, intercomtest.Answer{Status: 400}, d.To(h), body)
		assert.ErrorIs(t, errors.Join(h.reported()...), intercomrbac.ErrWebhookRefused)
	}
}
