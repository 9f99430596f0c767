//go:build linux

package unixport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/wire"
)

const (
	// helloTime is the time that each end waits for the other end's hello.
	helloTime = 5 * time.Second
	// staleLook is the time after which a socket that refuses connections is tried again. Its owner may be about to
	// listen. If it still refuses, it is stale.
	staleLook = 50 * time.Millisecond
)

// Listener is the socket of a switch. Its methods may be called by any goroutine.
type Listener struct {
	ln   *net.UnixListener
	path string
	mtu  int
	node os.FileInfo // file information of the socket that Listen made
}

// Listen serves path for hosts of the given MTU, in octets. Only processes of the same user, and root, may connect
// (mode 0600). Listen replaces a socket that no process serves any more. It does not change any other file at the path,
// and returns an Error with ErrServed, ErrOther, ErrPermission, ErrNotFound or ErrPath.
func Listen(path string, mtu int) (*Listener, error) {
	if err := checkPath(path); err != nil {
		return nil, err
	}
	ln, err := listen(path)
	if errors.Is(err, unix.EADDRINUSE) {
		if err := removeStale(path); err != nil {
			return nil, err
		}
		ln, err = listen(path)
	}
	if errors.Is(err, unix.EADDRINUSE) { // another process has made the socket in the meantime
		return nil, &Error{Path: path, Err: ErrServed}
	}
	if err != nil {
		return nil, dialError(path, err)
	}
	ln.SetUnlinkOnClose(false) // at Close the path may belong to another switch
	node, err := os.Lstat(path)
	if err != nil {
		ln.Close()
		return nil, err
	}
	return &Listener{ln, path, mtu, node}, nil
}

func listen(path string) (*net.UnixListener, error) {
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error // bind makes the file with the socket's mode, so that it never has another mode
		return errors.Join(c.Control(func(fd uintptr) { err = unix.Fchmod(int(fd), 0o600) }), err)
	}}
	ln, err := private.Listen(context.Background(), "unixpacket", path)
	if err != nil {
		return nil, err
	}
	return ln.(*net.UnixListener), nil
}

// removeStale removes a socket that no process serves.
func removeStale(path string) error {
	fi, err := os.Lstat(path)
	if err != nil {
		return dialError(path, err)
	}
	if fi.Mode()&fs.ModeSocket == 0 {
		return &Error{Path: path, Err: ErrOther}
	}
	for tries := 0; ; tries++ {
		c, err := net.DialTimeout("unixpacket", path, helloTime)
		if err == nil {
			c.Close()
			return &Error{Path: path, Err: ErrServed}
		}
		switch why := dialError(path, err); {
		case errors.Is(why, ErrNotFound):
			return nil
		case errors.Is(why, ErrSilent):
			return &Error{Path: path, Err: ErrServed}
		case !errors.Is(why, ErrStale):
			return why
		}
		if tries > 0 {
			break
		}
		time.Sleep(staleLook)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return dialError(path, err)
	}
	return nil
}

// Close stops listening and removes the socket, unless another switch has replaced it. Ports stay open.
func (l *Listener) Close() error {
	// The time is compared too, because inode numbers are reused.
	if now, err := os.Lstat(l.path); err == nil && os.SameFile(now, l.node) && now.ModTime().Equal(l.node.ModTime()) {
		_ = os.Remove(l.path)
	}
	return l.ln.Close()
}

// Guest is a process that has connected and does not have a port yet.
type Guest struct {
	PID, UID int // the process's identifiers at the time when it connected

	conn *net.UnixConn
	l    *Listener
}

// Accept waits for a process to connect. After Close the error matches net.ErrClosed; any other error is temporary.
func (l *Listener) Accept() (*Guest, error) {
	c, err := l.ln.AcceptUnix()
	if err != nil {
		return nil, err
	}
	who, err := peer(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	return &Guest{conn: c, l: l, PID: int(who.Pid), UID: int(who.Uid)}, nil
}

// Hello waits up to helloTime for the guest's hello. On a wrong hello it sends an answer, closes the connection and
// returns the reason as an error.
func (g *Guest) Hello() error {
	err := g.hello()
	if err != nil {
		g.conn.Close()
	}
	return err
}

func (g *Guest) hello() error {
	_ = g.conn.SetDeadline(time.Now().Add(helloTime))
	var b [64]byte
	n, err := g.conn.Read(b[:])
	if err != nil {
		return helloError(g.l.path, err)
	}
	version, kind, mtu := parseControl(b[:n])
	switch {
	case kind == 0:
		return &Error{Path: g.l.path, Err: ErrOther}
	case version != Version:
		err = &Error{Path: g.l.path, Err: ErrVersion, Ours: Version, Theirs: int(version)}
	case kind != kindHello:
		return &Error{Path: g.l.path, Err: ErrOther}
	case mtu != 0 && mtu != g.l.mtu:
		err = &Error{Path: g.l.path, Err: ErrMTU, Ours: g.l.mtu, Theirs: mtu}
	default:
		return nil
	}
	_, _ = g.conn.Write(control(kindHello, g.l.mtu)) // so that the other end can report the difference too
	return err
}

// Refuse reports to the guest, whose hello was valid, that all ports are in use, and closes the connection. ports is
// the number of ports.
func (g *Guest) Refuse(ports int) {
	_, _ = g.conn.Write(control(kindFull, ports))
	g.conn.Close()
}

// Admit answers the hello and returns a port for the guest with the given name.
func (g *Guest) Admit(name string) (*Port, error) {
	defer g.conn.Close() // the port has its own descriptor
	fd, err := duplicate(g.conn)
	if err != nil {
		return nil, err
	}
	if _, err := g.conn.Write(control(kindHello, g.l.mtu)); err != nil {
		unix.Close(fd)
		return nil, helloError(g.l.path, err)
	}
	return &Port{conn: newConn(name, fd, g.l.mtu), PID: g.PID, UID: g.UID}, nil
}

// Port is the switch's end of a host's cable.
type Port struct {
	conn
	PID, UID int // the process's identifiers at the time when it connected
	closed   bool
	sources  []wire.HardwareAddr // latest address last
}

// maxSources is the number of addresses that a port records.
const maxSources = 8

// Sources returns the latest source addresses of the port's frames, at most eight, latest last. The port owns the
// slice.
func (p *Port) Sources() []wire.HardwareAddr { return p.sources }

// learn records the frame's source address. Most frames have the same source as the frame before.
func (p *Port) learn(f *phy.Frame) {
	a := wire.HardwareAddr(f.Bytes()[6:12])
	if n := len(p.sources); n > 0 && p.sources[n-1] == a || a.IsGroup() || a.IsZero() {
		return
	}
	if i := slices.Index(p.sources, a); i >= 0 {
		p.sources = slices.Delete(p.sources, i, i+1)
	} else if len(p.sources) == maxSources {
		p.sources = slices.Delete(p.sources, 0, 1)
	}
	p.sources = append(p.sources, a)
}

// Recv returns the pending frames. The error matches phy.ErrClosed if the process has ended or disconnected.
func (p *Port) Recv(frames []*phy.Frame) (int, error) {
	if p.closed {
		return 0, phy.ErrClosed
	}
	n, err := p.recv(frames)
	for _, f := range frames[:n] {
		p.learn(f)
	}
	return n, p.judge(err)
}

// Send queues frames to the process until its socket is full. The error matches phy.ErrClosed if the process has ended
// or disconnected.
func (p *Port) Send(frames []*phy.Frame) (int, error) {
	if p.closed {
		return 0, phy.ErrClosed
	}
	n, err := p.send(frames)
	return n, p.judge(err)
}

func (p *Port) judge(err error) error {
	if err == errGone {
		return fmt.Errorf("%s: %w: %w", p.name, phy.ErrClosed, err)
	}
	return err
}

// Close disconnects the process from the switch.
func (p *Port) Close() error {
	if p.closed {
		return phy.ErrClosed
	}
	p.closed = true
	return unix.Close(p.fd)
}
