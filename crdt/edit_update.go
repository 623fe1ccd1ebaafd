package crdt

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Update makes what a JSON Pointer names equal to want with the least edits: maps
// key by key, lists and texts by a real difference, so that what others wrote
// meanwhile to the unchanged parts stays. want is what Tx accepts as a value;
// use json.Decoder.UseNumber to keep large numbers exact.
//
// Values are compared by their JSON form, see View.AppendJSON: 1 equals 1.0, and
// what is equal is left alone, conflicts included. What isn't keeps its type
// where it can: a number over a counter becomes an increment, a string over a
// text edits it, a string over a scalar string, timestamp (RFC 3339) or byte
// string (base64) replaces it by one of the same type. New strings become texts
// or scalars as Tx.ScalarStrings says. Everything else is replaced, short texts
// too if Tx.ReplaceShortTexts is set.
//
// Elements of lists are matched by content; maps with a value in the key "id" are
// matched by that.
func (tx *Tx) Update(pointer string, want any) error {
	u := updater{tx: tx}
	if err := u.start(pointer, want); err != nil {
		return fmt.Errorf("update %q: %w", pointer, err)
	}
	for len(u.open) > 0 {
		next := u.open[len(u.open)-1]
		u.open = u.open[:len(u.open)-1]
		if err := u.update(next); err != nil {
			return fmt.Errorf("update %q: %w", pointer, tx.breakOff(err))
		}
	}
	return nil
}

// identityKey is the key that says which object a map in a list is.
const identityKey = "id"

// updater holds the objects that are still to be compared.
type updater struct {
	tx   *Tx
	open []updating
}

type updating struct {
	obj  OpID
	want any // map[string]any, []any or string, as the object's kind asks for
}

func (u *updater) start(pointer string, want any) error {
	if pointer == "" {
		fields, ok := want.(map[string]any)
		if !ok {
			return fmt.Errorf("the root is a map")
		}
		u.open = append(u.open, updating{Root, fields})
		return nil
	}
	parent, token, err := u.tx.place(pointer)
	if err != nil {
		return err
	}
	switch index, ok := parseIndex(token); {
	case parent.Kind == KindMap:
		return u.key(parent.ID, token, want)
	case parent.Kind == KindList && ok:
		return u.element(parent.ID, index, want)
	case parent.Kind == KindList && token == "-":
		return u.tx.Insert(parent.ID, u.tx.Len(parent.ID), want)
	}
	return fmt.Errorf("the %s has no place %q", parent.Kind, token)
}

func (u *updater) update(next updating) error {
	switch want := next.want.(type) {
	case map[string]any:
		return u.fields(next.obj, want)
	case []any:
		return u.list(next.obj, want)
	}
	return u.tx.UpdateText(next.obj, next.want.(string))
}

func (u *updater) fields(obj OpID, want map[string]any) error {
	for _, key := range u.tx.Keys(obj) {
		if _, ok := want[key]; ok {
			continue
		}
		if err := u.tx.Delete(obj, key); err != nil {
			return err
		}
	}
	for _, key := range sortedKeys(want) {
		if err := u.key(obj, key, want[key]); err != nil {
			return err
		}
	}
	return nil
}

func (u *updater) key(obj OpID, key string, want any) error {
	now, ok := u.tx.Field(obj, key)
	n := needed{write: true, value: want}
	if ok {
		n = u.need(now, want)
	}
	var err error
	switch {
	case n.descend:
		u.open = append(u.open, updating{now.ID, n.value})
	case n.write:
		_, err = u.tx.Set(obj, key, n.value)
	case n.increment != 0:
		err = u.tx.Increment(obj, key, n.increment)
	}
	return err
}

func (u *updater) element(list OpID, index int, want any) error {
	now, ok := u.tx.Element(list, index)
	if !ok {
		return fmt.Errorf("element %d: %w", index, ErrIndex)
	}
	n := u.need(now.Item, want)
	var err error
	switch {
	case n.descend:
		u.open = append(u.open, updating{now.Item.ID, n.value})
	case n.write:
		_, err = u.tx.SetIndex(list, index, n.value)
	case n.increment != 0:
		err = u.tx.IncrementIndex(list, index, n.increment)
	}
	return err
}

// needed is what makes a value the wanted one; the zero needed is nothing.
type needed struct {
	descend   bool // compare the members of the object
	write     bool // write value
	increment int64
	value     any
}

// ShortText is how many characters a short text has at most, see Tx.ReplaceShortTexts.
const ShortText = 64

func isShort(text string) bool {
	return utf8.RuneCountInString(text) <= ShortText && !strings.ContainsAny(text, "\n\r\u2028\u2029\ufffc")
}

// need is the function need, but for short texts.
func (u *updater) need(now Item, want any) needed {
	n := need(now, want)
	text, ok := n.value.(string)
	if !u.tx.ReplaceShortTexts || !n.descend || !ok {
		return n
	}
	switch old := u.tx.Text(now.ID); {
	case old == text:
		return needed{}
	case isShort(old) || isShort(text):
		return needed{write: true, value: Text(text)}
	}
	return n
}

func need(now Item, want any) needed {
	switch want := want.(type) {
	case map[string]any:
		return needed{descend: now.Kind == KindMap, write: now.Kind != KindMap, value: want}
	case []any:
		return needed{descend: now.Kind == KindList, write: now.Kind != KindList, value: want}
	case Text:
		return needed{descend: now.Kind == KindText, write: now.Kind != KindText, value: string(want)}.asText()
	case string:
		if now.Kind == KindScalar {
			return needString(now.Value, want)
		}
		return needed{descend: now.Kind == KindText, write: now.Kind != KindText, value: want}
	}
	v, err := scalarOf(want)
	if err != nil || now.Kind != KindScalar {
		return needed{write: true, value: want}
	}
	return needScalar(now.Value, v)
}

// asText keeps a new text from becoming a scalar.
func (n needed) asText() needed {
	if n.write {
		n.value = Text(n.value.(string))
	}
	return n
}

// needString writes a string over a scalar in the scalar's own type.
func needString(now Value, want string) needed {
	switch now.code {
	case ValueString:
		if string(now.raw) == want {
			return needed{}
		}
		return needed{write: true, value: StringValue(want)}
	case ValueTimestamp:
		if string(appendDate(nil, now.Int())) == `"`+want+`"` {
			return needed{}
		}
		if t, err := time.Parse(time.RFC3339, want); err == nil {
			return needScalar(now, TimestampValue(t.UnixMilli()))
		}
	case ValueBytes:
		if b, err := base64.StdEncoding.DecodeString(want); err == nil {
			return needScalar(now, BytesValue(b))
		}
	default:
		if now.code > ValueTimestamp && base64.StdEncoding.EncodeToString(now.raw) == want {
			return needed{}
		}
	}
	return needed{write: true, value: want}
}

func needScalar(now, want Value) needed {
	if want.code == ValueCounter && now.code != ValueCounter {
		return needed{write: true, value: want}
	}
	if now.Equal(want) || string(appendJSONValue(nil, now)) == string(appendJSONValue(nil, want)) && want.code != ValueString {
		return needed{}
	}
	if now.code == ValueCounter && (want.code == ValueInt || want.code == ValueCounter) {
		return needed{increment: int64(want.num) - int64(now.num)}
	}
	return needed{write: true, value: want}
}

// list makes a list equal to want. It works from the end, so that indexes in
// front stay what they were.
func (u *updater) list(obj OpID, want []any) error {
	o, err := u.tx.listObject(obj, false)
	if err != nil {
		return err
	}
	t := digester{tx: u.tx, tokens: make(map[string]uint32)}
	now := make([]uint32, 0, o.list.width)
	for f := range o.list.from(0) {
		item, _ := winner(f.shown)
		now = append(now, t.token(t.item(nil, item, digestDepth)))
	}
	wanted := make([]uint32, len(want))
	for i, v := range want {
		wanted[i] = t.token(t.value(nil, v, digestDepth))
	}
	edits := compareTokens(now, wanted)
	aTo, bTo := len(now), len(want)
	for _, e := range slices.Backward(edits) {
		if err := u.matched(obj, e.aTo, want[e.bTo:bTo], aTo-e.aTo); err != nil {
			return err
		}
		if err := u.replace(obj, e, want[e.bFrom:e.bTo]); err != nil {
			return err
		}
		aTo, bTo = e.aFrom, e.bFrom
	}
	return u.matched(obj, 0, want[:bTo], aTo)
}

// matched compares elements with those of the same digest.
func (u *updater) matched(list OpID, from int, want []any, n int) error {
	for i := range n {
		if err := u.element(list, from+i, want[i]); err != nil {
			return err
		}
	}
	return nil
}

// replace turns elements into others: as many as both have are changed in their
// place, unless they are different objects.
func (u *updater) replace(list OpID, e edit, want []any) error {
	n := e.aTo - e.aFrom
	common := min(n, len(want))
	if err := u.tx.Splice(list, e.aFrom+common, n-common, want[common:]...); err != nil {
		return err
	}
	for i := range common {
		at := e.aFrom + i
		now, _ := u.tx.Element(list, at)
		var err error
		if u.identified(now.Item, want[i]) {
			err = u.tx.Splice(list, at, 1, want[i])
		} else {
			err = u.element(list, at, want[i])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// identified reports whether an element or a wanted one says which object it
// is. If they were the same object, they would have been matched.
func (u *updater) identified(now Item, want any) bool {
	if now.Kind == KindMap {
		if _, ok := u.tx.Field(now.ID, identityKey); ok {
			return true
		}
	}
	fields, _ := want.(map[string]any)
	_, ok := fields[identityKey]
	return ok
}

// digester describes values in a few bytes, by their JSON form. Equal ones get
// equal descriptions; others may, which costs edits but does no harm.
type digester struct {
	tx     *Tx
	tokens map[string]uint32
}

const (
	digestDepth = 3
	digestItems = 8  // members of an object
	digestBytes = 64 // of a string
)

func (d *digester) token(digest []byte) uint32 {
	n, ok := d.tokens[string(digest)]
	if !ok {
		n = uint32(len(d.tokens))
		d.tokens[string(digest)] = n
	}
	return n
}

func (d *digester) item(b []byte, now Item, depth int) []byte {
	switch now.Kind {
	case KindScalar:
		return digestScalar(b, now.Value)
	case KindText:
		return digestString(b, d.tx.textPrefix(now.ID, digestBytes))
	case KindMap:
		if id, ok := d.tx.Field(now.ID, identityKey); ok && depth > 0 {
			return append(d.item(append(b, `{"id":`...), id, 0), '}')
		}
	}
	if depth == 0 {
		return append(b, now.Kind.String()...)
	}
	if now.Kind != KindMap {
		n := d.tx.Len(now.ID)
		b = fmt.Appendf(b, "[%d:", n)
		for i := range min(n, digestItems) {
			e, _ := d.tx.Element(now.ID, i)
			b = append(d.item(b, e.Item, depth-1), ',')
		}
		return append(b, ']')
	}
	keys := d.tx.Keys(now.ID)
	b = fmt.Appendf(b, "{%d:", len(keys))
	for _, key := range keys[:min(len(keys), digestItems)] {
		field, _ := d.tx.Field(now.ID, key)
		b = append(d.item(digestString(b, key), field, depth-1), ',')
	}
	return append(b, '}')
}

func (d *digester) value(b []byte, want any, depth int) []byte {
	switch want := want.(type) {
	case string:
		return digestString(b, want)
	case Text:
		return digestString(b, string(want))
	case []any:
		if depth == 0 {
			return append(b, KindList.String()...)
		}
		b = fmt.Appendf(b, "[%d:", len(want))
		for _, v := range want[:min(len(want), digestItems)] {
			b = append(d.value(b, v, depth-1), ',')
		}
		return append(b, ']')
	case map[string]any:
		if id, ok := want[identityKey]; ok && depth > 0 {
			return append(d.value(append(b, `{"id":`...), id, 0), '}')
		}
		if depth == 0 {
			return append(b, KindMap.String()...)
		}
		b = fmt.Appendf(b, "{%d:", len(want))
		keys := sortedKeys(want)
		for _, key := range keys[:min(len(keys), digestItems)] {
			b = append(d.value(digestString(b, key), want[key], depth-1), ',')
		}
		return append(b, '}')
	}
	v, _ := scalarOf(want) // what can't be written fails when it is
	return digestScalar(b, v)
}

func digestScalar(b []byte, v Value) []byte {
	if v.code == ValueString {
		return digestString(b, string(v.raw))
	}
	if v.code == ValueTimestamp && v.Int() >= -maxDate && v.Int() <= maxDate {
		date := appendDate(nil, v.Int())
		return digestString(b, string(date[1:len(date)-1]))
	}
	return appendJSONValue(b, v)
}

func digestString(b []byte, s string) []byte {
	b = append(b, '"')
	b = append(b, s[:min(len(s), digestBytes)]...)
	return append(b, '"')
}

// textPrefix returns the beginning of a text, at least n bytes of it if it has
// as many.
func (tx *Tx) textPrefix(obj OpID, n int) string {
	o, err := tx.listObject(obj, true)
	if err != nil {
		return ""
	}
	var b []byte
	for f := range o.list.from(0) {
		if b = append(b, f.text()...); len(b) >= n {
			break
		}
	}
	return string(b)
}
