package rules

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Problem is a mistake in a rules file.
type Problem struct {
	Line, Column int    // from 1; columns count characters
	Text         string // what is wrong, and what would be right
	Source       string // the line, or the expression, that the mistake is in; empty for none
	Caret        int    // where in Source, in characters from 0
}

// Error is returned for a file with mistakes.
type Error struct {
	File     string
	Problems []Problem // by line and column
	More     int       // mistakes that there are besides
}

// Error returns each problem as FILE:LINE:COLUMN: TEXT, and below it the line
// with a caret under the place.
func (e *Error) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s:%d:%d: %s", e.File, p.Line, p.Column, p.Text)
		if p.Source != "" {
			source, caret := excerpt(p.Source, p.Caret)
			fmt.Fprintf(&b, "\n    %s\n    %s^", source, strings.Repeat(" ", caret))
		}
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n%s: and %d more", e.File, e.More)
	}
	return b.String()
}

const excerptWidth = 100 // characters

// excerpt cuts a line to what stands around a character.
func excerpt(line string, caret int) (string, int) {
	all := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError {
			return ' '
		}
		return r
	}, line))
	caret = min(max(caret, 0), len(all))
	from := max(0, caret-excerptWidth/2)
	to := min(len(all), from+excerptWidth)
	return strings.TrimRight(string(all[from:to]), " "), caret - from
}
