package gonet

import (
	"errors"
	"net/netip"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smolsh/stack/lab"
)

// TestStaleTimer: the timer of an earlier deadline, which fires while the deadline is put off, does not end the calls early, and the later
// deadline does.
func TestStaleTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var d deadline
		ends := 0
		expire := func() { ends++ }
		mu.Lock()
		d.set(time.Now().Add(time.Hour), &mu, expire)
		d.fire(expire) // as a timer does that has fired and waited for the lock
		mu.Unlock()
		time.Sleep(time.Minute)
		mu.Lock()
		if d.expired || ends != 0 {
			t.Error("the earlier timer has ended the calls")
		}
		mu.Unlock()
		time.Sleep(time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if !d.expired || ends != 1 {
			t.Errorf("expired %v, %d ends", d.expired, ends)
		}
	})
}

// TestAbandonedDialIsReset: a connection that is established when its dial ends otherwise is reset, so that its peer does not wait for it.
func TestAbandonedDialIsReset(t *testing.T) {
	w := lab.NewWorld()
	host, err := lab.New(w, 1).AddHost(lab.HostConfig{Name: "a", Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	runner := Drive(w)
	defer runner.Close()
	n := New(runner, host)
	l, err := n.Listen("tcp", "127.0.0.1:80")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := loopDial(t, n, "127.0.0.1:80")
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.abandon()
	s.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the peer reads %v", err)
	}
}

func loopDial(t *testing.T, n *Net, address string) *TCPConn {
	t.Helper()
	c, err := n.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return c.(*TCPConn)
}
