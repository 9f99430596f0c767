package script

import (
	"errors"
	"strings"
	"time"

	"smolsh/script/registry"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// attemptDelay is the time that one connection attempt has before the next address is tried as well (RFC 8305 §5).
const attemptDelay = 250 * time.Millisecond

// A race opens one connection to a host with several addresses (RFC 8305 §5). It starts an attempt to the next address when the
// latest one has failed, or has lasted attemptDelay. The first connection that is established wins, and the other attempts end.
// Only the owner of the host's world uses a race.
type race struct {
	h        *hostValue
	cfg      tcp.Config
	ways     []registry.Ends // the ends that were not tried yet
	attempts []*attempt
	moved    stack.Signal // fired when an attempt changes, and when the next attempt is due
	due      clock.Instant
	timer    *lab.Event // fires moved at due; nil if no attempt is due
	won      *stack.TCPConn
}

// An attempt is one connection of a race.
type attempt struct {
	registry.Ends
	conn   *stack.TCPConn // nil if it could not be opened
	err    error          // reason why it has failed; nil while it lasts
	waiter stack.Waiter
}

// connect opens a connection and waits until it is established. It tries the ends in their order, with the families in turn.
func (h *hostValue) connect(t *taskValue, ends []registry.Ends, cfg tcp.Config, timeout time.Duration) (*connValue, error) {
	r := &race{h: h, cfg: cfg, ways: alternate(ends)}
	err := t.Await(h.w, "a connection to "+r.ways[0].Remote.String(), &r.moved, timeout, r.step)
	var v *connValue
	t.Do(h.w, func(now clock.Instant) {
		r.end(now)
		if r.won != nil && err == nil {
			v = h.newConn(r.won)
		}
	})
	if v != nil {
		return v, nil
	}
	return nil, r.failed(t, err)
}

// alternate sorts the ends so that the family of the remote address changes from one to the next while both families are left (RFC 8305
// §4). The family of the first is the first, and the order within a family stays.
func alternate(ends []registry.Ends) []registry.Ends {
	var families [2][]registry.Ends
	for _, e := range ends {
		k := 0
		if e.Remote.Addr().Is4() != ends[0].Remote.Addr().Is4() {
			k = 1
		}
		families[k] = append(families[k], e)
	}
	list := make([]registry.Ends, 0, len(ends))
	for k := 0; len(list) < len(ends); k = 1 - k {
		if len(families[k]) > 0 {
			list, families[k] = append(list, families[k][0]), families[k][1:]
		}
	}
	return list
}

// step looks at every attempt, starts the next one if it is due, and reports whether the race is over.
func (r *race) step(now clock.Instant) (over bool) {
	for {
		open := 0
		for _, a := range r.attempts {
			if a.err != nil {
				continue
			}
			switch a.conn.State() {
			case tcp.SynSent, tcp.SynReceived:
				open++
				a.conn.Signal.Wait(&a.waiter)
			case tcp.Closed:
				if a.err = a.conn.Err(); a.err == nil {
					a.err = tcp.ErrNotConnected
				}
				r.due = now
			default:
				r.won = a.conn
				return true
			}
		}
		switch {
		case len(r.ways) == 0:
			return open == 0
		case open > 0 && !r.due.Due(now):
			return false
		}
		r.start(now)
	}
}

// start begins the next attempt, and sets the time of the one after it.
func (r *race) start(now clock.Instant) {
	a := &attempt{Ends: r.ways[0]}
	a.waiter.Wake = r.moved.Fire
	r.ways = r.ways[1:]
	r.attempts = append(r.attempts, a)
	if a.conn, a.err = r.h.h.DialTCP(now, a.Local, a.Remote, r.cfg); a.err != nil {
		return
	}
	r.stopTimer()
	if len(r.ways) > 0 {
		r.due = now.Add(attemptDelay)
		r.timer = r.h.w.World().At(r.due, func(clock.Instant) { r.moved.Fire() })
	}
}

func (r *race) stopTimer() {
	if r.timer != nil {
		r.timer.Stop()
		r.timer = nil
	}
}

// end ends all attempts but the one that has won.
func (r *race) end(now clock.Instant) {
	r.stopTimer()
	for _, a := range r.attempts {
		if a.conn == nil {
			continue
		}
		a.conn.Signal.Cancel(&a.waiter)
		if a.conn != r.won && a.err == nil {
			a.conn.Abort(now)
		}
	}
}

// failed returns the error of a race that nobody has won. The error waited ended the wait, unless it is nil: then every attempt has
// failed.
func (r *race) failed(t *taskValue, waited error) error {
	if waited != nil && t.Err() != nil {
		return waited
	}
	var list raceError
	var late []string
	for _, a := range r.attempts {
		switch {
		case a.err == nil:
			late = append(late, a.Remote.String())
		case a.conn == nil && a.Local.IsValid() && (errors.Is(a.err, stack.ErrNotOurs) || errors.Is(a.err, stack.ErrPortInUse)):
			list = append(list, failed(t, "tcp from", a.From(), a.err))
		case a.conn == nil:
			list = append(list, failed(t, "tcp", a.Remote, r.h.explain(a.Remote.Addr(), a.err)))
		default:
			list = append(list, failed(t, "tcp", a.Remote, r.h.explain(a.Remote.Addr(), a.err)))
		}
	}
	if len(late) > 0 {
		list = append(list, failed(t, "tcp", strings.Join(late, ", "), waited))
	}
	switch len(list) {
	case 0:
		return failed(t, "tcp", r.ways[0].Remote, waited)
	case 1:
		return list[0]
	}
	return list
}

// raceError has the errors of several attempts at one connection.
type raceError []error

// Error returns the texts of all errors.
func (e raceError) Error() string {
	texts := make([]string, len(e))
	for k, err := range e {
		texts[k] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the errors, for errors.Is.
func (e raceError) Unwrap() []error { return e }
