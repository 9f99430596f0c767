package script

import (
	"fmt"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/script/registry"
	"smolsh/script/suggest"
	"smolsh/script/table"
	"smolsh/stack/clock"
	"smolsh/stack/drop"
	"smolsh/stack/lab"
)

const (
	portColumns    = "NAME STATE MTU RX-PACKETS RX-BYTES TX-PACKETS TX-BYTES FLOODED STATIONS DROPS"
	stationColumns = "HWADDR PORT AGE"

	floodArg = "flood: frames a second, and at once, that each port may flood: broadcasts, multicasts and frames for unknown stations (0: any number)"
)

// switchValue is a learning switch.
type switchValue struct {
	l    *labValue
	sw   *lab.Switch
	name string
}

func (v *switchValue) String() string        { return "switch " + v.name }
func (v *switchValue) Type() string          { return "switch" }
func (v *switchValue) Freeze()               {}
func (v *switchValue) Truth() starlark.Bool  { return true }
func (v *switchValue) Hash() (uint32, error) { return starlark.String(v.name).Hash() }

// Attr returns a method of the switch.
func (v *switchValue) Attr(name string) (starlark.Value, error) {
	return suggest.Attr(v, name, v.l.s.member("switch", v, name))
}

// AttrNames implements starlark.HasAttrs.
func (v *switchValue) AttrNames() []string { return v.l.s.reg.Members["switch"] }

func labSwitch(c *call) (starlark.Value, error) {
	v, err := c.recv.(*labValue).addSwitch(c.t, arg[string](c, "name"), arg[int](c, "flood"))
	if err != nil {
		return nil, c.errorf("%v", err)
	}
	return v, nil
}

// addSwitch adds a switch whose ports may flood so many frames a second, 0 for any number.
func (l *labValue) addSwitch(t *taskValue, name string, flood int) (*switchValue, error) {
	if err := l.checkSwitchName(name); err != nil {
		return nil, err
	}
	v := &switchValue{l: l, name: name}
	t.Do(l.w, func(clock.Instant) {
		v.sw = l.lab.Switch(name)
		v.sw.SetFlood(flood)
	})
	return v, nil
}

// checkSwitchName returns an error if a switch can't have the name, or something in the lab has it already.
func (l *labValue) checkSwitchName(name string) (err error) {
	if err := lab.CheckName(name); err != nil {
		return err
	}
	l.s.tasks.Do(l.w, func(clock.Instant) {
		for _, h := range l.lab.Hosts() {
			if h.Name() == name {
				err = fmt.Errorf("a host is named %q already", name)
			}
		}
		for _, sw := range l.lab.Switches() {
			if sw.Name() == name {
				err = fmt.Errorf("switch %q exists already", name)
			}
		}
	})
	return err
}

func switchAttach(c *call) (starlark.Value, error) {
	v, h := c.recv.(*switchValue), arg[*hostValue](c, "host")
	if h.lab.lab != v.l.lab {
		return nil, c.errorf("the host is of another lab")
	}
	var k *lab.Link
	var err error
	cfg := c.linkConfig()
	c.planLink(&cfg, h.name, v.name)
	c.t.Do(v.l.w, func(clock.Instant) { k, err = v.sw.Attach(h.h, cfg) })
	if err != nil {
		return nil, c.linkError(err)
	}
	return c.s.linkOf(k, v.l.w), nil
}

func labSwitches(c *call) (starlark.Value, error) {
	l := c.recv.(*labValue)
	var list []starlark.Value
	c.t.Do(l.w, func(clock.Instant) {
		for _, sw := range l.lab.Switches() {
			list = append(list, &switchValue{l: l, sw: sw, name: sw.Name()})
		}
	})
	return starlark.NewList(list), nil
}

func switchSet(c *call) (starlark.Value, error) {
	v, flood := c.recv.(*switchValue), arg[int](c, "flood")
	c.t.Do(v.l.w, func(clock.Instant) { v.sw.SetFlood(flood) })
	return starlark.None, nil
}

func portsTable(c *call) (starlark.Value, error) {
	v := c.recv.(*switchValue)
	t := c.table(table.Columns(portColumns)...)
	t.Columns[len(t.Columns)-1].Show = showReasons
	c.t.Do(v.l.w, func(now clock.Instant) {
		stations := map[*lab.SwitchPort]int{}
		for _, st := range v.sw.Stations(now) {
			stations[st.Port]++
		}
		for _, p := range v.sw.Ports() {
			rx, flooded := p.Received()
			tx := p.Sent()
			state := "down"
			if p.Up() {
				state = "up"
			}
			t.Add(starlark.String(p.Name()), starlark.String(state), num(p.MTU()), num(rx.In), num(rx.Octets), num(tx.In), num(tx.Octets),
				num(flooded), num(stations[p]), reasonsOf(&rx, &tx))
		}
	})
	return t, nil
}

// reasonsOf returns the number of dropped frames for each reason.
func reasonsOf(flows ...*lab.Flow) *starlark.Dict {
	d := starlark.NewDict(0)
	for why := range drop.NumReasons {
		var n uint64
		for _, f := range flows {
			n += f.Drops[why]
		}
		if n > 0 {
			_ = d.SetKey(starlark.String(why.String()), num(n))
		}
	}
	d.Freeze()
	return d
}

// showReasons formats the result of reasonsOf for a table: "20 flood limit, 1 link down".
func showReasons(v starlark.Value) string {
	d, ok := v.(*starlark.Dict)
	if !ok {
		return ""
	}
	var list []string
	for why, n := range d.Entries() {
		s, _ := starlark.AsString(why)
		list = append(list, n.String()+" "+s)
	}
	return strings.Join(list, ", ")
}

func stationsTable(c *call) (starlark.Value, error) {
	v := c.recv.(*switchValue)
	t := c.table(table.Columns(stationColumns)...)
	t.Columns[2].Show = showSeconds
	c.t.Do(v.l.w, func(now clock.Instant) {
		for _, st := range v.sw.Stations(now) {
			t.Add(starlark.String(st.Addr.String()), starlark.String(st.Port.Name()), registry.Seconds(st.Age))
		}
	})
	return t, nil
}
