package crdt

import (
	"fmt"
	"slices"
	"unicode"
	"unicode/utf8"
)

// UpdateText makes a text equal to want by inserting and deleting as little as
// possible. Characters that belong together, such as a letter and its accent or
// the parts of an emoji, are kept together. Elements that aren't strings stay
// where want has U+FFFC for them.
func (tx *Tx) UpdateText(text OpID, want string) error {
	o, err := tx.listObject(text, true)
	if err == nil && !utf8.ValidString(want) {
		err = errNotUTF8
	}
	if err != nil {
		return fmt.Errorf("update text: %w", err)
	}
	now := tx.Text(text)
	if now == want {
		return nil
	}
	c := textChange{l: o.list, now: now, want: want}
	c.trim()
	c.tokenize()
	for _, e := range slices.Backward(compareTokens(c.a.tokens, c.b.tokens)) {
		from, to := c.a.starts[e.aFrom], c.a.starts[e.aTo]
		s := want[c.front:][c.b.starts[e.bFrom]:c.b.starts[e.bTo]]
		if err := tx.SpliceText(text, c.index+from, to-from, s); err != nil {
			return err
		}
	}
	return nil
}

// textChange compares a text with a wanted string. front and back bytes at the
// ends are equal; what is between is cut into tokens.
type textChange struct {
	l           *txList
	now, want   string
	front, back int
	index       int // UTF-16 units before the middle
	a, b        tokenized
}

// tokenized is a row of tokens and where each starts: in the text by UTF-16
// units, in the wanted string by bytes. The last start is the end.
type tokenized struct {
	tokens []uint32
	starts []int
}

// trim finds the equal ends. Both borders stand between elements and between
// characters that belong together.
func (c *textChange) trim() {
	n := min(len(c.now), len(c.want))
	for c.front < n && c.now[c.front] == c.want[c.front] {
		c.front++
	}
	for c.front > 0 && !(runeStart(c.now, c.front) && runeStart(c.want, c.front)) {
		c.front--
	}
	for c.back < n-c.front && c.now[len(c.now)-1-c.back] == c.want[len(c.want)-1-c.back] {
		c.back++
	}
	for c.back > 0 && !(runeStart(c.now, len(c.now)-c.back) && runeStart(c.want, len(c.want)-c.back)) {
		c.back--
	}
	for c.retreatFront() {
	}
	c.index = utf16Len([]byte(c.now[:c.front]))
	for c.retreatBack() {
	}
}

func runeStart(s string, i int) bool { return i == len(s) || utf8.RuneStart(s[i]) }

// retreatFront moves the border at the front back if it can't stay.
func (c *textChange) retreatFront() bool {
	before := c.front
	if joinedAt(c.now, c.front) || joinedAt(c.want, c.front) {
		_, size := utf8.DecodeLastRuneInString(c.now[:c.front])
		c.front -= size
	}
	if index := utf16Len([]byte(c.now[:c.front])); index < c.l.width {
		f := c.l.find(index)
		for n := 0; n < index-f.start; {
			r, size := utf8.DecodeLastRuneInString(c.now[:c.front])
			c.front -= size
			n += utf16RuneLen(r)
		}
	}
	return c.front < before
}

// retreatBack moves the border at the back if it can't stay.
func (c *textChange) retreatBack() bool {
	before := c.back
	if joinedAt(c.now, len(c.now)-c.back) || joinedAt(c.want, len(c.want)-c.back) {
		_, size := utf8.DecodeRuneInString(c.now[len(c.now)-c.back:])
		c.back -= size
	}
	index := c.l.width - utf16Len([]byte(c.now[len(c.now)-c.back:]))
	if index > 0 && index < c.l.width {
		f := c.l.find(index - 1)
		for n := index; n < f.start+f.width; {
			r, size := utf8.DecodeRuneInString(c.now[len(c.now)-c.back:])
			c.back -= size
			n += utf16RuneLen(r)
		}
	}
	return c.back < before
}

func utf16RuneLen(r rune) int {
	if r > 0xffff {
		return 2
	}
	return 1
}

// tokenize cuts the middle of both sides into tokens.
func (c *textChange) tokenize() {
	known := make(map[string]uint32)
	middle := c.now[c.front : len(c.now)-c.back]
	from, at, width := 0, 0, 0
	for f := range c.l.from(c.index) {
		if at == len(middle) {
			break
		}
		if at > 0 && !joinedAt(middle, at) {
			c.a.add(known, middle[from:at], width)
			from = at
		}
		at += len(f.text())
		width += f.width
	}
	c.a.add(known, middle[from:at], width)

	middle = c.want[c.front : len(c.want)-c.back]
	from = 0
	for at := range middle {
		if at > 0 && !joinedAt(middle, at) {
			c.b.add(known, middle[from:at], at)
			from = at
		}
	}
	c.b.add(known, middle[from:], len(middle))
}

// add appends a token that ends at a position.
func (t *tokenized) add(known map[string]uint32, token string, end int) {
	if len(t.starts) == 0 {
		t.starts = append(t.starts, 0)
	}
	if token == "" {
		return
	}
	n, ok := known[token]
	if !ok {
		n = uint32(len(known))
		known[token] = n
	}
	t.tokens, t.starts = append(t.tokens, n), append(t.starts, end)
}

// joinedAt reports whether the characters around position i of a string belong
// together: an approximation of the rules for grapheme clusters that never
// takes apart what looks like one character.
func joinedAt(s string, i int) bool {
	if i <= 0 || i >= len(s) {
		return false
	}
	next, _ := utf8.DecodeRuneInString(s[i:])
	before, _ := utf8.DecodeLastRuneInString(s[:i])
	const joiner = 0x200d
	switch {
	case next < 0x300 && before < 0x300:
		return before == '\r' && next == '\n'
	case next == joiner || before == joiner:
		return true
	case next >= 0x1160 && next <= 0x11ff: // Hangul vowels and finals
		return true
	case next >= 0x1f3fb && next <= 0x1f3ff: // skin tones
		return true
	case next >= 0xe0020 && next <= 0xe007f: // tags of flags
		return true
	case isRegional(next) && isRegional(before):
		return oddRegionals(s[:i])
	}
	return unicode.Is(unicode.M, next) // variation selectors included
}

func isRegional(r rune) bool { return r >= 0x1f1e6 && r <= 0x1f1ff }

// oddRegionals reports whether a string ends in an odd number of regional
// indicators, of which two make a flag.
func oddRegionals(s string) bool {
	n := 0
	for {
		r, size := utf8.DecodeLastRuneInString(s)
		if !isRegional(r) {
			return n%2 == 1
		}
		s = s[:len(s)-size]
		n++
	}
}
