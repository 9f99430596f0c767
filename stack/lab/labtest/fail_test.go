package labtest_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/stack/gonet"
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
	"panic": func(t *testing.T, l *labtest.Lab) { pair(l, labtest.LinkConfig{}); panic("mine") },
	"program": func(t *testing.T, l *labtest.Lab) {
		server, _, _ := pair(l, labtest.LinkConfig{})
		server.Go(func(context.Context, *gonet.Net) { panicsHere() })
		time.Sleep(time.Second)
	},
	"configuration": func(t *testing.T, l *labtest.Lab) {
		l.Host("a", "10.0.0.1/24")
		l.Host("a", "10.0.0.2/24")
	},
	"deadlock": func(t *testing.T, l *labtest.Lab) {
		server, _, _ := pair(l, labtest.LinkConfig{})
		serveEcho(t, server)
		<-make(chan int)
	},
	"kept alive": func(t *testing.T, l *labtest.Lab) {
		server, client, _ := pair(l, labtest.LinkConfig{})
		serveEcho(t, server)
		dial(t, client).Read(make([]byte, 1))
	},
	"seventh": func(t *testing.T, l *labtest.Lab) { // fails if the seventh of 20 datagrams is lost
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
		if !got[7] {
			t.Error("the seventh is lost")
		}
	},
	"mutex": func(t *testing.T, l *labtest.Lab) {
		server, _, _ := pair(l, labtest.LinkConfig{})
		var mu sync.Mutex
		mu.Lock()
		server.Go(func(context.Context, *gonet.Net) { mu.Lock() })
		time.Sleep(time.Hour)
	},
	"stack": func(t *testing.T, l *labtest.Lab) {
		server, client, link := pair(l, labtest.LinkConfig{})
		link.Fault(nil, labtest.Rule{Match: func([]byte, phy.Medium) bool { panic("in the network") }})
		serveEcho(t, server)
		client.Net().DialTimeout("tcp", "server:7", time.Second)
	},
}

func panicsHere() { panic("here") }

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
	cmd := exec.Command(os.Args[0], append([]string{"-test.run=^TestFailing$", "-test.v"}, flags...)...)
	cmd.Env = append(os.Environ(), "LABTEST_FAILURE="+failure, "TMPDIR="+t.TempDir())
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// TestFailureOutput: what a failing test prints, and that it keeps a capture.
func TestFailureOutput(t *testing.T) {
	for _, c := range []struct {
		failure string
		want    []string
		stuck   bool // true if the watchdog ends the program
	}{
		{"error", []string{
			"seed 3 or above", "the test failed with seed 7, after 1.01.s of the lab's time",
			`repeat:  go test -count=1 -run='\^TestFailing\$' (-race )?smolsh/stack/lab/labtest -lab.seed=7\n`,
			`link server - client: .* dropped: \d+ fault loss`,
			`server 10.0.0.1/24 2001:db8::1/64\n +Netid +State +Recv-Q +Send-Q +Local +Peer *\n +tcp +LISTEN +0 +1024 +\*:7 +\* *\n`,
			`client 10.0.0.2/24 .*\n.*\n +tcp +ESTABLISHED +0 +4 +\[2001:db8::2\]:\d+ +\[2001:db8::1\]:7 +cwnd \d+ rto .* retrans [1-9].* timer on`,
		}, false},
		{"fatal", []string{"fatal", "the test failed with seed 7", "no sockets"}, false},
		{"panic", []string{"panic: mine", "the test panicked with seed 7", "no sockets"}, false},
		{"program", []string{"a program of host server panicked with seed 7", "repeat: go test .* -lab.seed=7", "panic: here", "panicsHere"}, false},
		{"configuration", []string{`host "a" exists already`, "the test failed with seed 7"}, false},
		{"deadlock", []string{"deadlock: all goroutines in bubble are blocked", "every goroutine waits for ever with seed 7", "LISTEN"}, false},
		{"kept alive", []string{"TestFailing has made no call for 300ms", "-lab.seed=7", "gonet.*Read", "is stuck"}, true},
		{"mutex", []string{"TestFailing has made no call for 300ms", "-lab.seed=7", `sync.Mutex.Lock, synctest bubble`, "is stuck"}, true},
		{"stack", []string{"panicked", "in the network", "the test failed with seed 7"}, false},
	} {
		t.Run(c.failure, func(t *testing.T) {
			watchdog := "-lab.watchdog=30s"
			if c.stuck {
				watchdog = "-lab.watchdog=300ms"
			}
			out, err := failing(t, c.failure, "-lab.seed=7", watchdog)
			if err == nil {
				t.Error("the test passed")
			}
			for _, want := range c.want {
				if !regexp.MustCompile(want).MatchString(out) {
					t.Errorf("no %s", want)
				}
			}
			if m := regexp.MustCompile(`capture: (.*)\n`).FindStringSubmatch(out); m != nil {
				checkCapture(t, m[1], c.failure == "error")
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

// checkCapture checks that a file is a capture, with packets if so asked.
func checkCapture(t *testing.T, path string, packets bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	r, err := capture.NewReader(f)
	if err != nil {
		if packets {
			t.Error(err)
		}
		return
	}
	n := 0
	for _, err := r.Next(); err == nil; _, err = r.Next() {
		n++
	}
	if packets && n < 5 {
		t.Errorf("%d packets captured", n)
	}
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
		checkCapture(t, f, true)
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

// TestNothingKept: a run that passes leaves no file.
func TestNothingKept(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0], "-test.run=^TestExactTimes$")
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if files, err := os.ReadDir(dir); len(files) > 0 || err != nil {
		t.Errorf("left %v, %v", files, err)
	}
}
