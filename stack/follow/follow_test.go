package follow

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"smolsh/phy"
	"smolsh/stack/packet"
	"smolsh/stack/wire"
)

// conversation adds segments, each described as "up|down seq flags data", to a Follower.
func conversation(t *testing.T, segments ...string) *Follower {
	t.Helper()
	f := &Follower{}
	for i, s := range segments {
		parts := strings.SplitN(s, " ", 4)
		var seq uint32
		fmt.Sscan(parts[1], &seq)
		src, dst, sport, dport := "10.0.0.1", "10.0.0.2", uint64(1000), uint64(80)
		if parts[0] == "down" {
			src, dst, sport, dport = dst, src, dport, sport
		}
		b, err := packet.NewDraft(
			layer(t, packet.IP, map[string]any{"src": netip.MustParseAddr(src), "dst": netip.MustParseAddr(dst)}),
			layer(t, packet.TCP, map[string]any{"sport": sport, "dport": dport, "seq": uint64(seq), "flags": uint64(flagsOf(parts[2]))}),
			layer(t, packet.Raw, map[string]any{"load": []byte(parts[3])})).Build()
		if err != nil {
			t.Fatal(err)
		}
		f.Add(i, packet.OfMedium(b.Octets, phy.MediumIP))
	}
	return f
}

// layer returns a layer of a draft with fields set by name.
func layer(t *testing.T, p *packet.Protocol, values map[string]any) packet.DraftLayer {
	t.Helper()
	l := packet.DraftLayer{Protocol: p}
	for name, v := range values {
		var err error
		if l, err = l.With(p.Field(name), v); err != nil {
			t.Fatal(err)
		}
	}
	return l
}

func flagsOf(s string) (f wire.Flags) {
	for c, v := range map[string]wire.Flags{"S": wire.SYN, "A": wire.ACK, "F": wire.FIN, "R": wire.RST} {
		if strings.Contains(s, c) {
			f |= v
		}
	}
	return f
}

// TestFollow: each direction's octets are put in order, repeated ones count once, and missing ones are named.
func TestFollow(t *testing.T) {
	for name, c := range map[string]struct {
		segments []string
		want     string // of each stream: client, data of both directions, gaps
	}{
		"in order":                               {[]string{"up 99 S ", "down 499 SA ", "up 100 A hello", "down 500 A world", "up 105 FA "}, "1000: hello [] world []"},
		"out of order":                           {[]string{"up 99 S ", "up 105 A world", "up 100 A hello"}, "1000: helloworld []  []"},
		"repeated":                               {[]string{"up 99 S ", "up 100 A hello", "up 100 A hello", "up 103 A lo!"}, "1000: hello! []  []"},
		"the first counts":                       {[]string{"up 99 S ", "up 102 A llo", "up 100 A HELLO!"}, "1000: HEllo! []  []"},
		"a gap":                                  {[]string{"up 99 S ", "up 100 A he", "up 104 A o"}, "1000: heo [{2 2}]  []"},
		"first octets lost":                      {[]string{"up 99 S ", "up 104 A o"}, "1000: o [{0 4}]  []"},
		"begins in between":                      {[]string{"up 104 A o", "up 102 A ll"}, "1000: llo []  []"},
		"keep-alive":                             {[]string{"up 99 S ", "up 99 A x", "up 100 A hi", "up 101 A y"}, "1000: hi []  []"},
		"wraps":                                  {[]string{"up 4294967294 S ", "up 4294967295 A ab", "up 1 A c"}, "1000: abc []  []"},
		"data of the SYN":                        {[]string{"up 99 S hi", "up 102 A !"}, "1000: hi! []  []"},
		"a reset's text":                         {[]string{"up 99 S ", "up 100 R why"}, "1000:  []  []"},
		"a second one":                           {[]string{"up 99 S ", "up 100 A hi", "up 7000 S ", "up 7001 A ho"}, "1000: hi []  []; 1000: ho []  []"},
		"a repeated SYN":                         {[]string{"up 99 S ", "up 99 S ", "up 100 A hi"}, "1000: hi []  []"},
		"the answer first":                       {[]string{"down 499 SA ", "up 100 A hi"}, "1000: hi []  []"},
		"the SYN behind data":                    {[]string{"up 105 A world", "up 99 S ", "up 100 A hello"}, "1000: helloworld []  []"},
		"the SYN behind an ACK":                  {[]string{"up 100 A ", "up 99 S ", "up 100 A hello"}, "1000: hello []  []"},
		"the answer behind data":                 {[]string{"up 99 S ", "down 503 A def", "down 499 SA ", "down 500 A abc"}, "1000:  [] abcdef []"},
		"the answer behind all data":             {[]string{"up 99 S ", "down 503 A def", "down 500 A abc", "down 499 SA "}, "1000:  [] abcdef []"},
		"first octets lost, the SYN behind data": {[]string{"up 104 A o", "up 99 S "}, "1000: o [{0 4}]  []"},
		"both behind data":                       {[]string{"down 503 A def", "down 499 SA ", "up 99 S ", "up 100 A hi", "down 500 A abc"}, "1000: hi [] abcdef []"},
		"the server's data first":                {[]string{"down 500 A abc", "up 99 S ", "down 499 SA ", "up 100 A hi"}, "1000: hi [] abc []"},
		"another answer":                         {[]string{"up 99 S ", "down 499 SA ", "down 7000 SA ", "up 100 A hi", "down 7001 A ho"}, "1000: hi [] ho []"},
		"a new one after the middle of one":      {[]string{"up 5000 A old", "up 7000 S ", "up 7001 A new"}, "1000: old []  []; 1000: new []  []"},
		"a new one far below":                    {[]string{"up 500000000 A old", "up 99 S ", "up 100 A new"}, "1000: old []  []; 1000: new []  []"},
		"a new one's answer":                     {[]string{"down 5000 A old", "down 9000 SA ", "up 100 A new", "down 9001 A yes"}, "80: old []  []; 1000: new [] yes []"},
		"far from the first":                     {[]string{"up 99 S ", "up 100 A hi", "up 2000000000 A x"}, "1000: hix [{2 1999999898}]  []"},
	} {
		var got []string
		for _, s := range conversation(t, c.segments...).Streams() {
			up, gaps := s.Up.Data()
			down, gapsDown := s.Down.Data()
			got = append(got, fmt.Sprintf("%d: %s %v %s %v", s.Client.Port(), up, gaps, down, gapsDown))
		}
		if text := strings.Join(got, "; "); text != c.want {
			t.Errorf("%s: got %q, want %q", name, text, c.want)
		}
	}
}

// TestFollowIsBounded: a capture of segments far from each other can't make adding slow or large.
func TestFollowIsBounded(t *testing.T) {
	var segments []string
	for i := range 3 * maxRanges {
		segments = append(segments, fmt.Sprintf("up %d A x", 1000+10*i))
	}
	f := conversation(t, segments...)
	if n := f.Streams()[0].Up.have.Len(); n > maxRanges {
		t.Errorf("%d ranges", n)
	}
}
