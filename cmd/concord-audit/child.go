package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"

	automerge "github.com/automerge/automerge-go"
)

// childArgument makes this program the child that calls automerge-go.
const childArgument = "automerge-go-child"

// answer is what a child says of one document, as one line of JSON.
type answer struct {
	Heads []string        `json:"heads,omitempty"` // in hex, sorted
	Value json.RawMessage `json:"value,omitempty"` // typed JSON, as of crdt's View.AppendTypedJSON
	Error string          `json:"error,omitempty"` // why automerge-go doesn't load or tell the document
}

// serveChild answers documents until the input ends. A document comes as 8 bytes of length, big-endian, and its bytes.
func serveChild(in io.Reader, out io.Writer) error {
	r := bufio.NewReader(in)
	enc := json.NewEncoder(out)
	for {
		var size [8]byte
		if _, err := io.ReadFull(r, size[:]); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		doc := make([]byte, binary.BigEndian.Uint64(size[:]))
		if _, err := io.ReadFull(r, doc); err != nil {
			return err
		}
		if err := enc.Encode(readDocument(doc)); err != nil {
			return err
		}
		runtime.GC() // which also frees what automerge-go holds outside Go's heap
	}
}

// readDocument loads a document by automerge-go. The binding panics where it meets what it doesn't know.
func readDocument(b []byte) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{Error: fmt.Sprint("panic: ", p)}
		}
	}()
	doc, err := automerge.Load(b)
	if err != nil {
		return answer{Error: err.Error()}
	}
	for _, h := range doc.Heads() {
		a.Heads = append(a.Heads, h.String())
	}
	if a.Value, err = json.Marshal(typed(doc.Root())); err != nil {
		return answer{Error: err.Error()}
	}
	return a
}

// typed returns a value in the form of View.AppendTypedJSON. Bytes of unknown values are beyond automerge-go.
func typed(v *automerge.Value) any {
	switch v.Kind() {
	case automerge.KindMap:
		values, err := v.Map().Values()
		check(err)
		out := make(map[string]any, len(values))
		for key, value := range values {
			out[key] = typed(value)
		}
		return out
	case automerge.KindList:
		values, err := v.List().Values()
		check(err)
		out := make([]any, len(values))
		for i, value := range values {
			out[i] = typed(value)
		}
		return out
	case automerge.KindText:
		text, err := v.Text().Get()
		check(err)
		return tagged("text", text)
	}
	return typedScalar(v)
}

func typedScalar(v *automerge.Value) any {
	switch v.Kind() {
	case automerge.KindNull:
		return nil
	case automerge.KindBool:
		return v.Bool()
	case automerge.KindStr:
		return tagged("str", v.Str())
	case automerge.KindBytes:
		return tagged("bytes", hex.EncodeToString(v.Bytes()))
	case automerge.KindInt64:
		return tagged("int", strconv.FormatInt(v.Int64(), 10))
	case automerge.KindUint64:
		return tagged("uint", strconv.FormatUint(v.Uint64(), 10))
	case automerge.KindFloat64:
		return tagged("f64", strconv.FormatFloat(v.Float64(), 'g', -1, 64))
	case automerge.KindTime:
		return tagged("timestamp", strconv.FormatInt(v.Time().UnixMilli(), 10))
	case automerge.KindCounter:
		n, err := v.Counter().Get()
		check(err)
		return tagged("counter", strconv.FormatInt(n, 10))
	case automerge.KindUnknown:
		return tagged("unknown", "")
	}
	panic(fmt.Errorf("value of %v", v.Kind()))
}

func tagged(tag, text string) any { return map[string]any{tag: text} }

// check turns errors of the binding into the panic that readDocument catches.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
