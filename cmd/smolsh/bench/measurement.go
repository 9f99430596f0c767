package bench

import "regexp"

// The sides of measurements. Smolsh is always the first.
const (
	Smolsh   = "smolsh"
	IPv6     = "ipv6" // this program over IPv6, where the first side uses IPv4
	GVisor   = "gvisor"
	Kernel   = "kernel"
	Starlark = "starlark" // this program, with the server written in Starlark
)

// sideOrder is the order of the table's columns.
var sideOrder = []string{Smolsh, IPv6, GVisor, Kernel, Starlark}

// Metric is one figure of a measurement.
type Metric struct {
	Name string // "" if the measurement has only one metric
	Unit string
	Less bool // true if a smaller value is better
}

// Measurement is a task that the sides run in turn.
type Measurement struct {
	Name    string // words separated by slashes; --run matches it
	What    string // a sentence that describes the measurement
	Metrics []Metric
	Sides   []string
	kind    kind
	most    int // largest number of rounds, for figures that hardly differ; 0: no limit
	// args are arguments of the actors, which follow the arguments of the measurement's kind.
	args map[string]string
}

// kind determines how a measurement is set up.
type kind uint8

const (
	onTAP   kind = iota // a side on a TAP, or the kernel on a veth pair
	served              // a script that serves on a TAP
	inside              // measures one side alone, in one process
	started             // the program itself, on a terminal
)

// Measurements lists all measurements, in the order of the table.
func Measurements() []Measurement {
	gbit := []Metric{{Unit: "Gbit/s"}}
	latency := []Metric{{"p50", "µs", true}, {"p90", "µs", true}, {"p99", "µs", true}}
	memory := []Metric{{"size", "octets", true}, {"objects", "count", true}, {"full GC", "ms", true}}
	all := []string{Smolsh, IPv6, GVisor, Kernel}
	both := []string{Smolsh, IPv6, GVisor}
	alone := []string{Smolsh}
	families := []string{Smolsh, IPv6}
	args := func(kv ...string) map[string]string {
		m := map[string]string{}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	return []Measurement{
		{"tap/receive/offload", "One TCP stream from the kernel over a TAP with offloads; the kernel over veth with its defaults.", gbit, all, onTAP, 0, args("mode", "sink", "offload", "1")},
		{"tap/send/offload", "One TCP stream to the kernel over a TAP with offloads; the kernel over veth with its defaults.", gbit, all, onTAP, 0, args("mode", "source", "offload", "1")},
		{"tap/receive/plain", "One TCP stream from the kernel over a TAP in frames of 1514 octets; the kernel over veth with offloads off.", gbit, all, onTAP, 0, args("mode", "sink", "offload", "0")},
		{"tap/send/plain", "One TCP stream to the kernel over a TAP in frames of 1514 octets; the kernel over veth with offloads off.", gbit, all, onTAP, 0, args("mode", "source", "offload", "0")},
		{"echo/tcp", "One octet to an echo server and back, from the kernel over TCP.", latency, all, onTAP, 0, args("mode", "echo", "offload", "1", "proto", "tcp")},
		{"echo/udp", "One octet to an echo server and back, from the kernel over UDP.", latency, all, onTAP, 0, args("mode", "echo", "offload", "1", "proto", "udp")},
		{"echo/serve", "One octet from the kernel to serve(echo) and back, over TCP; the same server as a function in Starlark.", latency, []string{Smolsh, IPv6, Starlark}, served, 0, nil},
		{"lab/1500", "One TCP stream between two hosts in one process, MTU 1500, checksums on.", gbit, both, inside, 0, args("do", "stream", "super", "0")},
		{"lab/64k", "One TCP stream between two hosts in one process, super-segments of 64 KiB, checksums on; gVisor's link carries 1500.", gbit, both, inside, 0, args("do", "stream", "super", "1")},
		{"connect", "Connections that carry one octet and close, each way in turn, between two hosts in one process.", []Metric{{Unit: "1/s"}}, both, inside, 0, args("do", "connect")},
		{"memory/10k", "What one end of an established idle connection takes, of 10,000 between two hosts in one process.", memory, both, inside, 3, args("do", "memory", "n", "10000")},
		{"memory/100k", "What one end of an established idle connection takes, of 100,000 between two hosts in one process.", memory, families, inside, 3, args("do", "memory", "n", "100000")},
		{"simulate", "Segments that a virtual lab carries in a second of one core.", []Metric{{"full", "M/s", false}, {"one octet", "M/s", false}}, families, inside, 0, args("do", "simulate")},
		{"start/private", "From start to prompt on the private lab.", []Metric{{Unit: "ms", Less: true}}, alone, started, 0, nil},
		{"start/virtual", "From start to prompt on the virtual lab.", []Metric{{Unit: "ms", Less: true}}, alone, started, 0, args("device", "sim")},
	}
}

// Select returns the measurements whose name re matches, or all if re is nil.
func Select(re *regexp.Regexp) (list []Measurement) {
	for _, m := range Measurements() {
		if re == nil || re.MatchString(m.Name) {
			list = append(list, m)
		}
	}
	return list
}
