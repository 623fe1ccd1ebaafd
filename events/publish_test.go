package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"concord/internal/id"
	"concord/store"
)

func note(room, text string) Publication {
	data, _ := json.Marshal(map[string]string{"text": text}) // a map of strings always can
	return Publication{Type: "notification:new", Room: room, Data: data}
}

func (n *node) publish(by, key string, list ...Publication) []Published {
	n.t.Helper()
	answer, err := n.log.Publish(n.t.Context(), "acme", by, key, list)
	if err != nil {
		n.t.Fatal(err)
	}
	return answer
}

// all returns what the log has.
func (n *node) all() (list []*Event) {
	n.t.Helper()
	err := n.store.Scan("acme", store.TableEvents, store.Range{}, func(_, value []byte) error {
		e, err := Decode(slices.Clone(value))
		list = append(list, e)
		return err
	})
	if err != nil {
		n.t.Fatal(err)
	}
	return list
}

func (n *node) addDocument(doc id.DocumentID) {
	n.t.Helper()
	done := make(chan error, 1)
	if err := n.store.Append(n.t.Context(), newDocument("acme", doc), func(err error) { done <- err }); err != nil {
		n.t.Fatal(err)
	}
	if err := <-done; err != nil {
		n.t.Fatal(err)
	}
}

func TestPublish(t *testing.T) {
	for _, listening := range []bool{true, false} {
		n := start(t, Options{Catalogue: newCatalogue(t, Type{Name: "own:live"})})
		n.addDocument(doc(1))
		if listening {
			n.join(alice, Start{})
		}
		n.tell("acme", "company:acme", "before")
		answer := n.publish("billing", "", note("user:alice", "one"), Publication{Type: "own:live", Room: "company:acme"},
			Publication{Type: "invoice:paid", Room: DocumentRoom(doc(1)), Data: json.RawMessage("{ \"total\" : 1 }")})
		if len(answer) != 3 || answer[0].ID == answer[2].ID || answer[1].Cursor != "" {
			t.Fatalf("answer: %+v", answer)
		}
		want := []*Event{
			{ID: answer[0].ID, Type: "notification:new", Room: "user:alice", Time: testTime, From: "billing", Data: []byte(`{"text":"one"}`)},
			{ID: answer[2].ID, Type: "invoice:paid", Room: DocumentRoom(doc(1)), Time: testTime, From: "billing", Data: []byte(`{"total":1}`), Document: doc(1)},
		}
		if diff := cmp.Diff(want, n.all()[1:]); diff != "" {
			t.Error(diff)
		}
		// Its cursor is that of the item that devices get: what comes after is left.
		f, _ := n.join(alice, Start{Cursor: answer[0].Cursor, Rooms: []string{DocumentRoom(doc(1))}})
		b, err := f.Next(t.Context(), 10)
		if err != nil || len(b.Items) != 1 || b.Items[0].Event.ID != answer[2].ID || b.Items[0].Cursor != answer[2].Cursor {
			t.Errorf("after the first event: %+v, %v", b, err)
		}
	}
}

func TestLiveTypesAreSent(t *testing.T) {
	n := start(t, Options{Catalogue: newCatalogue(t, Type{Name: "own:live", Schema: []byte(`true`)})})
	f, _ := n.join(alice, Start{})
	first := n.publish("billing", "key", Publication{Type: "own:live", Room: "company:acme", Data: []byte(`"text"`)})
	n.expect(f, "text")
	again := n.publish("billing", "key", Publication{Type: "own:live", Room: "company:acme", Data: []byte(`"text"`)})
	if !slices.Equal(first, again) || len(n.all()) != 0 {
		t.Errorf("answers: %v, %v", first, again)
	}
	n.silent(f)
}

func TestPublishIsAllOrNothing(t *testing.T) {
	n := start(t, Options{Catalogue: newCatalogue(t, Type{Name: "own:live"})})
	good := note("company:acme", "good")
	purged := note(DocumentRoom(doc(2)), "gone")
	for _, test := range []struct {
		bad  Publication
		kind error
		says string
	}{
		{Publication{Type: "no:such", Room: "company:acme"}, ErrUnknownType, `event 2: type "no:such"`},
		{Publication{Type: "user:online", Room: "company:acme", Data: []byte(`{"user":"alice"}`)}, ErrServerType, "user:online"},
		{Publication{Type: "invoice:paid", Room: "company:acme", Data: []byte(`{"total":{}}`)}, ErrInvalid, "/total"},
		{Publication{Type: "invoice:paid", Room: "company:globex"}, ErrInvalid, "another company"},
		{Publication{Type: "invoice:paid", Room: "team:a"}, ErrInvalid, "kind"},
		{Publication{Type: "invoice:paid"}, ErrInvalid, "room"},
		{Publication{Type: "invoice:paid", Room: DocumentRoom(doc(1)), Document: doc(2)}, ErrInvalid, "another document"},
		{Publication{Type: "own:live", Room: "company:acme", Receipts: true}, ErrInvalid, "receipts"},
		{Publication{Type: "invoice:paid", Room: "company:acme", Data: []byte(`{"a":"` + strings.Repeat("a", MaxData) + `"}`)}, ErrTooLarge, ""},
		{purged, ErrNoDocument, ""},
		{Publication{Type: "invoice:paid", Room: "company:acme", Document: doc(2)}, ErrNoDocument, ""},
	} {
		for _, key := range []string{"", "key"} {
			_, err := n.log.Publish(t.Context(), "acme", "billing", key, []Publication{good, test.bad})
			if !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v: %v, want %v that says %q", test.bad, err, test.kind, test.says)
			}
		}
	}
	many := make([]Publication, MaxPublications+1)
	for _, list := range [][]Publication{nil, many} {
		if _, err := n.log.Publish(t.Context(), "acme", "billing", "", list); !errors.Is(err, ErrInvalid) {
			t.Errorf("%d events: %v", len(list), err)
		}
	}
	large := Publication{Type: "invoice:paid", Room: "company:acme", Data: []byte(`{"a":"` + strings.Repeat("a", MaxData-100) + `"}`)}
	if _, err := n.log.Publish(t.Context(), "acme", "billing", "", slices.Repeat([]Publication{large}, 200)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("large events: %v", err)
	}
	for _, key := range []string{strings.Repeat("k", MaxKey+1), "\xff"} {
		if _, err := n.log.Publish(t.Context(), "acme", "billing", key, []Publication{good}); !errors.Is(err, ErrInvalid) {
			t.Errorf("key: %v", err)
		}
	}
	for _, by := range []string{"", "\xff", strings.Repeat("u", maxName+1)} {
		if _, err := n.log.Publish(t.Context(), "acme", by, "", []Publication{good}); !errors.Is(err, ErrInvalid) {
			t.Errorf("user: %v", err)
		}
	}
	if len(n.all()) != 0 {
		t.Errorf("%d events were told", len(n.all()))
	}
	n.publish("billing", "key", good) // what failed has used no key
	n.publish("billing", strings.Repeat("k", MaxKey), slices.Repeat([]Publication{good}, MaxPublications)...)
}

func TestIdempotencyKeys(t *testing.T) {
	n := start(t, Options{TTL: time.Hour})
	n.tell("acme", "company:acme", "before")
	list := []Publication{note("user:alice", "one"), note("company:acme", "two")}
	first := n.publish("billing", "key", list...)
	n.tell("acme", "company:acme", "between")
	if again := n.publish("billing", "key", list...); !slices.Equal(again, first) {
		t.Errorf("second answer is %v, first %v", again, first)
	}
	n.reopen()
	n.clock.advance(30 * time.Minute)
	if again := n.publish("billing", "key", list...); !slices.Equal(again, first) {
		t.Errorf("answer after a restart is %v, first %v", again, first)
	}
	spaced := list[0]
	spaced.Data = []byte(" {\"text\" : \"one\"} ")
	if again := n.publish("billing", "key", spaced, list[1]); !slices.Equal(again, first) {
		t.Errorf("answer to the same with spaces is %v, first %v", again, first)
	}
	for i, other := range [][]Publication{{list[0]}, {list[1], list[0]}, {list[0], note("company:acme", "three")}, {list[0], note("user:bob", "two")}, append(list, list[0])} {
		if _, err := n.log.Publish(t.Context(), "acme", "billing", "key", other); !errors.Is(err, ErrKeyReused) {
			t.Errorf("other events %d: %v, want ErrKeyReused", i, err)
		}
	}
	if got := len(n.all()); got != 4 {
		t.Errorf("%d events, want 4", got)
	}
	// Keys are their users' and companies'.
	n.publish("billin", "gkey", list...)
	n.publish("wages", "key", list...)
	if _, err := n.log.Publish(t.Context(), "globex", "billing", "key", []Publication{note("company:globex", "one")}); err != nil {
		t.Error(err)
	}
	n.clock.advance(31 * time.Minute)
	n.log.trim()
	if again := n.publish("billing", "key", list...); again[0].ID == first[0].ID {
		t.Error("a key that has expired was taken as used")
	}
}

// Of many at once with one key, one tells, and all get its answer.
func TestOneKeyAtOnce(t *testing.T) {
	n := start(t, Options{})
	var wg sync.WaitGroup
	answers := make([][]Published, 40)
	for i := range answers {
		wg.Go(func() {
			var err error
			if answers[i], err = n.log.Publish(t.Context(), "acme", "billing", fmt.Sprint("key", i%2), []Publication{note("user:alice", fmt.Sprint(i%2))}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, a := range answers {
		if !slices.Equal(a, answers[i%2]) || a[0].Cursor == "" {
			t.Errorf("answers: %v, %v", a, answers[i%2])
		}
	}
	if got := len(n.all()); got != 2 {
		t.Errorf("%d events, want 2", got)
	}
}

// The answer under a key stays when the document is gone, but for the cursors.
func TestKeyOutlivesDocument(t *testing.T) {
	n := start(t, Options{})
	n.addDocument(doc(1))
	list := []Publication{note(DocumentRoom(doc(1)), "about it"), note("company:acme", "else")}
	first := n.publish("billing", "key", list...)
	done := make(chan error, 1)
	key := store.DocKey{Company: "acme", Document: doc(1)}
	if err := n.store.Purge(t.Context(), key, store.Purge{At: testTime}, func(err error) { done <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	again := n.publish("billing", "key", list...)
	if again[0] != (Published{ID: first[0].ID}) || again[1] != first[1] {
		t.Errorf("answers: %v, %v", first, again)
	}
	if err := n.store.AwaitWipe(t.Context(), key); err != nil {
		t.Fatal(err)
	}
}
