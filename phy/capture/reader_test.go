package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
)

// written returns a pcapng capture of three packets, or a classic file of two packets on one medium.
func written(t testing.TB, classic bool) []byte {
	var buf bytes.Buffer
	w, err := NewWriter(&buf, classic, epoch)
	if err != nil {
		t.Fatal(err)
	}
	tap, _ := w.AddIface("tap0", phy.MediumEthernet, 0)
	w.Write(&Packet{Time: 1, Iface: tap, Outgoing: true, Data: ping(phy.MediumEthernet, 56)})
	w.Write(&Packet{Time: 1500000001, Iface: tap, Comment: "dropped: fault loss", Data: ping(phy.MediumEthernet, 57)})
	if !classic {
		lo, _ := w.AddIface("lo", phy.MediumIP, 30)
		w.Write(&Packet{Time: 2 * time.Second, Iface: lo, Comment: "icmp", Data: ping(phy.MediumIP, 56)})
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func zipped(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Write(b)
	z.Close()
	return buf.Bytes()
}

// read returns a line for every packet, and the error that ended the reading.
func read(b []byte) (lines []string, err error) {
	r, err := NewReader(bytes.NewReader(b))
	for err == nil {
		var p *Record
		if p, err = r.Next(); err == nil {
			way := "-"
			if p.Directed {
				way = map[bool]string{false: "in", true: "out"}[p.Outgoing]
			}
			lines = append(lines, fmt.Sprintf("%v %q %v %s %q %d of %d", p.Time.Sub(epoch), p.Iface, p.Medium, way, p.Comments, len(p.Data), p.Length))
		}
	}
	if err == io.EOF {
		err = nil
	}
	return lines, err
}

func TestRead(t *testing.T) {
	ng := []string{`1ns "tap0" ethernet out [] 98 of 98`, `1.500000001s "tap0" ethernet in ["dropped: fault loss"] 99 of 99`, `2s "lo" ip in ["icmp"] 30 of 84`}
	classic := []string{`1ns "" ethernet - [] 98 of 98`, `1.500000001s "" ethernet - [] 99 of 99`}
	for _, c := range []struct {
		name string
		file []byte
		want []string
	}{
		{"pcapng", written(t, false), ng}, {"pcap", written(t, true), classic},
		{"pcapng.gz", zipped(written(t, false)), ng}, {"pcap.gz", zipped(written(t, true)), classic},
		{"two sections", append(written(t, false), written(t, false)...), append(ng, ng...)},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		if err := os.WriteFile(path, c.file, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if p, err := r.Next(); err != nil || !bytes.Equal(p.Data, ping(phy.MediumEthernet, 56)) {
			t.Errorf("%s: %+v, %v", c.name, p, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		if got, err := read(c.file); err != nil || strings.Join(got, "\n") != strings.Join(c.want, "\n") {
			t.Errorf("%s:\n%s\n%v, want\n%s", c.name, strings.Join(got, "\n"), err, strings.Join(c.want, "\n"))
		}
	}
}

// TestReadClassicOfOthers reads classic files of other machines, with their octet orders, units of time and media.
func TestReadClassicOfOthers(t *testing.T) {
	for _, c := range []struct {
		order binary.AppendByteOrder
		magic uint32
		link  uint32
		want  string
	}{
		{binary.BigEndian, 0xa1b2c3d4, 1, `5.000007s "" ethernet - [] 4 of 60`},
		{binary.LittleEndian, 0xa1b2c3d4, 101, `5.000007s "" ip - [] 4 of 60`},
		{binary.BigEndian, 0xa1b23c4d, 12, `5.000000007s "" ip - [] 4 of 60`},
		{binary.LittleEndian, 0xa1b23c4d, 228, `5.000000007s "" ip - [] 4 of 60`},
	} {
		b := c.order.AppendUint32(nil, c.magic)
		b = c.order.AppendUint16(c.order.AppendUint16(b, 2), 4)
		for _, v := range []uint32{0, 0, 65535, c.link, uint32(epoch.Unix()) + 5, 7, 4, 60, 0x45000000} {
			b = c.order.AppendUint32(b, v)
		}
		if got, err := read(b); err != nil || len(got) != 1 || got[0] != c.want {
			t.Errorf("%v %#x: %q, %v, want %q", c.order, c.magic, got, err, c.want)
		}
	}
}

func TestReadErrors(t *testing.T) {
	ng, classic := written(t, false), written(t, true)
	block := func(typ uint32, body ...uint32) (b []byte) { // a block of a pcapng file
		n := uint32(12 + 4*len(body))
		for _, v := range append(append([]uint32{typ, n}, body...), n) {
			b = binary.LittleEndian.AppendUint32(b, v)
		}
		return b
	}
	section := block(0x0a0d0d0a, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff)
	iface := func(link uint32) []byte { return block(1, link, 65535) }
	packet := block(6, 0, 0, 0, 4, 4, 0x45000000)
	damaged := zipped(ng)
	damaged[len(damaged)-5] ^= 0x55 // changes the checksum
	for _, c := range []struct {
		name string
		file []byte
		n    int
		want string
	}{
		{"nothing", nil, 0, "capture: the file has only 0 octets"},
		{"a word", []byte("no"), 0, "capture: the file has only 2 octets"},
		{"a text", []byte("#!/bin/sh\n"), 0, "capture: it begins with 23 21 2f 62, which is neither pcap nor pcapng"},
		{"bad gzip", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, "capture: gzip: gzip: invalid header"},
		{"twice", zipped(zipped(ng)), 0, "capture: compressed twice: gunzip it once"},
		{"cut section header", ng[:20], 0, "capture: header: the file ends within it"},
		{"cut pcap header", classic[:20], 0, "capture: header: the file ends within it"},
		{"no order", append(ng[:8:8], make([]byte, 20)...), 0, "capture: header: the byte-order magic of a section is 00 00 00 00"},
		{"damaged gzip", damaged, 3, fmt.Sprintf("capture: block at octet %d: gzip: invalid checksum", len(ng))},
		{"many interfaces", bytes.Join([][]byte{section, bytes.Repeat(iface(1), 5000), packet}, nil), 0, "capture: block at octet 81948: more than 4096 interfaces in a section"},
		{"blocks without end", zipped(append(section, bytes.Repeat(block(0x99, make([]uint32, 1<<20)...), 17)...)), 0,
			"capture: block at octet 62914768: 67108864 octets without a packet"},
		{"a bomb", zipped(append(section, make([]byte, 1<<26)...)), 0, "capture: block at octet 28: block total length 0 is below 12"},
	} {
		got, err := read(c.file)
		if len(got) != c.n || err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %d packets, %v, want %d, %s", c.name, len(got), err, c.n, c.want)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestReadCutAnywhere: from a file that is cut off anywhere, Reader returns the packets that the file contains
// completely. It also returns a warning unless the file ends between two records.
func TestReadCutAnywhere(t *testing.T) {
	for _, file := range [][]byte{written(t, false), written(t, true)} {
		ends := map[int]bool{} // offsets between records
		r, _ := NewReader(bytes.NewReader(file))
		for ends[int(r.src.offset)] = true; r.err == nil; ends[int(r.src.offset)] = true {
			r.Next()
		}
		whole, _, _ := contents(file)
		for n := int(slices.Min(slices.Collect(maps.Keys(ends)))); n < len(file); n++ {
			got, warnings, err := contents(file[:n])
			if err != nil || len(warnings) != 1 && !ends[n] && !isBlockEnd(file, n) {
				t.Errorf("cut at %d: %q, %v", n, warnings, err)
			}
			for i, line := range got {
				if line != whole[i] {
					t.Fatalf("cut at %d: packet %d is %s", n, i+1, line)
				}
			}
			if ends[n] && len(warnings) > 0 {
				t.Errorf("cut at %d, between two packets: %q", n, warnings)
			}
		}
	}
}

// isBlockEnd reports whether offset n is the end of a block of a little-endian pcapng file.
func isBlockEnd(file []byte, n int) bool {
	at := 0
	for binary.BigEndian.Uint32(file) == blockSection && at < n {
		at += int(le.Uint32(file[at+4:]))
	}
	return at == n
}

// TestReadCutGzip: from a truncated compressed file, Reader returns the packets before the end, even if only the
// trailer of gzip is missing.
func TestReadCutGzip(t *testing.T) {
	for _, classic := range []bool{false, true} {
		z := zipped(written(t, classic))
		whole, _, _ := contents(written(t, classic))
		for _, missing := range []int{1, 8, 9, 40} {
			got, warnings, err := contents(z[:len(z)-missing])
			if err != nil || len(warnings) != 1 || missing <= 8 && len(got) != len(whole) {
				t.Errorf("%d octets missing: %d packets, %q, %v", missing, len(got), warnings, err)
			}
		}
	}
}

// TestReadKeepsTheError: after damage that ends the reading, every further Read returns the same error.
func TestReadKeepsTheError(t *testing.T) {
	f := (&ng{order: le}).section(0).iface(1, 0).raw(6, 13, nil, 13).enhanced(0, 1, 50, etherPing)
	r, err := NewReader(bytes.NewReader(f.b))
	if err != nil {
		t.Fatal(err)
	}
	_, first := r.Next()
	if _, err := r.Next(); first == nil || err != first {
		t.Errorf("%v, then %v", first, err)
	}
}

// TestWarningsAreBounded has more kinds of warnings than a Reader keeps.
func TestWarningsAreBounded(t *testing.T) {
	f := (&ng{order: le}).section(0)
	for i := range 100 {
		f.iface(uint16(300+i), 0)
	}
	for i := range uint32(200) {
		f.enhanced(i%100, 1, 50, etherPing)
	}
	r, _ := NewReader(bytes.NewReader(f.b))
	_, err := r.Next()
	w := r.Warnings()
	if err != io.EOF || r.Passed() != 200 || len(w) != maxWarnings+1 || w[maxWarnings] != "136 more warnings of other kinds" {
		t.Errorf("%v, %d passed, %d warnings: %q", err, r.Passed(), len(w), w)
	}
}

// TestReadAllocatesWhatIsThere: a length in a file allocates no memory before the octets have been read.
func TestReadAllocatesWhatIsThere(t *testing.T) {
	for _, file := range [][]byte{
		(&ng{order: le}).section(0).iface(1, 0).raw(6, 1<<24, make([]byte, 20), 0).b,
		(&ng{order: le}).section(0).raw(1, 1<<24, make([]byte, 20), 0).b,
		pcap(le, 0xa1b2c3d4, 4, 0, 1, record(le, 0, 0, 262144, 262144, etherPing)),
	} {
		const runs = 16
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range runs {
			contents(file)
		}
		runtime.ReadMemStats(&after)
		if n := (after.TotalAlloc - before.TotalAlloc) / runs; n > 4*fetchStep {
			t.Errorf("%d octets of memory for a file of %d", n, len(file))
		}
	}
}

// TestFrame: Record.Frame strips the link header of a cooked or loopback capture if IP follows, and leaves other data unchanged.
func TestFrame(t *testing.T) {
	arp := append([]byte{0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 6}, ipPing...)
	for _, c := range []struct {
		link LinkType
		data []byte
		want []byte
	}{
		{LinkNull, nullPing, ipPing}, {LinkNull, nullPingBig, ipPing}, {LinkLoop, nullPingBig, ipPing}, {LinkSLL, sllPing, ipPing},
		{LinkSLL2, sll2Ping, ipPing}, {LinkRaw, ipPing, ipPing}, {LinkEthernet, etherPing, etherPing}, {LinkSLL, arp, arp},
		{LinkNull, []byte{7, 0, 0, 0, 1}, []byte{7, 0, 0, 0, 1}}, {LinkNull, []byte{2}, []byte{2}}, {LinkSLL, sllPing[:15], sllPing[:15]},
		{LinkSLL2, sll2Ping[:19], sll2Ping[:19]}, {LinkSLL2, nil, nil},
	} {
		rec := Record{Link: c.link, Data: c.data, Length: len(c.data) + 100}
		head, length, m := rec.Frame()
		if !bytes.Equal(head, c.want) || length != len(c.want)+100 || (m == phy.MediumEthernet) != (c.link == LinkEthernet) {
			t.Errorf("%v: %x of %d on %v", c.link, head, length, m)
		}
	}
}

// FuzzRead: whatever a file contains, reading it does not panic and ends. The packets are in order, no larger than the
// file, and have times within the range.
func FuzzRead(f *testing.F) {
	f.Add(written(f, false))
	f.Add(written(f, true))
	f.Add(zipped(written(f, false)))
	for _, x := range foreigns() {
		f.Add(x.file)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		gz := len(r.closers) > 0
		n, offset := 0, int64(0)
		for {
			p, err := r.Next()
			if err != nil {
				break
			}
			if p.Number <= n || p.Offset <= offset || len(p.Data) > p.Length || len(p.Data) > maxCaptured || !gz && len(p.Data) > len(b) {
				t.Fatalf("packet %d at %d after %d at %d, %d octets of %d in a file of %d", p.Number, p.Offset, n, offset, len(p.Data), p.Length, len(b))
			}
			if !p.Time.IsZero() && !time.Unix(0, p.Time.UnixNano()).Equal(p.Time) {
				t.Fatalf("nanoseconds do not hold the time %v", p.Time)
			}
			if head, length, _ := p.Frame(); len(head) > length {
				t.Fatalf("a frame of %d octets of %d", len(head), length)
			}
			n, offset = p.Number, p.Offset
		}
		if len(r.Warnings()) > maxWarnings+1 || r.Passed() > r.number || !gz && cap(r.src.buf) > 4*len(b)+4*fetchStep {
			t.Fatalf("%d warnings, %d of %d passed over, a buffer of %d octets for a file of %d", len(r.Warnings()), r.Passed(), r.number, cap(r.src.buf), len(b))
		}
	})
}
