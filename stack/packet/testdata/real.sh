#!/bin/bash
# Captures real.pcap beside it, in which real programs and Linux's kernel speak to each other:
#   cd stack/packet/testdata && unshare -nmu bash real.sh
# It runs as root, with traceroute, bind9-dnsutils, dnsmasq-base, udhcpc, isc-dhcp-client, radvd, ndisc6, hping3, mptcpize,
# iputils-ping, iputils-arping, iproute2, ethtool, iptables, curl, tcpdump and python3 of Debian 12. Each run captures other
# identifiers and times, but the same kinds of packets. Tags, GRE and IPIP are in packets.pcap alone, because not every kernel
# has their devices. The script makes three namespaces, which end with it: the client c, the router r and the server s.
hostname client
mount -t tmpfs none /run
mkdir /run/netns /run/radvd
tmp=$(mktemp -d)
cat > $tmp/none <<< '#!/bin/sh' && chmod +x $tmp/none
for n in c r s; do ip netns add $n; ip -n $n link set lo up; done
on() { local n=$1; shift; timeout 20 ip netns exec $n "$@" > /dev/null 2>&1 < /dev/null; }
server() { local n=$1; shift; ip netns exec $n "$@" > /dev/null 2>&1 < /dev/null & }
cable() { # namespace, interface, namespace, interface
    ip -n $1 link add $2 type veth peer name $4 netns $3
    for x in "$1 $2" "$3 $4"; do
        set -- $x
        ip netns exec $1 ethtool -K $2 tx off tso off gso off gro off > /dev/null 2>&1
        ip -n $1 link set $2 up
    done
}
for n in c r s; do on $n sysctl -w net.ipv6.conf.{all,default}.{accept_dad,dad_transmits}=0 net.ipv4.tcp_fastopen=3 net.ipv4.tcp_ecn=1; done
on r sysctl -w net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.{all,default}.send_redirects=1
on c sysctl -w net.ipv4.conf.{all,default}.accept_redirects=1
cable c c0 r r0
cable r r1 s s0
ip -n c link set c0 address 02:00:00:00:00:01
ip -n r link set r0 address 02:00:00:00:00:02
ip netns exec c tcpdump -q -i c0 -s 0 -U -w $tmp/real.pcap > /dev/null 2>&1 & echo $! > $tmp/pid
sleep 1

# The router leases addresses and answers names; it advertises itself.
ip -n r addr add 10.0.1.1/24 dev r0; ip -n r addr add 10.0.2.1/24 dev r1
ip -n r addr add fd00:1::1/64 dev r0 nodad; ip -n r addr add fd00:2::1/64 dev r1 nodad
ip -n s addr add 10.0.2.2/24 dev s0; ip -n s route add default via 10.0.2.1
ip -n s addr add fd00:2::2/64 dev s0 nodad; ip -n s route add default via fd00:2::1
server r dnsmasq -k -C /dev/null -i r0 --bind-interfaces --no-resolv --no-hosts --dhcp-leasefile=$tmp/leases --dhcp-range=10.0.1.50,10.0.1.60,1h \
    --dhcp-boot=pxelinux.0,bootserver,10.0.2.2 --dhcp-option=119,example.test,lab.example.test --dhcp-option=121,10.9.0.0/16,10.0.1.1 \
    --auth-server=ns.example.test,r0 --auth-zone=example.test --auth-soa=7 --address=/www.example.test/10.0.2.2 --host-record=www2.example.test,10.0.2.2,fd00:2::2 --mx-host=example.test,mail.example.test,10 \
    --txt-record=example.test,"v=spf1 -all","second text" --srv-host=_http._tcp.example.test,www.example.test,80,5,10 --cname=alias.example.test,www2.example.test \
    --ptr-record=2.2.0.10.in-addr.arpa,www.example.test --caa-record=example.test,0,issue,ca.example.test --naptr-record=example.test,10,20,s,SIP,,_sip._udp.example.test \
    --local=/test/
sleep 1
on c udhcpc -i c0 -n -q -f -s $tmp/none -O search -O staticroutes -x hostname:client -F client.example.test
on c dhclient -1 -sf $tmp/none -lf $tmp/client.leases -pf $tmp/client.pid c0
on c dhclient -r -sf $tmp/none -lf $tmp/client.leases -pf $tmp/client.pid c0
ip -n c addr add 10.0.1.2/24 dev c0; ip -n c route add default via 10.0.1.1
ip -n c addr add fd00:1::2/64 dev c0 nodad; ip -n c route add default via fd00:1::1
cat > $tmp/radvd.conf << 'END'
interface r0 { AdvSendAdvert on; AdvManagedFlag on; AdvOtherConfigFlag on; AdvDefaultPreference high; AdvLinkMTU 1500; MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
  AdvCurHopLimit 61; AdvReachableTime 30000; AdvRetransTimer 1000; AdvHomeAgentFlag on; AdvHomeAgentInfo on; AdvMobRtrSupportFlag off;
  prefix fd00:5::/64 { AdvOnLink on; AdvAutonomous off; AdvRouterAddr on; }; route fd00:7::/48 { AdvRoutePreference low; AdvRouteLifetime 600; };
  RDNSS fd00:1::1 fd00:1::2 { }; DNSSL example.test lab.example.test { }; };
END
server r radvd -n -m logfile -l $tmp/radvd.log -C $tmp/radvd.conf -p $tmp/radvd.pid
on c rdisc6 -1 c0
on c ndisc6 -1 fd00:1::1 c0
on c arping -c 1 -I c0 10.0.1.1
on c arping -c 1 -U -I c0 10.0.1.2

# ICMP: options, fragments, errors.
on c ping -c 2 -i 0.2 10.0.2.2
on c ping -c 1 -R 10.0.2.2
on c ping -c 1 -T tsonly 10.0.2.2
on c ping -c 1 -T tsandaddr 10.0.2.2
on c ping -c 1 -T tsprespec 10.0.1.1 10.0.2.2 10.0.2.2
on c ping -c 1 -s 4000 -Q 0xb8 10.0.2.2
on c ping -c 1 -s 4000 -F 0x12345 fd00:2::2
on c ping -c 1 -m 7 fd00:2::2
ip -n r link set r1 mtu 1300
on c ping -c 2 -i 0.3 -M do -s 1400 10.0.2.2
on c ping -c 2 -i 0.3 -M do -s 1400 fd00:2::2
ip -n r link set r1 mtu 1500
on c ping -c 1 -t 1 10.0.2.2
on c traceroute -n -q 1 -w 1 10.0.2.2
on c traceroute -n -q 1 -w 1 -I 10.0.2.2
on c traceroute -n -q 1 -w 1 -T -p 80 10.0.2.2
on c traceroute -n -q 1 -w 1 --mtu 10.0.2.2
on c traceroute -6 -n -q 1 -w 1 fd00:2::2
on c traceroute -6 -n -q 1 -w 1 -I fd00:2::2
on c hping3 -c 1 --icmp-ts 10.0.2.2
on c hping3 -c 1 --icmp-addr 10.0.2.2
on c hping3 -c 1 -0 --ipproto 200 10.0.2.2
on c hping3 -c 1 -1 --lsrr 10.0.1.1 10.0.2.2
ip -n r route add 10.9.0.0/24 via 10.0.1.77; ip -n r neigh add 10.0.1.77 lladdr 02:00:00:00:00:77 dev r0
ip -n r route add fd00:9::/64 via fe80::77 dev r0; ip -n r neigh add fe80::77 lladdr 02:00:00:00:00:77 dev r0
on c ping -c 2 -W 1 10.9.0.1
on c ping -c 2 -W 1 fd00:9::1
ip -n r route add prohibit 10.10.0.0/24; ip -n r route add prohibit fd00:10::/64
on c ping -c 1 -W 1 10.10.0.1
on c ping -c 1 -W 1 fd00:10::1
on c ping -c 1 -W 1 10.0.1.99

# DNS over UDP and TCP.
dig() { on c dig @10.0.1.1 +tries=1 +time=2 "$@"; }
for q in "A www.example.test" "AAAA www2.example.test" "MX example.test" "TXT example.test" "SRV _http._tcp.example.test" "CNAME alias.example.test" "A alias.example.test" "SOA example.test" \
    "NS example.test" "CAA example.test" "NAPTR example.test" "ANY example.test" "A nowhere.test" "-x 10.0.2.2" "CH TXT version.bind" "AXFR example.test" "+tcp A www.example.test" "+dnssec +nsid A www.example.test" "+noedns +norec A www.example.test" \
    "+opcode=status A www.example.test" "+subnet=10.0.0.0/8 +cdflag A www.example.test" "+tcp +keepopen A www.example.test MX example.test TXT example.test"; do dig $q; done
on c dig @10.0.2.2 +tries=1 +time=1 A www.example.test
on c dig @224.0.0.251 -p 5353 +tries=1 +time=1 A www.local

# Groups: IGMP of versions 3 and 2, MLD of versions 2 and 1, with a querier.
cat > $tmp/groups.py << 'END'
import socket, struct, sys, time
i = socket.if_nametoindex("c0")
a = socket.inet_aton("10.0.1.2")
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); v = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.setsockopt(0, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("239.1.2.3") + a)
v.setsockopt(41, socket.IPV6_JOIN_GROUP, socket.inet_pton(10, "ff05::1234") + struct.pack("@I", i))
w = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for source in ("10.0.2.2", "10.0.2.3"):
    w.setsockopt(0, 39, socket.inet_aton("232.1.2.3") + a + socket.inet_aton(source))
def address(family, text):
    b = struct.pack("=HH", family, 0) + (socket.inet_aton(text) if family == 2 else bytes(4) + socket.inet_pton(10, text))
    return b.ljust(128, b"\0")
x = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
for source in ("fd00:2::2", "fd00:2::3"):
    x.setsockopt(41, 46, struct.pack("@I4x", i) + address(10, "ff35::1234") + address(10, source))
u.sendto(b"to a group", ("239.1.2.3", 5000))
time.sleep(float(sys.argv[1]))
for s in (u, v, w, x): s.close()
time.sleep(1)
END
for version in 3 2; do
    on c sysctl -w net.ipv4.conf.c0.force_igmp_version=$version net.ipv6.conf.c0.force_mld_version=$((version-1))
    on c python3 $tmp/groups.py 2
done
ip -n r link add br0 type bridge; ip -n r link set br0 up address 02:00:00:00:00:02
ip -n r addr flush dev r0; ip -n r link set r0 master br0; ip -n r addr add 10.0.1.1/24 dev br0; ip -n r addr add fd00:1::1/64 dev br0 nodad
on c sysctl -w net.ipv4.conf.c0.force_igmp_version=0 net.ipv6.conf.c0.force_mld_version=0
for version in 3 2; do
    ip -n r link set br0 type bridge mcast_querier 0
    ip -n r link set br0 type bridge mcast_igmp_version $version mcast_mld_version $((version-1)) mcast_startup_query_interval 100 mcast_query_response_interval 100 mcast_last_member_interval 50
    ip -n r link set br0 type bridge mcast_querier 1
    on c python3 $tmp/groups.py 4
done

# TCP: HTTP, a refused port, loss with SACK, urgent data, fast open, several paths.
cat > $tmp/sink.py << 'END'
import socket, sys
s = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, 262 if len(sys.argv) > 1 else 0)
s.setsockopt(1, 2, 1); s.setsockopt(6, 23, 5); s.bind(("::", int(sys.argv[1]) if len(sys.argv) > 1 else 9)); s.listen()
while True:
    c, _ = s.accept()
    if len(sys.argv) > 1: c.recv(1000); c.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nhi\n")
    else:
        while c.recv(65536): pass
    c.close()
END
cat > $tmp/send.py << 'END'
import socket, time
s = socket.create_connection(("10.0.2.2", 9))
for _ in range(40): s.sendall(bytes(536)); time.sleep(0.002)
s.sendall(bytes(20000)); s.send(b"!", socket.MSG_OOB); time.sleep(.5); s.close()
END
server s python3 $tmp/sink.py
server s python3 $tmp/sink.py 8080
mkdir $tmp/www; echo hello > $tmp/www/index.html
server s python3 -m http.server 80 --bind :: -d $tmp/www
sleep 1
on c curl -s http://10.0.2.2/index.html
on c curl -s "http://[fd00:2::2]/index.html"
on c curl -s http://10.0.2.2:81/
on c curl -s "http://[fd00:2::2]:81/"
ip -n c route add 10.0.2.2 via 10.0.1.1 advmss 536; ip -n s route add 10.0.1.2 via 10.0.2.1 advmss 536
on s iptables -A INPUT -p tcp --dport 9 -m statistic --mode nth --every 6 --packet 5 -j DROP
on c python3 $tmp/send.py
on s iptables -F
for _ in 1 2 3; do on c curl -s --tcp-fastopen http://10.0.2.2:8080/; done
for n in c s; do on $n ip mptcp limits set subflow 2 add_addr_accepted 2; done
ip -n s addr add 10.0.2.3/24 dev s0; on s ip mptcp endpoint add 10.0.2.3 dev s0 signal
ip -n c addr add 10.0.1.3/24 dev c0; on c ip mptcp endpoint add 10.0.1.3 dev c0 subflow
on c mptcpize run curl -s http://10.0.2.2:8080/
cat > $tmp/paths.py << 'END'
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
s.connect(("10.0.2.2", 8080)); time.sleep(.5); s.sendall(b"GET / HTTP/1.0\r\n\r\n"); s.recv(1000); time.sleep(.3); s.close()
END
on c python3 $tmp/paths.py

# VXLAN.
ip -n c link add x0 type vxlan id 4711 dstport 4789 remote 10.0.1.1 local 10.0.1.2; ip -n c addr add 10.5.0.1/24 dev x0; ip -n c link set x0 up
ip -n r link add x0 type vxlan id 4711 dstport 4789 remote 10.0.1.2 local 10.0.1.1; ip -n r addr add 10.5.0.2/24 dev x0; ip -n r link set x0 up
on c ping -c 2 -i 0.3 10.5.0.2
sleep 1
kill -INT $(cat $tmp/pid)
sleep 1
cp $tmp/real.pcap real.pcap
kill $(jobs -pr)
wait
rm -rf $tmp
