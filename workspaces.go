package intercomrbac

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
	"unicode/utf8"
)

// WorkspacesConfig configures [NewWorkspaces]. Store and Keys are needed.
type WorkspacesConfig struct {
	// Store keeps the records of the workspaces.
	Store WorkspaceStore
	// StoreID is a name for the store, such as "production", which every record is tied to: one that was copied from the
	// store of another name does not open. It must stay the same; it may be empty.
	StoreID string
	// Keys seal the tokens.
	Keys *KeyRing
	// Client are the options of every workspace's client. What differs from workspace to workspace is not among them: token,
	// region, workspace and limiter are errors. A base URL (of a fake or a proxy) is that of every region. A guard must be one
	// without Roles.
	Client []Option
	// Roles, if it has a Map, gives each workspace a [RoleDirectory] of its own. A guard among the options then goes by that
	// of the client's workspace, as one with GuardConfig.Roles does.
	Roles RoleDirectoryConfig
	// OnRevoked is called once a workspace was found to be revoked and its record says so, by the one process that wrote it;
	// a crash between the two loses the call. The Workspace is without its token. cause is what Intercom answered. The calls
	// that found out wait for it: be quick. nil does nothing.
	OnRevoked func(ctx context.Context, w Workspace, cause error)
}

// Workspaces serves every workspace that the app is installed in, each with a [Client] of its own, and keeps their tokens
// sealed. It is made by [NewWorkspaces] and is safe for concurrent use; nil and the zero value answer with an error. Several
// processes may share the store. It remembers the 10,000 workspaces that were used last; another is loaded again when it is used.
//
// A workspace is revoked when Intercom answers a call with 401 and the code of a dead token, and then GET /me as well, with
// such a code: not after one 401 alone, nor where a scope is missing, nor for what a proxy answers. From then on nothing is sent
// with the token in this process, the record becomes a tombstone, and calls fail with ErrTokenRevoked. Other processes learn of
// it, as they do of a new install, within a minute, or when they run into it themselves. Only an Install revives the workspace, or,
// where Intercom was wrong, a Revive within a day: for so long the token is kept, sealed, and then deleted by the process that
// found out, or, if that has ended, by the next Sweep.
type Workspaces struct {
	store     WorkspaceStore
	storeID   string
	keys      *KeyRing
	base      settings       // of every client
	guard     *Guard         // nil if there is none
	roles     *RoleDirectory // what each workspace's is made from; nil if there is none
	onRevoked func(context.Context, Workspace, error)
	limit     int // of known workspaces

	mu     sync.Mutex
	known  map[WorkspaceID]*list.Element // of tenants
	recent list.List                     // of *tenant, the one that was used last in front
	loads  map[WorkspaceID]*workspaceLoad
}

const (
	// recheckAfter is how long a record is believed before the next use reads it again.
	recheckAfter = time.Minute
	// workspaceTimeout bounds a load, a look at a token, and the record of a revocation.
	workspaceTimeout = 30 * time.Second
	// maxTenants bounds the memory: the workspace that was used longest ago is loaded again when it is.
	maxTenants = 10_000
	// maxSaves bounds how often a change is tried because somebody else was faster.
	maxSaves = 1_000
	// keepRevoked is how long the token of a workspace that was revoked is kept.
	keepRevoked = 24 * time.Hour
	// maxWorkspaceID bounds an id, in bytes; Intercom's have eight.
	maxWorkspaceID = 64
)

var errNoWorkspaces = errors.New("intercomrbac: these Workspaces were not made by NewWorkspaces")

// NewWorkspaces checks the configuration; all that is wrong with it is in the error at once. It reads nothing and sends nothing.
func NewWorkspaces(config WorkspacesConfig) (*Workspaces, error) {
	w := &Workspaces{store: config.Store, storeID: config.StoreID, keys: config.Keys, base: defaultSettings(), onRevoked: config.OnRevoked, limit: maxTenants,
		known: map[WorkspaceID]*list.Element{}, loads: map[WorkspaceID]*workspaceLoad{}}
	var errs []error
	if w.store == nil {
		errs = append(errs, errors.New("there is no Store: use NewFileWorkspaceStore, or one on your database"))
	}
	if w.keys == nil || w.keys.ring.Primary() == "" {
		errs = append(errs, errors.New("there are no Keys: make them with NewKeyRing"))
	}
	for _, err := range w.base.apply(config.Client) {
		errs = append(errs, fmt.Errorf("Client: %w", err))
	}
	if w.base.given&(optionToken|optionRegion|optionWorkspace|optionLimiter) != 0 {
		errs = append(errs, errors.New("Client: token, region, workspace and limiter are each workspace's own: leave them out"))
	}
	w.base.token = func(context.Context) (credential, error) { return credential{}, ErrNoToken }
	if r := config.Roles; r.TTL != 0 || r.MaxStale != 0 || len(r.Map.Admins)+len(r.Map.RoleIDs)+len(r.Map.RoleNames)+len(r.Map.Teams) > 0 {
		var err error
		if w.roles, err = NewRoleDirectory(newClient(w.base), r); err != nil {
			errs = append(errs, fmt.Errorf("Roles: %w", err))
		}
	}
	if g, ok := w.base.gate.(*Guard); ok {
		w.guard, w.base.gate = g, nil
		if g.roles != nil {
			errs = append(errs, errors.New("Client: WithGuard: the guard's Roles are of one workspace: leave them out, and set Roles here"))
		}
		if w.roles != nil {
			errs = append(errs, w.roles.unknownTo(g.checker)...)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewWorkspaces: %w", err)
	}
	return w, nil
}

// checkWorkspaceID keeps from stores and clients what is no id of Intercom's.
func checkWorkspaceID(id WorkspaceID) error {
	for i := range len(id) {
		c := id[i]
		if c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') || i >= maxWorkspaceID {
			return fmt.Errorf("%w: %.80q is no workspace id: use app.id_code of GET /me", ErrInvalidRequest, string(id))
		}
	}
	if id == "" {
		return fmt.Errorf("%w: the workspace id is empty", ErrInvalidRequest)
	}
	return nil
}

// Install seals the token of a workspace and saves it, in place of what was there: the workspace that [OAuth.Callback] returned,
// once it is known that it may be linked to whoever began. An install revives a workspace that was revoked. If the workspace
// is tied to another account, revoked or not, the error is ErrWorkspaceTaken and nothing is changed: to let it go, Delete its
// record in the store. It is ErrInvalidRequest if the workspace has no id, region or token, or its account is no UTF-8; otherwise
// an error of the store. It fits OAuthHandlers.OnInstall.
func (w *Workspaces) Install(ctx context.Context, workspace Workspace) error {
	if w == nil || w.store == nil {
		return errNoWorkspaces
	}
	if ctx == nil {
		return fmt.Errorf("%w: Install: the context is nil", ErrInvalidRequest)
	}
	if err := checkWorkspaceID(workspace.ID); err != nil {
		return err
	}
	if _, err := baseOf(workspace.Region); err != nil {
		return fmt.Errorf("%w: Install: %w", ErrInvalidRequest, err)
	}
	if err := checkSecret(workspace.Token.Reveal(), "token"); err != nil {
		return fmt.Errorf("%w: Install: %w", ErrInvalidRequest, err)
	}
	if !utf8.ValidString(workspace.Account) { // a store that changes it, as JSON does, would tie the workspace to nobody
		return fmt.Errorf("%w: Install: the account is no UTF-8", ErrInvalidRequest)
	}
	if workspace.InstalledAt.IsZero() {
		workspace.InstalledAt = time.Now()
	}
	r := w.seal(workspace)
	_, err := w.update(ctx, workspace.ID, func(there WorkspaceRecord) (WorkspaceRecord, bool, error) {
		if there.Account != "" && there.Account != workspace.Account {
			return r, false, fmt.Errorf("%w: %q", ErrWorkspaceTaken, string(workspace.ID))
		}
		return r, true, nil
	})
	if err != nil {
		return err
	}
	w.outdate(workspace.ID)
	return nil
}

// update saves what becomes of a record, if that is wanted, and reports whether it did. change gets the zero record if there
// is none, and is asked anew each time that somebody else was faster.
func (w *Workspaces) update(ctx context.Context, id WorkspaceID, change func(there WorkspaceRecord) (WorkspaceRecord, bool, error)) (bool, error) {
	for try := 1; ; try++ {
		there, err := w.get(ctx, id)
		if err != nil && !errors.Is(err, ErrWorkspaceNotFound) {
			return false, err
		}
		next, wanted, err := change(there)
		if !wanted || err != nil {
			return false, err
		}
		next.Version = max(there.Version+1, time.Now().UnixNano()) // which no record of it had before, also none that was deleted
		err = w.store.Save(ctx, next, there.Version)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, ErrVersionConflict) || try == maxSaves {
			return false, storeFailed(id, err)
		}
	}
}

// get returns the record of a workspace; the zero record beside an error.
func (w *Workspaces) get(ctx context.Context, id WorkspaceID) (WorkspaceRecord, error) {
	r, err := w.store.Get(ctx, id)
	switch {
	case errors.Is(err, ErrWorkspaceNotFound):
		return WorkspaceRecord{}, notInstalled(id)
	case err != nil:
		return WorkspaceRecord{}, storeFailed(id, err)
	case r.ID != id:
		return WorkspaceRecord{}, fmt.Errorf("%w: workspace %q: the store gave out the record of %.80q", ErrSealed, string(id), string(r.ID))
	}
	return r, nil
}

// outdate makes the next use of a workspace read its record.
func (w *Workspaces) outdate(id WorkspaceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.loads, id) // what is under way may have read the record before
	if e := w.known[id]; e != nil {
		if t := e.Value.(*tenant); t.retired.Load() {
			w.drop(t)
		} else {
			t.checked = time.Time{}
		}
	}
}

func storeFailed(id WorkspaceID, err error) error {
	return fmt.Errorf("intercomrbac: workspace %q: the store failed: %w", string(id), err)
}

// Client returns the client of a workspace: the same one to everybody, with a limiter of its own, bound to the workspace as
// [WithWorkspace] does. Take it anew for each piece of work, which costs next to nothing: one that is kept does not learn of a
// new install. If ctx has a principal it must be of the workspace, otherwise the error is ErrWrongWorkspace and neither store
// nor key was touched. Many callers share one reading of the store, and each leaves it when its own context ends. It is
// ErrWorkspaceNotFound where the app is not installed, ErrTokenRevoked where it was uninstalled, ErrSealed if the record
// does not open, or the store's own error.
func (w *Workspaces) Client(ctx context.Context, id WorkspaceID) (*Client, error) {
	t, err := w.tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.client, nil
}

// For is [Workspaces.Client] for the workspace of the principal in ctx. Without a principal it is ErrNoPrincipal, and
// ErrWrongWorkspace if the principal names no workspace.
func (w *Workspaces) For(ctx context.Context) (*Client, error) {
	if ctx == nil {
		return w.Client(ctx, "")
	}
	p, ok := PrincipalFrom(ctx)
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: Workspaces.For: say which workspace, with Client, or put a Principal into the context", ErrNoPrincipal)
	case p.Workspace == "":
		return nil, fmt.Errorf("%w: Workspaces.For: the principal names no workspace", ErrWrongWorkspace)
	}
	return w.Client(ctx, p.Workspace)
}

// Roles returns the role directory of a workspace, under the same conditions as [Workspaces.Client] does the client; nil if the
// configuration has no Roles. It fits ReceiverConfig.Roles.
func (w *Workspaces) Roles(ctx context.Context, id WorkspaceID) (*RoleDirectory, error) {
	t, err := w.tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	return t.roles, nil
}

// Get returns a workspace with its token, as for [OAuth.Uninstall], under the same conditions as [Workspaces.Client].
func (w *Workspaces) Get(ctx context.Context, id WorkspaceID) (Workspace, error) {
	t, err := w.tenant(ctx, id)
	if err != nil {
		return Workspace{}, err
	}
	return t.workspace, nil
}

// Check asks Intercom whether the token of a workspace lives, as after a notice that the app was uninstalled. It is nil if so;
// ErrTokenRevoked if not, and the workspace is revoked; any other error says why it could not be found out.
func (w *Workspaces) Check(ctx context.Context, id WorkspaceID) error {
	t, err := w.tenant(ctx, id)
	if err != nil {
		return err
	}
	return t.look(ctx)
}

// workspaceLoad is a reading of the store under way. Its results are read once done is closed.
type workspaceLoad struct {
	done      chan struct{}
	tenant    *tenant
	err       error
	forgotten bool // the record was changed meanwhile
}

// tenant returns what is known of a workspace, after reading its record if that is due.
func (w *Workspaces) tenant(ctx context.Context, id WorkspaceID) (*tenant, error) {
	if err := w.admit(ctx, id); err != nil {
		return nil, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("intercomrbac: workspace %q: %w", string(id), err)
		}
		t, load := w.use(id)
		if load == nil {
			return t, nil
		}
		select {
		case <-load.done:
		case <-ctx.Done():
			return nil, fmt.Errorf("intercomrbac: waiting for workspace %q: %w", string(id), ctx.Err())
		}
		if !load.forgotten {
			return load.tenant, load.err
		}
	}
}

// admit refuses who may not ask for a workspace.
func (w *Workspaces) admit(ctx context.Context, id WorkspaceID) error {
	switch {
	case w == nil || w.store == nil:
		return errNoWorkspaces
	case ctx == nil:
		return fmt.Errorf("%w: Workspaces: the context is nil", ErrInvalidRequest)
	}
	if p, ok := PrincipalFrom(ctx); ok && p.Workspace != id {
		return fmt.Errorf("%w: the principal is of %.80q and asks for %.80q", ErrWrongWorkspace, string(p.Workspace), string(id))
	}
	return checkWorkspaceID(id)
}

// use returns what is known of a workspace, or else the load to wait for.
func (w *Workspaces) use(id WorkspaceID) (*tenant, *workspaceLoad) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var old *tenant
	if e := w.known[id]; e != nil {
		w.recent.MoveToFront(e)
		old = e.Value.(*tenant)
		if !old.retired.Load() && time.Since(old.checked) < recheckAfter {
			return old, nil
		}
	}
	load := w.loads[id]
	if load == nil {
		load = &workspaceLoad{done: make(chan struct{})}
		w.loads[id] = load
		go w.fly(id, load, old)
	}
	return nil, load
}

// fly reads a record. Nobody who waits can end it; workspaceTimeout does.
func (w *Workspaces) fly(id WorkspaceID, load *workspaceLoad, old *tenant) {
	began := time.Now()
	load.err = fmt.Errorf("intercomrbac: workspace %q: the store ended its goroutine", string(id))
	defer func() { // deferred, for runtime.Goexit
		defer close(load.done)
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.loads[id] != load {
			load.forgotten = true
			return
		}
		delete(w.loads, id)
		if load.err == nil {
			load.tenant.checked = began
			w.keep(load.tenant)
		}
	}()
	load.err = contained(func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), workspaceTimeout)
		defer cancel()
		load.tenant, err = w.load(ctx, id, old)
		return err
	})
}

// contained runs what is not ours in a goroutine of ours: a panic there would end the program.
func contained(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("intercomrbac: it panicked (%T)", p)
		}
	}()
	return do()
}

// load returns a workspace as its record has it now: old, if that is still right.
func (w *Workspaces) load(ctx context.Context, id WorkspaceID, old *tenant) (*tenant, error) {
	r, err := w.get(ctx, id)
	if old != nil && (errors.Is(err, ErrWorkspaceNotFound) || r.Revoked) { // those who kept the client stop, too
		old.retired.Store(true)
		w.settle(old)
	}
	if err != nil {
		return nil, err
	}
	if r.Revoked {
		return nil, revoked(id)
	}
	workspace, err := w.open(r)
	switch {
	case err != nil:
		return nil, err
	case old == nil:
		return w.newTenant(workspace, new(WindowLimiter))
	case !old.holds(workspace):
		return w.newTenant(workspace, old.client.s.limiter) // Intercom counts by app and workspace, whatever the token
	case old.retired.Load():
		w.retire(old) // which the store did not take before
		return nil, revoked(id)
	}
	return old, nil
}

// keep remembers a workspace, and forgets the one that was used longest ago if there are too many. The caller holds the lock.
func (w *Workspaces) keep(t *tenant) {
	if e := w.known[t.workspace.ID]; e != nil {
		e.Value = t
		return
	}
	if w.recent.Len() >= w.limit {
		w.drop(w.recent.Back().Value.(*tenant))
	}
	w.known[t.workspace.ID] = w.recent.PushFront(t)
}

// drop forgets a workspace, unless another install of it has taken its place. The caller holds the lock.
func (w *Workspaces) drop(t *tenant) {
	if e := w.known[t.workspace.ID]; e != nil && e.Value == t {
		w.recent.Remove(e)
		delete(w.known, t.workspace.ID)
	}
}
