package derive

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"concord/crdt"
	"concord/store"
	"concord/sync/hub"
)

// instant is a store whose writes are durable at once, and aren't kept.
type instant struct{ *store.Store }

func (instant) AppendAll(_ context.Context, _ []store.Append, done func(error)) error {
	go done(nil)
	return nil
}

// benchRules are ten rules for a type, of which those about status make an event.
func benchRules(kind string) string {
	var b strings.Builder
	b.WriteString(ownTypes + "events:\n")
	for i := range 5 {
		fmt.Fprintf(&b, "  - {name: a%d, type: %s, field: /field-%d, emit: test:status, room: company}\n", i, kind, i)
		fmt.Fprintf(&b, "  - {name: b%d, type: %s, becomes: /quantity-%d < /limit-%d and /status != closed, emit: test:odd, room: company}\n", i, kind, i, i)
	}
	fmt.Fprintf(&b, "  - {name: c, type: %s, field: /status, from: draft, to: sent, emit: invoice:paid, room: company, data: {number: /number, total: /total}}\n", kind)
	return b.String()
}

// BenchmarkEdit is what an edit of the server takes, but for the disk: of a document
// without rules for its type, with rules that look elsewhere, and with an event.
func BenchmarkEdit(b *testing.B) {
	for _, c := range []struct {
		name, rules string
		write       func(tx *crdt.Tx, i int) error
	}{
		{"rules=none", benchRules("other"), note},
		{"rules=11/elsewhere", benchRules("invoice"), note},
		{"rules=11/looked at", benchRules("invoice"), func(tx *crdt.Tx, i int) error {
			_, err := tx.Set(crdt.Root, "quantity-1", 100+i)
			return err
		}},
		{"rules=11/event", benchRules("invoice"), func(tx *crdt.Tx, i int) error {
			_, err := tx.Set(crdt.Root, "status", []string{"draft", "sent"}[i%2])
			return err
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			r := newRig(b, c.rules)
			content := map[string]any{"number": "4711", "total": 100, "status": "draft"}
			for i := range 5 {
				content[fmt.Sprint("quantity-", i)], content[fmt.Sprint("limit-", i)], content[fmt.Sprint("field-", i)] = 10, 5, "text"
			}
			key := r.create("invoice", content)
			h, err := hub.New(instant{r.store}, hub.Options{Deriver: r.deriver, Now: r.clock.now})
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				_, err := h.Edit(b.Context(), key, hub.Edit{By: hub.Author{User: "ann"}, Write: func(tx *crdt.Tx, _ hub.Reading) error { return c.write(tx, i) }})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func note(tx *crdt.Tx, i int) error {
	_, err := tx.Set(crdt.Root, "note", i)
	return err
}
