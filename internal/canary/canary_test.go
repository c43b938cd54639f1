package canary_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/canary"
)

func TestASearchOfThisOutputHearsIt(t *testing.T) { t.Log(canary.Heard) }
