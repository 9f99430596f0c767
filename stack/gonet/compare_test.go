package gonet_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// system is what a program needs of package net, or of gonet in its place.
type system struct {
	dial         func(network, address string) (net.Conn, error)
	dialContext  func(ctx context.Context, network, address string) (net.Conn, error)
	listen       func(network, address string) (net.Listener, error)
	listenPacket func(network, address string) (net.PacketConn, error)
	dialWith     func(ctx context.Context, options dialOptions, network, address string) (net.Conn, error)
	resolver     resolver
}

// dialOptions are the options that both Dialer types have.
type dialOptions struct {
	timeout  time.Duration
	deadline time.Time
	local    net.Addr
}

// resolver is what both Resolver types have.
type resolver interface {
	LookupHost(ctx context.Context, host string) ([]string, error)
	LookupIPAddr(ctx context.Context, host string) ([]net.IPAddr, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// stream is what both TCPConn types have beyond net.Conn.
type stream interface {
	net.Conn
	io.ReaderFrom
	io.WriterTo
	CloseRead() error
	CloseWrite() error
	SetLinger(sec int) error
	SetNoDelay(on bool) error
	SetKeepAlive(on bool) error
	SetKeepAlivePeriod(d time.Duration) error
	SetKeepAliveConfig(k net.KeepAliveConfig) error
	SetReadBuffer(n int) error
	SetWriteBuffer(n int) error
}

// observer collects what a program observes, by name.
type observer struct {
	t   *testing.T
	sys system

	mu   sync.Mutex
	seen map[string]string
	keys []string
}

// note records an observation.
func (o *observer) note(key string, format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, twice := o.seen[key]; twice {
		o.t.Errorf("%q noted twice", key)
	}
	o.seen[key] = fmt.Sprintf(format, args...)
	o.keys = append(o.keys, key)
}

// result records a count and an error.
func (o *observer) result(key string, n int, err error) { o.note(key, "%d, %s", n, describe(err)) }

// err records an error.
func (o *observer) err(key string, err error) { o.note(key, "%s", describe(err)) }

func (o *observer) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

// describe returns what a program can tell of an error: its types, its errno, the answers of errors.Is, without ports.
func describe(err error) string {
	if err == nil || err == io.EOF {
		return fmt.Sprint(err)
	}
	var parts []string
	add := func(s string) { parts = append(parts, s) }
	var op *net.OpError
	if errors.As(err, &op) {
		add(fmt.Sprintf("OpError %s %s source=%v addr=%v", op.Op, op.Net, op.Source != nil, op.Addr != nil))
	}
	var sys *os.SyscallError
	if errors.As(err, &sys) {
		add("call " + sys.Syscall)
	}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		add(errno.Error())
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		add(fmt.Sprintf("DNSError notfound=%v", dns.IsNotFound))
	}
	var addr *net.AddrError
	if errors.As(err, &addr) {
		add("AddrError " + addr.Err)
	}
	var unknown net.UnknownNetworkError
	if errors.As(err, &unknown) {
		add("unknown network " + string(unknown))
	}
	for name, target := range map[string]error{"net.ErrClosed": net.ErrClosed} {
		if errors.Is(err, target) {
			add(name)
		}
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		add("os.ErrDeadlineExceeded")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		add("context.DeadlineExceeded")
	}
	if errors.Is(err, context.Canceled) {
		add("context.Canceled")
	}
	if errors.Is(err, net.ErrWriteToConnected) {
		add("net.ErrWriteToConnected")
	}
	var ne net.Error
	if errors.As(err, &ne) {
		add(fmt.Sprintf("timeout=%v", ne.Timeout()))
	}
	text := err.Error()
	if i := strings.LastIndex(text, ": "); i >= 0 {
		add("..." + text[i+2:])
	}
	return strings.Join(parts, "; ")
}

// differences are the observations in which gonet differs from package net on Linux, each with its reason. docs/go.md begins with them.
var differences = map[string]string{
	"dial udp 127.0.0.1:0": "EINVAL: the stack connects no socket to port 0, to which no datagram could be delivered",
	"file of a connection": "errors.ErrUnsupported: a socket of the host has no descriptor",
}

// TestLikePackageNet runs one program on package net over the kernel's loopback and on gonet over a host's, and compares all that it
// observes.
func TestLikePackageNet(t *testing.T) {
	kernel := system{
		dial: net.Dial,
		dialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
		listen:       net.Listen,
		listenPacket: net.ListenPacket,
		dialWith: func(ctx context.Context, o dialOptions, network, address string) (net.Conn, error) {
			d := net.Dialer{Timeout: o.timeout, Deadline: o.deadline, LocalAddr: o.local}
			return d.DialContext(ctx, network, address)
		},
		resolver: net.DefaultResolver,
	}
	defer func(d time.Duration) { settle = d }(settle)
	want, got, unexpected := compare(t, kernel)
	for range 2 {
		if len(unexpected) > 0 {
			t.Logf("again, with a longer time for packets to arrive:\n%s", strings.Join(unexpected, "\n"))
			settle *= 4
			want, got, unexpected = compare(t, kernel)
		}
	}
	for _, difference := range unexpected {
		t.Error(difference)
	}
	for key := range differences {
		if _, ok := want.seen[key]; !ok {
			t.Errorf("%s is in the table, and nothing observes it", key)
		}
	}
	if len(got.keys) != len(want.keys) {
		t.Errorf("%d observations, want %d", len(got.keys), len(want.keys))
	}
	doc, err := os.ReadFile("../../docs/go.md")
	if err != nil {
		t.Fatal(err)
	}
	for key, why := range differences {
		if row := fmt.Sprintf("| %s | %s |", key, why); !strings.Contains(string(doc), row) {
			t.Errorf("docs/go.md has no row %s", row)
		}
	}
	t.Logf("%d observations", len(want.keys))
}

// compare runs the program on the kernel's network and on a host's, and returns what it observes, and the differences that are not in the table.
func compare(t *testing.T, kernel system) (want, got *observer, unexpected []string) {
	want = &observer{t: t, sys: kernel, seen: map[string]string{}}
	program(want)
	p := newPair(t, drive, lab.LinkConfig{})
	got = &observer{t: t, sys: systemOf(p.a), seen: map[string]string{}}
	program(got)
	for _, key := range want.keys {
		a, b := want.seen[key], got.seen[key]
		why, known := differences[key]
		switch {
		case a != b && !known:
			unexpected = append(unexpected, fmt.Sprintf("%s:\n package net: %s\n gonet:       %s", key, a, b))
		case a == b && known:
			unexpected = append(unexpected, fmt.Sprintf("%s: the same in both, %s, and yet in the table (%s)", key, a, why))
		}
	}
	return want, got, unexpected
}

func systemOf(n *gonet.Net) system {
	return system{dial: n.Dial, dialContext: n.DialContext, listen: n.Listen, listenPacket: n.ListenPacket, resolver: n.Resolver(),
		dialWith: func(ctx context.Context, o dialOptions, network, address string) (net.Conn, error) {
			d := gonet.Dialer{Net: n, Timeout: o.timeout, Deadline: o.deadline, LocalAddr: o.local}
			return d.DialContext(ctx, network, address)
		},
	}
}
