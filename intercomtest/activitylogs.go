package intercomtest

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// ActivityLog is something that a teammate did, as Intercom records it. The fake records nothing by itself.
type ActivityLog struct {
	ID          string
	Type        intercomrbac.ActivityType
	Description string
	// AdminID is who did it. They need not be in the workspace any more.
	AdminID   intercomrbac.AdminID // digits
	Email     string               // that of the teammate, if empty
	IP        string
	CreatedAt time.Time
	// Metadata is written as it is; nil is an empty object.
	Metadata map[string]any
}

type activity struct {
	ActivityLog
	seq int64
}

// AddActivityLog adds to what teammates did, or replaces what has that ID, and returns the id. An empty ID, Type, Description,
// AdminID, IP or time is made up.
func (s *Server) AddActivityLog(l ActivityLog) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.AdminID == "" {
		l.AdminID = s.installer().ID
	}
	mustDigits("admin id", string(l.AdminID))
	name := "Somebody"
	if a, ok := s.admins.get(l.AdminID); ok {
		name, l.Email = a.Name, cmp.Or(l.Email, a.Email)
	}
	seq := s.nextNumber("activity", 1)
	l.ID = cmp.Or(l.ID, fmt.Sprintf("fca05814-4b72-4000-8000-%012x", seq))
	l.Type = cmp.Or(l.Type, "admin_login_success")
	l.Description = cmp.Or(l.Description, fmt.Sprintf("%s did something: %s", name, l.Type))
	l.IP = cmp.Or(l.IP, "127.0.0.1")
	if l.CreatedAt.IsZero() {
		l.CreatedAt = time.Now()
	}
	s.activities.put(l.ID, activity{l, seq})
	return l.ID
}

func (a *activity) object() object {
	metadata := a.Metadata
	if metadata == nil {
		metadata = object{}
	}
	return object{
		"id": a.ID, "created_at": a.CreatedAt.Unix(), "activity_type": a.Type, "activity_description": a.Description, "metadata": metadata,
		"performed_by": object{"type": "admin", "id": string(a.AdminID), "email": a.Email, "ip": a.IP},
	}
}

// activityQuery selects a page of activities.
type activityQuery struct {
	after, before int64 // both seconds belong to it
	types         []string
}

func (s *Server) listActivityLogs(r *request) (any, error) {
	q := activityQuery{before: latestSecond}
	if r.query.Get("created_at_after") == "" {
		return nil, missing("created_at_after")
	}
	for _, end := range []struct {
		name string
		at   *int64
	}{{"created_at_after", &q.after}, {"created_at_before", &q.before}} {
		text := r.query.Get(end.name)
		if text == "" {
			continue
		}
		var err error
		if *end.at, err = strconv.ParseInt(text, 10, 64); err != nil || *end.at < 0 || *end.at > latestSecond {
			return nil, invalid(end.name, "%s must be a UNIX timestamp in seconds", end.name)
		}
	}
	return s.activityPage(r, q, r.query.Get("starting_after"), r.query.Get("page"), r.query.Get("per_page"))
}

func (s *Server) searchActivityLogs(r *request) (any, error) {
	var body struct {
		After         *int64   `json:"created_at_after"`
		Before        *int64   `json:"created_at_before"`
		Types         []string `json:"event_types"`
		Page          *int     `json:"page"`
		PerPage       *int     `json:"per_page"`
		StartingAfter string   `json:"starting_after"`
	}
	if err := r.decode(&body); err != nil {
		return nil, err
	}
	q := activityQuery{before: latestSecond, types: body.Types}
	if body.After == nil {
		return nil, missing("created_at_after")
	}
	q.after = *body.After
	if body.Before != nil {
		q.before = *body.Before
	}
	if q.after < 0 || q.after > latestSecond || q.before > latestSecond {
		return nil, invalid("created_at_after", "created_at_after and created_at_before must be UNIX timestamps in seconds")
	}
	// The URL of the next page goes before the body.
	text := func(name string, n *int) string {
		if r.query.Has(name) || n == nil {
			return r.query.Get(name)
		}
		return strconv.Itoa(*n)
	}
	return s.activityPage(r, q, body.StartingAfter, text("page", body.Page), text("per_page", body.PerPage))
}

// activityPage answers with a page of the activities, the newest first.
func (s *Server) activityPage(r *request, q activityQuery, after, number, size string) (any, error) {
	per, err := pageSize(size, 20, 250)
	if err != nil {
		return nil, err
	}
	from, err := parseCursor(after)
	if err != nil {
		return nil, err
	}
	var all []*activity
	for _, a := range s.activities.items {
		at := a.CreatedAt.Unix()
		if at >= q.after && at <= q.before && (len(q.types) == 0 || slices.Contains(q.types, string(a.Type))) {
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b *activity) int {
		return cmp.Or(cmp.Compare(b.CreatedAt.Unix(), a.CreatedAt.Unix()), cmp.Compare(b.seq, a.seq))
	})
	start := 0
	switch {
	case after != "":
		start = slices.IndexFunc(all, func(a *activity) bool { return from.after(a.CreatedAt.Unix(), -a.seq, true) })
		if start < 0 {
			start = len(all)
		}
	case number != "":
		n, err := strconv.Atoi(number)
		if err != nil || n < 1 {
			return nil, invalid("page", "page must be a positive number")
		}
		from.Page, start = n, len(all)
		if n <= len(all)/per+1 {
			start = min((n-1)*per, len(all))
		}
	}
	end := min(start+per, len(all))
	items := make([]object, 0, end-start)
	for _, a := range all[start:end] {
		items = append(items, a.object())
	}
	pages := object{"type": "pages", "next": nil, "page": from.Page, "per_page": per, "total_pages": (len(all) + per - 1) / per}
	if end < len(all) {
		pages["next"] = s.nextActivities(r, all[end-1], from.Page+1, per)
	}
	return object{"type": "activity_log.list", "pages": pages, "activity_logs": items}, nil
}

// nextActivities is a URL with the number of the next page, as Intercom answers, or a cursor, as it describes the answer.
func (s *Server) nextActivities(r *request, last *activity, page, per int) any {
	if !s.urlCursors {
		return object{"per_page": per, "starting_after": cursor{Key: last.CreatedAt.Unix(), Seq: -last.seq, Page: page}.String()}
	}
	q := maps.Clone(r.query)
	q.Del("starting_after")
	q.Set("page", strconv.Itoa(page))
	q.Set("per_page", strconv.Itoa(per))
	return r.base + r.path + "?" + q.Encode()
}

func (s *Server) listActivityEventTypes(*request) (any, error) {
	return object{"type": "activity_log_event_type.list", "event_types": activityEventTypes}, nil
}

// activityEventTypes are those that Intercom lists (example of operation listActivityLogEventTypes).
var activityEventTypes = strings.Fields(`
	admin_conversation_assignment_limit_change admin_ticket_assignment_limit_change admin_avatar_change
	admin_away_mode_change admin_deletion admin_deprovisioned admin_impersonation_end admin_impersonation_start
	admin_invite_change admin_invite_creation admin_invite_deletion admin_login_failure admin_login_success admin_logout
	admin_occupancy_setting_change admin_occupancy_state_change admin_password_reset_request admin_password_reset_success
	admin_permission_change admin_provisioned admin_two_factor_auth_change admin_unauthorized_sign_in_method
	app_admin_join app_authentication_method_change app_data_deletion app_data_export app_google_sso_domain_change
	app_identity_verification_change app_name_change app_outbound_address_change app_package_installation
	app_package_token_regeneration app_package_uninstallation app_team_creation app_team_deletion
	app_team_membership_modification app_timezone_change app_webhook_creation app_webhook_deletion
	articles_in_messenger_enabled_change bulk_delete bulk_export campaign_deletion campaign_state_change
	conversation_part_deletion conversation_pdf_export conversation_topic_change conversation_topic_creation
	conversation_topic_deletion help_center_settings_change inbound_conversations_change inbox_access_change
	message_deletion message_state_change messenger_look_and_feel_change messenger_search_required_change
	messenger_spaces_change office_hours_change role_change role_creation role_deletion ruleset_activation_title_preview
	ruleset_creation ruleset_deletion search_browse_enabled_change search_browse_required_change seat_change seat_revoke
	security_settings_change temporary_expectation_change upfront_email_collection_change welcome_message_change
	hide_csat_from_agents_setting_change
`)
