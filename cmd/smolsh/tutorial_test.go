//go:build linux && !portable

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/tap/taptest"
)

// number matches the part of a live command's output that may differ from run to run.
var number = regexp.MustCompile(`\d+(\.\d+)?`)

// likeness returns a text without the parts that may differ: numbers and the widths of columns.
func likeness(s string) string {
	var lines []string
	for l := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(number.ReplaceAllString(l, "N")), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

// TestTutorial follows docs/tutorial.md, block by block, from the top of the tree and then in an empty folder. A python
// block is the file that its first line names. A console block has commands, each after a $, and their output. -update
// writes the present output into the page.
func TestTutorial(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	const page = "../../docs/tutorial.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	run := func(command string, top bool) string {
		cmd := exec.Command("sh", "-c", command)
		cmd.Env = append(os.Environ(), "PATH="+folder+"/bin:"+os.Getenv("PATH"), "GOBIN="+folder+"/bin", "GOFLAGS=")
		if cmd.Dir = folder + "/work"; top {
			cmd.Dir = "../.."
		}
		out, _ := cmd.CombinedOutput() // the page shows which commands fail
		return string(out)
	}
	if err := os.Mkdir(folder+"/work", 0o755); err != nil {
		t.Fatal(err)
	}
	parts := regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$").FindAllStringSubmatchIndex(string(text), -1)
	if len(parts) < 10 {
		t.Fatalf("the tutorial has %d blocks", len(parts))
	}
	var out strings.Builder
	at := 0
	for i, p := range parts {
		kind, block := string(text[p[2]:p[3]]), string(text[p[4]:p[5]])
		out.Write(text[at:p[4]])
		at = p[5]
		switch kind {
		case "python":
			name, ok := strings.CutPrefix(strings.SplitN(block, "\n", 2)[0], "# ")
			if !ok || filepath.Ext(name) != ".star" {
				t.Fatalf("block %d does not begin with its file's name: %s", i, block)
			}
			if err := os.WriteFile(filepath.Join(folder, "work", name), []byte(block), 0o644); err != nil {
				t.Fatal(err)
			}
		case "console":
			block = console(t, block, func(command string) string { return run(command, i == 0) })
		default:
			t.Errorf("block %d is %q, which nothing runs", i, kind)
		}
		out.WriteString(block)
	}
	out.Write(text[at:])
	if *updateMatrix {
		if err := os.WriteFile(page, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tutorialNames makes the names that stand for a reader's own in the text of docs/tutorial.md.
const tutorialNames = `
def fn(): pass
def teardown(net): pass
def setup(): pass
values, net = [1], None
`

// TestTutorialWords: the code in the text of docs/tutorial.md, outside of its blocks, is true too: calls run in a virtual lab, flags
// and files exist.
func TestTutorialWords(t *testing.T) {
	text, err := os.ReadFile("../../docs/tutorial.md")
	if err != nil {
		t.Fatal(err)
	}
	prose := regexp.MustCompile("(?ms)^```.*?^```$").ReplaceAllString(string(text), "")
	path, n, known := smolsh(t), 0, ""
	for _, args := range [][]string{{"--help"}, {"test", "--help"}} {
		out, err := exec.Command(path, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
		known += string(out)
	}
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(prose, -1) {
		word := m[1]
		n++
		switch {
		case strings.HasPrefix(word, "--"):
			flag := strings.Fields(strings.TrimPrefix(word, "--"))[0]
			if !strings.Contains(known, " --"+flag+" ") && !strings.Contains(known, " --"+flag+"[") {
				t.Errorf("%s is no flag", word)
			}
		case strings.HasPrefix(word, "examples/"):
			if _, err := os.Stat(filepath.Join("../..", word)); err != nil {
				t.Error(err)
			}
		case strings.Contains(word, "(") && !strings.HasPrefix(word, "$"):
			if strings.HasPrefix(word, "skip(") {
				continue // it ends the test
			}
			if out, err := exec.Command(path, "--device", "sim", "-c", tutorialNames+word).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", word, err, out)
			}
		case strings.HasPrefix(word, "smolsh "):
			if verb := strings.Fields(word)[1]; !strings.Contains(known, "smolsh "+verb+" ") {
				t.Errorf("%s is no verb", word)
			}
		}
	}
	if n < 30 {
		t.Errorf("%d words", n)
	}
}

// console runs a block's commands, compares their output, and returns the block with the present output. A line "…" in
// the block matches any lines.
func console(t *testing.T, block string, run func(command string) string) string {
	var now strings.Builder
	for _, part := range regexp.MustCompile(`(?m)^\$ `).Split(block, -1)[1:] {
		command, want, _ := strings.Cut(part, "\n")
		got := run(command)
		if pieces := strings.Split(want, "…\n"); len(pieces) > 1 {
			like, ok := likeness(got), true
			for _, piece := range pieces {
				_, like, ok = strings.Cut(like, likeness(piece))
				if !ok {
					t.Errorf("$ %s\nprints\n%s\nwithout\n%s", command, got, piece)
					break
				}
			}
			got = want
		} else if likeness(got) != likeness(want) {
			t.Errorf("$ %s\nprints\n%s\nthe tutorial has\n%s", command, got, want)
		}
		now.WriteString("$ " + command + "\n" + got)
	}
	return now.String()
}
