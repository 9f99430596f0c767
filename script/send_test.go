package script

import (
	"testing"
	"time"

	"smolsh/script/packetvalue"
	"smolsh/script/task"
	"smolsh/stack/clock"
)

// TestEndedSendChangesNothing: when a call has ended, by an interrupt or an error, the owner writes none of the sender's fields any more, which
// the call then reads on the task's goroutine, although packets still wait for neighbours.
func TestEndedSendChangesNothing(t *testing.T) {
	for name, given := range map[string]string{
		"packet": `p = IP(dst="192.168.69.9")/UDP(dport=9)`,
		"frame":  `p = Ether()/IP(dst="192.168.69.9")/UDP(dport=9)`,
	} {
		t.Run(name, func(t *testing.T) {
			for _, asks := range []bool{false, true} {
				endWhileWaiting(t, given, asks, true)
				endWhileWaiting(t, given, asks, false)
			}
		})
	}
}

// endWhileWaiting sends two packets to a neighbour that does not answer, ends the wait after a second, and compares the sender's fields with those
// that it has when the neighbour has failed. A sender that asks records such a failure with the packet.
func endWhileWaiting(t *testing.T, given string, asks, interrupts bool) {
	t.Helper()
	s := newSim(t, 1)
	if err := s.RunCommand(given); err != nil {
		t.Fatal(s.err.String())
	}
	c := &call{s: s.Session, t: s.main, b: s.reg.ByName["fragment"]} // a builtin that fills packets in, without dev=
	p := s.globals["p"].(*packetvalue.Value)
	snd, err := c.senderOf([]*packetvalue.Value{p, p})
	if err != nil {
		t.Fatal(err)
	}
	if snd.filling.unclaimed(); asks {
		snd.dead = map[hopKey]error{}
	}
	var want error
	end := func(clock.Instant) {
		snd.fail = task.ErrCanceled
		snd.signal.Fire()
	}
	if interrupts {
		want = task.ErrInterrupted
		end = func(clock.Instant) { s.InterruptCall() }
	}
	s.tasks.Do(snd.h.w, func(now clock.Instant) { snd.h.w.World().At(now.Add(time.Second), end) })
	err = snd.await("the test", func(now clock.Instant) bool {
		snd.step(now)
		return snd.fail != nil || snd.idle()
	}, snd.untilDue)
	if err != want {
		t.Fatalf("%v, want %v", err, want)
	}
	before := *snd
	s.tasks.Begin()
	if err := s.RunCommand("sleep(10)"); err != nil {
		t.Fatal(s.err.String())
	}
	if snd.fail != before.fail || snd.left != before.left || snd.lost != before.lost || snd.waiting != before.waiting ||
		snd.next != before.next || snd.resolving != before.resolving || snd.probes[0].lost != nil {
		t.Errorf("asks %t, interrupted %t: changed from %+v to %+v", asks, interrupts, before, *snd)
	}
}
