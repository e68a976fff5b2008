package main

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// start runs the command until the test ends and returns what it printed first.
func start(t *testing.T, args ...string) (url, token, try string, stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := run(ctx, args, write, io.Discard)
		_ = write.CloseWithError(io.EOF)
		done <- err
	}()
	t.Cleanup(cancel)
	lines := bufio.NewScanner(read)
	values := make([]string, 3)
	for i, name := range []string{"url:", "token:", "try:"} {
		require.True(t, lines.Scan(), "it prints %s", name)
		value, ok := strings.CutPrefix(lines.Text(), name)
		require.True(t, ok, lines.Text())
		values[i] = strings.TrimSpace(value)
	}
	return values[0], values[1], values[2], func() error {
		cancel()
		return <-done
	}
}

type answer struct {
	status int
	header http.Header
	body   string
}

func get(t *testing.T, url, token string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp.StatusCode, resp.Header, string(b)}
}

func TestServes(t *testing.T) {
	t.Parallel()
	url, token, try, stop := start(t, "-addr", "127.0.0.1:0", "-token", "dev", "-rate", "100")
	assert.Equal(t, "dev", token)
	assert.Equal(t, "curl -H 'Authorization: Bearer dev' '"+url+"/conversations?per_page=2'", try)

	r := get(t, url+"/admins", token)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Equal(t, "100", r.header.Get("X-RateLimit-Limit"))
	assert.Contains(t, r.body, "Olivia Okafor")
	assert.Equal(t, http.StatusUnauthorized, get(t, url+"/admins", "another").status)

	require.NoError(t, stop())
	_, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(url, "http://"))
	require.Error(t, err, "nobody listens any more")
}

// The address that is printed is that of the app's consent page.
func TestServesAnApp(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"-addr", "127.0.0.1:0", "-client-id", "my app", "-redirect", "http://localhost:3000/callback", "-redirect", "https://app.example/callback",
		}, write, io.Discard)
	}()
	lines := bufio.NewScanner(read)
	printed := map[string]string{}
	for _, name := range []string{"url", "token", "try", "client id", "client secret", "authorize"} {
		require.True(t, lines.Scan(), "it prints %s", name)
		got, value, _ := strings.Cut(lines.Text(), ":")
		require.Equal(t, name, got)
		printed[name] = strings.TrimSpace(value)
	}
	assert.Equal(t, "my app", printed["client id"])
	assert.NotEmpty(t, printed["client secret"])
	r := get(t, printed["authorize"], "")
	assert.Equal(t, http.StatusOK, r.status)
	assert.Contains(t, r.body, "<code>http://localhost:3000/callback</code>")
	r = get(t, printed["authorize"]+"&redirect_uri=https://app.example/callback", "")
	assert.Contains(t, r.body, "<code>https://app.example/callback</code>")
	cancel()
	require.NoError(t, <-done)
}

func TestServesLocalhost(t *testing.T) {
	t.Parallel()
	url, token, _, stop := start(t, "-addr", "localhost:0")
	r := get(t, url+"/me", token)
	assert.Equal(t, http.StatusOK, r.status)
	assert.Empty(t, r.header.Get("X-RateLimit-Limit"))
	require.NoError(t, stop())
}

func TestRefusesBadFlags(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"all interfaces":  {"-addr", ":8787"},
		"every address":   {"-addr", "0.0.0.0:8787"},
		"another machine": {"-addr", "192.0.2.1:8787"},
		"a name":          {"-addr", "fake.example:8787"},
		"no port":         {"-addr", "127.0.0.1"},
		"a bad port":      {"-addr", "127.0.0.1:http:1"},
		"no token":        {"-token", ""},
		"a bad rate":      {"-rate", "-1"},
		"an argument":     {"serve"},
		"unknown flag":    {"-port", "1"},
		"a relative URL":  {"-redirect", "/callback"},
		"not a URL":       {"-redirect", "https://%zz"},
		"a fragment":      {"-redirect", "https://app.example/callback#"},
		"app, no URL":     {"-client-id", "id"},
		"secret, no URL":  {"-client-secret", "secret"},
		"help":            {"-h"},
	} {
		assert.Error(t, run(t.Context(), args, io.Discard, io.Discard), name)
	}
}

func TestPortTaken(t *testing.T) {
	t.Parallel()
	url, _, _, _ := start(t, "-addr", "127.0.0.1:0")
	assert.Error(t, run(t.Context(), []string{"-addr", strings.TrimPrefix(url, "http://")}, io.Discard, io.Discard))
}

// The line that it prints can be pasted into a shell.
func TestCurlLine(t *testing.T) {
	t.Parallel()
	_, _, try, _ := start(t, "-addr", "127.0.0.1:0")
	assert.NotContains(t, try, "\n")
	assert.Equal(t, 4, strings.Count(try, "'"))
}
