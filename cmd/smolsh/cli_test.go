package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"smolsh": main})
}

// TestCommandLine runs testdata/cli, in virtual labs, and compares everything that a user sees.
func TestCommandLine(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "../../testdata/cli",
		Setup: func(env *testscript.Env) error {
			env.Setenv("EXAMPLES", env.Getenv("WORK")+"/examples")
			env.Setenv("SCRIPTS", env.Getenv("WORK")+"/scripts")
			if err := copyDir("../../testdata/script", env.Getenv("WORK")+"/scripts"); err != nil {
				return err
			}
			return copyDir("../../examples", env.Getenv("WORK")+"/examples")
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"status": exitStatus},
	})
}
