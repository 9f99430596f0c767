package script

import (
	"slices"
	"strings"

	"smolsh/script/registry"
	"smolsh/stack/packet"
)

// valueTypes are the types of values that builtins return and accept.
var valueTypes = []registry.ValueType{
	{Name: "host", Doc: "A host. Every builtin that concerns one host is also a member: host.ping(…) is ping(…) from that host.", Fields: [][2]string{
		{"name", "the host's name"}, {"addr", "its first address"}, {"lab", "the lab that contains it"},
	}},
	{Name: "table", Doc: "A sequence of rows, printed in columns. A column is a row's field in lower case, with _ for -.", Fields: nil},
	{Name: "iface", Doc: "An interface, as a row of ifaces(): its methods.", Fields: nil},
	{Name: "conn", Doc: "A TCP connection.", Fields: [][2]string{
		{"state", "RFC 9293's name: ESTABLISHED, CLOSE-WAIT, …"}, {"local", "the local address and port"}, {"peer", "the peer's address and port"},
	}},
	{Name: "listener", Doc: "A listening TCP socket.", Fields: [][2]string{
		{"local", "the address and port on which it listens"}, {"port", "the port"}, {"pending", "connections that wait to be accepted"},
	}},
	{Name: "udp_socket", Doc: "A UDP socket.", Fields: [][2]string{
		{"local", "the local address and port"}, {"port", "the local port"}, {"peer", "the peer's address and port, None if not connected"},
		{"groups", "the multicast groups that it has joined"},
	}},
	{Name: "icmp_socket", Doc: "An ICMP socket.", Fields: [][2]string{{"id", "the identifier of the messages that it receives"}}},
	{Name: "raw_socket", Doc: "A socket for the packets of one IP protocol.", Fields: [][2]string{
		{"protocol", "the protocol number"}, {"lost", "packets dropped because its queue was full"},
	}},
	{Name: "frame_socket", Doc: "A socket for whole frames.", Fields: [][2]string{
		{"ethertype", "the type that it receives, None for all types"}, {"lost", "frames dropped because its queue was full"},
	}},
	{Name: "server", Doc: "A server that serve() has started.", Fields: [][2]string{
		{"local", "the address and port that it serves"}, {"port", "the port"}, {"connections", "a list of the connections being served"},
		{"error", "the last error of the handler, None without an error"},
	}},
	{Name: "measurement", Doc: "The result of measure(); it prints as a line for each second and a summary.", Fields: [][2]string{
		{"goodput", "bits per second of data that arrived"}, {"bytes", "octets of data that arrived"}, {"seconds", "the time measured"},
		{"rtt", "the smoothed round trip in seconds at the end"}, {"min_rtt", "the smallest round trip in seconds"},
		{"retransmits", "segments retransmitted, None for dir=\"down\""}, {"dir", `"up" or "down"`}, {"peer", "the other end's address and port"},
		{"intervals", "a table with a row for each second"},
	}},
	{Name: "info", Doc: "The variables of a TCP connection, of conn.info() and in sockets(info=True).", Fields: infoWords()},
	{Name: "result", Doc: "The result of ping(), arping(), ndping() or traceroute(), which have printed it.", Fields: [][2]string{
		{"sent", "requests sent"}, {"received", "requests answered"}, {"loss", "the part of the requests without a reply, 0 to 1"},
		{"min", "the shortest round trip in seconds, None without a reply"}, {"avg", "the mean round trip in seconds"}, {"max", "the longest round trip in seconds"},
		{"mdev", "ping: the mean deviation of the round trips in seconds"}, {"replies", "a list of structs, one for each reply, with its time in seconds"},
		{"again", "ping: replies to a request that had one already"}, {"error", "why no reply came, None if that is not known"},
		{"hwaddr", "arping, ndping: the station's hardware address, None without a reply"}, {"stations", "arping, ndping: every hardware address that replied"},
		{"reached", "traceroute: whether the host replied"}, {"hops", "traceroute: a list of structs, one for each hop, with its times in seconds"},
	}},
	{Name: "task", Doc: "A task that spawn(), after() or every() has started.", Fields: [][2]string{
		{"id", "its number in tasks()"}, {"name", "its name"}, {"done", "whether it has ended"},
		{"result", "the result of its function"}, {"error", "the error of its function, None without an error"},
	}},
	{Name: "subscription", Doc: "The result of on(), a task that calls a function with events.", Fields: [][2]string{
		{"event", "the kind of event"}, {"count", "events so far"}, {"lost", "events lost because the function was too slow"},
		{"task", "the task that calls the function"},
	}},
	{Name: "event", Doc: "An event, the argument of a function given to on(). It prints as one line.", Fields: [][2]string{
		{"event", `"tcp", "connection", "neighbor", "conflict", "address", "link", "drop" or "recovery"; of "packet" the function gets the packet itself`}, {"time", "time in seconds since the start"}, {"host", "the host's name"},
		{"lost", "events lost since the previous event"},
		{"local", "tcp, connection, recovery: the local address and port"}, {"peer", "tcp, connection, recovery: the peer's address and port"},
		{"passive", "tcp, connection: whether the peer opened it"}, {"state", "tcp, connection: the present state"},
		{"old", "tcp, neighbor, address, link: the previous state; None for a new neighbor or address"},
		{"new", `tcp, neighbor, address, link: the new state; None for a removed neighbor or address; conflict: "defended" or "abandoned"`},
		{"error", "tcp: the error that ended the connection, None after an orderly close"},
		{"address", "neighbor, conflict, address: the IP address"}, {"hwaddr", "neighbor: the hardware address, None while unknown; conflict: the other station's hardware address"},
		{"dev", "neighbor, conflict, address, link, drop: the interface, None for a packet without an interface"},
		{"reason", "drop: the reason, as in drops()"}, {"dir", `drop: "rx" or "tx"`}, {"summary", "drop: a description of the packet in one line"},
		{"episode", `recovery: "recovery", "recovered", "timeout", "undone", "probe", "marked" (a router has marked congestion) or "path" (the segment size changes)`}, {"why", "recovery: the reason"},
	}},
	{Name: "answering", Doc: "The result of answering(), a task that answers packets.", Fields: [][2]string{
		{"count", "packets that arrived and matched"}, {"sent", "answers sent"}, {"lost", "packets that found 1024 others waiting, and answers that could not be sent"},
		{"failed", "packets for which the function failed"}, {"error", "its last error, None without one"}, {"task", "the task that calls the function"},
	}},
	{Name: "claim", Doc: "A claim of a port or echo id. It ends with the script.", Fields: [][2]string{
		{"protocol", `"tcp", "udp" or "icmp"`}, {"number", "the port or identifier"}, {"delivered", "packets that have arrived there"},
	}},
	{Name: "lab", Doc: "A lab: hosts and links with one clock and one seed.", Fields: [][2]string{{"seed", "the seed, mixed with the run's"}}},
	{Name: "link", Doc: "A link between two hosts, or between a host and a switch.", Fields: [][2]string{{"a", "the name of its first end"}, {"b", "that of its second, a host, a switch or a station"},
		{"state", `"UP" or "DOWN", now; the same holds for the rest`}, {"delay", "seconds"}, {"jitter", "seconds"}, {"rate", "bits per second, None without a limit"},
		{"queue", "frames that may wait"}, {"loss", "probability of losing a frame, 0 to 1"}, {"mtu", "octets"}}},
	{Name: "switch", Doc: "A learning switch.", Fields: nil},
	{Name: "station", Doc: "A station without a stack: it sends what a script says, and keeps what arrives.", Fields: [][2]string{
		{"addr", "its first address, None without one"}, {"mac", "its hardware address"}, {"link", "the link at whose end it is, None at a switch"},
		{"pending", "packets that have arrived and were not read"}, {"lost", "packets that arrived while 1024 were pending"},
	}},
	{Name: "tcp_end", Doc: "One end of a TCP connection, moved by hand. Numbers are relative to each side's first: the first octet of data has 1.", Fields: [][2]string{
		{"local", "its address and port"}, {"peer", "the peer's, None before accept()"},
		{"snd_nxt", "the first number that it has not sent: behind what it sent without a gap"}, {"snd_una", "the first number that the peer has not acknowledged"},
		{"rcv_nxt", "the first number that it has not received; read packets count, pending ones do not"},
		{"rcv_wnd", "octets that it offers to the peer"}, {"snd_wnd", "octets that the peer offers to it"},
		{"iss", "its first sequence number, as on the wire"}, {"irs", "the peer's first sequence number, as on the wire, None before its SYN"},
	}},
	{Name: "fault", Doc: "A fault rule.", Fields: [][2]string{{"hits", "packets it has concerned"}}},
	{Name: "log", Doc: "A running log, which writes the lines of print() to a file.", Fields: nil},
	{Name: "capture", Doc: "A running capture, which writes packets to a file.", Fields: nil},
	{Name: "packet", Doc: "A packet. A layer that it lacks is None, and so is a field that its header lacks.", Fields: append(layerFields(), [][2]string{
		{"payload", "what the innermost layer carries"}, {"bytes", "all of it; of a file what it has kept, of trace(last=…) 384"}, {"len", "octets of the whole"},
		{"time", "when it was seen, in seconds since the start; of a file, since 1970, and None where a file does not say"}, {"time_ns", "the same in nanoseconds, exactly"},
		{"dev", "the interface"}, {"dir", `"rx" or "tx"; for a rule on a link "a->b"; None where a file does not say`},
		{"verdict", "what the stack did with it, as trace() says it; of one that a rule judges nothing yet"},
		{"layers", "the names of its layers, the outermost first; TCP in p and p[TCP] look one up"},
		{"malformed", "a list of faults, a line for each bad field; empty for a sound packet"},
	}...)},
	{Name: "layer", Doc: "A layer of a packet; fields(TCP) lists the fields of a protocol.", Fields: nil},
	{Name: "program", Doc: "A program of the operating system that sh() has started. It ends with the script.", Fields: [][2]string{
		{"status", "its exit status, 128 and the signal's number if a signal ended it, None while it runs"},
		{"out", "bytes: its standard output; in the background so far"}, {"err", "bytes: its standard error"}, {"pid", "its process's number"},
	}},
	{Name: "computed", Doc: "How sending fills in a field of a protocol of one's own.", Fields: nil},
	{Name: "field", Doc: "A field of a protocol of one's own that a packet may lack or have several times.", Fields: nil},
	{Name: "protocol", Doc: "A protocol's table, such as TCP: for fields(TCP), TCP in p and p[TCP].", Fields: nil},
}

// layerFields returns a row for each attribute of a packet that is a common layer. The row has the names of the layer's
// fields. A protocol with a table for each message has all their fields in one row.
func layerFields() (rows [][2]string) {
	for _, attr := range packet.LayerNames() {
		if strings.HasPrefix(attr, "ipv6ext") || strings.HasPrefix(attr, "icmpv6ndopt") {
			continue
		}
		var names []string
		for _, p := range packet.Protocols() {
			for i := range p.Fields {
				if f := p.Fields[i].Name; p.Attr == attr && !slices.Contains(names, f) {
					names = append(names, f)
				}
			}
		}
		rows = append(rows, [2]string{attr, strings.Join(names, " ")})
	}
	return rows
}

// namespaceWords describes the namespaces.
var namespaceWords = map[string]string{
	"tcp": "TCP sockets (RFC 9293).", "udp": "UDP sockets (RFC 768).", "icmp": "ICMP sockets (RFC 792).",
	"http": "HTTP/1.1 over this host's TCP.", "assert": "Assertions: each fails the script unless its condition holds.",
	"raw": "Sockets for the packets of one IP protocol.", "frames": "Sockets for whole Ethernet frames.",
	"kernel": "The operating system's stack.", "kernel.tcp": "TCP sockets of the operating system.", "kernel.udp": "UDP sockets of the operating system.",
	"kernel.measure": "The other end of measure() in the operating system's stack.",
}

// aliases are other names of builtins.
var aliases = map[string]string{"arp": "neighbors", "ss": "sockets", "quit": "exit"}
