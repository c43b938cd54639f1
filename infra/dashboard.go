package infra

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/jsii-runtime-go"
)

// The form of a dashboard's body.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
type (
	body struct {
		Variables []variable `json:"variables"`
		Widgets   []widget   `json:"widgets"`
	}
	variable struct {
		Type         string `json:"type"`
		Property     string `json:"property"`
		InputType    string `json:"inputType"`
		ID           string `json:"id"`
		Label        string `json:"label"`
		Search       string `json:"search"`
		PopulateFrom string `json:"populateFrom"`
		Visible      bool   `json:"visible"`
	}
	widget struct {
		Type       string         `json:"type"`
		X          int            `json:"x"`
		Y          int            `json:"y"`
		Width      int            `json:"width"`
		Height     int            `json:"height"`
		Properties map[string]any `json:"properties"`
	}
	metrics = []any // one metric or expression each
	options = map[string]any
)

const etcdFile = "apiserver_storage_size_bytes"

// dashboard shows the etcd of the chosen cluster, the findings, and the health
// of the functions, in the hub's account and region. Clusters of other accounts
// appear where CloudWatch cross-account observability shares their metrics.
func (h *hub) dashboard() {
	text, err := json.Marshal(body{
		Variables: []variable{{
			Type: "property", Property: "ClusterName", InputType: "select", ID: "cluster", Label: "Cluster",
			Search: `{AWS/EKS,ClusterName} MetricName="` + etcdFile + `"`, PopulateFrom: "ClusterName", Visible: true,
		}},
		Widgets: slices.Concat(h.etcdWidgets(), h.healthWidgets(), h.rolloutWidgets()),
	})
	if err != nil {
		panic(fmt.Errorf("dashboard: %w", err)) // strings and numbers always marshal
	}
	awscloudwatch.NewCfnDashboard(h.scope, jsii.String("Dashboard"), &awscloudwatch.CfnDashboardProps{
		DashboardName: jsii.String(h.dashboardName),
		DashboardBody: jsii.String(string(text)), // the names in it are tokens without a character that JSON would escape
	})
}

func (h *hub) etcdWidgets() []widget {
	// The variable replaces the name of the cluster in every widget.
	file := []any{"AWS/EKS", etcdFile, "ClusterName", "-", options{"id": "size", "label": "Database file", "stat": "Maximum"}}
	hidden := []any{"AWS/EKS", etcdFile, "ClusterName", "-", options{"id": "size", "visible": false, "stat": "Maximum"}}
	return []widget{
		h.graph(0, 0, 12, "etcd: headroom under 8 GB (larger tiers have more)", options{"annotations": options{"horizontal": []any{
			options{"label": "Warning at 70 %", "value": 2.4e9}, options{"label": "Critical at 85 %", "value": 1.2e9},
		}}}, metrics{hidden, []any{options{"expression": "8000000000-size", "label": "Bytes left", "id": "left"}}}),
		h.graph(12, 0, 12, "etcd: size and its trend", nil, metrics{
			file,
			[]any{options{"expression": "RATE(size)*3600", "label": "Growth in bytes an hour", "id": "growth", "yAxis": "right"}},
		}),
		h.graph(0, 6, 24, "etcd: every cluster", nil, metrics{[]any{options{
			"expression": fmt.Sprintf(`SEARCH('{AWS/EKS,ClusterName} MetricName="%s"', 'Maximum', 300)`, etcdFile), "id": "all",
		}}}),
	}
}

func (h *hub) healthWidgets() []widget {
	var findings, runs, failures, waiting metrics
	for _, f := range h.functions {
		label := func(what string) options { return options{"label": f.name + ": " + what} }
		for _, rule := range f.rules {
			findings = append(findings, []any{"AWS/Events", "MatchedEvents", "EventBusName", h.bus.EventBusName(), "RuleName", rule, label("events")})
		}
		runs = append(runs, []any{metricNamespace, metricSucceeded, metricFunction, f.name, label("succeeded")})
		failures = append(failures,
			[]any{metricNamespace, metricFailed, metricFunction, f.name, label("failed messages")},
			[]any{"AWS/Lambda", "Errors", "FunctionName", f.lambda.FunctionName(), label("crashes and timeouts")})
		waiting = append(waiting,
			[]any{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f.queue.QueueName(), label("waiting")},
			[]any{"AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", f.deadLetter.QueueName(), label("given up")})
	}
	sum, most := options{"stat": "Sum"}, options{"stat": "Maximum"}
	return []widget{
		h.graph(0, 12, 12, "Findings that moved, and calls that had a cluster looked at", sum, findings),
		h.graph(12, 12, 12, "Successful messages", sum, runs),
		h.graph(0, 18, 12, "Failures", sum, failures),
		h.graph(12, 18, 12, "Queues", most, waiting),
		h.graph(0, 24, 24, "Longest run, of the time there is", options{"stat": "Maximum", "yAxis": options{"left": options{"min": 0, "max": 100, "label": "%", "showUnits": false}}}, h.lengths()),
	}
}

// rolloutWidgets show how a rollout gets on, from what its function logs each time:
// numbers that matter while one is under way are not worth metrics of their own.
func (h *hub) rolloutWidgets() []widget {
	i := slices.IndexFunc(h.functions, func(f *function) bool { return f.name == "nodegrouprollout" })
	if i < 0 {
		return nil
	}
	logs := h.functions[i].logs.Ref()
	return []widget{
		h.query(0, 30, 12, "Rollout: nodegroups", "timeSeries", logs,
			"stats max(attrs.rollout_groups) as planned, max(attrs.rollout_done) as done, max(attrs.rollout_busy) as busy, max(attrs.rollout_failed) as failed by bin(5m)"),
		h.query(12, 30, 12, "Rollout: what became of it last", "table", logs,
			"fields @timestamp, attrs.rollout_state as state, attrs.rollout_done as done, attrs.rollout_groups as planned, attrs.rollout_busy as busy, attrs.rollout_failed as failed, attrs.rollout_waits as waits"+
				" | sort @timestamp desc | limit 20"),
	}
}

// query asks a log group for the lines of runs that had a rollout, whenever somebody
// looks.
func (h *hub) query(x, y, width int, title, view string, logs *string, query string) widget {
	return widget{Type: "log", X: x, Y: y, Width: width, Height: 6, Properties: options{
		"title": title, "view": view, "region": awscdk.Aws_REGION(),
		"query": fmt.Sprintf("SOURCE '%s' | filter ispresent(attrs.rollout_state) | %s", *logs, query),
	}}
}

// lengths are how long the functions took, in percent of their timeouts: one that
// nears them needs smaller pieces.
func (h *hub) lengths() metrics {
	var shown metrics
	for i, f := range h.functions {
		id := fmt.Sprintf("run%d", i)
		shown = append(shown,
			[]any{"AWS/Lambda", "Duration", "FunctionName", f.lambda.FunctionName(), options{"id": id, "visible": false}},
			[]any{options{"expression": fmt.Sprintf("100*%s/%d", id, f.timeout.Milliseconds()), "label": f.name, "id": "of" + id}})
	}
	return shown
}

// graph is a time series in steps of five minutes.
func (h *hub) graph(x, y, width int, title string, extra options, shown metrics) widget {
	properties := options{"title": title, "view": "timeSeries", "region": awscdk.Aws_REGION(), "period": 300, "metrics": shown}
	for key, value := range extra {
		properties[key] = value
	}
	return widget{Type: "metric", X: x, Y: y, Width: width, Height: 6, Properties: properties}
}
