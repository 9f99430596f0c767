package main

import (
	"errors"
	"os"
	"strings"
)

// obstacle is why the private lab can't be had, and what mends it.
type obstacle struct{ why, cure string }

// line is the obstacle as the shell's banner and standard error have it.
func (o *obstacle) line() string {
	return o.why + ", so this is a virtual lab (" + o.cure + ")"
}

// text is the obstacle as an error of a device.
func (o *obstacle) text() string { return o.why + " (" + o.cure + ")" }

// wantsPrivate reports whether the flags ask for the private lab, which is the default.
func (o *options) wantsPrivate() bool {
	return len(o.devices) == 0 || o.devices[0].kind == "lab"
}

// openLab makes the lab that the flags ask for. For the private lab it moves the process into a network
// namespace of its own first, and comes back only where that can't be done, or in a copy of it, or with
// ran set and the exit status of the copy that did everything.
func (o *options) openLab() (l *shellLab, status int, ran bool, err error) {
	if !o.wantsPrivate() {
		l, err = o.open(o.devices)
		return l, 0, false, err
	}
	if len(o.devices) > 1 {
		return nil, 0, false, usageError("--device: lab goes alone")
	}
	inside, report := insidePrivate()
	var why *obstacle
	if !inside {
		if status, ran, why = enterPrivate(); ran {
			return nil, status, true, nil
		}
	} else if l, err = o.open([]device{{kind: "lab"}}); err == nil {
		closeReport(report)
		return l, 0, false, nil
	} else if why = insideObstacle(err); why == nil {
		return nil, 0, false, err
	} else if report != nil {
		tell(report, why)
		os.Exit(statusDevice) // the process that waits for it goes on, in the namespace it came from
	}
	if l, err = o.open([]device{{kind: "sim"}}); err == nil {
		l.why = why.line()
	}
	return l, 0, false, err
}

// tell and told pass an obstacle through a pipe.
func tell(report *os.File, o *obstacle) { _, _ = report.WriteString(o.why + "\x00" + o.cure) }

func told(b []byte) *obstacle {
	why, cure, ok := strings.Cut(string(b), "\x00")
	if !ok {
		return nil
	}
	return &obstacle{why, cure}
}

func closeReport(report *os.File) {
	if report != nil {
		report.Close()
	}
}

// isDeviceError reports whether err is about the device, and not about how it was asked for.
func isDeviceError(err error) bool {
	var se *statusError
	return errors.As(err, &se) && se.status == statusDevice
}
