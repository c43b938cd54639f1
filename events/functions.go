package events

// The functions that messages go to, by name.
const (
	Dispatch          = "dispatch"
	EtcdSize          = "etcdsize"
	ClusterCheck      = "clustercheck"
	SecretsEncryption = "secretsencryption"
	NodegroupRollout  = "nodegrouprollout"
	Notify            = "notify"
)
