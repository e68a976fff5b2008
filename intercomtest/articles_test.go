package intercomtest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

func TestArticles(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	seeded := s.Seed()
	a := inMemory(t, s)

	one := a.get("/articles/39").requireOK(t)
	assert.Equal(t, "39", one.at(t, "id"))
	assert.Equal(t, json.Number(seeded.Manager), one.at(t, "author_id"))
	assert.Equal(t, []any{json.Number("160")}, one.at(t, "parent_ids"))
	assert.Equal(t, json.Number("120"), one.at(t, "statistics", "views"))
	assert.Equal(t, "published", one.at(t, "state"))
	assert.Equal(t, "http://help-center.test/fake1234/en/articles/39", one.at(t, "url"))

	made := a.post("/articles", `{"title":"New","author_id":"991267459","parent_id":159,"translated_content":{"type":"x","fr":{"title":"Neuf"}}}`).requireOK(t)
	id := intercomrbac.ArticleID(made.at(t, "id").(string))
	assert.Equal(t, "draft", made.at(t, "state"))
	assert.Nil(t, made.at(t, "url"))
	assert.Equal(t, map[string]any{"type": "article_content", "title": "Neuf"}, made.at(t, "translated_content", "fr"))
	assert.Equal(t, "en", made.at(t, "default_locale"))

	a.do("PUT", "/articles/"+string(id), `{"state":"published","translated_content":{"fr":{"body":"b"}}}`).requireOK(t)
	kept, ok := s.Article(id)
	require.True(t, ok)
	assert.Equal(t, []any{"New", seeded.Owner, intercomrbac.ArticlePublished, []intercomrbac.CollectionID{"159"}},
		[]any{kept.Title, kept.AuthorID, kept.State, kept.ParentIDs})
	assert.Equal(t, map[string]any{"type": "article_content", "title": "Neuf", "body": "b"}, kept.Translations["fr"])

	gone := a.do("DELETE", "/articles/"+string(id), "").requireOK(t)
	assert.Equal(t, map[string]any{"id": string(id), "object": "article", "deleted": true}, gone.body)
	a.get("/articles/"+string(id)).requireError(t, 404, "not_found")
	a.do("PUT", "/articles/"+string(id), `{}`).requireError(t, 404, "not_found")
	a.do("DELETE", "/articles/"+string(id), "").requireError(t, 404, "not_found")
	_, ok = s.Article(id)
	assert.False(t, ok)
}

func TestArticlesThatIntercomRefuses(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Seed()
	a := inMemory(t, s)
	for body, code := range map[string]string{
		`{"author_id":991267459}`:                                          "parameter_not_found",
		`{"title":"T"}`:                                                    "parameter_not_found",
		`{"title":"T","author_id":1}`:                                      "parameter_invalid",
		`{"title":"T","author_id":991267459,"state":"all"}`:                "parameter_invalid",
		`{"title":"T","author_id":991267459,"parent_id":1}`:                "parameter_invalid",
		`{"title":"T","author_id":991267459,"body":"","body_markdown":""}`: "parameter_invalid",
		`{"title":7,"author_id":991267459}`:                                "parameter_invalid",
		`[]`:                                                               "bad_request",
	} {
		a.post("/articles", body).requireError(t, 400, code)
	}
	a.do("PUT", "/articles/39", `{"author_id":1,"title":"T"}`).requireError(t, 400, "parameter_invalid")
	kept, _ := s.Article("39")
	assert.Equal(t, "How refunds work", kept.Title, "a refused change changes nothing")
	for _, query := range []string{"page=0", "page=x", "per_page=0", "per_page=151"} {
		a.get("/articles?"+query).requireError(t, 400, "parameter_invalid")
	}
	a.get("/articles/search?state=gone").requireError(t, 400, "parameter_invalid")
	a.get("/articles/search?help_center_id=x").requireError(t, 400, "parameter_invalid")
}

// ids returns the ids of the items, in order.
func ids(items any) string {
	var list []string
	for _, item := range items.([]any) {
		list = append(list, fmt.Sprint(item.(map[string]any)["id"]))
	}
	return strings.Join(list, " ")
}

func TestPagesOfArticles(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Seed()
	a := inMemory(t, s)
	first := a.get("/articles?per_page=3").requireOK(t)
	assert.Equal(t, "42 41 40", ids(first.at(t, "data")), "the latest change comes first")
	assert.Equal(t, json.Number("4"), first.at(t, "total_count"))
	assert.Equal(t, map[string]any{"type": "pages", "page": json.Number("1"), "per_page": json.Number("3"), "total_pages": json.Number("2"),
		"next": "https://api.intercom.test/articles?page=2&per_page=3"}, first.at(t, "pages"))
	assert.NotContains(t, first.at(t, "data", 0), "statistics")
	second := a.get("/articles?page=2&per_page=3").requireOK(t)
	assert.Equal(t, "39", ids(second.at(t, "data")))
	assert.NotContains(t, second.at(t, "pages"), "next")
	assert.Empty(t, a.get("/articles?page=9223372036854775807&per_page=150").requireOK(t).at(t, "data"))

	a.do("PUT", "/articles/39", `{"title":"Refunds"}`).requireOK(t)
	assert.Equal(t, "39 42 41 40", ids(a.get("/articles").requireOK(t).at(t, "data")))
	assert.Equal(t, "161 160 159", ids(a.get("/help_center/collections").requireOK(t).at(t, "data")))
	assert.Equal(t, "https://api.intercom.test/help_center/collections?page=2&per_page=2",
		a.get("/help_center/collections?per_page=2").requireOK(t).at(t, "pages", "next"))
}

func TestSearchOfArticles(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Seed()
	a := inMemory(t, s)
	for query, want := range map[string]string{
		"": "42 41 40 39", "phrase=REFUND": "41 39", "phrase=refund&state=published": "39", "phrase=refund&state=draft": "41", "phrase=refund&state=all": "41 39",
		"phrase=refund&help_center_id=79": "41 39", "help_center_id=80": "", "phrase=nothing+like+it": "", "phrase=within+a+day": "42",
	} {
		found := a.get("/articles/search?" + query).requireOK(t)
		assert.Equal(t, want, ids(found.at(t, "data", "articles")), query)
		assert.Empty(t, found.at(t, "data", "highlights"), query)
	}
	page := a.get("/articles/search?phrase=refund&per_page=1&highlight=true").requireOK(t)
	assert.Equal(t, "https://api.intercom.test/articles/search?highlight=true&page=2&per_page=1&phrase=refund", page.at(t, "pages", "next"))
	assert.Equal(t, []any{map[string]any{"type": "highlight", "text": "Refund"}, map[string]any{"type": "plain", "text": "s for yearly plans"}},
		page.at(t, "data", "highlights", 0, "highlighted_title"))
	last := a.get("/articles/search?phrase=refund&per_page=1&highlight=true&page=2").requireOK(t)
	assert.Equal(t, "39", last.at(t, "data", "highlights", 0, "article_id"))
	assert.Equal(t, map[string]any{"type": "highlight", "text": "refund"}, last.at(t, "data", "highlights", 0, "highlighted_summary", 0, 1))
	a.get("/articles/search?highlight=true&phrase=%C4%B0").requireOK(t) // whose lower case is longer
}

func TestCollections(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	s.Seed()
	a := inMemory(t, s)
	nested := a.get("/help_center/collections/160").requireOK(t)
	assert.Equal(t, "159", nested.at(t, "parent_id"))
	assert.Nil(t, nested.at(t, "help_center_id"))
	assert.Equal(t, json.Number("79"), a.get("/help_center/collections/159").requireOK(t).at(t, "help_center_id"))

	refused := a.post("/help_center/collections", `{"description":"d"}`).requireError(t, 400, "parameter_not_found")
	assert.Equal(t, "Name is a required parameter.", refused.message(t))
	a.post("/help_center/collections", `{"name":"N","parent_id":"1"}`).requireError(t, 400, "parameter_invalid")
	a.post("/help_center/collections", `{"name":"N","help_center_id":1}`).requireError(t, 400, "parameter_invalid")
	made := a.post("/help_center/collections", `{"name":"N","parent_id":"160","help_center_id":79}`).requireOK(t)
	path := "/help_center/collections/" + made.at(t, "id").(string)
	a.do("PUT", path, `{"parent_id":`+made.at(t, "id").(string)+`}`).requireError(t, 400, "parameter_invalid")
	assert.Equal(t, "160", a.do("PUT", path, `{"description":"d"}`).requireOK(t).at(t, "parent_id"))
	assert.Nil(t, a.do("PUT", path, `{"parent_id":null}`).requireOK(t).at(t, "parent_id"))

	gone := a.do("DELETE", "/help_center/collections/159", "").requireOK(t)
	assert.Equal(t, map[string]any{"id": "159", "object": "collection", "deleted": true}, gone.body)
	a.do("DELETE", "/help_center/collections/159", "").requireError(t, 404, "not_found")
	a.get("/help_center/collections/159").requireError(t, 404, "not_found")
	a.do("PUT", "/help_center/collections/159", `{}`).requireError(t, 404, "not_found")
	kept, ok := s.Collection("160")
	require.True(t, ok)
	assert.Empty(t, kept.ParentID)
	a.do("DELETE", "/help_center/collections/160", "").requireOK(t)
	article, _ := s.Article("39")
	assert.Empty(t, article.ParentIDs)
}

func TestArticlesOfATestsOwn(t *testing.T) {
	t.Parallel()
	s := intercomtest.NewServer(t)
	admin := s.AddAdmin(intercomtest.Admin{})
	id := s.AddArticle(intercomtest.Article{Translations: map[string]map[string]any{"fr": {"title": "T"}}})
	got, ok := s.Article(id)
	require.True(t, ok)
	assert.Equal(t, []any{"Article " + string(id), admin, intercomrbac.ArticleDraft}, []any{got.Title, got.AuthorID, got.State})
	got.Translations["fr"]["title"] = "changed"
	again, _ := s.Article(id)
	assert.Equal(t, "T", again.Translations["fr"]["title"], "a snapshot is the test's own")
	collection := s.AddCollection(intercomtest.Collection{})
	c, ok := s.Collection(collection)
	require.True(t, ok)
	assert.Equal(t, "Collection "+string(collection), c.Name)
	_, ok = s.Collection("1")
	assert.False(t, ok)
	for name, add := range map[string]func(){
		"article id":    func() { s.AddArticle(intercomtest.Article{ID: "x"}) },
		"state":         func() { s.AddArticle(intercomtest.Article{State: "all"}) },
		"author":        func() { s.AddArticle(intercomtest.Article{AuthorID: "x"}) },
		"parent":        func() { s.AddArticle(intercomtest.Article{ParentIDs: []intercomrbac.CollectionID{""}}) },
		"collection id": func() { s.AddCollection(intercomtest.Collection{ID: "01"}) },
		"its parent":    func() { s.AddCollection(intercomtest.Collection{ParentID: "x"}) },
	} {
		assert.Panics(t, add, name)
	}
}
