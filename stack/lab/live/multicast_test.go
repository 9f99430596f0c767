//go:build linux

package live

import (
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smolsh/phy/capture"
	"smolsh/phy/tap/taptest"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// TestMulticastWithKernel has a socket of ours and one of the kernel's in a group. Each receives the datagrams that the
// other sends, and tshark finds the IGMP messages correct.
func TestMulticastWithKernel(t *testing.T) {
	taptest.NeedTools(t, "tshark")
	r, h, _ := onTAP(t)
	path := filepath.Join(t.TempDir(), "group.pcapng")
	group := netip.MustParseAddrPort("239.1.2.3:5000")
	got := make(chan string, 10)
	var u *stack.UDPConn
	var stop func() error
	r.Do(func(now clock.Instant) {
		cw, err := capture.Create(path, r.World().Epoch)
		if err == nil {
			stop, err = h.CaptureTo(cw, nil)
		}
		if err != nil {
			t.Error(err)
		}
		if u, err = h.BindUDP(netip.AddrPortFrom(netip.Addr{}, group.Port())); err != nil {
			t.Error(err)
		}
		u.OnEvent = func(clock.Instant) {
			var b [100]byte
			if n, from, err := u.Recv(b[:]); n >= 0 && err == nil {
				got <- string(b[:n]) + " from " + from.Addr().String()
			}
		}
		if err := u.Join(now, group.Addr(), nil); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	want := func(text string) {
		t.Helper()
		select {
		case s := <-got:
			if s != text {
				t.Errorf("received %q, want %q", s, text)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%q has not come", text)
		}
	}
	tap0, err := net.InterfaceByName("tap0")
	if err != nil {
		t.Fatal(err)
	}
	member, err := net.ListenMulticastUDP("udp4", tap0, net.UDPAddrFromAddrPort(group))
	if err != nil {
		t.Fatal(err)
	}
	sender, err := net.DialUDP("udp4", &net.UDPAddr{IP: kernelAddr.Addr().AsSlice()}, net.UDPAddrFromAddrPort(group))
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, err := sender.Write([]byte("to the group")); err != nil {
		t.Fatal(err)
	}
	want("to the group from 192.168.69.100")
	r.Do(func(now clock.Instant) {
		if err := u.Send(now, []byte("from us"), group); err != nil {
			t.Error(err)
		}
	})
	want("from us from 192.168.69.1") // our own copy of the datagram
	_ = member.SetReadDeadline(time.Now().Add(10 * time.Second))
	for { // the kernel's member has also received a copy of what its own kernel sent
		var b [100]byte
		n, from, err := member.ReadFromUDPAddrPort(b[:])
		if err != nil {
			t.Fatal(err)
		}
		if from.Addr() == netip.MustParseAddr("192.168.69.1") {
			if string(b[:n]) != "from us" {
				t.Errorf("the kernel received %q", b[:n])
			}
			break
		}
	}
	// We answer a query from the kernel within its maximum response time of a tenth of a second. The kernel's member
	// leaves first, since an earlier report from it would suppress ours.
	_ = member.Close()
	router, err := net.ListenIP("ip4:igmp", &net.IPAddr{IP: kernelAddr.Addr().AsSlice()})
	if err != nil {
		t.Fatal(err)
	}
	defer router.Close()
	query := make([]byte, wire.IGMPLen)
	(&wire.IGMP{Type: wire.IGMPQuery, MaxResp: 1, Group: netip.IPv4Unspecified()}).Put(query)
	if _, err := router.WriteTo(query, &net.IPAddr{IP: wire.AllHosts.AsSlice()}); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); reports(r.Do, h.Host) < 2; time.Sleep(time.Millisecond) {
		if time.Since(began) > 10*time.Second {
			t.Fatal("the query is not answered")
		}
	}
	r.Do(func(clock.Instant) { u.Close() })
	r.Do(func(clock.Instant) {
		if err := stop(); err != nil {
			t.Error(err)
		}
		if in, out := h.Conservation(); in != out {
			t.Errorf("%d frames in, %d accounted for", in, out)
		}
	})
	out, err := exec.Command("tshark", "-r", path, "-Y", "igmp && ip.src == 192.168.69.1", "-o", "ip.check_checksum:TRUE", "-T", "fields",
		"-E", "separator=,", "-e", "eth.dst", "-e", "ip.dst", "-e", "ip.ttl", "-e", "ip.opt.ra", "-e", "ip.checksum.status",
		"-e", "igmp.type", "-e", "igmp.maddr", "-e", "igmp.checksum.status").Output()
	if err != nil {
		t.Fatal(err)
	}
	const report = "01:00:5e:01:02:03,239.1.2.3,1,0,1,0x16,239.1.2.3,1\n"
	const leave = "01:00:5e:00:00:02,224.0.0.2,1,0,1,0x17,239.1.2.3,1\n"
	if s := string(out); !strings.HasPrefix(s, report+report) || !strings.HasSuffix(s, leave) {
		t.Errorf("tshark shows\n%s", s)
	}
}

func reports(do func(func(clock.Instant)), h *stack.Host) (n uint64) {
	do(func(clock.Instant) {
		for _, c := range h.CounterInfos() {
			if c.Name == "IgmpOutReports" {
				n = c.Value
			}
		}
	})
	return n
}
