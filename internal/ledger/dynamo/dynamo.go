// Package dynamo keeps the ledger in a DynamoDB table. It turns records into
// items and versions into conditions and decides nothing; it never writes
// without a condition and never retries beyond what its client does.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// Client is what the store calls: *dynamodb.Client. A function needs these four
// actions on the table, and Query on its index, and no other.
type Client interface {
	GetItem(context.Context, *dynamodb.GetItemInput, ...func(*dynamodb.Options)) (*dynamodb.GetItemOutput, error)
	PutItem(context.Context, *dynamodb.PutItemInput, ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	DeleteItem(context.Context, *dynamodb.DeleteItemInput, ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	dynamodb.QueryAPIClient
}

// Store is one table. It satisfies ledger.Store.
type Store struct {
	client Client
	table  string
}

var _ ledger.Store = (*Store)(nil)

// New returns the ledger's store in a table of the form that Schema describes.
func New(client Client, table string) *Store { return &Store{client: client, table: table} }

// Read implements ledger.Store. The read is strongly consistent: a decision on
// an old version would only be refused.
func (s *Store) Read(ctx context.Context, key ledger.Key) (ledger.Record, error) {
	out, err := s.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName:      &s.table,
		Key:            itemKey(key),
		ConsistentRead: aws.Bool(true),
	})
	if err != nil {
		return ledger.Record{}, outage(err)
	}
	if len(out.Item) == 0 {
		return ledger.Record{}, ledger.ErrAbsent
	}
	return recordOf(out.Item)
}

// Write implements ledger.Store.
func (s *Store) Write(ctx context.Context, r ledger.Record) error {
	in := &dynamodb.PutItemInput{
		TableName:                &s.table,
		Item:                     itemOf(r),
		ConditionExpression:      aws.String("attribute_not_exists(#pk)"),
		ExpressionAttributeNames: map[string]string{"#pk": attrPartition},
	}
	if r.Version != 0 {
		in.ConditionExpression = aws.String("#version = :version")
		in.ExpressionAttributeNames = map[string]string{"#version": attrVersion}
		in.ExpressionAttributeValues = item{":version": number(r.Version)}
	}
	_, err := s.client.PutItem(ctx, in)
	return written(err)
}

// Delete implements ledger.Store.
func (s *Store) Delete(ctx context.Context, key ledger.Key, version int64) error {
	_, err := s.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
		TableName:                 &s.table,
		Key:                       itemKey(key),
		ConditionExpression:       aws.String("#version = :version"),
		ExpressionAttributeNames:  map[string]string{"#version": attrVersion},
		ExpressionAttributeValues: item{":version": number(version)},
	})
	return written(err)
}

// Range implements ledger.Store, page by page of at most 1 MB.
func (s *Store) Range(ctx context.Context, partition, prefix string) iter.Seq2[ledger.Record, error] {
	in := &dynamodb.QueryInput{
		TableName:                 &s.table,
		ConsistentRead:            aws.Bool(true),
		KeyConditionExpression:    aws.String("#pk = :pk"),
		ExpressionAttributeNames:  map[string]string{"#pk": attrPartition},
		ExpressionAttributeValues: item{":pk": text(partition)},
	}
	if prefix != "" { // DynamoDB refuses an empty string in a key condition
		in.KeyConditionExpression = aws.String("#pk = :pk AND begins_with(#sk, :sk)")
		in.ExpressionAttributeNames["#sk"] = attrSort
		in.ExpressionAttributeValues[":sk"] = text(prefix)
	}
	return s.query(ctx, in)
}

// Due implements ledger.Store. An index cannot be read consistently: a record
// may be missing, or be seen as it was, for a moment after a write.
func (s *Store) Due(ctx context.Context, queue string, until time.Time) iter.Seq2[ledger.Record, error] {
	return s.query(ctx, &dynamodb.QueryInput{
		TableName:                 &s.table,
		IndexName:                 aws.String(dueIndex),
		KeyConditionExpression:    aws.String("#queue = :queue AND #due <= :until"),
		ExpressionAttributeNames:  map[string]string{"#queue": attrQueue, "#due": attrDue},
		ExpressionAttributeValues: item{":queue": text(queue), ":until": number(until.UnixMilli())},
	})
}

func (s *Store) query(ctx context.Context, in *dynamodb.QueryInput) iter.Seq2[ledger.Record, error] {
	return func(yield func(ledger.Record, error) bool) {
		pages := dynamodb.NewQueryPaginator(s.client, in)
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(ledger.Record{}, outage(err))
				return
			}
			for _, found := range page.Items {
				if !yield(recordOf(found)) {
					return
				}
			}
		}
	}
}

// written tells a lost race from an outage.
func written(err error) error {
	if _, lost := errors.AsType[*types.ConditionalCheckFailedException](err); lost {
		return ledger.ErrConflict
	}
	return outage(err)
}

// outage is every error but a lost race: throttling, the network, a missing
// permission or table. Whatever kept the ledger from answering, nothing may be
// written to AWS while it does.
func outage(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", ledger.ErrUnavailable, err)
}
