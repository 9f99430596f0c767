package script

import (
	"slices"
	"strings"

	"smolsh/script/registry"
	"smolsh/stack/packet"
)

// valueTypes are the types of values that builtins return and accept.
var valueTypes = []registry.ValueType{
	{Name: "host", Doc: "A host: every builtin that concerns one host is a member of it too, so host.ping(…) is ping(…) from there.", Fields: [][2]string{
		{"name", "what it is called"}, {"addr", "its first address"}, {"lab", "the lab it is in"},
	}},
	{Name: "table", Doc: "A sequence of rows, printed in columns. A column is a row's field in lower case, with _ for -.", Fields: nil},
	{Name: "iface", Doc: "An interface: what a row of ifaces() can do.", Fields: nil},
	{Name: "conn", Doc: "A TCP connection.", Fields: [][2]string{
		{"state", "RFC 9293's word: ESTABLISHED, CLOSE-WAIT, …"}, {"local", "our address and port"}, {"peer", "the other end's"},
	}},
	{Name: "listener", Doc: "A listening TCP socket.", Fields: [][2]string{
		{"local", "the address and port it listens on"}, {"port", "the port"}, {"pending", "connections that wait to be accepted"},
	}},
	{Name: "udp_socket", Doc: "A UDP socket.", Fields: [][2]string{
		{"local", "our address and port"}, {"port", "our port"}, {"peer", "the other end, None where it is not connected"},
		{"groups", "the multicast groups it has joined"},
	}},
	{Name: "icmp_socket", Doc: "An ICMP socket.", Fields: [][2]string{{"id", "the identifier it receives"}}},
	{Name: "raw_socket", Doc: "A socket for the packets of one IP protocol.", Fields: [][2]string{
		{"protocol", "its number"}, {"lost", "packets that found its queue full"},
	}},
	{Name: "frame_socket", Doc: "A socket for whole frames.", Fields: [][2]string{
		{"ethertype", "the type it receives, None for every one"}, {"lost", "frames that found its queue full"},
	}},
	{Name: "server", Doc: "What serve() started.", Fields: [][2]string{
		{"local", "the address and port it serves"}, {"port", "the port"}, {"connections", "a list of those being served"},
		{"error", "the last error of the handler, None where there was none"},
	}},
	{Name: "task", Doc: "What spawn(), after() and every() started.", Fields: [][2]string{
		{"id", "its number, as tasks() has it"}, {"name", "what it is called"}, {"done", "whether it has ended"},
		{"result", "what its function returned"}, {"error", "what its function failed with, None where it did not"},
	}},
	{Name: "subscription", Doc: "What on() started.", Fields: [][2]string{
		{"event", "what it is called for"}, {"count", "events so far"}, {"lost", "those of them that came faster than the function took them"},
		{"task", "the task that calls the function"},
	}},
	{Name: "event", Doc: "What on() calls a function with; printed, it is a line.", Fields: [][2]string{
		{"event", `"tcp", "connection", "neighbor", "conflict", "drop" or "recovery"; of "packet" the function gets the packet itself`}, {"time", "when, in seconds since the start"}, {"host", "where"},
		{"lost", "events lost since the one before"},
		{"local", "tcp, connection, recovery: our address and port"}, {"peer", "tcp, connection, recovery: the other end's"},
		{"passive", "tcp, connection: whether the peer opened it"}, {"state", "tcp, connection: the state it is in now"},
		{"old", "tcp, neighbor: the state before; None for a neighbor that is new"},
		{"new", `tcp, neighbor: the state after; None for a neighbor that is gone; conflict: "defended" or "abandoned"`},
		{"error", "tcp: why it ended, None for an orderly end"},
		{"address", "neighbor, conflict: its address"}, {"hwaddr", "neighbor: its hardware address, None while unknown; conflict: the other station's"},
		{"dev", "neighbor, conflict, drop: the interface, None for a packet that had none yet"},
		{"reason", "drop: the word that drops() has"}, {"dir", `drop: "rx" or "tx"`}, {"summary", "drop: the packet in a line"},
		{"episode", `recovery: "recovery", "recovered", "timeout", "undone", "probe", "marked" (a router met congestion) or "path" (segments change their size)`}, {"why", "recovery: the reason in words"},
	}},
	{Name: "lab", Doc: "Hosts, links and one seed.", Fields: [][2]string{{"seed", "the seed, mixed with the run's"}}},
	{Name: "link", Doc: "What joins two hosts, or a host and a switch.", Fields: nil},
	{Name: "switch", Doc: "A learning switch.", Fields: nil},
	{Name: "fault", Doc: "A rule in force.", Fields: [][2]string{{"hits", "packets it has concerned"}}},
	{Name: "capture", Doc: "A file that packets are written to.", Fields: nil},
	{Name: "packet", Doc: "A packet: a layer it does not have is None, and so is a field that its header does not have.", Fields: append(layerFields(), [][2]string{
		{"payload", "what the innermost layer carries"}, {"bytes", "all of it; of a file what it has kept, of trace(last=…) 384"}, {"len", "octets of the whole"},
		{"time", "when it was seen, in seconds since the start; of a file, since 1970"}, {"time_ns", "the same in nanoseconds, exactly"},
		{"dev", "the interface"}, {"dir", `"rx" or "tx"; for a rule on a link "a->b"; None where a file does not say`},
		{"verdict", "what the stack did with it, as trace() says it; of one that a rule judges nothing yet"},
		{"layers", "the names of its layers, the outermost first; TCP in p and p[TCP] look one up"},
		{"malformed", "a list of faults, a line for each bad field; empty for a sound packet"},
	}...)},
	{Name: "layer", Doc: "A layer of a packet; fields(TCP) lists the fields of a protocol.", Fields: nil},
	{Name: "protocol", Doc: "A protocol's table, such as TCP: for fields(TCP), TCP in p and p[TCP].", Fields: nil},
}

// layerFields returns a row for each attribute of a packet that is a common layer, with the names of the layer's
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
	"http": "HTTP/1.1 over this host's TCP.", "assert": "What must be true, or the script fails.",
	"raw": "Sockets of one IP protocol.", "frames": "Sockets of whole frames.",
	"kernel": "The operating system's stack.", "kernel.tcp": "Its TCP sockets.", "kernel.udp": "Its UDP sockets.",
}

// aliases are other names of builtins.
var aliases = map[string]string{"arp": "neighbors", "ss": "sockets", "quit": "exit"}
