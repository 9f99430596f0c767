#!/usr/bin/env python3
"""Joins a TUN of this network namespace and one of the process PID's by a line that delays each packet: delay.py PID SECONDS."""
import collections, ctypes, fcntl, os, select, struct, sys, time

CLONE_NEWNET, TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x40000000, 0x400454CA, 1, 0x1000
delay = float(sys.argv[2])


def tun(name):
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return fd


fds = [tun("line")]
with open(f"/proc/{sys.argv[1]}/ns/net") as ns:
    if ctypes.CDLL(None).setns(ns.fileno(), CLONE_NEWNET):
        sys.exit("setns")
fds.append(tun("line"))
line = collections.deque()  # when, the descriptor to write to, and the packet; all have the same delay, so they are in order
while True:
    wait = None if not line else max(0, line[0][0] - time.monotonic())
    for fd in select.select(fds, [], [], wait)[0]:
        for _ in range(64):
            try:
                packet = os.read(fd, 65536)
            except BlockingIOError:
                break
            line.append((time.monotonic() + delay, fds[fds[0] == fd], packet))
    now = time.monotonic()
    while line and line[0][0] <= now:
        _, fd, packet = line.popleft()
        try:
            os.write(fd, packet)
        except OSError:
            pass  # the interface is not up yet
