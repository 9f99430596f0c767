package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// Limits of a Reader, since files may be hostile. A Reader's memory grows with the octets that it has read, up to one
// block, and not with the lengths that the file states.
const (
	maxBetween    = 1 << 26 // octets between the end of one packet and the end of the next
	maxBlock      = 1 << 24 // octets of a pcapng block
	maxCaptured   = 262144  // octets kept of one packet, libpcap's MAXIMUM_SNAPLEN
	maxInterfaces = 1 << 12 // interfaces of a section
	maxName       = 256     // octets kept of an interface's name
	maxWarnings   = 32      // kinds of warnings kept
)

// errCut is the error for a file that ends inside a record.
var errCut = errors.New("the file ends within it: it was cut, or is still being written")

// source reads the octets of a file, uncompressed, and counts them.
type source struct {
	in     *bufio.Reader
	offset int64 // octets read so far
	left   int   // octets that may still be read without a packet
	buf    []byte
}

// fetchStep is the number of octets by which the buffer grows at most before the file has provided them.
const fetchStep = 1 << 16

// take reads n octets, which are valid until the next call. It returns io.EOF if the file ends before the first of
// them, and errCut if it ends before the last.
func (s *source) take(n int) ([]byte, error) {
	s.buf = s.buf[:0]
	if err := s.spend(n); err != nil {
		return nil, err
	}
	for len(s.buf) < n {
		old := len(s.buf)
		step := min(n-old, fetchStep)
		s.buf = append(s.buf, make([]byte, step)...)
		got, err := io.ReadFull(s.in, s.buf[old:])
		s.offset += int64(got)
		if err == io.EOF && old == 0 {
			return nil, io.EOF
		}
		if err != nil {
			return nil, cut(err)
		}
	}
	return s.buf, nil
}

// skip reads past n octets.
func (s *source) skip(n int) error {
	if err := s.spend(n); err != nil {
		return err
	}
	got, err := s.in.Discard(n)
	s.offset += int64(got)
	return cut(err)
}

// spend subtracts n from the octets that may still be read without a packet.
func (s *source) spend(n int) error {
	if s.left -= n; s.left < 0 {
		return fmt.Errorf("%d octets without a packet", maxBetween)
	}
	return nil
}

// cut returns errCut for the end of a file, compressed or not, and other errors unchanged.
func cut(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return err
}
