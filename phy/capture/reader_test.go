package capture

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
)

// written returns a capture of three packets, or a classic file of two on one medium.
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
	huge := block(6, 0, 0, 0, 0x7fffffff, 0x7fffffff, 0)
	for _, c := range []struct {
		name string
		file []byte
		n    int
		want string
	}{
		{"nothing", nil, 0, "capture: the file has only 0 octets"},
		{"a word", []byte("no"), 0, "capture: the file has only 2 octets"},
		{"a text", []byte("#!/bin/sh\n"), 0, "capture: it begins with 23 21 2f 62, which is neither pcap nor pcapng"},
		{"cut pcapng", ng[:len(ng)-20], 2, "capture: packet 3: the file is cut short"},
		{"cut pcap", classic[:len(classic)-20], 1, "capture: packet 2: the file is cut short"},
		{"cut gzip", zipped(ng)[:len(zipped(ng))-9], 3, "capture: packet 4: the file is cut short"},
		{"bad gzip", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 0, "capture: gzip: gzip: invalid header"},
		{"twice", zipped(zipped(ng)), 0, "capture: compressed twice: gunzip it once"},
		{"strange medium", bytes.Join([][]byte{section, iface(113), packet}, nil), 0, "capture: packet 1: link type Linux SLL is neither Ethernet nor raw IP"},
		{"huge packet", bytes.Join([][]byte{section, iface(1), packet, huge, bytes.Repeat([]byte{0}, 1<<16)}, nil), 1, "capture: packet 2: "},
		{"endless interfaces", append(section, bytes.Repeat(iface(1), 1<<18)...), 0, "capture: packet 1: 4194304 octets without a packet"},
		{"many interfaces", bytes.Join([][]byte{section, bytes.Repeat(iface(1), 5000), packet}, nil), 0, "capture: packet 1: 5000 interfaces, and there may be 4096"},
		{"a bomb", zipped(append(section, make([]byte, 1<<26)...)), 0, "capture: packet 1: "},
		{"no interface", append(section, packet...), 0, "capture: packet 1: Interface id 0 not present"},
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

// TestReadCutAnywhere: a file cut anywhere yields the packets before the cut, and an error unless the cut is between two.
func TestReadCutAnywhere(t *testing.T) {
	for _, file := range [][]byte{written(t, false), written(t, true)} {
		whole, _ := read(file)
		clean := 0
		for n := range len(file) {
			got, err := read(file[:n])
			for i, line := range got {
				if line != whole[i] {
					t.Fatalf("cut at %d: packet %d is %s", n, i+1, line)
				}
			}
			if err == nil {
				clean++
			}
		}
		if clean == 0 || clean > 6 {
			t.Errorf("%d of %d cuts went unnoticed", clean, len(file))
		}
	}
}

// FuzzRead: no file causes a panic, an endless read, or a packet larger than the file.
func FuzzRead(f *testing.F) {
	f.Add(written(f, false))
	f.Add(written(f, true))
	f.Add(zipped(written(f, false)))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		for n := 0; ; n++ {
			p, err := r.Next()
			if err != nil {
				return
			}
			if len(p.Data) > p.Length || len(p.Data) > maxBetween || n > 1100*len(b) {
				t.Fatalf("packet %d of %d octets of %d in a file of %d", n, len(p.Data), p.Length, len(b))
			}
		}
	})
}
