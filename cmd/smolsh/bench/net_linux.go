package bench

import (
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"smolsh/phy/ifconfig"
)

// Names and addresses. Each run makes a new device.
var (
	tapName  = "bench0"
	tapEnds  = tapAddrs{netip.MustParsePrefix("192.168.69.1/24"), netip.MustParsePrefix("192.168.69.100/24")}
	tapEnds6 = tapAddrs{netip.MustParsePrefix("fdaa::1/64"), netip.MustParsePrefix("fdaa::100/64")}
	nearAddr = netip.MustParsePrefix("192.168.68.1/24") // address on the veth pair
	farAddr  = netip.MustParsePrefix("192.168.68.100/24")
)

// tapAddrs has the addresses of both ends of a TAP.
type tapAddrs struct{ ours, kernel netip.Prefix }

// ends returns the addresses of IPv6 or of IPv4.
func ends(ipv6 bool) tapAddrs {
	if ipv6 {
		return tapEnds6
	}
	return tapEnds
}

// makeTAP makes a persistent TAP with the kernel's address. remove deletes it.
func makeTAP(at tapAddrs) (remove func(), err error) {
	link := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: tapName}, Mode: netlink.TUNTAP_MODE_TAP}
	if err := netlink.LinkAdd(link); err != nil {
		return nil, fmt.Errorf("TAP: %w", err)
	}
	for _, fd := range link.Fds {
		fd.Close()
	}
	remove = func() { _ = netlink.LinkDel(link) }
	if at.kernel.Addr().Is4() {
		quiet(tapName)
	}
	if err := ifconfig.Setup(tapName, []netip.Prefix{at.kernel}, 0); err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// quiet turns the kernel's IPv6 off for a device, since it would send packets of its own. An error means that the
// kernel has no IPv6, which does no harm.
func quiet(dev string) {
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+dev+"/disable_ipv6", []byte("1"), 0)
}

// makeVeth makes a veth pair whose other end, named far, is in the network namespace of process pid.
func makeVeth(pid int, far string, offload bool) (remove func(), err error) {
	near := far + "n"
	pair := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: near}, PeerName: far, PeerNamespace: netlink.NsPid(pid)}
	if err := netlink.LinkAdd(pair); err != nil {
		return nil, fmt.Errorf("veth: %w", err)
	}
	remove = func() { _ = netlink.LinkDel(pair) }
	quiet(near)
	err = ifconfig.Setup(near, []netip.Prefix{nearAddr}, 0)
	if err == nil && !offload {
		err = offloadsOff(near)
	}
	if err != nil {
		remove()
		return nil, err
	}
	return remove, nil
}

// offloadsOff switches off an interface's segmentation, checksums and receive offload, as "ethtool -K"
// does (linux/ethtool.h).
func offloadsOff(dev string) error {
	const (
		siocEthtool = 0x8946
		setTXCsum   = 0x17
		setTSO      = 0x1f
		setGSO      = 0x24
		setGRO      = 0x2c
	)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	for _, cmd := range []uint32{setTSO, setGSO, setGRO, setTXCsum} {
		value := struct{ cmd, data uint32 }{cmd, 0}
		var req struct {
			name [unix.IFNAMSIZ]byte
			data unsafe.Pointer
			_    [16]byte
		}
		copy(req.name[:unix.IFNAMSIZ-1], dev)
		req.data = unsafe.Pointer(&value)
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), siocEthtool, uintptr(unsafe.Pointer(&req))); errno != 0 {
			return fmt.Errorf("%s: ethtool %#x: %w", dev, cmd, errno)
		}
	}
	return nil
}
