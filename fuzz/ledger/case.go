package ledger

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"concord/crdt"
	"concord/internal/id"
)

// Document is the document of all cases.
var Document = id.DocumentID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// Case is a history written by hand, and the records that it gives.
type Case struct {
	Name    string
	About   string
	Changes []*crdt.Change // dependencies first
	Records []Record
}

// Cases reads the files of conflict/testdata/cases, sorted by name.
func Cases() ([]Case, error) {
	_, file, _, _ := runtime.Caller(0)
	names, err := filepath.Glob(filepath.Join(filepath.Dir(file), "../../conflict/testdata/cases/*.json"))
	if err != nil {
		return nil, err
	}
	cases := make([]Case, len(names))
	for i, name := range names {
		if cases[i], err = readCase(name); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(name), err)
		}
	}
	return cases, nil
}

type caseFile struct {
	About   string       `json:"about"`
	Changes []caseChange `json:"changes"`
	Records []Record     `json:"records"` // Closer may be the name of a change
}

// caseChange is a change. Seq and the first op's counter follow from what it comes after.
type caseChange struct {
	Name    string   `json:"name"`
	Actor   string   `json:"actor"`
	After   []string `json:"after"` // names of the dependencies
	Message string   `json:"message"`
	Ops     []caseOp `json:"ops"`
}

// caseOp is an op: at a key, at an element, or inserted after an element.
type caseOp struct {
	ID     string   `json:"id"` // must be what it gets
	Action string   `json:"action"`
	Obj    string   `json:"obj"` // "" = the root
	Key    string   `json:"key"`
	Elem   string   `json:"elem"`
	After  string   `json:"after"` // _head = the beginning
	Value  any      `json:"value"`
	Type   string   `json:"type"` // "" = what JSON says; whole numbers are ints
	Name   string   `json:"name"` // of a mark; "" = its end
	Pred   []string `json:"pred"`
}

func readCase(name string) (Case, error) {
	raw, err := os.ReadFile(name)
	if err != nil {
		return Case{}, err
	}
	var file caseFile
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&file); err != nil {
		return Case{}, err
	}
	if err := d.Decode(new(any)); err != io.EOF {
		return Case{}, fmt.Errorf("text after the case")
	}
	c := Case{Name: strings.TrimSuffix(filepath.Base(name), ".json"), About: file.About, Records: file.Records}
	b := builder{named: map[string]*crdt.Change{}, last: map[crdt.ActorID]uint32{}, maxOp: map[crdt.Hash]uint32{}}
	for _, change := range file.Changes {
		encoded, err := b.change(change)
		if err != nil {
			return Case{}, fmt.Errorf("change %s: %w", change.Name, err)
		}
		c.Changes = append(c.Changes, encoded)
	}
	for i, r := range c.Records {
		if change, ok := b.named[r.Closer]; ok {
			c.Records[i].Closer = change.Hash.String()
		}
	}
	return c, nil
}

// builder writes the changes of one case.
type builder struct {
	named map[string]*crdt.Change
	last  map[crdt.ActorID]uint32 // seq
	maxOp map[crdt.Hash]uint32    // of a change and all its ancestors
}

func (b *builder) change(c caseChange) (*crdt.Change, error) {
	actor, err := hex.DecodeString(c.Actor)
	if err != nil {
		return nil, err
	}
	meta := crdt.ChangeMeta{Actor: crdt.ActorID(actor), StartOp: 1, Message: c.Message, Time: 1_760_000_000}
	b.last[meta.Actor]++
	meta.Seq = b.last[meta.Actor]
	for _, name := range c.After {
		dep, ok := b.named[name]
		if !ok {
			return nil, fmt.Errorf("no change %s before it", name)
		}
		meta.Deps = append(meta.Deps, dep.Hash)
		meta.StartOp = max(meta.StartOp, b.maxOp[dep.Hash]+1)
	}
	crdt.SortHashes(meta.Deps)
	var ops []crdt.Op
	for i, o := range c.Ops {
		want := crdt.OpID{Counter: meta.StartOp + uint32(i), Actor: meta.Actor}
		if o.ID != want.String() {
			return nil, fmt.Errorf("op %s gets the id %s", o.ID, want)
		}
		op, err := o.op()
		if err != nil {
			return nil, fmt.Errorf("op %s: %w", o.ID, err)
		}
		ops = append(ops, op)
	}
	encoded, err := crdt.EncodeChange(meta, ops)
	if err != nil {
		return nil, err
	}
	b.named[c.Name] = encoded
	b.maxOp[encoded.Hash] = max(encoded.MaxOp(), meta.StartOp-1)
	return encoded, nil
}

var actions = []crdt.Action{
	crdt.ActionMakeMap, crdt.ActionSet, crdt.ActionMakeList, crdt.ActionDelete, crdt.ActionMakeText, crdt.ActionIncrement, crdt.ActionMark,
}

func (o caseOp) op() (op crdt.Op, err error) {
	at := slices.IndexFunc(actions, func(a crdt.Action) bool { return a.String() == o.Action })
	if at < 0 {
		return op, fmt.Errorf("unknown action %q", o.Action)
	}
	op = crdt.Op{Action: actions[at], Key: crdt.MapKey(o.Key), Insert: o.After != "", HasMarkName: o.Name != "", MarkName: o.Name}
	if op.Obj, err = opID(o.Obj); err != nil {
		return op, err
	}
	if elem := o.Elem + o.After; elem != "" {
		op.Key = crdt.ElemKey(crdt.OpID{})
		if op.Key.Elem, err = opID(strings.TrimPrefix(elem, "_head")); err != nil {
			return op, err
		}
	}
	for _, text := range o.Pred {
		pred, err := opID(text)
		if err != nil {
			return op, err
		}
		op.Preds = append(op.Preds, pred)
	}
	op.Value, err = scalar(o.Type, o.Value)
	return op, err
}

// opID reads COUNTER@ACTOR; "" is the zero id.
func opID(text string) (crdt.OpID, error) {
	if text == "" {
		return crdt.OpID{}, nil
	}
	counter, actor, _ := strings.Cut(text, "@")
	n, err := strconv.ParseUint(counter, 10, 32)
	if err != nil {
		return crdt.OpID{}, err
	}
	raw, err := hex.DecodeString(actor)
	return crdt.OpID{Counter: uint32(n), Actor: crdt.ActorID(raw)}, err
}

func scalar(kind string, value any) (crdt.Value, error) {
	text := fmt.Sprint(value)
	if kind == "" {
		switch v := value.(type) {
		case nil:
			return crdt.NullValue(), nil
		case bool:
			return crdt.BoolValue(v), nil
		case string:
			return crdt.StringValue(v), nil
		}
		kind = "int"
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch kind {
	case "int":
		return crdt.IntValue(n), err
	case "uint":
		return crdt.UintValue(uint64(n)), err
	case "counter":
		return crdt.CounterValue(n), err
	case "timestamp":
		return crdt.TimestampValue(n), err
	case "f64":
		f, err := strconv.ParseFloat(text, 64)
		return crdt.Float64Value(f), err
	case "bytes":
		b, err := hex.DecodeString(text)
		return crdt.BytesValue(b), err
	}
	return crdt.Value{}, fmt.Errorf("unknown type %q", kind)
}
