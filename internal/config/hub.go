package config

import (
	"strings"

	"github.com/eks-steward/eks-steward/internal/fleet"
)

// Hub is the account and region of the deployment, as the ARN of any of its
// resources names them: findings about the product itself belong there.
func Hub(arn string) fleet.ClusterID {
	const region, account, least = 3, 4, 6 // arn:partition:service:region:account:resource
	parts := strings.Split(arn, ":")
	if len(parts) < least {
		return fleet.ClusterID{}
	}
	return fleet.ClusterID{Account: parts[account], Region: parts[region]}
}

// DefaultVersion begins the version of the run-time file that a deployment brings
// along. S3 gives no version such a name.
const DefaultVersion = "default/"
