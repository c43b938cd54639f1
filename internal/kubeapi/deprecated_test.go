package kubeapi_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi"
)

func TestDeprecatedAPIsThatWereUsedAreFacts(t *testing.T) {
	const family = "apiserver_requested_deprecated_apis"
	tests := map[string]struct {
		page string
		want []fleet.DeprecatedAPI
		kind kubeapi.Kind
	}{
		"two of them": {
			page: family + `{group="flowcontrol.apiserver.k8s.io",version="v1beta3",resource="flowschemas",subresource="status",removed_release="1.32"} 1` + "\n" +
				family + `{group="",version="v1",resource="componentstatuses",subresource="",removed_release=""} 1` + "\n",
			want: []fleet.DeprecatedAPI{
				{Group: "flowcontrol.apiserver.k8s.io", Version: "v1beta3", Resource: "flowschemas", Subresource: "status", RemovedIn: "1.32"},
				{Version: "v1", Resource: "componentstatuses"},
			},
		},
		"no use is no error":                          {page: page},
		"FAULT 45 a family that is spoilt is unknown": {page: family + "{} NaN\n", kind: kubeapi.BadPage},
		"FAULT 45 a page that is cut is unknown":      {page: family, kind: kubeapi.BadPage},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, tt.page) })
			got, err := connect(t, s).DeprecatedAPIs(t.Context())
			if tt.kind == "" && err != nil || tt.kind != "" && (!errors.Is(err, tt.kind) || !errors.Is(err, fleet.Failed)) {
				t.Errorf("error %v, want %q", err, tt.kind)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
