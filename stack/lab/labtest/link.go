package labtest

import (
	"cmp"

	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/filter"
	"smolsh/stack/lab"
)

// LinkConfig is the delay, rate, queue, loss and MTU of a link.
type LinkConfig = lab.LinkConfig

// Rule is a fault: it chooses frames and says what becomes of them.
type Rule = fault.Rule

// An End is what a Link joins: a *Host or a *Switch.
type End interface {
	end() (*lab.Host, *lab.Switch)
}

// A Switch is a learning bridge.
type Switch struct{ sw *lab.Switch }

func (s *Switch) end() (*lab.Host, *lab.Switch) { return nil, s.sw }
func (h *Host) end() (*lab.Host, *lab.Switch)   { return h.host, nil }

// Switch makes a switch. Link joins hosts to it.
func (l *Lab) Switch(name string) *Switch {
	s := &Switch{}
	l.Do(func(clock.Instant) { s.sw = l.lab.Switch(name) })
	return s
}

// A Link joins two hosts, or a host and a switch.
type Link struct {
	l    *Lab
	link *lab.Link
	sw   *lab.Switch      // the switch at one end; nil if hosts are at both
	loss []*fault.Planned // rules for LinkConfig.Loss; the owner's
}

// Link joins a and b, of which at least one is a host. Each host gets an interface with its next address of each family. Without cfg the
// link has no delay, no bound of rate, and no loss. A second cfg ends the test.
func (l *Lab) Link(a, b End, cfg ...LinkConfig) *Link {
	l.t.Helper()
	var c LinkConfig
	switch len(cfg) {
	case 0:
	case 1:
		c = cfg[0]
	default:
		l.t.Fatalf("labtest: a link has one configuration for both directions, and got %d: Link.Fault adds rules for one direction", len(cfg))
	}
	ha, sa := a.end()
	hb, sb := b.end()
	k := &Link{l: l, sw: cmp.Or(sa, sb)}
	if ha == nil && hb == nil {
		l.t.Fatal("labtest: a link needs a host at one end")
	}
	l.must(func(clock.Instant) (err error) {
		switch {
		case sa != nil:
			k.link, err = sa.Attach(hb, c)
		case sb != nil:
			k.link, err = sb.Attach(ha, c)
		default:
			k.link, err = l.lab.Link(ha, hb, c)
		}
		if err != nil {
			return err
		}
		for _, e := range []End{a, b} {
			if h, ok := e.(*Host); ok {
				h.keepSilent()
			}
		}
		return k.set(c)
	})
	return k
}

// Set changes the link's configuration. Frames in transit arrive as they would have.
func (k *Link) Set(cfg LinkConfig) {
	k.l.t.Helper()
	k.l.must(func(clock.Instant) error { return k.set(cfg) })
}

// set configures the link. Its loss becomes a rule, which the run's plan can limit to single frames. The caller is the owner.
func (k *Link) set(cfg LinkConfig) error {
	loss := cfg.Loss
	if loss >= 0 && loss <= 1 {
		cfg.Loss = 0
	}
	if err := k.link.Set(cfg); err != nil {
		return err
	}
	for _, p := range k.loss {
		k.link.Faults().Remove(p.Rule)
	}
	if k.loss = nil; loss > 0 {
		k.loss = k.l.state(k.link.Faults(), &Rule{Name: "loss", Loss: loss})
	}
	return nil
}

// SetUp takes the link down, so that hosts see no carrier, or up again.
func (k *Link) SetUp(up bool) { k.l.Do(func(clock.Instant) { k.link.SetUp(up) }) }

// Stats returns the counters of both directions: from the first end to the second, and back. On the link of a switch the host is the first.
func (k *Link) Stats() (ab, ba lab.Flow) {
	k.l.Do(func(clock.Instant) { ab, ba = k.link.Stats() })
	return ab, ba
}

// Fault adds a rule for the frames that the end from sends on the link, for both directions if from is nil; r.Dir is ignored. A switch sends the
// frames of all other hosts. A rule
// without effects drops the frames that it chooses, so Rule{Match: Filter("tcp"), Nth: []int{3}} drops the third segment and nothing else. A
// Loss of 0 is no effect, so a test that varies the loss of chosen frames down to 0 sets Pass as well. A probability outside 0 to 1 and a negative
// time or count end the test. remove ends the rule and returns how many times its effects have hit a frame.
func (k *Link) Fault(from End, r Rule) (remove func() uint64) {
	k.l.t.Helper()
	if err := r.Check(); err != nil {
		k.l.t.Fatal(err)
	}
	var planned []*fault.Planned
	known := true
	r.Dir = fault.Both
	k.l.Do(func(clock.Instant) {
		if h, ok := from.(*Host); from != nil && !(ok && h == nil) {
			r.Dir, known = k.direction(from)
		}
		if !known {
			return
		}
		planned = k.l.state(k.link.Faults(), &r)
	})
	if !known {
		k.l.t.Fatalf("labtest: a host or switch that is at no end of the link sends no frame on it")
	}
	return func() (hits uint64) {
		k.l.Do(func(clock.Instant) {
			for _, p := range planned {
				k.link.Faults().Remove(p.Rule)
				hits += p.Rule.Hits
			}
		})
		return hits
	}
}

// direction returns the direction of the frames that an end sends, as the link's rules have it; ok is false if it is no end of the link. The
// caller is the owner.
func (k *Link) direction(from End) (dir fault.Dir, ok bool) {
	host, sw := from.end()
	a, b := k.link.Ports()
	switch {
	case sw != nil:
		return fault.RX, sw == k.sw
	case host == a.Host():
		return fault.TX, true
	}
	return fault.RX, b != nil && host == b.Host()
}

// Filter returns a Rule's Match for an expression of tcpdump, such as "tcp dst port 80 and tcp[tcpflags] & tcp-syn != 0". It panics if
// the expression is wrong.
func Filter(expr string) func(frame []byte, m phy.Medium) bool { return filter.MustCompile(expr).Match }
