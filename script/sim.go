package script

import (
	"bytes"
	"fmt"
	"net/netip"

	"smolsh/script/service"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// Peer makes h the peer of a virtual lab. It answers echo (port 7, TCP and UDP), and HTTP (port 8000) with a small
// page. The stack answers ping. It must be called before the lab runs, or on its owner's goroutine.
func Peer(h *lab.Host) error {
	for _, s := range []struct {
		port  uint16
		serve func(c *stack.TCPConn, now clock.Instant)
	}{{7, peerEcho}, {8000, peerHTTP}} {
		l, err := h.ListenTCP(netip.AddrPortFrom(netip.Addr{}, s.port), 128, tcp.Default())
		if err != nil {
			return fmt.Errorf("peer: port %d: %w", s.port, err)
		}
		l.OnEvent = func(now clock.Instant) {
			for c := l.Accept(); c != nil; c = l.Accept() {
				s.serve(c, now)
			}
		}
	}
	u, err := h.BindUDP(netip.AddrPortFrom(netip.Addr{}, 7))
	if err != nil {
		return fmt.Errorf("peer: udp port 7: %w", err)
	}
	buf := make([]byte, 65536)
	u.OnEvent = func(now clock.Instant) {
		for {
			n, src, err := u.Recv(buf)
			if err != nil {
				continue
			}
			if n < 0 {
				return
			}
			_ = u.Send(now, buf[:n], src) // a full queue drops the answer, as on any host
		}
	}
	return nil
}

func peerEcho(c *stack.TCPConn, now clock.Instant) {
	(&pump{conn: c, kind: service.Echo, limit: -1, close: true}).start(now)
}

// page is the page of the peer's web server.
const page = "<html><body><h1>peer</h1><p>This page was served by a host that exists in one process only.</p></body></html>\n"

// webConn is a connection to the peer's web server, for one request and one response.
type webConn struct {
	c       *stack.TCPConn
	request []byte
	answer  []byte
	done    bool
	turn    turn
}

// maxRequest is the number of octets that the peer keeps of a request.
const maxRequest = 16 << 10

func peerHTTP(c *stack.TCPConn, now clock.Instant) {
	w := &webConn{c: c}
	c.OnEvent = w.run
	w.run(now)
}

func (w *webConn) run(now clock.Instant) { w.turn.run(func() { w.move(now) }) }

func (w *webConn) move(now clock.Instant) {
	var buf [2048]byte
	for w.answer == nil && !w.done {
		n, err := w.c.Read(now, buf[:])
		if err != nil {
			w.end(now)
			return
		}
		if n == 0 {
			return
		}
		w.request = append(w.request, buf[:n]...)
		if bytes.Contains(w.request, []byte("\r\n\r\n")) || len(w.request) > maxRequest {
			w.answer = respond(w.request)
		}
	}
	for len(w.answer) > 0 {
		n, err := w.c.Write(now, w.answer)
		if err != nil {
			w.end(now)
			return
		}
		if n == 0 {
			return
		}
		w.answer = w.answer[n:]
	}
	w.end(now)
}

func (w *webConn) end(now clock.Instant) {
	if !w.done {
		w.done = true
		w.c.OnEvent = nil
		w.c.Close(now)
	}
}

func respond(request []byte) []byte {
	line, _, _ := bytes.Cut(request, []byte("\r\n"))
	method, rest, _ := bytes.Cut(line, []byte(" "))
	path, _, _ := bytes.Cut(rest, []byte(" "))
	status, body := "200 OK", page
	switch {
	case string(method) != "GET" && string(method) != "HEAD":
		status, body = "405 Method Not Allowed", "only GET is served here\n"
	case string(path) != "/" && string(path) != "/index.html":
		status, body = "404 Not Found", "there is only / here\n"
	}
	head := fmt.Sprintf("HTTP/1.1 %s\r\nServer: smolsh\r\nContent-Type: text/html\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", status, len(body))
	if string(method) == "HEAD" {
		body = ""
	}
	return []byte(head + body)
}
