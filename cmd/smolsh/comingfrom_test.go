package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"smolsh/cmd/smolsh/scenario"
	"smolsh/script"
)

const comingFromPrelude = `
l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
w = l.link(a, b, delay="1ms")
def check():
    x = %s
    sleep("10ms")
`

// TestComingFrom: every piece of code in the right column of docs/coming-from.md runs. Starlark runs in a virtual lab; of
// commands, the flags and examples must exist.
func TestComingFrom(t *testing.T) {
	text, err := os.ReadFile("../../docs/coming-from.md")
	if err != nil {
		t.Fatal(err)
	}
	path, code := smolsh(t), regexp.MustCompile("`([^`]+)`")
	n := 0
	for _, row := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), " | ")
		if len(cells) < 2 || !strings.HasPrefix(row, "|") || strings.HasPrefix(row, "| there") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			entry := strings.ReplaceAll(m[1], "\x00", "|")
			if words := strings.Fields(entry); words[0] == "smolsh" {
				o, err := parseFlags(words[1:])
				if err != nil {
					t.Errorf("%s: %v", entry, err)
				} else if strings.HasPrefix(o.file, "examples/") {
					if _, err := os.Stat(filepath.Join("../..", o.file)); err != nil {
						t.Errorf("%s: %v", entry, err)
					}
				}
				n++
				continue
			}
			if strings.HasPrefix(entry, ".") || strings.HasSuffix(entry, "=") || !strings.Contains(entry, "(") && !strings.Contains(entry, "lambda") {
				continue // a method of the value before it
			}
			n++
			script := strings.Replace(comingFromPrelude, "%s", entry, 1)
			if strings.HasPrefix(entry, "c.") {
				script = strings.Replace(script, "    x =", "    c = tcp.connect(\"192.168.69.100:7\")\n    c.send(\"hi\")\n    x =", 1)
			}
			file := filepath.Join(t.TempDir(), "entry.star")
			if err := os.WriteFile(file, []byte(script+"check()\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "--device", "sim", file)
			cmd.Dir = t.TempDir()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", entry, err, out)
			}
		}
	}
	if n < 70 {
		t.Errorf("%d entries were run", n)
	}
}

// TestTopicCommands: smolsh accepts the commands on the pages of help by topic, and the page about tests is a file of tests that
// pass.
func TestTopicCommands(t *testing.T) {
	command := regexp.MustCompile(`(?m)^  \$ smolsh (.*)$`)
	n := 0
	for _, name := range script.Names() {
		text, err := script.Help(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range command.FindAllStringSubmatch(text, -1) {
			n++
			words := strings.Fields(m[1])
			switch words[0] {
			case "test":
				_, err = parseTest(words[1:], func(string) string { return "" })
			case "doctor":
			default:
				_, err = parseFlags(words)
			}
			if err != nil {
				t.Errorf("%s: smolsh %s: %v", name, m[1], err)
			}
		}
	}
	if n < 7 {
		t.Errorf("%d commands", n)
	}
	page, err := script.Help("tests")
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	for l := range strings.Lines(page + "\n") {
		if code, ok := strings.CutPrefix(l, "    "); ok {
			file.WriteString(code)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "page.star"), []byte(file.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(smolsh(t), "test", folder)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "4 passed, 0 failed, 1 failed as expected") {
		t.Errorf("%v\n%s\n%s", err, file.String(), out)
	}
}

// TestKubernetesJob: smolsh accepts the Job's command, which divides the campaign into as many parts as there are pods.
func TestKubernetesJob(t *testing.T) {
	text, err := os.ReadFile("../../docs/kubernetes-job.yaml")
	if err != nil {
		t.Fatal(err)
	}
	completions := regexp.MustCompile(`(?m)^  completions: (\d+)`).FindSubmatch(text)
	command := regexp.MustCompile(`(?m)^ +command: \[smolsh, test, (.*)\]$`).FindSubmatch(text)
	if completions == nil || command == nil {
		t.Fatal("the manifest has no completions or no command")
	}
	args := strings.Split(strings.ReplaceAll(string(command[1]), `"`, ""), ", ")
	pods, _ := strconv.Atoi(string(completions[1]))
	o, err := parseTest(args, func(name string) string {
		return map[string]string{"JOB_COMPLETION_INDEX": strconv.Itoa(pods - 1)}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (scenario.Shard{Index: pods - 1, Total: pods}); o.shard != want {
		t.Errorf("the last pod has part %v, want %v", o.shard, want)
	}
}
