package differential

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"concord/crdt"
	"concord/fuzz/oracle"
)

// dumper writes what a view shows, in the form that package oracle describes.
type dumper struct {
	view  crdt.View
	past  bool // whose marks automerge-js can't tell
	lines []string
}

func dump(v crdt.View, past bool) string {
	d := dumper{view: v, past: past}
	d.mapObject(crdt.OpID{})
	return strings.Join(d.lines, "\n")
}

func (d *dumper) add(parts ...string) { d.lines = append(d.lines, strings.Join(parts, " ")) }

func (d *dumper) mapObject(id crdt.OpID) {
	d.add("{")
	for key, winner := range d.view.Fields(id) {
		d.place(oracle.Quote(key), id, crdt.MapKey(key), winner)
	}
	d.add("}")
}

// place writes all visible values of a key or an element.
func (d *dumper) place(label string, obj crdt.OpID, key crdt.Key, winner crdt.Item) {
	items := d.view.Conflicts(obj, key)
	for _, item := range items {
		d.item(label, item)
		label = "|"
	}
	if n := len(items); n == 0 || items[n-1].ID != winner.ID || !items[n-1].Value.Equal(winner.Value) {
		d.add("winner", fmt.Sprint(winner))
	}
}

func (d *dumper) item(label string, item crdt.Item) {
	id := item.ID.String()
	switch item.Kind {
	case crdt.KindScalar:
		d.add(label, id, scalar(item.Value))
	case crdt.KindList:
		d.add(label, id, "list")
		d.list(item.ID)
	case crdt.KindText:
		d.add(label, id, "text")
		d.text(item.ID)
	default:
		d.add(label, id, item.Kind.String())
		d.mapObject(item.ID)
	}
}

func (d *dumper) list(id crdt.OpID) {
	d.add("[")
	n := 0
	for e := range d.view.Elements(id, 0) {
		d.place("-", id, crdt.ElemKey(e.ID), e.Item)
		n++
	}
	if length := d.view.Len(id); length != n {
		d.add("length", strconv.Itoa(length))
	}
	d.add("]")
}

func (d *dumper) text(id crdt.OpID) {
	text := d.view.Text(id)
	d.add("[")
	d.add(oracle.Quote(text))
	if length := d.view.Len(id); length != oracle.UTF16Len(text) {
		d.add("length", strconv.Itoa(length))
	}
	for e := range d.view.Elements(id, 0) {
		if e.Width > 0 { // others can't be reached by an index
			d.place("-", id, crdt.ElemKey(e.ID), e.Item)
		}
	}
	for s := range d.view.Spans(id) {
		if !s.Block.IsZero() {
			d.add("block")
			continue
		}
		parts := []string{"span", oracle.Quote(s.Text)}
		for _, m := range s.Marks {
			parts = append(parts, oracle.Quote(m.Name)+"="+plain(m.Value))
		}
		d.add(parts...)
	}
	if !d.past {
		for _, m := range d.view.Marks(id) {
			d.add("mark", oracle.Quote(m.Name), strconv.Itoa(m.Start), strconv.Itoa(m.End), plain(m.Value))
		}
	}
	d.add("]")
}

func scalar(v crdt.Value) string {
	switch v.Code() {
	case crdt.ValueNull:
		return "null"
	case crdt.ValueFalse, crdt.ValueTrue:
		return strconv.FormatBool(v.Bool())
	case crdt.ValueUint:
		return "u" + strconv.FormatUint(v.Uint(), 10)
	case crdt.ValueInt:
		return "i" + strconv.FormatInt(v.Int(), 10)
	case crdt.ValueFloat64:
		return oracle.Float(v.Float64())
	case crdt.ValueString:
		return oracle.Quote(v.Text())
	case crdt.ValueBytes:
		return oracle.Bytes(v.Bytes())
	case crdt.ValueCounter:
		return "c" + strconv.FormatInt(v.Int(), 10)
	case crdt.ValueTimestamp:
		return oracle.Timestamp(v.Int())
	}
	return fmt.Sprintf("xunknown%d %s", v.Code(), hex.EncodeToString(v.Bytes()))
}

// plain writes the value of a mark, whose type JavaScript doesn't show.
func plain(v crdt.Value) string {
	switch v.Code() {
	case crdt.ValueInt, crdt.ValueUint, crdt.ValueCounter:
		return "n" + scalar(v)[1:]
	case crdt.ValueFloat64:
		return "n" + strconv.FormatFloat(v.Float64(), 'g', -1, 64)
	}
	return scalar(v)
}
