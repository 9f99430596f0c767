package phy

import (
	"errors"
	"time"
)

// A CapturedPacket is one packet of a capture.
type CapturedPacket struct {
	Time     time.Duration // time since the capture's epoch
	Iface    int           // the index that AddIface returned
	Outgoing bool          // true if the interface sent the frame
	Comment  string        // the verdict, such as "dropped: bad checksum"; empty for none
	Data     []byte        // the whole frame, or its first octets if Length is longer; the caller owns them
	Length   int           // octets of the whole frame; 0 if Data is all of it
}

// A CaptureWriter writes packets to a file. capture.Writer is one: programs that capture nothing need not link the formats of files.
type CaptureWriter interface {
	// AddIface adds an interface and returns its index. snaplen is the largest number of octets kept of each packet; 0: all.
	AddIface(name string, m Medium, snaplen int) (int, error)
	// Write writes one packet. It keeps nothing of p.
	Write(p *CapturedPacket) error
	// Flush writes everything buffered to the file.
	Flush() error
	// Close flushes and closes the file. A second Close returns ErrCaptureClosed.
	Close() error
}

// ErrCaptureClosed is the error of a capture that has ended.
var ErrCaptureClosed = errors.New("capture: closed")
