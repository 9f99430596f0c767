package smolsh_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/rfc.md and testdata/exported.txt")

// rfcReport is docs/rfc.md. Its column of tests is collected from the first comment of each exchange in
// stack/tcp/testdata and of each dialogue in stack/testdata, the comments of test functions and the last column of the
// matrix's rows; its column of code from the comments of the core's declarations.
const rfcReport = "docs/rfc.md"

// A citation is a section that a test names. An RFC applies to the sections that follow it in the comment; if an exchange or a row
// of the matrix names none, RFC 9293 applies.
var citation = regexp.MustCompile(`RFCs? (\d+)|§(\d+(?:\.\d+)*)|\bto (?:§)?(\d+(?:\.\d+)*)`)

// cited calls yield for each section that text names. A range, "§2 to §5", names every section in it.
func cited(text, rfc string, yield func(section string)) {
	last := ""
	for _, m := range citation.FindAllStringSubmatch(text, -1) {
		switch {
		case m[1] != "":
			rfc, last = m[1], ""
		case rfc == "":
		case m[2] != "":
			last = m[2]
			yield(rfc + " " + last)
		case last != "":
			for _, s := range between(last, m[3]) {
				yield(rfc + " " + s)
			}
		}
	}
}

// between returns the numbers of the sections after lo, up to and including hi. The two differ in their last number
// only.
func between(lo, hi string) (list []string) {
	i, j := strings.LastIndexByte(lo, '.'), strings.LastIndexByte(hi, '.')
	if lo[:i+1] != hi[:j+1] {
		return nil
	}
	var a, b int
	_, _ = fmt.Sscan(lo[i+1:], &a)
	_, _ = fmt.Sscan(hi[j+1:], &b)
	for n := a + 1; n <= b; n++ {
		list = append(list, fmt.Sprintf("%s%d", lo[:i+1], n))
	}
	return list
}

// citations maps every section to the tests that name it, in the order of their names.
func citations(t *testing.T) map[string][]string {
	all := map[string][]string{}
	note := func(text, rfc, test string) {
		cited(text, rfc, func(s string) {
			if !slices.Contains(all[s], test) {
				all[s] = append(all[s], test)
			}
		})
	}
	for _, folder := range transcriptFolders {
		files, _ := filepath.Glob(folder.path + "/*.txt")
		for _, name := range files {
			note(firstComment(t, name), folder.rfc, strings.TrimSuffix(filepath.Base(name), ".txt"))
		}
	}
	for _, folder := range []string{"stack", "stack/tcp", "stack/wire", "stack/mld", "stack/autoconf", "stack/addrsel", "stack/neigh", "stack/route", "stack/pmtu", "stack/reassembly", "stack/lab", "stack/lab/campaign"} {
		files, _ := filepath.Glob(folder + "/*_test.go")
		for _, name := range files {
			f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				if d, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(d.Name.Name, "Test") && d.Doc != nil {
					note(d.Doc.Text(), "", d.Name.Name)
				}
			}
		}
	}
	cells, err := os.ReadFile("stack/tcp/matrix_cells_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(cells)) {
		if f := strings.Split(line, "|"); len(f) == 7 {
			note(f[6], "9293", "TestMatrix")
		}
	}
	return all
}

// transcriptFolders hold exchanges and dialogues, which are named alike; rfc is the one whose sections need not name it.
var transcriptFolders = []struct{ path, rfc string }{{"stack/tcp/testdata", "9293"}, {"stack/testdata", ""}}

// firstComment returns the lines at the top of a file that begin with #, without it.
func firstComment(t *testing.T, name string) (text string) {
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			break
		}
		text += strings.TrimPrefix(line, "#")
	}
	return text
}

// transcripts returns how many exchanges and dialogues have the given name.
func transcripts(name string) (n int) {
	for _, folder := range transcriptFolders {
		if _, err := os.Stat(folder.path + "/" + name + ".txt"); err == nil {
			n++
		}
	}
	return n
}

// TestTranscriptNames holds exchanges and dialogues to names that differ, since docs/rfc.md names no folders.
func TestTranscriptNames(t *testing.T) {
	for _, folder := range transcriptFolders {
		files, _ := filepath.Glob(folder.path + "/*.txt")
		if len(files) < 40 {
			t.Errorf("%s has %d files", folder.path, len(files))
		}
		for _, name := range files {
			if transcripts(strings.TrimSuffix(filepath.Base(name), ".txt")) > 1 {
				t.Errorf("there is another file of the name of %s", name)
			}
		}
	}
}

// covers reports whether a test that names the section cited counts as a test of section.
func covers(section, cited string) bool {
	return cited == section || strings.HasPrefix(cited, section+".")
}

// coveredBy returns the names, sorted and without repeats, that cite section or a part of it.
func coveredBy(all map[string][]string, section string) (names []string) {
	for at, list := range all {
		if covers(section, at) {
			names = append(names, list...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// report returns the text of docs/rfc.md. missing are sections that are neither tested nor explained.
func report(tests, code map[string][]string) (text string, missing []string) {
	var b strings.Builder
	b.WriteString("# RFC sections, their code and their tests\n\nGenerated from the comments of code and tests by `go test . -run TestRFCs -update`. The column Code lists declarations as\n" +
		"`go doc -u` takes them. In the column Tests a name in `code` is an exchange in `stack/tcp/testdata` or a dialogue\n" +
		"in `stack/testdata`, one that begins with Test a Go test. A row lists code and tests that name the section or a part of it.\n")
	rfc := ""
	for line := range strings.Lines(rfcSections) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 2)
		if f[0] == "RFC" {
			number, title, _ := strings.Cut(f[1], " ")
			rfc = number
			fmt.Fprintf(&b, "\n## RFC %s: %s\n\n| Section | | Code | Tests |\n|---|---|---|---|\n", rfc, title)
			continue
		}
		if rfc == "" || f[0] == "" {
			continue
		}
		title, why, explained := strings.Cut(f[1], " -- ")
		title, named, _ := strings.Cut(title, " = ")
		names := append(strings.Fields(named), coveredBy(tests, rfc+" "+f[0])...)
		slices.Sort(names)
		names = slices.Compact(names)
		for k, name := range names {
			if !strings.HasPrefix(name, "Test") {
				names[k] = "`" + name + "`"
			}
		}
		cell := strings.Join(names, ", ")
		switch {
		case len(names) == 0 && !explained:
			missing = append(missing, "RFC "+rfc+" §"+f[0]+" "+title)
		case explained && cell != "":
			cell += "; " + why
		case explained:
			cell = "– " + why
		}
		places := strings.Join(coveredBy(code, rfc+" "+f[0]), ", ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f[0], title, places, cell)
	}
	return b.String(), missing
}

// stale returns the tests that the catalogue names and that do not exist.
func stale(t *testing.T) (list []string) {
	var tests bytes.Buffer
	files, _ := filepath.Glob("stack/*_test.go")
	more, _ := filepath.Glob("stack/tcp/*_test.go")
	for _, name := range append(files, more...) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	for line := range strings.Lines(rfcSections) {
		line, _, _ = strings.Cut(line, " -- ")
		_, named, _ := strings.Cut(line, " = ")
		for _, name := range strings.Fields(named) {
			if transcripts(name) == 0 && !bytes.Contains(tests.Bytes(), []byte("func "+name+"(t ")) {
				list = append(list, name)
			}
		}
	}
	return list
}

// TestRFCs: docs/rfc.md agrees with the code and the tests, and every section of its RFCs has a test or a reason.
func TestRFCs(t *testing.T) {
	text, missing := report(citations(t), codeCitations(sources(t)))
	for _, m := range missing {
		t.Errorf("%s has neither a test nor a reason", m)
	}
	for _, name := range stale(t) {
		t.Errorf("the catalogue names %s, which is not there", name)
	}
	if *update {
		if err := os.WriteFile(rfcReport, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(rfcReport)
	if err != nil || !bytes.Equal(have, []byte(text)) {
		t.Errorf("%s is not what code and tests say: go test . -run TestRFCs -update (%v)", rfcReport, err)
	}
}

func TestCited(t *testing.T) {
	for text, want := range map[string]string{
		"RFC 5961 §3, §4: x":                    "5961 3,5961 4",
		"§3.8.1 and RFC 6298 §5.4 to §5.6":      "9293 3.8.1,6298 5.4,6298 5.5,6298 5.6",
		"RFC 1122 §4.2.2.13, RFC 2525 §2.17 to": "1122 4.2.2.13,2525 2.17",
		"no section of RFC 793":                 "",
	} {
		var got []string
		cited(text, "9293", func(s string) { got = append(got, s) })
		if strings.Join(got, ",") != want {
			t.Errorf("%q names %v, want %s", text, got, want)
		}
	}
	if covers("9293 3.8.6", "9293 3.8.61") || !covers("9293 3.8.6", "9293 3.8.6.1") || covers("9293 3.8.6.1", "9293 3.8.6") {
		t.Error("a section is covered by its parts, not by its whole")
	}
}
