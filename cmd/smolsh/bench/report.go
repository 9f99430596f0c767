package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// Report is the result of a run. --json prints it as JSON, so fields may be added but not changed.
type Report struct {
	Version  string   `json:"version"` // the program's version
	Machine  Machine  `json:"machine"`
	Rounds   int      `json:"rounds"`  // number of runs of each side
	Seconds  float64  `json:"seconds"` // measured time of each run, without its warm-up
	Results  []Result `json:"results"`
	Absent   []string `json:"absent"`   // a line for each peer that was missing, with the reason
	Failures []string `json:"failures"` // a line for each run that failed
}

// Machine describes the machine of the measurement.
type Machine struct {
	Kernel string `json:"kernel"`
	Arch   string `json:"arch"`
	CPUs   int    `json:"cpus"`
	Go     string `json:"go"`
}

// Result is one figure of one measurement, for each side that ran. smolsh's side is the first.
type Result struct {
	Name   string       `json:"name"`
	What   string       `json:"what"`
	Metric string       `json:"metric,omitempty"` // the metric's name, "" if the measurement has only one
	Unit   string       `json:"unit"`
	Better string       `json:"better"` // "more" or "less"
	Sides  []SideResult `json:"sides"`
	// Ratios are smolsh's median divided by the peer's, keyed by the peer.
	Ratios map[string]float64 `json:"ratios"`
}

// SideResult holds one side's values, one for each round, and their median.
type SideResult struct {
	Side   string    `json:"side"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Values []float64 `json:"values"`
}

// summarize makes a measurement's results from the values by side and metric, in the measurement's order.
func summarize(m *Measurement, values map[string]map[string][]float64) (results []Result) {
	for _, metric := range m.Metrics {
		r := Result{Name: m.Name, What: m.What, Metric: metric.Name, Unit: metric.Unit, Better: "more", Ratios: map[string]float64{}}
		if metric.Less {
			r.Better = "less"
		}
		for _, side := range m.Sides {
			v := values[side][metric.Name]
			if len(v) == 0 {
				continue
			}
			r.Sides = append(r.Sides, SideResult{side, Median(v), slices.Min(v), slices.Max(v), v})
		}
		if len(r.Sides) == 0 {
			continue
		}
		if ours := r.Sides[0]; ours.Side == m.Sides[0] {
			for _, peer := range r.Sides[1:] {
				if x, ok := Ratio(ours.Median, peer.Median); ok {
					r.Ratios[peer.Side] = x
				}
			}
		}
		results = append(results, r)
	}
	return results
}

// JSON writes the report as one indented object.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Table writes the report as text for people: a line per figure, then the peers that were missing.
func (r *Report) Table(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "smolsh %s, %s, Linux %s, %s, %d CPUs; medians of %d, %s s each\n",
		r.Version, r.Machine.Go, r.Machine.Kernel, r.Machine.Arch, r.Machine.CPUs, r.Rounds, significant(r.Seconds))
	var peers []string
	for _, x := range r.Results {
		for _, s := range x.Sides {
			if s.Side != Smolsh && !slices.Contains(peers, s.Side) {
				peers = append(peers, s.Side)
			}
		}
	}
	slices.SortFunc(peers, func(a, b string) int { return slices.Index(sideOrder, a) - slices.Index(sideOrder, b) })
	rows := [][]string{{"MEASUREMENT", "UNIT", "SMOLSH"}}
	for _, p := range peers {
		rows[0] = append(rows[0], strings.ToUpper(p), "RATIO")
	}
	for _, x := range r.Results {
		row := []string{strings.TrimSpace(x.Name + " " + x.Metric), x.Unit, x.cell(Smolsh)}
		for _, p := range peers {
			ratio := ""
			if v, ok := x.Ratios[p]; ok {
				ratio = significant(v) + "×"
			}
			row = append(row, x.cell(p), ratio)
		}
		rows = append(rows, row)
	}
	writeColumns(&b, rows, 2)
	for _, line := range r.Absent {
		b.WriteString("not there: " + line + "\n")
	}
	for _, line := range r.Failures {
		b.WriteString("failed: " + line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) cell(side string) string {
	for _, s := range r.Sides {
		if s.Side == side {
			return significant(s.Median)
		}
	}
	return ""
}

// writeColumns writes rows as columns. It aligns the first columns, as many as left says, to the left, and the others
// to the right.
func writeColumns(b *strings.Builder, rows [][]string, left int) {
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			pad := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if i > 0 {
				line += "  "
			}
			if i < left {
				line += cell + pad
			} else {
				line += pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// significant rounds a number to three significant figures, but never left of the decimal point: 1234.5 gives 1234. It
// writes no exponent and no trailing zeros after the point.
func significant(v float64) string {
	if v == 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprint(v)
	}
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(v)))))
	s := fmt.Sprintf("%.*f", digits, v)
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	return s
}
