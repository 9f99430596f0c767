package gonet

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"smolsh/stack/dns"
)

var (
	errNoAnswer = errors.New("server misbehaving")
	errTimedOut = errors.New("i/o timeout")
)

// ask returns the addresses of a name that the DNS servers know, of one family or, if family is 0, of both. It asks for both at once, and
// waits for both answers. Deviates: RFC 8305 §3 begins to connect 50 ms after the first of them.
func (r *Resolver) ask(ctx context.Context, family int, host string) ([]netip.Addr, error) {
	var lists [2][]netip.Addr
	var errs [2]error
	var both sync.WaitGroup
	for k, typ := range [...]dns.Type{dns.AAAA, dns.A} {
		if family == 0 || (family == 4) == (typ == dns.A) {
			both.Go(func() { lists[k], errs[k] = r.question(ctx, host, typ) })
		}
	}
	both.Wait()
	if addrs := append(lists[0], lists[1]...); len(addrs) > 0 {
		return addrs, nil
	}
	if err := cmp.Or(errs[0], errs[1]); err != nil {
		return nil, err
	}
	return nil, notFound(host)
}

// question asks the servers in turn until one answers. The list is empty if the name has no address of the type.
func (r *Resolver) question(ctx context.Context, host string, typ dns.Type) (addrs []netip.Addr, err error) {
	l, err := dns.NewLookup(host, typ, r.net.servers)
	if err != nil {
		return nil, dnsError(err)
	}
	for {
		var random [2]byte
		rand.Read(random[:])
		a, ok := l.Next(binary.BigEndian.Uint16(random[:])) // as unpredictable as the port, which the stack chooses (RFC 5452 §9)
		if !ok {
			break
		}
		err := contextEnd(ctx)
		if err == nil {
			err = r.exchange(ctx, l, a)
		}
		if err == nil {
			continue
		}
		if over := contextEnd(ctx); over != nil { // perhaps it has ended the exchange
			l.Fail(over)
			break
		}
		l.Fail(err)
	}
	records, err := l.Result()
	for _, rec := range records {
		addrs = append(addrs, rec.Addr)
	}
	return addrs, dnsError(err)
}

// contextEnd returns the error of a context that has ended or whose deadline has passed, as package net has it.
func contextEnd(ctx context.Context) error {
	if at, ok := ctx.Deadline(); ok && !time.Now().Before(at) {
		return timeoutError{}
	}
	return contextError(ctx.Err())
}

// dnsError returns the error of a Lookup as package net has it, nil for a name without data.
func dnsError(err error) error {
	var failed *dns.Error
	if !errors.As(err, &failed) {
		return err
	}
	e := &net.DNSError{Name: failed.Name, UnwrapErr: failed.Err}
	if failed.Server.IsValid() {
		e.Server = failed.Server.String()
	}
	switch failed.Kind {
	case dns.NoData:
		return nil
	case dns.BadName, dns.NoServer, dns.NoName:
		e.Err, e.IsNotFound = "no such host", true
	case dns.AliasLoop, dns.TooManyAliases:
		e.Err, e.IsNotFound = failed.Error(), true
	case dns.ServerFailed, dns.Malformed:
		e.Err, e.IsTemporary, e.UnwrapErr = errNoAnswer.Error(), true, errNoAnswer
	case dns.NoAnswer:
		e.Err, e.IsTemporary = cmp.Or(failed.Err, errTimedOut).Error(), true
		var ne net.Error
		if errors.As(failed.Err, &ne) && ne.Timeout() || failed.Err == errTimedOut {
			e.IsTimeout, e.Err = true, errTimedOut.Error()
		}
	}
	return e
}

// exchange sends one message and waits for what ends it: an answer, or an error.
func (r *Resolver) exchange(ctx context.Context, l *dns.Lookup, a dns.Ask) error {
	until := time.Now().Add(dns.Timeout)
	if t, ok := ctx.Deadline(); ok && t.Before(until) {
		until = t
	}
	if a.TCP {
		return r.overTCP(ctx, until, l, a)
	}
	return r.overUDP(ctx, until, l, a)
}

// overUDP ignores datagrams that do not answer the question, which anybody may forge.
func (r *Resolver) overUDP(ctx context.Context, until time.Time, l *dns.Lookup, a dns.Ask) error {
	c, err := r.net.dialUDP("udp", netip.AddrPort{}, a.Server)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write(a.Message); err != nil {
		return err
	}
	buf := make([]byte, 65535)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		if l.Receive(buf[:n]) {
			return nil
		}
	}
}

// overTCP accepts one message, which must answer the question.
func (r *Resolver) overTCP(ctx context.Context, until time.Time, l *dns.Lookup, a dns.Ask) error {
	d := Dialer{Net: r.net, Deadline: until}
	k, err := d.DialContext(ctx, "tcp", a.Server.String())
	if err != nil {
		return err
	}
	defer k.Close()
	k.SetDeadline(until)
	defer context.AfterFunc(ctx, func() { k.SetDeadline(time.Unix(1, 0)) })()
	if _, err := k.Write(dns.AppendStream(nil, a.Message)); err != nil {
		return err
	}
	buf := make([]byte, 2+65535)
	for got := 0; ; {
		msg, missing, whole := dns.FromStream(buf[:got])
		if whole && !l.Receive(msg) {
			return errNoAnswer
		}
		if whole {
			return nil
		}
		n, err := k.Read(buf[got : got+missing])
		if got += n; err != nil {
			return err
		}
	}
}
