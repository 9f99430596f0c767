package labtest_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/lab/labtest"
)

// failures are tests that fail, each in its own way. TestFailing runs the one that LABTEST_FAILURE names.
var failures = map[string]func(t *testing.T, l *labtest.Lab){
	"error": func(t *testing.T, l *labtest.Lab) {
		server, client, link := pair(l, labtest.LinkConfig{Delay: 5 * time.Millisecond})
		serveEcho(t, server)
		c := dial(t, client)
		link.Fault(nil, labtest.Rule{Loss: 1})
		c.Write([]byte("lost"))
		time.Sleep(time.Second)
		if l.Seed() >= 3 {
			t.Error("seed 3 or above")
		}
	},
	"fatal": func(t *testing.T, l *labtest.Lab) { pair(l, labtest.LinkConfig{}); t.Fatal("fatal") },
	"configuration": func(t *testing.T, l *labtest.Lab) {
		l.Host("a", "10.0.0.1/24")
		l.Host("a", "10.0.0.2/24")
	},
	"seventh": func(t *testing.T, l *labtest.Lab) {
		if losesSeventh(t, l) {
			t.Error("the seventh is lost")
		}
	},
	"stack": func(t *testing.T, l *labtest.Lab) {
		server, client, link := pair(l, labtest.LinkConfig{})
		link.Fault(nil, labtest.Rule{Match: func([]byte, phy.Medium) bool { panic("in the network") }})
		serveEcho(t, server)
		client.Net().DialTimeout("tcp", "server:7", time.Second)
	},
}

// losesSeventh reports whether the seventh of 20 datagrams is lost.
func losesSeventh(t *testing.T, l *labtest.Lab) bool {
	server, client, link := pair(l, labtest.LinkConfig{Delay: time.Millisecond})
	u, err := server.Net().ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Net().Dial("udp", "10.0.0.1:9")
	if err != nil {
		t.Fatal(err)
	}
	c.Write([]byte{0}) // resolves the neighbour
	time.Sleep(time.Second)
	link.Set(labtest.LinkConfig{Loss: 0.3, Delay: time.Millisecond})
	for k := range 20 {
		c.Write([]byte{byte(k + 1)})
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Second)
	u.SetReadDeadline(time.Now().Add(time.Second))
	var got [21]bool
	for buf := make([]byte, 9); ; {
		if _, _, err := u.ReadFrom(buf); err != nil {
			break
		}
		got[buf[0]] = true
	}
	return !got[7]
}

func TestFailing(t *testing.T) {
	fn := failures[os.Getenv("LABTEST_FAILURE")]
	if fn == nil {
		return // TestFailureOutput runs it
	}
	labtest.Run(t, fn)
}

// failing runs TestFailing in another process, and returns what it prints.
func failing(t *testing.T, failure string, flags ...string) (out string, err error) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestFailing$", "-test.v"}, flags...)...) // a later flag replaces -test.v
	cmd.Env = append(os.Environ(), "LABTEST_FAILURE="+failure, "TMPDIR="+t.TempDir())
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// TestSeeds: one run for each seed until one fails, whose command has that seed alone; captures of all runs if so asked.
func TestSeeds(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "captures")
	out, err := failing(t, "error", "-lab.seeds=1..9", "-lab.capture="+dir)
	files, _ := filepath.Glob(dir + "/TestFailing-seed*.pcapng")
	if err == nil || !strings.Contains(out, "--- FAIL: TestFailing/seed=3") || strings.Contains(out, "seed=4") ||
		!strings.Contains(out, "--- PASS: TestFailing/seed=2") || !strings.Contains(out, "-lab.seed=3\n") || len(files) != 3 {
		t.Errorf("%v, captures %q, output:\n%s", err, files, out)
	}
	for _, f := range files {
		checkCapture(t, f, 5)
	}
	again := filepath.Join(t.TempDir(), "again")
	out, err = failing(t, "error", "-lab.capture="+again, "-lab.seed=3", "-test.count=3", "-test.cpu=1")
	if files, _ := filepath.Glob(again + "/*.pcapng"); err == nil || len(files) != 3 || !strings.Contains(out, " -cpu=1 ") {
		t.Errorf("three runs with one processor: %v, captures %q, output:\n%s", err, files, out)
	}
	for _, seeds := range []string{"1", "2..1", "a..b", "1..", "1..2..3"} {
		if out, err := failing(t, "error", "-lab.seeds="+seeds); err == nil || !strings.Contains(out, "is not A..B") {
			t.Errorf("-lab.seeds=%s: %v\n%s", seeds, err, out)
		}
	}
}

// TestShrink: of the frames that a failing run has lost, those remain that the failure needs, and -lab.keep repeats it with them alone.
func TestShrink(t *testing.T) {
	out, err := failing(t, "seventh", "-lab.seeds=1..50", "-lab.shrink=20s")
	m := regexp.MustCompile(`fails with 1 of (\d+) faults: (\S+)\n\s*repeat: .* -lab.seed=(\d+) -lab.keep=(\S+)\n`).FindStringSubmatch(out)
	if err == nil || m == nil || m[1] == "1" || m[2] != m[4] || !strings.HasSuffix(m[2], ".loss:rx:7") {
		t.Fatalf("%v, %q\n%s", err, m, out)
	}
	if out, err := failing(t, "seventh", "-lab.seed="+m[3], "-lab.keep="+m[4]); err == nil || !strings.Contains(out, "the seventh is lost") ||
		!strings.Contains(out, "-lab.keep="+m[4]) {
		t.Errorf("with the fault alone: %v\n%s", err, out)
	}
	for _, keep := range []string{"none", "1.loss:rx:6,8"} {
		if out, err := failing(t, "seventh", "-lab.seed="+m[3], "-lab.keep="+keep); err != nil {
			t.Errorf("-lab.keep=%s: %v\n%s", keep, err, out)
		}
	}
	if out, err := failing(t, "seventh", "-lab.keep=x"); err == nil || !strings.Contains(out, "is not N") {
		t.Errorf("-lab.keep=x: %v\n%s", err, out)
	}
	if out, _ := failing(t, "fatal", "-lab.shrink=20s"); !strings.Contains(out, "fails with 0 of 0 faults") {
		t.Errorf("a failure without faults:\n%s", out)
	}
}

// TestShrinkEveryEnd: a run is shrunk whatever ends it.
func TestShrinkEveryEnd(t *testing.T) {
	for _, end := range []string{"panic", "program", "deadlock", "hang", "stuck", "unreturned"} {
		t.Run(end, func(t *testing.T) {
			out, err := failing(t, "seventh "+end, "-lab.seeds=1..50", "-lab.shrink=20s", "-lab.watchdog=500ms", "-test.v=false")
			m := regexp.MustCompile(`fails with 1 of (\d+) faults: (\S+)\n\s*repeat: .* -lab.seed=(\d+) -lab.keep=(\S+)\n`).FindStringSubmatch(out)
			if err == nil || m == nil || m[1] == "1" || m[2] != m[4] || !strings.HasSuffix(m[2], ".loss:rx:7") {
				t.Errorf("%v, %q\n%s", err, m, out)
			}
		})
	}
}

// TestNothingKept: a run that passes leaves no file.
func TestNothingKept(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^(TestExactTimes|TestFailing)$")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if files, err := os.ReadDir(dir); len(files) > 0 || err != nil {
		t.Errorf("left %v, %v", files, err)
	}
}
