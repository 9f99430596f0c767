package script

import (
	"errors"
	"io"
	"time"

	"smolsh/script/task"
	"smolsh/stack"
	"smolsh/stack/clock"
	"smolsh/stack/dns"
	"smolsh/stack/lab"
	"smolsh/stack/tcp"
)

// An inquiry drives one dns.Lookup over the sockets of a host, in the time of its world: each message has a socket of its own, and
// dns.Timeout for its answer. Only the owner of the host's world uses an inquiry.
type inquiry struct {
	h     *hostValue
	look  *dns.Lookup
	moved *stack.Signal // fired when the inquiry can go on
	over  bool

	udp    *stack.UDPConn // socket of the message that waits for its answer; nil if that is a connection's, or no message waits
	tcp    *stack.TCPConn
	waiter stack.Waiter
	unsent []byte // octets for the connection
	buf    []byte // room for an answer; the connection's stream is its first got octets
	got    int
	until  clock.Instant
	timer  *lab.Event // fires moved at until
}

// The failures of a TCP connection whose message does not answer the question, or is not whole.
var (
	errNoMessage  = errors.New("the connection carried something else than the answer")
	errEndedEarly = errors.New("the connection ended before the answer did")
)

// wasReached reports whether the failure of a message is the server's own reply, so that a ping would show nothing new.
func wasReached(err error) bool {
	return errors.Is(err, tcp.ErrPortUnreach) || errors.Is(err, tcp.ErrRefused) || errors.Is(err, tcp.ErrReset) || errors.Is(err, errEndedEarly)
}

// inquire drives lookups at the same time until all are over. If timeout, which may be task.Forever, has passed, the rest of them fail.
// The error is one that ends the task, or that of a host out of service.
func (c *call) inquire(h *hostValue, name string, timeout time.Duration, looks ...*dns.Lookup) error {
	var moved stack.Signal
	list := make([]*inquiry, len(looks))
	for k, l := range looks {
		list[k] = &inquiry{h: h, look: l, moved: &moved, waiter: stack.Waiter{Wake: moved.Fire}, buf: make([]byte, 2+65535)}
	}
	before := c.t.concern(h)
	defer c.t.SetAbout(before)
	err := c.t.Await(h.w, "an answer about "+name, &moved, timeout, func(now clock.Instant) bool {
		over := true
		for _, q := range list {
			over = q.step(now) && over
		}
		return over
	})
	c.t.Do(h.w, func(now clock.Instant) {
		for _, q := range list {
			if !q.over {
				q.close(now, true)
				q.look.Fail(task.ErrTimedOut)
			}
		}
	})
	if err == task.ErrTimedOut {
		return nil
	}
	return err
}

// step sends the next message, reads answers, or gives up on a late one, and reports whether the inquiry is over.
func (q *inquiry) step(now clock.Instant) (over bool) {
	for !q.over {
		if q.udp == nil && q.tcp == nil {
			a, ok := q.look.Next(q.h.unguessable())
			if !ok {
				q.over = true
				break
			}
			if err := q.send(now, a); err != nil {
				q.close(now, true)
				q.look.Fail(err)
				continue
			}
		}
		ended, err := q.receive(now)
		if !ended && err == nil && q.until.Due(now) {
			err = task.ErrTimedOut
		}
		switch {
		case err != nil:
			q.close(now, true)
			q.look.Fail(err)
		case ended:
			q.close(now, false)
		default:
			return false
		}
	}
	return true
}

// send opens a socket for a message, and sends it. A connection sends when it is established.
func (q *inquiry) send(now clock.Instant, a dns.Ask) (err error) {
	q.until = now.Add(dns.Timeout)
	q.timer = q.h.w.World().At(q.until, func(clock.Instant) { q.moved.Fire() })
	if a.TCP {
		q.unsent, q.got = dns.AppendStream(nil, a.Message), 0
		q.tcp, err = q.h.h.DialTCP(now, noEnd, a.Server, tcp.Default())
		return err
	}
	if q.udp, err = q.h.h.DialUDP(noEnd, a.Server); err != nil {
		return err
	}
	return q.udp.Send(now, a.Message, noEnd)
}

// receive passes the messages that have arrived to the lookup, and reports whether one of them ends the wait. If not, moved fires when another arrives.
func (q *inquiry) receive(now clock.Instant) (ended bool, err error) {
	if q.tcp != nil {
		q.tcp.Signal.Wait(&q.waiter)
		return q.receiveTCP(now)
	}
	q.udp.Signal.Wait(&q.waiter)
	for {
		n, _, err := q.udp.Recv(q.buf)
		if n < 0 || err != nil {
			return false, err
		}
		if q.look.Receive(q.buf[:n]) {
			return true, nil
		}
	}
}

// receiveTCP writes and reads as much as the connection allows. The stream is read up to the end of its first message.
func (q *inquiry) receiveTCP(now clock.Instant) (ended bool, err error) {
	switch q.tcp.State() {
	case tcp.SynSent, tcp.SynReceived:
		return false, nil
	case tcp.Closed:
		if err := q.tcp.Err(); err != nil {
			return false, err
		}
	}
	for len(q.unsent) > 0 {
		n, err := q.tcp.Write(now, q.unsent)
		if n == 0 || err != nil {
			return false, err
		}
		q.unsent = q.unsent[n:]
	}
	for {
		msg, missing, whole := dns.FromStream(q.buf[:q.got])
		if whole && !q.look.Receive(msg) {
			return false, errNoMessage
		}
		if whole {
			return true, nil
		}
		n, err := q.tcp.Read(now, q.buf[q.got:q.got+missing])
		q.got += n
		switch {
		case errors.Is(err, io.EOF):
			return false, errEndedEarly
		case n == 0 || err != nil:
			return false, err
		}
	}
}

// close closes the socket of the present message. A connection that has failed is reset.
func (q *inquiry) close(now clock.Instant, failed bool) {
	q.timer.Stop()
	if q.udp != nil {
		q.udp.Signal.Cancel(&q.waiter)
		q.udp.Close()
	}
	if q.tcp != nil {
		q.tcp.Signal.Cancel(&q.waiter)
		if failed {
			q.tcp.Abort(now)
		} else {
			q.tcp.Close(now)
		}
	}
	q.udp, q.tcp = nil, nil
}
