package intercomrbac

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
)

// Health says how the installation of a workspace is; it fits ReceiverConfig.Health. It asks Intercom whether the token lives, as
// [Workspaces.Check] does but once a minute at the most, and knows which scopes calls of this process were refused for and none has
// succeeded with since. A workspace that is not installed, whose token is dead, or that lacks such a scope is HealthUnhealthy, with
// a button that installs the app again. Otherwise it is HealthOK, and Message tells when the last notification came, if one did: a
// workspace may be silent for long and be well. Where it cannot be found out, as when the store or Intercom fails, there is an
// error, and the receiver answers HealthUnknown.
func (w *Workspaces) Health(ctx context.Context, id WorkspaceID, last time.Time) (Health, error) {
	t, err := w.tenant(ctx, id)
	if err == nil {
		err = t.lives(ctx)
	}
	switch {
	case errors.Is(err, ErrWorkspaceNotFound):
		return reinstall("The app does not know this workspace. Install it again."), nil
	case errors.Is(err, ErrTokenRevoked):
		return reinstall("The app has no access to this workspace any more. Install it again."), nil
	case err != nil:
		return Health{}, err
	}
	if lacks := t.missing(); len(lacks) > 0 {
		return reinstall("The app lacks permissions that it needs: " + strings.Join(lacks, ", ") + ". Install it again to grant them."), nil
	}
	h := Health{State: HealthOK}
	if !last.IsZero() {
		h.Message = "The last notification is from " + last.UTC().Format("2006-01-02 15:04 MST") + "."
	}
	return h, nil
}

// lives is what the last look at the token found, if that was within the minute, or else what a new one finds. A health check carries
// no time, and who repeats one is not to keep Intercom asked.
func (t *tenant) lives(ctx context.Context) error {
	if err := t.alive(); err != nil {
		return err
	}
	t.of.mu.Lock()
	recent, found := time.Since(t.looked) < recheckAfter, t.found
	t.of.mu.Unlock()
	if recent {
		return found
	}
	return t.look(ctx)
}

func reinstall(message string) Health {
	if long := []rune(message); len(long) > maxHealthText {
		message = string(long[:maxHealthText-1]) + "…"
	}
	return Health{State: HealthUnhealthy, Message: message, Reinstall: true}
}

// missing returns the scopes that calls were refused for, sorted.
func (t *tenant) missing() (scopes []string) {
	t.of.mu.Lock()
	defer t.of.mu.Unlock()
	for s := range t.lacks {
		scopes = append(scopes, string(s))
	}
	slices.Sort(scopes)
	return scopes
}

// Revive undoes the revocation of a workspace if Intercom takes its token after all, as when it was wrong during an outage of its
// own; that can be done for a day. It is nil if the workspace is as it was before, ErrTokenRevoked if the token is dead or was
// deleted, and any other error says why it could not be found out, under the same conditions as [Workspaces.Client]. It is for
// people who know of such an outage: nothing here calls it by itself.
func (w *Workspaces) Revive(ctx context.Context, id WorkspaceID) error {
	if err := w.admit(ctx, id); err != nil {
		return err
	}
	r, err := w.get(ctx, id)
	if err != nil {
		return err
	}
	if !r.Revoked { // on record; this process may have found it dead when the store failed
		w.outdate(id)
		return nil
	}
	if len(r.Sealed) == 0 || keptLongEnough(r) {
		return revoked(id)
	}
	workspace, err := w.open(r)
	if err != nil {
		return err
	}
	t, err := w.newTenant(workspace, new(WindowLimiter))
	if err != nil {
		return err
	}
	if err := t.look(ctx); err != nil {
		return err
	}
	_, err = w.update(ctx, id, func(r WorkspaceRecord) (WorkspaceRecord, bool, error) {
		if r.Version == 0 || r.Revoked && len(r.Sealed) == 0 {
			return r, false, revoked(id)
		}
		there, err := w.open(r)
		if err != nil || !r.Revoked || !t.holds(there) {
			return r, false, err // another install has taken its place
		}
		r.Revoked, r.RevokedAt = false, time.Time{}
		return r, true, nil
	})
	if err == nil {
		w.outdate(id)
	}
	return err
}

// Sweep deletes the tokens of workspaces that were revoked more than a day ago, and says how many there were. The process that
// found a workspace revoked does so by itself if it lives that long, and so does one that has called Sweep within the day, so that
// once after each start is enough. A record that fails is left for the next time; the errors tell of up to ten. The records stay as
// tombstones.
func (w *Workspaces) Sweep(ctx context.Context) (int, error) {
	due, err := w.pick(ctx, "Sweep", func(r WorkspaceRecord) bool {
		kept := r.Revoked && len(r.Sealed) > 0
		if kept && !keptLongEnough(r) { // who found out may have ended
			time.AfterFunc(time.Until(r.RevokedAt.Add(keepRevoked)), func() { w.eraseLater(r.ID) })
			return false
		}
		return kept
	})
	if err != nil {
		return 0, err
	}
	var errs []error
	swept := 0
	for _, id := range due {
		erased, err := w.erase(ctx, id)
		if err != nil && len(errs) < maxRotationErrors {
			errs = append(errs, err)
		}
		if erased {
			swept++
		}
	}
	return swept, errors.Join(errs...)
}

func keptLongEnough(r WorkspaceRecord) bool { return time.Since(r.RevokedAt) >= keepRevoked }

// erase deletes the token of a workspace that was revoked, once it is due.
func (w *Workspaces) erase(ctx context.Context, id WorkspaceID) (bool, error) {
	return w.update(ctx, id, func(r WorkspaceRecord) (WorkspaceRecord, bool, error) {
		due := r.Revoked && len(r.Sealed) > 0 && keptLongEnough(r)
		r.Sealed = nil
		return r, due, nil
	})
}

// eraseLater runs in a goroutine of its timer, which workspaceTimeout ends.
func (w *Workspaces) eraseLater(id WorkspaceID) {
	err := contained(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), workspaceTimeout)
		defer cancel()
		_, err := w.erase(ctx, id)
		return err
	})
	if err != nil {
		w.base.log.Error("intercom workspace revoked a day ago, but its token is still in the store: the next Sweep deletes it", "workspace", string(id), "error", err)
	}
}
