package script

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const topologyText = `
hosts: {a: 10.0.0.1/24, b: {addresses: 10.0.0.2/24, mtu: 1400}, c: 10.0.0.3/24}
switches: [s]
links:
  - {name: direct, ends: [a, s], delay: 10ms}
  - [b, s]
  - [s, c]
timetable:
  - {at: 3s, link: direct, up: true}
  - {at: 1s, link: direct, set: {delay: 40ms}}
  - {at: 2s, link: direct, down: true}
  - {at: 4s, partition: [a, b]}
  - {at: 5s, heal: true}
`

// writeFiles writes files into a new folder and returns it.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestTopology makes a network of a file and follows its timetable, which begins with the call.
func TestTopology(t *testing.T) {
	dir := writeFiles(t, map[string]string{"lib/net.yaml": topologyText, "lib/net.star": `
def made(l):
    return l.topology("net.yaml")
`, "x.star": `
load("lib/net.star", "made")
l = lab()
l.run("10s")
net = made(l)
a, b = net.hosts["a"], net.hosts["b"]
assert.eq((list(net.hosts), list(net.switches), list(net.links)), (["a", "b", "c"], ["s"], ["direct", "b-s", "s-c"]))
assert.eq((a.ifaces()[0].mtu, b.ifaces()[0].mtu, len(net.switches["s"].ports())), (1500, 1400, 3))
assert.eq([str(net.links[n]) for n in ["s-c", "direct"]], ["link c-s", "link direct"])
assert.eq([r.link for r in l.links()], ["direct", "b-s", "c-s"])
def rtt():
    a.ping("b", count=1, timeout="100ms")
    r = a.ping("b", count=1, timeout="100ms")
    return fmt(r.avg, 3) if r.received else None
assert.eq(rtt(), "0.020")
l.run("1s")
assert.eq(rtt(), "0.080")
l.run("1s")
assert.eq((net.links["direct"].info().state, a.ifaces()[0].state), ("DOWN", "NO-CARRIER"))
l.run("1s")
assert.eq(rtt(), "0.080")
l.run(14.5 - l.now())
assert.eq(rtt(), None)
l.run("1s")
assert.eq(rtt(), "0.080")
`})
	s := newSim(t, 1)
	if err := s.RunFile(filepath.Join(dir, "x.star")); err != nil {
		t.Error(s.err.String())
	}
}

// TestTopologyErrors: errors of the file and of the lab have the file's name and the line.
func TestTopologyErrors(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"key.yaml":  "hosts:\n  a: {adress: 10.0.0.1/24}\n",
		"same.yaml": "hosts: {a: 10.0.0.1/24, b: 10.0.0.1/24}\nlinks:\n  - [a, b]\n",
		"peer.yaml": "hosts:\n  a: 10.0.0.1/24\n  peer: 10.0.0.2/24\n",
	})
	for file, want := range map[string]string{
		"key.yaml":  "key.yaml:2: host a has no key adress (did you mean addresses?)",
		"same.yaml": "same.yaml:3: link: a and b both have the address 10.0.0.1",
		"peer.yaml": `peer.yaml:3: host "peer" exists already`,
		"none.yaml": "none.yaml: no such file or directory",
	} {
		s := newSim(t, 1)
		err := s.RunCommand(`local.lab.topology("` + filepath.Join(dir, file) + `")`)
		if err == nil || !strings.Contains(s.err.String(), want) {
			t.Errorf("%s: said %s, want %s", file, s.err.String(), want)
		}
	}
}

// TestTopologyWithoutFiles: a session without files reads the topologies that it may load, and no others.
func TestTopologyWithoutFiles(t *testing.T) {
	dir := writeFiles(t, map[string]string{"own/net.yaml": topologyText, "other/net.yaml": topologyText,
		"own/good.star": `lab().topology("net.yaml")`, "own/bad.star": `lab().topology("../other/net.yaml")`, "own/link.star": `lab().topology("link.yaml")`})
	if err := os.Symlink(filepath.Join(dir, "other/net.yaml"), filepath.Join(dir, "own/link.yaml")); err != nil {
		t.Fatal(err)
	}
	for file, refused := range map[string]bool{"good.star": false, "bad.star": true, "link.star": true} {
		s := newSim(t, 1)
		s.cfg.NoFiles = true
		err := s.RunFile(filepath.Join(dir, "own", file))
		if got := strings.Contains(s.err.String(), "files and programs are forbidden (--no-files), but for the script's own folder"); got != refused || (err != nil) != refused {
			t.Errorf("%s: %v, %s", file, err, s.err.String())
		}
	}
}
