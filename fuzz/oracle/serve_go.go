package oracle

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"

	"github.com/automerge/automerge-go"
)

// ServeGo turns the process into automerge-go if that is what Go started it
// for, and doesn't return then.
func ServeGo() {
	if os.Getenv(goVariable) == "" {
		return
	}
	in := bufio.NewReaderSize(os.Stdin, 1<<16)
	out := json.NewEncoder(os.Stdout)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			os.Exit(0)
		}
		if err := out.Encode(serveGo(line)); err != nil {
			os.Exit(1)
		}
	}
}

func serveGo(line []byte) map[string]any {
	var request struct {
		Command string `json:"command"`
		Cases   json.RawMessage
		Seed    uint64 `json:"seed"`
	}
	var err error
	if err = json.Unmarshal(line, &request); err == nil {
		switch request.Command {
		case "cases":
			var cases []Case
			if err = json.Unmarshal(request.Cases, &cases); err == nil {
				answers := make([]Answer, len(cases))
				for i, c := range cases {
					answers[i] = answerGo(c)
				}
				return map[string]any{"result": answers}
			}
		case "author":
			var n int
			if err = json.Unmarshal(request.Cases, &n); err == nil {
				var histories [][][]byte
				if histories, err = authorGo(request.Seed, n); err == nil {
					return map[string]any{"result": histories}
				}
			}
		default:
			err = fmt.Errorf("unknown command %q", request.Command)
		}
	}
	return map[string]any{"error": err.Error()}
}

// answerGo gives plain dumps only: the binding shows neither ids nor conflicts
// nor marks.
func answerGo(c Case) (a Answer) {
	fail := func(err error) Answer { return Answer{Error: err.Error()} }
	live := automerge.New()
	for _, batch := range c.Batches {
		var all []byte
		for _, i := range batch {
			all = append(all, c.Changes[i]...)
		}
		if err := live.LoadIncremental(all); err != nil {
			return fail(err)
		}
	}
	a.LiveHeads = headsGo(live)
	a.Save = live.Save()
	doc, err := automerge.Load(a.Save)
	if err != nil {
		return fail(fmt.Errorf("load what was saved: %w", err))
	}
	a.Heads = headsGo(doc)
	a.Dump = dumpGo(doc)
	if l := dumpGo(live); l != a.Dump {
		a.Live = l
	}
	for _, heads := range c.Views {
		view, err := viewGo(doc, heads)
		if err != nil {
			return fail(err)
		}
		a.Views = append(a.Views, dumpGo(view))
	}
	return a
}

func headsGo(doc *automerge.Doc) []string {
	heads := []string{}
	for _, h := range doc.Heads() {
		heads = append(heads, h.String())
	}
	slices.Sort(heads)
	return heads
}

// viewGo returns a copy of doc as of earlier heads.
func viewGo(doc *automerge.Doc, heads []string) (*automerge.Doc, error) {
	var hashes []automerge.ChangeHash
	for _, text := range heads {
		h, err := automerge.NewChangeHash(text)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	if len(hashes) == 0 {
		return automerge.New(), nil
	}
	return doc.Fork(hashes...)
}

func dumpGo(doc *automerge.Doc) string {
	var lines []string
	mapGo(&lines, doc.RootMap())
	return strings.Join(lines, "\n")
}

func mapGo(lines *[]string, m *automerge.Map) {
	*lines = append(*lines, "{")
	values, err := m.Values()
	if err != nil {
		*lines = append(*lines, "error "+err.Error())
	}
	keys := make([]string, 0, len(values))
	for key := range values {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	for _, key := range keys {
		valueGo(lines, Quote(key), values[key])
	}
	*lines = append(*lines, "}")
}

func listGo(lines *[]string, l *automerge.List) {
	*lines = append(*lines, "[")
	values, err := l.Values()
	if err != nil {
		*lines = append(*lines, "error "+err.Error())
	}
	for _, v := range values {
		valueGo(lines, "-", v)
	}
	*lines = append(*lines, "]")
}

func valueGo(lines *[]string, label string, v *automerge.Value) {
	add := func(text string) { *lines = append(*lines, label+" "+text) }
	switch v.Kind() {
	case automerge.KindNull:
		add("null")
	case automerge.KindBool:
		add(fmt.Sprint(v.Bool()))
	case automerge.KindStr:
		add(Quote(v.Str()))
	case automerge.KindBytes:
		add(Bytes(v.Bytes()))
	case automerge.KindFloat64:
		add(Float(v.Float64()))
	case automerge.KindInt64:
		add(fmt.Sprintf("i%d", v.Int64()))
	case automerge.KindUint64:
		add(fmt.Sprintf("u%d", v.Uint64()))
	case automerge.KindTime:
		add(Timestamp(v.Time().UnixMilli()))
	case automerge.KindCounter:
		// Get would look the element up again by its index, which goes wrong in
		// lists with some hidden elements.
		add(fmt.Sprintf("c%d", reflect.ValueOf(v.Counter()).Elem().FieldByName("val").Int()))
	case automerge.KindMap:
		add("map")
		mapGo(lines, v.Map())
	case automerge.KindList:
		add("list")
		listGo(lines, v.List())
	case automerge.KindText:
		add("text")
		text, err := v.Text().Get()
		if err != nil {
			text = "error " + err.Error()
		}
		*lines = append(*lines, "[", Quote(text), "]")
	case automerge.KindUnknown:
		add("unknown")
	default:
		add(fmt.Sprintf("kind %v", v.Kind()))
	}
}
