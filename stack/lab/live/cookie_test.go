//go:build linux

package live

import (
	"bytes"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

// synFrom returns a SYN to port 7 of our host.
func synFrom(mac wire.HardwareAddr, src, dst netip.AddrPort) *phy.Frame {
	f := phy.NewFrame(phy.FrameSize)
	h := wire.TCP{SrcPort: src.Port(), DstPort: dst.Port(), Seq: 1, Flags: wire.SYN, Window: 1000}
	h.Put(f.Extend(h.HeaderLen()))
	wire.PutTCPChecksum(f.Bytes(), src.Addr(), dst.Addr())
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolTCP, Src: src.Addr(), Dst: dst.Addr(), PayloadLen: f.Len()}
	ip.Put(f.Prepend(wire.IPv4Len))
	eth := wire.Ethernet{Dst: mac, Src: wire.HardwareAddr{2, 9, 9, 9, 9, 9}, Type: wire.EtherTypeIPv4}
	eth.Put(f.Prepend(wire.EthernetLen))
	return f
}

// TestKernelThroughCookie: while the SYN queue of the listener is full, the kernel's connection is established by a SYN
// cookie. The connection has the kernel's window scale and timestamps, and transfers its data intact.
func TestKernelThroughCookie(t *testing.T) {
	r, h, p := onTAP(t)
	ours := netip.MustParseAddrPort("192.168.69.1:7")
	var err error
	r.Do(func(now clock.Instant) {
		var ln *stack.TCPListener
		if ln, err = h.ListenTCP(ours, 0, tcp.Config{}); err != nil {
			return
		}
		ln.OnEvent = func(now clock.Instant) {
			for c := ln.Accept(); c != nil; c = ln.Accept() {

				buf := make([]byte, 1<<16)
				echo := func(now clock.Instant) {
					for c.Readable() > 0 && c.Writable() > 0 {
						n, _ := c.Read(now, buf[:min(len(buf), c.Writable())])
						_, _ = c.Write(now, buf[:n])
					}
					if c.AtEOF() {
						c.Close(now)
					}
				}
				c.OnEvent = echo
				echo(now)
			}
		}
		for k := range 1024 { // SYNs from a station that never answers
			h.Receive(now, p.Iface(), synFrom(p.Iface().MAC(), netip.AddrPortFrom(netip.MustParseAddr("192.168.69.50"), uint16(2000+k)), ours))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.DialTimeout("tcp4", ours.String(), 2*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	data := bytes.Repeat([]byte("through a cookie "), 20_000)
	go func() {
		_, _ = c.Write(data)
		_ = c.(*net.TCPConn).CloseWrite()
	}()
	_ = c.SetDeadline(time.Now().Add(20 * time.Second))
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d octets came back, %v", len(got), err)
	}
	counts := map[string]uint64{}
	r.Do(func(clock.Instant) {
		for _, x := range h.CounterInfos() {
			counts[x.Name] = x.Value
		}
	})
	if counts["TcpExtSyncookiesSent"] != 1 || counts["TcpExtSyncookiesRecv"] != 1 || counts["TcpExtSyncookiesFailed"] != 0 {
		t.Errorf("cookies sent %d, received %d, failed %d", counts["TcpExtSyncookiesSent"], counts["TcpExtSyncookiesRecv"], counts["TcpExtSyncookiesFailed"])
	}
}
