package command

import "testing"

// InBackground finds the operator `&` outside quotes, and not in `&&` and redirections.
func TestInBackground(t *testing.T) {
	for line, want := range map[string]bool{
		"sleep 1 &": true, "sleep 1&": true, "&": true, "a & b": true, "(a; b) &": true, "a&&b&": true, `echo "x" & `: true, "a 2>&1 &": true,
		`echo \\&`: true, "a && b": false, "a 2>&1": false, "a <&3": false, "a &>x": false, `echo "&"`: false, `echo '&'`: false,
		`echo \&`: false, `echo "\"&"`: false, `echo '\'&`: true, "": false, "a |& b": false, "curl 'http://x/?a=1&b=2'": false,
	} {
		if got, _ := InBackground(line); got != want {
			t.Errorf("%q: %v, want %v", line, got, want)
		}
	}
	for line, want := range map[string]bool{"sleep 1 &": true, " a | b >x 2>&1 & ": true, "a; b &": false, "a && b &": false, "a || b &": false, "a & b": false,
		"a & b &": false, "(a; b) &": false, "echo 'a;b' &": true, "a &>x &": true, "a": false, "a\nb &": false} {
		if _, got := InBackground(line); got != want {
			t.Errorf("%q is all in the background: %v, want %v", line, got, want)
		}
	}
}
