package intercomtest

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// window is the length of Intercom's rate windows, in seconds. They begin at multiples of it.
const window = 10

// RateStats counts what the rate limit did.
type RateStats struct {
	// Refused is how many requests were answered 429 for rate.
	Refused int
	// Windows are those in which requests with a valid token came in, in order.
	Windows []RateWindow
}

// RateWindow counts the requests of all tokens in one window of ten seconds.
type RateWindow struct {
	Start    time.Time
	Accepted int
	Refused  int
}

type rateCount struct {
	refused int
	windows map[int64]*RateWindow
}

// SetRateLimit allows that many requests of each token in a window of ten seconds. Windows begin when the clock's
// seconds are a multiple of ten. 0, the default, allows any number, and answers without the headers.
func (s *Server) SetRateLimit(perWindow int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rateLimit = max(perWindow, 0)
}

// RateStats returns what was counted since the server was made, whether there was a limit or not.
func (s *Server) RateStats() RateStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := RateStats{Refused: s.rate.refused}
	for _, w := range s.rate.windows {
		stats.Windows = append(stats.Windows, *w)
	}
	slices.SortFunc(stats.Windows, func(a, b RateWindow) int { return a.Start.Compare(b.Start) })
	return stats
}

// count takes the request into account and writes the headers of the token's window.
func (s *Server) count(t *token, header http.Header) error {
	now := time.Now().Unix()
	start := now - now%window
	if t.window != start {
		t.window, t.used = start, 0
	}
	w := s.rate.windows[start]
	if w == nil {
		w = &RateWindow{Start: time.Unix(start, 0).UTC()}
		s.rate.windows[start] = w
	}
	refused := s.rateLimit > 0 && t.used >= s.rateLimit
	if refused {
		w.Refused++
		s.rate.refused++
	} else {
		w.Accepted++
		t.used++
	}
	if s.rateLimit == 0 {
		return nil
	}
	header.Set("X-RateLimit-Limit", strconv.Itoa(s.rateLimit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(s.rateLimit-t.used, 0)))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(start+window, 10))
	if refused {
		return fail(http.StatusTooManyRequests, "rate_limit_exceeded",
			fmt.Sprintf("Exceeded rate limit of %d in 10_seconds", s.rateLimit))
	}
	return nil
}
