//go:build linux

package unixport

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/drop"
)

// serve listens at path until the test ends, and returns a port for each guest.
func serve(t *testing.T, path string, mtu int) (*Listener, <-chan *Port) {
	t.Helper()
	l, err := Listen(path, mtu)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	ports := make(chan *Port, 8)
	go func() {
		for {
			g, err := l.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil || g.Hello() != nil {
				continue
			}
			if p, err := g.Admit("port"); err == nil {
				ports <- p
			}
		}
	}()
	return l, ports
}

// cable returns both ends of a cable, which is closed when the test ends.
func cable(t *testing.T) (*Device, *Port) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sw")
	_, ports := serve(t, path, 1500)
	d, err := Dial(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	p := <-ports
	t.Cleanup(func() { d.Close(); p.Close() })
	return d, p
}

// ethernet returns a frame of n octets, from station to station, of an unknown protocol.
func ethernet(n int) []byte {
	b := make([]byte, n)
	copy(b, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	for i := 14; i < n; i++ {
		b[i] = byte(i)
	}
	return b
}

// tcpFrame returns an Ethernet frame with an IPv4 TCP segment of the given payload.
func tcpFrame(payload int) []byte {
	b := ethernet(14 + 20 + 20 + payload)
	b[12], b[13] = 8, 0
	total := 40 + payload
	copy(b[14:], []byte{0x45, 0, byte(total >> 8), byte(total), 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2})
	copy(b[34:], make([]byte, 20))
	b[34+12] = 5 << 4
	return b
}

func frame(b []byte) *phy.Frame {
	f := phy.NewFrame(phy.SuperFrameSize)
	f.Set(b)
	return f
}

func one() []*phy.Frame { return []*phy.Frame{phy.NewFrame(phy.SuperFrameSize)} }

func TestFramesCross(t *testing.T) {
	d, p := cable(t)
	if p.PID != os.Getpid() || p.UID != os.Getuid() {
		t.Errorf("pid %d uid %d, want %d %d", p.PID, p.UID, os.Getpid(), os.Getuid())
	}
	for _, way := range []struct {
		name     string
		from, to phy.Device
	}{{"to the switch", d, p}, {"from the switch", p, d}} {
		t.Run(way.name, func(t *testing.T) {
			if n, err := way.to.Recv(one()); n != 0 || err != nil {
				t.Errorf("before there is a frame: %d, %v", n, err)
			}
			super, lent := frame(tcpFrame(40000)), frame(tcpFrame(30000)[:54])
			super.Offload = phy.Offload{GSOSize: 1448, NeedsCsum: true}
			lent.Borrow(tcpFrame(30000)[54:20000], tcpFrame(30000)[20000:])
			lent.Offload = super.Offload
			unfinished := frame(tcpFrame(100))
			unfinished.Offload.NeedsCsum = true
			tagged := ethernet(1500 + 14 + 4)
			tagged[12], tagged[13] = 0x81, 0
			in := []*phy.Frame{frame(ethernet(14)), frame(ethernet(1514)), frame(tagged), super, unfinished, lent}
			want := [][]byte{ethernet(14), ethernet(1514), tagged, tcpFrame(40000), tcpFrame(100), tcpFrame(30000)}
			offload := []phy.Offload{{}, {}, {}, super.Offload, unfinished.Offload, super.Offload}
			if n, err := way.from.Send(in); n != len(in) || err != nil {
				t.Fatalf("sent %d: %v", n, err)
			}
			for i := range want {
				got := one()
				if n, err := way.to.Recv(got); n != 1 || err != nil {
					t.Fatalf("frame %d: %d, %v", i, n, err)
				}
				if !bytes.Equal(got[0].Bytes(), want[i]) || got[0].Offload != offload[i] {
					t.Errorf("frame %d: %d octets, %+v, want %d, %+v", i, got[0].Len(), got[0].Offload, len(want[i]), offload[i])
				}
			}
		})
	}
}

// TestNotFrames writes invalid messages to the switch's end, as a hostile process may. The switch drops each for its
// reason, and receives a frame that follows them.
func TestNotFrames(t *testing.T) {
	d, p := cable(t)
	head := func(gso byte, size uint16, rest []byte) []byte {
		b := append([]byte{Version, kindFrame, 1, gso, 0, 0, byte(size), byte(size >> 8), 0, 0, 0, 0}, rest...)
		return b // little-endian, like the machines this runs on
	}
	for _, c := range []struct {
		what string
		b    []byte
		why  drop.Reason
	}{
		{"one octet", []byte{Version}, drop.Truncated},
		{"no frame", head(0, 0, nil), drop.Truncated},
		{"half a header", []byte{Version, kindFrame, 0, 0}, drop.Truncated},
		{"another version", append([]byte{Version + 1}, head(0, 0, ethernet(60))[1:]...), drop.BadVersion},
		{"a second hello", control(kindHello, 1500), drop.BadType},
		{"an unknown kind of super-segment", head(77, 100, ethernet(60)), drop.BadType},
		{"longer than the MTU", head(0, 0, ethernet(1515)), drop.TooLong},
		{"longer than any packet", head(1, 1000, ethernet(14+65536)), drop.TooLong},
		{"longer than any buffer", head(1, 1000, ethernet(100000)), drop.TooLong},
		{"segments longer than the MTU", head(1, 1501, ethernet(4000)), drop.TooLong},
		{"segments of nothing", head(1, 0, ethernet(4000)), drop.BadLength},
	} {
		before := p.Stats()
		if err := unix.Sendto(d.FD(), c.b, unix.MSG_DONTWAIT, nil); err != nil {
			t.Fatal(c.what, err)
		}
		if n, err := p.Recv(one()); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", c.what, n, err)
		}
		if after := p.Stats(); after.Drops[c.why] != before.Drops[c.why]+1 || after.Frames != before.Frames {
			t.Errorf("%s: not counted as %v: %+v", c.what, c.why, after)
		}
	}
	if n, err := d.Send([]*phy.Frame{frame(ethernet(60))}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := p.Recv(one()); n != 1 || err != nil {
		t.Errorf("a frame behind those: %d, %v", n, err)
	}
	if s := p.Stats(); s.Frames != 1 || s.Octets != 60 {
		t.Errorf("%d frames of %d octets", s.Frames, s.Octets)
	}
	if n, err := d.Send([]*phy.Frame{frame(ethernet(13))}); n != 0 || !errors.Is(err, drop.Truncated) {
		t.Errorf("sending half an Ethernet header: %d, %v", n, err)
	}
}

// TestRecvComesBack: invalid messages do not hold the reader in Recv for longer than a batch.
func TestRecvComesBack(t *testing.T) {
	d, p := cable(t)
	for range skips + 1 {
		if err := unix.Sendto(d.FD(), []byte{9}, unix.MSG_DONTWAIT, nil); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := p.Recv(one()); n != 0 || err != nil || p.Stats().Drops[drop.Truncated] != skips {
		t.Errorf("%d, %v, %d skipped, want %d", n, err, p.Stats().Drops[drop.Truncated], skips)
	}
}

// TestNobodyReads: without a reader the socket accepts a bounded number of frames, and more once they were read.
func TestNobodyReads(t *testing.T) {
	d, p := cable(t)
	sent := 0
	for {
		n, err := p.Send([]*phy.Frame{frame(ethernet(1514))})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if sent++; sent > 10000 {
			t.Fatal("it takes everything")
		}
	}
	poll := []unix.PollFd{{Fd: int32(p.FD()), Events: unix.POLLOUT}}
	if n, err := unix.Poll(poll, 0); n != 0 {
		t.Errorf("a full socket has room, poll says: %v", err)
	}
	for range sent {
		if n, err := d.Recv(one()); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	if n, _ := unix.Poll(poll, 0); n != 1 {
		t.Error("an empty socket has no room")
	}
	if n, err := p.Send([]*phy.Frame{frame(ethernet(1514))}); n != 1 || err != nil {
		t.Errorf("after reading: %d, %v", n, err)
	}
}

// TestProcessDies: the switch receives the frames sent before, then the error that the process is gone.
func TestProcessDies(t *testing.T) {
	d, p := cable(t)
	if _, err := p.Send([]*phy.Frame{frame(ethernet(60))}); err != nil { // the process never reads this frame
		t.Fatal(err)
	}
	if _, err := d.Send([]*phy.Frame{frame(ethernet(60))}); err != nil {
		t.Fatal(err)
	}
	d.Close()
	if n, err := d.Recv(one()); n != 0 || err != phy.ErrClosed {
		t.Errorf("reading a closed device: %d, %v", n, err)
	}
	if n, err := p.Recv(one()); n != 1 || err != nil {
		t.Errorf("its last frame: %d, %v", n, err)
	}
	if n, err := p.Recv(one()); n != 0 || !errors.Is(err, phy.ErrClosed) {
		t.Errorf("behind it: %d, %v", n, err)
	}
	if n, err := p.Send([]*phy.Frame{frame(ethernet(60))}); n != 0 || !errors.Is(err, phy.ErrClosed) {
		t.Errorf("sending: %d, %v", n, err)
	}
}

// TestSwitchRestarts: a host's device goes down with its switch. Its descriptor stays and reports no events, and it comes up with
// the next switch, whatever the MTU of that switch.
func TestSwitchRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sw")
	l, ports := serve(t, path, 1500)
	d, err := Dial(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	fd, mac := d.FD(), d.Capabilities().MAC
	news := make(chan struct{})
	d.Watch(func() { news <- struct{}{} })
	l.Close()
	(<-ports).Close()
	if n, err := d.Recv(one()); n != 0 || err != phy.ErrDown || d.Up() {
		t.Fatalf("%d, %v, up %v", n, err, d.Up())
	}
	if n, err := d.Send([]*phy.Frame{frame(ethernet(60))}); n != 0 || err != phy.ErrDown {
		t.Errorf("sending: %d, %v", n, err)
	}
	<-news
	if err := d.Refresh(); err != nil || d.Up() {
		t.Errorf("no switch: %v, up %v", err, d.Up())
	}
	if n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0); n != 0 || d.FD() != fd {
		t.Error("the descriptor is not quiet")
	}
	_, ports = serve(t, path, 9000)
	<-news
	if err := d.Refresh(); err != nil || !d.Up() || d.FD() != fd {
		t.Fatalf("%v, up %v, descriptor %d, was %d", err, d.Up(), d.FD(), fd)
	}
	if c := d.Capabilities(); c.MTU != 9000 || c.MAC != mac {
		t.Errorf("MTU %d, address %v, want 9000, %v", c.MTU, c.MAC, mac)
	}
	if n, err := d.Send([]*phy.Frame{frame(ethernet(9014))}); n != 1 || err != nil {
		t.Errorf("sending: %d, %v", n, err)
	}
	if n, err := (<-ports).Recv(one()); n != 1 || err != nil {
		t.Errorf("at the new switch: %d, %v", n, err)
	}
}

func TestMACsDiffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sw")
	_, ports := serve(t, path, 1500)
	a, err := Dial(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Dial(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	defer (<-ports).Close()
	defer (<-ports).Close()
	x, y := a.Capabilities().MAC, b.Capabilities().MAC
	if x == y || x[0]&3 != 2 || y[0]&3 != 2 {
		t.Errorf("%v and %v", x, y)
	}
}

func TestDialErrors(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	serve(t, at("good"), 1500)
	answering := func(name string, answer []byte) string {
		ln, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: at(name), Net: "unixpacket"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				_, _ = c.Write(answer)
				_, _ = c.Read(make([]byte, 64))
				c.Close()
			}
		}()
		return at(name)
	}
	stale, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: at("stale"), Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	stale.SetUnlinkOnClose(false)
	stale.Close()
	stream, err := net.Listen("unix", at("stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if err := os.WriteFile(at("file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	next := control(kindHello, 1500)
	next[0] = Version + 1
	for _, c := range []struct {
		path string
		mtu  int
		want Error
	}{
		{at("nosuch"), 0, Error{Err: ErrNotFound}},
		{at("nosuch/sw"), 0, Error{Err: ErrNotFound}},
		{at("file"), 0, Error{Err: ErrOther}},
		{at("stream"), 0, Error{Err: ErrOther}},
		{at("stale"), 0, Error{Err: ErrStale}},
		{"", 0, Error{Err: ErrPath}},
		{"@abstract", 0, Error{Err: ErrPath}},
		{at(strings.Repeat("x", 108)), 0, Error{Err: ErrPath}},
		{at("good"), 9000, Error{Err: ErrMTU, Ours: 9000, Theirs: 1500}},
		{answering("next", next), 0, Error{Err: ErrVersion, Ours: Version, Theirs: Version + 1}},
		{answering("full", control(kindFull, 8)), 0, Error{Err: ErrFull, Theirs: 8}},
		{answering("garbage", []byte("220 smtp.example")), 0, Error{Err: ErrOther}},
		{answering("mtu0", control(kindHello, 0)), 0, Error{Err: ErrOther}},
		{answering("ends", nil), 0, Error{Err: ErrOther}},
	} {
		d, err := Dial(c.path, Options{MTU: c.mtu})
		if err == nil {
			d.Close()
		}
		c.want.Path = c.path
		var got *Error
		if !errors.As(err, &got) || *got != c.want {
			t.Errorf("%s: %v, want %v", filepath.Base(c.path), err, &c.want)
		}
	}
}

func TestListen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sw")
	l, _ := serve(t, path, 1500)
	if fi, err := os.Lstat(path); err != nil || fi.Mode() != fs.ModeSocket|0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if _, err := Listen(path, 1500); !errors.Is(err, ErrServed) {
		t.Errorf("a path that is served: %v", err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(file, 1500); !errors.Is(err, ErrOther) {
		t.Errorf("a file: %v", err)
	}
	if b, err := os.ReadFile(file); string(b) != "precious" {
		t.Errorf("the file: %q, %v", b, err)
	}
	if _, err := Listen(filepath.Join(dir, "nosuch", "sw"), 1500); !errors.Is(err, ErrNotFound) {
		t.Errorf("no directory: %v", err)
	}
	l.Close()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

// TestStaleSocket: Listen replaces the socket of a switch that was killed, but nothing else at the path.
func TestStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sw")
	old, err := Listen(path, 1500)
	if err != nil {
		t.Fatal(err)
	}
	old.ln.Close() // like a kill, this leaves the socket
	serve(t, path, 1500)
	d, err := Dial(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	old.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the old switch took the new one's socket with it: %v", err)
	}
}

// TestHello: the switch refuses a guest that sends a wrong hello. To a hello of another version or MTU it answers with
// its own version and MTU.
func TestHello(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sw")
	l, err := Listen(path, 1500)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	next := control(kindHello, 0)
	next[0] = Version + 1
	for _, c := range []struct {
		what   string
		say    []byte
		err    error
		answer []byte
	}{
		{"nothing", nil, ErrOther, nil},
		{"garbage", []byte("GET / HTTP/1.0\r\n"), ErrOther, nil},
		{"full", control(kindFull, 1), ErrOther, nil},
		{"another version", next, ErrVersion, control(kindHello, 1500)},
		{"another MTU", control(kindHello, 9000), ErrMTU, control(kindHello, 1500)},
	} {
		c2, err := net.DialTimeout("unixpacket", path, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if c.say != nil {
			_, _ = c2.Write(c.say)
		} else {
			_ = c2.(*net.UnixConn).CloseWrite()
		}
		g, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if err := g.Hello(); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.what, err, c.err)
		}
		b := make([]byte, 64)
		n, _ := c2.Read(b)
		if !bytes.Equal(b[:n], c.answer) {
			t.Errorf("%s: the answer is %x, want %x", c.what, b[:n], c.answer)
		}
		c2.Close()
	}
}

// TestSources: a port knows the latest eight stations behind it, and no group addresses.
func TestSources(t *testing.T) {
	d, p := cable(t)
	for _, last := range []byte{1, 2, 1, 3, 4, 5, 6, 7, 8, 9, 1, 1} {
		b := ethernet(60)
		b[11] = last
		group := ethernet(60)
		group[6], group[11] = 3, last
		if n, err := d.Send([]*phy.Frame{frame(b), frame(group)}); n != 2 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := p.Recv(append(one(), one()...)); n != 2 || err != nil {
			t.Fatal(n, err)
		}
	}
	var got []byte
	for _, a := range p.Sources() {
		got = append(got, a[5])
	}
	if want := []byte{3, 4, 5, 6, 7, 8, 9, 1}; !bytes.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestNoAllocations: sending and receiving a frame allocates nothing.
func TestNoAllocations(t *testing.T) {
	d, p := cable(t)
	in, out := []*phy.Frame{frame(tcpFrame(1000))}, one()
	in[0].Offload.NeedsCsum = true
	if n := testing.AllocsPerRun(100, func() {
		_, _ = d.Send(in)
		out[0].Reset()
		if n, err := p.Recv(out); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzMessage: every message becomes a frame within the bounds, or is dropped for a reason.
func FuzzMessage(f *testing.F) {
	f.Add([]byte{}, uint16(1500))
	f.Add(append([]byte{Version, kindFrame, 1, 1, 0, 0, 0xa8, 5, 0, 0, 0, 0}, tcpFrame(4000)...), uint16(1500))
	f.Add(append([]byte{Version, kindFrame, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, ethernet(60)...), uint16(1500))
	f.Add(control(kindHello, 1500), uint16(68))
	f.Fuzz(func(t *testing.T, b []byte, mtu uint16) {
		if _, kind, n := parseControl(b); kind != 0 && !bytes.Equal(control(kind, n)[1:], b[1:controlLen]) {
			t.Errorf("%x is kind %d, %d", b, kind, n)
		}
		if len(b) > phy.SuperFrameSize {
			return
		}
		f := frame(b)
		why := takeHeader(f, int(mtu))
		if why != drop.None {
			return
		}
		if n := f.Len(); n < 14 || n != len(b)-headerLen || n > 14+tagLen+maxPacket || f.Offload.GSOSize == 0 && n > 14+tagLen+int(mtu) {
			t.Errorf("a frame of %d octets from a message of %d, MTU %d", n, len(b), mtu)
		}
		var s phy.Segmenter
		if f.Offload.GSOSize != 0 && s.Start(f, phy.MediumEthernet) && s.Segments() > maxPacket {
			t.Errorf("%d segments", s.Segments())
		}
		putHeader(f)
		if f.Len() != len(b) {
			t.Errorf("%d octets of %d came back", f.Len(), len(b))
		}
	})
}
