// Package progress shows people how far a long task is.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"
)

// Line shows how far a long task is: on a terminal as a line that is drawn
// over, elsewhere as a line now and then.
type Line struct {
	w        io.Writer
	terminal bool
	last     time.Time
	drawn    bool
}

// NewLine returns a line that is written to w.
func NewLine(w io.Writer) *Line {
	p := &Line{w: w}
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			p.terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	p.last = time.Now()
	return p
}

// Show draws the state of the task, unless it has just done so.
func (p *Line) Show(doing string, done, total uint64, unit string) {
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return
	}
	p.last = time.Now()
	percent := uint64(100)
	if total > 0 {
		percent = 100 * done / total
	}
	line := fmt.Sprintf("%s: %d of %d %s (%d %%)", doing, done, total, unit, percent)
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", line)
		p.drawn = true
		return
	}
	fmt.Fprintln(p.w, line)
}

// Clear takes the line off the screen.
func (p *Line) Clear() {
	if p.drawn {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.drawn = false
	}
}
