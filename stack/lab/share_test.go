package lab

import (
	"bytes"
	"testing"

	"smolsh/phy"
	"smolsh/stack/clock"
)

// TestShareKeepsConnections: hosts share a device in memory. A connection through it survives the moment at which the second host joins,
// and each host reaches the far one and the other.
func TestShareKeepsConnections(t *testing.T) { bothFamilies(t, testShareKeepsConnections) }

func testShareKeepsConnections(t *testing.T, v *addressing) {
	s := &scene{TB: t, w: NewWorld()}
	s.l, s.r = New(s.w, 1), NewVirtual(s.w)
	near, far := phy.NewPair("near", "far", phy.MemoryConfig{MaxGSO: 65535, TxChecksum: true})
	s.a, s.b = addHost(t, s.l, "a", v.host(1)), addHost(t, s.l, "b", v.host(2))
	port, err := s.a.Attach(near)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.b.Attach(far); err != nil {
		t.Fatal(err)
	}
	s.settle()
	st := s.newStream(s.b, s.a, v.at(1, 80), 4<<20)
	for len(st.got) < 1<<20 && s.r.Idle(nil) {
		s.r.Do(func(now clock.Instant) { st.turn(t, now) })
	}
	joined := len(st.got)
	c := addHost(t, s.l, "c", v.host(3))
	var sw *Switch
	s.r.Do(func(clock.Instant) {
		if sw, err = port.Share(); err == nil {
			_, err = sw.Attach(c, LinkConfig{Offload: true})
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	s.finish(st)
	if joined < 1<<20 || joined == len(st.data) || !bytes.Equal(st.got, st.data) {
		t.Errorf("the stream arrived changed; the third host joined after %d octets", joined)
	}
	for k, st := range []*stream{s.newStream(s.b, c, v.at(3, 81), 1<<20), s.newStream(c, s.a, v.at(1, 82), 1<<20), s.newStream(c, s.b, v.at(2, 83), 1<<20)} {
		if s.finish(st); !bytes.Equal(st.got, st.data) {
			t.Errorf("stream %d arrived changed", k)
		}
	}
	for _, h := range s.l.Hosts() {
		for _, n := range h.CounterInfos() {
			if n.Value > 0 && (n.Name == "Icmp6InConflicts" || n.Name == "ArpInConflicts") {
				t.Errorf("%s has %d of %s", h.Name(), n.Value, n.Name)
			}
		}
	}
	s.check()
}
