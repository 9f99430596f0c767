package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"smolsh/phy/tap"
)

// tunPath is where TAPs come from.
const tunPath = "/dev/net/tun"

// tunObstacle says why /dev/net/tun can't be opened; nil when it can.
func tunObstacle() *obstacle {
	fd, err := unix.Open(tunPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return tunError(err)
	}
	unix.Close(fd)
	return nil
}

func tunError(err error) *obstacle {
	switch err {
	case unix.ENOENT, unix.ENOTDIR:
		return &obstacle{tunPath + " is not there", "as root: modprobe tun; a container must be given it"}
	case unix.ENODEV, unix.ENXIO:
		return &obstacle{"the kernel has no TAP devices", "as root: modprobe tun"}
	case unix.EACCES:
		return &obstacle{tunPath + " may not be opened by you", "as root: chmod 0666 " + tunPath}
	case unix.EPERM:
		return &obstacle{tunPath + " may not be opened in this container", "the container must be given it"}
	}
	return &obstacle{fmt.Sprintf("%s: %v", tunPath, err), "it must be there and open to you"}
}

// sysctl is a setting of the kernel's, "" where it has none of that name.
func sysctl(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	return strings.TrimSpace(string(b))
}

// closed are settings that keep namespaces from ordinary users, or from everybody.
var closed = []struct{ name, value, open string }{
	{"user.max_net_namespaces", "0", "10000"},
	{"user.max_user_namespaces", "0", "10000"},
	{"kernel.unprivileged_userns_clone", "0", "1"},
	{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
}

// namespaceObstacle says why there is no namespace, given the system's error.
func namespaceObstacle(err error, sysctl func(name string) string) *obstacle {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return &obstacle{fmt.Sprintf("the program can't be run again in a network namespace (%v)", err), "smolsh --device sim asks for no other"}
	}
	switch errno {
	case unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS:
		for _, c := range closed {
			if sysctl(c.name) == c.value {
				return &obstacle{
					fmt.Sprintf("no network namespace may be made by you: %s is %s", c.name, c.value),
					fmt.Sprintf("as root: sysctl %s=%s", c.name, c.open)}
			}
		}
		if errno == unix.ENOSPC || errno == unix.EUSERS {
			return &obstacle{"there are as many namespaces as the system allows", "as root: raise user.max_net_namespaces and user.max_user_namespaces"}
		}
		return &obstacle{"no network namespace may be made by you", "run it as root; a container needs CAP_SYS_ADMIN"}
	case unix.EINVAL, unix.ENOSYS:
		return &obstacle{"the kernel has no network namespaces", "it needs CONFIG_NET_NS and CONFIG_USER_NS"}
	}
	return &obstacle{fmt.Sprintf("no network namespace can be made: %v", errno), "run it as root"}
}

// insideObstacle says why the lab can't be made in the namespace that was entered; nil when err is
// about something else.
func insideObstacle(err error) *obstacle {
	if !isDeviceError(err) {
		return nil
	}
	if errors.Is(err, tap.ErrPermission) || errors.Is(err, tap.ErrOwner) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return namespaceObstacle(unix.EPERM, sysctl)
	}
	return &obstacle{fmt.Sprintf("the TAP can't be made: %v", err), "smolsh --device sim asks for none"}
}
