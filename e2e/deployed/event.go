package deployed

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"

	"github.com/eks-steward/eks-steward/testevents"
)

// Happens puts a test event on the default bus of the account, where AWS's are,
// as if it was about something here. words are pairs of what is in the event and
// what is to be there.
func (d *Deployment) Happens(ctx context.Context, e testevents.Case, words ...string) error {
	raw, err := testevents.Read(e.Function, e.Name)
	if err != nil {
		return err
	}
	var event struct {
		Source     string          `json:"source"`
		DetailType string          `json:"detail-type"`
		Account    string          `json:"account"`
		Region     string          `json:"region"`
		Detail     json.RawMessage `json:"detail"`
	}
	if err := json.Unmarshal(raw, &event); err != nil {
		return fmt.Errorf("test event %s: %w", e, err)
	}
	for i := 0; i < len(words); i += 2 {
		if !strings.Contains(string(event.Detail), words[i]) {
			return fmt.Errorf("test event %s has no %q to replace", e, words[i])
		}
	}
	detail := strings.NewReplacer(append(words, event.Account, Account, event.Region, Region)...).Replace(string(event.Detail))
	out, err := eventbridge.NewFromConfig(d.Config).PutEvents(ctx, &eventbridge.PutEventsInput{
		Entries: []types.PutEventsRequestEntry{{Source: &event.Source, DetailType: &event.DetailType, Detail: &detail}},
	})
	if err != nil {
		return fmt.Errorf("put test event %s: %w\n%s", e, err, d.Said())
	}
	if out.FailedEntryCount > 0 {
		return fmt.Errorf("put test event %s: %s", e, aws.ToString(out.Entries[0].ErrorMessage))
	}
	return nil
}
