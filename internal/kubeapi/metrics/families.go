package metrics

import "slices"

// The families that are read. Their names and labels are those of the Kubernetes
// metrics reference; adding one is adding a row.

// EtcdSizes are the size of the database file in bytes, one sample per etcd
// member that the API server knows. The name depends on the version: >= 1.28,
// 1.26 to 1.27, <= 1.25.
var EtcdSizes = []Family{
	{Name: "apiserver_storage_size_bytes"},
	{Name: "apiserver_storage_db_total_size_in_bytes"},
	{Name: "etcd_db_total_size_in_bytes"},
}

// EtcdInUse is the live data in that file, in bytes. It is etcd's own metric: an
// API server need not have it.
var EtcdInUse = []Family{
	{Name: "etcd_mvcc_db_total_size_in_use_in_bytes"},
}

// EtcdObjects is the number of stored objects by resource: what fills an etcd.
// The first name is that of Kubernetes >= 1.34.
var EtcdObjects = []Family{
	{Name: "apiserver_resource_objects", By: []string{"group", "resource"}},
	{Name: "apiserver_storage_objects", By: []string{"resource"}},
}

// DeprecatedAPIs has one row for each deprecated API that somebody has used
// since the API server that answered has started. A row is a fact; no row is
// not one, as the other API servers were not asked.
var DeprecatedAPIs = Family{
	Name: "apiserver_requested_deprecated_apis",
	By:   []string{"group", "version", "resource", "subresource", "removed_release"},
}

// ControlPlane are the health of the API server that answered, in counts and
// seconds since it has started: requests by status code, those that priority and
// fairness refused, what webhooks refused, and the time that webhooks and etcd
// take.
var ControlPlane = []Family{
	{Name: "apiserver_request_total", By: []string{"code"}, Join: Sum},
	{Name: "apiserver_request_duration_seconds_bucket", By: []string{"verb", "le"}, Join: Sum},
	{Name: "apiserver_flowcontrol_rejected_requests_total", By: []string{"priority_level", "reason"}, Join: Sum},
	{Name: "apiserver_admission_webhook_rejection_count", By: []string{"name", "error_type", "rejection_code"}, Join: Sum},
	{Name: "apiserver_admission_webhook_admission_duration_seconds_bucket", By: []string{"name", "le"}, Join: Sum},
	{Name: "etcd_request_duration_seconds_bucket", By: []string{"operation", "le"}, Join: Sum},
}

// All are every family above.
func All() []Family {
	return slices.Concat(EtcdSizes, EtcdInUse, EtcdObjects, []Family{DeprecatedAPIs}, ControlPlane)
}

// A Gauge is one number of the page and the family that it came from.
type Gauge struct {
	Name  string
	Value float64
}

// Largest is the largest value among families that name the same thing, such as
// EtcdSizes: of members never the sum. A family that is there but cannot be read
// makes the answer unknown, since its value may be the largest. When all are
// absent the error names the first.
func (p Page) Largest(families []Family) (Gauge, error) {
	largest := Gauge{Value: -1}
	for _, f := range families {
		r := p.reading(f.Name)
		if r.err != nil {
			return Gauge{}, r.err
		}
		for _, row := range r.rows {
			if row.Value > largest.Value {
				largest = Gauge{f.Name, row.Value}
			}
		}
	}
	if largest.Name == "" {
		return Gauge{}, &Unreadable{Reason: Absent, Family: families[0].Name}
	}
	return largest, nil
}
