package apipath_test

import (
	"net/url"
	"path"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/intercomrbac/intercomrbac/internal/apipath"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestExpand(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		template string
		args     []string
		want     string
	}{
		"no placeholder":   {"/admins", nil, "/admins"},
		"one":              {"/admins/{admin_id}", []string{"4410"}, "/admins/4410"},
		"in the middle":    {"/admins/{admin_id}/away", []string{"4410"}, "/admins/4410/away"},
		"two":              {"/conversations/{conversation_id}/tags/{tag_id}", []string{"5", "7"}, "/conversations/5/tags/7"},
		"slash":            {"/a/{x}/b", []string{"1/2"}, "/a/1%2F2/b"},
		"dots and a slash": {"/a/{x}", []string{"../b"}, "/a/..%2Fb"},
		"backslash":        {"/a/{x}", []string{`..\b`}, "/a/..%5Cb"},
		"escape":           {"/a/{x}", []string{"%2e%2e"}, "/a/%252e%252e"},
		"query":            {"/a/{x}", []string{"1?y=2#z"}, "/a/1%3Fy=2%23z"},
		"space":            {"/a/{x}", []string{"1 2+3"}, "/a/1%202+3"},
		"other letters":    {"/a/{x}", []string{"é"}, "/a/%C3%A9"},
		"three dots":       {"/a/{x}", []string{"..."}, "/a/..."},
		"dots in a word":   {"/a/{x}", []string{"..a"}, "/a/..a"},
		"braces":           {"/a/{x}/{y}", []string{"{y}", "{x}"}, "/a/%7By%7D/%7Bx%7D"},
		"host":             {"/a/{x}", []string{"//evil.test"}, "/a/%2F%2Fevil.test"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := apipath.Expand(tt.template, tt.args...)
			require.NoError(t, err)
			assert.Equal(t, tt.want, got)
		})
	}
}

func TestExpandRefuses(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		template string
		args     []string
		hint     string
	}{
		"too few":           {"/a/{x}", nil, "more than 0 arguments"},
		"one of two":        {"/a/{x}/{y}", []string{"1"}, "more than 1 arguments"},
		"too many":          {"/a/{x}", []string{"1", "2"}, "fewer than 2 arguments"},
		"none wanted":       {"/a", []string{"1"}, "fewer than 1 arguments"},
		"empty":             {"/a/{x}", []string{""}, "x is empty"},
		"dot":               {"/a/{x}", []string{"."}, "another path"},
		"dots":              {"/a/{x}", []string{".."}, "another path"},
		"dots at last":      {"/a/{x}/{y}", []string{"1", ".."}, `y is ".."`},
		"line break":        {"/a/{x}", []string{"1\r\n"}, "control character"},
		"NUL":               {"/a/{x}", []string{"\x00"}, "control character"},
		"delete":            {"/a/{x}", []string{"\x7f"}, "control character"},
		"C1 control":        {"/a/{x}", []string{"\u0085"}, "control character"},
		"broken UTF-8":      {"/a/{x}", []string{"\xc3"}, "not valid UTF-8"},
		"broken brace":      {"/a/{x", []string{"1"}, "fewer than 1 arguments"},
		"brace without end": {"/a/{x", nil, "more than 0 arguments"},
		"braces reversed":   {"/a/}x{", []string{"1"}, "fewer than 1 arguments"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := apipath.Expand(tt.template, tt.args...)
			require.ErrorContains(t, err, tt.hint)
			assert.Empty(t, got)
			assert.False(t, strings.ContainsFunc(err.Error(), unicode.IsControl))
		})
	}
}

func FuzzExpand(f *testing.F) {
	for _, seed := range []string{"5", "a/b", "..", ".", "", "../x", "%2e%2e", "a%2Fb", `..\x`, "x\r\ny", "é", "\xff", "?#", "//evil.test", "...", "{y}"} {
		f.Add(seed, "7")
		f.Add("5", seed)
	}
	const template = "/conversations/{x}/tags/{y}"
	f.Fuzz(func(t *testing.T, x, y string) {
		got, err := apipath.Expand(template, x, y)
		bad := func(s string) bool {
			return s == "" || s == "." || s == ".." || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl)
		}
		require.Equal(t, bad(x) || bad(y), err != nil)
		if err != nil {
			require.Empty(t, got)
			return
		}
		require.False(t, strings.ContainsFunc(got, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`?#\`, r) }), "%q is no path", got)
		segments := strings.Split(got, "/")
		require.Len(t, segments, 5)
		for i, arg := range map[int]string{2: x, 4: y} {
			s, err := url.PathUnescape(segments[i])
			require.NoError(t, err)
			require.Equal(t, arg, s)
		}
		u, err := url.Parse("https://api.intercom.test/base" + got)
		require.NoError(t, err)
		require.Equal(t, "api.intercom.test", u.Host)
		require.Equal(t, "/base"+got, u.EscapedPath())
		require.Empty(t, u.RawQuery+u.Fragment)
		if !strings.Contains(x+y, "/") { // what a server sees that decodes and cleans
			require.Equal(t, "/base/conversations/"+x+"/tags/"+y, path.Clean(u.Path))
		}
	})
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"/a/b":                            "/a/b",
		"/a//b/":                          "/a/b",
		"/a/./b":                          "/a/b",
		"/a/../b":                         "/b",
		"/../../b":                        "/b",
		"":                                "/",
		"/a/1%2F2":                        "/a/1/2",
		"/x/..%2Fb":                       "/b",
		"/x/%2e%2e%2fb":                   "/b",
		"/x/%252e%252e%252fb":             "/b",
		"/x/%25252e%25252e%25252fb":       "/b",
		`/x/..%5Cb`:                       "/b",
		`/x\..\b`:                         "/b",
		"/a/100%":                         "/a/100%",
		"/a/%zz":                          "/a/%zz",
		"/conversations/%C3%A9":           "/conversations/é",
		"/contacts/%66ind_by_external_id": "/contacts/find_by_external_id",
	} {
		assert.Equal(t, want, apipath.Clean(in), in)
	}
}

func TestClimbs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]bool{
		"/a/..%2Fb": true, "/a/b%2F..": true, "/a/%2e%2e/b": true, "/a/..%5Cb": true, "/a/%252e%252e%252fb": true,
		"/a/b": false, "/a/...": false, "/a/..b": false, "/a/b..%2Fc": false, "/a/.%2Fb": false, "": false,
	} {
		assert.Equal(t, want, apipath.Climbs(in), in)
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		template, clean string
		literal         int
		ok              bool
	}{
		{"/admins", "/admins", 1, true},
		{"/admins", "/admins/", 1, true},
		{"/admins", "/Admins", 1, true},
		{"/admins", "/admins.json", 1, true},
		{"/admins", "/adminsx", 0, false},
		{"/admins", "/admin", 0, false},
		{"/admins", "/", 0, false},
		{"/admins", "/admins/5", 0, false},
		{"/admins/{id}", "/admins/5", 1, true},
		{"/admins/{id}", "/admins", 0, false},
		{"/admins/{id}/away", "/admins/5/away", 2, true},
		{"/admins/{id}/away", "/admins/5/AWAY.xml", 2, true},
		{"/admins/{id}/away", "/admins/5", 0, false},
		{"/contacts/{id}", "/contacts/find", 1, true},
		{"/contacts/find/{id}", "/contacts/find/5", 2, true},
		{"/{a}/{b}", "/x/y", 0, true},
	} {
		literal, ok := apipath.Matches(tt.template, tt.clean)
		assert.Equal(t, tt.ok, ok, "%s %s", tt.template, tt.clean)
		assert.Equal(t, tt.literal, literal, "%s %s", tt.template, tt.clean)
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"/a/b", "", "/x/%252e%252e%252fb", `/x\..\b`, "/a/%zz", "//", "/%2f"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		clean := apipath.Clean(escaped)
		require.True(t, strings.HasPrefix(clean, "/"))
		require.Equal(t, path.Clean(clean), clean)
		require.NotContains(t, clean, `\`)
		if clean != "/" {
			_, ok := apipath.Matches(clean, clean)
			require.True(t, ok)
		}
	})
}
