package proxy

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// rig is a Proxy over a lab of its own. Its programs and targets are sockets of the loopback.
type rig struct {
	t      *testing.T
	p      *Proxy
	runner lab.Runner
	link   *lab.Link
	hosts  [2]*lab.Host

	mu   sync.Mutex
	said []string
}

func newRig(t *testing.T, link lab.LinkConfig, idle time.Duration, change ...func(cfg *tcp.Config)) *rig {
	t.Helper()
	w := lab.NewWorld()
	l := lab.New(w, 1)
	r := &rig{t: t}
	cfg := tcp.Default()
	cfg.TimeWait = time.Second // the tests wait for its end
	for _, fn := range change {
		fn(&cfg)
	}
	for i, name := range []string{"local", "peer"} {
		addr := []netip.Prefix{netip.MustParsePrefix([]string{"10.0.0.1/24", "10.0.0.2/24"}[i])}
		var err error
		if r.hosts[i], err = l.AddHost(lab.HostConfig{Name: name, Addrs: addr, Stack: stack.Config{TCP: cfg}}); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if r.link, err = l.Link(r.hosts[0], r.hosts[1], link); err != nil {
		t.Fatal(err)
	}
	r.runner = gonet.Drive(w)
	r.p, err = New(Config{Runner: r.runner, Local: r.hosts[0], Peer: r.hosts[1], Link: r.link, UDPIdle: idle, Say: func(text string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.said = append(r.said, text)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.p.Close()
		_ = r.runner.Close()
	})
	return r
}

// carry adds a route to target and returns where it listens.
func (r *rig) carry(network, target string) string {
	r.t.Helper()
	if err := r.p.Add(Route{network, "127.0.0.1:0", target}); err != nil {
		r.t.Fatal(err)
	}
	return r.begin()
}

// begin serves the newest route and returns where it listens.
func (r *rig) begin() string {
	r.p.Serve()
	lines := r.p.Routes()
	return strings.Fields(lines[len(lines)-1])[1]
}

// sockets returns the number of sockets of both hosts.
func (r *rig) sockets() (n int) {
	r.runner.Do(func(now clock.Instant) { n = len(r.hosts[0].SocketInfos(now)) + len(r.hosts[1].SocketInfos(now)) })
	return n
}

// counter returns the sum of the samples of the metrics whose line contains every one of the words.
func (r *rig) counter(words ...string) (sum float64) {
	for line := range strings.Lines(string(r.p.Metrics())) {
		all := line[0] != '#'
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			var v float64
			_, _ = fmt.Sscan(line[strings.LastIndexByte(line, 32)+1:], &v)
			sum += v
		}
	}
	return sum
}

// counterBecomes waits until the sum of the samples is n.
func (r *rig) counterBecomes(n float64, words ...string) {
	r.t.Helper()
	eventually(r.t, "change of "+strings.Join(words, " "), func() bool { return r.counter(words...) == n })
}

// spoken waits for a failure that contains text.
func (r *rig) spoken(text string) {
	r.t.Helper()
	eventually(r.t, "a line with "+text, func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return strings.Contains(strings.Join(r.said, "\n"), text)
	})
}

// serve listens on the loopback, calls fn with each connection, and returns the address.
func serve(t *testing.T, fn func(c *net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go fn(c.(*net.TCPConn))
		}
	}()
	return l.Addr().String()
}

// echo sends back what it receives, and then ends.
func echo(c *net.TCPConn) {
	_, _ = io.Copy(struct{ io.Writer }{c}, struct{ io.Reader }{c})
	c.Close()
}

func dial(t *testing.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	return c.(*net.TCPConn)
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			buf := make([]byte, 1<<20)
			t.Fatalf("no %s\n%s", what, buf[:runtime.Stack(buf, true)])
		}
	}
}

// descriptors returns the number of the process's open descriptors, 0 where /proc does not tell.
func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}
