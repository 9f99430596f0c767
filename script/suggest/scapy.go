package suggest

import (
	"regexp"
	"strings"
)

// scapyWords maps functions and classes of Scapy to what to type.
var scapyWords = table(`
srp | sr([Ether()/IP(dst="192.168.69.100")/ICMP()])
srp1 | sr1(Ether()/IP(dst="192.168.69.100")/ICMP())
srloop srploop srflood srpflood | [sr1(IP(dst="192.168.69.100")/ICMP()) for n in range(3)]
sendp sendpfast | send(Ether()/IP(dst="192.168.69.100")/ICMP())
AsyncSniffer | spawn(sniff, "icmp", timeout="10ms").join()
TCPSession IPSession DefaultSession | follow(sniff("tcp", timeout="10ms")); defragment(packets) puts fragments together
hexdump linehexdump chexdump ls_packet summary nsummary | (IP()/TCP()).hexdump(): packets have .show(), .summary() and .hexdump()
lsc explore | help("compose")
rdpcap PcapReader RawPcapReader PcapNgReader | read_capture("x.pcapng")
wrpcap wrpcapng PcapWriter RawPcapWriter | write_capture("x.pcapng", [Ether()/IP()/UDP()]), or capture("x.pcapng") of what passes from now on
RandMAC | [Ether(src=fmt("02:00:00:00:00:%02x", n)) for n in range(4)]: a packet has one address
RandIP RandIP6 Net Net6 | [IP(src="10.0.0.%d" % n) for n in range(1, 5)]: a packet has one address
RandShort RandInt RandLong RandByte RandNum RandEnum RandString RandBin RandTermString VolatileValue corrupt_bytes corrupt_bits CorruptedBytes | fuzz(IP(dst="192.168.69.100")/UDP(dport=9)) draws the fields that are not set
IPOption IPOption_RR IPOption_NOP IPOption_EOL IPOption_LSRR IPOption_SSRR IPOption_Timestamp IPOption_Security | IP(options=["nop", ("rr", (4, ["0.0.0.0"]))]); fields(IP) says which there are
IPOption_Router_Alert | IP(options=[(148, b"\\x00\\x00")])
PacketList SndRcvList Plist | a list of packets: [p.summary() for p in sniff("icmp", timeout="10ms")]
conf | routes(), ifaces() and addrs(); dev= and timeout= of a call say what conf.iface and conf.timeout do
get_if_list get_working_ifaces show_interfaces | ifaces()
get_if_hwaddr | ifaces()[0].hwaddr
get_if_addr get_if_addr6 | addrs()
getmacbyip getmacbyip6 | arping("192.168.69.100", count=1)
defrag defragment4 fragment6 defragment6 | defragment(fragment(IP(dst="192.168.69.100")/ICMP()/("x" * 3000)))
arp_mitm arpcachepoison arpleak | answering(ARP(op=1), lambda p: None), whose function returns the reply to a request
raw_packet str2mac mac2str | p.eth.src of a packet p, a string
`)

// scapyMembers maps attributes of Scapy's packets and lists to what to type.
var scapyMembers = table(`
packet.show2 | p.fill().show()
packet.display | p.show()
packet.command | p.code()
packet.build packet.raw packet.original | p.bytes
packet.copy packet.clone_with | p.replace(ip=dict(ttl=3)): a packet never changes, so that it needs no copy
packet.hide_defaults | parse(p.bytes, first=IP).code()
packet.delfieldval | p.replace(tcp=dict(chksum=None)), a changed copy
packet.setfieldval | p.replace(ip=dict(ttl=3)), a changed copy
packet.getfieldval packet.getfield_and_val | p.ip.ttl, or getattr(p.ip, "ttl")
packet.answers | sr1(p), which finds the answer
packet.lastlayer | p.layers[-1], its name
packet.firstlayer packet.name packet.layers_name packet.underlayer | p.layers, the names of the layers
packet.fields packet.default_fields packet.fields_desc packet.overloaded_fields | fields(TCP)
packet.add_payload | p/"data"
packet.remove_payload | p.without(Raw), or p.without(TCP)
packet.wirelen packet.__len__ | p.len
packet.sniffed_on | p.dev
packet.direction | p.dir
packet.pdfdump packet.psdump packet.svgdump packet.canvas_dump | p.show(), as there are no drawings yet
packet.sprintf | "%s" % p.ip.src
packet.load packet.data | p.payload
packet.haslayer packet.getlayer | p.tcp, which is None in a packet without TCP
packet.chksum packet.src packet.dst packet.sport packet.dport packet.ttl packet.seq packet.ack packet.flags packet.id packet.proto packet.type | p.ip.src, p.tcp.flags: fields belong to a layer
layer.payload layer.load layer.underlayer | p.payload, the data above all layers of a packet p; p.layers has the others
layer.haslayer layer.getlayer | p.tcp, which is None in a packet p without TCP
layer.show layer.show2 layer.summary layer.command layer.build layer.copy | p.show(): methods are of the packet p
table.summary table.nsummary table.show table.make_table table.make_lined_table | [(r.sent.summary(), r.answer.summary()) for r in sr([p]).answered]
list.conversations list.sessions | follow(list)
list.show2 list.nzpadding list.make_table | [p.show() for p in list]
bytes.payload string.payload | p.payload, the data above all layers
`)

// Argument returns what to type instead of an argument that a builtin does not have; "" for other names.
func Argument(builtin, name string) string { return parameters[builtin+"."+name] }

// parameters are arguments of Scapy's and of other programs' functions of the same names.
var parameters = table(`
sniff.prn | on("packet", lambda p: print(p.summary()), filter="icmp")
sniff.lfilter | sniff(lambda p: p.tcp and p.tcp.dport == 80, timeout="10ms")
sniff.iface | sniff(lambda p: p.dev == "eth0", timeout="10ms")
sniff.offline | read_capture("x.pcapng")
sniff.session | follow(sniff("tcp", timeout="10ms")), and defragment(packets)
sniff.store | on("packet", fn), which keeps none
sniff.quiet sniff.monitor sniff.promisc | sniff("icmp", timeout="10ms"), without it
sniff.stop_filter sniff.started_callback | on("packet", fn), and its .cancel()
send.loop | send(IP(dst="192.168.69.100")/ICMP(), count=1000)
send.inter | send(IP(dst="192.168.69.100")/ICMP(), count=3, interval=0.1)
send.iface | send(IP(dst="192.168.69.100")/ICMP(), dev="eth0")
send.verbose send.realtime send.socket | send(IP(dst="192.168.69.100")/ICMP()), which prints nothing
sr.inter | sr([IP(dst="192.168.69.100")/ICMP()], rate=10)
sr.iface | sr([IP(dst="192.168.69.100")/ICMP()], dev="eth0")
sr.multi | sniff("icmp", timeout="10ms"): sr() keeps the first answer of each packet
sr.verbose sr.filter sr.threaded sr.chainCC sr.prn sr.nofilter | sr([IP(dst="192.168.69.100")/ICMP()]), which prints nothing and finds answers by itself
sr1.inter | sr1(IP(dst="192.168.69.100")/ICMP(), timeout="1s", retry=2)
sr1.iface | sr1(IP(dst="192.168.69.100")/ICMP(), dev="eth0")
sr1.verbose sr1.filter sr1.threaded sr1.multi sr1.chainCC sr1.nofilter | sr1(IP(dst="192.168.69.100")/ICMP()), which prints nothing and finds the answer by itself
fragment.fragsize | fragment(IP(dst="192.168.69.100")/ICMP()/("x" * 3000), size=1000)
arping.timeout arping.verbose arping.iface | arping("192.168.69.100", count=1)
traceroute.maxttl traceroute.minttl traceroute.dport traceroute.l4 | traceroute("192.168.69.100")
ping.c ping.n | ping("192.168.69.100", count=1)
`)

// assignment matches an assignment to a field of a packet p: p[TCP].dport = 80, p.tcp.dport = 80 or p.ttl = 3.
var assignment = regexp.MustCompile(`\b(\w+)(?:\[(\w+)\]|\.(\w+))?\.(\w+)\s*=\s*([^=;\s][^;]*)`)

// attributes are the layers whose attribute is not their name in lower case.
var attributes = map[string]string{"ether": "eth", "dot1q": "vlan", "ipv6": "ip6", "icmpv6": "icmp6"}

// assigned returns the call that makes what an assignment to a packet's field means, since a packet never changes.
func assigned(line string) string {
	m := assignment.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	layer := strings.ToLower(m[2] + m[3])
	switch other := attributes[layer]; {
	case other != "":
		layer = other
	case layer == "" && strings.Contains(" sport dport seq ack flags window options ", " "+m[4]+" "):
		layer = "tcp"
	case layer == "":
		layer = "ip"
	}
	return m[1] + " = " + m[1] + ".replace(" + layer + "=dict(" + m[4] + "=" + strings.TrimSpace(m[5]) + ")): a packet never changes"
}
