package script

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"smolsh/script/kernel"
	"smolsh/script/registry"
	"smolsh/script/topic"
)

// sections returns every builtin, in the order of the reference.
func sections() []section {
	join := slices.Concat[[]*builtin]
	return []section{
		{Title: "State", Intro: "The state of a host, as tables of rows. A bare name concerns the host of the calling task, `ifaces()` for example; " +
			"`peer.ifaces()` is the table of another host. `arp` is `neighbors`, `ss` is `sockets`.",
			Builtins: join(stateBuiltins(), autoconfBuiltins(), ifaceBuiltins(), advertiseBuiltins(), tableBuiltins())},
		{Title: "Probes", Intro: "", Builtins: join(pingBuiltins(), arpingBuiltins(), tracerouteBuiltins(), resolveBuiltins(), sendBuiltins(), claimBuiltins(), answeringBuiltins())},
		{Title: "Sockets", Intro: "Endpoints are strings: `\"192.168.69.1:80\"`. Data sent is `str` or `bytes`, data received is `bytes`. " +
			"Calls that wait accept `timeout=`. Without it `tcp.connect` waits as long as TCP retransmits the SYN, and other calls wait for ever.",
			Builtins: join(tcpBuiltins(), connBuiltins(), udpBuiltins(), icmpBuiltins(), rawBuiltins(), framesBuiltins(), serveBuiltins(), httpBuiltins(), httpServeBuiltins(), measureBuiltins())},
		{Title: "The kernel", Intro: "`kernel` is the operating system's stack with the same socket calls, in the lab's network namespace, so that a " +
			"script can hold both ends. In a virtual lab `kernel` is false, and its calls are errors that say so.", Builtins: kernelBuiltins()},
		{Title: "Tasks and time", Intro: "A duration given is a number of seconds, a string such as `\"20ms\"` or `\"2m\"`, or a `time` duration; " +
			"one returned is a float of seconds. Exactly one task runs at a time, until it waits. " +
			"The clock is that of the host in use: beside a live lab, virtual ones move while the script's main line sleeps or waits for them, and by `l.run()`.", Builtins: join(timeBuiltins(), eventBuiltins())},
		{Title: "Labs", Intro: "Hosts, links and a clock of their own, in which equal seeds give equal packets.", Builtins: join(labBuiltins(), topologyBuiltins(), linkBuiltins(), stationBuiltins(), endBuiltins())},
		{Title: "Fault rules", Intro: "", Builtins: faultBuiltins()},
		{Title: "Packets", Intro: "", Builtins: join(traceBuiltins(), packetBuiltins(), composeBuiltins(), patternBuiltins(), protocolBuiltins(), fuzzBuiltins(), fragmentBuiltins(), packetFileBuiltins(), replayBuiltins())},
		{Title: "Programs and files", Intro: "Programs run in the lab's network namespace, as `!command` does at the prompt; beside a virtual lab, in the machine's own. " +
			"Virtual time stands while one runs. A run that calls `sh` does not repeat: what a program does, and when, depends on the machine. " +
			"`smolsh test --shrink` refuses such a test.", Builtins: join(programBuiltins(), fileBuiltins(), logBuiltins())},
		{Title: "Values and tests", Intro: "`smolsh test` runs every name of a file's top level that begins with `test_` and holds a function, each in a fresh evaluation of " +
			"the file. `setup()`, if the file defines it, runs before each test, and a test with a parameter for it gets its result as the first argument. `teardown(net)` runs after " +
			"each test, also after a failure, if `setup()` returned. An error in either fails the test, and so does `exit()`. An error in a task, a handler or a function that judges " +
			"packets fails the test too, unless the test joins the task or reads its error. After each part, the tasks that are ready run until they wait; tasks that still wait end with " +
			"the test. So a test whose server still works lets time pass at its end: `l.run(\"10s\")`, or `task.join()`.", Builtins: join(textBuiltins(), formatBuiltins(), packBuiltins(), assertBuiltins(), testBuiltins())},
		{Title: "The prompt", Intro: "", Builtins: join(watchBuiltins(), shellBuiltins())},
	}
}

// language returns the whole language, from which the registry is made.
func language() registry.Language[*call] {
	return registry.Language[*call]{
		Sections: sections(), Types: valueTypes, Namespaces: namespaceWords, Globals: topNamespaces, Aliases: aliases, Like: kernel.Like,
		Options: func(b *builtin) [][2]string {
			options := optionsOf(b)
			switch {
			case options == nil:
				return nil
			case isKernels(b):
				return optionWords(options, nil) // the system's defaults are its own
			}
			return optionWords(options, usualOptions())
		},
		OptionsTitle: "Options of TCP sockets", OptionsText: optionsChapter(),
	}
}

// optionsChapter returns the reference's chapter on the options of TCP sockets.
func optionsChapter() string {
	var out strings.Builder
	out.WriteString("`tcp.connect`, `tcp.listen` and `serve` take them as keyword arguments, " +
		"`conn.set` changes them. Those of the operating system's sockets are " + "`" + strings.Join(kernel.OptionNames(), "`, `") + "`" + ".\n\n")
	for _, o := range optionWords(tcpOptions, usualOptions()) {
		fmt.Fprintf(&out, "- `%s` %s\n", o[0], o[1])
	}
	return out.String()
}

// Reference returns the whole reference as Markdown: docs/reference.md.
func Reference() string { return registry.New(language()).Reference() + protocolChapter() }

// Help returns the help page of a name, formatted without a terminal. Without a name it returns a list of every
// builtin and every topic.
func Help(name string) (string, error) {
	r := registry.New(language())
	if name == "" {
		return r.Overview(helpWidth) + "\n" + topicNames(helpWidth), nil
	}
	return helpNamed(r, nil, name, helpWidth)
}

// Names returns the names of all builtins and topics, sorted. Help has a page for each.
func Names() []string {
	names := map[string]bool{}
	for n := range registry.New(language()).ByName {
		names[n] = true
	}
	for _, t := range topic.All() {
		names[t.Name] = true
	}
	return slices.Sorted(maps.Keys(names))
}
