package script

import (
	"errors"
	"math"
	"strings"
	"time"

	"go.starlark.net/starlark"

	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// optionalPattern compiles the argument of a name that is a pattern, nil for None.
func (c *call) optionalPattern(name string) (*packetvalue.Pattern, error) {
	v := arg[starlark.Value](c, name)
	if v == nil || v == starlark.None {
		return nil, nil
	}
	pt, err := packetvalue.NewPattern(environment{c.s}, v)
	if err != nil {
		return nil, c.errorf("%s: %v", name, err)
	}
	return pt, nil
}

// pending returns the arrivals after the one with a number. The caller must not change the slice.
// lost is the number of the latest arrival that was dropped unread.
func (v *stationValue) pending(after uint64) (list []lab.Arrival, lost uint64, closed bool) {
	v.do(func(clock.Instant) {
		for _, a := range v.st.Arrived() {
			if a.Number > after {
				list = append(list, a)
			}
		}
		lost, closed = v.st.LatestLost(), v.st.Closed()
	})
	return list, lost, closed
}

// A stationWait describes a wait for packets at a station.
type stationWait struct {
	after   uint64        // number of the latest arrival that does not count
	lost    uint64        // number of the latest arrival that may have been dropped unread
	timeout time.Duration // negative for none
}

// fromNow returns a wait for the packets in the queue and those that arrive, whatever was lost before.
func (v *stationValue) fromNow(timeout time.Duration) stationWait {
	_, lost, _ := v.pending(math.MaxUint64)
	return stationWait{lost: lost, timeout: timeout}
}

// errUnread is the error of a wait that could not see every packet.
var errUnread = errors.New("the station's queue was full, and packets were lost unread: recv() takes packets out of it")

// await waits until a packet is pending that arrived after the one with a number. A negative timeout means none.
func (v *stationValue) await(c *call, after uint64, timeout time.Duration) error {
	return c.t.Await(v.w, "packets at "+v.st.Name(), &v.st.Signal, timeout, func(clock.Instant) bool {
		list := v.st.Arrived()
		return len(list) > 0 && list[len(list)-1].Number > after || v.st.Closed()
	})
}

// each calls fn with each packet that has arrived or arrives within a time, the oldest first, until fn returns true. fn decides whether the packet is read
// (take) or stays. The error is task.ErrTimedOut after the time, and errUnread if the queue was full and fn could not see every packet.
func (v *stationValue) each(c *call, w stationWait, fn func(p *packetvalue.Value, take func()) (done bool, err error)) error {
	deadline, after := clock.Never, w.after
	if w.timeout >= 0 {
		v.do(func(now clock.Instant) { deadline = now.Add(w.timeout) })
	}
	for {
		list, lost, closed := v.pending(after)
		if closed {
			return errStationClosed
		}
		if lost > max(after, w.lost) {
			v.reported = lost
			return errUnread
		}
		for _, a := range list {
			if a.Time > deadline {
				return task.ErrTimedOut // packets that arrive faster than fn judges them must not keep the call going
			}
			after = a.Number
			p := v.value(a.Time, a.Frame, "rx")
			if done, err := fn(p, func() { v.take(a) }); done || err != nil {
				return err
			}
		}
		left := w.timeout
		if w.timeout >= 0 {
			left = v.timeLeft(deadline)
		}
		if err := v.await(c, after, left); err != nil {
			return err
		}
	}
}

// take removes an arrival from the queue. The numbers of the station's TCP ends follow it.
func (v *stationValue) take(a lab.Arrival) {
	v.do(func(clock.Instant) { v.st.Take(a.Number) })
	if len(v.ends) == 0 {
		return
	}
	p := dissected(a.Frame)
	for _, e := range v.ends {
		if e.tcp.Belongs(p) {
			e.last = e.tcp.Receive(p)
			return
		}
	}
}

// isBackground reports whether a packet is one that may come in between: ARP, IGMP, or an ICMPv6 message of MLD or neighbour discovery.
func isBackground(p *packetvalue.Value) bool {
	built, err := p.Built()
	if err != nil {
		return false
	}
	for _, l := range built.Layers {
		switch {
		case l.Protocol == packet.ARP, l.Protocol == packet.IGMP:
			return true
		case l.Protocol.Is(packet.ICMPv6):
			typ, ok := l.Uint(l.Protocol.Field("type"))
			t := wire.ICMPv6Type(typ)
			return ok && (t.IsND() || t.IsMLD())
		}
	}
	return false
}

func stationRecv(c *call) (starlark.Value, error) {
	v := c.recv.(*stationValue)
	pt, err := c.optionalPattern("filter")
	if err != nil {
		return nil, err
	}
	var got *packetvalue.Value
	err = v.each(c, stationWait{lost: math.MaxUint64, timeout: timeoutOf(c)}, func(p *packetvalue.Value, take func()) (bool, error) {
		take()
		ok, err := true, error(nil)
		if pt != nil {
			ok, err = pt.Match(p)
		}
		if ok {
			got = p
		}
		return ok, err
	})
	if err != nil {
		return nil, failed(c.t, "recv", v.st.Name(), err)
	}
	return got, nil
}

// awaited is what a wait for a packet has seen.
type awaited struct {
	between int // packets that came in between
	last    *packetvalue.Value
}

// timedOut returns the error of a wait for a packet after its time.
func (e *awaited) timedOut(c *call, within time.Duration) error {
	if e.between == 0 {
		return c.errorf("nothing has arrived within %s", shortDuration(within))
	}
	return c.errorf("nothing else has arrived within %s than %d packets that may come in between, the last: %s", shortDuration(within), e.between, e.last)
}

func stationExpect(c *call) (starlark.Value, error) {
	v, within := c.recv.(*stationValue), arg[time.Duration](c, "within")
	want, err := c.pattern()
	if err != nil {
		return nil, err
	}
	skip, err := c.optionalPattern("skip")
	if err != nil {
		return nil, err
	}
	var seen awaited
	var got *packetvalue.Value
	err = v.each(c, v.fromNow(within), func(p *packetvalue.Value, take func()) (bool, error) {
		take()
		ok, err := want.Match(p)
		if err != nil || ok {
			got = p
			return true, err
		}
		between := isBackground(p)
		if !between && skip != nil {
			between, err = skip.Match(p)
		}
		if err != nil {
			return true, err
		}
		if !between {
			return true, c.errorf("%s\nis another packet: %s", p, strings.Join(packetvalue.Differences(want, p), "; "))
		}
		seen.between, seen.last = seen.between+1, p
		return false, nil
	})
	switch {
	case err == task.ErrTimedOut:
		return nil, seen.timedOut(c, within)
	case err == errStationClosed, err == errUnread:
		return nil, c.errorf("%v", err)
	case err != nil:
		return nil, err
	}
	return got, nil
}

func stationExpectNone(c *call) (starlark.Value, error) {
	v := c.recv.(*stationValue)
	pt, err := c.optionalPattern("pattern")
	if err != nil {
		return nil, err
	}
	err = v.each(c, v.forNone(c), func(p *packetvalue.Value, take func()) (bool, error) {
		hit, err := !isBackground(p), error(nil)
		if pt != nil {
			hit, err = pt.Match(p)
		}
		if hit && err == nil {
			take()
			return true, c.errorf("a packet has arrived: %s", p)
		}
		return false, err
	})
	switch err {
	case task.ErrTimedOut:
		return starlark.None, nil
	case errStationClosed, errUnread:
		return nil, c.errorf("%v", err)
	}
	return starlark.None, err
}

// forNone returns the wait of a call that fails if a packet has arrived. A packet that was lost before the call may have been such a one, unless an
// earlier call has failed for it.
func (v *stationValue) forNone(c *call) stationWait {
	return stationWait{lost: v.reported, timeout: arg[time.Duration](c, "within")}
}

// stationAsk sends a packet and waits for its answer. Other packets stay in the queue.
func stationAsk(c *call) (starlark.Value, error) {
	v := c.recv.(*stationValue)
	p, err := c.packetArg("packet")
	if err != nil {
		return nil, err
	}
	var after uint64 // number of the latest arrival when the packet first left
	for try := 0; try <= arg[int](c, "retry"); try++ {
		sent, latest, err := v.transmit(c, p)
		if err != nil {
			return nil, err
		}
		if try == 0 {
			after, p = latest, sent // which is sent again, so that an answer to any of them is found
		}
		query, err := sent.Built()
		if err != nil {
			return nil, c.errorf("%v", err)
		}
		var answer *packetvalue.Value
		err = v.each(c, stationWait{after: after, lost: after, timeout: arg[time.Duration](c, "timeout")}, func(p *packetvalue.Value, take func()) (bool, error) {
			got, err := p.Built()
			if err != nil || !got.Answers(query) {
				return false, nil
			}
			take()
			answer = p
			return true, nil
		})
		switch err {
		case nil:
			return answer, nil
		case task.ErrTimedOut:
		case errStationClosed, errUnread:
			return nil, c.errorf("%v", err)
		default:
			return nil, err
		}
	}
	return starlark.None, nil
}
