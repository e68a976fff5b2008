package conformance_test

import (
	"time"

	"github.com/intercomrbac/intercomrbac"
	"github.com/intercomrbac/intercomrbac/intercomtest"
)

// activityCases are about what teammates did.
var activityCases = map[string]conformance{
	"admins.activity_logs": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Admins.ActivityLogs(w.ctx, intercomrbac.ActivityLogsParams{CreatedAfter: past}))
			},
			"most":               func(w *world) (any, error) { return secondActivities(w) },
			"a page by a number": func(w *world) (any, error) { w.fake.UseURLCursors(true); return secondActivities(w) },
		},
		refused: map[string]call{
			"400 client_error": func(w *world) (any, error) {
				return result(w.c.Admins.ActivityLogs(w.ctx, intercomrbac.ActivityLogsParams{CreatedAfter: past, After: "x"}))
			},
		},
	},
	"admins.search_activity_logs": {
		calls: map[string]call{
			"least": func(w *world) (any, error) {
				return result(w.c.Admins.SearchActivityLogs(w.ctx, searchOf(intercomrbac.ActivityLogsParams{CreatedAfter: past})))
			},
			"most":               func(w *world) (any, error) { return secondFound(w) },
			"a page by a number": func(w *world) (any, error) { w.fake.UseURLCursors(true); return secondFound(w) },
		},
		refused: map[string]call{
			"400 client_error": func(w *world) (any, error) {
				return result(w.c.Admins.SearchActivityLogs(w.ctx, searchOf(intercomrbac.ActivityLogsParams{CreatedAfter: past, After: "x"})))
			},
		},
	},
	"admins.activity_event_types": {calls: map[string]call{
		"least": func(w *world) (any, error) { return result(w.c.Admins.ActivityEventTypes(w.ctx)) },
	}},
}

// secondActivities lists the second of three pages.
func secondActivities(w *world) (any, error) {
	for range 40 {
		w.fake.AddActivityLog(intercomtest.ActivityLog{})
	}
	params := intercomrbac.ActivityLogsParams{CreatedAfter: past, CreatedBefore: time.Now()}
	page, err := w.fake.Client().Admins.ActivityLogs(w.ctx, params)
	if err != nil {
		return nil, err
	}
	params.After = page.Next
	return result(w.c.Admins.ActivityLogs(w.ctx, params))
}

func searchOf(window intercomrbac.ActivityLogsParams) intercomrbac.SearchActivityLogsParams {
	return intercomrbac.SearchActivityLogsParams{ActivityLogsParams: window}
}

// secondFound finds the second of three pages, with all params.
func secondFound(w *world) (any, error) {
	w.fake.AddActivityLog(intercomtest.ActivityLog{Type: "role_change"})
	params := searchOf(intercomrbac.ActivityLogsParams{CreatedAfter: past, CreatedBefore: time.Now()})
	params.Types, params.PerPage = []intercomrbac.ActivityType{"role_change", "bulk_export"}, 1
	page, err := w.fake.Client().Admins.SearchActivityLogs(w.ctx, params)
	if err != nil {
		return nil, err
	}
	params.After = page.Next
	return result(w.c.Admins.SearchActivityLogs(w.ctx, params))
}
