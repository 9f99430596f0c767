package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"smolsh/cmd/smolsh/doctor"
	"smolsh/phy/unixport"
	"smolsh/script"
)

// equip sets a checkup's functions, which run this program, attach a host to a device and dial a switch.
func (o *options) equip(c *doctor.Checkup) {
	c.Program = func(args ...string) *exec.Cmd {
		return &exec.Cmd{Path: self(), Args: append(os.Args[:1:1], args...), Env: os.Environ()}
	}
	c.Ping = func(d doctor.Device, kernel netip.Addr) (bool, error) { return o.pingKernel(device(d), kernel) }
	c.Switch = o.examineSwitch
}

// pingKernel attaches the host to the device d, and reports whether the kernel's end answers one of two echo requests.
// The error is the reason why the host can't be attached.
func (o *options) pingKernel(d device, kernel netip.Addr) (answered bool, err error) {
	l, err := o.open([]device{d})
	if err != nil {
		return false, err
	}
	defer l.close()
	var out bytes.Buffer
	s := script.New(script.Config{Runner: l.runner, Lab: l.lab, Local: l.local, Seed: l.seed, Stdout: &out, Stderr: &out})
	err = s.RunCommand(fmt.Sprintf("print(ping(%q, count=2, interval=\"200ms\", timeout=\"1s\").received > 0)", kernel))
	err = errors.Join(err, s.Close())
	return err == nil && strings.Contains(out.String(), "True\n"), nil
}

// examineSwitch dials a switch and returns the verdict of `smolsh doctor`.
func (o *options) examineSwitch(d doctor.Device) doctor.Verdict {
	users, err := o.switchUserIDs()
	if err != nil {
		return doctor.Verdict{Subject: d.Name, Bad: &doctor.Obstacle{Why: err.Error(), Cure: "say a user of this machine"}}
	}
	dev, err := unixport.Dial(d.Name, unixport.Options{MTU: o.mtu, Users: users})
	if err != nil {
		bad := doctor.Explain(d, err)
		if bad == nil {
			bad = &doctor.Obstacle{Why: err.Error(), Cure: "smolsh switch " + d.Name + " serves one"}
		}
		return doctor.Verdict{Subject: d.Name, Bad: bad}
	}
	defer dev.Close()
	return doctor.Verdict{Subject: d.Name, Good: fmt.Sprintf("a switch answers, mtu %d", dev.Capabilities().MTU)}
}

// deviceFault returns the error for a device that can't be used. The error states the remedy if one is known.
func deviceFault(d device, err error) error {
	if o := doctor.Explain(doctor.Device(d), err); o != nil {
		return &statusError{statusDevice, o.Text(), err}
	}
	return deviceError(err)
}
