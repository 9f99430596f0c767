package lab

import (
	"errors"
	"fmt"
	"testing"

	"smolsh/phy"
)

// partTaker is a device that accepts some frames and then returns an error.
type partTaker struct {
	phy.Device
	takes int
	err   error
}

func (d *partTaker) Send(frames []*phy.Frame) (int, error) { return d.takes, d.err }

// TestOffer offers three frames to a device, and checks the outcome by the number that it accepts and its error.
func TestOffer(t *testing.T) {
	other := errors.New("no buffer space")
	for _, c := range []struct {
		takes int
		err   error
		lost  int
		full  bool
	}{
		{3, nil, 0, false},
		{1, nil, 0, true},
		{0, nil, 0, true},
		{1, other, 1, false}, // the device may accept the third
		{3, other, 0, false},
		{1, phy.ErrDown, 2, false},
		{0, fmt.Errorf("e0: %w", phy.ErrClosed), 3, false},
	} {
		q := deviceQueue{dev: &partTaker{takes: c.takes, err: c.err}}
		for range 3 {
			q.out = append(q.out, phy.NewFrame(60))
		}
		taken, lost, err := q.offer()
		if taken != c.takes || lost != c.lost || err != c.err || q.full != c.full {
			t.Errorf("takes %d, %v: taken %d, lost %d, error %v, full %v", c.takes, c.err, taken, lost, err, q.full)
		}
		if q.shift(NewWorld(), taken+lost); len(q.out) != 3-taken-lost {
			t.Errorf("takes %d, %v: %d frames are left", c.takes, c.err, len(q.out))
		}
	}
}
