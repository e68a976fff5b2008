package intercomrbac

import "encoding/json"

// ArticleState tells whether an article can be read in the help center. It is an open string.
type ArticleState string

// States of an article.
const (
	ArticlePublished ArticleState = "published"
	ArticleDraft     ArticleState = "draft"
	ArticleAnyState  ArticleState = "all" // of a search: either of them
)

// Article is an article of the help center. Where that has several languages, what is not in TranslatedContent is of the
// default one.
type Article struct {
	Type         string       `json:"type"`
	ID           ArticleID    `json:"id"`
	WorkspaceID  WorkspaceID  `json:"workspace_id"`
	Title        string       `json:"title"`
	Description  string       `json:"description"`
	Body         string       `json:"body"` // HTML
	BodyMarkdown string       `json:"body_markdown"`
	AuthorID     AdminID      `json:"author_id"`
	CreatedByID  AdminID      `json:"created_by_id"` // who wrote it, in whoever's name
	UpdatedByID  AdminID      `json:"updated_by_id"` // who changed it last
	State        ArticleState `json:"state"`
	CreatedAt    Timestamp    `json:"created_at"`
	UpdatedAt    Timestamp    `json:"updated_at"`
	// HasUnpublishedChanges says that it is published and a draft of changes is pending.
	HasUnpublishedChanges bool      `json:"has_unpublished_changes"`
	DraftUpdatedAt        Timestamp `json:"draft_updated_at"` // zero where there is no such draft
	ScheduledPublishAt    Timestamp `json:"scheduled_publish_at"`
	ScheduledUnpublishAt  Timestamp `json:"scheduled_unpublish_at"`
	URL                   string    `json:"url"` // empty for a draft
	// ParentIDs are the collections that it is in; none where it stands alone.
	ParentIDs []CollectionID `json:"parent_ids"`
	// HelpCenterAudience says who can read it there: "everyone", "all_users", "restricted" and others; an open string.
	HelpCenterAudience            string          `json:"help_center_audience"`
	AudienceIDs                   json.RawMessage `json:"audience_ids,omitempty"` // as sent
	AIChatbotAvailability         bool            `json:"ai_chatbot_availability"`
	AICopilotAvailability         bool            `json:"ai_copilot_availability"`
	AISalesAgentAvailability      bool            `json:"ai_sales_agent_availability"`
	ExcludeFromArticleSuggestions bool            `json:"exclude_from_article_suggestions"`
	DefaultLocale                 string          `json:"default_locale"`               // where there are several languages
	TranslatedContent             json.RawMessage `json:"translated_content,omitempty"` // as sent: by locale
	Tags                          Tags            `json:"tags"`
	// Statistics is nil in lists.
	Statistics *ArticleStatistics `json:"statistics"`
}

// ArticleStatistics measures an article.
type ArticleStatistics struct {
	Type  string `json:"type"`
	Views int    `json:"views"`
	// Conversations counts those that were started from the article. It is read from "conversions", too, which is its
	// name in Intercom's description, though not in the examples there.
	Conversations             int     `json:"conversations"`
	Reactions                 int     `json:"reactions"`
	HappyReactionPercentage   float64 `json:"happy_reaction_percentage"`
	NeutralReactionPercentage float64 `json:"neutral_reaction_percentage"`
	SadReactionPercentage     float64 `json:"sad_reaction_percentage"`
	FinInvolvements           int     `json:"fin_involvements"`
	FinResolutions            int     `json:"fin_resolutions"`
	FinResolutionRate         float64 `json:"fin_resolution_rate"` // percent
}

// UnmarshalJSON accepts either name of Conversations.
func (s *ArticleStatistics) UnmarshalJSON(b []byte) error {
	type plain ArticleStatistics
	in := struct {
		*plain
		Conversions int `json:"conversions"`
	}{plain: (*plain)(s)}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if s.Conversations == 0 {
		s.Conversations = in.Conversions
	}
	return nil
}

// ArticleMatch is an article that a search found. The highlights are there where they were asked for.
type ArticleMatch struct {
	Article
	// HighlightedTitle is the title in pieces.
	HighlightedTitle []HighlightedText `json:"highlighted_title,omitempty"`
	// HighlightedSummary are places of description and body, each in pieces.
	HighlightedSummary [][]HighlightedText `json:"highlighted_summary,omitempty"`
}

// HighlightedText is a piece of a text that was searched.
type HighlightedText struct {
	// Type is "highlight" for what was searched for, and "plain" for what is around it.
	Type string `json:"type"`
	Text string `json:"text"`
}

// articleHighlights is what Intercom sends beside an article that a search found.
type articleHighlights struct {
	ArticleID ArticleID           `json:"article_id"`
	Title     []HighlightedText   `json:"highlighted_title"`
	Summary   [][]HighlightedText `json:"highlighted_summary"`
}

// foundArticles is the envelope of a search for articles.
type foundArticles struct {
	Data struct {
		Articles   []Article           `json:"articles"`
		Highlights []articleHighlights `json:"highlights"`
	} `json:"data"`
	Total count    `json:"total_count"`
	Pages numbered `json:"pages"`
}

func (f *foundArticles) complete() bool { return f.Data.Articles != nil }

func (f *foundArticles) page() *Page[ArticleMatch] {
	p := &Page[ArticleMatch]{Items: make([]ArticleMatch, len(f.Data.Articles)), Next: f.Pages.next, Total: int(f.Total)}
	highlights := make(map[ArticleID]articleHighlights, len(f.Data.Highlights))
	for _, h := range f.Data.Highlights {
		highlights[h.ArticleID] = h
	}
	for i, a := range f.Data.Articles {
		h := highlights[a.ID]
		p.Items[i] = ArticleMatch{a, h.Title, h.Summary}
	}
	return p
}

// foundJSON is what a search for articles answers.
func foundJSON(matches []ArticleMatch) any {
	articles, highlights := make([]Article, len(matches)), []articleHighlights{}
	for i, m := range matches {
		articles[i] = m.Article
		if m.HighlightedTitle != nil || m.HighlightedSummary != nil {
			highlights = append(highlights, articleHighlights{m.ID, m.HighlightedTitle, m.HighlightedSummary})
		}
	}
	return map[string]any{"articles": articles, "highlights": highlights}
}

// highlightsOf returns the highlights of these articles: those of others would tell what is in them.
func highlightsOf(highlights json.RawMessage, articles []json.RawMessage) []json.RawMessage {
	shown := map[ArticleID]bool{}
	for _, raw := range articles {
		var a struct {
			ID ArticleID `json:"id"`
		}
		if json.Unmarshal(raw, &a) == nil && a.ID != "" {
			shown[a.ID] = true
		}
	}
	var all []json.RawMessage
	_ = json.Unmarshal(highlights, &all) // what is no list has none
	kept := []json.RawMessage{}
	for _, raw := range all {
		var h articleHighlights
		if json.Unmarshal(raw, &h) == nil && shown[h.ArticleID] {
			kept = append(kept, raw)
		}
	}
	return kept
}
