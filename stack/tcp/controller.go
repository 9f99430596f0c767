package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Window is the state that a congestion controller changes, in octets.
type Window struct {
	Cwnd, Ssthresh int
	MSS            int // the sender's maximum segment size (SMSS)
	Acked          int // octets acknowledged that count towards cwnd's next growth
}

// Acked describes an acknowledgement for a controller.
type Acked struct {
	Octets   int           // octets newly acknowledged
	RTT      time.Duration // round trip of a just delivered segment that was sent once; 0 if there is none
	SRTT     time.Duration
	Repair   bool     // true until everything in flight at a timeout is acknowledged
	Paced    bool     // true if the window is spread over the round trip
	Una, Nxt wire.Seq // SND.UNA, and SND.NXT, where the next round begins
}

// Controller decides how the congestion window responds to acknowledgements and losses. The connection itself inflates
// the window during recovery. A Controller serves one connection. It computes with integers and gets the time as an
// argument, so that a run repeats exactly on every machine.
type Controller interface {
	// Acked is called for each acknowledgement outside of recovery while cwnd is the limit.
	Acked(now clock.Instant, w *Window, a *Acked)
	// Lost is called when a loss is found other than by a timeout. It sets Ssthresh. flight is the number of octets in
	// flight.
	Lost(now clock.Instant, w *Window, flight int)
	// TimedOut is called for the first timeout of a segment. It sets Ssthresh and Cwnd.
	TimedOut(now clock.Instant, w *Window, flight int)
	// Undone is called when the loss or timeout reported last turns out to be spurious. The connection restores the
	// window.
	Undone(w *Window)
	// Idle is called when data is sent after nothing was in flight for the duration d.
	Idle(d time.Duration)
}

// Algorithm names a congestion controller.
type Algorithm uint8

// The algorithms.
const (
	CUBIC   Algorithm = iota // RFC 9438, with HyStart++ (RFC 9406); the default
	NewReno                  // RFC 5681

	numAlgorithms
)

var algorithmNames = [numAlgorithms]string{"cubic", "newreno"}

// String returns the name that the option congestion= accepts and sockets() shows.
func (a Algorithm) String() string {
	if a >= numAlgorithms {
		return "unknown"
	}
	return algorithmNames[a]
}

// ParseAlgorithm returns the algorithm called name. ok is false if there is none.
func ParseAlgorithm(name string) (a Algorithm, ok bool) {
	for a := range numAlgorithms {
		if algorithmNames[a] == name {
			return a, true
		}
	}
	return 0, false
}

func (a Algorithm) controller() Controller {
	if a == NewReno {
		return reno{}
	}
	return newCubic()
}

// slowStart returns the octets that an acknowledgement adds to cwnd in slow start, by byte counting with L of two segments
// (RFC 3465 §2.2). After a timeout L is one segment, since an ACK also covers octets that were delivered before (RFC 3465 §2.3).
func (a *Acked) slowStart(mss int) int {
	if a.Repair {
		return min(a.Octets, mss)
	}
	return min(a.Octets, 2*mss)
}
