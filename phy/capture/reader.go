package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
)

// Limits of a Reader. Files may be hostile; whatever lengths they contain, a Reader holds little more than one packet.
const (
	maxBetween    = 1 << 22 // octets that may lie between one packet's end and the next one's, its own with them
	maxInterfaces = 1 << 12
)

// Record is one packet of a capture that is read.
type Record struct {
	Time     time.Time
	Iface    string // the interface's name, empty where the file has none
	Medium   phy.Medium
	Directed bool     // the file says which way it went, …
	Outgoing bool     // … and that the interface sent it
	Comments []string // the packet's comments; a Writer's file has the verdict
	Length   int      // octets of the whole frame
	Data     []byte   // those that were kept; the caller's
}

// Reader reads the packets of a capture file: pcapng, or classic pcap of either octet order, with
// microseconds or nanoseconds, each also compressed with gzip.
type Reader struct {
	guard   guard
	ng      *pcapgo.NgReader
	classic *pcapgo.Reader
	closers []io.Closer
	packets int // so far
}

// Open opens the file path for reading.
func Open(path string) (*Reader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r, err := NewReader(f)
	if err != nil {
		f.Close()
		return nil, err
	}
	r.closers = append(r.closers, f)
	return r, nil
}

// NewReader returns a Reader of what in has, which Close leaves open. The error tells what in is not.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{}
	b := bufio.NewReader(in)
	if isGzip(b) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("capture: gzip: %w", err)
		}
		r.closers = append(r.closers, z)
		if b = bufio.NewReader(z); isGzip(b) {
			return nil, errors.New("capture: compressed twice: gunzip it once")
		}
	}
	magic, err := b.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("capture: %w", err)
	}
	r.guard = guard{in: b, left: maxBetween}
	switch {
	case len(magic) < 4:
		return nil, fmt.Errorf("capture: the file has only %d octets", len(magic))
	case binary.BigEndian.Uint32(magic) == 0x0a0d0d0a:
		r.ng, err = pcapgo.NewNgReader(&r.guard, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	case isClassic(magic):
		r.classic, err = pcapgo.NewReader(&r.guard)
	default:
		return nil, fmt.Errorf("capture: it begins with % x, which is neither pcap nor pcapng", magic)
	}
	if err != nil {
		return nil, r.failed(err)
	}
	return r, nil
}

func isGzip(b *bufio.Reader) bool {
	magic, _ := b.Peek(2)
	return bytes.Equal(magic, []byte{0x1f, 0x8b})
}

// isClassic knows the magic numbers of microseconds and nanoseconds in either octet order.
func isClassic(magic []byte) bool {
	for _, m := range []uint32{0xa1b2c3d4, 0xa1b23c4d} {
		if binary.BigEndian.Uint32(magic) == m || binary.LittleEndian.Uint32(magic) == m {
			return true
		}
	}
	return false
}

// Next is the next packet; io.EOF at the end. Another error ends the reading, and tells how many packets came
// before.
func (r *Reader) Next() (*Record, error) {
	var (
		data []byte
		info gopacket.CaptureInfo
		opts pcapgo.NgPacketOptions
		err  error
	)
	if r.ng != nil {
		data, info, opts, err = r.ng.ReadPacketDataWithOptions()
	} else {
		data, info, err = r.classic.ReadPacketData()
	}
	if err != nil {
		return nil, r.failed(err)
	}
	r.guard.left = maxBetween
	rec := &Record{Time: info.Timestamp, Comments: opts.Comments, Length: max(info.Length, len(data)), Data: data}
	var link layers.LinkType
	if r.ng != nil {
		if n := r.ng.NInterfaces(); n > maxInterfaces {
			return nil, r.failed(fmt.Errorf("%d interfaces, and there may be %d", n, maxInterfaces))
		}
		i, err := r.ng.Interface(info.InterfaceIndex)
		if err != nil {
			return nil, r.failed(err)
		}
		rec.Iface, link = i.Name, i.LinkType
	} else {
		link = r.classic.LinkType()
	}
	if f := opts.Flags; f != nil && f.Direction != 0 {
		rec.Directed, rec.Outgoing = true, f.Direction == pcapgo.NgEpbFlagDirectionOutbound
	}
	var ok bool
	if rec.Medium, ok = mediumOf(link); !ok {
		return nil, r.failed(fmt.Errorf("link type %v is neither Ethernet nor raw IP", link))
	}
	r.packets++
	return rec, nil
}

// mediumOf is linkType back. BSD's numbers for raw IP stand in files, too.
func mediumOf(link layers.LinkType) (m phy.Medium, ok bool) {
	switch link {
	case layers.LinkTypeEthernet:
		return phy.MediumEthernet, true
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, 12, 14:
		return phy.MediumIP, true
	}
	return 0, false
}

// failed says where reading came to its end.
func (r *Reader) failed(err error) error {
	if r.guard.err != nil {
		err = r.guard.err // which pcapgo may have taken for the end
	}
	switch {
	case err == io.EOF:
		return io.EOF
	case r.guard.exceeded:
		err = fmt.Errorf("%d octets without a packet", maxBetween)
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the file is cut short")
	}
	text := strings.TrimPrefix(err.Error(), "pcapgo: ")
	return fmt.Errorf("capture: packet %d: %s", r.packets+1, text)
}

// Close closes what Open opened.
func (r *Reader) Close() error {
	var first error
	for _, c := range r.closers {
		if err := c.Close(); err != nil && first == nil {
			first = fmt.Errorf("capture: %w", err)
		}
	}
	r.closers = nil
	return first
}

// guard ends the reading of a file that goes on without a packet.
type guard struct {
	in       io.Reader
	left     int
	exceeded bool
	err      error // of in, but for its end
}

// Read is io.Reader's.
func (g *guard) Read(b []byte) (int, error) {
	if g.left <= 0 {
		g.exceeded = true
		return 0, io.ErrUnexpectedEOF
	}
	n, err := g.in.Read(b[:min(len(b), g.left)])
	g.left -= n
	if err != nil && err != io.EOF {
		g.err = err
	}
	return n, err
}
