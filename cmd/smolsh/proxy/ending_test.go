package proxy

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// text is more than the link of slowLink carries in a second.
var text = bytes.Repeat([]byte("0123456789abcdef"), 20<<10)

var slowLink = lab.LinkConfig{Delay: 20 * time.Millisecond, RateBps: 2e6}

// handed waits until the proxy's end of a connection has acknowledged all octets that were written to c.
func handed(c *net.TCPConn) {
	for limit := time.Now().Add(10 * time.Second); queued(c) > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
}

// wholeAfterReset checks that a client of route at receives the text and then the reset, and that the text was on its way when the target sent
// the reset.
func wholeAfterReset(t *testing.T, at string, early <-chan float64) {
	t.Helper()
	got, err := io.ReadAll(dial(t, at))
	if !bytes.Equal(got, text) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%d octets of %d, then %v", len(got), len(text), err)
	}
	if n := <-early; n >= float64(len(text)) {
		t.Errorf("the reset came after %v octets had passed, so it shows nothing", n)
	}
}

// writeOn writes until that fails. Either a Read or a Write returns a reset, and after a FIN that Write returns EPIPE.
func writeOn(c *net.TCPConn) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		for {
			if _, err := c.Write(make([]byte, 1<<10)); err != nil {
				ended <- err
				return
			}
		}
	}()
	return ended
}

// TestResetAfterData: what the target sent before its reset arrives, though the link is slow, and then the reset does.
func TestResetAfterData(t *testing.T) {
	r := newRig(t, slowLink, 0)
	early := make(chan float64, 1)
	wholeAfterReset(t, r.carry("tcp", serve(t, func(c *net.TCPConn) {
		_, _ = c.Write(text)
		handed(c)                          // the kernel's reset would drop the queued octets
		time.Sleep(100 * time.Millisecond) // the proxy has read them
		early <- r.counter("received_bytes_total")
		_ = c.SetLinger(0)
		c.Close()
	})), early)
}

// TestEarlyAnswer: a server that answers and closes while the client still sends is heard, as without a proxy. The end of the server is found by
// the direction to the server, and the answer has not been read then.
func TestEarlyAnswer(t *testing.T) {
	r := newRig(t, slowLink, 0)
	early := make(chan float64, 1)
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		_ = c.SetReadBuffer(4096)
		_, _ = c.Write(text)
		handed(c)
		time.Sleep(50 * time.Millisecond)
		early <- r.counter("received_bytes_total")
		c.Close() // resets, because octets are unread
	}))
	c := dial(t, at)
	wrote := writeOn(c)
	var got bytes.Buffer
	_, err := io.Copy(&got, c)
	err = errors.Join(err, <-wrote)
	if !bytes.Equal(got.Bytes(), text) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the client got %d octets of %d, then %v", got.Len(), len(text), err)
	}
	if n := <-early; n >= float64(len(text)) {
		t.Errorf("the reset came after %v octets had passed, so it shows nothing", n)
	}
}

// TestCloseWhileDraining: Close does not wait for octets that can't arrive.
func TestCloseWhileDraining(t *testing.T) {
	r := newRig(t, lab.LinkConfig{Delay: time.Millisecond}, 0)
	sent := make(chan struct{})
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		_, _ = c.Read(make([]byte, 1))
		r.runner.Do(func(clock.Instant) { r.link.SetUp(false) })
		_, _ = c.Write([]byte("lost"))
		handed(c)
		time.Sleep(100 * time.Millisecond)
		_ = c.SetLinger(0)
		c.Close()
		time.Sleep(200 * time.Millisecond)
		close(sent)
	}))
	c := dial(t, at)
	_, _ = io.WriteString(c, "x")
	<-sent
	begun := time.Now()
	r.p.Close()
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("Close took %v", took)
	}
}

// TestCutStream: a client that writes when the target is reset does not take the end of what it reads for the whole.
func TestCutStream(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) {
		_, _ = c.Write(text[:1000])
		_, _ = c.Read(make([]byte, 1))
		handed(c)
		_ = c.SetLinger(0)
		c.Close()
	}))
	for range 100 {
		c := dial(t, at)
		wrote := writeOn(c)
		n, err := io.Copy(io.Discard, c)
		if err = errors.Join(err, <-wrote); !errors.Is(err, syscall.ECONNRESET) {
			t.Fatalf("after %d octets the client's connection ended with %v, and no reset", n, err)
		}
		c.Close()
	}
}

// carried returns the number of the proxy's connections.
func (r *rig) carried() (n int) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for s := range r.p.sockets {
		if _, ok := s.(*watched); ok {
			n++
		}
	}
	return n
}

// over waits until the proxy carries nothing.
func (r *rig) over() {
	r.t.Helper()
	eventually(r.t, "end of all connections", func() bool {
		return r.carried() == 0 && r.counter("connections_open") == 0
	})
}

// TestResetAfterHalfClose: a reset by either end reaches the other one, though nobody reads the connection after its FIN.
func TestResetAfterHalfClose(t *testing.T) {
	for _, what := range []string{"client", "target"} {
		r := newRig(t, lab.LinkConfig{}, 0)
		accepted := make(chan *net.TCPConn, 1)
		at := r.carry("tcp", serve(t, func(c *net.TCPConn) { accepted <- c }))
		one := dial(t, at)
		other := <-accepted
		if what == "target" {
			one, other = other, one
		}
		_, _ = io.WriteString(one, "hi")
		_ = one.CloseWrite()
		if got, err := io.ReadAll(other); string(got) != "hi" || err != nil {
			t.Errorf("%s: %q, %v", what, got, err)
		}
		time.Sleep(50 * time.Millisecond)
		_ = one.SetLinger(0)
		one.Close()
		eventually(t, "failure of the other end's write", func() bool {
			_, err := io.WriteString(other, "x")
			return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
		})
		r.over()
		if n := r.counter("connection_resets_total"); n != 1 {
			t.Errorf("%s: %v connections count as reset", what, n)
		}
		other.Close()
	}
}

// TestVanishedAfterHalfClose: if the link has gone, keep-alives end a half-closed connection.
func TestVanishedAfterHalfClose(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0, func(cfg *tcp.Config) { cfg.KeepAlive, cfg.KeepAliveMax = 100*time.Millisecond, 3 })
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) { _, _ = io.Copy(io.Discard, c) }))
	c := dial(t, at)
	_ = c.CloseWrite()
	time.Sleep(50 * time.Millisecond)
	r.runner.Do(func(clock.Instant) { r.link.SetUp(false) })
	r.over()
}

// TestResetWithFullWindow: a reset by a client is noticed while its target reads nothing, and the octets that wait for the target do not keep
// the connection for longer than the limit.
func TestResetWithFullWindow(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	r.p.stallLimit = 200 * time.Millisecond
	held := make(chan *net.TCPConn, 1)
	at := r.carry("tcp", serve(t, func(c *net.TCPConn) { held <- c }))
	c := dial(t, at)
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	for {
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			break
		}
	}
	time.Sleep(2 * lookPeriod)
	if n := r.counter("connections_open"); n != 1 {
		t.Fatalf("%v connections are open while the client waits", n)
	}
	_ = c.SetLinger(0)
	c.Close()
	r.over()
	target := <-held
	if _, err := io.Copy(io.Discard, target); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the target's connection ended with %v", err)
	}
	target.Close()
}

// TestSlowerThanLimit: what a connection has sent before its end arrives, though it takes longer than the limit, if some of it always does.
func TestSlowerThanLimit(t *testing.T) {
	r := newRig(t, slowLink, 0)
	r.p.stallLimit = 500 * time.Millisecond
	early := make(chan float64, 1)
	wholeAfterReset(t, r.carry("tcp", serve(t, func(c *net.TCPConn) {
		_, _ = c.Write(text)
		handed(c)
		early <- r.counter("received_bytes_total")
		_ = c.SetLinger(0)
		c.Close()
	})), early)
}

// TestResetWhileDialling: a client that leaves before its target has answered takes no place.
func TestResetWhileDialling(t *testing.T) {
	at, stop := neverAccepts(t)
	defer stop()
	r := newRig(t, lab.LinkConfig{}, 0)
	listen := r.carry("tcp", at)
	if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	socks := r.begin()
	for i := range 20 {
		c := dial(t, []string{listen, socks}[i%2])
		if i%2 == 1 {
			_, _ = io.WriteString(c, "CONNECT "+at+" HTTP/1.1\r\n\r\n")
		}
		time.Sleep(10 * time.Millisecond)
		_ = c.SetLinger(0)
		c.Close()
	}
	r.over()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.said) > 0 {
		t.Errorf("it said %q", r.said)
	}
}

// TestShare: a route whose places are all taken leaves those of another route.
func TestShare(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	full := serve(t, func(*net.TCPConn) {})
	target := serve(t, echo)
	for _, to := range []string{full, target} {
		if err := r.p.Add(Route{"tcp", "127.0.0.1:0", to}); err != nil {
			t.Fatal(err)
		}
	}
	at := r.begin()
	for _, t := range r.p.relays[:2] {
		for range cap(t.slots) {
			t.slots <- struct{}{}
		}
	}
	c := dial(t, at)
	_, _ = io.WriteString(c, "x")
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n := cap(r.p.relays[0].slots) + cap(r.p.relays[2].slots); n > MaxConns {
		t.Errorf("%d connections may be carried", n)
	}
}

// TestResetUnaccepted: clients that are reset before peer accepts them free their places for others.
func TestResetUnaccepted(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	at := r.carry("tcp", serve(t, echo))
	slots := r.p.relays[1].slots
	for range cap(slots) {
		slots <- struct{}{}
	}
	admit := r.p.relays[0].admit
	for range 2 {
		var all []*net.TCPConn
		for range maxUnaccepted {
			all = append(all, dial(t, at))
		}
		eventually(t, "use of every place", func() bool { return len(admit.slots) >= maxUnaccepted-4 }) // peer has accepted as many as it has loops
		for _, c := range all {
			_ = c.SetLinger(0)
			c.Close()
		}
		eventually(t, "end of those that left", func() bool { return len(admit.slots) == 0 })
	}
	for range cap(slots) {
		<-slots
	}
	c := dial(t, at)
	_, _ = io.WriteString(c, "x")
	_ = c.CloseWrite()
	if got, err := io.ReadAll(c); string(got) != "x" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	c.Close()
	r.over()
	admit.mu.Lock()
	defer admit.mu.Unlock()
	if n := len(admit.dialled) + len(admit.accepted) + len(admit.gone); n > 0 {
		t.Errorf("%d connections are kept", n)
	}
}

// TestRefusedWithBody: a client that sends the body of its request before it reads is told why the request is refused.
func TestRefusedWithBody(t *testing.T) {
	r := newRig(t, lab.LinkConfig{Delay: 5 * time.Millisecond}, 0)
	if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	at := r.begin()
	for _, request := range []string{"POST http://x/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "hello\r\n\r\n"} {
		c := dial(t, at)
		_, _ = io.WriteString(c, request)
		for range 10 {
			_, _ = c.Write(make([]byte, 10000))
			time.Sleep(time.Millisecond)
		}
		got, err := io.ReadAll(c)
		if !strings.HasPrefix(string(got), "HTTP/1.1 40") || err != nil {
			t.Errorf("%q: %q, %v", request, got, err)
		}
		c.Close()
	}
	r.over()
}

// TestRefusedForever: neither the time nor the number of octets that a refused client sends is without bound.
func TestRefusedForever(t *testing.T) {
	refuser := func(limit time.Duration) (r *rig, at string) {
		r = newRig(t, lab.LinkConfig{}, 0)
		r.p.negotiationLimit = limit
		if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		return r, r.begin()
	}
	r, at := refuser(300 * time.Millisecond)
	silent := dial(t, at)
	_, _ = io.WriteString(silent, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	r.counterBecomes(1, "connection_failures_total")
	eventually(t, "end of the silent client at peer", func() bool { return len(r.p.relays[1].slots) == 0 })
	silent.Close()
	r.over()
	_, at = refuser(time.Minute)
	c := dial(t, at)
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	sent := 0
	for sent < maxRefused+64<<20 {
		n, err := c.Write(make([]byte, 1<<20))
		if sent += n; err != nil {
			break
		}
	}
	if sent >= maxRefused+64<<20 {
		t.Errorf("%d octets were taken", sent)
	}
}

// TestLeft: a client that leaves without a request is no failure, and no line is written about it.
func TestLeft(t *testing.T) {
	r, at := negotiator(t)
	for _, request := range []string{"", "\x05", "\x05\x01\x00", "\x05\x01\x00\x05\x01"} {
		c := dial(t, at)
		_, _ = io.WriteString(c, request)
		c.Close()
	}
	eventually(t, "arrival of all", func() bool { return r.counter("connections_total") == 4 })
	r.over()
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.counter("connection_failures_total"); n != 0 || len(r.said) > 0 {
		t.Errorf("%v failures, %q", n, r.said)
	}
}

// TestTunnel: a tunnel has neither the bound in octets nor the one in time that its negotiation has.
func TestTunnel(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	r.p.negotiationLimit = time.Second
	if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, r.begin())
	_, _ = io.WriteString(c, "CONNECT "+serve(t, echo)+" HTTP/1.1\r\n\r\n")
	answer := make([]byte, len("HTTP/1.1 200 Connection established\r\n\r\n"))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	sent := bytes.Repeat([]byte("x"), 4*maxRequest)
	go func() {
		_, _ = c.Write(sent)
		_ = c.CloseWrite()
	}()
	if got, err := io.ReadAll(c); !bytes.Equal(got, sent) || err != nil {
		t.Errorf("%d octets of %d, %v", len(got), len(sent), err)
	}
}

// TestNegotiationLimit: a client that names no target is ended.
func TestNegotiationLimit(t *testing.T) {
	r := newRig(t, lab.LinkConfig{}, 0)
	r.p.negotiationLimit = 300 * time.Millisecond
	if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	c := dial(t, r.begin())
	_, _ = io.WriteString(c, "\x05")
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the client is not ended")
	}
}
