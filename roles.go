package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// RoleMap says which of our roles an admin has. The first that matches counts: the admin's id, the id of their role in
// Intercom, its name, then their teams. Nothing is implied by a name: an Intercom role called "owner" is no role of ours
// unless the map says so, and who matches nothing has no role. The zero value maps nobody.
//
// A role's name and a team's members can be edited by whoever manages them in Intercom: map by id where it matters.
// Intercom tells the role since API version 2.16, and not of a teammate with permissions of their own: see [Admin.Role].
type RoleMap struct {
	// Admins maps by the id of the admin.
	Admins map[AdminID]Role
	// RoleIDs maps by the id of the admin's role in Intercom.
	RoleIDs map[ID]Role
	// RoleNames maps by the name of that role, letter for letter.
	RoleNames map[string]Role
	// Teams maps by team: the first of these that the admin is in.
	Teams []TeamRole
}

// TeamRole gives a role to everybody in a team. The zero value is refused.
type TeamRole struct {
	Team TeamID
	Role Role
}

// RoleDirectoryConfig configures a [RoleDirectory]. Its Map must not be empty; the rest may be zero.
type RoleDirectoryConfig struct {
	// Map says which of our roles an admin has. It is copied.
	Map RoleMap
	// TTL is how long a role is used before Intercom is asked again, counted from when it was asked; 0 means a minute.
	// After three quarters of it the next use begins to ask in the background.
	TTL time.Duration
	// MaxStale is how long a role is used while Intercom cannot be reached, counted in the same way. It is at least TTL;
	// TTL itself means never longer than that; 0 means 10 minutes, or TTL if that is more.
	MaxStale time.Duration
}

// RoleDirectory knows the role that an admin has right now: it asks Intercom (operation admins.get, retrieveAdmin; scope
// [ScopeReadAdmins]) and remembers the answer for a while. Many look-ups of one admin share one request. It is made by
// [NewRoleDirectory], one for each client, and is safe for concurrent use; the zero value and nil answer with an error.
//
// While Intercom cannot be reached (ErrUnavailable, ErrRateLimited, ErrBadResponse, or no answer within 30 seconds) a role
// serves until MaxStale; look-ups that it serves try Intercom again in the background, at least a tenth of TTL apart (but
// no less than a second, and no more than 10). A look-up that nothing serves, or that comes more than a minute after the
// last failure, asks first. Any other refusal, such as a dead token or a missing scope, fails the look-up at once and ends
// the use of the role; so does ErrAdminNotFound, which is remembered for TTL.
type RoleDirectory struct {
	client *Client // without a guard
	config RoleDirectoryConfig
	pause  time.Duration // between attempts while a stale role serves

	mu      sync.Mutex
	known   map[AdminID]*knownRole
	flights map[AdminID]*roleFlight
}

// roleEntry is what Intercom said of an admin. It is not changed once it is stored, and nor are its teams.
type roleEntry struct {
	role  Role
	teams []TeamID
	email string
	asked time.Time // when the look-up began: the role is at least as new
}

// knownRole is what is remembered of an admin; RoleDirectory.mu guards it.
type knownRole struct {
	roleEntry
	gone   error     // they left the workspace, and there is no role
	failed time.Time // when the last refresh since then could not reach Intercom; zero if none
}

// roleFlight is a look-up under way. Its results are read once done is closed.
type roleFlight struct {
	done      chan struct{}
	asked     time.Time
	entry     roleEntry
	err       error
	forgotten bool // the answer is of a generation that was forgotten
}

const (
	// roleTimeout bounds a look-up, with its waits in the limiter and between attempts.
	roleTimeout = 30 * time.Second
	// failureCounts is how long a failure lets a stale role serve without asking first: longer than one attempt after
	// the other can take. An outage of long ago says nothing.
	failureCounts = 2 * roleTimeout
	// maxKnownRoles bounds the memory.
	maxKnownRoles = 10_000
)

var errNoDirectory = errors.New("intercomrbac: this RoleDirectory was not made by NewRoleDirectory")

// NewRoleDirectory returns a directory that asks through client, below any guard: look-ups are paced as the client's calls
// are, but neither checked nor audited, and it does not matter who acts in their context. All that is wrong with the
// config is in the error at once. It sends nothing.
func NewRoleDirectory(client *Client, config RoleDirectoryConfig) (*RoleDirectory, error) {
	var errs []error
	if client == nil || client.s.token == nil {
		errs = append(errs, errors.New("the client was not made by NewClient"))
	}
	if config.TTL < 0 || config.MaxStale < 0 {
		errs = append(errs, errors.New("neither TTL nor MaxStale may be negative"))
	}
	if config.TTL == 0 {
		config.TTL = time.Minute
	}
	if config.MaxStale == 0 {
		config.MaxStale = max(10*time.Minute, config.TTL)
	}
	if config.MaxStale > 0 && config.MaxStale < config.TTL {
		errs = append(errs, fmt.Errorf("MaxStale is %s, less than the TTL of %s", config.MaxStale, config.TTL))
	}
	errs = append(errs, config.Map.check()...)
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("intercomrbac: NewRoleDirectory: %w", err)
	}
	m := &config.Map
	m.Admins, m.RoleIDs, m.RoleNames, m.Teams = maps.Clone(m.Admins), maps.Clone(m.RoleIDs), maps.Clone(m.RoleNames), slices.Clone(m.Teams)
	d := &RoleDirectory{config: config, pause: min(max(config.TTL/10, time.Second), 10*time.Second)}
	return d.of(client), nil
}

// of returns an empty directory of the same configuration that asks through another client.
func (d *RoleDirectory) of(client *Client) *RoleDirectory {
	return &RoleDirectory{client: client.unguarded(), config: d.config, pause: d.pause,
		known: make(map[AdminID]*knownRole), flights: make(map[AdminID]*roleFlight)}
}

// check returns all that is wrong with the map: what could match nothing, or would give no role.
func (m RoleMap) check() (errs []error) {
	wrong := func(format string, args ...any) { errs = append(errs, fmt.Errorf("Map: "+format, args...)) }
	if len(m.Admins)+len(m.RoleIDs)+len(m.RoleNames)+len(m.Teams) == 0 {
		wrong("it is empty, so that nobody would have a role")
	}
	for _, id := range slices.Sorted(maps.Keys(m.Admins)) {
		if !isNumber(id) {
			wrong("Admins: %.40q is no admin id: admin ids are digits (list the admins)", string(id))
		}
		if m.Admins[id] == "" {
			wrong("Admins: the role of %.40q is empty", string(id))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(m.RoleIDs)) {
		if id == "" || id == "0" {
			wrong("RoleIDs: %q is the empty id", string(id))
		}
		if m.RoleIDs[id] == "" {
			wrong("RoleIDs: the role for %.40q is empty", string(id))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m.RoleNames)) {
		if name == "" {
			wrong("RoleNames: a name is empty")
		}
		if m.RoleNames[name] == "" {
			wrong("RoleNames: the role for %.40q is empty", name)
		}
	}
	listed := make(map[TeamID]bool)
	for _, t := range m.Teams {
		switch {
		case !isNumber(t.Team):
			wrong("Teams: %.40q is no team id: team ids are digits (list the teams)", string(t.Team))
		case listed[t.Team]:
			wrong("Teams: %q is listed twice", string(t.Team))
		}
		listed[t.Team] = true
		if t.Role == "" {
			wrong("Teams: the role for %.40q is empty", string(t.Team))
		}
	}
	return errs
}

// role returns the role of an admin; empty if nothing in the map fits.
func (m RoleMap) role(a *Admin) Role {
	if r, ok := m.Admins[a.ID]; ok {
		return r
	}
	if a.Role != nil {
		if r, ok := m.RoleIDs[a.Role.ID]; ok {
			return r
		}
		if r, ok := m.RoleNames[a.Role.Name]; ok {
			return r
		}
	}
	for _, t := range m.Teams {
		if slices.Contains(a.TeamIDs, t.Team) {
			return t.Role
		}
	}
	return ""
}

// Principal returns the admin as a principal: their role, teams and address, and the workspace that the client is bound to.
// The principal is the caller's. While Intercom is down its role may be as old as MaxStale: a [Checker] alone, or a guard
// without Roles, takes it as it is; a guard with Roles asks for itself. One whose Role is empty is known and has no rights; it comes without an error.
//
// It waits where Intercom has to be asked, until ctx ends. It is ErrAdminNotFound if there is no such teammate in the
// workspace, ErrInvalidRequest if the id is none, and else what kept Intercom from answering; in all of these nobody is
// known, and the principal is zero.
func (d *RoleDirectory) Principal(ctx context.Context, id AdminID) (Principal, error) {
	e, err := d.lookup(ctx, id, false)
	if err != nil {
		return Principal{}, err
	}
	return Principal{AdminID: id, Email: e.email, Role: e.role, Teams: slices.Clone(e.teams), Workspace: d.client.s.workspace}, nil
}

// Forget makes the next look-up of the admin ask Intercom, as when a notification says that they changed. A look-up that
// is under way stores nothing, and who waits for it asks again. It also forgets that there was no such admin. An unknown
// id is no error.
func (d *RoleDirectory) Forget(id AdminID) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.known, id)
	delete(d.flights, id)
}

// ForgetAll is [RoleDirectory.Forget] for every admin.
func (d *RoleDirectory) ForgetAll() {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.known)
	clear(d.flights)
}

// roles returns every role that the map names, sorted.
func (d *RoleDirectory) roles() []Role {
	if d == nil {
		return nil
	}
	m := d.config.Map
	all := slices.AppendSeq(slices.Collect(maps.Values(m.Admins)), maps.Values(m.RoleIDs))
	all = slices.AppendSeq(all, maps.Values(m.RoleNames))
	for _, t := range m.Teams {
		all = append(all, t.Role)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// unknownTo returns an error for each role of the map that a checker's policy does not name.
func (d *RoleDirectory) unknownTo(c *Checker) (errs []error) {
	known := c.Roles()
	for _, role := range d.roles() {
		if !slices.Contains(known, role) {
			errs = append(errs, fmt.Errorf("the RoleMap of Roles names %.80q, which the policy does not%s", string(role), didYouMean(role, known)))
		}
	}
	return errs
}

// lookup returns what Intercom says of an admin. With fresh it takes nothing older than TTL.
func (d *RoleDirectory) lookup(ctx context.Context, id AdminID, fresh bool) (roleEntry, error) {
	switch {
	case d == nil || d.client == nil:
		return roleEntry{}, errNoDirectory
	case ctx == nil:
		return roleEntry{}, invalid(opAdminsGet, "the context is nil")
	}
	if err := id.check(opAdminsGet); err != nil {
		return roleEntry{}, err
	}
	for {
		if err := ctx.Err(); err != nil {
			return roleEntry{}, leaves(id, err)
		}
		e, flight, err := d.use(id, fresh)
		if flight == nil {
			return e, err
		}
		select {
		case <-flight.done:
		case <-ctx.Done():
			return roleEntry{}, leaves(id, ctx.Err())
		}
		if flight.forgotten {
			continue
		}
		if flight.err != nil { // a stale role may serve, now that this is known
			if e, ok := d.peek(id, fresh); ok {
				return e, nil
			}
		}
		return flight.entry, flight.err
	}
}

func leaves(id AdminID, ended error) error {
	return fmt.Errorf("intercomrbac: waiting for the role of admin %s: %w", id, ended)
}

// cannotReach reports whether a look-up failed for a reason that says nothing about the admin or the token.
func cannotReach(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrRateLimited) || errors.Is(err, ErrBadResponse) ||
		errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrNoToken)
}

// peek returns what is known of an admin and may be used. It does no I/O, waits for no look-up, starts none, and does not
// allocate. The teams are not the caller's to change.
func (d *RoleDirectory) peek(id AdminID, fresh bool) (roleEntry, bool) {
	if d == nil {
		return roleEntry{}, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.known[id]
	if !d.usable(k, time.Now(), fresh) {
		return roleEntry{}, false
	}
	return k.roleEntry, true
}

// usable reports whether a role may be used. The caller holds the lock.
func (d *RoleDirectory) usable(k *knownRole, now time.Time, fresh bool) bool {
	if k == nil || k.gone != nil {
		return false
	}
	age := now.Sub(k.asked)
	return age < d.config.TTL || !fresh && age < d.config.MaxStale && now.Sub(k.failed) < failureCounts
}

// use returns what is known, or else the flight to wait for. It sees to it that what grows old is asked for anew.
func (d *RoleDirectory) use(id AdminID, fresh bool) (roleEntry, *roleFlight, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	k := d.known[id]
	switch {
	case d.usable(k, now, fresh):
		if now.Sub(k.asked) >= d.config.TTL-d.config.TTL/4 && now.Sub(k.failed) >= d.pause {
			d.take(id, now)
		}
		return k.roleEntry, nil, nil
	case k != nil && k.gone != nil && now.Sub(k.asked) < d.config.TTL:
		return roleEntry{}, nil, k.gone
	}
	return roleEntry{}, d.take(id, now), nil
}

// take returns the flight that is under way for an admin, or a new one. The caller holds the lock.
func (d *RoleDirectory) take(id AdminID, now time.Time) *roleFlight {
	f := d.flights[id]
	if f == nil {
		f = &roleFlight{done: make(chan struct{}), asked: now}
		d.flights[id] = f
		go d.fly(id, f)
	}
	return f
}

// fly asks Intercom. Nobody who waits can end it; roleTimeout does.
func (d *RoleDirectory) fly(id AdminID, f *roleFlight) {
	f.err = &callError{text: fmt.Sprintf("the role of admin %s: the client's transport ended its goroutine", id), causes: []error{ErrUnavailable}}
	defer d.land(id, f) // deferred, for runtime.Goexit
	f.entry, f.err = d.ask(id, f.asked)
}

func (d *RoleDirectory) ask(id AdminID, asked time.Time) (e roleEntry, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &callError{text: fmt.Sprintf("the role of admin %s: the look-up panicked (%T)", id, p), causes: []error{ErrUnavailable}}
		}
	}()
	// No caller's context: it may end early, and its principal is not who asks.
	ctx, cancel := context.WithTimeout(context.Background(), roleTimeout)
	defer cancel()
	a, err := d.client.Admins.Get(ctx, id)
	if err != nil {
		return roleEntry{}, &callError{text: fmt.Sprintf("the role of admin %s: %s", id, untitled(err)), causes: []error{err}}
	}
	if a.ID != id {
		return roleEntry{}, &callError{text: fmt.Sprintf("the role of admin %s: the answer is about another admin", id), causes: []error{ErrBadResponse}}
	}
	teams := slices.DeleteFunc(a.TeamIDs, func(t TeamID) bool { return t == "" })
	return roleEntry{role: d.config.Map.role(a), teams: slices.Clip(teams), email: a.Email, asked: asked}, nil
}

// land ends a flight: it stores what the flight brought, unless it was forgotten meanwhile.
func (d *RoleDirectory) land(id AdminID, f *roleFlight) {
	defer close(f.done)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.flights[id] != f {
		f.forgotten = true
		return
	}
	delete(d.flights, id)
	switch {
	case f.err == nil:
		d.keep(id, &knownRole{roleEntry: f.entry})
	case errors.Is(f.err, ErrAdminNotFound):
		d.keep(id, &knownRole{roleEntry: roleEntry{asked: f.asked}, gone: f.err})
	case cannotReach(f.err):
		if k := d.known[id]; k != nil {
			k.failed = time.Now()
		}
	default:
		delete(d.known, id)
	}
}

// keep remembers k. The caller holds the lock.
func (d *RoleDirectory) keep(id AdminID, k *knownRole) {
	if d.known[id] == nil && len(d.known) >= maxKnownRoles {
		now := time.Now()
		maps.DeleteFunc(d.known, func(_ AdminID, k *knownRole) bool {
			age := now.Sub(k.asked)
			return age >= d.config.MaxStale || k.gone != nil && age >= d.config.TTL
		})
		for other := range d.known {
			if len(d.known) < maxKnownRoles {
				break
			}
			delete(d.known, other)
		}
	}
	d.known[id] = k
}
