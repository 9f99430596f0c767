package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"smolsh/cmd/smolsh/doctor"
)

// wantsPrivate reports whether the flags request the private lab, which is the default.
func (o *options) wantsPrivate() bool {
	return len(o.devices) == 0 || o.devices[0].Kind == "lab"
}

// openLab makes the lab that the flags request. For the private lab it runs a copy of the program in a new network
// namespace. It returns in the copy, or if making the copy fails. In a waiting parent it returns with ran set and the
// copy's exit status. Without a private lab it makes a virtual one, unless a flag names the private lab.
func (o *options) openLab() (l *shellLab, status int, ran bool, err error) {
	if !o.wantsPrivate() {
		l, err = o.open(o.devices)
		return l, 0, false, err
	}
	if len(o.devices) > 1 {
		return nil, 0, false, usageError("--device: lab goes alone")
	}
	inside, report := insidePrivate()
	var why *doctor.Obstacle
	if !inside {
		if status, ran, why = enterPrivate(); ran {
			return nil, status, true, nil
		}
	} else if l, err = o.open([]device{{Kind: "lab"}}); err == nil {
		closeReport(report)
		return l, 0, false, nil
	} else if why = insideObstacle(err); why == nil {
		return nil, 0, false, err
	} else if report != nil {
		tell(report, why)
		os.Exit(statusDevice) // the waiting process continues in its own namespace
	}
	if len(o.devices) > 0 { // who names the device wants no other
		return nil, 0, false, deviceError(fmt.Errorf("--device lab: %s", why.Text()))
	}
	if l, err = o.open([]device{{Kind: "sim"}}); err == nil {
		l.why = why.Virtual()
	}
	return l, 0, false, err
}

// tell writes an obstacle to a pipe, from which told reads it.
func tell(report *os.File, o *doctor.Obstacle) { _, _ = report.WriteString(o.Why + "\x00" + o.Cure) }

func told(b []byte) *doctor.Obstacle {
	why, cure, ok := strings.Cut(string(b), "\x00")
	if !ok {
		return nil
	}
	return &doctor.Obstacle{Why: why, Cure: cure}
}

func closeReport(report *os.File) {
	if report != nil {
		report.Close()
	}
}

// isDeviceError reports whether err is about the device, and not about the flags.
func isDeviceError(err error) bool {
	var se *statusError
	return errors.As(err, &se) && se.status == statusDevice
}
