package script

import (
	"errors"
	"os"
	"strings"
	"testing"

	"go.starlark.net/starlark"

	"smolsh/stack"
	"smolsh/stack/clock"
)

// breakAt makes a host panic on the nth packet that it receives from now on.
func (s *testSession) breakAt(h *hostValue, n int) {
	h.do(func(clock.Instant) {
		h.h.Observe(func(ev *stack.PacketEvent) {
			if ev.Dir == stack.RX {
				if n--; n == 0 {
					var none []int
					_ = none[7]
				}
			}
		})
	})
}

// TestHostPanics: a host that panics on a frame goes out of service. Calls on it return the reason, waits for it end,
// and its interfaces go down. The other hosts continue, and the frame is kept.
func TestHostPanics(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	s.cfg.Again = "smolsh --device sim x.star"
	peer := s.hostOf(s.cfg.Peer, s.local.lab, "peer")
	s.breakAt(peer, 4)
	err := s.RunSource("test.star", `
l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b)
waiting = peer.udp.bind(9)
reader = spawn(lambda: waiting.recv())
server = peer.serve("tcp", 99, lambda c: c.recv())
print(ping("192.168.69.100", count=4, interval="10ms", timeout="100ms").received)
print(catch(lambda: peer.ping("192.168.69.1")).error)
print(catch(reader.join).error)
print(catch(lambda: waiting.send("x", "192.168.69.1:9")).error)
print([i.state for i in peer.ifaces()], [i.state for i in local.ifaces()])
print(a.ping("10.0.0.2", count=1).received, ping("192.168.69.1", count=1).received)
server.wait()
`)
	if got := status(err); got != 1 {
		t.Errorf("exit status %d", got)
	}
	const why = `host peer is out of service: it panicked at 0.010100 s, when it received a frame on eth0`
	lines := strings.Split(s.out.String(), "\n")
	for i, want := range []string{"1", "ping: " + why, why, "udp_socket.send: " + why, `["DOWN"] ["UP"]`, "1 1"} {
		found := false
		for _, l := range lines {
			found = found || strings.HasSuffix(l, want) || l == want
		}
		if !found {
			t.Errorf("line %d: %q is nowhere in %q", i, want, lines)
		}
	}
	said := s.err.String()
	for _, want := range []string{
		"host peer is out of service, everything else goes on: it panicked at 0.010100 s, when it received a frame on eth0\n",
		"  panic: runtime error: index out of range [7] with length 0, in script.",
		"  the frame, 98 octets:\n00000000  02 00 00 00 00 64",
		"smolsh-panic-1.pcapng\n  to repeat the run: smolsh --device sim x.star\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("said %q, without %q", said, want)
		}
	}
	again := newSim(t, 1)
	if err := again.RunCommand(`p = read_capture("smolsh-panic-1.pcapng"); p[-1].summary(); p[-1].verdict; p[-1].dir`); err != nil {
		t.Error(again.err.String())
	}
	again.Flush()
	if got := again.out.String(); !strings.Contains(got, "echo request") || !strings.Contains(got, "panic: runtime error") || !strings.Contains(got, `"rx"`) {
		t.Errorf("the capture's last packet: %s", got)
	}
}

// TestBuiltinPanics: a panic in a builtin, in the attribute of a value or in a task's operation becomes an error of the
// script.
func TestBuiltinPanics(t *testing.T) {
	s := newSim(t, 1)
	s.reg.ByName["now"].Fn = func(*call) (v starlark.Value, err error) { panic("so") }
	if got := status(s.RunSource("test.star", "def f():\n    now()\nf()\n")); got != 1 {
		t.Errorf("exit status %d", got)
	}
	got := s.err.String()
	if !strings.HasPrefix(got, "now: panic: so, in script.TestBuiltinPanics.func1 (panic_test.go:") || !strings.Contains(got, "test.star:2:8: in f\n") {
		t.Errorf("said %q", got)
	}
	s = newSim(t, 1)
	s.globals["x"] = bomb{}
	for _, src := range []string{"x.y", "str(x)", "spawn(lambda: x.y).join()", `def g(c): x.y
serve("tcp", 5, g); peer.tcp.connect("192.168.69.1:5").recv()`} {
		s.err.b.Reset()
		if got := status(s.RunCommand(src)); got != 1 || !strings.Contains(s.err.String(), "panic: bomb") {
			t.Errorf("%s: exit status %d: %q", src, got, s.err.String())
		}
	}
	s.crashes.total = 0
	if err := s.RunCommand("ping('192.168.69.100', count=1).received"); err != nil {
		t.Error(s.err.String())
	}
}

// bomb is a value that panics when its attributes or its string are read.
type bomb struct{ starlark.NoneType }

func (bomb) Attr(string) (starlark.Value, error) { panic("bomb") }
func (bomb) AttrNames() []string                 { return nil }
func (bomb) String() string                      { panic("bomb") }

// TestPanicFailsTheTest: a panic makes a test fail, even if the test recovers from the panic.
func TestPanicFailsTheTest(t *testing.T) {
	dir := t.TempDir()
	file := dir + "/x.star"
	if err := os.WriteFile(file, []byte("def test_x(): catch(now)\ndef test_y(): ping('192.168.69.100', count=2, timeout='50ms')\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	s.reg.ByName["now"].Fn = func(*call) (v starlark.Value, err error) { panic(errors.New("so")) }
	if f := s.RunTest(file, "test_x", 0).Failure; f == nil || !strings.HasPrefix(f.Message, "now: panic: so, in script.") {
		t.Errorf("the failure is %v", f)
	}
	s = newSim(t, 1)
	s.breakAt(s.local, 1)
	if f := s.RunTest(file, "test_y", 0).Failure; f == nil || !strings.HasPrefix(f.Message, "host local: host local is out of service, everything else goes on: ") {
		t.Errorf("the failure is %v", f)
	}
	if got := s.err.String(); got != "" {
		t.Errorf("said %q", got)
	}
}
