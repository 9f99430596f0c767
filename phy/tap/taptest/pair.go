//go:build linux

package taptest

import (
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"smolsh/phy/ifconfig"
)

// Space is a second network namespace, in addition to the test's. Only functions run by Do, and the programs and
// sockets that they open, are in it.
type Space struct{ work chan func() }

// NewSpace makes a network namespace with lo up. It ends with the test.
func NewSpace(t testing.TB) *Space {
	t.Helper()
	s := &Space{work: make(chan func())}
	go func() {
		Namespace(t)
		for f := range s.work {
			f()
		}
	}()
	t.Cleanup(func() { close(s.work) })
	return s
}

// Do runs f in the namespace, on the Space's goroutine, and waits for f to return. f must not end the test.
func (s *Space) Do(f func()) {
	done := make(chan struct{})
	s.work <- func() { defer close(done); f() }
	<-done
}

// Veth connects the calling goroutine's namespace with another one by a pair of Ethernet interfaces. Both are up and
// have the given addresses, of either version of IP; "" means no address.
func Veth(t testing.TB, near, nearAddr string, there *Space, far, farAddr string) {
	t.Helper()
	var ns *os.File
	var err error
	there.Do(func() { ns, err = os.Open("/proc/thread-self/ns/net") })
	if err != nil {
		t.Fatal(err)
	}
	defer ns.Close()
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far, PeerNamespace: netlink.NsFd(ns.Fd())}
	if err := netlink.LinkAdd(pair); err != nil {
		t.Fatalf("veth pair: %v", err)
	}
	farEnd := func() {
		if e := ifconfig.Setup(far, prefixes(t, farAddr), 0); e != nil {
			err = e
		}
	}
	there.Do(farEnd)
	if e := ifconfig.Setup(near, prefixes(t, nearAddr), 0); e != nil {
		err = e
	}
	there.Do(farEnd) // it has a carrier now
	if err != nil {
		t.Fatal(err)
	}
}

// prefixes returns an address with prefix length as a list, which is empty for "".
func prefixes(t testing.TB, addr string) []netip.Prefix {
	if addr == "" {
		return nil
	}
	p, err := netip.ParsePrefix(addr)
	if err != nil {
		t.Error(err)
		return nil
	}
	return []netip.Prefix{p}
}
