package script

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"smolsh/stack/lab"
	"smolsh/stack/lab/live"
)

// newLive is a session whose hosts run by the wall clock: local and peer on a link, no device.
func newLive(t *testing.T) *testSession {
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
	if err := Peer(hosts[1]); err != nil {
		t.Fatal(err)
	}
	r, err := live.New(w)
	if err != nil {
		t.Fatal(err)
	}
	s := &testSession{}
	s.Session = New(Config{Runner: r, Lab: l, Local: hosts[0], Peer: hosts[1], Seed: 1, Stdout: &s.out, Stderr: &s.err})
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// TestLiveScript is a script that could run on either clock: tasks, servers, timeouts, a fault that a
// function judges, and a virtual lab beside the live one.
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
def a():
    return b.join()
b = spawn(lambda: t.join())
t = spawn(a)
t.join()
`)
	if status(err) != 1 || !strings.HasPrefix(s.err.String(), "deadlock: nothing left to happen\n") {
		t.Errorf("%v: %s", err, s.err.String())
	}
}

func TestLiveInterrupt(t *testing.T) {
	for _, src := range []string{"while True: pass", "sleep(3600)", "tcp.listen(80).accept()", `serve("tcp", 7, echo); wait()`} {
		s := newLive(t)
		timer := time.AfterFunc(20*time.Millisecond, s.Interrupt)
		if got := status(s.RunSource("t", src)); got != 130 {
			t.Errorf("%s: exit status %d, want 130: %s", src, got, s.err.String())
		}
		timer.Stop()
	}
}

// TestLiveHangsUp ends a script with data on its way and a connection open: all arrives, and the peer
// sees the end of both.
func TestLiveHangsUp(t *testing.T) {
	s := newLive(t)
	err := s.RunSource("live.star", `
seen = []
l = peer.tcp.listen(80)
c = tcp.connect("192.168.69.100:80", sndbuf=1000000)
d = tcp.connect("192.168.69.100:80")
c.send("x" * 800000)
c.close()
e, f = l.accept(), l.accept()
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	s.hangUp()
	if err := s.RunSource("after.star", `
for s in peer.sockets().where(netid="tcp"):
    assert.true(s.state not in ["ESTABLISHED"], str(peer.sockets()))
`); err != nil {
		t.Error(s.err.String())
	}
}
