package gonet_test

import (
	"time"
)

func (o *observer) deadlines() {
	c, s := o.tcp()
	s.Write([]byte("waiting"))
	time.Sleep(settle)
	buf := make([]byte, 100)
	c.SetDeadline(past)
	n, err := c.Read(buf)
	o.result("read with a deadline in the past", n, err)
	n, err = c.Read(nil)
	o.result("empty read with a deadline in the past", n, err)
	n, err = c.Write([]byte("x"))
	o.result("write with a deadline in the past", n, err)
	n, err = c.Write(nil)
	o.result("empty write with a deadline in the past", n, err)
	c.SetDeadline(time.Time{})
	n, err = c.Read(buf)
	o.result("read after the deadline was removed", n, err)
	within(func() { c.SetReadDeadline(time.Now()) }, func() {
		n, err := c.Read(buf)
		o.result("blocked read, deadline set to now", n, err)
	})
	var second time.Time
	var ended bool
	n, err = changeDeadline(c, buf, func(first time.Time) {
		second = first.Add(2 * settle)
		c.SetReadDeadline(second)
	})
	ended = !time.Now().Before(second)
	o.result("blocked read, deadline put off", n, err)
	o.note("it waited for the second deadline", "%v", ended)
	n, err = changeDeadline(c, buf, func(first time.Time) {
		c.SetReadDeadline(time.Time{})
		time.AfterFunc(time.Until(first.Add(2*settle)), func() { s.Write([]byte("y")) })
	})
	o.result("blocked read, deadline removed", n, err)
	long := make([]byte, 64<<20)
	for n, tries := 0, 0; n == 0 && tries < 50; tries++ { // on a busy machine the deadline passes before the write begins
		c.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err = c.Write(long); n > 0 {
			o.note("part of a long write", "%v", n < 64<<20)
		}
	}
	o.note("long write, deadline", "%s", describe(err))
	c.Close()
	s.Close()
}

// changeDeadline returns the result of a Read that is blocked with a deadline while change is called, before that deadline: on a busy machine
// not at the first try.
func changeDeadline(c stream, buf []byte, change func(first time.Time)) (n int, err error) {
	for done := false; !done; {
		first := time.Now().Add(3 * settle)
		c.SetReadDeadline(first)
		within(func() {
			if time.Now().Before(first.Add(-settle)) {
				change(first)
				done = time.Now().Before(first)
			}
		}, func() { n, err = c.Read(buf) })
	}
	return n, err
}
