//go:build linux

package live

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"smolsh/phy/fault"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

var (
	kernelAddr  = netip.MustParsePrefix("192.168.69.100/24")
	kernelAddr6 = netip.MustParsePrefix("fdaa::100/64")
	ourAddr     = netip.MustParsePrefix("192.168.69.1/24")
	ourAddr6    = netip.MustParsePrefix("fdaa::1/64")
)

// onTAP returns a host of ours on tap0, in a network namespace for this test only.
func onTAP(t testing.TB) (lab.Runner, *lab.Host, *lab.Port) {
	t.Helper()
	return onTAPWith(t, tap.Options{})
}

func onTAPWith(t testing.TB, opts tap.Options) (lab.Runner, *lab.Host, *lab.Port) {
	t.Helper()
	return onTAPSeeded(t, opts, 1)
}

func onTAPSeeded(t testing.TB, opts tap.Options, seed uint64) (lab.Runner, *lab.Host, *lab.Port) {
	t.Helper()
	return onTAPBetween(t, opts, seed, lab.HostConfig{Addrs: []netip.Prefix{ourAddr}}, kernelAddr)
}

// onTAPBetween returns a host of ours with the given configuration on tap0, where the kernel's end has the given addresses.
func onTAPBetween(t testing.TB, opts tap.Options, seed uint64, cfg lab.HostConfig, kernel ...netip.Prefix) (lab.Runner, *lab.Host, *lab.Port) {
	t.Helper()
	taptest.Namespace(t)
	taptest.TAP(t, "tap0", kernel...)
	dev, err := tap.Open("tap0", opts)
	if err != nil {
		t.Fatal(err)
	}
	l := lab.New(lab.NewWorld(), seed)
	cfg.Name = "us"
	h, err := l.AddHost(cfg)
	if err != nil {
		t.Fatal(err)
	}
	p, err := h.Attach(dev)
	if err != nil {
		t.Fatal(err)
	}
	r, err := New(l.World())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		if err := l.World().Drain(1_000_000); err != nil && !t.Failed() {
			t.Errorf("the host is not at rest: %v", err)
		}
		dev.Close()
	})
	return r, h, p
}

// order names the end that closes first.
type order int

const (
	weClose order = iota
	theyClose
	bothClose
)

func (o order) String() string { return [...]string{"we close", "they close", "both close"}[o] }

// transfer is our end of a connection to the kernel that carries octets in one direction.
type transfer struct {
	c      *stack.TCPConn
	order  order
	data   []byte // octets still to be sent
	expect int    // number of octets still to be received
	hash   hash.Hash
	shut   bool
	done   chan error
	buf    []byte
}

// step runs on the owner goroutine whenever the socket may be readable or writable.
func (x *transfer) step(now clock.Instant) {
	for len(x.data) > 0 {
		n, err := x.c.Write(now, x.data)
		if err != nil {
			x.finish(err)
			return
		}
		if n == 0 {
			break
		}
		x.data = x.data[n:]
	}
	for {
		n, err := x.c.Read(now, x.buf)
		if err == io.EOF {
			x.shutdown(now)
			x.finish(nil)
			return
		}
		if err != nil {
			x.finish(err)
			return
		}
		if n == 0 {
			break
		}
		x.hash.Write(x.buf[:n])
		x.expect -= n
	}
	if x.order != theyClose && len(x.data) == 0 && x.expect == 0 {
		x.shutdown(now)
	}
}

func (x *transfer) shutdown(now clock.Instant) {
	if !x.shut {
		x.shut = true
		if err := x.c.CloseWrite(now); err != nil {
			x.finish(err)
		}
	}
}

func (x *transfer) finish(err error) {
	x.c.OnEvent = nil
	x.done <- err
}

// kernelEnd runs the kernel's end: it reads or writes n octets and returns their hash.
func kernelEnd(c *net.TCPConn, send []byte, n int, o order) (sum [32]byte, err error) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Minute))
	if send != nil {
		if _, err := c.Write(send); err != nil {
			return sum, err
		}
		sum = sha256.Sum256(send)
	} else {
		h := sha256.New()
		got, err := io.CopyN(h, c, int64(n))
		if err != nil {
			return sum, fmt.Errorf("after %d octets: %w", got, err)
		}
		h.Sum(sum[:0])
	}
	if o != weClose {
		if err := c.CloseWrite(); err != nil {
			return sum, err
		}
	}
	var one [1]byte
	if k, err := c.Read(one[:]); k != 0 || err != io.EOF {
		return sum, fmt.Errorf("behind the end: %d octets, %v", k, err)
	}
	return sum, nil
}

// TestIntegrity transfers octets in each direction, in each order of closing, and compares hashes. It does so without
// loss, with loss in both directions, with super-segments, without them, and while they are switched on and off. The
// transfers run at the same time, since they mostly wait for timeouts.
func TestIntegrity(t *testing.T) {
	for _, c := range []struct {
		name      string
		size      int
		loss      float64
		plain     bool
		switching bool
	}{
		{name: "no loss", size: 64 << 20},
		{name: "plain frames", size: 16 << 20, plain: true},
		{name: "offloads switched", size: 64 << 20, switching: true},
		{name: "loss 5 %", size: 8 << 20, loss: 0.05},
		{name: "loss 15 %", size: 1 << 20, loss: 0.15},
	} {
		if testing.Short() {
			c.size >>= 4
		}
		for _, at := range []struct {
			family       string
			ours, kernel netip.Prefix
		}{{"IPv4", ourAddr, kernelAddr}, {"IPv6", ourAddr6, kernelAddr6}} {
			t.Run(c.name+"/"+at.family, func(t *testing.T) {
				t.Parallel()
				r, h, port := onTAPBetween(t, tap.Options{Plain: c.plain}, 1, lab.HostConfig{Addrs: []netip.Prefix{at.ours}}, at.kernel)
				if c.switching {
					defer alternate(r, h)()
				}
				integrity(t, r, h, port, at.kernel, c.size, c.loss)
			})
		}
	}
}

// alternate makes the host ask for frames of wire size during every other period of 2 ms, until stop is called.
func alternate(r lab.Runner, h *lab.Host) (stop func()) {
	var e *lab.Event
	r.Do(func(now clock.Instant) {
		w := r.World()
		var release func()
		e = w.At(now, func(now clock.Instant) {
			if release == nil {
				release = h.WireFrames()
			} else {
				release()
				release = nil
			}
			e.Move(now.Add(2 * time.Millisecond))
		})
	})
	return func() { r.Do(func(clock.Instant) { e.Stop() }) }
}

func integrity(t *testing.T, r lab.Runner, h *lab.Host, port *lab.Port, kernel netip.Prefix, size int, loss float64) {
	cfg := tcp.Config{}
	if loss > 0 {
		r.Do(func(clock.Instant) { port.Faults().Add(&fault.Rule{Name: "loss", Loss: loss}) })
		// Without selective acknowledgements the transfer waits for timeouts nearly all the time. So both ends use a
		// tenth of the usual minimum of 200 ms.
		cfg.RTOMin = 20 * time.Millisecond
		taptest.Hurry(t, "tap0", kernel, cfg.RTOMin)
	}
	data := make([]byte, size)
	rng := rand.New(rand.NewPCG(uint64(size), 69))
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	want := sha256.Sum256(data)
	began := time.Now()
	var wait []func()
	for _, weSend := range []bool{true, false} {
		for o := weClose; o <= bothClose; o++ {
			finish := exchange(t, r, h, cfg, kernel.Addr(), data, weSend, o)
			wait = append(wait, func() {
				got, err := finish()
				if err != nil {
					t.Errorf("we send %v, %v: %v", weSend, o, err)
				} else if got != want {
					t.Errorf("we send %v, %v: what arrived has hash %x, want %x", weSend, o, got, want)
				}
				t.Logf("we send %v, %v: %v", weSend, o, time.Since(began).Round(time.Millisecond))
			})
		}
	}
	for _, f := range wait {
		f()
	}
	r.Do(func(clock.Instant) {
		if in, out := h.Conservation(); in != out {
			t.Errorf("%d frames in, %d accounted for", in, out)
		}
	})
}

// exchange begins a transfer between us and the kernel's address; finish waits for both ends and returns the hash of the octets
// that the receiver read.
func exchange(t *testing.T, r lab.Runner, h *lab.Host, cfg tcp.Config, kernel netip.Addr, data []byte, weSend bool, o order) (finish func() ([32]byte, error)) {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: kernel.AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	var sum [32]byte
	theirs := make(chan error, 1)
	go func() {
		defer ln.Close()
		c, err := ln.AcceptTCP()
		if err == nil {
			var send []byte
			if !weSend {
				send = data
			}
			sum, err = kernelEnd(c, send, len(data), o)
		}
		theirs <- err
	}()
	x := &transfer{order: o, hash: sha256.New(), done: make(chan error, 2), buf: make([]byte, 64<<10)}
	if weSend {
		x.data = data
	} else {
		x.expect = len(data)
	}
	r.Do(func(now clock.Instant) {
		to := netip.AddrPortFrom(kernel, uint16(ln.Addr().(*net.TCPAddr).Port))
		if x.c, err = h.DialTCP(now, netip.AddrPort{}, to, cfg); err == nil {
			x.c.OnEvent = x.step
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return func() ([32]byte, error) {
		err := errors.Join(<-theirs, <-x.done)
		if !weSend {
			x.hash.Sum(sum[:0])
		}
		return sum, err
	}
}

// BenchmarkTAP measures one stream over a TAP between us and the kernel with cubic, in octets per second. One operation
// transfers 16 MiB, and the next begins when they have arrived.
func BenchmarkTAP(b *testing.B) {
	for _, plain := range []bool{false, true} {
		for _, weSend := range []bool{true, false} {
			name := map[bool]string{false: "offload", true: "plain"}[plain] + "/" + map[bool]string{false: "receive", true: "send"}[weSend]
			b.Run(name, func(b *testing.B) {
				done := make(chan struct{})
				go func() { // a goroutine of its own, since it keeps its thread in a namespace
					defer close(done)
					benchmarkTAP(b, weSend, tap.Options{Plain: plain})
				}()
				<-done
			})
		}
	}
}

func benchmarkTAP(b *testing.B, weSend bool, opts tap.Options) {
	r, h, _ := onTAPWith(b, opts)
	ln, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: kernelAddr.Addr().AsSlice()})
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	const chunk = 16 << 20
	data := make([]byte, 256<<10)
	received := make(chan struct{}, 1)
	left, got := 0, 0
	var c *stack.TCPConn
	step := func(now clock.Instant) {
		for weSend && left > 0 {
			n, err := c.Write(now, data[:min(left, len(data))])
			if err != nil || n == 0 {
				return
			}
			left -= n
		}
		for !weSend {
			n, err := c.Discard(now, 1<<30)
			if err != nil || n == 0 {
				return
			}
			if got += n; got >= chunk {
				got -= chunk
				received <- struct{}{}
			}
		}
	}
	r.Do(func(now clock.Instant) {
		to := netip.AddrPortFrom(kernelAddr.Addr(), uint16(ln.Addr().(*net.TCPAddr).Port))
		if c, err = h.DialTCP(now, netip.AddrPort{}, to, tcp.Config{}); err == nil {
			c.OnEvent = step
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	k, err := ln.AcceptTCP()
	if err != nil {
		b.Fatal(err)
	}
	defer k.Close()
	cubic(b, k)
	buf := make([]byte, 256<<10)
	b.SetBytes(chunk)
	for b.Loop() {
		if weSend {
			r.Do(func(now clock.Instant) { left += chunk; step(now) })
		}
		for n := 0; n < chunk; n += len(buf) {
			if weSend {
				_, err = io.ReadFull(k, buf)
			} else {
				_, err = k.Write(buf)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		if !weSend {
			<-received
		}
	}
}

// cubic selects the kernel's congestion control, whose default may be another.
func cubic(b testing.TB, k *net.TCPConn) {
	raw, err := k.SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) {
			err = unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic")
		})
	}
	if err != nil {
		b.Fatal(err)
	}
}

// BenchmarkEcho measures the round trip of one octet from the kernel over a TAP to an echo on the owner goroutine.
func BenchmarkEcho(b *testing.B) {
	done := make(chan struct{})
	go func() { // a goroutine of its own, since it keeps its thread in a namespace
		defer close(done)
		r, h, _ := onTAP(b)
		var ln *stack.TCPListener
		var err error
		r.Do(func(now clock.Instant) {
			if ln, err = h.ListenTCP(netip.AddrPortFrom(netip.Addr{}, 7), 0, tcp.Config{}); err != nil {
				return
			}
			buf := make([]byte, 100)
			ln.OnEvent = func(now clock.Instant) {
				c := ln.Accept()
				if c == nil { // the listener has been closed
					return
				}
				c.OnEvent = func(now clock.Instant) {
					if n, _ := c.Read(now, buf); n > 0 {
						c.Write(now, buf[:n])
					}
				}
			}
		})
		if err != nil {
			b.Error(err)
			return
		}
		// The benchmark makes system calls itself. The wake-ups of Go's poller would take most of the measured time.
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Error(err)
			return
		}
		defer unix.Close(fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: 7, Addr: [4]byte{192, 168, 69, 1}}); err != nil {
			b.Error(err)
			return
		}
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		var one [1]byte
		for b.Loop() {
			if _, err := unix.Write(fd, one[:]); err != nil {
				b.Error(err)
				return
			}
			if _, err := unix.Read(fd, one[:]); err != nil {
				b.Error(err)
				return
			}
		}
	}()
	<-done
}
