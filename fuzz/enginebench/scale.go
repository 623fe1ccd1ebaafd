package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"concord/crdt"
)

// Documents beyond what the other engines are measured with; crdt alone meets them.

// scaleHistories are the numbers of changes at which the cost of one more is measured.
var scaleHistories = []int{100, 10_000, 1_000_000}

const (
	scaleTail     = 2000     // changes that are applied then
	largeText     = 20 << 20 // characters
	largeTextEdit = 150_000  // characters of a change that writes them
)

// scale prints what long histories and a large text cost.
func (b *bencher) scale(dir string) error {
	crdtOnly := ownProcess{"crdt"}
	fmt.Fprintf(b.out, "\n### crdt alone: long histories and a large text\n\n| | crdt |\n|---|---:|\n")
	row := func(label, task, base string) error {
		fmt.Fprintf(b.log, "%s\n", label)
		res, err := crdtOnly.run(task, base, b.o.budget)
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		b.printRow(taskRow{task, label}, []result{res})
		return nil
	}
	for _, n := range scaleHistories {
		n := max(applyBatch, int(float64(n)*b.o.size))
		base := filepath.Join(dir, fmt.Sprintf("scale-%d", n))
		if err := b.scaleFiles(base, n); err != nil {
			return err
		}
		rows := []taskRow{{"apply-one", fmt.Sprintf("apply a change after %d", n)}}
		if n == scaleHistories[len(scaleHistories)-1] {
			rows = append(rows,
				taskRow{"load", fmt.Sprintf("load %d changes", n+scaleTail)}, taskRow{"save", "save them, after a change"},
				taskRow{"read-at", "whole value at earlier heads"}, taskRow{"memory", "memory after load"})
		}
		for _, r := range rows {
			if err := row(r.label, r.task, base); err != nil {
				return err
			}
		}
	}
	base := filepath.Join(dir, "large-text")
	if _, err := crdtOnly.run("write-large-text", base, 0); err != nil {
		return err
	}
	for _, r := range []taskRow{
		{"load", fmt.Sprintf("load a text of %d characters", largeText)}, {"insert-middle", "insert a character in its middle"},
		{"splice-middle", "replace 1,000 characters there"}, {"save-large-text", "save it, after that"}, {"memory", "memory after load"},
	} {
		if err := row(r.label, r.task, base); err != nil {
			return err
		}
	}
	return nil
}

// scaleFiles writes a long history, and its documents as crdt saves them.
func (b *bencher) scaleFiles(base string, n int) error {
	err := writeHistory(base+".changes", func(a *author) error { return writeERP(a, n+scaleTail, fixedRandom(3)) })
	if err != nil {
		return err
	}
	chunks, err := os.ReadFile(base + ".changes")
	if err != nil {
		return err
	}
	m, err := describe(chunks)
	if err != nil {
		return err
	}
	m.Start = n
	if err := writeJSON(base+".json", m); err != nil {
		return err
	}
	_, err = ownProcess{"crdt"}.run("prepare", base, 0)
	return err
}

// prepare writes the documents of the first and of all changes.
func (r run) prepare() (res result, err error) {
	tail, err := r.tail()
	if err != nil {
		return res, err
	}
	all, err := os.ReadFile(r.base + ".changes")
	if err != nil {
		return res, err
	}
	start := all[:len(all)-len(bytes.Join(tail, nil))]
	for suffix, b := range map[string][]byte{".start.automerge": start, ".automerge": all} {
		d, err := r.engine.load(b)
		if err != nil {
			return res, err
		}
		saved, err := d.save()
		if err != nil {
			return res, err
		}
		if err := os.WriteFile(r.base+suffix, saved, 0o600); err != nil {
			return res, err
		}
	}
	return res, nil
}

func (r run) writeLargeText() (res result, err error) {
	d, err := r.engine.start(false)
	if err != nil {
		return res, err
	}
	words := bytes.Repeat([]byte("The quick brown fox jumps over the lazy dog. "), largeTextEdit/45+1)[:largeTextEdit]
	for at := 0; at < largeText; at += largeTextEdit {
		if err := d.splice(edit{At: at, Inserted: string(words[:min(largeTextEdit, largeText-at)])}, false); err != nil {
			return res, err
		}
	}
	b, err := d.save()
	if err != nil {
		return res, err
	}
	return res, os.WriteFile(r.base+".automerge", b, 0o600)
}

func (r run) insertMiddle() (result, error) {
	return r.editLargeText(edit{At: largeText / 2, Inserted: "x"}, false)
}

func (r run) spliceMiddle() (result, error) {
	return r.editLargeText(edit{At: largeText / 2, Deleted: 1000, Inserted: string(bytes.Repeat([]byte("y"), 1000))}, false)
}

func (r run) saveLargeText() (result, error) {
	return r.editLargeText(edit{At: largeText / 2, Inserted: "x"}, true)
}

// editLargeText measures an edit, or the save after it.
func (r run) editLargeText(e edit, save bool) (res result, err error) {
	b, err := os.ReadFile(r.base + ".automerge")
	if err != nil {
		return res, err
	}
	d, err := crdt.Load(b, crdt.Limits{Rows: 2 * largeText})
	if err != nil {
		return res, err
	}
	d.SetActor(testActor(1))
	doc := concordDocument{d}
	res.Samples, err = r.repeat(func() (time.Duration, error) {
		start := time.Now()
		if err := doc.splice(e, false); err != nil || !save {
			return time.Since(start), err
		}
		start = time.Now()
		_, err := doc.save()
		return time.Since(start), err
	})
	return res, err
}
