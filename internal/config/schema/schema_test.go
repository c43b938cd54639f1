package schema_test

import (
	"flag"
	"os"
	"testing"

	"github.com/eks-steward/eks-steward/internal/config/schema"
)

var update = flag.Bool("update", false, "write the committed schema")

const committed = "../../../docs/config.schema.json"

func TestTheCommittedSchemaIsTheOneOfTheStruct(t *testing.T) {
	got, err := schema.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(committed, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(committed)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("docs/config.schema.json differs from the struct: run go test ./internal/config/schema -update and commit the file")
	}
}
