package labtest_test

import (
	"context"
	"io"
	"net"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// pair makes two linked hosts, server (10.0.0.1, 2001:db8::1) and client.
func pair(l *labtest.Lab, cfg labtest.LinkConfig) (server, client *labtest.Host, link *labtest.Link) {
	server = l.Host("server", "10.0.0.1/24", "2001:db8::1/64")
	client = l.Host("client", "10.0.0.2/24", "2001:db8::2/64")
	return server, client, l.Link(server, client, cfg)
}

// serveEcho returns the octets of every connection to port 7 of the host, until it crashes or the test ends.
func serveEcho(t *testing.T, h *labtest.Host) {
	t.Helper()
	listener, err := h.Net().Listen("tcp", ":7")
	if err != nil {
		t.Fatal(err)
	}
	h.Go(func(context.Context, *gonet.Net) {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			h.Go(func(context.Context, *gonet.Net) {
				defer c.Close()
				io.Copy(c, c)
			})
		}
	})
}

// dial connects to port 7 of server.
func dial(t *testing.T, client *labtest.Host) net.Conn {
	t.Helper()
	c, err := client.Net().Dial("tcp", "server:7")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a word and reads it back within a minute.
func ask(c net.Conn) error {
	c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	_, err := io.ReadFull(c, make([]byte, 5))
	return err
}
