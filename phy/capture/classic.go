package capture

import (
	"encoding/binary"
	"fmt"
	"io"
)

// Magic numbers of pcap: for times in microseconds and in nanoseconds.
const (
	magicMicros = 0xa1b2c3d4
	magicNanos  = 0xa1b23c4d
)

const (
	classicHeaderLen = 24
	classicRecordLen = 16
)

// classic reads a pcap file (draft-ietf-opsawg-pcap).
type classic struct {
	r       *Reader
	order   binary.ByteOrder
	unit    timeUnit
	link    LinkType
	snaplen uint32
	minor   uint16
}

// classicOrder returns the octet order of a file that begins with magic, nil if magic is not that of a pcap file.
func classicOrder(magic []byte) binary.ByteOrder {
	for _, order := range []binary.ByteOrder{binary.BigEndian, binary.LittleEndian} {
		if m := order.Uint32(magic); m == magicMicros || m == magicNanos {
			return order
		}
	}
	return nil
}

// newClassic reads the file's header. Like libpcap, it accepts only the versions 2.0 to 2.4.
func newClassic(r *Reader) (*classic, error) {
	h, err := r.src.take(classicHeaderLen)
	if err != nil {
		return nil, err
	}
	c := &classic{r: r, order: classicOrder(h), unit: microseconds}
	if c.order.Uint32(h) == magicNanos {
		c.unit = nanoseconds
	}
	major := c.order.Uint16(h[4:])
	c.minor = c.order.Uint16(h[6:])
	if major != 2 || c.minor > 4 {
		return nil, fmt.Errorf("pcap version %d.%d, and 2.0 to 2.4 are known", major, c.minor)
	}
	c.snaplen = c.order.Uint32(h[16:])
	c.link = LinkType(c.order.Uint32(h[20:])) // the upper half holds the length of a frame check sequence
	return c, nil
}

func (c *classic) next() (*Record, error) {
	h, err := c.r.src.take(classicRecordLen)
	if err == io.EOF {
		return nil, err
	}
	c.r.begin()
	if err != nil {
		return nil, err
	}
	seconds, fraction := c.order.Uint32(h), c.order.Uint32(h[4:])
	l := lengths{c.order.Uint32(h[8:]), c.order.Uint32(h[12:]), c.snaplen}
	// Before version 2.3 the original length is the first of the two. Programs that wrote 2.3 disagreed about the order
	// (see libpcap).
	if c.minor < 3 || c.minor == 3 && l.captured > l.original {
		l.captured, l.original = l.original, l.captured
	}
	if l.captured > maxCaptured {
		return nil, fmt.Errorf("captured length %d, and at most %d can be right", l.captured, maxCaptured)
	}
	data, err := c.r.src.take(int(l.captured))
	if err == io.EOF {
		err = errCut
	}
	if err != nil {
		return nil, err
	}
	rec, err := c.r.record(c.link, l, data)
	if rec == nil {
		return nil, err
	}
	perSecond := powerOfTen(c.unit.exponent)
	if uint64(fraction) >= perSecond {
		c.r.warn("fraction", "the fraction of its time is %d, a second or more", fraction)
	}
	c.r.stamp(rec, c.unit, uint64(seconds)*perSecond+uint64(fraction))
	return rec, nil
}
