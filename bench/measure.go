package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// runner is a contender that may be timed on a workload.
type runner struct {
	ask       ask
	questions []question
	next      int           // where sequential goes on
	took      time.Duration // about what a question takes
}

// newRunner is the only way to a runner: a contender that gives a wrong answer is not timed.
func newRunner(c contender, w *workload) (*runner, error) {
	ask, err := c.build(w.grants)
	if err != nil {
		return nil, err
	}
	r := &runner{ask: ask, questions: w.questions}
	if err := r.verify(1); err != nil {
		return nil, err
	}
	start := time.Now() // only now, when caches are filled
	for i := range 8 {
		q := &r.questions[i]
		if _, err := r.ask(q.role, q.permission); err != nil {
			return nil, err
		}
	}
	r.took = time.Since(start) / 8
	return r, nil
}

// verify asks every nth question, from as many goroutines as there are processors, and returns the first error in the
// order of the questions.
func (r *runner) verify(n int) error {
	processors := runtime.GOMAXPROCS(0)
	errs := make([]error, processors)
	var group sync.WaitGroup
	for p := range processors {
		part := r.questions[p*len(r.questions)/processors : (p+1)*len(r.questions)/processors]
		group.Go(func() { errs[p] = r.verifyPart(part, n) })
	}
	group.Wait()
	return cmp.Or(errs...)
}

func (r *runner) verifyPart(questions []question, n int) error {
	for i := 0; i < len(questions); i += n {
		q := &questions[i]
		allowed, err := r.ask(q.role, q.permission)
		if err != nil {
			return fmt.Errorf("no answer for %s, %s: %w", q.role, q.permission, err)
		}
		if allowed != q.allowed {
			return fmt.Errorf("wrong answer for %s, %s: %t", q.role, q.permission, allowed)
		}
	}
	return nil
}

// sequential times the questions, asked in turn. It goes on where it ended before: a slow contender would else be asked
// the same few each time.
func (r *runner) sequential(b *testing.B) {
	b.ReportAllocs()
	i := r.next
	for b.Loop() {
		q := &r.questions[i]
		if allowed, err := r.ask(q.role, q.permission); err != nil || allowed != q.allowed {
			b.Fatal("wrong answer")
		}
		if i++; i == len(r.questions) {
			i = 0
		}
	}
	r.next = i
}

// parallel times the same from as many goroutines as there are processors.
func (r *runner) parallel(b *testing.B) {
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		i := rand.IntN(len(r.questions))
		for pb.Next() {
			q := &r.questions[i]
			if allowed, err := r.ask(q.role, q.permission); err != nil || allowed != q.allowed {
				b.Error("wrong answer")
				return
			}
			if i++; i == len(r.questions) {
				i = 0
			}
		}
	})
}

// measureBuild returns how long a contender takes from the table to the first question, and what it keeps in memory
// beside the table. Names that it shares with the table do not count.
func measureBuild(c contender, g grants) (time.Duration, int64, error) {
	before := liveHeap()
	start := time.Now()
	ask, err := c.build(g)
	took := time.Since(start)
	heap := liveHeap() - before
	runtime.KeepAlive(ask)
	return took, heap, err
}

func liveHeap() int64 {
	runtime.GC() // the second one takes what pools and finalizers held on to
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
