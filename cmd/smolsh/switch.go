package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/pflag"

	"smolsh/stack/drop"
	"smolsh/stack/lab"
)

const switchUsage = `usage: smolsh switch [flags] PATH

Serves an Ethernet switch at PATH, a Unix socket, for hosts of other processes on this machine:

  smolsh switch /tmp/lab.sock
  smolsh --device switch:/tmp/lab.sock --addr 192.168.69.1/24
  smolsh --device switch:/tmp/lab.sock --addr 192.168.69.2/24

No process needs to be root; only processes of the same user may use the socket. Each host has its own hardware address,
which --mac changes. Give each host its own --addr: the default is the same for all hosts, and an address that is used
twice is reported as a conflict. The switch prints a line for each process that joins or leaves. It prints the table of
ports on Ctrl-C, which ends the switch, and on the signal SIGUSR1. A process that does not read loses the frames for
which its port has no room, and delays no other process. --flood limits the frames that a process sends to all others.

`

const (
	switchMTU   = 1500 // default MTU in octets
	switchPorts = 64
	// maxSwitchPorts is the largest value of --ports, because a broadcast frame is copied for each port.
	maxSwitchPorts = 1024
	maxFlood       = 1_000_000_000
)

// switchOptions are the flags of `smolsh switch`, checked.
type switchOptions struct {
	flags      *pflag.FlagSet
	help       bool
	ports, mtu int
	flood      int
	path       string
}

// serveSwitch implements `smolsh switch`.
func (o *options) serveSwitch(stdout, stderr io.Writer) (status int, err error) {
	s, err := parseSwitch(o.args)
	if err != nil {
		return 0, err
	}
	if s.help {
		_, err = io.WriteString(stdout, switchUsage+"flags:\n"+s.flags.FlagUsages())
		return 0, err
	}
	return s.serve(stdout, stderr)
}

func newSwitchOptions() *switchOptions {
	o := &switchOptions{}
	f := newFlagSet("smolsh switch")
	f.IntVar(&o.ports, "ports", switchPorts, "largest number of processes at a time, `N`")
	f.IntVar(&o.mtu, "mtu", switchMTU, "length of the longest packet, in `OCTETS`, for all hosts")
	f.IntVar(&o.flood, "flood", 0, "frames per second that each process may flood, `N`: broadcasts, multicasts, frames for unknown stations; 0: any number")
	o.flags = f
	return o
}

func parseSwitch(args []string) (*switchOptions, error) {
	o := newSwitchOptions()
	f := o.flags
	if err := f.Parse(args); err != nil {
		if errors.Is(err, pflag.ErrHelp) {
			o.help = true
			return o, nil
		}
		return nil, flagError("switch ", f, err)
	}
	switch {
	case f.NArg() != 1:
		return nil, usageError("switch: say where its socket is to be, one path such as: smolsh switch /tmp/lab.sock")
	case o.ports < 1 || o.ports > maxSwitchPorts:
		return nil, usageError("switch: --ports: %d is not within 1 to %d", o.ports, maxSwitchPorts)
	case o.mtu < 68 || o.mtu > 65535:
		return nil, usageError("switch: --mtu: %d is not within 68 to 65535 octets", o.mtu)
	case o.flood < 0 || o.flood > maxFlood:
		return nil, usageError("switch: --flood: %d is not within 0 to %d frames a second", o.flood, maxFlood)
	}
	o.path = f.Arg(0)
	return o, nil
}

// portRow is a line of the table of ports.
type portRow struct {
	number, pid, uid int
	state            string // "up" or "left"
	rx, rxOctets     uint64
	tx, txOctets     uint64
	dropped          [drop.NumReasons]uint64
	addresses        string
}

// portTable formats the table of ports, and the totals of received frames by outcome.
func portTable(rows []portRow, total lab.Flow) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PORT\tPID\tUID\tSTATE\tRX\tRX-OCTETS\tTX\tTX-OCTETS\tADDRESSES\tDROPPED")
	for _, r := range rows {
		fmt.Fprintf(w, "%d\t%d\t%d\t%s\t%d\t%d\t%d\t%d\t%s\t%s\n", r.number, r.pid, r.uid, r.state, r.rx, r.rxOctets,
			r.tx, r.txOctets, cmp.Or(r.addresses, "-"), reasons(&r.dropped))
	}
	w.Flush()
	fmt.Fprintf(&b, "%d frames in, %d out, dropped: %s\n", total.In, total.Delivered, reasons(&total.Drops))
	return b.String()
}

// reasons returns drops in the catalogue's order: "3 queue full, 1 truncated", or "-" for none.
func reasons(drops *[drop.NumReasons]uint64) string {
	var list []string
	for why, n := range drops {
		if n > 0 {
			list = append(list, fmt.Sprintf("%d %v", n, drop.Reason(why)))
		}
	}
	return cmp.Or(strings.Join(list, ", "), "-")
}
