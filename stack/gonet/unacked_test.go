package gonet_test

import (
	"io"
	"testing"
	"time"

	"smolsh/stack/lab"
)

// TestUnacknowledged: octets on the way count until the peer has acknowledged them, and none count after the connection's end.
func TestUnacknowledged(t *testing.T) {
	p := newPair(t, drive, lab.LinkConfig{Delay: 100 * time.Millisecond})
	a, b := p.connect(t, "tcp4")
	if _, err := a.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if n := a.Unacknowledged(); n != 1000 {
		t.Errorf("%d octets are unacknowledged, want 1000", n)
	}
	if _, err := io.ReadFull(b, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(10 * time.Second); a.Unacknowledged() > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the octets stay unacknowledged")
		}
	}
	_, _ = a.Write(make([]byte, 10))
	_ = a.SetLinger(0)
	a.Close()
	if n := a.Unacknowledged(); n != 0 {
		t.Errorf("%d octets are unacknowledged after the reset", n)
	}
	b.Close()
}
