package packet

import (
	"bytes"
	flags "flag"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var recordLines = flags.Bool("record", false, "write tcpdump's lines into testdata/tcpdump.txt")

// tcpdumpFiles are the capture files whose packets tcpdump has described, with the table of the frames' first layer:
//   - conversation: two connections in a lab that loses packets, and a refused one; frames are cut after 90 octets
//   - dialogues: all frames of the dialogues in stack/testdata, which `go test ./stack -run TestDialogues -frames FILE` writes
//   - forms: by forms.py, messages of each kind and code, and damaged headers
//   - forms6: by forms6.py, neighbour discovery, MLD, and chains of extension headers
//   - the others: by packets.py, headers with values drawn at random
var tcpdumpFiles = []struct {
	name  string
	first *Protocol
}{{"conversation", Ether}, {"dialogues", Ether}, {"forms", Ether}, {"forms6", Ether}, {"packets", Ether}, {"null", Null}, {"sll", SLL}, {"sll2", SLL2}}

// A lineRule is a wanted difference between tcpdump's lines and ours. The pattern of theirs, or of ours, is replaced before two
// lines are compared.
type lineRule struct {
	why          string
	theirs, with string
	ours, by     string
	change       func(theirs string) string
}

var lineRules = []lineRule{
	{why: "the addresses show the version of IP", theirs: `^IP6? `},
	{why: "one space between words", theirs: `(\S)  +`, with: "$1 "},
	{why: "no space in front of a layer that is cut", theirs: `^ `},

	{why: "a first fragment is named", ours: `, first fragment$`},

	{why: "a trace has the interface and the direction in front", theirs: `^(?:\?|\w+) +(?:M|P|B|In|Out) +IP6? `},

	// TCP and UDP.
	{why: "padding of options has no meaning, and all segments but a SYN have the same timestamps", change: withoutOptions},
	{why: "all numbers of a connection's first segment are those of the wire", theirs: `(ack \d{7,}.*sack \d) [{}\d:]+`, with: "$1", ours: `(ack \d{7,}.*sack \d) [{}\d:]+`, by: "$1"},
	{why: "a reset without ACK is numbered like its connection", theirs: `(Flags \[R\], seq) \d+`, with: "$1", ours: `(Flags \[R\], seq) \d+`, by: "$1"},
	{why: "options that are not in use are octets", theirs: `\[(?:exp-tfo|tfo|uto|md5|echo|mptcp) .*\]`, with: "[ODD]", ours: `\[(?:unknown-254|tfo|uto|md5|echo|mptcp)\b.*\]`, by: "[ODD]"},
	{why: "an option that is damaged does not end the line", theirs: `options \[.*(?:\[bad opt\]|\[\|tcp\]|\[len 3\].*)$`, with: "BAD OPTION", ours: `options \[.*\[bad opt\]\], length \d+$`, by: "BAD OPTION"},
	{why: "the fields in front of a wrong header length can be read", theirs: `(?:Flags \[\.\]|tcp \d+) (\[bad hdr length \d+).*\]$`, with: "$1]", ours: `Flags .* (\[bad hdr length \d+\])$`, by: "$1"},
	{why: "an ICMP error quotes eight octets, whose number tells the segment", theirs: `\[\|tcp\]$`, with: "tcp", ours: `(?:\[\|tcp\]|tcp, seq \d+)$`, by: "tcp"},
	{why: "a segment needs not begin with a message of the application", theirs: `(length \d+): HTTP.*`, with: "$1"},
	{why: "the data of a datagram is counted, however wrong the length", theirs: `(?:truncated-udplength|UDP, bad length) .*`, with: "BAD LENGTH", ours: `UDP, length \d+ \[bad length \d+\]$`, by: "BAD LENGTH"},
	{why: "TFTP and messages of BOOTP that are none have no table", theirs: `(?:BOOTP/DHCP, unknown \(0x\w\w\)|TFTP), length (\d+).*`, with: "UDP, length $1"},

	// Addresses, fragments and tunnels.
	{why: "a fragment has its place in the datagram", theirs: `: ip-proto-\d+$`, with: ": FRAGMENT", ours: `: [\w-]+ (?:last )?fragment at \d+$`, by: ": FRAGMENT"},
	{why: "a VLAN is part of the packet's way", ours: `^vlan \d+, `},
	{why: "ports stand with the addresses behind extension headers too", theirs: `^(\S+) > (\S+): ((?:(?:HBH|DSTOPT|RT6 \(.*?\)|frag \(0\|\d+\)) )+)(\d+) > (\d+): `, with: "$1.$4 > $2.$5: $3"},
	{why: "an authentication header has its check value in the packet's fields", theirs: `^(\S+) > (\S+): AH\((spi=\w+,seq=\w+).*?\):? (\d+) > (\d+): `, with: "$1.$4 > $2.$5: AH ($3) "},
	{why: "the packet in a tunnel is on the tunnel's line", theirs: `VXLAN, flags \[I\] \(0x08\), (vni \d+) \| IP6? `, with: "VXLAN, $1: "},
	{why: "GRE's routing is obsolete (RFC 2784 §2.3)", theirs: `, off 0x0`},
	{why: "protocols without a table are named, with a length", theirs: `: (?:OSPF|ESP|AH\(|PIM|VRRP|\[\|ospf2|\[\|esp|ip-proto-\d+ \d+).*`, with: ": OTHER", ours: `: (?:ospf|ipsecesp|ipsecah|vrrp|udplite|ip-proto-\d+), length \d+$`, by: ": OTHER"},
	{why: "a length has its word behind extension headers too", theirs: `ip-proto-(\d+) (\d+)$`, with: "ip-proto-$1, length $2"},
	{why: "a fragment without data names its protocol", theirs: `(frag \(0\|0\)) $`, with: "$1", ours: `(frag \(0\|0\)) (?:no next header|\[\|ip\])$`, by: "$1"},
	{why: "a damaged IP header is named at the end of the line, and its other fields are shown", theirs: `^(?:truncated-\w+ - \d+ bytes missing! ?|bad-hlen|bad-len|IP5).*`, with: "BAD IP", ours: `^10\.9\.9\.9(?:\.5)? > 10.0.0.2(?:\.6)?: (?:UDP, length 2|udp, length 10|\[\|udp\]) \[.*\]$`, by: "BAD IP"},
	{why: "a damaged layer is called cut", theirs: `truncated-udp \d|ICMP6, length 0 \(invalid\)|ICMP6, echo request \[\|icmp6\]|\[\|udp\]$`, with: "CUT", ours: `\[\|(?:udp|icmp6)\]$`, by: "CUT"},

	// ICMP and IGMP.
	{why: "an ICMP error shows the packet that it is about", ours: `^(\S+ > \S+: ICMP.*?, length \d+) \(.*`, by: "$1"},
	{why: "a port is that of UDP or TCP, in the first fragment", theirs: `protocol 253 port \d+ unreachable|udp port \d+ unreachable, length 38`, with: "PORT", ours: `protocol 253 port unreachable|protocol 17 port unreachable, length 38|udp port \d+ unreachable, length 38`, by: "PORT"},
	{why: "an ICMP error that quotes less is one", theirs: `\[\|icmp\]$`, with: "CUT", ours: `ICMP \S+ protocol 17 port unreachable, length 28|ICMP \? protocol 0 port unreachable, length \d+|\[\|icmp\]$`, by: "CUT"},
	{why: "an ICMPv6 error about ICMPv6 is about no port", theirs: `unreachable port \[\|icmp6\]`, with: "unreachable port fdaa::2, length 56"},
	{why: "messages of ICMP that nobody sends have a name only", theirs: `(router advertisement|time stamp reply id \d+ seq \d+|address mask) ?(?:lifetime|: org|is).*(, length)`, with: "$1$2", ours: `address mask reply`, by: "address mask"},
	{why: "all codes of RFC 4443 have names", theirs: `unknown unreach code \(\d\)`, with: "CODE", ours: `(?:source policy|route rejected) \S+, length \d+$|unknown unreach code \(\d\), length \d+$`, by: "CODE"},
	{why: "a space between words", theirs: `(multicast listener (?:query|report|done))max`, with: "$1 max"},
	{why: "messages of ICMPv6 without a table have a number", theirs: `ICMP6, (?:router renum|who-are|inverse|ha disc|mobile|RPL).*`, with: "OTHER", ours: `ICMP6, unknown icmp6 type \(1(?:38|39|4[0-7]|55)\), .*`, by: "OTHER"},
	{why: "a message with a wrong checksum is not read", theirs: `: (?:igmp-134|igmp v2 report 239.1.2.3|\[\|igmp\])$`, with: ": IGMP", ours: `: (?:igmp, length 8|igmp v2 report 239.1.2.3|igmp-134|\[\|igmp\])$`, by: ": IGMP"},
	{why: "other messages of IGMP have a number", theirs: `: (?:igmp (?:dvmrp|pimv1).*|\[invalid len \d\])$`, with: ": IGMP", ours: `: igmp-\d+$`, by: ": IGMP"},
	{why: "a report without records is one", theirs: `igmp v3 report \[invalid len 8\]`, with: "igmp v3 report, 0 group record(s)"},
	{why: "the unit of a time to respond is a tenth of a second in all versions", theirs: `(query v3 \[max resp time) [\d.]+s`, with: "$1", ours: `(query v3 \[max resp time) \d+`, by: "$1"},

	// DNS and DHCP.
	{why: "a DHCP message's type and address are shown", ours: `(BOOTP/DHCP, .*?length \d+).*`, by: "$1"},
	{why: "a message that is too short is none of BOOTP", theirs: `BOOTP/DHCP.*length 100$`, with: "UDP, length 100"},
	{why: "a response without answers names its question", ours: `( 0/\d+/\d+) \S+\? \S+`, by: "$1"},
	{why: "an SOA record's serial number is shown", ours: `SOA \S+ serial \d+`, by: "SOA"},
	{why: "types of DNS have the names of today", theirs: `Type65\b`, with: "HTTPS"},
	{why: "data of other types has a length", theirs: `(1/0/0 )(?:DNSKEY|HTTPS|HINFO|A \[).*`, with: "$1", ours: `(1/0/0 )(?:(?:48|HTTPS|HINFO|A) \d octets|A\?).*`, by: "$1"},
	{why: "numbers need no word", theirs: `Type(\d+)|Resp(\d+)`, with: "$1$2", ours: `rcode(\d+)`, by: "$1"},
	{why: "names of codes that are not in use", theirs: `NoChange|zoneRef`, with: "15", ours: `opcode15`, by: "15"},
	{why: "inverse queries are obsolete (RFC 3425)", theirs: `inv_q\+ \[1q\] \[0a\]`, with: "inv_q+"},
	{why: "only the class IN is in use", theirs: ` (?:CHAOS|\(QM\))\?`, with: "?"},
	{why: "reserved bits are shown by the packet's fields", theirs: ` \[b2&3=0x\w+\]`},
	{why: "the counts are one list", theirs: `(\[2q\]),`, with: "$1"},
	{why: "a line has at most four answers", ours: `, … 2 more`, by: ", A 1.2.3.4, A 1.2.3.4"},
	{why: "a missing record is damage", ours: ` \[bad record\]`},
	{why: "LLMNR has the form of DNS (RFC 4795 §2.1)", theirs: `(\.5355: )UDP, length (\d+)$`, with: "${1}4711 A? example.org. ($2)"},
	{why: "octets that are too few for DNS are data", theirs: `domain \[length 3 < 12\] \(invalid\)`, with: "UDP, length 3"},

	// Other frames.
	{why: "an announcement is named, with its sender", ours: `(, length \d+), announced.*`, by: "$1"},
	{why: "the operation of other ARP is a number, and ARP that is not of IPv4 has a sender", theirs: `^ARP, (Unknown|Reverse|Inverse|Ethernet).*`, with: "OTHER ARP", ours: `^ARP, (operation|not of IPv4).*`, by: "OTHER ARP"},
	{why: "an ARP packet that is cut has a sender", ours: `(\[\|arp\]) from .*`, by: "$1"},
	{why: "frames of other protocols have addresses", theirs: `^(LLDP|STP|\S+ > \S+, Realtek|\S+ > \S+ Unknown DSAP).*`, with: "OTHER FRAME", ours: `^\S+ > \S+, (llc|ethertype 0x88\w\w), length \d+$`, by: "OTHER FRAME"},
	{why: "an unknown EtherType is a number", theirs: `ethertype Unknown \((0x\w+)\), length (\d+): $`, with: "ethertype $1, length $2"},
}

// Lines are tcpdump's, but for the differences that lineRules name. testdata/tcpdump.txt has tcpdump's; -record writes it anew.
func TestLinesAreThoseOfTcpdump(t *testing.T) {
	const path = "testdata/tcpdump.txt"
	if *recordLines {
		recordTcpdump(t, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string][]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = name
		} else if section != "" {
			sections[section] = append(sections[section], line)
		}
	}
	forms := map[string]bool{} // of lines that differ
	used, packets, wrong := make([]int, len(lineRules)), 0, 0
	for _, f := range tcpdumpFiles {
		frames, lengths, _ := readRecords(t, "testdata/"+f.name+".pcap")
		if len(frames) != len(sections[f.name]) {
			t.Fatalf("%s: %d packets, and tcpdump has %d lines", f.name, len(frames), len(sections[f.name]))
		}
		var seqs Sequences
		for i, b := range frames {
			packets++
			ours, theirs := seqs.Describe(Dissect(b, lengths[i], f.first)), sections[f.name][i]
			got, want := ours, theirs
			for k, r := range lineRules {
				g, w := r.apply(got, want)
				if g != got || w != want {
					used[k]++
				}
				got, want = g, w
			}
			if got != want {
				form := regexp.MustCompile(`[0-9a-f:.]*[0-9]+[0-9a-f:.]*`).ReplaceAllString(want, "N")
				if wrong++; !forms[form] {
					forms[form] = true
					t.Errorf("%s, packet %d\n%s\n%s", f.name, i+1, got, want)
				}
			}
		}
	}
	for k, r := range lineRules {
		if used[k] == 0 {
			t.Errorf("no packet needs the rule: %s", r.why)
		}
	}
	t.Logf("%d packets, %d differ", packets, wrong)
}

func (r *lineRule) apply(ours, theirs string) (string, string) {
	if r.theirs != "" {
		theirs = compiled(r.theirs).ReplaceAllString(theirs, r.with)
	}
	if r.change != nil {
		theirs = r.change(theirs)
	}
	if r.ours != "" {
		ours = compiled(r.ours).ReplaceAllString(ours, r.by)
	}
	return ours, theirs
}

// withoutOptions removes the options of a segment that our lines leave out.
func withoutOptions(line string) string {
	head, rest, ok := strings.Cut(line, ", options [")
	list, tail, ok2 := strings.Cut(rest, "], length ")
	if !ok || !ok2 {
		return line
	}
	var kept []string
	for _, o := range strings.Split(list, ",") {
		if o != "nop" && o != "eol" && (!strings.HasPrefix(o, "TS ") || compiled(`Flags \[[^\]]*S`).MatchString(head)) {
			kept = append(kept, o)
		}
	}
	if len(kept) > 0 {
		head += ", options [" + strings.Join(kept, ",") + "]"
	}
	return head + ", length " + tail
}

var patterns = map[string]*regexp.Regexp{}

func compiled(s string) *regexp.Regexp {
	if patterns[s] == nil {
		patterns[s] = regexp.MustCompile(s)
	}
	return patterns[s]
}

// recordTcpdump runs tcpdump on the capture files. Each line begins with its packet's number, which is left out, and other lines
// continue the one before.
func recordTcpdump(t *testing.T, path string) {
	version, err := exec.Command("tcpdump", "--version").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(version, []byte("\n"))
	var out bytes.Buffer
	fmt.Fprintf(&out, "# %s: tcpdump -n -t -# -r FILE. A packet of several lines has them joined by a bar; octets in hexadecimal are left out.\n", first)
	for _, f := range tcpdumpFiles {
		text, err := exec.Command("tcpdump", "-n", "-t", "-#", "-r", "testdata/"+f.name+".pcap").Output()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "## %s", f.name)
		numbered := regexp.MustCompile(`^ *\d+  `)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSuffix(line, "\n")
			switch n := numbered.FindString(line); {
			case n != "":
				fmt.Fprintf(&out, "\n%s", line[len(n):])
			case !strings.HasPrefix(line, "\t0x"):
				fmt.Fprintf(&out, " | %s", strings.TrimSpace(line))
			}
		}
		out.WriteByte('\n')
	}
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}
