package scenario

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// junit is the report in JUnit's XML, which build systems such as Bazel read. It has a suite for each file.
type junit struct {
	XMLName xml.Name `xml:"testsuites"`
	Tests   int      `xml:"tests,attr"`
	Failed  int      `xml:"failures,attr"`
	Suites  []*suite `xml:"testsuite"`
}

type suite struct {
	Name    string      `xml:"name,attr"`
	Tests   int         `xml:"tests,attr"`
	Failed  int         `xml:"failures,attr"`
	Errors  int         `xml:"errors,attr"`
	Seconds string      `xml:"time,attr"`
	Cases   []junitCase `xml:"testcase"`
	seconds float64
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	File    string        `xml:"file,attr"`
	Seconds string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",cdata"`
}

func (j *junit) add(c *Config, o outcome, told telling) {
	if c.JUnit == nil {
		return
	}
	t := c.Tests[o.test]
	var s *suite
	if n := len(j.Suites); n > 0 && j.Suites[n-1].Name == t.Path {
		s = j.Suites[n-1]
	} else {
		s = &suite{Name: t.Path}
		j.Suites = append(j.Suites, s)
	}
	name := t.Name
	if c.Seeds.count() > 1 {
		name += fmt.Sprintf(" (seed %d)", o.seed)
	}
	k := junitCase{Class: strings.TrimSuffix(t.Shown, ".star"), Name: name, File: t.Path, Seconds: fmt.Sprintf("%.6f", o.took.Seconds())}
	if f := o.failure; f != nil {
		text := []string{f.Error()}
		text = append(text, f.Trace...)
		text = append(text, o.packets...)
		text = append(text, "again: "+told.again)
		if told.capture != "" {
			text = append(text, "capture: "+told.capture)
		}
		k.Failure = &junitFailure{Message: clean(f.Message), Text: clean(strings.Join(text, "\n"))}
		s.Failed++
		j.Failed++
	}
	s.Tests++
	j.Tests++
	s.seconds += o.took.Seconds()
	s.Cases = append(s.Cases, k)
}

// clean removes the characters that XML forbids.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || r >= ' ' && r != utf8.RuneError && r != 0xfffe && r != 0xffff {
			return r
		}
		return '?'
	}, s)
}

func (j *junit) write(w io.Writer) error {
	for _, s := range j.Suites {
		s.Seconds = fmt.Sprintf("%.6f", s.seconds)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(j); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
