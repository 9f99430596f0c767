package script

func shellBuiltins() []*builtin { return nil }
