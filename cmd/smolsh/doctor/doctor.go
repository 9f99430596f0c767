// Package doctor finds the reason why a device or the private lab can't be used on this machine, and its remedy.
//
// Explain turns an error into an Obstacle by one table of causes. Both smolsh doctor and the errors of --device
// take their texts from that table, so that they always agree. A Checkup tries the machine, the private lab and the
// named devices one by one, and prints a Verdict for each.
//
// A Checkup opens no host of its own: its caller passes functions that run the program, ping the kernel and dial a
// switch. Nothing here changes the machine. A TAP that a check makes is removed before the check returns. Outside
// Linux there is one verdict, that devices need Linux.
package doctor

import (
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strings"
)

// Device names a device as --device KIND[:NAME] does.
type Device struct{ Kind, Name string }

// Obstacle is the reason why a device or a lab can't be used, and the remedy: a command or a flag.
type Obstacle struct{ Why, Cure string }

// Text returns the obstacle as an error of a device.
func (o *Obstacle) Text() string { return o.Why + " (" + o.Cure + ")" }

// instead stands between reason and remedy where a virtual lab takes the private lab's place.
const instead = ", so this is a virtual lab ("

// Virtual returns the obstacle as the shell's banner and standard error show it when a virtual lab takes the private
// lab's place.
func (o *Obstacle) Virtual() string { return o.Why + instead + o.Cure + ")" }

// Verdict is the result of one check, a line of smolsh doctor.
type Verdict struct {
	Subject string    // the device or capability that was checked
	Good    string    // the result, where there is no obstacle
	Bad     *Obstacle // nil where all is well
	Noted   bool      // Bad is no failure, because the user did not ask for the subject
}

// Checkup is one run of smolsh doctor. Its caller fills in the exported fields, all of them, and calls Run once.
type Checkup struct {
	Private bool         // check the private lab
	Devices []Device     // the devices to check; without any, Run lists the machine's TAPs and TUNs
	Host    netip.Addr   // the host's address on a TAP or TUN
	Gateway netip.Addr   // the host's default gateway; the zero Addr for none
	Peer    netip.Prefix // the address to suggest for a kernel's end that has none

	// Program returns a command that runs this program with the given arguments.
	Program func(args ...string) *exec.Cmd
	// Switch dials a switch and returns the verdict.
	Switch func(d Device) Verdict
	// Ping puts the host on a TAP or TUN and reports whether the kernel's end answers its echo requests. The error
	// says why the host can't be there.
	Ping func(d Device, kernel netip.Addr) (answered bool, err error)

	w      io.Writer
	failed bool
}

// Run makes the checks and writes the verdicts to w, two lines for an obstacle. It returns false when one of them failed.
func (c *Checkup) Run(w io.Writer) (ok bool) {
	c.w = w
	c.examine()
	return !c.failed
}

func (c *Checkup) say(v Verdict) {
	word, text := "ok", v.Good
	switch {
	case v.Bad != nil && v.Noted:
		word, text = "note", strings.TrimPrefix(v.Bad.Why, v.Subject+": ")
	case v.Bad != nil:
		word, text, c.failed = "FAIL", strings.TrimPrefix(v.Bad.Why, v.Subject+": "), true
	}
	fmt.Fprintf(c.w, "%-4s  %-14s  %s\n", word, v.Subject, text)
	if v.Bad != nil {
		fmt.Fprintf(c.w, "      %-14s  %s\n", "", v.Bad.Cure)
	}
}
