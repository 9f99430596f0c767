package scenario

import (
	"encoding/binary"
	"os"

	"go.starlark.net/syntax"
)

// A Position is a page of memory that a worker shares with the runner. It holds the position of the statement that the worker ran
// last, so that the runner can name the statement of a worker that died.
type Position struct {
	page []byte
	path string          // path of the file, which close removes; "" if it has none, and in a worker
	last syntax.Position // newest position written; only the worker uses it
}

const positionSize = 4096

// newPosition makes a page, and an open file by which a worker process maps the same page. The caller closes the file.
func newPosition() (*Position, *os.File, error) {
	f, path, err := sharedFile()
	if err != nil {
		return nil, nil, err
	}
	if err = f.Truncate(positionSize); err == nil {
		var p *Position
		if p, err = MapPosition(f); err == nil {
			p.path = path
			return p, f, nil
		}
	}
	f.Close()
	if path != "" {
		_ = os.Remove(path)
	}
	return nil, nil, err
}

// MapPosition maps the page of the file that the runner passed to this worker.
func MapPosition(f *os.File) (*Position, error) {
	page, err := mapPage(f)
	if err != nil {
		return nil, err
	}
	return &Position{page: page}, nil
}

// Set writes a position to the page, unless it is the position written last.
func (p *Position) Set(at syntax.Position) {
	if at != p.last {
		p.Put(at.Filename(), int(at.Line))
		p.last = at
	}
}

// Put writes a position to the page: a file's name and its length, and a line's number.
func (p *Position) Put(file string, line int) {
	file = file[:min(len(file), positionSize-8)]
	binary.LittleEndian.PutUint32(p.page, 0) // a length of 0 tells a reader that there is no name while Put changes it
	copy(p.page[8:], file)
	binary.LittleEndian.PutUint32(p.page[4:], uint32(line))
	binary.LittleEndian.PutUint32(p.page, uint32(len(file)))
}

// get returns the newest position, an empty name if there is none. The runner calls it after the worker has died.
func (p *Position) get() (file string, line int) {
	n := binary.LittleEndian.Uint32(p.page)
	if n == 0 || n > positionSize-8 {
		return "", 0
	}
	return string(p.page[8 : 8+n]), int(binary.LittleEndian.Uint32(p.page[4:]))
}

// clear removes the position before a request. The worker must be idle.
func (p *Position) clear() { binary.LittleEndian.PutUint32(p.page, 0) }

// close ends the mapping, and removes the file if it has a path. The worker must have ended.
func (p *Position) close() {
	unmapPage(p.page)
	if p.path != "" {
		_ = os.Remove(p.path)
	}
}
