package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// DataEventSink shows what admins did in Intercom itself, as data events "admin-action-logged" on one contact that the
// service names: an admin is no contact, and an event in the name of one would reach a stranger or nobody. It is for
// people to see, beside the sink that counts: Record only queues, so that no action waits for it or fails by it, and what
// cannot be delivered is dropped and counted. Intents are not shown. It is made by [NewDataEventSink], safe for concurrent
// use, and runs a goroutine until Close.
//
// Intercom takes events of one name, contact and second for one, and does not say how far in the future a time may be, so
// that no two are given the same second and none is delivered before its own: a burst takes a second for each event.
//
// Source: operation createDataEvent
type DataEventSink struct {
	client  *Client // below any guard: nothing records what records
	contact ContactID
	queue   chan AuditEvent
	dropped atomic.Int64

	mu      sync.Mutex // between Record and Close
	closed  bool
	closing chan struct{}
	done    chan struct{}
	cancel  context.CancelFunc
}

// DataEventSinkConfig says where a [DataEventSink] shows events.
type DataEventSinkConfig struct {
	// Contact is the contact on whom the events are shown, one that the service has made for this; needed.
	Contact ContactID
	// Queue is how many events wait for delivery at the most; 0 means 1,000.
	Queue int
}

// NewDataEventSink returns a sink that delivers through client, below its guard if it has one. Close it.
func NewDataEventSink(client *Client, config DataEventSinkConfig) (*DataEventSink, error) {
	switch {
	case client == nil || client.s.token == nil:
		return nil, fmt.Errorf("intercomrbac: NewDataEventSink: %w", errNoClient)
	case config.Contact == "":
		return nil, errors.New("intercomrbac: NewDataEventSink: there is no Contact to show the events on")
	case config.Queue < 0:
		return nil, errors.New("intercomrbac: NewDataEventSink: Queue is negative")
	}
	if err := config.Contact.check(opEventsCreate); err != nil {
		return nil, err
	}
	if config.Queue == 0 {
		config.Queue = 1000
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &DataEventSink{client: client.unguarded(), contact: config.Contact, queue: make(chan AuditEvent, config.Queue),
		closing: make(chan struct{}), done: make(chan struct{}), cancel: cancel}
	go s.deliver(ctx)
	return s, nil
}

// Record queues an event. It never waits, and is never an error: where the queue is full or closed, the event is dropped.
func (s *DataEventSink) Record(_ context.Context, e AuditEvent) error {
	switch {
	case s == nil || s.queue == nil:
		return errors.New("intercomrbac: this DataEventSink was not made by NewDataEventSink")
	case e.Phase == PhaseIntent:
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		s.dropped.Add(1)
		return nil
	}
	select {
	case s.queue <- e:
	default:
		s.dropped.Add(1)
	}
	return nil
}

// Dropped returns how many events were not shown: the queue was full or closed, or Intercom did not take them.
func (s *DataEventSink) Dropped() int64 {
	if s == nil {
		return 0
	}
	return s.dropped.Load()
}

// Close takes no more events, delivers what is queued, and ends the goroutine. Where ctx ends first, the rest is dropped,
// and the error says so. Close may be called more than once.
func (s *DataEventSink) Close(ctx context.Context) error {
	if s == nil || s.queue == nil {
		return nil
	}
	s.mu.Lock()
	if !s.closed {
		s.closed = true
		close(s.closing)
	}
	s.mu.Unlock()
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	s.cancel()
	<-s.done
	return fmt.Errorf("intercomrbac: DataEventSink: closed before all events were shown: %w", ctx.Err())
}

func (s *DataEventSink) deliver(ctx context.Context) {
	defer close(s.done)
	defer s.cancel()
	var last int64 // the second that was given out last
	for {
		select {
		case e := <-s.queue:
			last = s.show(ctx, e, last)
		case <-s.closing: // nothing comes any more
			for {
				select {
				case e := <-s.queue:
					last = s.show(ctx, e, last)
				default:
					return
				}
			}
		}
	}
}

// show delivers one event in a second of its own.
func (s *DataEventSink) show(ctx context.Context, e AuditEvent, last int64) (second int64) {
	second = max(e.Timestamp.Unix(), last+1)
	defer func() {
		if recover() != nil { // what the client's transport or hook panics with is not to end the program
			s.dropped.Add(1)
		}
	}()
	if wait := time.Until(time.Unix(second, 0)); wait > 0 && sleep(ctx, wait) != nil {
		s.dropped.Add(1)
		return last
	}
	err := s.client.DataEvents.Create(ctx, CreateEventParams{
		Name: "admin-action-logged", ContactID: s.contact, CreatedAt: time.Unix(second, 0),
		Metadata: map[string]any{"action": short(e.Action), "resource": short(e.Resource), "resource_id": short(e.ResourceID),
			"success": strconv.FormatBool(e.Success != nil && *e.Success)},
	})
	if err != nil {
		s.dropped.Add(1)
	}
	return second
}

// short cuts a value to what the metadata of an event takes.
func short(s string) string { return printable(s, maxMetadataValue) }
