//go:build linux

package netif

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"smolsh/phy"
	"smolsh/phy/tap/taptest"
)

func open(t *testing.T, name string) *Link {
	t.Helper()
	l, err := Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func TestState(t *testing.T) {
	taptest.Namespace(t)
	if _, err := Open("nosuch0"); !errors.Is(err, ErrNotFound) || err.Error() != "nosuch0: no such interface" {
		t.Errorf("nosuch0: %v", err)
	}
	lo := open(t, "lo")
	if s := lo.State; s.Name != "lo" || s.MTU != 65536 || s.Encap != "loopback" || !s.Up || !s.Carrier || !s.MAC.IsZero() {
		t.Errorf("lo: %+v", s)
	}
	taptest.TAP(t, "tap0", netip.MustParsePrefix("192.168.69.100/24"))
	l := open(t, "tap0")
	if s := l.State; s.Encap != "ether" || !s.Up || s.Carrier || s.MAC.IsZero() { // no carrier, since no program has opened it
		t.Errorf("tap0: %+v", s)
	}
	link, err := netlink.LinkByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(netlink.LinkSetDown(link), netlink.LinkSetName(link, "uplink0"), netlink.LinkSetMTU(link, 1280)); err != nil {
		t.Fatal(err)
	}
	if l.MTU != 1500 || l.Name != "tap0" {
		t.Errorf("before Refresh: %+v", l.State)
	}
	if err := l.Refresh(); err != nil || l.MTU != 1280 || l.Name != "uplink0" || l.Up {
		t.Errorf("after Refresh: %+v, %v", l.State, err)
	}
	if err := netlink.LinkDel(link); err != nil {
		t.Fatal(err)
	}
	if err := l.Refresh(); !errors.Is(err, phy.ErrClosed) || !strings.Contains(err.Error(), "uplink0: the device was deleted") {
		t.Errorf("deleted: %v", err)
	}
}

// TestWatch: Watch also reports changes that precede its call. It reports no changes of other interfaces, and none
// after Close.
func TestWatch(t *testing.T) {
	taptest.Namespace(t)
	for _, name := range []string{"tap0", "tap1"} {
		taptest.TAP(t, name, netip.MustParsePrefix("192.168.69.100/24"))
	}
	l := open(t, "tap0")
	set := func(name string, mtu int) {
		link, err := netlink.LinkByName(name)
		if err == nil {
			err = netlink.LinkSetMTU(link, mtu)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan struct{}, 100)
	wait := func(what string) {
		t.Helper()
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			t.Fatalf("%s was not told", what)
		}
	}
	set("tap0", 1400)
	l.Watch(func() { told <- struct{}{} })
	wait("what came before")
	for len(told) > 0 {
		<-told
	}
	set("tap1", 1400)
	set("tap0", 1300)
	wait("a change")
	if err := l.Refresh(); err != nil || l.MTU != 1300 { // if tap1's change had been reported, this change might not be visible yet
		t.Errorf("MTU %d, %v", l.MTU, err)
	}
	l.Close()
	for len(told) > 0 {
		<-told
	}
	set("tap0", 1200)
	time.Sleep(50 * time.Millisecond)
	if len(told) > 0 {
		t.Error("told after Close")
	}
}
