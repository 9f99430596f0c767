package proxy

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// maxRequest is the number of octets that a request may have.
const maxRequest = 16 << 10

// refusal is the error for a client that was told why it gets no connection.
type refusal struct {
	text  string
	quiet bool // true if the client just left
}

func (r *refusal) Error() string { return r.text }

// serveNegotiation reads the client's request, SOCKS 5 or HTTP, connects to the target that it names, and answers.
func (p *Proxy) serveNegotiation(ctx context.Context, c conn) (conn, io.Reader, error) {
	_ = c.SetDeadline(time.Now().Add(p.negotiationLimit))
	limited := &io.LimitedReader{R: c, N: maxRequest}
	in := bufio.NewReader(limited)
	first, err := in.Peek(1)
	if err != nil {
		return nil, nil, &refusal{"a client left without a request", true}
	}
	negotiate := connectHTTP
	if first[0] == 5 || first[0] == 4 {
		negotiate = connectSOCKS
	}
	far, err := negotiate(ctx, c, in)
	if err != nil {
		return nil, nil, err
	}
	limited.N = math.MaxInt64
	_ = c.SetDeadline(time.Time{})
	return far, in, nil
}

// Replies of SOCKS 5 (RFC 1928 §6).
const (
	socksDone = iota
	socksFailed
	socksNotAllowed
	socksNetUnreachable
	socksHostUnreachable
	socksRefused
	socksExpired
	socksNoCommand
	socksNoAddressType
)

// connectSOCKS serves a client of SOCKS 5 up to the reply (RFC 1928 §3 to §6).
func connectSOCKS(ctx context.Context, c conn, in *bufio.Reader) (conn, error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return nil, &refusal{"a SOCKS client left before its request", true}
	}
	if head[0] != 5 {
		_, _ = c.Write([]byte{0, 91, 0, 0, 0, 0, 0, 0}) // SOCKS 4: rejected
		return nil, &refusal{text: "a client spoke SOCKS 4; only SOCKS 5 is served"}
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(in, methods); err != nil {
		return nil, &refusal{"a SOCKS client left before its request", true}
	}
	if !bytes.Contains(methods, []byte{0}) {
		_, _ = c.Write([]byte{5, 0xff})
		return nil, &refusal{text: "a SOCKS client offered no way without a password"}
	}
	if _, err := c.Write([]byte{5, 0}); err != nil {
		return nil, &refusal{"a SOCKS client left before its request", true}
	}
	target, status, err := socksRequest(in)
	if err != nil {
		if status != socksDone {
			_, _ = c.Write(socksReply(status, nil))
		}
		return nil, err
	}
	far, err := dialKernel(ctx, target)
	if err != nil {
		_, _ = c.Write(socksReply(socksStatus(err), nil))
		return nil, &refusal{text: target + " can't be reached: " + cause(err)}
	}
	if _, err := c.Write(socksReply(socksDone, far.LocalAddr())); err != nil {
		reset(far)
		return nil, &refusal{"a SOCKS client left before its reply", true}
	}
	return far, nil
}

// socksRequest reads a request. status is the reply to one that is refused, and socksDone for a client that has left.
func socksRequest(in *bufio.Reader) (target string, status byte, err error) {
	left := &refusal{"a SOCKS client left before its request", true}
	var head [4]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return "", socksDone, left
	}
	length := 0
	switch head[3] {
	case 1:
		length = 4
	case 3:
		n, err := in.ReadByte()
		if err != nil {
			return "", socksDone, left
		}
		length = int(n)
	case 4:
		length = 16
	default:
		return "", socksNoAddressType, &refusal{text: fmt.Sprintf("a SOCKS client sent an address of type %d", head[3])}
	}
	at := make([]byte, length+2)
	if _, err := io.ReadFull(in, at); err != nil {
		return "", socksDone, left
	}
	host := string(at[:length])
	if head[3] != 3 {
		a, _ := netip.AddrFromSlice(at[:length])
		host = a.Unmap().String()
	}
	port := binary.BigEndian.Uint16(at[length:])
	switch {
	case head[0] != 5:
		return "", socksFailed, &refusal{text: fmt.Sprintf("a SOCKS client changed to version %d", head[0])}
	case head[1] != 1:
		return "", socksNoCommand, &refusal{text: fmt.Sprintf("a SOCKS client sent the command %d; only CONNECT is served", head[1])}
	case !validHost(host) || port == 0:
		return "", socksFailed, &refusal{text: "a SOCKS client named no target"}
	}
	return net.JoinHostPort(host, strconv.Itoa(int(port))), socksDone, nil
}

// validHost reports whether a client's name or address of a host has only characters of such, so that messages may contain it.
func validHost(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_.:%", r)
	})
}

// socksReply returns a reply with the address of the socket that leads to the target.
func socksReply(status byte, at net.Addr) []byte {
	addr := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	if t, ok := at.(*net.TCPAddr); ok {
		addr = t.AddrPort()
	}
	kind, a := byte(1), addr.Addr().Unmap()
	if a.Is6() {
		kind = 4
	}
	b := append([]byte{5, status, 0, kind}, a.AsSlice()...)
	return binary.BigEndian.AppendUint16(b, addr.Port())
}

// socksStatus returns the reply for an error of a dial.
func socksStatus(err error) byte {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return socksRefused
	case errors.Is(err, syscall.ENETUNREACH):
		return socksNetUnreachable
	case errors.Is(err, syscall.EHOSTUNREACH), errors.As(err, &dns):
		return socksHostUnreachable
	case errors.As(err, &timeout) && timeout.Timeout():
		return socksExpired
	}
	return socksFailed
}

// connectHTTP serves a client of HTTP's CONNECT up to the response (RFC 9110 §9.3.6).
func connectHTTP(ctx context.Context, c conn, in *bufio.Reader) (conn, error) {
	answer := func(status int, header, text string) error {
		_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n",
			status, http.StatusText(status), header, len(text)+1, text)
		return err
	}
	q, err := http.ReadRequest(in)
	if err != nil {
		_ = answer(http.StatusBadRequest, "", "this is a proxy for SOCKS 5 and for the method CONNECT of HTTP")
		return nil, &refusal{text: "a client's request is neither SOCKS 5 nor HTTP"}
	}
	if q.Method != http.MethodConnect {
		_ = answer(http.StatusMethodNotAllowed, "Allow: CONNECT\r\n", "only the method CONNECT is served (curl --proxytunnel)")
		return nil, &refusal{text: "a client sent another HTTP method than CONNECT (curl --proxytunnel)"}
	}
	target, err := address(q.Host, 1)
	if host, _, _ := net.SplitHostPort(q.Host); err != nil || !validHost(host) {
		_ = answer(http.StatusBadRequest, "", "CONNECT needs HOST:PORT")
		return nil, &refusal{text: "a client's CONNECT names no HOST:PORT"}
	}
	far, err := dialKernel(ctx, target)
	if err != nil {
		_ = answer(http.StatusBadGateway, "", target+" can't be reached: "+cause(err))
		return nil, &refusal{text: target + " can't be reached: " + cause(err)}
	}
	if _, err := io.WriteString(c, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		reset(far)
		return nil, &refusal{"a client left before its response", true}
	}
	return far, nil
}
