package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/intercomrbac/intercomrbac/internal/golden"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOutputIsTheSameAtEveryRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, true, ""))
	golden.Compare(t, "testdata/output.txt", out.String())
}

// secureOnLocalhost gives cookies for https to http, as browsers do for localhost and the jar does not.
type secureOnLocalhost struct{ http.CookieJar }

func (j secureOnLocalhost) SetCookies(u *url.URL, cookies []*http.Cookie) {
	j.CookieJar.SetCookies(https(u), cookies)
}
func (j secureOnLocalhost) Cookies(u *url.URL) []*http.Cookie { return j.CookieJar.Cookies(https(u)) }

func https(u *url.URL) *url.URL {
	secure := *u
	secure.Scheme = "https"
	return &secure
}

// In a browser: install in a workspace, see its teammates, uninstall.
func TestInABrowser(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	printed, out := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, out, false, t.TempDir())
		_ = out.Close()
	}()
	line := make([]byte, 200)
	n, err := printed.Read(line)
	require.NoError(t, err)
	go func() { _, _ = io.Copy(io.Discard, printed) }() // ends with run
	home := regexp.MustCompile(`http://localhost:\d+/`).FindString(string(line[:n]))
	require.NotEmpty(t, home)

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	h := &http.Client{Jar: secureOnLocalhost{jar}}
	open := func(method, address, form string) (string, *url.URL) {
		req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(form))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		resp, err := h.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, resp.StatusCode, "%s", b)
		return string(b), resp.Request.URL
	}
	page, _ := open(http.MethodGet, home, "")
	assert.Contains(t, page, "no workspace yet")
	choice, at := open(http.MethodGet, home+"auth/intercom/install", "")
	link := regexp.MustCompile(`href="([^"]*globex0815[^"]*)"`).FindStringSubmatch(choice)
	require.Len(t, link, 2)
	consent := at.Scheme + "://" + at.Host + strings.ReplaceAll(link[1], "&amp;", "&")
	page, at = open(http.MethodPost, consent, "press=allow")
	assert.Equal(t, home, at.String())
	assert.Contains(t, page, "globex0815: Gil Marsh")
	page, _ = open(http.MethodPost, home+"uninstall", "workspace=globex0815")
	assert.Contains(t, page, "no workspace yet")
	stop()
	require.NoError(t, <-done)
}
