package main

import (
	"os"
	"testing"
)

func TestEveryFunctionIsMeasuredInAnEnvironmentInWhichItStarts(t *testing.T) {
	folders, err := os.ReadDir("../functions")
	if err != nil {
		t.Fatal(err)
	}
	if len(folders) != len(functions) {
		t.Errorf("%d functions are measured, there are %d", len(functions), len(folders))
	}
	for i, f := range functions {
		if i < len(folders) && f.name != folders[i].Name() {
			t.Errorf("function %d is %s, want %s", i, f.name, folders[i].Name())
		}
		if err := f.complete(); err != nil {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}
