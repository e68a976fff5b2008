package intercomrbac

// ActivityType says what kind of activity it was, such as "role_change". It is an open string: Intercom sends types that are
// in no list.
type ActivityType string

// Risk grades activities for those who review them.
type Risk string

// Grades of risk, the highest first.
const (
	// RiskHigh is what changes who may do what and who gets in as whom (roles, permissions, teammates, their seats and teams,
	// sign-in, impersonation, tokens, apps), what takes data out or away (exports, deletions), and what guards either.
	RiskHigh Risk = "high"
	// RiskMedium is what changes who works where and what customers get to see (teams, rules, campaigns, content), what brings
	// data in, and attempts to sign in that failed.
	RiskMedium Risk = "medium"
	// RiskLow is daily work and looks.
	RiskLow Risk = "low"
	// RiskReview is what this package does not know. Take it for high until somebody has looked.
	RiskReview Risk = "review"
)

// Risk grades an activity of that type; it is never empty. The grades are this package's, not Intercom's. All types that
// Intercom describes for API 2.16 are graded (operation listActivityLogs, schema activity_log), and some that it sends and does
// not describe; the rest is RiskReview.
func (t ActivityType) Risk() Risk {
	switch t {
	case "admin_deletion", "admin_deprovisioned", "admin_invite_change", "admin_invite_creation", "admin_invite_deletion",
		"admin_permission_change", "admin_provisioned", "app_admin_join", "inbox_access_change",
		"role_change", "role_creation", "role_deletion", "seat_change", "seat_revoke",
		"app_team_membership_modification", // a team can carry a role, see RoleMap

		"admin_impersonation_consent_approved", "admin_impersonation_consent_revoked", "admin_impersonation_end",
		"admin_impersonation_start", "admin_password_reset_success", "admin_two_factor_auth_change",
		"admin_unauthorized_sign_in_method", "app_authentication_method_change", "app_google_sso_domain_change",
		"app_identity_verification_change", "malicious_domains_setting_change", "security_settings_change",
		"trusted_domains_setting_change",

		"app_package_installation", "app_package_token_regeneration", "app_package_uninstallation", "app_webhook_creation",
		"app_webhook_deletion", "custom_authentication_token_creation", "messenger_api_secret_creation",
		"messenger_api_secret_deletion", "oauth_token_revocation",

		"app_data_deletion", "app_data_export", "bulk_delete", "bulk_export", "content_redaction_rule_creation",
		"content_redaction_rule_deletion", "content_redaction_rule_update", "conversation_deletion_schedule_creation",
		"conversation_deletion_schedule_deletion", "conversation_deletion_schedule_state_change",
		"conversation_deletion_schedule_update", "conversation_part_deletion", "conversation_pdf_export", "macro_usage_export",
		"workspace_deletion_request":
		return RiskHigh

	case "admin_login_failure", "admin_password_reset_request", "app_outbound_address_change", "app_team_creation",
		"app_team_deletion", "team_assignment_limit_change", "ai_inbox_translation_setting_change",
		"allowed_attachment_filetypes_setting_change", "campaign_deletion", "campaign_state_change", "csv_import_completion",
		"csv_import_creation", "help_center_settings_change", "inbound_conversations_change", "macro_creation", "macro_deletion",
		"macro_update", "message_deletion", "message_state_change", "ruleset_activation_title_preview", "ruleset_creation",
		"ruleset_deletion", "series_creation", "series_deletion", "series_settings_update", "series_status_change", "series_update",
		"strip_inbound_email_links_change", "upfront_email_collection_change", "user_conversation_attachments_setting_change",
		"user_file_attachments_setting_change":
		return RiskMedium

	case "admin_assignment_limit_change", "admin_avatar_change", "admin_away_mode_change", "admin_channel_change",
		"admin_conversation_assignment_limit_change", "admin_login_success", "admin_logout",
		"admin_occupancy_setting_change", "admin_occupancy_state_change",
		"admin_ticket_assignment_limit_change", "app_name_change", "app_timezone_change",
		"articles_in_messenger_enabled_change", "attach_uploads_inline_setting_change", "automatic_away_mode_setting_change",
		"conversation_topic_change", "conversation_topic_creation", "conversation_topic_deletion",
		"hide_csat_from_agents_setting_change", "messenger_look_and_feel_change", "messenger_search_required_change",
		"messenger_spaces_change", "office_hours_change", "search_browse_enabled_change", "search_browse_required_change",
		"teammate_gifs_setting_change", "temporary_expectation_change", "unassign_unsnoozed_at_capacity_setting_change",
		"unassign_unsnoozed_when_away_setting_change", "user_camera_attachments_setting_change", "user_gifs_setting_change",
		"user_media_attachments_setting_change", "user_voice_notes_setting_change", "welcome_message_change":
		return RiskLow
	}
	return RiskReview
}
