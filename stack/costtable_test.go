package stack

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The table of costs is made from the benchmarks' output:
//
//	go test ./stack ./stack/lab -run '^$' -bench '^BenchmarkCost$' >cost.txt
//	go test ./stack -run '^TestCostTable$' -cost.table $PWD/cost.txt
var costOutput = flag.String("cost.table", "", "write the table of docs/performance.md from the benchmarks' output in `file`")

const (
	costDocument = "../docs/performance.md"
	costBegin    = "<!-- cost: begin -->\n"
	costEnd      = "<!-- cost: end -->\n"
	// costGrowth is the growth of a step's cost, from no entries to many, above which the table marks it. The logarithm of 50,000
	// is 16, but only a heap's work grows by it; cache misses cause most of the growth.
	costGrowth = 4
)

// TestCostTable writes the table of costs if the flag is set; otherwise it checks that the table has a row for each pile.
func TestCostTable(t *testing.T) {
	doc, err := os.ReadFile(costDocument)
	must(t, err)
	before, rest, ok := strings.Cut(string(doc), costBegin)
	table, after, ok2 := strings.Cut(rest, costEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of costs", costDocument)
	}
	if *costOutput != "" {
		must(t, os.WriteFile(costDocument, []byte(before+costBegin+costTable(t, *costOutput)+costEnd+after), 0o644))
		return
	}
	for _, p := range slices.Concat(piles, piles6) {
		if !strings.Contains(table, "| "+p.name+" | "+p.step+" |") {
			t.Errorf("%s has no row for %s: %s", costDocument, p.name, p.step)
		}
	}
}

// costTable returns the table for a file of benchmark output, in the file's order.
func costTable(t *testing.T, file string) string {
	f, err := os.Open(file)
	must(t, err)
	defer f.Close()
	type cell struct {
		n  int
		ns float64
	}
	var order []string
	rows := map[string][]cell{}
	line := regexp.MustCompile(`^BenchmarkCost/(.*): ?(.*)/(\d+)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op`)
	for in := bufio.NewScanner(f); in.Scan(); {
		m := line.FindStringSubmatch(in.Text())
		if m == nil {
			continue
		}
		name := strings.ReplaceAll(m[1]+" | "+strings.TrimPrefix(m[2], "_"), "_", " ")
		n, _ := strconv.Atoi(m[3])
		ns, _ := strconv.ParseFloat(m[4], 64)
		if rows[name] == nil {
			order = append(order, name)
		}
		rows[name] = append(rows[name], cell{n, ns})
	}
	var b strings.Builder
	b.WriteString("| Of what there are many | What is done once | beside none | beside some | beside many | times |\n|---|---|---|---|---|---|\n")
	for _, name := range order {
		row := rows[name]
		first, last, some := row[0], row[len(row)-1], ""
		if len(row) > 2 {
			some = thousands(row[1].n) + ": " + nanoseconds(row[1].ns)
		}
		times := fmt.Sprintf("%.1f", last.ns/first.ns)
		if last.ns > costGrowth*first.ns {
			times = "**" + thousands(int(last.ns/first.ns+0.5)) + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s: %s | %s |\n", name, nanoseconds(first.ns), some, thousands(last.n), nanoseconds(last.ns), times)
	}
	return b.String()
}

// nanoseconds returns a duration as the table of costs shows it.
func nanoseconds(ns float64) string {
	if ns >= 10_000 {
		return fmt.Sprintf("%.0f µs", ns/1000)
	}
	return thousands(int(ns+0.5)) + " ns"
}
