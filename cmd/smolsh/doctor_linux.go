//go:build !portable

package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/unixport"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// equip sets a checkup's functions, which run this program, attach a host to a device and dial a switch.
func (o *options) equip(c *doctor.Checkup) {
	c.Program = func(args ...string) *exec.Cmd {
		return &exec.Cmd{Path: self(), Args: append(os.Args[:1:1], args...), Env: os.Environ()}
	}
	c.Ping = func(d doctor.Device, kernel netip.Addr) (bool, error) { return o.pingKernel(device(d), kernel) }
	c.Switch = o.examineSwitch
}

// pingKernel attaches the host to the device d, and reports whether the kernel's end answers one of two echo requests.
// The error is the reason why the host can't be attached.
func (o *options) pingKernel(d device, kernel netip.Addr) (answered bool, err error) {
	l, err := o.open([]device{d})
	if err != nil {
		return false, err
	}
	defer l.close()
	defer l.runner.Close()
	answer := make(chan struct{}, 1)
	var c *stack.ICMPConn
	l.runner.Do(func(clock.Instant) {
		if c, err = l.local.BindICMP(0); err == nil {
			c.OnEvent = func(clock.Instant) {
				if isEchoReply(c, kernel) {
					select {
					case answer <- struct{}{}:
					default:
					}
				}
			}
		}
	})
	for try := 0; try < 2 && err == nil; try++ {
		l.runner.Do(func(now clock.Instant) { _ = c.Send(now, echoRequest(kernel, c.ID(), try), kernel, 0) })
		select {
		case <-answer:
			return true, nil
		case <-time.After(time.Second):
		}
	}
	return false, err
}

// echoRequest returns an echo request of the family of the address to, whose checksum the socket fills in.
func echoRequest(to netip.Addr, id uint16, seq int) []byte {
	b := make([]byte, 64)
	b[0] = byte(wire.ICMPEchoRequest)
	if to.Is6() {
		b[0] = byte(wire.ICMPv6EchoRequest)
	}
	binary.BigEndian.PutUint16(b[4:], id)
	binary.BigEndian.PutUint16(b[6:], uint16(seq))
	return b
}

// isEchoReply reads a message of the socket c, and reports whether it is an echo reply from the address.
func isEchoReply(c *stack.ICMPConn, from netip.Addr) bool {
	want := byte(wire.ICMPEchoReply)
	if from.Is6() {
		want = byte(wire.ICMPv6EchoReply)
	}
	var b [64]byte
	n, src, _, err := c.Recv(b[:])
	return err == nil && n > 0 && src == from && b[0] == want
}

// examineSwitch dials a switch and returns the verdict of `smolsh doctor`.
func (o *options) examineSwitch(d doctor.Device) doctor.Verdict {
	users, err := o.switchUserIDs()
	if err != nil {
		return doctor.Verdict{Subject: d.Name, Bad: &doctor.Obstacle{Why: err.Error(), Cure: "say a user of this machine"}}
	}
	dev, err := unixport.Dial(d.Name, unixport.Options{MTU: o.mtu, Users: users})
	if err != nil {
		bad := doctor.Explain(d, err)
		if bad == nil {
			bad = &doctor.Obstacle{Why: err.Error(), Cure: "smolsh switch " + d.Name + " serves one"}
		}
		return doctor.Verdict{Subject: d.Name, Bad: bad}
	}
	defer dev.Close()
	return doctor.Verdict{Subject: d.Name, Good: fmt.Sprintf("a switch answers, mtu %d", dev.Capabilities().MTU)}
}

// deviceFault returns the error for a device that can't be used. The error states the remedy if one is known.
func deviceFault(d device, err error) error {
	if o := doctor.Explain(doctor.Device(d), err); o != nil {
		return &statusError{statusDevice, o.Text(), err}
	}
	return deviceError(err)
}
