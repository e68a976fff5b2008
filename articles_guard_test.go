package intercomrbac_test

import (
	"context"
	"encoding/json"
	"net/url"
	"testing"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// written is met by articles that the principal is the author of.
func written() intercomrbac.Condition {
	return conditionNamed("written", "article", func(p intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		a, ok := r.Value.(*intercomrbac.Article)
		return ok && p.AdminID != "" && a.AuthorID == p.AdminID, nil
	})
}

// writers is a desk whose tester has all rights on the articles that they wrote.
func writers(t *testing.T) *desk {
	t.Helper()
	return newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "articles:*", When: "written"}), conditions: []intercomrbac.Condition{written()}})
}

func TestArticlesUnderACondition(t *testing.T) {
	t.Parallel()
	d := writers(t)
	ctx := d.as(t, tester)
	own := []string{"41", "40"} // the latest first
	page, err := d.client.Articles.List(ctx, intercomrbac.ListParams{})
	require.NoError(t, err)
	assert.Equal(t, own, articleIDs(page.Items))
	assert.Zero(t, page.Total, "a total counts what is hidden")
	assert.Empty(t, page.Next)

	// Pages of one: those of hidden articles are empty, and All goes on.
	ids, err := collect(idsIn(d.client.Articles.All(ctx, intercomrbac.ListParams{PerPage: 1}), func(a intercomrbac.Article) string { return string(a.ID) }))
	require.NoError(t, err)
	assert.Equal(t, own, ids)
	assert.Len(t, d.sent(), 1+4)

	hidden, err := d.client.Articles.Get(ctx, d.Articles[0])
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	assert.Nil(t, hidden)
	_, missing := d.client.Articles.Get(ctx, "999")
	assert.Equal(t, err.Error(), missing.Error(), "what is hidden and what is not there look the same")
	shown, err := d.client.Articles.Get(ctx, d.Articles[1])
	require.NoError(t, err)
	assert.Equal(t, d.Agent, shown.AuthorID)
	assert.Equal(t, 12, shown.Statistics.Conversations)
	_ = d.sent()

	title := intercomrbac.UpdateArticleParams{Title: "Mine"}
	_, err = d.client.Articles.Update(ctx, d.Articles[0], title)
	requireDenied(t, err, intercomrbac.ReasonConditionNotMet)
	requireDenied(t, d.client.Articles.Delete(ctx, d.Articles[0]), intercomrbac.ReasonConditionNotMet)
	assert.Equal(t, []string{"articles.get", "articles.get"}, d.sent())
	_, err = d.client.Articles.Update(ctx, d.Articles[1], title)
	require.NoError(t, err)
	require.NoError(t, d.client.Articles.Delete(ctx, d.Articles[2]))
	assert.Equal(t, []string{"articles.get", "articles.update", "articles.get", "articles.delete"}, d.sent())
	_, ok := d.srv.Article(d.Articles[2])
	assert.False(t, ok)

	// What is not there yet meets no condition; nor does what is no article.
	_, err = d.client.Articles.Create(ctx, intercomrbac.CreateArticleParams{Title: "New"})
	requireDenied(t, err, intercomrbac.ReasonNeedsResource)
	_, err = d.client.Collections.List(ctx, intercomrbac.ListParams{})
	requireDenied(t, err, intercomrbac.ReasonNeedsResource)
	assert.Empty(t, d.sent())
}

func articleIDs(items []intercomrbac.Article) []string {
	ids := []string{}
	for _, a := range items {
		ids = append(ids, string(a.ID))
	}
	return ids
}

// Highlights are text of the articles.
func TestHighlightsOfHiddenArticlesAreHidden(t *testing.T) {
	t.Parallel()
	d := writers(t)
	ctx := d.as(t, tester)
	params := intercomrbac.SearchArticlesParams{Phrase: "refund", Highlight: true}
	all, err := d.plain.Articles.Search(ctx, params)
	require.NoError(t, err)
	require.Len(t, all.Items, 2)

	page, err := d.client.Articles.Search(ctx, params)
	require.NoError(t, err)
	require.Len(t, page.Items, 1)
	assert.Equal(t, intercomrbac.ArticleID("41"), page.Items[0].ID)
	assert.Equal(t, []intercomrbac.HighlightedText{{Type: "highlight", Text: "Refund"}, {Type: "plain", Text: "s for yearly plans"}}, page.Items[0].HighlightedTitle)
	assert.Zero(t, page.Total)

	var raw map[string]any
	query := url.Values{"phrase": {"refund"}, "highlight": {"true"}}
	require.NoError(t, d.client.Do(ctx, lookup(t, "articles.search"), intercomrbac.Call{Query: query}, &raw))
	text, err := json.Marshal(raw)
	require.NoError(t, err)
	assert.NotContains(t, string(text), "five days")
	assert.NotContains(t, string(text), `"39"`)
	assert.Contains(t, string(text), `"highlights":[{"article_id":"41"`)
}

// What Intercom could answer to a search, as a principal sees it who may see article 2 alone.
func TestSearchesOfArticlesAreJudgedWhole(t *testing.T) {
	t.Parallel()
	second := conditionNamed("second", "article", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) { return r.ID == "2", nil })
	checker, err := intercomrbac.NewChecker(granting(intercomrbac.Rule{Permission: "articles:read", When: "second"}), second)
	require.NoError(t, err)
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	require.NoError(t, err)
	const list = "articles.list"
	for name, tt := range map[string]struct{ op, body, want string }{
		"highlights": {"articles.search", `{"type":"list","total_count":9,"data":{"secret":1,"articles":[{"id":"1"},{"id":2}],
			"highlights":[{"article_id":"1"},{"article_id":2,"x":1},{"article_id":null},{"article_id":[2]},{},7]},"secret":2}`,
			`{"type":"list","data":{"articles":[{"id":2}],"highlights":[{"article_id":2,"x":1}]}}`},
		"no highlights":        {"articles.search", `{"data":{"articles":[{"id":"2"}]}}`, `{"data":{"articles":[{"id":"2"}],"highlights":[]}}`},
		"odd highlights":       {"articles.search", `{"data":{"articles":[{"id":"1"}],"highlights":{"article_id":"2"}}}`, `{"data":{"articles":[],"highlights":[]}}`},
		"no articles":          {"articles.search", `{"data":{"highlights":[]}}`, ""},
		"a plain list":         {"articles.search", `{"data":[{"id":"2"}]}`, ""},
		"an article of no id":  {"articles.search", `{"data":{"articles":[{"title":"x"}]}}`, `{"data":{"articles":[],"highlights":[]}}`},
		"more pages":           {list, `{"data":[{"id":"1"}],"pages":{"page":1,"per_page":1,"total_pages":9}}`, `{"data":[],"pages":{"type":"pages","next":"https://api.intercom.io/?page=2&per_page=1"}}`},
		"the last page":        {list, `{"data":[{"id":"1"}],"pages":{"page":9,"per_page":1,"total_pages":9,"next":null}}`, `{"data":[],"pages":{"type":"pages","next":null}}`},
		"no URL":               {list, `{"data":[],"pages":{"next":"x","total_pages":9}}`, `{"data":[],"pages":{"type":"pages","next":"x"}}`},
		"a URL":                {list, `{"data":[],"pages":{"next":"https://evil.test/?page=3","total_pages":9}}`, `{"data":[],"pages":{"type":"pages","next":"https://api.intercom.io/?page=3"}}`},
		"a cursor":             {list, `{"data":[],"pages":{"next":{"starting_after":"c"}}}`, `{"data":[],"pages":{"type":"pages","next":{"starting_after":"c"}}}`},
		"pages of no shape":    {list, `{"data":[],"pages":7}`, `{"data":[]}`},
		"an article of a kind": {list, `{"data":[{"id":{}}]}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, err := newMock(t, json200(tt.body)).Client.With(intercomrbac.WithGuard(guard))
			require.NoError(t, err)
			var got json.RawMessage
			err = client.Do(intercomrbac.WithPrincipal(t.Context(), intercomrbac.Principal{AdminID: "7", Role: tester}), lookup(t, tt.op), intercomrbac.Call{}, &got)
			if tt.want == "" {
				requireDenied(t, err, intercomrbac.ReasonConditionUnknown)
				assert.Empty(t, got)
				return
			}
			require.NoError(t, err)
			assert.JSONEq(t, tt.want, string(got))
		})
	}
}

// A condition for any kind of thing filters collections, too.
func TestCollectionsUnderACondition(t *testing.T) {
	t.Parallel()
	first := conditionNamed("first_level", "", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		c, ok := r.Value.(*intercomrbac.Collection)
		return ok && c.ParentID == "", nil
	})
	d := newDesk(t, deskConfig{policy: granting(intercomrbac.Rule{Permission: "articles:read", When: "first_level"}), conditions: []intercomrbac.Condition{first}})
	var names []string
	for c, err := range d.client.Collections.All(d.as(t, tester), intercomrbac.ListParams{PerPage: 1}) {
		require.NoError(t, err)
		names = append(names, c.Name)
	}
	assert.Equal(t, []string{"Getting started", "Billing"}, names)
}

// A permission of a service's own may hang on what a collection is.
func TestCollectionsAreLookedAt(t *testing.T) {
	t.Parallel()
	policy := granting(intercomrbac.Rule{Permission: "shelves:sort", When: "nested"})
	policy.Permissions = map[intercomrbac.Permission]intercomrbac.Declaration{"shelves:sort": {Resource: "collection"}}
	nested := conditionNamed("nested", "collection", func(_ intercomrbac.Principal, r intercomrbac.Resource) (bool, error) {
		c, ok := r.Value.(*intercomrbac.Collection)
		return ok && c.ParentID != "", nil
	})
	d := newDesk(t, deskConfig{policy: policy, conditions: []intercomrbac.Condition{nested}})
	sort := intercomrbac.Operation{Name: "shelves.sort", Method: "POST", Path: "/help_center/collections/{collection_id}/sort", Permission: "shelves:sort",
		Resource: "collection", ResourceArg: "collection_id", Effect: intercomrbac.Write}
	do := func(id intercomrbac.CollectionID) error {
		return d.client.Do(d.as(t, tester), sort, intercomrbac.Call{Path: map[string]string{"collection_id": string(id)}}, nil)
	}
	requireDenied(t, do(d.Collections[0]), intercomrbac.ReasonConditionNotMet)
	assert.Equal(t, []string{"collections.get"}, d.sent())
	require.ErrorIs(t, do(d.Collections[1]), intercomrbac.ErrNotFound) // allowed, and not served by the fake
}

// Whoever is named as an author, anywhere in a call, is the acting admin.
func TestAuthorsOfArticles(t *testing.T) {
	t.Parallel()
	const agent, manager = "991267461", "991267460"
	person := intercomrbac.Principal{AdminID: agent, Role: tester}
	service := intercomrbac.Principal{Service: "publisher", Role: tester}
	create := func(params intercomrbac.CreateArticleParams) func(context.Context, *desk) error {
		return func(ctx context.Context, d *desk) error { _, err := d.client.Articles.Create(ctx, params); return err }
	}
	update := func(params intercomrbac.UpdateArticleParams) func(context.Context, *desk) error {
		return func(ctx context.Context, d *desk) error {
			_, err := d.client.Articles.Update(ctx, d.Articles[0], params)
			return err
		}
	}
	do := func(op, body string) func(context.Context, *desk) error {
		return func(ctx context.Context, d *desk) error {
			call := intercomrbac.Call{Body: json.RawMessage(body)}
			if op == "articles.update" {
				call.Path = d.pathOfArticle()
			}
			return d.client.Do(ctx, lookup(t, op), call, nil)
		}
	}
	draft := func(actor string, optional bool, body string) func(context.Context, *desk) error {
		op := intercomrbac.Operation{Name: "articles.stage_draft", Method: "PUT", Path: "/articles/{article_id}/draft", Permission: intercomrbac.ArticlesWrite,
			Resource: "article", ResourceArg: "article_id", Actor: actor, ActorOptional: optional, Effect: intercomrbac.Write}
		return func(ctx context.Context, d *desk) error {
			return d.client.Do(ctx, op, intercomrbac.Call{Path: d.pathOfArticle(), Body: json.RawMessage(body)}, nil)
		}
	}
	french := map[string]intercomrbac.ArticleTranslation{"fr": {Title: "Factures"}}
	exact := granting(intercomrbac.Rules("*", intercomrbac.AdminsImpersonate)...)
	for name, tt := range map[string]struct {
		principal intercomrbac.Principal
		policy    intercomrbac.Policy
		call      func(context.Context, *desk) error
		reason    intercomrbac.Reason // of a denial
		is        error               // of another refusal
		sent      string              // the body
		actor     intercomrbac.AdminID
	}{
		"create, oneself": {person, everything(), create(intercomrbac.CreateArticleParams{Title: "T", Translations: french}), 0, nil,
			`{"title":"T","author_id":991267461,"translated_content":{"fr":{"title":"Factures","author_id":991267461}}}`, agent},
		"create, another":      {person, everything(), create(intercomrbac.CreateArticleParams{Title: "T", AuthorID: manager}), intercomrbac.ReasonNotGranted, nil, "", manager},
		"create, by a right":   {person, exact, create(intercomrbac.CreateArticleParams{Title: "T", AuthorID: manager}), 0, nil, `{"title":"T","author_id":991267460}`, manager},
		"create, a service":    {service, exact, create(intercomrbac.CreateArticleParams{Title: "T"}), 0, intercomrbac.ErrNoActingAdmin, "", ""},
		"create by Do":         {person, everything(), do("articles.create", `{"title":"T"}`), 0, nil, `{"title":"T","author_id":991267461}`, agent},
		"create by Do, nobody": {person, everything(), do("articles.create", `{"title":"T","author_id":null}`), 0, intercomrbac.ErrNoActingAdmin, "", ""},
		"create by Do, a translation of one's own": {person, everything(), do("articles.create", `{"title":"T","translated_content":{"type":"x","fr":{"author_id":"991267461"},"de":null}}`), 0, nil,
			`{"title":"T","author_id":991267461,"translated_content":{"type":"x","fr":{"author_id":"991267461"},"de":null}}`, agent},
		"create by Do, a translation of another": {person, everything(), do("articles.create", `{"title":"T","translated_content":{"fr":{"author_id":991267460}}}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"create by Do, a translation of two": {person, everything(), do("articles.create", `{"title":"T","translated_content":{"fr":{"author_id":991267460,"author_id":991267461}}}`), 0, nil,
			`{"title":"T","author_id":991267461,"translated_content":{"fr":{"author_id":991267461}}}`, agent},
		"create by Do, translated by no id":        {person, everything(), do("articles.create", `{"title":"T","translated_content":{"fr":{"author_id":[991267461]}}}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"create by Do, all in another's":           {person, everything(), do("articles.create", `{"title":"T","author_id":991267460,"translated_content":{"fr":{"author_id":991267460}}}`), intercomrbac.ReasonNotGranted, nil, "", manager},
		"create by Do, translations in a list":     {person, everything(), do("articles.create", `{"title":"T","translated_content":[{"fr":{"author_id":991267460}}]}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"create by Do, a list as translation":      {person, everything(), do("articles.create", `{"title":"T","translated_content":{"fr":[{"author_id":991267460}]}}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"update, of nobody":                        {person, everything(), update(intercomrbac.UpdateArticleParams{Title: "T"}), 0, nil, `{"title":"T"}`, ""},
		"update, of nobody, by a service":          {service, everything(), update(intercomrbac.UpdateArticleParams{Title: "T"}), 0, nil, `{"title":"T"}`, ""},
		"update to oneself":                        {person, everything(), update(intercomrbac.UpdateArticleParams{AuthorID: agent}), 0, nil, `{"author_id":991267461}`, agent},
		"update to another":                        {person, everything(), update(intercomrbac.UpdateArticleParams{AuthorID: manager}), intercomrbac.ReasonNotGranted, nil, "", manager},
		"update to another, by a service":          {service, everything(), update(intercomrbac.UpdateArticleParams{AuthorID: manager}), intercomrbac.ReasonNotGranted, nil, "", manager},
		"update to another, by a right":            {person, exact, update(intercomrbac.UpdateArticleParams{AuthorID: manager}), 0, nil, `{"author_id":991267460}`, manager},
		"update by Do, of nobody":                  {person, everything(), do("articles.update", `{"title":"T"}`), 0, nil, `{"title":"T"}`, ""},
		"update by Do, to another":                 {person, everything(), do("articles.update", `{"author_id":991267460}`), intercomrbac.ReasonNotGranted, nil, "", manager},
		"update by Do, to null":                    {person, everything(), do("articles.update", `{"author_id":null}`), 0, intercomrbac.ErrNoActingAdmin, "", ""},
		"update by Do, another case":               {person, everything(), do("articles.update", `{"Author_ID":991267460}`), 0, nil, `{"Author_ID":991267460}`, ""},
		"update by Do, a translation alone":        {person, everything(), do("articles.update", `{"translated_content":{"fr":{"author_id":991267461}}}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"update by Do, a translation of no one":    {person, everything(), do("articles.update", `{"translated_content":{"fr":{"author_id":""}}}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"one's own operation, to another":          {person, everything(), draft("author_id", true, `{"author_id":991267460}`), intercomrbac.ReasonNotGranted, nil, "", manager},
		"one's own operation, without Actor":       {person, everything(), draft("", false, `{"author_id":991267461}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
		"one's own operation, nested and optional": {person, everything(), draft("from.id", true, `{"from":{"x":1}}`), 0, intercomrbac.ErrNotFound, `{"from":{"x":1}}`, ""},
		"one's own operation, optional alone":      {person, everything(), draft("", true, `{}`), 0, intercomrbac.ErrInvalidRequest, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t, deskConfig{policy: tt.policy})
			err := tt.call(intercomrbac.WithPrincipal(t.Context(), tt.principal), d)
			switch {
			case tt.reason != 0:
				assert.Equal(t, intercomrbac.AdminsImpersonate, denialOf(t, err, tt.reason).Permission)
			case tt.is != nil:
				require.ErrorIs(t, err, tt.is)
			default:
				require.NoError(t, err)
			}
			calls := d.srv.Calls()
			if tt.sent == "" {
				assert.Empty(t, calls)
			} else if assert.Len(t, calls, 1) {
				assert.JSONEq(t, tt.sent, string(calls[0].Body))
			}
			for _, e := range d.trail.take() {
				assert.Equal(t, tt.actor, e.ActingAdminID)
				assert.Equal(t, tt.actor != "" && tt.actor != tt.principal.AdminID, e.Sensitive)
			}
		})
	}
}

// Without a guard nobody checks whose name it is, and the principal still is the author.
func TestAuthorsWithoutAGuard(t *testing.T) {
	t.Parallel()
	srv := intercomtest.NewServer(t)
	ids := srv.Seed()
	a, err := srv.Client().Articles.Create(ctxAs(t.Context(), ids.Agent), intercomrbac.CreateArticleParams{Title: "T"})
	require.NoError(t, err)
	assert.Equal(t, ids.Agent, a.AuthorID)
	assert.Equal(t, intercomrbac.ArticleDraft, a.State)
	a, err = srv.Client().Articles.Update(ctxAs(t.Context(), ids.Agent), a.ID, intercomrbac.UpdateArticleParams{AuthorID: ids.Owner})
	require.NoError(t, err)
	assert.Equal(t, ids.Owner, a.AuthorID)
}

// In report-only mode, too, an update may name nobody, and a new article may not.
func TestReportOnlyNeedsAnAuthorForANewArticle(t *testing.T) {
	t.Parallel()
	d := newDesk(t, deskConfig{policy: intercomrbac.StockPolicy(), guard: intercomrbac.GuardConfig{DangerouslyReportOnly: true}})
	_, err := d.client.Articles.Create(t.Context(), intercomrbac.CreateArticleParams{Title: "T"})
	require.ErrorIs(t, err, intercomrbac.ErrNoActingAdmin)
	assert.Empty(t, d.sent())
	_, err = d.client.Articles.Update(t.Context(), d.Articles[0], intercomrbac.UpdateArticleParams{Title: "T"})
	require.NoError(t, err)
}
