package script

import (
	"testing"

	"smolsh/stack/lab"
)

// onWall is a virtual Runner that claims to follow the wall clock. A session treats its host as a live one, while the
// test stays deterministic.
type onWall struct{ lab.Runner }

func (onWall) Virtual() bool { return false }

// Idle moves the world, and waits for wake where it has nothing left to do, as the wall clock's Runner does.
func (r onWall) Idle(wake <-chan struct{}) bool {
	if !r.Runner.Idle(wake) {
		<-wake
	}
	return true
}

// The end of a live session closes the connections of its servers. A close resets a connection with unread octets
// at once, so the server takes it off the very list that the session walks.
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
