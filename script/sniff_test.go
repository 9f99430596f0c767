package script

import (
	"strings"
	"testing"

	"smolsh/script/packetvalue"
)

func TestSniff(t *testing.T) {
	want(t, `
t = spawn(sniff, "icmp", count=2)
u = spawn(sniff, "tcp", timeout="2s")
v = spawn(peer.sniff, "icmp", count=1)
ping("192.168.69.100", count=2)
catch(tcp.connect, "192.168.69.100:81")
for p in t.join() + v.join():
    print(p.dev, p.dir, p.ip.src, p.icmp.type, p.icmp.seq, p.verdict.split(" id ")[0])
assert.eq([p.tcp.flags for p in u.join()], ["S", "RA"])
assert.true(0 < t.result[0].time and t.result[0].time < t.result[1].time)
assert.eq(sniff(timeout="10ms"), [])
assert.fails(lambda: sniff("tcp prot"), "sniff: ")
`, `56 octets from 192.168.69.100: seq=0 ttl=64 time=0.300 ms   (0.200 ms of it waiting for ARP)
56 octets from 192.168.69.100: seq=1 ttl=64 time=0.200 ms
2 sent, 2 received, 0% lost   rtt min/avg/max/mdev 0.200/0.250/0.300/0.050 ms
eth0 tx 192.168.69.1 8 0 
eth0 rx 192.168.69.100 0 0 icmp
eth0 rx 192.168.69.1 8 0 echo reply
`)
}

// TestTraceOfWhatPassed: trace prints the earlier packets of a lab's host, though no trace was on. Sequence numbers are
// relative to the start of the connection, though the start is not printed.
func TestTraceOfWhatPassed(t *testing.T) {
	want(t, `
l = lab()
a, b = l.host("a", "10.0.0.1/24"), l.host("b", "10.0.0.2/24")
l.link(a, b, delay="1ms")
b.serve("tcp", 7, echo)
c = a.tcp.connect("10.0.0.2:7", local=4000)
c.send("abc")
c.recv()
c.close()
l.run("1s")
b.trace("tcp", last=2)
`, "0.006000 b.eth0  > 10.0.0.2.7 > 10.0.0.1.4000: Flags [F.], seq 4, ack 5, win 1023, length 0\n"+
		"0.008000 b.eth0 <  10.0.0.1.4000 > 10.0.0.2.7: Flags [.], ack 5, win 1023, length 0"+strings.Repeat(" ", 37)+"CLOSED\n")
}

// TestSniffIsBounded: sniff keeps a bounded number of packets, and a bounded number of their octets.
func TestSniffIsBounded(t *testing.T) {
	k := sniffed{most: 3}
	for n := range 3 {
		if k.full() {
			t.Fatalf("full with %d packets", n)
		}
		k.add(&packetvalue.Value{Octets: make([]byte, 60)})
	}
	if !k.full() {
		t.Error("not full with 3 packets")
	}
	octets := make([]byte, 1<<16) // one array, so that the test needs no such memory
	k = sniffed{most: maxSniffed}
	for !k.full() {
		k.add(&packetvalue.Value{Octets: octets})
	}
	if n := len(k.list); n*len(octets) != maxSniffedOctets {
		t.Errorf("%d packets of %d octets", n, len(octets))
	}
}
