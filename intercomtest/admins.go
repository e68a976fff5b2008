package intercomtest

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"

	"github.com/intercomrbac/intercomrbac"
)

// Admin is a teammate.
type Admin struct {
	ID        intercomrbac.AdminID // digits
	Name      string
	Email     string
	JobTitle  string
	AvatarURL string
	// RoleID and RoleName are the role in Intercom; both empty: the teammate has permissions of their own and no role.
	RoleID   string
	RoleName string

	Away         bool
	AwayReassign bool
	AwayReasonID intercomrbac.AwayReasonID
	// NoInboxSeat takes away the right to act in conversations.
	NoInboxSeat bool
	// EmailUnverified makes GET /me say that the address is not verified.
	EmailUnverified bool
	// TeamIDs are the teams the teammate is in. Team.AdminIDs follows it, and it follows that.
	TeamIDs []intercomrbac.TeamID
}

// AwayReason is a reason for being away.
type AwayReason struct {
	ID      intercomrbac.AwayReasonID // digits
	Label   string
	Emoji   string
	Deleted bool
}

// membership is a teammate's place in a team. Either may be added to the workspace before the other.
type membership struct {
	admin intercomrbac.AdminID
	team  intercomrbac.TeamID
}

// AddAdmin adds a teammate, or replaces the one with that ID. An empty ID, Name or Email is made up; so is the RoleID
// of a RoleName, the same for the same name. A new teammate is in the teams of TeamIDs and in those that list them; a
// replaced one is in the teams of TeamIDs alone.
func (s *Server) AddAdmin(a Admin) intercomrbac.AdminID {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.admins.items) + 1
	a.ID = freeID(s, &s.admins, a.ID, "admin", 991267459)
	mustDigits("admin id", string(a.ID))
	mustDigitsOrEmpty("away reason id", string(a.AwayReasonID))
	a.Name = cmp.Or(a.Name, fmt.Sprintf("Admin %d", n))
	a.Email = cmp.Or(a.Email, fmt.Sprintf("admin%d@example.com", n))
	if a.RoleID == "" && a.RoleName != "" {
		if s.roleIDs[a.RoleName] == "" {
			s.roleIDs[a.RoleName] = strconv.FormatInt(s.nextNumber("role", 5401), 10)
		}
		a.RoleID = s.roleIDs[a.RoleName]
	}
	if _, replaced := s.admins.get(a.ID); replaced {
		s.members = slices.DeleteFunc(s.members, func(m membership) bool { return m.admin == a.ID })
	}
	for _, t := range a.TeamIDs {
		mustDigits("team id", string(t))
		s.join(membership{a.ID, t})
	}
	a.TeamIDs = nil
	s.admins.put(a.ID, a)
	return a.ID
}

// RemoveAdmin takes the teammate out of the workspace and its teams. Conversations stay assigned to them.
func (s *Server) RemoveAdmin(id intercomrbac.AdminID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admins.remove(id)
	s.members = slices.DeleteFunc(s.members, func(m membership) bool { return m.admin == id })
}

// Admin returns the teammate as they are now, and whether there is one.
func (s *Server) Admin(id intercomrbac.AdminID) (Admin, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.admins.get(id)
	if !ok {
		return Admin{}, false
	}
	snapshot := *a
	snapshot.TeamIDs = s.teamsOf(id)
	return snapshot, true
}

// SetMe chooses the teammate that GET /me shows. Without it that is the first one.
func (s *Server) SetMe(id intercomrbac.AdminID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.me = id
}

// AddAwayReason adds a reason for being away, or replaces the one with that ID. An empty ID or Label is made up.
func (s *Server) AddAwayReason(r AwayReason) intercomrbac.AwayReasonID {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.ID = freeID(s, &s.awayReasons, r.ID, "away reason", 12345)
	mustDigits("away reason id", string(r.ID))
	r.Label = cmp.Or(r.Label, fmt.Sprintf("Reason %d", len(s.awayReasons.items)+1))
	s.awayReasons.put(r.ID, r)
	return r.ID
}

// RequireAwayReasons makes a reason mandatory for whoever goes away.
func (s *Server) RequireAwayReasons(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasonRequired = on
}

// mustDigits panics on an id that could not be written as a JSON number.
func mustDigits(what, id string) {
	if !digits(id) || id[0] == '0' {
		panic(fmt.Sprintf("intercomtest: %s %q: Intercom's are digits, the first not 0", what, id))
	}
}

func mustDigitsOrEmpty(what, id string) {
	if id != "" {
		mustDigits(what, id)
	}
}

func (s *Server) join(m membership) {
	if !slices.Contains(s.members, m) {
		s.members = append(s.members, m)
	}
}

// teamsOf returns the teams of the workspace that the teammate is in.
func (s *Server) teamsOf(id intercomrbac.AdminID) []intercomrbac.TeamID {
	var ids []intercomrbac.TeamID
	for _, m := range s.members {
		if _, ok := s.teams.get(m.team); ok && m.admin == id {
			ids = append(ids, m.team)
		}
	}
	return ids
}

func (s *Server) adminJSON(a *Admin) object {
	o := object{
		"type": "admin", "id": string(a.ID), "name": a.Name, "email": a.Email,
		"away_mode_enabled": a.Away, "away_mode_reassign": a.AwayReassign, "away_status_reason_id": nil,
		"has_inbox_seat": !a.NoInboxSeat, "team_ids": numbers(s.teamsOf(a.ID)), "avatar": orNull(a.AvatarURL),
		"team_priority_level": nil, "role": nil,
	}
	if a.JobTitle != "" {
		o["job_title"] = a.JobTitle
	}
	if a.AwayReasonID != "" {
		o["away_status_reason_id"] = number(a.AwayReasonID)
	}
	if a.RoleID != "" {
		o["role"] = object{"type": "role", "id": a.RoleID, "name": a.RoleName}
	}
	return o
}

// installer is the teammate who made the tokens, or makes them.
func (s *Server) installer() *Admin {
	if a, ok := s.admins.get(s.me); ok {
		return a
	}
	if len(s.admins.items) > 0 {
		return s.admins.items[0]
	}
	return &Admin{ID: "991267000", Name: "Fake Owner", Email: "owner@example.com"}
}

// identify answers GET /me, which has no role and another avatar than the rest.
func (s *Server) identify(*request) (any, error) {
	a := s.installer()
	o := s.adminJSON(a)
	delete(o, "role")
	delete(o, "team_priority_level")
	delete(o, "away_status_reason_id")
	o["avatar"] = object{"type": "avatar", "image_url": orNull(a.AvatarURL)}
	o["email_verified"] = !a.EmailUnverified
	o["app"] = object{
		"type": "app", "id_code": string(s.workspace.ID), "name": s.workspace.Name, "region": s.workspace.Region,
		"timezone": s.workspace.Timezone, "created_at": s.workspace.CreatedAt.Unix(), "identity_verification": false,
	}
	return o, nil
}

func (s *Server) listAdmins(*request) (any, error) {
	list := make([]object, 0, len(s.admins.items))
	for _, a := range s.admins.items {
		list = append(list, s.adminJSON(a))
	}
	return object{"type": "admin.list", "admins": list}, nil
}

var errAdminNotFound = fail(http.StatusNotFound, "admin_not_found", "Admin not found")

func (s *Server) getAdmin(r *request) (any, error) {
	a, ok := s.admins.get(intercomrbac.AdminID(r.args["admin_id"]))
	if !ok {
		return nil, errAdminNotFound
	}
	return s.adminJSON(a), nil
}

func (s *Server) setAway(r *request) (any, error) {
	var body struct {
		Enabled  *bool  `json:"away_mode_enabled"`
		Reassign *bool  `json:"away_mode_reassign"`
		Reason   wireID `json:"away_status_reason_id"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	a, ok := s.admins.get(intercomrbac.AdminID(r.args["admin_id"]))
	switch {
	case !ok:
		return nil, fail(http.StatusNotFound, "admin_not_found", "Admin for admin_id not found")
	case a.NoInboxSeat:
		return nil, errNoSeat
	case body.Enabled == nil:
		return nil, missing("away_mode_enabled")
	case body.Reassign == nil:
		return nil, missing("away_mode_reassign")
	}
	reason, known := s.awayReasons.get(intercomrbac.AwayReasonID(body.Reason))
	switch {
	case !*body.Enabled:
		body.Reason = ""
	case body.Reason == "" && s.reasonRequired:
		return nil, fail(http.StatusBadRequest, "away_status_reason_mandatory", "Away status reason is mandatory")
	case body.Reason == "":
	case !known:
		return nil, invalid("", "Away status reason not found")
	case reason.Deleted:
		return nil, invalid("", "Away status reason is deleted")
	}
	a.Away, a.AwayReassign, a.AwayReasonID = *body.Enabled, *body.Reassign, intercomrbac.AwayReasonID(body.Reason)
	return s.adminJSON(a), nil
}

func (s *Server) listAwayReasons(*request) (any, error) {
	list := make([]object, 0, len(s.awayReasons.items))
	for i, reason := range s.awayReasons.items {
		list = append(list, object{
			"type": "away_status_reason", "id": string(reason.ID), "label": reason.Label, "emoji": reason.Emoji,
			"order": i, "deleted": reason.Deleted,
			"created_at": s.workspace.CreatedAt.Unix(), "updated_at": s.workspace.CreatedAt.Unix(),
		})
	}
	return object{"type": "list", "data": list}, nil
}

var errNoSeat = fail(http.StatusForbidden, "action_forbidden", "This admin does not have Inbox access permissions")

// acting finds the teammate in whose name a conversation is changed.
func (s *Server) acting(id wireID) (*Admin, error) {
	if id == "" {
		return nil, missing("admin_id")
	}
	a, ok := s.admins.get(intercomrbac.AdminID(id))
	switch {
	case !ok:
		return nil, errAdminNotFound
	case a.NoInboxSeat:
		return nil, errNoSeat
	}
	return a, nil
}
