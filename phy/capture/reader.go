package capture

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"smolsh/phy"
)

// Record is one packet that a Reader has read.
type Record struct {
	Number   int        // number of the packet in the file, from 1; skipped packets count too
	Offset   int64      // offset of the packet's block or record in the uncompressed file, in octets
	Time     time.Time  // exact to the nanosecond, within the range of UnixNano; the zero Time if the file has none
	Iface    string     // interface's name, empty if the file has none
	Link     LinkType   // type of the first header in Data
	Medium   phy.Medium // medium of the frame that Frame returns
	Directed bool       // true if the file records the packet's direction
	Outgoing bool       // true if the interface sent the packet; valid if Directed
	Comments []string   // the packet's comments; in a Writer's file, its verdict
	Length   int        // octets of the whole packet, at least len(Data)
	Data     []byte     // octets that the file has kept; the caller owns them
}

// Reader reads the packets of a capture file: pcapng 1.0 to 1.2 with sections of either octet order, or pcap 2.0 to 2.4
// of either octet order in microseconds or nanoseconds. Either may be compressed with gzip.
//
// A Reader skips damage if the file still shows where the next packet begins, and reports it in Warnings. Such damage
// is: contradictory lengths inside a record, a wrong option, an unknown link type or interface. A file that ends inside
// a record is also such damage, because a capture may still be written. Any other damage ends the reading.
type Reader struct {
	src     source
	format  format
	warned  warnings
	passed  int
	number  int   // number of the last packet that was begun
	start   int64 // offset of the block or record being read
	inside  bool  // true if the record being read is a packet, and not another block
	err     error // first error, which later calls return again
	closers []io.Closer
}

// format reads the records of one file format. next returns nil without an error for a record that is no packet, and
// for a skipped packet.
type format interface {
	next() (*Record, error)
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

// NewReader returns a Reader of the capture that the argument in holds. The Reader's Close does not close that
// argument. NewReader returns an error that names the reason if the argument holds no capture.
func NewReader(in io.Reader) (*Reader, error) {
	r := &Reader{}
	b := bufio.NewReaderSize(in, fetchStep)
	if isGzip(b) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, fmt.Errorf("capture: gzip: %w", err)
		}
		r.closers = append(r.closers, z)
		if b = bufio.NewReaderSize(z, fetchStep); isGzip(b) {
			return nil, errors.New("capture: compressed twice: gunzip it once")
		}
	}
	magic, err := b.Peek(4)
	if err != nil && cut(err) != errCut {
		return nil, fmt.Errorf("capture: %w", err)
	}
	if len(magic) < 4 {
		return nil, fmt.Errorf("capture: the file has only %d octets", len(magic))
	}
	r.src = source{in: b, left: maxBetween}
	switch {
	case binary.BigEndian.Uint32(magic) == blockSection:
		r.format, err = newPcapng(r)
	case classicOrder(magic) != nil:
		r.format, err = newClassic(r)
	default:
		return nil, fmt.Errorf("capture: it begins with % x, which is neither pcap nor pcapng", magic)
	}
	if err != nil {
		return nil, fmt.Errorf("capture: header: %w", err)
	}
	return r, nil
}

func isGzip(b *bufio.Reader) bool {
	magic, _ := b.Peek(2)
	return bytes.Equal(magic, []byte{0x1f, 0x8b})
}

// Next returns the next packet, and io.EOF at the end. Any other error ends the reading, and later calls return it
// again. The error contains the number and offset of the damaged packet, or the offset of the block. The packets before
// it are correct.
func (r *Reader) Next() (*Record, error) {
	for r.err == nil {
		r.start, r.inside = r.src.offset, false
		rec, err := r.format.next()
		switch {
		case err == io.EOF:
			r.err = io.EOF
		case err == errCut:
			r.warn("cut", "%v", err)
			r.err = io.EOF
		case err != nil:
			r.err = fmt.Errorf("capture: %s: %w", r.where(), err)
		default:
			if r.inside {
				r.src.left = maxBetween
			}
			if rec != nil {
				return rec, nil
			}
		}
	}
	return nil, r.err
}

// Warnings returns a line for each kind of damage that the Reader has skipped so far. The line has the number and
// offset of the first damaged packet or block, and the number of further ones.
func (r *Reader) Warnings() []string { return r.warned.lines() }

// Passed returns the number of packets skipped so far because of damage or their link type.
func (r *Reader) Passed() int { return r.passed }

// begin records that the record being read is a packet, and counts it.
func (r *Reader) begin() {
	r.inside = true
	r.number++
}

// where describes the record being read, for a message.
func (r *Reader) where() string {
	if r.inside {
		return fmt.Sprintf("packet %d at octet %d", r.number, r.start)
	}
	return fmt.Sprintf("block at octet %d", r.start)
}

// warn adds a warning about the record being read.
func (r *Reader) warn(kind, format string, args ...any) {
	r.warned.add(kind, func() string { return r.where() + ": " + fmt.Sprintf(format, args...) })
}

// pass skips the packet being read, and warns of that.
func (r *Reader) pass(kind, format string, args ...any) (*Record, error) {
	r.passed++
	r.warn(kind, format+"; passed over", args...)
	return nil, nil
}

// lengths are the lengths that a file states for a packet, in octets.
type lengths struct {
	captured, original uint32
	snaplen            uint32 // 0 for no limit
}

// record returns the packet being read with a copy of data, or skips it because of its link type. It warns of lengths
// that contradict each other.
func (r *Reader) record(link LinkType, l lengths, data []byte) (*Record, error) {
	if !link.known() {
		return r.pass(fmt.Sprint("link type ", link), "its link type %v is unknown", link)
	}
	switch {
	case l.original == 0:
		r.warn("original 0", "its original length is 0, and %d octets were captured", l.captured)
	case l.original < l.captured:
		r.warn("original", "its original length %d is below the captured length %d", l.original, l.captured)
	}
	if l.snaplen > 0 && l.captured > l.snaplen {
		r.warn("snaplen", "its captured length %d is above the snapshot length %d", l.captured, l.snaplen)
	}
	length := int(min(l.original, math.MaxInt32))
	rec := &Record{Number: r.number, Offset: r.start, Link: link, Length: max(length, len(data)), Data: bytes.Clone(data)}
	_, _, rec.Medium = rec.Frame()
	return rec, nil
}

// stamp sets the packet's time from a count of units.
func (r *Reader) stamp(rec *Record, unit timeUnit, count uint64) {
	var ok bool
	if rec.Time, ok = unit.at(count); !ok {
		r.warn("time", "its time is out of range; %v stands for it", rec.Time.Format(time.RFC3339))
	}
}

// Close closes the file if Open opened it.
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
