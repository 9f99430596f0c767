// Measure prints a table of the programs of this module: what they weigh, what they depend on, and what building them costs.
package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

var programs = []struct{ name, what string }{
	{"kernel", "package net over the operating system's loopback"},
	{"gonet", "gonet over two hosts and a link"},
	{"gvisor", "gVisor's gonet over two stacks and channel endpoints"},
}

func main() {
	dir, err := os.MkdirTemp("", "size")
	check(err)
	defer os.RemoveAll(dir)
	cache := "GOCACHE=" + filepath.Join(dir, "cache")
	fmt.Println("| Program | MiB | MiB without symbols | Packages besides the standard library | Modules besides its own | Resident at most, MiB | CPU to build, s | of which linking, s |")
	fmt.Println("|---|---|---|---|---|---|---|---|")
	for _, p := range programs {
		bin := filepath.Join(dir, p.name)
		_, build := run([]string{cache}, "go", "build", "-trimpath", "-o", bin, "./"+p.name)
		_, link := run([]string{cache}, "go", "build", "-trimpath", "-o", bin+".again", "./"+p.name)
		run([]string{cache}, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin+".stripped", "./"+p.name)
		packages, modules := dependencies(p.name)
		out, used := run(nil, bin)
		if out != "200 OK hello world\n" {
			check(fmt.Errorf("%s printed %q", p.name, out))
		}
		first := ""
		if p.name == "kernel" {
			first = " with the standard library"
		}
		fmt.Printf("| %s | %.1f | %.1f | %d | %d | %.0f | %.1f%s | %.1f |\n", p.what, size(bin), size(bin+".stripped"), packages, modules,
			float64(used.resident)/1024, build.cpu.Seconds(), first, link.cpu.Seconds())
	}
}

// usage is what a command has used.
type usage struct {
	cpu      time.Duration
	resident int64 // KiB at most
}

// run runs a command and returns its output.
func run(env []string, name string, args ...string) (string, usage) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), env...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	check(cmd.Run())
	u := usage{cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.resident = int64(r.Maxrss)
	}
	return out.String(), u
}

// dependencies returns how many packages and modules a program has, without those of the standard library and of this module. Those of
// smolsh itself count, as those of gVisor do.
func dependencies(program string) (packages, modules int) {
	out, _ := run(nil, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./"+program)
	var seen []string
	for m := range strings.FieldsSeq(out) {
		if m == "size" {
			continue
		}
		packages++
		if !slices.Contains(seen, m) {
			seen = append(seen, m)
		}
	}
	return packages, max(0, len(seen)-1)
}

// size returns a file's size in MiB.
func size(path string) float64 {
	info, err := os.Stat(path)
	check(err)
	return float64(info.Size()) / (1 << 20)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
