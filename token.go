package intercomrbac

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/intercomrbac/intercomrbac/internal/redact"
	"golang.org/x/oauth2"
)

// credential is a token on its way into a request. It is held in closures: fmt and dumpers print strings even of
// unexported fields.
type credential struct {
	header   func() string // the Authorization header
	redactor redact.Redactor
}

// tokenFunc returns the token to use now.
type tokenFunc func(ctx context.Context) (credential, error)

// checkSecret refuses what can be no token or client secret.
func checkSecret(secret, what string) error {
	if secret == "" {
		return fmt.Errorf("the %s is empty", what)
	}
	for i := range len(secret) {
		if secret[i] <= ' ' || secret[i] > '~' {
			return fmt.Errorf("the %s holds white space or a character that no %s has: look for a line break at its end", what, what)
		}
	}
	return nil
}

func newCredential(token string) (credential, error) {
	if err := checkSecret(token, "token"); err != nil {
		return credential{}, err
	}
	header := "Bearer " + token
	return credential{func() string { return header }, redact.New(token)}, nil
}

func staticToken(token string) (tokenFunc, error) {
	cred, err := newCredential(token)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (credential, error) { return cred, nil }, nil
}

// sourcedToken asks source in one flight at a time, which its callers share and leave when their context ends. The
// flight itself cannot be cancelled: it ends when the source answers.
func sourcedToken(source oauth2.TokenSource) tokenFunc {
	type flight struct {
		done chan struct{}
		cred credential
		err  error
	}
	var (
		mu      sync.Mutex
		current *flight
		last    credential // spares making the redactor anew while the token stays
	)
	fetch := func() (cred credential, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%w: the token source panicked (%T)", ErrNoToken, p)
			}
		}()
		t, err := source.Token()
		if err != nil {
			return credential{}, sourceError(err)
		}
		if t == nil {
			return credential{}, fmt.Errorf("%w: the token source gave none", ErrNoToken)
		}
		mu.Lock()
		kept := last
		mu.Unlock()
		if kept.header != nil && kept.header() == "Bearer "+t.AccessToken {
			return kept, nil
		}
		if cred, err = newCredential(t.AccessToken); err != nil {
			return credential{}, fmt.Errorf("%w: token source: %w", ErrNoToken, err)
		}
		return cred, nil
	}
	return func(ctx context.Context) (credential, error) {
		mu.Lock()
		f := current
		if f == nil {
			f = &flight{done: make(chan struct{})}
			current = f
			go func() {
				f.err = fmt.Errorf("%w: the token source ended its goroutine", ErrNoToken)
				defer func() { // deferred, for that is what runtime.Goexit in a source does
					mu.Lock()
					current = nil
					if f.err == nil {
						last = f.cred
					}
					mu.Unlock()
					close(f.done)
				}()
				f.cred, f.err = fetch()
			}()
		}
		mu.Unlock()
		select {
		case <-f.done:
			return f.cred, f.err
		case <-ctx.Done():
			return credential{}, fmt.Errorf("intercomrbac: waiting for the token source: %w", ctx.Err())
		}
	}
}

// sourceError reports what is safe of a token source's error: its text may repeat what the token endpoint answered.
func sourceError(err error) error {
	text := fmt.Sprintf("the token source failed (%T): let the source log why", err)
	if r, ok := errors.AsType[*oauth2.RetrieveError](err); ok && r.Response != nil {
		text = fmt.Sprintf("the token source failed: its token endpoint answered %d", r.Response.StatusCode)
	}
	return &callError{text: text, causes: append(knownCauses(err), ErrNoToken)}
}
