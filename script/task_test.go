package script

import (
	"strings"
	"testing"
	"time"
)

func TestTasksRunInTheOrderOfSpawning(t *testing.T) {
	want(t, `
def say(name):
    print(name, 1)
    sleep(0)
    print(name, 2)

spawn(say, "a")
spawn(say, "b")
print("main")
wait()
print("end")
`, "main\na 1\nb 1\na 2\nb 2\nend\n")
}

func TestSleepersWakeByTime(t *testing.T) {
	want(t, `
def nap(d):
    sleep(d)
    print(fmt(now(), 3), d)

for d in ["30ms", 0.01, time.parse_duration("20ms")]:
    spawn(nap, d)
wait()
`, "0.010 0.01\n0.020 20ms\n0.030 30ms\n")
}

func TestDeadlockSaysWhatEachTaskWaitsFor(t *testing.T) {
	fails(t, `l = tcp.listen(80)
t = spawn(l.accept)
t.join()
`, 1, `deadlock: nothing left to happen
  task 0 main waits for task 1 listener.accept
  task 1 listener.accept waits for a connection on *:80
  test.star:3:7: in <toplevel>
      t.join()
`)
}

func TestDeadlockSaysWhomServersServe(t *testing.T) {
	fails(t, `s = serve("tcp", 80, echo)
serve("udp", 81, discard)
c = [tcp.connect("192.168.69.1:80", local="192.168.69.1:%d" % (1000 + i)) for i in range(4)]
s.stop()
s.wait()
`, 1, `deadlock: nothing left to happen
  task 0 main waits for server tcp *:80
  server tcp *:80 serves 192.168.69.1:1000 192.168.69.1:1001 192.168.69.1:1002 and 1 more: until they close, or .abort() of its .connections
  server udp *:81 waits for clients, until its .stop()
  test.star:5:7: in <toplevel>
      s.wait()
`)
}

func TestDeadlockIsNotCaught(t *testing.T) {
	s := newSim(t, 1)
	if got := status(s.RunSource("t", `catch(tcp.listen(80).accept); print("unreached")`)); got != 1 {
		t.Errorf("exit status %d", got)
	}
	if strings.Contains(s.out.String(), "unreached") {
		t.Error("the script went on after the deadlock")
	}
}

func TestCancelEndsWaitingAndIsNotCaught(t *testing.T) {
	want(t, `
def forever():
    catch(sleep, 3600)
    print("unreached")

t = spawn(forever)
sleep(1)
t.cancel()
print(catch(t.join).error, t.done, now())
`, "canceled True 1.0\n")
}

func TestCancelEndsAConnect(t *testing.T) {
	want(t, `
t = spawn(tcp.connect, "192.168.69.9:80")
sleep("10ms")
t.cancel()
sleep("10ms")
print(t.error, len(sockets()))
`, "canceled 0\n")
}

func TestTimeoutOfAWait(t *testing.T) {
	want(t, `
c = tcp.connect("192.168.69.100:7")
start = now()
print(catch(c.recv, timeout="250ms").error, fmt(now() - start, 3))
print(catch(tcp.connect, "192.168.69.9:80", timeout=0.5).error)
print(catch(spawn(sleep, 9).join, timeout=1).error)
c.send("x")
print(c.recv(timeout=1))
`, "tcp 192.168.69.100:7: timed out 0.250\ntcp 192.168.69.9:80: timed out\ntask.join task 1 sleep: timed out\nx\n")
}

func TestErrorInATaskIsPrintedOnceAndKept(t *testing.T) {
	s := newSim(t, 1)
	err := s.RunSource("test.star", `def bad():
    fail("oh")
t = spawn(bad)
sleep(1)
print(t.error)
`)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.out.String(); got != "fail: oh\n" {
		t.Errorf("printed %q", got)
	}
	if got, want := s.err.String(), "task 1 (bad): fail: oh\n  test.star:2:9: in bad\n      fail(\"oh\")\n"; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
}

func TestJoinRaisesWithoutPrinting(t *testing.T) {
	want(t, `
def bad():
    fail("oh")
print(catch(spawn(bad).join).error)
`, "fail: oh\n")
}

func TestEveryAndAfter(t *testing.T) {
	want(t, `
t = every("10ms", lambda: print("tick", fmt(now(), 2)))
after("35ms", t.cancel).join()
`, "tick 0.01\ntick 0.02\ntick 0.03\n")
}

func TestExitFromATask(t *testing.T) {
	fails(t, `
spawn(exit, 7)
sleep(10)
print("unreached")
`, 7, "")
}

func TestExitIsNotCaught(t *testing.T) { fails(t, `catch(exit, 3)`, 3, "") }

func TestInterruptEndsComputingAndWaiting(t *testing.T) {
	for _, src := range []string{"while True: pass", "while True: sleep(0.001)", "while True: catch(sleep, 1)"} {
		s := newSim(t, 1)
		timer := time.AfterFunc(20*time.Millisecond, s.Interrupt)
		if got := status(s.RunSource("t", src)); got != 130 {
			t.Errorf("%s: exit status %d, want 130: %s", src, got, s.err.String())
		}
		timer.Stop()
		if got := s.err.String(); got != "" {
			t.Errorf("%s: said %q", src, got)
		}
	}
}

func TestSessionGoesOnAfterAnInterrupt(t *testing.T) {
	s := newSim(t, 1)
	time.AfterFunc(10*time.Millisecond, s.Interrupt)
	if got := status(s.Typed("while True: sleep(1)")); got != 130 {
		t.Fatalf("exit status %d", got)
	}
	if err := s.Typed(`ping("192.168.69.100", count=1).received`); err != nil {
		t.Fatal(err)
	}
	if got := s.out.String(); !strings.HasSuffix(got, "\n1\n") {
		t.Errorf("printed %q", got)
	}
}

func TestScriptEndsWithItsLastLine(t *testing.T) {
	want(t, `
serve("tcp", 7, echo)
serve("tcp", 8, lambda c: None)
spawn(sleep, 3600)
print("done")
`, "done\n")
}

// TestHandlerErrors has handlers that fail. The server prints each kind of error, keeps it, and continues.
func TestHandlerErrors(t *testing.T) {
	s := newSim(t, 1)
	err := s.RunSource("test.star", `def bad(c):
    fail("oops")
s = serve("tcp", 2000, bad)
for n in range(2):
    c = peer.tcp.connect("192.168.69.1:2000")
    assert.fails(c.recv, "connection reset")
assert.eq((s.error, len(s.connections)), ("fail: oops", 0))
replies = [1, "fine"]
u = serve("udp", 2000, lambda data, src: replies.pop(0))
c = peer.udp.connect("192.168.69.1:2000")
c.send("x")
assert.fails(lambda: c.recv(timeout="1s"), "timed out")
assert.eq(u.error, "the handler's reply is str, bytes or None, got int")
c.send("x")
assert.eq(c.recv().data, "fine")
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	said := s.err.String()
	for what, n := range map[string]int{
		"fail: oops\n  test.star:2:9: in bad\n      fail(\"oops\")\n": 1, "server udp *:2000: the handler's reply is str, bytes or None, got int\n": 1,
	} {
		if got := strings.Count(said, what); got != n {
			t.Errorf("%q is said %d times, want %d:\n%s", what, got, n, said)
		}
	}
}

func TestUseIsPerTask(t *testing.T) {
	want(t, `
use(peer)
def other():
    use(local)
    return ifaces()[0].addresses[0]
def same():
    return ifaces()[0].addresses[0]
print(spawn(same).join(), spawn(other).join(), same())
`, "192.168.69.100/24 192.168.69.1/24 192.168.69.100/24\n")
}

func TestTaskTable(t *testing.T) {
	want(t, `
spawn(sleep, 5)
sleep(1)
print(tasks())
`, "ID  NAME   STATE    WAITING-FOR\n 0  main   running\n 1  sleep  waiting  sleep\n")
}

func TestAnInterruptAtThePromptLeavesOtherTasksAlone(t *testing.T) {
	s := newSim(t, 1)
	s.tasks.Foreground = true
	if err := s.Typed(`t = spawn(sleep, 3600)`); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, s.Interrupt)
	if got := status(s.Typed("while True: sleep(0.001)")); got != 130 {
		t.Fatalf("exit status %d", got)
	}
	if err := s.Typed(`assert.true(not t.done or t.error == None)`); err != nil {
		t.Error(s.err.String())
	}
}

// TestTraceLast prints packets that passed before the call: the last ones, of one protocol, in the form that a trace
// prints.
func TestTraceLast(t *testing.T) {
	want(t, `
u = udp.connect("192.168.69.100:7")
for n in range(1100):
    u.send("x" * (n % 1400))
    u.recv()
peer.udp.connect("192.168.69.1:9").send("")
sleep("1s")
trace("udp and dst port 7", last=2)
trace("icmp", last=1000)
`, `0.219700 eth0  > 192.168.69.1.54970 > 192.168.69.100.7: udp 1098
0.219900 eth0  > 192.168.69.1.54970 > 192.168.69.100.7: udp 1099
0.220200 eth0  > 192.168.69.1 > 192.168.69.100: icmp port unreachable (192.168.69.100.63927 > 192.168.69.1.9: udp 0)
`)
}
