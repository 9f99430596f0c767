package script

import (
	"encoding/binary"
	"os"
	"strings"
	"testing"
)

// packetsOf are the frames in a pcapng file's enhanced packet blocks.
func packetsOf(t *testing.T, path string) (frames [][]byte) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const enhancedPacket = 6
	for len(b) >= 12 {
		n := binary.LittleEndian.Uint32(b[4:])
		if binary.LittleEndian.Uint32(b) == enhancedPacket {
			frames = append(frames, b[28:28+binary.LittleEndian.Uint32(b[20:])])
		}
		b = b[n:]
	}
	return frames
}

func TestCaptureTakesAFilter(t *testing.T) {
	t.Chdir(t.TempDir())
	s := newSim(t, 1)
	err := s.RunSource("test.star", `
echoes = capture("echoes.pcapng", "icmp[icmptype] = icmp-echo")
both = local.lab.capture("both.pcapng", filter="icmp[icmptype] = icmp-echo")
all = capture("all.pcapng")
ping("192.168.69.100", count=2)
tcp.connect("192.168.69.100:7").close()
for c in [echoes, both, all]:
    c.stop()
assert.fails(lambda: capture("x.pcapng", "tcp prot 80"), "capture: .*prot")
assert.fails(lambda: capture("x.pcapng", 80), "filter")
`)
	if err != nil {
		t.Fatal(s.err.String())
	}
	for file, want := range map[string]int{"echoes.pcapng": 2, "both.pcapng": 2} {
		got := packetsOf(t, file)
		if len(got) != want {
			t.Errorf("%s has %d packets, want %d", file, len(got), want)
		}
		for _, f := range got {
			if f[23] != 1 || f[34] != 8 {
				t.Errorf("%s: no echo request: %x", file, f[:42])
			}
		}
	}
	if got := packetsOf(t, "all.pcapng"); len(got) < 9 {
		t.Errorf("all.pcapng has %d packets", len(got))
	}
	if _, err := os.Stat("x.pcapng"); err == nil {
		t.Error("a filter that is none leaves a file behind")
	}
	if err := s.RunCommand("help(capture)"); err != nil || !strings.Contains(s.out.String(), "tcpdump's expression") {
		t.Errorf("help(capture) does not say what a filter is: %s", s.out.String())
	}
}
