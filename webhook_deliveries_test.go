package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
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

func TestMemoryDeliveryStore(t *testing.T) {
	t.Parallel()
	intercomtest.TestDeliveryStore(t, func(*testing.T) intercomrbac.DeliveryStore { return intercomrbac.NewMemoryDeliveryStore() })
}

func TestMemoryDeliveryStoreIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 10_000
		s := intercomrbac.NewMemoryDeliveryStoreOf(most)
		claim := func(n int) bool {
			ok, err := s.Claim(t.Context(), fmt.Sprintf("%064x", n), time.Now().Add(48*time.Hour))
			require.NoError(t, err)
			return ok
		}
		for n := range most + 10 {
			require.True(t, claim(n))
			if n%3 == 0 { // what is given free and taken again is not forgotten before its time
				require.NoError(t, s.Release(t.Context(), fmt.Sprintf("%064x", n)))
				require.True(t, claim(n))
			}
		}
		assert.False(t, claim(most+7), "the newest are there")
		assert.True(t, claim(1), "the oldest made room")
		for n := range most {
			claim(most + 10 + n)
		}
		keys, places := intercomrbac.KnownDeliveries(s)
		assert.LessOrEqual(t, keys, most)
		assert.LessOrEqual(t, places, 2*most)
		advance(49 * time.Hour)
		assert.True(t, claim(2*most+9), "what is old makes room, too")
		assert.True(t, claim(3*most))
		keys, _ = intercomrbac.KnownDeliveries(s)
		assert.Equal(t, 2, keys)
	})
}

// A queue that is full for long, so that each delivery is claimed and released, has no key forgotten.
func TestMemoryDeliveryStoreForgetsNothingForWhatIsReleased(t *testing.T) {
	t.Parallel()
	const most = 100
	s := intercomrbac.NewMemoryDeliveryStoreOf(most)
	until := time.Now().Add(48 * time.Hour)
	for n := range most / 2 {
		require.NoError(t, s.Keep(t.Context(), deliveryKey(n), until))
	}
	for n := range 10 * most {
		ok, err := s.Claim(t.Context(), deliveryKey(most+n), until)
		require.NoError(t, err)
		require.True(t, ok)
		require.NoError(t, s.Release(t.Context(), deliveryKey(most+n)))
	}
	keys, places := intercomrbac.KnownDeliveries(s)
	assert.Equal(t, most/2, keys)
	assert.LessOrEqual(t, places, 2*most)
	for n := range most / 2 {
		ok, err := s.Claim(t.Context(), deliveryKey(n), until)
		require.NoError(t, err)
		assert.False(t, ok, n)
	}
}

func TestDeliveriesOfOneIDAreHandledOnce(t *testing.T) {
	t.Parallel()
	rounds, deliveries := soak.N(3, 50), 1000
	for range rounds {
		store := intercomrbac.NewMemoryDeliveryStore()
		var ran atomic.Int64
		replica := func() *hooks {
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
			h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error {
				ran.Add(1)
				runtime.Gosched()
				return nil
			})
			return h
		}
		first, second := replica(), replica() // two processes with one store
		d := first.created("notif_the_one")
		var wg sync.WaitGroup
		for g := range 64 {
			wg.Go(func() {
				for i := g; i < deliveries/2; i += 64 {
					to := first
					if i%2 == 1 {
						to = second
					}
					assert.Equal(t, intercomtest.Answer{Status: 200}, d.To(to))
				}
			})
		}
		wg.Wait()
		first.drain(t)
		second.drain(t)
		third := replica() // after a restart
		for g := range 64 {
			wg.Go(func() {
				for i := g; i < deliveries/2; i += 64 {
					assert.Equal(t, intercomtest.Answer{Status: 200}, d.To(third))
				}
			})
		}
		wg.Wait()
		third.drain(t)
		require.EqualValues(t, 1, ran.Load())
	}
	soak.Report(t, "C11", "%d rounds of %d deliveries of one id over 64 goroutines, 2 replicas and a restart: the handler ran once in each", rounds, deliveries)
}

func TestWhatIsTheSameDelivery(t *testing.T) {
	t.Parallel()
	other := intercomtest.NewServer(t, intercomtest.WithWorkspace(intercomtest.Workspace{ID: "other"}))
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Workspace = ""
		c.Roles = func(context.Context, intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) { return nil, nil }
	})
	var ran atomic.Int64
	h.On("test", func(context.Context, intercomrbac.Notification) error { ran.Add(1); return nil })
	at := time.Now()
	for _, d := range []intercomtest.Delivery{
		h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, ID: "a", CreatedAt: at}),
		h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 2, ID: "a", CreatedAt: at}), // the same
		other.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, ID: "a", CreatedAt: at}),
		h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, NoID: true, CreatedAt: at}),
		h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 1, NoID: true, CreatedAt: at}), // the same
		h.srv.Notification(hookSecret, intercomtest.Notification{Topic: "test", Item: 2, NoID: true, CreatedAt: at}),
	} {
		assert.Equal(t, 200, d.To(h).Status)
	}
	h.drain(t)
	assert.EqualValues(t, 4, ran.Load())
}

type faultyStore struct {
	intercomrbac.DeliveryStore
	claim, keep, release error
	claimed              error // after a claim that was taken
	panics               bool
}

func (s *faultyStore) Claim(ctx context.Context, key string, until time.Time) (bool, error) {
	if s.claim != nil {
		return false, s.claim
	}
	ok, err := s.DeliveryStore.Claim(ctx, key, until)
	if s.claimed != nil {
		return false, s.claimed
	}
	return ok, err
}

func (s *faultyStore) Keep(ctx context.Context, key string, until time.Time) error {
	switch {
	case s.panics:
		panic("no connection")
	case s.keep != nil:
		return s.keep
	}
	return s.DeliveryStore.Keep(ctx, key, until)
}

func (s *faultyStore) Release(ctx context.Context, key string) error {
	if s.release != nil {
		return s.release
	}
	return s.DeliveryStore.Release(ctx, key)
}

func TestADeliveryStoreThatFails(t *testing.T) {
	t.Parallel()
	down := errors.New("no connection")
	for name, tt := range map[string]struct {
		store  faultyStore
		fails  bool // the handler
		status int
		runs   int64
		text   string
	}{
		"Claim":            {faultyStore{claim: down}, false, 503, 0, "the delivery store failed: no connection"},
		"Keep":             {faultyStore{keep: down}, false, 200, 1, "it may be handled again: no connection"},
		"Keep that panics": {faultyStore{panics: true}, false, 200, 1, "the delivery store panicked: no connection"},
		"Release":          {faultyStore{release: down}, true, 200, 4, "the delivery store failed: no connection"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := tt.store
				store.DeliveryStore = intercomrbac.NewMemoryDeliveryStore()
				h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = &store })
				var ran atomic.Int64
				h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error {
					ran.Add(1)
					if tt.fails {
						return errors.New("cannot")
					}
					return nil
				})
				d := h.created("notif_1")
				assert.Equal(t, tt.status, d.To(h).Status)
				h.drain(t)
				assert.Equal(t, tt.runs, ran.Load())
				assert.ErrorContains(t, errors.Join(h.reported()...), tt.text)
			})
		})
	}
}

// hungStore does not answer a Claim until it is told what, as a disk that hangs: not even when the context ends.
type hungStore struct {
	intercomrbac.DeliveryStore
	answer chan error
}

func (s *hungStore) Claim(ctx context.Context, key string, until time.Time) (bool, error) {
	if err := <-s.answer; err != nil {
		return false, err
	}
	return s.DeliveryStore.Claim(context.WithoutCancel(ctx), key, until)
}

// Who sends a notification again while it is not known whether the first was taken is not told that all is well before it is.
func TestADeliveryThatIsStillBeingTaken(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answer error
		first  int // its status
	}{
		"and then is": {nil, 200},
		"and is not":  {errors.New("the disk is gone"), 503},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				store := &hungStore{intercomrbac.NewMemoryDeliveryStore(), make(chan error)}
				h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
				var ran atomic.Int64
				h.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error { ran.Add(1); return nil })
				d := h.created("notif_1")
				var wg sync.WaitGroup
				wg.Go(func() { assert.Equal(t, tt.first, d.To(h).Status) })
				synctest.Wait()
				start := time.Now()
				assert.Equal(t, 503, d.To(h).Status, "it may never be handled")
				assert.Equal(t, 4*time.Second, time.Since(start), "Intercom waits for five")
				wg.Go(func() { assert.Equal(t, tt.first, d.To(h).Status, "as the first") })
				synctest.Wait()
				store.answer <- tt.answer
				wg.Wait()
				close(store.answer)
				assert.Equal(t, 200, d.To(h).Status, "it comes again")
				h.drain(t)
				assert.EqualValues(t, 1, ran.Load())
			})
		})
	}
}

// slowStore takes as long as it is given.
type slowStore struct{ intercomrbac.DeliveryStore }

func (slowStore) Keep(ctx context.Context, _ string, _ time.Time) error {
	<-ctx.Done()
	return ctx.Err()
}

func (slowStore) Release(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }

// Whatever the store does after a claim, the answer comes within the five seconds that Intercom waits.
func TestASlowStoreDoesNotKeepTheAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Deliveries, c.Queue = slowStore{intercomrbac.NewMemoryDeliveryStore()}, 1
		})
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
			return sleepFor(ctx, time.Second)
		})
		answers := func(d intercomtest.Delivery) (int, time.Duration) {
			start := time.Now()
			status := d.To(h).Status
			return status, time.Since(start)
		}
		status, took := answers(h.srv.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminRemovedFromWorkspace, Item: h.srv.AdminItem("7")}))
		assert.Equal(t, 200, status, "the role is forgotten")
		assert.LessOrEqual(t, took, 4*time.Second)
		assert.ErrorContains(t, errors.Join(h.reported()...), "the delivery store failed")
		assert.Equal(t, 200, h.created("notif_1").To(h).Status)
		status, took = answers(h.created("notif_2"))
		assert.Equal(t, 503, status, "the queue is full")
		assert.LessOrEqual(t, took, 4*time.Second)
		h.drain(t)
	})
}

func TestAClaimOfACrashedProcessEndsBeforeIntercomSendsAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &faultyStore{DeliveryStore: intercomrbac.NewMemoryDeliveryStore()}
		crashing := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
		stuck := make(chan struct{})
		handle := func(context.Context, intercomrbac.Notification) error { <-stuck; return nil }
		crashing.On(intercomrbac.EventConversationUserCreated, handle)
		d := crashing.created("notif_1")
		assert.Equal(t, 200, d.To(crashing).Status) // an answer that is lost
		next := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries = store })
		var ran atomic.Int64
		next.On(intercomrbac.EventConversationUserCreated, func(context.Context, intercomrbac.Notification) error { ran.Add(1); return nil })
		assert.Equal(t, 200, d.To(next).Status)
		synctest.Wait()
		assert.Zero(t, ran.Load(), "the other process has it")
		advance(time.Minute)
		assert.Equal(t, 200, d.To(next).Status)
		next.drain(t)
		assert.EqualValues(t, 1, ran.Load())
		close(stuck)
		crashing.drain(t)
		assert.Equal(t, 200, d.To(crashing).Status)
	})
}

func TestAClaimThatIsOver(t *testing.T) {
	t.Parallel()
	replica := func(t *testing.T, store intercomrbac.DeliveryStore, handle func(ctx context.Context, attempt int) error) (*hooks, *atomic.Int64) {
		ran := new(atomic.Int64)
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Deliveries, c.Workers = store, 1 })
		h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
			ran.Add(1)
			return handle(ctx, n.Attempt)
		})
		return h, ran
	}
	takes := func(d time.Duration) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { return sleepFor(ctx, d) }
	}
	failsAfter := func(d time.Duration) func(context.Context, int) error {
		return func(ctx context.Context, _ int) error { return errors.Join(errors.New("cannot"), sleepFor(ctx, d)) }
	}
	t.Run("not by the same process", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			h, ran := replica(t, intercomrbac.NewMemoryDeliveryStore(), takes(55*time.Second))
			d := h.created("notif_1")
			d.To(h)
			advance(52 * time.Second)
			assert.Equal(t, 200, d.To(h).Status)
			h.drain(t)
			assert.EqualValues(t, 1, ran.Load())
		})
	})
	t.Run("not by another process while what has waited long is handled", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := intercomrbac.NewMemoryDeliveryStore()
			first, ran := replica(t, store, takes(40*time.Second))
			second, neverRan := replica(t, store, takes(0))
			first.created("notif_1").To(first)
			synctest.Wait()
			d := first.created("notif_2")
			d.To(first)
			for range 75 { // it begins at 40 seconds, and ends at 80
				advance(time.Second)
				assert.Equal(t, 200, d.To(second).Status)
			}
			first.drain(t)
			second.drain(t)
			assert.EqualValues(t, 2, ran.Load())
			assert.Zero(t, neverRan.Load())
			assert.Empty(t, first.reported())
		})
	})
	t.Run("who has it no more does not try again", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := intercomrbac.NewMemoryDeliveryStore()
			first, ran := replica(t, store, failsAfter(55*time.Second))
			second, alsoRan := replica(t, store, takes(time.Second))
			d := first.created("notif_1")
			d.To(first)
			advance(52 * time.Second)
			d.To(second)
			advance(10 * time.Minute)
			assert.EqualValues(t, 1, ran.Load())
			assert.EqualValues(t, 1, alsoRan.Load())
			assert.Equal(t, 200, first.created("notif_2").To(first).Status, "its worker is free")
			advance(time.Second)
			assert.EqualValues(t, 2, ran.Load())
			first.drain(t)
			second.drain(t)
		})
	})
	t.Run("nor gives free what is another's", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := intercomrbac.NewMemoryDeliveryStore()
			first, ran := replica(t, store, failsAfter(55*time.Second))
			second, alsoRan := replica(t, store, takes(40*time.Second))
			d := first.created("notif_1")
			d.To(first)
			for ran.Load() < 4 {
				advance(time.Second)
			}
			advance(52 * time.Second)
			d.To(second)
			advance(10 * time.Second)
			assert.Equal(t, 4, first.heard(), "the last attempt has failed")
			third, neverRan := replica(t, store, takes(0))
			d.To(third)
			first.drain(t)
			second.drain(t)
			third.drain(t)
			assert.EqualValues(t, 1, alsoRan.Load())
			assert.Zero(t, neverRan.Load())
		})
	})
	t.Run("when it is not known whose it is", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := &faultyStore{DeliveryStore: intercomrbac.NewMemoryDeliveryStore()}
			h, ran := replica(t, store, func(ctx context.Context, attempt int) error {
				switch attempt {
				case 1:
					store.claimed = errors.New("no answer") // the claim is taken, and the answer gets lost
					return failsAfter(55*time.Second)(ctx, attempt)
				case 2:
					store.claimed = nil
					return errors.New("cannot")
				}
				return nil
			})
			h.created("notif_1").To(h)
			advance(5 * time.Minute)
			h.drain(t)
			assert.EqualValues(t, 3, ran.Load(), "its own claim does not keep it from trying again")
		})
	})
	t.Run("when the store is down", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			store := &faultyStore{DeliveryStore: intercomrbac.NewMemoryDeliveryStore()}
			h, ran := replica(t, store, func(ctx context.Context, attempt int) error {
				if attempt == 1 {
					return failsAfter(55*time.Second)(ctx, attempt)
				}
				return nil
			})
			h.created("notif_1").To(h)
			advance(time.Second)
			store.claim = errors.New("no connection")
			h.drain(t)
			assert.EqualValues(t, 2, ran.Load(), "twice is better than never")
			assert.ErrorContains(t, errors.Join(h.reported()...), "so that another process may handle it, too: no connection")
		})
	})
}

func TestDeliveriesInDisorder(t *testing.T) {
	t.Parallel()
	rounds := soak.N(30, 1_000)
	for round := range rounds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, uint64(round)))
			h := newHooks(t, func(c *intercomrbac.ReceiverConfig) { c.Workers, c.Queue = 1+rng.IntN(3), 1+rng.IntN(20) })
			succeeded, failing := map[string]int{}, map[string]int{}
			for i := range 10 {
				failing[fmt.Sprint("notif_", i)] = rng.IntN(4) * rng.IntN(2)
			}
			var mu sync.Mutex
			h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, n intercomrbac.Notification) error {
				mu.Lock()
				defer mu.Unlock()
				if failing[n.ID] > 0 {
					failing[n.ID]--
					return errors.New("cannot")
				}
				succeeded[n.ID]++
				return nil
			})
			taken := map[string]bool{}
			for range 60 {
				id := fmt.Sprint("notif_", rng.IntN(10))
				switch h.created(id).To(h).Status {
				case 200:
					taken[id] = true
				case 503:
				default:
					t.Fatal("an answer that nobody expects")
				}
				advance(time.Duration(rng.IntN(3000)) * time.Millisecond)
			}
			h.drain(t)
			for id, times := range succeeded {
				assert.Equal(t, 1, times, id)
			}
			assert.Len(t, succeeded, len(taken))
		})
	}
	soak.Report(t, "C11", "%d rounds of 60 deliveries of 10 ids in disorder, with failing handlers and full queues: each that was taken succeeded once", rounds)
}
