package script

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOneWriterPerCaptureFile: while a capture writes a file, nothing else writes that file under any name, and the
// file stays intact.
func TestOneWriterPerCaptureFile(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if err := os.Symlink("x.pcapng", "sym.pcapng"); err != nil {
		t.Fatal(err)
	}
	if err := s.Typed("c = capture('x.pcapng')"); err != nil { // gives save() something to write
		t.Fatal(s.err.String())
	}
	if err := os.Link("x.pcapng", "hard.pcapng"); err != nil {
		t.Fatal(err)
	}
	here, err := filepath.Abs("x.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	err = s.RunSource("test.star", `
ping("192.168.69.100", count=1)
assert.fails(lambda: capture("x.pcapng"), "^capture x.pcapng: a capture writes this file; stop it first$")
for name in ["sym.pcapng", "hard.pcapng", "./x.pcapng", "`+here+`"]:
    assert.fails(lambda: capture(name), "^capture .*: the capture x.pcapng writes this file; stop it first$")
    assert.fails(lambda: local.lab.capture(name), "the capture x.pcapng writes")
    assert.fails(lambda: save(name), "^save: .*: the capture x.pcapng writes")
    assert.fails(lambda: tcp.connect("192.168.69.100:7").sink(name), "the capture x.pcapng writes")
    assert.fails(lambda: write_file(name, "x"), "^write_file: .*: the capture x.pcapng writes this file; stop it first$")
    assert.fails(lambda: write_file(name, "x", append=True), "the capture x.pcapng writes")
    assert.fails(lambda: log(name), "^log: .*: the capture x.pcapng writes")
    assert.true(len(read_file(name)) > 100)
    assert.eq(len(read_capture(name, "icmp")), 2)
c = captures()[0]
c.stop()
assert.eq(len(captures()), 0)
assert.eq(len(read_capture("x.pcapng", "icmp")), 2)
d = capture("sym.pcapng")
assert.fails(lambda: capture("x.pcapng"), "the capture sym.pcapng writes")
d.stop()
assert.fails(lambda: local.lab.capture("no/such.pcapng"), "no such file")
null = [capture("/dev/null"), capture("/dev/null")]
assert.eq([c.file for c in captures()], ["/dev/null"] * 2)
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	if got := s.err.String(); got != "" {
		t.Errorf("standard error has %q", got)
	}
}

// While conn.sink writes a file, every other call that would write the file fails. After the call the file can be
// written again.
func TestOneWriterPerSinkFile(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if err := s.Typed("x = 1"); err != nil { // save() has something to write
		t.Fatal(s.err.String())
	}
	err := s.RunSource("test.star", `
c, d = tcp.connect("192.168.69.100:7"), tcp.connect("192.168.69.100:7")
def sink():
    return c.sink("x.bin")
task = spawn(sink)
c.send("echoed")
sleep("10ms")
assert.fails(lambda: capture("x.bin"), "^capture x.bin: conn.sink writes this file; wait for its end$")
assert.fails(lambda: local.lab.capture("./x.bin"), "capture ./x.bin: conn.sink writes this file as x.bin; wait for its end$")
assert.fails(lambda: d.sink("x.bin"), "^conn.sink: x.bin: conn.sink writes this file; wait for its end$")
assert.fails(lambda: save("x.bin"), "^save: x.bin: conn.sink writes this file")
c.shutdown()
assert.eq(task.join(), 6)
p = capture("x.bin")
assert.fails(lambda: d.sink("x.bin"), "^conn.sink: x.bin: a capture writes this file; stop it first$")
p.stop()
d.shutdown()
assert.eq(d.sink("x.bin"), 0)
save("x.bin")
save("x.bin")
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	if n := s.files.outputs.Len(); n != 0 {
		t.Errorf("%d claims outlive their calls", n)
	}
}

func TestCapturesTable(t *testing.T) {
	t.Chdir(t.TempDir())
	want(t, `
sleep("1s")
capture("x.pcapng", "icmp")
local.lab.capture("all.pcapng")
peer.capture("peer.pcap", "tcp")
ping("192.168.69.100", count=1)
print(captures())
print([c.since for c in captures()])
captures().where(file="x.pcapng")[0].stop()
print(captures().cols("file", "packets"))
`, `56 octets from 192.168.69.100: seq=0 ttl=64 time=0.400 ms   (0.200 ms of it waiting for ARP)
1 sent, 1 received, 0% lost   rtt min/avg/max/mdev 0.400/0.400/0.400/0.000 ms
FILE        HOST   FILTER  PACKETS  BYTES  SINCE
x.pcapng    local  icmp          2    196   1.0s
all.pcapng  all                  4    280   1.0s
peer.pcap   peer   tcp           0      0   1.0s
[1.0, 1.0, 1.0]
FILE        PACKETS
all.pcapng        4
peer.pcap         0
`)
}

// oddFile returns a pcapng file with packets of three interfaces: raw IP, an unknown link type, and Linux's cooked
// header. Times are in nanoseconds, which a float cannot hold exactly. The last packet is truncated.
func oddFile() []byte {
	le := binary.LittleEndian
	block := func(kind uint32, words ...uint32) (b []byte) {
		n := uint32(12 + 4*len(words))
		for _, w := range append(append([]uint32{kind, n}, words...), n) {
			b = le.AppendUint32(b, w)
		}
		return b
	}
	packet := func(id, nanos uint32, words ...uint32) []byte {
		const at = 1700000000 * 1000000000
		size := uint32(4 * len(words))
		return block(6, append([]uint32{id, uint32((at + uint64(nanos)) >> 32), uint32((at + uint64(nanos)) & 0xffffffff), size, size}, words...)...)
	}
	nanoseconds := []uint32{1<<16 | 9, 9, 0} // options if_tsresol and end
	icmp := []uint32{0x1c000045, 0, 0x00000140, 0x0100000a, 0x0200000a, 0x00000008, 0}
	cooked := append([]uint32{0x00000000, 0x06000100, 0, 0x00080000}, icmp...)
	return bytes.Join([][]byte{
		block(0x0a0d0d0a, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff),
		block(1, append([]uint32{101, 0}, nanoseconds...)...),
		block(1, append([]uint32{147, 0}, nanoseconds...)...),
		block(1, append([]uint32{113, 0}, nanoseconds...)...),
		packet(0, 118831273, icmp...), packet(1, 1, 7), packet(2, 5, cooked...), packet(1, 1, 7), packet(0, 999999999, icmp...),
		packet(0, 0, icmp...)[:40],
	}, nil)
}

func TestReadOddCapture(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("odd.pcapng", oddFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
read = read_capture("odd.pcapng", "icmp")
assert.eq([p.time_ns for p in read], [1700000000118831273, 1700000000000000005, 1700000000999999999])
assert.eq([p.time for p in read], [p.time_ns / 1000000000 for p in read])
assert.eq([p.ip.src for p in read], ["10.0.0.1"] * 3)
ping("192.168.69.100", count=1)
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	const said = "read_capture odd.pcapng: warning: packet 2 at octet 184: its link type 147 is unknown; passed over (and 1 more of this kind)\n" +
		"read_capture odd.pcapng: warning: packet 6 at octet 392: the file ends within it: it was cut, or is still being written\n"
	if got := s.err.String(); got != said {
		t.Errorf("standard error has\n%s\nwant\n%s", got, said)
	}
}

// A packet of a simple packet block has no time, and an echo request shows the fields that it has.
func TestReadUntimedCapture(t *testing.T) {
	t.Chdir(t.TempDir())
	var b []byte
	for _, w := range []uint32{0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28, 1, 20, 101, 0, 20,
		3, 44, 28, 0x1c000045, 0, 0x00000140, 0x0100000a, 0x0200000a, 0xfff70008, 0, 44} {
		b = binary.LittleEndian.AppendUint32(b, w)
	}
	if err := os.WriteFile("simple.pcapng", b, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	if err := s.RunSource("test.star", `
p = read_capture("simple.pcapng")[0]
assert.eq((p.time, p.time_ns, p.dir, p.ip.dst), (None, None, None, "10.0.0.2"))
assert.eq(str(p.icmp), "icmp(type = 8, code = 0, chksum = 63487, id = 0, seq = 0)")
assert.eq((p.icmp.unused, p.icmp.extensions, p.icmp.quoted), (None, None, None))
print("--")
`); err != nil {
		t.Fatal(s.err.String())
	}
	if err := s.RunCommand(`read_capture("simple.pcapng")`); err != nil {
		t.Fatal(s.err.String())
	}
	s.Flush()
	if got, want := s.out.String(), "--\n10.0.0.1 > 10.0.0.2: ICMP echo request"; !strings.HasPrefix(got, want) {
		t.Errorf("printed %q, want %q and more", got, want)
	}
}

// The error about a damaged file names the place of the damage. With count=, the packets before it can be read.
func TestReadDamagedCapture(t *testing.T) {
	t.Chdir(t.TempDir())
	odd := oddFile()
	binary.LittleEndian.PutUint32(odd[184+4:], 13) // changes the length of the second packet
	if err := os.WriteFile("damaged.pcapng", odd, 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
assert.fails(lambda: read_capture("damaged.pcapng"),
             "^read_capture damaged.pcapng: packet 2 at octet 184: block total length 13 is not a multiple of 4 .count=1 gives those before it.$")
assert.eq(len(read_capture("damaged.pcapng", count=1)), 1)
`)
	if err != nil || strings.TrimSpace(s.err.String()) != "" {
		t.Fatal(s.err.String())
	}
}

// TestReadTooMany: reading a file with more packets than read_capture() returns is an error; it does not return a part
// of the file.
func TestReadTooMany(t *testing.T) {
	t.Chdir(t.TempDir())
	le := binary.LittleEndian
	b := binary.BigEndian.AppendUint32(nil, 0xd4c3b2a1)
	for _, v := range []uint32{4<<16 | 2, 0, 0, 0, 101} {
		b = le.AppendUint32(b, v)
	}
	record := append(make([]byte, 8), 1, 0, 0, 0, 1, 0, 0, 0, 0x45)
	if err := os.WriteFile("fits.pcap", append(b, bytes.Repeat(record, maxRead)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("many.pcap", append(b, bytes.Repeat(record, maxRead+1)...), 0o600); err != nil {
		t.Fatal(err)
	}
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
assert.eq(len(read_capture("fits.pcap")), 100000)
assert.eq(len(read_capture("many.pcap", count=100000)), 100000)
assert.fails(lambda: read_capture("many.pcap"), "it has more than 100000 packets")
`)
	if err != nil || s.err.String() != "" {
		t.Fatal(s.err.String())
	}
}

// TestReadOpenCapture: a capture can be read at any time while it is being written.
func TestReadOpenCapture(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
for file in ["x.pcapng", "x.pcap"]:
    c, d = capture(file), local.lab.capture("lab-" + file)
    for n in range(1, 4):
        ping("192.168.69.100", count=1)
        assert.eq((len(read_capture(file, "icmp")), len(read_capture("lab-" + file, "icmp"))), (2 * n, 2 * n))
    c.stop()
    d.stop()
    assert.eq(len(read_capture(file, "icmp")), 6)
`)
	if err != nil || s.err.String() != "" {
		t.Fatal(s.err.String())
	}
}

// While a capture runs, a command or builtin that reads its file finds every packet so far.
func TestCommandsReadOpenCaptures(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	if err := s.Typed(`
both = [capture("x.pcapng", "icmp"), local.lab.capture("all.pcapng", "icmp")]
ping("192.168.69.100", count=1)
`); err != nil {
		t.Fatal(s.err.String())
	}
	for n := 1; n <= 2; n++ {
		if status := s.Shell("cp x.pcapng seen.pcapng && cp all.pcapng allseen.pcapng"); status != 0 {
			t.Fatalf("exit status %d", status)
		}
		for file, want := range map[string]int{"seen.pcapng": 2 * n, "allseen.pcapng": 2 * n} {
			if got := len(packetsOf(t, file)); got != want {
				t.Errorf("a command sees %d packets in %s, want %d", got, file, want)
			}
		}
		if err := s.Typed(`ping("192.168.69.100", count=1)`); err != nil {
			t.Fatal(s.err.String())
		}
	}
	if err := s.Typed(`
l = tcp.listen(9)
c = tcp.connect("192.168.69.1:9")
sent = c.sendfile("all.pcapng")
ping("192.168.69.100", count=1)
again = c.sendfile("all.pcapng")
assert.true(sent > 3 * 2 * 98 and again > sent + 2 * 98)
`); err != nil {
		t.Fatal(s.err.String())
	}
}
