package intercomrbac

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// StateStore keeps the keys of states until they are used. It must be safe for concurrent use, and shared by all processes
// that a callback may reach. A store that fails to consume lets a state be used twice; none can make a forged one good.
type StateStore interface {
	// Save keeps a key, 64 hexadecimal digits that tell nothing of the state, until expires at least.
	Save(ctx context.Context, key string, expires time.Time) error
	// Consume removes a key and reports whether it was there, in one step: of several callers exactly one gets true.
	Consume(ctx context.Context, key string) (bool, error)
}

const (
	stateAge = 10 * time.Minute // how long an install may take
	maxState = 128              // bytes
)

// NewState begins an install: it returns a state for AuthCodeURL, good for ten minutes and one use. session is what the
// server knows the browser by and no other browser can have, such as the id of its session and the account that is signed
// in: Callback wants the same again, so that nobody can have somebody else's browser end what they began. Neither it nor the
// state is stored.
func (o *OAuth) NewState(ctx context.Context, session string) (string, error) {
	if o == nil || o.states == nil {
		return "", errNoOAuth
	}
	if session == "" {
		return "", fmt.Errorf("%w: NewState: the session is empty: it ties the install to the browser that begins it", ErrInvalidRequest)
	}
	expires := time.Now().Add(stateAge)
	state := rand.Text() + "." + strconv.FormatInt(expires.UnixMilli(), 36)
	if err := o.states.Save(ctx, o.stateMAC("key", session, state), expires); err != nil {
		return "", fmt.Errorf("intercomrbac: NewState: the state store failed: %w", err)
	}
	return state + "." + o.stateMAC("state", session, state), nil
}

// ConsumeState accepts a state of NewState once. It is ErrOAuthState if the state is not one of NewState, older than ten
// minutes, used before, or of another session, app or region; these look the same on purpose. The store is asked about
// states of NewState for the session alone; its error is wrapped.
func (o *OAuth) ConsumeState(ctx context.Context, session, state string) error {
	if o == nil || o.states == nil {
		return errNoOAuth
	}
	end := strings.LastIndexByte(state, '.')
	if session == "" || len(state) > maxState || end < 0 {
		return ErrOAuthState
	}
	state, mac := state[:end], state[end+1:]
	if !hmac.Equal([]byte(mac), []byte(o.stateMAC("state", session, state))) {
		return ErrOAuthState
	}
	_, stamp, _ := strings.Cut(state, ".")
	expires, err := strconv.ParseInt(stamp, 36, 64)
	if err != nil || time.Now().UnixMilli() > expires {
		return ErrOAuthState
	}
	ok, err := o.states.Consume(ctx, o.stateMAC("key", session, state))
	if err != nil {
		return fmt.Errorf("intercomrbac: the state store failed: %w", err)
	}
	if !ok {
		return ErrOAuthState
	}
	return nil
}

// stateMAC ties a state to session, app and region, for one purpose: "state" ends the state itself, which so is one of ours
// whatever the store says, and "key" is what it is stored as. Neither can be made of the other, nor without the client
// secret.
func (o *OAuth) stateMAC(purpose, session, state string) string {
	mac := hmac.New(sha256.New, []byte(o.secret.Reveal()))
	for _, part := range []string{"intercomrbac state", purpose, state, session, o.clientID, string(o.region)} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// NewMemoryStateStore returns a store in memory, for a program of one process: a restart forgets the installs under way, which
// then begin anew. It refuses to save more than 100,000 within ten minutes.
func NewMemoryStateStore() StateStore { return &memoryStates{expires: map[string]time.Time{}} }

const maxStates = 100_000

type memoryStates struct {
	mu      sync.Mutex
	expires map[string]time.Time
	saved   []string // keys, the oldest first; may have been consumed
}

// Save implements [StateStore].
func (m *memoryStates) Save(_ context.Context, key string, expires time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	for len(m.saved) > 0 && !m.expires[m.saved[0]].After(now) {
		delete(m.expires, m.saved[0])
		m.saved = m.saved[1:]
	}
	if len(m.saved) >= maxStates {
		return fmt.Errorf("%d installs began within ten minutes: try again in some", maxStates)
	}
	m.expires[key] = expires
	m.saved = append(m.saved, key)
	return nil
}

// Consume implements [StateStore].
func (m *memoryStates) Consume(_ context.Context, key string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	expires, ok := m.expires[key]
	delete(m.expires, key)
	return ok && !time.Now().After(expires), nil
}
