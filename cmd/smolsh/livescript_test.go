package main

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"smolsh/script"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
	"smolsh/stack/tcp"
)

// guarded collects the output of a session that runs on another goroutine.
type guarded struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *guarded) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *guarded) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// liveSession is a session whose hosts run by the wall clock: local and peer on a link. It has no device.
type liveSession struct {
	*script.Session
	runner   lab.Runner
	local    *lab.Host
	out, err guarded
	closed   bool
}

func newLive(t *testing.T) *liveSession {
	t.Helper()
	w := lab.NewWorld()
	l := lab.New(w, 1)
	var hosts []*lab.Host
	for _, c := range []struct{ name, addr string }{{"local", "192.168.69.1/24"}, {"peer", "192.168.69.100/24"}} {
		h, err := l.AddHost(lab.HostConfig{Name: c.name, Addrs: []netip.Prefix{netip.MustParsePrefix(c.addr)}})
		if err != nil {
			t.Fatal(err)
		}
		hosts = append(hosts, h)
	}
	if _, err := l.Link(hosts[0], hosts[1], lab.LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	if err := script.Peer(hosts[1]); err != nil {
		t.Fatal(err)
	}
	r, err := live.New(w)
	if err != nil {
		t.Fatal(err)
	}
	s := &liveSession{runner: r, local: hosts[0]}
	s.Session = script.New(script.Config{Runner: r, Lab: l, Local: hosts[0], Peer: hosts[1], Seed: 1, Stdout: &s.out, Stderr: &s.err})
	t.Cleanup(func() {
		if !s.closed {
			s.close(t)
		}
	})
	return s
}

func (s *liveSession) close(t *testing.T) {
	t.Helper()
	s.closed = true
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// statusOf returns the exit status for an error of a run.
func statusOf(err error) int {
	var exit *script.ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case err != nil:
		return -1
	}
	return 0
}

// TestLiveScript runs a script that could run on either clock: tasks, servers, timeouts, a fault decided by a function, and a
// virtual lab beside the live one.
func TestLiveScript(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
assert.eq(ping("192.168.69.100", count=2, interval="5ms").received, 2)

def upper(c):
    data = c.recv()
    while data:
        c.send(str(data).upper())
        data = c.recv()

server = serve("tcp", 80, upper)
def client(n):
    use(peer)
    c = tcp.connect("192.168.69.1:80")
    c.send("text %d" % n)
    got = c.recv_exactly(6)
    c.close()
    return got
tasks_ = [spawn(client, n) for n in range(10)]
assert.eq([t.join() for t in tasks_], [bytes("TEXT %d" % n) for n in range(10)])

c = tcp.connect("192.168.69.100:7")
start = now()
assert.fails(lambda: c.recv(timeout="20ms"), "timed out")
assert.true(now() - start >= 0.02)
t = spawn(c.recv)
sleep("1ms")
t.cancel()
assert.eq(catch(t.join).error, "canceled")
assert.eq(http.get("http://192.168.69.100:8000/").status, 200)

hits = []
def first(p):
    hits.append(p.len)
    return p.icmp != None and p.icmp.seq == 0
f = fault(ifaces()[0], dir="tx", match=first)
assert.eq(ping("192.168.69.100", count=2, interval="5ms", timeout="50ms").received, 1)
assert.eq(f.hits, 1)
f.off()

l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b, delay="400ms")
start = now()
assert.eq(a.ping("10.0.0.2", count=1, timeout="2s").received, 1)
assert.true(now() - start < 10)
l.run("1h")
assert.true(l.now() > 3600)
server.stop()
wait()
`)
	if err != nil {
		t.Errorf("%v\n%s%s", err, s.err.String(), s.out.String())
	}
	if got := s.err.String(); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

func TestLiveDeadlock(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
serve("tcp", 7, echo).stop()
def a():
    return b.join()
b = spawn(lambda: t.join())
t = spawn(a)
t.join()
`)
	if statusOf(err) != 1 || !strings.HasPrefix(s.err.String(), "deadlock: nothing left to happen\n") {
		t.Errorf("%v: %s", err, s.err.String())
	}
}

func TestLiveInterrupt(t *testing.T) {
	for _, src := range []string{"while True: pass", "sleep(3600)", "tcp.listen(80).accept()", `serve("tcp", 7, echo); wait()`} {
		s := newLive(t)
		timer := time.AfterFunc(20*time.Millisecond, s.Interrupt)
		if got := statusOf(s.RunSource("t", src)); got != 130 {
			t.Errorf("%s: exit status %d, want 130: %s", src, got, s.err.String())
		}
		timer.Stop()
	}
}

// TestLiveHangsUp ends a script while data is in flight and a connection is open: all data arrives, and the peer
// receives the FIN of both connections.
func TestLiveHangsUp(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
peer.serve("tcp", 80, discard)
c = tcp.connect("192.168.69.100:80", sndbuf=1000000)
d = tcp.connect("192.168.69.100:80")
c.send("x" * 800000)
c.close()
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	s.close(t)
	var read uint64
	s.runner.Do(func(now clock.Instant) {
		for _, i := range s.local.SocketInfos(now) {
			if i.TCP.State == tcp.Established || i.TCP.SendQ != 0 {
				t.Errorf("%v > %v is %v with %d octets to send", i.Local, i.Remote, i.TCP.State, i.TCP.SendQ)
			}
			read += i.TCP.BytesAcked
		}
	})
	if read < 800_000 {
		t.Errorf("%d octets arrived", read)
	}
}

// TestVirtualLabStandsStillInALiveShell makes servers and tasks wait in a virtual lab beside a live one. The virtual clock
// advances only while the main task waits in that lab, or for a task that does.
func TestVirtualLabStandsStillInALiveShell(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b, delay="20ms")
b.serve("tcp", 7, echo)
ticks = []
def tick():
    use(a)
    every("1s", lambda: ticks.append(now()))
spawn(tick)
p = spawn(a.ping, "10.0.0.2", count=1, timeout="3s")
c = []
spawn(lambda: c.append(a.tcp.connect("10.0.0.2:7")))
spawn(sleep, "20ms").join()        # of the live lab
assert.eq(l.now(), 0.0)
assert.eq((p.done, c), (False, []))

assert.eq(p.join().received, 1)    # the main task waits for one that waits in it
assert.true(0.04 <= l.now() and l.now() < 0.2, str(l.now()))
at = l.now()
spawn(sleep, "20ms").join()
assert.eq(l.now(), at)

spawn(tcp.listen(81).accept)       # waits in the live lab
d = a.tcp.connect("10.0.0.2:7")    # a call that waits in it
assert.true(l.now() > at)
at = l.now()
l.run("2s")
assert.eq((l.now(), len(ticks)), (at + 2, 2))
spawn(l.run, "1s")                 # says that it shall move
spawn(sleep, "20ms").join()
assert.eq((l.now(), len(ticks)), (at + 3, 3))
assert.fails(lambda: wait(timeout="20ms"), "timed out")
assert.true(l.now() > at + 10, "wait() waits for everyone")
`)
	if err != nil {
		t.Errorf("%v\n%s%s", err, s.err.String(), s.out.String())
	}
}

// TestSleepIsForVirtualLabsToo runs a script that sleeps and then checks a virtual lab of its own. The result is the same with a
// live lab as without one. A background task's sleep does not advance such labs.
func TestSleepIsForVirtualLabsToo(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b, delay="10ms")
b.serve("tcp", 7, discard)
c = a.tcp.connect("10.0.0.2:7")
c.close()
at, began = l.now(), now()
sleep("100ms")
assert.near(l.now() - at, 0.1, 1e-9)
assert.ge(now() - began, 0.1)
assert.eq(a.sockets()[0].state, "TIME-WAIT")

at = l.now()
t = spawn(lambda: [sleep("10ms") for i in range(3)])
t.join()
assert.eq(l.now(), at)

t = spawn(a.ping, "10.0.0.2", count=1)
sleep("50ms")
assert.eq(t.result.received, 1)
use(a)
at, began = l.now(), now()
sleep("1s")
assert.near(now() - began, 1, 1e-9)
assert.eq(now(), l.now())
`)
	if err != nil {
		t.Errorf("%v\n%s%s", err, s.err.String(), s.out.String())
	}
}
