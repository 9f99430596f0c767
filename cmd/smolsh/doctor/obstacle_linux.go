//go:build !portable

package doctor

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// TUNPath is the device file through which TAPs and TUNs are made.
const TUNPath = "/dev/net/tun"

// TUNObstacle returns the reason why /dev/net/tun can't be opened, or nil if it can.
func TUNObstacle() *Obstacle {
	fd, err := unix.Open(TUNPath, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return tunError(err)
	}
	unix.Close(fd)
	return nil
}

func tunError(err error) *Obstacle {
	switch err {
	case unix.ENOENT, unix.ENOTDIR:
		return &Obstacle{TUNPath + " is not there", "as root: modprobe tun; a container must be given it"}
	case unix.ENODEV, unix.ENXIO:
		return &Obstacle{"the kernel has no TAP devices", "as root: modprobe tun"}
	case unix.EACCES:
		return &Obstacle{TUNPath + " may not be opened by you", "as root: chmod 0666 " + TUNPath}
	case unix.EPERM:
		return &Obstacle{TUNPath + " may not be opened in this container", "the container must be given it"}
	}
	return &Obstacle{fmt.Sprintf("%s: %v", TUNPath, err), "it must be there and open to you"}
}

// Sysctl returns a setting of the kernel, such as net.ipv4.ip_forward, or "" if the kernel has none of that name.
func Sysctl(name string) string {
	b, _ := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	return strings.TrimSpace(string(b))
}

// closed lists kernel settings that forbid namespaces to ordinary users or to everybody, and the value to set instead.
var closed = []struct{ name, value, open string }{
	{"user.max_net_namespaces", "0", "10000"},
	{"user.max_user_namespaces", "0", "10000"},
	{"kernel.unprivileged_userns_clone", "0", "1"},
	{"kernel.apparmor_restrict_unprivileged_userns", "1", "0"},
}

// NamespaceObstacle explains the error of a system call that should have made a network namespace.
func NamespaceObstacle(err error) *Obstacle { return namespaceObstacle(err, Sysctl) }

func namespaceObstacle(err error, sysctl func(name string) string) *Obstacle {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return &Obstacle{fmt.Sprintf("the program can't be run again in a network namespace (%v)", err), "smolsh --device sim asks for no other"}
	}
	switch errno {
	case unix.EPERM, unix.EACCES, unix.ENOSPC, unix.EUSERS:
		for _, c := range closed {
			if sysctl(c.name) == c.value {
				return &Obstacle{
					fmt.Sprintf("no network namespace may be made by you: %s is %s", c.name, c.value),
					fmt.Sprintf("as root: sysctl %s=%s", c.name, c.open)}
			}
		}
		if errno == unix.ENOSPC || errno == unix.EUSERS {
			return &Obstacle{"there are as many namespaces as the system allows", "as root: raise user.max_net_namespaces and user.max_user_namespaces"}
		}
		return &Obstacle{"no network namespace may be made by you", "run it as root; a container needs CAP_SYS_ADMIN"}
	case unix.EINVAL, unix.ENOSYS:
		return &Obstacle{"the kernel has no network namespaces", "it needs CONFIG_NET_NS and CONFIG_USER_NS"}
	}
	return &Obstacle{fmt.Sprintf("no network namespace can be made: %v", errno), "run it as root"}
}
