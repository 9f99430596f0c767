package tcp

import (
	"time"

	"smolsh/stack/clock"
	"smolsh/stack/wire"
)

// Window is what a congestion controller controls, in octets.
type Window struct {
	Cwnd, Ssthresh int
	MSS            int // the sender's maximum segment size (SMSS)
	Acked          int // a controller's remainder: octets acknowledged that have not made cwnd grow yet
}

// Acked is what an acknowledgement tells a controller.
type Acked struct {
	Octets   int           // newly acknowledged
	RTT      time.Duration // of something that was sent once and has just arrived; 0: nothing tells
	SRTT     time.Duration
	Repair   bool     // what was out at a timeout is not acknowledged yet
	Paced    bool     // what the window lets out at once is spread over the round trip
	Una, Nxt wire.Seq // SND.UNA now and SND.NXT: what is sent from here on is acknowledged a round later
}

// Controller decides how the congestion window answers to acknowledgements and losses. It is told
// only what concerns it: the window's inflation while lost segments are repaired is the connection's
// business. A Controller serves one connection; time and arithmetic come in as integers, so that
// every machine repeats a run.
type Controller interface {
	// Acked is called for what is acknowledged outside recovery, when the window was the limit.
	Acked(now clock.Instant, w *Window, a *Acked)
	// Lost is called when a loss is found other than by a timeout; it sets Ssthresh. flight is what was out.
	Lost(now clock.Instant, w *Window, flight int)
	// TimedOut is called for the first timeout of a segment; it sets Ssthresh and Cwnd.
	TimedOut(now clock.Instant, w *Window, flight int)
	// Undone is called when the last Lost or TimedOut has turned out a mistake. The window is restored by the
	// connection.
	Undone(w *Window)
	// Idle is called when data goes again after nothing was on its way for so long.
	Idle(d time.Duration)
}

// Algorithm is a congestion controller by name.
type Algorithm uint8

// The algorithms.
const (
	CUBIC   Algorithm = iota // RFC 9438, with HyStart++ (RFC 9406); the default
	NewReno                  // RFC 5681

	numAlgorithms
)

var algorithmNames = [numAlgorithms]string{"cubic", "newreno"}

// String is what congestion= takes and sockets show.
func (a Algorithm) String() string {
	if a >= numAlgorithms {
		return "unknown"
	}
	return algorithmNames[a]
}

// ParseAlgorithm is the algorithm of that name.
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

// slowStart is how much an acknowledgement adds to the window in slow start: byte counting with L of two segments
// (RFC 3465 §2.2). After a timeout L is one segment, since an acknowledgement also covers octets that had arrived
// before (§2.3).
func (a *Acked) slowStart(mss int) int {
	if a.Repair {
		return min(a.Octets, mss)
	}
	return min(a.Octets, 2*mss)
}
