package registry

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	startime "go.starlark.net/lib/time"
	"go.starlark.net/starlark"
)

// whole converts an int, or a float without a fraction, such as 1e3.
func whole(v starlark.Value) (any, error) {
	if f, ok := v.(starlark.Float); ok && math.Trunc(float64(f)) == float64(f) && math.Abs(float64(f)) < 1<<53 {
		return int(f), nil
	}
	i, ok := v.(starlark.Int)
	if !ok {
		return nil, numeral(v)
	}
	n, ok := i.Int64()
	if !ok || n != int64(int(n)) {
		return nil, errors.New("too large")
	}
	return int(n), nil
}

// numeral returns the error for a value that should be a number. For a string of a number it says that the quotes are wrong.
func numeral(v starlark.Value) error {
	s, ok := starlark.AsString(v)
	if !ok {
		return errKind
	}
	if _, err := strconv.ParseFloat(s, 64); err != nil {
		return errKind
	}
	return fmt.Errorf("without quotes: %s", s)
}

// chance converts a probability: a number from 0 to 1, or text in percent such as "15%".
func chance(v starlark.Value) (any, error) {
	if s, ok := starlark.AsString(v); ok {
		percent, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
		f, err := strconv.ParseFloat(strings.TrimSpace(percent), 64)
		switch {
		case err != nil:
			return nil, errKind
		case !ok && f > 1 && f <= 100:
			return nil, fmt.Errorf("%v percent is %v, or \"%v%%\"", f, f/100, f)
		case !ok && !(f >= 0 && f <= 1):
			return nil, errKind
		case !ok:
			return nil, fmt.Errorf("without quotes, or in percent: \"%v%%\"", f*100)
		case !(f >= 0 && f <= 100):
			return nil, errors.New("percentages are from 0% to 100%")
		}
		return f / 100, nil
	}
	f, ok := starlark.AsFloat(v)
	switch {
	case ok && f >= 0 && f <= 1:
		return f, nil
	case ok && f > 1 && f <= 100:
		return nil, fmt.Errorf("%v percent is %v, or \"%v%%\"", f, f/100, f)
	}
	return nil, errKind
}

// ParseChance reads a probability: a number from 0 to 1, or a percentage such as "15%".
func ParseChance(s string) (float64, error) {
	v := starlark.Value(starlark.String(s))
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		v = starlark.Float(f)
	}
	got, err := chance(v)
	if err == errKind {
		err = errors.New(`want a percentage such as "1%", or a share from 0 to 1`)
	}
	f, _ := got.(float64)
	return f, err
}

// duration converts seconds, a string such as "20ms", and a time.duration.
func duration(v starlark.Value) (any, error) {
	var d time.Duration
	switch v := v.(type) {
	case startime.Duration:
		d = time.Duration(v)
	case starlark.String:
		var err error
		if d, err = ParseDuration(string(v)); err != nil {
			return nil, err
		}
	case starlark.Int, starlark.Float:
		f, _ := starlark.AsFloat(v)
		if math.IsNaN(f) || math.Abs(f) > 1e9 {
			return nil, errors.New("out of range: at most 1e9 seconds")
		}
		d = time.Duration(math.Round(f * 1e9))
	default:
		return nil, errKind
	}
	if d < 0 {
		return nil, errors.New("negative: want 0 or more")
	}
	return d, nil
}

// errDuration is the error for text that is no duration.
var errDuration = errors.New(`want seconds, "20ms", "2s", "1m" or "1d"`)

// measured matches one number with its unit.
var measured = regexp.MustCompile(`^\s*([-+]?[0-9.]+(?:e[-+]?\d+)?)\s*([a-zµμ]+)\s*$`)

// ParseDuration reads a duration: what time.ParseDuration reads, such as "1m30s", a number of seconds, or one number with a unit from
// nanoseconds to days, in short or in words: "1d", "10 ms", "5 seconds". Durations are shorter than 1e9 seconds.
func ParseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	f, unit := 0.0, time.Second
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(s), 64); err == nil {
		f = seconds
	} else if m := measured.FindStringSubmatch(strings.ToLower(s)); m != nil {
		number, err := strconv.ParseFloat(m[1], 64)
		u, ok := timeUnits[m[2]]
		if !ok {
			u, ok = timeUnits[strings.TrimSuffix(m[2], "s")]
		}
		if err != nil || !ok {
			return 0, errDuration
		}
		f, unit = number, u
	} else {
		return 0, errDuration
	}
	if math.IsNaN(f) || math.Abs(f)*unit.Seconds() > 1e9 {
		return 0, errors.New("out of range: at most 1e9 seconds")
	}
	return time.Duration(math.Round(f * float64(unit))), nil
}

// timeUnits has the units of ParseDuration. Their plurals end in s.
var timeUnits = map[string]time.Duration{
	"ns": time.Nanosecond, "nsec": time.Nanosecond, "nanosecond": time.Nanosecond,
	"us": time.Microsecond, "µs": time.Microsecond, "μs": time.Microsecond, "usec": time.Microsecond, "microsecond": time.Microsecond,
	"ms": time.Millisecond, "msec": time.Millisecond, "millisecond": time.Millisecond,
	"s": time.Second, "sec": time.Second, "second": time.Second,
	"m": time.Minute, "min": time.Minute, "minute": time.Minute,
	"h": time.Hour, "hr": time.Hour, "hour": time.Hour,
	"d": 24 * time.Hour, "day": 24 * time.Hour, "w": 7 * 24 * time.Hour, "week": 7 * 24 * time.Hour,
}

// unclearRate matches rates such as "10Mbps", which means bits to most people and octets to netem. In small letters it is netem's.
var unclearRate = regexp.MustCompile(`^([0-9.]+)([KMG])[bB]ps$`)

// rate converts a rate: a number of bits per second, or text in netem's notation, such as "10mbit", "1gbit" and
// "64kbit", or "1mbps" in octets. "10m", "10 Mbit/s" and "10 Mb/s" are "10mbit".
func rate(v starlark.Value) (any, error) {
	if s, ok := starlark.AsString(v); ok {
		s = strings.ReplaceAll(s, " ", "")
		if m := unclearRate.FindStringSubmatch(s); m != nil {
			return nil, fmt.Errorf("%q for bits, or %q for octets", m[1]+strings.ToLower(m[2])+"bit", m[1]+strings.ToLower(m[2])+"bps")
		}
		s = strings.ToLower(s)
		if bits, ok := strings.CutSuffix(s, "b/s"); ok {
			s = bits + "bit"
		}
		s = strings.TrimSuffix(s, "/s")
		for _, u := range []struct {
			suffix string
			bits   float64
		}{{"gbit", 1e9}, {"mbit", 1e6}, {"kbit", 1e3}, {"bit", 1}, {"gbps", 8e9}, {"mbps", 8e6}, {"kbps", 8e3}, {"bps", 8}, {"g", 1e9}, {"m", 1e6}, {"k", 1e3}, {"", 1}} {
			if n, ok := strings.CutSuffix(s, u.suffix); ok {
				f, err := strconv.ParseFloat(n, 64)
				if err != nil || !(f >= 0 && f <= 1e15) {
					return nil, errKind
				}
				return wholeBits(f * u.bits)
			}
		}
	}
	if f, ok := starlark.AsFloat(v); ok && f >= 0 && f < 1e15 {
		return wholeBits(f)
	}
	return nil, errKind
}

// ParseRate reads a rate in bits per second, such as "10mbit"; 0 is no limit.
func ParseRate(s string) (uint64, error) {
	got, err := rate(starlark.String(s))
	if err == errKind {
		err = errors.New(`want bits per second such as "10mbit", or octets such as "1mbps"`)
	}
	bps, _ := got.(uint64)
	return bps, err
}

// wholeBits returns a rate in bits per second. A fraction of a bit is an error, because 0 stands for no limit.
func wholeBits(f float64) (any, error) {
	if f > 0 && f < 1 {
		return nil, errors.New("less than 1 bit per second")
	}
	return uint64(f), nil
}
