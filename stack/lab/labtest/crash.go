package labtest

import (
	"smolsh/phy"
	"smolsh/phy/fault"
	"smolsh/stack/clock"
)

// A CrashMode says what the peers of a crashed host see.
type CrashMode uint8

// The modes.
const (
	// CrashReset ends the host's programs. The host itself stays, as an operating system does: it resets their connections, and refuses
	// new ones until Restart.
	CrashReset CrashMode = iota
	// CrashSilent switches the host off until Restart. It sends and receives nothing, so its peers retransmit until their patience
	// ends. After Restart it knows no old connection, and answers a segment of one by RST.
	CrashSilent
	// CrashHalfOpen reboots the host within the instant: its connections are gone without a segment, and its peers' ends are half-open (RFC
	// 9293 §3.5.1). It answers the next segment of each by RST, and refuses new connections until Restart.
	CrashHalfOpen
)

// String returns the mode's name.
func (m CrashMode) String() string { return [...]string{"reset", "silent", "half-open"}[m%3] }

// ErrCrashed is the error of calls of programs whose host has crashed, also on sockets that they had open, and the cause of their context's
// end. It is not net.ErrClosed.
var ErrCrashed error = crashedError{}

type crashedError struct{}

func (crashedError) Error() string { return "the host has crashed" }

// Crash ends the programs of the host: blocked and later calls fail with ErrCrashed, and the context of Go is cancelled.
// The mode says what becomes of the host's connections. Crash does not wait for the programs. On a crashed host it does nothing.
func (h *Host) Crash(mode CrashMode) {
	h.power <- struct{}{}
	defer func() { <-h.power }()
	h.l.mu.Lock()
	again := h.crashed
	h.crashed = true
	h.l.mu.Unlock()
	if again {
		return
	}
	h.stopProgram(ErrCrashed)
	var silence *fault.Rule
	h.l.Do(func(now clock.Instant) {
		if mode != CrashReset {
			silence = &fault.Rule{Name: "crashed", Match: func([]byte, phy.Medium) bool { return true }}
			for _, p := range h.host.Ports() {
				p.Faults().Add(silence)
			}
		}
		h.host.AbortAll(now)
	})
	if mode == CrashReset {
		return
	}
	h.l.Do(func(now clock.Instant) { // the rule has dropped the segments of AbortAll
		for _, p := range h.host.Ports() {
			p.Iface().FlushNeighbors(now)
		}
		if mode == CrashHalfOpen {
			h.unmute(silence)
		}
	})
	if mode == CrashSilent {
		h.l.mu.Lock()
		h.silence = silence
		h.l.mu.Unlock()
	}
}

// keepSilent gives the interfaces of a silent host, of which one is new, the rule that drops their frames. The caller is the owner.
func (h *Host) keepSilent() {
	h.l.mu.Lock()
	silence := h.silence
	h.l.mu.Unlock()
	if silence != nil {
		h.unmute(silence)
		for _, p := range h.host.Ports() {
			p.Faults().Add(silence)
		}
	}
}

// unmute removes the rule of a silent host. The caller is the owner.
func (h *Host) unmute(silence *fault.Rule) {
	for _, p := range h.host.Ports() {
		p.Faults().Remove(silence)
	}
}

// Restart starts a crashed host again. Net is then a new network, and Go may start programs on
// it. Addresses, routes and links are those of before. It waits for a Crash that another goroutine has begun. On a host that has not
// crashed it ends the test.
func (h *Host) Restart() {
	h.l.t.Helper()
	h.power <- struct{}{}
	defer func() { <-h.power }()
	h.l.mu.Lock()
	crashed, silence := h.crashed, h.silence
	h.silence = nil
	h.l.mu.Unlock()
	if !crashed {
		h.l.t.Fatalf("labtest: %s is to be restarted, and has not crashed", h.Name())
	}
	if silence != nil {
		h.l.Do(func(clock.Instant) { h.unmute(silence) })
	}
	h.startProgram()
}
