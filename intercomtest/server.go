package intercomtest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // searches go by days of the workspace's zone, which not every machine knows

	"github.com/intercomrbac/intercomrbac"
)

// defaultToken looks like nothing that Intercom issues, so that nobody takes it for a secret.
const defaultToken = "fake-intercom-token-with-full-access"

// Server is a fake Intercom with one workspace. Make one with [NewServer] or [Start]. All methods are safe for
// concurrent use.
type Server struct {
	t      testing.TB // nil when made by Start
	routes []route

	mu             sync.Mutex
	workspace      Workspace
	zone           *time.Location // of the workspace
	token          string
	tokens         map[string]*token
	apps           map[string]App
	codes          map[string]grant // those that no request has carried yet
	missingScope   int
	rateLimit      int
	rate           rateCount
	faults         []*fault
	calls          []*Call
	urlCursors     bool
	reasonRequired bool
	sequences      map[string]int64

	admins      ordered[intercomrbac.AdminID, Admin]
	teams       ordered[intercomrbac.TeamID, Team]
	members     []membership
	me          intercomrbac.AdminID
	roleIDs     map[string]string
	awayReasons ordered[intercomrbac.AwayReasonID, AwayReason]
	tags        ordered[intercomrbac.TagID, Tag]
	contacts    ordered[intercomrbac.ContactID, contact]
	byExternal  map[string]*contact
	events      []*event
	eventKeys   map[string]bool
	eventNames  map[string]bool
	activities  ordered[string, activity]
	articles    ordered[intercomrbac.ArticleID, article]
	collections ordered[intercomrbac.CollectionID, collection]
	messages    []Message

	conversations []*conversation // ordered by seq
	byID          map[intercomrbac.ConversationID]*conversation
	snoozed       map[*conversation]bool

	live   sync.Mutex // guards what follows; taken without mu
	closed bool
	http   *loopback
}

// Workspace is what GET /me says about the workspace of the token.
type Workspace struct {
	ID        intercomrbac.WorkspaceID // "fake1234" if empty
	Name      string                   // "Fake Workspace" if empty
	Region    string                   // "US" if empty
	Timezone  string                   // "America/Los_Angeles" if empty; one of the IANA database
	CreatedAt time.Time
}

// Option configures a [Server].
type Option func(*Server)

// WithRateLimit allows that many requests of each token in a window of ten seconds, as [Server.SetRateLimit] does.
func WithRateLimit(perWindow int) Option { return func(s *Server) { s.rateLimit = max(perWindow, 0) } }

// WithWorkspace sets what the workspace is called and where it is.
func WithWorkspace(w Workspace) Option { return func(s *Server) { s.workspace = w } }

// WithToken sets the access token that has full access, in place of one that the fake makes up.
func WithToken(token string) Option { return func(s *Server) { s.token = token } }

// NewServer returns an empty workspace and closes it when the test ends.
func NewServer(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := Start(opts...)
	s.t = t
	t.Cleanup(s.Close)
	return s
}

// Start returns an empty workspace for use outside of a test. The caller closes it.
func Start(opts ...Option) *Server {
	s := &Server{
		routes:       append(mustRoutes(intercomrbac.Operations(), handlers), oauthRoutes()...),
		token:        defaultToken,
		tokens:       map[string]*token{},
		apps:         map[string]App{},
		codes:        map[string]grant{},
		missingScope: http.StatusUnauthorized,
		rate:         rateCount{windows: map[int64]*RateWindow{}},
		sequences:    map[string]int64{},
		roleIDs:      map[string]string{},
		byExternal:   map[string]*contact{},
		eventKeys:    map[string]bool{},
		eventNames:   map[string]bool{},
		byID:         map[intercomrbac.ConversationID]*conversation{},
		snoozed:      map[*conversation]bool{},
	}
	for _, o := range opts {
		o(s)
	}
	if s.token == "" {
		panic("intercomtest: WithToken: the token is empty")
	}
	s.workspace.fill()
	var err error
	if s.zone, err = time.LoadLocation(s.workspace.Timezone); err != nil {
		panic(fmt.Sprintf("intercomtest: WithWorkspace: Timezone %q: %v", s.workspace.Timezone, err))
	}
	s.tokens[s.token] = &token{all: true}
	return s
}

func (w *Workspace) fill() {
	for _, f := range []struct {
		p        *string
		fallback string
	}{
		{(*string)(&w.ID), "fake1234"},
		{&w.Name, "Fake Workspace"},
		{&w.Region, "US"},
		{&w.Timezone, "America/Los_Angeles"},
	} {
		if *f.p == "" {
			*f.p = f.fallback
		}
	}
	if w.CreatedAt.IsZero() {
		w.CreatedAt = time.Date(2024, 12, 18, 15, 54, 3, 0, time.UTC)
	}
}

// Token returns an access token with full access. It is no secret: nothing but the fake takes it.
func (s *Server) Token() string { return s.token }

// UseURLCursors makes pages.next of lists and searches of conversations, contacts and activities a URL, as some of
// Intercom's lists have it, and not an object. That of activities has the number of the page.
func (s *Server) UseURLCursors(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.urlCursors = on
}

// Handler serves the workspace over HTTP, for a server of the caller's own.
func (s *Server) Handler() http.Handler { return http.HandlerFunc(s.serveHTTP) }

// loopback is the listener behind URL.
type loopback struct {
	url    string
	server *http.Server
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// URL returns the base URL of the workspace on the loopback interface, and starts its listener at the first call.
// It is "http://127.0.0.1:PORT". It panics once the server is closed.
func (s *Server) URL() string {
	s.live.Lock()
	defer s.live.Unlock()
	if s.http != nil {
		return s.http.url
	}
	if s.closed {
		panic("intercomtest: URL of a server that is closed")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(fmt.Sprintf("intercomtest: no listener on the loopback interface: %v", err))
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &loopback{url: "http://" + ln.Addr().String(), cancel: cancel}
	l.server = &http.Server{
		Handler:     s.Handler(),
		BaseContext: func(net.Listener) context.Context { return ctx },
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				l.done.Add(1)
			case http.StateClosed, http.StateHijacked:
				l.done.Done()
			}
		},
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      5 * time.Minute, // a Delay may be long
		IdleTimeout:       time.Minute,
	}
	l.done.Go(func() { _ = l.server.Serve(ln) }) // returns http.ErrServerClosed
	s.http = l
	return l.url
}

// Close ends the listener and its connections, and delays under way. Calls in memory fail from then on as if nobody
// listened. What was recorded can still be read. Close may be called more than once.
func (s *Server) Close() {
	s.live.Lock()
	s.closed = true
	l := s.http
	s.live.Unlock()
	if l != nil {
		l.cancel()
		_ = l.server.Close() // the listener is on its way out; nothing can be done about an error
		l.done.Wait()
	}
}

func (s *Server) isClosed() bool {
	s.live.Lock()
	defer s.live.Unlock()
	return s.closed
}

// nextNumber counts up from first for each kind of thing.
func (s *Server) nextNumber(kind string, first int64) int64 {
	n := s.sequences[kind]
	s.sequences[kind] = n + 1
	return first + n
}

// ordered is a map that remembers the order of arrival.
type ordered[K comparable, V any] struct {
	items []*V
	index map[K]*V
}

func (o *ordered[K, V]) get(k K) (*V, bool) {
	v, ok := o.index[k]
	return v, ok
}

// put adds v, or replaces what has the key already.
func (o *ordered[K, V]) put(k K, v V) *V {
	if o.index == nil {
		o.index = map[K]*V{}
	}
	if old, ok := o.index[k]; ok {
		*old = v
		return old
	}
	p := &v
	o.index[k] = p
	o.items = append(o.items, p)
	return p
}

// freeID returns id or, where that is empty, the next number that none of them has.
func freeID[K ~string, V any](s *Server, of *ordered[K, V], id K, kind string, first int64) K {
	for id == "" {
		next := K(strconv.FormatInt(s.nextNumber(kind, first), 10))
		if _, taken := of.get(next); !taken {
			id = next
		}
	}
	return id
}

func (o *ordered[K, V]) remove(k K) bool {
	v, ok := o.index[k]
	if !ok {
		return false
	}
	delete(o.index, k)
	for i, item := range o.items {
		if item == v {
			o.items = append(o.items[:i:i], o.items[i+1:]...)
			break
		}
	}
	return true
}
