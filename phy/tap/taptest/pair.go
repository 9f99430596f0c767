//go:build linux

package taptest

import (
	"fmt"
	"os"
	"testing"

	"github.com/vishvananda/netlink"
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
// have the given addresses; "" means no address.
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
	there.Do(func() { err = raise(far, farAddr) })
	if err == nil {
		err = raise(near, nearAddr)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func raise(name, addr string) error {
	link, err := netlink.LinkByName(name)
	if err == nil && addr != "" {
		var a *netlink.Addr
		if a, err = netlink.ParseAddr(addr); err == nil {
			err = netlink.AddrAdd(link, a)
		}
	}
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
