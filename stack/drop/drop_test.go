package drop

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
)

func TestWords(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+( [a-z0-9]+)*$`) // lower-case words, as columns and comments contain them
	seen := map[string]Reason{}
	for r := None + 1; r < NumReasons; r++ {
		word := r.String()
		if !form.MatchString(word) {
			t.Errorf("reason %d has the word %q", r, word)
		}
		if other, ok := seen[word]; ok {
			t.Errorf("reasons %d and %d share the word %q", other, r, word)
		}
		seen[word] = r
		if r.Error() != word {
			t.Errorf("reason %d: Error %q, String %q", r, r.Error(), word)
		}
	}
	if None.String() != "" || NumReasons.String() != "unknown reason" || Reason(255).String() != "unknown reason" {
		t.Errorf("outside the catalogue: %q, %q, %q", None, NumReasons, Reason(255))
	}
}

// TestStableWords: scripts compare these words, so that they must not change.
func TestStableWords(t *testing.T) {
	for want, r := range map[string]Reason{
		"truncated": Truncated, "bad checksum": BadChecksum, "unknown mac": UnknownMAC, "no socket": NoSocket,
		"fault loss": FaultLoss, "tcp out of window": TCPOutOfWindow, "ttl exceeded": TTLExceeded,
	} {
		if r.String() != want {
			t.Errorf("reason %d = %q, want %q", r, r, want)
		}
	}
}

func TestOf(t *testing.T) {
	if Of(nil) != None {
		t.Error("no error is no reason")
	}
	var err error = BadLength
	if Of(err) != BadLength {
		t.Errorf("Of = %v", Of(err))
	}
	if !errors.Is(fmt.Errorf("frame 7: %w", err), BadLength) || errors.Is(err, BadOption) {
		t.Error("a reason is matched with errors.Is")
	}
	if n := testing.AllocsPerRun(100, func() { err = BadOption; _ = Of(err) }); n != 0 {
		t.Errorf("%v allocations for a reason as an error", n)
	}
}
