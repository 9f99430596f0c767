// Package capture (skeleton).
package capture

import (
	"io"
	"time"

	"smolsh/phy"
)

// Writer writes packets to a pcapng file, or a classic pcap when the name ends in .pcap.
type Writer struct{ _ int }

// Packet is one packet of a capture.
type Packet struct {
	Time     time.Duration // since the lab's start
	Iface    int           // index given by AddIface
	Outgoing bool
	Comment  string
	Data     []byte
}

func Create(path string, epoch time.Time) (*Writer, error)                     { panic("skeleton") }
func NewWriter(w io.Writer, classic bool, epoch time.Time) (*Writer, error)    { panic("skeleton") }
func (w *Writer) AddIface(name string, m phy.Medium, snaplen int) (int, error) { panic("skeleton") }
func (w *Writer) Write(p *Packet) error                                        { panic("skeleton") }
func (w *Writer) Flush() error                                                 { panic("skeleton") }
func (w *Writer) Close() error                                                 { panic("skeleton") }
