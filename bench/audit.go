package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/auditfile"
)

// trail is a way to keep an audit trail in a file.
type trail struct {
	name string
	note string
	open func(dir string) (intercomrbac.AuditSink, func() error, error)
}

const (
	oursTrail  = "auditfile"
	slogSynced = "slog, fsync each"
	slogBeside = "slog, fsync beside each other"
	slogPlain  = "slog, no fsync"
)

var trails = []trail{
	{oursTrail, "durable, chained, can be verified; callers share syncs", func(dir string) (intercomrbac.AuditSink, func() error, error) {
		log, err := auditfile.Open(filepath.Join(dir, "log"), auditfile.Config{})
		if err != nil {
			return nil, nil, err
		}
		return log, func() error { return log.Close(context.Background()) }, nil
	}},
	{slogSynced, "`slog`'s JSON handler on a writer that syncs after each event: durable, not chained", func(dir string) (intercomrbac.AuditSink, func() error, error) {
		f, sink, err := slogFile(dir, func(f *os.File) io.Writer { return syncedWriter{f} })
		return sink, f.Close, err
	}},
	{slogBeside, "the same, each caller with a sync of its own beside the others'", func(dir string) (intercomrbac.AuditSink, func() error, error) {
		f, sink, err := slogFile(dir, func(f *os.File) io.Writer { return f })
		return intercomrbac.SinkFunc(func(ctx context.Context, e intercomrbac.AuditEvent) error {
			if err := sink.Record(ctx, e); err != nil {
				return err
			}
			return f.Sync()
		}), f.Close, err
	}},
	{slogPlain, "without a sync: a power cut loses what was acknowledged", func(dir string) (intercomrbac.AuditSink, func() error, error) {
		f, sink, err := slogFile(dir, func(f *os.File) io.Writer { return f })
		return sink, f.Close, err
	}},
}

func slogFile(dir string, writer func(*os.File) io.Writer) (*os.File, intercomrbac.AuditSink, error) {
	f, err := os.Create(filepath.Join(dir, "slog"))
	if err != nil {
		return nil, nil, err
	}
	return f, intercomrbac.SlogSink(slog.New(slog.NewJSONHandler(writer(f), nil))), nil
}

type syncedWriter struct{ f *os.File }

func (w syncedWriter) Write(b []byte) (int, error) {
	n, err := w.f.Write(b)
	return n, errors.Join(err, w.f.Sync())
}

// trailEvent is an event as a guard records it.
func trailEvent(n int) intercomrbac.AuditEvent {
	return intercomrbac.AuditEvent{
		Timestamp: time.Now().UTC(), AdminID: "991267461", AdminEmail: "aiko@example.com", Action: "conversations.assign", Resource: "conversation",
		ResourceID: "215470011", Success: new(true), IPAddress: "203.0.113.7", ID: "5QZ7G3D2KJ6M4T3X2V7B5N6A" + strconv.Itoa(n), Phase: intercomrbac.PhaseOutcome,
		Outcome: intercomrbac.OutcomeSucceeded, ActingAdminID: "991267461", Role: "agent", Permission: intercomrbac.ConversationsAssign, Effect: "write",
		Reason: intercomrbac.ReasonAllowed, RuleRole: "agent", Rule: "conversations:*", PolicyVersion: "3895caee9e149a32", RequestID: "b4e3c5a1-0f5e-4d62-9a7e-0c9d2f1e8b77",
	}
}

const (
	trailTime   = 400 * time.Millisecond // of each figure in each round
	trailChain  = 1_000_000
	trailRounds = 3 // for each round of the page: a disk is less steady than a processor
)

// trailCallers are how many record at once.
var trailCallers = []int{1, 8, 64}

// trailRow is the medians of a trail with so many callers.
type trailRow struct {
	Name              string
	Callers           int
	Rate              float64 // events/s
	P50, P99          float64 // ns
	ToSynced, ToPlain float64 // rate, to that of the slog rows with as many callers in the same round
	ToSync            float64 // P50, to a write with its sync in the same round
}

// trailPage is what the page shows of audit trails.
type trailPage struct {
	Rows   []trailRow
	Notes  [][2]string
	Sync   float64 // ns, of a write and a sync of 300 bytes
	Chain  int64
	Verify float64 // ns
	Open   float64 // ns
	Time   time.Duration
	Rounds int
}

// measureTrails has all of them record in turn, so that a slow moment of the disk does not fall on one.
func measureTrails(rounds int, each time.Duration, chain int) (*trailPage, error) {
	dir, err := os.MkdirTemp("", "bench-audit-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p := &trailPage{Time: each, Rounds: rounds * trailRounds, Chain: int64(chain)}
	type figures struct{ rate, p50, p99 []float64 }
	all := make([]figures, len(trails)*len(trailCallers))
	var syncs []float64
	for round := range p.Rounds {
		progress("audit trails, round %d of %d", round+1, p.Rounds)
		took, err := measureSync(dir, each)
		if err != nil {
			return nil, err
		}
		syncs = append(syncs, took)
		for c, callers := range trailCallers {
			for i, t := range trails {
				f := &all[c*len(trails)+i]
				times, took, err := t.measure(dir, callers, each)
				if err != nil {
					return nil, fmt.Errorf("%s: %w", t.name, err)
				}
				slices.Sort(times)
				f.rate = append(f.rate, float64(len(times))/took.Seconds())
				f.p50 = append(f.p50, float64(times[len(times)/2]))
				f.p99 = append(f.p99, float64(times[len(times)*99/100]))
			}
		}
	}
	p.Sync = median(syncs)
	for c, callers := range trailCallers {
		rows := all[c*len(trails) : (c+1)*len(trails)]
		for i, t := range trails {
			f := &rows[i]
			p.Rows = append(p.Rows, trailRow{Name: t.name, Callers: callers, Rate: median(f.rate), P50: median(f.p50), P99: median(f.p99),
				ToSynced: medianRatio(f.rate, rows[1].rate), ToPlain: medianRatio(f.rate, rows[len(rows)-1].rate), ToSync: medianRatio(f.p50, syncs)})
		}
	}
	for _, t := range trails {
		p.Notes = append(p.Notes, [2]string{t.name, t.note})
	}
	p.Verify, p.Open, err = measureChain(dir, rounds, chain)
	return p, err
}

// medianRatio compares what was measured in the same rounds.
func medianRatio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	return median(ratios)
}

// measure has callers record for a while, and returns how long each event took.
func (t *trail) measure(parent string, callers int, each time.Duration) (times []time.Duration, took time.Duration, err error) {
	dir, err := os.MkdirTemp(parent, "trail-")
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	sink, closeSink, err := t.open(dir)
	if err != nil {
		return nil, 0, err
	}
	own := make([][]time.Duration, callers)
	errs := make([]error, callers)
	var group sync.WaitGroup
	start := time.Now()
	for c := range callers {
		group.Go(func() {
			for n := 0; errs[c] == nil; n++ {
				begin := time.Now()
				if n > 0 && begin.Sub(start) >= each { // each records something, however short the time
					break
				}
				errs[c] = sink.Record(context.Background(), trailEvent(n))
				own[c] = append(own[c], time.Since(begin))
			}
		})
	}
	group.Wait()
	took = time.Since(start)
	for _, o := range own {
		times = append(times, o...)
	}
	return times, took, errors.Join(append(errs, closeSink())...)
}

// measureSync is what the disk itself takes for one durable write.
func measureSync(dir string, each time.Duration) (float64, error) {
	f, err := os.CreateTemp(dir, "sync-")
	if err != nil {
		return 0, err
	}
	line := make([]byte, 300)
	var times []float64
	for start := time.Now(); time.Since(start) < each; {
		begin := time.Now()
		_, err := f.Write(line)
		if err := errors.Join(err, f.Sync()); err != nil {
			return 0, errors.Join(err, f.Close())
		}
		times = append(times, float64(time.Since(begin)))
	}
	return median(times), f.Close()
}

// measureChain makes a log of so many events, and times how long it takes to verify it, and to open it.
func measureChain(dir string, rounds, events int) (verify, open float64, err error) {
	progress("making a chain of %d events", events)
	path := filepath.Join(dir, "chain")
	log, err := auditfile.Open(path, auditfile.Config{})
	if err != nil {
		return 0, 0, err
	}
	const callers = 512
	errs := make([]error, callers)
	var group sync.WaitGroup
	for c := range callers {
		group.Go(func() {
			for n := c; n < events && errs[c] == nil; n += callers {
				errs[c] = log.Record(context.Background(), trailEvent(n))
			}
		})
	}
	group.Wait()
	if err := errors.Join(append(errs, log.Close(context.Background()))...); err != nil {
		return 0, 0, err
	}
	var verifies, opens []float64
	for range rounds {
		start := time.Now()
		report, err := auditfile.Verify(path, auditfile.Trust{})
		if err != nil || report.Lines != events {
			return 0, 0, fmt.Errorf("%d lines of %d verified: %w", report.Lines, events, err)
		}
		verifies = append(verifies, float64(time.Since(start)))
		start = time.Now()
		log, err := auditfile.Open(path, auditfile.Config{})
		if err != nil {
			return 0, 0, err
		}
		opens = append(opens, float64(time.Since(start)))
		if err := log.Close(context.Background()); err != nil {
			return 0, 0, err
		}
	}
	return median(verifies), median(opens), nil
}
