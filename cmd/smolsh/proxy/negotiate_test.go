package proxy

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	socks "golang.org/x/net/proxy"

	"smolsh/stack/lab"
)

// negotiator returns a rig with a route for SOCKS and CONNECT, and where it listens.
func negotiator(t *testing.T) (*rig, string) {
	t.Helper()
	r := newRig(t, lab.LinkConfig{}, 0)
	if err := r.p.AddSOCKS("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return r, r.begin()
}

// TestSOCKS connects by address and by name with the client of x/net.
func TestSOCKS(t *testing.T) {
	_, at := negotiator(t)
	_, port, _ := net.SplitHostPort(serve(t, echo))
	d, err := socks.SOCKS5("tcp", at, nil, socks.Direct)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost"} {
		c, err := d.Dial("tcp", host+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "hello")
		got := make([]byte, 5)
		if _, err := io.ReadFull(c, got); err != nil || string(got) != "hello" {
			t.Errorf("%s: %q, %v", host, got, err)
		}
		c.Close()
	}
	if _, err := d.Dial("tcp", "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("a closed port: %v", err)
	}
}

// TestCONNECT fetches a page over TLS with net/http's client.
func TestCONNECT(t *testing.T) {
	_, at := negotiator(t)
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }))
	defer s.Close()
	client := s.Client()
	client.Transport.(*http.Transport).Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: at})
	res, err := client.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, err := io.ReadAll(res.Body); string(got) != "page" {
		t.Errorf("%q, %v", got, err)
	}
	client.CloseIdleConnections()
}

// TestNegotiation sends requests octet for octet, and compares the answers and the program's messages.
func TestNegotiation(t *testing.T) {
	r, at := negotiator(t)
	target := serve(t, echo)
	for _, c := range []struct{ what, send, want, said string }{
		{"SOCKS 4", "\x04\x01\x00\x50\x7f\x00\x00\x01x\x00", "\x00\x5b\x00\x00\x00\x00\x00\x00", "SOCKS 4"},
		{"only passwords", "\x05\x01\x02", "\x05\xff", "without a password"},
		{"BIND", "\x05\x01\x00\x05\x02\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", "command 2"},
		{"UDP ASSOCIATE", "\x05\x01\x00\x05\x03\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x00\x05\x07\x00\x01\x00\x00\x00\x00\x00\x00", "command 3"},
		{"address type", "\x05\x01\x00\x05\x01\x00\x02", "\x05\x00\x05\x08\x00\x01\x00\x00\x00\x00\x00\x00", "type 2"},
		{"port 0", "\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x00", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", "named no target"},
		{"a terminal's escape", "\x05\x01\x00\x05\x01\x00\x03\x03\x1b[2\x00\x50", "\x05\x00\x05\x01\x00\x01\x00\x00\x00\x00\x00\x00", "named no target"},
		{"closed port", "\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x01", "\x05\x00\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00", "127.0.0.1:1 can't be reached"},
		{"no protocol", "hello\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "neither SOCKS 5 nor HTTP"},
		{"GET", "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\n", "another HTTP method"},
		{"no port", "CONNECT x HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.1 400 Bad Request\r\n", "no HOST:PORT"},
		{"refused", "CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n", "HTTP/1.1 502 Bad Gateway\r\n", "127.0.0.1:1 can't be reached"},
		{"octets at once", "CONNECT " + target + " HTTP/1.1\r\n\r\nearly", "HTTP/1.1 200 Connection established\r\n\r\nearly", ""},
	} {
		conn := dial(t, at)
		_, _ = io.WriteString(conn, c.send)
		if c.said == "" {
			_ = conn.CloseWrite()
		}
		got, err := io.ReadAll(conn)
		if !strings.HasPrefix(string(got), c.want) || err != nil {
			t.Errorf("%s: got %q, %v, want %q", c.what, got, err, c.want)
		}
		conn.Close()
		r.spoken(c.said)
	}
	eventually(t, "end of all connections", func() bool { return r.counter("connections_open") == 0 })
}

// TestLongRequest: a request has a bound.
func TestLongRequest(t *testing.T) {
	r, at := negotiator(t)
	c := dial(t, at)
	_, _ = io.WriteString(c, "CONNECT a:1 HTTP/1.1\r\n")
	for range maxRequest / 8 {
		if _, err := io.WriteString(c, "a: bcd\r\n"); err != nil {
			break
		}
	}
	_, _ = io.Copy(io.Discard, c) // an answer, or a reset for the unread octets
	r.spoken("neither SOCKS 5 nor HTTP")
}

// connected is a connection that is never dialled.
type connected struct {
	conn
	written bytes.Buffer
}

func (c *connected) Write(p []byte) (int, error) { return c.written.Write(p) }

// FuzzNegotiation feeds requests of any octets. None may panic, and none of these reaches a target, for the context has ended.
func FuzzNegotiation(f *testing.F) {
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50"))
	f.Add([]byte("\x05\x01\x00\x05\x01\x00\x03\x01a\x00\x50"))
	f.Add([]byte("CONNECT a:80 HTTP/1.1\r\n\r\n"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, negotiate := range []func(context.Context, conn, *bufio.Reader) (conn, error){connectSOCKS, connectHTTP} {
			c := &connected{}
			if far, err := negotiate(ctx, c, bufio.NewReader(bytes.NewReader(b))); err == nil || far != nil {
				t.Fatalf("%q has reached a target", b)
			}
		}
	})
}
