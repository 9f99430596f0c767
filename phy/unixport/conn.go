//go:build linux

package unixport

import (
	"errors"
	"fmt"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/drop"
	"smolsh/stack/wire"
)

const (
	// skips is the number of messages without a frame that one Recv skips before it returns.
	skips = 64
	// socketBuffer is the size of the socket's buffer in octets, for frames in transit to the other end. The system may
	// allow less.
	socketBuffer = 1 << 20
)

// errGone means that the other end has closed the connection.
var errGone = errors.New("the other end is gone")

// errVnet is the error for a frame that requests an offload which its headers do not allow.
var errVnet = errors.New("not a TCP or UDP packet whose checksum could be left to the other end")

// Stats counts the frames from and to the other end.
type Stats struct {
	Frames, Octets   uint64                  // received, without the messages' headers
	Sent, SentOctets uint64                  // sent, without the messages' headers
	Drops            [drop.NumReasons]uint64 // received messages that were not frames for this medium, by reason
}

// conn is either end of a connection.
type conn struct {
	name  string
	fd    int // non-blocking, closed on exec
	caps  phy.Capabilities
	stats Stats

	out   unix.Msghdr
	parts [3]unix.Iovec // parts of the frame being sent
}

func newConn(name string, fd, mtu int) conn {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, socketBuffer)
	return conn{name: name, fd: fd, caps: phy.Capabilities{
		Medium: phy.MediumEthernet, MTU: mtu, MaxGSO: maxPacket, TxChecksum: true, Gather: true}}
}

// Name returns the name of this end.
func (c *conn) Name() string { return c.name }

// FD returns the descriptor to poll, which stays the same until the device is closed. It is non-blocking and belongs to the
// device.
func (c *conn) FD() int { return c.fd }

// Capabilities returns Ethernet with the switch's MTU, super-segments and unfinished checksums.
func (c *conn) Capabilities() phy.Capabilities { return c.caps }

// Stats returns the counts of frames received and sent.
func (c *conn) Stats() Stats { return c.stats }

// recv reads the pending messages. Each message is one frame. The error is errGone or the system's.
func (c *conn) recv(frames []*phy.Frame) (int, error) {
	skipped := 0
	for i := 0; i < len(frames); {
		f := frames[i]
		f.Prepend(headerLen)
		f.Truncate(0)
		n, err := recv(c.fd, f.Tail())
		switch {
		case err == unix.EINTR, err == unix.ECONNRESET: // the kernel reports ECONNRESET once, before the pending messages
			f.Reset()
			continue
		case err != 0 || n == 0: // an empty message has no frame
			f.Reset()
			if err == unix.EAGAIN {
				return i, nil
			}
			return i, gone(err)
		}
		why := drop.TooLong
		if n <= len(f.Tail()) {
			f.Extend(n)
			why = takeHeader(f, c.caps.MTU)
		}
		if why == drop.None {
			c.stats.Frames++
			c.stats.Octets += uint64(f.Len())
			i++
			continue
		}
		c.stats.Drops[why]++
		f.Reset()
		if skipped++; skipped == skips {
			return i, nil
		}
	}
	return len(frames), nil
}

// send writes frames until the socket is full, and returns their number. The error is errGone, or concerns the first frame that
// was not sent.
func (c *conn) send(frames []*phy.Frame) (int, error) {
	for i := 0; i < len(frames); {
		f := frames[i]
		if f.Len() < wire.EthernetLen {
			return i, fmt.Errorf("%s: %w", c.name, drop.Truncated)
		}
		if !putHeader(f) {
			f.TrimFront(headerLen)
			return i, fmt.Errorf("%s: %w", c.name, errVnet)
		}
		err := c.write(f)
		f.TrimFront(headerLen)
		switch err {
		case 0:
			i++
			c.stats.Sent++
			c.stats.SentOctets += uint64(f.Len())
		case unix.EINTR:
		case unix.EAGAIN:
			return i, nil
		case unix.EPIPE, unix.ECONNRESET, unix.ENOTCONN, unix.ECONNREFUSED:
			return i, errGone
		default:
			return i, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return len(frames), nil
}

// gone returns the error that ends reading.
func gone(err syscall.Errno) error {
	if err == 0 || err == unix.ENOTCONN {
		return errGone
	}
	return err
}

// recv and write bypass the Go scheduler, which is safe because the descriptor does not block. The length is that of
// the whole message, even if b is shorter.
func recv(fd int, b []byte) (int, syscall.Errno) {
	n, _, err := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_TRUNC, 0, 0)
	return int(n), err
}

func (c *conn) write(f *phy.Frame) syscall.Errno {
	a, b := f.Borrowed()
	c.parts = [...]unix.Iovec{part(f.Bytes()), part(a), part(b)}
	c.out.Iov = &c.parts[0]
	c.out.SetIovlen(len(c.parts))
	_, _, err := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(c.fd), uintptr(unsafe.Pointer(&c.out)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
	c.parts = [3]unix.Iovec{}
	return err
}

func part(b []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(b)}
	v.SetLen(len(b))
	return v
}
