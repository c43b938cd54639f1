package dynamo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/eks-steward/eks-steward/internal/ledger"
)

// The attributes of an item. A record that stands in no queue has neither
// attrQueue nor attrDue, which keeps it out of the index.
const (
	attrPartition = "pk"
	attrSort      = "sk"
	attrVersion   = "version"
	attrQueue     = "queue"
	attrDue       = "due" // Unix milliseconds
	attrBody      = "body"
)

// ExpiresAttribute is the attribute to enable time to live on, in Unix seconds.
const ExpiresAttribute = "expires"

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func itemKey(key ledger.Key) item {
	return item{attrPartition: text(key.Partition), attrSort: text(key.Sort)}
}

func itemOf(r ledger.Record) item {
	out := itemKey(r.Key)
	out[attrVersion] = number(r.Version + 1)
	out[attrBody] = text(string(r.Body))
	if r.Queue != "" {
		out[attrQueue] = text(r.Queue)
		out[attrDue] = number(r.Due.UnixMilli())
	}
	if !r.Expires.IsZero() {
		out[ExpiresAttribute] = number(r.Expires.Unix())
	}
	return out
}

// recordOf refuses an item that the ledger cannot have written: taken for a new
// record it would be written over.
func recordOf(in item) (ledger.Record, error) {
	r := ledger.Record{Key: ledger.Key{Partition: textOf(in, attrPartition), Sort: textOf(in, attrSort)}}
	version, ok := numberOf(in, attrVersion)
	if !ok || version < 1 {
		return r, fmt.Errorf("item %s of the table has no version: the ledger did not write it", r.Key)
	}
	r.Version, r.Queue, r.Body = version, textOf(in, attrQueue), []byte(textOf(in, attrBody))
	if due, ok := numberOf(in, attrDue); ok {
		r.Due = time.UnixMilli(due).UTC()
	}
	if expires, ok := numberOf(in, ExpiresAttribute); ok {
		r.Expires = time.Unix(expires, 0).UTC()
	}
	return r, nil
}

func textOf(in item, attribute string) string {
	s, ok := in[attribute].(*types.AttributeValueMemberS)
	if !ok {
		return ""
	}
	return s.Value
}

func numberOf(in item, attribute string) (int64, bool) {
	n, ok := in[attribute].(*types.AttributeValueMemberN)
	if !ok {
		return 0, false
	}
	v, err := strconv.ParseInt(n.Value, 10, 64)
	return v, err == nil
}
