package wire

import "testing"

func TestParseHardwareAddr(t *testing.T) {
	want := HardwareAddr{2, 0, 0xab, 0, 0, 1}
	for _, s := range []string{"02:00:ab:00:00:01", "02-00-AB-00-00-01", "2:0:ab:0:0:1", want.String()} {
		if a, err := ParseHardwareAddr(s); err != nil || a != want {
			t.Errorf("%q is %v, %v", s, a, err)
		}
	}
	for _, s := range []string{"", "02:00:00:00:00", "02:00:00:00:00:01:02", "02:00:00:00:00:1g", "02:00:00:00:00:100", "02:00:00:00:00:", "002:0:0:0:0:1", "+2:0:0:0:0:1", "02:00:00:00:00:01 "} {
		if a, err := ParseHardwareAddr(s); err == nil {
			t.Errorf("%q is %v", s, a)
		}
	}
}
