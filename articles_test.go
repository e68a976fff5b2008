package intercomrbac_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const fullArticle = `{
	"type": "article", "id": "6871119", "workspace_id": "ws9x2k", "title": "Invoices", "description": "Where they are", "body": "<p>Here.</p>",
	"body_markdown": "Here.", "author_id": 4410, "created_by_id": 4411, "updated_by_id": null, "state": "published", "created_at": 1701000000,
	"updated_at": 1701000001, "has_unpublished_changes": true, "draft_updated_at": 1701000002, "scheduled_publish_at": null,
	"scheduled_unpublish_at": 1701000003, "url": "https://help.example.org/en/articles/6871119", "parent_ids": [18, 19],
	"help_center_audience": "restricted", "audience_ids": [1, 2], "ai_chatbot_availability": true, "ai_copilot_availability": true,
	"ai_sales_agent_availability": true, "exclude_from_article_suggestions": true, "default_locale": "en",
	"translated_content": {"type": "article_translated_content", "fr": {"title": "Factures", "author_id": 4410}},
	"tags": {"type": "tag.list", "tags": [{"type": "tag", "id": "88", "name": "billing"}]},
	"statistics": {"type": "article_statistics", "views": 10, "conversations": 3, "reactions": 4, "happy_reaction_percentage": 50.5,
		"neutral_reaction_percentage": 25, "sad_reaction_percentage": 24.5, "fin_involvements": 10, "fin_resolutions": 8, "fin_resolution_rate": 80.0},
	"added_later": 1
}`

func wantArticle() *intercomrbac.Article {
	return &intercomrbac.Article{
		Type: "article", ID: "6871119", WorkspaceID: "ws9x2k", Title: "Invoices", Description: "Where they are", Body: "<p>Here.</p>",
		BodyMarkdown: "Here.", AuthorID: "4410", CreatedByID: "4411", State: intercomrbac.ArticlePublished, CreatedAt: seconds(1701000000),
		UpdatedAt: seconds(1701000001), HasUnpublishedChanges: true, DraftUpdatedAt: seconds(1701000002), ScheduledUnpublishAt: seconds(1701000003),
		URL: "https://help.example.org/en/articles/6871119", ParentIDs: []intercomrbac.CollectionID{"18", "19"}, HelpCenterAudience: "restricted",
		AudienceIDs: json.RawMessage(`[1, 2]`), AIChatbotAvailability: true, AICopilotAvailability: true, AISalesAgentAvailability: true,
		ExcludeFromArticleSuggestions: true, DefaultLocale: "en",
		TranslatedContent: json.RawMessage(`{"type": "article_translated_content", "fr": {"title": "Factures", "author_id": 4410}}`),
		Tags:              intercomrbac.Tags{{Type: "tag", ID: "88", Name: "billing"}},
		Statistics: &intercomrbac.ArticleStatistics{Type: "article_statistics", Views: 10, Conversations: 3, Reactions: 4, HappyReactionPercentage: 50.5,
			NeutralReactionPercentage: 25, SadReactionPercentage: 24.5, FinInvolvements: 10, FinResolutions: 8, FinResolutionRate: 80},
	}
}

const leastArticle = `{"type":"article","id":7,"title":"T","description":null,"body":null,"author_id":4410,"state":"draft","url":null,"parent_ids":[]}`

func wantLeastArticle() intercomrbac.Article {
	return intercomrbac.Article{Type: "article", ID: "7", Title: "T", AuthorID: "4410", State: intercomrbac.ArticleDraft, ParentIDs: []intercomrbac.CollectionID{}}
}

func gettingArticle(id intercomrbac.ArticleID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Articles.Get(ctx, id) }
}

func deletingArticle(id intercomrbac.ArticleID) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return nil, c.Articles.Delete(ctx, id) }
}

func listingArticles(params intercomrbac.ListParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Articles.List(ctx, params) }
}

func searchingArticles(params intercomrbac.SearchArticlesParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Articles.Search(ctx, params) }
}

func creatingArticle(params intercomrbac.CreateArticleParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) { return c.Articles.Create(ctx, params) }
}

func updatingArticle(params intercomrbac.UpdateArticleParams) clientCall {
	return func(ctx context.Context, c *intercomrbac.Client) (any, error) {
		return c.Articles.Update(ctx, "6871119", params)
	}
}

func TestArticles(t *testing.T) {
	t.Parallel()
	french := map[string]intercomrbac.ArticleTranslation{
		"fr":    {Title: "Factures", Description: "Où", Body: "<p>Ici.</p>", State: intercomrbac.ArticleDraft},
		"pt-BR": {BodyMarkdown: "Aqui."},
	}
	runMethodTests(t, []methodTest{
		{
			name: "List", call: listingArticles(intercomrbac.ListParams{}),
			op: "articles.list", method: "GET", path: "/articles",
			response: `{"type":"list","pages":{"type":"pages","page":1,"per_page":25,"total_pages":1},"total_count":2,"data":[` + fullArticle + `,` + leastArticle + `]}`,
			want:     &intercomrbac.Page[intercomrbac.Article]{Items: []intercomrbac.Article{*wantArticle(), wantLeastArticle()}, Total: 2},
		},
		{
			name: "List of a page", call: listingArticles(intercomrbac.ListParams{PerPage: 50, After: "?page=3&per_page=25"}),
			op: "articles.list", method: "GET", path: "/articles", query: "page=3&per_page=50",
			response: `{"type":"list","data":[],"pages":null}`,
			want:     &intercomrbac.Page[intercomrbac.Article]{Items: []intercomrbac.Article{}},
		},
		{
			name: "Get", call: gettingArticle("6871119"),
			op: "articles.get", method: "GET", path: "/articles/6871119",
			response: fullArticle, want: wantArticle(),
		},
		{
			name: "Search for anything", call: searchingArticles(intercomrbac.SearchArticlesParams{}),
			op: "articles.search", method: "GET", path: "/articles/search",
			response: `{"type":"list","total_count":1,"data":{"articles":[` + leastArticle + `],"highlights":[]},"pages":{"type":"pages","page":1,"total_pages":1,"per_page":10}}`,
			want:     &intercomrbac.Page[intercomrbac.ArticleMatch]{Items: []intercomrbac.ArticleMatch{{Article: wantLeastArticle()}}, Total: 1},
		},
		{
			name: "Search with all params", call: searchingArticles(intercomrbac.SearchArticlesParams{Phrase: "my invoice", State: intercomrbac.ArticleAnyState,
				HelpCenterID: "79", Highlight: true, ListParams: intercomrbac.ListParams{After: "?page=2&per_page=10&phrase=else&state=draft&highlight=false&help_center_id=1"}}),
			op: "articles.search", method: "GET", path: "/articles/search",
			query: "help_center_id=79&highlight=true&page=2&per_page=10&phrase=my+invoice&state=all",
			response: `{"type":"list","total_count":11,"data":{"articles":[` + leastArticle + `],"highlights":[
				{"article_id":"9","highlighted_title":[{"type":"plain","text":"of another"}],"highlighted_summary":[]},
				{"article_id":"7","highlighted_title":[{"type":"highlight","text":"T"}],"highlighted_summary":[[{"type":"plain","text":"my "},{"type":"highlight","text":"invoice"}]]}]},
				"pages":{"type":"pages","page":2,"total_pages":3,"per_page":10}}`,
			want: &intercomrbac.Page[intercomrbac.ArticleMatch]{Items: []intercomrbac.ArticleMatch{{Article: wantLeastArticle(),
				HighlightedTitle:   []intercomrbac.HighlightedText{{Type: "highlight", Text: "T"}},
				HighlightedSummary: [][]intercomrbac.HighlightedText{{{Type: "plain", Text: "my "}, {Type: "highlight", Text: "invoice"}}}}},
				Next: "?page=3&per_page=10", Total: 11},
		},
		{
			name: "Create with little", call: creatingArticle(intercomrbac.CreateArticleParams{Title: "Invoices", AuthorID: "4410"}),
			op: "articles.create", method: "POST", path: "/articles",
			body: `{"title":"Invoices","author_id":4410}`, response: fullArticle, want: wantArticle(),
		},
		{
			name: "Create with all params", call: creatingArticle(intercomrbac.CreateArticleParams{Title: "Invoices", Description: "Where they are", Body: "<p>Here.</p>",
				AuthorID: "4410", State: intercomrbac.ArticlePublished, ParentID: "18", Translations: french}),
			op: "articles.create", method: "POST", path: "/articles",
			body: `{"title":"Invoices","description":"Where they are","body":"<p>Here.</p>","author_id":4410,"state":"published","parent_id":18,"parent_type":"collection",
				"translated_content":{"fr":{"title":"Factures","description":"Où","body":"<p>Ici.</p>","state":"draft","author_id":4410},"pt-BR":{"body_markdown":"Aqui.","author_id":4410}}}`,
			response: fullArticle, want: wantArticle(),
		},
		{
			name: "Create as the principal",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Articles.Create(ctxAs(ctx, "4411"), intercomrbac.CreateArticleParams{Title: "Invoices", BodyMarkdown: "Here."})
			},
			op: "articles.create", method: "POST", path: "/articles",
			body: `{"title":"Invoices","body_markdown":"Here.","author_id":4411}`, response: fullArticle, want: wantArticle(),
		},
		{
			name: "Update names no author",
			call: func(ctx context.Context, c *intercomrbac.Client) (any, error) {
				return c.Articles.Update(ctxAs(ctx, "4411"), "6871119", intercomrbac.UpdateArticleParams{Title: "Invoices",
					Translations: map[string]intercomrbac.ArticleTranslation{"fr": {Title: "Factures"}}})
			},
			op: "articles.update", method: "PUT", path: "/articles/6871119",
			body: `{"title":"Invoices","translated_content":{"fr":{"title":"Factures"}}}`, response: fullArticle, want: wantArticle(),
		},
		{
			name: "Update with all params", call: updatingArticle(intercomrbac.UpdateArticleParams{Title: "Invoices", Description: new(""), BodyMarkdown: new("Here."),
				AuthorID: "4410", State: intercomrbac.ArticleDraft, ParentID: "18", Translations: french}),
			op: "articles.update", method: "PUT", path: "/articles/6871119",
			body: `{"title":"Invoices","description":"","body_markdown":"Here.","author_id":4410,"state":"draft","parent_id":"18","parent_type":"collection",
				"translated_content":{"fr":{"title":"Factures","description":"Où","body":"<p>Ici.</p>","state":"draft","author_id":4410},"pt-BR":{"body_markdown":"Aqui.","author_id":4410}}}`,
			response: fullArticle, want: wantArticle(),
		},
		{
			name: "Update empties the body", call: updatingArticle(intercomrbac.UpdateArticleParams{Body: new("")}),
			op: "articles.update", method: "PUT", path: "/articles/6871119",
			body: `{"body":""}`, response: fullArticle, want: wantArticle(),
		},
		{
			name: "Delete", call: deletingArticle("6871119"),
			op: "articles.delete", method: "DELETE", path: "/articles/6871119",
			response: `{"id":"6871119","object":"article","deleted":true}`,
		},
	})
}

func TestArticlesRefusals(t *testing.T) {
	t.Parallel()
	var tests []refusalTest
	add := func(name, hint string, call clientCall) {
		tests = append(tests, refusalTest{name: name, hint: hint, call: call})
	}
	type create = intercomrbac.CreateArticleParams
	type update = intercomrbac.UpdateArticleParams
	type translations = map[string]intercomrbac.ArticleTranslation
	for name, id := range badDigits {
		add("Get/"+name, "article ids are digits", gettingArticle(intercomrbac.ArticleID(id)))
		add("Delete/"+name, "article ids are digits", deletingArticle(intercomrbac.ArticleID(id)))
		if id == "" {
			continue
		}
		add("Create/author/"+name, "list the admins", creatingArticle(create{Title: "T", AuthorID: intercomrbac.AdminID(id)}))
		add("Create/parent/"+name, "collection ids are digits", creatingArticle(create{Title: "T", AuthorID: "4410", ParentID: intercomrbac.CollectionID(id)}))
		add("Update/author/"+name, "list the admins", updatingArticle(update{AuthorID: intercomrbac.AdminID(id)}))
		add("Update/parent/"+name, "collection ids are digits", updatingArticle(update{ParentID: intercomrbac.CollectionID(id)}))
		add("Search/help center/"+name, "help center ids are digits", searchingArticles(intercomrbac.SearchArticlesParams{HelpCenterID: intercomrbac.HelpCenterID(id)}))
	}
	for _, locale := range []string{"", "type", "author_id", "f", "français", "fr-", "-fr", "fr_FR", "f\nr", "fr/x", "fr-" + "abcdefghijklmnop"} {
		add("Create/locale/"+locale, "no locale", creatingArticle(create{Title: "T", AuthorID: "4410", Translations: translations{locale: {Title: "T"}}}))
		add("Update/locale/"+locale, "no locale", updatingArticle(update{Translations: translations{locale: {Title: "T"}}}))
	}
	add("List/too many", "PerPage is 151", listingArticles(intercomrbac.ListParams{PerPage: 151}))
	add("Search/too many", "PerPage is 151", searchingArticles(intercomrbac.SearchArticlesParams{ListParams: intercomrbac.ListParams{PerPage: 151}}))
	add("Create/no title", "Title is needed", creatingArticle(create{AuthorID: "4410"}))
	add("Create/two bodies", "exclude each other", creatingArticle(create{Title: "T", AuthorID: "4410", Body: "b", BodyMarkdown: "m"}))
	add("Create/state of a search", `State is "all"`, creatingArticle(create{Title: "T", AuthorID: "4410", State: intercomrbac.ArticleAnyState}))
	add("Create/empty translation", "translation fr is empty", creatingArticle(create{Title: "T", AuthorID: "4410", Translations: translations{"fr": {}}}))
	add("Create/translation with two bodies", "exclude each other", creatingArticle(create{Title: "T", AuthorID: "4410", Translations: translations{"fr": {Body: "b", BodyMarkdown: "m"}}}))
	add("Update/nothing", "change nothing", updatingArticle(update{}))
	add("Update/two bodies", "exclude each other", updatingArticle(update{Body: new(""), BodyMarkdown: new("")}))
	add("Update/state", `State is "archived"`, updatingArticle(update{State: "archived"}))
	tests = append(tests, refusalTest{name: "Create/nobody acts", is: intercomrbac.ErrNoActingAdmin, hint: "articles.create", call: creatingArticle(create{Title: "T"})})
	runRefusalTests(t, tests)
}

func TestArticleStatisticsHaveEitherName(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{
		`{"conversations":3}`: 3, `{"conversions":4}`: 4, `{"conversions":4,"conversations":3}`: 3, `{"conversions":4,"conversations":0}`: 4, `{}`: 0,
	} {
		var s intercomrbac.ArticleStatistics
		require.NoError(t, json.Unmarshal([]byte(body), &s), body)
		assert.Equal(t, intercomrbac.ArticleStatistics{Conversations: want}, s, body)
		assert.Equal(t, s, reread(t, s))
	}
}

// Pages serve as the answers of mocks.
func TestPagesOfArticlesAreReadBack(t *testing.T) {
	t.Parallel()
	found := intercomrbac.Page[intercomrbac.ArticleMatch]{Next: "?page=2&per_page=1", Total: 2, Items: []intercomrbac.ArticleMatch{
		{Article: *wantArticle(), HighlightedTitle: []intercomrbac.HighlightedText{{Type: "highlight", Text: "Invoices"}}}, {Article: wantLeastArticle()}}}
	found.Items[1].Tags = intercomrbac.Tags{}                               // which is written for none, too
	found.Items[0].AudienceIDs, found.Items[0].TranslatedContent = nil, nil // JSON text changes its spaces
	b, err := json.Marshal(found)
	require.NoError(t, err)
	got, err := newMock(t, json200(string(b))).Client.Articles.Search(t.Context(), intercomrbac.SearchArticlesParams{})
	require.NoError(t, err)
	assert.Equal(t, &found, got)
}

// numberedPages answers as the examples of listArticles do: pages have numbers, and nothing says what is next.
func numberedPages(page, total int, more, id string) mockAnswer {
	return json200(fmt.Sprintf(`{"type":"list","data":[{"id":%q}],"total_count":%d,"pages":{"type":"pages","page":%d,"per_page":1,"total_pages":%d%s}}`,
		id, total, page, total, more))
}

func TestAllGoesThroughNumberedPages(t *testing.T) {
	t.Parallel()
	const link = `,"next":"https://api.intercom.io/articles?page=2&per_page=1"`
	for name, tt := range map[string]struct {
		answers []mockAnswer
		ids     []string
		queries []string
		err     error
	}{
		"numbers alone": {[]mockAnswer{numberedPages(1, 3, "", "1"), numberedPages(2, 3, `,"next":null`, "2"), numberedPages(3, 3, `,"next":null`, "3")},
			[]string{"1", "2", "3"}, []string{"", "page=2&per_page=1", "page=3&per_page=1"}, nil},
		"a URL":     {[]mockAnswer{numberedPages(1, 2, link, "1"), numberedPages(2, 2, "", "2")}, []string{"1", "2"}, []string{"", "page=2&per_page=1"}, nil},
		"an object": {[]mockAnswer{numberedPages(1, 2, `,"next":{"per_page":1,"page":2}`, "1"), numberedPages(2, 2, `,"next":null`, "2")}, []string{"1", "2"}, []string{"", "page=2&per_page=1"}, nil},
		"a cursor":  {[]mockAnswer{numberedPages(1, 2, `,"next":{"starting_after":"c"}`, "1"), numberedPages(2, 2, "", "2")}, []string{"1", "2"}, []string{"", "starting_after=c"}, nil},
		"numbers in quotes": {[]mockAnswer{json200(`{"data":[{"id":"1"}],"pages":{"page":"1","per_page":"1","total_pages":"2"}}`), numberedPages(2, 2, "", "2")},
			[]string{"1", "2"}, []string{"", "page=2&per_page=1"}, nil},
		"no size":             {[]mockAnswer{json200(`{"data":[{"id":"1"}],"pages":{"page":1,"total_pages":2}}`), numberedPages(2, 2, "", "2")}, []string{"1", "2"}, []string{"", "page=2"}, nil},
		"an empty page":       {[]mockAnswer{json200(`{"data":[],"pages":{"page":1,"total_pages":2}}`), numberedPages(2, 2, "", "2")}, []string{"2"}, []string{"", "page=2"}, nil},
		"fewer than before":   {[]mockAnswer{numberedPages(1, 3, "", "1"), numberedPages(2, 1, "", "2")}, []string{"1", "2"}, []string{"", "page=2&per_page=1"}, nil},
		"the page is ignored": {[]mockAnswer{numberedPages(1, 3, "", "1")}, []string{"1", "1"}, []string{"", "page=2&per_page=1"}, intercomrbac.ErrCursorRepeated},
		"no number":           {[]mockAnswer{json200(`{"data":[{"id":"1"}],"pages":{"total_pages":3}}`)}, []string{"1"}, []string{""}, nil},
		"page 0":              {[]mockAnswer{numberedPages(0, 3, "", "1")}, []string{"1"}, []string{""}, nil},
		"no pages":            {[]mockAnswer{json200(`{"data":[{"id":"1"}],"pages":null}`)}, []string{"1"}, []string{""}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMock(t, tt.answers...)
			ids, err := collect(idsIn(m.Client.Articles.All(t.Context(), intercomrbac.ListParams{}), func(a intercomrbac.Article) string { return string(a.ID) }))
			require.ErrorIs(t, err, tt.err)
			assert.Equal(t, tt.ids, ids)
			queries := []string{}
			for _, sent := range m.requests() {
				queries = append(queries, sent.Query.Encode())
			}
			assert.Equal(t, tt.queries, queries)
		})
	}
}

// A size that the caller asked for holds on every page.
func TestAllKeepsTheSizeOfNumberedPages(t *testing.T) {
	t.Parallel()
	m := newMock(t, numberedPages(1, 2, "", "1"), numberedPages(2, 2, "", "2"))
	_, err := collect(idsIn(m.Client.Collections.All(t.Context(), intercomrbac.ListParams{PerPage: 7}), func(c intercomrbac.Collection) string { return string(c.ID) }))
	require.NoError(t, err)
	assert.Equal(t, url.Values{"page": {"2"}, "per_page": {"7"}}, m.requests()[1].Query)
}

func FuzzFoundArticles(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"articles":[{"id":"1"}],"highlights":[{"article_id":1}]},"pages":{"page":1,"total_pages":2}}`,
		`{"data":{"articles":[]},"pages":{"page":-1,"per_page":0,"total_pages":9223372036854775807}}`, `{"data":{"articles":null}}`, `{"data":[]}`,
		`{"data":{"articles":[{"statistics":{"conversions":1}}]},"pages":{"next":"https://x.test/articles/search?page=2&phrase=else&state=draft&per_page=10"}}`,
		`{"data":{"articles":[]},"pages":{"page":1.5,"total_pages":2}}`, `{"data":{"articles":[{"id":[]}]}}`, `[]`, `null`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		m := newMock(t, json200(body), json200(`{"data":{"articles":[]}}`))
		params := intercomrbac.SearchArticlesParams{Phrase: "mine"}
		page, err := m.Client.Articles.Search(t.Context(), params)
		if err != nil {
			require.ErrorIs(t, err, intercomrbac.ErrBadResponse)
			assertOneLine(t, err.Error())
			return
		}
		if page.Next == "" {
			return
		}
		params.After = page.Next
		_, err = m.Client.Articles.Search(t.Context(), params)
		require.NoError(t, err, "a page gave the cursor %q, which is refused", page.Next)
		sent := m.requests()[1]
		assert.Equal(t, mockHost+" /articles/search", sent.Host+" "+sent.Path)
		assert.Equal(t, []string{"mine"}, sent.Query["phrase"])
		assert.False(t, sent.Query.Has("state") || sent.Query.Has("help_center_id") || sent.Query.Has("highlight"))
	})
}
