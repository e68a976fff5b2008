package intercomrbac

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
)

const (
	maxConfirms  = 16 // at a time
	confirmEvery = time.Minute
	confirmTime  = 30 * time.Second
	maxChecks    = 10_000 // workspaces of whom there was a notice within the last minute
)

// uninstallCheck is of a workspace whose uninstall is being confirmed, or was within the last minute.
type uninstallCheck struct {
	again bool // there was another notice meanwhile
}

// serveUninstall takes a notice that the app was uninstalled. Intercom does not document that it signs it, so that it may come from
// anyone: it is a hint and no more. The answer tells nothing of the workspace.
func (r *Receiver) serveUninstall(_ http.ResponseWriter, q *http.Request) (int, error) {
	body, status, err := r.read(q, true, bodySignature, hubSignature)
	if status != 0 {
		return status, err
	}
	id, err := workspaceIn(body, "app_id")
	if err != nil {
		return http.StatusBadRequest, err
	}
	if one := r.config.Workspace; one != "" && one != id {
		return http.StatusOK, nil // nobody need be asked
	}
	if !r.hint(id) {
		return http.StatusServiceUnavailable, nil
	}
	return http.StatusOK, nil
}

// workspaceIn reads the id of a workspace.
func workspaceIn(body []byte, member string) (WorkspaceID, error) {
	var object map[string]json.RawMessage
	var id WorkspaceID
	if json.Unmarshal(body, &object) != nil || json.Unmarshal(object[member], &id) != nil || checkWorkspaceID(id) != nil {
		return "", refused("the body is no object with a workspace's id in %s", member)
	}
	return id, nil
}

// hint has an uninstall confirmed, unless too many are.
func (r *Receiver) hint(id WorkspaceID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	full := r.closed || len(r.checks) >= maxChecks || len(r.confirms) == cap(r.confirms)
	if c := r.checks[id]; c != nil {
		c.again = true
		return !full // the same as for an id that nobody knows
	}
	if full {
		return false
	}
	select {
	case r.confirms <- struct{}{}:
	default:
		return false
	}
	c := &uninstallCheck{}
	r.checks[id] = c
	r.busy++
	go r.confirm(id, c)
	return true
}

// confirm calls Check, and again a minute later if there was another notice: it may have been the true one.
func (r *Receiver) confirm(id WorkspaceID, c *uninstallCheck) {
	defer r.leave(func() {
		if r.checks[id] == c {
			delete(r.checks, id)
		}
	})
	for {
		err := r.check(id)
		if errors.Is(err, ErrWorkspaceNotFound) {
			return // and nobody was asked
		}
		if err != nil && !errors.Is(err, ErrTokenRevoked) {
			r.report(r.ctx, Notification{Workspace: id}, &callError{fmt.Sprintf("the uninstall of %.80q is not confirmed: %s", string(id), untitled(err)), []error{err}})
		}
		r.pause(confirmEvery)
		if !r.noticed(id, c) || !r.acquire(r.confirms) {
			return
		}
	}
}

// noticed reports whether there was another notice. If not, the next begins anew.
func (r *Receiver) noticed(id WorkspaceID, c *uninstallCheck) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	again := c.again && !r.closed
	c.again = false
	if !again {
		delete(r.checks, id)
	}
	return again
}

// check calls Check, with a place among those that confirm, which it gives free.
func (r *Receiver) check(id WorkspaceID) (err error) {
	defer func() {
		<-r.confirms
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %s", printable(fmt.Sprint(p), 200))
		}
	}()
	ctx, cancel := context.WithTimeout(r.ctx, confirmTime)
	defer cancel()
	return r.config.Check(ctx, id)
}

// HealthState is how an installation is.
type HealthState string

// States of an installation. UNHEALTHY is what a teammate of the workspace has to mend: they are sent an e-mail.
//
// Source: https://developers.intercom.com/docs/build-an-integration/learn-more/installation-health-check
const (
	HealthOK        HealthState = "OK"
	HealthUnhealthy HealthState = "UNHEALTHY"
	HealthUnknown   HealthState = "UNKNOWN"
)

// Health answers an installation health check. The zero value is HealthUnknown.
type Health struct {
	State HealthState
	// Message says, to teammates of the workspace, what is wrong: needed where that is HealthUnhealthy, up to 2,084 characters.
	Message string
	// Reinstall shows them a button that installs the app again. Or else URL, of up to 2,084 characters, and Label show one that leads to
	// where it can be mended.
	Reinstall bool
	URL       string
	Label     string
}

// maxHealthText is of the message and of the URL.
const maxHealthText = 2084

type healthJSON struct {
	State   HealthState `json:"state"`
	Message string      `json:"message,omitempty"`
	Type    string      `json:"cta_type,omitempty"`
	URL     string      `json:"cta_url,omitempty"`
	Label   string      `json:"cta_label,omitempty"`
}

// answer checks what Intercom would not take.
func (h Health) answer() (healthJSON, error) {
	out := healthJSON{State: h.State, Message: h.Message, URL: h.URL, Label: h.Label}
	switch {
	case h == Health{}:
		return healthJSON{State: HealthUnknown}, nil
	case h.State != HealthOK && h.State != HealthUnhealthy && h.State != HealthUnknown:
		return out, fmt.Errorf("the state %.40q is none", string(h.State))
	case h.State == HealthUnhealthy && h.Message == "":
		return out, errors.New("it is unhealthy without a Message that says why")
	case (h.URL == "") != (h.Label == "") || h.Reinstall && h.URL != "":
		return out, errors.New("there is one button: Reinstall, or URL and Label")
	case len([]rune(h.Message)) > maxHealthText || len([]rune(h.URL)) > maxHealthText:
		return out, fmt.Errorf("neither Message nor URL may have more than %d characters", maxHealthText)
	}
	switch {
	case h.Reinstall:
		out.Type = "REINSTALL_CTA"
	case h.URL != "":
		out.Type = "URL_CTA"
	}
	return out, nil
}

// serveHealth answers a health check.
func (r *Receiver) serveHealth(w http.ResponseWriter, q *http.Request) (int, error) {
	body, status, err := r.read(q, false, bodySignature)
	if status != 0 {
		return status, err
	}
	id, err := workspaceIn(body, "workspace_id")
	if err != nil {
		return http.StatusBadRequest, err
	}
	h, err := r.health(q.Context(), id)
	if err != nil {
		h = healthJSON{State: HealthUnknown}
		r.report(q.Context(), Notification{Workspace: id}, &callError{fmt.Sprintf("the health of %.80q is not known: %s", string(id), untitled(err)), []error{err}})
	}
	answer, err := json.Marshal(h)
	if err != nil {
		return http.StatusInternalServerError, err
	}
	writeJSON(w, http.StatusOK, answer)
	return 0, nil
}

func (r *Receiver) health(ctx context.Context, id WorkspaceID) (answer healthJSON, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("it panicked: %s", printable(fmt.Sprint(p), 200))
		}
	}()
	r.mu.Lock()
	last := r.last[id]
	r.mu.Unlock()
	h, err := r.config.Health(ctx, id, last)
	if err != nil {
		return healthJSON{}, err
	}
	return h.answer()
}
