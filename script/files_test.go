package script

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// expectation matches a comment ### "regex" on the line that is expected to fail.
var expectation = regexp.MustCompile(`###\s*(".*")`)

// TestFiles runs ../testdata/script/*.star on a virtual lab with a peer, chunk by chunk: chunks are
// separated by lines of three dashes and share nothing. A chunk succeeds, unless it says otherwise.
func TestFiles(t *testing.T) {
	files, err := filepath.Glob("../testdata/script/*.star")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		line := 0
		for _, chunk := range strings.Split("\n"+string(src), "\n---\n") {
			// Keep the line numbers: empty lines replace the text before a chunk.
			text := strings.Repeat("\n", line) + strings.TrimPrefix(chunk, "\n")
			line += strings.Count(chunk, "\n") + 1
			if strings.HasPrefix(chunk, "\n") {
				line--
			}
			t.Run(filepath.Base(file)+":"+strconv.Itoa(strings.Count(text, "\n")), func(t *testing.T) { runChunk(t, newSim(t, 1), file, text) })
		}
	}
}

// runChunk runs a part of a file in a folder of its own, in which it may write files.
func runChunk(t *testing.T, s *testSession, file, text string) {
	file, err := filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	got := status(s.RunSource(file, text))
	said := s.err.String()
	where, pattern := 0, ""
	for i, l := range strings.Split(text, "\n") {
		if m := expectation.FindStringSubmatch(l); m != nil {
			p, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatalf("line %d: %v", i+1, err)
			}
			where, pattern = i+1, p
		}
	}
	if where == 0 {
		if got != 0 || said != "" {
			t.Errorf("exit status %d: %s%s", got, said, s.out.String())
		}
		return
	}
	first, rest, _ := strings.Cut(said, "\n")
	if got != 1 || !regexp.MustCompile(pattern).MatchString(first) {
		t.Errorf("line %d: exit status %d, said %q, want %q", where, got, first, pattern)
	}
	if at := file + ":" + strconv.Itoa(where) + ":"; !strings.Contains(rest, at) {
		t.Errorf("the error is not at %s but\n%s", at, rest)
	}
}
