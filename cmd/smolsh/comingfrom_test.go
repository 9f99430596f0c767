//go:build linux && !portable

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/cmd/smolsh/scenario"
	"smolsh/phy/tap/taptest"
	"smolsh/script"
)

// comingFromEntries returns the code in the right column of docs/coming-from.md, and the lines that make its names.
func comingFromEntries(t *testing.T) (entries []string, names string) {
	text, err := os.ReadFile("../../docs/coming-from.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```python\n(.*?)^```$").FindSubmatch(text)
	if block == nil {
		t.Fatal("the page makes no names")
	}
	code := regexp.MustCompile("`([^`]+)`")
	for _, row := range strings.Split(string(text), "\n") {
		cells := strings.Split(strings.ReplaceAll(row, `\|`, "\x00"), " | ")
		if len(cells) < 2 || !strings.HasPrefix(row, "|") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(cells[1], -1) {
			entries = append(entries, strings.ReplaceAll(m[1], "\x00", "|"))
		}
	}
	return entries, string(block[1])
}

// notCode are the entries of docs/coming-from.md that name an argument or an operator.
var notCode = []string{"timeout=", "loss=", "=="}

// TestComingFrom: every piece of code in the right column of docs/coming-from.md runs after the page's own lines, in a virtual lab
// and on the default device. Of commands, the flags and examples must exist.
func TestComingFrom(t *testing.T) {
	entries, names := comingFromEntries(t)
	devices := []string{"sim"}
	if os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil {
		devices = append(devices, "lab")
	}
	path, n := smolsh(t), 0
	for _, entry := range entries {
		if words := strings.Fields(entry); words[0] == "smolsh" {
			parse := func(words []string) error {
				o, err := parseFlags(words)
				if err == nil && strings.HasPrefix(o.file, "examples/") {
					_, err = os.Stat(filepath.Join("../..", o.file))
				}
				return err
			}
			if err := parse(words[1:]); err != nil {
				t.Errorf("%s: %v", entry, err)
			}
			n++
			continue
		}
		if slices.Contains(notCode, entry) {
			continue
		}
		n++
		script := names + "def check():\n    x = " + entry + "\n    sleep(\"10ms\")\ncheck()\n"
		for _, device := range devices {
			folder := t.TempDir()
			file := filepath.Join(folder, "entry.star")
			if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(path, "--device", device, file)
			cmd.Dir = folder
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s on %s: %v\n%s", entry, device, err, out)
			}
		}
	}
	if n < 75 {
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

// TestTopicsOnDefaultDevice: the examples of help by topic that do not name peer run on the default device too, beside an echo
// server of the kernel's.
func TestTopicsOnDefaultDevice(t *testing.T) {
	taptest.Need(t, os.Geteuid() == 0 && unix.Access(doctor.TUNPath, unix.R_OK|unix.W_OK) == nil, "root with "+doctor.TUNPath, "run the tests as root, with the tun module loaded")
	printed := regexp.MustCompile(`^\d+\.\d{6} `)
	path, n := smolsh(t), 0
	for _, name := range script.Names() {
		page, err := script.Help(name)
		if err != nil {
			t.Fatal(err)
		}
		_, page, topical := strings.Cut("\n\n"+page, "\n\n"+name+": ")
		if !topical {
			continue
		}
		var file strings.Builder
		for _, p := range strings.Split(page, "\n\n") {
			for l := range strings.Lines(p + "\n") {
				code, ok := strings.CutPrefix(l, "    ")
				if ok && strings.HasPrefix(p, "    ") && !strings.HasPrefix(p, "     ") && !printed.MatchString(code) && !strings.Contains(code, "peer") {
					file.WriteString(code)
				}
			}
		}
		if file.Len() == 0 {
			continue
		}
		n++
		cmd := exec.Command(path, "--device", "lab", "-c", "server = kernel.serve(\"tcp\", 7, echo)\n"+file.String())
		cmd.Dir = t.TempDir()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s\n%s", name, err, file.String(), out)
		}
	}
	if n < 15 {
		t.Errorf("%d pages were run", n)
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
