package stack

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"smolsh/phy"
	"smolsh/stack/tcp"
	"smolsh/stack/wire"
)

var updateAttacks = flag.Bool("update", false, "write docs/attacks.md")

// attacksReport is docs/attacks.md, which TestAttacks writes.
const attacksReport = "../docs/attacks.md"

// attack is a series of frames to host B and the outcome that must follow.
type attack struct {
	name    string
	what    string // description of the frames
	frames  int
	prepare func(s *siege)
	frame   func(s *siege, k int) *phy.Frame
	why     string            // description of the outcome
	want    map[string]int    // number of frames by verdict
	count   map[string]uint64 // growth of MIB counters; other counters are not checked
	within  sizes             // growth of memory that is allowed while the attack lasts
	harms   bool              // true if the live connection has to retransmit
	keeps   string            // the name of a size that stays, since nothing ends it
	six     bool              // true if the live connection and the attack are of IPv6
}

// sizes holds how many entries a host's tables and queues have, and how many octets it stores. fields gives the names.
type sizes struct {
	conns, half, sockets, timers, neighbors, asked, waiting, replies, datagrams, paths, groups, claims, assemblies, fragments, octets, addrs, routes int
}

func (h *Host) sizes() (z sizes) {
	z = sizes{
		conns: len(h.sockets.conns), sockets: h.sockets.open, timers: h.tcp.timers.Len() + h.igmp.reports.Len(), paths: h.net.paths.Len(),
		groups: h.igmp.memberships, claims: h.net.addrProbes.Len(), addrs: len(h.net.localAddrs), assemblies: h.reassembly.Timers(), fragments: h.reassembly.Storage(),
	}
	for l := range h.sockets.allListeners {
		z.half += l.half
	}
	for u := range h.sockets.allUDP {
		z.octets += u.queue.charged
	}
	for _, r := range h.net.routes.All() {
		if r.Learned {
			z.routes++
		}
	}
	for _, i := range h.net.ifaces {
		z.replies, z.datagrams = z.replies+i.out.replies.n, z.datagrams+i.out.datagrams.n
		for _, e := range i.neighbors() {
			z.neighbors++
			if !e.Usable() {
				z.asked++
			}
			z.waiting += e.Pending.datagrams.n + len(e.Pending.conns)
		}
	}
	return z
}

// fields returns the sizes with their names.
func (z *sizes) fields() (names []string, values []*int) {
	return []string{"connections", "half-open", "sockets", "timers", "neighbours", "unresolved", "waiting for neighbours", "answers queued",
			"datagrams queued", "narrow paths", "groups", "probes", "incomplete datagrams", "octets of fragments",
			"octets queued", "addresses", "learned routes"},
		[]*int{&z.conns, &z.half, &z.sockets, &z.timers, &z.neighbors, &z.asked, &z.waiting, &z.replies, &z.datagrams, &z.paths, &z.groups, &z.claims,
			&z.assemblies, &z.fragments, &z.octets, &z.addrs, &z.routes}
}

// siege is host B under attack, on a link with host A. A is B's router, and the other end of a connection that carries
// octets in both directions all the time.
type siege struct {
	t              *testing.T
	n              *network
	a, b           *Host
	i              *Iface
	l              *TCPListener
	client, server *TCPConn
	rng            *rand.Rand
	up, down       stream
	before, most   sizes
	verdicts       map[string]int
	told           int // number of events
}

// stream is one direction of the connection.
type stream struct {
	from, to *TCPConn
	sent     int
	got      []byte
}

// siegeOctets is the number of octets that the connection transfers in each direction during an attack.
const siegeOctets = 300_000

func (x *stream) step(s *siege, data []byte) {
	k, err := x.from.Write(s.n.now, data[x.sent:])
	if err != nil {
		s.t.Fatalf("write: %v", err)
	}
	x.sent += k
	var buf [4096]byte
	for {
		k, err := x.to.Read(s.n.now, buf[:])
		if err != nil {
			s.t.Fatalf("read: %v", err)
		}
		if k == 0 {
			return
		}
		x.got = append(x.got, buf[:k]...)
	}
}

// theWide is a second subnet of B. It has room for many stations.
var theWide = netip.MustParsePrefix("10.1.0.1/16")

func newSiege(t *testing.T, six bool) *siege {
	if six {
		return newSiege6(t)
	}
	n, a, b := pair(t)
	s := &siege{t: t, n: n, a: a, b: b, i: b.Ifaces()[0], rng: rand.New(rand.NewPCG(6, 6)), verdicts: map[string]int{}}
	if err := s.i.AddAddr(n.now, theWide); err != nil {
		t.Fatal(err)
	}
	if err := b.AddRoute(netip.MustParsePrefix("0.0.0.0/0"), ipA, nil); err != nil {
		t.Fatal(err)
	}
	b.Events(func(Event) { s.told++ })
	s.l = listen(t, b, 80, tcp.Config{})
	if _, err := b.BindUDP(port(netip.Addr{}, 6969)); err != nil {
		t.Fatal(err)
	}
	s.connect(ipB)
	return s
}

// connect opens the connection that lasts as long as the attack.
func (s *siege) connect(to netip.Addr) {
	s.client, s.server = dial(s.n, s.a, port(to, 80), s.l)
	s.up, s.down = stream{from: s.client, to: s.server}, stream{from: s.server, to: s.client}
}

// run advances time and the connection.
func (s *siege) run(d time.Duration, data []byte) {
	s.up.step(s, data)
	s.down.step(s, data)
	s.n.run(d)
}

// lay runs the attack and keeps the connection going.
func (s *siege) lay(x *attack) {
	s.t.Helper()
	data := octets(siegeOctets)
	if x.prepare != nil {
		x.prepare(s)
	}
	s.run(10*time.Millisecond, data[:1000])
	s.before = s.b.sizes()
	s.most = s.before
	for k := range x.frames {
		if k%16 == 0 {
			// Some 60 octets each way per millisecond: the connection lasts as long as the attack.
			s.run(time.Millisecond, data[:min(siegeOctets, 1000+siegeOctets/2*k/x.frames)])
		}
		s.verdicts[s.b.Receive(s.n.now, s.i, x.frame(s, k)).String()]++
		s.look()
	}
	for k := 0; len(s.up.got) < siegeOctets || len(s.down.got) < siegeOctets; k++ {
		if k > 10_000 {
			s.t.Fatalf("the connection stands still: %d and %d octets arrived", len(s.up.got), len(s.down.got))
		}
		s.run(10*time.Millisecond, data)
		s.look()
	}
	if !bytes.Equal(s.up.got, data) || !bytes.Equal(s.down.got, data) {
		s.t.Error("what the connection carried is not what was sent")
	}
}

// look records the largest sizes. It walks tables, so it does not run for every frame.
func (s *siege) look() {
	if s.rng.IntN(64) == 0 {
		now := s.b.sizes()
		_, values := now.fields()
		_, most := s.most.fields()
		for k, v := range values {
			*most[k] = max(*most[k], *v)
		}
	}
}

// judge compares the outcome with the one that the attack must have.
func (s *siege) judge(x *attack, was map[string]uint64) {
	t := s.t
	t.Helper()
	if fmt.Sprint(s.verdicts) != fmt.Sprint(x.want) {
		t.Errorf("verdicts %v, want %v", s.verdicts, x.want)
	}
	for name, want := range x.count {
		if got := counterOf(t, s.b, name) - was[name]; got != want {
			t.Errorf("%s grew by %d, want %d", name, got, want)
		}
	}
	names, most := s.most.fields()
	_, before := s.before.fields()
	_, allowed := x.within.fields()
	for k, v := range most {
		// The connection itself has a timer, some segments and its neighbour.
		if *v > *before[k]+*allowed[k]+2 {
			t.Errorf("%s: %d kept, %d before, %d more allowed", names[k], *v, *before[k], *allowed[k])
		}
	}
	for _, c := range []*TCPConn{s.client, s.server} {
		if c.State() != tcp.Established {
			t.Errorf("the connection is %v", c.State())
		}
		mss := ethernet.MTU - familyOf(c.remote.Addr()).headerLen() - wire.TCPLen - 12 // with timestamps
		if info := c.Info(s.n.now); !x.harms && info.Retrans != 0 || info.MSS != mss {
			t.Errorf("%d segments repeated, of at most %d octets", info.Retrans, info.MSS)
		}
	}
	s.n.run(10 * time.Minute)
	s.b.Tick(s.n.now) // what routers have advertised ends by upkeep
	s.n.run(time.Second)
	after := s.b.sizes()
	_, left := after.fields()
	for k, v := range left {
		if *v > *before[k] && names[k] != "octets queued" && names[k] != x.keeps { // octets queued wait for their reader
			t.Errorf("%s: %d left over ten minutes later, %d before", names[k], *v, *before[k])
		}
	}
	s.client.Close(s.n.now)
	s.server.Close(s.n.now)
	s.n.run(10 * time.Minute) // includes the end of TIME-WAIT
}

// TestAttacks runs every attack of the list, each beside a connection that carries data both ways. Both ends must
// receive the data unaltered. Neither may retransmit unless the attack touches the link itself. The attacked host must
// count the attack's frames under the verdicts and counters that the list names. Its tables must stay within their
// bounds, and hold nothing of the attack ten minutes later. With -update, the list is written to docs/attacks.md.
func TestAttacks(t *testing.T) {
	var b strings.Builder
	b.WriteString("# Attacks and the reactions of the host\n\nGenerated by `go test ./stack -run TestAttacks -update`. Each row is a test, and its numbers are what the host counted. " +
		"During every attack\na connection transfers " + thousands(siegeOctets) + " octets in each direction. All of them arrive, without a retransmission unless the row mentions one. " +
		"Every frame\nis counted, and ten minutes later the host keeps no more than before.\n\n" +
		"Rows marked IPv6 have a connection of IPv6, on a link where both hosts have addresses of both families.\n\n" +
		"Words in quotes are reasons of `drops()`; other verdicts are answers, or states in a trace. Names like IpInReceives are those of\n`counters()`. " +
		"Kept is the maximum that the host held during the attack, in addition to what the connection needs; the test reads it\nafter every 64th frame.\n\n" +
		"Further attacks run beside the kernel: in `go test ./stack/lab/live -run 'TestScans|TestFlags|TestFloods'` nmap and hping3 scan and flood\n" +
		"a host on a TAP, while a transfer of 64 MiB runs. TestNoise of stack/lab repeats, truncates, changes and forges the frames of two hosts.\n" +
		"TestSoak of stack/lab/live combines such tools, honest clients, and a station that fills the buffers; `-soak 20m` sets the duration.\n\n" +
		"| Attack | Frames | Reaction | Verdicts | Counters | Kept |\n|---|---|---|---|---|---|\n")
	for _, x := range slices.Concat(attacks, tcpAttacks, attacks6) {
		name := x.name
		if x.six {
			name += ", IPv6"
		}
		ok := t.Run(name, func(t *testing.T) {
			s := newSiege(t, x.six)
			was := map[string]uint64{}
			for _, c := range s.b.CounterInfos() {
				was[c.Name] = c.Value
			}
			s.lay(&x)
			kept := s.kept(&x)
			s.judge(&x, was)
			fmt.Fprintf(&b, "| %s | %s × %s | %s | %s | %s | %s |\n", name, thousands(x.frames), x.what, x.why, tally(s.verdicts), increments(x.count), kept)
		})
		if !ok && *updateAttacks {
			t.Fatal("docs/attacks.md is not written while an attack succeeds")
		}
	}
	if t.Failed() || flag.Lookup("test.run").Value.String() != "" && strings.Contains(flag.Lookup("test.run").Value.String(), "/") {
		return
	}
	if *updateAttacks {
		if err := os.WriteFile(attacksReport, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if have, err := os.ReadFile(attacksReport); err != nil || string(have) != b.String() {
		t.Errorf("docs/attacks.md is not what the attacks came to: go test ./stack -run TestAttacks -update (%v)", err)
	}
}

// kept returns the names of the tables that grew because of the attack.
func (s *siege) kept(x *attack) string {
	names, most := s.most.fields()
	_, before := s.before.fields()
	_, allowed := x.within.fields()
	var list []string
	for k, v := range most {
		if *allowed[k] > 0 && *v > *before[k] {
			list = append(list, thousands(*v-*before[k])+" "+names[k])
		}
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, ", ")
}

func tally(verdicts map[string]int) string {
	var words []string
	for v := range verdicts {
		words = append(words, v)
	}
	slices.SortFunc(words, func(a, b string) int {
		return cmp.Or(verdicts[b]-verdicts[a], cmp.Compare(a, b))
	})
	for k, w := range words {
		said, dropped := strings.CutPrefix(w, "dropped: ")
		if dropped {
			said = `"` + said + `"`
		}
		words[k] = thousands(verdicts[w]) + " " + said
	}
	return strings.Join(words, ", ")
}

func increments(counts map[string]uint64) string {
	var list []string
	for name, n := range counts {
		list = append(list, name+" "+thousands(int(n)))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// Stations and packets that the attacks use.

// somewhere returns an address outside B's subnets.
func (s *siege) somewhere() netip.Addr {
	return netip.AddrFrom4([4]byte{byte(11 + s.rng.IntN(100)), byte(s.rng.Uint32()), byte(s.rng.Uint32()), byte(1 + s.rng.IntN(250))})
}

// station returns the kth of many addresses on the wide subnet.
func station(k int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 1, byte(1 + k/250%250), byte(1 + k%250)})
}

// fromC returns a frame from the attacker.
func fromC(packet []byte) *phy.Frame {
	return crafted{macB, macC, wire.EtherTypeIPv4, packet}.frame()
}

func (s *siege) syn(src netip.Addr, p uint16) *phy.Frame {
	return fromC(tcpPacket(port(src, uint16(1024+s.rng.IntN(60000))), port(ipB, p), wire.TCP{Seq: wire.Seq(s.rng.Uint32()), Flags: wire.SYN, Window: 1000}, nil))
}

// quoting returns an ICMP error of the given type and code about a segment of the connection at seq.
func (s *siege) quoting(typ wire.ICMPType, code uint8, seq wire.Seq) []byte {
	h := wire.TCP{SrcPort: 80, DstPort: s.client.Local().Port(), Seq: seq, Flags: wire.ACK}
	q := make([]byte, wire.IPv4Len+wire.TCPLen)
	h.Put(q[wire.IPv4Len:])
	ip := wire.IPv4{TTL: 64, Protocol: wire.ProtocolTCP, Src: ipB, Dst: ipA, PayloadLen: 1480, DontFragment: true}
	ip.Put(q)
	return icmpPacket(ipC, ipB, wire.ICMP{Type: typ, Code: code}, q)
}
