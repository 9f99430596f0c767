//go:build linux

package script

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"
)

// TestFileIO reads and writes files, and also folders, devices and names without a file.
func TestFileIO(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("folder", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("big", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate("big", maxFile+1); err != nil {
		t.Fatal(err)
	}
	want(t, `
assert.eq(write_file("x", "hello\n"), 6)
assert.eq(write_file("x", b"\x00\xff", append=True), 2)
assert.eq(read_file("x"), b"hello\n\x00\xff")
assert.eq(write_file("x", ""), 0)
assert.eq(read_file("x"), b"")
assert.eq(write_file("new", "ab", append=True), 2)
for n in [1, 32767, 32768, 32769, 1 << 20, (1 << 20) + 1, 3 << 20]:
    data = "abcdefg" * (n // 7 + 1)
    assert.eq(write_file("x", data), len(data))
    assert.eq(read_file("x"), data)
    assert.eq(read_file("/proc/self/cmdline")[-1:], b"\x00")
assert.eq(write_file("/dev/null", "abc"), 3)
assert.eq(read_file("/dev/null"), b"")
assert.fails(lambda: read_file("/dev/zero"), "^read_file: /dev/zero: more than 64 MiB are not read$")
assert.fails(lambda: read_file("big"), "^read_file: big: it has 1073741825 octets, and more than 1024 MiB are not read$")
assert.fails(lambda: read_file("folder"), "^read_file: folder: is a directory$")
assert.fails(lambda: write_file("folder", "x"), "^write_file: folder: is a directory$")
assert.fails(lambda: read_file("no/such"), "^read_file: no/such: no such file or directory$")
assert.fails(lambda: write_file("no/such", "x"), "^write_file: no/such: no such file or directory$")
assert.fails(lambda: write_file("/dev/full", "x"), "^write_file: /dev/full: no space left on device$")
assert.fails(lambda: read_file("a\x00b"), "invalid argument")
assert.fails(lambda: read_file(""), "no such file")
`, "")
}

// While a sink or a log writes a file, every other call that would write it fails. After the sink or log ends, the
// calls succeed.
func TestOneWriterPerSinkAndLog(t *testing.T) {
	t.Chdir(t.TempDir())
	want(t, `
c = tcp.connect("192.168.69.100:7")
c.send("echoed")
t = spawn(lambda: c.sink("x"))
sleep("10ms")
for f in [lambda: write_file("x", "no"), lambda: capture("./x"), lambda: log("x"), lambda: tcp.connect("192.168.69.100:7").sink("x")]:
    assert.fails(f, "conn.sink writes this file( as x)?; wait for its end$")
c.shutdown()
assert.eq(t.join(), 6)
assert.eq(read_file("x"), "echoed")
write_file("x", "free")

t = spawn(lambda: tcp.connect("192.168.69.100:7").sink("x"))
sleep("10ms")
t.cancel()
catch(t.join)
write_file("x", "free")

l = log("x")
for f in [lambda: write_file("x", "no"), lambda: capture("./x"), lambda: log("x")]:
    assert.fails(f, "log (x )?writes this file; stop it first$")
l.stop()
l.stop()
write_file("x", "free")
`, "")
}

// A log has the lines of print() from then on. Each line has the time of the lab.
func TestLog(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	s.cfg.Terminal = true
	err := s.RunSource("test.star", `
write_file("y", "before\n")
l, m = log("x"), log("y", append=True)
sleep("1.5s")
print("one", 1)
print("two\nthree\x1b")
sleep("250us")
spawn(print, "of a task")
sleep("1us")
m.stop()
def judge(p):
    print("judged")
    return False
f = fault("eth0", match=judge)
ping("192.168.69.100", count=1)
f.off()
print("last")
print("stopped", bool(l), bool(m))
l.stop()
print("after")
assert.eq(read_file("y"), "before\n1.500000 one 1\n1.500000 two\n1.500000 three\x1b\n1.500250 of a task\n")
k = log("z")
print("to the end")
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	x, _ := os.ReadFile("x")
	z, _ := os.ReadFile("z")
	if got := string(x); !strings.HasPrefix(got, "1.500000 one 1\n1.500000 two\n1.500000 three\x1b\n1.500250 of a task\n1.5") ||
		!strings.Contains(got, " judged\n") || !strings.HasSuffix(got, " stopped True False\n") {
		t.Errorf("the log has %q", got)
	}
	if got := string(z); !strings.HasSuffix(got, " to the end\n") || strings.Count(got, "\n") != 1 {
		t.Errorf("the last log has %q", got)
	}
}

// A log that can't be written ends with a message. The script continues, and fails at its end.
func TestLogThatFails(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
log("/dev/full")
print("one")
print("two")
`)
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 1 {
		t.Fatal(err, s.err.String())
	}
	if got, want := s.err.String(), "log: /dev/full: no space left on device; the log has ended\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	s.Flush()
	if got := s.out.String(); got != "one\ntwo\n" {
		t.Errorf("printed %q", got)
	}
}

// If a print() waits because its log waits for the reader of a FIFO, an interrupt ends the print(). The end of the
// session ends it too.
func TestLogIntoAFullFIFO(t *testing.T) {
	t.Chdir(t.TempDir())
	fifo(t, "fifo")
	r, err := os.OpenFile("fifo", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := newSim(t, 1)
	done := make(chan error, 1)
	go func() { done <- s.RunCommand(`l = log("fifo"); print("x" * (1 << 20))`) }()
	if _, err := r.Read(make([]byte, 1)); err != nil { // the print() has begun to write
		t.Fatal(err)
	}
	s.Interrupt()
	select {
	case err := <-done:
		if got := status(err); got != 130 {
			t.Errorf("exit status %d: %s", got, s.err.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("not ended by the interrupt")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// A table's CSV has the columns that are shown, quoted where they need it.
func TestCSV(t *testing.T) {
	want(t, `
print(routes().csv())
print(ifaces().cols("name", "mtu", "rx_packets", "addresses").csv())
print(counters().where(name="nothing").csv())
`, "destination,gateway,dev,proto,preference,expires,state\n192.168.69.0/24,,eth0,connected,,,\n\nname,mtu,rx_packets,addresses\neth0,1500,0,192.168.69.1/24\n\nname,value\n\n")
}
