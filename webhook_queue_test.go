package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
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

// C11: one id is handled once, however often and wherever it comes.
// A null id is told apart by its body; the same id in two workspaces is two.
// C12: the answer does not wait for the handler.
func TestASlowHandlerDoesNotSlowTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workers = 4 })
		var ran atomic.Int64
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
			ran.Add(1)
			return sleepFor(ctx, 2*time.Second)
		})
		start := time.Now()
		full := 0
		for i := range 1500 { // 500 a second
			switch d := h.created(fmt.Sprint("notif_", i)); d.To(h).Status {
			case 200:
			case 503:
				full++
			default:
				t.Fatal("neither taken nor full")
			}
			assert.Equal(t, start, time.Now().Add(-time.Duration(i)*2*time.Millisecond), "the answer took no time")
			advance(2 * time.Millisecond)
		}
		assert.Equal(t, 1500-1000-4, full, "the queue holds 1,000, and four were done after two seconds")
		h.drain(t)
		assert.EqualValues(t, 1500-full, ran.Load(), "what was answered with 200 was handled")
		assert.Equal(t, time.Duration(1004/4)*2*time.Second, time.Since(start).Truncate(time.Second))
		for _, err := range h.reported() {
			assert.ErrorIs(t, err, intercomrbac.ErrUnavailable)
			assert.ErrorContains(t, err, "the queue is full")
		}
		soak.Report(t, "C12", "500 deliveries/s for 3 s on a handler of 2 s: each answered without delay, %d queued and handled, %d told to come again (503)", 1500-full, full)
	})
}

func sleepFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// What was refused for want of room is taken when it comes again.
func TestAFullQueueForgetsWhatItRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Queue, c.Workers = 1, 1 })
		var ran atomic.Int64
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
			ran.Add(1)
			return sleepFor(ctx, 10*time.Second)
		})
		first, second := h.created("notif_1"), h.created("notif_2")
		assert.Equal(t, 200, first.To(h).Status)
		assert.Equal(t, 503, second.To(h).Status)
		advance(time.Minute)
		assert.Equal(t, 200, second.To(h).Status)
		h.drain(t)
		assert.EqualValues(t, 2, ran.Load())
		assert.Equal(t, 503, h.created("notif_3").To(h).Status, "closed")
	})
}

func TestAFailedHandlerRunsAgain(t *testing.T) {
	t.Parallel()
	failure := errors.New("the database is down")
	for name, tt := range map[string]struct {
		fail func() error // of every attempt but the last
		want string
	}{
		"an error": {func() error { return failure }, "the database is down"},
		"a panic":  {func() error { panic("index out of\nrange") }, "the handler panicked: index out of range"},
		"a bug":    {func() error { var m []error; return m[len(m)] }, "the handler panicked: runtime error: index out of range [0] with length 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for fails := range 5 {
				synctest.Test(t, func(t *testing.T) {
					h := newHooks(t)
					var attempts []int
					var at []time.Duration
					start := time.Now()
					var mu sync.Mutex
					h.On(intercomrbac.EventConversationUserCreated, func(_ context.Context, n intercomrbac.Notification) error {
						mu.Lock()
						defer mu.Unlock()
						attempts, at = append(attempts, n.Attempt), append(at, time.Since(start))
						if len(attempts) <= fails {
							return tt.fail()
						}
						return nil
					})
					d := h.created("notif_1")
					assert.Equal(t, 200, d.To(h).Status)
					advance(2 * time.Second)
					assert.Equal(t, 200, d.To(h).Status, "it is at work, or done")
					advance(time.Minute)
					ran := min(fails+1, 4)
					assert.Equal(t, []int{1, 2, 3, 4}[:ran], attempts)
					for i, wait := range []time.Duration{time.Second, 5 * time.Second, 30 * time.Second}[:ran-1] {
						assert.InDelta(t, wait.Seconds(), (at[i+1] - at[i]).Seconds(), wait.Seconds()/2)
					}
					errs := h.reported()
					assert.Len(t, errs, min(fails, 4))
					for i, err := range errs {
						assertOneLine(t, err.Error())
						assert.ErrorContains(t, err, fmt.Sprintf("intercomrbac: notification conversation.user.created notif_1: attempt %d of 4: %s", i+1, tt.want))
					}
					// Who failed to the end may run again; who succeeded may not.
					assert.Equal(t, 200, d.To(h).Status)
					h.drain(t)
					if fails >= 4 {
						assert.Len(t, attempts, 5)
					} else {
						assert.Len(t, attempts, ran)
					}
				})
			}
		})
	}
}

func TestOnErrorSeesWhereAHandlerPanicked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var stack atomic.Value
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.OnError = func(context.Context, intercomrbac.Notification, error) {
				stack.Store(string(debug.Stack()))
				panic("and so does OnError")
			}
		})
		h.On(intercomrbac.EventConversationUserCreated, panickingHandler)
		assert.Equal(t, 200, h.created("notif_1").To(h).Status)
		h.drain(t)
		assert.Contains(t, stack.Load(), "panickingHandler")
	})
}

func panickingHandler(context.Context, intercomrbac.Notification) error { panic("so it goes") }

// A handler that ends its goroutine, as a test's FailNow does, keeps no place.
func TestAHandlerThatEndsItsGoroutine(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Workers, c.Queue = 1, 1
			c.Principal = func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
				return intercomrbac.Principal{Service: "router"}, nil
			}
		})
		h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error {
			runtime.Goexit()
			return nil
		})
		for range 3 {
			assert.Equal(t, 200, h.created("notif_1").To(h).Status)
			synctest.Wait()
			assert.ErrorContains(t, errors.Join(h.reported()...), "the handler ended its goroutine")
		}
		h.drain(t)
	})
}

func TestAHandlerHasAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t)
		start := time.Now()
		var took atomic.Int64
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
			if n.Attempt > 1 {
				return nil
			}
			<-ctx.Done()
			took.Store(int64(time.Since(start)))
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		r := requestOf(ctx, h.created("notif_1"))
		h.ServeHTTP(nowhere{}, r)
		cancel() // Intercom has gone
		h.drain(t)
		assert.Equal(t, time.Minute, time.Duration(took.Load()))
	})
}

func requestOf(ctx context.Context, d intercomtest.Delivery) *http.Request {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://app.example.com"+d.Path, strings.NewReader(string(d.Body)))
	if err != nil {
		panic(err)
	}
	r.Header = d.Header.Clone()
	return r
}

// nowhere is where an answer goes that nobody looks at.
type nowhere struct{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (nowhere) WriteHeader(int)             {}

type traceKey struct{}

// Handlers act as whom the config says, and as nobody else, whoever may stand in the request's context.
func TestWhoHandlersActAs(t *testing.T) {
	t.Parallel()
	bot := intercomrbac.Principal{Service: "router", AdminID: "7", Role: "router", Workspace: hookWorkspace}
	type who = func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.Principal, error)
	for name, tt := range map[string]struct {
		principal who
		want      intercomrbac.Principal
		err       error
	}{
		"nobody":   {nil, intercomrbac.Principal{}, nil},
		"somebody": {func(_ context.Context, id intercomrbac.WorkspaceID) (intercomrbac.Principal, error) { return bot, nil }, bot, nil},
		"of another workspace": {func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
			return intercomrbac.Principal{Service: "router", Workspace: "other"}, nil
		}, intercomrbac.Principal{}, intercomrbac.ErrWrongWorkspace},
		"not known": {func(context.Context, intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
			return bot, intercomrbac.ErrUnavailable
		}, intercomrbac.Principal{}, intercomrbac.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Principal = tt.principal })
				ran := 0
				h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
					ran++
					p, known := intercomrbac.PrincipalFrom(ctx)
					assert.Equal(t, tt.want, p)
					assert.Equal(t, !tt.want.IsZero(), known)
					assert.Equal(t, "trace-1", ctx.Value(traceKey{}), "other values of the request are there")
					return nil
				})
				ctx := intercomrbac.WithPrincipal(context.WithValue(t.Context(), traceKey{}, "trace-1"), intercomrbac.Principal{AdminID: "1", Role: "owner"})
				h.ServeHTTP(nowhere{}, requestOf(ctx, h.created("notif_1")))
				h.drain(t)
				errs := h.reported()
				if tt.err == nil {
					assert.Empty(t, errs)
					assert.Equal(t, 1, ran)
					return
				}
				assert.Zero(t, ran)
				require.Len(t, errs, 4)
				assert.ErrorIs(t, errs[0], tt.err)
			})
		})
	}
}

// Without a principal a guarded client refuses what a handler asks for.
func TestAHandlerWithoutAPrincipalIsDenied(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy()})
	h := newHooks(t)
	var denied atomic.Value
	h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
		_, err := d.client.Conversations.Get(ctx, d.Conversations[0])
		denied.Store(err)
		return nil
	})
	assert.Equal(t, 200, h.created("notif_1").To(h).Status)
	h.drain(t)
	require.ErrorIs(t, denied.Load().(error), intercomrbac.ErrNoPrincipal)
	assert.Zero(t, d.srv.CallCount(""))
}

func TestCloseDrains(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workers = 2 })
		var done atomic.Int64
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
			if n.ID == "notif_9" && n.Attempt < 3 {
				return errors.New("not yet")
			}
			done.Add(1)
			return sleepFor(ctx, time.Second)
		})
		for i := range 10 {
			assert.Equal(t, 200, h.created(fmt.Sprint("notif_", i)).To(h).Status)
		}
		start := time.Now()
		require.NoError(t, h.Close(t.Context()))
		assert.Equal(t, 5*time.Second, time.Since(start), "without the waits between attempts")
		assert.EqualValues(t, 10, done.Load())
		assert.Equal(t, 503, h.created("notif_10").To(h).Status)
		require.NoError(t, h.Close(t.Context()))
		require.NoError(t, (*intercomrbac.Receiver)(nil).Close(t.Context()))
	})
}

// What is not handled when the time is over may come again, to whoever is there then.
func TestCloseGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := intercomrbac.NewMemoryDeliveryStore()
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workers, c.Deliveries = 1, store })
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
			return sleepFor(ctx, time.Hour)
		})
		d := h.created("notif_1")
		assert.Equal(t, 200, d.To(h).Status)
		synctest.Wait()
		assert.Equal(t, 200, h.created("notif_2").To(h).Status)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := h.Close(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.ErrorContains(t, err, "2 at work or in the queue")
		synctest.Wait()
		errs := h.reported()
		require.Len(t, errs, 2)
		assert.ErrorContains(t, errors.Join(errs...), "attempt 1 of 4: context canceled")
		assert.ErrorContains(t, errors.Join(errs...), "notif_2: attempt 1 of 4: it was not handled: the Receiver was closed")
		require.NoError(t, h.Close(t.Context()))

		next := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
		var ran atomic.Int64
		next.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error { ran.Add(1); return nil })
		assert.Equal(t, 200, d.To(next).Status)
		next.drain(t)
		assert.EqualValues(t, 1, ran.Load())
	})
}

// faultyStore fails, or panics, in one of its methods.
// A process that crashed has claimed what it did not handle. Intercom, which got no answer, sends it again a minute later.
// A claim may end while the one who has it is still at work, and another process may take the delivery then.
// C13: while the secret is replaced nothing is refused, and afterwards nothing under the old one is taken.
func TestRotationOfTheSecretLosesNothing(t *testing.T) {
	t.Parallel()
	n := soak.N(2_000, 10_000)
	store := intercomrbac.NewMemoryDeliveryStore()
	var handled sync.Map
	var count atomic.Int64
	replica := func(secrets ...string) *hooks {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Secrets, c.Deliveries, c.Queue = nil, store, n
			for _, s := range secrets {
				c.Secrets = append(c.Secrets, intercomrbac.NewSecret(s))
			}
		})
		h.On(intercomrbac.EventConversationUserCreated, func(_ context.Context, n intercomrbac.Notification) error {
			if _, twice := handled.LoadOrStore(n.ID, true); twice {
				return errors.New("it was handled before")
			}
			count.Add(1)
			return nil
		})
		return h
	}
	replicas := []*hooks{replica(hookSecret), replica(otherSecret, hookSecret), replica(otherSecret)}
	var now atomic.Pointer[hooks]
	now.Store(replicas[0])
	srv := replicas[0].srv
	var secret atomic.Value // that Intercom signs with
	secret.Store(hookSecret)
	var sent, lost atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for {
				i := sent.Add(1)
				if i > int64(n) {
					return
				}
				switch i { // deploy both; replace it; deploy the new one alone, once what was signed before has come
				case int64(n / 4):
					now.Store(replicas[1])
				case int64(n / 2):
					secret.Store(otherSecret)
				}
				d := srv.Notification(secret.Load().(string), intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, ID: fmt.Sprint("notif_", i),
					Item: map[string]any{"type": "conversation", "id": "41"}})
				if d.To(now.Load()).Status != 200 {
					lost.Add(1)
				}
			}
		})
	}
	wg.Wait()
	for i := range n / 10 {
		assert.Equal(t, 200, srv.Notification(otherSecret, intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, ID: fmt.Sprint("notif_after_", i),
			Item: map[string]any{"type": "conversation", "id": "41"}}).To(replicas[2]).Status)
		assert.Equal(t, 401, srv.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventConversationUserCreated, ID: fmt.Sprint("notif_late_", i),
			Item: map[string]any{"type": "conversation", "id": "41"}}).To(replicas[2]).Status)
	}
	for _, h := range replicas {
		h.drain(t)
	}
	assert.Zero(t, lost.Load())
	assert.EqualValues(t, n+n/10, count.Load())
	soak.Report(t, "C13", "%d deliveries while the secret is replaced: 0 refused, each handled once; afterwards %d of %d under the old secret refused", n, n/10, n/10)
}

// Whatever order and whatever number deliveries come in, and whatever fails meanwhile: what was answered with 200 and handled is
// handled once, unless the handler itself failed.
