//go:build linux && !portable

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"smolsh/phy/tap/taptest"
)

// completes types a line into an interactive shell that has smolsh's completion, presses Tab, and waits for the wanted output.
func completes(t *testing.T, folder string, shell []string, setup, typed, want string) {
	t.Helper()
	cmd := exec.Command(shell[0], shell[1:]...)
	cmd.Dir = folder
	cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "TERM=dumb", "HOME="+folder, "ZDOTDIR="+folder)
	tty, err := pty.Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	kill := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	said := ""
	until := func(text string) bool {
		buf := make([]byte, 4096)
		for !regexp.MustCompile(text).MatchString(said) {
			n, err := tty.Read(buf)
			said += strings.ReplaceAll(string(buf[:n]), "\a", "") // the bell
			if err != nil {
				return false
			}
		}
		return true
	}
	_, _ = tty.WriteString(setup + "; echo re''ady\n")
	if !until(`ready\r*\n`) {
		t.Fatalf("%s: not ready: %q", shell[0], said)
	}
	said = ""
	_, _ = tty.WriteString(typed + "\t\t")
	if !until(want) {
		t.Errorf("%s: after %q it shows %q, want %q", shell[0], typed, said, want)
	}
}

// withScript returns a folder with smolsh and a script in it.
func withScript(t *testing.T) string {
	folder := filepath.Dir(smolsh(t))
	if err := os.WriteFile(filepath.Join(folder, "a-script.star"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return folder
}

var completionCases = []struct{ typed, want string }{
	{"smolsh te", `smolsh test `},
	{"smolsh test --tim", `--timeout`},
	{"smolsh --device si", `--device sim`},
	{"smolsh --drop", `--drop-chance`},
	{"smolsh completion f", `completion fish`},
	{"smolsh doc tcp.conn", `doc tcp\.connect`},
	{"smolsh test a-sc", `test a-script\.star`},
	{"smolsh a-sc", `smolsh a-script\.star`},
}

func TestBashCompletes(t *testing.T) {
	taptest.NeedTools(t, "bash")
	folder := withScript(t)
	for _, c := range completionCases {
		completes(t, folder, []string{"bash", "--norc", "--noprofile", "-i"}, "source <(smolsh completion bash)", c.typed, c.want)
	}
}

func TestZshCompletes(t *testing.T) {
	taptest.NeedTools(t, "zsh")
	folder := withScript(t)
	for _, c := range completionCases {
		completes(t, folder, []string{"zsh", "-f", "-i"}, "autoload -U compinit; compinit -u -D; source <(smolsh completion zsh)", c.typed, c.want)
	}
}

// TestFishCompletes: fish prints its completions without a terminal.
func TestFishCompletes(t *testing.T) {
	taptest.NeedTools(t, "fish")
	folder := withScript(t)
	for _, c := range completionCases {
		cmd := exec.Command("fish", "--no-config", "-c", `smolsh completion fish | source; complete -C "`+c.typed+`"`)
		cmd.Dir = folder
		cmd.Env = append(os.Environ(), "PATH="+folder+":"+os.Getenv("PATH"), "HOME="+folder)
		out, err := cmd.CombinedOutput()
		words := strings.Fields(c.want)
		if last := words[len(words)-1]; err != nil || !regexp.MustCompile(`(?m)^`+last).Match(out) {
			t.Errorf("after %q it offers %q (%v), want %s", c.typed, out, err, last)
		}
	}
}

// TestVerbs: the table from which man page and completions are made has the program's own verbs and flags.
func TestVerbs(t *testing.T) {
	var named []string
	for _, v := range verbs() {
		if v.name == "" {
			continue
		}
		named = append(named, v.name)
		if !slices.Contains(verbWords(), v.name) {
			t.Errorf("smolsh help does not know %s", v.name)
		}
		o, err := parseFlags([]string{v.name})
		if err != nil || o.verb != v.name {
			t.Errorf("%s is no verb: %v", v.name, err)
		}
		if !strings.Contains(usageText, "  smolsh "+v.name+" ") {
			t.Errorf("--help does not name %s", v.name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^  smolsh ([a-z]+) `).FindAllStringSubmatch(usageText, -1) {
		if !slices.Contains(named, m[1]) {
			t.Errorf("--help names %s, which the definition does not have", m[1])
		}
	}
	var page strings.Builder
	if err := manPage(&page); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n.B smolsh test\n[flags] PATH…\n", "\n.B \\-\\-seeds \\fIA..B\\fR\nrun each test", "\n.B \\-\\-pcap \\fIFILE\\fR\n", "TEST_TOTAL_SHARDS"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the man page lacks %q", want)
		}
	}
}
