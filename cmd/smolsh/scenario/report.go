package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"smolsh/script"
)

// maxTold is the number of failing seeds of a test that are reported in full. The others are only listed.
const maxTold = 3

// report writes the results of the cases, which it receives in order.
type report struct {
	c      *Config
	total  int
	last   map[int]uint64 // last seed of each test
	start  time.Time
	result Result
	err    error
	files  int // columns of the longest file name
	names  int // columns of the longest test name
	shown  bool

	// Counts of the test that is being reported.
	passed, failed  int
	took, simulated time.Duration
	more            []string // failing seeds beyond maxTold
	suites          junit
}

func newReport(c *Config, total int, last map[int]uint64) *report {
	r := &report{c: c, total: total, last: last, start: time.Now()}
	for _, t := range c.Tests {
		r.files = max(r.files, utf8.RuneCountInString(t.Shown))
		r.names = max(r.names, utf8.RuneCountInString(t.Name))
	}
	return r
}

func (r *report) printf(format string, args ...any) {
	r.wipe()
	if _, err := fmt.Fprintf(r.c.Stdout, format, args...); err != nil && r.err == nil {
		r.err = err
	}
}

// wipe clears the progress line.
func (r *report) wipe() {
	if r.shown {
		r.shown = false
		_, _ = io.WriteString(r.c.Stdout, "\r\x1b[K")
	}
}

// progress prints the number of cases that have ended, on a terminal.
func (r *report) progress(ready int) {
	if !r.c.Terminal || r.c.JSON || ready == r.total {
		return
	}
	r.wipe()
	line := fmt.Sprintf("%d of %d", ready, r.total)
	if r.result.Failed > 0 {
		line += fmt.Sprintf(", %d failed", r.result.Failed)
	}
	line += "   " + round(time.Since(r.start))
	if r.c.Columns > 0 && len(line) >= r.c.Columns {
		return
	}
	r.shown = true
	_, _ = io.WriteString(r.c.Stdout, line)
}

// take records the next case's outcome, and reports it.
func (r *report) take(o outcome) {
	t := r.c.Tests[o.test]
	if o.interrupted {
		r.result.Interrupted = true
		return
	}
	r.took += o.took
	r.simulated += o.simulated
	told := telling{}
	if o.failure == nil {
		r.passed++
		r.result.Passed++
		if r.c.Live {
			_ = os.Remove(r.c.captureName(t, o.seed, r.c.Keep))
		}
	} else {
		r.failed++
		r.result.Failed++
		told.again = r.c.again(t, o.seed, r.c.Keep)
		if r.failed <= maxTold {
			told = r.c.examine(o)
		} else {
			r.more = append(r.more, fmt.Sprint(o.seed))
		}
	}
	r.suites.add(r.c, o, told)
	switch {
	case r.c.JSON:
		r.json(o, told)
	default:
		r.text(o, told)
	}
	if o.seed == r.last[o.test] {
		r.passed, r.failed, r.took, r.simulated, r.more = 0, 0, 0, 0, nil
	}
}

// text prints a failure at once, and a passed test after its last seed.
func (r *report) text(o outcome, told telling) {
	t := r.c.Tests[o.test]
	line := func(word string, seeds string, took, simulated time.Duration) {
		text := fmt.Sprintf("%-5s %-*s  %-*s  %s%10s", word, r.files, t.Shown, r.names, t.Name, seeds, round(took))
		if !r.c.Live {
			text += fmt.Sprintf("%14.3f s simulated", simulated.Seconds())
		}
		r.printf("%s\n", text)
	}
	many := r.c.Seeds.count() > 1
	if o.failure != nil && r.failed <= maxTold {
		seed := ""
		if many {
			seed = fmt.Sprintf("seed %-8d", o.seed)
		}
		line("FAIL", seed, o.took, o.simulated)
		r.details(o, told)
	}
	if o.seed != r.last[o.test] {
		return
	}
	if len(r.more) > 0 {
		r.printf("      and with %d seeds more: %s\n", len(r.more), list(r.more, 20))
	}
	if r.failed == 0 {
		seeds := ""
		if many {
			seeds = fmt.Sprintf("%7d seeds ", r.passed)
		}
		line("ok", seeds, r.took, r.simulated)
	} else if many {
		r.printf("      %d of %d seeds passed\n", r.passed, r.passed+r.failed)
	}
}

// list returns the first words of a list, and the number of the others.
func list(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, " ")
	}
	return fmt.Sprintf("%s … (%d more)", strings.Join(words[:n], " "), len(words)-n)
}

// details prints the lines about a failure, which follow the line of its test.
func (r *report) details(o outcome, told telling) {
	const in = "      "
	for i, l := range strings.Split(o.failure.Error(), "\n") {
		if i > 0 {
			l = "  " + l
		}
		r.printf("%s%s\n", in, l)
	}
	for _, l := range o.failure.Trace {
		r.printf("%s%s\n", in, l)
	}
	if len(o.output) > 0 {
		r.printf("%sit printed:\n", in)
		for l := range strings.Lines(string(o.output)) {
			r.printf("%s  %s\n", in, strings.TrimRight(l, "\n"))
		}
	}
	if len(o.packets) > 0 {
		r.printf("%slast packets:\n", in)
		for _, l := range o.packets {
			r.printf("%s  %s\n", in, l)
		}
	}
	for _, l := range told.shrunk {
		r.printf("%s%s\n", in, l)
	}
	if told.note != "" {
		r.printf("%s%s\n", in, told.note)
	}
	r.printf("%sagain:  %s\n", in, told.again)
	if told.capture != "" {
		r.printf("%scapture: %s\n", in, told.capture)
	}
}

// jsonLine is one case in the output of --json.
type jsonLine struct {
	File      string  `json:"file"`
	Test      string  `json:"test"`
	Seed      uint64  `json:"seed"`
	Result    string  `json:"result"` // pass or fail
	Seconds   float64 `json:"seconds"`
	Simulated float64 `json:"simulated"`
	Error     string  `json:"error,omitempty"`
	Again     string  `json:"again,omitempty"`
	Capture   string  `json:"capture,omitempty"`
}

func (r *report) json(o outcome, told telling) {
	t := r.c.Tests[o.test]
	l := jsonLine{File: t.Path, Test: t.Name, Seed: o.seed, Result: "pass", Seconds: o.took.Seconds(), Simulated: o.simulated.Seconds()}
	if o.failure != nil {
		l.Result, l.Error, l.Again, l.Capture = "fail", o.failure.Error(), told.again, told.capture
	}
	e := json.NewEncoder(r.c.Stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil && r.err == nil {
		r.err = err
	}
}

// close ends the report.
func (r *report) close() (Result, error) {
	r.wipe()
	if !r.c.JSON {
		what := ""
		if n := r.c.Seeds.count(); n > 1 {
			what = "   seeds " + r.c.Seeds.String()
		}
		if r.c.Shard.Total > 1 {
			what += fmt.Sprintf("   shard %d/%d", r.c.Shard.Index, r.c.Shard.Total)
		}
		if r.result.Interrupted {
			what += "   interrupted"
		}
		r.printf("%d passed, %d failed   %s%s\n", r.result.Passed, r.result.Failed, round(time.Since(r.start)), what)
	}
	if r.c.JUnit != nil {
		if err := r.suites.write(r.c.JUnit); err != nil && r.err == nil {
			r.err = err
		}
	}
	return r.result, r.err
}

// telling holds the results of repeating and shrinking a failure.
type telling struct {
	again   string
	capture string   // file with the packets, "" if there is none
	note    string   // remark if the repetition had another result
	shrunk  []string // faults that the failure needs
}

// examine repeats a failure with every packet captured, and shrinks it if --shrink is set.
func (c *Config) examine(o outcome) telling {
	t := c.Tests[o.test]
	told := telling{again: c.again(t, o.seed, c.Keep)}
	if t.Wrong != nil || o.hung || o.crashed {
		return told
	}
	told.capture = c.captureName(t, o.seed, c.Keep)
	if c.Live {
		return told
	}
	second := c.once(o.test, o.seed, c.Keep, told.capture)
	switch {
	case same(o.failure, second.failure) && o.failure.Message == second.failure.Message:
	case second.failure == nil:
		told.note = "with every packet captured, for which frames are of wire size, it passes"
	default:
		told.note = "with every packet captured, for which frames are of wire size, it fails otherwise: " + second.failure.Error()
	}
	if c.Shrink && told.note == "" {
		told.shrunk = c.shrink(o)
	}
	return told
}

// same reports whether two failures are at the same place of the script, or equal if they have no place.
func same(a, b *script.Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.File == b.File && a.Line == b.Line && a.Col == b.Col && (a.File != "" || a.Message == b.Message)
}
