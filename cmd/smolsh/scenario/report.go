package scenario

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"smolsh/phy/fault"
	"smolsh/script"
	"smolsh/script/escape"
	"smolsh/script/screen"
)

// maxTold is the number of failing seeds of a test that are reported in full. The others are only listed.
const maxTold = 3

// widestName bounds the columns that names are padded to.
const widestName = 48

// hang is the indentation of a line where it goes on below.
const hang = 4

// report writes the results of the cases, which it receives in order.
type report struct {
	c      *Config
	total  int
	last   map[int]uint64 // last seed of each test
	start  time.Time
	result Result
	err    error
	files  int // width of the longest file name, in columns
	names  int // width of the longest test name, in columns
	shown  bool

	// Sums and failing seeds of the test that is being reported.
	sums            Result
	took, simulated time.Duration
	more            []string // failing seeds beyond maxTold
	suites          junit
}

func newReport(c *Config, total int, last map[int]uint64) *report {
	r := &report{c: c, total: total, last: last, start: c.began}
	if r.start.IsZero() {
		r.start = time.Now()
	}
	r.suites.begin(c)
	for _, t := range c.Tests {
		r.files = max(r.files, utf8.RuneCountInString(t.Shown))
		r.names = max(r.names, min(utf8.RuneCountInString(t.Name), widestName))
	}
	return r
}

// printf writes lines, which are folded at words on a terminal.
func (r *report) printf(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if r.c.Terminal {
		text = screen.Fold(escape.Controls(text), r.c.Columns, hang)
	}
	r.write(text)
}

// write writes lines as they are, such as a command to copy.
func (r *report) write(text string) {
	r.wipe()
	if r.c.Terminal { // tests and their peers say what they like
		text = escape.Controls(text)
	}
	if _, err := io.WriteString(r.c.Stdout, text); err != nil && r.err == nil {
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
	if !r.c.Progress || r.c.JSON || ready == r.total {
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

// arrive adds a case to JUnit's file when the case ends, in any order. The file is then complete even if the runner is
// killed.
func (r *report) arrive(o outcome) { r.suites.arrive(r.c, &o) }

// take reports a case. Cases are reported in their order.
func (r *report) take(o outcome) {
	t := r.c.Tests[o.test]
	r.took += o.Took
	r.simulated += o.Simulated
	told := telling{again: r.c.again(t, o.seed, r.c.Keep)}
	r.sums.count(&o)
	r.result.count(&o)
	switch {
	case o.Interrupted:
		r.result.Interrupted = true
	case o.Failure == nil:
	case r.sums.Failed <= maxTold:
		told = r.c.examine(o)
	default:
		r.more = append(r.more, fmt.Sprint(o.seed))
	}
	if !o.Interrupted && t.Name != "" {
		r.result.ran = append(r.result.ran, job{o.test, o.seed})
		if o.Failure != nil {
			r.result.failures = append(r.result.failures, job{o.test, o.seed})
		}
	}
	if r.c.Live && o.Failure == nil && t.Name != "" {
		_ = os.Remove(r.c.captureName(t, o.seed, r.c.Keep))
	}
	r.suites.add(r.c, &o, told)
	r.missed(&o)
	switch {
	case r.c.JSON:
		r.json(o, told)
	default:
		r.text(o, told)
	}
	if o.seed == r.last[o.test] {
		r.sums, r.took, r.simulated, r.more = Result{}, 0, 0, nil
	}
}

// missed notes the faults of --keep that the test does not state.
func (r *report) missed(o *outcome) {
	if r.c.Keep == nil || o.Crashed || o.Interrupted {
		return
	}
	for _, k := range r.c.Keep.Kept {
		if !slices.ContainsFunc(o.Troubles, func(t fault.Report) bool { return t.Number == k.Number && (k.Effect == "" || t.Effect == k.Effect) }) {
			notes := r.c.Stdout
			if r.c.JSON {
				notes = r.c.Stderr
			}
			r.wipe()
			fmt.Fprintf(notes, "note: --keep %v: %s states no such fault\n", k, r.c.Tests[o.test].Name)
		}
	}
}

// count adds a case.
func (r *Result) count(o *outcome) {
	switch {
	case o.Interrupted:
		r.Stopped++
	case o.Skipped:
		r.Skipped++
	case o.Expected:
		r.Expected++
	case o.Failure != nil:
		r.Failed++
	default:
		r.Passed++
	}
}

// word returns the first word of a test's line, such as FAIL.
func (o *outcome) word() string {
	switch {
	case o.Interrupted:
		return "STOP"
	case o.Skipped:
		return "skip"
	case o.Expected:
		return "xfail"
	case o.Failure != nil:
		return "FAIL"
	}
	return "ok"
}

// text prints a failure at once, and a test without one when all its seeds have ended.
func (r *report) text(o outcome, told telling) {
	t := r.c.Tests[o.test]
	line := func(word string, seeds string, took, simulated time.Duration, why string) {
		text := fmt.Sprintf("%-5s %-*s  %-*s  %s%10s", word, r.files, t.Shown, r.names, t.Name, seeds, round(took))
		if !r.c.Live {
			text += fmt.Sprintf("%14.3f s simulated", simulated.Seconds())
		}
		if why != "" {
			text += "   " + why
		}
		r.printf("%s\n", text)
	}
	many := len(t.Seeds) > 1 || t.Seeds == nil && r.c.Seeds.count() > 1
	failed := o.Failure != nil && !o.Interrupted
	if failed && r.sums.Failed <= maxTold || o.Interrupted {
		seed := ""
		if many {
			seed = fmt.Sprintf("seed %-8d", o.seed)
		}
		line(o.word(), seed, o.Took, o.Simulated, "")
		r.details(o, told)
	}
	if o.seed != r.last[o.test] || o.Interrupted {
		return
	}
	if len(r.more) > 0 {
		r.printf("      and with %s more: %s\n", count(len(r.more), "seed"), list(r.more, 20))
	}
	s := &r.sums
	switch all := s.Passed + s.Failed + s.Skipped + s.Expected; {
	case s.Failed == 0:
		seeds := ""
		if many {
			seeds = fmt.Sprintf("%7d seeds ", all)
		}
		if all > 1 && s.Passed > 0 { // some seeds may be skipped
			o.Skipped, o.Expected, o.Why = false, false, ""
		}
		line(o.word(), seeds, r.took, r.simulated, o.Why)
	case many:
		r.printf("      of %d seeds: %v\n", all, *s)
	}
}

// list returns the first n words of a list, and the number of the other words.
func list(words []string, n int) string {
	if len(words) <= n {
		return strings.Join(words, " ")
	}
	return fmt.Sprintf("%s … (%d more)", strings.Join(words[:n], " "), len(words)-n)
}

// details prints the lines about a failure, which follow the line of its test.
func (r *report) details(o outcome, told telling) {
	const in = "      "
	for _, l := range o.reason() {
		if !r.c.Terminal {
			l = strings.ReplaceAll(foldReason(l), "\n", "\n"+in)
		}
		r.printf("%s%s\n", in, l)
	}
	if len(o.Output) > 0 {
		r.printf("%sit printed:\n", in)
		for l := range strings.Lines(string(o.Output)) {
			r.printf("%s  %s\n", in, strings.TrimRight(l, "\n"))
		}
	}
	if len(o.Packets) > 0 {
		r.printf("%slast packets:\n", in)
		for _, l := range o.Packets {
			r.printf("%s  %s\n", in, l)
		}
	}
	for _, l := range told.shrunk {
		r.printf("%s%s\n", in, l)
	}
	if told.note != "" {
		r.printf("%s%s\n", in, told.note)
	}
	r.write(in + "again:  " + told.again + "\n")
	if told.capture != "" {
		r.printf("%scapture: %s\n", in, told.capture)
	}
	if told.lost != "" {
		r.printf("%sno whole capture: %s\n", in, told.lost)
	}
}

// reasonColumns is the width to which the reason of a failure is folded where there is no terminal, in columns.
const reasonColumns = 120

// foldReason folds a line of a failure's reason at words, if it is long.
func foldReason(l string) string { return screen.Fold(l, reasonColumns, hang) }

// reason returns the lines that say why a test failed or was interrupted, and where.
func (o *outcome) reason() (lines []string) {
	if o.Interrupted {
		lines = append(lines, "interrupted while it ran")
	}
	if o.Failure == nil {
		return lines
	}
	for i, l := range strings.Split(o.Failure.Error(), "\n") {
		if i > 0 {
			l = "  " + l
		}
		lines = append(lines, l)
	}
	return append(lines, o.Failure.Trace...)
}

// jsonLine is one case in the output of --json.
type jsonLine struct {
	File      string  `json:"file"`
	Test      string  `json:"test"`
	Seed      uint64  `json:"seed"`
	Result    string  `json:"result"` // pass, fail, skip or xfail
	Seconds   float64 `json:"seconds"`
	Simulated float64 `json:"simulated"`
	Error     string  `json:"error,omitempty"`
	Output    string  `json:"output,omitempty"` // the end of what a failed test printed
	Why       string  `json:"why,omitempty"`    // the reason of skip or xfail
	Again     string  `json:"again,omitempty"`
	Capture   string  `json:"capture,omitempty"`
}

func (r *report) json(o outcome, told telling) {
	t := r.c.Tests[o.test]
	l := jsonLine{File: t.Path, Test: t.Name, Seed: o.seed, Result: "pass", Seconds: o.Took.Seconds(), Simulated: o.Simulated.Seconds(), Why: o.Why}
	switch {
	case o.Interrupted:
		l.Result, l.Error, l.Output = "fail", strings.Join(o.reason(), "\n"), string(o.Output)
	case o.Skipped:
		l.Result = "skip"
	case o.Expected:
		l.Result = "xfail"
	case o.Failure != nil:
		l.Result, l.Error, l.Again, l.Capture = "fail", o.Failure.Error(), told.again, told.capture
		l.Output = string(o.Output)
	}
	e := json.NewEncoder(r.c.Stdout)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil && r.err == nil {
		r.err = err
	}
}

// close prints the sums, writes JUnit's file and returns the result. The error is the first one of writing a report.
func (r *report) close() (Result, error) {
	r.wipe()
	if !r.c.JSON {
		what := ""
		if n := r.c.Seeds.count(); n > 1 {
			what = "   seeds " + r.c.Seeds.String()
		}
		if r.c.Shard.Total > 1 {
			what += "   shard " + r.c.Shard.String()
		}
		switch {
		case r.result.Interrupted:
			what += fmt.Sprintf("   interrupted, %d not run", r.result.NotRun)
		case r.result.NotRun > 0:
			what += fmt.Sprintf("   stopped at the first failure, %d not run", r.result.NotRun)
		}
		r.printf("%s   %s%s\n", r.result.String(), round(time.Since(r.start)), what)
	}
	if err := r.suites.write(r.c.JUnit); err != nil && r.err == nil {
		r.err = err
	}
	return r.result, r.err
}

// String returns the sums as text, such as "3 passed, 1 failed".
func (r Result) String() string {
	text := fmt.Sprintf("%d passed, %d failed", r.Passed, r.Failed)
	if r.Skipped > 0 {
		text += fmt.Sprintf(", %d skipped", r.Skipped)
	}
	if r.Stopped > 0 {
		text += fmt.Sprintf(", %d interrupted", r.Stopped)
	}
	if r.Expected > 0 {
		text += fmt.Sprintf(", %d failed as expected", r.Expected)
	}
	return text
}

// telling holds the results of repeating and shrinking a failure.
type telling struct {
	again   string
	capture string   // file with the packets, "" if there is none
	note    string   // remark if the repetition had another result
	lost    string   // why there is no whole capture
	shrunk  []string // faults that the failure needs
}

// examine repeats a failure with every packet captured, and shrinks it if --shrink is set.
func (c *Config) examine(o outcome) telling {
	t := c.Tests[o.test]
	told := telling{again: c.again(t, o.seed, c.Keep)}
	if t.Wrong != nil || o.Hung || o.Crashed {
		return told
	}
	if !c.NoCaptures {
		told.capture = c.captureName(t, o.seed, c.Keep)
	}
	if c.Live {
		told.captured(&o)
		return told
	}
	second := outcome{Failure: o.Failure}
	if !c.NoCaptures {
		second = c.once(o.test, o.seed, c.Keep, told.capture)
		told.captured(&second)
	}
	switch {
	case same(o.Failure, second.Failure) && o.Failure.Message == second.Failure.Message:
	case second.Failure == nil:
		told.note = "with every packet captured, for which frames are of wire size, it passes"
	default:
		told.note = "with every packet captured, for which frames are of wire size, it fails otherwise: " + second.Failure.Error()
	}
	switch {
	case c.Shrink && o.Programs:
		told.shrunk = []string{"not shrunk: the test runs programs of the operating system by sh(), and so it does not repeat"}
	case c.Shrink && told.note == "":
		told.shrunk = c.shrink(o)
	}
	return told
}

// captured notes that the capture of a run is missing or not whole.
func (t *telling) captured(o *outcome) {
	if o.CaptureErr != "" {
		t.capture, t.lost = "", o.CaptureErr
	}
}

// same reports whether two failures are at the same place of the script, or equal if they have no place.
func same(a, b *script.Failure) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.File == b.File && a.Line == b.Line && a.Col == b.Col && (a.File != "" || a.Message == b.Message)
}
