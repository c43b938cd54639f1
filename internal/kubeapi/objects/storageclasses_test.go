package objects_test

import (
	"net/http"
	"slices"
	"testing"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/eks-steward/eks-steward/internal/fleet"
	"github.com/eks-steward/eks-steward/internal/kubeapi/inmemory"
)

func TestStorageClasses(t *testing.T) {
	marked := func(annotation, value string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Name: "a", Annotations: map[string]string{annotation: value}}
	}
	tests := map[string]struct {
		class storagev1.StorageClass
		want  fleet.StorageClass
	}{
		"encrypted gp3 of the CSI driver": {
			storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Provisioner: "ebs.csi.aws.com", Parameters: map[string]string{"type": "gp3", "encrypted": "true", "kmsKeyId": "alias/x"}},
			fleet.StorageClass{Name: "a", Provisioner: "ebs.csi.aws.com", Type: "gp3", Encrypted: true},
		},
		"names of parameters are the same in either case": {
			storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Parameters: map[string]string{"Type": "gp2", "Encrypted": "true"}},
			fleet.StorageClass{Name: "a", Type: "gp2", Encrypted: true},
		},
		"only true is encrypted": {
			storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "a"}, Parameters: map[string]string{"encrypted": "yes"}},
			fleet.StorageClass{Name: "a"},
		},
		"the default one":            {storagev1.StorageClass{ObjectMeta: marked("storageclass.kubernetes.io/is-default-class", "true")}, fleet.StorageClass{Name: "a", Default: true}},
		"the default one, as before": {storagev1.StorageClass{ObjectMeta: marked("storageclass.beta.kubernetes.io/is-default-class", "true")}, fleet.StorageClass{Name: "a", Default: true}},
		"no longer the default one":  {storagev1.StorageClass{ObjectMeta: marked("storageclass.kubernetes.io/is-default-class", "false")}, fleet.StorageClass{Name: "a"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			s := inmemory.Serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Query().Get("continue") == "" {
					answer(w, 200, &storagev1.StorageClassList{ListMeta: metav1.ListMeta{Continue: "two"}, Items: []storagev1.StorageClass{{ObjectMeta: metav1.ObjectMeta{Name: "first"}}}})
					return
				}
				answer(w, 200, &storagev1.StorageClassList{Items: []storagev1.StorageClass{tt.class}})
			})
			got, err := connect(t, s, s.Dial).StorageClasses(t.Context())
			if want := []fleet.StorageClass{{Name: "first"}, tt.want}; err != nil || !slices.Equal(got, want) {
				t.Errorf("got %+v, error %v, want %+v", got, err, want)
			}
		})
	}
}
