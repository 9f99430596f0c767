package lab

import (
	"encoding/json"
	"math/rand/v2"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack/tcp"
)

// plan is one run of a campaign: two hosts, the network between them, the faults of the client's link until it heals, and the actions of both
// applications. A seed determines a plan, and only the plan determines a run, so that a plan that fails can be made smaller and
// kept.
type plan struct {
	Seed     uint64        // seeds the lab, the streams' octets and the applications
	Link     linkPlan      // the client's link
	Net      netPlan       `json:",omitzero"`
	Faults   []faultPlan   `json:",omitempty"`
	Flaps    []span        `json:",omitempty"` // times at which the link carries nothing, and the hosts are not told
	Heal     time.Duration // time from which on there are no faults
	Together bool          `json:",omitempty"` // both ends open at once (RFC 9293 §3.5, figure 7)
	Ends     [2]endPlan    // the client, then the server
	Changes  []changePlan  `json:",omitempty"`
}

// span is a period of time.
type span struct{ From, For time.Duration }

// linkPlan is a LinkConfig in the JSON form of a plan.
type linkPlan struct {
	MTU     int           `json:",omitempty"`
	Delay   time.Duration `json:",omitempty"`
	Jitter  time.Duration `json:",omitempty"`
	RateBps uint64        `json:",omitempty"`
	Queue   int           `json:",omitempty"`
	Offload bool          `json:",omitempty"`
	Loss    float64       `json:",omitempty"` // probability of loss until Heal; with Offload whole super-segments are lost
}

// faultPlan is a rule on the link, and the time for which it is in force.
type faultPlan struct {
	span
	Dir                               fault.Dir     `json:",omitempty"`
	Loss, Duplicate, Reorder, Corrupt float64       `json:",omitempty"`
	Hold, Delay, Jitter               time.Duration `json:",omitempty"`
	ECN                               bool          `json:",omitempty"` // marks packets where possible, rather than drop them
}

// endPlan is one end: its connection's options, and its application.
type endPlan struct {
	options
	Octets    int           // total number written
	Chunk     int           `json:",omitempty"` // maximum per write, drawn at random; 0: all that have room
	Pause     time.Duration `json:",omitempty"` // maximum after each write
	ReadChunk int           `json:",omitempty"` // maximum per read, drawn at random; 0: all that are there
	ReadPause time.Duration `json:",omitempty"` // maximum after each read
	Turn      int           `json:",omitempty"` // octets of one request or response; 0: both ends write independently
	Last      bool          `json:",omitempty"` // shuts down only after the peer has
	Abort     int           `json:",omitempty"` // aborts after so many octets written and read
	Rude      bool          `json:",omitempty"` // closes rather than aborts then, even with unread data
}

// options are the fields of a tcp.Config that campaigns choose.
type options struct {
	SendBuffer, RecvBuffer        int           `json:",omitempty"`
	MSS, InitialWindow            int           `json:",omitempty"`
	NoDelay, NoTimestamps, NoSACK bool          `json:",omitempty"`
	NoPacing                      bool          `json:",omitempty"`
	Log                           int           `json:",omitempty"`
	DelayedAck, TimeWait          time.Duration `json:",omitempty"`
	KeepAlive                     time.Duration `json:",omitempty"`
	Congestion                    tcp.Algorithm `json:",omitempty"`
	ECN                           tcp.ECN       `json:",omitempty"`
}

func (o *options) config() tcp.Config {
	c := tcp.Config{
		SendBuffer: o.SendBuffer, RecvBuffer: o.RecvBuffer, MSS: o.MSS, InitialWindow: o.InitialWindow,
		NoDelay: o.NoDelay, NoTimestamps: o.NoTimestamps, NoSACK: o.NoSACK, DelayedAck: o.DelayedAck,
		TimeWait: o.TimeWait, KeepAlive: o.KeepAlive, Congestion: o.Congestion, NoPacing: o.NoPacing, Log: o.Log, ECN: o.ECN,
		OrphanRetries: 1000, // a reader may be slow even after the writer has closed
	}
	if c.KeepAlive > 0 {
		c.KeepAliveMax = 10_000 // an outage must not end the connection
	}
	return c
}

// changePlan changes the options of one end's connection.
type changePlan struct {
	At                     time.Duration
	End                    int  `json:",omitempty"`
	SendBuffer, RecvBuffer int  `json:",omitempty"`
	NoDelay                bool `json:",omitempty"`
	DelayedAck             time.Duration
}

func (p *plan) String() string {
	b, err := json.Marshal(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// rude reports whether an end closes without waiting for the other.
func (p *plan) rude() bool { return p.Ends[0].Abort > 0 || p.Ends[1].Abort > 0 }

// dice draws the parts of a plan.
type dice struct{ *rand.Rand }

func (d dice) in(n int) bool { return d.IntN(n) == 0 }

func pick[T any](d dice, from ...T) T { return from[d.IntN(len(from))] }

// upTo returns a random duration of at most the argument most. Short durations are more likely.
func (d dice) upTo(most time.Duration) time.Duration {
	f := d.Float64()
	return time.Duration(f * f * float64(most)).Round(time.Microsecond)
}

// size returns a random number between 1 and the argument most. Each order of magnitude has the same probability.
func (d dice) size(most int) int {
	n := 1
	for n < most && !d.in(8) {
		n *= 3
	}
	return min(most, 1+d.IntN(n)+n/2)
}

func (d dice) chance(most float64) float64 {
	return float64(d.IntN(int(most*1000))+1) / 1000
}

// newPlan draws a plan from a seed.
func newPlan(seed uint64) *plan {
	d := dice{rand.New(rand.NewPCG(seed, 0x63616d70))}
	p := &plan{Seed: seed, Link: d.link(), Heal: time.Second + d.upTo(29*time.Second)}
	if d.in(8) {
		p.Link.Loss = d.chance(0.2)
	}
	for range d.IntN(4) {
		p.Faults = append(p.Faults, d.fault(p.Heal))
	}
	if d.in(4) {
		p.Faults = append(p.Faults, faultPlan{span: span{0, p.Heal}, Corrupt: d.chance(0.1)})
	}
	if d.in(4) { // a delay spike
		p.Faults = append(p.Faults, faultPlan{span: d.span(p.Heal), Dir: pick(d, fault.Both, fault.RX, fault.TX),
			Delay: d.upTo(3 * time.Second)})
	}
	for d.in(4) && len(p.Flaps) < 3 {
		p.Flaps = append(p.Flaps, d.span(p.Heal))
	}
	p.Together = d.in(20)
	d.applications(p)
	for d.in(3) && len(p.Changes) < 5 {
		p.Changes = append(p.Changes, changePlan{
			At: d.upTo(p.Heal), End: d.IntN(2), SendBuffer: d.buffer(), RecvBuffer: d.buffer(), NoDelay: d.in(2), DelayedAck: d.delayedAck(),
		})
	}
	dice{rand.New(rand.NewPCG(seed, 0x6e6574))}.net(p)
	p.bound()
	return p
}

func (d dice) link() linkPlan {
	k := linkPlan{
		MTU:   pick(d, 1500, 1500, 1500, 1500, 9000, 1280, 1006, 576, 296, 65535),
		Delay: d.upTo(300 * time.Millisecond),
	}
	if d.in(3) {
		k.Jitter = min(k.Delay, d.upTo(50*time.Millisecond))
	}
	if d.in(2) {
		k.RateBps = uint64(pick(d, 64_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000))
		k.Queue = pick(d, 0, 1, 3, 10, 50, 1000)
	}
	k.Offload = d.in(4)
	return k
}

func (d dice) fault(heal time.Duration) faultPlan {
	f := faultPlan{span: span{0, heal}, Dir: pick(d, fault.Both, fault.Both, fault.RX, fault.TX)}
	if d.in(3) {
		f.span = d.span(heal)
	}
	if d.in(2) {
		f.Loss = d.chance(pick(d, 0.02, 0.1, 0.4))
	}
	if d.in(3) {
		f.Duplicate = d.chance(pick(d, 0.05, 0.5))
	}
	if d.in(3) {
		f.Reorder, f.Hold = d.chance(pick(d, 0.05, 0.5)), d.upTo(200*time.Millisecond)
	}
	if d.in(6) {
		f.Jitter = d.upTo(100 * time.Millisecond)
	}
	f.ECN = d.in(3)
	return f
}

func (d dice) span(within time.Duration) span {
	from := d.upTo(within)
	return span{from, min(within-from, d.upTo(10*time.Second))}
}

func (d dice) buffer() int { return pick(d, 0, 0, 64, 100, 700, 3000, 20_000, 65_535, 300_000) }

func (d dice) delayedAck() time.Duration {
	return pick(d, 0, 0, -1, 200*time.Millisecond, 500*time.Millisecond)
}

func (d dice) options() options {
	c := options{
		NoDelay: d.in(2), NoTimestamps: d.in(4), NoSACK: d.in(4), DelayedAck: d.delayedAck(),
		Congestion: pick(d, tcp.CUBIC, tcp.NewReno), TimeWait: pick(d, 0, -1, time.Second),
		NoPacing: d.in(4), Log: pick(d, 0, 0, 20), ECN: pick(d, tcp.ECNAccept, tcp.ECNRequest, tcp.ECNRequest, tcp.ECNRefuse),
	}
	if d.in(2) {
		c.SendBuffer, c.RecvBuffer = d.buffer(), d.buffer()
	}
	if d.in(6) {
		c.MSS = pick(d, 48, 216, 536, 1000)
	}
	if d.in(6) {
		c.InitialWindow = pick(d, 1, 2, 100)
	}
	if d.in(6) {
		c.KeepAlive = d.upTo(5*time.Second) + 50*time.Millisecond
	}
	return c
}

// applications draws the actions of both applications.
func (d dice) applications(p *plan) {
	for i := range p.Ends {
		e := &p.Ends[i]
		*e = endPlan{options: d.options(), Octets: d.size(300_000)}
		if d.in(3) {
			e.Chunk = d.size(10_000)
		}
		if d.in(3) {
			e.Pause = d.upTo(500 * time.Millisecond)
		}
		if d.in(3) {
			e.ReadChunk = d.size(10_000)
		}
		if d.in(3) {
			e.ReadPause = d.upTo(500 * time.Millisecond)
		}
	}
	a, b := &p.Ends[0], &p.Ends[1]
	switch d.IntN(5) {
	case 0: // one end sends all data
		b.Octets = 0
	case 1:
		a.Octets = 0
	case 2: // request and response
		n := 1 + d.IntN(50)
		a.Turn, b.Turn = d.size(3000), d.size(10_000)
		a.Octets, b.Octets = n*a.Turn, n*b.Turn
	}
	if d.in(2) { // draws which end closes after the other, if any
		pick(d, a, b).Last = true
	}
	if d.in(10) {
		e := pick(d, a, b)
		e.Abort, e.Rude = 1+d.IntN(1+a.Octets+b.Octets), d.in(2)
	}
}

// bound limits a plan's run: it has no millions of segments, and lasts no weeks.
func (p *plan) bound() {
	narrow := 1 << 20
	for _, e := range p.Ends {
		for _, n := range []int{e.SendBuffer, e.RecvBuffer, e.MSS} {
			if n > 0 {
				narrow = min(narrow, n)
			}
		}
	}
	for _, c := range p.Changes {
		for _, n := range []int{c.SendBuffer, c.RecvBuffer} {
			if n > 0 {
				narrow = min(narrow, n)
			}
		}
	}
	turns := p.Ends[0].Turn > 0
	for i := range p.Ends {
		e := &p.Ends[i]
		if turns {
			n := max(1, min(e.Octets/e.Turn, 1000*narrow/(p.Ends[0].Turn+p.Ends[1].Turn)))
			p.Ends[0].Octets, p.Ends[1].Octets = n*p.Ends[0].Turn, n*p.Ends[1].Turn
		} else {
			e.Octets = min(e.Octets, 500*narrow)
		}
		if e.Chunk > 0 { // at most a thousand pauses
			e.Chunk = max(e.Chunk, e.Octets/500)
		}
		if peer := &p.Ends[1-i]; e.ReadChunk > 0 {
			e.ReadChunk = max(e.ReadChunk, peer.Octets/500)
		}
	}
}

// patience returns the time after the healing in which both ends must finish.
func (p *plan) patience() time.Duration {
	d := 15 * time.Minute // back-off of half an hour at worst, new ARP requests, TIME-WAIT
	for i, e := range p.Ends {
		peer := &p.Ends[1-i]
		steps := time.Duration(1000)
		if e.Turn > 0 {
			steps += time.Duration(e.Octets/e.Turn) * 2
		}
		d += steps * (e.Pause + e.ReadPause)
		d += steps * 2 * (p.Link.Delay + p.Link.Jitter + p.Net.Beyond.Delay + 500*time.Millisecond)
		for _, rate := range []uint64{p.Link.RateBps, p.Net.Beyond.RateBps} {
			if rate > 0 {
				d += time.Duration(float64(e.Octets+peer.Octets) * 80 / float64(rate) * float64(time.Second))
			}
		}
	}
	return d
}
