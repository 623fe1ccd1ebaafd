package api

import (
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"concord/crdt"
	"concord/internal/id"
	"concord/sync/protocol"
)

// randomBytes are for IDs, which must never come twice.
type randomBytes struct{}

func (randomBytes) Read(b []byte) (int, error) { return crand.Read(b) }

// fuzzRequest is a request that is about to be made.
type fuzzRequest struct {
	op           specOperation
	method, path string
	id           string // the path's
	headers      map[string]string
	body         []byte
	stray        bool // there is a parameter that the operation doesn't have, or twice
}

func (q fuzzRequest) String() string {
	return fmt.Sprintf("%s %.2000s %.2000q\n%.4000q (%d bytes)", q.method, q.path, q.headers, q.body, len(q.body))
}

// newRequest makes a request of an operation, in which one thing or another may be wrong.
func (f *fuzzer) newRequest(c *fuzzCompany, op specOperation) fuzzRequest {
	g := requestMaker{fuzzer: f, company: c, op: op}
	broken := -1 // the number of the parameter that is wrong; one more is the body
	if f.rand.IntN(2) == 0 {
		broken = f.rand.IntN(len(op.Parameters) + 1)
	}
	q := fuzzRequest{op: op, method: op.method, path: op.path, headers: make(map[string]string)}
	query := url.Values{}
	for i, p := range op.Parameters {
		if !p.Required && i != broken && f.rand.IntN(3) > 0 {
			continue
		}
		text := fmt.Sprint(g.value(p.Name, p.Schema, 0))
		if i == broken {
			text = g.junkText()
		}
		switch p.In {
		case "path":
			// Empty segments, dots and a slash alone are no business of the API: the path means another one.
			if text == "" || text == "." || text == ".." || text == "/" {
				text = "%"
			}
			if p.Name == "id" {
				q.id = text
			}
			q.path = strings.ReplaceAll(q.path, "{"+p.Name+"}", url.PathEscape(text))
		case "query":
			query.Set(p.Name, text)
		case "header":
			q.headers[p.Name] = printable(text)
		}
	}
	if op.OperationID == "poll-events" && !query.Has("wait") {
		query.Set("wait", "0") // nobody waits here
	}
	if len(query) > 0 {
		q.path += "?" + query.Encode()
	}
	if broken >= 0 && f.rand.IntN(8) == 0 {
		g.strayParameter(&q, query)
	}
	g.fillBody(&q, broken == len(op.Parameters))
	return q
}

// strayParameter adds a parameter that the operation doesn't have, or has already.
func (g *requestMaker) strayParameter(q *fuzzRequest, query url.Values) {
	name := g.pick("id", "company", "user", "limit", "\x00", "at", "typ", "Type", "type;ref", "%")
	mine := slices.ContainsFunc(q.op.Parameters, func(p specParameter) bool { return p.In == "query" && p.Name == name })
	q.stray = strings.HasPrefix(q.path, "/v1/") && (!mine || query.Has(name))
	sign := "?"
	if len(query) > 0 {
		sign = "&"
	}
	q.path += sign + url.QueryEscape(name) + "=" + url.QueryEscape(g.junkText())
}

// printable leaves out what an HTTP client doesn't send in a header.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, text)
}

// requestMaker makes the parts of one request.
type requestMaker struct {
	*fuzzer
	company *fuzzCompany
	op      specOperation
}

func (g *requestMaker) pick(from ...string) string { return from[g.rand.IntN(len(from))] }

func (g *requestMaker) fillBody(q *fuzzRequest, broken bool) {
	if q.op.RequestBody == nil {
		if broken {
			q.headers["Content-Type"], q.body = "application/json", g.junkJSON()
		}
		return
	}
	types := slices.Sorted(maps.Keys(q.op.RequestBody.Content))
	t := types[g.rand.IntN(len(types))]
	q.headers["Content-Type"] = t
	if t == octets {
		q.body = g.octets()
	} else {
		b, err := json.Marshal(g.value("", q.op.RequestBody.Content[t].Schema, 0))
		if err != nil {
			g.tb.Fatal(err)
		}
		q.body = b
	}
	if !broken {
		return
	}
	switch g.rand.IntN(5) {
	case 0:
		q.body = g.junkJSON()
	case 1:
		q.headers["Content-Type"] = g.pick("", "text/plain", "application/json", octets, mergePatchType, jsonPatchType, "application/cbor",
			"multipart/form-data", "application/json; charset=utf-7", ";;", "application/merge-patch+json; x")
	case 2:
		q.body = nil
	default:
		g.mutate(&q.body)
	}
}

// mutate damages bytes.
func (g *requestMaker) mutate(b *[]byte) {
	*b = slices.Clone(*b)
	for range 1 + g.rand.IntN(4) {
		if len(*b) == 0 {
			return
		}
		at := g.rand.IntN(len(*b))
		switch g.rand.IntN(5) {
		case 0:
			*b = (*b)[:at]
		case 1:
			*b = slices.Insert(*b, at, byte(g.rand.IntN(256)))
		case 2:
			*b = slices.Delete(*b, at, min(len(*b), at+1+g.rand.IntN(4)))
		case 3:
			*b = append(*b, (*b)[at:]...)
		default:
			(*b)[at] ^= 1 << g.rand.IntN(8)
		}
	}
}

// octets are a file or a sync message, or what might be one.
func (g *requestMaker) octets() []byte {
	doc, err := crdt.Load(g.company.file, crdt.Limits{})
	if err != nil {
		g.tb.Fatal(err)
	}
	known := doc.Heads()
	if err := edit(doc, g.company.word, func(tx *crdt.Tx) error {
		_, err := tx.SetAt("/"+g.pick("total", "customer", "new"), g.rand.IntN(100))
		return err
	}); err != nil {
		g.tb.Fatal(err)
	}
	if g.op.OperationID == "import-document" {
		if g.rand.IntN(3) == 0 {
			return doc.SaveSince(known)
		}
		return doc.Save()
	}
	m := protocol.Message{Version: protocol.V1, Heads: doc.Heads()}
	for range g.rand.IntN(3) {
		var h crdt.Hash
		if _, err := hex.Decode(h[:], []byte(g.pick(g.company.heads...))); err != nil {
			g.tb.Fatal(err)
		}
		m.Need = append(m.Need, h)
	}
	if g.rand.IntN(2) == 0 {
		m.Have = []protocol.Have{{LastSync: known[:g.rand.IntN(len(known)+1)]}}
	}
	if g.rand.IntN(2) == 0 {
		for _, c := range doc.Changes(known) { // none if the value was there already
			m.Changes = append(m.Changes, c.Bytes())
		}
	}
	if g.rand.IntN(4) == 0 {
		m.Version = protocol.Version(g.rand.IntN(256))
	}
	return m.Append(nil)
}

// value is what a schema allows, with a sense for what names mean.
func (g *requestMaker) value(name string, of schema, depth int) any {
	of = g.doc.resolve(of)
	if name == "data" && g.rand.IntN(4) > 0 {
		return map[string]any{"ref": g.company.word}
	}
	t := of["type"]
	if several, ok := t.([]any); ok {
		t = several[0]
	}
	if values, ok := of["enum"].([]any); ok {
		return values[g.rand.IntN(len(values))]
	}
	switch t {
	case "string":
		return g.text(name, of)
	case "integer":
		if name == "wait" {
			return 0 // nobody waits here
		}
		low, _ := of["minimum"].(float64)
		high, bounded := of["maximum"].(float64)
		if !bounded {
			high = low + 1<<40
		}
		return []int64{int64(low), int64(low) + int64(g.rand.IntN(20)), int64(high)}[g.rand.IntN(3)]
	case "number":
		return g.rand.NormFloat64()
	case "boolean":
		return g.rand.IntN(2) == 0
	case "array":
		items, _ := of["items"].(map[string]any)
		list := []any{}
		for range g.rand.IntN(4) {
			list = append(list, g.value(name, items, depth+1))
		}
		return list
	case "object":
		return g.object(of, depth)
	}
	return g.anything(depth)
}

func (g *requestMaker) object(of schema, depth int) any {
	o := make(map[string]any)
	if _, free := of["additionalProperties"].(map[string]any); free {
		for range g.rand.IntN(4) {
			o[g.pick("total", "customer", "lines", "note", "approved", "", "a/b~c", g.company.word)] = g.anything(depth + 1)
		}
	}
	required, _ := of["required"].([]any)
	properties, _ := of["properties"].(map[string]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if slices.Contains(required, any(name)) || g.rand.IntN(2) == 0 {
			o[name] = g.value(name, properties[name].(map[string]any), depth+1)
		}
	}
	return o
}

// anything is a JSON value as it may be in a document.
func (g *requestMaker) anything(depth int) any {
	n := 9
	if depth > 4 {
		n = 7
	}
	switch g.rand.IntN(n) {
	case 0:
		return nil
	case 1:
		return g.rand.IntN(2) == 0
	case 2:
		return g.rand.IntN(100)
	case 3:
		return json.Number(g.pick("9223372036854775807", "18446744073709551615", "-9223372036854775808", "1e308", "-0", "0.1", "9007199254740993"))
	case 4:
		return g.junkText()
	case 5, 6:
		return g.company.word + g.pick("", " x", "\u0000", "🦄", "é")
	case 7:
		return []any{g.anything(depth + 1), g.anything(depth + 1)}
	}
	return map[string]any{g.pick("id", "price", "text", "", "__proto__"): g.anything(depth + 1), "more": g.anything(depth + 1)}
}

// text is a good text for a name, or one that would be good elsewhere.
func (g *requestMaker) text(name string, of schema) string {
	c := g.company
	if of["format"] == "date-time" {
		return g.pick("2026-01-01T00:00:00Z", "2000-01-01T00:00:00.5+02:00", "2099-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
	}
	if g.rand.IntN(20) == 0 {
		return g.junkText()
	}
	other := g.companies[0]
	if other == c {
		other = g.companies[1]
	}
	if other == nil {
		other = c
	}
	switch name {
	case "id":
		return g.identity(other)
	case "document":
		return g.pick(append([]string{other.documents[0]}, c.documents...)...)
	case "at", "from", "to":
		if g.op.OperationID == "patch-document" {
			return g.pointer()
		}
		return g.pick(g.pick(c.heads...), g.pick(c.heads...)+"."+g.pick(c.heads...), g.pick(other.heads...))
	case "path", "field":
		return g.pointer()
	case "room", "rooms":
		return g.pick("company:"+c.name, "user:"+g.pick(c.users...), "document:"+g.pick(c.documents...), "document:"+other.documents[1], "company:"+other.name)
	case "types":
		return g.pick("invoice:*", "invoice:paid,stock:updated", "user:*", "*", c.word)
	case "ids":
		return g.pick(append([]string{other.events[0]}, c.events...)...)
	case "device", "Device":
		return g.pick("till", "device-"+c.word)
	case "type":
		if strings.Contains(g.op.path, "/events") {
			return g.pick("invoice:paid", "invoice:paid", "stock:updated", "notification:new", "user:typing", "document:created", c.word)
		}
		return g.pick("invoice", "invoice", "order", c.word, "note")
	case "ref":
		return g.pick(c.word, "gone-"+c.word, c.word+"/"+g.pick("1", "2", "3"))
	case "user", "assignee", "edited_by":
		return g.pick(c.users...)
	case "keep":
		return g.pick(append([]string{"edits", "removal"}, c.ops...)...)
	case "If-Match", "If-None-Match":
		return g.pick("*", `"`+g.pick(c.heads...)+`"`, `W/"x", "y"`)
	case "cursor":
		if strings.HasPrefix(g.op.path, "/v1/events") {
			return g.pick(c.cursor, c.cursor, other.cursor)
		}
		return g.pick("", "YwAAAAAAAAAB", "AAAA")
	}
	return c.word + g.pick("", " text", "-1")
}

// identity is an ID for the operation's path.
func (g *requestMaker) identity(other *fuzzCompany) string {
	c := g.company
	switch {
	case strings.HasPrefix(g.op.path, "/v1/conflicts"):
		return g.pick(append([]string{other.conflicts[0], strings.Repeat("0", 32)}, append(c.conflicts, c.conflicts...)...)...)
	case strings.HasPrefix(g.op.path, "/v1/events"):
		return g.pick(append([]string{other.events[0], strings.Repeat("0", 26)}, c.events...)...)
	case g.op.OperationID == "revoke":
		return g.pick(c.word, "a token")
	case g.op.OperationID == "delete-document" && g.rand.IntN(4) > 0:
		return c.documents[0] // it is deleted already
	}
	var fresh id.DocumentID
	_, _ = randomBytes{}.Read(fresh[:])
	return g.pick(append([]string{other.documents[1], fresh.String(), "automerge:" + c.documents[1]}, append(c.documents, c.documents...)...)...)
}

func (g *requestMaker) pointer() string {
	return g.pick("", "/total", "/customer", "/lines", "/lines/0", "/lines/-", "/lines/0/price", "/lines/1/text", "/new", "/a~1b~0c", "/lines/99999999999999999999", "/~2", "/lines/*/price")
}

// junkText is a text that is wrong nearly everywhere.
func (g *requestMaker) junkText() string {
	return g.pick("", "\x00", "\xff\xfe\xfd", "\xed\xa0\x80", "null", "-1", "0", "9223372036854775808", "1e400", "NaN", "true", "[]", "{}", `"`, "../../etc/passwd",
		"%00", "a/b", "/", "~", " ", "\r\n\r\n", strings.Repeat("x", 257), strings.Repeat("é", 1025), strings.Repeat("/a", 5000), strings.Repeat("0.", 33281),
		strings.Repeat("f", 64), "automerge:", "automerge:"+strings.Repeat("1", 28), "2026-13-45T99:99:99Z", "\u202e\u2028", "${jndi:x}", "' OR 1=1 --")
}

// junkJSON is a body that is hardly right.
func (g *requestMaker) junkJSON() []byte {
	deep := g.rand.IntN(20_000)
	return []byte(g.pick("", "null", "true", "0", `""`, "[]", "{}", "[null]", "{", "\x00", "\xef\xbb\xbf{}", "{}{}", `{"a":1,"a":2}`, `{"":{"":null}}`,
		`{"a":1e400}`, `{"total":-1e-400}`, `{"total":`+strings.Repeat("9", 5000)+`}`, `{"a":"\ud800"}`, `{"a":"\u0000"}`, "{\"a\":\"\xff\"}",
		strings.Repeat("[", deep), strings.Repeat("[", deep)+strings.Repeat("]", deep), `{"content":`+strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep)+"}",
		strings.Repeat(`{"a":`, deep)+"1"+strings.Repeat("}", deep),
		`[{"op":"add","path":"/x","value":`+strings.Repeat("[", deep)+strings.Repeat("]", deep)+`}]`,
		`[{"op":"move","from":"","path":"/a"}]`, `[{"op":"move","from":"/lines","path":"/lines/0"}]`, `[{"op":"copy","from":"","path":"/a"}]`,
		"["+strings.TrimSuffix(strings.Repeat(`{"op":"copy","from":"","path":"/a"},`, 30), ",")+"]",
		`[{"op":"add"}]`, `[{"op":"test","path":"/total","value":1e9999}]`, `{"kind":"user","id":"`+strings.Repeat("u", 300)+`"}`,
		`{"kind":"company","id":"x"}`, `{"value":null}`, `{"keep":"1@00","value":1}`, `{"text":"   "}`, `{"user":null}`, `{"at":["x"]}`))
}
