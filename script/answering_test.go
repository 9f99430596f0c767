package script

import (
	"strings"
	"testing"
)

// TestAnsweringGoesOn: a function that fails is reported once for each kind of error, and answers the next packet again, since any peer may
// send what makes it fail. It may not wait. A pattern's function that fails ends it.
func TestAnsweringGoesOn(t *testing.T) {
	s := newSim(t, 1)
	if err := s.RunCommand(`
a = peer.answering(UDP, lambda p: p.dns.id)
b = peer.answering(UDP, lambda p: sleep(1))
c = peer.answering(lambda p: p.nothing, lambda p: None)
d = peer.answering(UDP, lambda p: "text")
e = peer.answering(UDP, lambda p: [1])
def forever(p):
    for i in range(1000000):
        pass
f = peer.answering(UDP, forever)
handlers = [a, b, d, e, f]
ended = spawn(lambda: catch(c.task.join).error)
sleep(0)
v6 = ":" in "192.168.69.100"
for _ in range(3):
    send((IPv6 if v6 else IP)(dst="192.168.69.100")/UDP(dport=9))
    sleep("1ms")
for want, h in zip(["no .id field", "neither wait nor reach", "got string", "element 0 is an int", "steps"], handlers):
    assert.contains(h.error, want)
    assert.eq((h.failed, bool(h)), (3, True))
assert.contains(ended.join(), "nothing")
assert.eq(bool(c), False)
[h.off() for h in handlers]
`); err != nil {
		t.Fatal(s.err.String())
	}
	for _, want := range []string{"no .id field", "neither wait nor reach", "got string", "element 0 is an int", "steps"} {
		if n := strings.Count(s.err.String(), want); n != 1 {
			t.Errorf("%q is said %d times:\n%s", want, n, s.err.String())
		}
	}
}
