package capture

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// foreign is a file that another program could have written, or that was damaged. If tshark or tcpdump reads other
// packets or times, a field has the reason.
type foreign struct {
	name    string
	file    []byte
	want    string // a line per packet: time in seconds, captured octets, octets, link type
	warn    string // a line per warning, with a text that the warning contains
	err     string // text that the error contains
	tshark  string // reason why tshark is not compared; empty if it is
	tcpdump string // reason why tcpdump is not compared; empty if it is
}

// day is a time in seconds since 1970: 2023-11-14 22:13:20.
const day = 1700000000

// resolution returns a file with one packet, whose time is a number of units since 1970.
func resolution(name string, tsresol byte, count uint64, want string) foreign {
	f := &ng{order: le}
	file := f.section(0).iface(1, 0, f.option(9, tsresol)).enhanced(0, count, 50, etherPing).b
	return foreign{name: name, file: file, want: want + " 50 50 ETHERNET"}
}

// resolutions are files with every unit of time.
func resolutions() []foreign {
	const overflow = "the product of its fraction and 10^9 has more than 64 bits"
	list := []foreign{
		resolution("10^0", 0, day, "1700000000.000000000"),
		resolution("10^1", 1, day*10+3, "1700000000.300000000"),
		resolution("10^3", 3, day*1000+118, "1700000000.118000000"),
		resolution("10^6", 6, day*1000000+118831, "1700000000.118831000"),
		resolution("10^9", 9, day*1000000000+118831273, "1700000000.118831273"),
		resolution("10^10", 10, day*10000000000+1188312739, "1700000000.118831273"), // the time is rounded down
		resolution("2^0", 0x80, day, "1700000000.000000000"),
		resolution("2^1", 0x81, day<<1|1, "1700000000.500000000"),
		resolution("2^20", 0x94, day<<20|1<<19, "1700000000.500000000"),
		resolution("2^20 odd", 0x94, day<<20|1, "1700000000.000000953"),
		resolution("2^30", 0x9e, day<<30|1<<28, "1700000000.250000000"),
		resolution("2^32", 0xa0, day<<32|0xffffffff, "1700000000.999999999"),
	}
	fine := []foreign{
		resolution("10^12", 12, 1700000*1000000000000+118831273999, "1700000.118831273"),
		resolution("10^19", 19, 15000000000000000000, "1.500000000"),
		resolution("10^20", 20, 1<<64-1, "0.184467440"),
		resolution("10^28", 28, 1<<64-1, "0.000000001"),
		resolution("10^127", 127, 1<<64-1, "0.000000000"),
		resolution("2^33", 0xa1, 1<<63+(1<<33-1), "1073741824.999999999"),
		resolution("2^63", 0xbf, 1<<63|1<<62, "1.500000000"),
		resolution("2^64", 0xc0, 1<<63, "0.500000000"),
		resolution("2^65", 0xc1, 1<<63, "0.250000000"),
		resolution("2^127", 0xff, 1<<64-1, "0.000000000"),
	}
	for i := range fine {
		fine[i].tshark, fine[i].tcpdump = overflow, overflow
	}
	return append(list, fine...)
}

func offsets() []foreign {
	f := func() *ng { return (&ng{order: be}).section(0) }
	o := ng{order: be}
	return []foreign{
		{name: "offset", file: f().iface(1, 0, o.offset(day), o.option(9, 9)).enhanced(0, 5, 50, etherPing).b,
			want: "1700000000.000000005 50 50 ETHERNET"},
		{name: "offset before 1970", file: f().iface(1, 0, o.option(9, 9), o.offset(-10)).enhanced(0, 2500000000, 50, etherPing).b,
			want: "-7.500000000 50 50 ETHERNET", tshark: "it writes a negative time in another way", tcpdump: "it writes a negative time in another way"},
		{name: "offset taken off", file: f().iface(1, 0, o.offset(-100)).enhanced(0, day*1000000+7, 50, etherPing).b,
			want: "1699999900.000007000 50 50 ETHERNET"},
		{name: "beyond 2262", file: f().iface(1, 0, o.option(9, 0)).enhanced(0, 9223372037, 50, etherPing).b,
			want: "9223372036.000000000 50 50 ETHERNET", warn: "packet 1 at octet 56: its time is out of range; 2262-04-11T23:47:16Z stands for it",
			tshark: "it has a greater range", tcpdump: "it has a greater range"},
		{name: "far beyond", file: f().iface(1, 0, o.option(9, 0), o.offset(1<<63-1)).enhanced(0, 1<<64-1, 50, etherPing).b,
			want: "9223372036.000000000 50 50 ETHERNET", warn: "out of range", tshark: "overflow", tcpdump: "overflow"},
		{name: "long before", file: f().iface(1, 0, o.option(9, 0), o.offset(-1<<63)).enhanced(0, 0, 50, etherPing).b,
			want: "-9223372036.000000000 50 50 ETHERNET", warn: "1677-09-21T00:12:44Z stands for it", tshark: "overflow", tcpdump: "overflow"},
		{name: "wrong length of if_tsresol", file: f().iface(1, 0, o.option(9, 9, 9)).enhanced(0, day*1000000, 50, etherPing).b,
			want: "1700000000.000000000 50 50 ETHERNET", warn: "block at octet 28: option 9 has the wrong length 2", tshark: "it takes the first octet", tcpdump: "an error"},
		{name: "wrong length of if_tsoffset", file: f().iface(1, 0, o.option(14, 1)).enhanced(0, day*1000000, 50, etherPing).b,
			want: "1700000000.000000000 50 50 ETHERNET", warn: "block at octet 28: option 14 has the wrong length 1", tcpdump: "an error"},
	}
}

func classics() (list []foreign) {
	for _, order := range []binary.AppendByteOrder{le, be} {
		rec := func(fraction uint32) []byte { return record(order, day, fraction, 50, 50, etherPing) }
		list = append(list,
			foreign{name: "microseconds", file: pcap(order, 0xa1b2c3d4, 4, 0, 1, rec(118831), rec(999999)),
				want: "1700000000.118831000 50 50 ETHERNET\n1700000000.999999000 50 50 ETHERNET"},
			foreign{name: "nanoseconds", file: pcap(order, 0xa1b23c4d, 4, 262144, 1, rec(118831273), rec(5), rec(999999999)),
				want: "1700000000.118831273 50 50 ETHERNET\n1700000000.000000005 50 50 ETHERNET\n1700000000.999999999 50 50 ETHERNET"},
			foreign{name: "after 2038", file: pcap(order, 0xa1b2c3d4, 4, 0, 1, record(order, 0xf0000000, 1, 50, 50, etherPing)),
				want: "4026531840.000001000 50 50 ETHERNET", tcpdump: "its seconds have a sign"},
			foreign{name: "2.3 in order", file: pcap(order, 0xa1b2c3d4, 3, 0, 1, record(order, day, 1, 50, 60, etherPing)),
				want: "1700000000.000001000 50 60 ETHERNET"},
			foreign{name: "2.3 swapped", file: pcap(order, 0xa1b2c3d4, 3, 0, 1, record(order, day, 1, 60, 50, etherPing)),
				want: "1700000000.000001000 50 60 ETHERNET"},
			foreign{name: "2.2", file: pcap(order, 0xa1b2c3d4, 2, 0, 1, record(order, day, 1, 60, 50, etherPing)),
				want: "1700000000.000001000 50 60 ETHERNET"},
			foreign{name: "2.0", file: pcap(order, 0xa1b2c3d4, 0, 0, 1, record(order, day, 1, 50, 50, etherPing)),
				want: "1700000000.000001000 50 50 ETHERNET"},
			foreign{name: "2.5", file: pcap(order, 0xa1b2c3d4, 5, 0, 1, rec(1)), err: "capture: header: pcap version 2.5, and 2.0 to 2.4 are known",
				tshark: "it does not look at newer minor versions"},
			foreign{name: "frame check sequence", file: pcap(order, 0xa1b2c3d4, 4, 0, 0x24000001, rec(1)),
				want: "1700000000.000001000 50 50 ETHERNET"},
			foreign{name: "fraction too large", file: pcap(order, 0xa1b2c3d4, 4, 0, 1, rec(1500000)),
				want: "1700000001.500000000 50 50 ETHERNET", warn: "packet 1 at octet 24: the fraction of its time is 1500000, a second or more",
				tshark: "it carries nothing into the seconds", tcpdump: "it carries nothing into the seconds"},
		)
	}
	return list
}

// sections are pcapng files with several interfaces, sections and kinds of blocks.
func sections() []foreign {
	l, b := &ng{order: le}, &ng{order: be}
	first := (&ng{order: le}).section(2).iface(1, 40, l.text(2, "eth0")).iface(101, 0, l.option(9, 9)).
		block(5, make([]byte, 12)).block(0x80000bad, []byte("another")).
		enhanced(1, day*1000000000+7, 36, ipPing).enhanced(0, day*1000000+7, 50, etherPing[:40]).b
	second := (&ng{order: be}).section(0).iface(1, 0, b.option(9, 3)).enhanced(0, day*1000+9, 50, etherPing, b.text(1, "said"), b.option(0)).b
	return []foreign{
		{name: "two sections", file: slices.Concat(first, second, first),
			want: "1700000000.000000007 36 36 RAW\n1700000000.000007000 40 50 ETHERNET\n1700000000.009000000 50 50 ETHERNET\n" +
				"1700000000.000000007 36 36 RAW\n1700000000.000007000 40 50 ETHERNET",
			tcpdump: "it takes one link type and one order only"},
		{name: "minor version 1", file: (&ng{order: le}).section(1).iface(1, 0).enhanced(0, 1, 50, etherPing).b,
			want: "0.000001000 50 50 ETHERNET", tshark: "it refuses 1.1", tcpdump: "it refuses 1.1"},
		{name: "minor version 2", file: (&ng{order: be}).section(2).iface(1, 0).enhanced(0, 1, 50, etherPing).b,
			want: "0.000001000 50 50 ETHERNET"},
		{name: "minor version 3", file: (&ng{order: le}).section(3).iface(1, 0).enhanced(0, 1, 50, etherPing).b,
			err: "capture: header: pcapng version 1.3, and 1.0 to 1.2 are known"},
		{name: "simple packet blocks", file: (&ng{order: le}).section(0).iface(1, 40).iface(101, 0).simple(50, etherPing[:40]).simple(38, etherPing[:38]).b,
			want: "none 40 50 ETHERNET\nnone 38 38 ETHERNET", tcpdump: "it takes one link type only"},
		{name: "obsolete packet blocks", file: (&ng{order: be}).section(0).iface(101, 0).iface(1, 0).old(1, 3, 60, etherPing).old(0, 4, 36, ipPing).b,
			want: "0.000003000 50 60 ETHERNET\n0.000004000 36 36 RAW", tcpdump: "it takes one link type only"},
	}
}

func links() (list []foreign) {
	for _, x := range []struct {
		link uint32
		name string
		data []byte
	}{{0, "NULL", nullPing}, {0, "NULL", nullPingBig}, {108, "LOOP", nullPingBig}, {12, "RAW", ipPing}, {14, "RAW", ipPing}, {101, "RAW", ipPing},
		{113, "LINUX_SLL", sllPing}, {228, "IPV4", ipPing}, {276, "LINUX_SLL2", sll2Ping}} {
		n := len(x.data)
		f := foreign{name: fmt.Sprint("link type ", x.link), file: pcap(le, 0xa1b2c3d4, 4, 0, x.link, record(le, day, 1, n, n, x.data)),
			want: fmt.Sprintf("1700000000.000001000 %d %d %s", n, n, x.name)}
		if x.link == uint32(LinkRawOpenBSD) {
			f.tcpdump = "the number differs between systems"
		}
		list = append(list, f)
	}
	mixed := (&ng{order: le}).section(0).iface(147, 0).iface(1, 0).enhanced(0, 1, 8, []byte("whatever")).
		enhanced(1, 2, 50, etherPing).enhanced(0, 3, 8, []byte("whatever")).b
	return append(list, foreign{name: "unknown link type", file: mixed, want: "0.000002000 50 50 ETHERNET",
		warn:   "packet 1 at octet 68: its link type 147 is unknown; passed over (and 1 more of this kind)",
		tshark: "it shows them", tcpdump: "it takes one link type only"},
		foreign{name: "unknown link type of all", file: pcap(le, 0xa1b2c3d4, 4, 0, 147, record(le, 1, 1, 2, 2, []byte("ab"))),
			warn: "link type 147 is unknown", tshark: "it shows it", tcpdump: "it shows it"})
}

// damaged are files with contradictory lengths.
func damaged() []foreign {
	f := func() *ng { return (&ng{order: le}).section(0).iface(1, 45).enhanced(0, 1, 44, etherPing[:44]) }
	const good, last = "0.000001000 44 44 ETHERNET", "\n0.000002000 44 44 ETHERNET"
	end := func(f *ng) []byte { return f.enhanced(0, 2, 44, etherPing[:44]).b }
	body := func(captured, original uint32) []byte { return f().u32(nil, 0, 0, 1, captured, original) }
	const stops, unshown, lesser = "an error", "it complains in place of the packet", "it has the lesser length of the whole"
	return []foreign{
		{name: "not a multiple of 4", file: end(f().raw(0x99, 13, []byte("x"), 13)), want: good,
			err: "capture: block at octet 124: block total length 13 is not a multiple of 4"},
		{name: "too short", file: end(f().raw(6, 8, nil, 8)), want: good, err: "capture: packet 2 at octet 124: block total length 8 is below 12"},
		{name: "too long", file: end(f().raw(6, 1<<24+4, nil, 8)), want: good, err: "capture: packet 2 at octet 124: block total length 16777220 is above 16777216"},
		{name: "other trailer", file: end(f().raw(6, 32, body(0, 0), 8)), want: good,
			err: "capture: packet 2 at octet 124: block total length 32, but 8 at the block's end"},
		{name: "other trailer of a block", file: end(f().raw(0x99, 12, nil, 16)), want: good,
			err: "capture: block at octet 124: block total length 12, but 16 at the block's end"},
		{name: "captured above block", file: end(f().block(6, body(5, 5))), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: its captured length 5 is above the 0 octets that the block has; passed over"},
		{name: "captured far above block", file: end(f().block(6, body(1<<32-1, 1<<32-1))), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: its captured length 4294967295 is above the 0 octets that the block has; passed over"},
		{name: "captured above everything", file: end(f().block(6, append(body(262145, 262145), make([]byte, 262148)...))), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: its captured length 262145 is above 262144; passed over"},
		{name: "captured above original", file: end(f().enhanced(0, 1, 10, etherPing[:40])), want: good + "\n0.000001000 40 40 ETHERNET" + last,
			warn: "packet 2 at octet 124: its original length 10 is below the captured length 40", tshark: lesser, tcpdump: unshown},
		{name: "captured above snaplen", file: end(f().enhanced(0, 1, 60, etherPing)), want: good + "\n0.000001000 50 60 ETHERNET" + last,
			warn: "packet 2 at octet 124: its captured length 50 is above the snapshot length 45", tcpdump: stops},
		{name: "original 0", file: end(f().enhanced(0, 1, 0, etherPing[:40])), want: good + "\n0.000001000 40 40 ETHERNET" + last,
			warn: "packet 2 at octet 124: its original length is 0, and 40 octets were captured", tshark: lesser, tcpdump: unshown},
		{name: "no octets", file: end(f().enhanced(0, 1, 0, nil)), want: good + "\n0.000001000 0 0 ETHERNET" + last,
			warn: "packet 2 at octet 124: its original length is 0, and 0 octets were captured", tcpdump: unshown},
		{name: "no such interface", file: end(f().enhanced(1, 1, 0, nil)), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: its interface is 1, and the section has 1; passed over"},
		{name: "no interface in the section", file: f().section(0).simple(4, []byte("abcd")).b, want: good, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 152: its interface is 0, and the section has 0; passed over"},
		{name: "packet block too short", file: end(f().block(6, []byte("abcd"))), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: a packet block of 16 octets is too short; passed over"},
		{name: "simple packet above block", file: end(f().simple(44, []byte("abcd"))), want: good + last, tshark: stops, tcpdump: stops,
			warn: "packet 2 at octet 124: its captured length 44 is above the 4 octets that the block has; passed over"},
		{name: "option above block", file: end(f().enhanced(0, 1, 44, etherPing[:44], []byte{1, 0, 9, 0, 'a', 0, 0, 0})), want: good + "\n" + good + last,
			warn: "packet 2 at octet 124: option 1 has 9 octets, and the block has 4 left", tshark: stops},
		{name: "interface block too short", file: end(f().block(1, []byte{1, 0, 0, 0})), want: good,
			err: "capture: block at octet 124: an interface description block that is too short"},
		{name: "second section too short", file: f().raw(0x0a0d0d0a, 16, f().u32(nil, 0x1a2b3c4d), 16).b, want: good,
			err: "capture: block at octet 124: a section header of 16 octets is too short"},
		{name: "order of a section", file: f().raw(0x0a0d0d0a, 28, make([]byte, 16), 28).b, want: good,
			err: "capture: block at octet 124: the byte-order magic of a section is 00 00 00 00"},
		{name: "pcap, captured above original", file: pcap(le, 0xa1b2c3d4, 4, 0, 1, record(le, 0, 1, 44, 10, etherPing[:44]), record(le, 0, 2, 44, 44, etherPing[:44])),
			want: good + last, warn: "packet 1 at octet 24: its original length 10 is below the captured length 44", tshark: lesser, tcpdump: unshown},
		{name: "pcap, captured above snaplen", file: pcap(le, 0xa1b2c3d4, 4, 40, 1, record(le, 0, 1, 44, 44, etherPing[:44]), record(le, 0, 2, 44, 44, etherPing[:44])),
			want: good + last, warn: "packet 1 at octet 24: its captured length 44 is above the snapshot length 40 (and 1 more of this kind)"},
		{name: "pcap, captured above everything", file: pcap(le, 0xa1b2c3d4, 4, 0, 1, record(le, 0, 1, 44, 44, etherPing[:44]), record(le, 0, 2, 262145, 262145, etherPing)),
			want: good, err: "capture: packet 2 at octet 84: captured length 262145, and at most 262144 can be right"},
		{name: "pcap, cut in the data", file: pcap(le, 0xa1b2c3d4, 4, 0, 1, record(le, 0, 1, 44, 44, etherPing[:44]), record(le, 0, 2, 44, 44, etherPing[:43])),
			want: good, warn: "packet 2 at octet 84: the file ends within it: it was cut, or is still being written"},
		{name: "pcap, cut in the header", file: pcap(le, 0xa1b2c3d4, 4, 0, 1, record(le, 0, 1, 44, 44, etherPing[:44]), []byte{1}),
			want: good, warn: "packet 2 at octet 84: the file ends within it: it was cut, or is still being written"},
		{name: "cut", file: f().raw(6, 100, nil, 0).b, want: good,
			warn: "packet 2 at octet 124: the file ends within it: it was cut, or is still being written"},
	}
}

func foreigns() []foreign {
	return slices.Concat(resolutions(), offsets(), classics(), sections(), links(), damaged())
}

// contents reads a capture file. lines has a line for every packet, in the form of foreign.want. err is the error that ended the
// reading, nil at the end of the file.
func contents(b []byte) (lines, warnings []string, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, nil, err
	}
	for {
		p, err := r.Next()
		if err != nil {
			if err == io.EOF {
				err = nil
			}
			return lines, r.Warnings(), err
		}
		at := "none"
		if !p.Time.IsZero() {
			ns, sign := p.Time.UnixNano(), ""
			if ns < 0 {
				ns, sign = -ns, "-"
			}
			at = fmt.Sprintf("%s%d.%09d", sign, ns/nanosPerSecond, ns%nanosPerSecond)
		}
		lines = append(lines, fmt.Sprintf("%s %d %d %v", at, len(p.Data), p.Length, p.Link))
	}
}

func TestForeignFiles(t *testing.T) {
	for _, f := range foreigns() {
		lines, warnings, err := contents(f.file)
		if got := strings.Join(lines, "\n"); got != f.want {
			t.Errorf("%s:\n%s\nwant\n%s", f.name, got, f.want)
		}
		if got := strings.Join(warnings, "\n"); !strings.Contains(got, f.warn) || f.warn == "" && got != "" {
			t.Errorf("%s: warnings %q, want %q", f.name, got, f.warn)
		}
		if f.err == "" && err != nil || f.err != "" && (err == nil || err.Error() != f.err) {
			t.Errorf("%s: error %v, want %q", f.name, err, f.err)
		}
	}
}

// others runs a program on each foreign file and compares the first words of each line with ours: the time, and for
// tshark also the lengths.
func others(t *testing.T, skip func(f foreign) string, fields int, program string, args ...string) {
	need(t, program)
	for _, f := range foreigns() {
		if skip(f) != "" {
			continue
		}
		cmd := exec.Command(program, args...)
		cmd.Stdin = bytes.NewReader(f.file)
		out, _ := cmd.Output() // the program fails after the packets if the file is damaged
		var got, want []string
		for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
			if words := strings.Fields(line); len(words) > 0 {
				got = append(got, strings.Join(words[:min(len(words), fields)], " "))
			}
		}
		for _, line := range strings.Split(f.want, "\n") {
			if words := strings.Fields(line); len(words) > 0 {
				want = append(want, strings.TrimPrefix(strings.Join(words[:fields], " "), "none "))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s shows\n%s\nwe have\n%s", f.name, program, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestTsharkReadsTheSame(t *testing.T) {
	others(t, func(f foreign) string { return f.tshark }, 3, "tshark", "-r", "-", "-T", "fields", "-E", "occurrence=f",
		"-e", "frame.time_epoch", "-e", "frame.cap_len", "-e", "frame.len")
}

func TestTcpdumpReadsTheSame(t *testing.T) {
	others(t, func(f foreign) string { return f.tcpdump }, 1, "tcpdump", "-n", "-tt", "-q", "--time-stamp-precision=nano", "-r", "-")
}
