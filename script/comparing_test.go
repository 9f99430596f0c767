package script

import "testing"

// TestResultsCompare: the values of probes, events and timings are equal to themselves and differ from others, without a panic.
func TestResultsCompare(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunSource("test.star", `
events = []
w = on("tcp", events.append)
for make in [lambda: ping("192.168.69.100", count=1), lambda: ping("192.168.69.100", count=2, interval=0),
             lambda: arping("192.168.69.100", count=1), lambda: timeit(lambda: None, count=1)]:
    a = make()
    assert.true(a == a and not (a != a) and a != None)
assert.true(ping("192.168.69.100", count=1) != ping("192.168.69.100", count=2, interval=0))
tcp.connect("192.168.69.100:7")
sleep("1ms")
assert.true(events[0] == events[0] and events[0] != events[1])
`); err != nil {
		t.Error(s.err.String())
	}
}
