package main

import (
	"os"
	"slices"

	"github.com/mattn/go-isatty"
)

// onlyOn reports whether every device is of one of the kinds.
func (o *options) onlyOn(kinds ...string) bool {
	return len(o.devices) > 0 && !slices.ContainsFunc(o.devices, func(d device) bool { return !slices.Contains(kinds, d.Kind) })
}

// checkEffects returns an error for a flag that would do nothing with the other flags.
func (o *options) checkEffects() error {
	if o.onlyOn("tun", "loopback") && o.flags.Changed("mac") {
		return usageError("--mac: a %s carries bare IP packets, and has no hardware address", o.devices[0].Kind)
	}
	for _, name := range []string{"gateway", "forward", "no-ipv6"} {
		if o.onlyOn("loopback") && o.flags.Changed(name) {
			return usageError("--%s does nothing on loopback, which has no neighbours", name)
		}
	}
	if o.flags.Changed("shaping-interval") && o.txRate == 0 && o.rxRate == 0 {
		return usageError("--shaping-interval is for --tx-rate-limit and --rx-rate-limit")
	}
	return nil
}

// checkMTU returns an error for packets that are longer than a device takes. Only a device that smolsh makes follows --mtu.
func (o *options) checkMTU(name string, most int) error {
	if o.mtu > most {
		return usageError("--mtu: %s has an MTU of %d, not %d (as root: ip link set %[1]s mtu %[3]d)", name, most, o.mtu)
	}
	return nil
}

// standardOutput is the name of --pcap that means standard output.
const standardOutput = "-"

// checkPcap sets the capture's file from the values of --pcap.
func (o *options) checkPcap(files []string) error {
	switch {
	case len(files) > 1:
		return usageError("--pcap: %s and %s: there is one capture (capture(FILE) begins others)", files[0], files[1])
	case len(files) == 0:
		return nil
	case files[0] == "":
		return usageError("--pcap: say which file")
	case files[0] == standardOutput && isatty.IsTerminal(os.Stdout.Fd()):
		return usageError("--pcap -: standard output is a terminal; give it to a program such as: smolsh --pcap - … | tcpdump -r -")
	}
	o.pcap = files[0]
	return nil
}

// flagsBefore lists the flags before a verb that the verb heeds. The verb test has a check of its own.
var flagsBefore = map[string][]string{
	"doctor": {"device", "addr", "gateway", "mac", "mtu", "no-ipv6", "switch-user", "kernel-addr", "promiscuous", "share-address", "forward"},
}

// checkBefore returns an error for a flag before a verb that does not heed it.
func (o *options) checkBefore(verb string) error {
	wrong := ""
	for _, f := range flagsOf(o.flags) {
		if f.Changed && !slices.Contains(flagsBefore[verb], f.Name) {
			wrong = f.Name
		}
	}
	if wrong != "" && verb != "" && verb != "test" {
		return usageError("%s: --%s before the verb is not for it (smolsh help %[1]s)", verb, wrong)
	}
	return nil
}
