package e2e

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/eks-steward/eks-steward/e2e/emulator"
	"github.com/eks-steward/eks-steward/internal/ledger"
	"github.com/eks-steward/eks-steward/internal/ledger/dynamo"
	"github.com/eks-steward/eks-steward/internal/ledger/ledgertest"
)

func TestLedgerOnDynamoDB(t *testing.T) {
	aws, err := emulator.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(aws.Close)
	client := dynamodb.NewFromConfig(aws.Config)
	var tables atomic.Int32
	ledgertest.Conformance(t, func(t *testing.T) ledger.Store {
		table := fmt.Sprintf("ledger-%d", tables.Add(1))
		if _, err := client.CreateTable(t.Context(), dynamo.Schema(table)); err != nil {
			t.Fatal(err)
		}
		return dynamo.New(client, table)
	})
}
