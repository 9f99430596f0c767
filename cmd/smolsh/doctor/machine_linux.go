//go:build !portable

package doctor

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/portclaim"
	"smolsh/phy/tap"
)

// examine checks the machine, and then the devices; without any it lists the machine's TAPs and TUNs. Virtual devices alone need no
// check.
func (c *Checkup) examine() {
	virtual := 0
	for _, d := range c.Devices {
		if d.Kind == "sim" || d.Kind == "loopback" {
			c.say(Verdict{Subject: d.Kind, Good: "works everywhere: it needs nothing of the machine"})
			virtual++
		}
	}
	if virtual > 0 && virtual == len(c.Devices) {
		return
	}
	c.say(Verdict{Subject: "/dev/net/tun", Good: "may be opened", Bad: TUNObstacle()})
	c.say(Verdict{Subject: "namespaces", Good: "a network namespace may be made", Bad: c.namespaces()})
	for _, k := range []struct {
		name string
		bit  uint
		lack Obstacle
	}{
		{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN, Obstacle{"not held: TAPs and TUNs on the machine's network must be made by root",
			"as root: setcap cap_net_admin=eip on the smolsh binary, or ip tuntap add name tap0 mode tap user $USER"}},
		{"CAP_NET_RAW", unix.CAP_NET_RAW, Obstacle{"not held: there are no raw devices", "as root: setcap cap_net_raw=eip on the smolsh binary"}},
	} {
		v := Verdict{Subject: k.name, Good: "held", Noted: true}
		if !capable(k.bit) {
			v.Bad = &k.lack
		}
		c.say(v)
	}
	c.say(Verdict{Subject: "nf_tables", Good: "raw devices may share the kernel's addresses", Bad: shareObstacle(Device{Kind: "raw", Name: "nf_tables"}), Noted: true})
	if c.Private {
		bad := c.privateLab("192.168.69.100", `print(kernel, ping("192.168.69.100", count=1).received)`)
		c.say(Verdict{Subject: "private lab", Good: "192.168.69.1 and the kernel at 192.168.69.100 answer each other", Bad: bad})
		if bad == nil {
			c.say(Verdict{Subject: "private lab", Good: "fdaa::1 and the kernel at fdaa::100 answer each other", Bad: c.privateLab("fdaa::100", `l = kernel.tcp.listen(80); c = tcp.connect("[fdaa::100]:80", timeout="3s"); print(kernel, 1)`), Noted: true})
		}
	}
	for _, d := range c.Devices {
		if d.Kind == "tap" || d.Kind == "tun" || d.Kind == "raw" || d.Kind == "switch" {
			c.examineDevice(d)
		}
	}
	if len(c.Devices) > 0 {
		return
	}
	links, _ := netlink.LinkList()
	for _, l := range links {
		if _, ok := l.(*netlink.Tuntap); ok {
			c.say(Verdict{Subject: l.Attrs().Name, Good: "is a " + tap.KindOf(l) + ": smolsh doctor " + tap.KindOf(l) + ":" + l.Attrs().Name + " looks at it"})
		}
	}
}

// capable reports whether the calling thread holds a capability.
func capable(bit uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[bit/32].Effective&(1<<(bit%32)) != 0
}

// shareObstacle returns the reason why ports of the device d can't be taken from the kernel, nil if there is none.
func shareObstacle(d Device) *Obstacle {
	claims, err := portclaim.New()
	if err == nil {
		claims.Close()
		return nil
	}
	if o := Explain(d, err); o != nil {
		return o
	}
	return &Obstacle{err.Error(), "as root: nft list tables shows whether nftables works"}
}

// namespaces tries to make a network namespace in the two ways of the private lab: without and with a user namespace.
// It returns nil if either works.
func (c *Checkup) namespaces() *Obstacle {
	cmd := c.Program("--version")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	err := cmd.Run()
	if errors.Is(err, unix.EPERM) {
		cmd = c.Program("--version")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		}
		err = cmd.Run()
	}
	if err == nil {
		return nil
	}
	return NamespaceObstacle(err)
}

// privateLab runs a line on the private lab, which prints "kernel 1" if the kernel's address to answers.
func (c *Checkup) privateLab(to, line string) *Obstacle {
	cmd := c.Program("-c", line)
	var said, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &why
	err := cmd.Run()
	complaint := strings.TrimPrefix(strings.TrimSpace(why.String()), "smolsh: ")
	if reason, cure, ok := strings.Cut(complaint, instead); ok {
		return &Obstacle{reason, strings.TrimSuffix(cure, ")")}
	}
	if err != nil || !strings.Contains(said.String(), "kernel 1\n") {
		return &Obstacle{"the kernel's end does not answer " + complaint, "smolsh --trace -c 'ping(\"" + to + "\")' shows what passes"}
	}
	return nil
}
