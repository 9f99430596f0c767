package proxy

import (
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// heap returns the octets of live objects.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first empties pools
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestManyConnections opens and closes connections, 100 at a time: afterwards there are as many goroutines, descriptors and sockets of the lab
// as before, and the heap has not grown by what even a few connections hold. PROXY_CONNECTIONS is their number.
func TestManyConnections(t *testing.T) {
	number, _ := strconv.Atoi(os.Getenv("PROXY_CONNECTIONS"))
	number = max(number, 2000)
	r := newRig(t, lab.LinkConfig{}, 0)
	at := r.carry("tcp", serve(t, echo))
	round := func(connections int) {
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				for range connections / 100 {
					c, err := net.Dial("tcp", at)
					if err != nil {
						t.Error(err)
						return
					}
					_ = c.SetDeadline(time.Now().Add(30 * time.Second))
					_, _ = io.WriteString(c, "hello")
					got := make([]byte, 5)
					if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
						t.Errorf("%q, %v", got, err)
					}
					c.Close()
				}
			})
		}
		all.Wait()
		eventually(t, "end of TIME-WAIT", func() bool { return r.counter("connections_open") == 0 && r.sockets() == 1 })
	}
	round(1000) // tables and pools get their sizes
	time.Sleep(100 * time.Millisecond)
	goroutines, files, octets := runtime.NumGoroutine(), descriptors(), heap()
	round(number)
	eventually(t, "return to the goroutines and descriptors of before", func() bool { return runtime.NumGoroutine() <= goroutines && descriptors() <= files })
	after := heap()
	t.Logf("%d connections: goroutines %d, %d; descriptors %d, %d; heap %d, %d KiB", number, goroutines, runtime.NumGoroutine(), files, descriptors(),
		octets>>10, after>>10)
	if after > octets+1<<20 {
		t.Errorf("the heap was %d KiB and is %d KiB", octets>>10, after>>10)
	}
}

// TestSlowReader: a client that reads nothing stops a target that sends without end, and the octets between them are bounded.
func TestSlowReader(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	before := heap()
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		defer c.Close()
		buf := make([]byte, 1<<20)
		for range 1024 {
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}))
	c := dial(t, at)
	last, still := -1.0, 0
	eventually(t, "stop of the target", func() bool { // no octet for a quarter of a second
		n := r.counter(`"TcpInSegs"`)
		if still++; n != last {
			last, still = n, 0
		}
		return n > 0 && still > 25
	})
	if n := r.counter("received_bytes_total"); n > 64<<20 {
		t.Errorf("%v octets have passed to a client that reads nothing", n)
	}
	if got := heap(); got > before+32<<20 {
		t.Errorf("the heap has grown from %d to %d MiB", before>>20, got>>20)
	}
	c.Close()
	eventually(t, "end", func() bool { return r.counter("connections_open") == 0 })
}

// TestHalfNegotiated: 1000 clients that stop within a request leave room for others, and end with their connections.
func TestHalfNegotiated(t *testing.T) {
	r, at := negotiator(t)
	goroutines, files := runtime.NumGoroutine(), descriptors()
	requests := []string{"", "\x05", "\x05\x02\x00", "\x05\x01\x00\x05\x01\x00\x03\xffabc", "CONNECT 127.0", "CONNECT a:1 HTTP/1.1\r\nHost: "}
	var idle []net.Conn
	for i := range 1000 {
		c := dial(t, at)
		_, _ = io.WriteString(c, requests[i%len(requests)])
		idle = append(idle, c)
	}
	c := dial(t, at)
	_, _ = io.WriteString(c, "CONNECT "+serve(t, echo)+" HTTP/1.1\r\n\r\nhello")
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); !strings.HasSuffix(string(got), "\r\n\r\nhello") {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	for i, c := range idle {
		if i%2 == 0 {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
		c.Close()
	}
	eventually(t, "end of all", func() bool {
		return r.counter("connections_open") == 0 && runtime.NumGoroutine() <= goroutines+2 && descriptors() <= files+2 // the echo server's
	})
}

// TestResetAtEveryOctet resets after each octet of a negotiation and of what follows: nothing is left.
func TestResetAtEveryOctet(t *testing.T) {
	r, at := negotiator(t)
	target := serve(t, echo)
	_, port, _ := net.SplitHostPort(target)
	n, _ := strconv.Atoi(port)
	goroutines, files := runtime.NumGoroutine(), descriptors()
	for _, request := range []string{"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + string([]byte{byte(n >> 8), byte(n)}) + "x",
		"CONNECT " + target + " HTTP/1.1\r\n\r\nx"} {
		for i := range len(request) + 1 {
			for _, wait := range []time.Duration{0, 2 * time.Millisecond} {
				c := dial(t, at)
				_, _ = io.WriteString(c, request[:i])
				time.Sleep(wait)
				_ = c.SetLinger(0)
				c.Close()
			}
		}
	}
	eventually(t, "end of all", func() bool {
		return r.counter("connections_open") == 0 && r.sockets() == 1 && runtime.NumGoroutine() <= goroutines && descriptors() <= files
	})
}

// TestSlowOctets sends a negotiation octet by octet.
func TestSlowOctets(t *testing.T) {
	_, at := negotiator(t)
	target := serve(t, echo)
	c := dial(t, at)
	for _, b := range []byte("CONNECT " + target + " HTTP/1.1\r\nA: b\r\n\r\nhello") {
		_, _ = c.Write([]byte{b})
		time.Sleep(100 * time.Microsecond)
	}
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "HTTP/1.1 200 Connection established\r\n\r\nhello" {
		t.Errorf("%q, %v", got, err)
	}
}

// neverAccepts returns the address of a target whose backlog is full, and a function that closes its socket.
func neverAccepts(t *testing.T) (target string, stop func()) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return "127.0.0.1:" + strconv.Itoa(name.(*syscall.SockaddrInet4).Port), func() { syscall.Close(fd) }
}

// TestTargetNeverAccepts: connections to a target whose backlog is full wait, and Close ends them at once, though the kernel still dials.
func TestTargetNeverAccepts(t *testing.T) {
	target, stop := neverAccepts(t)
	defer stop()
	r := newRig(t, lab.LinkConfig{}, 0)
	goroutines, files := runtime.NumGoroutine(), descriptors()
	at := r.carry("tcp", target)
	var clients []net.Conn
	for range 50 {
		clients = append(clients, dial(t, at))
	}
	eventually(t, "carrying of all", func() bool { return r.counter("connections_open") == 50 && r.sockets() == 101 })
	for _, c := range clients[:25] { // these leave before the target answers
		_ = c.(*net.TCPConn).SetLinger(0)
		c.Close()
	}
	eventually(t, "end of those that left", func() bool { return r.counter("connections_open") <= 25 })
	r.p.Close()
	for _, c := range clients[25:] {
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a client's connection ended with %v", err)
		}
		c.Close()
	}
	eventually(t, "end of all", func() bool { return runtime.NumGoroutine() <= goroutines && descriptors() <= files })
}
