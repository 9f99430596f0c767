package script

import (
	"testing"

	"smolsh/stack/lab"
)

// onWall is a virtual Runner that claims to follow the wall clock. A session treats its host as a live one, while the
// test stays deterministic.
type onWall struct{ lab.Runner }

func (onWall) Virtual() bool { return false }

// TestHangUpWithUnreadOctets: the end of a live session closes the connections of its servers. Closing a connection
// with unread octets resets it at once. The server then removes it from the same list over which the session iterates.
func TestHangUpWithUnreadOctets(t *testing.T) {
	for _, handler := range []string{"echo", "chargen", "lambda c: sleep(1000)"} {
		s := newSim(t, 1)
		s.home.Runner = onWall{s.home.Runner}
		s.virt = nil
		err := s.RunSource("test.star", `
s = serve("tcp", 7, `+handler+`)
clients = [peer.tcp.connect("192.168.69.1:7") for _ in range(5)]
for c in clients:
    catch(c.source, timeout="100ms")
`)
		if err != nil {
			t.Fatalf("%s: %v: %s", handler, err, s.err.String())
		}
	}
}
