package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/script/registry"
	"smolsh/stack/wire"
)

// pingCall is kernel.ping.
var pingCall = registry.Builtin[*Call]{Name: "kernel.ping", Sig: `host, count=4, interval="1s", size=56, ttl=64, timeout="1s"`, Kinds: "ip int:1..65536 duration int:0..65507 int:1..255 duration",
	Args:   "host: an address, or a host or its name; count: number of requests; interval: time between requests; size: octets of data; ttl: time to live or hop limit; timeout: time to wait for each reply",
	Result: "result", Fields: "sent received loss (0 to 1) min avg max mdev (seconds) replies (seq ttl time size src) error",
	Doc: "Send echo requests from the operating system's stack, one after the other, and print each reply.", Example: `kernel.ping("192.168.69.1", count=1).received`, See: "ping", Fn: ping}

// A pinger is the state of one kernel.ping.
type pinger struct {
	c       *Call
	conn    *net.IPConn
	to      netip.Addr
	id      uint16
	size    int
	ttls    func(b, oob []byte) (message []byte, ttl int) // splits a received packet
	rtts    []time.Duration
	replies []starlark.Value
	sent    int
	err     error // failure of the last request without a reply
	turn    turn
}

func ping(c *Call) (starlark.Value, error) {
	k := c.stack()
	at, err := scoped(netip.AddrPortFrom(arg[netip.Addr](c, "host"), 0), "")
	if err != nil {
		return nil, k.env.Failed(c.Task, "kernel.ping", at.Addr(), err)
	}
	k.pings++
	p := &pinger{c: c, to: at.Addr(), id: uint16(os.Getpid()) + k.pings, size: arg[int](c, "size")}
	if p.conn, p.ttls, err = openPing(p.to.Is6(), arg[int](c, "ttl")); err != nil {
		return nil, k.env.Failed(c.Task, "kernel.ping", p.to, err)
	}
	k.keep(p.conn)
	defer k.close(p.conn)
	count, interval := arg[int](c, "count"), arg[time.Duration](c, "interval")
	for seq := range count {
		start := time.Now()
		if err := p.probe(uint16(seq), arg[time.Duration](c, "timeout")); err != nil {
			return nil, err
		}
		if left := interval - time.Since(start); left > 0 && seq < count-1 {
			if err := p.rest(left); err != nil {
				return nil, err
			}
		}
	}
	return p.result(), nil
}

// probe sends one request and waits for its reply. It returns an error if the task has to end, or if the first request can't be sent.
func (p *pinger) probe(seq uint16, timeout time.Duration) error {
	start := time.Now()
	_, err := p.conn.WriteTo(p.request(seq), &net.IPAddr{IP: p.to.AsSlice(), Zone: p.to.Zone()})
	p.sent++
	if err != nil {
		if p.err = p.c.stack().env.Failed(p.c.Task, "kernel.ping", p.to, err); p.sent == 1 {
			return p.err
		}
		p.c.stack().env.Print(p.err.Error())
		return nil
	}
	var data, ttl int
	err = wait(p.c.Task, &p.turn, "an echo reply from "+p.to.String(), timeout, p.conn.SetReadDeadline, func() (err error) {
		data, ttl, err = p.receive(seq)
		return err
	})
	rtt := time.Since(start)
	switch {
	case p.c.Task.Err() != nil:
		return p.c.Task.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.err = fmt.Errorf("%v: timed out", p.to)
		p.c.stack().env.Print(fmt.Sprintf("%v: seq=%d timed out", p.to, seq))
		return nil
	case err != nil:
		return p.c.stack().env.Failed(p.c.Task, "kernel.ping", p.to, err)
	}
	p.rtts = append(p.rtts, rtt)
	p.replies = append(p.replies, starlarkstruct.FromStringDict(starlark.String("reply"), starlark.StringDict{
		"seq": num(int(seq)), "ttl": num(ttl), "time": registry.Seconds(rtt), "size": num(data), "src": registry.Address(p.to),
	}))
	p.c.stack().env.Print(fmt.Sprintf("%d octets from %v: seq=%d ttl=%d time=%s ms", data, p.to, seq, ttl, millis(rtt)))
	return nil
}

// rest waits for a time, which Stack.Close and the end of the task cut short.
func (p *pinger) rest(d time.Duration) error {
	err := wait(p.c.Task, &p.turn, "the next echo request", d, p.conn.SetReadDeadline, func() error {
		_, _, err := p.receive(math.MaxUint16)
		return err
	})
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && p.c.Task.Err() == nil {
		return p.c.stack().env.Failed(p.c.Task, "kernel.ping", p.to, err)
	}
	return p.c.Task.Err()
}

// request returns the message of an echo request. The kernel computes the checksum of ICMPv6 (RFC 3542 §3.1).
func (p *pinger) request(seq uint16) []byte {
	b := make([]byte, wire.ICMPLen+p.size)
	b[0] = byte(wire.ICMPEchoRequest)
	if p.to.Is6() {
		b[0] = byte(wire.ICMPv6EchoRequest)
	}
	binary.BigEndian.PutUint16(b[4:], p.id)
	binary.BigEndian.PutUint16(b[6:], seq)
	for i := range p.size {
		b[wire.ICMPLen+i] = byte(i)
	}
	if !p.to.Is6() {
		binary.BigEndian.PutUint16(b[2:], checksum(b))
	}
	return b
}

// checksum returns the Internet checksum of a message (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i, v := range b {
		sum += uint32(v) << (8 * uint(1-i%2))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// receive reads until the reply to the request seq arrives. It returns the octets of its data and its time to live.
func (p *pinger) receive(seq uint16) (data, ttl int, err error) {
	kind := byte(wire.ICMPEchoReply)
	if p.to.Is6() {
		kind = byte(wire.ICMPv6EchoReply)
	}
	b, oob := make([]byte, 65536), make([]byte, 256)
	for {
		n, m, _, from, err := p.conn.ReadMsgIP(b, oob)
		if err != nil {
			return 0, 0, err
		}
		msg, ttl := p.ttls(b[:n], oob[:m])
		src, _ := netip.AddrFromSlice(from.IP)
		if len(msg) >= wire.ICMPLen && msg[0] == kind && src.Unmap() == p.to.WithZone("") &&
			binary.BigEndian.Uint16(msg[4:]) == p.id && binary.BigEndian.Uint16(msg[6:]) == seq {
			return len(msg) - wire.ICMPLen, ttl, nil
		}
	}
}

func millis(d time.Duration) string { return fmt.Sprintf("%.3f", float64(d)/1e6) }

// result prints the summary and returns the value of the call.
func (p *pinger) result() starlark.Value {
	loss := 1 - float64(len(p.rtts))/float64(p.sent)
	d := starlark.StringDict{
		"sent": num(p.sent), "received": num(len(p.rtts)), "loss": starlark.Float(loss), "replies": starlark.NewList(p.replies), "error": starlark.None,
		"min": starlark.None, "avg": starlark.None, "max": starlark.None, "mdev": starlark.None,
	}
	if p.err != nil {
		d["error"] = starlark.String(p.err.Error())
	}
	line := fmt.Sprintf("%d sent, %d received, %.3g%% lost", p.sent, len(p.rtts), 100*loss)
	if len(p.rtts) > 0 {
		lo, hi, sum, sq := p.rtts[0], p.rtts[0], 0.0, 0.0
		for _, r := range p.rtts {
			lo, hi = min(lo, r), max(hi, r)
			sum += float64(r)
			sq += float64(r) * float64(r)
		}
		n := float64(len(p.rtts))
		avg := time.Duration(sum / n)
		mdev := time.Duration(math.Sqrt(max(0, sq/n-sum/n*sum/n)))
		d["min"], d["avg"], d["max"], d["mdev"] = registry.Seconds(lo), registry.Seconds(avg), registry.Seconds(hi), registry.Seconds(mdev)
		line += fmt.Sprintf("   rtt min/avg/max/mdev %s/%s/%s/%s ms", millis(lo), millis(avg), millis(hi), millis(mdev))
	}
	p.c.stack().env.Print(line)
	return p.c.stack().env.Printed(starlarkstruct.FromStringDict(starlark.String("ping"), d))
}
