// Package live moves a lab's world along the wall clock: the only code that polls descriptors and reads
// the time.
//
// One goroutine on a thread of its own owns the world. It drains every pollable device that is readable,
// a batch of 64 frames each, runs what callers asked for, runs what is due, lets hosts transmit, and
// then sleeps in ppoll(2) on all descriptors and an eventfd(2) until the next deadline; while anything
// is due it polls without sleeping. At rest it uses no CPU at all.
//
// A call reaches the owner through a mailbox: put into a list under a lock, with a write to the eventfd
// by whoever finds the list empty. The owner empties the eventfd before the list, so that no wake-up is
// lost, however many devices and callers there are.
//
// A device that fails (its TAP was deleted) is taken out of service and reported once through
// World.OnDeviceError; one that is full keeps its frames until it is writable. Neither holds up the
// others. Devices need no registration: Host.Attach puts pollable ones on the list that the loop reads.
//
// A device whose link changes (phy.Watcher) says so on a goroutine of its own, through the mailbox; then the loop
// looks at it.
//
// Left out on purpose: io_uring. Linux only; elsewhere New returns an error.
//
// A Runner of this package may be used by any number of goroutines, but what Do runs must not call Do.
package live
