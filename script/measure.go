package script

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"

	"smolsh/script/registry"
	"smolsh/script/service"
	"smolsh/script/table"
	"smolsh/script/task"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// measureColumns are the columns of a measurement's intervals.
const measureColumns = "TIME SECONDS BYTES GOODPUT RTT RETRANSMITS CWND"

// measureEvery is the length of an interval of a measurement.
const measureEvery = time.Second

// commandTime is the time within which a client of measure.serve has to say which way the data flows.
const commandTime = 10 * time.Second

// The octet that a client of measure.serve sends first.
const commandUp, commandDown = service.MeasureUp, service.MeasureDown

func measureBuiltins() []*builtin {
	return []*builtin{
		{Name: "measure", Hint: portHint, Sig: `endpoint, duration="10s", dir="up", timeout=, local=None, **options`, Kinds: "endpoint duration str duration any", Result: "measurement", Host: true,
			Args: `endpoint: where measure.serve listens, over a link with rate= if it is virtual (without one it carries as much as the machine computes); duration: time during which data is sent, in a virtual lab until 256 MiB were sent if no link has a rate; dir: "up" to send, "down" to receive; ` +
				`timeout: time to wait for the connection; local: an address, an endpoint or a port`,
			Fields: "goodput (bits per second) bytes seconds rtt min_rtt retransmits dir peer intervals (" + fieldsOf(measureColumns) + ")",
			Doc:    "Send or receive over TCP as fast as it goes, and print goodput and round trips of each second.", See: "measure.serve, ping, conn.info",
			Example: `peer.measure.serve(5201); measure("192.168.69.100:5201", "5ms").goodput`, Fn: builtinMeasure},
		{Name: "measure.serve", Sig: "port, addr=None, backlog=128, v6only=False, **options", Kinds: "port ip int:1..65536 bool", Result: "server", Host: true,
			Doc: "Be the other end of measure; log=True prints who came.", Example: `measure.serve(5201).stop()`, See: "measure, server.stop", Fn: measureServe},
	}
}

// startTCP starts the server v, whose function handle serves each connection in a task of its own.
func (c *call) startTCP(v *server, handle func(t *taskValue, conn *connValue) error) error {
	if err := c.room(); err != nil {
		return err
	}
	fn := func(thread *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, _ []starlark.Tuple) (starlark.Value, error) {
		return starlark.None, handle(thread.Local("task").(*taskValue), args[0].(*connValue))
	}
	if err := c.serveTCP(v, starlark.NewBuiltin(v.name, fn)); err != nil {
		return err
	}
	c.s.servers.list = append(c.s.servers.list, v)
	v.h.w.AddServer()
	return nil
}

func measureServe(c *call) (starlark.Value, error) {
	v := &server{s: c.s, h: c.on(), proto: "tcp", name: "measure", log: c.takeLog(), tasks: map[*taskValue]struct{}{}}
	if err := c.startTCP(v, serveMeasurement); err != nil {
		return nil, err
	}
	return v, nil
}

// serveMeasurement serves one connection of a measurement. The client ends it by the end of its stream.
func serveMeasurement(t *taskValue, conn *connValue) error {
	b, err := conn.recv(t, 1, commandTime)
	switch {
	case err != nil || len(b) == 0:
	case b[0] == commandUp:
		_, _ = conn.pump(t, &pump{kind: service.Discard}, "the end of the stream from ", task.Forever)
	case b[0] == commandDown:
		_, _ = conn.pump(t, &pump{kind: service.Chargen, limit: -1, until: true}, "room to send to ", task.Forever)
	}
	return t.Err()
}

// measurement is the value that measure() returns. It prints as a line for each interval and a summary.
type measurement struct {
	*starlarkstruct.Struct
	lines []string
}

func (m *measurement) String() string { return strings.Join(m.lines, "\n") }
func (m *measurement) Type() string   { return "measurement" }

// CompareSameType implements starlark.Comparable: measurements are equal if their fields are.
func (m *measurement) CompareSameType(op syntax.Token, y starlark.Value, depth int) (bool, error) {
	return m.Struct.CompareSameType(op, y.(*measurement).Struct, depth)
}

// A meter is the state of one measurement.
type meter struct {
	c     *call
	conn  *connValue
	down  bool
	moved int64 // octets moved so far
	left  int64 // octets that may still be moved; negative: any number
	start clock.Instant
	last  reading
	table *table.Table
	lines []string
}

// A reading is the state of the connection at one instant.
type reading struct {
	at    clock.Instant
	bytes uint64 // octets of data that arrived at the other end so far, and were acknowledged if we send
	info  tcp.Info
}

func builtinMeasure(c *call) (starlark.Value, error) {
	dir := arg[string](c, "dir")
	if dir != "up" && dir != "down" {
		return nil, c.errorf(`argument 3 (dir) is "up" or "down", got %q`, dir)
	}
	cfg, err := c.tcpConfig(tcp.Default())
	if err != nil {
		return nil, err
	}
	ends, err := c.ends(arg[[]netip.AddrPort](c, "endpoint"))
	if err != nil {
		return nil, err
	}
	h := c.on()
	conn, err := h.connect(c.t, ends, cfg, timeoutOf(c))
	if err != nil {
		return nil, err
	}
	m := &meter{c: c, conn: conn, down: dir == "down", left: mostOctets(conn), table: c.table(table.Columns(measureColumns)...)}
	m.table.Columns[3].Show, m.table.Columns[4].Show = showBitRate, showMillis
	ended := false
	defer h.do(func(now clock.Instant) {
		conn.closed = true
		if ended {
			conn.c.Close(now)
		} else {
			conn.c.Abort(now)
		}
	})
	defer c.t.Keeping()()
	var v *measurement
	show := func() { v = m.result(dir) }
	switch err := m.run(arg[time.Duration](c, "duration")); {
	case err == nil:
		show()
	case c.interrupted(err, func() { m.rest(); show() }):
		c.told(v, v.String())
		return v, nil
	default:
		return nil, err
	}
	if ended, err = m.drain(); err != nil {
		return nil, err
	}
	c.told(v, v.String())
	return v, nil
}

// Bounds of the octets that a measurement in a virtual lab moves, where time passes only as fast as the machine computes.
const (
	octetsUnrated = 256 << 20 // no link of the lab has a rate, or the connection is of a host with itself
	octetsRated   = 16 << 30  // some link has a rate
)

// mostOctets returns the bound of the octets that a measurement moves, -1 for none.
func mostOctets(conn *connValue) int64 {
	if !conn.w.Virtual() {
		return -1
	}
	most := int64(octetsUnrated)
	conn.h.do(func(clock.Instant) {
		for _, k := range conn.h.lab.lab.Links() {
			if k.Config().RateBps > 0 && conn.local.Addr() != conn.remote.Addr() {
				most = octetsRated
			}
		}
	})
	return most
}

// drainTime is the longest time that a measurement waits, after its end, for the data that is still queued.
const drainTime = 10 * time.Second

// drain ends our stream and waits until the other end has received everything and has ended its own. It reports whether
// that happened in time.
func (m *meter) drain() (ended bool, err error) {
	m.c.t.Do(m.conn.w, func(now clock.Instant) { err = m.conn.c.CloseWrite(now) })
	if err == nil {
		_, err = m.conn.pump(m.c.t, &pump{kind: service.Discard}, "the end of the stream from ", drainTime)
	}
	return err == nil, m.c.t.Err()
}

// run lets the data flow for the duration, or until the bound of the octets is reached. It records an interval each second and a shorter
// one at the end.
func (m *meter) run(duration time.Duration) error {
	command := byte(commandUp)
	if m.down {
		command = commandDown
	}
	m.last = m.read()
	m.start = m.last.at
	if err := m.conn.send(m.c.t, []byte{command}, duration); err != nil {
		return err
	}
	for passed := time.Duration(0); passed < duration; {
		passed = min(duration, passed+measureEvery)
		if err := m.flow(m.start.Add(passed)); err != nil {
			return err
		}
		m.record(m.read())
		if !m.down && m.last.info.BytesReceived > 0 {
			return failed(m.c.t, "measure", m.conn.remote, errors.New("the other end sends data back: is it measure.serve?"))
		}
		if m.left == 0 {
			m.sayBound()
			break
		}
	}
	return nil
}

// sayBound prints why the measurement ends before its time.
func (m *meter) sayBound() {
	why := "a virtual lab carries no more in one measurement"
	switch {
	case m.last.at == m.start:
		why = "no time passes on links without delay and rate: rate=\"100mbit\""
	case m.moved < octetsRated:
		why = "no link here has a rate, so that a virtual lab carries as much as the machine computes: rate=\"100mbit\""
	}
	m.say(fmt.Sprintf("ended after %d MiB: %s", m.moved>>20, why))
}

// flow sends or receives until the instant end.
func (m *meter) flow(end clock.Instant) error {
	p, what := &pump{kind: service.Chargen, limit: m.left}, "room to send to "
	if m.down {
		p, what = &pump{kind: service.Discard, most: max(0, m.left)}, "data from "
	}
	left := max(0, end.Sub(m.conn.w.Now()))
	moved, err := m.conn.pump(m.c.t, p, what, left)
	m.moved += moved
	if m.left > 0 {
		m.left = max(0, m.left-moved)
	}
	switch {
	case m.left == 0:
		return m.c.t.Err()
	case errors.Is(err, task.ErrTimedOut) && m.c.t.Err() == nil:
		return nil
	case err != nil:
		return err
	}
	return failed(m.c.t, "measure", m.conn.remote, errors.New("the other end ended the stream: is it measure.serve?"))
}

// rest records the interval that an interrupt has cut short.
func (m *meter) rest() {
	if r := m.read(); r.at > m.last.at {
		m.record(r)
	}
}

// read returns the present reading. Of the octets that were acknowledged, the first is the command.
func (m *meter) read() (r reading) {
	m.c.t.Do(m.conn.w, func(now clock.Instant) { r.at, r.info = now, m.conn.c.Info(now) })
	switch {
	case m.down:
		r.bytes = r.info.BytesReceived
	case r.info.BytesAcked > 0:
		r.bytes = r.info.BytesAcked - 1
	}
	return r
}

// goodput returns a rate in bits per second.
func goodput(bytes uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return 8 * float64(bytes) / d.Seconds()
}

// record adds the interval from the last reading to r, and prints its line. A receiver knows neither the sender's repetitions nor its
// window.
func (m *meter) record(r reading) {
	d, n := r.at.Sub(m.last.at), r.bytes-m.last.bytes
	resent, cwnd := starlark.Value(starlark.None), starlark.Value(starlark.None)
	line := fmt.Sprintf("%6.1f s  %12s  rtt %s ms", r.at.Sub(m.start).Seconds(), bitRate(goodput(n, d)), millis(r.info.SRTT))
	if !m.down {
		resent, cwnd = num(r.info.Retrans-m.last.info.Retrans), num(r.info.Cwnd)
		line += fmt.Sprintf("  cwnd %d  %v retransmitted", r.info.Cwnd, resent)
	}
	m.table.Add(registry.Seconds(r.at.Sub(m.start)), registry.Seconds(d), num(n), starlark.Float(goodput(n, d)), registry.Seconds(r.info.SRTT), resent, cwnd)
	m.say(line)
	m.last = r
}

// say prints a line, and keeps it for the result.
func (m *meter) say(line string) {
	m.lines = append(m.lines, line)
	m.c.s.say(line)
}

// result prints the summary and returns the measurement.
func (m *meter) result(dir string) *measurement {
	r, d := m.last, m.last.at.Sub(m.start)
	resent := starlark.Value(starlark.None)
	line := fmt.Sprintf("%s %v: %d octets in %.1f s, %s   rtt min/smoothed %s/%s ms", dir, m.conn.remote, r.bytes, d.Seconds(),
		bitRate(goodput(r.bytes, d)), millis(r.info.MinRTT), millis(r.info.SRTT))
	if !m.down {
		resent = num(r.info.Retrans)
		line += fmt.Sprintf(", %v retransmitted", resent)
	}
	m.say(line)
	return &measurement{starlarkstruct.FromStringDict(starlark.String("measurement"), starlark.StringDict{
		"goodput": starlark.Float(goodput(r.bytes, d)), "bytes": num(r.bytes), "seconds": registry.Seconds(d), "rtt": registry.Seconds(r.info.SRTT),
		"min_rtt": registry.Seconds(r.info.MinRTT), "retransmits": resent, "dir": starlark.String(dir), "peer": registry.Endpoint(m.conn.remote),
		"intervals": m.table,
	}), m.lines}
}

// showBitRate formats a rate in a table.
func showBitRate(v starlark.Value) string {
	f, _ := starlark.AsFloat(v)
	return bitRate(f)
}

// bitRate returns a rate in bits per second as people write it, such as "9.41 Mbit/s".
func bitRate(bits float64) string {
	unit := 0
	units := []string{"bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"}
	for bits >= 999.5 && unit < len(units)-1 {
		bits /= 1000
		unit++
	}
	return fmt.Sprintf("%.3g %s", bits, units[unit])
}
