package main

import (
	"fmt"
	"io"
	"strings"
)

// verdict is one line of smolsh doctor: what was looked at, what was found, and the obstacle where there is
// one. An obstacle to what was not asked for is only noted.
type verdict struct {
	subject, good string
	bad           *obstacle
	noted         bool
}

// checkup is smolsh doctor's work.
type checkup struct {
	w      io.Writer
	failed bool
}

func (c *checkup) say(v verdict) {
	word, text := "ok", v.good
	switch {
	case v.bad != nil && v.noted:
		word, text = "note", strings.TrimPrefix(v.bad.why, v.subject+": ")
	case v.bad != nil:
		word, text, c.failed = "FAIL", strings.TrimPrefix(v.bad.why, v.subject+": "), true
	}
	fmt.Fprintf(c.w, "%-4s  %-14s  %s\n", word, v.subject, text)
	if v.bad != nil {
		fmt.Fprintf(c.w, "      %-14s  %s\n", "", v.bad.cure)
	}
}

// doctor is the verb doctor: what the machine allows, for the private lab and for each device that is named,
// behind the verb or before it. The status is statusDevice when something of that is not to be had.
func (o *options) doctor(w io.Writer) (status int, err error) {
	for _, s := range o.args {
		d, err := parseDevice(s)
		if err != nil {
			return 0, err
		}
		o.devices = append(o.devices, d)
	}
	c := &checkup{w: w}
	o.examine(c)
	if c.failed {
		return statusDevice, nil
	}
	return 0, nil
}
