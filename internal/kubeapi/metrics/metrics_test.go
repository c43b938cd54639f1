package metrics_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/eks-steward/eks-steward/internal/kubeapi/metrics"
)

const size = "apiserver_storage_size_bytes"

// page is a small one of Kubernetes 1.34, as an API server orders it.
const page = `# HELP aggregator_discovery_aggregation_count_total [ALPHA] Counter of number of times discovery was aggregated
# TYPE aggregator_discovery_aggregation_count_total counter
aggregator_discovery_aggregation_count_total 0
# HELP apiserver_request_total [STABLE] Counter of apiserver requests.
# TYPE apiserver_request_total counter
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 40
apiserver_request_total{code="200",component="apiserver",dry_run="",group="",resource="nodes",scope="cluster",subresource="",verb="LIST",version="v1"} 2
apiserver_request_total{code="429",component="apiserver",dry_run="",group="",resource="pods",scope="cluster",subresource="",verb="LIST",version="v1"} 3
# HELP apiserver_requested_deprecated_apis [STABLE] Gauge of deprecated APIs that have been requested.
# TYPE apiserver_requested_deprecated_apis gauge
apiserver_requested_deprecated_apis{group="flowcontrol.apiserver.k8s.io",removed_release="1.32",resource="flowschemas",subresource="",version="v1beta3"} 1
# HELP apiserver_storage_size_bytes [STABLE] Size of the storage database file physically allocated in bytes.
# TYPE apiserver_storage_size_bytes gauge
apiserver_storage_size_bytes{storage_cluster_id="etcd-0"} 2.4743936e+07
apiserver_storage_size_bytes{storage_cluster_id="etcd-1"} 6.1e+09
apiserver_storage_size_bytes{storage_cluster_id="etcd-2"} 2.5e+07
# HELP apiserver_storage_size_bytes_other a name that begins like a wanted one
apiserver_storage_size_bytes_other 9e+18
`

func scan(t *testing.T, r io.Reader) metrics.Page {
	t.Helper()
	p, err := metrics.Scan(r, metrics.All()...)
	if err != nil {
		t.Fatalf("scan: %v", err)
	}
	return p
}

func TestAPageIsReadIntoRows(t *testing.T) {
	p := scan(t, strings.NewReader(page))
	tests := map[string]struct {
		family string
		want   []metrics.Row
	}{
		"members are joined to the largest, never added up": {size, []metrics.Row{{Labels: []string{}, Value: 6.1e9}}},
		"requests are added up by code":                     {"apiserver_request_total", []metrics.Row{{Labels: []string{"200"}, Value: 42}, {Labels: []string{"429"}, Value: 3}}},
		"labels come in the family's order":                 {metrics.DeprecatedAPIs.Name, []metrics.Row{{Labels: []string{"flowcontrol.apiserver.k8s.io", "v1beta3", "flowschemas", "", "1.32"}, Value: 1}}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := p.Rows(tt.family)
			if err != nil || !reflect.DeepEqual(got, tt.want) {
				t.Errorf("rows %v, error %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestTheReadersPiecesDoNotMatter(t *testing.T) {
	want := scan(t, strings.NewReader(page))
	readers := map[string]io.Reader{
		"a byte at a time":             iotest.OneByteReader(strings.NewReader(page)),
		"halves":                       iotest.HalfReader(strings.NewReader(page)),
		"data together with the end":   iotest.DataErrReader(strings.NewReader(page)),
		"more than the buffer at once": io.MultiReader(strings.NewReader(strings.Repeat("# a comment\nother 1\n", 20_000)), strings.NewReader(page)),
	}
	for name, r := range readers {
		t.Run(name, func(t *testing.T) {
			if got := scan(t, r); !reflect.DeepEqual(got, want) {
				t.Errorf("another page than at once: %v", got)
			}
		})
	}
}

func TestEtcdSizeHasAnotherNameInEachVersion(t *testing.T) {
	tests := map[string]struct {
		page, name string
		bytes      float64
	}{
		"1.28 and later":             {"apiserver_storage_size_bytes{storage_cluster_id=\"a\"} 3e9\n", "apiserver_storage_size_bytes", 3e9},
		"1.26 to 1.27":               {"apiserver_storage_db_total_size_in_bytes{endpoint=\"https://10.0.0.1:2379\"} 3e9\n", "apiserver_storage_db_total_size_in_bytes", 3e9},
		"1.25 and before":            {"etcd_db_total_size_in_bytes{endpoint=\"https://10.0.0.1:2379\"} 3e9\n", "etcd_db_total_size_in_bytes", 3e9},
		"of two names the larger":    {"etcd_db_total_size_in_bytes 4e9\napiserver_storage_size_bytes 3e9\n", "etcd_db_total_size_in_bytes", 4e9},
		"members far apart":          {"apiserver_storage_size_bytes{a=\"1\"} 1\nother 7\napiserver_storage_size_bytes{a=\"2\"} 5\n", size, 5},
		"a timestamp is no value":    {"apiserver_storage_size_bytes 12 1763700000000\n", size, 12},
		"blanks wherever they may":   {" \tapiserver_storage_size_bytes { a = \"}\" , b=\"c d\", } \t 12 \t 7\n", size, 12},
		"a full etcd of a big tier":  {"apiserver_storage_size_bytes 17179869184\n", size, 16 << 30},
		"an empty etcd has its file": {"apiserver_storage_size_bytes 0\n", size, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := scan(t, strings.NewReader(tt.page)).Largest(metrics.EtcdSizes)
			if want := (metrics.Gauge{Name: tt.name, Value: tt.bytes}); err != nil || got != want {
				t.Errorf("size %v, error %v, want %v", got, err, want)
			}
		})
	}
}

func TestLabelValuesLoseTheirEscapes(t *testing.T) {
	tests := map[string]struct{ written, want string }{
		"quote":                    {`a\"b`, `a"b`},
		"backslash":                {`a\\b`, `a\b`},
		"newline":                  {`a\nb`, "a\nb"},
		"backslash before a quote": {`a\\\"`, `a\"`},
		"backslash at the end":     {`a\\`, `a\`},
		"brace and comma":          {`a},b`, `a},b`},
		"not ASCII":                {`größe`, `größe`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			rows, err := scan(t, strings.NewReader(`apiserver_request_total{verb="\"",code="`+tt.written+"\"} 1\n")).Rows("apiserver_request_total")
			if err != nil || len(rows) != 1 || rows[0].Labels[0] != tt.want {
				t.Errorf("rows %v, error %v, want %q", rows, err, tt.want)
			}
		})
	}
}

func TestFault_45_PageThatIsNoneIsUnknown(t *testing.T) {
	tests := map[string]struct {
		page   string
		reason metrics.Reason
	}{
		"nothing":                       {"", metrics.Empty},
		"empty braces":                  {"{}", metrics.Cut},
		"empty braces in a line":        {"{}\n", metrics.NotMetrics},
		"JSON":                          {"{\n\"kind\": \"Status\"\n}\n", metrics.NotMetrics},
		"HTML":                          {"<!DOCTYPE html>\n<html></html>\n", metrics.NotMetrics},
		"HTML after metrics":            {page + "<html>\n", metrics.NotMetrics},
		"one word":                      {"Unauthorized\n", metrics.NotMetrics},
		"NUL bytes":                     {"\x00\x00\x00\n", metrics.NotMetrics},
		"lines that end as on Windows":  {"\r\n", metrics.NotMetrics},
		"cut before the last newline":   {page[:len(page)-1], metrics.Cut},
		"cut inside a number":           {size + " 61000", metrics.Cut},
		"cut inside the label":          {size + `{storage_cl`, metrics.Cut},
		"a line longer than any metric": {size + `{a="` + strings.Repeat("x", 70_000) + "\"} 1\n", metrics.LineTooLong},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := metrics.Scan(strings.NewReader(tt.page), metrics.All()...)
			if !errors.Is(err, tt.reason) {
				t.Errorf("error %v, want %s", err, tt.reason)
			}
			if rows, err := p.Rows(size); err == nil {
				t.Errorf("the part that was read is taken for the whole: %v", rows)
			}
		})
	}
}

func TestFault_45_PageCutAnywhereIsUnknown(t *testing.T) {
	for i := range len(page) {
		if page[:i] == "" || page[i-1] == '\n' {
			continue // a shorter page; only the transport knows
		}
		if _, err := metrics.Scan(strings.NewReader(page[:i]), metrics.All()...); !errors.Is(err, metrics.Cut) {
			t.Fatalf("cut after %d bytes: error %v", i, err)
		}
	}
}

func TestFault_45_StreamThatBreaksIsCut(t *testing.T) {
	broken := errors.New("connection reset")
	_, err := metrics.Scan(io.MultiReader(strings.NewReader(page), iotest.ErrReader(broken)), metrics.All()...)
	if !errors.Is(err, metrics.Cut) || !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	if _, err := metrics.Scan(idle{}, metrics.All()...); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that never reads: error %v", err)
	}
}

// idle reads nothing, for ever.
type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

func TestFault_45_ValueThatIsNoneIsUnknown(t *testing.T) {
	tests := map[string]struct {
		sample string
		reason metrics.Reason
	}{
		"NaN":                           {` NaN`, metrics.NotAValue},
		"negative":                      {` -1`, metrics.NotAValue},
		"infinite":                      {` +Inf`, metrics.NotAValue},
		"no value":                      {`{a="b"}`, metrics.Malformed},
		"a word":                        {` many`, metrics.Malformed},
		"hexadecimal":                   {` 0x1p4`, metrics.Malformed},
		"underscores":                   {` 1_000`, metrics.Malformed},
		"larger than a float":           {` 1e999`, metrics.Malformed},
		"a timestamp that is none":      {` 1 now`, metrics.Malformed},
		"something after the time":      {` 1 1763700000000 x`, metrics.Malformed},
		"a blank at the end":            {" 1 ", metrics.Malformed},
		"a carriage return":             {" 1\r", metrics.Malformed},
		"labels that do not end":        {`{a="b" 1`, metrics.Malformed},
		"a label value without end":     {`{a="b} 1`, metrics.Malformed},
		"a label without a value":       {`{a} 1`, metrics.Malformed},
		"a label without a name":        {`{="b"} 1`, metrics.Malformed},
		"a label that starts a number":  {`{1a="b"} 1`, metrics.Malformed},
		"labels without a comma":        {`{a="b"c="d"} 1`, metrics.Malformed},
		"a comma alone":                 {`{,} 1`, metrics.Malformed},
		"an escape that does not exist": {`{a="\x41"} 1`, metrics.Malformed},
		"a label that is not UTF-8":     {"{a=\"\xff\"} 1", metrics.Malformed},
	}
	for name, tt := range tests {
		for _, place := range []string{"%s%s\n", "%[1]s 5\n%[1]s%[2]s\n", "%[1]s%[2]s\n%[1]s 5\n"} {
			t.Run(name, func(t *testing.T) {
				p := scan(t, strings.NewReader(fmt.Sprintf(place, size, tt.sample)+"apiserver_request_total{code=\"200\"} 1\n"))
				if rows, err := p.Rows(size); !errors.Is(err, tt.reason) {
					t.Errorf("rows %v, error %v, want %s", rows, err, tt.reason)
				}
				if got, err := p.Largest(metrics.EtcdSizes); !errors.Is(err, tt.reason) {
					t.Errorf("size %v, error %v, want %s", got, err, tt.reason)
				}
				if _, err := p.Rows("apiserver_request_total"); err != nil {
					t.Errorf("another family is spoilt: %v", err)
				}
			})
		}
	}
}

func TestALabelGivenTwiceIsMalformed(t *testing.T) {
	_, err := scan(t, strings.NewReader("apiserver_request_total{code=\"200\",code=\"500\"} 1\n")).Rows("apiserver_request_total")
	if !errors.Is(err, metrics.Malformed) {
		t.Errorf("error %v", err)
	}
}

func TestAbsentIsNeverZero(t *testing.T) {
	p := scan(t, strings.NewReader("other 1\n"))
	if rows, err := p.Rows(metrics.DeprecatedAPIs.Name); !errors.Is(err, metrics.Absent) {
		t.Errorf("rows %v, error %v", rows, err)
	}
	if g, err := p.Largest(metrics.EtcdSizes); !errors.Is(err, metrics.Absent) || !strings.Contains(fmt.Sprint(err), size) {
		t.Errorf("size %v, error %v", g, err)
	}
	if _, err := p.Rows("never_asked_for"); !errors.Is(err, metrics.Absent) {
		t.Errorf("error %v", err)
	}
	if _, err := (metrics.Page{}).Rows(size); !errors.Is(err, metrics.Absent) {
		t.Errorf("a page that was never read: error %v", err)
	}
}

func TestFault_44_MemoryDoesNotDependOnThePage(t *testing.T) {
	families := metrics.EtcdSizes
	cost := func(lines int64) float64 {
		return testing.AllocsPerRun(1, func() {
			r := io.MultiReader(io.LimitReader(&endless{line: filler}, lines*int64(len(filler))), strings.NewReader(page))
			p, err := metrics.Scan(r, families...)
			if err != nil {
				t.Fatal(err)
			}
			if g, err := p.Largest(families); err != nil || g.Value != 6.1e9 {
				t.Fatalf("size %v, error %v", g, err)
			}
		})
	}
	// The least of three, and two over: the runtime allocates in between, the race
	// detector more so.
	least := func(lines int64) float64 { return min(cost(lines), cost(lines), cost(lines)) }
	small, large := least(1), least(60<<20/int64(len(filler)))
	if large > small+2 || large > 20 {
		t.Errorf("%v allocations for 60 MB, %v for one line", large, small)
	}
}

const filler = "apiserver_request_sli_duration_seconds_bucket{component=\"apiserver\",resource=\"pods\",verb=\"LIST\",le=\"0.05\"} 12\n"

// endless repeats a line.
type endless struct {
	line string
	at   int
}

func (e *endless) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		c := copy(p[n:], e.line[e.at:])
		n += c
		e.at = (e.at + c) % len(e.line)
	}
	return n, nil
}

func TestFault_44_PageThatNeverEndsIsStopped(t *testing.T) {
	const most = 1 << 20
	tests := map[string]struct {
		stream io.Reader
		reason metrics.Reason
	}{
		"a page without end":  {&endless{line: filler}, metrics.TooLarge},
		"a line without end":  {&endless{line: "x"}, metrics.LineTooLong},
		"a label without end": {io.MultiReader(strings.NewReader(size+`{a="`), &endless{line: "x"}), metrics.LineTooLong},
		"a gzip bomb":         {bomb(t), metrics.TooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c := &counted{r: tt.stream}
			_, err := metrics.Scan(metrics.Capped(c, most), metrics.All()...)
			if !errors.Is(err, tt.reason) {
				t.Errorf("error %v, want %s", err, tt.reason)
			}
			if c.n > most+1 {
				t.Errorf("%d bytes were read of %d", c.n, most)
			}
		})
	}
}

func bomb(t *testing.T) io.Reader {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.CopyN(w, &endless{line: "# " + strings.Repeat(" ", 1000) + "\n"}, 16<<20); err != nil {
		t.Fatal(err)
	}
	w.Close()
	if b.Len() > 100<<10 {
		t.Fatalf("%d bytes are no bomb", b.Len())
	}
	r, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// counted counts what is read.
type counted struct {
	r io.Reader
	n int
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

func TestFault_44_PageAsLargeAsAllowedIsRead(t *testing.T) {
	if _, err := metrics.Scan(metrics.Capped(strings.NewReader(page), int64(len(page))), metrics.All()...); err != nil {
		t.Errorf("error %v", err)
	}
	if _, err := metrics.Scan(metrics.Capped(strings.NewReader(page), int64(len(page))-1), metrics.All()...); !errors.Is(err, metrics.TooLarge) {
		t.Errorf("one byte more: error %v", err)
	}
}

func TestFault_44_LabelValuesWithoutEndAreNotKept(t *testing.T) {
	for name, tt := range map[string]struct{ rows, bytes int }{"too many": {5000, 3}, "too long": {50, 60_000}} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			for i := range tt.rows {
				fmt.Fprintf(&b, "apiserver_request_total{code=\"%0*d\"} 1\n", tt.bytes, i)
			}
			if _, err := scan(t, strings.NewReader(b.String())).Rows("apiserver_request_total"); !errors.Is(err, metrics.TooManyRows) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestAFamilyIsNamedOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range metrics.All() {
		if seen[f.Name] {
			t.Errorf("%s is there twice: one of them would get nothing", f.Name)
		}
		seen[f.Name] = true
	}
}

func TestErrorsAreShortWhateverThePageHolds(t *testing.T) {
	for _, p := range []string{"<" + strings.Repeat("\x1b\xff", 1000) + "\n", size + strings.Repeat("\x1b\xff", 1000) + "\n", size + " " + strings.Repeat("é", 1000) + "\n"} {
		got, err := metrics.Scan(strings.NewReader(p), metrics.All()...)
		if err == nil {
			_, err = got.Rows(size)
		}
		if s := fmt.Sprint(err); len(s) > 500 || strings.Contains(s, "\x1b") || strings.Contains(s, "\xff") || err == nil {
			t.Errorf("error %q", s)
		}
	}
}

func FuzzScan(f *testing.F) {
	for _, seed := range []string{page, "{}\n", "<html>\n", size + " NaN\n", size + `{a="\\\"\n"} 1 2` + "\n", page[:300], size + "{a=\"\xff\"} 1\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		whole, err := metrics.Scan(bytes.NewReader(data), metrics.All()...)
		pieces, err2 := metrics.Scan(iotest.OneByteReader(bytes.NewReader(data)), metrics.All()...)
		if fmt.Sprint(err) != fmt.Sprint(err2) || !reflect.DeepEqual(whole, pieces) {
			t.Fatalf("at once: %v, %v; in pieces: %v, %v", whole, err, pieces, err2)
		}
		for _, family := range metrics.All() {
			rows, err := whole.Rows(family.Name)
			if err == nil && len(rows) == 0 {
				t.Errorf("%s: no row and no reason", family.Name)
			}
			for _, r := range rows {
				if !(r.Value >= 0) || len(r.Labels) != len(family.By) {
					t.Errorf("%s: row %v", family.Name, r)
				}
			}
		}
	})
}
