package conformance_test

import (
	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

const (
	noArticle    intercomrbac.ArticleID    = "999"
	noCollection intercomrbac.CollectionID = "999"
)

// articleCases are about the help center.
var articleCases = map[string]conformance{
	"articles.list": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Articles.List(w.ctx, intercomrbac.ListParams{}))
			},
			"most": func(w *world) (any, error) {
				page, err := w.fake.Client().Articles.List(w.ctx, intercomrbac.ListParams{PerPage: 1})
				if err != nil {
					return nil, err
				}
				return result(w.c.Articles.List(w.ctx, intercomrbac.ListParams{PerPage: 1, After: page.Next}))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Articles.List(w.ctx, intercomrbac.ListParams{After: "?page=x"}))
			},
		},
	},
	"articles.search": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Articles.Search(w.ctx, intercomrbac.SearchArticlesParams{}))
			},
			"most": func(w *world) (any, error) {
				params := intercomrbac.SearchArticlesParams{Phrase: "refund", State: intercomrbac.ArticleAnyState, HelpCenterID: "79", Highlight: true,
					ListParams: intercomrbac.ListParams{PerPage: 1}}
				page, err := w.fake.Client().Articles.Search(w.ctx, params)
				if err != nil {
					return nil, err
				}
				params.After = page.Next
				return result(w.c.Articles.Search(w.ctx, params))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Articles.Search(w.ctx, intercomrbac.SearchArticlesParams{State: "archived"}))
			},
		},
	},
	"articles.get": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return result(w.c.Articles.Get(w.ctx, w.Articles[0])) },
			"in two languages, with a tag": func(w *world) (any, error) {
				return result(w.c.Articles.Get(w.ctx, w.fake.AddArticle(intercomtest.Article{
					BodyMarkdown: "Here.", TagIDs: []intercomrbac.TagID{w.VIP}, Translations: map[string]map[string]any{"fr": {"title": "Factures"}}})))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Articles.Get(w.ctx, noArticle)) },
		},
	},
	"articles.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Articles.Create(w.ctx, intercomrbac.CreateArticleParams{Title: "Invoices", AuthorID: w.Agent}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Articles.Create(w.ctx, intercomrbac.CreateArticleParams{
					Title: "Invoices", Description: "Where they are", Body: "<p>Here.</p>", AuthorID: w.Agent, State: intercomrbac.ArticlePublished,
					ParentID: w.Collections[0], Translations: map[string]intercomrbac.ArticleTranslation{
						"fr":    {Title: "Factures", Description: "Où", Body: "<p>Ici.</p>", State: intercomrbac.ArticleDraft},
						"pt-BR": {Title: "Faturas", BodyMarkdown: "Aqui."},
					},
				}))
			},
			"in Markdown": func(w *world) (any, error) {
				return result(w.c.Articles.Create(w.ctx, intercomrbac.CreateArticleParams{Title: "Invoices", BodyMarkdown: "Here.", AuthorID: w.Agent}))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Articles.Create(w.ctx, intercomrbac.CreateArticleParams{Title: "Invoices", AuthorID: noAdmin}))
			},
		},
	},
	"articles.update": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Articles.Update(w.ctx, w.Articles[0], intercomrbac.UpdateArticleParams{Title: "Invoices"}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Articles.Update(w.ctx, w.Articles[0], intercomrbac.UpdateArticleParams{
					Title: "Invoices", Description: new("Where they are"), Body: new("<p>Here.</p>"), AuthorID: w.Agent,
					State: intercomrbac.ArticleDraft, ParentID: w.Collections[0], Translations: map[string]intercomrbac.ArticleTranslation{
						"fr":    {Title: "Factures", Description: "Où", Body: "<p>Ici.</p>", State: intercomrbac.ArticleDraft},
						"pt-BR": {Title: "Faturas", BodyMarkdown: "Aqui."},
					},
				}))
			},
			"in Markdown": func(w *world) (any, error) {
				return result(w.c.Articles.Update(w.ctx, w.Articles[0], intercomrbac.UpdateArticleParams{BodyMarkdown: new("Here.")}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Articles.Update(w.ctx, noArticle, intercomrbac.UpdateArticleParams{Title: "Invoices"}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Articles.Update(w.ctx, w.Articles[0], intercomrbac.UpdateArticleParams{AuthorID: noAdmin}))
			},
		},
	},
	"articles.delete": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return nothing(w.c.Articles.Delete(w.ctx, w.Articles[0])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Articles.Delete(w.ctx, noArticle)) },
		},
	},

	"collections.list": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Collections.List(w.ctx, intercomrbac.ListParams{}))
			},
			"most": func(w *world) (any, error) {
				page, err := w.fake.Client().Collections.List(w.ctx, intercomrbac.ListParams{PerPage: 1})
				if err != nil {
					return nil, err
				}
				return result(w.c.Collections.List(w.ctx, intercomrbac.ListParams{PerPage: 1, After: page.Next}))
			},
		},
		refused: map[string]call{
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Collections.List(w.ctx, intercomrbac.ListParams{After: "?page=x"}))
			},
		},
	},
	"collections.get": {
		calls: map[string]call{
			"least":                  func(w *world) (any, error) { return result(w.c.Collections.Get(w.ctx, w.Collections[0])) },
			"one within another one": func(w *world) (any, error) { return result(w.c.Collections.Get(w.ctx, w.Collections[1])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return result(w.c.Collections.Get(w.ctx, noCollection)) },
		},
	},
	"collections.create": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Collections.Create(w.ctx, intercomrbac.CreateCollectionParams{Name: "Invoices"}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Collections.Create(w.ctx, intercomrbac.CreateCollectionParams{
					Name: "Invoices", Description: "Where they are", ParentID: w.Collections[0], HelpCenterID: "79",
					Translations: map[string]intercomrbac.CollectionTranslation{"fr": {Name: "Factures", Description: "Où"}},
				}))
			},
		},
		refused: map[string]call{
			"400 parameter_not_found": func(w *world) (any, error) {
				return result(w.c.Collections.Create(w.ctx, intercomrbac.CreateCollectionParams{Name: " "}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Collections.Create(w.ctx, intercomrbac.CreateCollectionParams{Name: "Invoices", ParentID: noCollection}))
			},
		},
	},
	"collections.update": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Collections.Update(w.ctx, w.Collections[2], intercomrbac.UpdateCollectionParams{Name: "Invoices"}))
			},
			"most": func(w *world) (any, error) {
				return result(w.c.Collections.Update(w.ctx, w.Collections[2], intercomrbac.UpdateCollectionParams{
					Name: "Invoices", Description: new("Where they are"), ParentID: new(w.Collections[0]),
					Translations: map[string]intercomrbac.CollectionTranslation{"fr": {Name: "Factures", Description: "Où"}},
				}))
			},
			"to the first level": func(w *world) (any, error) {
				return result(w.c.Collections.Update(w.ctx, w.Collections[1], intercomrbac.UpdateCollectionParams{ParentID: new(intercomrbac.CollectionID(""))}))
			},
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) {
				return result(w.c.Collections.Update(w.ctx, noCollection, intercomrbac.UpdateCollectionParams{Name: "Invoices"}))
			},
			"400 parameter_invalid": func(w *world) (any, error) {
				return result(w.c.Collections.Update(w.ctx, w.Collections[1], intercomrbac.UpdateCollectionParams{ParentID: new(noCollection)}))
			},
		},
	},
	"collections.delete": {
		calls: map[string]call{
			"least": func(w *world) (any, error) { return nothing(w.c.Collections.Delete(w.ctx, w.Collections[0])) },
		},
		refused: map[string]call{
			"404 not_found": func(w *world) (any, error) { return nothing(w.c.Collections.Delete(w.ctx, noCollection)) },
		},
	},
}
