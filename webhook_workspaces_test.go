package intercomrbac_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// One receiver serves every workspace that the app is installed in: each notification reaches the directory of its own, and an
// uninstall notice the workspace that it names.
func TestReceiverOfSeveralWorkspaces(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		intercom := newCloud(t)
		acme, installAcme := intercom.add("acme", intercomrbac.EU)
		beta, installBeta := intercom.add("beta", intercomrbac.EU)
		gone, _ := intercom.add("gone", intercomrbac.EU) // never installed here
		config := intercom.config(intercomrbac.WithRetry(intercomrbac.Retry{Attempts: 1}))
		config.Roles = intercomrbac.RoleDirectoryConfig{Map: byRoleID}
		w := newWorkspaces(t, config)
		install(t, w, installAcme, installBeta)
		h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
			c.Workspace, c.Roles, c.Check = "", w.Roles, w.Check
			c.Principal = func(_ context.Context, id intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
				return intercomrbac.Principal{Service: "desk", AdminID: "991267459", Workspace: id}, nil
			}
		})
		var handled []intercomrbac.WorkspaceID
		h.On(intercomrbac.EventAdminRemovedFromWorkspace, func(ctx context.Context, n intercomrbac.Notification) error {
			c, err := w.For(ctx) // the client of the workspace that it happened in
			if err != nil {
				return err
			}
			me, err := c.Admins.Me(ctx)
			if err != nil {
				return err
			}
			handled = append(handled, me.App.ID)
			return nil
		})
		// A middleware of the service's own has taken Intercom for somebody.
		mux := intercomrbac.Authenticate(func(*http.Request) (intercomrbac.Principal, error) {
			return intercomrbac.Principal{AdminID: "1", Role: "owner", Workspace: "elsewhere"}, nil
		})(h)
		role := func(id intercomrbac.WorkspaceID) (intercomrbac.Role, error) {
			d, err := w.Roles(t.Context(), id)
			require.NoError(t, err)
			p, err := d.Principal(t.Context(), "991267461")
			return p.Role, err
		}
		removed := func(srv *intercomtest.Server) intercomtest.Delivery {
			return srv.Notification(hookSecret, intercomtest.Notification{Topic: intercomrbac.EventAdminRemovedFromWorkspace, Item: srv.AdminItem("991267461")})
		}
		for _, id := range []intercomrbac.WorkspaceID{"acme", "beta"} {
			got, err := role(id)
			require.NoError(t, err)
			assert.EqualValues(t, "agent", got)
		}
		// The one with the same id in the other workspace is somebody else.
		acme.RemoveAdmin("991267461")
		beta.RemoveAdmin("991267461")
		assert.Equal(t, 200, removed(acme).To(mux).Status)
		synctest.Wait()
		_, err := role("acme")
		assert.ErrorIs(t, err, intercomrbac.ErrAdminNotFound)
		got, err := role("beta")
		assert.NoError(t, err)
		assert.EqualValues(t, "agent", got, "nobody has told")
		assert.Equal(t, 200, removed(beta).To(mux).Status)
		assert.Equal(t, 200, removed(gone).To(mux).Status)
		synctest.Wait()
		assert.Equal(t, []intercomrbac.WorkspaceID{"acme", "beta"}, handled)
		assert.ErrorIs(t, errors.Join(h.reported()...), intercomrbac.ErrWorkspaceNotFound)
		assert.Zero(t, gone.CallCount(""))

		// A notice that anybody may send takes nobody down; a true one does.
		asked := acme.CallCount("admins.me")
		for range 10 {
			assert.Equal(t, 200, acme.UninstallNotice("").To(mux).Status)
			assert.Equal(t, 200, gone.UninstallNotice("").To(mux).Status)
			synctest.Wait()
		}
		assert.Equal(t, asked+1, acme.CallCount("admins.me"))
		assert.Zero(t, gone.CallCount(""))
		advance(3 * time.Minute)
		acme.RevokeToken(acme.Token(), "token_revoked")
		assert.Equal(t, 200, acme.UninstallNotice("").To(mux).Status)
		synctest.Wait()
		_, err = w.Client(t.Context(), "acme")
		assert.ErrorIs(t, err, intercomrbac.ErrTokenRevoked)
		_, err = w.Client(t.Context(), "beta")
		assert.NoError(t, err)
		assert.Empty(t, h.reported())

		// What comes late from there is answered, and does nothing.
		assert.Equal(t, 200, removed(acme).To(mux).Status)
		synctest.Wait()
		assert.Len(t, handled, 2)
		assert.ErrorIs(t, errors.Join(h.reported()...), intercomrbac.ErrTokenRevoked)
		h.drain(t)
	})
}

// A principal that a middleware put into the request is nobody to what the receiver asks.
func TestReceiverPassesNoPrincipalOn(t *testing.T) {
	t.Parallel()
	nobody := func(ctx context.Context) {
		_, known := intercomrbac.PrincipalFrom(ctx)
		assert.False(t, known)
	}
	h := newHooks(t, func(c *intercomrbac.ReceiverConfig) {
		c.Roles = func(ctx context.Context, _ intercomrbac.WorkspaceID) (*intercomrbac.RoleDirectory, error) {
			nobody(ctx)
			return nil, nil
		}
		c.Principal = func(ctx context.Context, _ intercomrbac.WorkspaceID) (intercomrbac.Principal, error) {
			nobody(ctx)
			return intercomrbac.Principal{}, nil
		}
		c.Health = func(ctx context.Context, _ intercomrbac.WorkspaceID, _ time.Time) (intercomrbac.Health, error) {
			nobody(ctx)
			return intercomrbac.Health{}, nil
		}
		c.Check = func(ctx context.Context, _ intercomrbac.WorkspaceID) error {
			nobody(ctx)
			return intercomrbac.ErrWorkspaceNotFound
		}
		c.OnError = func(ctx context.Context, _ intercomrbac.Notification, _ error) { nobody(ctx) }
	})
	h.On(intercomrbac.EventConversationUserCreated, func(ctx context.Context, _ intercomrbac.Notification) error {
		nobody(ctx)
		return nil
	})
	for _, d := range []intercomtest.Delivery{h.created("notif_1"), h.srv.HealthCheck(hookSecret), h.srv.UninstallNotice(""), h.srv.HealthCheck(otherSecret)} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, requestOf(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "1", Role: "owner"}), d))
		assert.Contains(t, []int{200, 401}, w.Code)
	}
	h.drain(t)
}
