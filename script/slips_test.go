package script

import (
	"strings"
	"testing"
)

// slips are lines as typed by people who come from other shells, languages and tools, each with what its error has to say. Where that is
// code that begins with =, TestSlips runs it as well, after slipsPrelude.
const slips = `
ping 192.168.69.100 | =ping("192.168.69.100")
ping -c 2 192.168.69.100 | =ping("192.168.69.100", count=2)
ping(192.168.69.100) | =ping("192.168.69.100")
ping peer | =ping("peer")
sudo ping 192.168.69.100 | =ping("192.168.69.100")
$ ping 192.168.69.100 | =ping("192.168.69.100")
>>> print x | print(x)
ping6 ::1 | =ping("::1")
ping 192.168.69.100 & | =ping("192.168.69.100")
arping 192.168.69.100 | =arping("192.168.69.100")
traceroute 192.168.69.100 | =traceroute("192.168.69.100")
mtr 192.168.69.100 | =traceroute("192.168.69.100")
ip addr | =addrs()
ip a | =addrs()
ip -6 route | =routes()
ip r | =routes()
ip link | =ifaces()
ip neigh | =neighbors()
ip addr add 10.1.0.1/24 dev eth0 | =ifaces()[0].add_addr("10.1.0.1/24")
ip addr del 192.168.69.1/24 dev eth0 | =ifaces()[0].del_addr("192.168.69.1/24")
ip link set eth0 mtu 1400 | =ifaces()[0].set(mtu=1400)
ip link set eth0 down | =ifaces()[0].down()
ip route add default via 192.168.69.100 | =routes.add("default", "192.168.69.100")
ip neigh add 192.168.69.7 lladdr 02:00:00:00:00:07 dev eth0 | =neighbors.add("192.168.69.7", "02:00:00:00:00:07")
ip neigh flush all | =neighbors.flush()
ifconfig | =ifaces()
ifconfig -a | =ifaces()
netstat -an | =ss()
netstat -s | =counters()
netstat -rn | =routes()
ss -tnp | =ss().where(netid="tcp")
ss -tlnp | =ss().where(state="LISTEN")
ss -ti | =ss(info=True)
arp -a | =neighbors()
arp -n | =neighbors()
route -n | =routes()
conntrack -L | =ss()
curl http://192.168.69.100:8000/ | =http.get("http://192.168.69.100:8000/").body
wget 192.168.69.100:8000 | =http.get("http://192.168.69.100:8000").body
tcpdump -i eth0 port 80 | tcpdump("port 80")
tcpdump -n tcp and port 80 | trace("tcp and port 80")
tcpdump -w x.pcap icmp | =capture("x.pcap", "icmp")
nc 192.168.69.100 7 | =c = tcp.connect("192.168.69.100:7")
nc -l 8080 | =l = tcp.listen(8080)
telnet 192.168.69.100 7 | =c = tcp.connect("192.168.69.100:7")
nc -u 192.168.69.100 7 | =u = udp.connect("192.168.69.100:7")
tc qdisc add dev eth0 root netem loss 15% delay 20ms | =fault("eth0", dir="tx", loss="15%", delay="20ms")
iptables -A INPUT -p tcp --dport 80 -j DROP | =fault(ifaces()[0], match="tcp port 80")
dig example.org | resolve("www.example.org"
man ping | =help(ping)
help ping | =help(ping)
?ping | =help(ping)
ls | =sh("ls").out
ls -l | =sh("ls -l").out
ls | grep x | sh(
cat /etc/hosts | =sh("cat /etc/hosts").out
cd /tmp | sh("cd /tmp && ls").out
clear | Ctrl-L
quit now | exit()
echo hello | =print("hello")
echo "hi" | =print("hi")
print "hi" | =print("hi")
ping("192.168.69.100 | =ping("192.168.69.100")
tcp.connect("192.168.69.100:7 | =tcp.connect("192.168.69.100:7")
ping(kernel, count=1) | got kernel: no host named kernel in this lab
l = lab(); l.link(l.host("z", "10.0.0.1/24"), l.switch("sw")) | got switch sw: a switch's cables are made by s.attach(host)
iperf3 -c 192.168.69.100 | measure("192.168.69.100:5201"
iperf3 -s | =measure.serve(5201)
iperf3 | measure("192.168.69.100:5201")
sleep(5 seconds) | =sleep("5s")
sleep(20 ms) | =sleep("20ms")
TCP.connect("1.1.1.1:1") | =tcp.connect("192.168.69.100:7")
fields("tcp") | without quotes and in capital letters: TCP
fields(tcp) | in capital letters: TCP
trace(icmp) | in quotes: "icmp"
trace(Tcp) | did you mean TCP?
Raw(load="x") | Raw("data")
a, u = sr([IP(dst="192.168.69.100")/ICMP()]) | r.answered and r.unanswered
IP("192.168.69.100") | IP(dst="192.168.69.100")
sniff(icmp, count=1) | in quotes: "icmp"
serve(tcp, 7, echo) | in quotes: "tcp"
trace(off) | trace(False)
struct(status=1)["status"] | .status, with a dot
http.get("http://192.168.69.100:8000/").text | r.body
http.get("http://192.168.69.100:8000/").status_code | r.status
x = {1, 2} | =set([1, 2])
"you said " + b"x" | str(data)
b"x" + "y" | b"text"
b"a b".split(" ") | str(x).split(…)
"a" in b"abc" | b"text" in data
b"a" in "abc" | str(data) in "text"
json.decode(b"[1]") | str(data)
sniff(prn=lambda x: x, filter="icmp") | on("packet", lambda p: print(p.summary()), filter="icmp")
sniff(offline="x.pcap") | read_capture("x.pcapng")
sendp("x") | send(Ether()/IP(
unhex("c0a8") | bytes([int(h[i:i+2], 16)
inet_aton("10.0.0.1") | =bytes([int(n) for n in "10.0.0.1".split(".")])
ls(IP) | =fields(IP)
raw(1) | p.bytes
on("packet", lambda: 1) | takes one argument
fault(ifaces()[0], match=lambda: True) | lambda p: …
ifaces().cols() | name the columns: there are name
help(conn.recv) | help("conn") is about such values
help(packet) | help("packet") is about such values
after("1ms", lambda: ping("peer", count=1)); p = sniff("icmp", count=1)[0]; bytes(p) | p.bytes
after("1ms", lambda: ping("peer", count=1)); p = sniff("icmp", count=1)[0]; len(p) | p.len
after("1ms", lambda: ping("peer", count=1)); p = sniff("icmp", count=1)[0]; p[TCP] | if TCP in p
after("1ms", lambda: ping("peer", count=1)); p = sniff("icmp", count=1)[0]; p.tcp.flags | if p.tcp
after("1ms", lambda: ping("peer", count=1)); p = sniff("icmp", count=1)[0]; p.ip.foo | the layer ip has no .foo field or method: it has
p.raw.load | p.payload
ifaces()[0].nope | the row has no .nope field or method: it has
export X=1 | x = 1
X=1 ls | sh(
while true; do ls; done | for i in range(3): print(i)
for i in 1 2 3; do ls; done | for i in range(3): print(i)
import socket | =tcp.connect("192.168.69.100:7")
from scapy.all import * | sniff("icmp")
import time | now()
import os | =sh("uname -a").out
import numpy | load("other.star", "name")
f"{x} of {y}" | "%s of %d" % (name, n)
try: | catch(fn, arg).error
except ValueError: | catch(fn, arg).error
class Foo: | =struct(a=1, b=2)
with open("x") as f: | c.close()
raise ValueError("x") | fail("why")
assert 1 == 1 | =assert.true(x)
del d["x"] | d.pop(key)
x is None | =x == None
x is not None | =x != None
2 ** 3 | =math.pow(2, 3)
x++ | x += 1
print x | =print(x)
1 && 2 | and
1 || 2 | or
true | True
null | None
else if x > 1: | elif x > 0:
def f() { | a colon instead of the brace
if x = 1: pass | to compare
let x = 1 | x = 1
x := 1 | x = 1
// comment | #
async def f(): pass | =spawn(fn)
def f(x: int) -> int: return x | without types
x > 0 ? 1 : 2 | a if x else b
open("x.txt") | write_file("x.txt", "text")
random.randint(1, 2) | --seed N
sys.argv | args
time.sleep(1) | =sleep("20ms")
os.system("ls") | =sh("uname -a").out
[2, 1].sort() | =sorted(list)
"n=" + 1 | ="n=" + str(n)
"%.2f" % 1.5 | =fmt(x, 2)
tcp.connect(192.168.69.100:7) | =tcp.connect("192.168.69.100:7")
fault("eth0", delay=20ms) | =fault("eth0", delay="20ms")
sr1(IP(dst="10.0.0.1")/ICMP()) | routes.add("default", "…") with a router's IPv4 address
send(IP()) | IP.dst is not set: IP(dst=…) says where the packet goes
sendp(Ether()/IP()) | =send(Ether()/IP(dst="192.168.69.100")/ICMP())
srp1(Ether()/IP()) | =sr1(Ether()/IP(dst="192.168.69.100")/ICMP())
hping3 | =sr1(IP(dst="192.168.69.100")/TCP(dport=80, flags="S"))
rdpcap("x.pcap") | read_capture("x.pcapng")
socket.socket() | =udp.bind(5000)
tcp.send("x") | c.send("hi")
+0 > S 0:0(0) <mss 1460> | trace("tcp")
+0 > S. | trace("tcp")
+0 connect(3, ..., ...) = -1 | sleep("100ms")
ping("kernel") | the operating system's stack, which is not in a virtual lab
ping("example.org") | dns.add("ADDRESS") or the flag --dns ADDRESS
ping("192.168.69.300") | not a number from 0 to 255
ping("192.168.69.100/24") | without a prefix length: "192.168.69.100"
ping("192.168.69.100:80") | without a port: "192.168.69.100"
ping("http://192.168.69.100/") | without the rest of the URL: "192.168.69.100"
tcp.connect("192.168.69.100") | the port is missing: "192.168.69.100:80"
tcp.connect("192.168.69.100:99999") | from 0 to 65535
tcp.connect("http://192.168.69.100/") | "192.168.69.100:80"
tcp.listen("80") | without quotes: 80
tcp.listen(70000) | from 0 to 65535
ifaces()[0].add_addr("10.0.0.1") | "10.0.0.1/24"
ifaces()[0].add_addr("10.0.0.1/33") | from 0 to 32
ifaces()[0].add_addr("fd00::1/129") | from 0 to 128
fault("eth0", loss=15) | 15 percent is 0.15, or "15%"
fault("eth0", loss="150%") | from 0% to 100%
ping("8.8.8.8") | routes.add("default", "…") with a router's IPv4 address
tcp.connect("[2001:db8::1]:80") | ifaces()[0].add_addr("fd00::1/64")
cwnd | =c.info()
rto | =c.info()
mss | =tcp.connect("192.168.69.100:7", mss=1000)
mtu | =ifaces()[0].set(mtu=1400)
ttl | =ping("192.168.69.100", ttl=3)
nat | forward=True
vlan | =trace("vlan")
netem | =fault(ifaces()[0], loss=0.1, delay="20ms")
iptables | =fault(ifaces()[0], match="tcp port 80")
conntrack | =ss()
plot | =tcp.connect("192.168.69.100:7", log=1000).log()
wireshark | =capture("x.pcapng")
netcat | =c = tcp.connect("192.168.69.100:7")
nslookup | resolve("www.example.org"
dhcp | =ifaces()[0].add_addr("10.0.0.1/24")
local.cwnd | =c.info()
packetdrill | smolsh test FILE.star
TCP(options=[("Timestamp", (1, 2))]) | did you mean ts?
TCP(options=[("AltChkSum", (1, 2))]) | did you mean (14, b"\x01")?
IP(options=[IPOption_RR()]) | =IP(options=["nop", ("rr", (4, ["0.0.0.0"]))])
IP(options=[IPOption_Router_Alert()]) | =IP(options=[(148, b"\\x00\\x00")])
send(IP(dst="192.168.69.100")/ICMP(), loop=1) | =send(IP(dst="192.168.69.100")/ICMP(), count=1000)
send(IP(dst="192.168.69.100")/ICMP(), inter=0.1) | =send(IP(dst="192.168.69.100")/ICMP(), count=3, interval=0.1)
send(IP(dst="192.168.69.100")/ICMP(), iface="eth0") | =send(IP(dst="192.168.69.100")/ICMP(), dev="eth0")
send(IP(dst="192.168.69.100")/ICMP(), verbose=0) | =send(IP(dst="192.168.69.100")/ICMP())
sr([IP(dst="192.168.69.100")/ICMP()], inter=0.1) | =sr([IP(dst="192.168.69.100")/ICMP()], rate=10)
sr([IP(dst="192.168.69.100")/ICMP()], iface="eth0") | =sr([IP(dst="192.168.69.100")/ICMP()], dev="eth0")
sr([IP(dst="192.168.69.100")/ICMP()], multi=True) | =sniff("icmp", timeout="10ms")
sr([IP(dst="192.168.69.100")/ICMP()], verbose=0) | =sr([IP(dst="192.168.69.100")/ICMP()])
sr1(IP(dst="192.168.69.100")/ICMP(), timeout=1, verbose=0) | =sr1(IP(dst="192.168.69.100")/ICMP())
sr1(IP(dst="192.168.69.100")/ICMP(), inter=1) | =sr1(IP(dst="192.168.69.100")/ICMP(), timeout="1s", retry=2)
sr1(IP(dst="192.168.69.100")/ICMP(), timeout=1, iface="eth0") | =sr1(IP(dst="192.168.69.100")/ICMP(), dev="eth0")
sniff(iface="eth0", count=1) | =sniff(lambda p: p.dev == "eth0", timeout="10ms")
sniff(lfilter=lambda p: TCP in p) | =sniff(lambda p: p.tcp and p.tcp.dport == 80, timeout="10ms")
sniff(session=TCPSession) | =follow(sniff("tcp", timeout="10ms"))
sniff(quiet=True) | =sniff("icmp", timeout="10ms")
AsyncSniffer(filter="icmp") | =spawn(sniff, "icmp", timeout="10ms").join()
fragment(IP(dst="192.168.69.100")/ICMP(), fragsize=500) | =fragment(IP(dst="192.168.69.100")/ICMP()/("x" * 3000), size=1000)
defrag([]) | =defragment(fragment(IP(dst="192.168.69.100")/ICMP()/("x" * 3000)))
IP(dst="192.168.69.0/30") | =[IP(dst="10.0.0.%d" % n) for n in range(1, 5)]
Ether(dst="ff:ff:ff:ff:ff:ff")/ARP(pdst="192.168.69.0/24") | =[IP(dst="10.0.0.%d" % n) for n in range(1, 5)]
send(IP(dst="192.168.69.100", ttl=(1, 5))/ICMP()) | =sr([IP(dst="192.168.69.100", ttl=n)/ICMP() for n in range(1, 6)])
Ether(src=RandMAC()) | =[Ether(src=fmt("02:00:00:00:00:%02x", n)) for n in range(4)]
IP(src=RandIP()) | =[IP(src="10.0.0.%d" % n) for n in range(1, 5)]
UDP(sport=RandShort()) | =fuzz(IP(dst="192.168.69.100")/UDP(dport=9))
ls() | =help("compose")
ls(IP()/TCP()) | =(IP()/TCP()).show()
lsc() | =help("compose")
hexdump(p) | =(IP()/TCP()).hexdump()
wrpcap("x.pcap", []) | =write_capture("x.pcapng", [Ether()/IP()/UDP()])
srloop(IP(dst="192.168.69.100")/ICMP()) | =[sr1(IP(dst="192.168.69.100")/ICMP()) for n in range(3)]
srp(Ether()/IP(dst="192.168.69.100")/ICMP()) | =sr([Ether()/IP(dst="192.168.69.100")/ICMP()])
conf.iface | =routes()
get_if_hwaddr("eth0") | =ifaces()[0].hwaddr
getmacbyip("192.168.69.100") | =arping("192.168.69.100", count=1)
arp_mitm("10.0.0.1", "10.0.0.2") | =answering(ARP(op=1), lambda p: None)
del p[TCP].chksum | =p.replace(tcp=dict(chksum=None))
del(p.ttl) | =p.replace(tcp=dict(chksum=None))
p = IP()/TCP(); p[TCP].dport = 3 | =p = p.replace(tcp=dict(dport=3))
p = IP()/TCP(); p.tcp.flags = "SA" | =p = p.replace(tcp=dict(flags="SA"))
p = Ether()/IP()/TCP(); p[Ether].dst = "02:00:00:00:00:01" | p = p.replace(eth=dict(dst="02:00:00:00:00:01"))
p = IP()/TCP(); p.ttl = 3 | =p = p.replace(ip=dict(ttl=3))
p = IP()/TCP(); p.sport = 3 | =p = p.replace(tcp=dict(sport=3))
p = IP()/TCP(); p.show2() | =p.fill().show()
p = IP()/TCP(); p.command() | =p.code()
p = IP()/TCP(); p.build() | =p.bytes
p = IP()/TCP(); p.copy() | =p.replace(ip=dict(ttl=3))
p = IP()/TCP(); p.haslayer(TCP) | =p.tcp
p = IP()/TCP(); p[TCP].haslayer(TCP) | =p.tcp
p = IP()/TCP(); p[TCP].payload | =p.payload
p = IP()/TCP(); p.hide_defaults() | =parse(p.bytes, first=IP).code()
p = IP()/TCP(); p.answers(p) | =sr1(p)
p = IP()/TCP(); p.lastlayer() | =p.layers[-1]
p = IP()/TCP(); p.add_payload("x") | =p/"data"
p = IP()/TCP(); p.remove_payload() | p.without(Raw)
p = IP()/TCP(); p.pdfdump() | =p.show()
r = sr([IP(dst="192.168.69.100")/ICMP()]); r.answered.summary() | =[(r.sent.summary(), r.answer.summary()) for r in sr([p]).answered]
r = sr([IP(dst="192.168.69.100")/ICMP()]); r[0] | r.answered and r.unanswered
r = sr([IP(dst="192.168.69.100")/ICMP()]); r.answered[0][1] | r.sent and r.answer
`

const slipsPrelude = `
x, n, list, fn = 1, 1, [2, 1], now
c = tcp.connect("192.168.69.100:7")
p = IP(dst="192.168.69.100")/TCP(dport=7)
`

// TestSlips types each slip in a shell of its own. Its error has to say what to type, and what it says has to run.
func TestSlips(t *testing.T) {
	answered := 0
	for line := range strings.Lines(slips) {
		i := strings.LastIndex(line, " | ")
		if i < 0 {
			continue
		}
		slip, want := line[:i], strings.TrimSpace(line[i+3:])
		code, runs := strings.CutPrefix(want, "=")
		t.Run(slip, func(t *testing.T) {
			t.Chdir(t.TempDir())
			s := newSim(t, 1)
			_ = s.Typed(slip) // the error is on standard error
			first, _, _ := strings.Cut(s.err.String(), "\n")
			if !strings.Contains(first, code) {
				t.Errorf("the answer is %q, want %s", first, code)
				return
			}
			answered++
			if !runs {
				return
			}
			s = newSim(t, 1)
			if err := s.RunCommand(slipsPrelude + code); err != nil {
				t.Errorf("%s does not run: %s", code, s.err.String())
			}
		})
	}
	if answered < 100 {
		t.Errorf("%d slips are answered", answered)
	}
}

// TestNoSlips: the errors of these lines stay what they are, because the lines are of the language and misspell a name of the script.
func TestNoSlips(t *testing.T) {
	for _, c := range []struct{ src, want string }{
		{"n = 1\nm = n - countt\n", "undefined: countt"},
		{"total = 1\nx = totl\n", "undefined: totl (did you mean total?)"},
		{"hosts1 = 1\nroute - hosts2\n", "undefined: hosts2 (did you mean hosts1?)"},
		{"x = unknownname(\"ping 10.0.0.1\")\n", "undefined: unknownname"},
		{"d = {}\nd.foo\n", "dict has no .foo field or method"},
	} {
		s := newSim(t, 1)
		for line := range strings.Lines(c.src) {
			_ = s.Typed(line)
		}
		if got := s.err.String(); !strings.Contains(got, c.want+"\n") {
			t.Errorf("%q: %s, want %s", c.src, got, c.want)
		}
	}
}
