package intercomtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// TestDeliveryStore tests that a store does what [intercomrbac.DeliveryStore] asks for: one of many gets a key, until it is released or its
// time has passed; what is kept stays taken; and an ended context gets nothing. open returns a new, empty store, and is called for
// each part of the test. It takes a second.
func TestDeliveryStore(t *testing.T, open func(t *testing.T) intercomrbac.DeliveryStore) {
	t.Helper()
	for _, part := range []struct {
		name string
		test func(*testing.T, intercomrbac.DeliveryStore)
	}{
		{"one of many gets a key", testDeliveryRaces},
		{"a claim ends, and a kept key is taken", testDeliveryEnds},
		{"a released key is free", testDeliveryReleases},
		{"an ended context", testDeliveryEndedContext},
	} {
		t.Run(part.name, func(t *testing.T) {
			t.Helper()
			part.test(t, open(t))
		})
	}
}

func deliveryKey(n int) string { return fmt.Sprintf("%064x", n) }

// claims checks whether a key is to be had.
func claims(t *testing.T, s intercomrbac.DeliveryStore, key string, until time.Time, want bool) {
	t.Helper()
	got, err := s.Claim(t.Context(), key, until)
	if err != nil || got != want {
		t.Errorf("Claim of …%s: %t and %v, want %t", key[60:], got, err, want)
	}
}

func testDeliveryRaces(t *testing.T, s intercomrbac.DeliveryStore) {
	t.Helper()
	until := time.Now().Add(time.Hour)
	for n := range 20 {
		raceForDelivery(t, s, deliveryKey(n), until)
	}
	claims(t, s, strings.Repeat("f", 64), until, true)
}

func raceForDelivery(t *testing.T, s intercomrbac.DeliveryStore, key string, until time.Time) {
	t.Helper()
	var won atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			ok, err := s.Claim(t.Context(), key, until)
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			if ok {
				won.Add(1)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d of 16 got the key, want 1", won.Load())
	}
}

// A claim ends with its time, unless the key was kept since, and then one of many gets the key.
func testDeliveryEnds(t *testing.T, s intercomrbac.DeliveryStore) {
	t.Helper()
	later := time.Now().Add(48 * time.Hour)
	for n := range 20 {
		claims(t, s, deliveryKey(100+n), time.Now().Add(time.Second), true)
	}
	claims(t, s, deliveryKey(1), time.Now().Add(time.Second), true)
	claims(t, s, deliveryKey(1), later, false)
	claims(t, s, deliveryKey(2), time.Now().Add(time.Second), true)
	for _, key := range []string{deliveryKey(2), deliveryKey(3)} { // the third as if its claim had been lost
		if err := s.Keep(t.Context(), key, later); err != nil {
			t.Errorf("Keep: %v", err)
		}
	}
	tick := time.NewTicker(20 * time.Millisecond) // the store's clock may be a server's
	defer tick.Stop()
	timeout := time.After(10 * time.Second)
	for free := false; !free; {
		select {
		case <-tick.C:
		case <-timeout:
			t.Fatal("a claim of a second has not ended after ten")
		}
		var err error
		if free, err = s.Claim(t.Context(), deliveryKey(1), later); err != nil {
			t.Fatalf("Claim: %v", err)
		}
	}
	for n := range 3 {
		claims(t, s, deliveryKey(n+1), later, false)
	}
	for n := range 20 { // claimed before the first, whose claim has ended
		raceForDelivery(t, s, deliveryKey(100+n), later)
	}
}

func testDeliveryReleases(t *testing.T, s intercomrbac.DeliveryStore) {
	t.Helper()
	until := time.Now().Add(time.Hour)
	claims(t, s, deliveryKey(1), until, true)
	claims(t, s, deliveryKey(2), until, true)
	for range 2 { // again is no error
		if err := s.Release(t.Context(), deliveryKey(1)); err != nil {
			t.Errorf("Release: %v", err)
		}
	}
	claims(t, s, deliveryKey(2), until, false)
	claims(t, s, deliveryKey(1), until, true)
}

func testDeliveryEndedContext(t *testing.T, s intercomrbac.DeliveryStore) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := s.Claim(ctx, deliveryKey(1), time.Now().Add(time.Hour)); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("Claim: %t and %v, want the error of the context", ok, err)
	}
	if err := s.Keep(ctx, deliveryKey(1), time.Now().Add(time.Hour)); !errors.Is(err, context.Canceled) {
		t.Errorf("Keep: %v, want the error of the context", err)
	}
	claims(t, s, deliveryKey(1), time.Now().Add(time.Hour), true)
	if err := s.Release(ctx, deliveryKey(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("Release: %v, want the error of the context", err)
	}
	claims(t, s, deliveryKey(1), time.Now().Add(time.Hour), false)
}
