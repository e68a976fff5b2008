package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// Whoever creates an article is its author. To write in a colleague's name is another right, which no wildcard gives.
func ExampleArticlesService_Create() {
	fake := intercomtest.Start()
	defer fake.Close()
	ids := fake.Seed()

	checker, err := intercomrbac.NewChecker(intercomrbac.StockPolicy())
	if err != nil {
		fmt.Println(err)
		return
	}
	guard, err := intercomrbac.NewGuard(intercomrbac.GuardConfig{Checker: checker, Audit: intercomrbac.NoAudit()})
	if err != nil {
		fmt.Println(err)
		return
	}
	client := fake.Client(intercomrbac.WithGuard(guard))
	ctx := intercomrbac.WithPrincipal(context.Background(), intercomrbac.Principal{AdminID: ids.Manager, Role: intercomrbac.RoleAdmin})

	article, err := client.Articles.Create(ctx, intercomrbac.CreateArticleParams{Title: "Invoices", Body: "<p>Under Settings.</p>"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(article.Title, "is a", article.State, "by", article.AuthorID)

	_, err = client.Articles.Create(ctx, intercomrbac.CreateArticleParams{Title: "Payments", AuthorID: ids.Owner})
	fmt.Println("by another:", errors.Is(err, intercomrbac.ErrDenied))
	fmt.Println("delete:", errors.Is(client.Articles.Delete(ctx, article.ID), intercomrbac.ErrDenied))
	// Output:
	// Invoices is a draft by 991267460
	// by another: true
	// delete: true
}

func ExampleArticlesService_SearchAll() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.Seed()
	client := fake.Client()

	params := intercomrbac.SearchArticlesParams{Phrase: "refund", State: intercomrbac.ArticlePublished, Highlight: true}
	for match, err := range client.Articles.SearchAll(context.Background(), params) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Print(match.Title, ":")
		for _, piece := range match.HighlightedTitle {
			fmt.Printf(" %s %q", piece.Type, piece.Text)
		}
		fmt.Println()
	}
	// Output:
	// How refunds work: plain "How " highlight "refund" plain "s work"
}

func ExampleCollectionsService_All() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.Seed()
	client := fake.Client()

	for c, err := range client.Collections.All(context.Background(), intercomrbac.ListParams{}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s %q %q\n", c.ID, c.Name, c.ParentID)
	}
	// Output:
	// 161 "Getting started" ""
	// 160 "Refunds" "159"
	// 159 "Billing" ""
}
