package gonet_test

import (
	"errors"
	"io"
	"syscall"
	"testing"
	"time"

	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// TestEnded: the end of a connection is seen though nobody reads it, and the calls still return the octets and the reason.
func TestEnded(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{})
	a, b := p.connect(t, "tcp4")
	_, _ = b.Write([]byte("x"))
	if _, err := io.ReadFull(a, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, _ = b.Write([]byte("y"))
	for limit := time.Now().Add(10 * time.Second); b.Unacknowledged() > 0 && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	if a.Ended() || b.Ended() {
		t.Error("a connection has ended that has not")
	}
	_ = b.SetLinger(0)
	b.Close()
	over := func(c *gonet.TCPConn) {
		t.Helper()
		for limit := time.Now().Add(10 * time.Second); !c.Ended(); time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatal("the connection has not ended")
			}
		}
	}
	over(a)
	over(b)
	if got, err := io.ReadAll(a); string(got) != "y" || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("Read returned %q, %v", got, err)
	}
	a.Close()
}
