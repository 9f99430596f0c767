//go:build linux

package live

import (
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// TestPathMTUThroughKernel sends through a kernel that routes onto a link of 1400 octets. The kernel sends an ICMP error, and the
// connection continues with shorter segments (RFC 1191). If the ICMP errors are lost, the sender finds the path MTU by itself
// (RFC 4821 §7.7).
func TestPathMTUThroughKernel(t *testing.T) {
	for _, silent := range []bool{false, true} {
		t.Run(fmt.Sprint("silent=", silent), func(t *testing.T) { pathMTU(t, silent) })
	}
}

func pathMTU(t *testing.T, silent bool) {
	const narrow = 1400
	r, h, port := onTAP(t)
	far := behind(t, narrow)
	var ln *net.TCPListener
	var err error
	far.Do(func() { ln, err = net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(10, 9, 0, 2)}) })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	data := make([]byte, 256<<10)
	rand.NewChaCha8([32]byte{3}).Read(data)
	sum := make(chan [32]byte, 1)
	go func() {
		hash := sha256.New()
		if k, err := ln.Accept(); err == nil {
			io.Copy(hash, k)
			k.Close()
		}
		sum <- [32]byte(hash.Sum(nil))
	}()
	c := &transfer{order: weClose, hash: sha256.New(), done: make(chan error, 2), buf: make([]byte, 64<<10), data: data}
	r.Do(func(now clock.Instant) {
		if silent {
			port.Faults().Add(&fault.Rule{Dir: fault.RX, Match: func(f []byte, _ phy.Medium) bool {
				return len(f) > 33 && f[12] == 8 && f[13] == 0 && f[23] == 1 // matches ICMP
			}})
		}
		if err = h.AddRoute(netip.MustParsePrefix("10.9.0.0/24"), kernelAddr.Addr(), h.Ifaces()[len(h.Ifaces())-1]); err != nil {
			return
		}
		to := netip.AddrPortFrom(netip.MustParseAddr("10.9.0.2"), uint16(ln.Addr().(*net.TCPAddr).Port))
		if c.c, err = h.DialTCP(now, netip.AddrPort{}, to, tcp.Config{}); err == nil {
			c.c.OnEvent = c.step
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	select {
	case got := <-sum:
		if got != sha256.Sum256(data) {
			t.Error("what arrived differs")
		}
	case <-time.After(time.Minute):
		t.Error("it never arrived")
	}
	r.Do(func(now clock.Instant) {
		info := c.c.Info(now)
		if silent && (info.PathMTU > narrow || info.PathMTU < 1024) || !silent && info.PathMTU != narrow {
			t.Errorf("the path is thought to take %d octets, and takes %d", info.PathMTU, narrow)
		}
	})
}

// behind makes a second network namespace, to which the calling goroutine's namespace routes over a link whose MTU is
// mtu in that direction.
func behind(t *testing.T, mtu int) *taptest.Space {
	t.Helper()
	s := taptest.NewSpace(t)
	taptest.Veth(t, "far0", "10.9.0.1/24", s, "far1", "10.9.0.2/24")
	sysctl(t, "ip_forward", "1")
	link, err := netlink.LinkByName("far0")
	if err == nil {
		err = netlink.LinkSetMTU(link, mtu)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Do(func() { route(t, "0.0.0.0/0", "10.9.0.1") })
	return s
}
