package intercomrbac

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // Intercom signs notifications with HMAC-SHA1, which the weakness of SHA-1 does not reach
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// ReceiverConfig says what a [Receiver] goes by. Secrets are needed, and Workspace or Roles; the rest may be zero.
type ReceiverConfig struct {
	// Secrets are the client secrets of the app, which Intercom signs with. While one is replaced there are two: give both from before
	// it is replaced in the Developer Hub until the last delivery under the old one has come.
	Secrets []Secret
	// Workspace is the one workspace that an app for one serves. An app for several leaves it empty and has Roles.
	Workspace WorkspaceID
	// Roles returns the directory of a workspace, which forgets what a notification tells to be old; Workspaces.Roles fits. The error
	// is ErrWorkspaceNotFound where the app is not installed, or ErrTokenRevoked where it is not any more: their notifications are dropped.
	// No directory and no error is a workspace with nothing to forget. A directory whose client is bound to another workspace is not
	// used, and one whose client is bound to none needs Workspace.
	Roles func(ctx context.Context, id WorkspaceID) (*RoleDirectory, error)
	// Deliveries remembers what was handled; nil means NewMemoryDeliveryStore(), which a restart empties. NewFileDeliveryStore lasts.
	Deliveries DeliveryStore
	// Principal says who handlers act as in a workspace, such as a service that acts through a teammate of it; nil is nobody, so that
	// guarded calls are refused. A principal of another workspace is an error.
	Principal func(ctx context.Context, id WorkspaceID) (Principal, error)
	// OnError learns what went wrong, for a log: requests that were refused, whose notification is zero; handlers that failed; and a store,
	// a directory or another function of this config that did (of an uninstall or a health check the notification has the Workspace
	// alone). It may be called from many goroutines at once. Where a handler panicked it is called while the stack is still there for
	// runtime/debug.Stack.
	OnError func(ctx context.Context, n Notification, err error)
	// Check asks Intercom whether the app is still installed, after an uninstall notice, which may come from anyone; Workspaces.Check
	// fits. It is called for one workspace once at a time, and at most once a minute; if Workspace is set, for that one alone. The
	// error is nil if the app is installed, ErrTokenRevoked if not, and the workspace is given up then, and ErrWorkspaceNotFound, with
	// nobody asked, if the service does not know the workspace. nil: there is no such page.
	Check func(ctx context.Context, id WorkspaceID) error
	// Health says how an installation is, from what the service knows of it. last is when the newest notification of the workspace was
	// made that this process has seen; zero if it has seen none. Whatever fails is answered as HealthUnknown. nil: there is no such
	// page.
	Health func(ctx context.Context, id WorkspaceID, last time.Time) (Health, error)
	// Queue is how many notifications wait or are handled at the most, those that wait for another attempt included; 0 means 1,000.
	Queue int
	// Workers is how many are handled at a time; 0 means 8.
	Workers int
	// MaxBody is how many bytes a body may have; 0 means 1 MiB. Queue times MaxBody bounds the memory.
	MaxBody int64
}

// Receiver takes what Intercom sends to an app, for all of its workspaces. It is an [http.Handler] for three addresses, told by the path
// below where it is mounted (http.StripPrefix), each of which the app has in the Developer Hub:
//
//	/           notifications, signed in X-Hub-Signature
//	/uninstall  the uninstall notice, signed or not
//	/health     the installation health check, signed in X-Body-Signature
//
// A request is refused before it is read further where its body is too large (413), and before it is decoded where it is not signed as its
// address asks by one of the secrets (401, which says no more). A notification that is more than 24 hours old, or more than five minutes
// ahead, is refused (400). One is known by its id for 48 hours, and what came before is answered but not handled again. What is new is
// put into a queue, and answered at once: a slow handler does not slow Intercom. A full queue, and a store or directory that fails, is 503,
// upon which Intercom sends the notification once more a minute later.
//
// # Offboarding
//
// Before a notification is answered that a teammate was removed or added, or that roles, permissions, seats, teams or teammates changed
// (admin.activity_log_event.created), the workspace's [RoleDirectory] forgets the teammate, or all of them: the next look-up asks Intercom.
// Nobody gets a right by a notification. Only the process that gets the notification is told; in others a role lives until the TTL
// of their directory.
//
// # Handlers
//
// A handler that returns nil is done with the notification, and is not called for it again within the 48 hours, as far as the store
// reaches. One that fails or panics is called again after 1, 5 and 30 seconds, more or less; each call has a minute. Intercom was told
// long before that all is well, and does not send it again: after the fourth failure OnError has the last word, and the id is free
// again, for a delivery that comes all the same. A handler may thus have done its work, in whole or in part, when it is called again:
// after an error of its own, after a crash, and where the store could not keep the id. So let it look at the present state before it
// acts. What was in the queue when a process crashes is lost; what must not be missed is to be looked for in Intercom when the service
// starts. Close lets a process end without a loss.
//
// It is made by [NewReceiver] and is safe for concurrent use.
//
// Sources: https://developers.intercom.com/docs/webhooks/webhook-notifications,
// https://developers.intercom.com/docs/build-an-integration/learn-more/installation-health-check and
// https://developers.intercom.com/docs/build-an-integration/learn-more/authentication/installing-uninstalling-apps
type Receiver struct {
	config   ReceiverConfig
	ctx      context.Context // of what is handled
	cancel   context.CancelFunc
	workers  chan struct{} // holds those that run
	confirms chan struct{} // holds those that confirm an uninstall

	mu       sync.Mutex
	handlers map[EventTopic]func(context.Context, Notification) error
	inFlight map[string]*delivery // by key: what this process has begun to take and not ended
	queued   int                  // of these, those that wait or are handled
	checks   map[WorkspaceID]*uninstallCheck
	last     map[WorkspaceID]time.Time // when the newest notification was made
	busy     int                       // goroutines
	closed   bool
	closing  chan struct{}
	idle     chan struct{} // closed once nothing comes any more and nothing runs
}

const (
	maxAge   = 24 * time.Hour
	maxAhead = 5 * time.Minute  // clocks differ
	keepFor  = 2 * maxAge       // no delivery is younger than its key
	claimFor = 50 * time.Second // less than the minute after which Intercom sends again what a process crashed with
	answerIn = 4 * time.Second  // Intercom waits 5
)

// NewReceiver returns a receiver. All that is wrong with the config is in the error at once. It sends nothing and starts nothing.
func NewReceiver(config ReceiverConfig) (*Receiver, error) {
	var errs []error
	if len(config.Secrets) == 0 {
		errs = append(errs, errors.New("there are no Secrets: take the client secret from the Developer Hub, Basic information"))
	}
	for i, s := range config.Secrets {
		if err := checkSecret(s.Reveal(), "client secret"); err != nil {
			errs = append(errs, fmt.Errorf("secret %d: %w", i+1, err))
		}
	}
	if config.Workspace == "" && config.Roles == nil {
		errs = append(errs, errors.New("there is no Workspace and no Roles, so that no workspace would be known: give the id of the one, or Roles for several"))
	}
	if config.Queue < 0 || config.Workers < 0 || config.MaxBody < 0 {
		errs = append(errs, errors.New("neither Queue, Workers nor MaxBody may be negative"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewReceiver: %w", err)
	}
	config.Secrets = slices.Clone(config.Secrets)
	if config.Deliveries == nil {
		config.Deliveries = NewMemoryDeliveryStore()
	}
	if config.Queue == 0 {
		config.Queue = 1000
	}
	if config.Workers == 0 {
		config.Workers = 8
	}
	if config.MaxBody == 0 {
		config.MaxBody = 1 << 20
	}
	r := &Receiver{config: config, workers: make(chan struct{}, config.Workers), confirms: make(chan struct{}, maxConfirms),
		handlers: map[EventTopic]func(context.Context, Notification) error{}, inFlight: map[string]*delivery{},
		checks: map[WorkspaceID]*uninstallCheck{}, last: map[WorkspaceID]time.Time{}, closing: make(chan struct{}), idle: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// On has the notifications of a topic handled. It panics if there is no topic or no handler, or the topic has one already, as ServeMux
// does on a bad pattern. Handlers are called from several goroutines at once, in no order, with a context that has the values of the
// request's, the principal of the config, and a minute. Notifications of topics without a handler are answered and dropped.
func (r *Receiver) On(topic EventTopic, handle func(context.Context, Notification) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case topic == "":
		panic("intercomrbac: Receiver.On: the topic is empty")
	case handle == nil:
		panic(fmt.Sprintf("intercomrbac: Receiver.On: the handler of %.80q is nil", string(topic)))
	case r.handlers[topic] != nil:
		panic(fmt.Sprintf("intercomrbac: Receiver.On: there is a handler of %.80q already", string(topic)))
	}
	r.handlers[topic] = handle
}

// ServeHTTP implements [http.Handler].
func (r *Receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	var serve func(http.ResponseWriter, *http.Request) (int, error)
	switch {
	case r == nil || r.cancel == nil:
		panic("intercomrbac: this Receiver was not made by NewReceiver")
	case q.URL.Path == "" || q.URL.Path == "/":
		serve = r.serveNotification
	case q.URL.Path == "/uninstall" && r.config.Check != nil:
		serve = r.serveUninstall
	case q.URL.Path == "/health" && r.config.Health != nil:
		serve = r.serveHealth
	default:
		http.NotFound(w, q)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	switch q.Method {
	case http.MethodHead: // as Intercom does when the address is saved
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "HEAD, POST")
		http.Error(w, "Method Not Allowed", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(WithPrincipal(q.Context(), Principal{}), answerIn) // whoever a middleware took Intercom for
	defer cancel()
	status, err := serve(w, q.WithContext(ctx))
	if err != nil {
		r.report(ctx, Notification{}, err)
	}
	if status != 0 {
		w.WriteHeader(status)
	}
}

// refused returns an ErrWebhookRefused.
func refused(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrWebhookRefused}, args...)...)
}

// signing is how a route is signed.
type signing struct {
	header, prefix string
	size           int
	hash           func() hash.Hash
}

var (
	hubSignature  = signing{"X-Hub-Signature", "sha1=", sha1.Size, sha1.New}
	bodySignature = signing{"X-Body-Signature", "", sha256.Size, sha256.New}
)

// read returns the body of a request that is signed in one of the ways, or a status and why it is refused. Without a header of any of
// the ways the body is not signed, which is fine if that may be.
func (r *Receiver) read(q *http.Request, unsigned bool, ways ...signing) (body []byte, status int, err error) {
	var way *signing
	var mac []byte
	for i := range ways {
		values := q.Header.Values(ways[i].header)
		if len(values) == 0 {
			continue
		}
		text, ok := strings.CutPrefix(values[0], ways[i].prefix)
		if sum, err := hex.DecodeString(text); way == nil && len(values) == 1 && ok && err == nil && len(sum) == ways[i].size {
			way, mac = &ways[i], sum
			continue
		}
		return nil, http.StatusUnauthorized, fmt.Errorf("%w: %s is not one header of %q and %d hexadecimal digits, or stands beside another",
			ErrWebhookSignature, ways[i].header, ways[i].prefix, 2*ways[i].size)
	}
	if way == nil && !unsigned {
		return nil, http.StatusUnauthorized, fmt.Errorf("%w: there is no %s", ErrWebhookSignature, ways[0].header)
	}
	limit := r.config.MaxBody
	if q.ContentLength <= limit {
		body, err = io.ReadAll(io.LimitReader(q.Body, limit+1))
	}
	switch {
	case q.ContentLength > limit || int64(len(body)) > limit:
		return nil, http.StatusRequestEntityTooLarge, refused("the body has more than %d bytes", limit)
	case err != nil:
		return nil, http.StatusBadRequest, refused("the body cannot be read: %w", err)
	case way != nil && !r.signed(*way, mac, body):
		return nil, http.StatusUnauthorized, fmt.Errorf("%w: %s is by none of the secrets", ErrWebhookSignature, way.header)
	}
	return body, 0, nil
}

// signed reports whether one of the secrets makes the signature. It looks at all of them, so that the time tells nothing.
func (r *Receiver) signed(way signing, signature, body []byte) bool {
	ok := false
	for _, s := range r.config.Secrets {
		mac := hmac.New(way.hash, []byte(s.Reveal()))
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), signature) {
			ok = true
		}
	}
	return ok
}

// serveNotification takes a notification.
func (r *Receiver) serveNotification(_ http.ResponseWriter, q *http.Request) (int, error) {
	body, status, err := r.read(q, false, hubSignature)
	if status != 0 {
		return status, err
	}
	n, err := parseNotification(body)
	if err == nil {
		err = n.checkTime(time.Now())
	}
	if err != nil {
		return http.StatusBadRequest, err
	}
	ctx := q.Context()
	status, err = r.take(ctx, &n, body)
	if err != nil {
		r.report(ctx, n, err)
	}
	return status, nil
}

// checkTime refuses what is too old for its id to be known, and what would be younger than that for too long.
func (n *Notification) checkTime(now time.Time) error {
	switch age := now.Sub(n.CreatedAt.Time); {
	case n.CreatedAt.IsZero():
		return fmt.Errorf("%w: it has no created_at", ErrWebhookTime)
	case age > maxAge:
		return fmt.Errorf("%w: it is more than %s old", ErrWebhookTime, maxAge)
	case age < -maxAhead:
		return fmt.Errorf("%w: it is more than %s ahead: is the clock right?", ErrWebhookTime, maxAhead)
	}
	return nil
}

// take has a notification applied and handled, once.
func (r *Receiver) take(ctx context.Context, n *Notification, body []byte) (status int, err error) {
	admin, forgets := n.forgets()
	r.mu.Lock()
	handle := r.handlers[n.Topic]
	if r.last[n.Workspace].Before(n.CreatedAt.Time) {
		r.last[n.Workspace] = n.CreatedAt.Time
	}
	r.mu.Unlock()
	if handle == nil && !forgets {
		return http.StatusOK, nil
	}
	directory, err := r.directory(ctx, n.Workspace)
	switch {
	case errors.Is(err, ErrWorkspaceNotFound) || errors.Is(err, ErrTokenRevoked):
		return http.StatusOK, err // an error would count against the workspaces that are installed
	case err != nil:
		return http.StatusServiceUnavailable, err
	}
	d := &delivery{n: *n, key: n.key(body), handle: handle, until: time.Now().Add(claimFor), ctx: context.WithoutCancel(ctx), taken: make(chan struct{})}
	if first := r.begin(d); first != nil {
		return first.answered(ctx)
	}
	status = http.StatusServiceUnavailable // should the store panic
	defer func() {
		if !d.queued {
			r.end(d)
		}
		d.status = status
		close(d.taken)
	}()
	stop := context.AfterFunc(ctx, func() { // a store that does not give up does not keep the role
		if forgets && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			forget(directory, admin)
		}
	})
	free, err := r.config.Deliveries.Claim(ctx, d.key, d.until)
	stop()
	if err == nil && !free {
		return http.StatusOK, nil
	}
	// Not for what came before: who repeats a notification is not to keep the directory asking.
	if forgets {
		forget(directory, admin)
	}
	switch {
	case err != nil:
		return http.StatusServiceUnavailable, fmt.Errorf("intercomrbac: the delivery store failed: %w", err)
	case handle == nil:
		return http.StatusOK, r.keep(ctx, d)
	case !r.enqueue(d):
		return http.StatusServiceUnavailable, errors.Join(&callError{"Receiver: the queue is full, or closed", []error{ErrUnavailable}}, r.release(ctx, d))
	}
	return http.StatusOK, nil
}

// directory returns the directory of a workspace, nil if there is none, or ErrWorkspaceNotFound if the workspace is not this app's.
func (r *Receiver) directory(ctx context.Context, id WorkspaceID) (*RoleDirectory, error) {
	if one := r.config.Workspace; one != "" && one != id {
		return nil, fmt.Errorf("%w: the notification is of %.80q", ErrWorkspaceNotFound, string(id))
	}
	if r.config.Roles == nil {
		return nil, nil
	}
	d, err := r.config.Roles(ctx, id)
	switch {
	case err != nil:
		return nil, &callError{fmt.Sprintf("Receiver: the roles of workspace %.80q: %s", string(id), untitled(err)), []error{err}}
	case d == nil:
		return nil, nil
	case d.client == nil:
		return nil, errNoDirectory
	}
	if bound := d.client.s.workspace; bound != id && (bound != "" || r.config.Workspace == "") {
		return nil, fmt.Errorf("%w: the notification is of %.80q, and Roles gives a directory of %.80q", ErrWorkspaceNotFound, string(id), string(bound))
	}
	return d, nil
}

func forget(d *RoleDirectory, admin AdminID) {
	if admin == "" {
		d.ForgetAll()
		return
	}
	d.Forget(admin)
}

// report tells OnError, whose panic is not to end the program.
func (r *Receiver) report(ctx context.Context, n Notification, err error) {
	if r.config.OnError != nil {
		defer func() { _ = recover() }()
		r.config.OnError(ctx, n, err)
	}
}
