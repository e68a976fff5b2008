package intercomtest

import (
	"fmt"
	"net/http"
	"time"

	"github.com/intercomrbac/intercomrbac"
)

// Client returns a client of the workspace that works in memory and has full access. The options come on top; those
// for the token, the address and the HTTP client may not be given. If the options are wrong the test fails, or without a test Client
// panics.
func (s *Server) Client(opts ...intercomrbac.Option) *intercomrbac.Client {
	if s.t != nil {
		s.t.Helper()
	}
	return s.ClientFor(s.token, opts...)
}

// ClientFor is Client with a token of its own: one from [Server.AddToken], or one that Intercom does not know.
func (s *Server) ClientFor(token string, opts ...intercomrbac.Option) *intercomrbac.Client {
	all := append([]intercomrbac.Option{
		// The time-out of the library's own default, so that a test sees what production would.
		intercomrbac.WithHTTPClient(&http.Client{Transport: s.Transport(), Timeout: 30 * time.Second}),
		intercomrbac.WithBaseURL("https://api.intercom.test"),
		intercomrbac.WithToken(token),
	}, opts...)
	c, err := intercomrbac.NewClient(all...)
	switch {
	case err == nil:
		return c
	case s.t != nil:
		s.t.Helper()
		s.t.Fatalf("intercomtest: %v", err)
	}
	panic(fmt.Sprintf("intercomtest: %v", err))
}
