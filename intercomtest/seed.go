package intercomtest

import (
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Seeded names what [Server.Seed] put into the workspace.
type Seeded struct {
	Owner   intercomrbac.AdminID // Olivia Okafor, role Owner
	Manager intercomrbac.AdminID // Marcus Lindqvist, role Manager, in Billing and Technical Support
	Agent   intercomrbac.AdminID // Aiko Tanaka, role Support Agent, in Billing
	Away    intercomrbac.AdminID // Ravi Menon, role Support Agent, in Technical Support, away at lunch

	Billing   intercomrbac.TeamID
	Technical intercomrbac.TeamID
	Sales     intercomrbac.TeamID

	// Contacts are six: five users with the external ids "customer-1" to "customer-5", and a lead.
	Contacts []intercomrbac.ContactID
	// Conversations are twelve, the oldest first.
	Conversations []intercomrbac.ConversationID

	VIP    intercomrbac.TagID
	Refund intercomrbac.TagID
	Bug    intercomrbac.TagID

	Lunch intercomrbac.AwayReasonID

	// Collections are three: "Billing", "Refunds" within it, and "Getting started".
	Collections []intercomrbac.CollectionID
	// Articles are four: one by the manager, one by the agent, a draft by the agent, and one by the owner that stands alone.
	Articles []intercomrbac.ArticleID
}

// Seed fills an empty workspace with a small support desk, the same each time but for the times, which are those of
// the last few days.
func (s *Server) Seed() Seeded {
	now := time.Now().Truncate(time.Second)
	ago := func(hours int) time.Time { return now.Add(-time.Duration(hours) * time.Hour) }

	var out Seeded
	out.Billing = s.AddTeam(Team{ID: "814865", Name: "Billing", DistributionMethod: "round_robin"})
	out.Technical = s.AddTeam(Team{ID: "814866", Name: "Technical Support", DistributionMethod: "balanced", AssignmentLimit: 10})
	out.Sales = s.AddTeam(Team{ID: "814867", Name: "Sales", DistributionMethod: "manual"})
	out.Lunch = s.AddAwayReason(AwayReason{ID: "12345", Label: "On lunch", Emoji: "🍽️"})
	s.AddAwayReason(AwayReason{ID: "12346", Label: "In a meeting", Emoji: "📅"})
	s.AddAwayReason(AwayReason{ID: "12347", Label: "Moving desks", Emoji: "📦", Deleted: true})
	out.Owner = s.AddAdmin(Admin{
		ID: "991267459", Name: "Olivia Okafor", Email: "olivia@example.com", JobTitle: "Founder",
		RoleID: "5401", RoleName: "Owner", TeamIDs: []intercomrbac.TeamID{out.Sales},
	})
	out.Manager = s.AddAdmin(Admin{
		ID: "991267460", Name: "Marcus Lindqvist", Email: "marcus@example.com", JobTitle: "Head of Support",
		RoleID: "5402", RoleName: "Manager", TeamIDs: []intercomrbac.TeamID{out.Billing, out.Technical},
	})
	out.Agent = s.AddAdmin(Admin{
		ID: "991267461", Name: "Aiko Tanaka", Email: "aiko@example.com", JobTitle: "Support Specialist",
		RoleID: "5403", RoleName: "Support Agent", TeamIDs: []intercomrbac.TeamID{out.Billing},
	})
	out.Away = s.AddAdmin(Admin{
		ID: "991267462", Name: "Ravi Menon", Email: "ravi@example.com", JobTitle: "Support Engineer",
		RoleID: "5403", RoleName: "Support Agent", TeamIDs: []intercomrbac.TeamID{out.Technical},
		Away: true, AwayReassign: true, AwayReasonID: out.Lunch,
	})
	out.VIP = s.AddTag(Tag{ID: "7522907", Name: "VIP"})
	out.Refund = s.AddTag(Tag{ID: "7522908", Name: "Refund"})
	out.Bug = s.AddTag(Tag{ID: "7522909", Name: "Bug"})

	for i, c := range []Contact{
		{ID: "6762f0f31bb69f9f2193bb8b", ExternalID: "customer-1", Name: "Grace Adeyemi", Email: "grace@customer.example"},
		{ID: "6762f0f31bb69f9f2193bb8c", ExternalID: "customer-2", Name: "Jonas Weber", Email: "jonas@customer.example"},
		{ID: "6762f0f31bb69f9f2193bb8d", ExternalID: "customer-3", Name: "Lucía Fernández", Email: "lucia@customer.example"},
		{ID: "6762f0f31bb69f9f2193bb8e", ExternalID: "customer-4", Name: "Tomasz Nowak", Email: "tomasz@customer.example"},
		{ID: "6762f0f31bb69f9f2193bb8f", ExternalID: "customer-5", Name: "Mei Chen", Email: "mei@customer.example"},
		{ID: "6762f0f31bb69f9f2193bb90", Role: "lead", Name: "Curious Visitor"},
	} {
		c.CreatedAt = ago(24 * (30 - i))
		out.Contacts = append(out.Contacts, s.AddContact(c))
	}

	answer := func(by intercomrbac.AdminID, text string, hours int) []Part {
		return []Part{{Type: "comment", Body: text, AuthorType: "admin", AuthorID: string(by), CreatedAt: ago(hours)}}
	}
	for i, c := range []Conversation{
		{
			Title: "Charged twice", Body: "I was charged twice for March.", State: "closed", TeamAssigneeID: out.Billing,
			AdminAssigneeID: out.Agent, TagIDs: []intercomrbac.TagID{out.Refund}, Read: true,
			Parts: answer(out.Agent, "The second charge is on its way back to you.", 90),
		},
		{Title: "Where is my invoice?", Body: "I cannot find the invoice for April.", TeamAssigneeID: out.Billing, AdminAssigneeID: out.Agent},
		{Title: "Change of plan", Body: "How do I move to the yearly plan?", TeamAssigneeID: out.Billing, Priority: "low"},
		{
			Title: "Login fails", Body: "I get an error when I sign in.", TeamAssigneeID: out.Technical, AdminAssigneeID: out.Away,
			Priority: "high", TagIDs: []intercomrbac.TagID{out.Bug}, Parts: answer(out.Away, "Which browser is it?", 50),
		},
		{
			Title: "Export is slow", Body: "The export takes an hour.", State: "snoozed", SnoozedUntil: now.Add(48 * time.Hour),
			TeamAssigneeID: out.Technical, AdminAssigneeID: out.Manager, CustomAttributes: map[string]any{"ticket": "ENG-204"},
		},
		{Title: "Webhooks stopped", Body: "No webhook has arrived since noon.", TeamAssigneeID: out.Technical, Priority: "urgent"},
		{Title: "Quote for 200 seats", Body: "Can you send me a quote for 200 seats?", TeamAssigneeID: out.Sales, AdminAssigneeID: out.Owner},
		{Title: "Do you have an API?", Body: "Do you have an API, and what does it cost?", TeamAssigneeID: out.Sales},
		{
			Title: "Refund please", Body: "We cancelled last week and were still billed.", TeamAssigneeID: out.Billing,
			TagIDs: []intercomrbac.TagID{out.Refund, out.VIP}, Priority: "high",
		},
		{Title: "Password reset", Body: "The mail with the link never comes.", State: "closed", TeamAssigneeID: out.Technical, Read: true},
		{Body: "Hello, is anybody there?"},
		{Title: "Feature request", Body: "Please add a dark mode.", Priority: "low", CustomAttributes: map[string]any{"product": "web"}},
	} {
		c.ContactIDs = []intercomrbac.ContactID{out.Contacts[i%len(out.Contacts)]}
		c.CreatedAt = ago(96 - 8*i)
		c.WaitingSince = c.CreatedAt
		if len(c.Parts) > 0 || c.State == "closed" {
			c.WaitingSince = time.Time{}
		}
		out.Conversations = append(out.Conversations, s.AddConversation(c))
	}
	s.AddEvent(Event{Name: "placed-order", ContactID: out.Contacts[0], CreatedAt: ago(20), Metadata: map[string]any{"order": "A-1001"}})
	s.AddEvent(Event{Name: "invited-colleague", ContactID: out.Contacts[0], CreatedAt: ago(10)})
	for _, l := range []ActivityLog{
		{
			Type: "app_name_change", AdminID: out.Owner, CreatedAt: ago(72), Description: "Olivia Okafor changed your app name from Workspace to Fake Workspace.",
			Metadata: map[string]any{"before": "Workspace", "after": "Fake Workspace"},
		},
		{
			Type: "role_change", AdminID: out.Owner, CreatedAt: ago(30), IP: "203.0.113.10", Description: "Olivia Okafor changed the role Manager.",
			Metadata: map[string]any{"before": map[string]any{"export_data": false}, "after": map[string]any{"export_data": true}},
		},
		{
			Type: "admin_login_success", AdminID: out.Manager, CreatedAt: ago(9), IP: "203.0.113.11", Description: "Marcus Lindqvist logged in.",
			Metadata: map[string]any{"sign_in_method": "email_password"},
		},
		{
			Type: "admin_away_mode_change", AdminID: out.Away, CreatedAt: ago(8), IP: "203.0.113.12", Description: "Ravi Menon went away.",
			Metadata: map[string]any{"away_mode": true, "away_status_reason": "🍽️ On lunch", "reassign_conversations": true},
		},
		{
			Type: "bulk_export", AdminID: out.Manager, CreatedAt: ago(7), IP: "203.0.113.11", Description: "Marcus Lindqvist exported users.",
		},
	} {
		s.AddActivityLog(l)
	}
	for i, c := range []Collection{
		{ID: "159", Name: "Billing", Description: "Invoices and payments"},
		{ID: "160", Name: "Refunds", ParentID: "159"},
		{ID: "161", Name: "Getting started"},
	} {
		c.CreatedAt = ago(24 * (20 - i))
		out.Collections = append(out.Collections, s.AddCollection(c))
	}
	for i, a := range []Article{
		{
			ID: "39", Title: "How refunds work", Description: "What we pay back, and when", AuthorID: out.Manager, State: "published",
			Body: "<p>A refund takes five days.</p>", ParentIDs: []intercomrbac.CollectionID{"160"}, Views: 120, Conversations: 3,
		},
		{
			ID: "40", Title: "Reset your password", AuthorID: out.Agent, State: "published", Body: "<p>Ask for a link on the sign-in page.</p>",
			ParentIDs: []intercomrbac.CollectionID{"161"}, Views: 340, Conversations: 12,
		},
		{
			ID: "41", Title: "Refunds for yearly plans", AuthorID: out.Agent, Body: "<p>To be agreed with Finance.</p>",
			ParentIDs: []intercomrbac.CollectionID{"160"},
		},
		{ID: "42", Title: "Contact us", AuthorID: out.Owner, State: "published", Body: "<p>We answer within a day.</p>", Views: 75},
	} {
		a.CreatedAt = ago(24 * (10 - i))
		out.Articles = append(out.Articles, s.AddArticle(a))
	}
	return out
}
