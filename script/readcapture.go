package script

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"go.starlark.net/starlark"

	"smolsh/phy/capture"
	"smolsh/stack/clock"
)

// Limits of what read_capture() gives.
const (
	maxRead       = 100000
	maxReadOctets = 1 << 28
)

func builtinReadCapture(c *call) (starlark.Value, error) {
	path := arg[string](c, "path")
	only, err := c.filter()
	if err != nil {
		return nil, err
	}
	most := maxRead
	if c.given("count") {
		most = arg[int](c, "count")
	}
	r, err := capture.Open(path)
	if err != nil {
		return nil, readError(path, err)
	}
	defer r.Close()
	var got []starlark.Value
	for octets := 0; ; {
		rec, err := r.Next()
		switch {
		case err == io.EOF:
			return starlark.NewList(got), nil
		case err != nil && len(got) > 0:
			return nil, readError(path, fmt.Errorf("%w (count=%d gives those before it)", err, len(got)))
		case err != nil:
			return nil, readError(path, err)
		case only != nil && !only.MatchHead(rec.Data, rec.Length, rec.Medium):
			continue
		}
		if octets += len(rec.Data); len(got) == maxRead || octets > maxReadOctets {
			return nil, readError(path, fmt.Errorf("it has more than %d packets or %d MiB: filter= and count= choose among them", maxRead, maxReadOctets>>20))
		}
		if got = append(got, recorded(c.s, rec)); len(got) == most {
			return starlark.NewList(got), nil
		}
	}
}

// readError says the file and what is wrong with it.
func readError(path string, err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	return &opError{"read_capture", path, errors.New(strings.TrimPrefix(err.Error(), "capture: "))}
}

// recorded is a packet of a capture file. What is said of it in the file is its verdict.
func recorded(s *Session, rec *capture.Record) *packet {
	p := &packet{s: s, octets: rec.Data, medium: rec.Medium, length: rec.Length}
	p.seen = &sighting{dev: rec.Iface, verdict: strings.Join(rec.Comments, "; ")}
	if !rec.Time.IsZero() {
		p.seen.now = clock.Instant(rec.Time.UnixNano())
	}
	if rec.Directed {
		p.seen.dir = map[bool]string{false: "rx", true: "tx"}[rec.Outgoing]
	}
	return p
}
