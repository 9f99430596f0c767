// Package capture writes packets to capture files: pcapng, with each packet's verdict as its comment and its direction in its
// flags, or classic pcap, which has room for neither.
//
// Both formats are little-endian with timestamps in nanoseconds. The octets of a file depend only on the packets, the
// interfaces and the epoch. The file names no machine, system or version, so that two runs of one seed write the same
// file on any machine.
//
// Sources: the pcapng and pcap drafts of the IETF's opsawg (draft-ietf-opsawg-pcapng,
// draft-ietf-opsawg-pcap). gopacket's pcapgo encodes.
//
// A Reader also reads files of other programs, and interprets them as tcpdump and tshark do: both formats, also
// compressed with gzip, in every unit of time. It rounds down to a nanosecond, as tshark does, if a time is finer than
// that. If nanoseconds in 64 bits can't express a time, the Reader warns and uses the nearest second that they can
// express. It bounds the memory that a hostile file costs.
//
// A Reader is single-owner: one goroutine at a time may use it. Several may use a Writer.
package capture

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"smolsh/phy"
)

// DefaultSnaplen is the snapshot length, in octets, for an interface added with 0: longer than any packet.
const DefaultSnaplen = 262144

// maxComment is the length in octets at which a comment is cut off, since an option's length has 16 bits.
const maxComment = 65000

// Packet is one packet of a capture.
type Packet = phy.CapturedPacket

var _ phy.CaptureWriter = (*Writer)(nil)

// Writer writes packets to a file. After the first error, every call returns that error. Several goroutines may use it.
type Writer struct {
	mu      sync.Mutex
	buf     *bufio.Writer
	closer  io.Closer
	feed    *feed // writes a file that may block; nil for others
	packets int
	octets  int64 // octets of the frames written
	epoch   time.Time
	ifaces  []iface
	ng      *pcapgo.NgWriter // nil until the first interface
	classic *pcapgo.Writer   // nil for pcapng
	err     error

	comments [1]string // used by Write, to avoid an allocation
	flags    pcapgo.NgEpbFlags
}

type iface struct {
	medium  phy.Medium
	snaplen int
}

// Errors of a Writer.
var (
	ErrClosed  = phy.ErrCaptureClosed
	ErrNoIface = errors.New("capture: no such interface")
	ErrMixed   = errors.New("capture: a classic pcap file holds one medium and one snapshot length only: use pcapng")
)

// Create makes or truncates the file path and returns a Writer on it: classic pcap if the name ends in .pcap, pcapng
// otherwise. Opening a FIFO blocks until it has a reader. Afterwards at most 8 MiB may be pending for the reader,
// beyond which the Writer fails with ErrSlow. epoch is the time of day at Packet.Time 0; the zero Time means the
// beginning of 1970.
func Create(path string, epoch time.Time) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, fmt.Errorf("capture: %w", err)
	}
	return NewFile(f, epoch)
}

// NewFile returns a Writer on an open, empty file, like Create. The Writer closes the file.
func NewFile(f *os.File, epoch time.Time) (*Writer, error) {
	var to io.WriteCloser = f
	var d *feed
	if info, err := f.Stat(); err == nil && !info.Mode().IsRegular() {
		d = newFeed(f)
		to = d
	}
	w, err := NewWriter(to, IsClassic(f.Name()), epoch)
	if err != nil {
		to.Close()
		return nil, err
	}
	w.closer, w.feed = to, d
	return w, nil
}

// IsClassic reports whether a file of a name is classic pcap, and not pcapng.
func IsClassic(name string) bool { return strings.EqualFold(filepath.Ext(name), ".pcap") }

// Ended returns a channel that is closed when a closed Writer has written everything. For a regular file that is at
// once, for a FIFO when its reader has read everything.
func (w *Writer) Ended() <-chan struct{} {
	if w.feed != nil {
		return w.feed.ended
	}
	done := make(chan struct{})
	close(done)
	return done
}

// Rest returns the error of the packets that were written after Close: a device or a FIFO refused it, or its reader has not read it. Close cannot
// return it, because it never waits. The caller calls Rest when Ended is closed, or when it waits no longer.
func (w *Writer) Rest() error {
	if w.feed == nil {
		return nil
	}
	if err := w.feed.rest(); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// NewWriter returns a Writer on w, which Close does not close. See Create for classic and epoch.
func NewWriter(w io.Writer, classic bool, epoch time.Time) (*Writer, error) {
	if epoch.IsZero() {
		epoch = time.Unix(0, 0)
	}
	c := &Writer{buf: bufio.NewWriterSize(w, 1<<16), epoch: epoch}
	if classic {
		c.classic = pcapgo.NewWriterNanos(c.buf)
	}
	return c, nil
}

// AddIface adds an interface and returns its index, counted from 0. snaplen is the largest number of octets kept of
// each packet; 0 means DefaultSnaplen. A classic file stores no names, and accepts a further interface only if it has
// the medium and snapshot length of the first.
func (w *Writer) AddIface(name string, m phy.Medium, snaplen int) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.addIface(name, m, snaplen)
}

func (w *Writer) addIface(name string, m phy.Medium, snaplen int) (int, error) {
	if snaplen <= 0 {
		snaplen = DefaultSnaplen
	}
	if w.err != nil {
		return 0, w.err
	}
	added := iface{m, snaplen}
	if w.classic != nil {
		if len(w.ifaces) > 0 && w.ifaces[0] != added {
			return 0, ErrMixed
		}
		if len(w.ifaces) == 0 {
			w.keep(w.classic.WriteFileHeader(uint32(snaplen), linkType(m)))
		}
	} else {
		w.keep(w.addNg(name, added))
	}
	w.ifaces = append(w.ifaces, added)
	return len(w.ifaces) - 1, w.err
}

func (w *Writer) addNg(name string, added iface) (err error) {
	desc := pcapgo.NgInterface{Name: name, LinkType: linkType(added.medium), SnapLength: uint32(added.snaplen)}
	if w.ng != nil {
		_, err = w.ng.AddInterface(desc)
		return err
	}
	options := pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "smolsh"}}
	w.ng, err = pcapgo.NewNgWriterInterface(w.buf, desc, options)
	return err
}

// linkType returns the medium's number in capture files: LINKTYPE_ETHERNET or LINKTYPE_RAW.
func linkType(m phy.Medium) layers.LinkType {
	if m == phy.MediumIP {
		return layers.LinkTypeRaw
	}
	return layers.LinkTypeEthernet
}

// Write writes one packet. The file keeps the order of the calls, whatever the packets' times.
func (w *Writer) Write(p *Packet) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	if p.Iface < 0 || p.Iface >= len(w.ifaces) {
		return ErrNoIface
	}
	data := p.Data[:min(len(p.Data), w.ifaces[p.Iface].snaplen)]
	info := gopacket.CaptureInfo{
		Timestamp:      w.epoch.Add(p.Time),
		CaptureLength:  len(data),
		Length:         max(len(p.Data), p.Length),
		InterfaceIndex: p.Iface,
	}
	w.packets++
	w.octets += int64(len(data))
	if w.classic != nil {
		return w.keep(w.classic.WritePacket(info, data))
	}
	w.flags.Direction = pcapgo.NgEpbFlagDirectionInbound
	if p.Outgoing {
		w.flags.Direction = pcapgo.NgEpbFlagDirectionOutbound
	}
	options := pcapgo.NgPacketOptions{Flags: &w.flags}
	if p.Comment != "" {
		w.comments[0] = p.Comment[:min(len(p.Comment), maxComment)]
		options.Comments = w.comments[:]
	}
	return w.keep(w.ng.WritePacketWithOptions(info, data, options))
}

// Written returns how many packets were written, and how many octets of their frames.
func (w *Writer) Written() (packets int, octets int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.packets, w.octets
}

// Flush writes everything buffered to the file.
func (w *Writer) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Writer) flush() error {
	if w.err != nil {
		return w.err
	}
	if w.ng != nil {
		w.keep(w.ng.Flush())
	}
	return w.keep(w.buf.Flush())
}

// Close flushes and closes the file. To a capture without an interface it adds an Ethernet interface without a name, so that
// readers accept the file. A second Close returns ErrClosed.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if errors.Is(w.err, ErrClosed) {
		return ErrClosed
	}
	if w.err == nil && len(w.ifaces) == 0 {
		w.addIface("", phy.MediumEthernet, 0)
	}
	err := w.flush()
	if w.closer != nil {
		if cerr := w.closer.Close(); err == nil && cerr != nil {
			err = fmt.Errorf("capture: %w", cerr)
		}
	}
	w.err = ErrClosed
	return err
}

// keep stores the first error.
func (w *Writer) keep(err error) error {
	if err != nil && w.err == nil {
		w.err = fmt.Errorf("capture: %w", err)
	}
	return w.err
}
