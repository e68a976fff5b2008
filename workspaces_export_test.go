package intercomrbac

// What the tests of Workspaces see of their inside.

// LimitTenants makes w remember fewer workspaces, so that a test need not make thousands.
func LimitTenants(w *Workspaces, n int) int {
	w.limit = n
	return n
}

// KnownTenants tells how many workspaces w remembers.
func KnownTenants(w *Workspaces) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.known) != w.recent.Len() {
		return -1
	}
	return len(w.known)
}

// OpenRecord opens a record's sealed token.
func OpenRecord(w *Workspaces, r WorkspaceRecord) (Workspace, error) { return w.open(r) }
