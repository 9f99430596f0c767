# Writes forms6.pcap beside it: messages of neighbour discovery and MLD as stations send them, ICMPv6 errors about packets with
# extension headers, chains of extension headers, and fragments, for TestLinesAreThoseOfTcpdump:
# cd stack/packet/testdata && python3 forms6.py
import struct, socket
A = lambda a: socket.inet_pton(socket.AF_INET6, a)
O = bytes.fromhex
def cks(b):
    if len(b) % 2: b += b'\0'
    s = sum(struct.unpack('!%dH' % (len(b)//2), b))
    while s >> 16: s = (s & 0xffff) + (s >> 16)
    return ~s & 0xffff
def ip6(src, dst, nh, body, hops=255, flow=0, tc=0):
    return struct.pack('!IHBB', 6 << 28 | tc << 20 | flow, len(body), nh, hops) + A(src) + A(dst) + body
def upper(src, dst, p, m, at):
    return m[:at] + struct.pack('!H', cks(A(src) + A(dst) + struct.pack('!II', len(m), p) + m)) + m[at+2:]
def icmp(src, dst, t, c, rest): return upper(src, dst, 58, struct.pack('!BBH', t, c, 0) + rest, 2)
def udp(src, dst, sp, dp, data): return upper(src, dst, 17, struct.pack('!HHHH', sp, dp, 8 + len(data), 0) + data, 6)
def tcp(src, dst, flags, data=b''): return upper(src, dst, 6, struct.pack('!HHIIBBHHH', 5000, 80, 1000, 2000, 0x50, flags, 500, 0, 0) + data, 16)
out = []
def add(b): out.append(O('333300000001020000000001') + b'\x86\xdd' + b)
a, b, ll, mac = 'fdaa::1', 'fdaa::2', 'fe80::1', O('020000000001')
alert = lambda nh: struct.pack('!BB', nh, 0) + O('050200000100')
# Neighbour discovery.
sll, tll = b'\1\1' + mac, b'\2\1' + mac
prefix = struct.pack('!BBBBIII', 3, 4, 64, 0xc0, 86400, 14400, 0) + A('fdaa::')
route = struct.pack('!BBBBI', 24, 2, 48, 8, 1800) + A('fdbb::')[:8]
rdnss = struct.pack('!BBHI', 25, 3, 0, 1200) + A('fdaa::53')
dnssl = struct.pack('!BBHI', 31, 2, 0, 1200) + b'\3lab\0\0\0\0'
mtu, nonce = struct.pack('!BBHI', 5, 1, 0, 1400), b'\x0e\1abcdef'
for src, dst, t, rest in [('::', 'ff02::2', 133, bytes(4)), (ll, 'ff02::2', 133, bytes(4) + sll),
    (ll, 'ff02::1', 134, struct.pack('!BBHII', 64, 0, 1800, 0, 0)), (ll, 'ff02::1', 134, struct.pack('!BBHII', 64, 0xc8, 0, 30000, 1000) + sll + mtu + prefix + route + rdnss + dnssl),
    ('::', 'ff02::1:ff00:1', 135, bytes(4) + A(a) + nonce), (a, 'ff02::1:ff00:2', 135, bytes(4) + A(b) + sll), (a, b, 135, bytes(4) + A(b)),
    (b, a, 136, O('60000000') + A(b) + tll), (ll, 'ff02::1', 136, O('a0000000') + A(ll) + tll), (b, a, 136, O('40000000') + A(b)),
    (ll, a, 137, bytes(4) + A(ll) + A('2001:db8::7') + tll), (ll, a, 137, bytes(4) + A('2001:db8::7') + A('2001:db8::7') + struct.pack('!BBHI', 4, 7, 0, 0) + ip6(a, '2001:db8::7', 17, udp(a, b, 5, 6, b''))),
    (a, b, 128, struct.pack('!HH', 7, 1) + bytes(56)), (b, a, 129, struct.pack('!HH', 7, 1) + bytes(56))]:
    add(ip6(src, dst, 58, icmp(src, dst, t, 0, rest)))
    add(ip6(src, dst, 58, icmp(src, dst, t, 0, rest), flow=0xabcde, tc=0xb8))
# MLD, which has a router alert.
record = lambda kind, group, *sources: struct.pack('!BBH', kind, 0, len(sources)) + A(group) + b''.join(map(A, sources))
query = lambda delay, group, *sources: struct.pack('!HH', delay, 0) + A(group) + struct.pack('!BBH', 2, 125, len(sources)) + b''.join(map(A, sources))
for dst, t, rest in [('ff02::1', 130, struct.pack('!HH', 10000, 0) + A('::')), ('ff02::fb', 130, struct.pack('!HH', 1000, 0) + A('ff02::fb')), ('ff02::fb', 131, bytes(4) + A('ff02::fb')), ('ff02::2', 132, bytes(4) + A('ff02::fb')),
    ('ff02::1', 130, query(10000, '::')), ('ff02::fb', 130, query(1000, 'ff02::fb')), ('ff02::fb', 130, query(0, 'ff02::fb', a, b)), ('ff02::1', 130, query(0x8000, '::')), ('ff02::1', 130, query(0x9234, '::')), ('ff02::1', 130, query(0xffff, '::')),
    ('ff02::16', 143, struct.pack('!HH', 0, 0)), ('ff02::16', 143, struct.pack('!HH', 0, 1) + record(4, 'ff02::fb')), ('ff02::16', 143, struct.pack('!HH', 0, 3) + record(1, 'ff02::fb', a) + record(3, 'ff02::2') + record(6, 'ff02::3', a, b))]:
    add(ip6(ll, dst, 0, alert(58) + icmp(ll, dst, t, 0, rest), hops=1))
# Errors, about packets with and without extension headers.
for q in [ip6(a, b, 17, udp(a, b, 5000, 6000, b'hi')), ip6(a, b, 6, tcp(a, b, 2)), ip6(a, b, 0, alert(17) + udp(a, b, 5000, 6000, b'hi')), ip6(a, b, 44, struct.pack('!BBHI', 17, 0, 1, 7) + udp(a, b, 5000, 6000, bytes(8))), ip6(a, b, 58, icmp(a, b, 128, 0, struct.pack('!HH', 7, 1)))]:
    for t, c, word in [(1, 0, 0), (1, 1, 0), (1, 3, 0), (2, 0, 1280), (3, 0, 0), (3, 1, 0), (4, 0, 6), (4, 1, 40), (4, 2, 42)]:
        add(ip6(ll, a, 58, icmp(ll, a, t, c, struct.pack('!I', word) + q)))
for q in [ip6(a, b, 17, udp(a, b, 5000, 6000, b'hi')), ip6(a, b, 6, tcp(a, b, 2))]: add(ip6(b, a, 58, icmp(b, a, 1, 4, bytes(4) + q)))
# Chains.
u, t, e = udp(a, b, 5000, 6000, b'hello'), tcp(a, b, 0x18, b'hello'), icmp(a, b, 128, 0, struct.pack('!HH', 7, 1) + b'hello')
head = {0: lambda nh: alert(nh), 60: lambda nh: struct.pack('!BB', nh, 0) + O('010400000000'),
    43: lambda nh: struct.pack('!BBBBI', nh, 2, 0, 1, 0) + A('fdaa::7'), 143: lambda nh: struct.pack('!BBBBBBH', nh, 4, 4, 1, 1, 0, 9) + A('fdaa::7') + A('fdaa::8'),
    243: lambda nh: struct.pack('!BBBBI', nh, 2, 2, 1, 0) + A('fdaa::7'), 44: lambda nh: struct.pack('!BBHI', nh, 0, 0, 7)}
for chain in [[0], [60], [43], [143], [243], [44], [0, 60], [0, 43, 60], [60, 44], [0, 60, 43, 44, 60], [60, 60]]:
    for p, m in [(17, u), (6, t), (58, e), (59, b''), (253, b'hello'), (41, ip6(a, b, 17, u)), (4, b'')]:
        nh, body = p, m
        for k in reversed(chain):
            body = head[k](nh) + body
            nh = 43 if k in (143, 243) else k
        add(ip6(a, b, nh, body))
# Fragments.
for p, m in [(17, udp(a, b, 5000, 6000, bytes(1440))), (6, tcp(a, b, 0x10, bytes(1428))), (58, icmp(a, b, 128, 0, struct.pack('!HH', 7, 1) + bytes(1440)))]:
    for off, more, data in [(0, 1, m), (1448, 1, bytes(1448)), (2896, 0, bytes(104))]:
        f = struct.pack('!BBHI', p, 0, off | more, 0x12345) + data
        add(ip6(a, b, 44, f))
        add(ip6(a, b, 0, alert(44) + f))
open('forms6.pcap', 'wb').write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65536, 1) + b''.join(struct.pack('<IIII', 0, 0, len(f), len(f)) + f for f in out))
