package suggest

import (
	"slices"
	"strings"

	"go.starlark.net/starlark"
)

// Word returns what to type for a word that has another name in the language, such as cwnd, mtu or dig; "" for other words. The case of
// its letters does not matter.
func Word(word string) string {
	if text, ok := words[word]; ok {
		return text
	}
	if text, ok := scapyWords[word]; ok {
		return text
	}
	return words[strings.ToLower(word)]
}

// Member returns what to type for a field or method that a value of a type does not have; "" for other names. owner is the type's
// name in the error, such as "module" or "list".
func Member(owner, name string) string {
	if text := members[owner+"."+name]; text != "" {
		return text
	}
	if text := scapyMembers[owner+"."+name]; text != "" {
		return text
	}
	if owner == "bytes" && slices.Contains(starlark.String("").AttrNames(), name) {
		return "str(x)." + name + "(…): bytes have no methods of strings"
	}
	if owner == "layer" { // whose error lists its fields
		return ""
	}
	return words["."+name]
}

// words maps a word to what to type. A key that begins with a dot is a field or method of any value.
var words = table(`
cwnd ssthresh snd_cwnd srtt rttvar rtt rto unacked retrans snd_wnd rcv_wnd | c.info() for a connection c, or ss(info=True)
.cwnd .ssthresh .srtt .rttvar .rto .mss .unacked .retrans .snd_wnd .rcv_wnd | c.info() for a connection c, or ss(info=True)
mss | tcp.connect("192.168.69.100:7", mss=1000), and c.info().mss of a connection c
mtu | ifaces()[0].set(mtu=1400)
ttl hop_limit hoplimit | ping("192.168.69.100", ttl=3)
nodelay keepalive sndbuf rcvbuf congestion sack backlog | tcp.connect("192.168.69.100:7", nodelay=True); help(tcp.connect) lists the options
setsockopt .setsockopt | c.set(nodelay=True) for a connection c
getsockopt .getsockopt .getpeername .getsockname | c.info(), c.local and c.peer of a connection c
loss delay jitter netem tc qdisc corrupt duplicate reorder latency | fault(ifaces()[0], loss=0.1, delay="20ms")
bandwidth throttle | fault(ifaces()[0], rate="10mbit")
iptables nft nftables firewall ufw pf drop DROP | fault(ifaces()[0], match="tcp port 80"), which drops what matches
nat snat dnat masquerade | no NAT; l.host("r", "10.0.0.254/24", "10.0.1.254/24", forward=True) routes in a lab l
vlan | trace("vlan"); hosts send no tagged frames
forward ip_forward router gateway | routes.add("default", "192.168.69.100"); in a lab l, l.host("r", "10.0.0.254/24", forward=True)
ifconfig ip link interfaces iface interface nic | ifaces()
addr address | addrs()
route | routes()
neigh neighbor neighbour ndp | neighbors()
netstat conntrack lsof connections socks | ss()
nstat snmp stats statistics mib | counters()
dig nslookup drill getent gethostbyname getaddrinfo | resolve("www.example.org", type="AAAA", server="192.168.69.100")
dhcp dhclient | ifaces()[0].add_addr("10.0.0.1/24")
wireshark tshark pcap dumpcap savefile | capture("x.pcapng"), which Wireshark and tshark read
dump | trace(), or tcpdump()
nc netcat ncat telnet socat connect | c = tcp.connect("192.168.69.100:7"), then c.send("hi") and c.recv()
listen accept | l = tcp.listen(8080), then l.accept()
bind | udp.bind(5000), or tcp.listen(8080)
recv recvfrom | c.recv() for a connection c, or u.recv() for u = udp.bind(5000)
sendto | udp.bind().send("hi", "192.168.69.100:7")
socket | tcp.connect("192.168.69.100:7"), tcp.listen(8080) or udp.bind(5000)
curl wget requests urllib fetch | http.get("http://192.168.69.100:8000/").body
httpd webserver | http.serve(8000, {"/": "hello"})
iperf iperf3 speedtest | measure("192.168.69.100:5201"), after measure.serve(5201) at the other end: peer, kernel or a host of a lab
off no stop | False, without quotes: trace(False) ends the trace
ssh scp ftp openssl tls ssl | none in the shell; !ssh runs the machine's
ping6 | ping("fdaa::1")
traceroute6 tracepath mtr tracert | traceroute("192.168.69.100")
ndisc6 | ndping("fdaa::100")
rdisc6 radvd | routers(), prefixes() and addrs()
nmap scan | catch(tcp.connect, "192.168.69.100:80").error
hping hping3 | sr1(IP(dst="192.168.69.100")/TCP(dport=80, flags="S"))
arpspoof | answering(ARP(op=1), fn), where fn returns the reply to a request
sysctl ulimit | limits()
ethtool | ifaces()
brctl bridge | lab().switch("s")
netns veth namespace topology mininet | l = lab(), then a = l.host("a", "10.0.0.1/24")
plot graph ladder draw chart | tcp.connect("192.168.69.100:7", log=1000).log(), a table whose .csv() other programs plot
why explain | drops(), and help("nd conflict") for its reasons
packetdrill | a.on("packet", lambda p: print(p.summary()), filter="tcp"), and smolsh test FILE.star
unhex fromhex a2b_hex unhexlify | bytes([int(h[i:i+2], 16) for i in range(0, len(h), 2)]) of a string h
inet_aton inet_pton | bytes([int(n) for n in "10.0.0.1".split(".")])
bytearray | bytes([1, 2])
BOOTP NTP SCTP SNMP TFTP RIP OSPF ISAKMP Dot11 bind_layers Packet | protocol("Foo", [("type", "u8"), ("data", "bytes")], over=UDP(dport=4242)), and help("protocols")
SYN ACK FIN RST syn fin rst | trace("tcp[tcpflags] & tcp-syn != 0"), and p.tcp.has("S") of a packet p
true TRUE | True
false FALSE | False
null nil NULL undefined none | None
open fopen | read_file("x.txt") and write_file("x.txt", "text")
input raw_input readline | args, the list of the script's arguments
sum | a loop: for x in list: n += x
round | math.round(x), or fmt(x, 2) for text
pow | math.pow(2, 3)
isinstance | type(x) == "string"
map | [f(x) for x in list]
filter | [x for x in list if f(x)]
format sprintf printf | "%s and %d" % ("a", 1), or fmt(x, 2)
str_format | "{} and {}".format("a", 1)
random rand randint | lab(seed=1), and --seed N: what is random in a run comes from its seed
sys argv | args, the list of the script's arguments
os subprocess system popen exec shell bash cmd | sh("uname -a").out, or !uname -a at the prompt
threading thread asyncio Thread go async await | spawn(fn)
setTimeout timer timeout | after("1s", fn), or every("1s", fn)
setInterval | every("1s", fn)
time_sleep usleep nanosleep delay_ms | sleep("20ms")
import require include | load("other.star", "name")
Exception except raise throw error | fail("why"), and catch(fn).error
try | catch(fn, arg).error, which is None if fn(arg) succeeded
object self this new class | struct(a=1, b=2), or a dict
lambda_ function func fn | def f(x): return x + 1
assertEqual assertEquals assert_eq expect | assert.eq(got, want)
pytest unittest | smolsh test FILE.star, which runs its functions test_…
puts println console echo_ log_ | print(x)
date uptime clock | now()
cls clear reset | Ctrl-L clears the screen
history | the arrow keys, or Ctrl-R to search
bye logout leave :q :wq | exit()
man info apropos usage commands version_ | help(), or help(ping)
version ver | smolsh --version, at the system's shell
sudo su | the line without it: the shell needs no more rights; !sudo runs the machine's
eth0 eth1 lo wlan0 tap0 tun0 en0 ens3 | its name in quotes, such as "eth0"
localhost | "127.0.0.1"
kill killall pkill | tasks()[0].cancel()
jobs ps top bg fg | tasks()
nproc free df | limits()
cron at | every("1s", fn)
`)

var members = table(`
protocol.connect protocol.listen protocol.bind protocol.send protocol.recv | tcp.connect("192.168.69.100:7") or udp.bind(5000): TCP and UDP are the tables of a packet's fields
response.text response.content response.json response.data response.read | r.body
response.status_code response.code response.ok | r.status
builtin_function_or_method.fromhex | bytes([int(h[i:i+2], 16) for i in range(0, len(h), 2)]) of a string h
list.summary list.show list.nsummary list.hexdump | [p.summary() for p in list]
module.sleep | sleep("20ms")
module.perf_counter module.monotonic module.time_ns module.clock | now()
module.random module.randint | --seed N: what is random in a run comes from its seed
module.dumps module.stringify | json.encode(x)
module.loads module.parse module.load | json.decode(text)
module.sum module.max module.min module.abs | max(list), min(list) and abs(x), without math
list.sort | sorted(list)
list.push list.add | list.append(x)
list.length string.length dict.length list.size list.len string.len tuple.length | len(x)
list.map list.filter list.forEach | [f(x) for x in list]
list.copy | list(x)
list.reverse | reversed(list)
list.join | ", ".join(list)
dict.has_key dict.contains dict.has | key in d
dict.iteritems | d.items()
string.decode | the string itself; bytes have octets
string.encode | bytes(x)
string.trim | x.strip()
string.contains string.includes string.indexOf | part in x, or x.find(part)
string.toUpperCase | x.upper()
string.toLowerCase | x.lower()
string.substring string.substr string.slice | x[1:3]
string.isnumeric string.is_digit | x.isdigit()
bytes.decode | str(x)
bytes.encode | the bytes themselves
tcp.socket udp.socket | tcp.connect("192.168.69.100:7"), tcp.listen(8080) or udp.bind(5000)
tcp.bind tcp.serve tcp.server tcp.accept | tcp.listen(8080), or serve("tcp", 8080, echo)
tcp.send tcp.recv tcp.dial tcp.open tcp.close | c = tcp.connect("192.168.69.100:7"), then c.send("hi"), c.recv() and c.close()
udp.send udp.sendto | udp.bind().send("hi", "192.168.69.100:7")
udp.recv udp.recvfrom udp.listen udp.serve | u = udp.bind(5000), then u.recv(); or serve("udp", 5000, echo)
icmp.send icmp.ping icmp.echo | ping("192.168.69.100")
raw.send raw.socket | raw.bind(99).send("data", "192.168.69.100")
http.post http.put http.request http.head | http.get("http://192.168.69.100:8000/"); other methods do not exist yet
conn.sendall conn.write conn.push conn.sendto conn.print | c.send("hi")
conn.read conn.receive conn.recvfrom conn.readline conn.read_line | c.recv(), or c.recv_until("\n")
conn.disconnect conn.end conn.shutdown_write | c.close(), or c.shutdown()
conn.settimeout conn.timeout | c.recv(timeout="1s")
conn.getpeername conn.remote conn.raddr conn.remote_addr | c.peer
conn.getsockname conn.laddr conn.local_addr | c.local
conn.stats conn.tcp_info conn.status conn.rtt | c.info()
listener.recv listener.read listener.listen | l.accept(), and recv() of the connection
udp_socket.recvfrom udp_socket.receive udp_socket.read | u.recv(), a struct of data and src
udp_socket.sendto udp_socket.write | u.send("hi", "192.168.69.100:7")
table.filter table.select table.grep | table.where(state="LISTEN")
table.order table.order_by table.sort_by | table.sort("state")
table.columns table.fields table.keys | table.cols("name", "mtu")
table.head table.first | table[0]
host.addr host.address host.ip host.addresses | host.addrs()
host.connect | host.tcp.connect("192.168.69.100:7")
host.interfaces host.iface | host.ifaces()
kernel.ping kernel.ss kernel.routes kernel.ifaces kernel.neighbors | !ping, !ss, !ip route, !ip addr: the prompt runs the kernel's own programs
ping.rtt ping.time ping.avg_rtt | .min, .avg and .max
ping.lost ping.success ping.ok ping.packet_loss | .received and .loss
`)

// table reads lines of words, a bar, and what to type for them.
func table(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		names, answer, ok := strings.Cut(strings.TrimSpace(line), " | ")
		if !ok {
			continue
		}
		for _, name := range strings.Fields(names) {
			m[name] = answer
		}
	}
	return m
}
