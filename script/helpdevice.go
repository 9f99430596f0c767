package script

import (
	"regexp"
	"strings"
)

// A need is what the code of a help page needs on a device whose other end is the kernel.
type need struct {
	code *regexp.Regexp
	note string
}

// needs are tried in this order for each line; the first that matches counts.
var needs = []need{
	{regexp.MustCompile(`\bpeer\.measure\.serve\(`), `here kernel.measure.serve in place of peer.measure.serve:`},
	{regexp.MustCompile(`(?:^|[^.\w"])peer\.\w+|[("]peer[")]`), `in the virtual lab, smolsh --device sim, which has peer:`},
	{regexp.MustCompile(`192\.168\.69\.100:8000`), `in the virtual lab, smolsh --device sim, whose peer has a web server:`},
	{regexp.MustCompile(`udp\.(?:connect|bind).*"192\.168\.69\.100:7"`), `here first kernel.serve("udp", 7, echo):`},
	{regexp.MustCompile(`"192\.168\.69\.100:7"`), `here first kernel.serve("tcp", 7, echo):`},
}

// nameAndText matches a line of a page that explains a name, and is no code.
var nameAndText = regexp.MustCompile(`^ +[\w*]+=?  +\S`)

// forDevice returns a page of help, in which a line before code says what that needs on this device, if it would not run in the shell as it is.
func (s *Session) forDevice(page string) string {
	if s.cfg.Peer != nil {
		return page
	}
	said := map[string]bool{}
	var out []string
	for line := range strings.SplitSeq(page, "\n") {
		for _, n := range needs {
			if n.code.MatchString(line) && strings.HasPrefix(line, "  ") && !nameAndText.MatchString(line) {
				if !said[n.note] {
					out = append(out, line[:len(line)-len(strings.TrimLeft(line, " "))]+"# "+n.note)
				}
				said[n.note] = true
				break
			}
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}
