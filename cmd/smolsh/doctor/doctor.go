// Package doctor finds the reason why a device or the private lab can't be used on this machine, and its remedy.
//
// Explain turns an error into an Obstacle by one table of causes. Both `smolsh doctor` and the errors of --device take
// their texts from that table, so that they always agree. A Checkup tries the machine, the private lab and the named
// devices one by one, and prints a Verdict for each.
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

// Device names a device as `--device KIND[:NAME]` does.
type Device struct{ Kind, Name string }

// Obstacle is the reason why a device or a lab can't be used, and the remedy: a command or a flag.
type Obstacle struct{ Why, Cure string }

// Text returns the obstacle as one line: reason and remedy.
func (o *Obstacle) Text() string { return o.Why + " (" + o.Cure + ")" }

// instead separates reason and remedy if a virtual lab replaces the private lab.
const instead = ", so this is a virtual lab ("

// Virtual returns the obstacle as one line for the banner and standard error, if a virtual lab replaces the private
// lab.
func (o *Obstacle) Virtual() string { return o.Why + instead + o.Cure + ")" }

// Verdict is the result of one check, printed as a line of `smolsh doctor`.
type Verdict struct {
	Subject string    // the device or capability that was checked
	Good    string    // result if there is no obstacle
	Bad     *Obstacle // obstacle; nil if there is none
	Noted   bool      // true if Bad does not count as a failure, because the user did not name the subject
}

// Ends has the addresses of one family at the ends of a TAP or TUN.
type Ends struct {
	Host    netip.Addr   // host's address
	Gateway netip.Addr   // host's default gateway; the zero Addr for none
	Peer    netip.Prefix // address to suggest for a kernel's end without one
	Noted   bool         // true if the lack of a kernel's address of the family is no failure, since no flag asks for the family
}

// Checkup is one run of `smolsh doctor`. The caller sets all exported fields, and calls Run once.
type Checkup struct {
	Private bool     // true to check the private lab
	Share   bool     // true to check whether raw devices can share the kernel's addresses
	Devices []Device // devices to check; without any, Run lists the machine's TAPs and TUNs
	Ends    []Ends   // addresses at both ends of a TAP or TUN, one for each family that the host speaks

	// Program returns a command that runs this program with the given arguments.
	Program func(args ...string) *exec.Cmd
	// Switch connects to a switch and returns the verdict.
	Switch func(d Device) Verdict
	// Ping attaches the host to a TAP or TUN, and reports whether the kernel's end answers echo requests. The error is
	// the reason why the host can't be attached.
	Ping func(d Device, kernel netip.Addr) (answered bool, err error)

	w      io.Writer
	failed bool
}

// Run makes the checks and writes their verdicts to w. The verdict on an obstacle has two lines. Run returns false if a
// check failed.
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
