// Package zz is a probe.
package zz

import "github.com/goccy/go-yaml"

var _ yaml.Decoder
