package main

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// vnet is a link endpoint on a TAP with a virtio-net header before each frame, so that TCP
// super-segments and unfinished checksums pass in both directions. gVisor's own endpoint does this only for
// packet sockets.
type vnet struct {
	fd         int
	mtu        uint32
	dispatcher atomic.Pointer[stack.NetworkDispatcher]
}

const (
	vnetLen   = 10
	needsCsum = 1
	gsoTCP4   = 1
	maxGSO    = 65535 - 60 - 60
)

func newVnet(fd int, mtu uint32) *vnet { return &vnet{fd: fd, mtu: mtu} }

func (e *vnet) MTU() uint32                             { return e.mtu }
func (e *vnet) SetMTU(m uint32)                         { e.mtu = m }
func (e *vnet) MaxHeaderLength() uint16                 { return header.EthernetMinimumSize }
func (e *vnet) LinkAddress() tcpip.LinkAddress          { return ourMAC }
func (e *vnet) SetLinkAddress(tcpip.LinkAddress)        {}
func (e *vnet) IsAttached() bool                        { return e.dispatcher.Load() != nil }
func (e *vnet) Wait()                                   {}
func (e *vnet) Close()                                  {}
func (e *vnet) SetOnCloseAction(func())                 {}
func (e *vnet) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }
func (e *vnet) GSOMaxSize() uint32                      { return maxGSO }
func (e *vnet) SupportedGSO() stack.SupportedGSO        { return stack.HostGSOSupported }
func (e *vnet) Capabilities() stack.LinkEndpointCapabilities {
	// No CapabilityTXChecksumOffload: with it, segments without GSO would be sent without a checksum.
	return stack.CapabilityResolutionRequired | stack.CapabilityRXChecksumOffload
}

func (e *vnet) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		e.dispatcher.Store(nil)
		return
	}
	e.dispatcher.Store(&d)
	go e.receive(d)
}

func (e *vnet) AddHeader(pkt *stack.PacketBuffer) {
	eth := header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize))
	eth.Encode(&header.EthernetFields{SrcAddr: ourMAC, DstAddr: pkt.EgressRoute.RemoteLinkAddress, Type: pkt.NetworkProtocolNumber})
}

func (e *vnet) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// receive reads frames and delivers them to the stack, on a thread of its own. It sleeps while no frame waits.
func (e *vnet) receive(d stack.NetworkDispatcher) {
	runtime.LockOSThread()
	buf := make([]byte, 1<<16+vnetLen+64)
	fds := []unix.PollFd{{Fd: int32(e.fd), Events: unix.POLLIN}}
	for {
		n, err := unix.Read(e.fd, buf)
		if err == unix.EAGAIN {
			_, _ = unix.Poll(fds, -1)
			continue
		}
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return
		}
		if n < vnetLen+header.EthernetMinimumSize {
			continue
		}
		pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
			Payload: buffer.MakeWithView(buffer.NewViewWithData(buf[vnetLen:n])),
		})
		pkt.RXChecksumValidated = buf[0] != 0 // the checksum is unfinished, or has been verified
		if e.ParseHeader(pkt) {
			d.DeliverNetworkPacket(header.Ethernet(pkt.LinkHeader().Slice()).Type(), pkt)
		}
		pkt.DecRef()
	}
}

// WritePackets writes each packet with one system call.
func (e *vnet) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	var vecs [64][]byte
	for i, pkt := range pkts.AsSlice() {
		var h [vnetLen]byte
		if g := pkt.GSOOptions; g.Type != stack.GSONone {
			if g.NeedsCsum {
				h[0] = needsCsum
				binary.LittleEndian.PutUint16(h[6:], header.EthernetMinimumSize+g.L3HdrLen)
				binary.LittleEndian.PutUint16(h[8:], g.CsumOffset)
			}
			binary.LittleEndian.PutUint16(h[2:], uint16(pkt.HeaderSize()))
			if pkt.Data().Size() > int(g.MSS) && g.Type == stack.GSOTCPv4 {
				h[1] = gsoTCP4
				binary.LittleEndian.PutUint16(h[4:], g.MSS)
			}
		}
		v := append(vecs[:0], h[:])
		v = append(v, pkt.AsSlices()...)
		for {
			_, err := unix.Writev(e.fd, v)
			if err == unix.EINTR || err == unix.EAGAIN {
				continue
			}
			if err != nil {
				return i, tcpip.TranslateErrno(err.(unix.Errno))
			}
			break
		}
	}
	return pkts.Len(), nil
}
