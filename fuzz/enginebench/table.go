package main

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

func (b *bencher) printHeader() {
	fmt.Fprint(b.out, "| |")
	for _, c := range b.contestants {
		fmt.Fprintf(b.out, " %s |", c.name)
	}
	fmt.Fprintf(b.out, "\n|---|%s\n", strings.Repeat("---:|", len(b.contestants)))
}

func (b *bencher) printRow(t taskRow, all []result) {
	fmt.Fprintf(b.out, "| %s |", t.label)
	for _, res := range all {
		cell := memoryText(res)
		if len(res.Samples) > 0 {
			cell = timeText(res)
		}
		fmt.Fprintf(b.out, " %s%s |", cell, factor(least(res), least(all[0])))
	}
	fmt.Fprintln(b.out)
}

// least is what engines are compared by.
func least(res result) float64 {
	if len(res.Samples) == 0 {
		return float64(res.RSS)
	}
	return slices.Min(res.Samples)
}

func timeText(res result) string {
	sorted := slices.Sorted(slices.Values(res.Samples))
	text := fmt.Sprintf("%s (%s)", duration(sorted[0]), duration(sorted[len(sorted)/2]))
	if res.Allocs > 0 {
		text += fmt.Sprintf(", %.1f allocs", res.Allocs)
	}
	return text
}

func memoryText(res result) string {
	text := bytesText(float64(res.RSS))
	if res.Heap > 0 {
		text += ", heap " + bytesText(float64(res.Heap))
	}
	return text
}

func factor(x, first float64) string {
	if x == first || first == 0 {
		return ""
	}
	return fmt.Sprintf(" ×%.3g", x/first)
}

// duration prints nanoseconds with three digits.
func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.3g ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	case ns < 1e9:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	}
	return time.Duration(ns).Round(10 * time.Millisecond).String()
}

func bytesText(n float64) string {
	if n < 1e6 {
		return fmt.Sprintf("%.0f kB", n/1e3)
	}
	return fmt.Sprintf("%.1f MB", n/1e6)
}
