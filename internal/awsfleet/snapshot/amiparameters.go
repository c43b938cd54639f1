package snapshot

import (
	"encoding/json"
	"errors"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// An amiParameter is where Systems Manager tells the newest release for a type of
// AMI. The parameters are AWS's own, in every region.
type amiParameter struct {
	name    string // VERSION stands for the Kubernetes minor
	release func(value string) (string, error)
}

func (p amiParameter) of(version string) string {
	return strings.Replace(p.name, "VERSION", version, 1)
}

// amazonLinux: "Retrieve recommended Amazon Linux AMI IDs" in the EKS user guide
// names the paths; the release stands beside the image's id, such as 1.36.2-20260714.
func amazonLinux(variant string) amiParameter {
	return amiParameter{"/aws/service/eks/optimized-ami/VERSION/" + variant + "/recommended/release_version", plain}
}

// bottlerocket: "Retrieve recommended Bottlerocket AMI IDs" in the EKS user guide.
// Its releases count for themselves, such as 1.50.0-ea1b2c3d.
func bottlerocket(flavor, architecture string) amiParameter {
	return amiParameter{"/aws/service/bottlerocket/aws-k8s-VERSION" + flavor + "/" + architecture + "/latest/image_version", plain}
}

// windows: "Retrieve recommended Microsoft Windows AMI IDs" in the EKS user guide.
// Only the parameter as a whole tells the release, such as 1.36-2026.07.15.
func windows(server, edition string) amiParameter {
	return amiParameter{"/aws/service/ami-windows-latest/Windows_Server-" + server + "-English-" + edition + "-EKS_Optimized-VERSION", ofImage}
}

// parameterOf is where the newest release of a type of AMI is told; false for a
// type that is its owner's, or newer than the table.
func parameterOf(amiType string) (amiParameter, bool) {
	p, ok := amiParameters()[types.AMITypes(amiType)]
	return p, ok
}

var amiParameters = sync.OnceValue(func() map[types.AMITypes]amiParameter {
	return map[types.AMITypes]amiParameter{
		types.AMITypesAl2023X8664Standard: amazonLinux("amazon-linux-2023/x86_64/standard"),
		types.AMITypesAl2023Arm64Standard: amazonLinux("amazon-linux-2023/arm64/standard"),
		types.AMITypesAl2023X8664Nvidia:   amazonLinux("amazon-linux-2023/x86_64/nvidia"),
		types.AMITypesAl2023Arm64Nvidia:   amazonLinux("amazon-linux-2023/arm64/nvidia"),
		types.AMITypesAl2023X8664Neuron:   amazonLinux("amazon-linux-2023/x86_64/neuron"),

		types.AMITypesAl2X8664:    amazonLinux("amazon-linux-2"),
		types.AMITypesAl2X8664Gpu: amazonLinux("amazon-linux-2-gpu"),
		types.AMITypesAl2Arm64:    amazonLinux("amazon-linux-2-arm64"),

		types.AMITypesBottlerocketX8664:           bottlerocket("", "x86_64"),
		types.AMITypesBottlerocketArm64:           bottlerocket("", "arm64"),
		types.AMITypesBottlerocketX8664Nvidia:     bottlerocket("-nvidia", "x86_64"),
		types.AMITypesBottlerocketArm64Nvidia:     bottlerocket("-nvidia", "arm64"),
		types.AMITypesBottlerocketX8664Fips:       bottlerocket("-fips", "x86_64"),
		types.AMITypesBottlerocketArm64Fips:       bottlerocket("-fips", "arm64"),
		types.AMITypesBottlerocketX8664NvidiaFips: bottlerocket("-nvidia-fips", "x86_64"),
		types.AMITypesBottlerocketArm64NvidiaFips: bottlerocket("-nvidia-fips", "arm64"),

		types.AMITypesWindowsCore2019X8664: windows("2019", "Core"),
		types.AMITypesWindowsFull2019X8664: windows("2019", "Full"),
		types.AMITypesWindowsCore2022X8664: windows("2022", "Core"),
		types.AMITypesWindowsFull2022X8664: windows("2022", "Full"),
		types.AMITypesWindowsCore2025X8664: windows("2025", "Core"),
		types.AMITypesWindowsFull2025X8664: windows("2025", "Full"),
	}
})

// errNoRelease is a parameter that does not say what it is for.
var errNoRelease = errors.New("the parameter names no release")

func plain(value string) (string, error) {
	if strings.TrimSpace(value) == "" {
		return "", errNoRelease
	}
	return strings.TrimSpace(value), nil
}

func ofImage(value string) (string, error) {
	var image struct {
		Release string `json:"release_version"`
	}
	if err := json.Unmarshal([]byte(value), &image); err != nil {
		return "", errNoRelease
	}
	return plain(image.Release)
}
