package intercomtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/intercomrbac/intercomrbac"
)

// TestSink checks that a sink does what a guard, and whoever reads the record later, rely on: what it acknowledges is there
// once, whole, in order and as it was; what it does not is there once or not at all; whatever is in the texts, however many
// record at once, and where a caller leaves early. events returns all that is on record so far, the oldest first.
//
// The sink has to work while it is tested, without redaction, and keep everything; about 900 events are recorded to it. The
// error says all that is wrong:
//
//	sink, events := newMySink(t)
//	if err := intercomtest.TestSink(sink, events); err != nil {
//		t.Error(err)
//	}
func TestSink(sink intercomrbac.AuditSink, events func() ([]intercomrbac.AuditEvent, error)) error {
	if sink == nil || events == nil {
		return errors.New("intercomtest: TestSink: there is no sink, or nothing to read it with")
	}
	t := &sinkTest{sink: sink, events: events, run: rand.Text()}
	for _, check := range []struct {
		name string
		do   func()
	}{
		{"members", t.members}, {"order", t.order}, {"ownership", t.ownership}, {"concurrency", t.concurrency},
		{"contexts that ended", t.ended}, {"contexts that end meanwhile", t.cancelled}, {"hostile texts", t.hostile}, {"large texts", t.large},
	} {
		t.name = check.name
		check.do()
	}
	return errors.Join(t.errs...)
}

type sinkTest struct {
	sink   intercomrbac.AuditSink
	events func() ([]intercomrbac.AuditEvent, error)
	run    string // is in the ids, so that what was there before does not count
	name   string
	errs   []error
}

func (t *sinkTest) errorf(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf("intercomtest: TestSink: "+t.name+": "+format, args...))
}

// event is an intent as a guard records it.
func (t *sinkTest) event(n int) intercomrbac.AuditEvent {
	return intercomrbac.AuditEvent{
		Timestamp: time.Now().UTC(), AdminID: "991267461", AdminEmail: "aiko@example.com", Action: "conversations.assign", Resource: "conversation",
		ResourceID: "215470011", IPAddress: "203.0.113.7", ID: fmt.Sprintf("%s %s %d", t.run, t.name, n), Phase: intercomrbac.PhaseIntent,
		Permission: intercomrbac.ConversationsAssign, Effect: intercomrbac.Write.String(), Reason: intercomrbac.ReasonAllowed,
	}
}

func (t *sinkTest) record(e intercomrbac.AuditEvent) {
	if err := t.sink.Record(context.Background(), e); err != nil {
		t.errorf("Record failed: %w", err)
	}
}

// read returns what this check recorded.
func (t *sinkTest) read() []intercomrbac.AuditEvent {
	all, err := t.events()
	if err != nil {
		t.errorf("reading back failed: %w", err)
	}
	var own []intercomrbac.AuditEvent
	for _, e := range all {
		if strings.HasPrefix(e.ID, t.run+" "+t.name+" ") {
			own = append(own, e)
		}
	}
	return own
}

// want checks that just these events are there, in this order.
func (t *sinkTest) want(events ...intercomrbac.AuditEvent) {
	got := t.read()
	if len(got) != len(events) {
		t.errorf("%d events are there after %d were recorded", len(got), len(events))
		return
	}
	for i := range events {
		t.same(&got[i], &events[i])
	}
}

// same checks that an event came back as it was, a time in whatever zone.
func (t *sinkTest) same(got, want *intercomrbac.AuditEvent) {
	g, w := reflect.ValueOf(got).Elem(), reflect.ValueOf(want).Elem()
	for field, v := range g.Fields() {
		wanted := w.FieldByIndex(field.Index).Interface()
		if at, ok := wanted.(time.Time); ok && at.Equal(v.Interface().(time.Time)) {
			continue
		}
		if !reflect.DeepEqual(v.Interface(), wanted) {
			t.errorf("event %.60q: %s came back as %.60q, and was %.60q", want.ID, field.Name, fmt.Sprint(v.Interface()), fmt.Sprint(wanted))
		}
	}
}

func (t *sinkTest) members() {
	phases := []intercomrbac.AuditPhase{intercomrbac.PhaseIntent, intercomrbac.PhaseOutcome, intercomrbac.PhaseDenial}
	for n, success := range []*bool{nil, new(true), new(false)} {
		e := t.event(n)
		e.Phase = phases[n]
		v := reflect.ValueOf(&e).Elem()
		for field, value := range v.Fields() {
			switch {
			case field.Name == "ID" || field.Name == "Phase" || field.Name == "Effect" || field.Name == "TruncatedFrom":
			case value.Kind() == reflect.String && value.String() == "":
				value.SetString("the " + field.Name)
			case value.Kind() == reflect.Bool:
				value.SetBool(true)
			case value.CanInt():
				value.SetInt(int64(3 + n))
			}
		}
		e.Success = success
		e.Timestamp = time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)
		e.Since = e.Timestamp.Add(-time.Minute)
		t.record(e)
		var own []intercomrbac.AuditEvent
		for _, got := range t.read() {
			if got.ID == e.ID {
				own = append(own, got)
			}
		}
		if len(own) != 1 {
			t.errorf("an event is there %d times", len(own))
			continue
		}
		t.same(&own[0], &e)
	}
}

func (t *sinkTest) order() {
	var want []intercomrbac.AuditEvent
	for n := range 25 {
		e := t.event(n)
		if n%2 == 1 { // the same call
			e.ID, e.Phase, e.Outcome, e.Success = want[n-1].ID, intercomrbac.PhaseOutcome, intercomrbac.OutcomeSucceeded, new(true)
		}
		t.record(e)
		want = append(want, e)
	}
	t.want(want...)
}

// ownership: the event is the sink's to read, only while Record runs.
func (t *sinkTest) ownership() {
	e := t.event(0)
	e.Success = new(true)
	t.record(e)
	if !*e.Success {
		t.errorf("Record changed what Success points to")
	}
	want := e
	want.Success = new(true)
	*e.Success = false
	t.want(want)
}

const (
	sinkCallers = 16
	sinkEach    = 25
)

// concurrently records events from many goroutines, and returns those that were acknowledged.
func (t *sinkTest) concurrently(record func(n int, e intercomrbac.AuditEvent) error) (acked map[string]intercomrbac.AuditEvent) {
	acked = map[string]intercomrbac.AuditEvent{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for caller := range sinkCallers {
		group.Go(func() {
			for i := range sinkEach {
				n := caller*sinkEach + i
				e := t.event(n)
				if err := record(n, e); err == nil {
					mu.Lock()
					acked[e.ID] = e
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	return acked
}

// once checks that all that was acknowledged is there as it was, and nothing twice.
func (t *sinkTest) once(acked map[string]intercomrbac.AuditEvent) {
	count := map[string]int{}
	for _, e := range t.read() {
		if count[e.ID]++; count[e.ID] == 2 {
			t.errorf("event %.60q is there twice", e.ID)
		}
		if want, ok := acked[e.ID]; ok {
			t.same(&e, &want)
		}
	}
	for id := range acked {
		if count[id] == 0 {
			t.errorf("event %.60q was acknowledged and is not there", id)
		}
	}
}

func (t *sinkTest) concurrency() {
	acked := t.concurrently(func(_ int, e intercomrbac.AuditEvent) error { return t.sink.Record(context.Background(), e) })
	if n := sinkCallers * sinkEach; len(acked) != n {
		t.errorf("Record failed for %d of %d events", n-len(acked), n)
	}
	t.once(acked)
}

func (t *sinkTest) ended() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	acked := map[string]intercomrbac.AuditEvent{}
	for n := range 10 {
		e := t.event(n)
		if err := t.sink.Record(ctx, e); err == nil {
			acked[e.ID] = e
		}
	}
	t.once(acked)
}

func (t *sinkTest) cancelled() {
	t.once(t.concurrently(func(n int, e intercomrbac.AuditEvent) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		go func() {
			for range n % sinkEach * 20 {
				if ctx.Err() != nil {
					return
				}
			}
			cancel()
		}()
		return t.sink.Record(ctx, e)
	}))
}

// hostileTexts end a line, a string or a document, or do something to a terminal, wherever they are not escaped.
var hostileTexts = []string{"\r\n", "a\nb", "\u2028\u2029\u0085", "\x1b[2J\x1b]0;x\a", "\x00", "\x7f", `"`, `\`, `\"},{"id":"`, "\"}\n{\"id\":\"x\"}\n", "</script>", "\u202e",
	"\ufeff", "\xff\xfe", "\xc3(", "\xed\xa0\x80", "'; DROP TABLE events; --", "%s%n", strings.Repeat("\x00\"\n", 50)}

func (t *sinkTest) hostile() {
	var want []intercomrbac.AuditEvent
	for n, text := range hostileTexts {
		e := t.event(n)
		v := reflect.ValueOf(&e).Elem()
		for field, value := range v.Fields() {
			if value.Kind() == reflect.String && field.Name != "ID" && field.Name != "Phase" && field.Name != "Effect" && field.Name != "Outcome" {
				value.SetString(text)
			}
		}
		t.record(e)
		want = append(want, e)
	}
	got := t.read()
	if len(got) != len(want) {
		t.errorf("%d events are there after %d were recorded", len(got), len(want))
		return
	}
	for i := range want {
		if text := hostileTexts[i]; utf8.ValidString(text) {
			t.same(&got[i], &want[i])
		} else if back := got[i].Error; back != text && !utf8.ValidString(back) {
			t.errorf("%q came back as %q: neither as it was nor valid UTF-8", text, back)
		}
	}
}

func (t *sinkTest) large() {
	e := t.event(0)
	e.Error, e.AdminEmail, e.Rule = strings.Repeat("é", 1<<19), strings.Repeat("\x00", 1<<10), strings.Repeat(`"`, 1<<15)
	if err := t.sink.Record(context.Background(), e); err != nil {
		if len(t.read()) > 0 {
			t.errorf("an event that was refused is there")
		}
		return
	}
	got := t.read()
	if len(got) != 1 {
		t.errorf("an event of a megabyte is there %d times", len(got))
		return
	}
	g := got[0]
	if cut := g.Error != e.Error || g.AdminEmail != e.AdminEmail || g.Rule != e.Rule; cut && g.TruncatedFrom == 0 {
		t.errorf("texts were cut, and TruncatedFrom does not say so")
	}
	if !strings.HasPrefix(e.Error, g.Error) || !strings.HasPrefix(e.AdminEmail, g.AdminEmail) || !strings.HasPrefix(e.Rule, g.Rule) || g.Action != e.Action {
		t.errorf("an event of a megabyte is another one afterwards")
	}
}
