package labtest_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
	"smolsh/stack/lab/labtest"
)

// TestExactTimes: time is the bubble's, and the network's instants are exact: a handshake and an exchange take a round trip each.
func TestExactTimes(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, _ := pair(l, labtest.LinkConfig{Delay: 20 * time.Millisecond})
		serveEcho(t, server)
		warm := dial(t, client) // neighbours are known then
		start := time.Now()
		c := dial(t, client)
		if got := time.Since(start); got != 40*time.Millisecond {
			t.Errorf("the handshake took %v", got)
		}
		if err := ask(c); err != nil || time.Since(start) != 80*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		warm.Close()
		c.Close()
		if server.Now() != time.Now() {
			t.Error("the host's clock is wrong")
		}
		server.SetClock(-time.Hour)
		if got := time.Until(server.Now()); got != -time.Hour || client.Now() != time.Now() {
			t.Errorf("the host's clock is %v ahead", got)
		}
	})
}

// TestTLS: crypto/tls and net/http unchanged, HTTP/2 included, through a router and a switch, with loss.
func TestTLS(t *testing.T) {
	cryptotest.SetGlobalRandom(t, 1)
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.1.1/24"), l.Host("client", "10.0.2.1/24")
		router := l.Router("router", "10.0.1.254/24", "10.0.2.254/24")
		sw := l.Switch("sw")
		l.Link(server, sw)
		l.Link(sw, router)
		l.Link(client, router, labtest.LinkConfig{Delay: 5 * time.Millisecond, Loss: 0.05, RateBps: 10_000_000})
		server.Gateway("10.0.1.254")
		client.Route("10.0.1.0/24", "10.0.2.254")

		transport := serveTLS(t, server, client, true)
		var group sync.WaitGroup
		for k := range 5 {
			group.Go(func() {
				body := strings.Repeat(fmt.Sprint(k), 100_000)
				answer, err := (&http.Client{Transport: transport}).Post("https://server/", "", strings.NewReader(body))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(answer.Body)
				if string(got) != body || err != nil || answer.ProtoMajor != 2 {
					t.Errorf("%s: %d octets, %v", answer.Proto, len(got), err)
				}
			})
		}
		group.Wait()
	})
}

// TestExactFaults: a rule drops single frames of one direction, and the first retransmission comes after the RTO of one second.
func TestExactFaults(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, link := pair(l, labtest.LinkConfig{Delay: time.Millisecond})
		serveEcho(t, server)
		dial(t, client).Close()
		remove := link.Fault(client, labtest.Rule{Match: labtest.Filter("tcp[tcpflags] & tcp-syn != 0"), Nth: []int{1}})
		back := link.Fault(server, labtest.Rule{Match: labtest.Filter("tcp[tcpflags] & tcp-syn != 0")})
		start := time.Now()
		go func() {
			time.Sleep(1500 * time.Millisecond)
			if n := back(); n != 1 {
				t.Errorf("%d answers dropped", n)
			}
		}()
		c, err := client.Net().Dial("tcp", "10.0.0.1:7")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if got, want := time.Since(start), 2002*time.Millisecond; got < want || got > want+time.Second {
			t.Errorf("dialled after %v", got)
		}
		if n := remove(); n != 1 {
			t.Errorf("%d SYNs dropped", n)
		}
	})
}

// TestPartition: a connection survives a partition that is healed, and a dial during one waits for it.
func TestPartition(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		sw := l.Switch("sw")
		server, client, other := l.Host("server", "10.0.0.1/24"), l.Host("client", "10.0.0.2/24"), l.Host("other", "10.0.0.3/24")
		for _, h := range []*labtest.Host{server, client, other} {
			l.Link(h, sw, labtest.LinkConfig{Delay: time.Millisecond})
		}
		serveEcho(t, server)
		c, o := dial(t, client), dial(t, other)
		for k, cut := range []func(){func() { l.Partition(server, client) }, func() { l.Isolate(client) }, func() { l.Isolate(server, other) }} {
			cut()
			time.AfterFunc(10*time.Second, l.Heal)
			start := time.Now()
			if err := ask(o); err != nil || time.Since(start) > time.Second {
				t.Errorf("%d: host that is not cut off: %v after %v", k, err, time.Since(start))
			}
			if err := ask(c); err != nil || time.Since(start) < 10*time.Second {
				t.Errorf("%d: host that is cut off: %v after %v", k, err, time.Since(start))
			}
		}
		l.Isolate(server)
		if err := ask(o); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("isolated server: %v", err)
		}
	})
}

// TestLoopAndUDP: a host reaches itself, and datagrams pass.
func TestLoopAndUDP(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, link := pair(l, labtest.LinkConfig{})
		serveEcho(t, server)
		if err := ask(dial(t, server)); err != nil {
			t.Error(err)
		}
		packets, err := server.Net().ListenPacket("udp", ":53")
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Net().Dial("udp", "server:53")
		if err != nil {
			t.Fatal(err)
		}
		c.Write([]byte("question"))
		l.Wait()
		packets.SetReadDeadline(time.Now().Add(1))
		if n, from, err := packets.ReadFrom(make([]byte, 99)); n != 8 || err != nil || from.String() != c.LocalAddr().String() {
			t.Errorf("%d octets from %v, %v", n, from, err)
		}
		link.SetUp(false)
		if ab, ba := link.Stats(); ab.In == 0 || ba.In == 0 {
			t.Errorf("counted %d and %d frames", ab.In, ba.In)
		}
		link.SetUp(true)
		link.Set(labtest.LinkConfig{Delay: time.Second})
		start := time.Now()
		if err := ask(dial(t, client)); err != nil || time.Since(start) < 4*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if a, b := l.Rand(1).Uint64(), l.Rand(1).Uint64(); a != b || l.Rand(2).Uint64() == a || l.Seed() == 0 {
			t.Error("random streams do not follow from the seed")
		}
		var hosts []*lab.Host
		l.Do(func(clock.Instant) { hosts = l.Lab().Hosts() })
		if len(hosts) != 2 || hosts[0] != server.Host() || client.Name() != "client" {
			t.Errorf("%d hosts", len(hosts))
		}
	})
}

// TestCloseWithMuchPending: octets that Write has accepted and the send buffer has not are sent after Close, though that takes minutes. A peer
// that stops reading ends the connection after a minute.
func TestCloseWithMuchPending(t *testing.T) {
	for _, reads := range []bool{true, false} {
		labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
			const size = 3 << 20
			server, client, _ := pair(l, labtest.LinkConfig{RateBps: 200_000, Queue: 1000})
			listener, err := server.Net().Listen("tcp", ":9")
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			c, err := client.Net().Dial("tcp", "server:9")
			if err != nil {
				t.Fatal(err)
			}
			if n, err := c.Write(make([]byte, size)); n != size || err != nil || time.Since(start) > time.Second {
				t.Errorf("wrote %d octets, %v, in %v", n, err, time.Since(start))
			}
			c.Close()
			s, err := listener.Accept()
			if err != nil {
				t.Fatal(err)
			}
			if !reads {
				s.(*gonet.TCPConn).SetReadBuffer(1000)
				time.Sleep(5 * time.Minute)
			}
			n, err := io.Copy(io.Discard, s)
			if (n == size && err == nil) != reads || reads && time.Since(start) < 2*time.Minute {
				t.Errorf("reads %v: read %d octets, %v, in %v", reads, n, err, time.Since(start))
			}
		})
	}
}

// TestRoutedPartition: a partition cuts two hosts with a router between them, in both directions and packets on their way, and other
// hosts reach both.
func TestRoutedPartition(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client := l.Host("server", "10.0.1.1/24", "2001:db8:1::1/64"), l.Host("client", "10.0.2.1/24", "2001:db8:2::1/64")
		router := l.Router("router", "10.0.1.254/24", "10.0.2.254/24", "2001:db8:1::254/64", "2001:db8:2::254/64")
		l.Link(server, router, labtest.LinkConfig{Delay: time.Second})
		l.Link(client, router, labtest.LinkConfig{Delay: time.Second})
		for _, h := range []*labtest.Host{server, client} {
			net := map[*labtest.Host]string{server: "1", client: "2"}[h]
			h.Gateway("10.0." + net + ".254")
			h.Gateway("2001:db8:" + net + "::254")
		}
		serveEcho(t, server)
		serveEcho(t, client)
		for _, addr := range []string{"10.0.1.1:7", "[2001:db8:1::1]:7"} {
			c, err := client.Net().Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			if err := ask(c); err != nil {
				t.Error(err)
			}
			c.Write([]byte("hello")) // is on its way when the partition begins
			time.Sleep(500 * time.Millisecond)
			l.Partition(server, client)
			for _, h := range []*labtest.Host{client, server} {
				to := map[*labtest.Host]string{client: addr, server: "client:7"}[h]
				if _, err := h.Net().DialTimeout("tcp", to, 30*time.Second); err == nil {
					t.Errorf("%s reaches %s", h.Name(), to)
				}
			}
			if c, err := router.Net().DialTimeout("tcp", addr, 30*time.Second); err != nil {
				t.Error(err)
			} else if err := ask(c); err != nil {
				t.Error(err)
			}
			if err := ask(c); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("over the connection: %v", err)
			}
			l.Heal()
			c.SetDeadline(time.Now().Add(5 * time.Minute))
			if _, err := io.ReadFull(c, make([]byte, 5)); err != nil {
				t.Errorf("after the partition: %v", err)
			}
			c.Close()
		}
	})
}

// TestLongSleep: a test may sleep for longer than -lab.within while connections are kept alive and calls wait, and a deadline may be as late.
func TestLongSleep(t *testing.T) {
	labtest.Run(t, func(t *testing.T, l *labtest.Lab) {
		server, client, _ := pair(l, labtest.LinkConfig{})
		serveEcho(t, server)
		c := dial(t, client)
		time.Sleep(3 * 24 * time.Hour)
		c.SetReadDeadline(time.Now().Add(23 * time.Hour))
		if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error(err)
		}
		if err := ask(c); err != nil {
			t.Error(err)
		}
	})
}
