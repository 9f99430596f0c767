package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy/ifconfig"
)

// The kernel's end of every run, and the kernel as a peer. Both use blocking sockets on a thread of their own. They
// take every measurement except that of octets received by another side.

// kernelChunk is the number of octets that one call moves, as in iperf3.
const kernelChunk = 128 << 10

// kernel runs the actor "kernel". Arguments: listen=ADDRESS:PORT or connect=ADDRESS:PORT; mode=sink, source, ping or
// echo; proto=tcp or udp; dev= and addr=, an interface to wait for and to set up first; offload=0, which turns that
// interface's offloads off.
func (a *actor) kernel() error {
	if dev := a.args["dev"]; dev != "" {
		if err := a.awaitDevice(dev); err != nil {
			return err
		}
	}
	fd, err := a.open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	switch mode := a.args["mode"]; mode {
	case "sink":
		return a.kernelSink(fd)
	case "source":
		return kernelSource(fd)
	case "ping":
		return a.kernelPing(fd)
	case "echo":
		return kernelEcho(fd, a.args["proto"] == "udp")
	default:
		return fmt.Errorf("kernel: no mode %q", mode)
	}
}

// awaitDevice waits until the interface has been moved to this namespace, and sets it up.
func (a *actor) awaitDevice(dev string) error {
	addr, err := netip.ParsePrefix(a.args["addr"])
	if err != nil {
		return err
	}
	for try := 0; ; try++ {
		if err = ifconfig.Setup(dev, []netip.Prefix{addr}, 0); err == nil {
			break
		}
		if try == 2000 {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	if a.args.flag("offload") {
		return nil
	}
	return offloadsOff(dev)
}

// open opens the actor's connection.
func (a *actor) open() (int, error) {
	kind := unix.SOCK_STREAM
	if a.args["proto"] == "udp" {
		kind = unix.SOCK_DGRAM
	}
	at, family, err := sockaddr(a.args["listen"] + a.args["connect"])
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("socket: %w", err)
	}
	if kind == unix.SOCK_STREAM {
		if err := unix.SetsockoptString(fd, unix.IPPROTO_TCP, unix.TCP_CONGESTION, "cubic"); err != nil {
			return -1, fmt.Errorf("TCP_CONGESTION cubic: %w", err)
		}
	}
	if a.args["connect"] != "" {
		return a.connect(fd, at, kind)
	}
	if err := unix.Bind(fd, at); err != nil {
		return -1, fmt.Errorf("bind %s: %w", a.args["listen"], err)
	}
	if kind == unix.SOCK_DGRAM {
		if err := a.ready(fd); err != nil {
			return -1, err
		}
		return fd, firstDatagram(fd)
	}
	if err := unix.Listen(fd, 8); err != nil {
		return -1, fmt.Errorf("listen: %w", err)
	}
	if err := a.ready(fd); err != nil {
		return -1, err
	}
	c, err := again(func() (int, error) {
		n, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
		return n, err
	})
	if err != nil {
		return -1, fmt.Errorf("accept: %w", err)
	}
	unix.Close(fd)
	return c, noDelay(c)
}

// connect repeats its attempt until the peer listens.
func (a *actor) connect(fd int, at unix.Sockaddr, kind int) (int, error) {
	for try := 0; ; try++ {
		err := unix.Connect(fd, at)
		switch {
		case err == nil && kind == unix.SOCK_DGRAM:
			return fd, unix.Send(fd, []byte{'x'}, 0)
		case err == nil:
			return fd, noDelay(fd)
		case err != unix.ECONNREFUSED && err != unix.EHOSTUNREACH || try == 2000:
			return -1, fmt.Errorf("connect %s: %w", a.args["connect"], err)
		}
		time.Sleep(time.Millisecond)
	}
}

// firstDatagram receives the peer's first datagram and connects to its source.
func firstDatagram(fd int) error {
	var b [1]byte
	_, from, err := unix.Recvfrom(fd, b[:], 0)
	if err != nil {
		return fmt.Errorf("recvfrom: %w", err)
	}
	return unix.Connect(fd, from)
}

func noDelay(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1) }

func (a *actor) ready(fd int) error {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return err
	}
	var listens netip.AddrPort
	switch at := sa.(type) {
	case *unix.SockaddrInet4:
		listens = netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port))
	case *unix.SockaddrInet6:
		listens = netip.AddrPortFrom(netip.AddrFrom16(at.Addr), uint16(at.Port))
	}
	a.tell(line{Ready: listens.String()})
	return nil
}

// sockaddr returns the address of a socket in text form, and the family of the socket.
func sockaddr(s string) (at unix.Sockaddr, family int, err error) {
	a, err := netip.ParseAddrPort(s)
	switch {
	case err != nil:
		return nil, 0, err
	case a.Addr().Is4():
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, unix.AF_INET, nil
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}, unix.AF_INET6, nil
}

// again repeats a call that a signal has interrupted.
func again(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// kernelSink receives until the measured time is over.
func (a *actor) kernelSink(fd int) error {
	buf := make([]byte, kernelChunk)
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, buf) })
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if n == 0 {
			return errors.New("the other side closed")
		}
		if a.count(n) {
			return nil
		}
	}
}

// kernelSource sends until the connection fails, or the process is killed.
func kernelSource(fd int) error {
	buf := make([]byte, kernelChunk)
	for {
		if _, err := again(func() (int, error) { return unix.Write(fd, buf) }); err != nil {
			return nil
		}
	}
}

// kernelPing repeatedly sends an octet, waits for its return, and reports percentiles of the round trips. A datagram
// that does not return within five seconds is an error.
func (a *actor) kernelPing(fd int) error {
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 5}); err != nil {
		return err
	}
	samples := make([]float64, 0, 1<<20)
	began := time.Now()
	var b [1]byte
	for {
		start := time.Now()
		since := start.Sub(began)
		if since >= a.warm+a.span && len(samples) > 0 { // a short run on a busy machine may have no sample yet
			break
		}
		if _, err := again(func() (int, error) { return unix.Write(fd, b[:]) }); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		n, err := again(func() (int, error) { return unix.Read(fd, b[:]) })
		if err != nil || n != 1 {
			return fmt.Errorf("read: %d octets, %w", n, err)
		}
		if since >= a.warm {
			samples = append(samples, float64(time.Since(start).Nanoseconds())/1e3)
		}
	}
	a.tell(line{Result: percentiles(samples)})
	return nil
}

// kernelEcho sends received data back.
func kernelEcho(fd int, datagrams bool) error {
	var b [1500]byte
	for {
		n, err := again(func() (int, error) { return unix.Read(fd, b[:]) })
		if err != nil || n == 0 && !datagrams {
			return nil
		}
		if _, err := again(func() (int, error) { return unix.Write(fd, b[:n]) }); err != nil {
			return nil
		}
	}
}
