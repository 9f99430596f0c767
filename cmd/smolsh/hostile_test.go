//go:build linux && !portable

package main

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostileTests has a test for each way to harm the run, beside good ones.
const hostileTests = `
def test_good_1():
    assert.eq(ping("192.168.69.100", count=1).received, 1)

def test_allocates():
    x = [1]
    while True:
        x += x

def test_one_gulp():
    x = "x" * 1000000000

def test_recurses():
    def f(n):
        return f(n + 1)
    f(0)

def test_recurses_in_task():
    def f(n):
        return f(n + 1)
    spawn(f, 0).join()

def test_spawns():
    def f():
        sleep(1)
    while True:
        spawn(f)

def test_loops():
    x = 0
    while True:
        x += 1

def test_sorts():
    sorted(range(60000000), key=lambda x: -x)

def test_prints():
    while True:
        print("x" * 1000)

def test_nested():
    x = []
    for i in range(1000000):
        x = [x]
    print(x)

def test_exits():
    exit(0)

def test_steps():
    for i in range(100000000):
        pass

def test_catches():
    def f(n):
        return f(n + 1)
    assert.contains(catch(f, 0).error, "recursion: more than 10000 calls are open")

def test_good_2():
    pass
`

// junitFile holds the parts of a JUnit report that a build system reads.
type junitFile struct {
	Suites []struct {
		Cases []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Error *struct {
				Message string `xml:"message,attr"`
			} `xml:"error"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

// readJUnit reads a report, which must be whole, and returns the results by name: "" for a test that passed.
func readJUnit(t *testing.T, path string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var f junitFile
	if err := xml.Unmarshal(b, &f); err != nil {
		t.Fatalf("the report is not whole: %v\n%s", err, b)
	}
	results := map[string]string{}
	for _, s := range f.Suites {
		for _, c := range s.Cases {
			switch {
			case c.Failure != nil:
				results[c.Name] = c.Failure.Message
			case c.Error != nil:
				results[c.Name] = c.Error.Message
			default:
				results[c.Name] = ""
			}
		}
	}
	return results
}

// TestHostileTests: a test that exceeds a bound fails with the line that was running. The other tests pass, and the
// report is complete.
func TestHostileTests(t *testing.T) {
	dir := t.TempDir()
	file, report := filepath.Join(dir, "hostile.star"), filepath.Join(dir, "out.xml")
	if err := os.WriteFile(file, []byte(hostileTests), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(smolsh(t), "test", "--timeout", "4s", "--memory", "200MB", "--steps", "20000000", "--junit", report, file)
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+dir), dir
	out, _ := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit status %d, want 1", got)
	}
	const memory, steps, timeout = `more than 200 MB of memory \(--memory\)`, `more computation steps than 20000000 \(--steps\)`, `not ended after 4s by the clock on the wall`
	results := readJUnit(t, report)
	for name, c := range map[string]struct {
		line string // regular expression for the line of the failure
		says string
	}{
		"test_good_1":    {},
		"test_good_2":    {},
		"test_catches":   {},
		"test_allocates": {"[6-8]", memory}, // the statement that runs is known to a few steps
		"test_one_gulp":  {"1[01]", memory},
		"test_recurses":  {"15", `recursion: more than 10000 calls are open`}, "test_recurses_in_task": {"20", `recursion: more than 10000 calls are open`},
		"test_spawns": {"2[67]", `10000 tasks run already`}, "test_loops": {"3[0-2]", steps},
		"test_sorts":  {"3[45]", memory + "|" + timeout},
		"test_prints": {"3[7-9]", steps + "|" + timeout},
		"test_nested": {"4[2-5]", `stack overflow|` + memory + "|" + timeout},
		"test_exits":  {"48", `exit\(0\) was called`}, "test_steps": {"5[0-2]", steps},
	} {
		got, ok := results[name]
		if !ok || (got == "") != (c.says == "") || !regexp.MustCompile(c.says).MatchString(got) {
			t.Errorf("%s: got %q, want %q", name, got, c.says)
		}
		if c.says == "" {
			continue
		}
		line := `FAIL  hostile\.star  ` + name + ` .*\n      .*hostile\.star:(` + c.line + `): `
		if !regexp.MustCompile(line).Match(out) {
			t.Errorf("%s: its line is not named: want %s in\n%s", name, line, cut(out))
		}
	}
	for block := range strings.SplitSeq(string(out), "\nFAIL ") {
		if n := strings.Count(block, "\n"); n > 60 {
			t.Errorf("a failure takes %d lines:\n%s", n, cut([]byte(block)))
		}
	}
}

func cut(b []byte) []byte { return b[:min(len(b), 20_000)] }

// TestEndsWhole: after Ctrl-C or SIGTERM in the middle of a run, the runner completes its reports, which name the test
// that ran. After SIGKILL the report is complete too, and has the tests that had ended.
func TestEndsWhole(t *testing.T) {
	for _, c := range []struct {
		signal syscall.Signal
		status int
	}{{syscall.SIGINT, 130}, {syscall.SIGTERM, 143}, {syscall.SIGKILL, -1}} {
		dir := t.TempDir()
		file, report := filepath.Join(dir, "x.star"), filepath.Join(dir, "out.xml")
		text := "def test_a():\n    pass\ndef test_b():\n    assert.true(False)\ndef test_long():\n    write()\n    while True:\n        sleep(1)\ndef test_z():\n    pass\n" +
			"def write():\n    capture('" + dir + "/began.pcap')\n"
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(smolsh(t), "test", "--jobs", "1", "--json", "--junit", report, file)
		cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+dir), dir
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		for range 2000 {
			if _, err := os.Stat(dir + "/began.pcap"); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(500 * time.Millisecond) // the report names the case that runs
		_ = cmd.Process.Signal(c.signal)
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != c.status {
			t.Errorf("%v: exit status %d, want %d", c.signal, got, c.status)
		}
		results := readJUnit(t, report)
		want := map[string]string{"test_a": "", "test_b": "assert.true: False is not true", "test_long": "interrupted while it ran"}
		if c.signal == syscall.SIGKILL {
			want["test_long"] = "it ran when the run ended"
			want["the whole run"] = "the run has not ended, or was killed: tests are missing"
		}
		if len(results) != len(want) {
			t.Errorf("%v: the report has %v, want %v", c.signal, results, want)
		}
		for name, says := range want {
			if got, ok := results[name]; !ok || got != says {
				t.Errorf("%v: %s: %q in the report, want %q", c.signal, name, got, says)
			}
		}
		if c.signal == syscall.SIGKILL {
			for range 500 { // until the worker has ended too
				if os.RemoveAll(dir) == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		var names []string
		for line := range strings.Lines(out.String()) {
			var l struct{ Test, Error string }
			if err := json.Unmarshal([]byte(line), &l); err != nil {
				t.Errorf("%v: %q is no object: %v", c.signal, line, err)
			}
			names = append(names, l.Test)
			if l.Test == "test_long" && !regexp.MustCompile(`^interrupted while it ran\n.*x\.star:[678]: `).MatchString(l.Error) {
				t.Errorf("%v: of the test that ran it says %q", c.signal, l.Error)
			}
		}
		if got := strings.Join(names, " "); got != "test_a test_b test_long" {
			t.Errorf("%v: the lines are of %s", c.signal, got)
		}
	}
}

// daemonTests leave a daemon behind and end their worker in three ways; after each, a test says whether the daemon is gone.
const daemonTests = `
def daemon():
    sh("rm -f pid; setsid sh -c 'trap \"\" TERM; echo $$ >pid; sleep 1000; sleep 1000' >/dev/null 2>&1 & while ! [ -s pid ]; do sleep 0.01; done; cat pid >>pids")

def gone():
    assert.eq(sh("test -e /proc/$(cat pid)", check=False).status, 1)

def test_a_computes():
    daemon()
    int("7" * 10000000)

def test_b(): gone()

def test_c_allocates():
    daemon()
    x = []
    while True: x.append("x" * 1000000)

def test_d(): gone()

def test_e_is_killed():
    daemon()
    sh("kill -9 $PPID")

def test_f(): gone()
`

// TestProgramsOfAWorker: the programs of a test end with its worker, also where the worker cannot end them.
func TestProgramsOfAWorker(t *testing.T) {
	dir := t.TempDir()
	file, report := filepath.Join(dir, "x.star"), filepath.Join(dir, "out.xml")
	if err := os.WriteFile(file, []byte(daemonTests), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(smolsh(t), "test", "--jobs", "1", "--timeout", "4s", "--memory", "200MB", "--junit", report, file)
	cmd.Env, cmd.Dir = append(os.Environ(), "HOME="+dir), dir
	out, _ := cmd.CombinedOutput()
	results := readJUnit(t, report)
	if len(results) != 6 {
		t.Fatalf("%d of 6 tests ran: %s", len(results), cut(out))
	}
	for name, says := range results {
		if checks := strings.HasPrefix(name, "test_b") || strings.HasPrefix(name, "test_d") || strings.HasPrefix(name, "test_f"); checks != (says == "") {
			t.Errorf("%s: %q", name, says)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, "pids"))
	pids := strings.Fields(string(b))
	if err != nil || len(pids) != 3 {
		t.Errorf("the daemons are %v: %v", pids, err)
	}
	for _, text := range pids {
		if pid, err := strconv.Atoi(text); err != nil || !ended(pid) {
			t.Errorf("daemon %s is left", text)
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}
