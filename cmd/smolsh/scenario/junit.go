package scenario

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"
)

// junit is the report in JUnit's XML format, which build systems such as Bazel read. It has a suite for each file.
// While the tests run, each case is added to the file when it ends, and the file is always complete XML. At the end the
// file is written again with the sums and in the order of the tests.
type junit struct {
	XMLName xml.Name `xml:"testsuites"`
	Tests   int      `xml:"tests,attr"`
	Failed  int      `xml:"failures,attr"`
	Errors  int      `xml:"errors,attr"`
	Skipped int      `xml:"skipped,attr"`
	Seconds string   `xml:"time,attr"` // sum of all suites
	Suites  []*suite `xml:"testsuite"`

	running []job // the cases that the end of the file names
	end     int64 // offset of the closing tags in the file, in octets, while the tests run
}

type suite struct {
	Name    string      `xml:"name,attr"`
	Tests   int         `xml:"tests,attr"`
	Failed  int         `xml:"failures,attr"`
	Errors  int         `xml:"errors,attr"`
	Skipped int         `xml:"skipped,attr"`
	Seconds string      `xml:"time,attr"`
	Began   string      `xml:"timestamp,attr,omitempty"` // begin of the run, in UTC
	Machine string      `xml:"hostname,attr,omitempty"`
	Cases   []junitCase `xml:"testcase"`
	seconds float64
}

type junitCase struct {
	XMLName xml.Name     `xml:"testcase"`
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	File    string       `xml:"file,attr"`
	Seconds string       `xml:"time,attr"`
	Failure *junitReason `xml:"failure"`
	Error   *junitReason `xml:"error"`
	Skipped *junitReason `xml:"skipped"`
	Output  *junitOutput `xml:"system-out"`
}

type junitOutput struct {
	Text string `xml:",cdata"`
}

type junitReason struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"` // of a failure
	Text    string `xml:",cdata"`
}

// junitCaseOf returns the XML element of a case.
func junitCaseOf(c *Config, o *outcome, told telling) junitCase {
	t := c.Tests[o.test]
	name := t.Name
	if name == "" {
		name = t.Shown
	}
	if t.Seeds != nil || c.Seeds.count() > 1 {
		name += fmt.Sprintf(" (seed %d)", o.seed)
	}
	k := junitCase{Class: strings.TrimSuffix(t.Shown, ".star"), Name: clean(name), File: t.Path, Seconds: fmt.Sprintf("%.6f", o.Took.Seconds())}
	var text []string
	for _, l := range o.reason() {
		text = append(text, foldReason(l))
	}
	text = append(text, o.Packets...)
	text = append(text, "again: "+told.again)
	if told.capture != "" {
		text = append(text, "capture: "+told.capture)
	}
	if told.lost != "" {
		text = append(text, "no whole capture: "+told.lost)
	}
	if len(o.Output) > 0 {
		k.Output = &junitOutput{clean(string(o.Output))}
	}
	reason := &junitReason{Text: clean(strings.Join(text, "\n"))}
	switch {
	case o.Interrupted:
		reason.Message = "interrupted while it ran"
		k.Error = reason
	case o.Skipped:
		k.Skipped = &junitReason{Message: clean(o.Why)}
	case o.Expected:
		k.Skipped = &junitReason{Message: clean("expected to fail: " + o.Why)}
	case o.Failure != nil:
		reason.Message, reason.Type = clean(o.Failure.Message), failureType(o.Failure.Message)
		k.Failure = reason
	}
	return k
}

// failureType returns the attribute by which readers of the report tell failures apart.
func failureType(message string) string {
	if strings.HasPrefix(message, "assert.") || strings.HasPrefix(message, "fail:") {
		return "assertion"
	}
	return "error"
}

// add adds a case to the suite of its file. Cases are added in their order.
func (j *junit) add(c *Config, o *outcome, told telling) {
	if c.JUnit == nil {
		return
	}
	t := c.Tests[o.test]
	var s *suite
	if n := len(j.Suites); n > 0 && j.Suites[n-1].Name == t.Path {
		s = j.Suites[n-1]
	} else {
		s = &suite{Name: t.Path}
		if !c.began.IsZero() {
			s.Began = c.began.UTC().Format("2006-01-02T15:04:05")
		}
		s.Machine, _ = os.Hostname()
		j.Suites = append(j.Suites, s)
	}
	k := junitCaseOf(c, o, told)
	s.Tests++
	j.Tests++
	for _, sum := range []struct {
		of          *junitReason
		suite, file *int
	}{{k.Failure, &s.Failed, &j.Failed}, {k.Error, &s.Errors, &j.Errors}, {k.Skipped, &s.Skipped, &j.Skipped}} {
		if sum.of != nil {
			*sum.suite++
			*sum.file++
		}
	}
	s.seconds += o.Took.Seconds()
	s.Cases = append(s.Cases, k)
}

// clean replaces the characters that XML forbids by question marks.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != utf8.RuneError && r != 0xfffe && r != 0xffff {
			return r
		}
		return '?'
	}, s)
}

// file is a regular file, in which the report is kept complete while the tests run.
type file interface {
	io.WriterAt
	Truncate(size int64) error
}

const (
	junitBegin = xml.Header + "<testsuites>\n"
	junitEnd   = "</testsuites>\n"
)

// unfinished returns the end of the report while the tests run: whoever finds it in the file knows that the run has not ended as it
// should, and which cases ran at last.
func (j *junit) unfinished(c *Config) []byte {
	s := suite{Name: "smolsh test", Seconds: "0"}
	add := func(class, name, file, message string) {
		s.Tests++
		s.Errors++
		s.Cases = append(s.Cases, junitCase{Class: class, Name: name, File: file, Seconds: "0", Error: &junitReason{Message: message}})
	}
	for _, x := range j.running {
		k := junitCaseOf(c, &outcome{test: x.test, seed: x.seed}, telling{})
		add(k.Class, k.Name, k.File, "it ran when the run ended")
	}
	add("smolsh", "the whole run", "", "the run has not ended, or was killed: tests are missing")
	b, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"testsuite"`
		suite
	}{suite: s}, "  ", "  ")
	if err != nil {
		return []byte(junitEnd)
	}
	return append(append(b, '\n'), junitEnd...)
}

// ongoing notes the cases that run in the file.
func (j *junit) ongoing(c *Config, list []job) {
	f, ok := c.JUnit.(file)
	if !ok || slices.Equal(list, j.running) {
		return
	}
	j.running = list
	j.finish(f, max(j.end, int64(len(junitBegin))), j.unfinished(c))
}

// finish writes the end of the file at an offset, and cuts off what follows.
func (j *junit) finish(f file, at int64, b []byte) {
	if _, err := f.WriteAt(b, at); err == nil {
		_ = f.Truncate(at + int64(len(b)))
	}
}

// begin writes a report without cases.
func (j *junit) begin(c *Config) {
	if f, ok := c.JUnit.(file); ok {
		j.finish(f, 0, append([]byte(junitBegin), j.unfinished(c)...))
	}
}

// arrive adds a case to the file when the case ends. An output that is not a regular file receives the report only at
// the end.
func (j *junit) arrive(c *Config, o *outcome) {
	f, ok := c.JUnit.(file)
	if !ok {
		return
	}
	var b bytes.Buffer
	at := max(j.end, int64(len(junitBegin)))
	t := c.Tests[o.test]
	fmt.Fprint(&b, `  <testsuite name="`)
	_ = xml.EscapeText(&b, []byte(t.Path))
	b.WriteString("\">\n")
	e := xml.NewEncoder(&b)
	e.Indent("    ", "  ")
	if e.Encode(junitCaseOf(c, o, telling{again: c.again(t, o.seed, c.Keep)})) != nil {
		return
	}
	b.WriteString("\n  </testsuite>\n")
	size := b.Len()
	j.running = slices.DeleteFunc(j.running, func(x job) bool { return x == job{o.test, o.seed} })
	b.Write(j.unfinished(c))
	j.finish(f, at, b.Bytes())
	j.end = at + int64(size)
}

// write writes the whole report.
func (j *junit) write(w io.Writer) error {
	if w == nil {
		return nil
	}
	all := 0.0
	for _, s := range j.Suites {
		s.Seconds = fmt.Sprintf("%.6f", s.seconds)
		all += s.seconds
	}
	j.Seconds = fmt.Sprintf("%.6f", all)
	var b bytes.Buffer
	b.WriteString(xml.Header)
	e := xml.NewEncoder(&b)
	e.Indent("", "  ")
	if err := e.Encode(j); err != nil {
		return err
	}
	b.WriteByte('\n')
	f, ok := w.(file)
	if !ok {
		_, err := w.Write(b.Bytes())
		return err
	}
	if _, err := f.WriteAt(b.Bytes(), 0); err != nil {
		return err
	}
	return f.Truncate(int64(b.Len()))
}
