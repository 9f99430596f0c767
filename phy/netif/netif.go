//go:build linux

// Package netif watches one network interface of the kernel: its name, MTU and state, and a signal for every change. Devices on
// such an interface use it.
//
// It uses rtnetlink(7), through vishvananda/netlink. Sockets are bound to the network namespace of the thread that called Open;
// all other calls may be made on any thread.
//
// A Link is single-owner. Only the function passed to Watch is called on another goroutine.
package netif

import (
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"smolsh/phy"
	"smolsh/stack/wire"
)

// ErrNotFound is the error of Open, wrapped, if no interface has that name.
var ErrNotFound = errors.New("no such interface")

// ErrNoAddress means that the kernel has no address on an interface, for a caller of Addrs that needs one.
var ErrNoAddress = errors.New("the kernel has no address there")

// State is the state of an interface at the last Refresh.
type State struct {
	Name string
	// MTU is the longest network-layer packet, in octets.
	MTU int
	// MaxGSO is the longest super-segment that the kernel accepts for the interface, in octets; 0 if the kernel is too old to
	// report it.
	MaxGSO int
	// MAC is the kernel's hardware address; zero on a medium without hardware addresses.
	MAC wire.HardwareAddr
	// Encap is the kernel's name for the frame format: ether, loopback, or none for bare IP.
	Encap string
	// Up is true if the interface is switched on. Carrier is true if frames can pass, for example because its cable is
	// plugged in.
	Up, Carrier bool
}

// Link is an interface of the kernel.
type Link struct {
	State
	index  int
	handle *netlink.Handle
	news   *nl.NetlinkSocket
}

// newsBuffer is the size in octets of the buffer for notifications, which concern all interfaces. If it overflows, the
// kernel reports that, and the interface is read again.
const newsBuffer = 1 << 20

// Open reads the state of the interface called name in the calling thread's network namespace, and follows its changes
// from now on. The caller closes the Link.
func Open(name string) (*Link, error) {
	l := &Link{}
	var err error
	if l.news, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_LINK); err != nil {
		return nil, fmt.Errorf("%s: netlink: %w", name, err)
	}
	_ = l.news.SetReceiveBufferSize(newsBuffer, false)
	if l.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		l.news.Close()
		return nil, fmt.Errorf("%s: netlink: %w", name, err)
	}
	link, err := l.handle.LinkByName(name)
	if err != nil {
		l.Close()
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return nil, fmt.Errorf("%s: %w", name, ErrNotFound)
		}
		return nil, fmt.Errorf("%s: netlink: %w", name, err)
	}
	l.index = link.Attrs().Index
	l.take(link.Attrs())
	return l, nil
}

// Index returns the interface's number.
func (l *Link) Index() int { return l.index }

// Refresh reads the state again. The error matches phy.ErrClosed if the interface was deleted.
func (l *Link) Refresh() error {
	link, err := l.handle.LinkByIndex(l.index)
	if err != nil {
		if errors.As(err, new(netlink.LinkNotFoundError)) {
			return l.Gone()
		}
		return fmt.Errorf("%s: netlink: %w", l.Name, err)
	}
	l.take(link.Attrs())
	return nil
}

// Gone returns the error for an interface that was deleted; it matches phy.ErrClosed.
func (l *Link) Gone() error {
	return fmt.Errorf("%s: the device was deleted: %w", l.Name, phy.ErrClosed)
}

func (l *Link) take(a *netlink.LinkAttrs) {
	l.State = State{
		Name: a.Name, MTU: a.MTU, MaxGSO: int(a.GSOMaxSize), Encap: a.EncapType,
		Up: a.Flags&net.FlagUp != 0, Carrier: a.RawFlags&unix.IFF_LOWER_UP != 0,
	}
	copy(l.MAC[:], a.HardwareAddr)
}

// Watch calls changed, on its own goroutine, whenever Refresh may find a change, until the Link is closed. A call may
// still be running when Close returns. Watch may be called only once.
func (l *Link) Watch(changed func()) {
	news, index := l.news, int32(l.index)
	go func() {
		for {
			messages, _, err := news.Receive()
			switch {
			case errors.Is(err, unix.ENOBUFS):
				changed() // notifications were lost, so there may be a change
				continue
			case errors.Is(err, unix.EINTR):
				continue
			case err != nil:
				return
			}
			for _, m := range messages {
				if len(m.Data) >= unix.SizeofIfInfomsg && nl.DeserializeIfInfomsg(m.Data).Index == index {
					changed()
					break
				}
			}
		}
	}()
}

// Close ends Watch and closes the sockets.
func (l *Link) Close() {
	l.news.Close()
	l.handle.Close()
}
