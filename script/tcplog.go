package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/table"
	"smolsh/stack/clock"
	"smolsh/stack/tcp"
)

// logColumns are the column titles of conn.log(), under the RFCs' names.
const logColumns = "N TIME STATE RECOVERY SND-UNA SND-NXT CWND SSTHRESH SRTT RTO PIPE"

// connLog returns the entries of the connection's log as a table. Times are those of now(); other columns are as in
// conn.info().
func connLog(c *call) (starlark.Value, error) {
	v := c.recv.(*connValue)
	var list []tcp.LogEntry
	var lost uint64
	on := false
	c.t.Do(v.w, func(clock.Instant) {
		on = v.c.Config().Log > 0
		list, lost = v.c.Log(nil)
	})
	if !on {
		return nil, c.errorf("nothing is kept: c.set(log=1000) begins a log of that many rows, tcp.connect(…, log=1000) one with the handshake in it")
	}
	var cols []table.Column
	for name := range strings.FieldsSeq(logColumns) {
		col := table.Column{Name: name}
		switch name {
		case "TIME":
			col.Show = func(v starlark.Value) string { return fmt.Sprintf("%.6f", v) }
		case "SRTT", "RTO":
			col.Show = showMillis
		}
		cols = append(cols, col)
	}
	t := c.table(cols...)
	for i := range list {
		e := &list[i]
		t.Add(num(int(lost)+i), starlark.Float(e.At.Seconds()), starlark.String(e.State.String()), starlark.String(e.Phase.String()),
			num(uint32(e.SndUna)), num(uint32(e.SndNxt)), num(e.Cwnd), ssthresh(e.Ssthresh), registry.Seconds(e.SRTT), registry.Seconds(e.RTO), num(e.Pipe))
	}
	return t, nil
}
