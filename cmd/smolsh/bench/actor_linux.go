package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"
)

// line is one line of an actor's output, in JSON. Exactly one field is set.
type line struct {
	Ready  string             `json:"ready,omitempty"`  // ADDRESS:PORT on which the actor listens
	Result map[string]float64 `json:"result,omitempty"` // figures, by metric
	Error  string             `json:"error,omitempty"`
}

// actorArgs are an actor's arguments in the form KEY=VALUE.
type actorArgs map[string]string

func parseActorArgs(argv []string) (actorArgs, error) {
	a := actorArgs{}
	for _, s := range argv {
		k, v, ok := strings.Cut(s, "=")
		if !ok {
			return nil, fmt.Errorf("%q is no KEY=VALUE", s)
		}
		a[k] = v
	}
	return a, nil
}

func (a actorArgs) flag(key string) bool { return a[key] == "1" }

// number returns the number in an argument, 0 if the argument is missing.
func (a actorArgs) number(key string) int {
	n, _ := strconv.Atoi(a[key])
	return n
}

// span returns the seconds in an argument, 0 if the argument is missing.
func (a actorArgs) span(key string) time.Duration {
	f, _ := strconv.ParseFloat(a[key], 64)
	return time.Duration(f * float64(time.Second))
}

// actor is a process that takes part in one run.
type actor struct {
	args actorArgs
	out  io.Writer
	// The measurement begins warm after the first octet, and lasts span.
	warm, span time.Duration
	began      time.Time // time of the first octet
	from       time.Time // time at which counting began
	octets     int64     // octets counted since from
	told       bool
}

// Actor runs an actor's process and returns its exit status. argv is KIND, then KEY=VALUE arguments.
func Actor(argv []string, stdout io.Writer) int {
	a := &actor{out: stdout}
	err := a.run(argv)
	if err != nil {
		a.tell(line{Error: err.Error()})
		return 1
	}
	return 0
}

func (a *actor) run(argv []string) (err error) {
	if len(argv) == 0 {
		return errors.New("no kind of actor")
	}
	if a.args, err = parseActorArgs(argv[1:]); err != nil {
		return err
	}
	a.warm, a.span = a.args.span("warm"), a.args.span("seconds")
	if file := a.args["profile"]; file != "" {
		f, err := os.Create(file)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	switch argv[0] {
	case "kernel":
		runtime.LockOSThread()
		return a.kernel()
	case "tap":
		return a.tap()
	case "serve":
		return a.serve()
	case "inside":
		return a.inside()
	}
	return fmt.Errorf("no actor %q", argv[0])
}

func (a *actor) tell(l line) {
	b, err := json.Marshal(l)
	if err != nil { // err means that the value is not a number
		b, _ = json.Marshal(line{Error: err.Error()})
	}
	_, _ = a.out.Write(append(b, '\n'))
}

// count adds n received octets. After the measured time it reports the rate, and returns true from then on.
func (a *actor) count(n int) (over bool) {
	now := time.Now()
	switch {
	case a.began.IsZero():
		a.began = now
	case a.from.IsZero():
		if now.Sub(a.began) >= a.warm {
			a.from = now
		}
	default:
		a.octets += int64(n)
		if took := now.Sub(a.from); took >= a.span && !a.told {
			a.told = true
			a.tell(line{Result: map[string]float64{"": gbits(a.octets, took)}})
		}
	}
	return a.told
}

// gbits returns a rate in Gbit/s.
func gbits(octets int64, took time.Duration) float64 {
	return float64(octets) * 8 / 1e9 / took.Seconds()
}

// percentiles returns the percentiles of latencies in µs, by metric.
func percentiles(samples []float64) map[string]float64 {
	return map[string]float64{"p50": Quantile(samples, 0.5), "p90": Quantile(samples, 0.9), "p99": Quantile(samples, 0.99)}
}
