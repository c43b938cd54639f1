package objects_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
	"github.com/eks-steward/eks-steward/internal/kubeapi/objects"
)

var web = fleet.ClusterID{Account: "111122223333", Region: "eu-west-1", Name: "web"}

// secret is what no error may show.
const secret = "k8s-aws-v1.c2VjcmV0"

// tokens mints another token at each use.
type tokens struct{ minted int }

func (k *tokens) Token(context.Context, string, time.Time) (string, error) {
	k.minted++
	return fmt.Sprintf("%s.%d", secret, k.minted), nil
}

type dial = func(context.Context, string, string) (net.Conn, error)

func connect(t *testing.T, s *inmemory.Server, d dial) *objects.Reader {
	t.Helper()
	r, err := objects.New(s.Endpoint(web), &tokens{}, kubeapi.Dial(d))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answer is an object as an API server sends its own kinds.
func answer(w http.ResponseWriter, status int, o runtime.Object) {
	kinds, _, err := scheme.Scheme.ObjectKinds(o)
	if err != nil {
		panic(err)
	}
	o.GetObjectKind().SetGroupVersionKind(kinds[0])
	w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
	w.WriteHeader(status)
	if err := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme).Encode(o, w); err != nil {
		panic(err)
	}
}

// absent is how an API server says that there is no such object.
func absent(w http.ResponseWriter) {
	answer(w, http.StatusNotFound, &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusNotFound, Reason: metav1.StatusReasonNotFound})
}

// expired is how it says that a page token is too old.
func expired(w http.ResponseWriter) {
	answer(w, http.StatusGone, &metav1.Status{Status: metav1.StatusFailure, Code: http.StatusGone, Reason: metav1.StatusReasonExpired})
}

// nodes is a page of nodes with those names.
func nodes(next string, names ...string) *corev1.NodeList {
	list := &corev1.NodeList{ListMeta: metav1.ListMeta{Continue: next}}
	for _, name := range names {
		list.Items = append(list.Items, corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	return list
}

func names(nodes []fleet.Node) string {
	var all []string
	for _, n := range nodes {
		all = append(all, n.Name)
	}
	return strings.Join(all, " ")
}

// asked is each request as its path and page token.
func asked(s *inmemory.Server) string {
	var all []string
	for _, r := range s.Requests() {
		line := r.URL.Path
		if token := r.URL.Query().Get("continue"); token != "" {
			line += " from " + token
		}
		all = append(all, line)
	}
	return strings.Join(all, ", ")
}

// readings are everything that a Reader can be asked.
var readings = map[string]func(context.Context, *objects.Reader) error{
	"/api/v1/nodes": func(ctx context.Context, r *objects.Reader) error {
		_, err := r.Nodes(ctx)
		return err
	},
	"/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy": func(ctx context.Context, r *objects.Reader) error {
		_, err := r.KubeProxy(ctx)
		return err
	},
	"/apis/storage.k8s.io/v1/storageclasses": func(ctx context.Context, r *objects.Reader) error {
		_, err := r.StorageClasses(ctx)
		return err
	},
	"/apis/policy/v1/poddisruptionbudgets": func(ctx context.Context, r *objects.Reader) error {
		_, _, err := r.Workloads(ctx)
		return err
	},
	"/apis/velero.io": func(ctx context.Context, r *objects.Reader) error {
		_, err := r.Backups(ctx)
		return err
	},
}

// troubled checks what is true of every failure.
func troubled(t *testing.T, err error, path string, fleetKind fleet.TroubleKind, kind kubeapi.Kind) {
	t.Helper()
	var trouble *fleet.Trouble
	if !errors.As(err, &trouble) || trouble.Kind != fleetKind || !errors.Is(err, kind) || trouble.Action != "get "+path {
		t.Errorf("error %v, want %s and %s of %s", err, fleetKind, kind, path)
		return
	}
	if s := err.Error(); strings.Contains(s, secret) || strings.Contains(s, "\n") || len(s) > 500 || !strings.Contains(s, web.String()) {
		t.Errorf("error %q", s)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	s := inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("continue") {
		case "":
			answer(w, 200, nodes("two", "a", "b"))
		case "two":
			answer(w, 200, nodes("three", "c"))
		case "three":
			answer(w, 200, nodes("", "d"))
		}
	})
	got, err := connect(t, s, s.Dial).Nodes(t.Context())
	if err != nil || names(got) != "a b c d" {
		t.Errorf("nodes %s, error %v", names(got), err)
	}
	var minted []string
	for _, r := range s.Requests() {
		if q := r.URL.Query(); q.Get("limit") != "500" || q.Has("resourceVersion") || r.Header.Get("Accept") != runtime.ContentTypeProtobuf {
			t.Errorf("request %s for %s: with a resource version the limit may be ignored", r.URL, r.Header.Get("Accept"))
		}
		minted = append(minted, r.Header.Get("Authorization"))
	}
	if len(slices.Compact(slices.Sorted(slices.Values(minted)))) != 3 {
		t.Errorf("tokens %v: each request has its own", minted)
	}
}

func TestFault_4_PageTokens(t *testing.T) {
	tests := map[string]struct {
		pages []func(http.ResponseWriter) // the last one again and again
		nodes string
		asked string // page tokens
		fleet fleet.TroubleKind
	}{
		"a token that comes back stops the reading": {
			pages: []func(http.ResponseWriter){
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "a")) },
				func(w http.ResponseWriter) { answer(w, 200, nodes("y", "b")) },
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "c")) },
			},
			nodes: "a b c", asked: "/api/v1/nodes, /api/v1/nodes from x, /api/v1/nodes from y", fleet: fleet.LoopingPages,
		},
		"a page that leads to itself stops the reading": {
			pages: []func(http.ResponseWriter){func(w http.ResponseWriter) { answer(w, 200, nodes("x", "a")) }},
			nodes: "a a", asked: "/api/v1/nodes, /api/v1/nodes from x", fleet: fleet.LoopingPages,
		},
		"a token that is too old begins the list again": {
			pages: []func(http.ResponseWriter){
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "a")) },
				expired,
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "b")) },
				func(w http.ResponseWriter) { answer(w, 200, nodes("", "c")) },
			},
			nodes: "b c", asked: "/api/v1/nodes, /api/v1/nodes from x, /api/v1/nodes, /api/v1/nodes from x",
		},
		"but only once": {
			pages: []func(http.ResponseWriter){
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "a")) },
				expired,
				func(w http.ResponseWriter) { answer(w, 200, nodes("x", "b")) },
				expired,
			},
			nodes: "b", asked: "/api/v1/nodes, /api/v1/nodes from x, /api/v1/nodes, /api/v1/nodes from x", fleet: fleet.Failed,
		},
		"and not at the beginning": {
			pages: []func(http.ResponseWriter){expired}, asked: "/api/v1/nodes", fleet: fleet.Failed,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			left := tt.pages
			s := inmemory.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
				left[0](w)
				left = left[min(1, len(left)-1):]
			})
			got, err := connect(t, s, s.Dial).Nodes(t.Context())
			if names(got) != tt.nodes {
				t.Errorf("nodes %q, want %q: what was read before a trouble is kept", names(got), tt.nodes)
			}
			if a := asked(s); a != tt.asked {
				t.Errorf("asked %s\nwant  %s", a, tt.asked)
			}
			switch {
			case tt.fleet == "" && err != nil, tt.fleet != "" && !errors.Is(err, tt.fleet):
				t.Errorf("error %v, want %q", err, tt.fleet)
			case tt.fleet == fleet.Failed:
				troubled(t, err, "/api/v1/nodes", fleet.Failed, kubeapi.OtherStatus)
			}
		})
	}
}

func TestFault_43_StatusesAreToldApartForObjects(t *testing.T) {
	tests := map[string]struct {
		status int
		header string // Retry-After
		kind   kubeapi.Kind
		fleet  fleet.TroubleKind
		asked  int
		waited time.Duration
	}{
		"401 is not asked again":          {401, "", kubeapi.Unauthorized, fleet.Denied, 1, 0},
		"403 is not asked again":          {403, "", kubeapi.Forbidden, fleet.Denied, 1, 0},
		"403 not even when it says":       {403, "1", kubeapi.Forbidden, fleet.Denied, 1, 0},
		"429 is asked again":              {429, "", kubeapi.Throttled, fleet.Throttled, 3, 3 * time.Second},
		"429 is asked again when it says": {429, "5", kubeapi.Throttled, fleet.Throttled, 3, 10 * time.Second},
		"500 is asked again":              {500, "", kubeapi.ServerFailed, fleet.Failed, 3, 3 * time.Second},
		"503 is asked again when it says": {503, "2", kubeapi.ServerFailed, fleet.Failed, 3, 4 * time.Second},
		"a redirect is not followed":      {302, "", kubeapi.Redirected, fleet.Failed, 1, 0},
		"400 is no refusal":               {400, "", kubeapi.OtherStatus, fleet.Failed, 1, 0},
	}
	for path, read := range readings {
		for name, tt := range tests {
			t.Run(path+"/"+name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := inmemory.Serve(t, func(w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Location", "https://example.com/elsewhere")
						if tt.header != "" {
							w.Header().Set("Retry-After", tt.header)
						}
						w.WriteHeader(tt.status)
					})
					begin := time.Now()
					troubled(t, read(t.Context(), connect(t, s, s.Dial)), path, tt.fleet, tt.kind)
					if s.Asked() != tt.asked || time.Since(begin) != tt.waited {
						t.Errorf("asked %d times in %s, want %d in %s", s.Asked(), time.Since(begin), tt.asked, tt.waited)
					}
				})
			})
		}
	}
}

func TestFault_42_ServersOutOfReachAreToldApartForObjects(t *testing.T) {
	failing := func(ip string, err error) dial {
		return func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(ip), Port: 443}, Err: err}
		}
	}
	tests := map[string]struct {
		dial  dial
		kind  kubeapi.Kind
		fleet fleet.TroubleKind
	}{
		"a private address": {failing("10.0.3.4", os.ErrDeadlineExceeded), kubeapi.Private, fleet.Private},
		"a public address":  {failing("203.0.113.7", os.ErrDeadlineExceeded), kubeapi.TimedOut, fleet.Failed},
	}
	for path, read := range readings {
		for name, tt := range tests {
			t.Run(path+"/"+name, func(t *testing.T) {
				s := inmemory.Serve(t, func(http.ResponseWriter, *http.Request) {})
				troubled(t, read(t.Context(), connect(t, s, tt.dial)), path, tt.fleet, tt.kind)
			})
		}
	}
}

func TestFault_42_AConnectionThatBreaksIsTriedThreeTimesInAll(t *testing.T) {
	for path, read := range readings {
		t.Run(path, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inmemory.Serve(t, func(http.ResponseWriter, *http.Request) {})
				dialled := 0
				broken := func(context.Context, string, string) (net.Conn, error) {
					dialled++
					return nil, &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}
				}
				troubled(t, read(t.Context(), connect(t, s, broken)), path, fleet.Failed, kubeapi.Broken)
				if dialled != 3 {
					t.Errorf("tried %d times: the retries of client-go came on top", dialled)
				}
			})
		})
	}
}

func TestFault_44_WhatIsReadOfObjectsHasAnEnd(t *testing.T) {
	tests := map[string]struct {
		handle http.HandlerFunc
		kind   kubeapi.Kind
		took   time.Duration
	}{
		"a page larger than 32 MB": {
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", runtime.ContentTypeJSON)
				for mega := bytes.Repeat([]byte(" "), 1<<20); ; {
					if _, err := w.Write(mega); err != nil {
						return
					}
				}
			}, kubeapi.BadPage, 0,
		},
		"an answer that never comes": {
			func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, kubeapi.TimedOut, time.Minute,
		},
		"a list without an end": {
			func(w http.ResponseWriter, r *http.Request) {
				time.Sleep(time.Second)
				answer(w, 200, nodes(r.URL.Query().Get("continue")+"x", "a"))
			}, kubeapi.TimedOut, time.Minute,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := inmemory.Serve(t, tt.handle)
				begin := time.Now()
				_, err := connect(t, s, s.Dial).Nodes(t.Context())
				troubled(t, err, "/api/v1/nodes", fleet.Failed, tt.kind)
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %s, want %s", took, tt.took)
				}
			})
		})
	}
}

func TestFault_45_AnswerThatIsNotTheObjectIsUnknown(t *testing.T) {
	text := func(mediaType, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			io.WriteString(w, body)
		}
	}
	tests := map[string]struct {
		handle http.HandlerFunc
		kind   kubeapi.Kind
	}{
		"HTML":              {text("text/html", "<html>Please log in</html>"), kubeapi.BadPage},
		"nothing":           {text(runtime.ContentTypeJSON, ""), kubeapi.BadPage},
		"empty braces":      {text(runtime.ContentTypeJSON, "{}"), kubeapi.BadPage},
		"JSON that is cut":  {text(runtime.ContentTypeJSON, `{"kind":"NodeList","apiVersion":"v1","items":[{`), kubeapi.BadPage},
		"another kind":      {text(runtime.ContentTypeJSON, `{"kind":"SecretList","apiVersion":"v1","items":[]}`), kubeapi.BadPage},
		"no kind of ours":   {text(runtime.ContentTypeJSON, `{"kind":"`+strings.Repeat("x", 1000)+`","apiVersion":"v1"}`), kubeapi.BadPage},
		"protobuf that is":  {text(runtime.ContentTypeProtobuf, "k8s\x00\xff\xff\xff"), kubeapi.BadPage},
		"no type at all":    {text("", "\x00\x01\x02"), kubeapi.BadPage},
		"a type of nothing": {text("//", "{}"), kubeapi.OtherStatus},
		"a compression not asked": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			w.Header().Set("Content-Type", runtime.ContentTypeProtobuf)
			io.WriteString(w, "\x1f\x8b\x08")
		}, kubeapi.BadPage},
		"cut against its length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			answer(w, 200, nodes("", "a"))
		}, kubeapi.Broken},
	}
	for path, read := range readings {
		if path == "/apis/velero.io" {
			continue // any answer there is a yes; see TestBackups
		}
		for name, tt := range tests {
			t.Run(path+"/"+name, func(t *testing.T) {
				s := inmemory.Serve(t, tt.handle)
				troubled(t, read(t.Context(), connect(t, s, s.Dial)), path, fleet.Failed, tt.kind)
			})
		}
	}
}

func TestAnEndpointThatIsNoneIsRefused(t *testing.T) {
	if _, err := objects.New(kubeapi.Endpoint{Cluster: web, URL: "http://example.com"}, &tokens{}); err == nil || !strings.Contains(err.Error(), "DescribeCluster") {
		t.Errorf("error %v", err)
	}
}
