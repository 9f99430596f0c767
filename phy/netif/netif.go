//go:build linux

// Package netif watches one network interface of the kernel: its name, MTU and state, and a signal for every change. Devices
// on such an interface use it.
//
// It speaks rtnetlink(7), through vishvananda/netlink. Sockets are bound to the network namespace that the
// thread was in which called Open; all else may be called on any thread.
//
// A Link is single-owner. Only what Watch was given is called on another goroutine.
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

// ErrNotFound is what Open reports, wrapped, where there is no interface of that name.
var ErrNotFound = errors.New("no such interface")

// State is what an interface was like when Refresh last looked.
type State struct {
	Name string
	// MTU is the longest network-layer packet, in octets.
	MTU int
	// MaxGSO is the longest super-segment that the kernel takes for the interface, in octets; 0 where an old
	// kernel does not say.
	MaxGSO int
	// MAC is the kernel's hardware address; zero on a medium without.
	MAC wire.HardwareAddr
	// Encap is what its frames look like, in the kernel's word: ether, loopback, none for bare IP.
	Encap string
	// Up says that it was brought up, Carrier that frames can pass: its cable is plugged in.
	Up, Carrier bool
}

// Link is an interface of the kernel's.
type Link struct {
	State
	index  int
	handle *netlink.Handle
	news   *nl.NetlinkSocket
}

// newsBuffer is room for the news of many interfaces, in octets; when it overflows the kernel says so, and
// the interface is looked at again.
const newsBuffer = 1 << 20

// Open looks at the interface of that name in the calling thread's network namespace, and takes note of
// changes from now on. The caller closes the Link.
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

// Index is the interface's number.
func (l *Link) Index() int { return l.index }

// Refresh looks again. The error matches phy.ErrClosed when the interface was deleted.
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

// Gone is the error for an interface that was deleted; it matches phy.ErrClosed.
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

// Watch calls changed, on a goroutine of its own, whenever Refresh may find something new, until the Link
// is closed; a call may be under way then. It is to be called once.
func (l *Link) Watch(changed func()) {
	news, index := l.news, int32(l.index)
	go func() {
		for {
			messages, _, err := news.Receive()
			switch {
			case errors.Is(err, unix.ENOBUFS):
				changed() // some news was lost, whatever it was
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

// Close ends Watch and gives the sockets back.
func (l *Link) Close() {
	l.news.Close()
	l.handle.Close()
}
