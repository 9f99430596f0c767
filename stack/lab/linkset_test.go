package lab

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// TestChangesKeepOrder: whatever is set on a link without jitter, the link delivers its frames in order, none early,
// and counts each.
func TestChangesKeepOrder(t *testing.T) {
	for seed := range uint64(50) {
		s := newScene(t, seed, LinkConfig{Delay: time.Millisecond})
		ua, ub := s.bindUDP(s.a, 1000), s.bindUDP(s.b, 2000)
		s.sendUDP(ua, "\x00\x00\x00\x00", "10.0.0.2:2000")
		s.await(ub)
		rng := rand.New(rand.NewPCG(seed, 1))
		last := uint32(0)
		receive := func() {
			for got := recvUDP(ub); got != ""; got = recvUDP(ub) {
				if n := binary.BigEndian.Uint32([]byte(got)); n <= last {
					t.Fatalf("seed %d: datagram %d arrived after %d", seed, n, last)
				} else {
					last = n
				}
			}
		}
		for n := uint32(1); n <= 500; n++ {
			if rng.IntN(5) == 0 {
				cfg := LinkConfig{Delay: time.Duration(rng.IntN(20)) * time.Millisecond, Queue: 1 + rng.IntN(10)}
				if rng.IntN(2) == 0 {
					cfg.RateBps = 1000 << rng.IntN(14)
				}
				if err := s.k.Set(cfg); err != nil {
					t.Fatal(err)
				}
				if got := s.k.Config(); got.Delay != cfg.Delay || got.RateBps != cfg.RateBps || got.Queue != cfg.Queue || got.MTU != 1500 {
					t.Fatalf("set %+v, got %+v", cfg, got)
				}
			}
			s.sendUDP(ua, string(binary.BigEndian.AppendUint32(nil, n)), "10.0.0.2:2000")
			s.runFor(time.Duration(rng.IntN(3000)) * time.Microsecond)
			receive()
		}
		s.runFor(time.Minute)
		receive()
		s.check()
		if ab, ba := s.k.Stats(); ab.InFlight+ba.InFlight != 0 {
			t.Errorf("seed %d: %d frames are in transit", seed, ab.InFlight+ba.InFlight)
		}
		if ab, ba := s.k.Queued(s.w.Now()); ab+ba != 0 {
			t.Errorf("seed %d: %d frames are queued", seed, ab+ba)
		}
	}
}

// TestCarrierOfASwitchsLink: a switch forgets the stations on a link that goes down.
func TestCarrierOfASwitchsLink(t *testing.T) {
	s := newScene(t, 1, LinkConfig{})
	sw := s.l.Switch("s")
	c, d := addHost(t, s.l, "c", "10.1.0.1/24"), addHost(t, s.l, "d", "10.1.0.2/24")
	k, err := sw.Attach(c, LinkConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sw.Attach(d, LinkConfig{}); err != nil {
		t.Fatal(err)
	}
	s.runFor(time.Second)
	if n := len(sw.Stations(s.w.Now())); n != 2 {
		t.Fatalf("%d stations", n)
	}
	k.SetUp(false)
	if st := sw.Stations(s.w.Now()); len(st) != 1 || st[0].Port.Name() != "d" || c.IfaceInfos()[0].State != "NO-CARRIER" || d.IfaceInfos()[0].State != "UP" {
		t.Errorf("stations %v, c is %s, d is %s", st, c.IfaceInfos()[0].State, d.IfaceInfos()[0].State)
	}
	k.SetUp(true)
	s.runFor(time.Second)
	if n := len(sw.Stations(s.w.Now())); n != 2 { // c announces its address
		t.Errorf("%d stations", n)
	}
}
