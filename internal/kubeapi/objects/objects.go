// Package objects reads the few Kubernetes objects of one cluster that a check
// or a rollout needs: its nodes, its pods and what protects them from disruption,
// its kube-proxy, its backups, its storage classes. It reads page by page and keeps
// of each page only what the fleet has words for. It decides nothing about them,
// writes nothing, watches nothing, and asks for nothing else.
//
// It is apart from package kubeapi because it links client-go, which doubles the
// time that a function takes to start.
package objects

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

// deadline is the most time for one reading, with every page and retry.
const deadline = time.Minute

// limit is how many objects a page has: 500 nodes are some 10 MB, as many pods half of it.
const limit = 500

// Kubernetes' own kinds are a third as large as protobuf; custom resources exist
// only as JSON.
const (
	asProtobuf = runtime.ContentTypeProtobuf
	asJSON     = runtime.ContentTypeJSON
)

// A Reader reads the objects of one cluster. Every error of its methods is a
// *fleet.Trouble that names the path; what was read before it is returned with it.
type Reader struct {
	cluster fleet.ClusterID
	client  *rest.RESTClient
}

// New returns a Reader, or says what is wrong with the endpoint. The options are
// those of a kubeapi.Client, by which it reads.
func New(e kubeapi.Endpoint, tokens kubeapi.Tokens, options ...kubeapi.Option) (*Reader, error) {
	server, err := kubeapi.New(e, tokens, options...)
	if err != nil {
		return nil, err
	}
	config := &rest.Config{
		Host:           e.URL,
		ContentConfig:  rest.ContentConfig{NegotiatedSerializer: codecs().WithoutConversion(), ContentType: asProtobuf},
		QPS:            -1, // a few requests a day: the API server says when they are too many
		WarningHandler: rest.NoWarnings{},
	}
	client, err := rest.UnversionedRESTClientForConfigAndClient(config, &http.Client{Transport: server})
	if err != nil {
		return nil, fmt.Errorf("API server of %s: %w", e.Cluster, err)
	}
	return &Reader{cluster: e.Cluster, client: client}, nil
}

// codecs know the kinds that are read. Those of all of Kubernetes would be half
// of a function's size.
var codecs = sync.OnceValue(func() serializer.CodecFactory {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, appsv1.AddToScheme, policyv1.AddToScheme, storagev1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(err) // two kinds of one name: a mistake in this list
		}
	}
	return serializer.NewCodecFactory(scheme)
})

// request is one for a path. That it is answered in the end is up to kubeapi: a
// second count of retries would multiply with the first.
func (r *Reader) request(path, mediaType string) *rest.Request {
	return r.client.Get().AbsPath(path).SetHeader("Accept", mediaType).MaxRetries(0)
}

// get reads one object. fleet.Gone is that there is none.
func get[T runtime.Object](ctx context.Context, r *Reader, path string) (T, error) {
	object, err := decode[T](r.request(path, asProtobuf).Do(ctx))
	if err != nil {
		return object, r.trouble(path, err)
	}
	return object, nil
}

// list reads a list page by page, and gathers what keep has kept of each. It asks
// for no resource version: with one the API server may take no notice of the
// limit (Kubernetes API concepts, "Resource versions"). A page token that is too
// old (410, after some minutes) begins the list again, once.
func list[T any](ctx context.Context, r *Reader, path, mediaType string, keep func(rest.Result) (kept []T, next string, err error)) ([]T, error) {
	var all []T
	seen := map[string]bool{}
	token, again := "", false
	for {
		request := r.request(path, mediaType).Param("limit", strconv.Itoa(limit))
		if token != "" {
			request.Param("continue", token)
		}
		kept, next, err := keep(request.Do(ctx))
		switch {
		case apierrors.IsResourceExpired(err) && token != "" && !again:
			all, token, again = nil, "", true
			clear(seen)
			continue
		case err != nil:
			return all, r.trouble(path, err)
		}
		all = append(all, kept...)
		switch {
		case next == "":
			return all, nil
		case seen[next]:
			return all, &fleet.Trouble{
				Kind: fleet.LoopingPages, Action: "get " + path,
				Err: fmt.Errorf("page %d of the answer points back to a page that was read before: the list may be incomplete", len(seen)+1),
			}
		}
		seen[next] = true
		token = next
	}
}

// errOther is an answer that holds something else. What it holds is not said: it
// may be long, and a stranger's.
var errOther = errors.New("it is not what was asked for")

// decode is the object in an answer.
func decode[T runtime.Object](answer rest.Result) (T, error) {
	var none T
	object, err := answer.Get()
	if err != nil {
		return none, err
	}
	wanted, ok := object.(T)
	if !ok {
		return none, errOther
	}
	return wanted, nil
}

// trouble sorts what client-go answers: the troubles of package kubeapi as they
// are, and what it makes itself of an answer.
func (r *Reader) trouble(path string, err error) *fleet.Trouble {
	u := &kubeapi.Unreachable{Cluster: r.cluster, Path: path}
	var known *fleet.Trouble
	var status apierrors.APIStatus
	switch {
	case errors.As(err, &known):
		return known
	case apierrors.IsNotFound(err):
		return &fleet.Trouble{Kind: fleet.Gone, Action: "get " + path, Err: fmt.Errorf("the API server of %s has none", r.cluster)}
	case errors.As(err, &status):
		u.Kind, u.Status = kubeapi.OtherStatus, int(status.Status().Code)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		u.Kind, u.Err = kubeapi.TimedOut, err
	default:
		u.Kind, u.Err = kubeapi.BadPage, errOther
	}
	return u.Trouble()
}
