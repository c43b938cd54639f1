package bus_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/smithy-go"

	"github.com/eks-steward/eks-steward/events"
	"github.com/eks-steward/eks-steward/internal/bus"
	"github.com/eks-steward/eks-steward/internal/fleet"
)

// bridge takes entries, or fails those whose incident it is told to fail.
type bridge struct {
	calls [][]types.PutEventsRequestEntry
	fail  func(call int, detail string) bool
	err   error
	short bool // leave an entry out of the answer
}

func (b *bridge) PutEvents(_ context.Context, in *eventbridge.PutEventsInput, _ ...func(*eventbridge.Options)) (*eventbridge.PutEventsOutput, error) {
	b.calls = append(b.calls, in.Entries)
	if b.err != nil {
		return nil, b.err
	}
	out := &eventbridge.PutEventsOutput{}
	for _, e := range in.Entries {
		r := types.PutEventsResultEntry{EventId: aws.String("id")}
		if b.fail != nil && b.fail(len(b.calls), *e.Detail) {
			r = types.PutEventsResultEntry{ErrorCode: aws.String("InternalFailure"), ErrorMessage: aws.String("try later")}
			out.FailedEntryCount++
		}
		out.Entries = append(out.Entries, r)
	}
	if b.short {
		out.Entries = out.Entries[1:]
	}
	return out, nil
}

func (b *bridge) sizes() []int {
	var sizes []int
	for _, c := range b.calls {
		sizes = append(sizes, len(c))
	}
	return sizes
}

// moves returns n moves of incidents named after their number.
func moves(n int) []events.IncidentMoved {
	var m []events.IncidentMoved
	for i := range n {
		c := fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: fmt.Sprintf("c%02d", i)}
		at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		m = append(m, events.IncidentMoved{
			Header:        events.Header{ID: c.String(), Account: c.Account, Region: c.Region, Time: at},
			SchemaVersion: events.SchemaVersion, Incident: c.String() + "/etcd-size/", Transition: "opened", Revision: 1,
			Severity: fleet.Warning,
			Finding:  fleet.Finding{Check: "etcd-size", Cluster: c, Outcome: fleet.Fail, Severity: fleet.Warning, Title: "full", Reason: "because", At: at},
		})
	}
	return m
}

func TestPublishPutsTenMovesInACall(t *testing.T) {
	b := &bridge{}
	if err := bus.New(b, "steward").Publish(t.Context(), moves(23)...); err != nil {
		t.Fatal(err)
	}
	if got := b.sizes(); !slices.Equal(got, []int{10, 10, 3}) {
		t.Errorf("calls of %v", got)
	}
	e := b.calls[2][2]
	if *e.EventBusName != "steward" || *e.Source != "eks-steward" || *e.DetailType != "Finding Opened" ||
		!strings.Contains(*e.Detail, "/c22/") || !e.Time.Equal(moves(1)[0].Time) {
		t.Errorf("entry %s %s %s %s", *e.EventBusName, *e.Source, *e.DetailType, *e.Detail)
	}
}

func TestPublishSendsFailedEntriesOnceMore(t *testing.T) {
	b := &bridge{fail: func(call int, detail string) bool {
		return call == 1 && (strings.Contains(detail, "/c01/") || strings.Contains(detail, "/c03/"))
	}}
	if err := bus.New(b, "steward").Publish(t.Context(), moves(5)...); err != nil {
		t.Fatal(err)
	}
	if got := b.sizes(); !slices.Equal(got, []int{5, 2}) {
		t.Errorf("calls of %v", got)
	}
}

func TestPublishNamesWhatWasNotTaken(t *testing.T) {
	b := &bridge{fail: func(_ int, detail string) bool { return strings.Contains(detail, "/c01/") }}
	err := bus.New(b, "steward").Publish(t.Context(), moves(12)...)
	if err == nil || !strings.Contains(err.Error(), "eu-west-1/c01/etcd-size") || strings.Contains(err.Error(), "c02") || !strings.Contains(err.Error(), "try later") {
		t.Errorf("error %v", err)
	}
	if got := b.sizes(); !slices.Equal(got, []int{10, 1, 2}) {
		t.Errorf("calls of %v: one retry, and the next batch all the same", got)
	}
}

func TestPublishSaysWhyABusIsOutOfReach(t *testing.T) {
	tests := map[string]struct {
		bridge *bridge
		words  string
	}{
		"denied":               {&bridge{err: &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized to perform: events:PutEvents"}}, "events:PutEvents (denied)"},
		"an answer too short":  {&bridge{short: true}, "speaks of 1"},
		"the call was stopped": {&bridge{err: context.Canceled}, "stopped"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := bus.New(tt.bridge, "steward").Publish(t.Context(), moves(2)...)
			if err == nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("error %v, want words %q", err, tt.words)
			}
			if tt.bridge.err != nil && !errors.Is(err, tt.bridge.err) {
				t.Errorf("the cause is lost: %v", err)
			}
		})
	}
}

func TestPublishOfNothingCallsNobody(t *testing.T) {
	b := &bridge{}
	if err := bus.New(b, "steward").Publish(t.Context()); err != nil || len(b.calls) != 0 {
		t.Errorf("%v after %d calls", err, len(b.calls))
	}
}

func TestAMoveOfARolloutTakesTheSameWay(t *testing.T) {
	b := &bridge{fail: func(call int, _ string) bool { return call == 1 }}
	m := events.RolloutMoved{
		Header:  events.Header{ID: "m", Account: "111122223333", Region: "eu-west-1", Time: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)},
		Rollout: "20261121-1930-4f0c2ab19d3e", Transition: "halted", State: "halted", Total: 2,
	}
	if err := bus.New(b, "steward").PublishRollout(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if len(b.calls) != 2 || aws.ToString(b.calls[1][0].DetailType) != "Rollout Halted" {
		t.Errorf("calls %v", b.calls)
	}
	m.Rollout = "yesterday"
	if err := bus.New(b, "steward").PublishRollout(t.Context(), m); err == nil || !strings.Contains(err.Error(), "publish yesterday") {
		t.Errorf("a move that cannot be: %v", err)
	}
}
