package script

import (
	"io"
	"strings"

	"go.starlark.net/starlark"
)

const (
	// maxFile is the most octets of a file that read_file returns.
	maxFile = 1 << 30
	// maxStream is the same limit for a FIFO, a device, and a file of /proc, whose length is not known in advance.
	maxStream = 64 << 20
	// firstRead is the number of octets of the first read from a file whose length is not known.
	firstRead = 32 << 10
)

func fileBuiltins() []*builtin {
	return []*builtin{
		{Name: "read_file", Sig: "path", Kinds: "infile", Args: "path: the file, of at most 1 GiB, or a device or FIFO of at most 64 MiB", Result: "bytes",
			Doc: "The content of a file.", Example: `read_file("other.star")`, See: "write_file", Fn: builtinReadFile},
		{Name: "write_file", Sig: "path, data, append=False", Kinds: "outfile data bool",
			Args:   "path: the file, made if it is not there; append: True appends to its content, which is replaced otherwise",
			Result: "int", Doc: "Write data to a file and return the number of octets.", Example: `write_file("x.txt", "hello\n", append=True)`,
			See: "read_file, table.csv, log", Fn: builtinWriteFile},
	}
}

func builtinReadFile(c *call) (starlark.Value, error) {
	path := arg[string](c, "path")
	f, err := c.t.open(path)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	defer f.Close()
	var text strings.Builder
	limit, chunk := maxStream, firstRead
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Size() > 0 {
		if info.Size() > maxFile {
			return nil, c.errorf("%s: it has %d octets, and more than %d MiB are not read", path, info.Size(), maxFile>>20)
		}
		limit, chunk = maxFile, int(min(info.Size()+1, fileChunk))
		text.Grow(int(info.Size()))
	}
	b := make([]byte, chunk)
	for {
		n, err := c.t.read(f, b)
		text.Write(b[:n])
		switch {
		case err == io.EOF:
			return starlark.Bytes(text.String()), nil
		case err != nil:
			return nil, c.errorf("%w", err)
		case text.Len() > limit:
			return nil, c.errorf("%s: more than %d MiB are not read", path, limit>>20)
		}
		if n == len(b) && n < fileChunk {
			b = make([]byte, min(2*n, fileChunk))
		}
	}
}

func builtinWriteFile(c *call) (starlark.Value, error) {
	open := c.t.create
	if arg[bool](c, "append") {
		open = c.t.append
	}
	f, release, err := open(arg[string](c, "path"), c.b.Name)
	if err != nil {
		return nil, c.errorf("%w", err)
	}
	defer release()
	data := arg[[]byte](c, "data")
	if err := c.t.write(f, data); err != nil {
		f.Close()
		return nil, c.errorf("%w", err)
	}
	if err := f.Close(); err != nil {
		return nil, c.errorf("%w", pathError(f.Name(), err))
	}
	return starlark.MakeInt(len(data)), nil
}
