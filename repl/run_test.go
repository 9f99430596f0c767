package repl

import (
	"bytes"
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// starts types a line and waits until the shell has read it and the terminal sends signals again.
func (x *terminal) starts(keys string) {
	x.t.Helper()
	x.mu.Lock()
	n := bytes.Count(x.bytes, []byte(pasteOff))
	x.mu.Unlock()
	x.keys(keys)
	x.waitFor("the line to be read", func(string) bool { return bytes.Count(x.bytes, []byte(pasteOff)) > n })
}

// TestInterrupt: Ctrl-C ends waits, loops and commands, and nothing else.
func TestInterrupt(t *testing.T) {
	x := start(t, "live", 80)
	x.line("n = [0]")
	x.line("def count(): n[0] += 1" + enter)
	x.line("ticking = every('5ms', count)")
	x.line(`s = serve("tcp", 7, echo)`)
	x.line(`l = tcp.listen(80)`)
	for _, line := range []string{
		"sleep(3600)", "l.accept()", `ping("192.168.69.100", count=60000, interval="1ms")`, "ticking.join()",
		"[1 for _ in range(1 << 40) if False]", "wait()", `catch(sleep, 3600)`,
	} {
		x.clear()
		x.keys("running = 1", enter)
		x.shows("\nlive>")
		x.starts(line + enter)
		x.keys(ctrlC)
		// Earlier output may follow the ^C on the screen.
		x.waitFor("the prompt after "+line, func(s string) bool { return strings.Contains(s, "^C") && strings.HasSuffix(s, "\nlive>") })
	}
	x.clear()
	x.keys("!echo started; exec sleep 3600", enter)
	x.has("\nstarted\n")
	x.keys(ctrlC)
	x.shows("^C\nlive>")
	for range 10 { // when the line has been read, the process may not exist yet
		x.clear()
		x.keys("running = 1", enter)
		x.shows("\nlive>")
		x.starts("!exec sleep 3600" + enter)
		x.keys(ctrlC)
		x.shows("^C\nlive>")
	}
	x.clear()
	x.starts("while True: pass" + enter)
	x.starts(enter)
	x.keys(ctrlC)
	x.shows("^C\nlive>")
	before := x.line("n[0]")
	x.line(`sleep("50ms")`)
	if after := x.line("n[0]"); after == before {
		t.Errorf("the task stands still at %s", after)
	}
	x.line(`c = tcp.connect("192.168.69.100:7")`)
	x.line(`c.send("hi")`)
	if got := x.line("c.recv()"); got != "b\"hi\"\n" {
		t.Errorf("the stack answers %q", got)
	}
	x.keys(ctrlD)
	x.exits(0)
}

// TestInterruptKeeps: Ctrl-C ends sniff(), ping() and tcpdump(), which return or print their results so far, below the ^C, and the
// statement continues.
func TestInterruptKeeps(t *testing.T) {
	x := start(t, "live", 80)
	x.line(`background = every("2ms", lambda: 0)`)
	x.line(`def begin(): spawn(print, "begun")` + enter) // printed when the statement waits
	for _, c := range []struct{ line, want string }{
		{`begin(); p = sniff("icmp"); print(len(p), "kept")`, "^C\n0 kept\nlive>"},
		{`begin(); tcpdump("port 9"); print("kept")`, "^C\n0 packets\nkept\nlive>"},
		{`begin(); p = ping("192.168.69.9", timeout=100); print(p.sent, "kept")`, "^C\n1 sent, 0 received, 100% lost\n1 kept\nlive>"},
		{`begin(); p = [tcpdump("port 9") for _ in range(3)]; print("kept")`, "^C\n0 packets\n^C\n0 packets\nlive>"},
	} {
		x.clear()
		x.keys("running = 1", enter)
		x.shows("\nlive>")
		x.starts(c.line + enter)
		x.has("\nbegun\n")
		x.keys(ctrlC)
		if strings.Count(c.want, "^C") == 2 {
			x.has("^C\n0 packets\n")
			x.keys(ctrlC)
		}
		x.shows(c.want)
	}
	x.what("background.done", "False\n")
}

// TestWatch shows a table with more rows than the screen has: it is cut, and redrawn in place.
func TestWatch(t *testing.T) {
	x := startSized(t, "live", 60, 10)
	x.line("n = [0]")
	x.line("def next():" + enter + "  n[0] += 1" + enter +
		`  return "\n".join(["row %d of %d" % (i, n[0]) for i in range(5 if n[0] > 3 else 30)])` + enter)
	x.clear()
	x.keys(`watch(next, every="20ms", count=3)`, enter)
	x.waitFor("the last screen", func(s string) bool { return strings.Contains(s, "row 0 of 3") && strings.HasSuffix(s, "\nlive>") })
	var want strings.Builder
	want.WriteString("live> watch(next, every=\"20ms\", count=3)\n")
	for i := range 8 {
		fmt.Fprintf(&want, "row %d of 3\n", i)
	}
	x.mu.Lock()
	if got := x.screen.text(); got != want.String()+"… 22 more rows\nlive>" {
		t.Errorf("the screen shows\n%s", got)
	}
	x.mu.Unlock()
	x.clear()
	x.keys(`watch(next, every="20ms", count=2)`, enter)
	x.shows("row 3 of 5\nrow 4 of 5\nlive>")
	if got := x.line("x = 1"); got != "" {
		t.Errorf("printed %q", got)
	}
	if strings.Contains(x.screen.text(), "row 3 of 4") {
		t.Error("what is shorter leaves something behind")
	}
	x.keys(ctrlD)
	x.exits(0)
}

// TestEvents prints while a line is typed: the output appears above the line, in whole lines, and the line stays.
func TestEvents(t *testing.T) {
	x := start(t, "live", 80)
	x.line(`go = [False]`)
	x.line(`def tick():` + enter + `  if go[0]: print("tick"); go[0] = False` + enter)
	x.line(`t = every("1ms", tick)`)
	x.line(`u = after("1ms", lambda: 1 // 0)`)
	x.has("\n  <stdin>:1:")
	x.clear()
	x.keys(`go[0] = True`, enter)
	x.has("tick\nlive>")
	x.line(`def burst():` + enter + `  for i in range(500): print("line %d" % i)` + enter)
	x.clear()
	x.keys(`t = after("100ms", burst)`, enter)
	x.keys(`half = "typ`)
	held := regexp.MustCompile(`line (\d+)\n… (\d+) more lines in the last second\nlive> half = "typ(ed")?$`)
	x.has("line 10\n")
	x.keys(`ed"`, left)
	x.waitFor("what was held back", held.MatchString)
	x.mu.Lock()
	m := held.FindStringSubmatch(x.screen.text())
	x.mu.Unlock()
	last, _ := strconv.Atoi(m[1])
	if more, _ := strconv.Atoi(m[2]); last+1+more != 500 || last >= perWindow {
		t.Errorf("%d of 500 lines were shown, %d held back", last+1, more)
	}
	x.keys(right, enter)
	x.shows("typed\"\nlive>")
	if got := x.line("half"); got != "\"typed\"\n" {
		t.Errorf("the line was %q", got)
	}
	x.clear()
	x.line("trace()")
	x.line(`p = after("50ms", lambda: ping("192.168.69.100", count=60, interval=0.0001))`)
	x.keys("more typed")
	x.waitFor("what was held back", func(s string) bool {
		return regexp.MustCompile(`\n\d+\.\d+ … \d+ more in the last second: trace\(last=200\)\nlive> more typed$`).MatchString(s)
	})
}

// TestPrompt tests the shell's own commands.
func TestPrompt(t *testing.T) {
	x := start(t, "virtual", 80)
	x.what("None", "")
	x.what("6 * 7", "42\n")
	x.what("_ + 1", "43\n")
	x.what("!printf 'no line end'", "no line end\n")
	x.what("!exit 3", "status 3\n")
	x.what("!printf 'no line end'; false", "no line end\nstatus 1\n")
	x.what("!false &", "")
	if got, want := x.line("ping?"), x.line("help(ping)"); got != want || !strings.HasPrefix(got, "ping(host, ") {
		t.Errorf("ping? says %q", got)
	}
	if got, want := x.line("?conn.send"), x.line(`help("conn.send")`); got != want {
		t.Errorf("?conn.send says %q", got)
	}
	if got := x.line("?"); strings.Count(got, "\n") > 22 || !strings.Contains(got, "tcp.connect") {
		t.Errorf("the overview: %s", got)
	}
	x.what(`pign("1.2.3.4")`, "undefined: pign (did you mean ping?)\n  <stdin>:1:1\n")
	x.keys("use(peer)", enter)
	x.shows("virtual peer>")
	x.prompt = "virtual peer> "
	if got := x.line("ifaces()[0].addresses"); got != "[\"192.168.69.100/24\"]\n" {
		t.Errorf("the peer has %s", got)
	}
	dir := t.TempDir()
	x.line(`save("` + dir + `/s.star")`)
	if got := x.line("!cat " + dir + "/s.star"); !strings.HasPrefix(got, "None\n_ = 6 * 7\n_ = _ + 1\n# not repeated: a script runs a command by sh(…)\n# !printf 'no line end'\n") ||
		!strings.Contains(got, "\n# failed: undefined: pign\n# pign(\"1.2.3.4\")\nuse(peer)\n") {
		t.Errorf("saved: %s", got)
	}
	x.line("!printf 'y = 3\\ndef f(): return y' >" + dir + "/r.star")
	x.line(`run("` + dir + `/r.star")`)
	x.what("f() + y", "6\n")
	x.line("!sed -i s/3/4/ " + dir + "/r.star")
	x.line("reload()")
	x.what("f() + y", "8\n")
	if got := x.line("timeit(lambda: 1, count=3)"); !strings.HasPrefix(got, "3 calls, ") {
		t.Errorf("timeit: %s", got)
	}
}

// TestChangeFolder: !cd changes the folder for later commands and for files, or says why it does not.
func TestChangeFolder(t *testing.T) {
	x := start(t, "virtual", 80)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	x.what("!cd '"+dir+"'", "")
	x.what("!mkdir 'a b'; echo 'print(\"here\")' >'a b/x.star'", "")
	x.what(`!cd "a b"`, "")
	x.what(`run("x.star")`, "here\n")
	x.what("!cd ..", "")
	x.what("!echo *", "a b\n")
	x.what("!cd -", "")
	x.what("!ls", "x.star\n")
	x.what("!cd", "")
	x.what(`!test "$PWD" = "$HOME" && echo home`, "home\n")
	if got := x.line("!cd none"); !strings.HasPrefix(got, "cd: ") || !strings.Contains(got, "none") || !strings.Contains(got, "\nstatus ") {
		t.Errorf("said %q", got)
	}
	x.what(`!cd / && test "$PWD" = / && echo root`, "root\n")
	x.what(`!test "$PWD" = "$HOME" && echo home`, "home\n")
}

// TestColour: there is no colour where it is not allowed, and no escape code on a terminal without them.
func TestColour(t *testing.T) {
	session := func(env ...string) []byte {
		x := start(t, "virtual", 80, env...)
		x.line("1 // 0")
		x.line("ifaces()")
		x.keys("exit()", enter)
		x.exits(0)
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.bytes
	}
	colours := regexp.MustCompile("\x1b\\[[0-9;]*m")
	if b := session(); len(colours.FindAll(b, -1)) < 4 {
		t.Error("no colours on a terminal")
	}
	if m := colours.FindAll(session("NO_COLOR=1"), -1); m != nil {
		t.Errorf("colours with NO_COLOR: %q", m)
	}
	if b := session("TERM=dumb"); bytes.ContainsAny(b, "\x1b\b\a") {
		t.Errorf("codes for a dumb terminal: %q", b)
	}
}

// TestPanic has a host panic while the shell runs: the shell prints it, and the shell, the terminal and the other host continue.
// So does the shell after a panic of its own.
func TestPanic(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, kind := range []string{"live", "virtual"} {
		x := start(t, kind, 120, "SMOLSH_TEST_PANIC=1")
		got := x.line(`ping("192.168.69.100", count=1, timeout="50ms").received`)
		for _, want := range []string{"host peer is out of service, everything else goes on: it panicked at", "panic: enough, in repl.testShell."} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: printed %q, without %q", kind, got, want)
			}
		}
		x.what("1 + 1", "2\n")
		x.what(`catch(lambda: peer.ping("192.168.69.1")).error[:40]`, "\"ping: host peer is out of service: it pa\"\n")
		x.line(`ok = ping("192.168.69.1", count=1).received`)
		x.what("ok", "1\n")
		x.keys(ctrlD)
		x.exits(0)
	}
}

func TestRescue(t *testing.T) {
	var said strings.Builder
	sh := &Shell{screen: &screen{w: &said, wake: func() {}}}
	for range maxRescued + 5 {
		func() {
			defer sh.rescue("completion")
			panic("so")
		}()
	}
	if got := strings.Count(said.String(), "completion: panic: so, in repl.TestRescue.func2 "); got != maxRescued {
		t.Errorf("said %d times: %s", got, said.String())
	}
}
