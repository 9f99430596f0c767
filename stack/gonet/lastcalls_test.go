package gonet

import (
	"net/netip"
	"slices"
	"testing"

	"smolsh/stack/clock"
	"smolsh/stack/lab"
)

// TestLastCalls: a call that posts, in the Driver's last turn or after the Driver has ended, does not wait for itself, and neither does a
// socket that such a call closes.
func TestLastCalls(t *testing.T) {
	w := lab.NewWorld()
	host, err := lab.New(w, 1).AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	d := Drive(w)
	n := New(d, host)
	listener, err := n.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	socket, err := n.ListenPacket("udp", ":53")
	if err != nil {
		t.Fatal(err)
	}
	var got []int
	note := func(k int) func(clock.Instant) { return func(clock.Instant) { got = append(got, k) } }
	busy, release := make(chan struct{}), make(chan struct{})
	d.Post(func(clock.Instant) {
		close(busy)
		<-release
		listener.Close()
		d.Post(note(1))
	})
	<-busy
	closed := make(chan struct{})
	go func() { d.Close(); close(closed) }()
	for done := false; !done; {
		d.mu.Lock()
		done = d.closed
		d.mu.Unlock()
	}
	close(release)
	<-closed
	d.Do(func(now clock.Instant) {
		d.Post(func(now clock.Instant) { note(3)(now); d.Post(note(4)) })
		socket.Close()
		note(2)(now)
	})
	if !slices.Equal(got, []int{1, 2, 3, 4}) {
		t.Errorf("ran %v", got)
	}
	if rest := len(host.SocketInfos(w.Now())); rest != 0 {
		t.Errorf("%d sockets left", rest)
	}
	d.Post(func(clock.Instant) {}) // a panic must not leave the world to nobody
	func() {
		defer func() { recover() }()
		d.Post(func(clock.Instant) { panic("posted") })
	}()
	d.Do(note(5))
	if got[len(got)-1] != 5 {
		t.Error("no call runs after a panic")
	}
}
