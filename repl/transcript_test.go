package repl

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write what the screen shows into testdata/repl")

// TestTranscripts types the text after each prompt of testdata/repl's files and compares the whole screen. A file's
// comment names its subject; its one section is named after the width of the screen.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("../testdata/repl/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	widths := map[string]int{"80": 80, "40": 40, "20": 20}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil || len(a.Files) != 1 || widths[a.Files[0].Name] == 0 {
				t.Fatalf("%d sections, %v", len(a.Files), err)
			}
			x := start(t, "virtual", widths[a.Files[0].Name])
			want := string(a.Files[0].Data)
			for line := range strings.Lines(want) {
				line = strings.TrimSuffix(line, "\n")
				first, isFirst := strings.CutPrefix(line, "virtual> ")
				next, isNext := strings.CutPrefix(line, "........")
				switch {
				case isFirst:
					x.typedAt("virtual>", first)
				case isNext:
					x.typedAt("........", strings.TrimPrefix(next, " "))
				}
			}
			x.waitFor("the last prompt", func(s string) bool { return lastLine(s) == "virtual>" })
			x.mu.Lock()
			got := x.screen.text() + "\n"
			x.mu.Unlock()
			if *update {
				a.Files[0].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("the screen shows\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// typedAt waits for a prompt and types a line.
func (x *terminal) typedAt(prompt, line string) {
	x.t.Helper()
	x.waitFor("the prompt "+prompt, func(s string) bool { return lastLine(s) == prompt })
	x.keys(line)
	x.waitFor("what was typed", func(s string) bool { return strings.HasSuffix(s, strings.TrimRight(line, " ")) })
	x.keys(enter)
}
