package suggest

import (
	"fmt"
	"strconv"
	"strings"
)

// commands are the commands of other shells that have a counterpart here, and what to type for their arguments.
var commands map[string]func(a arguments) string

func init() {
	probe := func(name string) func(a arguments) string {
		return func(a arguments) string {
			text := fmt.Sprintf("%s(%q", name, last(a.without("-c", "-i", "-s", "-W", "-w", "-t", "-I", "-m", "-q"), example))
			if n := a.options["-c"]; n != "" {
				text += ", count=" + n
			}
			if n := a.options["-i"]; n != "" {
				text += ", interval=" + n
			}
			return text + ")"
		}
	}
	plain := func(text string) func(arguments) string { return func(arguments) string { return text } }
	commands = map[string]func(a arguments) string{
		"ping": probe("ping"), "ping6": probe("ping"), "arping": probe("arping"), "ndping": probe("ndping"), "ndisc6": probe("ndping"),
		"traceroute": probe("traceroute"), "traceroute6": probe("traceroute"), "tracepath": probe("traceroute"),
		"mtr": probe("traceroute"), "tracert": probe("traceroute"),
		"ip": ipCommand, "ifconfig": plain("ifaces()"), "ipconfig": plain("ifaces()"), "ethtool": plain("ifaces()"),
		"netstat": netstat, "ss": sockets, "route": plain("routes()"), "arp": plain("neighbors()"),
		"nstat": plain("counters()"), "conntrack": plain("ss()"), "lsof": plain("ss()"),
		"curl": fetch, "wget": fetch, "http": fetch,
		"tcpdump": dump, "tshark": dump, "trace": dump, "sniff": dump,
		"nc": connect, "ncat": connect, "netcat": connect, "telnet": connect, "socat": connect,
		"help": page, "man": page, "info": page, "tc": queueing,
		"iperf": measured, "iperf3": measured,
		"print": printed, "echo": echoed, "puts": printed, "printf": printed,
		"cd":     plain(`sh("cd /tmp && ls").out: each program starts in the shell's own folder`),
		"clear":  plain("Ctrl-L, which clears the screen"),
		"reset":  plain("Ctrl-L, which clears the screen"),
		"exit":   plain("exit(), or Ctrl-D"),
		"quit":   plain("exit(), or Ctrl-D"),
		"logout": plain("exit(), or Ctrl-D"),
		"source": ran, "run": ran, "sleep": func(a arguments) string { return fmt.Sprintf("sleep(%q)", last(a.words, "1s")) },
		"python": ran, "python3": ran,
		"smolsh": plain("exit(), then the line at the system's shell; run(\"x.star\") runs a file here"),
	}
}

// systems are programs of the operating system that have no counterpart here.
var systems = set(`ls cat grep less more vi vim nano emacs ps top htop mkdir rm mv cp pwd chmod chown whoami id uname which find tail head
awk sed wc tar git docker kubectl ssh scp make gcc go apt systemctl journalctl dmesg mount df du free env lsmod modprobe strace gdb tree touch
file hostname`)

// set returns the words of a text.
func set(text string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(text) {
		m[w] = true
	}
	return m
}

// System returns how to run a program of the operating system that has no counterpart here; "" for other names.
func System(name string) string {
	if !systems[name] {
		return ""
	}
	return system(name)
}

// ipCommand answers iproute2's ip.
func ipCommand(a arguments) string {
	words := a.without("-n", "-netns", "-family", "-f")
	object, verb := "", ""
	if len(words) > 0 {
		object = words[0]
	}
	if len(words) > 1 {
		verb = words[1]
	}
	target := "…"
	if len(words) > 2 {
		target = words[2]
	}
	is := func(name string) bool { return object != "" && strings.HasPrefix(name, object) }
	change := strings.HasPrefix(verb, "a") || strings.HasPrefix(verb, "d") || strings.HasPrefix(verb, "rep")
	remove := strings.HasPrefix(verb, "d")
	switch {
	case is("address") && change && remove:
		return fmt.Sprintf("ifaces()[0].del_addr(%q)", target)
	case is("address") && change:
		return fmt.Sprintf("ifaces()[0].add_addr(%q)", target)
	case is("address"):
		return "addrs(), or ifaces()"
	case is("link") && a.following("mtu") != "":
		return "ifaces()[0].set(mtu=" + a.following("mtu") + ")"
	case is("link") && (a.following("set", "dev", last(words[:max(0, len(words)-1)], "")) == "down" || last(words, "") == "down"):
		return "ifaces()[0].down()"
	case is("link") && last(words, "") == "up":
		return "ifaces()[0].up()"
	case is("route") && change && remove:
		return fmt.Sprintf("routes.delete(%q)", target)
	case is("route") && change:
		via := a.following("via")
		if via == "" {
			via = "…"
		}
		return fmt.Sprintf("routes.add(%q, %q)", target, via)
	case is("route"):
		return "routes()"
	case is("neighbour") && strings.HasPrefix(verb, "f"):
		return "neighbors.flush()"
	case is("neighbour") && change && remove:
		return fmt.Sprintf("neighbors.delete(%q)", target)
	case is("neighbour") && change:
		return fmt.Sprintf("neighbors.add(%q, %q)", target, a.following("lladdr"))
	case is("neighbour") || is("neighbor"):
		return "neighbors()"
	case is("netns"):
		return `lab().host("a", "10.0.0.1/24")`
	}
	return "ifaces()"
}

func netstat(a arguments) string {
	switch {
	case a.has("-s"):
		return "counters()"
	case a.has("-r", "-rn", "-nr"):
		return "routes()"
	case a.has("-i"):
		return "ifaces()"
	}
	return "ss()"
}

// sockets answers iproute2's ss, whose options are columns and rows of the table here.
func sockets(a arguments) string {
	options := ""
	for o := range a.options {
		options += o
	}
	switch {
	case strings.Contains(options, "i") || strings.Contains(options, "m") || strings.Contains(options, "o"):
		return "ss(info=True)"
	case strings.Contains(options, "l"):
		return `ss().where(state="LISTEN")`
	case strings.Contains(options, "u"):
		return `ss().where(netid="udp")`
	case strings.Contains(options, "t"):
		return `ss().where(netid="tcp")`
	case strings.Contains(options, "s"):
		return "counters()"
	}
	return "ss()"
}

func fetch(a arguments) string {
	url := last(a.without("-o", "-O", "-H", "-X", "-d"), "http://"+example+":8000/")
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	return fmt.Sprintf("http.get(%q).body", url)
}

// dump answers tcpdump and tshark.
func dump(a arguments) string {
	filter := strings.Join(a.without("-i", "-c", "-w", "-r", "-s", "-f"), " ")
	filter = strings.ReplaceAll(filter, `"`, "")
	switch {
	case a.options["-w"] != "":
		if filter != "" {
			return fmt.Sprintf("capture(%q, %q)", a.options["-w"], filter)
		}
		return fmt.Sprintf("capture(%q)", a.options["-w"])
	case a.options["-r"] != "":
		return fmt.Sprintf("read_capture(%q)", a.options["-r"])
	case a.options["-c"] != "":
		return fmt.Sprintf("sniff(%q, count=%s)", filter, a.options["-c"])
	case filter == "":
		return "tcpdump(), or trace()"
	}
	return fmt.Sprintf("tcpdump(%q), or trace(%q)", filter, filter)
}

// connect answers nc and telnet.
func connect(a arguments) string {
	if a.has("-l", "-lp", "-lk", "-lu", "-lvp", "-lvnp") {
		port := last(a.words, "8080")
		if a.has("-u", "-lu") {
			return "u = udp.bind(" + port + "), then u.recv()"
		}
		return "l = tcp.listen(" + port + "), then l.accept()"
	}
	host, port := example, "7"
	if n := len(a.words); n >= 2 {
		host, port = a.words[n-2], a.words[n-1]
	} else if n == 1 {
		host = a.words[0]
	}
	if a.has("-u") {
		return fmt.Sprintf("u = udp.connect(%q), then u.send(\"hi\") and u.recv()", endpoint(host, port))
	}
	return fmt.Sprintf("c = tcp.connect(%q), then c.send(\"hi\") and c.recv()", endpoint(host, port))
}

func page(a arguments) string {
	if len(a.words) == 0 {
		return "help()"
	}
	what := strings.Join(a.words, " ")
	if other := pages[what]; other != "" {
		what = other
	}
	if len(a.words) == 1 && wordlike.MatchString(what) && !strings.ContainsAny(what, ":/-") {
		if text := Word(what); text != "" {
			return text
		}
		return "help(" + what + ")"
	}
	return fmt.Sprintf("help(%q)", what)
}

// pages maps commands of the system to the builtins that do the same.
var pages = map[string]string{"ip": "ifaces", "netstat": "ss", "nc": "tcp.connect", "tc": "fault", "curl": "http.get", "ifconfig": "ifaces", "route": "routes"}

// queueing answers tc.
func queueing(a arguments) string {
	var effects []string
	for _, e := range []string{"loss", "delay", "duplicate", "corrupt", "reorder", "rate"} {
		if v := a.following(e); v != "" {
			effects = append(effects, fmt.Sprintf("%s=%q", e, v))
		}
	}
	dev := a.following("dev")
	if dev == "" {
		dev = "ifaces()[0]"
	} else {
		dev = strconv.Quote(dev)
	}
	if len(effects) == 0 {
		return fmt.Sprintf("faults(), or fault(%s, loss=0.1, delay=\"20ms\")", dev)
	}
	return fmt.Sprintf("fault(%s, dir=\"tx\", %s)", dev, strings.Join(effects, ", "))
}

func printed(a arguments) string {
	if wordlike.MatchString(a.line) || literal.FindString(a.line) == a.line {
		return "print(" + a.line + ")"
	}
	return fmt.Sprintf("print(%q)", strings.Join(a.words, " "))
}

// echoed answers the shell's echo, whose words are text.
func echoed(a arguments) string {
	if name, ok := strings.CutPrefix(a.line, "$"); ok && wordlike.MatchString(name) {
		return "print(" + name + ")"
	}
	if literal.FindString(a.line) == a.line {
		return "print(" + a.line + ")"
	}
	return fmt.Sprintf("print(%q)", a.line)
}

// measured answers iperf3.
func measured(a arguments) string {
	port := a.options["-p"]
	if port == "" {
		port = "5201"
	}
	if a.has("-s") {
		return "measure.serve(" + port + ")"
	}
	host := a.options["-c"]
	if host == "" {
		host = example
	}
	text := fmt.Sprintf("measure(%q", endpoint(host, port))
	if n := a.options["-t"]; n != "" {
		text += ", " + n
	}
	if a.has("-R") {
		text += `, dir="down"`
	}
	return text + "), after measure.serve(" + port + ") at the other end: peer, kernel or a host of a lab"
}

func ran(a arguments) string { return fmt.Sprintf("run(%q)", last(a.words, "x.star")) }
