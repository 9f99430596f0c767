package labtest

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"smolsh/phy/fault"
	"smolsh/stack/clock"
	"smolsh/stack/gonet"
	"smolsh/stack/lab"
)

// A Host is a machine of the lab with its programs, which use Net.
type Host struct {
	l    *Lab
	host *lab.Host

	power chan struct{} // has room for one value, which Crash and Restart keep in it while they run. A mutex would stop the bubble's time

	// l.mu guards the following.
	net     *gonet.Net
	ctx     context.Context // of the programs since the last start
	cancel  context.CancelCauseFunc
	crashed bool
	silence *fault.Rule   // drops every frame of a silent host; nil for others
	ahead   time.Duration // of the host's clock
}

// endedError is the error of calls that Run has ended. errors.Is matches it with net.ErrClosed, so that servers return as after their own Close.
type endedError string

func (e endedError) Error() string      { return string(e) }
func (endedError) Is(target error) bool { return target == net.ErrClosed }

// errEnded is the error of calls after the end of the test function.
const errEnded = endedError("the test has ended")

// startProgram gives the host a network and a context for its programs.
func (h *Host) startProgram() {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.net = gonet.New(h.l.driver, h.host)
	h.ctx, h.cancel = context.WithCancelCause(context.Background())
	h.crashed = false
}

// stopProgram cancels the context of the host's programs, and makes their later calls fail with err.
func (h *Host) stopProgram(err error) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.net.Fail(err)
	h.cancel(err)
}

// Name returns the host's name.
func (h *Host) Name() string { return h.host.Name() }

// Host returns the host below. Only functions given to Lab.Do may use it.
func (h *Host) Host() *lab.Host { return h.host }

// Net returns the network of the host's programs. After Restart it is another one. The calls of programs that began before Crash
// fail for ever.
func (h *Host) Net() *gonet.Net {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	return h.net
}

// Now returns the time of the host's clock. It is that of package time until SetClock.
func (h *Host) Now() time.Time {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	return time.Now().Add(h.ahead)
}

// SetClock sets the host's clock ahead of the others, or behind them if ahead is negative. Only a program that asks Now for the time
// notices; package time has one clock for all hosts, and so has the stack.
func (h *Host) SetClock(ahead time.Duration) {
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	h.ahead = ahead
}

// Gateway adds a default route by a router's address on one of the host's links.
func (h *Host) Gateway(addr string) {
	h.l.t.Helper()
	gw, err := netip.ParseAddr(addr)
	if err != nil {
		h.l.t.Fatal(err)
	}
	all := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	if gw.Is6() {
		all = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
	}
	h.Route(all.String(), addr)
}

// Route adds a route to a prefix by a router's address on one of the host's links.
func (h *Host) Route(prefix, via string) {
	h.l.t.Helper()
	dst, err := netip.ParsePrefix(prefix)
	if err != nil {
		h.l.t.Fatal(err)
	}
	gw, err := netip.ParseAddr(via)
	if err != nil {
		h.l.t.Fatal(err)
	}
	h.l.must(func(clock.Instant) error {
		if err := h.host.AddRoute(dst, gw, nil); err != nil {
			return fmt.Errorf("labtest: route of %s to %v by %v: %w (the router must be in a prefix of one of the host's links, which are made first)", h.Name(), dst, gw, err)
		}
		return nil
	})
}
