package intercomrbac

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"
)

// tenant is an installed workspace with its client: one install of it, for as long as its token lives.
type tenant struct {
	of        *Workspaces
	workspace Workspace
	client    *Client
	roles     *RoleDirectory // nil if there are none
	retired   atomic.Bool    // the token is dead: nothing is sent with it
	lacking   atomic.Bool    // there is something in lacks

	// Workspaces.mu guards the rest.
	checked time.Time // when the record was read last
	looking *tokenLook
	looked  time.Time          // when a look ended last
	found   error              // what it found
	cause   error              // why it was retired
	lacks   map[Scope]struct{} // that calls were refused for
}

// maxLacks bounds lacks: scopes are open strings.
const maxLacks = 1000

// tokenLook is a second look at a token, under way. err is read once done is closed.
type tokenLook struct {
	done chan struct{}
	err  error
}

// baseOf returns the address of a region.
func baseOf(r Region) (string, error) {
	var s settings
	err := WithRegion(r)(&s)
	return s.base, err
}

// newTenant makes the client of a workspace. It shares nothing with those of others but what is the program's: connections,
// logger, hook, and the guard's checker and sink.
func (w *Workspaces) newTenant(workspace Workspace, limiter Limiter) (*tenant, error) {
	t := &tenant{of: w, workspace: workspace}
	cred, err := newCredential(workspace.Token.Reveal())
	if err != nil {
		return nil, fmt.Errorf("%w: workspace %q: %w", ErrSealed, string(workspace.ID), err)
	}
	s := w.base
	if s.given&optionAddress == 0 {
		if s.base, err = baseOf(workspace.Region); err != nil {
			return nil, fmt.Errorf("%w: workspace %q: %w", ErrSealed, string(workspace.ID), err)
		}
	}
	s.token = func(context.Context) (credential, error) { return cred, t.alive() }
	s.workspace, s.limiter, s.budget, s.used, s.tenant = workspace.ID, limiter, new(retryBudget), new(usedOperations), t
	if w.roles != nil {
		t.roles = w.roles.of(newClient(s))
	}
	if w.guard != nil {
		g := *w.guard
		g.roles = t.roles
		s.gate = &g
	}
	t.client = newClient(s)
	return t, nil
}

func revoked(id WorkspaceID) error {
	return &callError{fmt.Sprintf("workspace %q: its token is dead: the app has to be installed there again", string(id)), []error{ErrTokenRevoked}}
}

// alive is ErrTokenRevoked once the token is known to be dead.
func (t *tenant) alive() error {
	if t == nil || !t.retired.Load() {
		return nil
	}
	return revoked(t.workspace.ID)
}

// holds reports whether t is the install that a record tells of.
func (t *tenant) holds(w Workspace) bool {
	same := subtle.ConstantTimeCompare([]byte(t.workspace.Token.Reveal()), []byte(w.Token.Reveal())) == 1
	return same && t.workspace.InstalledAt.Equal(w.InstalledAt)
}

// heard takes a second look if a call failed as with a dead token, and returns the call's error.
func (t *tenant) heard(ctx context.Context, in *call, err error) error {
	if t == nil {
		return err
	}
	if !in.probe || err == nil { // what Preflight looks for need not be what the app needs
		t.learn(in.op.Scope, err)
	}
	if !saysDead(err) {
		return err
	}
	if errors.Is(t.look(ctx), ErrTokenRevoked) && !errors.Is(err, ErrTokenRevoked) {
		return &callError{untitled(err) + " (GET /me says so too: the token is dead)", []error{ErrTokenRevoked, err}}
	}
	return err
}

// learn remembers the scopes that calls were refused for, until one that needs the scope succeeds.
func (t *tenant) learn(scope Scope, err error) {
	missing := errors.Is(err, ErrScopeMissing)
	if scope == "" || !missing && (err != nil || !t.lacking.Load()) {
		return
	}
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	switch {
	case !missing:
		delete(t.lacks, scope)
	case len(t.lacks) < maxLacks:
		if t.lacks == nil {
			t.lacks = map[Scope]struct{}{}
		}
		t.lacks[scope] = struct{}{}
	}
	t.lacking.Store(len(t.lacks) > 0)
}

// saysDead reports whether Intercom, and no proxy before it, says that a token is dead. "unauthorized" is its word for a token
// that it does not know; other codes that come with 401 are about a scope, or a header that got lost on the way.
//
// Source: the responses of the official API description, and
// https://developers.intercom.com/docs/references/rest-api/errors/error-codes
func saysDead(err error) bool {
	e, ok := errors.AsType[*APIError](err)
	return ok && e.StatusCode == http.StatusUnauthorized && (errors.Is(e.class(), ErrTokenRevoked) || e.Code == "unauthorized")
}

// look asks Intercom whether the token lives; nil if so. Callers share one look, and each leaves when its context ends.
func (t *tenant) look(ctx context.Context) error {
	if err := t.alive(); err != nil {
		return err
	}
	w := t.of
	w.mu.Lock()
	l := t.looking
	if l == nil {
		l = &tokenLook{done: make(chan struct{})}
		t.looking = l
		go t.fly(l)
	}
	w.mu.Unlock()
	select {
	case <-l.done:
		return l.err
	case <-ctx.Done():
		return fmt.Errorf("intercomrbac: waiting for a look at the token of workspace %q: %w", string(t.workspace.ID), ctx.Err())
	}
}

// fly takes a look. Nobody who waits can end it; workspaceTimeout does.
func (t *tenant) fly(l *tokenLook) {
	w := t.of
	l.err = &callError{"admins.me: the client's transport ended its goroutine", []error{ErrUnavailable}}
	defer func() { // deferred, for runtime.Goexit
		w.mu.Lock()
		t.looking, t.looked, t.found = nil, time.Now(), l.err
		w.mu.Unlock()
		close(l.done)
	}()
	err := contained(func() error {
		s := t.client.s
		s.gate, s.tenant = nil, nil
		ctx, cancel := context.WithTimeout(context.Background(), workspaceTimeout)
		defer cancel()
		_, err := newClient(s).Admins.Me(ctx)
		return err
	})
	switch {
	case saysDead(err):
		t.retired.Store(true)
		w.mu.Lock()
		t.cause = err
		w.mu.Unlock()
		w.retire(t)
		l.err = revoked(t.workspace.ID)
	case errors.Is(err, ErrScopeMissing): // which only a token that lives can lack
		l.err = nil
	default:
		l.err = err
	}
}

// retire puts on record that a token is dead. If the store does not take it, the next use of the workspace tries again.
func (w *Workspaces) retire(t *tenant) {
	err := contained(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), workspaceTimeout)
		defer cancel()
		first, err := w.bury(ctx, t)
		if err != nil {
			return err
		}
		w.settle(t)
		if first {
			time.AfterFunc(keepRevoked, func() { w.eraseLater(t.workspace.ID) })
		}
		if first && w.onRevoked != nil {
			w.mu.Lock()
			cause := t.cause
			w.mu.Unlock()
			told := t.workspace
			told.Token = Secret{}
			w.onRevoked(ctx, told, cause)
		}
		return nil
	})
	if err != nil {
		w.base.log.Error("intercom workspace revoked, but not all of it is done", "workspace", string(t.workspace.ID), "error", err)
	}
}

// settle forgets a workspace whose record does not hold its token any more.
func (w *Workspaces) settle(t *tenant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(t)
}

// bury makes a tombstone of the record that holds the token of t, and reports whether it did: another process may have been
// first, and another install may have taken its place.
func (w *Workspaces) bury(ctx context.Context, t *tenant) (bool, error) {
	return w.update(ctx, t.workspace.ID, func(r WorkspaceRecord) (WorkspaceRecord, bool, error) {
		if r.Version == 0 || r.Revoked {
			return r, false, nil
		}
		there, err := w.open(r)
		if err != nil || !t.holds(there) {
			return r, false, err
		}
		r.Revoked, r.RevokedAt = true, time.Now().UTC().Truncate(time.Second)
		return r, true, nil
	})
}
