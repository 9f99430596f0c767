//go:build linux

package live

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// Addresses of the loads other than kernelAddr.
var (
	soakNewcomer = netip.MustParseAddr("192.168.69.101") // connects once a second
	soakCareless = netip.MustParseAddr("192.168.69.102") // aborts, does not read, or does not send
	soakHoarder  = netip.MustParseAddr("192.168.69.60")  // the first address of the hoarder's station
)

// soakPatience is the maximum duration of one exchange of a load with the host. It measures no speed: during a flood an
// exchange may need several retransmissions of a second and more.
const soakPatience = 20 * time.Second

// load is one kind of traffic. Its goroutine is locked to a thread in the test's network namespace.
type load struct {
	*soak
	name         string
	done, failed int           // numbers of steps; only the load's goroutine writes them until it has ended
	longest      time.Duration // duration of the longest step
	rng          *rand.Rand
	held         []net.Conn     // open connections, the oldest first
	control      netip.AddrPort // the kernel's own echo service
}

// load starts a goroutine that calls step at the interval every until the phase ends. An error of a step counts as a
// failure of the load.
func (s *soak) load(name string, every time.Duration, step func(x *load) error) {
	x := &load{soak: s, name: name, rng: rand.New(rand.NewPCG(uint64(len(s.loads)), 69))}
	s.loads = append(s.loads, x)
	stop := s.stop
	s.running.Go(func() {
		if err := s.join(); err != nil {
			s.t.Errorf("%s: %v", name, err)
			return
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				x.hold(nil, 0)
				return
			case <-tick.C:
			}
			began := time.Now()
			err := step(x)
			x.longest = max(x.longest, time.Since(began))
			if err != nil {
				x.failed++
				if x.failed <= 3 {
					s.t.Logf("%s, step %d: %v", name, x.done, err)
				}
			}
			x.done++
		}
	})
}

// join moves the calling goroutine permanently to a thread in the test's network namespace.
func (s *soak) join() error {
	runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
	return unix.Setns(int(s.ns.Fd()), unix.CLONE_NEWNET)
}

// dial connects from an address at the kernel's end to a service.
func (x *load) dial(from netip.Addr, to netip.AddrPort) (*net.TCPConn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from.AsSlice()}, Timeout: soakPatience}
	c, err := d.Dial("tcp4", to.String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(soakPatience))
}

// service returns the host's address with the port of a service.
func service(port uint16) netip.AddrPort { return netip.AddrPortFrom(ours, port) }

// hold keeps the connection c open. If it then holds more connections than the number most, it closes the oldest.
func (x *load) hold(c net.Conn, most int) {
	if c != nil {
		x.held = append(x.held, c)
	}
	for len(x.held) > most {
		x.held[0].Close()
		x.held = x.held[1:]
	}
}

// roundTrip sends octets to an echo service, closes its sending side, and compares the hash of the data that it reads
// until the end.
func (x *load) roundTrip(from netip.Addr, to netip.AddrPort, octets int) error {
	c, err := x.dial(from, to)
	if err != nil {
		return err
	}
	defer c.Close()
	data := make([]byte, octets)
	for k := range data {
		data[k] = byte(x.rng.Uint32())
	}
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(data)
		sent <- errors.Join(err, c.CloseWrite())
	}()
	got := sha256.New()
	n, err := io.Copy(got, c)
	if err = errors.Join(err, <-sent); err != nil {
		return fmt.Errorf("%d octets of %d came back: %w", n, octets, err)
	}
	if want := sha256.Sum256(data); !bytes.Equal(got.Sum(nil), want[:]) {
		return fmt.Errorf("%d octets of %d came back, and their hash differs", n, octets)
	}
	return nil
}

// newcomer makes a round trip from the kernel to the host, and the same from the kernel to itself. If both durations
// change, the machine has changed; if only the first does, the host has.
func (x *load) newcomer() error {
	if len(x.held) == 0 {
		l, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		x.hold(closer{close: l.Close}, 1)
		x.control = netip.MustParseAddrPort(l.Addr().String())
		x.running.Go(func() {
			for c, err := l.AcceptTCP(); err == nil; c, err = l.AcceptTCP() {
				_, _ = io.Copy(c, c)
				c.Close()
			}
		})
	}
	began := time.Now()
	err := x.roundTrip(soakNewcomer, service(portEcho), 64<<10)
	middle := time.Now()
	err = errors.Join(err, x.roundTrip(x.control.Addr(), x.control, 64<<10))
	x.took(middle.Sub(began), time.Since(middle))
	return err
}

// hear reads the data that the speak service sends. The host closes first.
func (x *load) hear() error {
	c, err := x.dial(kernelAddr.Addr(), service(portSpeak))
	if err != nil {
		return err
	}
	defer c.Close()
	got, err := io.ReadAll(c)
	if err == nil && !bytes.Equal(got, x.speech) {
		err = fmt.Errorf("%d octets of %d, and they differ", len(got), len(x.speech))
	}
	return err
}

// abort resets a connection at a random moment of its life.
func (x *load) abort() error {
	port := uint16(portEcho)
	if x.rng.IntN(2) == 0 {
		port = portPour
	}
	c, err := x.dial(soakCareless, service(port))
	if err != nil {
		return err
	}
	if x.rng.IntN(3) > 0 {
		_, _ = c.Write(x.speech[:x.rng.IntN(len(x.speech))])
	}
	if port == portPour && x.rng.IntN(2) == 0 {
		_, _ = io.CopyN(io.Discard, c, int64(x.rng.IntN(1000)))
	}
	time.Sleep(time.Duration(x.rng.IntN(10)) * time.Millisecond)
	return errors.Join(c.SetLinger(0), c.Close())
}

// silent opens a connection that never sends, and closes the oldest if there are a hundred.
func (x *load) silent() error {
	c, err := x.dial(soakCareless, service(portEcho))
	if err == nil {
		x.hold(c, 100)
	}
	return err
}

// idle opens a connection with a small window and never reads the data that the host sends.
func (x *load) idle() error {
	c, err := x.dial(soakCareless, service(portPour))
	if err == nil {
		err = c.SetReadBuffer(4096)
		x.hold(c, 60)
	}
	return err
}

// datagram sends a datagram to the echo service repeatedly until it is returned.
func (x *load) datagram() error {
	if len(x.held) == 0 {
		c, err := net.DialUDP("udp4", &net.UDPAddr{IP: kernelAddr.Addr().AsSlice()}, &net.UDPAddr{IP: ours.AsSlice(), Port: portEcho})
		if err != nil {
			return err
		}
		x.hold(c, 1)
	}
	c, data, got := x.held[0], make([]byte, 8+x.rng.IntN(1400)), make([]byte, 2048)
	for k := range data {
		data[k] = byte(x.rng.Uint32())
	}
	for range 10 { // a flood may fill a queue
		if _, err := c.Write(data); err != nil {
			return err
		}
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Second)); err != nil {
			return err
		}
		for {
			n, err := c.Read(got)
			if err != nil {
				break
			}
			if bytes.Equal(got[:n], data) {
				return nil
			}
		}
	}
	return errors.New("ten datagrams were lost in a row")
}

// dialled makes the host connect to the kernel and send or receive octets. Each end closes first in turn.
func (x *load) dialled() error {
	data := x.speech[:1+x.rng.IntN(len(x.speech))]
	got, err := exchange(x.t, x.r, x.h, tcp.Config{}, kernelAddr.Addr(), data, x.done%2 == 0, order(x.done/2%3))()
	if err == nil && got != sha256.Sum256(data) {
		err = errors.New("the hash differs")
	}
	return err
}

// run runs a program on the kernel's side for at most 30 seconds.
func (x *load) run(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && args[0] == "hping3" && cmd.ProcessState.ExitCode() == 1 { // hping3 has received nothing
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out)
	}
	return nil
}

// begin starts every load.
func (s *soak) begin() {
	s.stop, s.loads, s.hoarder = make(chan struct{}), nil, nil
	s.load("transfers", 50*time.Millisecond, func(x *load) error { return x.roundTrip(kernelAddr.Addr(), service(portEcho), 1+x.rng.IntN(48<<10)) })
	s.load("speeches", 50*time.Millisecond, (*load).hear)
	s.load("dialled", 100*time.Millisecond, (*load).dialled)
	s.load("datagrams", 20*time.Millisecond, (*load).datagram)
	s.load("aborts", 30*time.Millisecond, (*load).abort)
	s.load("silent", 100*time.Millisecond, (*load).silent)
	s.load("idle readers", 200*time.Millisecond, (*load).idle)
	// While the limit is halved, some addresses hold more than their share. Their connections must give buffer space
	// back, or are aborted.
	s.load("limit", min(7*time.Second, s.length/4), func(x *load) (err error) {
		s.r.Do(func(clock.Instant) { err = s.h.SetLimit("buffers", soakBuffers>>(1-x.done%2)) })
		return err
	})
	s.load("newcomers", s.newcomerEvery, (*load).newcomer)
	s.load("hoarder", 5*time.Millisecond, func(x *load) (err error) {
		if len(x.held) == 0 {
			if s.hoarder, err = newHoarder(soakHoarder, service(portDiscard), s.gate); err != nil {
				return err
			}
			x.hold(closer{close: s.hoarder.dev.Close}, 1)
		}
		return s.hoarder.step()
	})
	// The flood fills the SYN queue of the echo service. Its clients then connect by SYN cookies.
	for _, p := range []struct {
		every time.Duration
		args  []string
	}{
		{3 * time.Second, []string{"hping3", "-n", "-q", "-S", "-p", "7", "--rand-source", "-i", "u500", "-c", "600", ours.String()}},
		{20 * time.Second, []string{"nmap", "-n", "-Pn", "-sS", "-T4", "-p", "1-200", ours.String()}},
	} {
		if _, err := exec.LookPath(p.args[0]); err != nil {
			s.t.Logf("without %s: %v", p.args[0], err)
			continue
		}
		s.load(p.args[0], min(p.every, s.length/4), func(x *load) error { return x.run(p.args...) })
	}
}

// closer is a resource other than a connection.
type closer struct {
	net.Conn
	close func() error
}

// Close calls the function close.
func (c closer) Close() error { return c.close() }

// end stops every load, makes the host abort all connections, and waits until it holds nothing.
func (s *soak) end() {
	close(s.stop)
	s.running.Wait()
	s.r.Do(func(now clock.Instant) { s.h.AbortAll(now) })
	s.eventually("the host is not at rest", func() (err error) {
		s.r.Do(func(clock.Instant) { err = s.h.Rest() })
		return err
	})
}

// descriptors returns the number of the process's open descriptors.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return -1
	}
	return len(list) - 1 // subtracts the descriptor of the directory itself
}
