package oracle

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/automerge/automerge-go"
)

// authorGo invents histories with automerge-go: copies of one document that are
// edited and merged now and then.
func authorGo(seed uint64, n int) ([][][]byte, error) {
	histories := make([][][]byte, n)
	for i := range histories {
		w := goWriter{rand.New(rand.NewPCG(seed, uint64(i)))}
		var err error
		if histories[i], err = w.history(); err != nil {
			return nil, fmt.Errorf("history %d: %w", i, err)
		}
	}
	return histories, nil
}

type goWriter struct{ *rand.Rand }

func (w goWriter) history() ([][]byte, error) {
	base := automerge.New()
	if err := w.name(base); err != nil {
		return nil, err
	}
	if err := w.change(base); err != nil {
		return nil, err
	}
	docs := []*automerge.Doc{base}
	for range 1 + w.IntN(5) {
		copied, err := base.Fork()
		if err == nil {
			err = w.name(copied)
		}
		if err != nil {
			return nil, err
		}
		docs = append(docs, copied)
	}
	for range 3 + w.IntN(15) {
		d := docs[w.IntN(len(docs))]
		if other := docs[w.IntN(len(docs))]; other != d && w.IntN(3) == 0 {
			if _, err := d.Merge(other); err != nil {
				return nil, err
			}
		}
		if err := w.change(d); err != nil {
			return nil, err
		}
	}
	return mergedGo(docs)
}

func mergedGo(docs []*automerge.Doc) ([][]byte, error) {
	for _, d := range docs[1:] {
		if _, err := docs[0].Merge(d); err != nil {
			return nil, err
		}
	}
	changes, err := docs[0].Changes()
	if err != nil {
		return nil, err
	}
	var chunks [][]byte
	for _, c := range changes {
		chunks = append(chunks, c.Save())
	}
	return chunks, nil
}

// name gives a document an actor.
func (w goWriter) name(d *automerge.Doc) error {
	id := make([]byte, 16)
	for i := range id {
		id[i] = byte(w.Uint32())
	}
	return d.SetActorID(hex.EncodeToString(id))
}

func (w goWriter) change(d *automerge.Doc) error {
	for range 1 + w.IntN(4) {
		if err := w.edit(d.Root()); err != nil {
			return err
		}
	}
	when := time.Unix(int64(w.IntN(2_000_000_000)), 0)
	_, err := d.Commit([]string{"", "", "a message"}[w.IntN(3)], automerge.CommitOptions{Time: &when, AllowEmpty: true})
	return err
}

// edit changes v or something inside it.
func (w goWriter) edit(v *automerge.Value) error {
	switch v.Kind() {
	case automerge.KindMap:
		return w.editMap(v.Map())
	case automerge.KindList:
		return w.editList(v.List())
	case automerge.KindText:
		return w.editText(v.Text())
	}
	return nil
}

func (w goWriter) editMap(m *automerge.Map) error {
	key := []string{"a", "b", "c", "d", "é", "\U0001f600"}[w.IntN(6)]
	now, err := m.Get(key)
	if err != nil {
		return err
	}
	switch {
	case isObject(now) && w.IntN(4) > 0:
		return w.edit(now)
	case now.Kind() == automerge.KindCounter && w.IntN(3) > 0:
		return now.Counter().Inc(int64(w.IntN(20) - 10))
	case now.Kind() != automerge.KindVoid && w.IntN(4) == 0:
		return m.Delete(key)
	}
	return m.Set(key, w.value())
}

func isObject(v *automerge.Value) bool {
	return v.Kind() == automerge.KindMap || v.Kind() == automerge.KindList || v.Kind() == automerge.KindText
}

func (w goWriter) editList(l *automerge.List) error {
	i := w.IntN(l.Len() + 1)
	if i == l.Len() {
		return l.Append(w.value(), w.value())
	}
	now, err := l.Get(i)
	if err != nil {
		return err
	}
	switch {
	case isObject(now) && w.IntN(2) == 0:
		return w.edit(now)
	case now.Kind() == automerge.KindCounter && w.IntN(2) == 0:
		return now.Counter().Inc(int64(w.IntN(20) - 10))
	case w.IntN(3) == 0:
		return l.Delete(i)
	case w.IntN(3) == 0:
		return l.Set(i, w.value())
	}
	return l.Insert(i, w.value())
}

func (w goWriter) editText(t *automerge.Text) error {
	at := w.IntN(t.Len() + 1)
	del := min(w.IntN(4), t.Len()-at)
	return t.Splice(at, del, w.text())
}

func (w goWriter) text() string {
	return []string{"", "x", "hello", "grüß", "\U0001f468\u200d\U0001f469", "e\u0301"}[w.IntN(6)]
}

func (w goWriter) value() any {
	switch w.IntN(12) {
	case 0:
		return nil
	case 1:
		return w.IntN(2) == 0
	case 2:
		return int64(w.Uint64())
	case 3:
		return w.Uint64()
	case 4:
		return w.Float64()
	case 5:
		return w.text()
	case 6:
		return []byte(w.text())
	case 7:
		return time.UnixMilli(int64(w.IntN(2_000_000_000)) * 1000)
	case 8:
		return automerge.NewCounter(int64(w.IntN(50)))
	case 9:
		return automerge.NewText(w.text() + w.text())
	case 10:
		return map[string]any{"a": w.IntN(10), "b": w.text()}
	}
	return []any{w.IntN(10), w.text()}
}
