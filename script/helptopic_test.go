package script

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.starlark.net/starlark"

	"smolsh/script/topic"
	"smolsh/stack/drop"
)

// outputLine matches a line of a topic's example that is printed, and not typed.
var outputLine = regexp.MustCompile(`^\d+\.\d{6} `)

// anyNumber matches what may differ between a page and a run.
var anyNumber = regexp.MustCompile(`\d+`)

// examples returns the Starlark of a topic's page, chunk by chunk, and the pieces of lines that it prints.
func examples(t topic.Topic) (typed, printed []string) {
	for _, p := range strings.Split(t.Text, "\n\n") {
		if !strings.HasPrefix(p, "    ") || strings.HasPrefix(p, "     ") {
			continue
		}
		var chunk strings.Builder
		for l := range strings.Lines(p) {
			l = strings.TrimPrefix(strings.TrimRight(l, "\n"), "    ")
			if outputLine.MatchString(l) {
				printed = append(printed, strings.Split(l, "…")...)
				continue
			}
			chunk.WriteString(l + "\n")
		}
		typed = append(typed, chunk.String())
	}
	return typed, printed
}

// likeness returns a text in which numbers and the widths of columns do not count.
func likeness(s string) string {
	return strings.Join(strings.Fields(anyNumber.ReplaceAllString(s, "N")), " ")
}

// narrow reports whether each line of a text is at most 80 columns wide.
func narrow(text string) bool {
	for l := range strings.Lines(text) {
		if utf8.RuneCountInString(strings.TrimRight(l, "\n")) > 80 {
			return false
		}
	}
	return true
}

// TestTopics types the examples of each page in a virtual lab, and compares the lines of output on the page. Each page is at
// most 80 columns wide, says what it is about, and its references lead to pages.
func TestTopics(t *testing.T) {
	for _, p := range topic.All() {
		t.Run(p.Name, func(t *testing.T) {
			s := newSim(t, 1)
			typed, printed := examples(p)
			if len(typed) == 0 {
				t.Error("the page has no example")
			}
			for _, chunk := range typed {
				if err := s.Typed(chunk); err != nil {
					t.Errorf("%s%v\n%s", chunk, err, s.err.String())
				}
			}
			s.Flush()
			for _, piece := range printed {
				if got := likeness(s.out.String()); !strings.Contains(got, likeness(piece)) {
					t.Errorf("%q is not in the output:\n%s", piece, s.out.String())
				}
			}
			text, err := s.helpOn(starlark.String(p.Name))
			if err != nil {
				t.Fatal(err)
			}
			for l := range strings.Lines(p.Text + "\n") {
				if l = strings.TrimRight(l, "\n"); utf8.RuneCountInString(l) > 80 || l != strings.TrimRight(l, " ") {
					t.Errorf("%d columns: %q", utf8.RuneCountInString(l), l)
				}
			}
			if p.About == "" || !strings.Contains(text, p.About) {
				t.Errorf("help has no %q", p.About)
			}
			for _, name := range append([]string{p.Name}, p.Also...) {
				if got, ok := topic.Named(strings.ToUpper(name)); !ok || got.Name != p.Name {
					t.Errorf("%s leads to %q", name, got.Name)
				}
			}
			if _, see, ok := strings.Cut(p.Text, "\nsee also: "); ok {
				for _, ref := range strings.FieldsFunc(see, func(r rune) bool { return r == ',' || r == '\n' }) {
					ref = strings.TrimSpace(ref)
					if m := regexp.MustCompile(`^help\("?(\w+)"?\)$`).FindStringSubmatch(ref); m != nil {
						ref = m[1]
					}
					if _, err := helpNamed(s.reg, nil, ref, 80); err != nil && !strings.HasPrefix(ref, "smolsh ") {
						t.Errorf("see also %q: %v", ref, err)
					}
				}
			}
		})
	}
}

// TestHelpByTopic: help() lists the topics, every word of drops() and every name of Starlark's own is explained, and a name
// that nothing has leads to a near one or to the list.
func TestHelpByTopic(t *testing.T) {
	s := newSim(t, 1, "word")
	help := func(src string) string {
		t.Helper()
		before := len(s.out.String())
		if err := s.Typed(src); err != nil {
			e := s.err.String()
			return e[strings.LastIndex(strings.TrimSpace(e), "help:"):]
		}
		return s.out.String()[before:]
	}
	if !narrow(help(`help("topics")`)) || !narrow(topicNames(80)) {
		t.Error("the lists of topics are too wide")
	}
	all := help("help()")
	for _, p := range topic.All() {
		if !slices.Contains(strings.Fields(all), p.Name) {
			t.Errorf("help() does not list %s", p.Name)
		}
		if !strings.Contains(help(`help("topics")`), p.About) {
			t.Errorf(`help("topics") has no %s`, p.Name)
		}
	}
	words := strings.Join(strings.Fields(help(`help("drops")`)), " ")
	for r := drop.None + 1; r < drop.NumReasons; r++ {
		if got := help(`help("` + r.String() + `")`); !strings.HasPrefix(strings.Join(strings.Fields(got), " "), r.String()+": "+r.About()) || !narrow(got) && s.reg.ByName[r.String()] == nil {
			t.Errorf("help(%q) prints %q", r, got)
		}
		if !strings.Contains(words, r.String()) {
			t.Errorf("help(\"drops\") has no %q", r)
		}
	}
	for src, want := range map[string]string{
		`help(json)`:                  "json: values to JSON",
		`help(json.encode)`:           "json: values to JSON",
		`help("math.sqrt")`:           "math: functions",
		`help(time)`:                  "time: durations",
		`help(struct)`:                "struct: a value",
		`help(args)`:                  "args: the words",
		`help([1])`:                   "list: ",
		`help("dropped: queue full")`: "queue full: ",
		`help("three-way handshake")`: "handshake: ",
		`help("trace")`:               "trace(filter=None",
		`help("filter")`:              "filters: ",
		`help("bad cheksum")`:         `help: nothing is named bad cheksum (did you mean bad checksum?)`,
		`help("checksum")`:            "checksum: a sum over the header",
		`help("bad checksums")`:       `help: nothing is named bad checksums (did you mean bad checksum?)`,
		`help("pign")`:                "help: nothing is named pign (did you mean ping?)",
		`help("filtres")`:             `help: nothing is named filtres (did you mean filters?)`,
		`help("qqqqqqqq")`:            `help: nothing is named qqqqqqqq; help("topics") lists the topics`,
	} {
		if got := help(src); !strings.HasPrefix(got, want) {
			t.Errorf("%s prints %q, want %q", src, got, want)
		}
	}
	if got := help("help(trace)"); !strings.HasSuffix(got, "  more: help(\"trace\")\n") || strings.Contains(got, "Verdicts") {
		t.Errorf("help(trace) prints %q", got)
	}
	if got := help(`help("trace")`); !strings.Contains(got, "Verdicts of packets received") {
		t.Errorf(`help("trace") prints %q`, got)
	}
}
