package crdt

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkReencodes checks that fields and ops give the same bytes again.
func checkReencodes(tb testing.TB, c *Change) {
	tb.Helper()
	ops := slices.Collect(c.Ops())
	if len(ops) != c.NumOps {
		tb.Fatalf("change %s yields %d ops of %d", c.Hash, len(ops), c.NumOps)
	}
	again, err := EncodeChange(c.Meta(), ops)
	if err != nil {
		tb.Fatalf("encode again: %v", err)
	}
	if !bytes.Equal(again.Bytes(), c.Bytes()) {
		tb.Fatalf("change is written differently\n got %x\nwant %x", again.Bytes(), c.Bytes())
	}
	if again.Hash != c.Hash {
		tb.Fatalf("hash %s, want %s", again.Hash, c.Hash)
	}
}

// wantChange is the record of one change in testdata/codec/changes.json.gz.
type wantChange struct {
	Hash, Actor  string
	Seq, StartOp uint32
	MaxOp        uint32
	Time         int64
	Message      *string
	Deps         []string
	Nops         int
	Extra        string
	Ops          []map[string]any
}

func TestChangeVectors(t *testing.T) {
	var want map[string][]wantChange
	readJSON(t, "codec/changes.json.gz", &want)
	for _, pattern := range []string{"codec/*.changes", "codec/*.zchanges"} {
		for file, b := range readGlob(t, pattern) {
			name, _, _ := strings.Cut(file, ".")
			t.Run(file, func(t *testing.T) { checkChangeFile(t, chunksOf(t, b), want[name]) })
		}
	}
}

func checkChangeFile(t *testing.T, chunks []Chunk, want []wantChange) {
	if len(chunks) != len(want) || len(want) == 0 {
		t.Fatalf("%d chunks, want %d", len(chunks), len(want))
	}
	for i, chunk := range chunks {
		c, err := chunk.ParseChange(Limits{})
		if err != nil {
			t.Fatalf("change %d: %v", i, err)
		}
		checkFields(t, c, want[i])
		if want[i].Ops != nil {
			if diff := cmp.Diff(want[i].Ops, describeOps(c)); diff != "" {
				t.Fatalf("ops of change %d (-want +got):\n%s", i, diff)
			}
		}
		checkReencodes(t, c)
		checkCompresses(t, c)
		h, err := ParseStoredChange(c.Bytes(), c.Hash)
		want := c.Header()
		want.OtherOps = nil // needs the ops, which aren't read
		if diff := cmp.Diff(want, h); err != nil || diff != "" {
			t.Fatalf("stored change: %v\n%s", err, diff)
		}
	}
}

func checkFields(t *testing.T, c *Change, want wantChange) {
	t.Helper()
	deps := make([]string, 0)
	for _, d := range c.Deps {
		deps = append(deps, d.String())
	}
	got := wantChange{
		Hash: c.Hash.String(), Actor: c.Actor.String(), Seq: c.Seq, StartOp: c.StartOp, MaxOp: c.MaxOp(),
		Time: c.Time, Deps: deps, Nops: c.NumOps, Extra: hex.EncodeToString(c.Extra),
		Message: want.Message, Ops: want.Ops,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("fields (-want +got):\n%s", diff)
	}
	if want.Message != nil && *want.Message != c.Message || want.Message == nil && c.Message != "" {
		t.Fatalf("message %q, want %v", c.Message, want.Message)
	}
}

func checkCompresses(t *testing.T, c *Change) {
	t.Helper()
	z := c.Compressed()
	if z[hashedFrom] != byte(ChunkCompressed) {
		t.Fatalf("compressed chunk has type %d", z[hashedFrom])
	}
	back, err := ParseChange(z, Limits{})
	if err != nil {
		t.Fatalf("inflate again: %v", err)
	}
	if !bytes.Equal(back.Bytes(), c.Bytes()) || back.Hash != c.Hash {
		t.Fatal("inflated change differs")
	}
}

// describeOps renders ops as the vectors do.
func describeOps(c *Change) []map[string]any {
	list := make([]map[string]any, 0)
	for op := range c.Ops() {
		m := map[string]any{"id": op.ID.String(), "action": op.Action.String(), "obj": describeID(op.Obj, "_root")}
		if op.Key.IsElem {
			m["elem"] = describeID(op.Key.Elem, "_head")
		} else {
			m["key"] = op.Key.Name
		}
		if op.Insert {
			m["insert"] = true
		}
		if op.Action == ActionSet || op.Action == ActionIncrement || op.Action == ActionMark && op.HasMarkName {
			m["value"] = describeValue(op.Value)
		}
		if op.Action == ActionMark {
			m["action"], m["expand"] = "markEnd", op.Expand
			if op.HasMarkName {
				m["action"], m["name"] = "markBegin", op.MarkName
			}
		}
		preds := make([]any, 0)
		for _, p := range op.Preds {
			preds = append(preds, p.String())
		}
		m["pred"] = preds
		list = append(list, m)
	}
	return list
}

func describeID(id OpID, zero string) string {
	if id.IsZero() {
		return zero
	}
	return id.String()
}

func describeValue(v Value) any {
	switch v.Code() {
	case ValueNull:
		return nil
	case ValueFalse, ValueTrue:
		return v.Bool()
	case ValueUint:
		return map[string]any{"uint": fmt.Sprint(v.Uint())}
	case ValueInt:
		return map[string]any{"int": fmt.Sprint(v.Int())}
	case ValueFloat64:
		s := strconv.FormatFloat(v.Float64(), 'g', -1, 64)
		return map[string]any{"f64": strings.NewReplacer("+Inf", "Infinity", "-Inf", "-Infinity").Replace(s)}
	case ValueString:
		return map[string]any{"str": v.Text()}
	case ValueBytes:
		return map[string]any{"bytes": hex.EncodeToString(v.Bytes())}
	case ValueCounter:
		return map[string]any{"counter": fmt.Sprint(v.Int())}
	case ValueTimestamp:
		return map[string]any{"timestamp": fmt.Sprint(v.Int())}
	}
	return map[string]any{"unknown": fmt.Sprint(v.Code())}
}

func TestChangeOwnsInflatedBytes(t *testing.T) {
	b, err := os.ReadFile("testdata/codec/big-change.zchanges")
	if err != nil {
		t.Fatal(err)
	}
	c, err := chunksOf(t, b)[0].ParseChange(Limits{})
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	checkReencodes(t, c)
}
