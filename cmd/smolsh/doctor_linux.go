package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/tap"
)

// examine looks at the machine, and then at the devices that were named, or at the TAPs and TUNs that there
// are.
func (o *options) examine(c *checkup) {
	c.say(verdict{subject: "/dev/net/tun", good: "may be opened", bad: tunObstacle()})
	c.say(verdict{subject: "namespaces", good: "a network namespace may be made", bad: namespaces()})
	for _, k := range []struct {
		name string
		bit  uint
		lack obstacle
	}{
		{"CAP_NET_ADMIN", unix.CAP_NET_ADMIN, obstacle{"not held: TAPs and TUNs on the machine's network must be made by root",
			"as root: setcap cap_net_admin=eip on the smolsh binary, or ip tuntap add name tap0 mode tap user $USER"}},
		{"CAP_NET_RAW", unix.CAP_NET_RAW, obstacle{"not held: there are no raw devices", "as root: setcap cap_net_raw=eip on the smolsh binary"}},
	} {
		v := verdict{subject: k.name, good: "held", noted: true}
		if !capable(k.bit) {
			v.bad = &k.lack
		}
		c.say(v)
	}
	if o.wantsPrivate() {
		c.say(verdict{subject: "private lab", good: "192.168.69.1 and the kernel at 192.168.69.100 answer each other", bad: privateLab()})
	}
	for _, d := range o.devices {
		if d.kind == "tap" || d.kind == "tun" || d.kind == "raw" || d.kind == "switch" {
			o.examineDevice(c, d)
		}
	}
	if len(o.devices) > 0 {
		return
	}
	links, _ := netlink.LinkList()
	for _, l := range links {
		if _, ok := l.(*netlink.Tuntap); ok {
			c.say(verdict{subject: l.Attrs().Name, good: "is a " + tap.KindOf(l) + ": smolsh doctor " + tap.KindOf(l) + ":" + l.Attrs().Name + " looks at it"})
		}
	}
}

// capable reports whether the calling thread holds a capability.
func capable(bit uint) bool {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	return unix.Capget(&header, &data[0]) == nil && data[bit/32].Effective&(1<<(bit%32)) != 0
}

// namespaces says why none may be made, in either of the ways in which the private lab makes one.
func namespaces() *obstacle {
	cmd := myself("--version")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET}
	err := cmd.Run()
	if errors.Is(err, unix.EPERM) {
		cmd = myself("--version")
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
	return namespaceObstacle(err, sysctl)
}

// myself is a run of this program.
func myself(args ...string) *exec.Cmd {
	return &exec.Cmd{Path: self(), Args: append(os.Args[:1:1], args...), Env: os.Environ()}
}

// privateLab tries the default device: it is made, and both ends answer each other.
func privateLab() *obstacle {
	cmd := myself("-c", `print(kernel, ping("192.168.69.100", count=1).received)`)
	var said, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &why
	err := cmd.Run()
	line := strings.TrimPrefix(strings.TrimSpace(why.String()), "smolsh: ")
	if reason, cure, ok := strings.Cut(line, ", so this is a virtual lab ("); ok {
		return &obstacle{reason, strings.TrimSuffix(cure, ")")}
	}
	if err != nil || !strings.Contains(said.String(), "kernel 1\n") {
		return &obstacle{"the kernel's end does not answer " + line, "smolsh --trace -c 'ping(\"192.168.69.100\")' shows what passes"}
	}
	return nil
}
