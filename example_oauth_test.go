package intercomrbac_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// sessionID stands for what a service knows a browser by: here, the id of its session in a cookie.
func sessionID(r *http.Request) string {
	if c, err := r.Cookie("__Host-session"); err == nil {
		return c.Value
	}
	return ""
}

func ExampleNewOAuth() {
	fake := intercomtest.Start()
	defer fake.Close()
	fake.Seed()
	app := fake.AddApp(intercomtest.App{RedirectURLs: []string{"https://app.example.com/callback"}})

	oauth, err := intercomrbac.NewOAuth(intercomrbac.OAuthConfig{
		ClientID:     app.ClientID,
		ClientSecret: intercomrbac.NewSecret(app.ClientSecret), // a service of yours reads it from its environment
		RedirectURL:  "https://app.example.com/callback",
		States:       intercomrbac.NewMemoryStateStore(),
		HTTPClient:   &http.Client{Transport: fake.Transport()}, // a service of yours leaves it out
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /install", func(w http.ResponseWriter, r *http.Request) {
		state, err := oauth.NewState(r.Context(), sessionID(r))
		if err != nil {
			http.Error(w, "sign in first", http.StatusBadRequest)
			return
		}
		http.Redirect(w, r, oauth.AuthCodeURL(state), http.StatusFound)
	})
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Referrer-Policy", "no-referrer") // the code is in the URL
		workspace, err := oauth.Callback(r.Context(), sessionID(r), r.URL.Query())
		if err != nil {
			fmt.Println(intercomrbac.Advice(err))
			http.Error(w, "begin again at /install", http.StatusBadRequest)
			return
		}
		fmt.Printf("%s is installed, with token %v\n", workspace.Name, workspace.Token)
	})

	// A browser, and a teammate who agrees.
	browse := func(session, address string) http.Header {
		r := httptest.NewRequest(http.MethodGet, address, nil)
		r.AddCookie(&http.Cookie{Name: "__Host-session", Value: session})
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Header()
	}
	back, err := fake.Authorize(browse("session-of-olivia", "/install").Get("Location"))
	if err != nil {
		fmt.Println(err)
		return
	}
	browse("session-of-eve", back)
	browse("session-of-olivia", back)
	// Output:
	// begin the install again, in one browser and within ten minutes; nothing was sent
	// Fake Workspace is installed, with token [secret]
}

func ExampleOAuth_Exchange() {
	fake := intercomtest.Start()
	defer fake.Close()
	app := fake.AddApp(intercomtest.App{RedirectURLs: []string{"https://app.example.com/callback"}})
	oauth, err := intercomrbac.NewOAuth(intercomrbac.OAuthConfig{
		ClientID: app.ClientID, ClientSecret: intercomrbac.NewSecret(app.ClientSecret), RedirectURL: app.RedirectURLs[0],
		States: intercomrbac.NewMemoryStateStore(), HTTPClient: &http.Client{Transport: fake.Transport()},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = oauth.Exchange(context.Background(), "a code that was used")
	fmt.Println(errors.Is(err, intercomrbac.ErrOAuthExchange))
	// Output:
	// true
}

func ExampleSecret() {
	token := intercomrbac.NewSecret("dG9rOmV4YW1wbGU=")
	fmt.Printf("%v %+v %q\n", token, struct{ T intercomrbac.Secret }{token}, url.Values{"t": {token.String()}}.Encode())
	fmt.Println(len(token.Reveal()))
	// Output:
	// [secret] {T:[secret]} "t=%5Bsecret%5D"
	// 16
}
