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
	if !p.due() {
		return
	}
	percent := uint64(100)
	if total > 0 {
		percent = 100 * done / total
	}
	p.draw(fmt.Sprintf("%s: %d of %d %s (%d %%)", doing, done, total, unit, percent))
}

// Count is Show for a task whose end isn't known.
func (p *Line) Count(doing string, done uint64, unit string) {
	if p.due() {
		p.draw(fmt.Sprintf("%s: %d %s", doing, done, unit))
	}
}

func (p *Line) due() bool {
	every := 5 * time.Second
	if p.terminal {
		every = 100 * time.Millisecond
	}
	if time.Since(p.last) < every {
		return false
	}
	p.last = time.Now()
	return true
}

func (p *Line) draw(line string) {
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
