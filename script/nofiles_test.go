package script

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"smolsh/script/registry"
	"strings"
	"testing"

	"go.starlark.net/starlark"
)

// TestNoFilesRefusesEveryPath: every argument that names a file has a kind for files, and a session without files
// refuses it.
func TestNoFilesRefusesEveryPath(t *testing.T) {
	s := newSim(t, 1)
	s.cfg.NoFiles = true
	refused := 0
	for name, b := range s.reg.ByName {
		for i := range b.Params {
			p := &b.Params[i]
			if p.Kind == registry.KindOwnFile {
				continue // TestNoFilesLeavesTheScriptsOwn
			}
			file := p.Kind == registry.KindInFile || p.Kind == registry.KindOutFile
			if text := b.Explain(p); !file && (p.Name == "path" || strings.Contains(p.Name, "file") || strings.Contains(text, "file's name")) {
				t.Errorf("%s: %s is a file, and not of a file's kind", name, p.Name)
			}
			if !file {
				continue
			}
			refused++
			c := &call{s: s.Session, t: s.main, b: b}
			err := c.bind(nil, []starlark.Tuple{{starlark.String(p.Name), starlark.String("x.star")}})
			if want := name + ": x.star: files and programs are forbidden (--no-files)"; err == nil || err.Error() != want {
				t.Errorf("%s: said %v, want %q", name, err, want)
			}
		}
	}
	if refused < 12 {
		t.Errorf("only %d arguments are files", refused)
	}
}

// Builtins reach files by files.go, and by nothing else that a new one could use without being refused: neither here nor in
// the packages below.
func TestFilesAreReachedInOnePlace(t *testing.T) {
	reach := regexp.MustCompile(`\b(os\.(Open|OpenFile|Create|ReadFile|WriteFile|Mkdir|Remove|Rename)\w*|exec\.Command\w*|command\.New|programs\.New|capture\.(Open|Create))\(`)
	allowed := map[string]string{
		"files.go":             "the one place",
		"outfile/outfile.go":   "opens for files.go, and for captures, what a parameter of a file's kind names",
		"readlazily.go":        "reads what a parameter of a file's kind names",
		"outfile/locker.go":    "/proc",
		"readcapture.go":       "reads what a parameter of a file's kind names",
		"panic.go":             "looks whether files are forbidden",
		"command.go":           "looks whether programs are forbidden",
		"filename/filename.go": "completes names at the prompt",
		"errors.go":            "shows a line of a script that ran",

		"httpanswer.go": "reads a folder for httpserve.go, which looks whether files are forbidden",

		"sh.go":                     "looks whether programs are forbidden",
		"command/shell_unix.go":     "runs programs for command.go",
		"command/shell_windows.go":  "runs programs for command.go",
		"command/folder.go":         "runs the shell of a cd for command.go",
		"command/program.go":        "runs programs for sh.go",
		"command/children_linux.go": "/proc",
		"kernel/system_linux.go":    "/proc",
	}
	var files []string
	for _, pattern := range []string{"*.go", "*/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatal(pattern, err)
		}
		files = append(files, found...)
	}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		m := reach.Find(src)
		if m != nil && allowed[f] == "" {
			t.Errorf("%s calls %s: use task.open, whose caller has a parameter of a file's kind", f, m)
		}
		if m != nil {
			delete(allowed, f)
		}
	}
	for f := range allowed {
		t.Errorf("%s reaches no file any more", f)
	}
}

// TestNoFilesLeavesTheScriptsOwn: in a session without files, a script loads files from its own folder and reads the
// files that the command line names. It can't read any other file, also not through a symbolic link or "..".
func TestNoFilesLeavesTheScriptsOwn(t *testing.T) {
	dir := t.TempDir()
	own := filepath.Join(dir, "own")
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(own, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("outside.star", "x = 1\n")
	write("own/beside.star", "x = 2\n")
	write("own/sub/below.star", "load('../beside.star', 'x')\ny = x\n")
	if err := os.Symlink("../outside.star", filepath.Join(own, "link.star")); err != nil {
		t.Fatal(err)
	}
	write("own/main.star", `
load("beside.star", "x")
load("sub/below.star", "y")
print(x, y)
print(len(read_capture(args[0])))
for f in [lambda: run("beside.star"), lambda: read_capture("beside.star"), lambda: capture(args[0]), reload,
          lambda: tcp.connect("192.168.69.100:7").sink("x"), lambda: tcp.connect("192.168.69.100:7").sendfile("/etc/passwd"),
          lambda: http.serve(80, ".")]:
    print(catch(f).error)
`)
	write("own/out.star", "load('../outside.star', 'x')\n")
	write("own/link2.star", "load('link.star', 'x')\n")
	pcap := filepath.Join(dir, "x.pcapng")
	if err := newSim(t, 1).RunCommand(`capture("` + pcap + `").stop()`); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1, pcap)
	s.cfg.NoFiles = true
	if err := s.RunFile(filepath.Join(own, "main.star")); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	lines := slices.Collect(strings.Lines(s.out.String()))
	if len(lines) != 9 || lines[0] != "2 2\n" || lines[1] != "0\n" {
		t.Errorf("printed %q", lines)
	}
	for i, l := range lines[2:] {
		if !strings.Contains(l, errNoFiles) && !strings.Contains(l, "no file was run yet") {
			t.Errorf("call %d: %s", i, l)
		}
	}
	for _, name := range []string{"out.star", "link2.star"} {
		s := newSim(t, 1)
		s.cfg.NoFiles = true
		if got := status(s.RunFile(filepath.Join(own, name))); got != 1 || !strings.Contains(s.err.String(), errNoFiles) {
			t.Errorf("%s: exit status %d: %s", name, got, s.err.String())
		}
	}
	s = newSim(t, 1)
	s.cfg.NoFiles = true
	if got := s.Shell("touch " + filepath.Join(dir, "made")); got != 127 || !strings.Contains(s.err.String(), errNoFiles) {
		t.Errorf("a command: exit status %d: %s", got, s.err.String())
	}
	if _, err := os.Stat(filepath.Join(dir, "made")); err == nil {
		t.Error("the command ran")
	}
}
