package script

import (
	"fmt"
	"io"
	"os"
	"time"

	"go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"

	"smolsh/phy"
	"smolsh/phy/capture"
	"smolsh/script/packetvalue"
	"smolsh/stack/clock"
	"smolsh/stack/follow"
)

func packetFileBuiltins() []*builtin {
	const some = `c = capture("x.pcapng"); http.get("http://192.168.69.100:8000/"); c.stop(); `
	return []*builtin{
		{Name: "write_capture", Sig: "path, packets", Kinds: "outfile any", Result: "int", See: "read_capture, capture, follow",
			Args:    "path: the file, classic pcap if the name ends in .pcap, otherwise pcapng; packets: a list of packets, captured or composed (with the present time)",
			Doc:     "Write packets to a capture file and return their number.",
			Example: some + `write_capture("y.pcapng", [p for p in read_capture("x.pcapng") if p.tcp])`, Fn: builtinWriteCapture},
		{Name: "follow", Sig: "packets", Kinds: "any", Result: "list", Fields: "proto client server data_up data_down gaps_up gaps_down packets", See: "read_capture, sniff",
			Args:    "packets: captured packets in the order of their arrival (up is from the client, gaps are octets that were not captured, as offset and number)",
			Doc:     "Return the TCP and UDP streams of packets, each octet once and in order.",
			Example: some + `follow(read_capture("x.pcapng", "port 8000"))[0].data_up`, Fn: builtinFollow},
	}
}

// packetsArg returns the packets of the argument called name: a list of them, or one.
func (c *call) packetsArg(name string) ([]*packetvalue.Value, error) {
	v := arg[starlark.Value](c, name)
	if p, ok := v.(*packetvalue.Value); ok {
		return []*packetvalue.Value{p}, nil
	}
	list, ok := v.(starlark.Iterable)
	if !ok {
		return nil, c.errorf("%s is a list of packets, got %s", name, v.Type())
	}
	var packets []*packetvalue.Value
	err := c.eachKept(list, func(i int, v starlark.Value) error {
		p, ok := v.(*packetvalue.Value)
		if !ok {
			return c.errorf("%s is a list of packets, and its element %d is a %s", name, i, v.Type())
		}
		packets = append(packets, p)
		return nil
	})
	return packets, err
}

// eachKept calls fn with each element of an argument that the call keeps whole. A file that is read one by one may be larger than memory, and
// is an error if it has more packets or octets than read_capture returns at once.
func (c *call) eachKept(list starlark.Iterable, fn func(i int, v starlark.Value) error) error {
	_, lazy := list.(*captureFile)
	i, octets := 0, 0
	for v := range starlark.Elements(list) {
		if p, ok := v.(*packetvalue.Value); ok && lazy {
			octets += len(p.Octets)
		}
		if lazy && (i == maxRead || octets > maxReadOctets) {
			return c.errorf("%v has more than %d packets or %d MiB, and all are kept here: filter= and count= of read_capture choose among them", list, maxRead, maxReadOctets>>20)
		}
		if err := fn(i, v); err != nil {
			return err
		}
		i++
	}
	if lazy && c.t != nil {
		return c.t.Err() // the loop over a file ends when the task has to end
	}
	return nil
}

// labTimes is the longest time since a lab's start that a packet can have. Later times count from 1970.
const labTimes = clock.Instant(10 * 365 * 24 * time.Hour)

// A fileRecord is a packet and the interface in whose name a file has it.
type fileRecord struct {
	packet capture.Packet
	dev    string
	medium phy.Medium
}

// fileRecords returns the packets as records of a file. Times count from 1970.
func (c *call) fileRecords(packets []*packetvalue.Value) ([]fileRecord, error) {
	h := c.on()
	var now clock.Instant
	c.t.Do(h.w, func(at clock.Instant) { now = at })
	start := time.Duration(h.w.World().Epoch.UnixNano())
	records := make([]fileRecord, len(packets))
	for i, p := range packets {
		r, seen := &records[i], p.Seen
		built, err := p.Built()
		if err != nil {
			return nil, c.errorf("packet %d: %w", i, err)
		}
		m, ok := built.Medium()
		if !ok {
			return nil, c.errorf("packet %d begins with %s, and a file holds packets that begin with Ether, IP or IPv6", i, built.First.Name)
		}
		*r = fileRecord{capture.Packet{Time: start + time.Duration(now), Data: built.Octets, Length: built.Length}, "", m}
		if seen == nil {
			continue
		}
		if r.packet.Time = time.Duration(seen.Time); seen.Time < labTimes {
			r.packet.Time += start
		}
		r.dev, r.packet.Outgoing, r.packet.Comment = seen.Dev, seen.Dir == "tx", seen.Verdict
	}
	return records, nil
}

func builtinWriteCapture(c *call) (starlark.Value, error) {
	path := arg[string](c, "path")
	packets, err := c.packetsArg("packets")
	if err != nil {
		return nil, err
	}
	records, err := c.fileRecords(packets)
	if err != nil {
		return nil, err
	}
	if ended := c.t.Aside("checking packets for "+path, func() { err = checkRecords(path, records) }); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, c.errorf("%w", pathError(path, err))
	}
	f, release, err := c.t.create(path, c.b.Name)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	defer release()
	if ended := c.t.Aside("writing "+path, func() { err = writeFile(f, records) }); ended != nil {
		return nil, ended
	}
	if err != nil {
		return nil, c.errorf("%w", pathError(path, err))
	}
	return num(len(records)), nil
}

// checkRecords returns the error with which a capture file of a name refuses one of the records. It writes no file, so that an existing file of that
// name is kept.
func checkRecords(path string, records []fileRecord) error {
	w, err := capture.NewWriter(io.Discard, capture.IsClassic(path), fileEpoch)
	if err != nil {
		return err
	}
	return writeRecords(w, records)
}

// fileEpoch is the time from which the times of records count.
var fileEpoch = time.Unix(0, 0).UTC()

// writeFile writes a capture file and closes it.
func writeFile(f *os.File, records []fileRecord) error {
	w, err := capture.NewFile(f, fileEpoch)
	if err != nil {
		f.Close()
		return err
	}
	return writeRecords(w, records)
}

// writeRecords writes the records and closes w.
func writeRecords(w *capture.Writer, records []fileRecord) (err error) {
	type link struct {
		dev    string
		medium phy.Medium
	}
	links := map[link]int{}
	for i := range records {
		r := &records[i]
		at := link{r.dev, r.medium}
		n, known := links[at]
		if !known {
			if n, err = w.AddIface(r.dev, r.medium, capture.DefaultSnaplen); err != nil {
				break
			}
			links[at] = n
		}
		r.packet.Iface = n
		if err = w.Write(&r.packet); err != nil {
			break
		}
	}
	if closed := w.Close(); err == nil {
		err = closed
	}
	return err
}

func builtinFollow(c *call) (starlark.Value, error) {
	packets, err := c.packetsArg("packets")
	if err != nil {
		return nil, err
	}
	var f follow.Follower
	for i, p := range packets {
		built, err := p.Built()
		if err != nil {
			return nil, c.errorf("packet %d: %w", i, err)
		}
		f.Add(i, built)
	}
	if n := f.Refused(); n > 0 {
		c.warn("", []string{fmt.Sprintf("%d packets are left out: the streams hold at most %d MiB, and there are at most %d", n, follow.MaxOctets>>20, follow.MaxStreams)})
	}
	list := []starlark.Value{}
	for _, s := range f.Streams() {
		up, lostUp := s.Up.Data()
		down, lostDown := s.Down.Data()
		own := make([]starlark.Value, len(s.Packets))
		for i, n := range s.Packets {
			own[i] = packets[n]
		}
		list = append(list, starlarkstruct.FromStringDict(starlark.String("stream"), starlark.StringDict{
			"proto":  starlark.String(map[bool]string{true: "tcp", false: "udp"}[s.TCP]),
			"client": starlark.String(s.Client.String()), "server": starlark.String(s.Server.String()),
			"data_up": starlark.Bytes(up), "data_down": starlark.Bytes(down),
			"gaps_up": gaps(lostUp), "gaps_down": gaps(lostDown),
			"packets": starlark.NewList(own),
		}))
	}
	return starlark.NewList(list), nil
}

// gaps returns missing octets as a list of (offset, octets).
func gaps(list []follow.Gap) starlark.Value {
	vs := make([]starlark.Value, len(list))
	for i, g := range list {
		vs[i] = starlark.Tuple{starlark.MakeInt(g.Offset), starlark.MakeInt(g.Octets)}
	}
	return starlark.NewList(vs)
}
