package main

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// histograms are the families that nearly all of a real page is made of, each by
// resource and verb.
var histograms = []string{
	"apiserver_request_body_size_bytes",
	"apiserver_request_duration_seconds",
	"apiserver_request_sli_duration_seconds",
	"apiserver_response_sizes",
	"apiserver_watch_events_sizes",
}

// generate writes a page of at least so many bytes as an API server of a large
// cluster would, its families in order. The same size gives the same page.
func generate(w io.Writer, bytes int) error {
	p := &page{w: bufio.NewWriter(w)}
	p.head("apiserver_admission_webhook_rejection_count", "counter", "Webhook admission rejection count, identified by name and broken out for each admission type.")
	for i := range 6 {
		p.printf("apiserver_admission_webhook_rejection_count{error_type=\"no_error\",name=\"policy-%d.example.com\",operation=\"CREATE\",rejection_code=\"403\",type=\"validating\"} %d\n", i, i*i)
	}
	for i, name := range histograms {
		p.head(name, "histogram", "Distribution for each verb, dry run value, group, version, resource, subresource, scope and component.")
		for resource := 0; p.written < bytes*(i+1)/len(histograms); resource++ {
			for j, verb := range []string{"APPLY", "DELETE", "GET", "LIST", "PATCH", "POST", "PUT", "WATCH"} {
				p.histogram(name, labels(resource, verb), resource+j)
			}
		}
	}
	p.head("apiserver_request_total", "counter", "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, component, and HTTP response code.")
	for resource := range 200 {
		for _, code := range []int{200, 201, 400, 403, 404, 409, 422, 429, 500, 503} {
			p.printf("apiserver_request_total{code=\"%d\",%s} %d\n", code, labels(resource, "GET"), resource*code)
		}
	}
	p.head("apiserver_requested_deprecated_apis", "gauge", "Gauge of deprecated APIs that have been requested, broken out by API group, version, resource, subresource, and removed_release.")
	p.printf("apiserver_requested_deprecated_apis{group=\"flowcontrol.apiserver.k8s.io\",removed_release=\"1.32\",resource=\"flowschemas\",subresource=\"\",version=\"v1beta3\"} 1\n")
	p.head("apiserver_storage_objects", "gauge", "Number of stored objects at the time of last check split by kind.")
	for resource := range 200 {
		p.printf("apiserver_storage_objects{resource=\"things%d.example.com\"} %d\n", resource, resource*37)
	}
	p.head("apiserver_storage_size_bytes", "gauge", "Size of the storage database file physically allocated in bytes.")
	for i := range 3 {
		p.printf("apiserver_storage_size_bytes{storage_cluster_id=\"etcd-%d\"} %d\n", i, 6_100_000_000+i*4096)
	}
	p.head("workqueue_retries_total", "counter", "Total number of retries handled by workqueue")
	p.printf("workqueue_retries_total{name=\"APIServiceRegistrationController\"} 12\n")
	if p.err != nil {
		return p.err
	}
	return p.w.Flush()
}

func labels(resource int, verb string) string {
	return fmt.Sprintf("component=\"apiserver\",dry_run=\"\",group=\"example.com\",resource=\"things%d\",scope=\"namespace\",subresource=\"\",verb=%q,version=\"v1\"", resource, verb)
}

// buckets are those of the API server's request durations.
var buckets = strings.Fields("0.005 0.025 0.05 0.1 0.2 0.4 0.6 0.8 1 1.25 1.5 2 3 4 5 6 8 10 15 20 30 45 60 +Inf")

// page counts what is written, and keeps the first error.
type page struct {
	w       *bufio.Writer
	written int
	err     error
}

func (p *page) printf(format string, args ...any) {
	n, err := fmt.Fprintf(p.w, format, args...)
	p.written += n
	if p.err == nil {
		p.err = err
	}
}

func (p *page) head(name, kind, help string) {
	p.printf("# HELP %s [STABLE] %s\n# TYPE %s %s\n", name, help, name, kind)
}

func (p *page) histogram(name, labels string, seed int) {
	count := 0
	for i, le := range buckets {
		count += (seed*31 + i*17) % 90
		p.printf("%s_bucket{%s,le=%q} %d\n", name, labels, le, count)
	}
	p.printf("%s_sum{%s} %g\n", name, labels, float64(count)*0.0173)
	p.printf("%s_count{%s} %d\n", name, labels, count)
}
