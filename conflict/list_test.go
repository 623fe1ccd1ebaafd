package conflict

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"concord/crdt"
	"concord/fuzz/ledger"
	"concord/internal/id"
	"concord/store"
)

// disputed returns a device on which two people wrote n fields each, and closed
// every third conflict.
func disputed(t testing.TB, n int) *device {
	d := newDevice(t, ledger.Document)
	doc := crdt.New()
	doc.SetActor("base")
	base := person{nil, "", doc}
	edit := func(p person, fn func(*crdt.Tx) error) *crdt.Change {
		c, err := p.doc.Edit(crdt.EditOptions{}, fn)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	d.apply(edit(base, set("start", true)))
	var sides [2]person
	for i, actor := range []crdt.ActorID{"ann", "ben"} {
		copied := crdt.New()
		if err := copied.Merge(doc); err != nil {
			t.Fatal(err)
		}
		copied.SetActor(actor)
		sides[i] = person{nil, "", copied}
	}
	for i := range n {
		for s, p := range sides {
			d.apply(edit(p, set(fmt.Sprintf("field %d", i), s)))
		}
		d.commit()
	}
	if err := sides[0].doc.Merge(sides[1].doc); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < n; i += 3 {
		d.apply(edit(sides[0], set(fmt.Sprintf("field %d", i), "both")))
	}
	d.commit()
	return d
}

func TestListPages(t *testing.T) {
	const n = 700 // more than one batch
	d := disputed(t, n)
	for _, limit := range []int{1, 7, 100, walkBatch, n, MaxLimit} {
		var got []string
		f := Filter{Limit: limit}
		for pages := 0; ; pages++ {
			page, err := d.ledger.List(company, f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page.Records {
				got = append(got, r.Field)
			}
			if f.Cursor = page.Next; page.Next == "" {
				break
			}
			if len(page.Records) != limit || pages > n {
				t.Fatalf("page %d of %d has %d records", pages, limit, len(page.Records))
			}
		}
		for i, field := range got {
			if want := fmt.Sprintf("/field %d", n-1-i); field != want {
				t.Fatalf("limit %d: record %d is about %s, not %s", limit, i, field, want)
			}
		}
		if len(got) != n {
			t.Errorf("limit %d: %d records", limit, len(got))
		}
	}
	for _, cursor := range []string{"?", "AAAA", strings.Repeat("A", 53), strings.Repeat("_", 54)} {
		if _, err := d.ledger.List(company, Filter{Cursor: cursor}); !errors.Is(err, ErrCursor) {
			t.Errorf("cursor %s: %v", cursor, err)
		}
	}
}

func TestListFilters(t *testing.T) {
	const n = 30
	d := disputed(t, n)
	opened := func(i int) time.Time { return d.receivedAt(2 + 2*i) } // the second of a pair makes the conflict
	other := id.DocumentID{9}
	for name, test := range map[string]struct {
		f    Filter
		want int
	}{
		"all":            {Filter{}, n},
		"document":       {Filter{Document: &d.key.Document}, n},
		"other document": {Filter{Document: &other}, 0},
		"type":           {Filter{Type: "invoice"}, n},
		"other type":     {Filter{Type: "order"}, 0},
		"field":          {Filter{Field: "/field 7"}, 1},
		"user":           {Filter{User: "user 616e6e"}, n},
		"other user":     {Filter{User: "zoe"}, 0},
		"kind":           {Filter{Kind: UpdateUpdate}, n},
		"other kind":     {Filter{Kind: LostEdit}, 0},
		"open":           {Filter{Status: Open}, n - n/3},
		"superseded":     {Filter{Status: Superseded}, n / 3},
		"assignee":       {Filter{Assignee: "dora"}, 0},
		"from":           {Filter{From: opened(10)}, n - 10},
		"just after":     {Filter{From: opened(10).Add(1)}, n - 11},
		"to":             {Filter{To: opened(10)}, 10},
		"just before":    {Filter{To: opened(10).Add(1)}, 11},
		"between":        {Filter{From: opened(5), To: opened(10), Status: Open}, 3},
		"not allowed":    {Filter{MayOpen: func(x id.DocumentID) bool { return x != d.key.Document }}, 0},
	} {
		page, err := d.ledger.List(company, test.f)
		if err != nil || len(page.Records) != test.want || page.Next != "" {
			t.Errorf("%s: %d records, %v, next %q, want %d", name, len(page.Records), err, page.Next, test.want)
		}
	}
}

func TestSummary(t *testing.T) {
	const n = 30
	d := disputed(t, n)
	sum, err := d.ledger.Summary(company, time.Time{}, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sum.Total != n || sum.ByStatus[Open] != 20 || sum.ByStatus[Superseded] != 10 || sum.ByKind[UpdateUpdate] != n || sum.Incomplete {
		t.Errorf("summary %+v", sum)
	}
	day := Group{Name: "2023-11-14", Count: n, Open: 20}
	if !slices.Equal(sum.ByDay, []Group{day}) || len(sum.ByField) != n || sum.ByType[0].Name != "invoice" ||
		!slices.Equal(sum.ByUsers, []Group{{Name: "user 616e6e / user 62656e", Count: n, Open: 20}}) {
		t.Errorf("groups %+v", sum)
	}
	// The i-th closed one was opened at change 2+6i and closed at 61+i.
	if want := (Durations{10, 34 * time.Second, 54 * time.Second, 59 * time.Second}); sum.TimeToEnd != want {
		t.Errorf("durations %+v, want %+v", sum.TimeToEnd, want)
	}
	sum, err = d.ledger.Summary(company, d.receivedAt(0), d.receivedAt(4), func(id.DocumentID) bool { return true })
	if err != nil || sum.Total != 1 {
		t.Errorf("%d in the first seconds, %v", sum.Total, err)
	}
}

func TestCSV(t *testing.T) {
	d := disputed(t, 3)
	var b strings.Builder
	if err := d.ledger.CSV(t.Context(), &b, company, Filter{Status: Open}); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(b.String())).ReadAll()
	if err != nil || len(rows) != 5 || !slices.Equal(rows[0], titles) || strings.Count(b.String(), "\r\n") != 5 {
		t.Fatalf("%v, %q", err, b.String())
	}
	if rows[1][5] != "/field 2" || rows[1][14] != "0" || rows[1][15] != "user 616e6e" || rows[1][20] != "false" || rows[2][20] != "true" {
		t.Errorf("rows %q", rows[1:])
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.ledger.CSV(ctx, io.Discard, company, Filter{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the reader has gone: %v", err)
	}
	for cell, want := range map[string]string{
		"": "", "a=1": "a=1", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "\rx": "'\rx", "a\x00b": "a\ufffdb",
	} {
		if got := harmless(cell); got != want {
			t.Errorf("%q becomes %q, not %q", cell, got, want)
		}
	}
}

// Whatever is wrong with the records, a check tells.
func TestVerify(t *testing.T) {
	faults := func(m memory) int {
		n := 0
		check := Verify()
		tables := []store.Table{store.TableConflicts, store.TableConflictValues, store.TableConflictTimes, store.TableConflictNotes}
		for _, table := range tables {
			for _, r := range m[table] {
				if check[table](company, r.Key, r.Value) != nil {
					n++
				}
			}
		}
		for _, table := range tables {
			if check[table]("", nil, nil) != nil {
				n++
			}
		}
		return n
	}
	d := disputed(t, 3)
	for i := range maxSides + 3 { // more than a record holds
		c, err := crdt.EncodeChange(crdt.ChangeMeta{Actor: crdt.ActorID(fmt.Sprint("crowd", i)), Seq: 1, StartOp: 1},
			[]crdt.Op{{Action: crdt.ActionSet, Key: crdt.MapKey("crowd"), Value: crdt.IntValue(int64(i))}})
		if err != nil {
			t.Fatal(err)
		}
		d.apply(c)
	}
	d.commit()
	d.store.put([]store.Record{
		{Table: store.TableConflictNotes, Key: append(slices.Clone(d.store[store.TableConflicts][0].Key), "12345678abc"...), Value: mustJSON(Note{Text: "hm"})},
		{Table: store.TableConflictNotes, Key: append(slices.Clone(d.store[store.TableConflicts][0].Key), assigneeSuffix...), Value: []byte("dora")},
	})
	delete(d.store, store.TableEvents) // which package events checks
	if n := faults(d.store); n != 0 {
		t.Fatalf("%d faults in what is right", n)
	}
	checked := 0
	for table, records := range d.store {
		for i, r := range records {
			without := memory{}
			for table, records := range d.store {
				without[table] = slices.Clone(records)
			}
			without[table] = slices.Delete(without[table], i, i+1)
			if faults(without) == 0 && table != store.TableConflictNotes {
				t.Errorf("no fault without record %x of table %s", r.Key, table)
			}
			if r.Key[len(r.Key)-1] == 0 && table == store.TableConflictNotes {
				continue // an assignee may be anything
			}
			without[table] = slices.Insert(without[table], i, store.Record{Table: table, Key: r.Key, Value: []byte("{")})
			if faults(without) == 0 {
				t.Errorf("no fault with a damaged record %x of table %s", r.Key, table)
			}
			checked++
		}
	}
	if checked < 16 {
		t.Errorf("%d records were damaged", checked)
	}
}

// TestGetReadsNoMoreThanThereIs leaves values in the store that no record counts.
func TestGetReadsNoMoreThanThereIs(t *testing.T) {
	d := newDevice(t, ledger.Document)
	for i := range maxSides + 3 {
		d.apply(editOf(t, devicesOf(fmt.Sprint("crowd", i))[0], set("crowd", i)))
	}
	h := d.only()
	read := 0
	for i := range 100 {
		op := crdt.OpID{Counter: 9, Actor: crdt.ActorID(fmt.Sprint("nobody", i))}
		d.store.put([]store.Record{valueRecord(d.key.Document, h.ID, op, Value{Shown: Shown{Op: op.String()}})})
	}
	err := d.ledger.sides(company, &h, func(Value) error { read++; return nil })
	if err != nil || read != h.Values {
		t.Errorf("%d values read, the record has %d: %v", read, h.Values, err)
	}
}

func FuzzState(f *testing.F) {
	for _, r := range disputed(f, 3).store[store.TableConflicts] {
		f.Add(r.Value)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, head, err := splitRecord(b)
		if err != nil {
			return
		}
		again := s.append(nil)
		if s2, _, err := splitRecord(append(append([]byte{recordVersion}, appendText(nil, string(again))...), head...)); err != nil || s2 != s {
			t.Errorf("%+v is read as %+v, %v", s, s2, err)
		}
	})
}
