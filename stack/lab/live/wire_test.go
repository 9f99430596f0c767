//go:build linux

package live

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"smolsh/phy/tap"
	"smolsh/phy/tap/taptest"
	"smolsh/stack/tcp"
)

// TestSuperSegmentsOnTheWire: a TAP with offloads carries super-segments, and a plain one frames of wire size. tshark finds
// nothing malformed, lost or out of order in the kernel's capture of either.
func TestSuperSegmentsOnTheWire(t *testing.T) {
	for _, plain := range []bool{false, true} {
		t.Run(fmt.Sprint("plain=", plain), func(t *testing.T) { superSegments(t, plain) })
	}
}

func superSegments(t *testing.T, plain bool) {
	taptest.NeedTools(t, "tshark", "tcpdump")
	r, h, _ := onTAPWith(t, tap.Options{Plain: plain})
	file := filepath.Join(t.TempDir(), "tap0.pcap")
	stop := dump(t, "tap0", file)
	data := make([]byte, 4<<20)
	rand.NewChaCha8([32]byte{1}).Read(data)
	for _, weSend := range []bool{true, false} {
		sum, err := exchange(t, r, h, tcp.Config{}, kernelAddr.Addr(), data, weSend, weClose)()
		if err != nil || sum != sha256.Sum256(data) {
			t.Fatalf("we send %v: %v, sums equal %v", weSend, err, sum == sha256.Sum256(data))
		}
	}
	stop()

	// With offloads checksums are incomplete, so tshark does not verify them. A retransmission after an expired timer
	// is no error: tshark calls it a retransmission, or out of order if it comes soon.
	complaints := func(filter string) []string {
		out, err := exec.Command("tshark", "-r", file, "-d", "tcp.port==1-65535,data", "-Y", filter).Output()
		if err != nil {
			t.Fatal(err)
		}
		return slices.Collect(strings.Lines(string(out)))
	}
	if list := complaints("_ws.malformed || tcp.analysis.lost_segment"); len(list) > 0 {
		t.Errorf("tshark complains:\n%s", list)
	}
	list := complaints("tcp.analysis.out_of_order || tcp.analysis.retransmission && !tcp.analysis.spurious_retransmission")
	if by := timerRepeats(t, r, h); len(list) > by {
		t.Errorf("timers had %d segments sent again, and tshark complains of %d:\n%s", by, len(list), list)
	}
	longest := map[string]int{}
	out, err := exec.Command("tshark", "-r", file, "-Y", "tcp", "-T", "fields", "-e", "ip.src", "-e", "frame.len").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		src, text, _ := strings.Cut(strings.TrimSpace(line), "\t")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("tshark says %q", line)
		}
		longest[src] = max(longest[src], n)
	}
	ours, theirs := longest["192.168.69.1"], longest[kernelAddr.Addr().String()]
	if plain != (ours <= 1514) || plain != (theirs <= 1514) {
		t.Errorf("the longest frames have %d octets from us and %d from the kernel", ours, theirs)
	}
}

// dump has tcpdump write the packets of an interface into a file until stop is called. When stop returns, the file is
// complete.
func dump(t *testing.T, iface, file string) (stop func()) {
	t.Helper()
	cmd := exec.Command("tcpdump", "-i", iface, "-U", "-s", "0", "-B", "65536", "-w", file)
	complaints, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	lines := bufio.NewScanner(complaints)
	for lines.Scan() {
		fmt.Fprintln(&said, lines.Text())
		if strings.Contains(lines.Text(), "listening on") {
			break
		}
	}
	return func() {
		cmd.Process.Signal(os.Interrupt)
		for lines.Scan() {
			fmt.Fprintln(&said, lines.Text())
		}
		if err := cmd.Wait(); err != nil || !strings.Contains(said.String(), "0 packets dropped by kernel") {
			t.Errorf("tcpdump: %v: %s", err, said.String())
		}
	}
}
