package auth

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"
)

// fileCheckInterval is the least time between two looks at a key file that
// known keys cause; an unknown key always causes one.
const fileCheckInterval = time.Second

// source holds the current keys of one issuer. It keeps the keys that it has
// when a newer version can't be had, and never makes a token with a known key
// wait for one.
type source struct {
	issuer, url, file string
	timeout           time.Duration
	interval          time.Duration // between fetches for unknown keys
	client            *http.Client
	log               *slog.Logger
	set               func() *keySet // never nil
	store             func(*keySet)

	mu         sync.Mutex // guards the following fields
	closed     bool
	flight     *flight   // the fetch under way, nil if none
	lastForced time.Time // when an unknown key last caused a fetch
	err        error     // why the last read failed, nil if it didn't
	digest     [sha256.Size]byte
	fileInfo   fs.FileInfo
	lastCheck  time.Time
	running    sync.WaitGroup // fetches
}

// flight is one fetch that any number of callers wait for.
type flight struct{ done chan struct{} }

// find returns the key for a token, fetching or reading the set again if it
// lacks the key. ctx belongs to the caller and life to the verifier.
func (s *source) find(ctx, life context.Context, now time.Time, h header) (any, error) {
	if s.file != "" {
		s.checkFile(now, false)
	}
	key, missing, err := s.set().find(h)
	if !missing {
		return key, err
	}
	if s.file != "" {
		s.checkFile(now, true)
	} else if err := s.awaitFetch(ctx, life, now); err != nil {
		return nil, err
	}
	key, missing, err = s.set().find(h)
	if cause := s.lastError(); missing && cause != nil {
		return nil, refuseWith(ErrUnavailable, keysUnavailable, cause)
	}
	return key, err
}

const keysUnavailable = "The keys that verify this token can't be read at the moment. Try again in a few seconds."

func (s *source) lastError() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// awaitFetch waits for the fetch under way, or for one that it starts if the
// last that an unknown key caused is long enough ago.
func (s *source) awaitFetch(ctx, life context.Context, now time.Time) error {
	s.mu.Lock()
	f := s.flight
	if since := now.Sub(s.lastForced); f == nil && (since >= s.interval || since < 0) {
		s.lastForced = now
		f = s.startLocked(life)
	}
	s.mu.Unlock()
	if f == nil {
		return nil
	}
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return refuseWith(ErrUnavailable, keysUnavailable, ctx.Err())
	}
}

// refresh fetches the set and waits for it.
func (s *source) refresh(ctx, life context.Context) error {
	s.mu.Lock()
	f := s.flight
	if f == nil {
		f = s.startLocked(life)
	}
	s.mu.Unlock()
	if f == nil {
		return context.Canceled
	}
	select {
	case <-f.done:
		return s.lastError()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *source) startLocked(life context.Context) *flight {
	if s.closed {
		return nil
	}
	f := &flight{done: make(chan struct{})}
	s.flight = f
	s.running.Go(func() {
		data, err := s.fetch(life)
		s.mu.Lock()
		s.takeLocked(data, err)
		s.flight = nil
		s.mu.Unlock()
		close(f.done)
	})
	return f
}

// close refuses further fetches and waits for the one under way, whose
// context the caller has ended.
func (s *source) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
}

// takeLocked replaces the keys by a version that was read, or notes why it
// couldn't be read.
func (s *source) takeLocked(data []byte, err error) {
	var set *keySet
	var skipped []error
	if err == nil {
		set, skipped, err = parseKeySet(data)
	}
	s.err = err
	if err != nil {
		if !errors.Is(err, context.Canceled) {
			s.log.Warn("key set not read, keeping the keys at hand", "source", s.name(), "keys", len(s.set().keys), "error", err)
		}
		return
	}
	s.store(set)
	if digest := sha256.Sum256(data); digest != s.digest {
		s.digest = digest
		s.log.Info("key set loaded", "source", s.name(), "issuer", s.issuer, "keys", len(set.keys))
		for _, reason := range skipped {
			s.log.Warn("key not usable", "source", s.name(), "error", reason)
		}
	}
}

// name is what the log calls the source; a password in the URL is left out.
func (s *source) name() string {
	if s.file != "" {
		return s.file
	}
	u, err := url.Parse(s.url)
	if err != nil {
		return "invalid URL"
	}
	u.RawQuery = ""
	return u.Redacted()
}

func (s *source) fetch(life context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(life, s.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	res, err := s.client.Do(req)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch key set: status %d", res.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read key set: %w", err)
	}
	return data, nil
}

// withoutURL leaves out the URL, whose query may hold a secret.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("fetch key set: %w", e.Err)
	}
	return fmt.Errorf("fetch key set: %w", err)
}

// checkFile reads the file again if it isn't the one that was read. Without
// force it looks at intervals only, and not while another caller does.
func (s *source) checkFile(now time.Time, force bool) {
	if force {
		s.mu.Lock()
	} else if !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	if since := now.Sub(s.lastCheck); !force && since >= 0 && since < fileCheckInterval {
		return
	}
	s.lastCheck = now
	info, err := os.Stat(s.file)
	if err != nil {
		if s.err == nil || s.fileInfo != nil {
			s.takeLocked(nil, err)
		}
		s.fileInfo = nil
		return
	}
	if old := s.fileInfo; old != nil && os.SameFile(old, info) && old.ModTime().Equal(info.ModTime()) && old.Size() == info.Size() {
		return
	}
	data, err := readKeyFile(s.file)
	s.fileInfo = info
	s.takeLocked(data, err)
}

func readKeyFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeySetBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return data, nil
}
