package deployed_test

import (
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/e2e/deployed"
)

// leftOut are the types that the emulator's CloudFormation passes over without a
// word. What they do is held by tests of the template alone, so a type that
// joins the stacks must not join this list unseen.
var leftOut = []string{
	"AWS::CloudWatch::Alarm",
	"AWS::Events::Archive", // created, but without an id
	"AWS::S3::BucketPolicy",
	"AWS::SNS::TopicPolicy",
	"AWS::SQS::QueuePolicy",
	"AWS::Scheduler::Schedule", // fired by Deployment.Fire
	"AWS::Scheduler::ScheduleGroup",
}

func TestEverythingElseIsReallyDeployed(t *testing.T) {
	var missing []string
	for _, stack := range []*deployed.Stack{steward.Hub, steward.Member} {
		for _, r := range stack.Resources {
			if r.ID == "" {
				missing = append(missing, r.Type)
			}
		}
	}
	slices.Sort(missing)
	if got := slices.Compact(missing); !slices.Equal(got, leftOut) {
		t.Errorf("the emulator leaves out\n%q, want\n%q", got, leftOut)
	}
}
