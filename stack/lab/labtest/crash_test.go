package labtest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab/labtest"
)

// TestCrash: what the programs of a crashed host and its peers see, in each mode, and after the restart.
func TestCrash(t *testing.T) {
	for _, mode := range []labtest.CrashMode{labtest.CrashReset, labtest.CrashSilent, labtest.CrashHalfOpen} {
		t.Run(mode.String(), func(t *testing.T) { labtest.Run(t, func(t *testing.T, l *labtest.Lab) { testCrash(t, l, mode) }) })
	}
}

func testCrash(t *testing.T, l *labtest.Lab, mode labtest.CrashMode) {
	server, client, _ := pair(l, labtest.LinkConfig{Delay: time.Millisecond})
	serveEcho(t, server)
	c := dial(t, client)
	if err := ask(c); err != nil {
		t.Fatal(err)
	}
	var ended []error
	server.Go(func(ctx context.Context, n *gonet.Net) { // a call that is blocked, and then calls that fail
		listener, err := n.Listen("tcp", ":8")
		if err != nil {
			t.Error(err)
			return
		}
		_, err = listener.Accept()
		ended = append(ended, err)
		_, err = n.Dial("tcp", "10.0.0.2:7")
		ended = append(ended, err)
		<-ctx.Done()
		ended = append(ended, context.Cause(ctx))
	})
	time.Sleep(time.Second) // the client owes no acknowledgement then
	old := server.Net()
	server.Crash(mode)
	server.Crash(mode)
	l.Wait()
	if len(ended) != 3 || ended[0] == nil || !errors.Is(ended[1], labtest.ErrCrashed) || ended[2] != labtest.ErrCrashed {
		t.Errorf("the server's calls: %v", ended)
	}

	// The connection that was idle.
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, err := c.Read(make([]byte, 1))
	if mode == labtest.CrashReset != errors.Is(err, syscall.ECONNRESET) || mode != labtest.CrashReset && !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("idle connection: %v", err)
	}
	if mode != labtest.CrashReset { // the next segment tells
		err = ask(c)
		if mode == labtest.CrashSilent && !errors.Is(err, os.ErrDeadlineExceeded) || mode == labtest.CrashHalfOpen && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("segment to the crashed host: %v", err)
		}
	}

	// New connections.
	_, err = client.Net().DialTimeout("tcp", "10.0.0.1:7", 10*time.Second)
	switch refused := errors.Is(err, syscall.ECONNREFUSED); {
	case mode == labtest.CrashSilent && (err == nil || refused), mode != labtest.CrashSilent && !refused:
		t.Errorf("dial: %v", err)
	}

	server.Restart()
	if _, err := old.Listen("tcp", ":7"); !errors.Is(err, labtest.ErrCrashed) {
		t.Errorf("a program of before listens: %v", err)
	}
	if mode == labtest.CrashSilent { // the segment is retransmitted to a host that does not know the connection
		c.SetReadDeadline(time.Now().Add(5 * time.Minute))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("old connection: %v", err)
		}
	}
	serveEcho(t, server)
	if err := ask(dial(t, client)); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}

// TestEndOfATest: what a test leaves open is ended, with its blocked goroutines.
func TestEndOfATest(t *testing.T) {
	var err error
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, _ := pair(l, labtest.LinkConfig{})
		serveEcho(t, server)
		c := dial(t, client)
		go func() { _, err = c.Read(make([]byte, 1)) }()
		client.Go(func(ctx context.Context, n *gonet.Net) { <-ctx.Done() })
		l.Wait()
	})
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("the read returned %v", err)
	}
}

// TestRestartDuringCrash: a supervisor that restarts a host as soon as its program's context ends does not lose the host to the crash that
// is still running.
func TestRestartDuringCrash(t *testing.T) {
	for _, mode := range []labtest.CrashMode{labtest.CrashReset, labtest.CrashSilent, labtest.CrashHalfOpen} {
		t.Run(mode.String(), func(t *testing.T) {
			labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
				server, client, _ := pair(l, labtest.LinkConfig{Delay: time.Millisecond})
				down := make(chan struct{})
				server.Go(func(ctx context.Context, n *gonet.Net) { <-ctx.Done(); close(down) })
				go server.Crash(mode)
				<-down
				server.Restart()
				serveEcho(t, server)
				time.Sleep(time.Second)
				c, err := client.Net().DialTimeout("tcp", "server:7", time.Minute)
				if err != nil {
					t.Fatal(err)
				}
				if err := ask(c); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestCrashedSockets: the calls on sockets that a crashed host's programs had open fail with ErrCrashed, blocked and later ones, and also after
// the restart. Their own Close before the crash remains net.ErrClosed.
func TestCrashedSockets(t *testing.T) {
	for _, mode := range []labtest.CrashMode{labtest.CrashReset, labtest.CrashSilent, labtest.CrashHalfOpen} {
		t.Run(mode.String(), func(t *testing.T) {
			labtest.Run(t, func(t *testing.T, l *labtest.Lab) { testCrashedSockets(t, l, mode) })
		})
	}
}

func testCrashedSockets(t *testing.T, l *labtest.Lab, mode labtest.CrashMode) {
	server, client, _ := pair(l, labtest.LinkConfig{Delay: time.Millisecond})
	serveEcho(t, server)
	n := client.Net()
	idle, closed := dial(t, client), dial(t, client)
	closed.Close()
	listener, err := n.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	packets, err := n.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1)
	calls := map[string]func() error{
		"read":      func() error { _, err := idle.Read(buf); return err },
		"accept":    func() error { _, err := listener.Accept(); return err },
		"read from": func() error { _, _, err := packets.ReadFrom(buf); return err },
		"dial":      func() error { _, err := n.Dial("tcp", "10.0.0.99:1"); return err },
	}
	for name, call := range calls {
		client.Go(func(context.Context, *gonet.Net) {
			if err := call(); !errors.Is(err, labtest.ErrCrashed) || errors.Is(err, net.ErrClosed) {
				t.Errorf("blocked %s: %v", name, err)
			}
		})
	}
	l.Wait()
	client.Crash(mode)
	l.Wait()
	calls["write"] = func() error { _, err := idle.Write(buf); return err }
	calls["write to"] = func() error {
		_, err := packets.WriteTo(buf, &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1})
		return err
	}
	for _, when := range []string{"crashed", "restarted"} {
		for range 2 {
			for name, call := range calls {
				if err := call(); !errors.Is(err, labtest.ErrCrashed) || errors.Is(err, net.ErrClosed) {
					t.Errorf("%s, %s: %v", when, name, err)
				}
			}
		}
		if _, err := closed.Read(buf); !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s, closed before: %v", when, err)
		}
		if when == "crashed" {
			client.Restart()
		}
	}
}
