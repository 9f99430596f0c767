package labtest

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The flags of a test program that imports this package.
var (
	seedFlag     = flag.Uint64("lab.seed", 1, "seed of the lab")
	seedsFlag    = flag.String("lab.seeds", "", "seeds `A..B`: one run for each, until one fails")
	captureFlag  = flag.String("lab.capture", "", "keep the capture of every run in the folder `DIR`, not only that of a failing run")
	keepFlags    = flag.String("lab.keep", "", "keep only these `FAULTS`, which a shrunk run has printed, such as 1.loss:tx:3,7; none: no fault")
	shrinkFlag   = flag.Duration("lab.shrink", 0, "real time for finding the fewest faults with which a failing run still fails")
	withinFlag   = flag.Duration("lab.within", 24*time.Hour, "the lab's time without a call after which a run hangs, if calls wait and no goroutine sleeps, and in which programs end after their test; 0: none")
	watchdogFlag = flag.Duration("lab.watchdog", 30*time.Second, "real time without progress after which the program ends with its stacks; 0: none")
)

// parseSeeds returns the first and the last seed of A..B.
func parseSeeds(text string) (first, last uint64, err error) {
	a, b, ok := strings.Cut(text, "..")
	if ok {
		if first, err = strconv.ParseUint(a, 10, 64); err == nil {
			last, err = strconv.ParseUint(b, 10, 64)
		}
	}
	if !ok || err != nil || last < first {
		return 0, 0, fmt.Errorf("-lab.seeds=%s is not A..B, such as 1..100", text)
	}
	return first, last, nil
}

// repeatCommand returns the command that runs one test with one seed again, with the program's other flags.
func repeatCommand(test string, seed uint64) string {
	words := []string{"go", "test", "-count=1", "-run=" + quote(testPattern(test))}
	pkg := "."
	if info, ok := debug.ReadBuildInfo(); ok {
		if path, ok := strings.CutSuffix(info.Path, ".test"); ok {
			pkg = path
		}
		for _, s := range info.Settings {
			if s.Key == "-race" && s.Value == "true" {
				words = append(words, "-race")
			}
		}
	}
	if cpu := flag.Lookup("test.cpu"); cpu != nil && cpu.Value.String() != "" {
		words = append(words, fmt.Sprintf("-cpu=%d", runtime.GOMAXPROCS(0)))
	}
	words = append(words, pkg)
	flag.Visit(func(f *flag.Flag) {
		if !strings.HasPrefix(f.Name, "test.") && !strings.HasPrefix(f.Name, "lab.") {
			words = append(words, quote("-"+f.Name+"="+f.Value.String()))
		}
	})
	words = append(words, seedArg(seed))
	if *keepFlags != "" {
		words = append(words, "-lab.keep="+quote(*keepFlags))
	}
	return strings.Join(words, " ")
}

func seedArg(seed uint64) string { return fmt.Sprintf("-lab.seed=%d", seed) }

// testPattern returns the flag -run's value for one test.
func testPattern(test string) string {
	parts := strings.Split(test, "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// quote quotes a word for a shell, if it needs that.
func quote(s string) string {
	if s != "" && !strings.ContainsAny(s, " \t\n'\"\\$`*?[]{}()|&;<>!#~^") {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// captures counts the files of -lab.capture that this process has created, by the name of test and seed.
var captures struct {
	sync.Mutex
	byName map[string]int
}

// captureFile creates the file of a run's capture. Without -lab.capture it is a temporary file. A later run of the same test and seed in this
// process has a file of its own.
func captureFile(test string, seed uint64) (*os.File, error) {
	name := fmt.Sprintf("%s-seed%d", regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(test, "_"), seed)
	if *captureFlag == "" {
		return os.CreateTemp("", name+"-*.pcapng")
	}
	if err := os.MkdirAll(*captureFlag, 0o755); err != nil {
		return nil, err
	}
	captures.Lock()
	if captures.byName == nil {
		captures.byName = map[string]int{}
	}
	captures.byName[name]++
	n := captures.byName[name]
	captures.Unlock()
	if n > 1 {
		name += fmt.Sprintf("-run%d", n)
	}
	return os.Create(filepath.Join(*captureFlag, name+".pcapng"))
}
