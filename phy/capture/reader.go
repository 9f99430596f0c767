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
	maxBetween    = 1 << 22 // octets from the end of one packet to the end of the next
	maxInterfaces = 1 << 12
)

// Record is one packet of a capture file.
type Record struct {
	Time     time.Time
	Iface    string // the interface's name, empty if the file has none
	Medium   phy.Medium
	Directed bool     // the file has the packet's direction
	Outgoing bool     // the interface sent the packet (valid if Directed)
	Comments []string // the packet's comments; in a Writer's file, the verdict
	Length   int      // octets of the whole frame
	Data     []byte   // the captured octets; the caller owns them
}

// Reader reads the packets of a capture file: pcapng, or classic pcap of either octet order, with
// microseconds or nanoseconds, each also compressed with gzip.
type Reader struct {
	guard   guard
	ng      *pcapgo.NgReader
	classic *pcapgo.Reader
	closers []io.Closer
	packets int // number read so far
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

// NewReader returns a Reader of in, which Close leaves open. The error says why in is not a capture.
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

// isClassic reports whether magic is classic pcap's, for microseconds or nanoseconds in either octet order.
func isClassic(magic []byte) bool {
	for _, m := range []uint32{0xa1b2c3d4, 0xa1b23c4d} {
		if binary.BigEndian.Uint32(magic) == m || binary.LittleEndian.Uint32(magic) == m {
			return true
		}
	}
	return false
}

// Next returns the next packet, or io.EOF at the end. Any other error ends the reading, and contains the number of packets before
// it.
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

// mediumOf is the inverse of linkType. Files also have BSD's numbers for raw IP.
func mediumOf(link layers.LinkType) (m phy.Medium, ok bool) {
	switch link {
	case layers.LinkTypeEthernet:
		return phy.MediumEthernet, true
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6, 12, 14:
		return phy.MediumIP, true
	}
	return 0, false
}

// failed adds the place at which reading ended.
func (r *Reader) failed(err error) error {
	if r.guard.err != nil {
		err = r.guard.err // pcapgo may have taken this error for the end
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

// guard ends the reading if a file continues for left octets without a packet.
type guard struct {
	in       io.Reader
	left     int
	exceeded bool
	err      error // an error of in other than io.EOF
}

// Read implements io.Reader.
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
