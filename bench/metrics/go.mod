// The comparison with Prometheus's own parser. It has a module of its own so
// that the parser does not become something the product needs.
module github.com/eks-steward/eks-steward/bench/metrics

go 1.26.0

replace github.com/eks-steward/eks-steward => ../..

require (
	github.com/eks-steward/eks-steward v0.0.0
	github.com/prometheus/client_model v0.6.2
	github.com/prometheus/common v0.67.5
)

require (
	github.com/kr/pretty v0.3.1 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	go.yaml.in/yaml/v2 v2.4.3 // indirect
	google.golang.org/protobuf v1.36.12-0.20260120151049-f2248ac996af // indirect
)
