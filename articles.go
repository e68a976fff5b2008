package intercomrbac

import (
	"context"
	"encoding/json"
	"iter"
	"net/url"
	"strconv"
	"strings"
)

const articlePath = "/articles/{article_id}"

var (
	opArticlesList = Operation{
		Name: "articles.list", ID: "listArticles", Method: "GET", Path: "/articles",
		Scope: ScopeReadArticles, Permission: ArticlesRead, Resource: "article", Effect: Read, Repeatable: true,
	}
	opArticlesSearch = Operation{
		Name: "articles.search", ID: "searchArticles", Method: "GET", Path: "/articles/search",
		Scope: ScopeReadArticles, Permission: ArticlesRead, Resource: "article", Effect: Read, Repeatable: true,
	}
	opArticlesGet = Operation{
		Name: "articles.get", ID: "retrieveArticle", Method: "GET", Path: articlePath,
		Scope: ScopeReadArticles, Permission: ArticlesRead, Resource: "article", ResourceArg: "article_id",
		Effect: Read, Repeatable: true,
	}
	opArticlesCreate = Operation{
		Name: "articles.create", ID: "createArticle", Method: "POST", Path: "/articles",
		Scope: ScopeWriteArticles, Permission: ArticlesWrite, Resource: "article", Actor: "author_id", Effect: Write,
	}
	// Each update makes a version (operation listArticleVersions), so that it must not be sent twice.
	opArticlesUpdate = Operation{
		Name: "articles.update", ID: "updateArticle", Method: "PUT", Path: articlePath,
		Scope: ScopeWriteArticles, Permission: ArticlesWrite, Resource: "article", ResourceArg: "article_id",
		Actor: "author_id", ActorOptional: true, Effect: Write,
	}
	opArticlesDelete = Operation{
		Name: "articles.delete", ID: "deleteArticle", Method: "DELETE", Path: articlePath,
		Scope: ScopeWriteArticles, Permission: ArticlesDelete, Resource: "article", ResourceArg: "article_id", Effect: Destructive,
	}
)

// ArticlesService is about the articles of the help center. It is safe for concurrent use.
type ArticlesService struct{ c *Client }

// List returns a page of all articles, the latest change first. The pages have numbers: Next holds the number of one, and
// the page size beside it. Operation articles.list (listArticles).
func (s *ArticlesService) List(ctx context.Context, params ListParams) (*Page[Article], error) {
	op := opArticlesList
	if err := params.check(op); err != nil {
		return nil, err
	}
	return fetchPage[Article, numberedPage[Article]](ctx, s.c, call{op: op, query: params.into(url.Values{})})
}

// All returns all articles, page by page as they are needed; each range over it starts anew. After an error it ends.
// Pages are no snapshot: while articles change, one can come twice or not at all. Operation articles.list (listArticles).
func (s *ArticlesService) All(ctx context.Context, params ListParams) iter.Seq2[Article, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[Article], error) {
		return s.List(ctx, ListParams{PerPage: params.PerPage, After: after})
	})
}

// Get returns one article with its statistics. Operation articles.get (retrieveArticle).
func (s *ArticlesService) Get(ctx context.Context, id ArticleID) (*Article, error) {
	return do[Article](ctx, s.c, call{op: opArticlesGet, args: []string{string(id)}})
}

// SearchArticlesParams says which articles to find. The zero value finds all.
type SearchArticlesParams struct {
	// Phrase is what to look for; empty looks for nothing in particular.
	Phrase string
	// State is ArticlePublished, ArticleDraft or ArticleAnyState; empty leaves it to Intercom.
	State ArticleState
	// HelpCenterID is the help center to look in; empty means any.
	HelpCenterID HelpCenterID
	// Highlight also tells where in the article the phrase is.
	Highlight bool
	ListParams
}

// Search returns a page of the articles in which a phrase is found. Operation articles.search (searchArticles), which does
// not declare pages; the URL that it answers for the next one has their size and number
// (https://github.com/intercom/intercom-node/issues/496).
func (s *ArticlesService) Search(ctx context.Context, params SearchArticlesParams) (*Page[ArticleMatch], error) {
	op := opArticlesSearch
	if err := params.check(op); err != nil {
		return nil, err
	}
	query := url.Values{}
	if params.Phrase != "" {
		query.Set("phrase", params.Phrase)
	}
	if params.State != "" {
		query.Set("state", string(params.State))
	}
	if params.HelpCenterID != "" {
		if err := params.HelpCenterID.check(op); err != nil {
			return nil, err
		}
		query.Set("help_center_id", string(params.HelpCenterID))
	}
	if params.Highlight {
		query.Set("highlight", "true")
	}
	query = params.into(query, "phrase", "state", "help_center_id", "highlight")
	return fetchPage[ArticleMatch, foundArticles](ctx, s.c, call{op: op, query: query})
}

// SearchAll returns all articles in which a phrase is found, as [ArticlesService.All] returns all. Operation
// articles.search (searchArticles).
func (s *ArticlesService) SearchAll(ctx context.Context, params SearchArticlesParams) iter.Seq2[ArticleMatch, error] {
	return all(ctx, params.After, func(ctx context.Context, after string) (*Page[ArticleMatch], error) {
		p := params
		p.After = after
		return s.Search(ctx, p)
	})
}

// CreateArticleParams describes a new article.
type CreateArticleParams struct {
	// Title is needed.
	Title       string
	Description string
	// Body is the text in HTML.
	Body string
	// BodyMarkdown is the text in Markdown, in place of Body.
	BodyMarkdown string
	// AuthorID is the teammate in whose name it is written; empty means the principal of the context.
	AuthorID AdminID
	// State is ArticleDraft or ArticlePublished; empty makes a draft.
	State ArticleState
	// ParentID is the collection that it belongs to; empty means none.
	ParentID CollectionID
	// Translations are in the same name, by locale: "fr", "pt-BR".
	Translations map[string]ArticleTranslation
}

// ArticleTranslation is an article in one language. What is empty is not sent.
type ArticleTranslation struct {
	Title       string
	Description string
	// Body is the text in HTML.
	Body string
	// BodyMarkdown is the text in Markdown, in place of Body.
	BodyMarkdown string
	// State is ArticleDraft or ArticlePublished.
	State ArticleState
}

// articleTranslation is a translation as it is sent.
type articleTranslation struct {
	Title        string       `json:"title,omitzero"`
	Description  string       `json:"description,omitzero"`
	Body         string       `json:"body,omitzero"`
	BodyMarkdown string       `json:"body_markdown,omitzero"`
	State        ArticleState `json:"state,omitzero"`
	AuthorID     json.Number  `json:"author_id,omitzero"`
}

// Create makes an article in a teammate's name. Operation articles.create (createArticle).
func (s *ArticlesService) Create(ctx context.Context, params CreateArticleParams) (*Article, error) {
	op := opArticlesCreate
	if params.Title == "" {
		return nil, invalid(op, "Title is needed")
	}
	if err := checkArticle(op, params.Body != "" && params.BodyMarkdown != "", params.State, params.ParentID); err != nil {
		return nil, err
	}
	author, err := s.c.actingAdmin(ctx, op, params.AuthorID)
	if err != nil {
		return nil, err
	}
	translations, err := articleTranslations(op, params.Translations, author)
	if err != nil {
		return nil, err
	}
	body := struct {
		Title        string                        `json:"title"`
		Description  string                        `json:"description,omitzero"`
		Body         string                        `json:"body,omitzero"`
		BodyMarkdown string                        `json:"body_markdown,omitzero"`
		AuthorID     json.Number                   `json:"author_id"`
		State        ArticleState                  `json:"state,omitzero"`
		ParentID     json.Number                   `json:"parent_id,omitzero"`
		ParentType   string                        `json:"parent_type,omitzero"`
		Translations map[string]articleTranslation `json:"translated_content,omitempty"`
	}{params.Title, params.Description, params.Body, params.BodyMarkdown, json.Number(author), params.State,
		json.Number(params.ParentID), parentType(params.ParentID), translations}
	return do[Article](ctx, s.c, call{op: op, body: body, actor: author})
}

// UpdateArticleParams changes what is set; nil and empty members stay as they are.
type UpdateArticleParams struct {
	// Title renames it.
	Title       string
	Description *string
	// Body is the text in HTML.
	Body *string
	// BodyMarkdown is the text in Markdown, in place of Body.
	BodyMarkdown *string
	// AuthorID gives it, and the Translations of this update, another author. Empty leaves the authors as they are, and
	// needs no acting admin.
	AuthorID AdminID
	// State publishes the article or takes it back. Where it is empty, a change of what is published goes live at once,
	// unless a draft of it is pending.
	State ArticleState
	// ParentID moves it into a collection.
	ParentID CollectionID
	// Translations are by locale: "fr", "pt-BR".
	Translations map[string]ArticleTranslation
}

// Update changes an article. Whoever is named as its author acts: under a guard another one than the principal needs
// admins:impersonate. Operation articles.update (updateArticle).
func (s *ArticlesService) Update(ctx context.Context, id ArticleID, params UpdateArticleParams) (*Article, error) {
	op := opArticlesUpdate
	if err := checkArticle(op, params.Body != nil && params.BodyMarkdown != nil, params.State, params.ParentID); err != nil {
		return nil, err
	}
	if params.AuthorID != "" {
		if err := params.AuthorID.check(op); err != nil {
			return nil, err
		}
	}
	translations, err := articleTranslations(op, params.Translations, params.AuthorID)
	if err != nil {
		return nil, err
	}
	body := struct {
		Title        string                        `json:"title,omitzero"`
		Description  *string                       `json:"description,omitzero"`
		Body         *string                       `json:"body,omitzero"`
		BodyMarkdown *string                       `json:"body_markdown,omitzero"`
		AuthorID     json.Number                   `json:"author_id,omitzero"`
		State        ArticleState                  `json:"state,omitzero"`
		ParentID     CollectionID                  `json:"parent_id,omitzero"` // text here, a number in createArticle
		ParentType   string                        `json:"parent_type,omitzero"`
		Translations map[string]articleTranslation `json:"translated_content,omitempty"`
	}{params.Title, params.Description, params.Body, params.BodyMarkdown, json.Number(params.AuthorID), params.State,
		params.ParentID, parentType(params.ParentID), translations}
	if params.Title == "" && params.Description == nil && params.Body == nil && params.BodyMarkdown == nil &&
		params.AuthorID == "" && params.State == "" && params.ParentID == "" && len(translations) == 0 {
		return nil, invalid(op, "the params change nothing")
	}
	return do[Article](ctx, s.c, call{op: op, args: []string{string(id)}, body: body, actor: params.AuthorID})
}

// Delete removes an article for good. Operation articles.delete (deleteArticle).
func (s *ArticlesService) Delete(ctx context.Context, id ArticleID) error {
	return s.c.do(ctx, &call{op: opArticlesDelete, args: []string{string(id)}})
}

// checkArticle refuses what Intercom has no article for.
func checkArticle(op Operation, bothBodies bool, state ArticleState, parent CollectionID) error {
	switch {
	case bothBodies:
		return invalid(op, "Body and BodyMarkdown exclude each other")
	case state != "" && state != ArticleDraft && state != ArticlePublished:
		return invalid(op, "State is %.40q: use ArticleDraft or ArticlePublished", string(state))
	case parent != "":
		return parent.check(op)
	}
	return nil
}

func parentType(parent CollectionID) string {
	if parent == "" {
		return ""
	}
	return "collection"
}

// articleTranslations are the translations as they are sent, all in the author's name.
func articleTranslations(op Operation, translations map[string]ArticleTranslation, author AdminID) (map[string]articleTranslation, error) {
	out := make(map[string]articleTranslation, len(translations))
	for locale, t := range translations {
		if err := checkTranslation(op, locale, t == ArticleTranslation{}); err != nil {
			return nil, err
		}
		if err := checkArticle(op, t.Body != "" && t.BodyMarkdown != "", t.State, ""); err != nil {
			return nil, err
		}
		out[locale] = articleTranslation{t.Title, t.Description, t.Body, t.BodyMarkdown, t.State, json.Number(author)}
	}
	return out, nil
}

// checkTranslation refuses what is no translation.
func checkTranslation(op Operation, locale string, empty bool) error {
	switch {
	case !isLocale(locale):
		return invalid(op, "%.40q is no locale: use one such as \"fr\" or \"pt-BR\"", locale)
	case empty:
		return invalid(op, "the translation %s is empty", locale)
	}
	return nil
}

// isLocale reports whether s can be the code of a language, with what may follow it behind dashes. No other member of
// translated_content can: its type, say.
func isLocale(s string) bool {
	language, _, _ := strings.Cut(s, "-")
	return (len(language) == 2 || len(language) == 3) && len(s) <= 16 && !strings.HasSuffix(s, "-") &&
		!strings.ContainsFunc(s, func(c rune) bool {
			return c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
		})
}

// numberedPage is the envelope of a list whose pages have numbers.
type numberedPage[T any] struct {
	Data  []T      `json:"data"`
	Total count    `json:"total_count"`
	Pages numbered `json:"pages"`
}

func (p *numberedPage[T]) complete() bool { return p.Data != nil }

func (p *numberedPage[T]) page() *Page[T] {
	return &Page[T]{Items: p.Data, Next: p.Pages.next, Total: int(p.Total)}
}

// numbered is the paging part of a list whose pages have numbers. Intercom declares cursors for these lists and answers the
// URL of the next page or, as in the examples of listArticles and listAllCollections, numbers alone.
type numbered struct{ pages }

// UnmarshalJSON accepts what pages does, and where that tells no next page: {"page": 1, "per_page": 25, "total_pages": 3}.
func (p *numbered) UnmarshalJSON(b []byte) error {
	if err := p.pages.UnmarshalJSON(b); err != nil || p.next != "" {
		return err
	}
	var at struct {
		Page       count `json:"page"`
		PerPage    count `json:"per_page"`
		TotalPages count `json:"total_pages"`
	}
	if json.Unmarshal(b, &at) != nil {
		return errPages
	}
	if at.Page > 0 && at.Page < at.TotalPages {
		q := url.Values{"page": {strconv.Itoa(int(at.Page) + 1)}}
		if at.PerPage > 0 {
			q.Set("per_page", strconv.Itoa(int(at.PerPage)))
		}
		p.next = "?" + q.Encode()
	}
	return nil
}
