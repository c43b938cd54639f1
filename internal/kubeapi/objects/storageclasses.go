package objects

import (
	"context"
	"strings"

	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/rest"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Annotations by which a StorageClass is the default one. Kubernetes still heeds
// the older of the two.
const (
	defaultAnnotation     = "storageclass.kubernetes.io/is-default-class"
	betaDefaultAnnotation = "storageclass.beta.kubernetes.io/is-default-class"
)

// StorageClasses are the cluster's storage classes, by name, whatever storage
// they are of.
func (r *Reader) StorageClasses(ctx context.Context) ([]fleet.StorageClass, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	return list(ctx, r, "/apis/storage.k8s.io/v1/storageclasses", asProtobuf, func(answer rest.Result) ([]fleet.StorageClass, string, error) {
		page, err := decode[*storagev1.StorageClassList](answer)
		if err != nil {
			return nil, "", err
		}
		classes := make([]fleet.StorageClass, len(page.Items))
		for i := range page.Items {
			classes[i] = storageClass(&page.Items[i])
		}
		return classes, page.Continue, nil
	})
}

func storageClass(c *storagev1.StorageClass) fleet.StorageClass {
	known := fleet.StorageClass{
		Name: c.Name, Provisioner: c.Provisioner,
		Default: c.Annotations[defaultAnnotation] == "true" || c.Annotations[betaDefaultAnnotation] == "true",
	}
	for name, value := range c.Parameters {
		switch strings.ToLower(name) { // either case will do (EBS CSI driver, CreateVolume Parameters)
		case "encrypted":
			known.Encrypted = value == "true" // and of the value only this
		case "type":
			known.Type = value
		}
	}
	return known
}
