// Package smolsh_test checks rules for the whole tree: imports go strictly down (layers_test.go) and the code keeps its rules
// (tidy_test.go). Both read the source and compile nothing.
package smolsh_test

import (
	"fmt"
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "smolsh"

// A layer lists the packages that a package's own files may import besides the standard library. An entry with a third-party path
// also admits the packages below it.
type layer struct {
	inside  string // packages of this module, separated by blanks
	outside string // packages of other modules
	tests   string // packages of this module that only the package's tests may import in addition
}

// layers has every package, from the bottom up: each may import only packages above it in this table, which TestLayersGoDown
// checks. Every package may import stack/drop, the catalogue of reasons.
//
// A test file may import any standard or third-party package. Of this module it may import its own package and those that its
// package reaches, directly or not, so that a package's tests do not need its neighbours. The column tests has the exceptions, for
// tests against the kernel.
var layers = []struct {
	pkg string
	layer
}{
	{"stack/crash", layer{}},
	{"stack/drop", layer{}},
	{"stack/clock", layer{}},
	{"stack/buf", layer{}},
	{"stack/mib", layer{}},
	{"stack/route", layer{}},
	{"stack/addrsel", layer{}},
	{"stack/siphash", layer{}},
	{"stack/dns", layer{outside: "golang.org/x/net/dns/dnsmessage"}},
	{"stack/wire", layer{inside: "stack/drop"}},
	{"stack/syncookie", layer{inside: "stack/wire stack/clock stack/siphash"}},
	{"stack/tcp", layer{inside: "stack/wire stack/clock stack/buf stack/drop"}},
	{"stack/pmtu", layer{inside: "stack/clock"}},
	{"stack/neigh", layer{inside: "stack/wire stack/clock stack/buf stack/drop"}},
	{"stack/mld", layer{inside: "stack/wire stack/clock stack/buf stack/drop"}},
	{"stack/autoconf", layer{inside: "stack/wire stack/clock stack/drop"}},
	{"phy", layer{inside: "stack/wire stack/drop"}},
	{"stack/reassembly", layer{inside: "phy stack/wire stack/clock stack/buf stack/drop"}},
	{"stack/packet", layer{inside: "phy stack/wire", outside: "github.com/gopacket/gopacket golang.org/x/net/dns/dnsmessage"}},
	{"stack/follow", layer{inside: "stack/packet stack/wire stack/buf", tests: "phy"}},
	{"stack/filter", layer{inside: "phy stack/wire stack/drop", tests: "stack/packet"}},
	{"phy/fault", layer{inside: "phy stack/wire stack/filter stack/clock stack/drop"}},
	{"phy/capture", layer{inside: "phy stack/wire stack/filter stack/drop",
		outside: "github.com/gopacket/gopacket"}},
	{"phy/ifconfig", layer{outside: "golang.org/x/sys/unix github.com/vishvananda/netlink"}},
	{"phy/tap/taptest", layer{inside: "phy/ifconfig", outside: "golang.org/x/sys/unix github.com/vishvananda/netlink"}},
	{"phy/netif", layer{inside: "phy stack/wire stack/drop",
		outside: "golang.org/x/sys/unix github.com/vishvananda/netlink",
		tests:   "phy/tap/taptest"}},
	{"phy/raw", layer{inside: "phy phy/netif stack/wire stack/drop",
		outside: "golang.org/x/sys/unix github.com/vishvananda/netlink",
		tests:   "phy/tap/taptest"}},
	{"phy/portclaim", layer{inside: "stack/wire",
		outside: "golang.org/x/sys/unix github.com/google/nftables github.com/mdlayher/netlink",
		tests:   "phy/tap/taptest"}},
	{"phy/unixport", layer{inside: "phy stack/wire stack/drop", outside: "golang.org/x/sys/unix",
		tests: "phy/tap/taptest"}},
	{"phy/tap", layer{inside: "phy phy/netif stack/wire stack/drop",
		outside: "golang.org/x/sys/unix github.com/songgao/water github.com/vishvananda/netlink",
		tests:   "phy/ifconfig phy/tap/taptest"}},
	{"stack", layer{inside: "phy stack/reassembly stack/mib stack/route stack/pmtu stack/siphash stack/syncookie stack/wire stack/clock stack/buf stack/drop stack/tcp stack/neigh stack/mld stack/autoconf stack/addrsel",
		tests: "stack/packet"}},
	{"stack/lab", layer{inside: "stack/crash stack phy phy/fault stack/filter stack/wire stack/clock stack/drop stack/tcp stack/neigh", tests: "phy/capture"}},
	{"stack/lab/live", layer{inside: "stack/crash stack/lab stack phy stack/clock stack/drop", outside: "golang.org/x/sys/unix",
		tests: "phy/capture phy/raw phy/tap phy/tap/taptest"}},
	{"stack/gonet", layer{inside: "stack/crash stack/lab stack stack/clock stack/tcp stack/dns", tests: "stack/lab/live"}},
	{"stack/lab/labtest", layer{inside: "stack/gonet stack/lab stack/filter stack stack/clock stack/drop phy phy/fault phy/capture"}},
	{"script/suggest", layer{outside: "go.starlark.net"}},
	{"script/difference", layer{outside: "go.starlark.net"}},
	{"script/testcase", layer{outside: "go.starlark.net"}},
	{"script/escape", layer{}},
	{"script/screen", layer{outside: "github.com/mattn/go-runewidth"}},
	{"script/table", layer{inside: "script/suggest script/escape script/screen", outside: "go.starlark.net"}},
	{"script/registry", layer{inside: "script/suggest script/screen stack/wire", outside: "go.starlark.net"}},
	{"script/packetvalue", layer{inside: "script/suggest script/registry stack/packet stack/filter stack/wire phy stack/clock", outside: "go.starlark.net",
		tests: "phy/capture"}},
	{"script/handheld", layer{inside: "stack/packet stack/siphash stack/wire"}},
	{"script/cursor", layer{}},
	{"script/topic", layer{}},
	{"script/stream", layer{}},
	{"script/outfile", layer{}},
	{"script/filename", layer{inside: "script/cursor"}},
	{"script/httpresponse", layer{}},
	{"script/complaint", layer{inside: "stack/clock"}},
	{"script/service", layer{outside: "go.starlark.net"}},
	{"script/kernel", layer{inside: "script/suggest script/table script/stream script/complaint script/service script/registry stack/wire", outside: "go.starlark.net golang.org/x/sys/unix github.com/vishvananda/netlink"}},
	{"script/topology", layer{inside: "script/suggest script/registry stack/lab stack stack/wire", outside: "go.starlark.net go.yaml.in/yaml/v3"}},
	{"script/task", layer{inside: "stack/crash stack/lab stack stack/clock"}},
	{"script/printer", layer{inside: "script/task"}},
	{"script/command", layer{inside: "script/task", outside: "golang.org/x/sys/unix"}},
	{"script", layer{
		inside: "script/suggest script/cursor script/topic script/topology script/stream script/escape script/screen script/outfile script/filename script/httpresponse script/command script/complaint script/service script/kernel script/printer script/task script/table script/testcase script/difference script/registry script/packetvalue script/handheld stack/crash stack/lab stack phy phy/fault phy/capture stack/filter stack/packet stack/follow " +
			"stack/tcp stack/neigh stack/wire stack/clock stack/drop stack/dns",
		outside: "go.starlark.net github.com/gopacket/gopacket"}},
	{"repl", layer{inside: "stack/crash script",
		outside: "go.starlark.net github.com/chzyer/readline github.com/fatih/color github.com/mattn/go-isatty golang.org/x/sys/unix golang.org/x/sys/windows",
		tests:   "stack/lab/live"}},
	{"cmd/smolsh/bench", layer{
		inside:  "script stack/lab/live stack/lab stack phy/ifconfig phy/tap stack/tcp stack/clock",
		outside: "github.com/creack/pty github.com/vishvananda/netlink golang.org/x/sys/unix"}},
	{"cmd/smolsh/scenario", layer{inside: "script script/escape script/screen script/command phy/fault", outside: "go.starlark.net golang.org/x/sys/unix golang.org/x/sys/windows"}},
	{"cmd/smolsh/doctor", layer{inside: "phy phy/netif phy/portclaim phy/raw phy/tap phy/unixport",
		outside: "github.com/google/nftables github.com/vishvananda/netlink golang.org/x/sys/unix"}},
	{"cmd/smolsh/proxy", layer{inside: "stack/gonet stack/lab stack stack/clock stack/drop", outside: "golang.org/x/sys/unix"}},
	{"cmd/smolsh", layer{
		inside: "cmd/smolsh/proxy stack/gonet cmd/smolsh/scenario cmd/smolsh/bench cmd/smolsh/doctor repl script/command script/suggest script stack/lab/live stack/lab stack phy phy/ifconfig phy/tap phy/raw phy/portclaim phy/unixport phy/netif phy/fault phy/capture stack/filter " +
			"stack/tcp stack/neigh stack/wire stack/clock stack/drop",
		outside: "go.starlark.net github.com/spf13/pflag github.com/mattn/go-isatty " +
			"golang.org/x/sys/unix",
		tests: "phy/tap/taptest"}},
}

// coreStd is the standard library of the core: pure functions and types. It has no package that reads a clock, starts or waits for
// a goroutine, locks, or does input or output. tidy_test.go checks the use of time and math/rand/v2.
const coreStd = `bytes cmp container/heap container/list container/ring crypto/hmac crypto/md5 crypto/sha256
	encoding/binary encoding/hex errors fmt hash/crc32 hash/fnv io iter maps math math/bits math/rand/v2 net/netip
	slices sort strconv strings time unicode unicode/utf8`

// isCore reports whether a package is of the core: all of stack except the packages with the wall clock and for Go programs, and the
// fault rules, which every simulated link uses.
func isCore(pkg string) bool {
	switch pkg {
	case "stack/lab/live", "stack/crash", "stack/gonet", "stack/lab/labtest": // the wall clock's Runner; panics' traces; package net; labs in tests
		return false
	}
	return pkg == "stack" || strings.HasPrefix(pkg, "stack/") || pkg == "phy/fault"
}

// layerOf returns a package's row; ok is false if it has none.
func layerOf(pkg string) (l layer, ok bool) {
	for _, row := range layers {
		if row.pkg == pkg {
			return row.layer, true
		}
	}
	return l, false
}

// below returns every package that pkg may reach, directly or not.
func below(pkg string) map[string]bool {
	all := map[string]bool{}
	var add func(string)
	add = func(pkg string) {
		l, _ := layerOf(pkg)
		for _, p := range strings.Fields(l.inside) {
			if !all[p] {
				all[p] = true
				add(p)
			}
		}
	}
	add(pkg)
	return all
}

// A goFile is one parsed source file of the tree.
type goFile struct {
	path string // path of the file from the top of the tree, with slashes
	pkg  string // folder of the file, "." for the top
	test bool
	src  []byte
	fset *token.FileSet
	ast  *ast.File
}

// at returns the file and line of a position.
func (f *goFile) at(p token.Pos) string { return fmt.Sprintf("%s:%d", f.path, f.fset.Position(p).Line) }

func parseFile(fset *token.FileSet, name string, src []byte) (*goFile, error) {
	tree, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &goFile{path: name, pkg: path.Dir(name), test: strings.HasSuffix(name, "_test.go"), src: src, fset: fset, ast: tree}, nil
}

// sources parses every Go file of the tree, whatever its build constraints, in the order of paths.
func sources(t *testing.T) []*goFile {
	t.Helper()
	var files []*goFile
	fset := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (base == "testdata" || base == "vendor" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
			return fs.SkipDir
		}
		if d.IsDir() && name != "." { // a separate module, such as a comparison with other stacks
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil {
				return fs.SkipDir
			}
		}
		if d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		src, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		f, err := parseFile(fset, filepath.ToSlash(name), src)
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no Go files here")
	}
	return files
}

// isStd reports whether an import path is the standard library's: its first element has no dot.
func isStd(imp string) bool {
	first, _, _ := strings.Cut(imp, "/")
	return first != module && !strings.Contains(first, ".")
}

func under(imp, prefixes string) bool {
	return slices.ContainsFunc(strings.Fields(prefixes), func(p string) bool {
		return imp == p || strings.HasPrefix(imp, p+"/")
	})
}

// checkImports returns the complaints about the imports of one file.
func checkImports(f *goFile) (wrong []string) {
	if f.pkg == "." {
		return nil // this test itself
	}
	l, ok := layerOf(f.pkg)
	if !ok {
		return []string{fmt.Sprintf("%s: package %s has no row in the table of layers", f.at(f.ast.Package), f.pkg)}
	}
	for _, spec := range f.ast.Imports {
		imp, _ := strconv.Unquote(spec.Path.Value)
		inside, isInside := strings.CutPrefix(imp, module+"/")
		why := ""
		switch {
		case isInside && f.test:
			if inside != f.pkg && !below(f.pkg)[inside] && !slices.Contains(strings.Fields(l.tests), inside) {
				why = "lies not below it, not even for a test"
			}
		case isInside:
			if !slices.Contains(strings.Fields(l.inside), inside) {
				why = "is not below it in the table of layers"
			}
		case f.test:
		case isStd(imp):
			if isCore(f.pkg) && !slices.Contains(strings.Fields(coreStd), imp) {
				why = "is not for the core"
			}
		case !under(imp, l.outside):
			why = "is not this package's to use"
		}
		if imp == "C" || imp == "unsafe" && isCore(f.pkg) && !f.test { // a test may measure a size
			why = "is not for anybody here"
		}
		if why != "" {
			wrong = append(wrong, fmt.Sprintf("%s: %s imports %s, which %s", f.at(spec.Pos()), f.pkg, imp, why))
		}
	}
	return wrong
}

func TestLayers(t *testing.T) {
	for _, f := range sources(t) {
		for _, w := range checkImports(f) {
			t.Error(w)
		}
	}
}

// TestLayersGoDown checks the table itself: each row is a package of the tree, its packages have rows above it, and no package has
// two rows.
func TestLayersGoDown(t *testing.T) {
	there := map[string]bool{}
	for _, f := range sources(t) {
		there[f.pkg] = true
	}
	seen := map[string]bool{}
	for _, row := range layers {
		if !there[row.pkg] {
			t.Errorf("%s has a row and no files", row.pkg)
		}
		for _, p := range strings.Fields(row.inside + " " + row.tests) {
			if !seen[p] {
				t.Errorf("%s may import %s, which does not stand above it in the table", row.pkg, p)
			}
		}
		if seen[row.pkg] {
			t.Errorf("%s stands twice", row.pkg)
		}
		seen[row.pkg] = true
	}
	for _, p := range strings.Fields(coreStd) {
		if pkg, err := build.Import(p, "", build.FindOnly); err != nil || !pkg.Goroot {
			t.Errorf("%s is not in the standard library", p)
		}
	}
}

// TestLayersCheck: checkImports finds the faults that it should find.
func TestLayersCheck(t *testing.T) {
	for _, c := range []struct {
		name, imports string
		want          []string // endings of the complaints
	}{
		{"stack/wire/x.go", `"smolsh/stack/drop"; "net/netip"; "fmt"`, nil},
		{"stack/wire/x.go", `"smolsh/stack/clock"`, []string{"1: stack/wire imports smolsh/stack/clock, which is not below it in the table of layers"}},
		{"stack/wire/x.go", `"os"; s "sync"; _ "net/http"`, []string{"imports os, which is not for the core",
			"imports sync, which is not for the core", "imports net/http, which is not for the core"}},
		{"stack/wire/x.go", `"golang.org/x/sys/unix"`, []string{"which is not this package's to use"}},
		{"stack/wire/x_test.go", `"os"; "github.com/gopacket/gopacket/layers"; "smolsh/stack/wire"; "smolsh/stack/drop"`, nil},
		{"stack/wire/x_test.go", `"smolsh/stack/tcp"`, []string{"not even for a test"}},
		{"stack/lab/live/x_test.go", `"smolsh/stack/tcp"; "smolsh/phy/fault"`, nil},
		{"stack/lab/live/x_test.go", `"smolsh/phy/tap/taptest"`, nil},
		{"stack/lab/live/x.go", `"smolsh/phy/tap/taptest"`, []string{"is not below it in the table of layers"}},
		{"stack/lab/live/x.go", `"time"; "sync"; "os"; "golang.org/x/sys/unix"`, nil},
		{"phy/capture/x.go", `"github.com/gopacket/gopacket/pcapgo"`, nil},
		{"phy/capture/x.go", `"github.com/gopacket/gopacketry"`, []string{"which is not this package's to use"}},
		{"phy/fault/x.go", `"os"`, []string{"which is not for the core"}},
		{"repl/x.go", `"smolsh/stack"`, []string{"is not below it in the table of layers"}},
		{"stack/sctp/x.go", `"fmt"`, []string{"package stack/sctp has no row in the table of layers"}},
		{"cmd/smolsh/x.go", `"C"`, []string{"is not for anybody here"}},
	} {
		f, err := parseFile(token.NewFileSet(), c.name, []byte("package x; import ("+c.imports+")"))
		if err != nil {
			t.Fatal(err)
		}
		got := checkImports(f)
		ok := len(got) == len(c.want)
		for i := 0; ok && i < len(got); i++ {
			ok = strings.HasSuffix(got[i], c.want[i])
		}
		if !ok {
			t.Errorf("%s with %s:\n got %q\nwant %q", c.name, c.imports, got, c.want)
		}
	}
}

// TestArchitectureNamesEveryPackage: docs/architecture.md names every package of the tree.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	doc, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	pkgs := map[string]bool{}
	for _, f := range sources(t) {
		if f.pkg != "." {
			pkgs[f.pkg] = true
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(pkgs)) {
		if !strings.Contains(string(doc), "`"+pkg+"`") {
			t.Errorf("docs/architecture.md does not name `%s`", pkg)
		}
	}
}
