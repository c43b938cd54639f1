package handler

import (
	"context"
	"maps"
	"slices"

	"github.com/eks-steward/eks-steward/internal/config"
	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/notify"
)

// Check is the id of the findings about Slack itself: about each channel of an
// app, and about the secret and the configuration with no resource.
const Check = "slack-delivery"

// places are where in Slack incidents are told.
type places struct {
	routes  []notify.Route
	webhook bool   // one place, which takes no routes
	unread  bool   // the secret was not
	misfit  string // cause of a secret and a configuration that do not fit; empty when they do
}

// The causes of the findings.
const (
	refused  = "refused"
	noRoutes = "no-routes"     // a bot, and no channel is named
	unused   = "unused-routes" // channels are named, and a webhook reaches none of them
)

// places reads the secret once. When it cannot be read the places are those of the
// configuration: none of them takes a message then, which is what SNS waits for.
func (h *Handler) places(ctx context.Context, conf *config.File) (places, error) {
	if !conf.Notify.Slack || h.Slack == nil {
		return places{}, nil
	}
	named := len(conf.Notify.Routes) > 0
	token, err := h.Slack.Token(ctx)
	switch {
	case ctx.Err() != nil:
		return places{}, ctx.Err()
	case err != nil:
		token = named
	}
	switch {
	case token && !named:
		return places{misfit: noRoutes}, nil
	case token:
		return places{unread: err != nil, routes: h.channels(conf.Notify.Routes)}, nil
	}
	n := conf.Notify
	p := places{unread: err != nil, webhook: true, routes: []notify.Route{{
		ID: notify.Slack, Channel: h.Slack.Webhook(), MinSeverity: n.MinSeverity,
		Quiet: notify.Quiet{From: n.QuietFrom, To: n.QuietTo}, DigestAt: n.DigestAt,
	}}}
	if named {
		p.misfit = unused
	}
	return p, nil
}

// channels are the routes of an app.
func (h *Handler) channels(named []config.Route) []notify.Route {
	routes := make([]notify.Route, len(named))
	for i, r := range named {
		routes[i] = notify.Route{
			ID: notify.SlackChannel(r.Channel), Channel: h.Slack.Channel(r.Channel), MinSeverity: r.MinSeverity,
			Checks: r.Checks, Match: r.Match.Matches, Quiet: notify.Quiet{From: r.QuietFrom, To: r.QuietTo},
			DigestAt: r.DigestAt, DigestOnly: r.DigestAt != "",
		}
	}
	return routes
}

// noteSlack makes incidents of places in Slack that refuse messages: the people who
// read SNS are told, since those who read Slack there cannot be.
func (h *Handler) noteSlack(ctx context.Context, p places, r notify.Report) error {
	if h.Slack == nil || p.unread {
		return nil
	}
	var all []fleet.Finding
	for _, route := range slices.Sorted(maps.Keys(r.Refused)) {
		all = append(all, h.refusing(route, r.Refused[route]))
	}
	for _, route := range slices.Sorted(maps.Keys(r.Took)) {
		if r.Refused[route] == "" && r.SlackDown == "" && (route != notify.Slack || p.misfit == "") {
			all = append(all, h.finding(route, "The last message was taken."))
		}
	}
	_, broken := r.Refused[notify.Slack]
	switch {
	case p.misfit != "" && !broken:
		all = append(all, h.unfit(p.misfit))
	case !p.webhook:
		all = append(all, h.finding(notify.Slack, "The secret and the configuration fit."))
	}
	for _, f := range all {
		if _, _, err := h.Ledger.Observe(ctx, f); err != nil {
			return err
		}
	}
	return h.retire(ctx, p)
}

// retire closes what is known of channels that nothing is told in any more.
func (h *Handler) retire(ctx context.Context, p places) error {
	open, err := h.Ledger.OpenIncidents(ctx, fleet.Target{Account: h.Hub.Account, Region: h.Hub.Region})
	if err != nil {
		return err
	}
	for _, inc := range open {
		f := inc.Finding
		used := func(r notify.Route) bool { return resource(r.ID) == f.Resource }
		if f.Check != Check || f.Resource == "" || slices.ContainsFunc(p.routes, used) {
			continue
		}
		if _, _, err := h.Ledger.Observe(ctx, h.finding(notify.SlackChannel(f.Resource), "Nothing is told there any more.")); err != nil {
			return err
		}
	}
	return nil
}

// resource is the channel of a route; empty for the webhook.
func resource(route string) string {
	if route == notify.Slack {
		return ""
	}
	return route[len(notify.SlackChannel("")):]
}

// finding is that a place is well.
func (h *Handler) finding(route, reason string) fleet.Finding {
	f := fleet.Finding{
		Check: Check, Cluster: h.Hub, Resource: resource(route), Outcome: fleet.Pass, At: h.Now(),
		Title: "Slack takes messages", Reason: reason, Expected: "Slack takes every message",
	}
	if f.Resource != "" {
		f.Title += " in channel " + f.Resource
	}
	return f
}

func (h *Handler) refusing(route, why string) fleet.Finding {
	f := h.finding(route, "Slack answered: "+why)
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, refused
	f.Title = "Slack refuses messages"
	f.Meaning = "Incidents are told over SNS only."
	f.Remedy = "Make a new incoming webhook and put its URL into the secret that the deployment names; it is used at the next message."
	if f.Resource != "" {
		f.Title += " in channel " + f.Resource
		f.Meaning = "What belongs in this channel is told over SNS only."
		f.Remedy = "Do what Slack's answer asks for: mostly the app has to be invited to the channel, or installed again and its new token put into the secret that the deployment names. It is tried again with the next message."
	}
	return f
}

// unfit is about a secret and a configuration that do not fit.
func (h *Handler) unfit(cause string) fleet.Finding {
	f := h.finding(notify.Slack, "")
	f.Outcome, f.Severity, f.Cause = fleet.Fail, fleet.Warning, cause
	if cause == noRoutes {
		f.Title = "Slack has no channel to tell anything in"
		f.Reason = "The secret holds the token of a Slack app, and the configuration has no notify.routes."
		f.Meaning = "Incidents are told over SNS only."
		f.Remedy = "Name at least one channel under notify.routes, such as channel: C0123456789, and invite the app to it."
		return f
	}
	f.Title = "the routes to Slack channels are not used"
	f.Reason = "The configuration has notify.routes, and the secret holds the address of an incoming webhook, which leads to one channel only."
	f.Meaning = "Every incident is told in the channel of the webhook, and nothing in the channels of the routes."
	f.Remedy = "Put the bot token (xoxb-...) of a Slack app with the scope chat:write into the secret, or take notify.routes out of the configuration."
	return f
}
