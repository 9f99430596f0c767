package proxy

import (
	"bytes"
	"net"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// echoUDP sends each datagram back, and returns its address.
func echoUDP(t *testing.T) string {
	t.Helper()
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	go func() {
		buf := make([]byte, maxDatagram)
		for {
			n, from, err := u.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = u.WriteToUDPAddrPort(buf[:n], from)
		}
	}()
	return u.LocalAddr().String()
}

func dialUDP(t *testing.T, at string) net.Conn {
	t.Helper()
	c, err := net.Dial("udp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	return c
}

// TestUDP carries datagrams of every size, an empty one included, from several senders. Flows end when they are idle, and leave nothing.
func TestUDP(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 200*time.Millisecond)
	at := r.carry("udp", echoUDP(t))
	time.Sleep(20 * time.Millisecond)
	goroutines, files, sockets := runtime.NumGoroutine(), descriptors(), r.sockets()
	for i := range 3 {
		c := dialUDP(t, at)
		for _, size := range []int{0, 1, 1472, 1473, 9000} {
			sent := bytes.Repeat([]byte{byte('a' + i)}, size)
			if _, err := c.Write(sent); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, maxDatagram)
			n, err := c.Read(got)
			if err != nil || !bytes.Equal(got[:n], sent) {
				t.Errorf("sender %d, %d octets: %d came back, %v", i, size, n, err)
			}
		}
		c.Close()
	}
	if n := r.counter("connections_total", `"udp"`); n != 3 {
		t.Errorf("%v flows are counted", n)
	}
	eventually(t, "end of the flows", func() bool {
		return r.counter("connections_open") == 0 && runtime.NumGoroutine() <= goroutines && descriptors() <= files && r.sockets() == sockets
	})
}

// TestUDPFlows: a sender more than MaxFlows ends the flow that was idle for longest, and is served.
func TestUDPFlows(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	at := r.carry("udp", echoUDP(t))
	for i := range MaxFlows + 8 {
		c := dialUDP(t, at)
		_, _ = c.Write([]byte("x"))
		if n, err := c.Read(make([]byte, 9)); n != 1 {
			t.Fatalf("sender %d: %v", i, err)
		}
	}
	eventually(t, "bound of the flows", func() bool { return r.counter("connections_open") == MaxFlows })
}

// TestManySources sends from many source ports (PROXY_SOURCES is their number): the flows, goroutines and memory are bounded, and a flow that is
// used stays, with the same socket at the target.
func TestManySources(t *testing.T) {
	number, _ := strconv.Atoi(os.Getenv("PROXY_SOURCES"))
	number = max(number, 5000)
	r := newRig(t, lab.LinkConfig{}, 0)
	target, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	go func() { // answers with the sender's address
		buf := make([]byte, maxDatagram)
		for {
			_, from, err := target.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			_, _ = target.WriteToUDPAddrPort([]byte(from.String()), from)
		}
	}()
	before, goroutines := heap(), runtime.NumGoroutine()
	at := r.carry("udp", target.LocalAddr().String())
	ask := func(c net.Conn) string {
		_, _ = c.Write([]byte("x"))
		got := make([]byte, 64)
		n, err := c.Read(got)
		if err != nil {
			t.Fatal(err)
		}
		return string(got[:n])
	}
	used := dialUDP(t, at)
	socket := ask(used)
	for i := range number {
		c, err := net.Dial("udp", at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if i%200 == 0 { // the proxy keeps up, so that no queue overflows
			_ = c.SetDeadline(time.Now().Add(20 * time.Second))
			ask(c)
			if again := ask(used); again != socket {
				t.Fatalf("after %d sources the flow has the socket %s, not %s", i, again, socket)
			}
		}
		c.Close()
	}
	eventually(t, "bound of the flows and goroutines", func() bool {
		return r.counter("connections_open") == MaxFlows && runtime.NumGoroutine() <= goroutines+2*MaxFlows+8
	})
	after := heap()
	t.Logf("%d sources: %v flows, %d goroutines, heap %d and %d MiB", number, r.counter("connections_total"), runtime.NumGoroutine(), before>>20, after>>20)
	if after > before+144<<20 { // two buffers for each flow
		t.Errorf("the heap was %d MiB and is %d MiB", before>>20, after>>20)
	}
}

// TestUDPNoTarget: a closed port is counted, and the route goes on.
func TestUDPNoTarget(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	nobody := u.LocalAddr().String()
	u.Close()
	c := dialUDP(t, r.carry("udp", nobody))
	_, _ = c.Write([]byte("x"))
	r.spoken("connection refused")
	if n := r.counter("failed_datagrams_total"); n == 0 {
		t.Error("nothing is counted")
	}
}

// TestUDPAnswersKeepFlow: a flow that only receives is not idle.
func TestUDPAnswersKeepFlow(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 300*time.Millisecond)
	target, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	c := dialUDP(t, r.carry("udp", target.LocalAddr().String()))
	_, _ = c.Write([]byte("x"))
	_, from, err := target.ReadFromUDPAddrPort(make([]byte, 9))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		time.Sleep(100 * time.Millisecond)
		_, _ = target.WriteToUDPAddrPort([]byte("y"), from)
		if _, err := c.Read(make([]byte, 9)); err != nil {
			t.Fatalf("answer %d: %v", i, err)
		}
	}
}
