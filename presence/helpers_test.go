package presence

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"concord/internal/id"
)

// memory is a Store, and who listens.
type memory struct {
	mu      sync.Mutex // guards the following fields
	records map[string]map[string][]byte
	told    []string // company, type, user, and when in the test's time
	typing  []string
	puts    int
	fail    bool
	start   time.Time
}

func newMemory() *memory { return &memory{records: map[string]map[string][]byte{}, start: time.Now()} }

var errFull = errors.New("disk full")

func (m *memory) Companies() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.records)), nil
}

func (m *memory) Each(company string, fn func(key string, value []byte) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, value := range m.records[company] {
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (m *memory) Get(company, key string) ([]byte, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	value, ok := m.records[company][key]
	return value, ok, nil
}

func (m *memory) Put(_ context.Context, company string, records []Record, events []Event, done func(error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.puts++
	if m.fail {
		go done(errFull)
		return nil
	}
	if m.records[company] == nil {
		m.records[company] = map[string][]byte{}
	}
	for _, r := range records {
		m.records[company][r.Key] = r.Value
	}
	for _, e := range events {
		m.told = append(m.told, strings.Join([]string{company, strings.TrimPrefix(e.Type, "user:"), e.User, e.Time.Sub(m.start).String()}, " "))
	}
	go done(nil)
	return nil
}

func (m *memory) hear(company string, t Typing) {
	m.mu.Lock()
	defer m.mu.Unlock()
	state := "off"
	if t.Active {
		state = "on"
	}
	m.typing = append(m.typing, strings.Join([]string{company, t.User, t.Document.String()[:3], t.Field, state, time.Since(m.start).String()}, " "))
}

// take returns what was told since the last call.
func (m *memory) take() []string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	told := m.told
	m.told = nil
	return told
}

func (m *memory) takeTyping() []string {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	typing := m.typing
	m.typing = nil
	return typing
}

func (m *memory) setFail(fail bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = fail
}

// open starts a tracker; the test closes it within its bubble.
func (m *memory) open(t testing.TB, o Options) *Tracker {
	t.Helper()
	o.Store, o.Typing = m, m.hear
	tracker, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tracker
}

func document(n byte) id.DocumentID { return id.DocumentID{n, 1} }

// known returns how many companies are in memory.
func (t *Tracker) known() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.companies)
}
