package ledgertest_test

import (
	"testing"

	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
)

func TestConformance(t *testing.T) {
	ledgertest.Conformance(t, func(*testing.T) ledger.Store { return &ledgertest.Memory{} })
}
