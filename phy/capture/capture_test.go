package capture

import (
	"bytes"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
	"smolsh/stack/wire"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// ping returns a whole echo request with size octets of data.
func ping(m phy.Medium, size int) []byte {
	f := phy.NewFrame(phy.SuperFrameSize)
	f.Extend(size)
	icmp := wire.ICMP{Type: wire.ICMPEchoRequest, ID: 1, Seq: 2}
	f.Prepend(wire.ICMPLen)
	icmp.Put(f.Bytes())
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolICMP, PayloadLen: f.Len(),
		Src: netip.MustParseAddr("10.0.0.1"), Dst: netip.MustParseAddr("10.0.0.2")}
	ip.Put(f.Prepend(wire.IPv4Len))
	if m == phy.MediumEthernet {
		e := wire.Ethernet{Dst: wire.HardwareAddr{2, 0, 0, 0, 0, 2}, Src: wire.HardwareAddr{2, 0, 0, 0, 0, 1}, Type: wire.EtherTypeIPv4}
		e.Put(f.Prepend(wire.EthernetLen))
	}
	return bytes.Clone(f.Bytes())
}

// write writes three packets on two interfaces.
func write(t *testing.T, w *Writer) {
	t.Helper()
	tap, err := w.AddIface("tap0", phy.MediumEthernet, 0)
	if err != nil || tap != 0 {
		t.Fatalf("AddIface = %d, %v", tap, err)
	}
	lo, err := w.AddIface("lo", phy.MediumIP, 30)
	if err != nil || lo != 1 {
		t.Fatalf("AddIface = %d, %v", lo, err)
	}
	for _, p := range []*Packet{
		{Time: 1, Iface: tap, Outgoing: true, Data: ping(phy.MediumEthernet, 56)},
		{Time: 1500000001, Iface: tap, Comment: "dropped: fault loss", Data: ping(phy.MediumEthernet, 57)},
		{Time: 2 * time.Second, Iface: lo, Comment: "delivered: icmp", Data: ping(phy.MediumIP, 56)},
	} {
		if err := w.Write(p); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPcapng(t *testing.T) {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, false, epoch)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(bytes.NewReader(buf.Bytes()), pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		at      time.Time
		iface   int
		dir     pcapgo.NgEpbFlag
		comment string
		data    []byte
		length  int
	}{
		{epoch.Add(1), 0, pcapgo.NgEpbFlagDirectionOutbound, "", ping(phy.MediumEthernet, 56), 98},
		{epoch.Add(1500000001), 0, pcapgo.NgEpbFlagDirectionInbound, "dropped: fault loss", ping(phy.MediumEthernet, 57), 99},
		{epoch.Add(2 * time.Second), 1, pcapgo.NgEpbFlagDirectionInbound, "delivered: icmp", ping(phy.MediumIP, 56)[:30], 84},
	}
	for i, x := range want {
		data, info, options, err := r.ReadPacketDataWithOptions()
		if err != nil {
			t.Fatal(err)
		}
		comment := strings.Join(options.Comments, "|")
		if !info.Timestamp.Equal(x.at) || info.InterfaceIndex != x.iface || info.Length != x.length ||
			options.Flags.Direction != x.dir || comment != x.comment || !bytes.Equal(data, x.data) {
			t.Errorf("packet %d: %+v, flags %+v, comment %q, %d octets", i, info, options.Flags, comment, len(data))
		}
	}
	if _, _, err := r.ReadPacketData(); err != io.EOF {
		t.Errorf("behind the last packet: %v", err)
	}
	for i, x := range []struct {
		name string
		link layers.LinkType
		snap uint32
	}{{"tap0", layers.LinkTypeEthernet, DefaultSnaplen}, {"lo", layers.LinkTypeRaw, 30}} {
		if f, err := r.Interface(i); err != nil || f.Name != x.name || f.LinkType != x.link || f.SnapLength != x.snap || f.OS != "" {
			t.Errorf("interface %d: %+v, %v", i, f, err)
		}
	}
	if s := r.SectionInfo(); s != (pcapgo.NgSectionInfo{Application: "smolsh"}) {
		t.Errorf("section %+v tells about the machine", s)
	}
}

func TestSamePacketsSameFile(t *testing.T) {
	var a, b bytes.Buffer
	for _, buf := range []*bytes.Buffer{&a, &b} {
		w, _ := NewWriter(buf, false, time.Time{})
		write(t, w)
		w.Close()
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two captures of the same packets differ")
	}
	if bytes.Contains(a.Bytes(), []byte(runtime.GOOS)) || bytes.Contains(a.Bytes(), []byte("gopacket")) {
		t.Error("the file names the system")
	}
}

func TestClassic(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.PCAP")
	w, err := Create(path, epoch)
	if err != nil {
		t.Fatal(err)
	}
	w.AddIface("a", phy.MediumIP, 0)
	if i, err := w.AddIface("b", phy.MediumIP, 0); i != 1 || err != nil {
		t.Errorf("a second interface: %d, %v", i, err)
	}
	if _, err := w.AddIface("c", phy.MediumEthernet, 0); err != ErrMixed {
		t.Errorf("another medium: %v", err)
	}
	data := ping(phy.MediumIP, 9)
	w.Write(&Packet{Time: 7, Iface: 1, Comment: "lost here", Data: data})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := pcapgo.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	got, info, err := r.ReadPacketData()
	if err != nil || r.LinkType() != layers.LinkTypeRaw || !bytes.Equal(got, data) || !info.Timestamp.Equal(epoch.Add(7)) {
		t.Errorf("%v, %v, %d octets, %+v", err, r.LinkType(), len(got), info)
	}
}

// TestEmptyAndFlushed: readers accept a capture without packets, and a capture that ends after a Flush.
func TestEmptyAndFlushed(t *testing.T) {
	for _, classic := range []bool{false, true} {
		var buf bytes.Buffer
		w, _ := NewWriter(&buf, classic, epoch)
		if err := w.Close(); err != nil || buf.Len() == 0 {
			t.Errorf("classic %v: %d octets, %v", classic, buf.Len(), err)
		}
	}
	var buf bytes.Buffer
	w, _ := NewWriter(&buf, false, epoch)
	w.AddIface("tap0", phy.MediumEthernet, 0)
	w.Write(&Packet{Data: ping(phy.MediumEthernet, 1)})
	if buf.Len() != 0 {
		t.Error("written through without a Flush")
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	r, err := pcapgo.NewNgReader(&buf, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := r.ReadPacketData(); err != nil {
		t.Error(err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestErrors(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "no/such/dir/x.pcapng"), epoch); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Create: %v", err)
	}
	w, _ := NewWriter(full{}, false, epoch)
	w.AddIface("a", phy.MediumEthernet, 0)
	if err := w.Write(&Packet{Iface: 1}); err != ErrNoIface {
		t.Errorf("unknown interface: %v", err)
	}
	if err := w.Write(&Packet{Iface: -1}); err != ErrNoIface {
		t.Errorf("negative interface: %v", err)
	}
	for range 10 {
		w.Write(&Packet{Data: make([]byte, 60000)})
	}
	if err := w.Flush(); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("Flush to a full disk: %v", err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "no space") {
		t.Errorf("Close after an error: %v", err)
	}
	if err := w.Close(); err != ErrClosed {
		t.Errorf("second Close: %v", err)
	}
	if err := w.Write(&Packet{}); err != ErrClosed {
		t.Errorf("Write after Close: %v", err)
	}
}

// need skips the test if a program is missing, and fails it in CI.
func need(t *testing.T, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed: apt-get install %s", program, program)
	}
	t.Skipf("%s is not installed: apt-get install %s", program, program)
}

func TestTsharkReadsIt(t *testing.T) {
	need(t, "tshark")
	path := filepath.Join(t.TempDir(), "x.pcapng")
	w, err := Create(path, epoch)
	if err != nil {
		t.Fatal(err)
	}
	write(t, w)
	long := strings.Repeat("long ", 20000)
	w.Write(&Packet{Time: 3 * time.Second, Comment: long, Outgoing: true, Data: ping(phy.MediumEthernet, 60000)})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tshark", "-r", path, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=|",
		"-e", "frame.comment", "-e", "frame.time_relative", "-e", "frame.interface_name", "-e", "frame.packet_flags_direction",
		"-e", "frame.len", "-e", "_ws.malformed").Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	want := []string{
		"|0.000000000|tap0|0x00000002|98|",
		"dropped: fault loss|1.500000000|tap0|0x00000001|99|",
		"delivered: icmp|1.999999999|lo|0x00000001|84|",
		long[:maxComment] + "|2.999999999|tap0|0x00000002|60042|",
	}
	if len(got) != len(want) {
		t.Fatalf("tshark shows %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("packet %d: tshark shows %.200q, want %.200q", i+1, got[i], want[i])
		}
	}
}
