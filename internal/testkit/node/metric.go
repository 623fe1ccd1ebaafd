package node

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Metric returns a value without labels from /metrics.
func (n *Node) Metric(name string) float64 {
	n.tb.Helper()
	response, err := http.Get(n.URL("/metrics"))
	if err != nil {
		n.tb.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		if text, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(text, 64)
			if err != nil {
				n.tb.Fatal(err)
			}
			return v
		}
	}
	n.tb.Fatalf("no metric %s", name)
	return 0
}

// CPU returns the CPU time that the process's threads have taken; those that
// have ended don't count.
func (n *Node) CPU() time.Duration {
	n.tb.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", n.PID()))
	if err != nil || len(files) == 0 {
		n.tb.Fatalf("the threads of the node: %v", err)
	}
	var sum time.Duration
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it has ended
		}
		ns, _, _ := strings.Cut(string(b), " ")
		v, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			n.tb.Fatal(err)
		}
		sum += time.Duration(v)
	}
	return sum
}
