package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/phy/capture"
	"smolsh/script/packetvalue"
	"smolsh/stack/clock"
	"smolsh/stack/packet"
)

// Limits of the result of read_capture().
const (
	maxRead       = 100000
	maxReadOctets = 1 << 28
)

func builtinReadCapture(c *call) (starlark.Value, error) {
	path := arg[string](c, "path")
	only, err := c.filter(c.s.home)
	if err != nil {
		return nil, err
	}
	if arg[bool](c, "lazy") {
		return c.readLazily(path, only)
	}
	most := maxRead + 1 // which is too many
	if c.Given("count") {
		most = arg[int](c, "count")
	}
	judge := only // of those that are read, by a function that needs the interpreter
	if only != nil && only.pattern.Calls() {
		only, most = nil, maxRead+1
	} else {
		judge = nil
	}
	c.s.flushCaptures()
	var got []*capture.Record
	var warnings []string
	if ended := c.t.Aside("reading "+path, func() { got, warnings, err = readPackets(path, only, most) }); ended != nil {
		return nil, ended
	}
	c.warn(path, warnings)
	if err != nil {
		return nil, readError(path, err)
	}
	if c.Given("count") {
		most = arg[int](c, "count")
	}
	list := []starlark.Value{}
	for _, rec := range got {
		if c.t.Err() != nil {
			return nil, c.t.Err()
		}
		p := recorded(c.s, rec)
		if judge != nil {
			if ok, err := judge.pattern.Match(p); err != nil {
				return nil, err
			} else if !ok {
				continue
			}
		}
		if list = append(list, p); len(list) == most {
			break
		}
	}
	return starlark.NewList(list), nil
}

// warn prints a file's warnings on standard error, after the name of the builtin that reads the file.
func (s *Session) warn(by *builtin, path string, warnings []string) {
	if len(warnings) > 0 {
		s.out.Flush()
	}
	for _, w := range warnings {
		fmt.Fprintf(s.cfg.Stderr, "%s %s: warning: %s\n", by.Name, path, w)
	}
}

// warn prints warnings about a file that the call reads.
func (c *call) warn(path string, warnings []string) { c.s.warn(c.b, path, warnings) }

// readPackets reads the packets of a file that match the filter, at most the number most. It blocks while reading the
// file blocks. warnings are the warnings up to the place where reading ended, also after an error.
func readPackets(path string, only *chooser, most int) (got []*capture.Record, warnings []string, err error) {
	r, err := capture.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	defer func() { warnings = r.Warnings() }()
	for octets := 0; len(got) < most; {
		rec, err := r.Next()
		switch {
		case err == io.EOF:
			return got, nil, nil
		case err != nil && len(got) > 0:
			return nil, nil, fmt.Errorf("%w (count=%d gives those before it)", err, len(got))
		case err != nil:
			return nil, nil, err
		case !only.record(rec):
			continue
		}
		octets += len(rec.Data)
		for _, comment := range rec.Comments {
			octets += len(comment)
		}
		if octets > maxReadOctets || len(got) == maxRead {
			return nil, nil, errMuch
		}
		got = append(got, rec)
	}
	return got, nil, nil
}

var errMuch = fmt.Errorf("it has more than %d packets or %d MiB: filter= and count= choose among them, lazy=True reads them one by one", maxRead, maxReadOctets>>20)

// readError returns an error that names the file and its fault.
func readError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &opError{"read_capture", path, errors.New(strings.TrimPrefix(err.Error(), "capture: "))}
}

// recorded returns a packet of a capture file as a value. Its verdict is the comment in the file.
func recorded(s *Session, rec *capture.Record) *packetvalue.Value {
	seen := &packetvalue.Sighting{Untimed: rec.Time.IsZero(), Dev: rec.Iface, Verdict: strings.Join(rec.Comments, "; ")}
	if !seen.Untimed {
		seen.Time = clock.Instant(rec.Time.UnixNano())
	}
	if rec.Directed {
		seen.Dir = map[bool]string{false: "rx", true: "tx"}[rec.Outgoing]
	}
	head, length, m := rec.Frame()
	if first := linkTables[rec.Link]; first != nil {
		p := packetvalue.NewHead(environment{s}, rec.Data, rec.Length, m, seen)
		p.First = first
		return p
	}
	return packetvalue.NewHead(environment{s}, head, length, m, seen)
}

// linkTables are the protocol tables of link types that no device has as a medium.
var linkTables = map[capture.LinkType]*packet.Protocol{
	capture.LinkNull: packet.Null, capture.LinkLoop: packet.Null, capture.LinkSLL: packet.SLL, capture.LinkSLL2: packet.SLL2,
}
