package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/eks-steward/eks-steward/internal/awsfleet/refusal"
	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/notify"
	samples "github.com/eks-steward/eks-steward/internal/notify/sample"
	"github.com/eks-steward/eks-steward/internal/notify/slack"
	"github.com/eks-steward/eks-steward/internal/notify/sns"
	"github.com/eks-steward/eks-steward/internal/secret"
)

// trialPlace is one place, and the kinds of messages that it ever gets.
type trialPlace struct {
	name    string
	channel notify.Channel
	kinds   []notify.Kind
	advises bool          // its refusals say what to do, behind a colon
	remedy  string        // of a refusal, where they do not
	pause   time.Duration // after each message
}

// without are all kinds but these.
func without(never ...notify.Kind) []notify.Kind {
	return slices.DeleteFunc(samples.Kinds(), func(k notify.Kind) bool { return slices.Contains(never, k) })
}

// places finds out where to send. What stands in the way of one place is an
// answer of that place.
func (t *trial) places(ctx context.Context, cfg aws.Config, n config.Notify) (places []trialPlace, answers []trialAnswer, err error) {
	if slices.Contains(t.to, toSlack) {
		places, answers = t.slackPlaces(ctx, cfg, n)
	}
	if slices.Contains(t.to, toSNS) {
		client, arn, err := topicOf(ctx, cfg, "Findings", "--topic", t.topic)
		if err != nil {
			return nil, nil, err
		}
		places = append(places, trialPlace{
			name: "topic for people", channel: sns.New(client, arn), kinds: without(notify.Daily), remedy: topicRemedy,
		})
	}
	if slices.Contains(t.to, toMachines) {
		client, arn, err := topicOf(ctx, cfg, "Machines", "--machines-topic", t.machines)
		if err != nil {
			return nil, nil, err
		}
		places = append(places, trialPlace{
			name: "topic for machines", channel: sns.NewMachines(client, arn), remedy: topicRemedy,
			kinds: []notify.Kind{notify.Opened, notify.Changed, notify.Resolved}, // one incident at a time, and no reminders
		})
	}
	return places, answers, nil
}

const topicRemedy = "See whether the topic is there, and whether your profile may sns:Publish to it and kms:Decrypt and kms:GenerateDataKey with its key."

// topicOf is the topic of that ARN, or else the deployment's, and a client for its
// region. flag names it by hand.
func topicOf(ctx context.Context, cfg aws.Config, id, flag, arn string) (*awssns.Client, string, error) {
	if arn == "" {
		found, err := deployedTopic(ctx, awssns.NewFromConfig(cfg), id, flag)
		if err != nil {
			return nil, "", err
		}
		arn = found
	}
	return awssns.NewFromConfig(cfg, func(o *awssns.Options) { o.Region = regionOf(arn, o.Region) }), arn, nil
}

// slackPause keeps to what Slack takes: about one message a second and channel.
const slackPause = 1100 * time.Millisecond

// slackPlaces is where the secret and the configuration lead. The function notify
// makes findings of what does not fit; here it is an answer.
func (t *trial) slackPlaces(ctx context.Context, cfg aws.Config, n config.Notify) (places []trialPlace, answers []trialAnswer) {
	answer := func(said, remedy string) []trialAnswer {
		return []trialAnswer{{place: "Slack", said: said, remedy: remedy, failed: remedy != ""}}
	}
	if !n.Slack {
		return nil, answer("off: the configuration has notify.slack: false", "")
	}
	client := secretsmanager.NewFromConfig(cfg, func(o *secretsmanager.Options) { o.Region = regionOf(t.secret, o.Region) })
	access := slack.Access{Secret: secret.New(client, t.secret, t.now), API: t.api}
	token, err := access.Token(ctx)
	switch {
	case err != nil:
		return nil, answer(err.Error(), "Name the secret of the deployment (slack.secretName) with --slack-secret; without Slack give --to sns,machines.")
	case token && len(n.Routes) == 0:
		return nil, answer("the secret holds a bot token, and the configuration names no channel",
			"Name at least one channel under notify.routes, such as channel: C0123456789, and invite the app to it.")
	case token:
		return botPlaces(access, n.Routes), nil
	case len(n.Routes) > 0:
		answers = answer("the secret holds the address of a webhook, which leads to one channel only, and the configuration has notify.routes",
			"Store the bot token (xoxb-...) of a Slack app with the scope chat:write, or take notify.routes out.")
	}
	return []trialPlace{slackPlace("webhook", access.Webhook())}, answers
}

// slackPlace gets every kind but that of a ledger that is down, which is told over
// SNS alone.
func slackPlace(name string, c notify.Channel) trialPlace {
	return trialPlace{name: name, channel: c, kinds: without(notify.LedgerOut), pause: slackPause, advises: true}
}

func botPlaces(access slack.Access, routes []config.Route) []trialPlace {
	var places []trialPlace
	for _, r := range routes {
		p := slackPlace("channel "+r.Channel, access.Channel(r.Channel))
		if r.DigestAt != "" {
			p.kinds = []notify.Kind{notify.Daily}
		}
		places = append(places, p)
	}
	return places
}

// slackErrors explains the words for which there is no advice of ours.
const slackErrors = "See what that word means: https://docs.slack.dev/reference/methods/chat.postMessage#errors"

// deployedTopic finds a topic of the deployment among those of the region.
func deployedTopic(ctx context.Context, client awssns.ListTopicsAPIClient, id, flag string) (string, error) {
	var found []string
	for p := awssns.NewListTopicsPaginator(client, &awssns.ListTopicsInput{}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return "", fmt.Errorf("find the deployment's topics: %w: give the ARN with %s", refusal.Of("sns:ListTopics", err), flag)
		}
		for _, topic := range page.Topics {
			arn := aws.ToString(topic.TopicArn)
			name := arn[strings.LastIndex(arn, ":")+1:]
			if strings.HasPrefix(name, stackPrefix) && strings.Contains(name, id) {
				found = append(found, arn)
			}
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no topic %s of a deployment here: choose its account and region, give the ARN with %s, or leave it out with --to", id, flag)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("there are several topics %s of deployments here: choose one with %s: %s", id, flag, strings.Join(found, ", "))
}
