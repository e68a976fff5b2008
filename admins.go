package intercomrbac

import (
	"context"
	"encoding/json"
	"errors"
)

var (
	opAdminsList = Operation{
		Name: "admins.list", ID: "listAdmins", Method: "GET", Path: "/admins",
		Scope: ScopeReadAdmins, Permission: AdminsRead, Resource: "admin", Effect: Read, Repeatable: true,
	}
	opAdminsGet = Operation{
		Name: "admins.get", ID: "retrieveAdmin", Method: "GET", Path: "/admins/{admin_id}",
		Scope: ScopeReadAdmins, Permission: AdminsRead, Resource: "admin", ResourceArg: "admin_id", Effect: Read, Repeatable: true,
	}
	opAdminsMe = Operation{
		Name: "admins.me", ID: "identifyAdmin", Method: "GET", Path: "/me",
		Scope: ScopeReadOneAdmin, Permission: AdminsRead, Resource: "admin", Effect: Read, Repeatable: true,
	}
	opAdminsSetAway = Operation{
		Name: "admins.set_away", ID: "setAwayAdmin", Method: "PUT", Path: "/admins/{admin_id}/away",
		Scope: ScopeUpdateAdmins, Permission: AdminsWrite, Resource: "admin", ResourceArg: "admin_id", Effect: Write, Repeatable: true,
	}
	opAdminsAwayReasons = Operation{
		Name: "admins.away_reasons", ID: "listAwayStatusReasons", Method: "GET", Path: "/away_status_reasons",
		Scope: ScopeReadAdmins, Permission: AdminsRead, Resource: "away_reason", Effect: Read, Repeatable: true,
	}
)

// AdminsService is about the teammates of the workspace. It is safe for concurrent use.
type AdminsService struct{ c *Client }

// Admin is a teammate, as Intercom sees them.
type Admin struct {
	Type     string  `json:"type"`
	ID       AdminID `json:"id"`
	Name     string  `json:"name"`
	Email    string  `json:"email"`
	JobTitle string  `json:"job_title"`
	// AwayModeEnabled: the teammate is away.
	AwayModeEnabled bool `json:"away_mode_enabled"`
	// AwayModeReassign: new replies go to the default inbox while they are away.
	AwayModeReassign bool         `json:"away_mode_reassign"`
	AwayReasonID     AwayReasonID `json:"away_status_reason_id"`
	// HasInboxSeat: without one Intercom refuses to let the teammate act on conversations.
	HasInboxSeat      bool               `json:"has_inbox_seat"`
	TeamIDs           []TeamID           `json:"team_ids"`
	Avatar            Avatar             `json:"avatar"`
	TeamPriorityLevel *TeamPriorityLevel `json:"team_priority_level"`
	// Role is nil where the teammate has individual permissions, on GET /me, and before API version 2.16.
	Role *AdminRole `json:"role"`
}

// AdminRole is the role that a teammate holds in Intercom. Its name is free text in any language, which whoever
// manages roles there can change: recognise a role by its id. It says nothing about what the role may do.
type AdminRole struct {
	Type string `json:"type"`
	ID   ID     `json:"id"`
	Name string `json:"name"`
}

// TeamPriorityLevel tells the teams that a teammate works for first and second.
type TeamPriorityLevel struct {
	PrimaryTeamIDs   []TeamID `json:"primary_team_ids"`
	SecondaryTeamIDs []TeamID `json:"secondary_team_ids"`
}

// Avatar is the URL of a picture; empty if there is none. It decodes from a URL, from an object with image_url, and
// from null, for Intercom sends all three.
type Avatar string

// UnmarshalJSON accepts what the type's comment lists.
func (a *Avatar) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(a))
	}
	var object struct {
		ImageURL string `json:"image_url"`
	}
	if err := json.Unmarshal(b, &object); err != nil {
		return errors.New("intercomrbac: an avatar is a URL, an object with image_url, or null")
	}
	*a = Avatar(object.ImageURL)
	return nil
}

// Me is the teammate that the token stands for, with the workspace it belongs to.
type Me struct {
	Admin
	// EmailVerified: sign nobody in by Email unless this is true, for anyone can put another person's address
	// into a workspace of their own.
	EmailVerified bool `json:"email_verified"`
	// App is the workspace.
	App App `json:"app"`
}

// App is what GET /me tells of the workspace.
type App struct {
	Type string `json:"type"`
	// ID is the workspace's id: app_id in notifications, workspace_id of contacts.
	ID                   WorkspaceID `json:"id_code"`
	Name                 string      `json:"name"`
	Region               Region      `json:"region"`
	Timezone             string      `json:"timezone"`
	CreatedAt            Timestamp   `json:"created_at"`
	IdentityVerification bool        `json:"identity_verification"`
}

// AwayReason is a reason for being away that the workspace has set up.
type AwayReason struct {
	Type  string       `json:"type"`
	ID    AwayReasonID `json:"id"`
	Label string       `json:"label"`
	Emoji string       `json:"emoji"`
	Order int          `json:"order"`
	// Deleted: it can no longer be chosen.
	Deleted   bool      `json:"deleted"`
	CreatedAt Timestamp `json:"created_at"`
	UpdatedAt Timestamp `json:"updated_at"`
}

// List returns all teammates; Intercom does not page them. Teams are not among them: see [TeamsService.List].
// Operation admins.list (listAdmins).
func (s *AdminsService) List(ctx context.Context) ([]Admin, error) {
	out, err := do[unpaged[Admin]](ctx, s.c, call{op: opAdminsList})
	if out == nil {
		return nil, err
	}
	return out.Admins, err
}

// Get returns one teammate. It is ErrAdminNotFound if they left the workspace. Operation admins.get (retrieveAdmin).
func (s *AdminsService) Get(ctx context.Context, id AdminID) (*Admin, error) {
	return do[Admin](ctx, s.c, call{op: opAdminsGet, args: []string{string(id)}})
}

// Me returns the teammate that the token stands for, and the workspace. Operation admins.me (identifyAdmin).
func (s *AdminsService) Me(ctx context.Context) (*Me, error) {
	return do[Me](ctx, s.c, call{op: opAdminsMe})
}

// SetAwayParams says how a teammate is away. The zero value makes them available.
type SetAwayParams struct {
	// Away switches the away mode on.
	Away bool `json:"away_mode_enabled"`
	// Reassign sends new replies to the default inbox in the meantime.
	Reassign bool `json:"away_mode_reassign"`
	// Reason is one of those that AwayReasons lists. A workspace can make it mandatory.
	Reason AwayReasonID `json:"-"`
}

// SetAway makes a teammate away or available, and returns them as they are then. Operation admins.set_away
// (setAwayAdmin).
func (s *AdminsService) SetAway(ctx context.Context, id AdminID, params SetAwayParams) (*Admin, error) {
	if params.Reason != "" && !isNumber(params.Reason) {
		return nil, invalid(opAdminsSetAway, "%.40q is no away reason id: they are digits (list the away reasons)", string(params.Reason))
	}
	body := struct {
		SetAwayParams
		Reason json.Number `json:"away_status_reason_id,omitempty"`
	}{params, json.Number(params.Reason)}
	return do[Admin](ctx, s.c, call{op: opAdminsSetAway, args: []string{string(id)}, body: body})
}

// AwayReasons returns the reasons for being away, deleted ones included. Operation admins.away_reasons
// (listAwayStatusReasons).
func (s *AdminsService) AwayReasons(ctx context.Context) ([]AwayReason, error) {
	out, err := do[unpaged[AwayReason]](ctx, s.c, call{op: opAdminsAwayReasons})
	if out == nil {
		return nil, err
	}
	return out.Data, err
}
