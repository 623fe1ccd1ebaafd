package crdt

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"math"
	"runtime"
	"testing"

	"github.com/klauspost/compress/flate"
)

// mutationsBeyondCodec lists, by position, the mutated changes that automerge-js
// refuses for reasons which lie outside the change.
var mutationsBeyondCodec = map[int]string{
	1:   "seq gap",
	162: "actor without a change",
	178: "actor without a change",
	184: "actor without a change",
	187: "object doesn't exist",
}

// What automerge-js refused, or could not load after saving, is refused here.
func TestMutations(t *testing.T) {
	var file struct {
		Base  []string
		Cases []struct {
			Hex    string
			Reload *bool
		}
	}
	readJSON(t, "codec/mutations.json.gz", &file)
	if len(file.Cases) < 200 {
		t.Fatalf("only %d cases", len(file.Cases))
	}
	for _, s := range file.Base {
		ch, err := ParseChange(unhex(t, s), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		checkReencodes(t, ch)
	}
	for i, c := range file.Cases {
		ch, err := ParseChange(unhex(t, c.Hex), Limits{})
		why := mutationsBeyondCodec[i]
		switch broken := c.Reload == nil || !*c.Reload; {
		case err == nil && broken && why == "":
			t.Errorf("case %d is accepted: %s", i, c.Hex)
		case err != nil && why != "":
			t.Errorf("case %d is listed as %q, but refused: %v", i, why, err)
		case err == nil:
			checkReencodes(t, ch)
		}
	}
}

// Files that crashed other implementations give changes that encode to the
// same bytes, or refusals.
func TestFixtures(t *testing.T) {
	want := map[string]bool{ // accepted changes, of the files that hold one
		"upstream-counter_value_is_ok.automerge":              true,
		"upstream-counter_value_is_overlong.automerge":        false,
		"upstream-counter_value_has_incorrect_meta.automerge": false,
		"upstream-64bit_obj_id_change.automerge":              false,
		"upstream-crashers-action-is-48.automerge":            false,
		"upstream-two_change_chunks.automerge":                true,
		"upstream-two_change_chunks_compressed.automerge":     true,
		"upstream-two_change_chunks_out_of_order.automerge":   true,
	}
	for name, b := range readGlob(t, "fixtures/*") {
		for len(b) > 0 {
			chunk, rest, err := NextChunk(b)
			if err != nil {
				break
			}
			b = rest
			ch, err := chunk.ParseChange(Limits{})
			var refusal *RefusalError
			switch accepted, listed := want[name]; {
			case err == nil:
				checkReencodes(t, ch)
			case !errors.As(err, &refusal):
				t.Errorf("%s: error %v of type %T", name, err, err)
			case chunk.Type == ChunkDocument && refusal.Reason != ReasonDocumentChunk,
				chunk.Type == ChunkBundle && refusal.Reason != ReasonBundleChunk:
				t.Errorf("%s: chunk of type %d: %v", name, chunk.Type, err)
			case listed && accepted:
				t.Errorf("%s: %v", name, err)
			}
			if accepted, listed := want[name]; listed && !accepted && err == nil {
				t.Errorf("%s is accepted", name)
			}
		}
	}
}

// bombMeta is what a bomb's change looks like apart from its columns.
var bombMeta = ChangeMeta{Actor: author, Seq: 1, StartOp: 1 << 20}

// handmade builds a change chunk from columns, with a valid checksum.
func handmade(cols map[opColumn][]byte) []byte {
	return sealed(append(appendFields(nil, bombMeta, nil), handmadeColumns(cols)...))
}

func handmadeColumns(cols map[opColumn][]byte) []byte {
	data := appendUleb(nil, uint64(len(cols)))
	for i := range opColumns {
		if col, ok := cols[opColumn(i)]; ok {
			data = appendUleb(data, uint64(opColumns[i].spec))
			data = appendUleb(data, uint64(len(col)))
		}
	}
	for i := range opColumns {
		data = append(data, cols[opColumn(i)]...)
	}
	return data
}

// sealed wraps data into a type 1 chunk with the right checksum.
func sealed(data []byte) []byte {
	raw := append(appendChunkHeader(nil, [4]byte{}, ChunkChange, len(data)), data...)
	hash := sha256.Sum256(raw[hashedFrom:])
	copy(raw[4:hashedFrom], hash[:])
	return raw
}

// manyActors returns fields with far more other actors than one op can use.
func manyActors() []byte {
	var others []ActorID
	for i := range 1 << 19 {
		others = append(others, ActorID([]byte{byte(i >> 16), byte(i >> 8), byte(i)}))
	}
	return append(appendFields(nil, bombMeta, others), handmadeColumns(oneOp(nil))...)
}

// overlongKeyColumn returns one op whose key column has a length that makes
// offsets wrap around.
func overlongKeyColumn() []byte {
	cols := handmadeColumns(oneOp(nil)) // count, then specification and length of the key column
	data := append(appendFields(nil, bombMeta, nil), cols[:2]...)
	data = appendUleb(data, math.MaxUint64)
	return sealed(append(data, cols[3:]...))
}

func run(n int64, value ...byte) []byte { return append(appendSleb(nil, n), value...) }

func nulls(n uint64) []byte { return appendUleb([]byte{0}, n) }

// oneOp returns the columns of one valid op, some replaced.
func oneOp(replace map[opColumn][]byte) map[opColumn][]byte {
	cols := map[opColumn][]byte{
		colKeyString: run(-1, 1, 'k'), colInsert: {1}, colAction: run(-1, 1),
		colValueMeta: run(-1, 0), colPredCount: run(-1, 0),
	}
	for col, b := range replace {
		cols[col] = b
	}
	return cols
}

// allocated returns the bytes that f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What the encoder can't write, because it names each actor once.
func TestActorTable(t *testing.T) {
	meta := ChangeMeta{Actor: author, Seq: 1, StartOp: 10}
	for _, c := range []struct {
		name   string
		want   Reason
		others []ActorID
		actors []byte // of the preds 3@… and 4@…
	}{
		{"used", "", []ActorID{before, after}, []byte{1, 2}},
		{"author as index 0", "", []ActorID{after}, []byte{0, 1}},
		{"index above the table", ReasonBadOp, []ActorID{after}, []byte{1, 2}},
		{"unused", ReasonNotCanonical, []ActorID{before, after}, []byte{0, 1}},
		{"unsorted", ReasonNotCanonical, []ActorID{after, before}, []byte{1, 2}},
		{"twice", ReasonNotCanonical, []ActorID{after, after}, []byte{1, 2}},
		{"author among the others", ReasonNotCanonical, []ActorID{before, author}, []byte{1, 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cols := oneOp(map[opColumn][]byte{
				colPredCount: run(-1, 2), colPredActor: run(-2, c.actors...), colPredCounter: run(-2, 3, 1),
			})
			ch, err := ParseChange(sealed(append(appendFields(nil, meta, c.others), handmadeColumns(cols)...)), Limits{})
			if c.want != "" {
				wantReason(t, ch, err, c.want)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			checkReencodes(t, ch)
		})
	}
	many := make([]OpID, 200)
	for i := range many {
		many[i] = OpID{3, ActorID([]byte{byte(i)})}
	}
	ch, err := EncodeChange(meta, []Op{setKey("k", NullValue(), many...)})
	if err != nil || len(ch.OtherActors) != len(many) {
		t.Fatalf("change with %d actors: %v", len(many), err)
	}
	checkReencodes(t, ch)
	cols := oneOp(nil)
	others := ch.OtherActors
	ch, err = ParseChange(sealed(append(appendFields(nil, meta, others[:2]), handmadeColumns(cols)...)), Limits{})
	wantReason(t, ch, err, ReasonNotCanonical)
	ch, err = ParseChange(sealed(append(appendFields(nil, meta, others), handmadeColumns(cols)...)), Limits{})
	wantReason(t, ch, err, ReasonNotCanonical)
}

func TestBombs(t *testing.T) {
	const huge = 1 << 40
	for name, b := range map[string][]byte{
		"actions":         handmade(oneOp(map[opColumn][]byte{colAction: run(huge, 1)})),
		"most actions":    handmade(oneOp(map[opColumn][]byte{colAction: run(math.MaxInt64, 1)})),
		"literal actions": handmade(oneOp(map[opColumn][]byte{colAction: run(math.MinInt64, 1)})),
		"two runs":        handmade(oneOp(map[opColumn][]byte{colAction: append(run(math.MaxInt64, 1), run(math.MaxInt64, 2)...)})),
		"null actions":    handmade(oneOp(map[opColumn][]byte{colAction: append(nulls(math.MaxUint64), run(-1, 1)...)})),
		"keys":            handmade(oneOp(map[opColumn][]byte{colKeyString: run(huge, 1, 'k')})),
		"null objects":    handmade(oneOp(map[opColumn][]byte{colObjCounter: append(nulls(huge), run(-1, 1)...)})),
		"inserts":         handmade(oneOp(map[opColumn][]byte{colInsert: appendUleb(nil, huge)})),
		"expands":         handmade(oneOp(map[opColumn][]byte{colExpand: append([]byte{0}, appendUleb(nil, huge)...)})),
		"value metadata":  handmade(oneOp(map[opColumn][]byte{colValueMeta: run(huge, 0)})),
		"value length":    handmade(oneOp(map[opColumn][]byte{colValueMeta: append(run(-1), appendUleb(nil, math.MaxUint64)...)})),
		"pred count":      handmade(oneOp(map[opColumn][]byte{colPredCount: append(run(-1), appendUleb(nil, huge)...)})),
		"preds": handmade(oneOp(map[opColumn][]byte{
			colPredCount: append(run(-1), appendUleb(nil, 1<<19)...), colPredActor: run(huge, 0), colPredCounter: run(huge, 1),
		})),
		"pred groups": handmade(map[opColumn][]byte{
			colKeyString: run(100_000, 1, 'k'), colInsert: appendUleb(nil, 100_000), colAction: run(100_000, 1), colValueMeta: run(100_000, 0),
			colPredCount: append(run(100_000), appendUleb(nil, 5)...), colPredActor: run(500_000, 0), colPredCounter: run(500_000, 1),
		}),
		"mark names":     handmade(oneOp(map[opColumn][]byte{colMarkName: append(nulls(huge), run(-1, 0)...)})),
		"dependencies":   sealed(appendUleb(nil, huge)),
		"actor":          sealed(append([]byte{0}, appendUleb(nil, huge)...)),
		"other actors":   sealed(append([]byte{0, 0, 1, 1, 0, 0}, appendUleb(nil, huge)...)),
		"equal actors":   sealed(append(append([]byte{0, 0, 1, 1, 0, 0}, appendUleb(nil, 1<<20)...), make([]byte, 1<<20+1)...)),
		"many actors":    sealed(manyActors()),
		"columns":        sealed(append([]byte{0, 0, 1, 1, 0, 0, 0}, appendUleb(nil, huge)...)),
		"column length":  sealed(append([]byte{0, 0, 1, 1, 0, 0, 0, 1, 0x15}, appendUleb(nil, math.MaxUint64)...)),
		"column lengths": overlongKeyColumn(),
		"many runs":      handmade(oneOp(map[opColumn][]byte{colAction: append(run(150_000, 1), run(150_000, 2)...)})),
	} {
		t.Run(name, func(t *testing.T) {
			var ch *Change
			var err error
			spent := allocated(func() { ch, err = ParseChange(b, Limits{}) })
			if ch != nil || err == nil {
				t.Fatal("accepted")
			}
			if name == "many runs" {
				wantReason(t, ch, err, ReasonLimit)
			}
			if most := uint64(64 << 10); spent > most {
				t.Errorf("%d bytes allocated for %v", spent, err)
			}
		})
	}
}

// A gigabyte of zeros in a megabyte, and in chunks of any limit, costs no more
// than the inflater.
func TestDeflateBomb(t *testing.T) {
	if len(deflated(t, make([]byte, 100))) == 0 {
		t.Fatal("nothing deflated")
	}
	var data bytes.Buffer
	w, err := flate.NewWriter(&data, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range 1 << 10 {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b := append(appendChunkHeader(nil, [4]byte{}, ChunkCompressed, data.Len()), data.Bytes()...)
	for _, lim := range []Limits{{}, {ChunkBytes: 1 << 10}, {ChunkBytes: 20 << 10}} {
		var ch *Change
		spent := allocated(func() { ch, err = ParseChange(b, lim) })
		wantReason(t, ch, err, ReasonLimit)
		if spent > 1<<20 {
			t.Errorf("%d bytes allocated", spent)
		}
	}
}

func deflated(tb testing.TB, b []byte) []byte {
	tb.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}

// A few bytes may hold many ops: a refusal says how much was read.
func TestRefusalNamesItsCost(t *testing.T) {
	const n = 1000
	ops := make([]Op, n)
	for i := range ops {
		ops[i] = Op{Action: ActionSet, Key: MapKey("k"), Value: NullValue()}
	}
	c, err := EncodeChange(ChangeMeta{Actor: "a", Seq: 1, StartOp: 1}, ops)
	if err != nil {
		t.Fatal(err)
	}
	chunk, _, err := NextChunk(c.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	most := 0
	for i := range chunk.Data {
		data := bytes.Clone(chunk.Data)
		data[i] ^= 1
		b := sealed(data)
		var refusal *RefusalError
		if _, err := ParseChange(b, Limits{}); errors.As(err, &refusal) {
			if refusal.Cost < len(b) {
				t.Errorf("byte %d: cost %d of %d bytes", i, refusal.Cost, len(b))
			}
			most = max(most, refusal.Cost)
		}
	}
	if most < opCost*n {
		t.Errorf("highest cost is %d, want at least %d", most, opCost*n)
	}
}
