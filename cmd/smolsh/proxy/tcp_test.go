package proxy

import (
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// TestLoss carries two megabytes in each direction over a link that loses 2 % of the frames: the octets are the same, and the stack has
// retransmitted.
func TestLoss(t *testing.T) {
	r := newRig(t, lab.LinkConfig{Loss: 0.02, Delay: time.Millisecond}, 0)
	at := r.carry("tcp", serve(t, echo))
	sent := make([]byte, 2<<20)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range sent {
		sent[i] = byte(random.Uint32())
	}
	c := dial(t, at)
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	got, err := io.ReadAll(c)
	if err != nil || sha256.Sum256(got) != sha256.Sum256(sent) {
		t.Errorf("%d octets of %d came back, %v; or they differ", len(got), len(sent), err)
	}
	for _, host := range []string{"local", "peer"} {
		if n := r.counter("smolsh_host_mib", `host="`+host+`"`, `"TcpRetransSegs"`); n == 0 {
			t.Errorf("%s has retransmitted nothing", host)
		}
		if n := r.counter("smolsh_link_dropped_frames_total", `from="`+host+`"`, `"fault loss"`); n == 0 {
			t.Errorf("no frame of %s was lost", host)
		}
	}
	for _, way := range []string{"sent", "received"} {
		if n := r.counter("smolsh_proxy_" + way + "_bytes_total"); n != float64(len(sent)) {
			t.Errorf("%s_bytes_total is %v, not %d", way, n, len(sent))
		}
	}
}

// TestHalfClose: the end of either direction leaves the other one open.
func TestHalfClose(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	server := r.carry("tcp", serve(t, func(c *net.TCPConn) { // the server's direction ends first
		_, _ = io.WriteString(c, "greeting")
		_ = c.CloseWrite()
		got, _ := io.ReadAll(c)
		if string(got) != "late" {
			t.Errorf("the server got %q", got)
		}
		c.Close()
	}))
	c := dial(t, server)
	if got, err := io.ReadAll(c); string(got) != "greeting" || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	time.Sleep(50 * time.Millisecond)
	if _, err := io.WriteString(c, "late"); err != nil {
		t.Error(err)
	}
	_ = c.CloseWrite()
	client := r.carry("tcp", serve(t, func(c *net.TCPConn) { // the client's direction ends first
		got, _ := io.ReadAll(c)
		time.Sleep(50 * time.Millisecond)
		_, _ = c.Write(append(got, " heard"...))
		c.Close()
	}))
	c = dial(t, client)
	_, _ = io.WriteString(c, "all")
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "all heard" || err != nil {
		t.Errorf("the client got %q, %v", got, err)
	}
	eventually(t, "end of both connections", func() bool { return r.counter("connections_open") == 0 })
	if n := r.counter("connection_resets_total"); n != 0 {
		t.Errorf("%v connections count as reset", n)
	}
}

// TestResetOfClient: a reset by the client reaches the target.
func TestResetOfClient(t *testing.T) {
	r := newRig(t, lab.LinkConfig{Delay: time.Millisecond}, 0)
	ended := make(chan error, 1)
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		defer c.Close()
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}))
	c := dial(t, at)
	_, _ = io.WriteString(c, "x")
	eventually(t, "octet", func() bool { return r.counter("sent_bytes_total") == 1 })
	_ = c.SetLinger(0)
	c.Close()
	select {
	case err := <-ended:
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the server's connection ended with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the server's connection goes on")
	}
	eventually(t, "count of resets", func() bool { return r.counter("connection_resets_total") == 1 })
}

// TestNoTarget: a client whose target is not there is reset, and the reason is said and counted.
func TestNoTarget(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := l.Addr().String()
	l.Close()
	c, err := net.Dial("tcp", r.carry("tcp", nobody)) // which may see the reset at once
	if err == nil {
		_, err = c.Read(make([]byte, 1))
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the connection ended with %v", err)
	}
	r.spoken("= " + nobody + ": the target can't be reached: connect: connection refused")
	if n := r.counter("connection_failures_total"); n != 1 {
		t.Errorf("%v failures are counted", n)
	}
}

// TestPortInUse: an address that another socket has is refused, and nothing is left.
func TestPortInUse(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	at := serve(t, echo)
	before := r.sockets()
	if err := r.p.Add(Route{"tcp", at, "127.0.0.1:1"}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Add returned %v", err)
	}
	if n := r.sockets(); n != before {
		t.Errorf("%d sockets, before %d", n, before)
	}
}

// TestThousandConnections opens and closes 1000 connections, 50 at a time. Afterwards there are as many goroutines, descriptors and
// sockets of the lab as before.
func TestThousandConnections(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	target := serve(t, echo)
	at := r.carry("tcp", target)
	speak := func() {
		c, err := net.Dial("tcp", at)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(30 * time.Second))
		got := make([]byte, 5)
		if _, err := io.WriteString(c, "hello"); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	}
	speak()
	eventually(t, "end of the first", func() bool { return r.counter("connections_open") == 0 })
	time.Sleep(50 * time.Millisecond)
	goroutines, files := runtime.NumGoroutine(), descriptors()
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			for range 20 {
				speak()
			}
		})
	}
	all.Wait()
	eventually(t, "return to the goroutines and descriptors of before", func() bool { return runtime.NumGoroutine() <= goroutines && descriptors() <= files })
	if n := r.counter("connections_total"); n != 1001 {
		t.Errorf("%v connections are counted", n)
	}
	eventually(t, "return to the lab's one listener, after TIME-WAIT", func() bool { return r.sockets() == 1 })
}

// TestBurst opens 1500 connections at once, more than may wait for peer's Accept, while nothing is accepted there. The queue of peer's
// listener does not overflow, and once peer accepts again, each connection is served.
func TestBurst(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	at := r.carry("tcp", serve(t, echo))
	slots := r.p.relays[1].slots
	for range cap(slots) {
		slots <- struct{}{}
	}
	var all sync.WaitGroup
	for range 1500 {
		all.Go(func() {
			c, err := net.Dial("tcp", at)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(60 * time.Second))
			_, _ = io.WriteString(c, "x")
			if n, err := c.Read(make([]byte, 1)); n != 1 {
				t.Error(err)
			}
		})
	}
	eventually(t, "burst", func() bool { return r.counter("connections_total") == 1500 && r.sockets() > 2*maxUnaccepted })
	time.Sleep(100 * time.Millisecond)
	if n := r.counter(`"TcpExtListenDrops"`) + r.counter(`"TcpExtListenOverflows"`); n != 0 {
		t.Errorf("peer's listener has refused %v connections", n)
	}
	for range cap(slots) {
		<-slots
	}
	all.Wait()
	eventually(t, "end of all", func() bool { return r.counter("connections_open") == 0 })
	if n := r.counter("connection_failures_total") + r.counter("connection_resets_total"); n != 0 {
		t.Errorf("%v failures and resets", n)
	}
}

// TestClose ends connections and listeners while octets are on the way.
func TestClose(t *testing.T) {
	before := runtime.NumGoroutine()
	r := newRig(t, lab.LinkConfig{Delay: time.Millisecond, Loss: 0.1}, 0)
	ended := make(chan struct{}, 1)
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		defer c.Close()
		for {
			if _, err := c.Write(make([]byte, 1<<16)); err != nil {
				ended <- struct{}{}
				return
			}
		}
	}))
	c := dial(t, at)
	if _, err := io.ReadFull(c, make([]byte, 1<<16)); err != nil {
		t.Fatal(err)
	}
	r.p.Close()
	if _, err := io.Copy(io.Discard, c); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client's connection ended with %v", err)
	}
	<-ended
	if _, err := net.Dial("tcp", at); err == nil {
		t.Error("the listener is still there")
	}
	_ = r.runner.Close()
	eventually(t, "return to the goroutines of before", func() bool { return runtime.NumGoroutine() <= before+1 }) // the server of the test
}
