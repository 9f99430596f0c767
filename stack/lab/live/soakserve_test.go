//go:build linux

package live

import (
	"net/netip"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// Ports of the host's services. All of them listen for TCP; echo answers UDP datagrams as well.
const (
	portEcho    = 7
	portDiscard = 9
	portSpeak   = 13 // sends soakSpeech and closes first
	portPour    = 19 // sends data without end
	portBrief   = 80 // closes at once
)

// serve opens the services on the host. It runs on the owner goroutine.
func (s *soak) serve(clock.Instant) error {
	buf := make([]byte, 64<<10) // shared, since all services run in one goroutine, one at a time
	for port, step := range map[uint16]func(clock.Instant, *stack.TCPConn, *int){
		portEcho:    func(now clock.Instant, c *stack.TCPConn, _ *int) { s.echo(now, c, buf) },
		portDiscard: func(now clock.Instant, c *stack.TCPConn, _ *int) { discard(now, c, buf) },
		portSpeak:   s.speak,
		portPour: func(now clock.Instant, c *stack.TCPConn, _ *int) {
			discard(now, c, buf)
			for c.Writable() > 0 {
				if n, err := c.Write(now, s.speech); n == 0 || err != nil {
					break
				}
			}
		},
		portBrief: func(now clock.Instant, c *stack.TCPConn, _ *int) { c.Close(now) },
	} {
		l, err := s.h.ListenTCP(netip.AddrPortFrom(netip.IPv4Unspecified(), port), 0, tcp.Config{})
		if err != nil {
			return err
		}
		l.OnEvent = func(now clock.Instant) {
			for c := l.Accept(); c != nil; c = l.Accept() {
				sent := new(int)
				step(now, c, sent) // before OnEvent is set, since Write calls OnEvent
				c.OnEvent = func(now clock.Instant) { step(now, c, sent) }
			}
		}
	}
	u, err := s.h.BindUDP(netip.AddrPortFrom(netip.IPv4Unspecified(), portEcho))
	if err != nil {
		return err
	}
	u.OnEvent = func(now clock.Instant) {
		for n, from, _ := u.Recv(buf); n >= 0; n, from, _ = u.Recv(buf) {
			_ = u.Send(now, buf[:n], from)
		}
	}
	return nil
}

// echo sends back the octets that it reads, and closes after the client.
func (s *soak) echo(now clock.Instant, c *stack.TCPConn, buf []byte) {
	for c.Readable() > 0 && c.Writable() > 0 {
		n, err := c.Read(now, buf[:min(len(buf), c.Writable())])
		if err != nil {
			return
		}
		if k, err := c.Write(now, buf[:n]); err == nil && k < n {
			s.t.Errorf("Write took %d octets of %d that were writable", k, n)
		}
	}
	if c.AtEOF() {
		c.Close(now)
	}
}

// discard reads and discards everything, and closes after the client.
func discard(now clock.Instant, c *stack.TCPConn, buf []byte) {
	for c.Readable() > 0 {
		if _, err := c.Read(now, buf); err != nil {
			return
		}
	}
	if c.AtEOF() {
		c.Close(now)
	}
}

// speak sends the speech and closes first; sent is the number of octets that the connection has accepted.
func (s *soak) speak(now clock.Instant, c *stack.TCPConn, sent *int) {
	for *sent < len(s.speech) {
		n, err := c.Write(now, s.speech[*sent:])
		if n == 0 || err != nil {
			return
		}
		*sent += n
	}
	c.Close(now)
}
