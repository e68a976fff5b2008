package intercomrbac

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/intercomrbac/intercomrbac/internal/seal"
)

// kindToken is what a sealed text is for, and how it is laid out: another kind or layout has another word, and neither opens
// as the other.
const kindToken = "access token"

// place is where a record's sealed text belongs, and the only place where it opens.
func (w *Workspaces) place(id WorkspaceID, region Region, account string) []string {
	return []string{w.storeID, string(id), string(region), account, kindToken}
}

// seal returns the record of a workspace, without a version.
func (w *Workspaces) seal(workspace Workspace) WorkspaceRecord {
	installed, by := workspace.InstalledAt.UTC(), workspace.InstalledBy
	text := pack(workspace.Token.Reveal(), workspace.Name, strconv.FormatInt(installed.UnixNano(), 10), string(by.AdminID), by.Email, strconv.FormatBool(by.EmailVerified))
	return WorkspaceRecord{ID: workspace.ID, Region: workspace.Region, Account: workspace.Account, InstalledAt: installed.Truncate(time.Second),
		Sealed: w.keys.ring.Seal(text, w.place(workspace.ID, workspace.Region, workspace.Account)...)}
}

// open returns the workspace of a record.
func (w *Workspaces) open(r WorkspaceRecord) (Workspace, error) {
	text, err := w.keys.ring.Open(r.Sealed, w.place(r.ID, r.Region, r.Account)...)
	if err != nil {
		return Workspace{}, fmt.Errorf("%w: workspace %.80q: %w", ErrSealed, string(r.ID), err)
	}
	var token, name, installed, admin, email, verified string
	whole := unpack(text, &token, &name, &installed, &admin, &email, &verified)
	at, err := strconv.ParseInt(installed, 10, 64)
	if !whole || err != nil {
		return Workspace{}, fmt.Errorf("%w: workspace %.80q: what is in it is none of this version's", ErrSealed, string(r.ID))
	}
	return Workspace{ID: r.ID, Name: name, Region: r.Region, Token: NewSecret(token), InstalledAt: time.Unix(0, at).UTC(),
		InstalledBy: InstalledBy{AdminID(admin), email, verified == "true"}, Account: r.Account}, nil
}

// pack joins texts, each behind its length. The token is in no field of a type, which could be printed.
func pack(parts ...string) (b []byte) {
	for _, p := range parts {
		b = append(binary.AppendUvarint(b, uint64(len(p))), p...)
	}
	return b
}

// unpack takes apart what pack has joined, if there are as many.
func unpack(b []byte, parts ...*string) bool {
	for _, p := range parts {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return false
		}
		*p, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	return len(b) == 0
}

// Rotation is what [Workspaces.Rotate] found and did. The sum is the number of records.
type Rotation struct {
	// Resealed records are sealed under the primary key now, and were not before.
	Resealed int
	// Current records needed nothing: they were sealed under it already, or hold no token any more.
	Current int
	// Failed records could not be opened or saved. The error tells of them.
	Failed int
}

// maxRotationErrors bounds how many failures the error of a rotation tells of.
const maxRotationErrors = 10

// Rotate seals every token anew that is not sealed under the primary key of the ring. Workspaces are served meanwhile, by this
// process and by others whose ring has both keys. A record that fails is left as it was, and the others are done all the same;
// after an error, or a crash, Rotate goes on where it was. Without an error nothing in the store is under an old key, unless
// a process with another primary key is still installing.
func (w *Workspaces) Rotate(ctx context.Context) (Rotation, error) {
	var done Rotation
	due, err := w.pick(ctx, "Rotate", func(r WorkspaceRecord) bool {
		last := w.sealedLast(r)
		if last {
			done.Current++
		}
		return !last
	})
	if err != nil {
		return done, err
	}
	var errs []error
	for _, id := range due {
		if err := ctx.Err(); err != nil {
			return done, errors.Join(append(errs, fmt.Errorf("intercomrbac: Rotate: it was not finished: %w", err))...)
		}
		resealed, err := w.reseal(ctx, id)
		switch {
		case err != nil:
			if done.Failed++; done.Failed <= maxRotationErrors {
				errs = append(errs, err)
			}
		case resealed:
			done.Resealed++
		default:
			done.Current++
		}
	}
	return done, errors.Join(errs...)
}

// pick returns the workspaces whose records are wanted: the store may not want to be changed while it is read.
func (w *Workspaces) pick(ctx context.Context, what string, wanted func(WorkspaceRecord) bool) (picked []WorkspaceID, err error) {
	switch {
	case w == nil || w.store == nil:
		return nil, errNoWorkspaces
	case ctx == nil:
		return nil, fmt.Errorf("%w: %s: the context is nil", ErrInvalidRequest, what)
	}
	for r, err := range w.store.All(ctx) {
		if err != nil {
			return nil, fmt.Errorf("intercomrbac: %s: the store failed: %w", what, err)
		}
		if wanted(r) {
			picked = append(picked, r.ID)
		}
	}
	return picked, nil
}

// sealedLast reports whether nothing of a record is under an old key.
func (w *Workspaces) sealedLast(r WorkspaceRecord) bool {
	key, err := seal.KeyID(r.Sealed)
	return len(r.Sealed) == 0 || err == nil && key == w.keys.ring.Primary()
}

// reseal seals a record anew, if it still has to be.
func (w *Workspaces) reseal(ctx context.Context, id WorkspaceID) (bool, error) {
	return w.update(ctx, id, func(r WorkspaceRecord) (WorkspaceRecord, bool, error) {
		if w.sealedLast(r) {
			return r, false, nil
		}
		place := w.place(r.ID, r.Region, r.Account)
		text, err := w.keys.ring.Open(r.Sealed, place...)
		if err != nil {
			return r, false, fmt.Errorf("%w: workspace %.80q: %w", ErrSealed, string(id), err)
		}
		r.Sealed = w.keys.ring.Seal(text, place...)
		return r, true, nil
	})
}
